//! A small HTTP server on loopback whose answers a test makes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// `name: value`, the name in small letters.
    pub(crate) headers: Vec<String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.headers.iter();
        all.filter_map(|line| line.split_once(": "))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<u64> {
        let (_, query) = self.path.split_once('?')?;
        let mut all = query.split('&').filter_map(|part| part.split_once('='));
        all.find_map(|(found, value)| (found == name).then(|| value.parse().ok())?)
    }
}

/// What is answered.
pub(crate) enum Answer {
    /// Status, further headers, body.
    Document(u16, Vec<String>, Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
    /// The connection is cut off in the middle.
    Cut,
}

impl Answer {
    pub(crate) fn json(body: &str) -> Self {
        Self::Document(200, Vec::new(), body.as_bytes().to_vec())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Document(status, Vec::new(), Vec::new())
    }
}

/// A server; it ends with the process.
pub(crate) struct Stub {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Stub {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    if let Some(request) = read(&stream) {
                        count.fetch_add(1, Ordering::SeqCst);
                        write(&stream, &answer(&request));
                    }
                });
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}: {}", name.to_ascii_lowercase(), value.trim())
    });
    Some(Request {
        path: first.split(' ').nth(1)?.to_owned(),
        headers: headers.collect(),
    })
}

fn write(mut stream: &TcpStream, answer: &Answer) {
    // Who asked may have given up: that is no failure of a test.
    let _ = match answer {
        Answer::Silence => {
            std::thread::sleep(std::time::Duration::from_secs(600));
            Ok(())
        }
        Answer::Cut => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n[{"),
        Answer::Document(status, headers, body) => {
            let mut head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n",
                body.len()
            );
            for header in headers {
                head.push_str(header);
                head.push_str("\r\n");
            }
            head.push_str("\r\n");
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body))
        }
    };
}
