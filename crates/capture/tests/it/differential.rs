//! The scanner against `serde_json`: who accepts what, what was captured, which keys repeat.

use std::collections::HashSet;
use std::fmt;

use affiant_capture::scan::{Flag, Limits, Slot};
use affiant_capture::{Kind, Message};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cuts::scan;
use crate::strategies::{cuts, damaged, json, message, pieces, string};

/// Where a slot's value is, for slots whose path is not ambiguous.
const POINTERS: &[(Slot, &str)] = &[
    (Slot::Id, "/id"),
    (Slot::Method, "/method"),
    (Slot::Error, "/error"),
    (Slot::ErrorCode, "/error/code"),
    (Slot::ErrorMessage, "/error/message"),
    (Slot::ParamsName, "/params/name"),
    (Slot::ParamsArguments, "/params/arguments"),
    (Slot::ParamsMeta, "/params/_meta"),
    (Slot::ParamsMetaProgressToken, "/params/_meta/progressToken"),
    (Slot::ParamsTask, "/params/task"),
    (Slot::ParamsTaskId, "/params/taskId"),
    (Slot::ParamsStatus, "/params/status"),
    (Slot::ParamsRequestId, "/params/requestId"),
    (Slot::ParamsResultIsError, "/params/result/isError"),
    (Slot::ResultIsError, "/result/isError"),
    (Slot::ResultTaskId, "/result/taskId"),
    (Slot::ResultTask, "/result/task"),
    (Slot::ResultTaskStatus, "/result/task/status"),
    (Slot::ResultTools, "/result/tools"),
    (Slot::ResultMeta, "/result/_meta"),
    (Slot::ResultServerInfo, "/result/serverInfo"),
    (
        Slot::ResultMetaServerInfo,
        "/result/_meta/io.modelcontextprotocol~1serverInfo",
    ),
    (Slot::ResultResultIsError, "/result/result/isError"),
    (Slot::ResultErrorCode, "/result/error/code"),
];

proptest! {
    #[test]
    fn both_accept_the_same_texts(text in prop_oneof![damaged(json()), damaged(message())]) {
        let theirs = serde_json::from_slice::<&RawValue>(&text).is_ok();
        let scan = Message::parse(&text);
        // serde_json lets lone surrogates pass when it does not decode, and knows no other flag.
        let ours = scan.is_rfc8259() || only_lone_surrogates(&text);
        prop_assert_eq!(ours, theirs, "{:?}", scan);
    }

    #[test]
    fn both_find_the_same_values(text in message(), cuts in cuts()) {
        let value: Value = serde_json::from_str(&text).unwrap();
        let scan = scan(&pieces(text.as_bytes(), &cuts), Limits::default());
        let message = &scan.messages[0];
        prop_assert_eq!(message.bytes, text.len() as u64);
        for (slot, pointer) in POINTERS {
            let ours = message.raw(*slot).map(|raw| serde_json::from_slice::<Value>(raw).unwrap());
            prop_assert_eq!(ours.as_ref(), value.pointer(pointer).filter(|_| parent_is_object(&value, pointer)), "{}", pointer);
        }
        let method = value.get("method").and_then(Value::as_str);
        prop_assert_eq!(message.method.as_deref(), method);
    }

    #[test]
    fn both_find_the_same_elements_of_a_batch(all in prop::collection::vec(message(), 0..5)) {
        let text = format!(" [ {} ] ", all.join(" , "));
        let scan = Message::parse(text.as_bytes());
        prop_assert!(scan.batch && scan.error.is_none());
        let ours: Vec<_> = scan.messages.iter().map(|m| (m.kind, m.bytes)).collect();
        let theirs: Vec<_> = all.iter().map(|text| {
            let alone = Message::parse(text.as_bytes());
            (alone.messages[0].kind, text.len() as u64)
        }).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn both_find_the_same_repeated_keys(params in json()) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"m","params":{params}}}"#);
        let repeated = serde_json::from_str::<Keys>(&params).unwrap().0;
        let message = &Message::parse(text.as_bytes()).messages[0];
        prop_assert_eq!(message.flags.has(Flag::DuplicateKey), repeated, "{}", text);
    }

    #[test]
    fn repeated_keys_in_the_envelope_are_found(text in message()) {
        let repeated = serde_json::from_str::<Envelope>(&text).unwrap().0;
        let message = &Message::parse(text.as_bytes()).messages[0];
        prop_assert!(!repeated || message.flags.has(Flag::DuplicateKey), "{}", text);
    }

    #[test]
    fn both_unescape_the_same(raw in string()) {
        let theirs: String = serde_json::from_str(&raw).unwrap();
        let ours = affiant_capture::scan::unescape(raw.as_bytes());
        prop_assert_eq!(ours.as_deref(), Some(theirs.as_str()));
    }

    #[test]
    fn kind_follows_the_members(method: bool, result: bool, error: bool, id: bool) {
        let members: Vec<_> = [
            (method, r#""method":"m""#), (result, r#""result":{}"#),
            (error, r#""error":{}"#), (id, r#""id":0"#),
        ].into_iter().filter(|(on, _)| *on).map(|(_, text)| text).collect();
        let text = format!("{{{}}}", members.join(","));
        let valid = !matches!(Message::parse(text.as_bytes()).messages[0].kind, Kind::Invalid(_));
        let one = u8::from(method) + u8::from(result) + u8::from(error) == 1;
        prop_assert_eq!(valid, one && (id || !result));
    }
}

fn only_lone_surrogates(text: &[u8]) -> bool {
    let scan = Message::parse(text);
    let flags: Vec<_> = scan.messages.iter().flat_map(|m| m.flags.iter()).collect();
    let odd = [Flag::InvalidUtf8, Flag::NonFiniteNumber];
    scan.error.is_none()
        && !scan.is_blank()
        && scan.flags.is_empty()
        && !flags.iter().any(|(flag, _)| odd.contains(flag))
}

/// A pointer also goes through arrays; the table does not.
fn parent_is_object(value: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    value.pointer(parent).is_some_and(Value::is_object)
}

/// Whether an object anywhere in a value has a key twice.
struct Keys(bool);

/// Whether the outermost object has a key twice.
struct Envelope(bool);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Visitor).map(Keys)
    }
}

impl<'de> serde::Deserialize<'de> for Envelope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Shallow).map(Envelope)
    }
}

struct Visitor;

impl<'de> serde::de::Visitor<'de> for Visitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (mut seen, mut repeated) = (HashSet::new(), false);
        while let Some((key, Keys(inner))) = map.next_entry::<String, Keys>()? {
            repeated |= inner | !seen.insert(key);
        }
        Ok(repeated)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut repeated = false;
        while let Some(Keys(inner)) = seq.next_element()? {
            repeated |= inner;
        }
        Ok(repeated)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

struct Shallow;

impl<'de> serde::de::Visitor<'de> for Shallow {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (mut seen, mut repeated) = (HashSet::new(), false);
        while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
            repeated |= !seen.insert(key);
        }
        Ok(repeated)
    }
}
