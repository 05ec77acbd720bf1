//! Batches that come twice, out of order, at once and long after: each group is in the log once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use affiant_e2e::aggregator::{Aggregator, log_key, ship_all};
use affiant_e2e::conserved::{assert_hub_adds_up, assert_shipped};
use affiant_e2e::entries;
use affiant_e2e::random::Random;
use affiant_e2e::scratch::Scratch;
use affiant_entry::SealPlace;
use affiant_tlog::{LeafIndex, VerifierKey};

use super::outage::assert_once;
use super::sender::{Group, Sender, batch, groups, problem, receipt};
use super::{assert_log_verifies, serve_toml, session};

const CALLS: u64 = 60;
const SENDERS: usize = 4;

/// Which leaf each seal is: a second answer may not differ from the first.
type Places = BTreeMap<SealPlace, LeafIndex>;

#[test]
fn batches_sent_again_out_of_order_and_late_are_in_the_log_once() {
    let scratch = Scratch::new("replay");
    let (data, edge, seen) = (
        scratch.path("hub"),
        scratch.path("edge"),
        scratch.path("seen"),
    );
    let mut random = Random::seeded("replay");
    let config = serve_toml(&scratch, "");
    let mut hub = Aggregator::start_configured(&data, &config);
    session(&edge, "crm", &seen, 0, CALLS);
    let source = entries::all(&edge)[0]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    hub.enrol(&edge, &source);
    let sender = Sender::of(&edge, &hub.url("ingest"));
    let key: VerifierKey = log_key(&data).parse().unwrap();
    let batches = batches(&groups(&edge.join("spools/crm")), &mut random);
    assert!(batches.len() >= 10, "{} batches", batches.len());

    // Twice: the second time it is known to be a duplicate, at the same place.
    let first = sender.send(&batches[0], &key);
    assert!(first.groups.iter().all(|group| !group.duplicate));
    let again = sender.send(&batches[0], &key);
    assert!(again.groups.iter().all(|group| group.duplicate));
    assert_eq!(first.groups[0].seal_index, again.groups[0].seal_index);

    // Too early: what belongs before it is named.
    let reply = sender.post(&batch(&batches[2])).unwrap();
    assert_eq!((reply.status, problem(&reply).as_str()), (409, "gap"));
    let expected: SealPlace = serde_json::from_value(reply.json()["expected"].clone()).unwrap();
    assert_eq!(expected, batches[1][0].place());

    // Altered on the way: refused whole.
    let mut altered = batches[1].clone();
    let byte = altered[0].entries[0].last_mut().unwrap();
    *byte ^= 1;
    let reply = sender.post(&batch(&altered)).unwrap();
    assert_eq!((reply.status, problem(&reply).as_str()), (422, "bad-seal"));

    // By several at once, each in an order of his own, each batch twice.
    let places = Mutex::new(Places::new());
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            let (random, batches) = (random.fork(), &batches);
            let (sender, key, places) = (&sender, &key, &places);
            scope.spawn(move || send_in_disorder(sender, key, batches, random, places));
        }
    });
    let places = places.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert_hub_adds_up(&hub.metrics(), &source);

    // Long after, to a process that was not there then.
    hub.guard.kill();
    let hub = Aggregator::start_configured(&data, &config);
    for batch in batches.iter().rev() {
        for group in sender.send(batch, &key).groups {
            assert!(group.duplicate, "{group:?}");
            assert_eq!(places.get(&group.place), Some(&group.seal_index));
        }
    }
    others_are_refused(&scratch, &hub, &batches[0]);

    // At last by the edge itself, which did not know.
    ship_all(&edge);
    assert_shipped(&edge, &source, &hub.status());
    hub.stop();
    assert_once(&data, 0..CALLS);
    assert_each_once(&data, &batches);
    assert_log_verifies(&data);
}

/// The groups in batches of one to three.
fn batches(groups: &[Group], random: &mut Random) -> Vec<Vec<Group>> {
    let mut rest = groups;
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let count = usize::try_from(1 + random.below(3)).unwrap();
        let (batch, behind) = rest.split_at(count.min(rest.len()));
        batches.push(batch.to_vec());
        rest = behind;
    }
    batches
}

fn send_in_disorder(
    sender: &Sender,
    key: &VerifierKey,
    batches: &[Vec<Group>],
    mut random: Random,
    places: &Mutex<Places>,
) {
    let mut left: Vec<&Vec<Group>> = batches.iter().chain(batches).collect();
    left.sort_by_key(|batch| batch[0].place());
    while !left.is_empty() {
        random.jumble(&mut left, 4);
        left.retain(|groups| {
            let reply = sender.post(&batch(groups)).unwrap();
            match (reply.status, problem(&reply).as_str()) {
                (200, _) => {}
                (409, "gap") => return true,
                // Under way by somebody else, and not settled yet.
                (429 | 503, _) => {
                    std::thread::sleep(Duration::from_millis(20));
                    return true;
                }
                other => panic!("{other:?}"),
            }
            for group in receipt(&reply, groups, key).groups {
                let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
                let known = *places.entry(group.place).or_insert(group.seal_index);
                assert_eq!(
                    known, group.seal_index,
                    "{} is in the log twice",
                    group.place
                );
            }
            false
        });
    }
}

/// Another source's certificate does not carry them.
fn others_are_refused(scratch: &Scratch, hub: &Aggregator, groups: &[Group]) {
    let other = scratch.path("other");
    hub.enrol(&other, "other");
    let sender = Sender::of(&other, &hub.url("ingest"));
    let reply = sender.post(&batch(groups)).unwrap();
    assert_eq!(
        (reply.status, problem(&reply).as_str()),
        (403, "wrong-source")
    );
}

/// Each entry that was sealed is one leaf, byte by byte.
fn assert_each_once(data: &Path, batches: &[Vec<Group>]) {
    let mut leaves: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for line in entries::lines(data) {
        *leaves.entry(line).or_default() += 1;
    }
    for group in batches.iter().flatten() {
        for bytes in group.entries.iter().chain([&group.seal]) {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(leaves.get(bytes), Some(&1), "{text}");
        }
    }
}
