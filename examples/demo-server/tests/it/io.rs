//! One JSON-RPC message a line, over an in-memory stream.

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf,
};

/// A client that has said `initialize`.
struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: tokio::io::WriteHalf<DuplexStream>,
    next: u64,
}

impl Client {
    async fn open() -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (reader, writer) = tokio::io::split(theirs);
        tokio::spawn(affiant_demo_server::serve_io(reader, writer));
        let (reader, writer) = tokio::io::split(ours);
        let mut client = Self {
            lines: BufReader::new(reader).lines(),
            writer,
            next: 0,
        };
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "t", "version": "0"}
        });
        let answer = client.request("initialize", hello).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "crm");
        client
            .send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        client
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.writer
            .write_all(line.as_bytes())
            .await
            .expect("an open stream");
    }

    async fn receive(&mut self) -> Value {
        let line = self
            .lines
            .next_line()
            .await
            .expect("an open stream")
            .expect("a line");
        serde_json::from_str(&line).expect("a message")
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.start(method, params).await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], id);
        answer
    }

    async fn start(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let message =
            json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params});
        self.send(&message).await;
        self.next
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }
}

#[tokio::test]
async fn search_get_and_update_agree() {
    let mut client = Client::open().await;
    let found = client
        .call("search_customers", json!({"query": "osaka"}))
        .await;
    assert_eq!(
        found["result"]["structuredContent"]["customers"][0]["id"],
        "C-1005"
    );
    let changed = client
        .call("update_customer", json!({"id": "C-1005", "plan": "free"}))
        .await;
    assert_eq!(changed["result"]["isError"], false);
    let row = client.call("get_customer", json!({"id": "C-1005"})).await;
    assert_eq!(row["result"]["structuredContent"]["plan"], "free");
}

#[tokio::test]
async fn unknown_id_is_a_tool_error() {
    let mut client = Client::open().await;
    let answer = client.call("update_customer", json!({"id": "C-9"})).await;
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(answer["result"]["content"][0]["text"], "no customer `C-9`");
}

#[tokio::test]
async fn delete_is_a_protocol_error() {
    let mut client = Client::open().await;
    let answer = client
        .call("delete_customer", json!({"id": "C-1001"}))
        .await;
    assert_eq!(answer["error"]["code"], -32603);
}

#[tokio::test]
async fn connect_never_repeats_the_secret() {
    let mut client = Client::open().await;
    for key in ["password", "api_key"] {
        let answer = client
            .call("connect", json!({"username": "ada", key: "canary-5f1c"}))
            .await;
        assert_eq!(answer["result"]["isError"], false);
        assert!(!answer.to_string().contains("canary-5f1c"));
    }
    let answer = client.call("connect", json!({"username": "ada"})).await;
    assert_eq!(answer["result"]["isError"], true);
}

#[tokio::test]
async fn echo_returns_its_text() {
    let mut client = Client::open().await;
    let text = "zażółć \u{0} \"quoted\"\n".repeat(100);
    let answer = client.call("echo", json!({"text": text})).await;
    assert_eq!(answer["result"]["content"][0]["text"], text);
}

#[tokio::test]
async fn export_reports_progress_and_ends() {
    let mut client = Client::open().await;
    let params = json!({
        "name": "export_report", "arguments": {"seconds": 0.05}, "_meta": {"progressToken": "p"}
    });
    let id = client.start("tools/call", params).await;
    for step in 0..=10 {
        let message = client.receive().await;
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(
            message["params"]["progress"].as_f64(),
            Some(f64::from(step))
        );
    }
    let answer = client.receive().await;
    assert_eq!(answer["id"], id);
    let report = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(report.lines().count(), 7);
}

#[tokio::test]
async fn export_can_be_cancelled() {
    let mut client = Client::open().await;
    let slow = json!({"name": "export_report", "arguments": {"seconds": 60}});
    let id = client.start("tools/call", slow).await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}
    });
    client.send(&cancel).await;
    // nothing but the next answer follows
    let answer = client.call("echo", json!({"text": "still here"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "still here");
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let mut client = Client::open().await;
    let answer = client.call("export_report", json!({"seconds": -1})).await;
    assert_eq!(answer["error"]["code"], -32602);
    let answer = client.call("echo", json!({"text": 1})).await;
    assert_eq!(answer["error"]["message"], "`text` must be a string");
}

#[tokio::test]
async fn modern_requests_need_no_handshake() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (reader, writer) = tokio::io::split(theirs);
    tokio::spawn(affiant_demo_server::serve_io(reader, writer));
    let (reader, writer) = tokio::io::split(ours);
    let mut client = Client {
        lines: BufReader::new(reader).lines(),
        writer,
        next: 0,
    };
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let answer = client
        .request("server/discover", json!({"_meta": meta}))
        .await;
    assert!(answer["result"]["supportedVersions"].is_array(), "{answer}");
    let call = json!({"name": "echo", "arguments": {"text": "hi"}, "_meta": meta});
    let answer = client.request("tools/call", call).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_no_error() {
    let (ours, theirs) = tokio::io::duplex(64);
    drop(ours);
    let (reader, writer) = tokio::io::split(theirs);
    assert!(affiant_demo_server::serve_io(reader, writer).await.is_ok());
}
