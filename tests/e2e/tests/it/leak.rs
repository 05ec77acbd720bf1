//! Secrets put through every path are found nowhere afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use affiant_e2e::entries;
use affiant_e2e::gateway::Setup;
use affiant_e2e::guard::Guard;
use affiant_e2e::http;
use affiant_e2e::program::{affiant, affiant_run, built, output};
use affiant_e2e::random::Random;
use affiant_e2e::scratch::Scratch;
use affiant_e2e::upstream::{Upstream, free_address};
use affiant_e2e::witness;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// One secret for each path, so that a leak tells where it came from.
///
/// They are short and of few different characters: nothing finds them by their looks, so each must be
/// found by where it stands.
struct Canaries {
    random: Random,
    all: Vec<(&'static str, String)>,
}

impl Canaries {
    fn new(test: &str) -> Self {
        Self {
            random: Random::seeded(test),
            all: Vec::new(),
        }
    }

    fn make(&mut self, path: &'static str) -> String {
        let value = format!("cnry{:016x}", self.random.below(u64::MAX));
        self.all.push((path, value.clone()));
        value
    }

    /// Asserts that none of them is in `bytes`, in any spelling.
    fn assert_not_in(&self, place: &str, bytes: &[u8]) {
        for (path, value) in &self.all {
            for needle in spellings(value) {
                let found = bytes
                    .windows(needle.len())
                    .position(|part| part == needle.as_bytes());
                if let Some(at) = found {
                    let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 100)];
                    panic!(
                        "the secret of `{path}` is in {place} as {needle}: …{}…",
                        String::from_utf8_lossy(around)
                    );
                }
            }
        }
    }

    /// Asserts that the server got what the client sent.
    fn assert_reached(&self, seen: &str) {
        let sent = self
            .all
            .iter()
            .filter(|(path, _)| matches!(*path, "password" | "huge input" | "list"));
        for (path, value) in sent {
            assert!(
                seen.contains(value),
                "the server did not get the secret of `{path}`"
            );
        }
    }

    /// Asserts that none of them is in any file below `dir`.
    fn assert_not_below(&self, dir: &Path) {
        let mut files = 0;
        let mut left = vec![dir.to_owned()];
        while let Some(dir) = left.pop() {
            for entry in fs_err::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    left.push(path);
                } else {
                    files += 1;
                    self.assert_not_in(&path.display().to_string(), &fs_err::read(&path).unwrap());
                }
            }
        }
        assert!(files > 2, "only {files} files in {}", dir.display());
    }

    /// The files, and all that the program prints about them.
    fn assert_nowhere(&self, data: &Path) {
        self.assert_not_below(data);
        for args in [
            ["entries", "--format", "json"],
            ["entries", "--format", "text"],
        ] {
            let out = output(affiant().args(args).arg("--data-dir").arg(data));
            assert!(out.status.success());
            assert!(out.stdout.len() > 1000);
            self.assert_not_in("entries", &out.stdout);
            self.assert_not_in("entries, stderr", &out.stderr);
        }
        let out = output(affiant().arg("verify").arg(data));
        assert_eq!(out.status.code(), Some(0));
        self.assert_not_in("verify", &[out.stdout, out.stderr].concat());
    }
}

/// As it is, in hexadecimal, and in Base64 at each of the three places where it may begin.
fn spellings(value: &str) -> Vec<String> {
    let mut out = vec![value.to_owned(), value.to_uppercase()];
    out.push(value.bytes().map(|byte| format!("{byte:02x}")).collect());
    for skipped in 0..3 {
        let shifted = ["\0".repeat(skipped).as_bytes(), value.as_bytes()].concat();
        for text in [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            // The first and the last characters depend on the neighbours.
            let inner = text
                .get(4 * usize::from(skipped > 0)..text.len() - 4)
                .unwrap();
            out.push(inner.to_owned());
        }
    }
    out
}

fn call(id: u64, tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

/// Calls with secrets in their arguments. Each tool of the witness: one that repeats them in an error
/// result, one that repeats them in an error, one that keeps quiet.
fn calls(canaries: &mut Canaries) -> Vec<String> {
    let mut out = Vec::new();
    for tool in ["keep", "fail", "error"] {
        let filler = "lorem ipsum dolor sit amet ".repeat(3000);
        let nested = json!({"password": canaries.make("nested string")}).to_string();
        let twice = json!({"config": json!({"auth": nested.clone()}).to_string()}).to_string();
        let arguments = [
            json!({"username": "ada", "password": canaries.make("password")}),
            json!({"headers": {"Authorization": format!("Bearer {}", canaries.make("header in the input"))}}),
            json!({"text": nested}),
            json!({"text": twice}),
            json!({"deep": [{"list": [{"api_key": [canaries.make("list"), {"x": canaries.make("object")}]}]}]}),
            json!({"password": canaries.make("huge input"), "filler": filler}),
            json!({"filler": filler, "more": {"client_secret": canaries.make("end of huge input")}}),
            json!({"body": format!("{filler} password={} {filler}", canaries.make("text in huge input"))}),
            json!({"url": format!("https://user:{}@example.com/x?api_key={}", canaries.make("URL password"), canaries.make("URL query"))}),
            json!({"command": format!("curl -H 'Authorization: Bearer {}'", canaries.make("header in a command"))}),
        ];
        for arguments in arguments {
            out.push(call(100 + out.len() as u64, tool, &arguments));
        }
        let id = 100 + out.len();
        let (first, second) = (
            canaries.make("duplicate key, first"),
            canaries.make("duplicate key, second"),
        );
        out.push(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"password":"{first}","\u0070assword":"{second}"}}}}}}"#
        ));
    }
    out
}

#[test]
fn secrets_on_stdio_are_found_nowhere() {
    let scratch = Scratch::new("leak-stdio");
    let (data, seen, stderr) = (
        scratch.path("data"),
        scratch.path("seen"),
        scratch.path("stderr"),
    );
    let mut canaries = Canaries::new("leak-stdio");
    let mut words = affiant_run(
        &data,
        "witness",
        &[built("witness-peer").into(), (&seen).into()],
    );
    words.extend(["--api-key".into(), canaries.make("argument").into()]);
    words.push(format!("--token={}", canaries.make("argument with =")).into());
    words.push(
        format!(
            "https://u:{}@example.com/?token={}",
            canaries.make("URL argument"),
            canaries.make("URL argument query")
        )
        .into(),
    );
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env("AFFIANT_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.stderr(fs_err::File::create(&stderr).unwrap().into_file());
    let mut guard = Guard::spawn(&mut command);
    let mut stdin = guard.child().stdin.take().unwrap();
    let mut stdout = BufReader::new(guard.child().stdout.take().unwrap());

    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "leak", "version": "1"}}});
    let calls = calls(&mut canaries);
    for message in std::iter::once(initialize.to_string()).chain(calls.iter().cloned()) {
        stdin.write_all(format!("{message}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert!(answer.starts_with('{'), "{answer}");
    }
    // A call that is cancelled, with its secret in the reason, and secrets in lines that are no messages.
    let typed = canaries.make("cancellation reason");
    let bearer = canaries.make("bearer in a cancellation reason");
    let reason = format!("the user typed {typed} by mistake; Authorization: Bearer {bearer}");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": reason}});
    let broken = canaries.make("broken line");
    let unknown = canaries.make("unknown method");
    for line in [
        call(1, "hang", &json!({"password": typed})),
        cancel.to_string(),
        format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"keep","arguments":{{"password":"{broken}"#
        ),
        format!("password={broken}"),
        json!({"jsonrpc": "2.0", "method": "x/y", "params": {"password": unknown}}).to_string(),
    ] {
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    drop(stdin);
    stdout.read_to_end(&mut Vec::new()).unwrap();
    assert!(guard.wait().success());

    let reached = witness::seen(&seen);
    assert_eq!(reached.len(), calls.len() + 1);
    canaries.assert_reached(&reached.concat());
    assert_eq!(entries::of_kind(&data, "call.end").len(), calls.len() + 1);
    canaries.assert_not_in("stderr", &fs_err::read(&stderr).unwrap());
    canaries.assert_nowhere(&data);
}

#[test]
fn secrets_on_http_are_found_nowhere() {
    let scratch = Scratch::new("leak-http");
    let (data, seen) = (scratch.path("data"), scratch.path("seen"));
    let mut canaries = Canaries::new("leak-http");
    let server = Upstream::announced(Command::new(built("witness-http")).arg(&seen));
    let nobody = format!("http://{}", free_address());
    let gateway = Setup::new(&data)
        .route_with("witness", &server.origin, "paths = [\"/mcp\"]")
        .route_with("gone", &nobody, "paths = [\"/gone\"]")
        .log("trace")
        .start();
    let url = gateway.url("witness", "");
    let authorization = format!("Bearer {}", canaries.make("Authorization"));
    let cookie = format!("session={}", canaries.make("Cookie"));
    let key = canaries.make("X-Api-Key");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Cookie", cookie.as_str()),
        ("X-Api-Key", key.as_str()),
        ("Mcp-Param-Password", key.as_str()),
    ];
    let calls = calls(&mut canaries);
    for (n, message) in calls.iter().enumerate() {
        let query = if n % 2 == 0 {
            ""
        } else {
            &format!("?api_key={}&x=1", canaries.make("query"))
        };
        let reply = http::post(&format!("{url}{query}"), &headers, message.as_bytes()).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.head);
    }
    // An upstream that is gone, a path without a route, a body that is no message, a call broken off.
    let query = format!("?token={}", canaries.make("query towards nobody"));
    let gone = http::post(
        &format!("{}{query}", gateway.url("gone", "")),
        &headers,
        calls[0].as_bytes(),
    )
    .unwrap();
    assert_eq!(gone.status, 502);
    let unrouted = url.replace(
        "/mcp",
        &format!("/other?token={}", canaries.make("query without a route")),
    );
    http::post(&unrouted, &headers, calls[0].as_bytes()).unwrap();
    let broken = format!("{{\"password\":\"{}\"", canaries.make("broken body"));
    http::post(&url, &headers, broken.as_bytes()).unwrap();
    let hanging = call(
        1,
        "hang",
        &json!({"password": canaries.make("call broken off")}),
    );
    let mut connection = http::open(&url).unwrap();
    connection
        .write_all(&http::post_bytes(&url, &headers, hanging.as_bytes()))
        .unwrap();
    affiant_e2e::wait::until("the call begins", || {
        let begun = entries::of_kind(&data, "call.begin").len();
        (begun == calls.len() + 2).then_some(())
    });
    drop(connection);

    let metrics = http::get(&gateway.admin("/metrics")).unwrap();
    assert!(metrics.body.len() > 500);
    canaries.assert_not_in("/metrics", &metrics.body);
    for page in ["/healthz", "/readyz"] {
        canaries.assert_not_in(page, &http::get(&gateway.admin(page)).unwrap().body);
    }
    let log = gateway.log.clone();
    gateway.stop();
    canaries.assert_reached(&fs_err::read_to_string(&seen).unwrap());
    assert_eq!(entries::of_kind(&data, "call.end").len(), calls.len() + 2);
    let log = fs_err::read(log).unwrap();
    assert!(!log.is_empty(), "nothing was logged");
    canaries.assert_not_in("stderr", &log);
    canaries.assert_nowhere(&data);
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let mut canaries = Canaries::new("leak-search");
    let value = canaries.make("x");
    for prefix in ["", "a", "ab"] {
        let text = STANDARD_NO_PAD.encode(format!("{prefix}{value}tail"));
        let found = std::panic::catch_unwind(|| canaries.assert_not_in("here", text.as_bytes()));
        assert!(found.is_err(), "{prefix}: {text}");
    }
    canaries.assert_not_in("here", b"cnry");
}
