//! What others try.

use std::net::SocketAddr;
use std::time::Duration;

use affiant_aggregator::access::Role;
use affiant_aggregator::query::ReadBounds;
use affiant_aggregator::{Parts, Server, StartError, StateDir, clock, config};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{api, asking, bearer, bearer_within};
use crate::http::{ask, get};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_proxies_make_nobody_somebody() {
    let world = asking().await;
    for header in [
        ("x-forwarded-user", "admin"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-remote-user", "admin"),
        ("x-auth-request-user", "admin"),
        ("x-affiant-role", "admin"),
        ("x-original-url", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("x-http-method-override", "GET"),
        ("cookie", "affiant-session=admin"),
        ("proxy-authorization", "Bearer x"),
    ] {
        let answer = get(&api(&world), "/v1/entries", &[header]).await;
        assert_eq!(answer.status, 401, "{header:?}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_authorizations_are_none() {
    let world = asking().await;
    let (admin, source) = (bearer(&world, Role::Admin), bearer(&world, Role::Source));
    for pair in [[&admin, &source], [&source, &admin], [&admin, &admin]] {
        let headers = pair.map(|value| ("authorization", value.as_str()));
        let answer = get(&api(&world), "/v1/entries", &headers).await;
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_url_is_refused_even_if_it_is_good() {
    let world = asking().await;
    let admin = bearer(&world, Role::Admin);
    let token = admin.strip_prefix("Bearer ").unwrap();
    for path in [
        format!("/v1/entries?access_token={token}"),
        format!("/v1/entries?token={token}"),
        format!("/v1/entries?limit=1&api_key={token}"),
        format!("/healthz?access%5ftoken={token}"),
    ] {
        let headers = [("authorization", admin.as_str())];
        let answer = get(&api(&world), &path, &headers).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "token-in-url")
        );
        assert!(!answer.text().contains(token));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_reach_asks_who_they_are_or_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    let mut settings = config::dev(&state).unwrap();
    settings.api_listen = ([0, 0, 0, 0], 0).into();
    let started = Server::start(settings, state, Parts::default()).await;
    let Err(error @ StartError::OpenToOthers { .. }) = started else {
        panic!("{started:?}");
    };
    assert!(
        error.to_string().contains("access.required = true"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_not_led_to_loopback_by_another_name() {
    let world = World::start().await;
    let status = async |host: &'static str, path: &'static str| {
        get(&api(&world), path, &[("host", host)]).await.status
    };
    assert_eq!(
        status("rebound.evil.example:7480", "/v1/entries").await,
        421
    );
    assert_eq!(
        status("rebound.evil.example:7480", "/log/checkpoint").await,
        421
    );
    assert_eq!(status("localhost.evil.example", "/v1/status").await, 421);
    assert_eq!(status("localhost:7480", "/v1/entries").await, 200);
    assert_eq!(status("127.0.0.1:7480", "/v1/entries").await, 200);
    assert_eq!(status("[::1]:7480", "/v1/entries").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn web_pages_of_others_write_nothing() {
    let world = World::start().await;
    for origin in ["https://evil.example", "null", "http://localhost"] {
        let headers = [("origin", origin), ("content-type", "text/plain")];
        let answer = ask(
            &api(&world),
            Method::POST,
            "/v1/query",
            &headers,
            b"SELECT 1",
        )
        .await;
        assert_eq!(answer.status, 403, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_his_dates_and_no_others() {
    let world = asking().await;
    let (_, mut client, mut source) = {
        let (source, client) = world.enrolled("gw-7").await;
        ((), client, source)
    };
    let groups = vec![source.boot(), source.group(3)];
    assert_eq!(client.post_batch(&source.batch(&groups)).await.status, 200);
    let count = async |bounds: ReadBounds, query: &str| {
        let bearer = bearer_within(&world, Role::Auditor, bounds);
        let headers = [("authorization", bearer.as_str())];
        let path = format!("/v1/entries?limit=1000{query}");
        let page = get(&api(&world), &path, &headers).await.json();
        page["items"].as_array().unwrap().len()
    };
    let now = clock::now().utc_us;
    let past = ReadBounds {
        from_us: None,
        to_us: Some(1_000_000),
    };
    assert_eq!(count(past, "").await, 0);
    // A wider question shows no more.
    assert_eq!(
        count(past, "&from=1970-01-01T00:00:00Z&to=2999-01-01T00:00:00Z").await,
        0
    );
    let all = ReadBounds {
        from_us: Some(0),
        to_us: Some(now + 3_600_000_000),
    };
    assert!(count(all, "").await >= 5);
    let bearer = bearer_within(&world, Role::Auditor, past);
    let headers = [("authorization", bearer.as_str())];
    for path in ["/log/checkpoint", "/log/tile/entries/000.p/1"] {
        assert_eq!(
            get(&api(&world), path, &headers).await.status,
            403,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_access_is_counted_in_the_log() {
    let mut world = asking().await;
    let source = bearer(&world, Role::Source);
    for _ in 0..7 {
        get(&api(&world), "/v1/entries", &[]).await;
    }
    let headers = [("authorization", source.as_str())];
    get(&api(&world), "/v1/entries", &headers).await;
    let admin = bearer(&world, Role::Admin);
    let headers = [("authorization", admin.as_str())];
    let metrics = get(&api(&world), "/metrics", &headers).await.text();
    let line = r#"affiant_api_refused_total{code="not-authenticated"} 7"#;
    assert!(metrics.contains(line), "{metrics}");
    world.stop().await;
    world.start_again().await;
    let refusals = world.of_kind("refusal");
    let of = |code: &str| {
        let mut all = refusals.iter().map(|entry| &entry["refusal"]);
        all.find(|refusal| refusal["code"] == code).unwrap().clone()
    };
    assert_eq!(of("not-authenticated")["count"], 7);
    assert_eq!(of("not-authenticated")["subject"], "address 127.0.0.1");
    assert_eq!(of("not-allowed")["count"], 1);
    let subject = of("not-allowed")["subject"].as_str().unwrap().to_owned();
    assert!(subject.starts_with("token test source ("), "{subject}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_too_often_waits_whatever_he_says_of_himself() {
    let world = World::start_with(|settings| {
        settings.access.required = true;
        settings.access.requests_per_minute = 60;
    })
    .await;
    let mut last = None;
    for i in 0..30 {
        let elsewhere = format!("192.0.2.{i}");
        let headers = [("x-forwarded-for", elsewhere.as_str())];
        last = Some(get(&api(&world), "/healthz", &headers).await);
    }
    let last = last.unwrap();
    assert_eq!(
        (last.status, last.problem().as_str()),
        (429, "too-many-requests")
    );
    let wait: u64 = last.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_tokens_is_told_to_wait() {
    let world = asking().await;
    let mut seen = Vec::new();
    for _ in 0..40 {
        let headers = [("authorization", "Bearer guess")];
        seen.push(get(&api(&world), "/v1/entries", &headers).await.status);
    }
    assert_eq!(seen.first(), Some(&401));
    assert_eq!(seen.last(), Some(&429));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_bodies_and_long_heads_are_refused() {
    let world = asking().await;
    let analyst = bearer(&world, Role::Analyst);
    let headers = [("authorization", analyst.as_str())];
    let long = vec![b' '; 65_537];
    let answer = ask(&api(&world), Method::POST, "/v1/query", &headers, &long).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (413, "too-large")
    );
    let padding = "x".repeat(200_000);
    let head = format!("GET /v1/entries HTTP/1.1\r\nhost: localhost\r\nx: {padding}\r\n\r\n");
    let reply = raw(&world, head.as_bytes(), Duration::from_secs(5)).await;
    assert!(
        reply.starts_with("HTTP/1.1 431") || reply.is_empty(),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn smuggled_requests_are_not_answered() {
    let world = asking().await;
    let admin = bearer(&world, Role::Admin);
    for head in [
        // RFC 9112 section 6.1: a length and a coding together.
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        "authorization : Bearer x\r\n\r\n",
        "x: a\n\tb\r\n\r\n",
    ] {
        let smuggled = format!(
            "GET /v1/entries HTTP/1.1\r\nhost: localhost\r\nauthorization: {admin}\r\n\r\n"
        );
        let text = format!("POST /logout HTTP/1.1\r\nhost: localhost\r\n{head}{smuggled}");
        let reply = raw(&world, text.as_bytes(), Duration::from_secs(2)).await;
        let answers = reply.matches("HTTP/1.1 ").count();
        let first_refused = reply.starts_with("HTTP/1.1 400") || reply.is_empty();
        // Either the first is refused and the connection ends, or both were plainly separate requests.
        assert!(first_refused || answers <= 2, "{head:?}: {reply}");
        if head.contains("content-length: 5") || head.contains(" :") {
            assert!(first_refused, "{head:?}: {reply}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_are_cut_and_do_not_keep_others_out() {
    let world = asking().await;
    let address: SocketAddr = api(&world)
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: l")
            .await
            .unwrap();
        slow.push(stream);
    }
    assert_eq!(get(&api(&world), "/healthz", &[]).await.status, 200);
    let mut stream = slow.pop().unwrap();
    let cut = async {
        let mut buffer = [0; 512];
        while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    };
    tokio::time::timeout(Duration::from_secs(20), cut)
        .await
        .unwrap();
}

/// What comes back for bytes as they are, until the other side closes or time is over.
async fn raw(world: &World, bytes: &[u8], time: Duration) -> String {
    let address: SocketAddr = api(world).strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut reply = Vec::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(n) = stream.read(&mut buffer).await {
            if n == 0 {
                break;
            }
            reply.extend_from_slice(&buffer[..n]);
        }
    };
    let _ = tokio::time::timeout(time, reading).await;
    String::from_utf8_lossy(&reply).into_owned()
}
