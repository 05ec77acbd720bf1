//! Conversations on stdio, played with and without the program: the same bytes at both ends, the same end.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use affiant_e2e::entries;
use affiant_e2e::guard::Guard;
use affiant_e2e::program::{affiant_run, built};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::wait;
use rustix::process::Signal;

/// One step of a script; `scripted-peer` has the same.
enum Step {
    /// The client sends.
    Client(Vec<u8>),
    /// The server sends.
    Server(Vec<u8>),
    /// The server says something on stderr.
    Stderr(Vec<u8>),
    /// The client closes, and the server reads on until it sees that.
    Eof,
    /// The server ends.
    Exit(u8),
    /// The server is ended by a signal.
    Raise(i32),
}

use Step::{Client, Eof, Exit, Raise, Server, Stderr};

fn client(line: &str) -> Step {
    Client(format!("{line}\n").into_bytes())
}

fn server(line: &str) -> Step {
    Server(format!("{line}\n").into_bytes())
}

/// What both ends saw of a play.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    by_client: Vec<u8>,
    by_server: Vec<u8>,
    stderr: Vec<u8>,
    /// Exit code, or 128 + n for signal n.
    code: i32,
}

/// Plays a script directly and through `affiant run`; `calls` is the number of `call.end` it leaves.
fn check(name: &str, script: &[Step], calls: usize) {
    let scratch = Scratch::new(name);
    let file = write(&scratch, script);
    let data = scratch.path("data");
    let directly = play(script, &scratch.path("direct"), |received| {
        peer(&file, received)
    });
    assert_sent(script, &directly);
    let wrapped = play(script, &scratch.path("wrapped"), |received| {
        affiant_run(&data, "scripted", &peer(&file, received))
    });
    assert_same(&directly, &wrapped);
    entries::assert_verifies(&data);
    let ends = entries::of_kind(&data, "call.end");
    assert_eq!(ends.len(), calls, "calls on record: {ends:?}");
    for end in &ends {
        entries::assert_twelve(end);
    }
}

/// The script as files for `scripted-peer`.
fn write(scratch: &Scratch, script: &[Step]) -> PathBuf {
    let dir = scratch.dir("script");
    let mut text = String::new();
    for (n, step) in script.iter().enumerate() {
        let mut bytes = |verb: &str, bytes: &[u8]| {
            fs_err::write(dir.join(n.to_string()), bytes).unwrap();
            text.push_str(&format!("{verb} {n}\n"));
        };
        match step {
            Client(sent) => bytes("c", sent),
            Server(sent) => bytes("s", sent),
            Stderr(said) => bytes("e", said),
            Eof => text.push_str("eof\n"),
            Exit(code) => text.push_str(&format!("exit {code}\n")),
            Raise(signal) => text.push_str(&format!("raise {signal}\n")),
        }
    }
    let file = dir.join("script");
    fs_err::write(&file, text).unwrap();
    file
}

fn peer(script: &Path, received: &Path) -> Vec<OsString> {
    vec![
        built("scripted-peer").into(),
        script.into(),
        received.into(),
    ]
}

/// Plays the client's part: sends what it has to send once it has all that comes before.
fn play(script: &[Step], files: &Path, words: impl Fn(&Path) -> Vec<OsString>) -> Seen {
    fs_err::create_dir_all(files).unwrap();
    let (received, stderr) = (files.join("received"), files.join("client-stderr"));
    let words = words(&received);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env("AFFIANT_LOG", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.stderr(fs_err::File::create(&stderr).unwrap().into_file());
    let mut guard = Guard::spawn(&mut command);
    let mut stdin = guard.child().stdin.take();
    let output = Arc::new(Mutex::new(Vec::new()));
    let reader = {
        let (output, mut stdout) = (Arc::clone(&output), guard.child().stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = stdout.read(&mut chunk) {
                output.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        })
    };
    let mut due = 0;
    for step in script {
        match step {
            Client(bytes) => stdin.as_mut().unwrap().write_all(bytes).unwrap(),
            Server(bytes) => {
                due += bytes.len();
                wait::until("the client has what the server sent", || {
                    (output.lock().unwrap().len() >= due).then_some(())
                });
            }
            Eof => drop(stdin.take()),
            Stderr(_) | Exit(_) | Raise(_) => {}
        }
    }
    let status = guard.wait();
    reader.join().unwrap();
    let inherited = fs_err::read_to_string(received.with_extension("stderr")).unwrap();
    assert_eq!(
        Path::new(&inherited),
        stderr,
        "the server's stderr is not the client's"
    );
    let by_client = std::mem::take(&mut *output.lock().unwrap());
    Seen {
        by_client,
        by_server: fs_err::read(&received).unwrap(),
        stderr: fs_err::read(&stderr).unwrap(),
        code: code(status),
    }
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .or_else(|| status.signal().map(|n| 128 + n))
        .unwrap()
}

/// The play without the program is the script, so that the comparison means something.
fn assert_sent(script: &[Step], seen: &Seen) {
    let mut expected = Seen {
        by_client: Vec::new(),
        by_server: Vec::new(),
        stderr: Vec::new(),
        code: 0,
    };
    for step in script {
        match step {
            Client(bytes) => expected.by_server.extend(bytes),
            Server(bytes) => expected.by_client.extend(bytes),
            Stderr(bytes) => expected.stderr.extend(bytes),
            Eof => {}
            Exit(code) => expected.code = i32::from(*code),
            Raise(signal) => expected.code = 128 + signal,
        }
    }
    assert_same(&expected, seen);
}

/// Bytes of 10 MiB are no help in a message: say where they part.
fn assert_same(expected: &Seen, found: &Seen) {
    for (what, expected, found) in [
        ("client", &expected.by_client, &found.by_client),
        ("server", &expected.by_server, &found.by_server),
        ("stderr", &expected.stderr, &found.stderr),
    ] {
        if expected != found {
            let at = expected
                .iter()
                .zip(found)
                .take_while(|(a, b)| a == b)
                .count();
            let part = |bytes: &[u8]| {
                String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 80)]).into_owned()
            };
            panic!(
                "{what}: {} bytes expected, {} found; they part at {at}: {:?} and {:?}",
                expected.len(),
                found.len(),
                part(expected),
                part(found)
            );
        }
    }
    assert_eq!(expected.code, found.code, "exit code");
}

/// The handshake of a revision that has one.
fn handshake(revision: &str) -> Vec<Step> {
    vec![
        client(&format!(
            r#"{{"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{"roots":{{}}}},"clientInfo":{{"name":"player","version":"1.0"}}}},"jsonrpc":"2.0","id":0}}"#
        )),
        server(&format!(
            r#"{{"result":{{"protocolVersion":"{revision}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"scripted","version":"0.1"}}}},"jsonrpc":"2.0","id":0}}"#
        )),
        client(r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#),
        client(r#"{"method":"tools/list","jsonrpc":"2.0","id":1}"#),
        server(
            r#"{"result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}]},"jsonrpc":"2.0","id":1}"#,
        ),
    ]
}

fn call(id: &str, arguments: &str) -> Step {
    client(&format!(
        r#"{{"method":"tools/call","params":{{"name":"t","arguments":{arguments}}},"jsonrpc":"2.0","id":{id}}}"#
    ))
}

fn answer(id: &str) -> Step {
    server(&format!(
        r#"{{"result":{{"content":[{{"type":"text","text":"ok"}}]}},"jsonrpc":"2.0","id":{id}}}"#
    ))
}

fn with(mut script: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    script.extend(more);
    script
}

#[test]
fn every_revision_with_a_handshake() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let script = with(
            handshake(revision),
            [call("2", r#"{"a":1}"#), answer("2"), Eof, Exit(0)],
        );
        check("handshake", &script, 1);
    }
}

#[test]
fn the_revision_without_a_handshake() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"player","version":"1"},"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#;
    let script = [
        client(&format!(
            r#"{{"jsonrpc":"2.0","id":"server-discover-probe-1","method":"server/discover","params":{{{meta}}}}}"#
        )),
        server(
            r#"{"jsonrpc":"2.0","id":"server-discover-probe-1","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"scripted","version":"0.1"}}}}"#,
        ),
        client(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{{}},{meta}}}}}"#
        )),
        server(r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#),
        Eof,
        Exit(0),
    ];
    check("modern", &script, 1);
}

#[test]
fn lines_that_are_no_messages() {
    let script = [
        server("Starting up, please wait…"),
        Server(b"\n\r\n  \n".to_vec()),
        client(""),
        Client(b"\r\n".to_vec()),
        client("hello?"),
        server("[not json"),
        server("{\"level\":30,\"msg\":\"listening\"}"),
        server("null"),
        server("17"),
        client("\"text\""),
        Server(b"\0\0\0\n".to_vec()),
        Eof,
        Exit(0),
    ];
    check("noise", &with(handshake("2025-11-25"), script), 0);
}

#[test]
fn line_ends_and_blanks_of_all_sorts() {
    let script = [
        Client(b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{}}}\r\n".to_vec()),
        Server(b"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[]}}\r\n".to_vec()),
        Client(b"  \t{ \"jsonrpc\" : \"2.0\" ,\t\"id\":3, \"method\":\"tools\\/call\", \"params\":{\"name\":\"t\",\"arguments\":{}} } \n".to_vec()),
        Server(b" {\"jsonrpc\":\"2.0\", \"id\":3, \"result\":{\"content\":[ ] } }  \n\n".to_vec()),
        Client(b"\n\n{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\n".to_vec()),
        Server(b"{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}}\n".to_vec()),
        Eof,
        Exit(0),
    ];
    check("blanks", &with(handshake("2025-06-18"), script), 2);
}

#[test]
fn last_lines_without_an_end() {
    let script = [
        call("2", "{}"),
        Client(br#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t","arguments":{"last":true}}}"#.to_vec()),
        Eof,
        answer("2"),
        Server(br#"{"jsonrpc":"2.0","id":3,"result":{"content":[]}}"#.to_vec()),
        Exit(7),
    ];
    check("partial", &with(handshake("2025-11-25"), script), 2);
}

#[test]
fn half_a_message_at_the_end_of_both() {
    let script = [
        Client(br#"{"jsonrpc":"2.0","id":3,"method":"tools/ca"#.to_vec()),
        Eof,
        Server(br#"{"jsonrpc":"2.0","met"#.to_vec()),
        Exit(0),
    ];
    check("half", &with(handshake("2025-11-25"), script), 0);
}

#[test]
fn bytes_that_are_not_utf_8_and_marks() {
    let script = [
        Client(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{}}}\n".to_vec()),
        Server(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[]}}\n".to_vec()),
        Client(b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{\"x\":\"\xff\xfe\xc0\x80\"}}}\n".to_vec()),
        Server(b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"\xe2\x28\xa1\"}]}}\n".to_vec()),
        Server(b"\xff\xff\xff\xff\n".to_vec()),
        call("4", r#"{"x":"\ud800 \u0000 \ud83d\ude00"}"#),
        answer("4"),
        Eof,
        Exit(0),
    ];
    let script = with(handshake("2025-11-25"), script);
    let calls = [2, 3];
    check_between("utf8", &script, calls);
}

/// What counts as a call may differ where the message is not JSON by the letter; its bytes may not.
fn check_between(name: &str, script: &[Step], [least, most]: [usize; 2]) {
    let scratch = Scratch::new(name);
    let file = write(&scratch, script);
    let data = scratch.path("data");
    let directly = play(script, &scratch.path("direct"), |received| {
        peer(&file, received)
    });
    assert_sent(script, &directly);
    let wrapped = play(script, &scratch.path("wrapped"), |received| {
        affiant_run(&data, "scripted", &peer(&file, received))
    });
    assert_same(&directly, &wrapped);
    entries::assert_verifies(&data);
    let ends = entries::of_kind(&data, "call.end").len();
    assert!((least..=most).contains(&ends), "{ends} calls on record");
}

#[test]
fn duplicate_keys_odd_numbers_and_ids() {
    let script = [
        client(
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a","name":"t","arguments":{"k":1,"k":2}}}"#,
        ),
        answer("2"),
        call(
            "\"2\"",
            r#"{"n":1.10,"big":12345678901234567890123,"e":1E400,"z":-0}"#,
        ),
        answer("\"2\""),
        call("0", "{}"),
        answer("0"),
        call("18446744073709551615", "{}"),
        answer("18446744073709551615"),
        client(r#"{"jsonrpc":"2.0","id":5,"id":6,"method":"ping"}"#),
        server(r#"{"jsonrpc":"2.0","id":6,"result":{},"error":{"code":1,"message":"both"}}"#),
        Eof,
        Exit(0),
    ];
    check("duplicates", &with(handshake("2025-11-25"), script), 4);
}

#[test]
fn batches() {
    let script = [
        client(concat!(
            r#"[{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{"n":1}}},"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}},"#,
            r#" {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t","arguments":{"n":2}}}]"#
        )),
        server(
            r#"[{"jsonrpc":"2.0","id":3,"result":{"content":[]}},{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"no"}}]"#,
        ),
        client("[]"),
        server(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}"#),
        Eof,
        Exit(0),
    ];
    check("batches", &with(handshake("2025-03-26"), script), 2);
}

#[test]
fn lines_of_ten_mebibytes() {
    let text = "0123456789abcde ".repeat(640 * 1024);
    let script = [
        call("2", &format!(r#"{{"text":"{text}"}}"#)),
        server(&format!(
            r#"{{"jsonrpc":"2.0","id":2,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
        )),
        server(&text),
        client(&text),
        call("3", "{}"),
        answer("3"),
        Eof,
        Exit(0),
    ];
    check("big", &with(handshake("2025-11-25"), script), 2);
}

#[test]
fn the_server_asks_after_its_input_closed() {
    let script = [
        call("2", "{}"),
        Eof,
        server(r#"{"method":"roots/list","jsonrpc":"2.0","id":0}"#),
        Stderr(b"closing down\n".to_vec()),
        answer("2"),
        Exit(0),
    ];
    check("after-eof", &with(handshake("2025-11-25"), script), 1);
}

#[test]
fn the_end_of_the_server_is_the_end_of_the_program() {
    for end in [Exit(0), Exit(7), Exit(255), Raise(15), Raise(9), Raise(6)] {
        let script = with(
            handshake("2025-11-25"),
            [call("2", "{}"), Stderr(b"oh\xff no".to_vec()), end],
        );
        check("ends", &script, 1);
    }
}

#[test]
fn signals_reach_the_server_and_the_trail_is_sealed() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let scratch = Scratch::new("signals");
        let script = [call("1", "{}"), server("ready"), Eof, Exit(0)];
        let file = write(&scratch, &script);
        let data = scratch.path("data");
        let words = affiant_run(&data, "scripted", &peer(&file, &scratch.path("received")));
        let mut guard = Guard::spawn(
            Command::new(&words[0])
                .args(&words[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        );
        let Client(bytes) = &script[0] else {
            panic!("the script begins with the client")
        };
        guard
            .child()
            .stdin
            .as_mut()
            .unwrap()
            .write_all(bytes)
            .unwrap();
        let mut ready = [0; 6];
        guard
            .child()
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        guard.signal(signal);
        assert_eq!(code_of(&mut guard), code);
        entries::assert_verifies(&data);
        let stop = entries::of_kind(&data, "stop");
        assert_eq!(stop.len(), 1, "{stop:?}");
        assert_eq!(
            stop[0]["stop"]["signal"].as_i64(),
            Some(i64::from(signal.as_raw())),
            "{stop:?}"
        );
        let ends = entries::of_kind(&data, "call.end");
        assert_eq!(ends.len(), 1, "the open call has its end: {ends:?}");
        assert_eq!(ends[0]["status"]["code"], "error");
    }
}

fn code_of(guard: &mut Guard) -> i32 {
    code(guard.wait())
}
