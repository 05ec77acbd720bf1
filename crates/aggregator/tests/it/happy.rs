//! What honest sources see.

use affiant_entry::Decoded;
use affiant_tlog::TreeSize;

use crate::source::{batch, verified};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_receipted_and_stands_in_the_log() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let groups = vec![source.boot(), source.group(3)];
    let reply = client.post_batch(&source.batch(&groups)).await;
    let (receipt, checkpoint) = verified(&reply, &world.log_key(), None, &groups);
    assert!(receipt.groups.iter().all(|group| !group.duplicate));
    let leaves = world.leaves();
    assert!(leaves.len() as u64 >= checkpoint.size.0);
    for (group, at) in groups.iter().zip(&receipt.groups) {
        let first = usize::try_from(at.first_index.0).unwrap();
        for (offset, entry) in group.entries.iter().chain([&group.seal]).enumerate() {
            assert_eq!(&leaves[first + offset], entry);
        }
    }
    let status = world.status("gw-7").await;
    assert_eq!(status["counts"]["received"], 4);
    assert_eq!(status["counts"]["appended"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_consistent_with_what_the_source_remembers() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let mut remembered = None;
    for groups in [
        vec![source.boot()],
        vec![source.group(300)],
        vec![source.group(1)],
    ] {
        let mut header = source.header();
        header.old = remembered
            .as_ref()
            .map_or(TreeSize(0), |c: &affiant_tlog::checkpoint::Checkpoint| {
                c.size
            });
        let reply = client.post_batch(&batch(&header, &groups)).await;
        let (_, checkpoint) = verified(&reply, &world.log_key(), remembered.as_ref(), &groups);
        remembered = Some(checkpoint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_without_groups_is_answered() {
    let world = World::start().await;
    let (source, mut client) = world.enrolled("gw-7").await;
    let reply = client.post_batch(&source.batch(&[])).await;
    let (receipt, _) = verified(&reply, &world.log_key(), None, &[]);
    assert!(receipt.credits.batches > 0 && receipt.credits.bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_in_flight_at_once_all_get_in_once() {
    let world = World::start().await;
    let (mut source, client) = world.enrolled("gw-7").await;
    let mut groups = vec![source.boot()];
    groups.extend((0..40).map(|_| source.group(5)));
    let mut flights = Vec::new();
    for group in &groups {
        let (mut client, batch) = (client.clone(), source.batch(std::slice::from_ref(group)));
        flights.push(tokio::spawn(async move { client.post_batch(&batch).await }));
    }
    for (flight, group) in flights.into_iter().zip(&groups) {
        verified(
            &flight.await.unwrap(),
            &world.log_key(),
            None,
            std::slice::from_ref(group),
        );
    }
    let leaves = world.leaves();
    let seqs: Vec<u64> = leaves
        .iter()
        .filter_map(|leaf| Decoded::parse(leaf).ok())
        .filter(|entry| entry.header().source == source.id)
        .filter_map(|entry| entry.header().seq.map(|seq| seq.0))
        .collect();
    assert_eq!(seqs, (0..201).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_kept_before_their_entries() {
    use affiant_entry::batch::BatchWriter;
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let group = source.boot();
    let mut writer = BatchWriter::new(&source.header());
    writer.blob(b"a large input").unwrap();
    writer
        .group(group.entries.iter().map(Vec::as_slice), &group.seal)
        .unwrap();
    let reply = client.post_batch(&writer.finish()).await;
    assert_eq!(reply.status, 200);
    use sha2::Digest as _;
    let id = hex::encode(sha2::Sha256::digest(b"a large input"));
    let kept = fs_err::read(world.state().blobs().join(id)).unwrap();
    assert_eq!(kept, b"a large input");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_serves_the_log_and_says_how_it_does() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let groups = [source.boot()];
    client.post_batch(&source.batch(&groups)).await;
    assert_eq!(world.get("/healthz").await.text(), "ok\n");
    assert_eq!(world.get("/readyz").await.text(), "ready\n");
    let checkpoint = world.get("/log/checkpoint").await;
    let on_disk = fs_err::read(world.dir.path().join("log/checkpoint")).unwrap();
    assert_eq!(checkpoint.body, on_disk);
    for path in [
        "/log/../keys/log.key",
        "/log/tile/entries/x",
        "/log/state/head",
        "/log/",
    ] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    let metrics = world.get("/metrics").await.text();
    assert!(
        metrics.contains("affiant_source_entries_appended_total{source=\"gw-7\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("affiant_log_size"), "{metrics}");
}
