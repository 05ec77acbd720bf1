//! A witness by other hands cosigns our log when our aggregator asks, and refuses to be rolled back.

use std::path::Path;
use std::process::{Command, Stdio};

use affiant_e2e::aggregator::{Aggregator, log_key, ship_all, token};
use affiant_e2e::guard::Guard;
use affiant_e2e::program::{affiant, output, output_ok, peers, said};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::{upstream, wait};

use super::session;

const NAME: &str = "witness.example/py";

fn program() -> Command {
    Command::new(peers().join("venv-tlog/bin/aics-witness"))
}

/// Starts aics-witness for one log; gives its verifier key and its URL.
fn witness(scratch: &Scratch, origin: &str, log: &str) -> (Guard, String, String) {
    let config = scratch.path("witness.json");
    let address = upstream::free_address().to_string();
    let init = output_ok(
        program()
            .args(["init", "-c"])
            .arg(&config)
            .args(["--name", NAME, "--listen", &address]),
    );
    let text = said(&init);
    let key = text
        .split_whitespace()
        .find(|word| word.starts_with(&format!("{NAME}+")));
    let key = key
        .unwrap_or_else(|| panic!("no verifier key in {text}"))
        .to_owned();
    output_ok(
        program()
            .args(["add-log", "-c"])
            .arg(&config)
            .args(["--origin", origin, "--vkey", log]),
    );
    let log_file = fs_err::File::create(scratch.path("witness.log"))
        .unwrap()
        .into_file();
    let guard = Guard::spawn(
        program()
            .args(["serve", "-c"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file),
    );
    wait::until("the witness listens", || {
        std::net::TcpStream::connect(&address).ok()
    });
    (guard, key, format!("http://{address}"))
}

fn copy(from: &Path, to: &Path) {
    output_ok(Command::new("cp").arg("-r").arg(from).arg(to));
}

/// A configuration with the witness, and an address that stays the same.
fn config(scratch: &Scratch, name: &str, policy: &Path) -> std::path::PathBuf {
    let text = format!(
        "[log]\nname = \"{name}\"\n[ingest]\nlisten = \"{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n\
         [witness]\npolicy_file = \"{}\"\npublish = \"with-quorum\"\n",
        upstream::free_address(),
        policy.display()
    );
    let path = scratch.path("serve.toml");
    fs_err::write(&path, text).unwrap();
    path
}

#[test]
fn a_witness_by_other_hands_cosigns_and_refuses_a_rollback() {
    let scratch = Scratch::new("witnessed");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let name = "log.example/e2e";
    // The first start makes the key; the witness has to know it before it is asked.
    let plain = scratch.path("plain.toml");
    let listen = "[ingest]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n";
    fs_err::write(&plain, format!("[log]\nname = \"{name}\"\n{listen}")).unwrap();
    Aggregator::start_configured(&data, &plain).stop();
    let log = log_key(&data);
    let (_witness, key, url) = witness(&scratch, name, &log);
    let policy = scratch.path("witnesses.policy");
    fs_err::write(
        &policy,
        format!("log {log}\nwitness w {key} {url}\nquorum w\n"),
    )
    .unwrap();
    let config = config(&scratch, name, &policy);
    let hub = Aggregator::start_configured(&data, &config);
    hub.enrol_with(&token(&data), &edge, "edge");
    session(&edge, "crm", &seen, 0, 20);
    ship_all(&edge);
    hub.stop();
    // The verifier's own policy asks for the witness, and is content.
    assert_eq!(verified(&data, &policy), Some(0));
    copy(&data, &scratch.path("backup"));
    let hub = Aggregator::start_configured(&data, &config);
    session(&edge, "crm", &seen, 20, 20);
    ship_all(&edge);
    hub.stop();
    assert_eq!(verified(&data, &policy), Some(0));

    // The operator turns the log back. The witness remembers; the log does not go on.
    fs_err::rename(&data, scratch.path("newest")).unwrap();
    fs_err::rename(scratch.path("backup"), &data).unwrap();
    let said = Aggregator::refused(&data, &config);
    assert!(said.contains("witness"), "{said}");
}

fn verified(data: &Path, policy: &Path) -> Option<i32> {
    let mut command = affiant();
    command
        .arg("verify")
        .arg(data.join("log"))
        .arg("--trust")
        .arg(policy)
        .arg("--no-remember");
    let out = output(&mut command);
    if out.status.code() != Some(0) {
        assert_eq!(said(&out), "");
    }
    out.status.code()
}
