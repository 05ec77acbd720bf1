//! What a dead process left behind, and what two living ones do beside each other.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use affiant_e2e::entries;
use affiant_e2e::gateway::Setup;
use affiant_e2e::guard::Guard;
use affiant_e2e::program::{affiant_run, built};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::{upstream, wait};

/// A wrapped witness with one call answered, and `open` more that never will be.
fn start(data: &Path, server: &str, seen: &Path, open: u64) -> Guard {
    let words = affiant_run(data, server, &[built("witness-peer").into(), seen.into()]);
    let mut guard = Guard::spawn(
        Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let stdin = guard.child().stdin.as_mut().unwrap();
    for n in 1..=open {
        stdin.write_all(call("hang", n).as_bytes()).unwrap();
    }
    stdin.write_all(call("note", 0).as_bytes()).unwrap();
    let mut answer = String::new();
    let mut stdout = BufReader::new(guard.child().stdout.take().unwrap());
    stdout.read_line(&mut answer).unwrap();
    assert!(answer.contains("noted"), "{answer}");
    std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
    guard
}

fn call(tool: &str, n: u64) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{{\"n\":{n}}}}}}}\n"
    )
}

/// A killed run leaves one answered call and two open ones.
fn orphan(scratch: &Scratch) {
    let mut dead = start(&scratch.path("data"), "dead", &scratch.path("seen"), 2);
    dead.kill();
}

/// Waits until the orphan has been closed; then all must be well with it.
fn assert_adopted(data: &Path) {
    let ends = wait::until("the orphan's calls are closed", || {
        let all = entries::all(data);
        let adopted = all
            .iter()
            .any(|entry| entry["kind"] == "stop" && entry["stop"]["reason"] == "adopted");
        adopted.then(|| {
            let of_dead = |entry: &serde_json::Value| {
                entry["kind"] == "call.end" && entry["server"]["id"] == "dead"
            };
            all.into_iter().filter(of_dead).collect::<Vec<_>>()
        })
    });
    assert_eq!(ends.len(), 3, "{ends:?}");
    ends.iter().for_each(entries::assert_twelve);
    let unknown = ends
        .iter()
        .filter(|end| end["status"]["reason"] == "outcome-unknown")
        .count();
    assert!((2..=3).contains(&unknown), "{ends:?}");
}

#[test]
fn a_later_run_adopts_what_a_killed_run_left() {
    let scratch = Scratch::new("adopt-run");
    let data = scratch.path("data");
    orphan(&scratch);
    let mut alive = start(&data, "alive", &scratch.path("seen-alive"), 0);
    assert_adopted(&data);
    drop(alive.child().stdin.take());
    assert!(alive.wait().success());
    entries::assert_verifies(&data);
}

#[test]
fn a_gateway_adopts_what_a_killed_run_left() {
    let scratch = Scratch::new("adopt-agent");
    let data = scratch.path("data");
    orphan(&scratch);
    let nobody = format!("http://{}", upstream::free_address());
    let gateway = Setup::new(&data).route("crm", &nobody).start();
    assert_adopted(&data);
    gateway.stop();
    entries::assert_verifies(&data);
}

#[test]
fn a_gateway_adopts_what_is_killed_while_it_runs() {
    let scratch = Scratch::new("adopt-later");
    let data = scratch.path("data");
    let nobody = format!("http://{}", upstream::free_address());
    let gateway = Setup::new(&data).route("crm", &nobody).start();
    orphan(&scratch);
    assert_adopted(&data);
    gateway.stop();
    entries::assert_verifies(&data);
}

#[test]
fn runs_of_one_server_at_once_have_a_spool_each() {
    let scratch = Scratch::new("concurrent");
    let data = scratch.path("data");
    let mut guards: Vec<Guard> = (0..3)
        .map(|n| start(&data, "twin", &scratch.path(format!("seen{n}")), 0))
        .collect();
    let mut spools: Vec<String> = fs_err::read_dir(data.join("spools"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    spools.sort();
    assert_eq!(spools, ["twin", "twin.1", "twin.2"]);
    for guard in &mut guards {
        drop(guard.child().stdin.take());
        assert!(guard.wait().success());
    }
    entries::assert_verifies(&data);
    assert_eq!(entries::of_kind(&data, "call.end").len(), 3);
    // Their locks are gone: the next one takes the first again.
    let mut next = start(&data, "twin", &scratch.path("seen"), 0);
    drop(next.child().stdin.take());
    assert!(next.wait().success());
    assert_eq!(fs_err::read_dir(data.join("spools")).unwrap().count(), 3);
}
