//! The scanner against serde, on honest entries and on whatever becomes of them.

use std::cell::RefCell;
use std::sync::LazyLock;

use affiant_entry::completeness::{Completeness, Field};
use affiant_entry::decode::{Reader, View};
use affiant_entry::limits::ENTRY_BYTES_MAX;
use affiant_entry::reclose::reclose;
use affiant_entry::{DecodeError, Decoded, Header};
use proptest::prelude::*;

use crate::reference::{self, Refused};
use crate::world::World;

/// Both say the same of these bytes: whether they are an entry, why not, and what stands where.
#[track_caller]
fn agree(bytes: &[u8]) {
    let text = || String::from_utf8_lossy(bytes);
    let ours = Decoded::parse_any_kind(bytes);
    let header = Header::parse_any_kind(bytes);
    assert_eq!(ours.is_ok(), header.is_ok(), "{}", text());
    memory_agrees(bytes, &ours);
    match (reference::members(bytes), ours) {
        (Ok(theirs), Ok(ours)) => {
            assert_eq!(ours.members().collect::<Vec<_>>(), theirs, "{}", text());
            assert_eq!(ours.header(), &header.unwrap());
            for (name, raw) in theirs {
                assert_eq!(ours.member(name), Some(raw));
            }
            assert_eq!(ours.member("no such member"), None);
            fields_agree(&ours);
        }
        // What the header holds is judged by one hand.
        (
            Ok(_),
            Err(
                DecodeError::Version { .. }
                | DecodeError::Missing { .. }
                | DecodeError::Malformed { .. }
                | DecodeError::Unexpected { .. },
            ),
        )
        | (
            Err(Refused::Shape),
            Err(
                DecodeError::TooLong { .. } | DecodeError::NotUtf8 { .. } | DecodeError::NotOneLine,
            ),
        )
        | (Err(Refused::Json), Err(DecodeError::Json(_)))
        | (Err(Refused::Duplicate), Err(DecodeError::Duplicate { .. })) => {}
        (theirs, ours) => panic!("serde says {theirs:?}, we say {ours:?}: {}", text()),
    }
}

thread_local! {
    /// Has read all that this thread's tests have asked about so far.
    static READER: RefCell<(Reader, u32)> = RefCell::default();
}

/// Whatever a reader has read before, it says the same.
#[track_caller]
fn memory_agrees(bytes: &[u8], fresh: &Result<Decoded, DecodeError>) {
    READER.with_borrow_mut(|state| {
        let (reader, asked) = state;
        // What it saw last are the shapes that it tries first.
        if asked.is_multiple_of(20) {
            let all = HONEST.iter();
            all.for_each(|item| assert!(reader.read(item).is_ok()));
        }
        *asked += 1;
        let read = reader.read(bytes).map(View::into_decoded);
        assert_eq!(
            format!("{read:?}"),
            format!("{fresh:?}"),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    });
}

#[track_caller]
fn fields_agree(entry: &Decoded) {
    let Some(fields) = Completeness::of(entry) else {
        return;
    };
    for field in Field::ALL {
        let theirs = reference::state(entry, field);
        assert_eq!(fields.state(field), &theirs, "{field}");
    }
}

/// Entries of each shape that the codec writes.
static HONEST: LazyLock<Vec<Vec<u8>>> = LazyLock::new(honest);

fn honest() -> Vec<Vec<u8>> {
    let mut world = World::lived();
    let gap = world.gap("spool-full", affiant_entry::Fact::Known(3));
    let anomaly = world.anomaly();
    world.boot_with("recovery", None, vec![gap, anomaly]);
    let open = Decoded::parse(&world.items[2]).unwrap();
    let closed = reclose(&open, world.at).unwrap();
    world.group(vec![closed]);
    world.items
}

fn end() -> String {
    let end = HONEST
        .iter()
        .find(|item| item.windows(10).any(|w| w == b"\"call.end\""));
    String::from_utf8(end.unwrap().clone()).unwrap()
}

#[test]
fn on_what_the_codec_writes() {
    HONEST.iter().for_each(|item| agree(item));
}

#[test]
fn on_every_byte_removed_and_every_bit_flipped() {
    let mut entry = end().into_bytes();
    for at in 0..entry.len() {
        let byte = entry.remove(at);
        agree(&entry);
        entry.insert(at, byte);
        for bit in 0..8 {
            entry[at] ^= 1 << bit;
            agree(&entry);
            entry[at] ^= 1 << bit;
        }
    }
}

/// Values that some readers take and others do not.
const ODD: &[&str] = &[
    "null",
    "true",
    "false",
    "nul",
    "tru",
    "falsee",
    "0",
    "-0",
    "-",
    "00",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "1e",
    "1e+",
    "1e999",
    "-1e999",
    "1e-999",
    "0e999",
    "1e308",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "+1",
    "NaN",
    "Infinity",
    "\"\"",
    "\"a\"",
    "\"\\\"\"",
    "\"\\u0041\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ud83d\\ud83d\"",
    "\"\\u12\"",
    "\"\\u123G\"",
    "\"\\x\"",
    "\"\\/\"",
    "\"\\b\\f\\n\\r\\t\"",
    "\"\u{1}\"",
    "\"\t\"",
    "\"\u{7f}\"",
    "\"é☕😀\"",
    "\"12345678\"",
    "\"1234567\\\\\"",
    "\"unterminated",
    "[]",
    "[ ]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,2]",
    "[[],{}]",
    "{}",
    "{ }",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\" : 1 , \"b\":[ ]}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"\\u0061\":1}",
    "{a:1}",
    "{1:1}",
    "{\"b\":{\"a\":1,\"a\":2}}",
    "[{\"a\":1,\"a\":2}]",
    "{\"absent\":\"why\"}",
    "{\"absent\":\"\"}",
    "{\"absent\":null}",
    "{\"absent\":\"why\",\"more\":1}",
    "{ \"absent\":\"why\"}",
    "{\"absent\":\"\\u0077hy\"}",
    "{\"\\u0061bsent\":\"why\"}",
    "{\"absent\":{\"absent\":\"x\"}}",
    "{\"bytes\":1}",
    "{\"bytes\":-1}",
    "{\"bytes\":1.0}",
    "{\"bytes\":null}",
    "{\"bytes\":18446744073709551616}",
    "{\"bytes\":-0}",
    "{\"level\":\"x\"}",
    "{\"level\":\"\"}",
    "{\"decision\":\"allow\"}",
    "{\"decision\":1}",
    "{\"id\":\"x\"}",
    "{\"id\":{\"absent\":\"y\"}}",
    "{\"id\":\"x\",\"version\":{\"absent\":\"y\"}}",
    "{\"id\":\"x\",\"request_id\":\"1\"}",
    "{\"\\u0069d\":\"x\"}",
    "[\"x\"]",
    "[\"x\",\"y\",\"z\"]",
    "{\"role\":{\"absent\":\"r\"},\"user\":{\"absent\":\"u\"},\"token\":\"t\"}",
    "{\"role\":{\"absent\":\"r\"},\"user\":{\"absent\":\"u\"},\"token\":1}",
    "{\"name\":\"x\",\"in_manifest\":true,\"manifest\":\"y\"}",
    "{\"name\":\"x\",\"in_manifest\":null,\"manifest\":\"y\"}",
    "{\"name\":{\"absent\":\"x\"},\"in_manifest\":{\"absent\":\"x\"},\"manifest\":{\"absent\":\"y\"}}",
    "{\"code\":\"success\",\"reason\":\"ok\"}",
    "{\"code\":\"\\u0073uccess\",\"reason\":\"ok\"}",
    "{\"code\":1,\"reason\":\"ok\"}",
    "{\"code\":\"other\",\"reason\":\"ok\"}",
    "{\"code\":\"error\",\"reason\":\"\"}",
    "{\"reason\":\"ok\"}",
    "{\"code\":\"error\"}",
    "{\"blob\":\"sha256:00\",\"bytes\":1,\"commit\":\"c\"}",
    "{\"withheld\":\"why\",\"bytes\":1,\"commit\":\"c\"}",
    "{\"withheld\":\"\",\"commit\":\"c\"}",
    "\"value\"",
    "\"blob\"",
    "\"withheld\"",
    "\"absent\"",
    "\"v\\u0061lue\"",
];

#[test]
fn on_odd_values_in_every_member() {
    let entry = end();
    let decoded = Decoded::parse(entry.as_bytes()).unwrap();
    for (name, raw) in decoded.members() {
        for odd in ODD {
            let at = raw.as_ptr().addr() - decoded.bytes().as_ptr().addr();
            let changed = format!("{}{odd}{}", &entry[..at], &entry[at + raw.len()..]);
            agree(changed.as_bytes());
            if name == "input" {
                for form in ["blob", "withheld", "absent", "other"] {
                    agree(
                        changed
                            .replace(
                                "\"input_form\":\"value\"",
                                &format!("\"input_form\":\"{form}\""),
                            )
                            .as_bytes(),
                    );
                }
            }
        }
    }
    for odd in ODD {
        agree(
            entry
                .replacen("\"v\":1,", &format!("\"v\":1,\"later\":{odd},"), 1)
                .as_bytes(),
        );
        agree(
            entry
                .replacen(
                    "\"v\":1,",
                    &format!("\"v\":1,\"later\":[{{\"x\":{odd}}}],"),
                    1,
                )
                .as_bytes(),
        );
        agree(entry.replacen("{", &format!("{{{odd}:1,"), 1).as_bytes());
        agree(format!("{entry}{odd}").as_bytes());
        agree(odd.as_bytes());
    }
}

#[test]
fn on_nesting() {
    let entry = end();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [1, 2, 62, 63, 64, 65, 66, 127, 128, 129, 4000] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for member in ["later", "input"] {
                let at = entry.replacen("\"v\":1,", &format!("\"v\":1,\"{member}\":{deep},"), 1);
                agree(at.as_bytes());
                agree(
                    at.replace("\"input\":{\"q\"", "\"other\":{\"q\"")
                        .as_bytes(),
                );
            }
        }
    }
}

#[test]
fn on_many_names() {
    let entry = end();
    for many in [22, 23, 24, 25, 26, 300, 4000] {
        let names: Vec<String> = (0..many).map(|n| format!("\"abcdefgh{n}\":{n}")).collect();
        for twice in [None, Some(0), Some(many / 2), Some(many - 1)] {
            let mut names = names.clone();
            if let Some(at) = twice {
                names.push(names[at].clone());
                names.push(names[at].replace('a', "\\u0061"));
            }
            let names = names.join(",");
            agree(
                entry
                    .replacen("\"v\":1,", &format!("\"v\":1,\"x\":{{{names}}},"), 1)
                    .as_bytes(),
            );
            agree(
                entry
                    .replacen("\"v\":1,", &format!("\"v\":1,\"x\":[{{{names}}}],"), 1)
                    .as_bytes(),
            );
            agree(
                entry
                    .replacen("\"v\":1,", &format!("\"v\":1,{names},"), 1)
                    .as_bytes(),
            );
        }
    }
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(ENTRY_BYTES_MAX));
    agree(long.as_bytes());
}

/// Pieces of JSON, so that random texts are sometimes JSON.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"", " ", "\t", "\\"]).prop_map(|s| s.as_bytes().to_vec()),
        3 => prop::sample::select(ODD.to_vec()).prop_map(|s| s.as_bytes().to_vec()),
        2 => prop::sample::select(vec!["\"a\":", "\"b\":", "\"input\":", "\"v\":1,"]).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..12)
        .prop_map(|pieces| [b"{".as_slice(), &pieces.concat(), b"}"].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn on_texts_that_are_nearly_json(text in pieces()) {
        agree(&text);
    }

    #[test]
    fn on_spliced_entries(item in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), cut in 0_usize..24, with in pieces()) {
        let mut bytes = item.get(&HONEST).clone();
        let from = from.index(bytes.len());
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, with);
        agree(&bytes);
    }

    #[test]
    fn on_bytes_changed_at_random(item in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = item.get(&HONEST).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        agree(&bytes);
    }
}
