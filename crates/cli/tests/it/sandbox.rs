//! A data directory of its own, a scrubbed environment, small peers.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// A server that answers what an MCP client asks, in sh. A tool called `bad` fails, one called
/// `mute` gets no answer. It ends with 7.
pub(crate) const PEER: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  case $line in
    *'"mute"'*) ;;
    *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"peer","version":"1.0"}}}\n' "$id" ;;
    *'"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}\n' "$id" ;;
    *'"bad"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[],"isError":true}}\n' "$id" ;;
    *'"tools/call"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"hi"}]}}\n' "$id" ;;
  esac
done
exit 7
"#;

/// A place to work in; kept when the test fails.
pub(crate) struct Sandbox {
    dir: Option<tempfile::TempDir>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self {
            dir: Some(tempfile::tempdir().unwrap()),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.as_ref().unwrap().path().join(name)
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs_err::write(&path, text).unwrap();
        path
    }

    /// The binary, with nothing of our own environment.
    pub(crate) fn affiant<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_affiant"));
        command.args(args).env_clear().current_dir(self.path(""));
        command
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"));
        command.env("AFFIANT_DATA_DIR", self.data());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.affiant(args).stdin(Stdio::null()).output().unwrap())
    }

    /// `affiant run … -- server` over this input.
    pub(crate) fn wrap(&self, options: &[&str], server: &[&str], input: &[u8]) -> Ran {
        let mut child = self.spawn(options, server);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A server that ends early closes the pipe.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran::of(output)
    }

    /// Starts `affiant run … -- server` with pipes on all sides.
    pub(crate) fn spawn(&self, options: &[&str], server: &[&str]) -> Child {
        let mut command = self.affiant(["run"]);
        if !options.contains(&"--server") {
            command.args(["--server", "crm"]);
        }
        command.args(options).arg("--").args(server);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Records one small session with `calls` calls that succeed.
    pub(crate) fn record(&self, calls: usize) {
        let ran = self.wrap(
            &["--user", "ann"],
            &["sh", "-c", PEER],
            session(calls).as_bytes(),
        );
        assert_eq!(ran.code, 7, "{ran:?}");
    }

    pub(crate) fn verify(&self) -> Ran {
        self.run([OsStr::new("verify"), self.data().as_os_str()])
    }

    /// The answer of `verify`, as JSON.
    pub(crate) fn verdict(&self) -> serde_json::Value {
        let data = self.data();
        let ran = self.run([
            OsStr::new("verify"),
            OsStr::new("--format"),
            OsStr::new("json"),
            data.as_os_str(),
        ]);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// All entries as JSON values.
    pub(crate) fn entries(&self, options: &[&str]) -> Vec<serde_json::Value> {
        let ran = self.run(["entries", "--format", "json"].iter().chain(options));
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("files kept in {}", dir.keep().display());
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) bytes: Vec<u8>,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }
}

/// `initialize`, `tools/list`, and calls of `echo`.
pub(crate) fn session(calls: usize) -> String {
    let mut text = String::from(
        "{\"jsonrpc\":\"2.0\",\"id\":100000,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\
         \"clientInfo\":{\"name\":\"c\",\"version\":\"2\"}}}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\
         {\"jsonrpc\":\"2.0\",\"id\":100001,\"method\":\"tools/list\"}\n",
    );
    for id in 0..calls {
        text.push_str(&call(id, "echo"));
    }
    text
}

/// One call, as a line.
pub(crate) fn call(id: usize, tool: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{{\"n\":{id}}}}}}}\n"
    )
}

/// A session that a test talks through.
pub(crate) struct Talk {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Talk {
    pub(crate) fn start(sandbox: &Sandbox, options: &[&str], server: &[&str]) -> Self {
        let mut child = sandbox.spawn(options, server);
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
        }
    }

    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn receive(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Sends a call and waits for its answer.
    pub(crate) fn call(&mut self, id: usize) {
        self.send(&call(id, "echo"));
        assert!(self.receive().contains(&format!("\"id\":{id},")));
    }

    /// Closes our end, as a client that is done.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The exit code, if it comes in time.
    pub(crate) fn end_within(&mut self, limit: Duration) -> Option<i32> {
        let nap = Duration::from_millis(10);
        for _ in 0..limit.as_millis() / nap.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().or(Some(-1));
            }
            std::thread::sleep(nap);
        }
        None
    }
}

/// Copies a directory with all below it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}
