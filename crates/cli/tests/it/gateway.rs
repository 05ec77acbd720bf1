//! `affiant agent`, as far as the command goes: start, refusals, orderly end.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::Sandbox;

fn config(listen: &str, more: &str) -> String {
    format!(
        "{more}\n[gateway]\nlisten = \"{listen}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[route]]\nid = \"crm\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

#[test]
fn it_says_where_it_listens_and_seals_its_trail_when_it_is_told_to_end() {
    let sandbox = Sandbox::new();
    sandbox.write("agent.toml", &config("127.0.0.1:0", ""));
    let mut command = sandbox.affiant(["agent", "--config", "agent.toml"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("route crm at http://127.0.0.1:"), "{line}");
    assert!(sandbox.data().join("agent.json").exists());
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.verify().code, 0);
    assert_eq!(
        sandbox.entries(&["--kind", "stop"])[0]["stop"]["signal"],
        15
    );
}

#[test]
fn a_port_that_is_taken_has_its_code() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    sandbox.write("agent.toml", &config(&address, ""));
    let ran = sandbox.run(["agent", "--config", "agent.toml"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.stderr.contains(&format!(
            "error: gateway.listen `{address}` cannot be listened on"
        )),
        "{}",
        ran.stderr
    );
    assert_eq!(sandbox.verify().code, 0);
}

#[test]
fn a_quota_that_is_used_up_has_its_code() {
    let sandbox = Sandbox::new();
    let small = "[trail]\nspool_bytes_max = 1048576\n";
    sandbox.write("agent.toml", &config("127.0.0.1:0", small));
    let blobs = sandbox.data().join("spools/agent/blobs");
    fs_err::create_dir_all(&blobs).unwrap();
    fs_err::write(blobs.join("0".repeat(64)), vec![0; 2 << 20]).unwrap();
    let ran = sandbox.run(["agent", "--config", "agent.toml"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(
        ran.stderr
            .contains("error: spool `agent` takes no entries (spool-full)"),
        "{}",
        ran.stderr
    );
}
