//! One entry of each kind that only an aggregator writes.

use affiant_entry::chain::{ChainVerifier, Tail};
use affiant_entry::completeness::Completeness;
use affiant_entry::link::EntryProblem;
use affiant_entry::receipt::ProblemCode;
use affiant_entry::record::{
    Anchor, ChainGap, ChainGapReason, ChainRef, Context, ContextFact, ContextKind, ContextSource,
    Erase, Fork, Import, ImportDoor, KeyAction, KeyChange, LeafRef, Prune, Quarantine, ReadSql,
    Refusal, RosterLeaf, Silence, Subject, TrailRead, True, Unrostered,
};
use affiant_entry::{
    Body, BootId, CallId, Decoded, Fact, Kind, LogKind, Moment, Record, SealNumber, SealPlace, Seq,
    SourceId, SpoolName, codec,
};
use affiant_tlog::leaf_hash;

use crate::world::{NOW_US, SOURCE, SPOOL, World, call, ending, trust, vkey};

fn source() -> SourceId {
    SourceId::new(SOURCE).unwrap()
}

fn boot() -> BootId {
    BootId::from_parts(NOW_US, 1)
}

fn place(seal: u64) -> SealPlace {
    SealPlace {
        boot: boot(),
        seal: SealNumber(seal),
    }
}

fn digest(of: &[u8]) -> String {
    format!("sha256:{}", leaf_hash(of))
}

fn bodies() -> Vec<(&'static str, Body)> {
    let silence = Silence {
        subject: source(),
        last_heard: Fact::Known("2026-11-22T06:44:01.123456Z".to_owned()),
        expected_every_s: 60,
    };
    let spool = SpoolName::new(SPOOL).unwrap();
    vec![
        (
            "A source was enrolled.",
            Body::Key(Box::new(KeyChange {
                action: KeyAction::Enrol,
                subject: SOURCE.to_owned(),
                vkey: vkey(1).to_string(),
                rotation: None,
                certificate: Some(digest(b"certificate")),
                reason: None,
            })),
        ),
        (
            "A roster that is too long for an entry is a blob.",
            Body::Roster(Box::new(RosterLeaf {
                serial: 3,
                digest: digest(b"roster"),
                note: Fact::absent("too long for an entry"),
            })),
        ),
        (
            "A source signed two chains.",
            Body::Fork(Box::new(Fork {
                source: source(),
                spool: spool.clone(),
                boot: boot(),
                seal: Some(SealNumber(4)),
                seq: None,
                ours: "<note>".to_owned(),
                theirs: "<note>".to_owned(),
                evidence: digest(b"batch"),
            })),
        ),
        (
            "Seals are missing.",
            Body::ChainGap(Box::new(ChainGap {
                reason: ChainGapReason::MissingSeals,
                said: Fact::Known("spool was lost".to_owned()),
                subject: ChainRef {
                    source: source(),
                    spool: spool.clone(),
                    boot: boot(),
                },
                expected_seal: Fact::Known(place(4)),
                got_seal: place(6),
                entries_lost: Fact::absent("not known"),
            })),
        ),
        (
            "A leaf under a good seal is no entry.",
            Body::Quarantine(Box::new(Quarantine {
                source: source(),
                spool,
                boot: boot(),
                seal: SealNumber(4),
                leaf: LeafRef(leaf_hash(b"{}")),
                seq: Some(Seq(17)),
                problem: EntryProblem::NotAnEntry.code().into(),
            })),
        ),
        ("A source is late.", Body::SourceSilent(silence.clone())),
        ("It is back.", Body::SourceHeard(silence)),
        (
            "A source ships that the roster does not name.",
            Body::SourceUnrostered(Unrostered {
                subject: source(),
                since: "2026-11-22T06:54:01.123456Z".to_owned(),
            }),
        ),
        (
            "Batches were not taken.",
            Body::Refusal(Refusal {
                subject: Fact::Known(SOURCE.to_owned()),
                code: ProblemCode::BadSeal.as_str().into(),
                count: 3,
                detail: None,
            }),
        ),
        (
            "An authority outside stamped a checkpoint.",
            Body::CheckpointAnchor(Box::new(Anchor {
                authority: "tsa.example".to_owned(),
                size: 12,
                root: leaf_hash(b"root").to_base64(),
                checkpoint: "<note>".to_owned(),
                token: "MAA=".to_owned(),
                gen_time: "2026-11-22T06:54:01Z".to_owned(),
            })),
        ),
        (
            "A call that another gateway recorded.",
            Body::CallImport(
                Box::new(call(r#"{"q":"Ada"}"#)),
                Box::new(ending()),
                Box::new(Import {
                    door: ImportDoor::OtlpSpans,
                    format: "otel-mcp".into(),
                    unsealed: True,
                    original: digest(b"span"),
                }),
            ),
        ),
        (
            "Leaves before an index are kept no longer.",
            Body::Prune(Prune {
                min_index: 512,
                policy: "retention-2026".to_owned(),
                reason: "older than 400 days".to_owned(),
            }),
        ),
        (
            "A blob was destroyed.",
            Body::Erase(Erase {
                leaf: LeafRef(leaf_hash(b"{}")),
                blob: digest(b"blob"),
                reason: "request 4711".to_owned(),
            }),
        ),
        (
            "What an inventory and a directory know of the subjects of forty leaves.",
            Body::Context(Box::new(context())),
        ),
        (
            "Somebody read the trail.",
            Body::TrailRead(Box::new(TrailRead {
                principal: Fact::Known("ada@example.org".to_owned()),
                role: "auditor".into(),
                by: "session".into(),
                what: "query".into(),
                filter: [("from".into(), "2026-01-01T00:00:00.000000Z".to_owned())].into(),
                sql: Some(ReadSql::of("SELECT count(*) FROM entries")),
                rows: Fact::Known(1),
                outcome: "answered".into(),
            })),
        ),
    ]
}

fn context() -> Context {
    Context {
        first: 12,
        end: 52,
        late: false,
        sources: vec![
            ContextSource {
                id: "assets".to_owned(),
                kind: ContextKind::Asset,
                version: Fact::Known(digest(b"assets")),
                read: Fact::Known("2026-11-22T06:52:01.123456Z".to_owned()),
                age_s: Fact::Known(120),
                stale: false,
            },
            ContextSource {
                id: "ldap".to_owned(),
                kind: ContextKind::User,
                version: Fact::absent("never read"),
                read: Fact::absent("never read"),
                age_s: Fact::absent("never read"),
                stale: true,
            },
        ],
        facts: Some(vec![ContextFact {
            subject: Subject::Server("crm".to_owned()),
            source: "assets".to_owned(),
            fact: [("owner".to_owned(), "team-red".to_owned())].into(),
        }]),
        unknown: Some(vec![
            Subject::User("ada".to_owned()),
            Subject::Tool("crm".to_owned(), "search".to_owned()),
        ]),
        same_as: None,
        passed_over: 0,
    }
}

fn encoded(body: Body) -> Vec<u8> {
    let source = SourceId::new("aggregator").unwrap();
    let stamp = codec::Stamp {
        source: &source,
        boot: boot(),
        seq: Seq(3),
    };
    let record = Record {
        at: Moment {
            utc_us: NOW_US,
            mono_us: 1_000,
        },
        call: None,
        body,
    };
    codec::encode(stamp, &record).unwrap().into_vec()
}

#[test]
fn context_is_read_as_it_was_written() {
    let mut later = context();
    later.late = true;
    later.passed_over = 2;
    let mut same = context();
    (same.facts, same.unknown, same.same_as) = (None, None, Some(7));
    for said in [context(), later, same] {
        let bytes = encoded(Body::Context(Box::new(said.clone())));
        let read = Context::of_entry(&Decoded::parse(&bytes).unwrap());
        assert_eq!(read, Some(said));
    }
}

#[test]
fn context_that_says_two_things_or_nothing_is_malformed() {
    let whole = || String::from_utf8(encoded(Body::Context(Box::new(context())))).unwrap();
    for (from, to) in [
        (r#""end":52"#, r#""end":12"#),
        (r#""end":52"#, r#""end":-1"#),
        (r#""unknown":["#, r#""unnamed":["#),
        (r#""facts":["#, r#""same_as":4,"facts":["#),
        (r#""kind":"asset""#, r#""kind":"rumour""#),
        (r#"{"server":"crm"}"#, r#"{"server":["crm"]}"#),
        (r#""stale":true"#, r#""stale":1"#),
    ] {
        let text = whole().replacen(from, to, 1);
        assert_ne!(text, whole());
        let entry = Decoded::parse(text.as_bytes()).unwrap();
        assert_eq!(Context::of_entry(&entry), None, "{text}");
    }
}

#[test]
fn subjects_are_named_as_the_entry_spells_them() {
    let entry = |body| Decoded::parse(&encoded(body)).unwrap();
    let (kind, body) = bodies().swap_remove(10);
    assert_eq!(kind, "A call that another gateway recorded.");
    let record = Record {
        at: Moment {
            utc_us: NOW_US,
            mono_us: 1,
        },
        call: Some(CallId::from_parts(NOW_US, 7)),
        body,
    };
    let source = SourceId::new("aggregator").unwrap();
    let stamp = codec::Stamp {
        source: &source,
        boot: boot(),
        seq: Seq(3),
    };
    let import = codec::encode(stamp, &record).unwrap().into_vec();
    let server = || Subject::Server("crm".to_owned());
    let tool = Subject::Tool("crm".to_owned(), "search_customers".to_owned());
    let user = Subject::User("alice@example.com".to_owned());
    let of = |text: &str| Subject::of_entry(&Decoded::parse(text.as_bytes()).unwrap());
    let import = String::from_utf8(import).unwrap();
    assert_eq!(of(&import), [server(), user.clone(), tool.clone()]);
    // The same with an escape, and with a member that is no plain object.
    let escaped = import.replace(
        r#""user":"alice@example.com""#,
        r#""user":"\u0061lice@example.com""#,
    );
    assert_ne!(escaped, import);
    assert_eq!(of(&escaped), [server(), user, tool]);
    let absent = import.replace(
        r#""user":"alice@example.com""#,
        r#""user":{"absent":"none"}"#,
    );
    assert_eq!(of(&absent).len(), 2);
    assert!(Subject::of_entry(&entry(Body::Context(Box::new(context())))).is_empty());
    assert!(!Subject::Server("s".repeat(1024)).fits());
}

/// Name, what it is, and the entry.
pub(crate) fn log_entries() -> Vec<(String, &'static str, String)> {
    let aggregator = SourceId::new("aggregator").unwrap();
    let entry = |(seq, (what, body)): (u64, (&'static str, Body))| {
        let kind = body.kind();
        let record = Record {
            at: Moment {
                utc_us: NOW_US,
                mono_us: 1_000,
            },
            call: (kind == "call.import").then(|| CallId::from_parts(NOW_US, 7)),
            body,
        };
        let stamp = codec::Stamp {
            source: &aggregator,
            boot: boot(),
            seq: Seq(seq),
        };
        let bytes = codec::encode(stamp, &record).unwrap().into_vec();
        let name = format!("log-{}", kind.replace('.', "-"));
        (name, what, String::from_utf8(bytes).unwrap())
    };
    (1..).zip(bodies()).map(entry).collect()
}

#[test]
fn each_kind_is_read_and_has_its_member() {
    let mut kinds = Vec::new();
    for (_, _, entry) in log_entries() {
        let decoded = Decoded::parse(entry.as_bytes()).unwrap();
        let Kind::Log(kind) = decoded.header().kind else {
            panic!("{entry}");
        };
        assert!(decoded.member(kind.member()).is_some(), "{entry}");
        let fields = Completeness::of(&decoded);
        assert_eq!(fields.is_some(), kind == LogKind::CallImport);
        assert!(fields.is_none_or(|fields| fields.complete()));
        kinds.push(kind);
    }
    assert_eq!(kinds, LogKind::ALL);
}

#[test]
fn a_source_does_not_write_them() {
    let mut world = World::lived();
    for (_, _, entry) in log_entries() {
        let mut verifier = ChainVerifier::new(trust(&[1]), None);
        world.items.iter().for_each(|item| verifier.push(item));
        verifier.push(entry.replace("aggregator", SOURCE).as_bytes());
        let report = verifier.finish(Tail::Clean);
        let codes = crate::world::codes(&report);
        assert!(codes.contains(&"foreign-kind"), "{codes:?}");
    }
    let (_, body) = bodies().swap_remove(0);
    let record = world.record(body);
    let mut sealer = affiant_entry::Sealer::new(source(), SPOOL, boot(), None).unwrap();
    let first = World::new().boot_record("start", None);
    let refused = sealer.prepare([&first, &record], world.at, &world.signer);
    assert!(refused.is_err_and(|error| error.to_string().contains("`key`")));
    let group = sealer.prepare([&first], world.at, &world.signer).unwrap();
    sealer.advance(&group).unwrap();
}
