//! The same bytes at both ends, the same ends.

use std::io::{Read, Write};
use std::time::Duration;

use rustix::process::Signal;

use crate::sandbox::{PEER, Sandbox, Talk, call, session};

/// `tee` writes down what the server got, and says the same back.
fn both_ways(input: &[u8]) {
    let sandbox = Sandbox::new();
    let got = sandbox.path("got");
    let ran = sandbox.wrap(&[], &["tee", got.to_str().unwrap()], input);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        fs_err::read(&got).unwrap() == input,
        "the server got other bytes"
    );
    assert!(ran.bytes == input, "the client got other bytes");
    assert_eq!(sandbox.verify().code, 0);
}

#[test]
fn lines_that_are_no_messages_pass_as_they_are() {
    both_ways(b"hello\n\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n  {}  \n\xff\xfe\0\n[1,2\n\xef\xbb\xbf{}\n");
}

#[test]
fn an_unfinished_last_line_passes() {
    both_ways(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\nno newline");
    both_ways(call(1, "echo").trim_end().as_bytes());
    both_ways(b"");
}

#[test]
fn calls_among_other_lines_keep_their_place() {
    let mut input = session(3);
    input.push_str("not json\n\n[");
    input.push_str(call(7, "a").trim_end());
    input.push(',');
    input.push_str(call(8, "b").trim_end());
    input.push_str("]\r\n");
    input.push_str(&call(9, "c"));
    both_ways(input.as_bytes());
}

#[test]
fn a_line_of_a_mebibyte_passes_with_its_call() {
    let long = "x".repeat(1 << 20);
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"echo\",\"arguments\":{{\"t\":\"{long}\"}}}}}}\n"
    );
    both_ways(line.as_bytes());
}

#[test]
fn a_line_of_a_hundred_mebibytes_streams_by() {
    const CHUNKS: usize = 1600;
    const START: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\",\"params\":\"";
    let sandbox = Sandbox::new();
    let mut child = sandbox.spawn(&[], &["cat"]);
    let mut stdin = child.stdin.take().unwrap();
    let chunk = |n: usize| -> Vec<u8> {
        (0..65_536)
            .map(|at| b'a' + u8::try_from((at + n) % 23).unwrap())
            .collect()
    };
    let writer = std::thread::spawn(move || {
        stdin.write_all(START).unwrap();
        for n in 0..CHUNKS {
            stdin.write_all(&chunk(n)).unwrap();
        }
        stdin.write_all(b"\"}\n").unwrap();
    });
    let mut stdout = child.stdout.take().unwrap();
    let mut head = [0; START.len()];
    stdout.read_exact(&mut head).unwrap();
    assert_eq!(head, START);
    let mut got = vec![0; 65_536];
    for n in 0..CHUNKS {
        stdout.read_exact(&mut got).unwrap();
        assert!(got == chunk(n), "chunk {n} differs");
    }
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\"}\n");
    writer.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_servers_exit_code_comes_back() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
    ] {
        let sandbox = Sandbox::new();
        assert_eq!(
            sandbox.wrap(&[], &["sh", "-c", script], b"").code,
            code,
            "{script}"
        );
        assert_eq!(sandbox.verify().code, 0, "{script}");
    }
}

#[test]
fn a_server_that_cannot_be_started_ends_as_in_a_shell() {
    let sandbox = Sandbox::new();
    let missing = sandbox.wrap(&[], &["no-such-program-here"], b"");
    assert_eq!((missing.code, missing.stdout.as_str()), (127, ""));
    assert!(
        missing
            .stderr
            .contains("error: command `no-such-program-here` not found"),
        "{}",
        missing.stderr
    );
    let file = sandbox.write("not-executable", "x");
    assert_eq!(sandbox.wrap(&[], &[file.to_str().unwrap()], b"").code, 126);
}

#[test]
fn stderr_is_the_servers_own() {
    let sandbox = Sandbox::new();
    let ran = sandbox.wrap(&[], &["sh", "-c", "echo talk >&2; echo data"], b"");
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("data\n", "talk\n")
    );
}

#[test]
fn the_end_of_input_reaches_the_server_at_once() {
    let sandbox = Sandbox::new();
    let mut talk = Talk::start(&sandbox, &[], &["sh", "-c", PEER]);
    talk.call(1);
    talk.hang_up();
    assert_eq!(talk.end_within(Duration::from_secs(5)), Some(7));
}

#[test]
fn sigterm_reaches_the_server_and_the_trail_is_sealed_within_two_seconds() {
    let sandbox = Sandbox::new();
    let script = format!("trap 'exit 9' TERM; {}", PEER.replace("exit 7", ""));
    let mut talk = Talk::start(&sandbox, &[], &["sh", "-c", &script]);
    talk.call(1);
    talk.send(&call(2, "mute"));
    // A shell runs its trap once `read` is interrupted.
    talk.signal(Signal::TERM);
    let code = talk.end_within(Duration::from_secs(2));
    assert!(matches!(code, Some(9 | 143)), "{code:?}");
    assert_eq!(sandbox.verify().code, 0);
    let stop = sandbox.entries(&["--kind", "stop"]);
    assert_eq!(stop[0]["stop"]["reason"], "signal");
    assert_eq!(stop[0]["stop"]["signal"], 15);
    assert_eq!(sandbox.entries(&["--kind", "call.end"]).len(), 2);
}
