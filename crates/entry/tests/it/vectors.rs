//! Golden vectors for other implementations: made from fixed keys, compared byte by byte.
//!
//! `AFFIANT_BLESS=1 cargo test -p affiant-entry vectors` rewrites them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use affiant_entry::chain::{ChainReport, RememberedHead, Verdict};
use affiant_entry::completeness::{Completeness, State};
use affiant_entry::reclose::reclose;
use affiant_entry::{DecodeError, Decoded, Fact, Rotation, SealText, SourceId, Trust};
use affiant_tlog::leaf_hash;
use affiant_tlog::note::VerifierKey;

use crate::log_leaves::log_entries;
use crate::world::{NOW_US, SOURCE, World, key, reseal, seals, text_of, vkey};

pub(crate) type Files = BTreeMap<String, String>;

#[test]
fn entry_vectors_are_as_committed() {
    committed("entry", &entry_files());
}

#[test]
fn seal_vectors_are_as_committed() {
    committed("seal", &seal_files());
}

/// Reads back what is on disk, as another implementation would.
#[test]
fn entry_vectors_hold() {
    for (case, members) in read_cases("entry") {
        let entry = members["entry"].as_bytes();
        let expect = match Decoded::parse(entry) {
            Ok(decoded) => {
                assert_eq!(leaf_hash(entry).to_string(), members["leaf-hash"], "{case}");
                assert_eq!(decoded.header().kind.as_str(), members["kind"], "{case}");
                if let Some(fields) = Completeness::of(&decoded) {
                    assert_eq!(fields_line(&fields), members["fields"], "{case}");
                }
                "read".to_owned()
            }
            Err(error) => format!("refuse {}", reason(&error)),
        };
        assert_eq!(expect, members["expect"], "{case}");
    }
}

#[test]
fn seal_vectors_hold() {
    for (case, members) in read_cases("seal") {
        let keys = members["trust"]
            .split_whitespace()
            .map(|key| key.parse::<VerifierKey>().unwrap());
        let head = members
            .get("head")
            .map(|note| RememberedHead::parse(note).unwrap());
        let items: Vec<Vec<u8>> = members["chain"]
            .lines()
            .map(|line| line.as_bytes().to_vec())
            .collect();
        let report = crate::world::judge(&items, &Trust::new(keys), head);
        assert_eq!(expectation(&report), members["expect"], "{case}");
    }
}

fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooLong { .. } => "too-long",
        DecodeError::NotUtf8 { .. } => "not-utf8",
        DecodeError::NotOneLine => "not-one-line",
        DecodeError::Json(_) => "not-json",
        DecodeError::Duplicate { .. } => "duplicate-member",
        DecodeError::Version { .. } => "unsupported-version",
        DecodeError::UnknownKind { .. } => "unknown-kind",
        DecodeError::Missing { .. } => "missing-member",
        DecodeError::Malformed { .. } => "malformed-member",
        DecodeError::Unexpected { .. } => "unexpected-member",
    }
}

fn fields_line(fields: &Completeness<'_>) -> String {
    let word = |state: &State<'_>| match state {
        State::Present => "present",
        State::Absent(_) => "absent",
        State::Missing => "missing",
    };
    let words: Vec<String> = fields
        .fields()
        .map(|(field, state)| format!("{}={}", field.id(), word(state)))
        .collect();
    words.join(" ")
}

fn expectation(report: &ChainReport) -> String {
    let codes: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.fault.code())
        .collect();
    [&[report.verdict.to_string().as_str()], codes.as_slice()]
        .concat()
        .join(" ")
}

// What is in the vectors.

fn entry_files() -> Files {
    let mut world = World::lived();
    let gap = world.gap("spool-full", Fact::Known(3));
    let anomaly = world.anomaly();
    world.boot_with("recovery", None, vec![gap, anomaly]);
    let open = Decoded::parse(&world.items[2]).unwrap();
    let closed = reclose(&open, world.at).unwrap();
    world.group(vec![closed]);
    let text = |at: usize| String::from_utf8(world.items[at].clone()).unwrap();
    let begin = text(2);
    let end = text(5);
    let cases = [
        ("boot", "The first entry of a chain.", text(0)),
        ("call-begin", "A request is about to be forwarded. The number 1.50 keeps its spelling.", begin.clone()),
        ("call-end", "All twelve fields present.", end.clone()),
        ("call-end-reclosed", "Recovery closed a call that a dead process left open.", text(world.items.len() - 2)),
        ("call-end-absent", "A field that is not there, and says why.", end.replace(r#""latency_us":12345"#, r#""latency_us":{"absent":"no response"}"#)),
        ("call-end-missing", "A field that says nothing: read, but not twelve of twelve.", end.replace(r#""latency_us":12345,"#, "")),
        ("call-end-withheld", "An input that was kept out.", end.replace(r#""input_form":"value","input":{"q":"Ada","n":1.50}"#, r#""input_form":"withheld","input":{"withheld":"redactor failed","bytes":22,"commit":"hmac-sha256:k1:00"}"#)),
        ("input-like-ours", "A client may send what looks like our own words: `input_form` decides.", end.replace(r#"{"q":"Ada","n":1.50}"#, r#"{"absent":"me"}"#)),
        ("input-duplicate", "Doubled names inside the client's input are the client's.", begin.replace(r#"{"q":"Ada","n":1.50}"#, r#"{"q":1,"q":2}"#)),
        ("heartbeat", "A sign of life.", text(8)),
        ("gap", "Evidence was lost, and counted.", text(13)),
        ("anomaly", "A peer did something it should not.", text(14)),
        ("seal", "The entry that carries a seal.", text(1)),
        ("unknown-member", "Members this version does not know are kept and ignored.", begin.replacen(r#""v":1,"#, r#""v":1,"later":{"a":1},"#, 1)),
        ("refuse-version", "A newer format.", begin.replacen(r#""v":1,"#, r#""v":2,"#, 1)),
        ("refuse-kind", "An unknown kind.", begin.replace(r#""call.begin""#, r#""call.middle""#)),
        ("refuse-duplicate", "A name twice at the top.", begin.replacen(r#""v":1,"#, r#""v":1,"v":1,"#, 1)),
        ("refuse-duplicate-below", "A name twice in a member of ours.", begin.replace(r#""role":"support""#, r#""role":"support","role":"admin""#)),
        ("refuse-duplicate-escaped", "The same name twice, once with an escape.", begin.replace(r#""role":"support""#, r#""role":"support","r\u006fle":"admin""#)),
        ("refuse-missing", "No `seq`.", begin.replace(r#""seq":1,"#, "")),
        ("refuse-number", "A number spelled as a float.", begin.replace(r#""seq":1,"#, r#""seq":1.0,"#)),
        ("refuse-time", "Milliseconds where six digits belong.", begin.replacen("Z\",\"mono_us\"", "\",\"mono_us\"", 1)),
        ("refuse-space", "White space around the object.", format!("{begin} ")),
        ("refuse-trailing", "A second object.", format!("{begin}{{}}")),
    ];
    let ours = log_entries();
    let ours = ours
        .iter()
        .map(|(name, what, entry)| (name.as_str(), *what, entry.clone()));
    cases
        .into_iter()
        .chain(ours)
        .map(|(name, what, entry)| (format!("{name}.txt"), entry_case(what, &entry)))
        .collect()
}

fn entry_case(what: &str, entry: &str) -> String {
    let mut text = format!("about: {what}\n");
    match Decoded::parse(entry.as_bytes()) {
        Ok(decoded) => {
            text += &format!("expect: read\nkind: {}\n", decoded.header().kind);
            if let Some(fields) = Completeness::of(&decoded) {
                text += &format!("fields: {}\n", fields_line(&fields));
            }
            text += &format!("leaf-hash: {}\n", leaf_hash(entry.as_bytes()));
        }
        Err(error) => text += &format!("expect: refuse {}\n", reason(&error)),
    }
    text + "--- entry\n" + entry + "\n"
}

fn seal_files() -> Files {
    let mut files = Files::new();
    let mut add = |name: &str, about: &str, world: &World, head: Option<&str>, trust: u8| {
        files.insert(format!("{name}.txt"), seal_case(about, world, head, trust));
    };
    let lived = World::lived();
    let head = lived.note.clone();
    let head = head.as_deref();
    add("one-life", "A boot, two calls, a stop.", &lived, head, 1);
    add(
        "head-not-given",
        "The same, with nothing remembered.",
        &lived,
        None,
        1,
    );
    let mut restarted = World::lived();
    restarted.boot("start", None);
    restarted.work();
    let newest = restarted.note.clone();
    add(
        "restart",
        "A second boot links to the first.",
        &restarted,
        newest.as_deref(),
        1,
    );
    add(
        "unknown-key",
        "The verifier knows another key.",
        &lived,
        None,
        2,
    );

    let mut rotated = World::lived();
    let rotation = Rotation {
        source: SourceId::new(SOURCE).unwrap(),
        old: vkey(1),
        new: vkey(2),
        utc_us: NOW_US,
    };
    rotated.signer = key(2);
    rotated.boot("start", Some(rotation.sign(&key(1), &key(2)).unwrap()));
    add(
        "rotated-trust-old",
        "The key was rotated; the old one is trusted.",
        &rotated,
        None,
        1,
    );
    add(
        "rotated-trust-new",
        "The key was rotated; the new one is trusted.",
        &rotated,
        None,
        2,
    );

    let mut torn = World::new();
    torn.boot("start", None);
    let beat = torn.heartbeat();
    torn.torn_group(vec![beat]);
    add(
        "torn-tail",
        "An entry behind the last seal is no evidence, and no fault.",
        &torn,
        None,
        1,
    );

    let mut gap = World::new();
    gap.boot("start", None);
    let lost = gap.gap("spool-full", Fact::Known(3));
    gap.group(vec![lost]);
    add(
        "gap",
        "The source says that it lost entries.",
        &gap,
        None,
        1,
    );

    let mut attack = |name: &str, about: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut world = World::lived();
        change(&mut world.items);
        add(name, about, &world, head, 1);
    };
    attack(
        "no-flipped",
        "One character of an entry was changed.",
        &|items| {
            items[2] = String::from_utf8(items[2].clone())
                .unwrap()
                .replace("alice", "alicf")
                .into_bytes();
        },
    );
    attack("no-deleted", "An entry was deleted.", &|items| {
        drop(items.remove(3))
    });
    attack("no-doubled", "An entry was doubled.", &|items| {
        items.insert(3, items[2].clone())
    });
    attack("no-reordered", "Two entries changed places.", &|items| {
        items.swap(2, 3)
    });
    attack("no-seal-dropped", "A seal was deleted.", &|items| {
        drop(items.remove(seals(items)[1]))
    });
    attack("no-cut", "The end was cut off at a seal.", &|items| {
        items.truncate(seals(items)[2] + 1)
    });
    attack("no-emptied", "Everything is gone.", &Vec::clear);
    attack(
        "no-resigned",
        "The last seal was signed anew by another key.",
        &|items| {
            let last = items.len() - 1;
            items[last] = reseal(&text_of(&items[last]), &key(5));
        },
    );
    attack("no-root", "The right key signed another root.", &|items| {
        let last = items.len() - 1;
        items[last] = reseal(
            &SealText {
                root: leaf_hash(b"other"),
                ..text_of(&items[last])
            },
            &key(1),
        );
    });
    files
}

fn seal_case(about: &str, world: &World, head: Option<&str>, trusted: u8) -> String {
    let trust = Trust::new([vkey(trusted)]);
    let remembered = head.map(|note| RememberedHead::parse(note).unwrap());
    let report = crate::world::judge(&world.items, &trust, remembered);
    let mut text = format!(
        "about: {about}\nexpect: {}\ntrust: {}\n",
        expectation(&report),
        vkey(trusted)
    );
    if report.verdict == Verdict::Ok {
        let last = report.last.as_ref().unwrap();
        text += &format!(
            "entries: {}\nseals: {}\nlast: {}\n",
            report.counts.entries, report.counts.seals, last.hash
        );
    }
    if let Some(note) = head {
        text += &format!("--- head\n{note}");
    }
    text += "--- chain\n";
    for item in &world.items {
        text += &String::from_utf8(item.clone()).unwrap();
        text.push('\n');
    }
    text
}

// Files.

fn dir(area: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "testdata",
        "vectors",
        area,
    ]
    .iter()
    .collect()
}

pub(crate) fn committed(area: &str, files: &Files) {
    let bless = std::env::var_os("AFFIANT_BLESS").is_some();
    if bless {
        fs_err::create_dir_all(dir(area)).unwrap();
    }
    for (name, text) in files {
        let path = dir(area).join(name);
        if bless {
            fs_err::write(&path, text).unwrap();
        }
        assert_eq!(&fs_err::read_to_string(&path).unwrap(), text, "{name}");
    }
    let on_disk = fs_err::read_dir(dir(area))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> = on_disk
        .filter(|name| name.ends_with(".txt") && !files.contains_key(name))
        .collect();
    assert_eq!(strangers, Vec::<String>::new(), "no test makes these");
}

/// `name: value` lines, then sections `--- name` whose text runs to the next one.
pub(crate) fn read_cases(area: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let paths = fs_err::read_dir(dir(area))
        .unwrap()
        .map(|file| file.unwrap().path());
    let texts = paths.filter(|path| path.extension().is_some_and(|e| e == "txt"));
    texts
        .map(|path| {
            (
                path.display().to_string(),
                read_case(&fs_err::read_to_string(&path).unwrap()),
            )
        })
        .collect()
}

fn read_case(text: &str) -> BTreeMap<String, String> {
    let mut sections = text.split("--- ");
    let mut members: BTreeMap<String, String> = sections
        .next()
        .unwrap()
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for section in sections {
        let (name, body) = section.split_once('\n').unwrap();
        // The last newline of an entry ends its line; that of a note is the note's own.
        let body = if name == "entry" {
            body.strip_suffix('\n').unwrap()
        } else {
            body
        };
        members.insert(name.to_owned(), body.to_owned());
    }
    members
}
