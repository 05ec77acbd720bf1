use super::*;
use crate::message::Kind;

fn all(stream: &[u8]) -> Vec<Event> {
    let mut events = Events::default();
    let mut all = events.push(stream);
    all.extend(events.finish());
    all
}

#[track_caller]
fn one(stream: &[u8]) -> Event {
    let mut events = all(stream);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[test]
fn every_line_ending_ends_an_event() {
    for ending in ["\n", "\r", "\r\n"] {
        let stream = format!("event: message{ending}id: 7{ending}data: {{}}{ending}{ending}");
        let event = one(stream.as_bytes());
        assert_eq!(event.event.as_deref(), Some("message"));
        assert_eq!(event.id.as_deref(), Some("7"));
        assert_eq!(
            (event.data_lines, event.data_bytes, event.complete),
            (1, 2, true)
        );
        assert_eq!(event.end, stream.len() - usize::from(ending == "\r\n"));
    }
}

#[test]
fn priming_event_is_blank_and_keeps_its_id() {
    let event = one(b"id: abc\ndata: \n\n");
    assert_eq!(event.id.as_deref(), Some("abc"));
    assert_eq!((event.data_lines, event.data_bytes), (1, 0));
    assert!(event.scan.is_blank());
}

#[test]
fn comments_make_no_event() {
    assert_eq!(all(b": ping\n\n:\n\n\n\r\n"), []);
    assert_eq!(all(b""), []);
}

#[test]
fn data_lines_are_joined_by_newline() {
    let event = one(b"data: {\"jsonrpc\":\"2.0\",\ndata:\"method\":\"m\"}\n\n");
    assert_eq!(event.data_lines, 2);
    assert_eq!(event.data_bytes, 31);
    assert_eq!(event.scan.messages[0].kind, Kind::Notification);
    assert_eq!(event.scan.messages[0].bytes, 31);
    assert_eq!(one(b"data\ndata\n\n").data_bytes, 1);
}

#[test]
fn one_space_behind_the_colon_is_skipped() {
    assert_eq!(one(b"id:  x \n\n").id.as_deref(), Some(" x "));
    assert_eq!(one(b"id:x\n\n").id.as_deref(), Some("x"));
    assert_eq!(one(b"id\n\n").id.as_deref(), Some(""));
}

#[test]
fn byte_order_mark_at_the_start_is_no_part_of_a_name() {
    assert_eq!(one(b"\xef\xbb\xbfdata: {}\n\n").data_bytes, 2);
    assert_eq!(all(b"\xef\xbbdata: {}\n\n"), []);
    assert_eq!(one(b"data: {}\n\n\xef\xbb\xbfdata: {}\n\n").data_bytes, 2);
}

#[test]
fn unknown_fields_and_bad_values_are_ignored() {
    let event = one(b"data2: x\nDATA: x\nretry: 3000\nretry: 3s\nid: a\0b\n\n");
    assert_eq!(
        (event.retry_ms, event.id, event.data_lines),
        (Some(3000), None, 0)
    );
    assert_eq!(one(b"retry:\nid: 1\n\n").retry_ms, None);
    assert_eq!(one(b"retry: +5\n\n").retry_ms, None);
}

#[test]
fn endpoint_event_keeps_its_uri() {
    let event = one(b"event: endpoint\r\ndata: /message?sessionId=1\r\n\r\n");
    assert_eq!(
        event.endpoint.as_deref(),
        Some(&b"/message?sessionId=1"[..])
    );
    assert_eq!(
        one(b"data: /message\nevent: endpoint\n\n")
            .endpoint
            .as_deref(),
        Some(&b"/message"[..])
    );
    let long = format!(
        "event: endpoint\ndata: {}\n\n",
        "x".repeat(ENDPOINT_BYTES_MAX + 1)
    );
    assert_eq!(one(long.as_bytes()).endpoint, None);
    assert_eq!(one(b"data: {}\n\n").endpoint, None);
}

#[test]
fn long_id_is_cut_and_says_so() {
    let event = one(&[b"id: ", vec![b'x'; FIELD_BYTES_MAX + 1].as_slice(), b"\n\n"].concat());
    assert_eq!(event.id.unwrap().len(), FIELD_BYTES_MAX);
    assert!(event.truncated);
    let event = one(&[b"id: ", vec![b'x'; FIELD_BYTES_MAX].as_slice(), b"\n\n"].concat());
    assert!(!event.truncated);
}

#[test]
fn block_without_empty_line_is_incomplete() {
    let event = one(b"data: {}");
    assert_eq!((event.complete, event.end, event.data_bytes), (false, 0, 2));
    let mut events = Events::default();
    events.push(b"event: ");
    assert_eq!(events.finish(), None);
    assert_eq!(
        events.push(b"data: 1\n\n").len(),
        1,
        "the next stream starts afresh"
    );
}

#[test]
fn events_in_one_push_have_their_ends() {
    let ends: Vec<_> = all(b"data: 1\n\ndata: 2\n\n")
        .iter()
        .map(|e| e.end)
        .collect();
    assert_eq!(ends, [9, 18]);
}

#[test]
fn debug_shows_nothing_of_the_stream() {
    let mut events = Events::default();
    events.push(b"id: hunter2\nevent: hunter2\ndata: {\"params\":{\"arguments\":\"hunter2");
    assert!(!format!("{events:?}").contains("hunter2"));
}
