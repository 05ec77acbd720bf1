//! The archive in a bucket of a real S3 server. Attack 9 of docs/concepts/attacks.md, and its kin.

use std::sync::Arc;
use std::time::Duration;

use affiant_archive::store::{Created, LockMode, Objects, S3Objects};
use affiant_archive::{
    ArchiveError, ArchivedLog, Archiver, Key, Limits, Manifest, Scrub, ScrubReport, ScrubState,
    restore,
};
use affiant_log::store::ReadObjects as _;

use crate::seaweed::{Bucket, Seaweed};
use crate::support::{World, about, limits, problems, scrub};

/// The server's clock is the real one.
fn now_us() -> i64 {
    affiant_entry::parse_rfc3339(&jiff_now()).unwrap()
}

fn jiff_now() -> String {
    let out = std::process::Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn locked() -> Limits {
    let mut limits = limits();
    limits.lock = Some(LockMode::Compliance);
    limits
}

fn archiver(
    world: &World,
    objects: &Arc<dyn Objects>,
    limits: Limits,
) -> Result<Archiver, ArchiveError> {
    Archiver::open(Arc::clone(objects), world.reader(), &about(), limits, None)
}

fn locked_scrub(objects: &Arc<dyn Objects>) -> ScrubReport {
    let now = now_us();
    let mut scrub = Scrub::resume(
        &**objects,
        Some(LockMode::Compliance),
        ScrubState::default(),
        now,
    )
    .unwrap();
    while scrub.step(now).unwrap() {}
    scrub.state().last.clone().unwrap()
}

/// Two sets in a bucket that locks what is created.
fn archived(world: &mut World, name: &str) -> (Bucket, Arc<dyn Objects>) {
    let bucket = Seaweed::shared().bucket(name, Some("COMPLIANCE"));
    let objects = bucket.objects();
    for count in [600, 5] {
        world.append(count);
        archiver(world, &objects, locked())
            .unwrap()
            .cut(now_us())
            .unwrap()
            .unwrap();
    }
    (bucket, objects)
}

fn leaves_key(objects: &Arc<dyn Objects>) -> Key {
    let bytes = objects
        .get(&Key::manifest(0), None, 1 << 20)
        .unwrap()
        .unwrap();
    Manifest::parse(0, &bytes)
        .unwrap()
        .chunks
        .first()
        .unwrap()
        .leaves
        .key()
}

#[test]
fn a_log_is_archived_locked_and_restored() {
    let mut world = World::new();
    let (_, objects) = archived(&mut world, "whole");
    let report = locked_scrub(&objects);
    assert_eq!(
        (report.sets, report.leaves, report.findings_total),
        (2, 605, 0),
        "{report:?}"
    );
    let archived = ArchivedLog::open(Arc::clone(&objects)).unwrap();
    assert_eq!(
        archived.get("checkpoint").unwrap(),
        world.reader().checkpoint().unwrap()
    );
    world.lose_everything();
    let restored = restore(
        &objects,
        &world.path("new/log"),
        &world.path("new/state"),
        0,
        &mut |_, _| {},
    );
    assert_eq!(restored.unwrap().size.0, 605);
}

#[test]
fn an_object_is_created_once() {
    let bucket = Seaweed::shared().bucket("once", None);
    let objects = bucket.objects();
    let key = Key::about();
    assert_eq!(objects.create(&key, "first".into()).unwrap(), Created::New);
    assert_eq!(
        objects.create(&key, "second".into()).unwrap(),
        Created::Exists
    );
    assert_eq!(objects.get(&key, None, 100).unwrap().unwrap(), "first");
    assert_eq!(objects.versions(&key).unwrap().len(), 1);
    assert_eq!(objects.get(&Key::manifest(0), None, 100).unwrap(), None);
    assert_eq!(objects.lock(&Key::manifest(0), None).unwrap(), None);
    assert_eq!(objects.sets().unwrap(), Vec::<u64>::new());
    assert!(
        objects.get(&key, None, 4).is_err(),
        "no more is read than asked for"
    );
}

#[test]
fn what_is_locked_can_neither_be_deleted_nor_freed() {
    let mut world = World::new();
    let (bucket, objects) = archived(&mut world, "locked");
    let key = leaves_key(&objects);
    let lock = objects.lock(&key, None).unwrap().unwrap();
    assert!(lock.holds(LockMode::Compliance, now_us()), "{lock}");
    let version = objects.versions(&key).unwrap().remove(0);
    let path = format!("{}?versionId={}", bucket.path(key.as_str()), version.id);
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    for headers in [&[][..], &bypass] {
        let (status, _) = bucket.call("DELETE", &path, headers, "");
        assert!((400..500).contains(&status), "deletion: {status}");
    }
    let shorter = "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode><RetainUntilDate>2026-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let retention = path.replace('?', "?retention=&");
    let (status, _) = bucket.call("PUT", &retention, &bypass, shorter);
    assert!((400..500).contains(&status), "shortening: {status}");
    assert_eq!(locked_scrub(&objects).findings_total, 0);
}

#[test]
fn a_bucket_that_does_not_lock_archives_nothing() {
    let mut world = World::new();
    world.append(600);
    for (name, mode) in [("open", None), ("weak", Some("GOVERNANCE"))] {
        let bucket = Seaweed::shared().bucket(name, mode);
        let objects = bucket.objects();
        let mut strict = archiver(&world, &objects, locked()).unwrap();
        let refused = strict.cut(now_us()).unwrap_err();
        assert!(
            matches!(refused, ArchiveError::Unlocked { .. }),
            "{refused}"
        );
        assert_eq!(
            objects.get(&Key::manifest(0), None, 1 << 20).unwrap(),
            None,
            "{name}"
        );
        // Whoever asks for no lock gets an archive, which somebody stricter calls unlocked.
        archiver(&world, &objects, limits())
            .unwrap()
            .cut(now_us())
            .unwrap()
            .unwrap();
        assert_eq!(scrub(&objects).findings_total, 0);
        let report = locked_scrub(&objects);
        assert!(report.findings_total >= 5, "{report:?}");
        assert!(
            problems(&report)
                .iter()
                .all(|(_, problem)| *problem == "unlocked")
        );
    }
}

#[test]
fn a_legal_hold_keeps_what_no_retention_does() {
    let bucket = Seaweed::shared().bucket("held", None);
    let objects = bucket.objects();
    let key = Key::about();
    objects.create(&key, "evidence".into()).unwrap();
    let version = objects.versions(&key).unwrap().remove(0);
    let path = format!("{}?versionId={}", bucket.path(key.as_str()), version.id);
    objects.hold(&key, None, true).unwrap();
    assert!(objects.lock(&key, None).unwrap().unwrap().hold);
    let (status, _) = bucket.call("DELETE", &path, &[], "");
    assert!((400..500).contains(&status), "deletion: {status}");
    objects.hold(&key, Some(&version), false).unwrap();
    assert!(!objects.lock(&key, None).unwrap().unwrap().hold);
    let (status, _) = bucket.call("DELETE", &path, &[], "");
    assert_eq!(status, 204);
    assert_eq!(objects.get(&key, None, 100).unwrap(), None);
    assert!(
        objects.hold(&key, None, true).is_err(),
        "there is nothing to hold"
    );
}

/// Attack 9: a delete marker, or a newer version, over a locked object.
#[test]
fn what_is_hidden_is_found_and_the_hiding_is_reported() {
    let mut world = World::new();
    let (bucket, objects) = archived(&mut world, "hidden");
    let leaves = leaves_key(&objects);
    let (status, _) = bucket.call("DELETE", &bucket.path(leaves.as_str()), &[], "");
    assert_eq!(status, 204, "a delete marker may be put on top");
    assert_eq!(objects.get(&leaves, None, 1 << 20).unwrap(), None);
    let manifest = Key::manifest(1);
    let (status, _) = bucket.call("PUT", &bucket.path(manifest.as_str()), &[], "{\"v\":1}");
    assert_eq!(status, 200, "a newer version may be put on top");
    let name = |key: &Key| key.as_str().rsplit('/').next().unwrap().to_owned();
    let report = locked_scrub(&objects);
    let mut found = problems(&report);
    found.sort();
    let mut expected = vec![(name(&leaves), "shadowed"), (name(&manifest), "shadowed")];
    expected.sort();
    assert_eq!(found, expected);
    // It reads, restores and goes on all the same.
    let restored = restore(
        &objects,
        &world.path("new/log"),
        &world.path("new/state"),
        0,
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!((restored.size.0, restored.findings.len()), (605, 2));
    world.append(1);
    let cut = archiver(&world, &objects, locked())
        .unwrap()
        .cut(now_us())
        .unwrap()
        .unwrap();
    assert_eq!(cut.head.set, 2);
}

/// All manifests hidden behind delete markers: an archive that looks as if it had never been.
#[test]
fn an_archive_that_was_deleted_altogether_is_still_there() {
    let mut world = World::new();
    let (bucket, objects) = archived(&mut world, "emptied");
    let mut keys = vec![Key::manifest(0), Key::manifest(1), Key::about()];
    for set in 0..2 {
        let bytes = objects
            .get(&Key::manifest(set), None, 1 << 20)
            .unwrap()
            .unwrap();
        let manifest = Manifest::parse(set, &bytes).unwrap();
        keys.extend(manifest.objects().map(|(_, stored)| stored.key()));
    }
    for key in &keys {
        let (status, _) = bucket.call("DELETE", &bucket.path(key.as_str()), &[], "");
        assert_eq!(status, 204);
    }
    assert_eq!(objects.sets().unwrap(), Vec::<u64>::new());
    let restored = restore(
        &objects,
        &world.path("new/log"),
        &world.path("new/state"),
        0,
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(restored.size.0, 605);
    assert!(restored.findings.len() >= 4, "{:?}", restored.findings);
    let report = locked_scrub(&objects);
    assert_eq!(report.leaves, 605);
    assert!(
        problems(&report)
            .iter()
            .all(|(_, problem)| *problem == "shadowed"),
        "{report:?}"
    );
}

#[test]
fn a_volume_that_was_tampered_with_is_found() {
    let mut world = World::new();
    let server = Seaweed::start();
    let bucket = server.bucket("volume", Some("COMPLIANCE"));
    let mut options = bucket.options();
    options.timeout = Duration::from_secs(5);
    let objects: Arc<dyn Objects> = Arc::new(S3Objects::open(options).unwrap());
    // Rows that neither compress nor hide in the filer's own files.
    let rows: Vec<u8> = (0..400_000_u32)
        .map(|n| u8::try_from((n.wrapping_mul(2_654_435_761)) >> 24).unwrap())
        .collect();
    world.append(600);
    let marked = rows.clone();
    let mut archiver = archiver(&world, &objects, locked())
        .unwrap()
        .with_rows(Box::new(move |_| Some(marked.clone())));
    archiver.cut(now_us()).unwrap().unwrap();
    assert_eq!(locked_scrub(&objects).findings_total, 0);
    server.kill();
    let needle = rows.get(1000..1032).unwrap();
    let mut hit = 0;
    for entry in fs_err::read_dir(server.dir.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dat") {
            continue;
        }
        let mut bytes = fs_err::read(&path).unwrap();
        while let Some(at) = bytes
            .windows(needle.len())
            .position(|window| window == needle)
        {
            *bytes.get_mut(at).unwrap() ^= 0xff;
            hit += 1;
        }
        fs_err::write(&path, bytes).unwrap();
    }
    assert!(hit > 0, "the bytes of the object are in a volume");
    server.run();
    let found = problems(&locked_scrub(&objects));
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|(key, problem)| key.starts_with("rows-")
            && ["changed", "unreadable", "missing"].contains(problem)),
        "{found:?}"
    );
}

#[test]
fn a_server_that_is_killed_or_hangs_costs_time_and_nothing_else() {
    let mut world = World::new();
    let server = Seaweed::start();
    let bucket = server.bucket("killed", Some("COMPLIANCE"));
    let mut options = bucket.options();
    options.timeout = Duration::from_secs(2);
    let objects: Arc<dyn Objects> = Arc::new(S3Objects::open(options).unwrap());
    world.append(3000);
    std::thread::scope(|scope| {
        let cutting = scope.spawn(|| {
            archiver(&world, &objects, locked()).and_then(|mut archiver| archiver.cut(now_us()))
        });
        std::thread::sleep(Duration::from_millis(120));
        server.kill();
        let _ = cutting.join().unwrap();
    });
    let failed = archiver(&world, &objects, locked()).unwrap_err();
    assert!(matches!(failed, ArchiveError::Store(_)), "{failed}");
    world.append(10);
    server.run();
    server.signal("STOP");
    let hung = archiver(&world, &objects, locked()).unwrap_err();
    assert!(matches!(hung, ArchiveError::Store(_)), "{hung}");
    server.signal("CONT");
    let mut last = None;
    for _ in 0..20 {
        let cut =
            archiver(&world, &objects, locked()).and_then(|mut archiver| archiver.cut(now_us()));
        match cut {
            Ok(None) => break,
            Ok(Some(_)) => {}
            Err(error) => last = Some(error),
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let report = locked_scrub(&objects);
    assert_eq!(
        (report.leaves, report.findings_total),
        (3010, 0),
        "{last:?}"
    );
}
