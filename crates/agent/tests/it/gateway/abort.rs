//! Whoever breaks off on one side is broken off on the other.

use std::io::Write as _;
use std::net::Shutdown;

use super::*;

const SSE_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_client_that_goes_before_the_head_drops_the_upstream_request() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let client = world.post("/mcp", &call("1"));
    let mut server = accept(&listener);
    wire::read_request(&mut server);
    drop(client);
    assert!(is_closed(&mut server));
}

#[test]
fn a_client_that_goes_amid_a_stream_drops_the_upstream_stream() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    for first in ["", ": hello\n\n"] {
        let mut client = world.post("/mcp", &call("1"));
        let mut server = accept(&listener);
        wire::read_request(&mut server);
        server.write_all(SSE_HEAD.as_bytes()).unwrap();
        read_head(&mut client);
        if !first.is_empty() {
            server.write_all(wire::chunk(first).as_bytes()).unwrap();
            wire::read_chunk(&mut client).unwrap();
        }
        drop(client);
        assert!(is_closed(&mut server));
    }
}

#[test]
fn a_client_that_goes_amid_its_request_leaves_no_call() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let request = post("/mcp", &call("1"));
    let mut client = world.connect();
    client
        .write_all(&request.as_bytes()[..request.len() - 1])
        .unwrap();
    drop(client);
    let _other = world.post("/mcp", &call("2"));
    // The first connection upstream is the second client's.
    assert!(wire::read_request(&mut accept(&listener)).ends_with(&call("2")));
    assert_eq!(world.trail.calls(), 1);
}

#[test]
fn a_server_that_breaks_amid_a_body_breaks_the_clients_too() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let chunked = format!("{SSE_HEAD}{}", wire::chunk("data: 1\n\n"));
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_owned();
    for response in [chunked, sized] {
        let mut client = world.post("/mcp", &call("1"));
        let mut server = accept(&listener);
        wire::read_request(&mut server);
        server.write_all(response.as_bytes()).unwrap();
        assert_eq!(read_text(&mut client, response.len()), response);
        drop(server);
        // No last chunk, no filler: the body is visibly cut.
        assert!(is_closed(&mut client));
    }
}

#[test]
fn half_close_is_an_abort_unless_configured() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let client = world.post("/mcp", &call("1"));
    let mut server = accept(&listener);
    wire::read_request(&mut server);
    client.shutdown(Shutdown::Write).unwrap();
    assert!(is_closed(&mut server));
    drop(world);

    let tolerant = World::with(&format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nclient_half_close = \"tolerate\"\n[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\""
    ));
    let mut client = tolerant.post("/mcp", &call("1"));
    client.shutdown(Shutdown::Write).unwrap();
    let mut server = accept(&listener);
    answer_once(&mut server, &json_response(&answer("1")));
    assert_eq!(wire::read_request(&mut client), json_response(&answer("1")));
}

#[test]
fn ends_are_recorded_by_era() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let modern = call("1").replace(
        r#""name":"#,
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"#,
    );
    for body in [modern, call("2")] {
        let mut client = world.post("/mcp", &body);
        let mut server = accept(&listener);
        wire::read_request(&mut server);
        server.write_all(SSE_HEAD.as_bytes()).unwrap();
        read_head(&mut client);
        drop(client);
        assert!(is_closed(&mut server));
    }
    let entries = world.entries();
    let reasons: Vec<_> = of_kind(&entries, "call.end")
        .iter()
        .map(|e| e["status"]["reason"].clone())
        .collect();
    assert_eq!(reasons, ["client-disconnected", "no-response"]);
}
