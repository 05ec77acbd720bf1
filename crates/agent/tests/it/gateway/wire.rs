//! Reading whole HTTP/1.1 messages without a library.

use std::net::TcpStream;

use super::{read_head, read_n};

/// Head and body of one request, or of one response to anything but HEAD.
pub(super) fn read_request(stream: &mut TcpStream) -> String {
    let head = read_head(stream);
    let body = read_body(stream, &head);
    head + &String::from_utf8(body).unwrap()
}

pub(super) fn read_body(stream: &mut TcpStream, head: &str) -> Vec<u8> {
    if let Some(length) = field(head, "content-length") {
        return read_n(stream, length.parse().unwrap());
    }
    if field(head, "transfer-encoding").is_none() {
        return Vec::new();
    }
    let mut body = Vec::new();
    while let Some(chunk) = read_chunk(stream) {
        body.extend(chunk);
    }
    body
}

/// The next chunk; `None` after the last one and its empty line.
pub(super) fn read_chunk(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(read_n(stream, 1));
    }
    let size = usize::from_str_radix(String::from_utf8(line).unwrap().trim(), 16).unwrap();
    let data = read_n(stream, size);
    if size > 0 {
        assert_eq!(read_n(stream, 2), b"\r\n");
        return Some(data);
    }
    assert_eq!(read_n(stream, 2), b"\r\n", "no trailers");
    None
}

pub(super) fn chunk(data: &str) -> String {
    format!("{:X}\r\n{data}\r\n", data.len())
}

/// The value of a header field, by its name in lower case.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.to_ascii_lowercase() == name).then(|| value.trim())
    })
}
