//! What users and hosts do wrong: one clear line and the documented exit code, or a proper answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use affiant_e2e::entries;
use affiant_e2e::gateway::{Gateway, Setup};
use affiant_e2e::guard::Guard;
use affiant_e2e::http::{self, Reply};
use affiant_e2e::program::{affiant, affiant_run, built, output, said};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::small_disk::SmallDisk;
use affiant_e2e::upstream::{Upstream, free_address};
use affiant_e2e::wait;
use affiant_e2e::witness;
use serde_json::{Value, json};

/// JSON-RPC error code of a call that cannot be recorded.
const NOT_RECORDED: i64 = -31_002;

/// Asserts an exit code, and that stderr is one line of error (and perhaps a hint) which says `about`.
fn assert_refused(out: &Output, code: i32, about: &[&str]) {
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{}", said(out));
    assert!(out.stdout.is_empty(), "{}", said(out));
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(
        lines
            .first()
            .is_some_and(|line| line.starts_with("error: ")),
        "{stderr}"
    );
    assert!(
        lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")),
        "{stderr}"
    );
    for word in about {
        assert!(stderr.contains(word), "no `{word}` in: {stderr}");
    }
}

fn agent(data: &Path, config: &str) -> Output {
    let path = data.with_extension("toml");
    fs_err::write(&path, config).unwrap();
    output(
        affiant()
            .arg("agent")
            .arg("--config")
            .arg(&path)
            .arg("--data-dir")
            .arg(data),
    )
}

fn config(listen: &str, more: &str) -> String {
    format!(
        "[gateway]\nlisten = \"{listen}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{more}\n\
         [[route]]\nid = \"crm\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

#[test]
fn a_port_in_use_is_named() {
    let scratch = Scratch::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let out = agent(&scratch.path("data"), &config(&address, ""));
    assert_refused(&out, 5, &[&address, "gateway.listen", "in use"]);
    assert!(!scratch.path("data/agent.json").exists());
}

#[test]
fn a_wrong_configuration_is_named() {
    let scratch = Scratch::new("config");
    let data = scratch.path("data");
    let unknown = config("127.0.0.1:0", "[trail]\non_ful = \"drop\"");
    assert_refused(&agent(&data, &unknown), 2, &["on_ful", "on_full"]);
    assert_refused(
        &agent(
            &data,
            &config("127.0.0.1:0", "[trail]\non_full = \"explode\""),
        ),
        2,
        &["explode"],
    );
    assert_refused(&agent(&data, "no toml"), 2, &["data.toml"]);
    let missing = scratch.path("missing.toml");
    let out = output(
        affiant()
            .arg("agent")
            .arg("--config")
            .arg(&missing)
            .arg("--data-dir")
            .arg(&data),
    );
    assert_refused(&out, 2, &["missing.toml"]);
    assert!(
        !data.exists(),
        "a wrong configuration leaves nothing behind"
    );
}

#[test]
fn a_command_that_cannot_be_run_is_named() {
    let scratch = Scratch::new("command");
    let data = scratch.path("data");
    let run = |command: &[&str]| {
        let words: Vec<_> = command.iter().map(Into::into).collect();
        let words = affiant_run(&data, "x", &words);
        output(Command::new(&words[0]).args(&words[1..]))
    };
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_refused(
        &run(&["no-such-program-anywhere"]),
        127,
        &["no-such-program-anywhere"],
    );
    let file = scratch.path("not-executable");
    fs_err::write(&file, "").unwrap();
    assert_refused(&run(&[file.to_str().unwrap()]), 126, &["not-executable"]);
    entries::assert_verifies(&data);
}

#[test]
fn a_data_directory_that_is_a_file_is_named() {
    let scratch = Scratch::new("datadir");
    let data = scratch.path("data");
    fs_err::write(&data, "").unwrap();
    let words = affiant_run(&data, "x", &["true".into()]);
    assert_refused(
        &output(Command::new(&words[0]).args(&words[1..])),
        2,
        &["data"],
    );
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let scratch = Scratch::new("key");
    let (data, seen) = (scratch.path("data"), scratch.path("seen"));
    let words = affiant_run(&data, "x", &[built("witness-peer").into(), (&seen).into()]);
    let run = || output(Command::new(&words[0]).args(&words[1..]));
    assert_eq!(run().status.code(), Some(0));
    for key in ["source.key", "commit.key"] {
        fs_err::remove_file(&seen).unwrap();
        let path = data.join("keys").join(key);
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert_refused(&run(), 4, &[key]);
        assert!(!seen.exists(), "the server was started");
        assert_refused(&agent(&data, &config("127.0.0.1:0", "")), 4, &[key]);
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(run().status.code(), Some(0));
    }
    entries::assert_verifies(&data);
}

#[test]
fn an_upstream_that_is_gone_gives_a_json_rpc_error() {
    let scratch = Scratch::new("upstream");
    let data = scratch.path("data");
    let nobody = format!("http://{}", free_address());
    let gateway = Setup::new(&data).route("crm", &nobody).start();
    let url = gateway.url("crm", "/mcp");
    for id in [json!(7), json!("seven"), json!(0)] {
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {}}});
        let initialize = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": {}});
        for message in [call, initialize] {
            let reply = http::post(&url, &[], message.to_string().as_bytes()).unwrap();
            assert_eq!(reply.status, 502, "{}", reply.head);
            assert_eq!(reply.header("content-type"), Some("application/json"));
            let body = reply.json();
            assert_eq!(
                (&body["jsonrpc"], &body["id"]),
                (&json!("2.0"), &id),
                "{body}"
            );
            let code = body["error"]["code"].as_i64().unwrap();
            assert!(!(-32_768..=-32_000).contains(&code), "{code} is reserved");
            assert!(body["error"]["message"].is_string());
        }
    }
    let reply = http::get(&gateway.url("crm", "/mcp")).unwrap();
    assert_eq!(reply.status, 502);
    gateway.stop();
    entries::assert_verifies(&data);
    let ends = entries::of_kind(&data, "call.end");
    assert_eq!(ends.len(), 3);
    for end in &ends {
        entries::assert_twelve(end);
        assert_eq!(end["status"]["code"], "error");
    }
}

// === A full disk ===

/// Keys of `[trail]`; where no disk can be mounted, a small quota does instead.
fn trail(disk: &SmallDisk, on_full: &str) -> String {
    let quota = if disk.mounted { 1 << 30 } else { 1 << 20 };
    format!("on_full = \"{on_full}\"\nspool_bytes_max = {quota}\nsegment_bytes = 65536")
}

/// More calls than fit on the small disk.
const CALLS_MAX: u64 = 5000;

fn message(n: u64) -> String {
    // No words that a redaction rule would cut: the entry is to be as long as the input.
    let text = "some text of no interest ".repeat(80);
    let arguments = json!({"n": n, "text": text});
    json!({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "note", "arguments": arguments}}).to_string()
}

fn note(gateway: &Gateway, n: u64) -> Reply {
    http::post(&gateway.url("witness", "/mcp"), &[], message(n).as_bytes()).unwrap()
}

fn is_refused(reply: &Value) -> bool {
    reply["error"]["code"] == NOT_RECORDED
}

/// A gateway before a witness, its disk about to be full.
fn filled(scratch: &Scratch, on_full: &str) -> (SmallDisk, Upstream, Gateway) {
    let disk = SmallDisk::over(scratch.path("data"), 2 << 20);
    let server = Upstream::announced(Command::new(built("witness-http")).arg(scratch.path("seen")));
    let gateway = Setup::new(&disk.dir)
        .route("witness", &server.origin)
        .trail(&trail(&disk, on_full))
        .start();
    assert_eq!(note(&gateway, 0).status, 200);
    disk.fill();
    (disk, server, gateway)
}

fn reached(scratch: &Scratch) -> Vec<u64> {
    let text = fs_err::read_to_string(scratch.path("seen")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn ends(data: &Path) -> Vec<u64> {
    entries::of_kind(data, "call.end")
        .iter()
        .filter_map(|end| end["input"]["n"].as_u64())
        .collect()
}

/// `affiant verify` says neither yes nor no: a loss is declared, or a gap never ended.
fn assert_incomplete(data: &Path) {
    let out = output(affiant().arg("verify").arg(data));
    assert_eq!(out.status.code(), Some(3), "{}", said(&out));
}

/// The trail takes entries again: no call need be lost to find that out.
fn until_ready(gateway: &Gateway) {
    wait::until("the trail takes entries again", || {
        (http::get(&gateway.admin("/readyz")).unwrap().status == 200).then_some(())
    });
}

#[test]
fn on_a_full_disk_refuse_keeps_calls_from_the_server() {
    let scratch = Scratch::new("refuse");
    let (disk, server, gateway) = filled(&scratch, "refuse");
    let first = (1..CALLS_MAX)
        .find(|n| is_refused(&note(&gateway, *n).json()))
        .unwrap();
    for n in first + 1..first + 20 {
        let reply = note(&gateway, n).json();
        assert!(is_refused(&reply), "{reply}");
        assert_eq!(reply["id"], n);
    }
    assert_eq!(
        reached(&scratch),
        (0..first).collect::<Vec<_>>(),
        "what reached the server"
    );
    let ready = http::get(&gateway.admin("/readyz")).unwrap();
    assert_eq!(ready.status, 503, "the trail takes nothing");
    if disk.free() {
        until_ready(&gateway);
        let last = first + 20;
        assert!(!is_refused(&note(&gateway, last).json()));
        assert_eq!(reached(&scratch).last(), Some(&last));
    }
    gateway.stop();
    drop(server);
    if !disk.mounted {
        return assert_incomplete(&disk.dir);
    }
    entries::assert_verifies(&disk.dir);
    let ends = ends(&disk.dir);
    for n in reached(&scratch) {
        assert_eq!(
            ends.iter().filter(|end| **end == n).count(),
            1,
            "call {n}: {ends:?}"
        );
    }
    // Each refused call is on record as refused, or counted as such where memory was short, too.
    let all = entries::all(&disk.dir);
    let refused = all
        .iter()
        .filter(|entry| entry["kind"] == "call.end" && entry["status"]["reason"] == "refused")
        .count();
    let counted: u64 = all
        .iter()
        .filter(|entry| entry["gap"]["reason"] == "refused-calls")
        .filter_map(|gap| gap["gap"]["calls"].as_u64())
        .sum();
    assert_eq!(refused as u64 + counted, 20);
}

#[test]
fn on_a_full_disk_drop_forwards_and_counts() {
    let scratch = Scratch::new("drop");
    let (disk, server, gateway) = filled(&scratch, "drop");
    let total = if disk.mounted { 400 } else { 2000 };
    for n in 1..total {
        let reply = note(&gateway, n);
        assert_eq!((reply.status, &reply.json()["error"]), (200, &Value::Null));
    }
    assert_eq!(reached(&scratch), (0..total).collect::<Vec<_>>());
    let ready = http::get(&gateway.admin("/readyz")).unwrap();
    assert_eq!(ready.status, 503, "the trail takes nothing");
    if disk.free() {
        until_ready(&gateway);
        note(&gateway, total);
    }
    gateway.stop();
    drop(server);
    assert_incomplete(&disk.dir);
    let ends = ends(&disk.dir).len() as u64;
    let begins = entries::of_kind(&disk.dir, "call.begin").len() as u64;
    if disk.mounted {
        assert_eq!(begins, ends, "what has begun on record has its end, too");
    }
    let gaps = entries::of_kind(&disk.dir, "gap");
    let dropped: u64 = gaps
        .iter()
        .filter_map(|gap| gap["gap"]["calls"].as_u64())
        .sum();
    assert!(dropped > 0, "{gaps:?}");
    assert_eq!(
        begins + dropped,
        reached(&scratch).len() as u64,
        "recorded and dropped: {gaps:?}"
    );
}

#[test]
fn on_a_full_disk_block_holds_calls_until_there_is_room() {
    let scratch = Scratch::new("block");
    let (disk, server, gateway) = filled(&scratch, "block");
    let url = gateway.url("witness", "/mcp");
    let mut held = None;
    for n in 1..CALLS_MAX {
        let mut connection = http::open(&url).unwrap();
        connection
            .write_all(&http::post_bytes(&url, &[], message(n).as_bytes()))
            .unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let mut byte = [0];
        if connection.peek(&mut byte).is_err() {
            held = Some((n, connection));
            break;
        }
        assert_eq!(http::read(&mut connection).unwrap().status, 200);
    }
    let (n, mut connection) = held.unwrap();
    assert_eq!(
        reached(&scratch),
        (0..n).collect::<Vec<_>>(),
        "the held call did not reach the server"
    );
    assert_eq!(
        http::get(&gateway.admin("/healthz")).unwrap().status,
        200,
        "the gateway is alive"
    );
    if disk.free() {
        connection.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        let reply = http::read(&mut connection).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.head);
        assert_eq!(reached(&scratch), (0..=n).collect::<Vec<_>>());
    }
    drop(connection);
    gateway.stop();
    drop(server);
    if !disk.mounted {
        return assert_incomplete(&disk.dir);
    }
    entries::assert_verifies(&disk.dir);
    assert_eq!(ends(&disk.dir), (0..=n).collect::<Vec<_>>());
}

#[test]
fn on_a_full_disk_the_wrapper_refuses_too() {
    let scratch = Scratch::new("refuse-stdio");
    let disk = SmallDisk::over(scratch.path("data"), 2 << 20);
    if !disk.mounted {
        return;
    }
    let seen = scratch.path("seen");
    let words = affiant_run(
        &disk.dir,
        "witness",
        &[built("witness-peer").into(), (&seen).into()],
    );
    let mut guard = Guard::spawn(
        Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let mut stdin = guard.child().stdin.take().unwrap();
    let mut stdout = BufReader::new(guard.child().stdout.take().unwrap());
    let mut ask = |n: u64| -> Value {
        stdin
            .write_all(format!("{}\n", message(n)).as_bytes())
            .unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    assert!(ask(0)["result"].is_object());
    disk.fill();
    let first = (1..CALLS_MAX).find(|n| is_refused(&ask(*n))).unwrap();
    assert!(disk.free());
    let mut last = first;
    wait::until("calls are taken again", || {
        last += 1;
        std::thread::sleep(Duration::from_millis(50));
        ask(last)["result"].is_object().then_some(())
    });
    drop(stdin);
    stdout.read_to_end(&mut Vec::new()).unwrap();
    assert!(guard.wait().success());
    let reached: Vec<u64> = witness::seen(&seen)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(reached, (0..first).chain([last]).collect::<Vec<_>>());
    entries::assert_verifies(&disk.dir);
}
