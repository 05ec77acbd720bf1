//! Boots, crashes and a network that does everything but lie: nothing is lost, nothing is doubled.

use super::*;

/// Rounds of one run; `AFFIANT_SOAK_ROUNDS` makes it longer.
const ROUNDS: u64 = 12;

#[test]
fn whatever_the_network_does_every_group_stands_in_the_log_once() {
    let read = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed: u64 = read("AFFIANT_SOAK_SEED")
        .unwrap_or_else(|| u64::from_le_bytes(affiant_agent::entropy::bytes()));
    let rounds = read("AFFIANT_SOAK_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("AFFIANT_SOAK_SEED={seed}");
    let double = Double::start();
    double.world().chaos = Some(seed);
    let dir = enrolled(&double);
    let mut random = seed;
    let mut draw = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut call = 0_u128;
    for _ in 0..rounds {
        let mut settings = options(dir.path());
        settings.name = ["crm", "files"][usize::try_from(draw(2)).unwrap()].to_owned();
        let trail = Trail::open(&settings).unwrap();
        let (stats, name) = (trail.shipping(), trail.name().to_owned());
        let shipper = Shipper::start(ShipOptions::beside(&trail)).unwrap();
        for _ in 0..draw(6) {
            let calls = u128::from(draw(80));
            record(&trail, call..call + calls);
            call += calls;
            double.world().down = draw(4) == 0;
            std::thread::sleep(Duration::from_millis(draw(120)));
            counts(&stats);
        }
        double.world().down = false;
        trail.close("shutdown", None, None);
        shipper.finish(Duration::from_millis(draw(400)));
        // On a busy machine the end may come before the first look.
        let at_end = stats.spools().get(&name).copied().unwrap_or_default();
        assert_eq!(at_end.gap, 0, "seed {seed}");
    }
    double.world().chaos = None;
    let (ended, stats) = ship_all(dir.path());
    assert_eq!(ended, Ended::Done, "seed {seed}");
    assert_eq!(counts(&stats).pending, 0, "seed {seed}");
    let mut seals = 0;
    for spool in DataDir::new(dir.path()).spool_names().unwrap() {
        let (payloads, acknowledged, next) = frames(dir.path(), &spool);
        assert_eq!(acknowledged, next, "seed {seed}");
        for payload in &payloads {
            let times = double
                .world()
                .bytes
                .iter()
                .filter(|b| *b == payload)
                .count();
            assert_eq!(times, 1, "seed {seed}");
        }
        seals += double.seals_of(&spool);
    }
    let world = double.world();
    assert!(world.gaps.is_empty(), "seed {seed}: {:?}", world.gaps);
    let begins = world
        .bytes
        .iter()
        .filter(|b| b.starts_with(br#"{"v":1,"kind":"call.begin""#));
    assert_eq!(
        begins.count(),
        usize::try_from(call).unwrap(),
        "seed {seed}"
    );
    let sealed = world
        .bytes
        .iter()
        .filter(|b| b.starts_with(br#"{"v":1,"kind":"seal""#));
    assert_eq!(sealed.count(), seals, "seed {seed}");
}
