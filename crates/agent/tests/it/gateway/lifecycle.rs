//! Start, admin listener, stop.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use super::*;

fn get(world: &World, path: &str) -> (String, String) {
    let mut client = connect(world.gateway().addresses().admin);
    write!(
        client,
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let head = read_head(&mut client);
    let body = wire::read_body(&mut client, &head);
    (
        head.lines().next().unwrap().to_owned(),
        String::from_utf8(body).unwrap(),
    )
}

#[test]
fn the_admin_listener_tells_health_readiness_and_metrics() {
    let (listener, upstream) = listen();
    let world = World::new(upstream, "");
    let server =
        thread::spawn(move || answer_once(&mut accept(&listener), &json_response(&answer("1"))));
    let mut client = world.post("/mcp", &call("1"));
    wire::read_request(&mut client);
    server.join().unwrap();
    assert_eq!(
        get(&world, "/healthz"),
        ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned())
    );
    assert_eq!(
        get(&world, "/readyz"),
        ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned())
    );
    assert_eq!(get(&world, "/else").0, "HTTP/1.1 404 Not Found");
    let (_, metrics) = get(&world, "/metrics");
    for line in [
        "affiant_calls_total 1",
        "affiant_trail_failing 0",
        "affiant_http_exchanges_total{route=\"t\",end=\"complete\"} 1",
        "affiant_http_exchanges_open{route=\"t\"} 0",
        &format!(
            "affiant_http_request_body_bytes_total{{route=\"t\"}} {}",
            call("1").len()
        ),
        "# UNIT affiant_http_intent_wait_seconds seconds",
    ] {
        assert!(
            metrics.lines().any(|l| l == line),
            "{line} is not in\n{metrics}"
        );
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn where_it_listens_stands_in_a_file_while_it_runs() {
    let (_, upstream) = listen();
    let mut world = World::new(upstream, "paths = [\"/mcp\"]");
    let file = DataDir::new(world.dir.path()).agent_json();
    let value: Value = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    let base = format!("http://{}", world.address());
    assert_eq!(value["listen"][0], base);
    assert_eq!(value["routes"]["t"], format!("{base}/mcp"));
    assert_eq!(
        value["admin"],
        format!("http://{}", world.gateway().addresses().admin)
    );
    assert_eq!(value["pid"], std::process::id());
    world.stop();
    assert!(!file.exists());
}

#[test]
fn a_stop_lets_a_request_finish_and_breaks_a_stream_off() {
    let (listener, upstream) = listen();
    let mut world = World::with(&format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nshutdown_grace_ms = 500\n[[route]]\nid = \"t\"\nupstream = \"http://{upstream}\""
    ));
    let mut stream_client = world.connect();
    stream_client
        .write_all(b"GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut stream = accept(&listener);
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    read_head(&mut stream_client);

    let mut client = world.post("/mcp", &call("1"));
    let mut server = accept(&listener);
    wire::read_request(&mut server);
    let address = world.address();
    let answering = thread::spawn(move || {
        // Not before the gateway stopped to accept.
        while TcpStream::connect(address).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
        server
            .write_all(json_response(&answer("1")).as_bytes())
            .unwrap();
        wire::read_request(&mut client)
    });
    world.stop();
    // It also says that the connection ends, as HTTP asks of who closes one.
    let response = answering
        .join()
        .unwrap()
        .replace("connection: close\r\n", "");
    assert_eq!(response, json_response(&answer("1")));
    assert!(is_closed(&mut stream_client) && is_closed(&mut stream));
    assert_eq!(world.trail.calls_open(), 0);
}
