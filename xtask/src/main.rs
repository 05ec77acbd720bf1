//! The house's own tools: `cargo xtask COMMAND`.

mod run;
mod test;
mod tidy;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy     hold the house rules: crate edges, licences, forbidden words and calls
  test     everything CI runs: tidy, format, lints, tests, real peers, fuzz targets
  quick    tidy, format, lints and tests of the workspace, without peers
  store    lints and tests of the store, which the commands above leave out
  peers    install the peers of the tests into target/peers
  web      make the page that verifies proofs (web/verify)
  web-test try that page in a headless Chromium
  bench    run the benches beside their peers and print the tables
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let done = match command.as_str() {
        "tidy" => tidy::run(&root()),
        "test" => test::full(&root()),
        "quick" => test::quick(&root()),
        "store" => test::store(&root()),
        "peers" => test::install_peers(&root()),
        "web" => web::build(&root()),
        "web-test" => web::check(&root()),
        "bench" => test::bench(&root()),
        _ => {
            run::say(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The workspace root.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}
