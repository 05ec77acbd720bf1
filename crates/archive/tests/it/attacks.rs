//! An archive in a directory, attacked by whoever may write to it. Attacks 3, 4, 6 and 10 of
//! docs/concepts/attacks.md; those that need versions and locks are in the tests against a real S3 server.

use affiant_archive::{ArchiveError, Head, Key, Manifest, ScrubState, find_head, restore};

use crate::support::{NOW_US, World, files, problems, scrub, scrub_with, tamper};

fn sets() -> [usize; 3] {
    [300, 600, 5]
}

#[test]
fn every_object_that_is_gone_is_missing() {
    let mut world = World::new();
    let objects = world.archive_sets(&sets());
    let all = files(&world.path("archive"));
    for (path, bytes) in &all {
        let file = world.path("archive").join(path);
        fs_err::remove_file(&file).unwrap();
        let found = scrub(&objects);
        let name = path.rsplit('/').next().unwrap().to_owned();
        match path.as_str() {
            // Without memory the newest set is not known to have been there.
            "sets/0000000002/manifest.json" => assert_eq!(found.sets, 2),
            _ => assert_eq!(problems(&found), [(name, "missing")], "{path}"),
        }
        tamper_back(&file, bytes);
    }
    assert_eq!(scrub(&objects).findings_total, 0);
}

fn tamper_back(file: &std::path::Path, bytes: &[u8]) {
    fs_err::write(file, bytes).unwrap();
}

#[test]
fn every_changed_byte_is_found() {
    let mut world = World::new();
    let objects = world.archive_sets(&sets());
    let mut changed = 0;
    for (path, bytes) in &files(&world.path("archive")) {
        if path == "archive.json" {
            continue;
        }
        let file = world.path("archive").join(path);
        let places = [0, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1];
        for at in places {
            let mut bad = bytes.clone();
            *bad.get_mut(at).unwrap() ^= 1;
            tamper(&file, &bad);
            let found = problems(&scrub(&objects));
            // The hash of the newest manifest stands nowhere but in the memory of whoever wrote it.
            let newest = path == "sets/0000000002/manifest.json";
            let remembered = scrub_with(&objects, remember(&world, bytes, newest));
            let found_with_memory = remembered.last.unwrap().findings_total;
            assert!(!found.is_empty() || newest, "{path} byte {at}");
            assert!(
                found_with_memory > 0 || !newest,
                "{path} byte {at}, with memory"
            );
            changed += 1;
        }
        for bad in [Vec::new(), [bytes.as_slice(), b"x"].concat()] {
            tamper(&file, &bad);
            let found = scrub(&objects).findings_total;
            assert!(found > 0, "{path} with {} bytes", bad.len());
        }
        tamper(&file, bytes);
    }
    assert!(changed > 30);
    assert_eq!(scrub(&objects).findings_total, 0);
}

/// The state of a scrub that saw the newest manifest as it was.
fn remember(_world: &World, newest: &[u8], is_newest: bool) -> ScrubState {
    let mut state = ScrubState::default();
    if is_newest {
        use sha2::Digest as _;
        state.head = Some(head_of(2, 905, &hex::encode(sha2::Sha256::digest(newest))));
    }
    state
}

fn head_of(set: u64, end: u64, manifest: &str) -> Head {
    serde_json::from_value(serde_json::json!({"set": set, "end": end, "manifest": manifest}))
        .unwrap()
}

#[test]
fn nothing_changed_is_restored() {
    let mut world = World::new();
    let objects = world.archive_sets(&sets());
    let mut tried = 0;
    for (path, bytes) in &files(&world.path("archive")) {
        if !path.contains("/leaves-") && !path.contains("/checkpoint-") {
            continue;
        }
        let file = world.path("archive").join(path);
        let mut bad = bytes.clone();
        let middle = bad.len() / 2;
        *bad.get_mut(middle).unwrap() ^= 4;
        tamper(&file, &bad);
        let new = world.path(&format!("new-{tried}"));
        let refused = restore(
            &objects,
            &new.join("log"),
            &new.join("state"),
            0,
            &mut |_, _| {},
        );
        assert!(
            matches!(refused, Err(ArchiveError::Changed { .. })),
            "{path}: {refused:?}"
        );
        assert!(
            !new.join("state/head").exists(),
            "nobody goes on from half a log"
        );
        tamper(&file, bytes);
        tried += 1;
    }
    assert!(tried > 4);
}

/// Leaves and manifest changed together, as whoever may write everywhere can.
#[test]
fn a_forged_set_does_not_lead_to_the_signed_root() {
    let mut world = World::new();
    let objects = world.archive_sets(&[5]);
    let mut forged = World::new();
    forged.append_these((0..5).map(|n| format!("forged {n}").into_bytes()).collect());
    let theirs = forged.archive_sets(&[1]);
    drop(theirs);
    // The forger's leaves, cut to the same range, under the signed checkpoint of the log.
    let raw: Vec<u8> = (0..5)
        .flat_map(|n| {
            let leaf = format!("forged {n}").into_bytes();
            [&u16::try_from(leaf.len()).unwrap().to_be_bytes()[..], &leaf].concat()
        })
        .collect();
    let packed = zstd::bulk::compress(&raw, 3).unwrap();
    let path = world.path("archive/sets/0000000000/manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let leaves = manifest.pointer_mut("/chunks/0/leaves").unwrap();
    let key = leaves["key"].as_str().unwrap().to_owned();
    leaves["bytes"] = packed.len().into();
    leaves["raw_bytes"] = raw.len().into();
    leaves["sha256"] = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(&packed)).into()
    };
    tamper(&world.path("archive").join(key), &packed);
    tamper(&path, manifest.to_string().as_bytes());
    let refused = restore(
        &objects,
        &world.path("new/log"),
        &world.path("new/state"),
        0,
        &mut |_, _| {},
    );
    assert!(
        matches!(refused, Err(ArchiveError::RootMismatch { set: 0 })),
        "{refused:?}"
    );
}

#[test]
fn swapped_objects_are_changed() {
    let mut world = World::new();
    let objects = world.archive_sets(&sets());
    let of = |kind: &str| {
        let all = files(&world.path("archive"));
        let mut found = all.into_iter().filter(|(path, _)| path.contains(kind));
        (found.next().unwrap(), found.next().unwrap())
    };
    for kind in ["/leaves-", "/tiles-", "/checkpoint-"] {
        let ((a, a_bytes), (b, b_bytes)) = of(kind);
        tamper(&world.path("archive").join(&a), &b_bytes);
        tamper(&world.path("archive").join(&b), &a_bytes);
        assert_eq!(scrub(&objects).findings_total, 2, "{kind}");
        tamper(&world.path("archive").join(&a), &a_bytes);
        tamper(&world.path("archive").join(&b), &b_bytes);
    }
}

#[test]
fn a_manifest_of_another_set_or_log_does_not_follow() {
    let mut world = World::new();
    let objects = world.archive_sets(&sets());
    let at = |set: u64| world.path("archive").join(Key::manifest(set).as_str());
    let first = fs_err::read(at(0)).unwrap();
    let second = fs_err::read(at(1)).unwrap();
    tamper(&at(1), &first);
    assert_eq!(
        problems(&scrub(&objects)),
        [("manifest.json".to_owned(), "broken")]
    );
    let other = String::from_utf8(second.clone())
        .unwrap()
        .replace("log.example/test", "log.example/evil");
    tamper(&at(1), other.as_bytes());
    assert_eq!(
        problems(&scrub(&objects)),
        [("manifest.json".to_owned(), "broken")]
    );
    tamper(&at(1), &second);
    assert_eq!(scrub(&objects).findings_total, 0);
}

/// Attack 10: an older archive in the place of the newest.
#[test]
fn an_older_archive_is_rolled_back_for_whoever_remembers() {
    let mut world = World::new();
    let objects = world.archive_sets(&sets());
    let state = scrub_with(&objects, ScrubState::default());
    let head = state.head.clone().unwrap();
    fs_err::remove_dir_all(world.path("archive/sets/0000000002")).unwrap();
    let found = problems(&scrub_with(&objects, state).last.unwrap());
    assert!(
        found.contains(&("manifest.json".to_owned(), "rolled-back")),
        "{found:?}"
    );
    let refused = find_head(&*objects, Some(&head)).unwrap_err();
    assert!(
        matches!(
            refused,
            ArchiveError::RolledBack {
                remembered: 2,
                found: 1
            }
        ),
        "{refused}"
    );
    let refused = world.try_archiver(&objects, Some(&head)).unwrap_err();
    assert!(
        matches!(refused, ArchiveError::RolledBack { .. }),
        "nothing is written over the hole"
    );
}

#[test]
fn a_log_that_was_rolled_back_or_forked_is_not_archived() {
    let mut world = World::new();
    let objects = world.archive_sets(&[300]);
    let mut older = World::new();
    older.append(10);
    let refused = older.try_archiver(&objects, None).unwrap_err();
    assert!(
        matches!(refused, ArchiveError::LogBehind { .. }),
        "{refused}"
    );
    let mut fork = World::new();
    fork.append_these((0..400).map(|n: u32| n.to_be_bytes().to_vec()).collect());
    let refused = fork.try_archiver(&objects, None).unwrap_err();
    assert!(matches!(refused, ArchiveError::Forked { .. }), "{refused}");
}

#[test]
fn an_archive_of_another_log_is_left_alone() {
    let mut world = World::new();
    let objects = world.archive_sets(&[300]);
    let about = affiant_archive::About::new("log.example/other".to_owned(), String::new());
    let opened = affiant_archive::Archiver::open(
        objects,
        world.reader(),
        &about,
        crate::support::limits(),
        None,
    );
    assert!(matches!(opened, Err(ArchiveError::OtherLog { .. })));
}

#[test]
fn keys_in_a_manifest_that_are_not_those_of_its_objects_are_refused() {
    let mut world = World::new();
    world.archive_sets(&[300]);
    let bytes = fs_err::read(world.path("archive").join(Key::manifest(0).as_str())).unwrap();
    let good = String::from_utf8(bytes).unwrap();
    assert!(Manifest::parse(0, good.as_bytes()).is_ok());
    let leaves = "sets/0000000000/leaves-00000000000000000000-00000000000000000300.zst";
    assert!(good.contains(leaves));
    for bad in [
        "../../etc/passwd",
        "/etc/passwd",
        "sets/0000000000/../../../etc/passwd",
        "sets/0000000001/leaves-00000000000000000000-00000000000000000300.zst",
        "sets/0000000000/leaves-00000000000000000000-00000000000000000299.zst",
        "sets/0000000000//leaves-00000000000000000000-00000000000000000300.zst",
        "archive.json",
        "",
    ] {
        let text = good.replace(leaves, bad);
        assert!(Manifest::parse(0, text.as_bytes()).is_err(), "{bad}");
    }
    for (from, to) in [
        ("\"v\":1", "\"v\":2"),
        ("\"set\":0", "\"set\":1"),
        ("\"first\":0", "\"first\":1"),
        ("\"end\":300", "\"end\":0"),
        ("\"previous\":null", "\"previous\":\"00\""),
        ("\"created\"", "\"extra\":1,\"created\""),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        assert!(Manifest::parse(0, text.as_bytes()).is_err(), "{to}");
    }
}

/// A chunk that grows without end when it is decompressed.
#[test]
fn a_bomb_is_not_unpacked() {
    let mut world = World::new();
    let objects = world.archive_sets(&[5]);
    let bomb = zstd::bulk::compress(&vec![0_u8; 64 << 20], 3).unwrap();
    let path = world.path("archive/sets/0000000000/manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let leaves = manifest.pointer_mut("/chunks/0/leaves").unwrap();
    let key = leaves["key"].as_str().unwrap().to_owned();
    leaves["bytes"] = bomb.len().into();
    leaves["sha256"] = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(&bomb)).into()
    };
    tamper(&world.path("archive").join(key), &bomb);
    tamper(&path, manifest.to_string().as_bytes());
    let refused = restore(
        &objects,
        &world.path("new/log"),
        &world.path("new/state"),
        0,
        &mut |_, _| {},
    );
    assert!(
        matches!(refused, Err(ArchiveError::Decode { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_pass_goes_on_where_it_stopped() {
    let mut world = World::new();
    let objects = world.archive_sets(&[300, 2000, 5]);
    let mut state = ScrubState::default();
    let mut steps = 0;
    // A process each.
    loop {
        let text = serde_json::to_string(&state).unwrap();
        let state_read = serde_json::from_str(&text).unwrap();
        let mut scrub =
            affiant_archive::Scrub::resume(&*objects, None, state_read, NOW_US).unwrap();
        let more = scrub.step(NOW_US).unwrap();
        state = scrub.state().clone();
        steps += 1;
        if !more {
            break;
        }
    }
    let report = state.last.unwrap();
    let whole = scrub(&objects);
    assert_eq!(
        (report.sets, report.leaves, report.findings_total),
        (3, 2305, 0)
    );
    assert_eq!((report.objects, report.bytes), (whole.objects, whole.bytes));
    assert!(steps > 6, "it stops within a set as well: {steps}");
}
