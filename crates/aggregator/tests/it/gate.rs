//! Who may import.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use affiant_aggregator::config::Settings;
use affiant_aggregator::{Parts, Server, StartError, StateDir, config};

use crate::wire::post_with;
use crate::world::{World, eventually};

const TOKEN: &str = "0123456789abcdef-import";

fn token_file(dir: &Path, text: &str, mode: u32) -> std::path::PathBuf {
    let path = dir.join("import.token");
    fs_err::write(&path, text).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

async fn import(world: &World, header: Option<(&str, &str)>) -> (u16, String) {
    let api = &world.server().addresses().api;
    let reply = post_with(api, "/v1/import/toolhive", Vec::new(), header).await;
    let problem = match reply.status {
        200 => String::new(),
        _ => reply.problem(),
    };
    (reply.status, problem)
}

fn refused() -> (u16, String) {
    (403, "import-refused".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_importing_asks_for_a_token_only_if_there_is_one() {
    let world = World::start().await;
    assert_eq!(import(&world, None).await.0, 200);
    let dir = tempfile::tempdir().unwrap();
    let file = token_file(dir.path(), &format!("{TOKEN}\n"), 0o600);
    let world = World::start_with(|settings| settings.import_token = Some(file)).await;
    for wrong in [
        None,
        Some(("authorization", "Bearer 0123456789abcdef-imporT")),
        Some(("authorization", "Bearer ")),
        Some(("authorization", "Basic 0123456789abcdef-import")),
        Some(("authorization", TOKEN)),
    ] {
        assert_eq!(import(&world, wrong).await, refused(), "{wrong:?}");
    }
    let right = format!("bearer {TOKEN}");
    let right = Some(("authorization", right.as_str()));
    assert_eq!(import(&world, right).await.0, 200);
    // Reading asks for nothing.
    assert_eq!(world.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_network_importing_is_shut_without_a_token() {
    let anywhere = |settings: &mut Settings| {
        settings.api_listen = ([0, 0, 0, 0], 0).into();
        settings.access.required = true;
    };
    let world = World::start_with(anywhere).await;
    assert_eq!(import(&world, None).await, refused());
    let api = &world.server().addresses().api;
    for path in ["/v1/logs", "/v1/traces"] {
        let json = Some(("content-type", "application/json"));
        assert_eq!(
            post_with(api, path, b"{}".to_vec(), json).await.status,
            403,
            "{path}"
        );
    }
    assert_eq!(world.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_others_can_read_or_guess_is_not_used() {
    for (text, mode) in [
        (TOKEN, 0o644),
        ("short", 0o600),
        ("has a blank in it", 0o600),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        let mut settings = config::dev(&state).unwrap();
        settings.import_token = Some(token_file(dir.path(), text, mode));
        let started = Server::start(settings, state, Parts::default()).await;
        assert!(matches!(started, Err(StartError::File(error)) if error.is_unsafe()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_records_are_redacted_by_the_configured_rules_which_the_boot_entry_names() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.toml");
    fs_err::write(&rules, "[[rule]]\nid = \"badge\"\nvalue = 'B-\\d{6}'\n").unwrap();
    let world = World::start_with(|settings| {
        settings.redaction_rules = Some(rules.clone());
    })
    .await;
    let boot = eventually(|| world.of_kind("boot").pop()).await;
    let digest = boot["boot_info"]["config"].as_str().unwrap().to_owned();
    assert!(digest.starts_with("sha256:"), "{digest}");
    let text = concat!(
        r#"{"time":"2026-08-21T10:15:01Z","level":"AUDIT","msg":"audit_event","type":"mcp_tool_call","#,
        r#""logged_at":"2026-08-21T10:15:02Z","outcome":"success","subjects":{"user":"Ann"},"#,
        r#""target":{"method":"tools/call","name":"echo","type":"tool"},"data":{"request":{"jsonrpc":"2.0","#,
        r#""id":7,"method":"tools/call","params":{"name":"echo","arguments":{"of":"B-123456"}}}}}"#,
        "\n"
    );
    let api = &world.server().addresses().api;
    let reply = post_with(api, "/v1/import/toolhive", text.as_bytes().to_vec(), None).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let imported = world.of_kind("call.import");
    assert_eq!(imported.len(), 1, "{}", reply.text());
    assert!(
        imported[0]["redactions"].to_string().contains("badge"),
        "{imported:?}"
    );
    let mut held = world.leaves();
    for blob in fs_err::read_dir(world.state().blobs()).unwrap() {
        held.push(fs_err::read(blob.unwrap().path()).unwrap());
    }
    for bytes in held {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("B-123456"), "{text}");
    }
}
