//! What can be done to a log by whoever holds its key, a source's key, or the road between: each case
//! with the verdict, the finding and the place it must give. The numbers are those of
//! `docs/concepts/attacks.md`; attacks on stored bytes, checkpoints and witnesses are in the tests of the
//! command line, those on proofs in `proof.rs`.

use affiant_audit::Verdict;
use affiant_entry::record::{ChainGapReason, KeyAction};

use super::world::{Source, World, checkpoint, codes, findings, id, is_seal, verdicts, vkey};

/// What a case must give: exit-code class, a finding's code, part of its place, and the stretches of
/// gw-7.
struct Case {
    /// Number and name.
    name: &'static str,
    attack: fn() -> World,
    verdict: Verdict,
    code: &'static str,
    place: &'static str,
    stretches: &'static str,
}

const NO: Verdict = Verdict::No;
const INCOMPLETE: Verdict = Verdict::Incomplete;
const UNTRUSTED: Verdict = Verdict::Untrusted;

/// Index of the n-th leaf of gw-7 that is a seal, or is none.
fn leaf_of(world: &World, seal: bool, n: usize) -> usize {
    let of_source = |leaf: &Vec<u8>| String::from_utf8_lossy(leaf).contains(r#""source":"gw-7""#);
    let mut all = world.leaves.iter().enumerate();
    let mut left = n;
    all.find_map(|(index, leaf)| {
        if !of_source(leaf) || is_seal(leaf) != seal {
            return None;
        }
        if left == 0 {
            return Some(index);
        }
        left -= 1;
        None
    })
    .unwrap()
}

fn lived() -> World {
    World::lived().0
}

/// A log of gw-7 alone, group by group.
fn groups(n: usize) -> (World, Source, Vec<super::world::Sealed>) {
    let mut source = Source::new("gw-7", 1);
    let mut groups = vec![source.boot()];
    for _ in 0..n {
        groups.push(source.work());
    }
    (World::new(), source, groups)
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "1 an entry is altered, and the log signs it", verdict: NO, code: "root", place: "source gw-7, spool main", stretches: "FAULTY",
        attack: || { let mut w = lived(); let at = leaf_of(&w, false, 2); w.leaves[at] = String::from_utf8(w.leaves[at].clone()).unwrap().replace("Ada", "Bob").into_bytes(); w } },
    Case { name: "2 an entry is deleted", verdict: NO, code: "seal-count", place: "seal 1", stretches: "FAULTY",
        attack: || { let mut w = lived(); let at = leaf_of(&w, false, 2); w.leaves.remove(at); w } },
    Case { name: "2 a seal is deleted", verdict: NO, code: "seals-missing", place: "seal 2", stretches: "COMPLETE, MISSING 4, FAULTY",
        attack: || { let (mut w, _, g) = groups(2); w.append(&g[0]); w.leaves.extend(g[1].entries.clone()); w.append(&g[2]); w } },
    Case { name: "4 two entries are swapped", verdict: NO, code: "root", place: "seal 1", stretches: "FAULTY",
        attack: || { let mut w = lived(); let at = leaf_of(&w, false, 2); w.leaves.swap(at, at + 1); w } },
    Case { name: "5 an entry is doubled", verdict: NO, code: "seal-count", place: "seal 1", stretches: "FAULTY",
        attack: || { let mut w = lived(); let at = leaf_of(&w, false, 2); let twin = w.leaves[at].clone(); w.leaves.insert(at, twin); w } },
    Case { name: "5 a group is doubled", verdict: NO, code: "repeated", place: "seal 1", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); for g in [&g[0], &g[1], &g[1]] { w.append(g); } w } },
    Case { name: "12 a source's tail is cut at the aggregator: it falls silent", verdict: INCOMPLETE, code: "silent", place: "source gw-7", stretches: "COMPLETE, SILENT",
        attack: || { let (mut w, _, g) = groups(2); w.append(&g[0]); w.roster(1, 50, &[("gw-7", 1, 60)]); w.at.utc_us += 121_000_000; w.restart(); w } },
    Case { name: "12 a group is left out in the middle", verdict: NO, code: "seals-missing", place: "seal 2", stretches: "COMPLETE, MISSING 4, COMPLETE",
        attack: || { let (mut w, _, g) = groups(2); w.append(&g[0]); w.append(&g[2]); w } },
    Case { name: "22 a source skips numbers", verdict: NO, code: "seq", place: "entry 8", stretches: "FAULTY",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); a.skip(3, 0); w.append(&a.work()); w } },
    Case { name: "22 seals are missing, and the aggregator says so", verdict: INCOMPLETE, code: "seals-missing", place: "seal 2", stretches: "COMPLETE, GAP 4, COMPLETE",
        attack: || { let (mut w, a, g) = groups(2); w.append(&g[0]); w.chain_gap(ChainGapReason::MissingSeals, a.chain(), 2); w.append(&g[2]); w } },
    Case { name: "22 seals are missing, and the aggregator speaks of another place", verdict: NO, code: "seals-missing", place: "seal 2", stretches: "COMPLETE, MISSING 4, COMPLETE",
        attack: || { let (mut w, a, g) = groups(2); w.append(&g[0]); w.chain_gap(ChainGapReason::MissingSeals, a.chain(), 1); w.append(&g[2]); w } },
    Case { name: "23 a number is used again with other content: both notes are shown", verdict: NO, code: "fork", place: "seal 1", stretches: "COMPLETE",
        attack: || { let mut a = Source::new("gw-7", 1); let mut w = World::new(); w.append(&a.boot()); let mut b = a.clone(); b.at.utc_us += 5; let (ours, theirs) = (a.work(), b.work()); w.append(&ours); w.fork(&ours, &theirs); w } },
    Case { name: "23 a fork is claimed with two notes that are none", verdict: INCOMPLETE, code: "fork-unproven", place: "seal 1", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.append(&g[1]); w.fork(&g[1], &g[1]); w } },
    Case { name: "23 the aggregator takes both histories", verdict: NO, code: "repeated", place: "seal 1", stretches: "COMPLETE",
        attack: || { let mut a = Source::new("gw-7", 1); let mut w = World::new(); w.append(&a.boot()); let mut b = a.clone(); b.at.utc_us += 5; w.append(&a.work()); w.append(&b.work()); w } },
    Case { name: "24 groups are reordered", verdict: NO, code: "repeated", place: "seal 1", stretches: "COMPLETE, MISSING 4, COMPLETE",
        attack: || { let (mut w, _, g) = groups(2); for n in [0, 2, 1] { w.append(&g[n]); } w } },
    Case { name: "25 a boot is replayed under a new id", verdict: NO, code: "unlinked", place: "seal 0", stretches: "COMPLETE, DISCONTINUOUS, COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); a.forget(); w.append(&a.boot()); w } },
    Case { name: "25 an older boot goes on after a later one", verdict: NO, code: "boot-returned", place: "seal 2", stretches: "COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); let mut old = a.clone(); w.append(&a.boot()); w.append(&old.work()); w } },
    Case { name: "26 an entry of one source stands under the seal of another", verdict: NO, code: "source", place: "source gw-7", stretches: "FAULTY",
        attack: || { let mut a = Source::new("gw-7", 1); let mut b = Source::new("gw-8", 2); let mut w = World::new(); w.append(&a.boot()); b.boot(); let foreign = b.work().entries; let (_, seal) = a.next(); let g = a.seal(foreign, seal); w.append(&g); w } },
    Case { name: "26 a source seals with the key of another", verdict: NO, code: "seal-malformed", place: "seal 1", stretches: "FAULTY",
        attack: || { let (mut w, mut a, g) = groups(0); let forger = Source::new("gw-8", 2); w.append(&g[0]); a.seed = 1; let mut note = a.work(); note.note = affiant_tlog::note::Note::sign(&note.text().to_text(), &forger.signer()).unwrap().to_string(); let t = note.text(); note.seal = affiant_entry::encode_seal(&t.source, t.boot, t.seal, &note.note).unwrap().into_vec(); w.append(&note); w } },
    Case { name: "27 a source stops without a word, and the aggregator notices", verdict: INCOMPLETE, code: "silent", place: "source gw-7", stretches: "COMPLETE, SILENT",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.append(&g[1]); w.silent("gw-7"); w } },
    Case { name: "28 a chain begins anew without a link", verdict: INCOMPLETE, code: "unlinked", place: "seal 0", stretches: "COMPLETE, DISCONTINUOUS, COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); w.append(&a.stop()); a.forget(); let boot = a.boot(); w.chain_gap(ChainGapReason::ChainRestarted, a.chain(), 0); w.append(&boot); w } },
    Case { name: "28 the last seals of the boot before are missing", verdict: NO, code: "seals-missing", place: "seal 0", stretches: "COMPLETE, MISSING, COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); let _lost = a.work(); w.append(&a.boot()); w } },
    Case { name: "28 the chain begins behind its beginning", verdict: NO, code: "start-missing", place: "seal 1", stretches: "MISSING, COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[1]); w } },
    Case { name: "29 a call begins and never ends", verdict: INCOMPLETE, code: "never-ended", place: "entry 1", stretches: "COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(0); w.append(&g[0]); let (begin, _) = a.pair(); w.append(&a.group(vec![begin])); w.append(&a.stop()); w } },
    Case { name: "30 a source counts what it dropped", verdict: INCOMPLETE, code: "gap", place: "entry 1", stretches: "DROPPED 42",
        attack: || { let (mut w, mut a, g) = groups(0); w.append(&g[0]); w.append(&a.lost(42)); w } },
    Case { name: "32 a source that nobody expects", verdict: INCOMPLETE, code: "unrostered", place: "source gw-7", stretches: "UNROSTERED",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.append(&g[1]); w.roster(1, 50, &[]); w } },
    Case { name: "33 a source that never spoke", verdict: INCOMPLETE, code: "silent", place: "source gw-9", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(0); w.append(&g[0]); w.roster(1, 50, &[("gw-7", 1, 60), ("gw-9", 9, 60)]); w } },
    Case { name: "37 a boot under a key that was replaced before", verdict: INCOMPLETE, code: "key-replaced", place: "seal 0", stretches: "COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); let mut thief = a.clone(); let notes = a.rotate(11); w.key(KeyAction::Rotate, "gw-7", &vkey("gw-7", 11), Some(notes)); w.append(&thief.boot()); w } },
    Case { name: "37 a seal under a key that was revoked before", verdict: UNTRUSTED, code: "key-revoked", place: "seal 1", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.key(KeyAction::Revoke, "gw-7", &vkey("gw-7", 1), None); w.append(&g[1]); w } },
    Case { name: "37 a key that was never given", verdict: UNTRUSTED, code: "key-unknown", place: "seal 0", stretches: "COMPLETE",
        attack: || { let mut w = World::new(); let mut a = Source::new("gw-7", 77); w.append(&a.boot()); w } },
    Case { name: "37 a rotation that the older key did not sign", verdict: UNTRUSTED, code: "rotation-unproven", place: "leaf", stretches: "COMPLETE",
        attack: || { let (mut w, mut a, g) = groups(1); w.append(&g[0]); w.append(&g[1]); a.seed = 66; w.key(KeyAction::Rotate, "gw-7", &vkey("gw-7", 66), None); w.append(&a.boot()); w } },
    Case { name: "37 the aggregator enrols a key of its own making for a pinned source", verdict: UNTRUSTED, code: "key-not-pinned", place: "source gw-7", stretches: "FAULTY",
        attack: || { let mut w = World::new(); w.expectation.sources = vec![vkey("gw-7", 1)]; w.enrol("gw-7", 88); let mut a = Source::new("gw-7", 88); w.append(&a.boot()); w } },
    Case { name: "37 a rostered source seals with another key", verdict: UNTRUSTED, code: "key-not-pinned", place: "source gw-7", stretches: "FAULTY",
        attack: || { let mut w = World::new(); w.roster(1, 50, &[("gw-7", 1, 60)]); w.enrol("gw-7", 88); let mut a = Source::new("gw-7", 88); w.append(&a.boot()); w } },
    Case { name: "38 a key that is called after another source", verdict: NO, code: "key-name", place: "leaf", stretches: "",
        attack: || { let mut w = World::new(); w.key(KeyAction::Enrol, "gw-7", &vkey("gw-8", 1), None); w } },
    Case { name: "41 a roster signed by another admin", verdict: UNTRUSTED, code: "roster-untrusted", place: "leaf", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(0); w.append(&g[0]); w.expectation.admins = vec![vkey("admin", 50)]; w.roster(1, 51, &[("gw-7", 1, 60)]); w } },
    Case { name: "41 an older roster comes back", verdict: NO, code: "roster-older", place: "leaf", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(0); w.append(&g[0]); w.expectation.admins = vec![vkey("admin", 50)]; w.roster(2, 50, &[("gw-7", 1, 60)]); w.roster(1, 50, &[("gw-7", 1, 60)]); w } },
    Case { name: "41 there is no roster, though an admin is trusted", verdict: INCOMPLETE, code: "roster-missing", place: "log", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(0); w.append(&g[0]); w.expectation.admins = vec![vkey("admin", 50)]; w } },
    Case { name: "47 an entry with a doubled key, sealed by its source", verdict: NO, code: "not-an-entry", place: "entry 1", stretches: "FAULTY",
        attack: || bent(r#""kind":"#, r#""kind":"stop","kind":"#, false) },
    Case { name: "47 the same, set aside by the aggregator", verdict: INCOMPLETE, code: "quarantined", place: "entry 1", stretches: "FAULTY",
        attack: || bent(r#""kind":"#, r#""kind":"stop","kind":"#, true) },
    Case { name: "48 an integer beyond 2^53", verdict: NO, code: "not-an-entry", place: "entry 1", stretches: "FAULTY",
        attack: || bent(r#""mono_us":"#, r#""mono_us":9007199254740993"#, false) },
    Case { name: "49 a number in another spelling", verdict: NO, code: "not-an-entry", place: "entry 1", stretches: "FAULTY",
        attack: || bent(r#""seq":1"#, r#""seq":1.0"#, false) },
    Case { name: "49 a byte order mark", verdict: NO, code: "not-an-entry", place: "entry 1", stretches: "FAULTY",
        attack: || bent(r#"{"v":1"#, "\u{feff}{\"v\":1", false) },
    Case { name: "50 white space", verdict: NO, code: "not-an-entry", place: "entry 1", stretches: "FAULTY",
        attack: || bent(r#"{"v":1"#, r#" {"v":1"#, false) },
    Case { name: "51 a kind of tomorrow", verdict: INCOMPLETE, code: "unsupported", place: "entry 1", stretches: "COMPLETE",
        attack: || bent(r#""kind":"call.begin""#, r#""kind":"call.dream""#, false) },
    Case { name: "the aggregator leaves out an entry of its own", verdict: NO, code: "own-seq", place: "leaf 1", stretches: "COMPLETE",
        attack: || { let mut w = lived(); w.leaves.remove(1); w } },
    Case { name: "the aggregator begins without a boot", verdict: NO, code: "own-boot", place: "leaf", stretches: "COMPLETE",
        attack: || { let mut w = lived(); w.restart(); let last = w.leaves.pop().unwrap(); w.leaves.push(String::from_utf8(last).unwrap().replace(r#""kind":"boot""#, r#""kind":"heartbeat""#).into_bytes()); w } },
    Case { name: "entries under no seal", verdict: NO, code: "unsealed", place: "leaf", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.leaves.extend(g[1].entries.clone()); w } },
    Case { name: "entries under no seal, and the aggregator goes on", verdict: NO, code: "unsealed", place: "leaf", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.leaves.extend(g[1].entries.clone()); w.restart(); w } },
    Case { name: "a seal that is no note", verdict: NO, code: "seal-malformed", place: "leaf", stretches: "COMPLETE",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.append(&g[1]); let last = w.leaves.len() - 1; w.leaves[last] = String::from_utf8(w.leaves[last].clone()).unwrap().replace("affiant.dev/seal/v1", "affiant.dev/seal/v2").into_bytes(); w } },
    Case { name: "a seal without entries", verdict: NO, code: "seal-count", place: "seal 1", stretches: "FAULTY",
        attack: || { let (mut w, _, g) = groups(1); w.append(&g[0]); w.leaves.push(g[1].seal.clone()); w } },
    Case { name: "a statement of the aggregator that cannot be read", verdict: NO, code: "own-malformed", place: "leaf 2", stretches: "",
        attack: || { let mut w = World::new(); let text = String::from_utf8(w.leaves[2].clone()).unwrap(); w.leaves[2] = text.replace(r#""action":"enrol""#, r#""action":"enroll""#).into_bytes(); w } },
];

/// gw-7 seals an entry that was bent; the aggregator may set it aside.
fn bent(from: &str, to: &str, set_aside: bool) -> World {
    let mut source = Source::new("gw-7", 1);
    let mut world = World::new();
    world.append(&source.boot());
    let mut twin = source.clone();
    let mut entries = twin.work().entries;
    let text = String::from_utf8(entries[0].clone()).unwrap();
    assert!(text.contains(from), "{text}");
    let cut = text.find(from).unwrap();
    let mut behind = &text[cut + from.len()..];
    if from.ends_with(':') && to.ends_with(|c: char| c.is_ascii_digit()) {
        behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    entries[0] = format!("{}{to}{behind}", &text[..cut]).into_bytes();
    let leaf = entries[0].clone();
    let (_, seal) = source.next();
    let group = source.seal(entries, seal);
    world.append(&group);
    if set_aside {
        world.quarantine(&source.chain(), seal, &leaf);
    }
    world
}

#[test]
fn every_attack_is_found_where_it_is() {
    let mut wrong = Vec::new();
    for case in CASES {
        let report = (case.attack)().judge();
        let found = findings(&report);
        let there = found
            .iter()
            .any(|f| f.fault.code() == case.code && f.place.to_string().contains(case.place));
        let stretches = verdicts(&report)
            .into_iter()
            .find_map(|chain| chain.strip_prefix("gw-7: ").map(str::to_owned))
            .unwrap_or_default();
        if report.verdict != case.verdict || !there || stretches != case.stretches {
            let found: Vec<_> = found
                .iter()
                .map(|f| format!("{}: {f}", f.fault.code()))
                .collect();
            wrong.push(format!(
                "{}\n  {:?} [{stretches}] {found:#?}",
                case.name, report.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rewritten_log_is_refused_by_whoever_remembers_it() {
    let (world, ..) = World::lived();
    let mut other = world.clone();
    other.leaves[2] = String::from_utf8(other.leaves[2].clone())
        .unwrap()
        .replace("gw-7", "gw-6")
        .into_bytes();
    for size in [3, 10, world.leaves.len()] {
        let older = checkpoint(&world.leaves[..size]);
        let audit = super::world::audit(&[], &world.expectation).remembering(older);
        let report = super::log::run(audit, &other.leaves);
        assert_eq!(report.verdict, NO);
        assert!(codes(&report).contains(&"rewritten"), "{size}");
    }
}

#[test]
fn a_log_that_was_rolled_back_is_refused_by_whoever_remembers_it() {
    let (world, ..) = World::lived();
    let older = world.checkpoint();
    let audit = super::world::audit(&[], &world.expectation).remembering(older);
    // The boots, which are whole by themselves.
    let report = super::log::run(audit, &world.leaves[..6]);
    assert_eq!(codes(&report), ["rolled-back"]);
    assert_eq!(report.verdict, NO);
}

#[test]
fn leaves_and_checkpoint_must_agree() {
    let (world, ..) = World::lived();
    let audit = super::world::audit(&world.leaves[..5], &world.expectation);
    assert!(codes(&audit.finish(&world.checkpoint())).contains(&"log-size"));
    let mut other = world.leaves.clone();
    other.swap(1, 2);
    let audit = super::world::audit(&other, &world.expectation);
    assert!(codes(&audit.finish(&world.checkpoint())).contains(&"log-root"));
    assert_eq!(id("gw-7").as_str(), "gw-7");
}
