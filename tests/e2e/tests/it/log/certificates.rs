//! Certificates that live for seconds: renewed under load, found expired, revoked.

use std::path::Path;
use std::time::Duration;

use affiant_e2e::aggregator::{Aggregator, ship, ship_all};
use affiant_e2e::conserved::{assert_hub_adds_up, assert_shipped, count};
use affiant_e2e::entries;
use affiant_e2e::program::{affiant, output_ok, said};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::wait;
use serde_json::Value;

use super::outage::assert_once;
use super::{Caller, assert_log_verifies, serve_toml, session};

#[test]
fn certificates_are_renewed_under_load_and_over_restarts() {
    let scratch = Scratch::new("renewal");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let config = serve_toml(&scratch, "[ca]\nsource_lifetime_s = 6\n");
    let mut hub = Aggregator::start_configured(&data, &config);
    hub.enrol(&edge, "edge");
    let caller = Caller::start(&edge, &seen, 0);
    for round in 0..4 {
        let before = certificate(&edge);
        wait::until("the certificate is renewed", || {
            (certificate(&edge) != before).then_some(())
        });
        if round == 1 {
            hub.guard.kill();
            hub = Aggregator::start_configured(&data, &config);
        }
        // What is recorded under the new one arrives.
        caller.go_on(10);
        let recorded = count(&edge, "frames");
        wait::until("what was recorded is acknowledged", || {
            (count(&edge, "acknowledged") >= recorded).then_some(())
        });
    }
    let answered = caller.finish();
    ship_all(&edge);
    assert_shipped(&edge, "edge", &hub.status());
    assert_hub_adds_up(&hub.metrics(), "edge");
    hub.stop();
    assert_eq!(entries::of_kind(&data, "refusal"), Vec::<Value>::new());
    assert_once(&data, answered);
    assert_log_verifies(&data);
}

#[test]
fn an_expired_certificate_is_renewed_by_the_seal_key() {
    let scratch = Scratch::new("expired");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let config = serve_toml(&scratch, "[ca]\nsource_lifetime_s = 2\n");
    let hub = Aggregator::start_configured(&data, &config);
    hub.enrol(&edge, "edge");
    let url = hub.url("ingest");
    hub.stop();
    session(&edge, "crm", &seen, 0, 10);
    // Longer than a certificate lives, and a little.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(ship(&edge).status.code(), Some(5), "nobody is there");
    let before = certificate(&edge);
    let hub = Aggregator::start_configured(&data, &config);
    assert_eq!(hub.url("ingest"), url);
    let out = ship(&edge);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    assert_ne!(certificate(&edge), before);
    assert_shipped(&edge, "edge", &hub.status());
    hub.stop();
    assert_once(&data, 0..10);
    assert_log_verifies(&data);
}

#[test]
fn a_revoked_source_is_refused_and_the_log_says_so() {
    let scratch = Scratch::new("revoked");
    let (data, seen) = (scratch.path("hub"), scratch.path("seen"));
    let (good, bad) = (scratch.path("good"), scratch.path("bad"));
    let config = serve_toml(&scratch, "[ca]\nsource_lifetime_s = 5\n");
    let hub = Aggregator::start_configured(&data, &config);
    hub.enrol(&good, "good");
    hub.enrol(&bad, "bad");
    let caller = Caller::start(&good, &seen, 0);
    session(&bad, "crm", &seen, 100_000, 10);
    ship_all(&bad);
    output_ok(
        affiant()
            .args(["key", "revoke", "bad", "--data-dir"])
            .arg(&data),
    );
    session(&bad, "crm", &seen, 200_000, 10);
    let out = ship(&bad);
    assert_eq!(out.status.code(), Some(4), "{}", said(&out));
    assert!(said(&out).contains("revoked"), "{}", said(&out));
    // Nor does the seal key get it a new certificate once this one has ended.
    std::thread::sleep(Duration::from_secs(6));
    let out = ship(&bad);
    assert_eq!(out.status.code(), Some(4), "{}", said(&out));
    assert!(count(&bad, "pending") >= 20, "what was not taken is kept");
    caller.go_on(10);
    let answered = caller.finish();
    ship_all(&good);
    assert_shipped(&good, "good", &hub.status());
    hub.stop();
    let keys = entries::of_kind(&data, "key");
    let revoked = |key: &&Value| key["key"]["action"] == "revoke" && key["key"]["subject"] == "bad";
    assert_eq!(keys.iter().filter(revoked).count(), 1, "{keys:?}");
    let refusals = entries::of_kind(&data, "refusal");
    let said =
        |one: &Value| one["refusal"]["code"] == "revoked" && one["refusal"]["subject"] == "bad";
    assert!(refusals.iter().any(said), "{refusals:?}");
    assert_once(&data, answered.chain(100_000..100_010));
    let calls = super::outage::calls(&data);
    assert!((200_000..200_010).all(|n| !calls.contains_key(&n)));
    assert_log_verifies(&data);
}

/// The certificate as it lies on disk.
fn certificate(edge: &Path) -> String {
    fs_err::read_to_string(edge.join("ship/client.crt")).unwrap()
}
