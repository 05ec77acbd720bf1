//! What happens to the text of an input.

use affiant_entry::call::{
    Agent, CallDraft, CallHead, Correlation, CorrelationOrigin, DraftInput, Server, Session,
    SessionOrigin, Tool, Transport,
};
use affiant_entry::{Fact, Unredacted, limits};
use affiant_policy::redact::limit::{DEPTH_MAX, NESTED_MAX, REDACT_INPUT_BYTES_MAX};

use crate::{builtin, check, key, only, redact};

#[test]
fn spelling_stays_where_nothing_is_cut() {
    let redactor = builtin();
    for json in [
        r#"{ "b" : 1.0e+2 ,"a":[ -0, 1E5 ], "u":"\u00e9\/\ud83d\ude00", "a":2 }"#,
        "[]",
        r#""""#,
        r#"{"n":"{\"a\" : 1.50, \"b\":\"\\u0041\"}"}"#,
        r#"{"lone":"\ud800"}"#,
    ] {
        check(redactor, json, json);
    }
}

#[test]
fn line_breaks_and_tabs_between_tokens_go() {
    check(
        builtin(),
        "{\r\n\t\"a\": \"x\\ny\",\n  \"token\":\t\"abc\"\n}",
        "{\"a\": \"x\\ny\",  \"token\":\"[redacted:key-token]\"}",
    );
    check(builtin(), " \n{} ", "{}");
}

#[test]
fn nested_json_is_cut_at_every_level_and_spelled_right() {
    let mut json = r#"{"password":"hunter2","n":1}"#.to_owned();
    let mut expected = r#"{"password":"[redacted:key-password]","n":1}"#.to_owned();
    for level in 0..4 {
        json = serde_json::json!({"body": json, "level": level}).to_string();
        expected = serde_json::json!({"body": expected, "level": level}).to_string();
    }
    check(builtin(), &json, &expected);
    assert_eq!(
        redact(builtin(), &json).redactions()[0].at,
        "/body/#/body/#/body/#/body/#/password"
    );
}

#[test]
fn escapes_hide_nothing() {
    check(
        builtin(),
        r#"{"t":"a pass\u0077ord\u003dhunter\u0032, b"}"#,
        r#"{"t":"a pass\u0077ord\u003d[redacted:key-password], b"}"#,
    );
    check(
        builtin(),
        r#"{"t":"\ud83d\ude00 AKI\u0041IOSFODNN7EXAMPL\u0045!"}"#,
        r#"{"t":"\ud83d\ude00 [redacted:aws-key]!"}"#,
    );
}

#[test]
fn json_in_base64_is_looked_into() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    for json in [
        r#"{"password":"hunter2"}"#,
        r#"[{"a":{"apiKey":"x?>~~"}}]"#,
        r#"["AKIAIOSFODNN7EXAMPLE"]"#,
    ] {
        for token in [STANDARD.encode(json), URL_SAFE_NO_PAD.encode(json)] {
            let input = redact(builtin(), &format!(r#"{{"a":"see {token} there"}}"#));
            assert!(!input.json().expect("json").contains(&token), "{json}");
        }
    }
    let harmless = STANDARD.encode(r#"{"user":"ann","n":12}"#);
    let json = format!(r#"{{"a":"see {harmless} there"}}"#);
    check(builtin(), &json, &json);
}

#[test]
fn duplicate_keys_are_all_cut() {
    check(
        builtin(),
        r#"{"token":"a","x":1,"token":"b"}"#,
        r#"{"token":"[redacted:key-token]","x":1,"token":"[redacted:key-token]"}"#,
    );
}

#[test]
fn secret_names_are_cut_and_do_not_stand_in_pointers() {
    let input = redact(builtin(), r#"{"AKIAIOSFODNN7EXAMPLE":{"password":"x1"}}"#);
    assert_eq!(
        input.json(),
        Some(r#"{"[redacted:aws-key]":{"password":"[redacted:key-password]"}}"#)
    );
    let at: Vec<&str> = input
        .redactions()
        .iter()
        .map(|redaction| redaction.at.as_str())
        .collect();
    assert_eq!(at, ["/[redacted:aws-key]", "/[redacted:aws-key]/password"]);
}

#[test]
fn named_pairs_are_judged_by_their_name_in_either_order() {
    check(
        builtin(),
        r#"[{"value":"AKIAIOSFODNN7EXAMPLE x","name":"API_KEY"},{"key":"password","value":{"a":1}},{"name":"color","value":"red"}]"#,
        r#"[{"value":"[redacted:key-api-key]","name":"API_KEY"},{"key":"password","value":"[redacted:key-password]"},{"name":"color","value":"red"}]"#,
    );
    let input = redact(
        builtin(),
        r#"[{"value":"AKIAIOSFODNN7EXAMPLE x","name":"API_KEY"}]"#,
    );
    assert_eq!(input.redactions().len(), 1);
    assert_eq!(input.redactions()[0].at, "/0/value");
}

#[test]
fn a_secret_that_stands_elsewhere_too_goes_there_too() {
    check(
        builtin(),
        r#"{"password":"hunter2x","note":"it is hunter2x, \"hunter2x\"","h":"{\"a\":\"hunter2x\"}","hunter2x":0}"#,
        r#"{"password":"[redacted:key-password]","note":"it is [redacted:echo], \"[redacted:echo]\"","h":"{\"a\":\"[redacted:echo]\"}","[redacted:echo]":0}"#,
    );
    // A word is no proof: it stays where no rule cuts it.
    check(
        builtin(),
        r#"{"password":"customer","q":"customer"}"#,
        r#"{"password":"[redacted:key-password]","q":"customer"}"#,
    );
    check(
        builtin(),
        r#"{"password":"password"}"#,
        r#"{"password":"[redacted:key-password]"}"#,
    );
}

#[test]
fn redacting_twice_changes_nothing() {
    let once = redact(
        builtin(),
        r#"{"token":"a1","t":"Authorization: Bearer abc123","u":"password=x1&b=2"}"#,
    );
    let once = once.json().expect("json");
    let twice = redact(builtin(), once);
    assert_eq!(twice.json(), Some(once));
    assert!(twice.redactions().is_empty());
}

#[test]
fn commitments_are_to_what_stood_there() {
    let input = redact(
        builtin(),
        r#"{"password" : "hunter\u0032","t":"x AKIAIOSFODNN7EXAMPLE"}"#,
    );
    let commits: Vec<&str> = input
        .redactions()
        .iter()
        .map(|redaction| redaction.commit.as_str())
        .collect();
    let expected = [
        key().commit("redaction", br#""hunter\u0032""#),
        key().commit("redaction", b"AKIAIOSFODNN7EXAMPLE"),
    ];
    assert_eq!(commits, expected.each_ref().map(|commit| commit.as_str()));
}

#[test]
fn redactions_beyond_the_limit_are_counted() {
    let json = format!("[{}]", vec![r#"{"pin":1}"#; 1000].join(","));
    let input = redact(builtin(), &json);
    assert_eq!(input.redactions().len(), limits::REDACTIONS_MAX);
    assert_eq!(
        input
            .json()
            .map(|json| json.matches("[redacted:key-password]").count()),
        Some(1000)
    );
    let long = format!("{{\"{}\":{json}}}", "k".repeat(10_000));
    let listed: usize = redact(builtin(), &long)
        .redactions()
        .iter()
        .map(|redaction| redaction.at.len() + redaction.rule.len() + 132)
        .sum();
    assert!(listed <= 20 * 1024, "{listed}");
}

#[test]
fn what_cannot_be_redacted_is_withheld() {
    let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
    for bytes in [
        &b""[..],
        b"{",
        b"{}x",
        b"nul",
        b"\xff{}",
        b"{\"password\":[}",
        deep.as_bytes(),
        b"\"\n\"",
    ] {
        let (input, echoes) = builtin().redact_bytes(bytes, "crm", Some("t"));
        assert!(input.json().is_none() && input.redactions().is_empty() && echoes.is_empty());
        assert!(format!("{input:?}").contains("Withheld"), "{input:?}");
    }
    let deepest = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
    check(builtin(), &deepest, &deepest);
    let long = format!("\"{}\"", "a".repeat(REDACT_INPUT_BYTES_MAX));
    assert!(redact(builtin(), &long).json().is_none());
}

#[test]
fn json_nested_too_deep_in_strings_is_cut_whole() {
    let mut json = r#"{"plain":"canary"}"#.to_owned();
    for _ in 0..NESTED_MAX {
        json = serde_json::json!([json]).to_string();
    }
    assert!(
        redact(builtin(), &json)
            .json()
            .is_some_and(|out| out.contains("canary"))
    );
    let json = serde_json::json!([json]).to_string();
    let input = redact(builtin(), &json);
    assert!(
        input
            .json()
            .is_some_and(|out| !out.contains("canary") && out.contains("[redacted:limit]"))
    );
    let deep =
        serde_json::json!({"t": "[".repeat(500) + "\"canary\"" + &"]".repeat(500)}).to_string();
    check(builtin(), &deep, r#"{"t":"[redacted:limit]"}"#);
}

#[test]
fn text_that_only_looks_like_json_is_text() {
    check(
        builtin(),
        r#"{"t":"[INFO] password=hunter2 [x]"}"#,
        r#"{"t":"[INFO] password=[redacted:key-password] [x]"}"#,
    );
    check(
        builtin(),
        r#"{"t":"{\"password\": \"hunter2\", \"cut of"}"#,
        r#"{"t":"{\"password\": \"[redacted:key-password]\", \"cut of"}"#,
    );
    check(
        builtin(),
        r#"{"t":"log {\\\"token\\\": \\\"abc1\\\"} x"}"#,
        r#"{"t":"log {\\\"token\\\": \\\"[redacted:key-token]\\\"} x"}"#,
    );
}

#[test]
fn explain_says_what_and_why_but_not_the_value() {
    let explained = builtin().explain(br#"{"password":"hunter2"}"#, "crm", None);
    assert_eq!(
        explained.output.as_deref(),
        Ok(r#"{"password":"[redacted:key-password]"}"#)
    );
    assert_eq!(explained.hits.len(), 1);
    assert_eq!(
        explained.hits[0].why,
        "keys: passwords, passphrases and PIN codes"
    );
    assert!(!format!("{:?}", explained.hits).contains("hunter2"));
    assert!(builtin().explain(b"{", "crm", None).output.is_err());
}

#[test]
fn value_rules_see_strings_and_not_numbers() {
    check(
        &only("[[rule]]\nid = \"a\"\nvalue = '12'\n"),
        r#"{"a":12,"b":"12"}"#,
        r#"{"a":12,"b":"[redacted:a]"}"#,
    );
}

#[test]
fn calls_keep_their_head() {
    let draft = |input| CallDraft {
        head: head(),
        input,
    };
    let (call, echoes) = builtin().redact_call(draft(DraftInput::Json(Unredacted::new(
        br#"{"token":"abc123"}"#.to_vec(),
    ))));
    assert_eq!(
        call.input.json(),
        Some(r#"{"token":"[redacted:key-token]"}"#)
    );
    assert_eq!(call.head.session.id, "s1");
    assert_eq!(echoes.len(), 1);
    assert_eq!(format!("{echoes:?}"), "Echoes(1 values)");
    let (call, _) = builtin().redact_call(draft(DraftInput::None));
    assert!(call.input.json().is_none());
    let commit = key().commit("input", b"x");
    let (call, _) = builtin().redact_call(draft(DraftInput::TooLong { bytes: 9, commit }));
    assert!(format!("{:?}", call.input).contains("Withheld"));
}

fn head() -> CallHead {
    CallHead {
        session: Session {
            id: "s1".to_owned(),
            origin: SessionOrigin::StdioProcess,
            turn: None,
        },
        agent: Agent {
            role: Fact::absent("none"),
            user: Fact::absent("none"),
            token: Fact::absent("none"),
            client: Fact::absent("none"),
            verified: Vec::new(),
        },
        server: Server {
            id: "crm".to_owned(),
            name: Fact::absent("none"),
            version: Fact::absent("none"),
            protocol: Fact::absent("none"),
            transport: Transport::Stdio,
        },
        tool: Tool {
            name: Fact::Known("search".to_owned()),
            in_manifest: Fact::absent("none"),
            manifest: Fact::absent("none"),
        },
        classification: Fact::absent("none"),
        policy: Fact::absent("none"),
        correlation: Correlation {
            id: "c".to_owned(),
            traceparent: None,
            request_id: "1".to_owned(),
            origin: CorrelationOrigin::Minted,
        },
        chain: None,
    }
}

#[test]
fn the_deepest_input_fits_a_small_stack() {
    use base64::Engine as _;
    let deep = |inside: &str| "[".repeat(DEPTH_MAX - 1) + inside + &"]".repeat(DEPTH_MAX - 1);
    let mut json = deep(r#"{"password":"canary"}"#);
    for _ in 0..2 {
        json = deep(&format!(
            "\"{}\"",
            base64::engine::general_purpose::STANDARD.encode(&json)
        ));
    }
    let walk = move || redact(builtin(), &json).json().map(str::to_owned);
    let thread = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(walk)
        .expect("a thread");
    let out = thread.join().expect("no overflow").expect("redacted");
    assert!(out.contains("[redacted:key-password]"), "{out}");
}

#[test]
fn crafted_repetition_costs_linear_time() {
    for piece in [
        "authorization%3D",
        "--authorization x ",
        "authorization=",
        "token=[[[",
        "token={\\\"",
        "x://u:p@",
        "-----BEGIN PRIVATE KEY-----",
        "<token>",
        "4111 ",
        "eyJhIjp7",
        "{\\\"a\\\":",
    ] {
        let json = format!("{{\"t\":\"{}\"}}", piece.repeat((256 << 10) / piece.len()));
        assert!(redact(builtin(), &json).json().is_some(), "{piece}");
    }
}
