//! The document of the API before judges from outside.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::api;
use crate::world::World;

/// A program of `venv-api`.
fn judge(name: &str) -> PathBuf {
    let dir = std::env::var_os("AFFIANT_PEERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
        PathBuf::from,
    );
    let program = dir.join("venv-api/bin").join(name);
    assert!(
        program.exists(),
        "`{}` is not there; run `cargo xtask peers`",
        program.display()
    );
    program
}

async fn run(mut command: Command) {
    let out = tokio::task::spawn_blocking(move || command.output().unwrap());
    let out = out.await.unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_accepts_what_is_served() {
    let world = World::start().await;
    let served = crate::http::get(&api(&world), "/openapi.json", &[]).await;
    let file = world.dir.path().join("openapi.json");
    fs_err::write(&file, &served.body).unwrap();
    let mut command = Command::new(judge("openapi-spec-validator"));
    command.arg(&file);
    run(command).await;
}

/// What is made up from the document is answered as the document says.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_requests_are_answered_as_documented() {
    let world = World::start().await;
    let mut command = Command::new(judge("schemathesis"));
    command
        .current_dir(world.dir.path())
        .args(["run", &format!("{}/openapi.json", api(&world))])
        .args(["--include-method", "GET"])
        .args(["--exclude-path-regex", "^/(log/|login|callback)"])
        .args(["--max-examples", "12", "--seed", "7", "--workers", "1"])
        .args(["--phases", "examples,fuzzing", "--no-color"])
        .arg("--checks")
        .arg("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance");
    run(command).await;
}
