//! The port as a client meets it, in both eras, without the official suite.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One POST on a connection of its own; returns the status line and all that followed.
async fn post(headers: &str, body: &Value) -> (String, String) {
    let (listener, address) = affiant_conformance_server::bind(0)
        .await
        .expect("a free port");
    let server = tokio::spawn(affiant_conformance_server::serve(listener));
    let body = body.to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
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
    let (status, rest) = answer.split_once("\r\n").expect("a status line");
    (status.to_owned(), rest.to_owned())
}

#[tokio::test]
async fn initialize_opens_a_session() {
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "t", "version": "0"}
        }
    });
    let (status, rest) = post("", &initialize).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(
        rest.to_ascii_lowercase().contains("mcp-session-id: "),
        "{rest}"
    );
    assert!(rest.contains(r#""protocolVersion":"2025-11-25""#), "{rest}");
}

#[tokio::test]
async fn a_modern_request_needs_no_session() {
    let list = json!({
        "jsonrpc": "2.0", "id": "a", "method": "tools/list",
        "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}
        }}
    });
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n";
    let (status, rest) = post(headers, &list).await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(
        !rest.to_ascii_lowercase().contains("mcp-session-id"),
        "{rest}"
    );
    assert!(rest.contains("test_simple_text"), "{rest}");
}

#[tokio::test]
async fn a_foreign_origin_is_refused() {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let (status, _) = post("Origin: http://evil.example.com\r\n", &ping).await;
    assert_eq!(status, "HTTP/1.1 403 Forbidden");
}
