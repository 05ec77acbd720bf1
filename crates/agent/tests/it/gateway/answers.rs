//! Routes, checks, and what the gateway says itself.

use std::io::Write as _;
use std::thread;

use super::*;

fn ask(address: SocketAddr, request: &str) -> (String, Value) {
    let mut client = connect(address);
    client.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut client);
    let body = wire::read_body(&mut client, &head);
    (
        head.lines().next().unwrap().to_owned(),
        serde_json::from_slice(&body).unwrap(),
    )
}

fn refusing() -> SocketAddr {
    listen().1
}

#[test]
fn an_unreachable_upstream_is_a_502_that_answers_the_request() {
    let world = World::new(refusing(), "");
    let (status, body) = ask(world.address(), &post("/mcp", &call("\"a-1\"")));
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(body["id"], "a-1");
    assert_eq!(body["error"]["code"], -31001);
    assert_eq!(body["error"]["data"]["reason"], "connect");
    let (_, batch) = ask(
        world.address(),
        &post("/mcp", &format!("[{},{}]", call("1"), call("2"))),
    );
    assert_eq!((&batch[0]["id"], &batch[1]["id"]), (&1.into(), &2.into()));
    let (status, body) = ask(world.address(), "GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        (status.as_str(), &body["id"]),
        ("HTTP/1.1 502 Bad Gateway", &Value::Null)
    );
    let entries = world.entries();
    let ends = of_kind(&entries, "call.end");
    assert_eq!(ends.len(), 3);
    assert!(
        ends.iter().all(|end| end["status"]["code"] == "error"),
        "{ends:?}"
    );
}

#[test]
fn an_upstream_that_hangs_up_is_not_asked_twice() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let server = thread::spawn(move || {
        let mut first = accept(&listener);
        wire::read_request(&mut first);
        drop(first);
        listener.set_nonblocking(true).unwrap();
        listener
    });
    let (status, body) = ask(world.address(), &post("/mcp", &call("7")));
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(
        (&body["id"], &body["error"]["data"]["reason"]),
        (&7.into(), &"broken".into())
    );
    assert!(
        server.join().unwrap().accept().is_err(),
        "the request was sent again"
    );
}

#[test]
fn an_upstream_whose_tls_fails_is_unreachable() {
    let (listener, upstream) = listen();
    let world = World::with(&format!(
        "[[route]]\nid = \"t\"\nupstream = \"https://{upstream}\"\nca_file = \"{}\"",
        ca_file()
    ));
    let server = thread::spawn(move || accept(&listener).write_all(b"HTTP/1.1 400 plain\r\n\r\n"));
    let (status, body) = ask(world.address(), &post("/mcp", &call("7")));
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(body["error"]["data"]["reason"], "connect");
    server.join().unwrap().unwrap();
}

/// Any root certificate: the host the test runs on may have none.
fn ca_file() -> String {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = std::env::temp_dir().join(format!("affiant-test-ca-{}.pem", std::process::id()));
    fs_err::write(&path, certified.cert.pem()).unwrap();
    path.display().to_string()
}

#[test]
fn routes_share_a_listener_and_the_longest_path_wins() {
    let (first, a) = listen();
    let (second, b) = listen();
    let world = World::with(&format!(
        "[[route]]\nid = \"a\"\nupstream = \"http://{a}\"\npaths = [\"/x\"]\n\
         [[route]]\nid = \"b\"\nupstream = \"http://{b}\"\npaths = [\"/x/b\", \"/c\"]\n"
    ));
    let serve = |listener: TcpListener, body: &'static str| {
        thread::spawn(move || {
            loop {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                thread::spawn(move || {
                    loop {
                        read_head(&mut stream);
                        if stream.write_all(json_response(body).as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        })
    };
    serve(first, "\"a\"");
    serve(second, "\"b\"");
    let get = |path: &str| {
        ask(
            world.address(),
            &format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"),
        )
    };
    for (path, expected) in [
        ("/x", "a"),
        ("/x/a", "a"),
        ("/x/b?q", "b"),
        ("/x/b/z", "b"),
        ("/c", "b"),
        ("/x/bc", "a"),
    ] {
        assert_eq!(get(path).1, expected, "{path}");
    }
    let (status, body) = get("/elsewhere");
    assert_eq!(
        (status.as_str(), &body["error"]["code"]),
        ("HTTP/1.1 404 Not Found", &(-31004).into())
    );
    let urls = &world.gateway().addresses().routes;
    assert_eq!(urls["b"], format!("http://{}/x/b", world.address()));
}

#[test]
fn a_rewritten_host_is_checked_here_and_a_preserved_one_is_not() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "host = \"upstream\"");
    let get =
        |host: &str, more: &str| format!("GET /mcp HTTP/1.1\r\nHost: {host}\r\nX: 1\r\n{more}\r\n");
    for (host, more) in [
        ("evil.example", ""),
        ("localhost", "Origin: http://evil.example\r\n"),
    ] {
        let (status, body) = ask(world.address(), &get(host, more));
        assert_eq!(
            (status.as_str(), &body["error"]["code"]),
            ("HTTP/1.1 403 Forbidden", &(-31003).into())
        );
    }
    let server = thread::spawn(move || {
        let seen = answer_once(&mut accept(&listener), &json_response("1"));
        (seen, listener)
    });
    ask(
        world.address(),
        &get("localhost:9", "Origin: http://localhost:9\r\n"),
    );
    let (seen, listener) = server.join().unwrap();
    assert_eq!(
        seen,
        get(&upstream.to_string(), "Origin: http://localhost:9\r\n")
    );

    let preserving = World::new(upstream, "");
    let server = thread::spawn(move || answer_once(&mut accept(&listener), &json_response("1")));
    let evil = get("evil.example:1", "Origin: http://evil.example\r\n");
    ask(preserving.address(), &evil);
    assert_eq!(server.join().unwrap(), evil);
}

#[test]
fn an_address_in_use_is_named() {
    let (_kept, taken) = listen();
    let (_, upstream) = listen();
    let error = World::try_with(&format!(
        "[gateway]\nlisten = \"{taken}\"\n[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\""
    ))
    .err()
    .unwrap();
    assert!(matches!(error, StartError::Bind(_)));
    assert_eq!(
        error.to_string(),
        format!("gateway.listen `{taken}` cannot be listened on")
    );
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let error = World::try_with(
        "[[route]]\nid = \"t\"\nupstream = \"https://127.0.0.1:1\"\nca_file = \"/nowhere/ca.pem\"",
    )
    .err()
    .unwrap();
    assert_eq!(
        error.to_string(),
        "certificates of `/nowhere/ca.pem` cannot be read"
    );
}
