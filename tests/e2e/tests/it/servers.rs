//! Real clients and real servers with the program between them: as many entries as calls, each complete.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use affiant_e2e::entries;
use affiant_e2e::gateway::{Gateway, Setup};
use affiant_e2e::program::{
    affiant_run, built, command, node_peer, output, output_ok, peers, root, said,
};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::upstream::Upstream;
use serde_json::{Value, json};

/// Calls of the tools of `server-everything`; the last two go wrong.
fn everything() -> Value {
    json!([
        ["echo", {"message": "hello"}],
        ["get-sum", {"a": 2, "b": 40}],
        ["get-structured-content", {"location": "Chicago"}],
        ["get-tiny-image", {}],
        ["trigger-long-running-operation", {"duration": 0.3, "steps": 3}],
        ["echo", {"message": "again"}],
        ["get-sum", {"a": "two"}],
        ["no-such-tool", {}],
    ])
}

/// Calls of the demo server; the last three go wrong.
fn demo() -> Value {
    json!([
        ["search_customers", {"query": "lyon"}],
        ["get_customer", {"id": "C-1001"}],
        ["echo", {"text": "hello"}],
        ["connect", {"username": "ada", "password": "correct horse"}],
        ["get_customer", {"id": "C-9999"}],
        ["delete_customer", {"id": "C-1001"}],
        ["no_such_tool", {}],
    ])
}

fn time() -> Value {
    json!([
        ["get_current_time", {"timezone": "Europe/Paris"}],
        ["convert_time", {"source_timezone": "UTC", "time": "16:30", "target_timezone": "Asia/Tokyo"}],
        ["get_current_time", {"timezone": "Nowhere/Atlantis"}],
    ])
}

/// What a client says about its calls.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    made: u64,
    failed: u64,
    errors: u64,
}

impl Figures {
    /// The last line a client printed.
    fn printed_by(command: &mut Command) -> Self {
        let out = output_ok(command);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let Some(line) = text.lines().last() else {
            panic!("{command:?} printed nothing: {}", said(&out))
        };
        let figures: Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| figures[name].as_u64().unwrap();
        Self {
            made: number("made"),
            failed: number("failed"),
            errors: number("errors"),
        }
    }

    fn and(self, other: &Self) -> Self {
        Self {
            made: self.made + other.made,
            failed: self.failed + other.failed,
            errors: self.errors + other.errors,
        }
    }

    /// The trail says the same.
    fn assert_on_record(&self, data: &Path) {
        entries::assert_verifies(data);
        let ends = entries::of_kind(data, "call.end");
        let with = |code: &str| {
            ends.iter()
                .filter(|end| end["status"]["code"] == code)
                .count() as u64
        };
        let recorded = Self {
            made: ends.len() as u64,
            failed: with("failure"),
            errors: with("error"),
        };
        assert_eq!(
            self, &recorded,
            "the client's figures, and those on record: {ends:#?}"
        );
        assert_eq!(with("success"), self.made - self.failed - self.errors);
        let begins = entries::of_kind(data, "call.begin").len() as u64;
        assert_eq!(begins, self.made);
        for end in &ends {
            entries::assert_twelve(end);
        }
    }
}

/// Where a client connects to.
enum Target {
    Url(String),
    Stdio(Vec<OsString>),
}

impl Target {
    fn words(&self) -> Vec<OsString> {
        match self {
            Self::Url(url) => vec![url.into()],
            Self::Stdio(words) => [&["--".into()], words.as_slice()].concat(),
        }
    }
}

fn python(scratch: &Scratch, era: &str, calls: &Value, target: &Target) -> Figures {
    let script = root().join("tests/e2e/clients/python_client.py");
    let mut words: Vec<OsString> = vec![peers().join("venv/bin/python").into(), script.into()];
    words.extend([era.into(), calls.to_string().into()]);
    words.extend(target.words());
    Figures::printed_by(&mut command(&words, &scratch.path("home")))
}

fn rmcp(scratch: &Scratch, era: &str, calls: &Value, target: &Target) -> Figures {
    let mut words: Vec<OsString> = vec![
        built("rmcp-client").into(),
        era.into(),
        calls.to_string().into(),
    ];
    words.extend(target.words());
    Figures::printed_by(&mut command(&words, &scratch.path("home")))
}

/// `mcp-inspector --cli` makes one call a run.
fn inspector(scratch: &Scratch, era: &str, calls: &Value, target: &Target) -> Figures {
    let mut figures = Figures::default();
    for call in calls.as_array().unwrap() {
        let (name, arguments) = (call[0].as_str().unwrap(), call[1].to_string());
        let args = [
            "--cli",
            "--format",
            "json",
            "-q",
            "--connect-timeout",
            "60000",
            "--protocol-era",
            era,
        ];
        let mut words = node_peer("mcp-inspector", &args);
        words.extend(
            [
                "--method",
                "tools/call",
                "--tool-name",
                name,
                "--tool-args-json",
                &arguments,
            ]
            .map(OsString::from),
        );
        if let Target::Url(url) = target {
            let transport = if url.ends_with("/sse") { "sse" } else { "http" };
            words.extend(["--transport", transport, "--server-url", url].map(OsString::from));
        } else {
            words.extend(target.words());
        }
        let out = output(&mut command(&words, &scratch.path("home")));
        let text = String::from_utf8_lossy(&out.stdout);
        let result = serde_json::from_str::<Value>(&text).unwrap_or(Value::Null);
        figures.made += 1;
        if result["result"]["isError"] == true {
            figures.failed += 1;
        } else if !result["result"]["content"].is_array() {
            assert!(
                !out.status.success(),
                "no result, but it ended well: {}",
                said(&out)
            );
            figures.errors += 1;
        }
    }
    figures
}

/// What of [`everything`] is worth a run of the inspector, which takes seconds and makes no call of a
/// tool it does not know: one call that works, one that fails.
fn two_of_everything() -> Value {
    json!([["echo", {"message": "hello"}], ["get-sum", {"a": "two"}]])
}

/// The same of [`demo`].
fn two_of_demo() -> Value {
    json!([["get_customer", {"id": "C-1001"}], ["get_customer", {"id": "C-9999"}]])
}

fn wrapped(data: &Path, server: &str, words: &[OsString]) -> Target {
    Target::Stdio(affiant_run(data, server, words))
}

#[test]
fn everything_on_stdio() {
    let scratch = Scratch::new("everything-stdio");
    let data = scratch.path("data");
    let target = wrapped(
        &data,
        "everything",
        &node_peer("mcp-server-everything", &["stdio"]),
    );
    let calls = everything();
    let figures = python(&scratch, "legacy", &calls, &target);
    assert_eq!(figures.made, 8);
    assert!(figures.failed + figures.errors >= 2, "{figures:?}");
    let figures = figures
        .and(&rmcp(&scratch, "legacy", &calls, &target))
        .and(&inspector(
            &scratch,
            "legacy",
            &two_of_everything(),
            &target,
        ));
    figures.assert_on_record(&data);
}

#[test]
fn forty_calls_at_once_on_stdio() {
    let scratch = Scratch::new("load");
    let data = scratch.path("data");
    let mut words = node_peer(
        "mcp-inspector",
        &["--cli", "--format", "json", "-q", "--method", "tools/call"],
    );
    words.extend(
        [
            "--tool-name",
            "echo",
            "--tool-args-json",
            r#"{"message":"x"}"#,
        ]
        .map(OsString::from),
    );
    words
        .extend(["--load", "--load-concurrency", "8", "--load-requests", "40"].map(OsString::from));
    words.extend(
        wrapped(
            &data,
            "everything",
            &node_peer("mcp-server-everything", &["stdio"]),
        )
        .words(),
    );
    output_ok(&mut command(&words, &scratch.path("home")));
    Figures {
        made: 40,
        ..Figures::default()
    }
    .assert_on_record(&data);
}

#[test]
fn filesystem_on_stdio() {
    let scratch = Scratch::new("filesystem");
    let data = scratch.path("data");
    let files = fs_err::canonicalize(scratch.dir("files")).unwrap();
    fs_err::write(files.join("a.txt"), "hello").unwrap();
    let server = node_peer("mcp-server-filesystem", &[files.to_str().unwrap()]);
    let calls = json!([
        ["list_directory", {"path": files}],
        ["read_text_file", {"path": files.join("a.txt")}],
        ["write_file", {"path": files.join("b.txt"), "content": "written"}],
        ["read_text_file", {"path": "/etc/passwd"}],
    ]);
    let figures = python(
        &scratch,
        "legacy",
        &calls,
        &wrapped(&data, "files", &server),
    );
    assert_eq!(
        figures,
        Figures {
            made: 4,
            failed: 1,
            errors: 0
        }
    );
    assert_eq!(
        fs_err::read_to_string(files.join("b.txt")).unwrap(),
        "written"
    );
    figures.assert_on_record(&data);
}

#[test]
fn a_python_server_on_stdio() {
    let scratch = Scratch::new("time");
    let data = scratch.path("data");
    let server = affiant_e2e::program::python_peer("mcp-server-time", &["--local-timezone", "UTC"]);
    let target = wrapped(&data, "time", &server);
    let figures = rmcp(&scratch, "legacy", &time(), &target);
    assert_eq!(figures.made, 3);
    assert_eq!(figures.failed + figures.errors, 1, "{figures:?}");
    figures
        .and(&python(&scratch, "auto", &time(), &target))
        .assert_on_record(&data);
}

#[test]
fn the_rust_server_on_stdio_in_both_eras() {
    let scratch = Scratch::new("demo-stdio");
    let data = scratch.path("data");
    let target = wrapped(&data, "crm", &[built("affiant-demo-server").into()]);
    let figures = rmcp(&scratch, "modern", &demo(), &target);
    assert_eq!(
        figures,
        Figures {
            made: 7,
            failed: 1,
            errors: 2
        }
    );
    let figures = figures
        .and(&rmcp(&scratch, "legacy", &demo(), &target))
        .and(&python(&scratch, "2026-07-28", &demo(), &target))
        .and(&inspector(&scratch, "modern", &two_of_demo(), &target));
    figures.assert_on_record(&data);
}

/// A node server behind a gateway of its own.
fn behind(scratch: &Scratch, transport: &str, keys: &str) -> (Upstream, Gateway) {
    let words = node_peer("mcp-server-everything", &[transport]);
    let server = Upstream::on_port(
        &mut command(&words, &scratch.path("home")),
        &scratch.path("server.log"),
    );
    let gateway = Setup::new(&scratch.path("data"))
        .route_with("everything", &server.origin, keys)
        .start();
    (server, gateway)
}

#[test]
fn everything_on_streamable_http() {
    let scratch = Scratch::new("everything-http");
    let (_server, gateway) = behind(&scratch, "streamableHttp", "");
    let target = Target::Url(gateway.url("everything", "/mcp"));
    let calls = everything();
    let figures = python(&scratch, "legacy", &calls, &target)
        .and(&rmcp(&scratch, "legacy", &calls, &target))
        .and(&inspector(
            &scratch,
            "legacy",
            &two_of_everything(),
            &target,
        ));
    assert_eq!(figures.made, 18);
    gateway.stop();
    figures.assert_on_record(&scratch.path("data"));
}

#[test]
fn everything_on_http_with_sse() {
    let scratch = Scratch::new("everything-sse");
    let (_server, gateway) = behind(&scratch, "sse", "transport = \"sse\"");
    let target = Target::Url(gateway.url("everything", "/sse"));
    let calls = everything();
    let figures = python(&scratch, "legacy", &calls, &target).and(&inspector(
        &scratch,
        "legacy",
        &two_of_everything(),
        &target,
    ));
    assert_eq!(figures.made, 10);
    gateway.stop();
    figures.assert_on_record(&scratch.path("data"));
}

#[test]
fn the_rust_server_on_http_in_both_eras() {
    let scratch = Scratch::new("demo-http");
    let data = scratch.path("data");
    let server =
        Upstream::announced(Command::new(built("affiant-demo-server")).args(["--http", "0"]));
    let gateway = Setup::new(&data).route("crm", &server.origin).start();
    let target = Target::Url(gateway.url("crm", "/mcp"));
    let figures = rmcp(&scratch, "modern", &demo(), &target);
    assert_eq!(
        figures,
        Figures {
            made: 7,
            failed: 1,
            errors: 2
        }
    );
    let figures = figures
        .and(&rmcp(&scratch, "legacy", &demo(), &target))
        .and(&python(&scratch, "auto", &demo(), &target))
        .and(&python(&scratch, "legacy", &demo(), &target))
        .and(&inspector(&scratch, "modern", &two_of_demo(), &target))
        .and(&inspector(&scratch, "legacy", &two_of_demo(), &target));
    gateway.stop();
    figures.assert_on_record(&data);
}
