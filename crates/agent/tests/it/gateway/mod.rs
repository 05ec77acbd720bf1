//! The HTTP gateway between hand-written peers, so that every byte can be compared.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod abort;
mod answers;
mod lifecycle;
mod recorded;
mod streams;
mod tls;
mod transparent;
mod wire;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use affiant_agent::config;
use affiant_agent::keys::KeyRing;
use affiant_agent::proxy::http::{Evidence, Gateway, StartError};
use affiant_agent::state::DataDir;
use affiant_agent::trail::Trail;
use affiant_policy::redact::{Redactor, RuleSet};
use affiant_spool::{Item, Reader};
use serde_json::Value;

/// Longest wait for a peer. Passing tests never get near it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway on free ports, with its trail in a directory of its own.
struct World {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    gateway: Option<Gateway>,
    trail: Trail,
}

impl World {
    /// One route `t` to `upstream`; `more` are further keys of it.
    fn new(upstream: SocketAddr, more: &str) -> Self {
        Self::with(&format!(
            "[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\"\n{more}"
        ))
    }

    fn with(config: &str) -> Self {
        Self::try_with(config).expect("gateway starts")
    }

    fn try_with(config: &str) -> Result<Self, StartError> {
        let dir = tempfile::tempdir().unwrap();
        let listen = if config.contains("[gateway]") {
            ""
        } else {
            "gateway.listen = \"127.0.0.1:0\"\n"
        };
        let text = format!("{listen}admin.listen = \"127.0.0.1:0\"\n{config}");
        let settings = config::check(Path::new("agent.toml"), &text).unwrap();
        let data = DataDir::new(dir.path());
        let trail = Trail::open(&settings.trail_options(data.clone())).unwrap();
        let key = KeyRing::open(&data, None).unwrap().commit().clone();
        let redactor = Arc::new(Redactor::new(RuleSet::builtin(), key.clone()));
        let evidence = Evidence {
            trail: trail.clone(),
            redactor,
            key,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let gateway = runtime.block_on(Gateway::start(&settings, &evidence))?;
        Ok(Self {
            dir,
            runtime,
            gateway: Some(gateway),
            trail,
        })
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    fn address(&self) -> SocketAddr {
        self.gateway().addresses().listen[0]
    }

    fn connect(&self) -> TcpStream {
        connect(self.address())
    }

    /// A client that has posted this.
    fn post(&self, path: &str, body: &str) -> TcpStream {
        let mut client = self.connect();
        client.write_all(post(path, body).as_bytes()).unwrap();
        client
    }

    /// Stops gateway and trail, and reads the entries.
    fn entries(mut self) -> Vec<Value> {
        self.stop();
        let mut reader =
            Reader::open(DataDir::new(self.dir.path()).spool(self.trail.name())).unwrap();
        let mut entries = Vec::new();
        while let Some(item) = reader.next_item().unwrap() {
            let Item::Frame(frame) = item else {
                panic!("damage")
            };
            entries.extend(serde_json::from_slice::<Value>(&frame.payload));
        }
        entries
    }

    fn stop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            self.runtime.block_on(gateway.stop());
        }
        self.trail.close("shutdown", None, None);
    }
}

/// The entries of one kind.
fn of_kind<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries
        .iter()
        .filter(|entry| entry["kind"] == kind)
        .collect()
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads up to and with the empty line behind a head.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|e| panic!("{e} after {}", String::from_utf8_lossy(&head)));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn read_n(stream: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut body = vec![0; n];
    let mut have = 0;
    while have < n {
        match stream.read(&mut body[have..]) {
            Ok(more) if more > 0 => have += more,
            ended => {
                let got = String::from_utf8_lossy(&body[..have.min(4096)]);
                panic!("{ended:?} after {have} of {n} bytes: {got}");
            }
        }
    }
    body
}

fn read_text(stream: &mut TcpStream, n: usize) -> String {
    String::from_utf8(read_n(stream, n)).unwrap()
}

/// Whether the peer ended the connection, in order or not.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(n) => n == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// A `tools/call` of revision 2025-06-18.
fn call(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"n":1.10}}}}}}"#
    )
}

fn answer(id: &str) -> String {
    format!(r#"{{"result":{{"content":[]}},"jsonrpc":"2.0","id":{id}}}"#)
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn json_response(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one request and answers it with `response`.
fn answer_once(upstream: &mut TcpStream, response: &str) -> String {
    use std::io::Write as _;
    let request = wire::read_request(upstream);
    upstream.write_all(response.as_bytes()).unwrap();
    request
}
