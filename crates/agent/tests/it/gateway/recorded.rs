//! What passed is on record, whatever it was wrapped in.

use std::io::Write as _;
use std::thread;

use super::*;

/// One call through the gateway; the server's side is `serve`.
fn exchange(
    world: &World,
    listener: TcpListener,
    request: &[u8],
    response: Vec<u8>,
) -> (Vec<u8>, Vec<u8>) {
    let (n, m) = (request.len(), response.len());
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        let seen = read_n(&mut stream, n);
        stream.write_all(&response).unwrap();
        (seen, stream)
    });
    let mut client = world.connect();
    client.write_all(request).unwrap();
    let (seen, _stream) = server.join().unwrap();
    (seen, read_n(&mut client, m))
}

#[test]
fn the_call_is_durable_before_the_server_sees_it_and_complete_after() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "role = \"support\"\nuser = \"ada\"");
    let mut client = world.connect();
    let request = post("/mcp", &call("0")).replace(
        "Host: 127.0.0.1",
        "Host: 127.0.0.1\r\nAuthorization: Bearer canary-token\r\nMcp-Session-Id: s-1",
    );
    client.write_all(request.as_bytes()).unwrap();
    let mut server = accept(&listener);
    wire::read_request(&mut server);
    // The server has the request, so its begin is on disk: another reader finds it.
    let on_disk = {
        let spool = DataDir::new(world.dir.path()).spool(world.trail.name());
        let mut reader = Reader::open(spool).unwrap();
        let mut text = String::new();
        while let Ok(Some(Item::Frame(frame))) = reader.next_item() {
            text.push_str(&String::from_utf8_lossy(&frame.payload));
        }
        text
    };
    assert!(on_disk.contains("call.begin"), "{on_disk}");
    server
        .write_all(json_response(&answer("0")).as_bytes())
        .unwrap();
    wire::read_request(&mut client);
    let entries = world.entries();
    let ends = of_kind(&entries, "call.end");
    assert_eq!(ends.len(), 1);
    let end = ends[0];
    assert_eq!(end["status"]["code"], "success");
    assert_eq!(end["session"]["id"], "s-1");
    assert_eq!(end["agent"]["role"], "support");
    assert!(
        end["agent"]["token"]
            .as_str()
            .unwrap()
            .starts_with("hmac-sha256:"),
        "{end}"
    );
    assert_eq!(end["server"]["transport"], "http");
    assert_eq!(end["response"]["bytes"], answer("0").len());
    assert!(
        !entries
            .iter()
            .any(|entry| entry.to_string().contains("canary-token"))
    );
}

#[test]
fn a_compressed_answer_passes_as_it_is_and_is_read_on_a_copy() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(answer("1").as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(answer("1").as_bytes(), 3).unwrap();
    for (coding, body) in [("gzip", gzip), ("zstd", zstd)] {
        let (listener, upstream) = listen();
        let world = World::new(upstream, "");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let response = [head.as_bytes(), &body].concat();
        let request = post("/mcp", &call("1"));
        let (seen, got) = exchange(&world, listener, request.as_bytes(), response.clone());
        assert_eq!((seen, got), (request.into_bytes(), response));
        let entries = world.entries();
        let end = of_kind(&entries, "call.end")[0];
        assert_eq!(end["status"]["code"], "success", "{coding}");
        assert_eq!(end["response"]["bytes"], answer("1").len(), "{coding}");
    }
}

#[test]
fn a_compressed_request_is_read_on_a_copy_too() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(call("1").as_bytes()).unwrap();
    let body = gzip.finish().unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let (seen, _) = exchange(
        &world,
        listener,
        &request,
        json_response(&answer("1")).into_bytes(),
    );
    assert_eq!(seen, request);
    assert_eq!(of_kind(&world.entries(), "call.end").len(), 1);
}

#[test]
fn an_answer_in_an_unknown_coding_passes_and_is_an_anomaly() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let response = json_response("secret!").replace(
        "Content-Type",
        "Content-Encoding: aes128gcm\r\nContent-Type",
    );
    let (_, got) = exchange(
        &world,
        listener,
        post("/mcp", &call("1")).as_bytes(),
        response.clone().into_bytes(),
    );
    assert_eq!(got, response.as_bytes());
    let entries = world.entries();
    assert_eq!(of_kind(&entries, "anomaly").len(), 1);
    assert_eq!(of_kind(&entries, "call.end").len(), 1);
}

#[test]
fn a_call_that_claims_to_be_text_is_recorded_all_the_same() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let request = post("/mcp", &call("1")).replace("application/json", "text/plain");
    exchange(
        &world,
        listener,
        request.as_bytes(),
        json_response(&answer("1")).into_bytes(),
    );
    let entries = world.entries();
    assert_eq!(
        of_kind(&entries, "call.end")[0]["status"]["code"],
        "success"
    );
}

#[test]
fn forms_and_metadata_are_none_of_ours() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let request = post("/token", "grant_type=client_credentials")
        .replace("application/json", "application/x-www-form-urlencoded");
    exchange(
        &world,
        listener,
        request.as_bytes(),
        json_response(r#"{"access_token":"canary"}"#).into_bytes(),
    );
    let entries = world.entries();
    assert!(of_kind(&entries, "anomaly").is_empty(), "{entries:?}");
}

#[test]
fn calls_answered_on_an_event_stream_end_with_their_event() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let event = format!("event: message\nid: 9\ndata: {}\n\n", answer("5"));
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
        wire::chunk("id: 8\ndata: \n\n"),
        wire::chunk(&event)
    );
    let (_, got) = exchange(
        &world,
        listener,
        post("/mcp", &call("5")).as_bytes(),
        response.clone().into_bytes(),
    );
    assert_eq!(String::from_utf8(got).unwrap(), response);
    let entries = world.entries();
    let end = of_kind(&entries, "call.end")[0];
    assert_eq!(
        (&end["status"]["code"], &end["response"]["bytes"]),
        (&"success".into(), &answer("5").len().into())
    );
}

#[test]
fn http_with_sse_pairs_a_post_with_the_stream_its_endpoint_came_on() {
    let (listener, upstream) = listen();
    let world = World::new(
        upstream,
        "transport = \"sse\"\npaths = [\"/sse\", \"/message\"]",
    );
    let mut client = world.connect();
    client
        .write_all(b"GET /sse HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n")
        .unwrap();
    let mut stream = accept(&listener);
    read_head(&mut stream);
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_head(&mut client), head);
    let endpoint = "event: endpoint\ndata: /message?sessionId=f00\n\n";
    stream.write_all(wire::chunk(endpoint).as_bytes()).unwrap();
    assert_eq!(wire::read_chunk(&mut client).unwrap(), endpoint.as_bytes());

    let mut poster = world.connect();
    let request = post("/message?sessionId=f00", &call("3"));
    poster.write_all(request.as_bytes()).unwrap();
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted";
    assert_eq!(answer_once(&mut accept(&listener), accepted), request);
    assert_eq!(read_text(&mut poster, accepted.len()), accepted);
    let event = format!("event: message\ndata: {}\n\n", answer("3"));
    stream.write_all(wire::chunk(&event).as_bytes()).unwrap();
    assert_eq!(wire::read_chunk(&mut client).unwrap(), event.as_bytes());
    let entries = world.entries();
    let ends = of_kind(&entries, "call.end");
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["status"]["code"], "success", "{}", ends[0]);
}

#[test]
fn a_call_the_trail_cannot_take_is_answered_and_not_forwarded() {
    let (listener, upstream) = listen();
    let world = World::with(&format!(
        "trail = {{ spool_bytes_max = 1048576, segment_bytes = 65536 }}\n[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\""
    ));
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        let mut forwarded = 0_u32;
        // Until the gateway closes the idle connection at its stop.
        while stream.peek(&mut [0]).is_ok_and(|n| n > 0) {
            answer_once(&mut stream, &json_response(&answer("\"a\"")));
            forwarded += 1;
        }
        forwarded
    });
    let mut client = world.connect();
    let large = call("\"a\"").replace("1.10", &format!("\"{}\"", "word ".repeat(4000)));
    let mut answered = 0;
    let refused = loop {
        client.write_all(post("/mcp", &large).as_bytes()).unwrap();
        let head = read_head(&mut client);
        let body: Value = serde_json::from_slice(&wire::read_body(&mut client, &head)).unwrap();
        if body.get("error").is_some() {
            break body;
        }
        answered += 1;
        assert!(answered < 500, "the spool never fills");
    };
    assert_eq!(
        (&refused["id"], &refused["error"]["code"]),
        (&"a".into(), &(-31002).into())
    );
    drop(world);
    assert_eq!(server.join().unwrap(), answered);
}
