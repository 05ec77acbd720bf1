//! Bounds: what happens at each, and that memory does not grow with the traffic.

use affiant_capture::framing::stdio::Lines;
use affiant_capture::scan::{
    BATCH_MESSAGES_MAX, DEPTH_MAX, Flag, KEY_BYTES_MAX, KEYS_DEPTH_MAX, Limits, Slot,
};
use affiant_capture::{Kind, Message};

const LIMITS: Limits = Limits {
    arguments_bytes_max: 10,
    tools_bytes_max: 10,
    captured_bytes_max: 1000,
};

fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"n","arguments":{arguments}}},"id":1}}"#
    )
}

#[test]
fn arguments_over_the_bound_are_measured_and_flagged() {
    let fits = call(r#""12345678""#);
    let message = &Message::parse_with(fits.as_bytes(), LIMITS).messages[0];
    assert_eq!(
        message.raw(Slot::ParamsArguments),
        Some(&br#""12345678""#[..])
    );
    assert!(!message.truncated(Slot::ParamsArguments) && message.flags.is_empty());

    let over = call(r#""123456789""#);
    let message = &Message::parse_with(over.as_bytes(), LIMITS).messages[0];
    assert_eq!(message.raw(Slot::ParamsArguments), None);
    assert!(message.truncated(Slot::ParamsArguments));
    assert_eq!(message.bytes_of(Slot::ParamsArguments), Some(11));
    let at = over.find("\"1234").unwrap() as u64;
    assert_eq!(message.flags.offset(Flag::FieldTooLong), Some(at));
    assert_eq!(message.kind, Kind::Request);
}

#[test]
fn a_batch_shares_one_budget() {
    let one = call(r#""12345678""#);
    let batch = format!("[{}]", vec![one.as_str(); 100].join(","));
    let scan = Message::parse_with(batch.as_bytes(), LIMITS);
    assert_eq!(scan.messages.len(), 100);
    assert!(!scan.messages[0].truncated(Slot::ParamsArguments));
    assert!(scan.messages[99].truncated(Slot::ParamsArguments));
    assert!(scan.messages[99].flags.has(Flag::FieldTooLong));
}

#[test]
fn batch_over_the_bound_is_counted() {
    let batch = format!("[{}]", vec!["{}"; BATCH_MESSAGES_MAX + 3].join(","));
    let scan = Message::parse(batch.as_bytes());
    assert_eq!(
        (scan.messages.len(), scan.messages_dropped),
        (BATCH_MESSAGES_MAX, 3)
    );
}

#[test]
fn nesting_over_the_bound_does_not_hide_the_id() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = DEPTH_MAX + 10;
        let text = call(&format!(
            "{}\"]\\\"}}\"{}",
            open.repeat(depth),
            close.repeat(depth)
        ));
        let scan = Message::parse(text.as_bytes());
        assert_eq!(scan.error, None);
        let message = &scan.messages[0];
        assert_eq!((message.kind, message.depth), (Kind::Request, DEPTH_MAX));
        assert_eq!(message.id.as_ref().unwrap().raw(), b"1");
        assert!(message.flags.has(Flag::TooDeep) && message.flags.has(Flag::KeysUnchecked));
        assert_eq!(message.bytes, text.len() as u64);
    }
}

#[test]
fn depth_is_counted_in_brackets() {
    let depth = |text: &str| Message::parse(text.as_bytes()).messages[0].depth;
    assert_eq!(
        (depth("1"), depth("{}"), depth(r#"{"a":[{}],"b":1}"#)),
        (0, 1, 3)
    );
}

#[test]
fn keys_beyond_the_bounds_are_flagged_as_unchecked() {
    let flagged = |arguments: &str| {
        let scan = Message::parse(call(arguments).as_bytes());
        scan.messages[0].flags.has(Flag::KeysUnchecked)
    };
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(!flagged(&nested(KEYS_DEPTH_MAX - 2)));
    assert!(flagged(&nested(KEYS_DEPTH_MAX - 1)));
    let key = |n: usize| format!("{{\"{}\":0}}", "k".repeat(n));
    assert!(!flagged(&key(KEY_BYTES_MAX)));
    assert!(flagged(&key(KEY_BYTES_MAX + 1)));
    assert!(flagged(&format!(
        "{{\"{}\":0}}",
        "\\u0061".repeat(KEY_BYTES_MAX + 1)
    )));
    let many: Vec<_> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
    assert!(flagged(&format!("{{{}}}", many.join(","))));
}

#[test]
fn oversized_id_leaves_a_request_without_id() {
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"m","id":"{}"}}"#,
        "x".repeat(5000)
    );
    let message = &Message::parse(text.as_bytes()).messages[0];
    assert_eq!((message.kind, message.id.is_none()), (Kind::Request, true));
    assert!(message.truncated(Slot::Id) && message.flags.has(Flag::FieldTooLong));
}

#[test]
fn response_of_100_mib_is_one_line_whose_id_comes_last() {
    let mut lines = Lines::default();
    assert_eq!(
        lines.push(br#"{"result":{"content":[{"type":"text","text":""#),
        []
    );
    let part = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        assert_eq!(lines.push(&part), []);
    }
    let found = lines.push(b"\"}],\"isError\":true},\"jsonrpc\":\"2.0\",\"id\":7}\r\n");
    let message = &found[0].scan.messages[0];
    assert_eq!(message.kind, Kind::Response);
    assert_eq!(message.id.as_ref().unwrap().raw(), b"7");
    assert_eq!(message.boolean(Slot::ResultIsError), Some(true));
    assert_eq!(message.bytes + 2, found[0].bytes);
}
