use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::trail::{Intent, OnFull};

const ROUTE: &str = "[[route]]\nid = \"crm\"\nupstream = \"http://127.0.0.1:3001\"\n";

fn parsed(text: &str) -> Result<Settings, ConfigError> {
    check(Path::new("/etc/affiant/agent.toml"), text)
}

/// The message for `text` with one good route behind it.
fn refused(text: &str) -> String {
    let text = format!("{text}\n{ROUTE}");
    parsed(&text).expect_err("refused").to_string()
}

#[test]
fn a_route_is_all_that_is_needed() {
    let settings = parsed(ROUTE).unwrap();
    assert_eq!(settings.gateway.listen.to_string(), "127.0.0.1:7300");
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:7301");
    assert_eq!(settings.trail.intent, Intent::Durable);
    assert_eq!(settings.routes[0].paths, ["/"]);
    assert_eq!(settings.routes[0].host, HostPolicy::Preserve);
    assert!(settings.digest.starts_with("sha256:") && settings.digest.len() == 71);
}

#[test]
fn the_example_file_spells_out_every_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/agent.toml");
    let text = fs_err::read_to_string(path).unwrap();
    let shown = parsed(&text).unwrap();
    let plain = parsed(ROUTE).unwrap();
    let without_digest = |settings: &Settings| {
        format!(
            "{:?}",
            Settings {
                digest: String::new(),
                ..settings.clone()
            }
        )
    };
    assert_eq!(without_digest(&shown), without_digest(&plain));
    // Keys that have no default stand there as comments; with them in force it must parse, too.
    let all: String = text
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line)))
        .collect();
    let all = parsed(&all).unwrap();
    assert_eq!(
        all.routes[0].ca_file,
        Some(PathBuf::from("/etc/affiant/ca.pem"))
    );
    assert_eq!(all.routes[0].call_timeout, Some(Duration::from_secs(600)));
}

#[test]
fn every_key_can_be_set() {
    let settings = parsed(
        r#"
        source.id = "gw-7"
        trail = { intent = "buffered", on_full = "drop", spool_bytes_max = 1048576, segment_bytes = 65536, heartbeat_interval_ms = 5000 }
        gateway = { listen = "[::1]:0", request_hold_bytes_max = 65536, shutdown_grace_ms = 0, client_half_close = "tolerate" }
        admin.listen = "127.0.0.1:0"
        [[route]]
        id = "a"
        upstream = "https://mcp.example"
        transport = "sse"
        listen = "127.0.0.1:0"
        paths = ["/sse", "/message"]
        host = "upstream"
        allowed_hosts = ["gw.example"]
        allowed_origins = ["https://app.example"]
        connect_timeout_ms = 1
        session_idle_ms = 1000
        session_meta_keys = ["com.example/session"]
        role = "support"
        user = "alice"
        "#,
    )
    .unwrap();
    assert_eq!(settings.trail.on_full, OnFull::Drop);
    assert!(settings.gateway.half_close);
    let route = &settings.routes[0];
    assert_eq!(route.transport, TransportKind::Sse);
    assert_eq!(route.host, HostPolicy::Upstream);
    assert_eq!(route.upstream.authority, "mcp.example");
    assert_eq!(route.user.as_deref(), Some("alice"));
}

#[test]
fn an_unknown_key_names_its_line_and_the_key_it_resembles() {
    assert_eq!(
        refused("[gateway]\nlisten = \"127.0.0.1:1\"\nshutdown_grace = 1"),
        "/etc/affiant/agent.toml:3: unknown key `shutdown_grace`; did you mean `shutdown_grace_ms`?"
    );
    assert_eq!(
        refused("[gatway]"),
        "/etc/affiant/agent.toml:1: unknown key `gatway`; did you mean `gateway`?"
    );
    assert_eq!(
        refused("[admin]\nzzz = 1"),
        "/etc/affiant/agent.toml:2: unknown key `zzz`"
    );
    let in_route = parsed(&format!("{ROUTE}upstrem = 1"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        in_route,
        "/etc/affiant/agent.toml:4: unknown key `upstrem`; did you mean `upstream`?"
    );
}

#[test]
fn what_is_wrong_is_said_on_one_line_with_its_place() {
    for (text, expected) in [
        (
            "[gateway]\nlisten = \"here\"",
            ":2: `listen` is not an address and port such as",
        ),
        (
            "[gateway]\nlisten = 1",
            ":2: invalid type: integer `1`, expected a string",
        ),
        (
            "[gateway]\nrequest_hold_bytes_max = 1",
            ":2: `request_hold_bytes_max` is 1; it takes 65536 to",
        ),
        (
            "[trail]\nintent = \"maybe\"",
            ":2: `intent` is `maybe`; it takes `durable`, `buffered`",
        ),
        ("[source]\nid = \"A B\"", ":2: `id` takes 1 to 64 of"),
        (
            "[redact]\nrule_files = [\"a\", \"b\"]",
            ":2: `rule_files` names 2 files; one is supported",
        ),
        ("[trail", ":1: "),
    ] {
        let message = refused(text);
        assert!(
            message.contains(expected) && !message.contains('\n'),
            "{message}"
        );
    }
}

#[test]
fn routes_are_checked_against_each_other() {
    let route = |more: &str| format!("[[route]]\nupstream = \"http://h\"\n{more}\n");
    let check = |texts: &[&str]| {
        let text: String = texts.iter().map(|more| route(more)).collect();
        parsed(&text).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(
        check(&[
            "id = \"a\"\npaths = [\"/a\"]",
            "id = \"b\"\npaths = [\"/a/b\"]"
        ])
        .is_ok()
    );
    assert!(check(&["id = \"a\"", "id = \"b\"\nlisten = \"127.0.0.1:9\""]).is_ok());
    let taken = check(&[
        "id = \"a\"\npaths = [\"/a\"]",
        "id = \"b\"\npaths = [\"/a/\"]",
    ]);
    assert!(
        taken.unwrap_err().contains(":5: `paths` `/a` is taken"),
        "path"
    );
    let taken = check(&["id = \"a\"", "id = \"a\"\npaths = [\"/a\"]"]);
    assert!(taken.unwrap_err().contains("`id` `a` is taken"), "id");
    assert!(check(&[""]).unwrap_err().contains("`id` is missing"));
    assert!(
        parsed("")
            .unwrap_err()
            .to_string()
            .contains("`[[route]]` is missing")
    );
}

#[test]
fn an_upstream_is_scheme_host_and_port() {
    for (url, expected) in [
        ("127.0.0.1:3001", "is not a URL"),
        ("ftp://h", "`http` and `https` only"),
        ("http://h/mcp", "takes no path"),
        ("http://u:p@h", "takes no user"),
    ] {
        let text = format!("[[route]]\nid = \"a\"\nupstream = \"{url}\"");
        let message = parsed(&text).unwrap_err().to_string();
        assert!(message.contains(expected), "{url}: {message}");
        assert!(!message.contains("u:p"), "a password is not repeated");
    }
}
