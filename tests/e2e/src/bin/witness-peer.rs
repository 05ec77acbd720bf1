//! A stdio MCP server that remembers what reached it in the file named by its first argument.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use affiant_e2e::witness::Witness;
use serde_json::Value;

fn main() -> std::io::Result<()> {
    let path = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .unwrap_or_default();
    let mut witness = Witness::open(&path)?;
    let stdin = std::io::stdin().lock();
    let mut stdout = std::io::stdout().lock();
    for line in stdin.lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line?) else {
            continue;
        };
        if let Some(answer) = witness.answer(&message)? {
            stdout.write_all(format!("{answer}\n").as_bytes())?;
            stdout.flush()?;
        }
    }
    Ok(())
}
