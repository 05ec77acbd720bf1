//! The exchange looks the same from both ends.

use std::io::Write as _;
use std::thread;

use super::*;

/// Sends `request` through the gateway, answers `response`, and compares both.
fn check(request: &str, response: &str) {
    check_as(request, request, response, response);
}

fn check_as(sent: &str, expected_request: &str, answered: &str, expected_response: &str) {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let server = thread::spawn({
        let answered = answered.to_owned();
        let n = expected_request.len();
        move || {
            let mut stream = accept(&listener);
            let seen = read_text(&mut stream, n);
            stream.write_all(answered.as_bytes()).unwrap();
            (seen, stream)
        }
    });
    let mut client = world.connect();
    client.write_all(sent.as_bytes()).unwrap();
    let (seen, _stream) = server.join().unwrap();
    assert_eq!(seen, expected_request);
    assert_eq!(
        read_text(&mut client, expected_response.len()),
        expected_response
    );
    // Nothing follows: the connection is idle, and closes when the gateway stops.
    drop(world);
    assert!(is_closed(&mut client), "more bytes than expected");
}

#[test]
fn heads_and_bodies_are_the_same_bytes() {
    let body = r#"{"method":"ping","jsonrpc":"2.0",  "id":1.0}"#;
    let request = format!(
        "POST /mcp?x=%20A&y=/../z//&&k=%7b{{}} HTTP/1.1\r\nHOST: Example.com:1\r\naccept: application/json, \
         text/event-stream\r\nX-Dup: b\r\nx-DUP: a\r\nX-dup: b\r\nAuthorization: Bearer  S3cret=\r\nX-Empty:\r\n\
         content-TYPE: application/JSON; charset=utf-8\r\nContent-Length: {}\r\nMcp-Session-Id: 42\r\n\r\n{body}",
        body.len()
    );
    let answer = r#"{"result":{},"jsonrpc":"2.0","id":1.0}"#;
    let response = format!(
        "HTTP/1.1 200 All Fine\r\nX-Powered-By: Express\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nDate: yesterday\r\n\
         Content-Length: {}\r\nContent-Type: application/json\r\nETag: W/\"x\"\r\n\r\n{answer}",
        answer.len()
    );
    check(&request, &response);
}

#[test]
fn framing_stays_as_it_came() {
    let request = "POST /m HTTP/1.1\r\nHost: h\r\ntransfer-Encoding: chunked\r\nX: 1\r\n\r\n\
                   5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n";
    let response =
        "HTTP/1.1 200 OK\r\nTransfer-encoding: chunked\r\nX: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    // Two chunks of one segment may be joined to none other than themselves.
    check(request, response);
}

#[test]
fn other_methods_stream_through() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: y\r\n\r\n";
    check(
        "DELETE /mcp HTTP/1.1\r\nHost: h\r\nMcp-Session-Id: a\r\n\r\n",
        ok,
    );
    check(
        "PUT /up HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        ok,
    );
    check("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ok);
    check(
        "POST /empty HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        ok,
    );
    check("POST /none HTTP/1.1\r\nHost: h\r\n\r\n", ok);
    check("GET //double//?a?b HTTP/1.1\r\nHost: h\r\n\r\n", ok);
}

#[test]
fn responses_without_a_body_keep_their_fields() {
    let get = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";
    check(
        "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX: 1\r\n\r\n",
    );
    check(
        "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: 1\r\n\r\n",
    );
    check(get, "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n");
    check(
        get,
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n",
    );
    check(
        get,
        "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n",
    );
    check(
        &post(
            "/m",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        ),
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn only_fields_of_the_connection_are_left_out() {
    check_as(
        "GET /x HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\n\
         TE: trailers\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nX-Kept: 1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: h\r\nX-Kept: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 1\r\n\
         Proxy-Authenticate: x\r\nX-Kept: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Kept: 1\r\n\r\na",
    );
}

#[test]
fn duplicates_that_stand_apart_keep_their_values_and_their_order() {
    check_as(
        "GET /x HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 1\r\na: 2\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: h\r\nA: 1\r\na: 2\r\nB: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\nA: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn an_older_client_and_an_older_server_are_served() {
    // HTTP/1.0 without a length: the body ends with the connection, so it ends with chunks on ours.
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.0 200 OK\r\nX: 1\r\n\r\nhello")
            .unwrap();
    });
    let mut client = world.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let head = read_head(&mut client);
    assert_eq!(wire::read_body(&mut client, &head), b"hello");
    server.join().unwrap();
}

#[test]
fn trailers_travel_to_who_takes_them() {
    let response = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let asked = "GET /x HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n";
    check_as(
        asked,
        "GET /x HTTP/1.1\r\nHost: h\r\n\r\n",
        response,
        response,
    );
}

#[test]
fn many_fields_and_a_long_path_pass() {
    let fields: String = (0..500).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let path = "/p".repeat(4000);
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n");
    check(
        &format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"),
        &response,
    );
}

#[test]
fn connections_are_kept_on_both_sides() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        for id in ["1", "2", "3"] {
            answer_once(&mut stream, &json_response(&answer(id)));
        }
    });
    let mut client = world.connect();
    for id in ["1", "2", "3"] {
        client
            .write_all(post("/mcp", &call(id)).as_bytes())
            .unwrap();
        assert!(wire::read_request(&mut client).ends_with(&answer(id)));
    }
    server.join().unwrap();
}

#[test]
fn large_bodies_pass_whole() {
    let filler = "é\\n\"".repeat(1 << 19).replace('"', "\\\"");
    for hold in ["1073741824", "65536"] {
        let (listener, upstream) = listen();
        let world = World::with(&format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\nrequest_hold_bytes_max = {hold}\n[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\""
        ));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"n":"{filler}"}}}}}}"#
        );
        let result =
            format!(r#"{{"result":{{"content":[],"x":"{filler}"}},"jsonrpc":"2.0","id":1}}"#);
        let server = thread::spawn({
            let result = result.clone();
            move || answer_once(&mut accept(&listener), &json_response(&result))
        });
        let mut client = world.post("/mcp", &body);
        let response = wire::read_request(&mut client);
        assert!(response == json_response(&result), "response differs");
        assert!(
            server.join().unwrap() == post("/mcp", &body),
            "request differs"
        );
        let entries = world.entries();
        assert_eq!(of_kind(&entries, "call.begin").len(), 1);
        assert_eq!(
            of_kind(&entries, "call.end")[0]["response"]["bytes"],
            result.len()
        );
    }
}
