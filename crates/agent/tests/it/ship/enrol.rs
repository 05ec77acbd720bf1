//! Enrolling and renewing.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn the_files_are_private_and_the_log_is_pinned() {
    let double = Double::start();
    let dir = tempfile::tempdir().unwrap();
    let found = enrol(&double, dir.path()).unwrap();
    assert_eq!(found.log.vkey, double.log_key.verifier_key().to_string());
    for name in ["client.key", "client.crt"] {
        let meta = fs_err::metadata(dir.path().join("ship").join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let loaded = Enrolment::load(&DataDir::new(dir.path())).unwrap();
    assert_eq!(loaded, Some(found));
}

#[test]
fn a_used_token_another_ca_and_nobody_there_are_told_apart() {
    let double = Double::start();
    let dir = tempfile::tempdir().unwrap();
    let token = double.token();
    let with = |token: &str, url: &str| {
        affiant_agent::enrol::enrol(&EnrolOptions {
            dir: DataDir::new(dir.path()),
            ingest: Ingest::parse(url).unwrap(),
            token: Token::parse(token).unwrap(),
            source: None,
            ca: None,
        })
    };
    with(&token, &double.url()).unwrap();
    let used = with(&token, &double.url()).unwrap_err();
    assert!(used.is_untrusted() && !used.is_unreachable(), "{used:?}");
    assert!(used.to_string().contains("token-unknown"), "{used}");
    let other = with(&double.token_for([7; 32]), &double.url()).unwrap_err();
    assert!(other.is_untrusted(), "{other:?}");
    let gone = with(&double.token(), "https://127.0.0.1:9").unwrap_err();
    assert!(gone.is_unreachable() && !gone.is_untrusted(), "{gone:?}");
    assert!(
        Enrolment::exists(&DataDir::new(dir.path())),
        "what was there stays"
    );
}

#[test]
fn a_ca_file_must_hold_the_ca_that_the_token_names() {
    let double = Double::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let with = |pem: &str| {
        fs_err::write(&file, pem).unwrap();
        affiant_agent::enrol::enrol(&EnrolOptions {
            dir: DataDir::new(dir.path().join("E")),
            ingest: Ingest::parse(&double.url()).unwrap(),
            token: Token::parse(&double.token()).unwrap(),
            source: None,
            ca: Some(file.clone()),
        })
    };
    let other = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    assert!(with(&other.cert.pem()).is_err());
    assert!(with("nothing").is_err());
    with(&double.ca_pem).unwrap();
}

#[test]
fn a_certificate_is_renewed_while_batches_go_and_after_it_ran_out() {
    let double = Double::start();
    double.world().lifetime_s = 4;
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    let stats = trail.shipping();
    let shipper = Shipper::start(ShipOptions::beside(&trail)).unwrap();
    let mut n = 0;
    while double.world().renewals.is_empty() {
        record(&trail, n..n + 1);
        n += 1;
        assert!(n < 2_000, "never renewed");
        std::thread::sleep(Duration::from_millis(10));
    }
    record(&trail, n..n + 5);
    until(&stats, "acknowledged", |c| {
        c.pending == 0 && c.acknowledged > 0
    });
    trail.close("shutdown", None, None);
    shipper.finish(Duration::from_secs(10));
    assert_eq!(
        double.world().renewals.first(),
        Some(&true),
        "by certificate"
    );

    // Nobody renews until it has run out; then the seal key asks.
    double.world().lifetime_s = 3600;
    std::thread::sleep(Duration::from_millis(4_100));
    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, 9_000..9_005);
    trail.close("shutdown", None, None);
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    assert_eq!(double.world().renewals.last(), Some(&false), "by seal key");
    let (payloads, acknowledged, next) = frames(dir.path(), "crm");
    assert_eq!(acknowledged, next);
    assert!(double.world().bytes.ends_with(&payloads));
}

/// The log's key was rotated while nothing shipped: the first receipt is by a key that is not pinned.
#[test]
fn a_rotated_log_key_is_followed_only_from_the_pinned_one() {
    let double = Double::start();
    let dir = enrolled(&double);
    let log = || {
        let found = Enrolment::load(&DataDir::new(dir.path())).unwrap();
        found.unwrap().log
    };
    let pinned = log();
    let ship = |calls: std::ops::Range<u128>| {
        let trail = Trail::open(&options(dir.path())).unwrap();
        record(&trail, calls);
        trail.close("shutdown", None, None);
        ship_all(dir.path()).0
    };
    assert_eq!(ship(0..5), Ended::Done);
    // Who has the new key alone, or signs for both with it, is not believed.
    for signers in [&[21][..], &[21, 20], &[9]] {
        let note = double::rotation(double::LOG_SEED, 21, signers);
        double.world().rotated = Some((21, note));
        let ended = ship(10..15);
        assert!(matches!(ended, Ended::Refused(_)), "{ended:?}");
        assert_eq!(log(), pinned);
    }
    // Two steps at once, each signed as it must be.
    let mut notes = double::rotation(double::LOG_SEED, 22, &[double::LOG_SEED, 22]);
    notes.push_str(&double::rotation(22, 21, &[22, 21]));
    double.world().rotated = Some((21, notes));
    assert_eq!(ship(20..25), Ended::Done);
    let key = |seed| double::log_key(seed).verifier_key().to_string();
    assert_eq!(log().vkey, key(21));
    assert_eq!(log().earlier, [key(double::LOG_SEED), key(22)]);
    // What was remembered under the old key is still the beginning.
    assert_eq!(ship(30..35), Ended::Done);
}

/// A process that was there before its source was enrolled ships without a restart.
#[test]
fn an_enrolment_is_noticed_while_a_process_runs() {
    let double = Double::start();
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::open(&options(dir.path())).unwrap();
    let stats = trail.shipping();
    let beside = affiant_agent::ship::ShipBeside::start(&trail);
    record(&trail, 0..5);
    enrol(&double, dir.path()).unwrap();
    until(&stats, "shipped", |c| c.acknowledged > 0 && c.pending == 0);
    trail.close("shutdown", None, None);
    beside.finish(Duration::from_secs(10));
    let (payloads, acknowledged, next) = frames(dir.path(), "crm");
    assert_eq!(acknowledged, next);
    assert!(double.world().bytes.ends_with(&payloads));
}

/// Enrolling again where the key was rotated meanwhile is no reason to forget what the log proved.
#[test]
fn a_new_enrolment_at_the_same_log_keeps_what_is_remembered() {
    let double = Double::start();
    let dir = enrolled(&double);
    let trail = Trail::open(&options(dir.path())).unwrap();
    record(&trail, 0..5);
    trail.close("shutdown", None, None);
    assert_eq!(ship_all(dir.path()).0, Ended::Done);
    let remembered = dir.path().join("ship/checkpoint");
    let note = double::rotation(double::LOG_SEED, 22, &[double::LOG_SEED, 22]);
    double.world().rotated = Some((22, note));
    let found = enrol(&double, dir.path()).unwrap();
    let key = |seed| double::log_key(seed).verifier_key().to_string();
    assert_eq!(
        (found.log.vkey, found.log.earlier),
        (key(22), vec![key(double::LOG_SEED)])
    );
    assert!(remembered.exists());
    // Another key that nothing links to is another log.
    double.world().rotated = Some((23, String::new()));
    let found = enrol(&double, dir.path()).unwrap();
    assert_eq!((found.log.vkey, found.log.earlier), (key(23), Vec::new()));
    assert!(!remembered.exists());
}
