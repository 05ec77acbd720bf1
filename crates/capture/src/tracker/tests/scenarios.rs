//! What a call's begin and end say, and what happens at the bounds.

use affiant_entry::call::{CorrelationOrigin, DraftInput, Reason, StatusCode, Transport};
use affiant_entry::record::Body;
use affiant_entry::{Fact, record::Direction};
use sha2::{Digest, Sha256};

use super::super::{
    Config, Disposition, ExchangeEnd, Finish, Limits, Malformed, Output, Refusal, StreamKind,
    Tracker, Via,
};
use super::world::{Counter, World, input_text, key, scan, token};
use crate::scan::{Limits as ScanLimits, Scanner};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

fn call(id: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#)
}

fn ok(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#)
}

#[test]
fn a_begin_holds_all_that_is_known_when_the_request_passes() {
    let mut world = World::stdio();
    world.client(0, r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"c","version":"1"}}}"#);
    world.server(0, r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"s","version":"2"}}}"#);
    let held = world.client(
        0,
        &call("1", r#"{"name":"add","arguments":{"a":1.10,"b":[1e3]}}"#),
    );
    let draft = &world.drafts[0];
    assert!(matches!(held, Disposition::Hold(calls) if calls.len() == 1));
    assert_eq!(
        input_text(draft).as_deref(),
        Some(r#"{"a":1.10,"b":[1e3]}"#),
        "the spelling is the client's"
    );
    let head = &draft.head;
    assert_eq!(head.agent.client, Fact::Known("c/1".to_owned()));
    assert_eq!(head.agent.token, Fact::absent("no token on stdio"));
    assert_eq!(head.server.name, Fact::Known("s".to_owned()));
    assert_eq!(head.server.version, Fact::Known("2".to_owned()));
    assert_eq!(head.server.protocol, Fact::Known("2025-11-25".to_owned()));
    assert_eq!(head.tool.in_manifest, Fact::absent("no manifest seen"));
    assert_eq!(head.correlation.request_id, "1");
    assert_eq!(head.correlation.origin, CorrelationOrigin::Minted);
    assert_eq!(head.correlation.id.len(), 32);
}

#[test]
fn only_tools_call_is_held() {
    let mut world = World::stdio();
    for method in [
        "initialize",
        "ping",
        "tools/list",
        "prompts/get",
        "tasks/get",
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        assert_eq!(world.client(0, &text), Disposition::Pass, "{method}");
    }
    let batch = format!(
        "[{},{}]",
        call("2", r#"{"name":"a"}"#),
        call("3", r#"{"name":"b"}"#)
    );
    assert!(matches!(world.client(0, &batch), Disposition::Hold(calls) if calls.len() == 2));
    assert_eq!(world.tracker.calls_open(), 2);
}

#[test]
fn an_end_says_how_long_it_took_and_what_the_answer_was() {
    let mut world = World::stdio();
    world.client(0, &call("1", r#"{"name":"a"}"#));
    world.wait_us(12_344);
    let text = ok("1");
    world.server(0, &format!("  {text}\r"));
    let end = &world.ends[0];
    assert_eq!(end.ending.latency_us, Fact::Known(12_345));
    let response = end.ending.response.known().unwrap();
    assert_eq!(
        response.bytes,
        text.len() as u64,
        "the message, without framing"
    );
    assert_eq!(response.commit, key().commit("message", text.as_bytes()));
}

#[test]
fn a_server_that_names_itself_late_is_named_in_the_end() {
    let mut world = World::http();
    world.post(1, None);
    world.client(1, &call("1", &format!(r#"{{"name":"a",{META}}}"#)));
    assert_eq!(
        world.drafts[0].head.server.name,
        Fact::absent("no serverInfo seen")
    );
    assert_eq!(
        world.drafts[0].head.server.protocol,
        Fact::Known("2026-07-28".to_owned())
    );
    world.server(1, r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}}"#);
    assert_eq!(world.ends[0].server.name, Fact::Known("s".to_owned()));
    assert_eq!(world.ends[0].server.version, Fact::Known("2".to_owned()));
    world.exchange(2, StreamKind::Post, |via| {
        via.headers.user_agent = Some("another client".to_owned())
    });
    world.client(2, &call("1", &format!(r#"{{"name":"a",{META}}}"#)));
    assert_eq!(
        world.drafts[1].head.server.name,
        Fact::Known("s".to_owned()),
        "the route remembers"
    );
}

#[test]
fn correlation_is_taken_from_meta_then_from_the_header_then_minted() {
    let (in_meta, in_header) = ("a".repeat(32), "b".repeat(32));
    let mut world = World::http();
    world.exchange(1, StreamKind::Post, |via| {
        via.headers.traceparent = Some(format!("00-{in_header}-00f067aa0ba902b7-01"));
    });
    for (meta, expected) in [
        (
            format!("00-{in_meta}-00f067aa0ba902b7-01"),
            (in_meta, CorrelationOrigin::Meta),
        ),
        (
            "not a traceparent".to_owned(),
            (in_header.clone(), CorrelationOrigin::Header),
        ),
    ] {
        world.client(
            1,
            &call(
                "1",
                &format!(r#"{{"name":"a","_meta":{{"traceparent":"{meta}"}}}}"#),
            ),
        );
        let correlation = &world.drafts.last().unwrap().head.correlation;
        assert_eq!((correlation.id.clone(), correlation.origin), expected);
        assert!(correlation.traceparent.is_some());
    }
    world.post(2, None);
    world.client(2, &call("\"x\"", r#"{"name":"a"}"#));
    let correlation = &world.drafts.last().unwrap().head.correlation;
    assert_eq!(correlation.origin, CorrelationOrigin::Minted);
    assert_eq!(correlation.request_id, "\"x\"", "raw JSON text");
}

#[test]
fn a_turn_id_goes_with_the_session() {
    let mut world = World::stdio();
    world.client(
        0,
        &call(
            "1",
            r#"{"name":"a","_meta":{"io.modelcontextprotocol/aiInvocation":{"turnId":"turn-7"}}}"#,
        ),
    );
    assert_eq!(world.drafts[0].head.session.turn.as_deref(), Some("turn-7"));
}

#[test]
fn a_session_id_too_long_for_an_entry_becomes_a_commitment() {
    let mut world = World::http();
    world.post(1, Some(&"x".repeat(257)));
    world.client(1, &call("1", r#"{"name":"a"}"#));
    assert!(
        world.drafts[0]
            .head
            .session
            .id
            .starts_with("hmac-sha256:k1:")
    );
}

#[test]
fn the_token_is_kept_as_its_keyed_hash() {
    let mut world = World::http();
    world.exchange(1, StreamKind::Post, |via| {
        via.headers.token = Some(token("secret"))
    });
    world.client(1, &call("1", r#"{"name":"a"}"#));
    assert_eq!(
        world.drafts[0].head.agent.token,
        Fact::Known(token("secret"))
    );
}

#[test]
fn the_reason_of_a_cancellation_is_handed_over_unredacted() {
    let mut world = World::stdio();
    world.client(0, &call("1", r#"{"name":"a"}"#));
    world.client(0, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"s3cret"}}"#);
    let end = &world.ends[0];
    assert_eq!(end.ending.status.text, None);
    assert_eq!(
        end.cancel_text.as_ref().map(|text| text.expose().to_vec()),
        Some(b"\"s3cret\"".to_vec())
    );
    assert!(!format!("{end:?}").contains("s3cret"));
}

#[test]
fn nothing_a_client_sent_is_printed() {
    let mut world = World::stdio();
    world.client(
        0,
        &call(
            "1",
            r#"{"name":"a","arguments":{"password":"s3cret"},"requestState":"s3cret"}"#,
        ),
    );
    world.server(0, r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s3cret"}}"#);
    assert!(!format!("{world:?}").contains("s3cret"));
}

#[test]
fn arguments_too_long_to_keep_are_measured_and_committed_to() {
    let mut tracker = Tracker::new(
        Config::new("srv", Transport::Stdio),
        key(),
        Counter::default(),
    );
    let text = call(
        "1",
        &format!(
            r#"{{"name":"a","arguments":{{"x":"{}"}}}}"#,
            "y".repeat(100)
        ),
    );
    let limits = ScanLimits {
        arguments_bytes_max: 10,
        ..ScanLimits::default()
    };
    let mut scanner = Scanner::new(limits, key().begin("message"));
    scanner.feed(text.as_bytes());
    let _ = tracker.handle_client_scan(Default::default(), &Via::stdio(), &scanner.finish());
    let drafts = std::iter::from_fn(|| tracker.poll_output()).find_map(|output| match output {
        Output::Begin { draft, .. } => Some(draft),
        Output::Record(_) | Output::End(_) => None,
    });
    let DraftInput::TooLong { bytes, commit } = drafts.unwrap().input else {
        panic!("kept")
    };
    assert_eq!(bytes, 108);
    assert_eq!(commit, key().commit("message", text.as_bytes()));
}

#[test]
fn a_manifest_digest_is_what_the_specification_says() {
    let mut world = World::stdio();
    let (a, b) = (r#"{ "name":"a" }"#, r#"{"x":[1.0],"name":"b"}"#);
    world.client(0, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    world.server(
        0,
        &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{b}, {a}]}}}}"#),
    );
    let mut bytes = Vec::new();
    for (name, tool) in [("a", a), ("b", b)] {
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&Sha256::digest(tool));
    }
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
    let Some(Body::Manifest(manifest)) = world.bodies.first() else {
        panic!("no manifest")
    };
    assert_eq!(manifest.digest, digest);
    assert_eq!(manifest.names, ["a", "b"]);
    world.client(0, &call("2", r#"{"name":"a"}"#));
    world.client(0, &call("3", r#"{"name":"z"}"#));
    let tools: Vec<_> = world.drafts.iter().map(|draft| &draft.head.tool).collect();
    assert_eq!(
        (&tools[0].in_manifest, &tools[0].manifest),
        (&Fact::Known(true), &Fact::Known(digest))
    );
    assert_eq!(tools[1].in_manifest, Fact::Known(false));
}

#[test]
fn manifests_differ_by_who_asks() {
    let mut world = World::http();
    let list = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    for (on, who, tools) in [
        (1, "admin", r#"{"name":"drop"}"#),
        (2, "guest", ""),
        (3, "admin", r#"{"name":"drop"}"#),
    ] {
        world.exchange(on, StreamKind::Post, |via| {
            via.headers.token = Some(token(who))
        });
        world.client(on, &list);
        world.server(
            on,
            &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}"#),
        );
    }
    world.expect(&["manifest 1", "manifest 0"]);
    world.exchange(4, StreamKind::Post, |via| {
        via.headers.token = Some(token("guest"))
    });
    world.client(4, &call("1", &format!(r#"{{"name":"drop",{META}}}"#)));
    assert_eq!(world.drafts[0].head.tool.in_manifest, Fact::Known(false));
}

#[test]
fn a_manifest_of_many_long_names_fits_into_an_entry() {
    let mut world = World::stdio();
    let tools: Vec<String> = (0..600)
        .map(|n| format!(r#"{{"name":"{n:04}{}"}}"#, "\\u0001".repeat(300)))
        .collect();
    world.client(0, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    world.server(
        0,
        &format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#,
            tools.join(",")
        ),
    );
    let Some(Body::Manifest(manifest)) = world.bodies.first() else {
        panic!("no manifest")
    };
    assert_eq!(manifest.tools, 600);
    assert!(serde_json::to_vec(&**manifest).unwrap().len() < 60_000);
}

#[test]
fn a_refused_call_ends_as_not_forwarded_and_leaves_its_id_free() {
    let mut world = World::stdio();
    world.client(0, &call("1", r#"{"name":"a"}"#));
    world.refused("c1", Refusal::Denied);
    assert_eq!(world.ends[0].ending.status.reason, Reason::Denied);
    assert_eq!(
        world.ends[0].ending.latency_us,
        Fact::absent("not forwarded")
    );
    world.told();
    world.refused("c1", Refusal::Denied);
    world.client(0, &call("1", r#"{"name":"b"}"#));
    world.expect(&["begin c2 b @stdio-process#1"]);
}

#[test]
fn over_the_bound_the_oldest_call_ends_as_unknown() {
    let mut config = Config::new("srv", Transport::Stdio);
    config.limits = Limits {
        calls_open_max: 2,
        ..Limits::default()
    };
    let mut world = World::new(config);
    for id in ["1", "2", "3"] {
        world.client(0, &call(id, r#"{"name":"a"}"#));
    }
    world.expect(&[
        "session start @stdio-process#1 client ? protocol ?",
        "begin c1 a @stdio-process#1",
        "begin c2 a @stdio-process#1",
        "anomaly limit c1 which=calls-open",
        "end c1 error outcome-unknown",
        "begin c3 a @stdio-process#1",
    ]);
    world.server(0, &ok("1"));
    world.expect(&["anomaly late-response c1 by server id=1"]);
    assert_eq!(world.ends[0].ending.status.code, StatusCode::Error);
}

#[test]
fn over_the_bound_the_session_silent_longest_is_forgotten() {
    let mut config = Config::new("srv", Transport::Http);
    config.limits = Limits {
        sessions_max: 2,
        ..Limits::default()
    };
    let mut world = World::new(config);
    for (on, session) in [(1, "a"), (2, "b"), (3, "c")] {
        world.post(on, Some(session));
        world.client(on, &call("1", r#"{"name":"t"}"#));
        world.server(on, &ok("1"));
    }
    let told = world.told();
    assert!(told.contains(&"anomaly limit which=sessions".to_owned()));
    assert!(told.contains(&"session end @mcp-session-id:a client ? protocol ?".to_owned()));
}

#[test]
fn a_flood_of_anomalies_is_counted() {
    let mut config = Config::new("srv", Transport::Stdio);
    config.limits = Limits {
        anomalies_per_minute_max: 2,
        ..Limits::default()
    };
    let mut world = World::new(config);
    for _ in 0..5 {
        world.server(0, "log line");
    }
    world.expect(&["anomaly not-json by server"; 2]);
    world.wait_us(61_000_000);
    world.expect(&["anomaly limit code=not-json which=per-minute"]);
    world.server(0, "log line");
    world.expect(&["anomaly not-json by server"]);
}

#[test]
fn a_text_too_long_to_look_at_is_said() {
    let mut world = World::stdio();
    let what = Malformed::Oversize { bytes: 1 << 40 };
    world
        .tracker
        .handle_malformed(world.now, &Via::stdio(), Direction::ServerToClient, what);
    world.client(0, "");
    world.expect(&["anomaly oversize by server"]);
}

#[test]
fn an_answer_on_a_foreign_stream_ends_nothing_while_its_own_is_open() {
    let mut world = World::http();
    world.post(1, Some("s"));
    world.post(2, Some("s"));
    world.client(1, &call("1", r#"{"name":"a"}"#));
    world.client(2, &call("2", r#"{"name":"b"}"#));
    world.told();
    world.server(2, &ok("1"));
    world.expect(&["anomaly unknown-response-id by server id=1"]);
    world.server(1, &ok("1"));
    world.expect(&["end c1 success ok"]);
}

#[test]
fn a_tracker_is_as_new_after_its_end() {
    let mut world = World::stdio();
    world.client(0, &call("1", r#"{"name":"a"}"#));
    world.finish(Finish::StreamClosed);
    world.finish(Finish::Shutdown);
    world.told();
    world.client(0, &call("1", r#"{"name":"b"}"#));
    world.expect(&[
        "session start @stdio-process#2 client ? protocol ?",
        "begin c2 b @stdio-process#2",
    ]);
    assert!(scan(b"").is_blank());
}

#[test]
fn a_new_token_in_the_same_session_keeps_the_manifest() {
    let mut world = World::http();
    for (on, who) in [(1, "monday"), (2, "tuesday")] {
        world.exchange(on, StreamKind::Post, |via| {
            via.headers.session_id = Some("s".to_owned());
            via.headers.token = Some(token(who));
        });
    }
    world.client(1, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    world.server(
        1,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}"#,
    );
    world.client(2, &call("2", r#"{"name":"a"}"#));
    assert_eq!(world.drafts[0].head.tool.in_manifest, Fact::Known(true));
}

#[test]
fn a_later_page_alone_is_no_manifest() {
    let mut world = World::stdio();
    world.client(
        0,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"p2"}}"#,
    );
    world.server(
        0,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b"}]}}"#,
    );
    world.expect(&[]);
}

#[test]
fn a_string_id_nobody_asked_for_is_not_repeated() {
    let mut world = World::stdio();
    world.server(0, &ok("\"s3cret\""));
    world.expect(&["anomaly unknown-response-id by server id=string"]);
}

#[test]
fn a_task_that_runs_on_after_a_cancellation_is_waited_for() {
    let mut world = World::stdio();
    world.client(0, &call("1", &format!(r#"{{"name":"a",{META}}}"#)));
    world.server(0, r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t","status":"working"}}"#);
    world.client(
        0,
        r#"{"jsonrpc":"2.0","id":2,"method":"tasks/cancel","params":{"taskId":"t"}}"#,
    );
    for _ in 0..3 {
        world.wait_us(50_000_000);
        world.server(0, r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t","status":"working"}}"#);
    }
    assert_eq!(world.tracker.calls_open(), 1);
    world.server(0, r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t","status":"completed","result":{"content":[]}}}"#);
    assert_eq!(world.ends[0].ending.status.reason, Reason::Ok);
}

#[test]
fn a_session_does_not_end_before_a_call_on_an_open_stream() {
    let mut config = Config::new("srv", Transport::Http);
    config.session_meta_keys = vec!["conv".to_owned()];
    let mut world = World::new(config);
    world.post(1, None);
    world.client(1, &call("1", r#"{"name":"a","_meta":{"conv":"k"}}"#));
    world.told();
    world.wait_us(10 * 3_600_000_000);
    world.expect(&[]);
    world.server(1, &ok("1"));
    world.wait_us(3_600_000_000);
    world.expect(&[
        "end c1 success ok",
        "session end @meta:k client ? protocol ?",
    ]);
}

#[test]
fn without_a_timeout_a_stdio_call_sets_no_deadline() {
    let mut world = World::stdio();
    world.client(
        0,
        &call("1", r#"{"name":"a","_meta":{"progressToken":"p"}}"#),
    );
    assert_eq!(world.tracker.poll_timeout(), None);
    world.server(
        0,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p"}}"#,
    );
    assert_eq!(world.tracker.poll_timeout(), None);
}

#[test]
fn a_session_that_holds_a_stream_open_is_not_idle() {
    let mut world = World::http();
    world.post(1, Some("s"));
    world.client(1, &call("1", r#"{"name":"a"}"#));
    world.server(1, &ok("1"));
    world.exchange(2, StreamKind::Get, |via| {
        via.headers.session_id = Some("s".to_owned())
    });
    world.head(2, 200, None, true);
    world.told();
    world.wait_us(10 * 3_600_000_000);
    world.expect(&[]);
    world.closed(2, ExchangeEnd::ClientClosed);
    world.wait_us(3_600_000_000);
    world.expect(&["session end @mcp-session-id:s client ? protocol ?"]);
}

#[test]
fn ids_as_long_as_ids_may_be_do_not_fill_the_memory() {
    let mut config = Config::new("srv", Transport::Stdio);
    config.limits = Limits {
        calls_open_id_bytes_max: 10_000,
        ..Limits::default()
    };
    let mut world = World::new(config);
    for n in 0..10 {
        world.client(
            0,
            &call(&format!("\"{n}{}\"", "x".repeat(4000)), r#"{"name":"a"}"#),
        );
    }
    assert!(world.tracker.calls_open() <= 4);
    assert!(
        world
            .ends
            .iter()
            .all(|end| end.ending.status.reason == Reason::OutcomeUnknown)
    );
    assert!(world.drafts[0].head.correlation.request_id.len() < 300);
    world.finish(Finish::Shutdown);
}

#[test]
fn a_task_id_too_long_for_an_entry_is_found_all_the_same() {
    let mut world = World::stdio();
    let task = "t".repeat(1000);
    world.client(0, &call("1", &format!(r#"{{"name":"a",{META}}}"#)));
    world.server(0, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"task","taskId":"{task}","status":"working"}}}}"#));
    world.client(
        0,
        &format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{{"taskId":"{task}"}}}}"#
        ),
    );
    world.server(
        0,
        r#"{"jsonrpc":"2.0","id":2,"result":{"status":"completed","result":{"content":[]}}}"#,
    );
    assert_eq!(world.ends[0].ending.status.reason, Reason::Ok);
    assert!(
        world.ends[0]
            .ending
            .task
            .as_ref()
            .is_some_and(|task| task.starts_with("hmac-sha256:"))
    );
}
