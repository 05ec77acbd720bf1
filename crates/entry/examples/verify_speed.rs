//! How many entries a second one core verifies: reading, hashing, seals, calls and the twelve fields.
//!
//! ```text
//! cargo run --release -p affiant-entry --example verify_speed -- [entries] [bytes of an entry]
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, reads the clock and stops where it cannot go on"
)]

#[path = "../tests/it/calls.rs"]
mod calls;

use std::time::{Duration, Instant};

use affiant_entry::call::Call;
use affiant_entry::chain::{ChainVerifier, Tail};
use affiant_entry::link::CheckedGroup;
use affiant_entry::record::Boot;
use affiant_entry::{
    Body, BootId, CallId, Decoded, Fact, Header, Moment, Record, Sealer, SourceId, Trust,
};
use affiant_tlog::leaf_hash;
use affiant_tlog::note::{KeyName, SignerKey};

/// Entries under one seal.
const GROUP: usize = 512;
/// Best of so many rounds.
const ROUNDS: usize = 5;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let entries: usize = numbers.next().unwrap_or(100_000);
    let bytes: usize = numbers.next().unwrap_or(1024);
    let signer = SignerKey::from_seed(KeyName::new("gw-7").unwrap(), &[1; 32]);
    let groups = chain(&signer, entries, bytes);
    let all = || groups.iter().flat_map(|(entries, _)| entries);
    let (count, total) = (all().count(), all().map(Vec::len).sum::<usize>());
    println!(
        "{count} entries of {} bytes, {} seals",
        total / count,
        groups.len()
    );
    let trust = Trust::new([signer.verifier_key().clone()]);

    let rate = |what: &str, run: &dyn Fn()| {
        let best = (0..ROUNDS).map(|_| timed(run)).min().unwrap();
        let (rate, each) = (count as f64 / best.as_secs_f64(), best.as_secs_f64() * 1e6);
        println!(
            "{what:<28} {rate:>10.0} entries/s {:>8.2} us each",
            each / count as f64
        );
    };
    rate("hash alone", &|| {
        all().for_each(|entry| assert_ne!(leaf_hash(entry).0, [0; 32]));
    });
    rate("utf-8 alone", &|| {
        all().for_each(|entry| assert!(std::str::from_utf8(entry).is_ok()));
    });
    rate("Header::parse", &|| {
        all().for_each(|entry| drop(Header::parse(entry).unwrap()));
    });
    rate("Decoded::parse", &|| {
        all().for_each(|entry| drop(Decoded::parse(entry).unwrap()));
    });
    rate("CheckedGroup::check", &|| {
        for (entries, seal) in &groups {
            assert_eq!(
                CheckedGroup::check(entries, seal, &trust)
                    .unwrap()
                    .problems()
                    .count(),
                0
            );
        }
    });
    rate("ChainVerifier, all of it", &|| {
        let mut verifier = ChainVerifier::new(trust.clone(), None);
        for (entries, seal) in &groups {
            entries.iter().for_each(|entry| verifier.push(entry));
            verifier.push(seal);
        }
        let report = verifier.finish(Tail::Clean);
        assert_eq!(report.findings, []);
        assert_eq!(report.coverage.complete, report.coverage.calls);
    });
}

/// Time on the processor where the kernel tells it, so that a busy machine changes little; else by the
/// clock on the wall.
fn timed(run: &dyn Fn()) -> Duration {
    let (cpu, wall) = (cpu(), Instant::now());
    run();
    match (cpu, self::cpu()) {
        (Some(before), Some(after)) => after - before,
        _ => wall.elapsed(),
    }
}

/// What the main thread has had of a processor.
fn cpu() -> Option<Duration> {
    let stat = fs_err::read_to_string("/proc/self/schedstat").ok()?;
    let ns = stat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(ns))
}

/// A boot and calls, in groups, each with its seal.
fn chain(signer: &SignerKey, entries: usize, bytes: usize) -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    let source = SourceId::new("gw-7").unwrap();
    let mut at = Moment {
        utc_us: 1_795_330_441_123_456,
        mono_us: 1_000,
    };
    let boot = BootId::from_parts(at.utc_us, 1);
    let mut sealer = Sealer::new(source, "main", boot, None).unwrap();
    let mut records = vec![Record {
        at,
        call: None,
        body: Body::Boot(Box::new(first_boot(signer))),
    }];
    let mut groups = Vec::new();
    for n in 0..entries / 2 {
        at.utc_us += 37;
        at.mono_us += 37;
        let id = CallId::from_parts(at.utc_us, n as u128 * 0x9E37_79B9_7F4A_7C15);
        let call = call(n, bytes);
        let record = |body| Record {
            at,
            call: Some(id),
            body,
        };
        records.push(record(Body::CallBegin(Box::new(call.clone()))));
        records.push(record(Body::CallEnd(
            Box::new(call),
            Box::new(calls::ending()),
        )));
        if records.len() >= GROUP || n + 1 == entries / 2 {
            let group = sealer.prepare(&records, at, signer).unwrap();
            sealer.advance(&group).unwrap();
            let entries = group.entries.into_iter().map(|entry| entry.into_vec());
            groups.push((entries.collect(), group.seal.into_vec()));
            records.clear();
        }
    }
    groups
}

fn first_boot(signer: &SignerKey) -> Boot {
    Boot {
        reason: "start".into(),
        version: "0.1.0".to_owned(),
        spool: "main".to_owned(),
        key: signer.verifier_key().to_string(),
        rotation: None,
        previous: Fact::absent("first boot of this chain"),
        host: Fact::Known("host-1".to_owned()),
        pid: 4711,
        config: Fact::absent("no configuration file"),
        clock: calls::clock(),
        recovered: None,
    }
}

/// As a gateway records one: the rest of the entry is filled with the input.
fn call(n: usize, bytes: usize) -> Call {
    let mut json = format!("{{\"query\":\"customer {n}\",\"limit\":50,\"fields\":[");
    // All but the input of a `call.begin` and `call.end` has about 1,050 and 1,300 bytes.
    while json.len() + 1_180 < bytes {
        json += "\"name\",\"e-mail\",\"caf\u{e9} \\u2615 \\\"quoted\\\"\",";
    }
    json += "\"id\"]}";
    let mut call = calls::call(&json);
    call.head.session.id = "5c5e7ab8-26c6-4d8c-9d4c-2f3f8b1f3f52".to_owned();
    call.head.correlation.request_id = n.to_string();
    call
}
