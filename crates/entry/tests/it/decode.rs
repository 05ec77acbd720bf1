//! The strict reader.

use affiant_entry::limits::ENTRY_BYTES_MAX;
use affiant_entry::{DecodeError, Decoded, Header, Kind};

use crate::world::World;

const ENTRY: &str = r#"{"v":1,"kind":"heartbeat","source":"gw-7","boot":"01KAP9S8Z0000000000000000A","seq":3,"time":"2026-11-22T06:54:01.123456Z","mono_us":918,"heartbeat":{"calls":2,"clock":{"a":[{"b":1}]}}}"#;

fn code(error: &DecodeError) -> String {
    match error {
        DecodeError::Missing { member } => format!("missing {member}"),
        DecodeError::Malformed { member } => format!("malformed {member}"),
        DecodeError::Unexpected { member } => format!("unexpected {member}"),
        DecodeError::Duplicate { member } => format!("duplicate {member}"),
        DecodeError::Version { found } => format!("version {found}"),
        DecodeError::UnknownKind { kind } => format!("kind {kind}"),
        DecodeError::TooLong { .. } => "long".to_owned(),
        DecodeError::NotUtf8 { .. } => "utf8".to_owned(),
        DecodeError::NotOneLine => "line".to_owned(),
        DecodeError::Json(_) => "json".to_owned(),
    }
}

/// Both readers refuse the same bytes for the same reason.
#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let whole = Decoded::parse(bytes).map(|entry| entry.header().clone());
    let header = Header::parse(bytes);
    let said = |result: &Result<Header, DecodeError>| {
        result.as_ref().map_or_else(code, |_| "ok".to_owned())
    };
    assert_eq!(
        (said(&whole).as_str(), said(&header).as_str()),
        (expected, expected)
    );
    if let (Ok(whole), Ok(header)) = (whole, header) {
        assert_eq!(whole, header);
    }
}

#[track_caller]
fn changed(from: &str, to: &str, expected: &str) {
    let other = ENTRY.replacen(from, to, 1);
    assert_ne!(other, ENTRY, "{from}");
    check(other.as_bytes(), expected);
}

#[test]
fn everything_the_codec_writes_is_read() {
    for bytes in World::lived().items {
        check(&bytes, "ok");
        let entry = Decoded::parse(&bytes).unwrap();
        assert_eq!(entry.bytes(), bytes);
        assert_eq!(entry.value().unwrap()["kind"], entry.header().kind.as_str());
    }
}

#[test]
fn a_header_is_read() {
    let entry = Decoded::parse(ENTRY.as_bytes()).unwrap();
    let header = entry.header();
    assert_eq!(
        (&header.kind, header.seq.unwrap().0, header.seal),
        (&Kind::Heartbeat, 3, None)
    );
    assert_eq!((header.source.as_str(), header.call), ("gw-7", None));
    assert_eq!(header.at.unwrap().rfc3339(), "2026-11-22T06:54:01.123456Z");
    assert_eq!(header.at.unwrap().mono_us, 918);
    assert_eq!(entry.pointer("/heartbeat/clock/a/0/b"), Some(1.into()));
    assert_eq!(entry.pointer("/seq"), Some(3.into()));
    assert_eq!(
        (entry.pointer("/nothing"), entry.pointer("seq")),
        (None, None)
    );
    assert_eq!(entry.member("mono_us"), Some("918"));
    assert_eq!((entry.seal(), entry.note()), (None, None));
}

#[test]
fn a_newer_version_is_refused_with_the_reason_before_anything_else() {
    changed(r#""v":1,"#, r#""v":2,"#, "version 2");
    check(br#"{"v":2}"#, "version 2");
    let error = Decoded::parse(br#"{"v":2}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry has version 2, this reader supports 1"
    );
    changed(r#""v":1,"#, "", "missing v");
    changed(r#""v":1,"#, r#""v":1.0,"#, "malformed v");
    changed(r#""v":1,"#, r#""v":"1","#, "malformed v");
}

#[test]
fn an_unknown_kind_is_refused_unless_asked_for() {
    let other = ENTRY.replace("\"heartbeat\",", "\"pulse\",");
    check(other.as_bytes(), "kind pulse");
    let entry = Decoded::parse_any_kind(other.as_bytes()).unwrap();
    assert_eq!(entry.header().kind, Kind::Unknown("pulse".to_owned()));
    assert!(Header::parse_any_kind(other.as_bytes()).is_ok());
}

#[test]
fn doubled_names_are_refused_at_any_level_but_inside_the_input() {
    changed(r#""seq":3"#, r#""seq":3,"seq":3"#, "duplicate seq");
    changed(r#""calls":2"#, r#""calls":2,"calls":3"#, "duplicate calls");
    changed(r#"{"b":1}"#, r#"{"b":1,"b":1}"#, "duplicate b");
    changed(r#"{"b":1}"#, r#"{"b":1,"\u0062":1}"#, "duplicate b");
    changed(r#""mono_us""#, r#""input":{"a":1,"a":2},"mono_us""#, "ok");
    changed(
        r#""mono_us""#,
        r#""input":1,"input":2,"mono_us""#,
        "duplicate input",
    );
    changed(r#""seq""#, r#""se\u0071":1,"seq""#, "json");
}

#[test]
fn a_deep_input_is_read_and_a_deep_member_of_ours_is_not() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let input = format!(r#""input":{},"mono_us""#, nested(5_000));
    changed(r#""mono_us""#, &input, "ok");
    // `heartbeat` itself is one level.
    for (levels, expected) in [(63, "ok"), (64, "json"), (5_000, "json")] {
        let more = format!(r#"{{"more":{},"calls":2"#, nested(levels));
        changed(r#"{"calls":2"#, &more, expected);
    }
}

#[test]
fn header_members_are_needed_and_spelled_one_way() {
    changed(r#""kind":"heartbeat","#, "", "missing kind");
    changed(r#""source":"gw-7","#, "", "missing source");
    changed(r#""seq":3,"#, "", "missing seq");
    changed(r#""mono_us":918,"#, "", "missing mono_us");
    changed(r#""source":"gw-7""#, r#""source":"GW""#, "malformed source");
    changed(
        r#""source":"gw-7""#,
        r#""source":"gw\u002d7""#,
        "malformed source",
    );
    changed("000A", "000a", "malformed boot");
    changed("000A", "000I", "malformed boot");
    changed("01KAP", "81KAP", "malformed boot");
    changed(r#""seq":3"#, r#""seq":-3"#, "malformed seq");
    changed(r#""seq":3"#, r#""seq":3e0"#, "malformed seq");
    changed(r#""seq":3"#, r#""seq":9007199254740992"#, "malformed seq");
    changed(r#""seq":3"#, r#""seq":9007199254740991"#, "ok");
    changed(".123456Z", ".123Z", "malformed time");
    changed(".123456Z", ".1234567", "malformed time");
    changed("T06:54:01", "T06:54:60", "malformed time");
    changed("T06:54:01", "T26:54:01", "malformed time");
    changed("11-22T", "02-30T", "malformed time");
    changed(
        r#""kind":"heartbeat""#,
        r#""kind":"call.end""#,
        "missing call",
    );
    changed(r#""seq":3"#, r#""seq":3,"call":"x""#, "malformed call");
    changed(r#""seq":3"#, r#""seq":3,"seal":1"#, "unexpected seal");
}

#[test]
fn a_seal_has_a_number_and_a_note_and_no_place() {
    let seal = r#"{"v":1,"kind":"seal","source":"gw-7","boot":"01KAP9S8Z0000000000000000A","seal":4,"note":"a\nb"}"#;
    check(seal.as_bytes(), "ok");
    let entry = Decoded::parse(seal.as_bytes()).unwrap();
    assert_eq!(
        (entry.seal().unwrap().0, entry.note().unwrap().as_str()),
        (4, "a\nb")
    );
    check(seal.replace(r#","seal":4"#, "").as_bytes(), "missing seal");
    check(
        seal.replace(r#","note":"a\nb""#, "").as_bytes(),
        "missing note",
    );
    check(
        seal.replace(r#""seal":4"#, r#""seal":4,"seq":1"#)
            .as_bytes(),
        "unexpected seq",
    );
    check(
        seal.replace(r#""seal":4"#, r#""seal":4,"call":1"#)
            .as_bytes(),
        "unexpected call",
    );
}

#[test]
fn anything_around_the_object_is_refused() {
    check(b"", "line");
    check(b"[]", "line");
    check(format!("{ENTRY}\n").as_bytes(), "line");
    check(format!(" {ENTRY}").as_bytes(), "line");
    check(format!("\u{feff}{ENTRY}").as_bytes(), "line");
    check(format!("{ENTRY}{ENTRY}").as_bytes(), "json");
    changed(r#","seq""#, ",\n\"seq\"", "line");
    changed(r#","seq""#, ",,\"seq\"", "json");
    check(&[b"{\"v\":1\xff", &ENTRY.as_bytes()[6..]].concat(), "utf8");
}

#[test]
fn the_longest_entry_is_read_and_one_byte_more_is_not() {
    let fill = |bytes: usize| {
        let pad = "x".repeat(bytes - ENTRY.len() - r#""pad":"","#.len());
        ENTRY.replace(
            r#""heartbeat":{"#,
            &format!(r#""pad":"{pad}","heartbeat":{{"#),
        )
    };
    let longest = fill(ENTRY_BYTES_MAX);
    assert_eq!(longest.len(), ENTRY_BYTES_MAX);
    check(longest.as_bytes(), "ok");
    check(fill(ENTRY_BYTES_MAX + 1).as_bytes(), "long");
}

#[test]
fn many_names_are_searched_quickly() {
    // Compared each with each, these would be 50 million comparisons.
    let names: String = (0..7_000).map(|n| format!(r#""{n}":0,"#)).collect();
    changed(r#"{"calls":2"#, &format!(r#"{{{names}"calls":2"#), "ok");
}
