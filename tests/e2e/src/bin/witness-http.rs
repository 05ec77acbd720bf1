//! A Streamable HTTP MCP server that remembers what reached it in the file named by its first argument.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use affiant_e2e::witness::Witness;
use serde_json::Value;

fn main() -> io::Result<()> {
    let path = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .unwrap_or_default();
    let witness = Arc::new(Mutex::new(Witness::open(&path)?));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening http://{}/mcp", listener.local_addr()?)?;
    stdout.flush()?;
    loop {
        let (connection, _) = listener.accept()?;
        let witness = Arc::clone(&witness);
        std::thread::spawn(move || serve(connection, &witness));
    }
}

/// Serves a connection until it closes.
fn serve(connection: TcpStream, witness: &Mutex<Witness>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    while let Some(body) = request(&mut reader)? {
        let message = serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        let hangs = message["params"]["name"] == "hang";
        let answer = witness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answer(&message)?;
        let response = match answer {
            Some(answer) => {
                let answer = answer.to_string();
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
                    answer.len()
                )
            }
            // Until the client closes.
            None if hangs => return reader.read_to_end(&mut Vec::new()).map(drop),
            None => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        writer.write_all(response.as_bytes())?;
    }
    Ok(())
}

/// The body of the next request; `None` when the connection closed.
fn request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    let mut first = true;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim();
        if line.is_empty() && !first {
            break;
        }
        first = false;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}
