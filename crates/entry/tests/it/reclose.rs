//! Closing calls of a dead process.

use affiant_entry::completeness::{Completeness, Field, State};
use affiant_entry::reclose::{Reclosed, reclose};
use affiant_entry::{Body, BootId, Decoded, Moment, Record, Seq, SourceId, Stamp, encode};

use crate::world::{NOW_US, SOURCE, World, call, commit_key};

fn encoded(record: &Record, boot: u128, seq: u64) -> Decoded {
    let source = SourceId::new(SOURCE).unwrap();
    let stamp = Stamp {
        source: &source,
        boot: BootId::from_parts(NOW_US, boot),
        seq: Seq(seq),
    };
    Decoded::parse(encode(stamp, record).unwrap().as_slice()).unwrap()
}

fn begin(json: &str) -> Decoded {
    let mut world = World::new();
    let id = world.new_call();
    let mut record = world.begin(id);
    record.body = Body::CallBegin(Box::new(call(json)));
    encoded(&record, 1, 5)
}

const LATER: Moment = Moment {
    utc_us: NOW_US + 60_000_000,
    mono_us: 3,
};

#[test]
fn the_begin_is_carried_over_as_it_is_spelled() {
    let begin = begin(r#"{ "n": 1.50, "n": 1e2, "s": "\u0041" }"#);
    let end = encoded(&reclose(&begin, LATER).unwrap(), 2, 1);
    for name in [
        "session",
        "agent",
        "server",
        "tool",
        "input_form",
        "input",
        "redactions",
        "classification",
        "policy",
        "correlation",
    ] {
        assert_eq!(end.member(name), begin.member(name), "{name}");
        assert!(end.member(name).is_some(), "{name}");
    }
    let (header, begun) = (end.header(), begin.header());
    assert_eq!(
        (&header.kind, header.call, header.at),
        (&affiant_entry::Kind::CallEnd, begun.call, begun.at)
    );
    assert_eq!(
        end.member("status"),
        Some(r#"{"code":"error","reason":"outcome-unknown"}"#)
    );
    assert_eq!(
        end.member("begun").unwrap(),
        format!(r#"{{"boot":"{}","seq":5}}"#, begun.boot)
    );
    let closed_by = format!(
        r#"{{"boot":"{}","time":"2026-11-22T06:55:01.123456Z"}}"#,
        header.boot
    );
    assert_eq!(end.member("closed_by").unwrap(), closed_by);
}

#[test]
fn twelve_of_twelve_with_what_is_absent_said() {
    let begin = begin("{}");
    let end = encoded(&reclose(&begin, LATER).unwrap(), 2, 1);
    let fields = Completeness::of(&end).unwrap();
    assert!(fields.complete());
    for field in [Field::Response, Field::Latency] {
        assert!(matches!(fields.state(field), State::Absent(_)), "{field}");
    }
}

#[test]
fn an_input_that_does_not_fit_is_withheld_once() {
    let begin = begin(&format!(r#"{{"q":"{}"}}"#, "x".repeat(30_000)));
    let mut reclosed = Reclosed::of(&begin).unwrap();
    reclosed.withhold_input(&commit_key());
    let body = || Body::CallReclosed(Box::new(reclosed.clone()));
    let record = Record {
        at: LATER,
        call: begin.header().call,
        body: body(),
    };
    let end = encoded(&record, 2, 1);
    assert!(end.bytes().len() < 4_000);
    assert_eq!(end.member("input_form"), Some(r#""withheld""#));
    let input = end.pointer("/input").unwrap();
    assert_eq!(input["bytes"], 30_008);
    assert_eq!(
        input["commit"],
        commit_key()
            .commit("input", begin.member("input").unwrap().as_bytes())
            .as_str()
    );
    let mut again = reclosed.clone();
    again.withhold_input(&commit_key());
    let again = Record {
        body: Body::CallReclosed(Box::new(again)),
        ..record
    };
    assert_eq!(encoded(&again, 2, 1).bytes(), end.bytes());
}

#[test]
fn only_a_begin_can_be_reclosed() {
    let mut world = World::new();
    let (_, end) = world.call_pair();
    assert!(reclose(&encoded(&end, 1, 1), LATER).is_none());
}
