//! A client that adds as little as it can: HTTP/1.1 over one kept connection, no JSON parser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::stdio::request;

/// One MCP session (2025-06-18).
pub(crate) struct Client {
    host: String,
    stream: BufReader<TcpStream>,
    session: Option<String>,
    body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(host: &str) -> Self {
        let stream = TcpStream::connect(host).expect("server accepts");
        stream.set_nodelay(true).expect("nodelay");
        let stream = BufReader::new(stream);
        let mut client = Self {
            host: host.to_owned(),
            stream,
            session: None,
            body: Vec::new(),
        };
        client.post(
            r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#,
        );
        client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client
    }

    pub(crate) fn call(&mut self, id: usize, text: &str) {
        self.post(&request(id, text));
        let answered = self.body.windows(8).any(|w| w == b"\"result\"");
        assert!(
            answered,
            "no result: {}",
            String::from_utf8_lossy(&self.body)
        );
    }

    fn post(&mut self, body: &str) {
        let session = self
            .session
            .as_ref()
            .map(|id| format!("Mcp-Session-Id: {id}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\n{session}\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream
            .get_mut()
            .write_all(head.as_bytes())
            .expect("server reads");
        self.read_response();
    }

    fn read_response(&mut self) {
        let mut length = None;
        let mut chunked = false;
        let mut status = String::new();
        self.stream.read_line(&mut status).expect("server answers");
        assert!(status.contains(" 20"), "{status}");
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("server answers");
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok(),
                "transfer-encoding" => chunked = true,
                "mcp-session-id" => self.session = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        self.body.clear();
        if chunked {
            while self.read_chunk() > 0 {}
        } else {
            let start = self.body.len();
            self.body.resize(start + length.unwrap_or(0), 0);
            self.stream
                .read_exact(&mut self.body[start..])
                .expect("server answers");
        }
    }

    fn read_chunk(&mut self) -> usize {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("server answers");
        let size = usize::from_str_radix(line.trim(), 16).expect("chunk size");
        let start = self.body.len();
        self.body.resize(start + size, 0);
        self.stream
            .read_exact(&mut self.body[start..])
            .expect("server answers");
        let mut end = [0; 2];
        self.stream.read_exact(&mut end).expect("server answers");
        size
    }
}
