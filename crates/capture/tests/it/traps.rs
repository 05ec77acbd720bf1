//! Traffic that real peers send, and tricks that readers of JSON disagree on.

use affiant_capture::scan::{Flag, JsonKind, Slot, SyntaxErrorKind};
use affiant_capture::{IdKind, Invalid, Kind, Message};

#[track_caller]
fn one(text: impl AsRef<[u8]>) -> Message {
    let mut scan = Message::parse(text.as_ref());
    assert_eq!((scan.messages.len(), scan.error), (1, None));
    scan.messages.remove(0)
}

#[track_caller]
fn fails(text: impl AsRef<[u8]>, kind: SyntaxErrorKind, offset: u64) -> affiant_capture::Scan {
    let scan = Message::parse(text.as_ref());
    let error = scan.error.expect("an error");
    assert_eq!((error.kind, error.offset), (kind, offset));
    scan
}

#[track_caller]
fn flagged(text: impl AsRef<[u8]>, flag: Flag, offset: u64) -> Message {
    let message = one(text);
    let flags: Vec<_> = message.flags.iter().collect();
    assert_eq!(flags, [(flag, offset)]);
    message
}

#[test]
fn key_order_does_not_matter() {
    let call = one(
        r#"{"method":"tools/call","params":{"arguments":{"a":1.10},"name":"add"},"jsonrpc":"2.0","id":3}"#,
    );
    assert_eq!(
        (call.kind, call.method.as_deref()),
        (Kind::Request, Some("tools/call"))
    );
    assert_eq!(call.raw(Slot::ParamsArguments), Some(&br#"{"a":1.10}"#[..]));
    assert_eq!(call.raw(Slot::ParamsName), Some(&br#""add""#[..]));
    let answer = one(r#"{"result":{"content":[],"isError":true},"jsonrpc":"2.0","id":3}"#);
    assert_eq!((answer.kind, &answer.id), (Kind::Response, &call.id));
    assert_eq!(answer.boolean(Slot::ResultIsError), Some(true));
}

#[test]
fn ids_keep_type_and_spelling() {
    for (raw, kind) in [
        ("0", IdKind::Number),
        ("1.0", IdKind::Number),
        ("1e0", IdKind::Number),
        ("-12345678901234567890123", IdKind::Number),
        ("\"server-discover-probe-1\"", IdKind::String),
        ("null", IdKind::Null),
    ] {
        let message = one(format!(r#"{{"jsonrpc":"2.0","id":{raw},"method":"ping"}}"#));
        let id = message.id.unwrap();
        assert_eq!(
            (message.kind, id.raw(), id.kind()),
            (Kind::Request, raw.as_bytes(), kind)
        );
    }
}

#[test]
fn values_that_are_no_message_say_why() {
    let kind = |text: &str| one(text).kind;
    assert_eq!(kind("1"), Kind::Invalid(Invalid::NotAnObject));
    assert_eq!(kind("null"), Kind::Invalid(Invalid::NotAnObject));
    assert_eq!(kind("{}"), Kind::Invalid(Invalid::NoMember));
    assert_eq!(
        kind(r#"{"method":1,"id":1}"#),
        Kind::Invalid(Invalid::MethodType)
    );
    assert_eq!(
        kind(r#"{"method":"m","id":[1]}"#),
        Kind::Invalid(Invalid::IdType)
    );
    assert_eq!(
        kind(r#"{"method":"m","result":1}"#),
        Kind::Invalid(Invalid::Ambiguous)
    );
    assert_eq!(
        kind(r#"{"result":1,"error":1,"id":1}"#),
        Kind::Invalid(Invalid::Ambiguous)
    );
    assert_eq!(kind(r#"{"result":1}"#), Kind::Invalid(Invalid::IdMissing));
    assert_eq!(kind(r#"{"error":{"code":-32700}}"#), Kind::Error);
    assert_eq!(kind(r#"{"error":{"code":-32700},"id":null}"#), Kind::Error);
}

#[test]
fn version_is_checked() {
    flagged(r#" {"method":"m"}"#, Flag::JsonrpcVersion, 1);
    flagged(r#"{"jsonrpc":2.0,"method":"m"}"#, Flag::JsonrpcVersion, 0);
    flagged(r#"{"jsonrpc":"1.0","method":"m"}"#, Flag::JsonrpcVersion, 0);
    assert!(
        one(r#"{"jsonrpc":"2\u002e0","method":"m"}"#)
            .flags
            .is_empty()
    );
}

#[test]
fn error_codes_are_read_when_they_fit() {
    let code = |raw: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","error":{{"code":{raw},"message":"no"}},"id":1}}"#);
        let message = one(text);
        assert_eq!(message.raw(Slot::ErrorCode), Some(raw.as_bytes()));
        message.integer(Slot::ErrorCode)
    };
    assert_eq!(code("-32602"), Some(-32602));
    assert_eq!(code("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(code("9223372036854775808"), None);
    assert_eq!(code("1.5"), None);
}

#[test]
fn batch_elements_are_messages_of_their_own() {
    let text = r#" [ {"jsonrpc":"2.0","method":"a","id":1} ,{"jsonrpc":"2.0","method":"b"}, 7 ] "#;
    let scan = Message::parse(text.as_bytes());
    assert!(scan.batch && scan.error.is_none());
    let seen: Vec<_> = scan
        .messages
        .iter()
        .map(|m| (m.kind, m.offset, m.bytes))
        .collect();
    let expected = [
        (Kind::Request, 3, 37),
        (Kind::Notification, 42, 30),
        (Kind::Invalid(Invalid::NotAnObject), 74, 1),
    ];
    assert_eq!(seen, expected);
    let nested = Message::parse(br#"[[{"method":"a"}]]"#);
    assert_eq!(nested.messages[0].kind, Kind::Invalid(Invalid::NotAnObject));
    assert_eq!(nested.messages[0].method, None);
    assert!(Message::parse(b"[]").batch);
    assert!(!Message::parse(b"[]").is_blank());
}

#[test]
fn repeated_keys_are_flagged_and_the_last_is_captured() {
    let text = r#"{"jsonrpc":"2.0","method":"m","params":{"name":"a","n\u0061me":"b"}}"#;
    let message = flagged(text, Flag::DuplicateKey, 62);
    assert_eq!(message.text(Slot::ParamsName).as_deref(), Some("b"));
    for text in [
        r#"{"jsonrpc":"2.0","method":"m","method":"m"}"#,
        r#"{"jsonrpc":"2.0","method":"m","x":1,"x":1}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{"a":1,"a":1}}}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":{"arguments":{"p":[{"q":1,"q":2}]}}}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":[{"q":1,"q":2}]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"isError":false,"isError":true}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":1,"a":1}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"code":2}}"#,
    ] {
        assert!(one(text).flags.has(Flag::DuplicateKey), "{text}");
    }
}

#[test]
fn repeated_object_leaves_nothing_of_the_first() {
    let text = r#"{"jsonrpc":"2.0","method":"m","params":{"name":"a","_meta":{"traceparent":"t"}},"params":{"cursor":"c"}}"#;
    let message = flagged(text, Flag::DuplicateKey, 88);
    let slots: Vec<_> = message.slots().collect();
    assert_eq!(
        slots,
        [
            Slot::Jsonrpc,
            Slot::Method,
            Slot::ParamsCursor,
            Slot::Params
        ]
    );
}

#[test]
fn equal_keys_in_different_objects_are_no_repetition() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"id":1,"arguments":{"id":[{"id":1},{"id":2}]}}}"#;
    assert!(one(text).flags.is_empty());
    let content = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"x":1,"x":1}]}}"#;
    assert!(one(content).flags.is_empty(), "content is not looked into");
}

#[test]
fn keys_in_another_case_are_flagged_and_not_captured() {
    let text = r#"{"jsonrpc":"2.0","method":"m","params":{"name":"a","Name":"b"}}"#;
    let message = flagged(text, Flag::CaseVariantKey, 57);
    assert_eq!(message.text(Slot::ParamsName).as_deref(), Some("a"));
}

#[test]
fn byte_order_mark_is_flagged_and_counts_to_no_message() {
    let scan = Message::parse(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"m\"}");
    assert_eq!(scan.flags.offset(Flag::ByteOrderMark), Some(0));
    assert_eq!((scan.messages[0].offset, scan.messages[0].bytes), (3, 30));
    assert!(!scan.is_rfc8259());
    assert!(Message::parse(b"\xef\xbb\xbf").is_blank());
    fails(b"\xef\xbb{}", SyntaxErrorKind::UnexpectedByte(b'{'), 2);
    fails(b" \xef\xbb\xbf{}", SyntaxErrorKind::UnexpectedByte(0xef), 1);
}

#[test]
fn invalid_utf8_is_flagged_where_it_shows() {
    let prefix = &b"{\"jsonrpc\":\"2.0\",\"method\":\""[..];
    for (bytes, at) in [
        (&b"\xff"[..], 0),
        (b"\xc3", 1),
        (b"\xc0\x80", 0),
        (b"\xe0\x80\x80", 1),
        (b"\xed\xa0\x80", 1),
        (b"\xf4\x90\x80\x80", 1),
        (b"\xe2\x82\xc3\xa9", 2),
        ("é€😀\u{10ffff}\u{d7ff}".as_bytes(), usize::MAX),
    ] {
        let message = one([prefix, bytes, b"\"}"].concat());
        let at = (at != usize::MAX).then(|| (prefix.len() + at) as u64);
        assert_eq!(message.flags.offset(Flag::InvalidUtf8), at, "{bytes:x?}");
    }
}

#[test]
fn non_finite_numbers_are_flagged_and_the_scan_goes_on() {
    for word in ["NaN", "Infinity", "-Infinity"] {
        let text =
            format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"arguments":{word}}},"id":1}}"#);
        let message = one(&text);
        assert!(message.flags.has(Flag::NonFiniteNumber));
        assert_eq!(message.raw(Slot::ParamsArguments), Some(word.as_bytes()));
        assert_eq!(
            message.json_kind(Slot::ParamsArguments),
            Some(JsonKind::Number)
        );
        assert!(!Message::parse(text.as_bytes()).is_rfc8259());
    }
}

#[test]
fn lone_surrogates_are_flagged_where_they_begin() {
    for (string, at) in [
        (r"\ud83d\ude00", None),
        (r"\ud83d", Some(0)),
        (r"\ud83dx", Some(0)),
        (r"\ud83d\n", Some(0)),
        (r"\ud83d\u0041", Some(0)),
        (r"a\ude00", Some(1)),
        (r"\ud83d\ude00\ude00", Some(12)),
        (r"ab\ud83d\ud83d\ude00", Some(2)),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{string}"}}"#);
        let expected = at.map(|at: u64| at + 27);
        assert_eq!(
            one(&text).flags.offset(Flag::LoneSurrogate),
            expected,
            "{string}"
        );
    }
}

#[test]
fn what_is_no_json_fails_where_it_goes_wrong() {
    fails(
        "Listening on 3000",
        SyntaxErrorKind::UnexpectedByte(b'L'),
        0,
    );
    fails("{\"a\":01}", SyntaxErrorKind::UnexpectedByte(b'1'), 6);
    fails("{\"a\":1.}", SyntaxErrorKind::UnexpectedByte(b'}'), 7);
    fails("{\"a\":+1}", SyntaxErrorKind::UnexpectedByte(b'+'), 5);
    fails("{\"a\":1,}", SyntaxErrorKind::UnexpectedByte(b'}'), 7);
    fails("[1,]", SyntaxErrorKind::UnexpectedByte(b']'), 3);
    fails("{\"a\":[1}", SyntaxErrorKind::UnexpectedByte(b'}'), 7);
    fails("{'a':1}", SyntaxErrorKind::UnexpectedByte(b'\''), 1);
    fails("{\"a\" 1}", SyntaxErrorKind::UnexpectedByte(b'1'), 5);
    fails(
        "{\"a\":\"\t\"}",
        SyntaxErrorKind::ControlCharacter(b'\t'),
        6,
    );
    fails("{\"a\":\"\\x\"}", SyntaxErrorKind::UnexpectedByte(b'x'), 7);
    fails("{\"a\":\"\\ n\"}", SyntaxErrorKind::UnexpectedByte(b' '), 7);
    fails(
        "{\"a\":\"\\u 061\"}",
        SyntaxErrorKind::UnexpectedByte(b' '),
        8,
    );
    fails(
        "{\"a\":\"\\u12g4\"}",
        SyntaxErrorKind::UnexpectedByte(b'g'),
        10,
    );
    fails("nulL", SyntaxErrorKind::UnexpectedByte(b'L'), 3);
    fails("{\"a\":tru", SyntaxErrorKind::UnexpectedEnd, 8);
    fails("-", SyntaxErrorKind::UnexpectedEnd, 1);
    fails("\"\\", SyntaxErrorKind::UnexpectedEnd, 2);
    fails("[", SyntaxErrorKind::UnexpectedEnd, 1);
}

#[test]
fn message_before_trailing_bytes_is_reported() {
    let text = r#"{"jsonrpc":"2.0","method":"m"}{"jsonrpc":"2.0","method":"x"}"#;
    let scan = fails(text, SyntaxErrorKind::TrailingBytes, 30);
    assert_eq!(scan.messages.len(), 1);
    assert_eq!(scan.messages[0].kind, Kind::Notification);
    assert_eq!(scan.bytes, 60);
}

#[test]
fn half_a_message_keeps_what_was_read() {
    let text =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm","arguments":{"a":x"#;
    let scan = fails(text, SyntaxErrorKind::UnexpectedByte(b'x'), 85);
    let message = &scan.messages[0];
    assert_eq!(
        (message.kind, message.bytes),
        (Kind::Invalid(Invalid::Incomplete), 85)
    );
    assert_eq!(message.text(Slot::ParamsName).as_deref(), Some("rm"));
    assert_eq!(message.json_kind(Slot::ParamsArguments), None);
}

#[test]
fn blank_texts_are_no_messages() {
    for text in ["", " ", "\r", "\t\r\n "] {
        assert!(Message::parse(text.as_bytes()).is_blank());
    }
}

#[test]
fn cancelled_names_the_request_by_type_and_value() {
    let text = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1","reason":"a\nb"}}"#;
    let message = one(text);
    assert_eq!(
        message.rpc_id(Slot::ParamsRequestId).unwrap().kind(),
        IdKind::String
    );
    assert_eq!(message.text(Slot::ParamsReason).as_deref(), Some("a\nb"));
}

#[test]
fn tasks_of_both_eras_are_seen() {
    let legacy = one(
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t1","status":"working","ttl":60000}}}"#,
    );
    assert_eq!(legacy.text(Slot::ResultTaskTaskId).as_deref(), Some("t1"));
    assert_eq!(
        legacy.text(Slot::ResultTaskStatus).as_deref(),
        Some("working")
    );
    let modern = one(
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t2","status":"completed","result":{"isError":true}}}"#,
    );
    assert_eq!(modern.text(Slot::ResultType).as_deref(), Some("task"));
    assert_eq!(modern.text(Slot::ResultTaskId).as_deref(), Some("t2"));
    assert_eq!(modern.boolean(Slot::ResultResultIsError), Some(true));
    assert_eq!(modern.boolean(Slot::ResultIsError), None);
    let failed = one(
        r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t3","status":"failed","error":{"code":-32603}}}"#,
    );
    assert_eq!(failed.text(Slot::ParamsStatus).as_deref(), Some("failed"));
    assert_eq!(failed.integer(Slot::ParamsErrorCode), Some(-32603));
}

#[test]
fn names_of_fields_inside_content_are_not_fields() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"isError":true,"id":9,"taskId":"x"},"content":[{"id":8}]}}"#;
    let message = one(text);
    assert_eq!(message.id.as_ref().unwrap().raw(), b"1");
    let slots: Vec<_> = message.slots().collect();
    assert_eq!(slots, [Slot::Jsonrpc, Slot::Id, Slot::Result]);
}

#[test]
fn debug_shows_no_content() {
    let text =
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"password":"hunter2"}}}"#;
    let scan = Message::parse(text.as_bytes());
    assert!(!format!("{scan:?}").contains("hunter2"));
}
