//! Streams flow: heads at once, each piece when it comes.

use std::io::Write as _;
use std::thread;

use super::*;

const SSE_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_silent_stream_shows_its_head_at_once_and_each_event_when_it_comes() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let mut client = world.connect();
    client
        .write_all(b"GET /mcp HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n")
        .unwrap();
    let mut server = accept(&listener);
    read_head(&mut server);
    server.write_all(SSE_HEAD.as_bytes()).unwrap();
    // The server says nothing more until the client has the head, and each event in turn.
    assert_eq!(read_head(&mut client), SSE_HEAD);
    for piece in [
        ": keep-alive\n\n",
        "id: 1\ndata: \n\n",
        "data: {\"jsonrpc\":",
        "\"2.0\",\"method\":\"x\"}\n\n",
    ] {
        server.write_all(wire::chunk(piece).as_bytes()).unwrap();
        assert_eq!(wire::read_chunk(&mut client).unwrap(), piece.as_bytes());
    }
    server.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(wire::read_chunk(&mut client), None);
}

#[test]
fn a_request_that_is_not_a_post_flows_while_it_is_sent() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let mut client = world.connect();
    client
        .write_all(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
        .unwrap();
    let mut server = accept(&listener);
    read_head(&mut server);
    assert_eq!(read_n(&mut server, 2), b"ab");
    client.write_all(b"cd").unwrap();
    assert_eq!(read_n(&mut server, 2), b"cd");
}

#[test]
fn a_body_too_large_to_hold_flows_but_for_its_end() {
    let (listener, upstream) = listen();
    let world = World::with(&format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nrequest_hold_bytes_max = 65536\n[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\""
    ));
    let body = call("1").replace("1.10", &format!("\"{}\"", "x".repeat(300_000)));
    let (start, end) = body.split_at(290_000);
    let mut client = world.connect();
    let head = post("/mcp", &body);
    let head = head.strip_suffix(&body).unwrap();
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(start.as_bytes()).unwrap();
    let mut server = accept(&listener);
    assert_eq!(read_head(&mut server), head);
    // At least what was more than is held has come through, though the request is not whole.
    assert_eq!(read_text(&mut server, 65_536), start[..65_536]);
    client.write_all(end.as_bytes()).unwrap();
    assert_eq!(read_text(&mut server, body.len() - 65_536), body[65_536..]);
    assert_eq!(world.trail.calls(), 1);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let body = call("1");
    let head = post("/mcp", &body).replace("Host", "Expect: 100-continue\r\nHost");
    let head = head.strip_suffix(&body).unwrap().to_owned();
    let mut client = world.connect();
    client.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_head(&mut client), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(body.as_bytes()).unwrap();
    let mut server = accept(&listener);
    assert_eq!(wire::read_request(&mut server), head + &body);
    // The server's own interim responses stay behind.
    server
        .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        .unwrap();
    server
        .write_all(json_response(&answer("1")).as_bytes())
        .unwrap();
    assert_eq!(wire::read_request(&mut client), json_response(&answer("1")));
}

#[test]
fn many_clients_wait_on_streams_while_others_are_served() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut client = world.connect();
        client
            .write_all(b"GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        let mut server = accept(&listener);
        read_head(&mut server);
        server.write_all(SSE_HEAD.as_bytes()).unwrap();
        read_head(&mut client);
        silent.push((client, server));
    }
    let server =
        thread::spawn(move || answer_once(&mut accept(&listener), &json_response(&answer("1"))));
    let mut client = world.post("/mcp", &call("1"));
    assert_eq!(wire::read_request(&mut client), json_response(&answer("1")));
    server.join().unwrap();
}
