//! A server that remembers what reached it: the heart of `witness-peer` and `witness-http`.
//!
//! | tool | what it does |
//! |---|---|
//! | `note` `{n}` | adds `n` to the file, then answers |
//! | `keep` | adds its whole arguments to the file, then answers |
//! | `fail` | the same, but the result is an error that repeats the arguments |
//! | `error` | the same, but the answer is a JSON-RPC error that repeats the arguments |
//! | `hang` | adds `n`, never answers |

use std::io::{self, Write};
use std::path::Path;

use fs_err::File;
use serde_json::{Value, json};

/// The file of what reached the server; a shared lock on it is held for as long as the server lives.
#[derive(Debug)]
pub struct Witness {
    seen: File,
}

impl Witness {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let seen = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        seen.file().lock_shared()?;
        Ok(Self { seen })
    }

    /// The answer to a message, if it gets one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn answer(&mut self, message: &Value) -> io::Result<Option<Value>> {
        let params = &message["params"];
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "witness-peer", "version": "1.0.0"},
            }),
            Some("tools/list") => {
                let tools = ["note", "keep", "fail", "error", "hang"];
                json!({"tools": tools.map(|name| json!({"name": name, "inputSchema": {"type": "object"}}))})
            }
            Some("tools/call") => return self.call(message),
            _ => return Ok(None),
        };
        Ok(Some(
            json!({"jsonrpc": "2.0", "id": message["id"], "result": result}),
        ))
    }

    fn call(&mut self, message: &Value) -> io::Result<Option<Value>> {
        let (id, arguments) = (&message["id"], &message["params"]["arguments"]);
        let text = |text: &str, failed: bool| {
            let content = json!([{"type": "text", "text": text}]);
            json!({"jsonrpc": "2.0", "id": id, "result": {"content": content, "isError": failed}})
        };
        let echo = format!("cannot do it with {arguments}");
        let (line, answer) = match message["params"]["name"].as_str() {
            Some("keep") => (arguments, Some(text("kept", false))),
            Some("fail") => (arguments, Some(text(&echo, true))),
            Some("error") => {
                let error = json!({"code": -32099, "message": echo, "data": arguments});
                (
                    arguments,
                    Some(json!({"jsonrpc": "2.0", "id": id, "error": error})),
                )
            }
            Some("hang") => (&arguments["n"], None),
            _ => (&arguments["n"], Some(text("noted", false))),
        };
        self.seen.write_all(format!("{line}\n").as_bytes())?;
        Ok(answer)
    }
}

/// What reached all servers of a file, a line a call, after waiting until none of them lives.
///
/// # Panics
/// When the file cannot be read, or a server does not end.
#[must_use]
pub fn seen(path: &Path) -> Vec<String> {
    let file = File::open(path).unwrap();
    crate::wait::until("the servers are gone", || file.file().try_lock().ok());
    fs_err::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}
