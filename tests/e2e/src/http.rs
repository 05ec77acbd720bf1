//! The smallest HTTP client: one request a connection, the response as it came.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::wait;

/// A whole response.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Head, as it came.
    pub head: String,
    /// Body, without its chunk framing.
    pub body: Vec<u8>,
}

impl Reply {
    /// The JSON-RPC message in it: the body, or the last event of an event stream.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        let mut events = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| !data.is_empty());
        let json = events.next_back().unwrap_or(&text);
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {} {text}", self.head))
    }

    /// The value of a header field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Posts a JSON-RPC message.
///
/// # Errors
/// When no whole response came.
pub fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
    let mut connection = open(url)?;
    connection.write_all(&post_bytes(url, headers, body))?;
    read(&mut connection)
}

/// The bytes [`post`] sends.
#[must_use]
pub fn post_bytes(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let (host, path) = split(url);
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Gets a page.
///
/// # Errors
/// When no whole response came.
pub fn get(url: &str) -> io::Result<Reply> {
    let mut connection = open(url)?;
    let (host, path) = split(url);
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    read(&mut connection)
}

/// A connection to where a URL points.
///
/// # Errors
/// When nobody listens there.
pub fn open(url: &str) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(split(url).0)?;
    connection.set_read_timeout(Some(wait::DEADLINE))?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// Reads a response until its connection closes.
///
/// # Errors
/// When it breaks off.
pub fn read(connection: &mut impl Read) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            String::from_utf8_lossy(&bytes),
        )
    })
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let rest = bytes.get(end + 4..)?;
    let mut reply = Reply {
        status,
        head,
        body: rest.to_vec(),
    };
    if reply
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        reply.body = unchunk(rest)?;
    } else if let Some(length) = reply.header("content-length") {
        let length: usize = length.parse().ok()?;
        reply.body = rest.get(..length)?.to_vec();
    }
    Some(reply)
}

/// Takes the chunk framing away; `None` when the last chunk is not there.
fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = bytes.get(end + 2..)?;
        if size == 0 {
            return Some(out);
        }
        out.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

/// Host with port, and path with query.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_event_stream_is_read() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ndata: {\"a\":\r\n4\r\n1}\n\n\r\n0\r\n\r\n";
        let reply = parse(text).unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["a"], 1);
        assert!(parse(text.get(..text.len() - 7).unwrap()).is_none());
    }

    #[test]
    fn a_url_has_a_host_and_a_path() {
        assert_eq!(
            split("http://127.0.0.1:80/mcp?x=1"),
            ("127.0.0.1:80", "/mcp?x=1")
        );
        assert_eq!(split("http://127.0.0.1:80"), ("127.0.0.1:80", "/"));
    }
}
