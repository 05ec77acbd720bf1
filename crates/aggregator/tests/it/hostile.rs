//! What hostile or broken senders try, and what becomes of it.

use crate::source::{Group, Source, batch};
use crate::wire::{BATCH_HEADERS, Reply};
use crate::world::World;

#[track_caller]
fn refused(reply: &Reply, status: u16, problem: &str) {
    assert_eq!(
        (reply.status, reply.problem()),
        (status, problem.to_owned()),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_another_source_is_refused() {
    let world = World::start().await;
    let (mut a, _) = world.enrolled("a").await;
    let (b, mut client_b) = world.enrolled("bb").await;
    let group = a.boot();
    // B presents A's batch as it is, and under its own name.
    refused(
        &client_b
            .post_batch(&a.batch(std::slice::from_ref(&group)))
            .await,
        403,
        "wrong-source",
    );
    let mut header = b.header();
    header.newest = None;
    let reply = client_b.post_batch(&batch(&header, &[group])).await;
    refused(&reply, 422, "bad-seal");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_changed_on_the_way_are_refused() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let honest = source.boot();
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let mut group = honest.clone();
    let len = group.entries[0].len();
    group.entries[0] = flip(&group.entries[0], len - 20);
    refused(
        &client.post_batch(&source.batch(&[group])).await,
        422,
        "bad-seal",
    );
    for at in (0..honest.seal.len()).step_by(37) {
        let mut group = honest.clone();
        group.seal = flip(&group.seal, at);
        refused(
            &client.post_batch(&source.batch(&[group])).await,
            422,
            "bad-seal",
        );
    }
    // Untouched, it still fits.
    assert_eq!(
        client.post_batch(&source.batch(&[honest])).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_left_out_added_or_swapped_are_refused() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = source.boot();
    client.post_batch(&source.batch(&[boot])).await;
    let honest = source.group(3);
    let change = |change: fn(&mut Group)| {
        let mut group = honest.clone();
        change(&mut group);
        group
    };
    for group in [
        change(|g| drop(g.entries.pop())),
        change(|g| g.entries.push(g.entries[0].clone())),
        change(|g| g.entries.swap(0, 1)),
    ] {
        refused(
            &client.post_batch(&source.batch(&[group])).await,
            422,
            "bad-seal",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_cannot_smuggle_what_others_would_have_said() {
    let world = World::start().await;
    let (mut a, mut client) = world.enrolled("a").await;
    let before = world.leaves().len();
    // An entry in the aggregator's name, and a whole group of another source, sealed by A.
    let own = world
        .leaves()
        .into_iter()
        .find(|leaf| leaf.starts_with(b"{\"v\":1,\"kind\":\"key\""))
        .unwrap();
    let mut b = Source::new("bb");
    let foreign = b.boot();
    for inside in [own, foreign.seal] {
        let group = a.twin().boot_with(inside);
        refused(
            &client.post_batch(&a.batch(&[group])).await,
            422,
            "bad-seal",
        );
    }
    assert_eq!(world.leaves().len(), before);
    let group = a.boot();
    assert_eq!(client.post_batch(&a.batch(&[group])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_read_is_chained_and_quarantined() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let group = source.boot_with(b"not json at all".to_vec());
    let reply = client
        .post_batch(&source.batch(std::slice::from_ref(&group)))
        .await;
    crate::source::verified(&reply, &world.log_key(), None, &[group]);
    assert!(world.leaves().contains(&b"not json at all".to_vec()));
    let quarantined = world.of_kind("quarantine");
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0]["quarantine"]["problem"], "not-an-entry");
    // And the chain goes on.
    let next = source.group(1);
    assert_eq!(client.post_batch(&source.batch(&[next])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_batch_is_refused_and_said_in_the_log() {
    let mut world = World::start().await;
    let (source, mut client) = world.enrolled("gw-7").await;
    let reply = client
        .post("/v1/batches", &BATCH_HEADERS, b"plain".to_vec())
        .await;
    refused(&reply, 400, "malformed-batch");
    refused(
        &client.post_batch(b"affiant.dev/batch/v9\n").await,
        400,
        "malformed-batch",
    );
    let whole = source.batch(&[]);
    refused(
        &client.post_batch(&whole[..whole.len() - 1]).await,
        400,
        "malformed-batch",
    );
    let reply = client
        .post(
            "/v1/batches",
            &[("content-type", "application/json")],
            Vec::new(),
        )
        .await;
    refused(&reply, 400, "malformed-batch");
    // Refusals are written at the latest when it stops.
    world.stop().await;
    world.start_again().await;
    let refusals = world.of_kind("refusal");
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0]["refusal"]["subject"], "gw-7");
    assert_eq!(refusals[0]["refusal"]["count"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_takes_no_memory() {
    let world = World::start().await;
    let (_, mut client) = world.enrolled("gw-7").await;
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 3).unwrap();
    let reply = client.post("/v1/batches", &BATCH_HEADERS, bomb).await;
    refused(&reply, 413, "too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_longer_than_its_limits_is_too_large() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = source.boot();
    let mut frames = source.batch(&[boot]);
    let group = source.group(3000);
    // More than a megabyte in several groups, which no honest writer makes.
    for _ in 0..8 {
        for entry in &group.entries {
            frames.push(1);
            frames.extend(u32::try_from(entry.len()).unwrap().to_be_bytes());
            frames.extend(entry);
        }
        frames.push(2);
        frames.extend(u32::try_from(group.seal.len()).unwrap().to_be_bytes());
        frames.extend(&group.seal);
    }
    refused(&client.post_batch(&frames).await, 413, "too-large");
}
