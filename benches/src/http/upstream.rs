//! An upstream that costs next to nothing, so that the gateway is measured and not the server behind
//! it: a thread a connection, no JSON parser, one write a response.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

const CALL: &str = r#"{"content":[{"type":"text","text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}]}"#;
const INITIALIZE: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"lean","version":"1"}}"#;

/// Starts it for the rest of the process; returns host:port.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Serves until the other side is gone, which ends with an error like any other.
fn serve(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    let (mut head, mut body, mut response) = (String::new(), Vec::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            head.clear();
            if stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = head.trim_end().split_once(':') else {
                if head == "\r\n" {
                    break;
                }
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).ok()?;
        answer(&body, &mut response);
        stream.get_mut().write_all(&response).ok()?;
    }
}

fn answer(request: &[u8], response: &mut Vec<u8>) {
    response.clear();
    let text = String::from_utf8_lossy(request);
    let Some(id) = text
        .split_once("\"id\":")
        .and_then(|(_, rest)| rest.split(',').next())
    else {
        response.extend_from_slice(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        return;
    };
    static SESSIONS: AtomicU64 = AtomicU64::new(1);
    let (session, result) = if text.contains("\"tools/call\"") {
        (String::new(), CALL)
    } else {
        (
            format!(
                "Mcp-Session-Id: s-{}\r\n",
                SESSIONS.fetch_add(1, Ordering::Relaxed)
            ),
            INITIALIZE,
        )
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let _ = write!(
        response,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{session}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
}
