//! The trail: what it keeps through stops, crashes, full disks and key changes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use affiant_agent::keys::{HeadFile, KeyRing, load_trust};
use affiant_agent::state::DataDir;
use affiant_agent::trail::{
    FLUSH_DELAY, Item, OnFull, Outcome, Trail, TrailOptions, adopt_orphans,
};
use affiant_entry::call::{
    Agent, Call, CallHead, Correlation, CorrelationOrigin, Ending, Input, Reason, Server, Session,
    SessionOrigin, Status, StatusCode, Tool, Transport,
};
use affiant_entry::chain::{ChainReport, ChainVerifier, RememberedHead, Tail, Verdict};
use affiant_entry::{Body, CallId, Decoded, Fact, Moment, Record};
use affiant_spool::{Item as Read, Reader};

pub(crate) fn options(dir: &Path) -> TrailOptions {
    let mut options = TrailOptions::new(DataDir::new(dir), "crm");
    options.segment_bytes = 64 * 1024;
    options
}

fn call() -> Call {
    Call {
        head: CallHead {
            session: Session {
                id: "s1".to_owned(),
                origin: SessionOrigin::StdioProcess,
                turn: None,
            },
            agent: Agent {
                role: Fact::absent("not configured"),
                user: Fact::Known("ada".to_owned()),
                token: Fact::absent("no token on stdio"),
                client: Fact::absent("not said"),
                verified: Vec::new(),
            },
            server: Server {
                id: "crm".to_owned(),
                name: Fact::absent("not said"),
                version: Fact::absent("not said"),
                protocol: Fact::absent("not said"),
                transport: Transport::Stdio,
            },
            tool: Tool {
                name: Fact::Known("echo".to_owned()),
                in_manifest: Fact::absent("no manifest seen"),
                manifest: Fact::absent("no manifest seen"),
            },
            classification: Fact::absent("no classification"),
            policy: Fact::absent("no policy"),
            correlation: Correlation {
                id: "t1".to_owned(),
                traceparent: None,
                request_id: "1".to_owned(),
                origin: CorrelationOrigin::Minted,
            },
            chain: None,
        },
        input: Input::absent("no arguments"),
    }
}

pub(crate) fn begin(n: u128) -> Item {
    let body = Body::CallBegin(Box::new(call()));
    Item::from(Record {
        at: Moment::default(),
        call: Some(CallId::from_parts(0, n)),
        body,
    })
}

pub(crate) fn end(n: u128) -> Item {
    let ending = Ending {
        status: Status::new(StatusCode::Success, Reason::Ok),
        response: Fact::absent("none"),
        latency_us: Fact::Known(5),
        task: None,
    };
    let body = Body::CallEnd(Box::new(call()), Box::new(ending));
    Item::from(Record {
        at: Moment::default(),
        call: Some(CallId::from_parts(0, n)),
        body,
    })
}

/// Kinds of all entries, and what a verifier says of the chain.
fn judge(dir: &Path, spool: &str) -> (Vec<String>, ChainReport) {
    let data = DataDir::new(dir);
    let trust = load_trust(&data, None).unwrap().unwrap();
    let head = HeadFile::read(&data.head(spool))
        .unwrap()
        .map(|note| RememberedHead::parse(&note).unwrap());
    let mut verifier = ChainVerifier::new(trust, head);
    let mut kinds = Vec::new();
    let mut reader = Reader::open(data.spool(spool)).unwrap();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Read::Frame(frame) => {
                kinds.push(
                    Decoded::parse(&frame.payload)
                        .unwrap()
                        .header()
                        .kind
                        .to_string(),
                );
                verifier.push(&frame.payload);
            }
            Read::Damage(damage) => verifier.damage(&damage.to_string()),
        }
    }
    (kinds, verifier.finish(Tail::Clean))
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_orderly_life_verifies() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let trail = Trail::open(&options(dir.path())).unwrap();
        assert_eq!(
            trail.submit_durable(vec![begin(1)]).wait(),
            Outcome::Durable
        );
        trail.submit(vec![end(1)]);
        trail.close("child-exit", None, Some(0));
        trail.close("child-exit", None, Some(0));
    }
    let (kinds, report) = judge(dir.path(), "crm");
    let life = ["boot", "seal", "call.begin", "seal", "call.end"];
    assert_eq!(kinds[..5], life, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|k| *k == "stop").count(), 2);
    // The same call id in both lives is doubled evidence, and the verifier says so.
    assert_eq!(report.verdict, Verdict::No, "{report:?}");
    assert_eq!(report.counts.boots, 2);
}

/// A lone call commits itself, and the trail's own thread finds nothing to do when it wakes up. It must
/// still hear of what comes next.
#[tokio::test]
async fn what_follows_a_call_that_committed_itself_is_soon_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::open(&options(dir.path())).unwrap();
    for n in 0..5 {
        let begun = trail.submit_durable(vec![begin(n)]).ready().await;
        assert_eq!(begun, Outcome::Durable);
        let entries = || trail.stats().entries.load(Ordering::Relaxed);
        let before = entries();
        trail.submit(vec![end(n)]);
        let on_disk = async {
            while entries() == before {
                tokio::time::sleep(FLUSH_DELAY / 10).await;
            }
        };
        let soon = tokio::time::timeout(FLUSH_DELAY * 20, on_disk);
        soon.await.expect("an ending waited for the next beat");
    }
    trail.close("shutdown", None, None);
    assert_eq!(judge(dir.path(), "crm").1.verdict, Verdict::Ok);
}

#[test]
fn a_crash_image_is_recovered_with_one_end_per_open_call() {
    let dir = tempfile::tempdir().unwrap();
    let image = tempfile::tempdir().unwrap();
    let trail = Trail::open(&options(dir.path())).unwrap();
    for n in 0..100 {
        assert_eq!(
            trail.submit_durable(vec![begin(n)]).wait(),
            Outcome::Durable
        );
        if n % 3 == 0 {
            trail.submit(vec![end(n)]);
        }
    }
    trail.flush();
    copy(dir.path(), image.path());

    let again = Trail::open(&options(image.path())).unwrap();
    again.close("shutdown", None, None);
    let (kinds, report) = judge(image.path(), "crm");
    assert_eq!(kinds.iter().filter(|k| *k == "call.begin").count(), 100);
    assert_eq!(kinds.iter().filter(|k| *k == "call.end").count(), 100);
    assert_eq!(report.verdict, Verdict::Ok, "{:?}", report.findings);
}

#[test]
fn an_orphan_is_adopted_and_a_live_spool_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let image = tempfile::tempdir().unwrap();
    let trail = Trail::open(&options(dir.path())).unwrap();
    assert_eq!(
        trail.submit_durable(vec![begin(7)]).wait(),
        Outcome::Durable
    );
    assert_eq!(adopt_orphans(&DataDir::new(dir.path())).unwrap(), []);
    copy(dir.path(), image.path());
    let adopted = adopt_orphans(&DataDir::new(image.path())).unwrap();
    assert_eq!(adopted.len(), 1);
    assert_eq!(adopt_orphans(&DataDir::new(image.path())).unwrap(), []);
    let (kinds, report) = judge(image.path(), "crm");
    assert_eq!(kinds.iter().filter(|k| *k == "call.end").count(), 1);
    assert_eq!(report.verdict, Verdict::Ok, "{:?}", report.findings);
}

#[test]
fn two_trails_of_one_name_get_a_spool_each() {
    let dir = tempfile::tempdir().unwrap();
    let first = Trail::open(&options(dir.path())).unwrap();
    let second = Trail::open(&options(dir.path())).unwrap();
    assert_eq!((first.name(), second.name()), ("crm", "crm.1"));
    first.close("shutdown", None, None);
    second.close("shutdown", None, None);
    for name in ["crm", "crm.1"] {
        assert_eq!(judge(dir.path(), name).1.verdict, Verdict::Ok);
    }
}

#[test]
fn a_rotated_key_verifies_with_the_old_and_the_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::new(dir.path());
    for n in 0..3 {
        let trail = Trail::open(&options(dir.path())).unwrap();
        assert_eq!(
            trail.submit_durable(vec![begin(n), end(n)]).wait(),
            Outcome::Durable
        );
        trail.close("shutdown", None, None);
        KeyRing::open(&data, None).unwrap().rotate().unwrap();
    }
    let (_, report) = judge(dir.path(), "crm");
    assert_eq!(report.verdict, Verdict::Ok, "{:?}", report.findings);
    assert_eq!(report.keys.len(), 3);
}

#[test]
fn a_full_spool_refuses_and_later_says_so() {
    full(OnFull::Refuse);
}

#[test]
fn a_full_spool_drops_and_later_says_so() {
    full(OnFull::Drop);
}

fn full(on_full: OnFull) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.on_full = on_full;
    options.spool_bytes_max = 2 * 1024 * 1024;
    let trail = Trail::open(&options).unwrap();
    let mut n = 0;
    let outcome = loop {
        n += 1;
        let outcome = trail.submit_durable(vec![begin(n)]).wait();
        if outcome != Outcome::Durable {
            break outcome;
        }
        trail.submit(vec![end(n)]);
        assert!(n < 100_000, "the quota never filled");
    };
    match on_full {
        OnFull::Drop => assert_eq!(outcome, Outcome::Dropped),
        OnFull::Refuse | OnFull::Block => assert_eq!(outcome, Outcome::Refused { recorded: true }),
    }
    trail.submit(vec![end(n)]);
    trail.close("shutdown", None, None);
    let (kinds, report) = judge(dir.path(), "crm");
    assert!(kinds.iter().any(|k| k == "gap"), "no gap is recorded");
    assert_eq!(
        kinds.iter().rev().nth(1).map(String::as_str),
        Some("stop"),
        "{:?}",
        kinds.last()
    );
    // A group may be too large where the smaller one of the close still fits: then nothing is lost.
    let stats = trail.stats();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let missing = count(&stats.entries_lost) + count(&stats.calls_dropped);
    if on_full == OnFull::Drop {
        assert!(missing > 0, "a call went without evidence, uncounted");
    }
    let expected = if missing == 0 {
        Verdict::Ok
    } else {
        Verdict::Incomplete
    };
    assert_eq!(report.verdict, expected, "{missing} missing");
}

#[test]
fn a_verifier_key_lost_in_a_crash_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::new(dir.path());
    KeyRing::open(&data, None).unwrap();
    let path = data.keys().join("source.vkey");
    let before = fs_err::read_to_string(&path).unwrap();
    fs_err::remove_file(&path).unwrap();
    KeyRing::open(&data, None).unwrap();
    assert_eq!(fs_err::read_to_string(&path).unwrap(), before);
}

#[test]
fn processes_that_start_at_once_make_one_key() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let keys: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let ring = KeyRing::open(&data, None).unwrap();
                        let token = ring.commit().commit("token", b"x");
                        format!("{} {}", ring.signer().verifier_key(), token.as_str())
                    })
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    }
}
