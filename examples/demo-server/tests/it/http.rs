//! Streamable HTTP on a real port.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One POST on a connection of its own; returns all that came back.
async fn post(path: &str, headers: &str, body: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(affiant_demo_server::serve_http(listener));
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.expect("a listener");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a reader");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("UTF-8");
    server.abort();
    answer
}

fn modern_echo(text: &str) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "echo", "arguments": {"text": text},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}
            }
        }
    })
}

#[tokio::test]
async fn legacy_initialize_opens_a_session() {
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "t", "version": "0"}
        }
    });
    let answer = post("/mcp", "", &initialize).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("mcp-session-id: "),
        "{answer}"
    );
}

#[tokio::test]
async fn modern_call_needs_no_session() {
    let headers =
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n";
    let answer = post("/mcp", headers, &modern_echo("over HTTP")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("over HTTP"), "{answer}");
}

#[tokio::test]
async fn other_paths_do_not_exist() {
    let answer = post("/", "", &modern_echo("x")).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}
