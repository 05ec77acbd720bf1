//! A stdio MCP server that remembers what reached it: each `tools/call` adds its argument `n` to the
//! file named by the first argument before it is answered.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_default();
    let mut seen = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
    let stdin = std::io::stdin().lock();
    let mut stdout = std::io::stdout().lock();
    for line in stdin.lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line?) else { continue };
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "witness-peer", "version": "1.0.0"},
            }),
            Some("tools/list") => json!({"tools": [{"name": "note", "inputSchema": {"type": "object"}}]}),
            Some("tools/call") => {
                seen.write_all(format!("{}\n", message["params"]["arguments"]["n"]).as_bytes())?;
                json!({"content": [{"type": "text", "text": "noted"}]})
            }
            _ => continue,
        };
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        stdout.write_all(format!("{answer}\n").as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}
