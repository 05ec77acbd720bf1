//! Duplicates, gaps and forks.

use crate::source::verified;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_batch_is_acknowledged_and_not_appended_again() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let groups = vec![source.boot(), source.group(2), source.group(1)];
    let batch = source.batch(&groups);
    let (first, _) = verified(
        &client.post_batch(&batch).await,
        &world.log_key(),
        None,
        &groups,
    );
    let size = world.leaves().len();
    let (again, _) = verified(
        &client.post_batch(&batch).await,
        &world.log_key(),
        None,
        &groups,
    );
    assert_eq!(world.leaves().len(), size);
    assert!(again.groups.iter().all(|group| group.duplicate));
    for (a, b) in first.groups.iter().zip(&again.groups) {
        assert_eq!((a.first_index, a.seal_index), (b.first_index, b.seal_index));
    }
    assert_eq!(world.status("gw-7").await["counts"]["duplicates"], 4);
    // Of an older boot as well.
    let boot = [source.boot()];
    verified(
        &client.post_batch(&source.batch(&boot)).await,
        &world.log_key(),
        None,
        &boot,
    );
    let (old, _) = verified(
        &client.post_batch(&batch).await,
        &world.log_key(),
        None,
        &groups,
    );
    assert!(old.groups.iter().all(|group| group.duplicate));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_twice_at_once_is_appended_once() {
    let world = World::start().await;
    let (mut source, client) = world.enrolled("gw-7").await;
    let groups = vec![source.boot(), source.group(2)];
    let batch = source.batch(&groups);
    let flights: Vec<_> = (0..6)
        .map(|_| {
            let (mut client, batch) = (client.clone(), batch.clone());
            tokio::spawn(async move { client.post_batch(&batch).await })
        })
        .collect();
    let mut duplicates = 0;
    for flight in flights {
        let (receipt, _) = verified(&flight.await.unwrap(), &world.log_key(), None, &groups);
        duplicates += usize::from(receipt.groups[0].duplicate);
    }
    assert_eq!(duplicates, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_too_early_is_told_what_is_expected() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let (boot, missing, early) = (source.boot(), source.group(1), source.group(1));
    let nothing_yet = client
        .post_batch(&source.batch(std::slice::from_ref(&early)))
        .await;
    assert_eq!(
        (nothing_yet.status, nothing_yet.problem()),
        (409, "gap".to_owned())
    );
    assert!(nothing_yet.json()["expected"].is_null());
    assert_eq!(
        client
            .post_batch(&source.batch(std::slice::from_ref(&boot)))
            .await
            .status,
        200
    );
    let reply = client
        .post_batch(&source.batch(std::slice::from_ref(&early)))
        .await;
    assert_eq!((reply.status, reply.problem()), (409, "gap".to_owned()));
    assert_eq!(reply.json()["expected"]["seal"], missing.place.seal.0);
    assert_eq!(
        reply.json()["expected"]["boot"],
        missing.place.boot.to_string()
    );
    assert!(world.of_kind("chain.gap").is_empty());
    let rest = [missing, early];
    assert_eq!(client.post_batch(&source.batch(&rest)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_the_source_owns_up_to_is_in_the_log() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let (boot, lost, next) = (source.boot(), source.group(1), source.group(1));
    client.post_batch(&source.batch(&[boot])).await;
    let groups = [next];
    let reply = client.post_batch(&source.batch_after_gap(&groups)).await;
    verified(&reply, &world.log_key(), None, &groups);
    let gaps = world.of_kind("chain.gap");
    assert_eq!(gaps.len(), 1);
    let gap = &gaps[0]["gap"];
    assert_eq!(gap["reason"], "missing-seals");
    assert_eq!(gap["said"], "released");
    assert_eq!(gap["expected_seal"]["seal"], lost.place.seal.0);
    assert_eq!(world.status("gw-7").await["chains"][0]["gaps"], 1);
    // A hole is not filled afterwards.
    let late = client.post_batch(&source.batch(&[lost])).await;
    assert_eq!((late.status, late.problem()), (409, "gap".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_kept_as_evidence_once() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = source.boot();
    client.post_batch(&source.batch(&[boot])).await;
    let mut twin = source.twin();
    let (ours, theirs) = (source.group(1), twin.group(2));
    assert_eq!(client.post_batch(&source.batch(&[ours])).await.status, 200);
    for _ in 0..3 {
        let reply = client
            .post_batch(&twin.batch(std::slice::from_ref(&theirs)))
            .await;
        assert_eq!((reply.status, reply.problem()), (409, "fork".to_owned()));
        let evidence = reply.json()["evidence"].as_str().unwrap().to_owned();
        let path = world
            .state()
            .blobs()
            .join(evidence.strip_prefix("sha256:").unwrap());
        let kept = fs_err::read(path).unwrap();
        let reader = affiant_entry::batch::BatchReader::new(&kept).unwrap();
        let group = reader.map(Result::unwrap).next().unwrap();
        assert_eq!(group.seal, theirs.seal);
    }
    let forks = world.of_kind("fork");
    assert_eq!(forks.len(), 1);
    assert!(
        forks[0]["fork"]["ours"]
            .as_str()
            .unwrap()
            .contains("count 1\n")
    );
    assert!(
        forks[0]["fork"]["theirs"]
            .as_str()
            .unwrap()
            .contains("count 2\n")
    );
    // The chain that was here first goes on.
    let next = source.group(1);
    assert_eq!(client.post_batch(&source.batch(&[next])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_restored_from_a_backup_is_a_fork() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = source.boot();
    client.post_batch(&source.batch(&[boot])).await;
    let mut backup = source.twin();
    let groups = [source.group(1), source.group(1)];
    client.post_batch(&source.batch(&groups)).await;
    // It begins a new boot behind an old seal.
    let group = backup.boot();
    let reply = client.post_batch(&backup.batch(&[group])).await;
    assert_eq!((reply.status, reply.problem()), (409, "fork".to_owned()));
    // Going on with a boot that another followed is one as well.
    let mut stale = source.twin();
    let next_boot = source.boot();
    assert_eq!(
        client.post_batch(&source.batch(&[next_boot])).await.status,
        200
    );
    let group = stale.group(1);
    let reply = client.post_batch(&stale.batch(&[group])).await;
    assert_eq!((reply.status, reply.problem()), (409, "fork".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_begins_anew_is_a_gap() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = source.boot();
    client.post_batch(&source.batch(&[boot])).await;
    let mut anew = source.twin();
    anew.forget();
    let group = anew.boot();
    let reply = client
        .post_batch(&anew.batch(std::slice::from_ref(&group)))
        .await;
    assert_eq!((reply.status, reply.problem()), (409, "gap".to_owned()));
    let reply = client.post_batch(&anew.batch_after_gap(&[group])).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        world.of_kind("chain.gap")[0]["gap"]["reason"],
        "chain-restarted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_knows_a_later_tree_is_not_served() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let group = source.boot();
    let mut header = source.header();
    header.old = affiant_tlog::TreeSize(1_000_000);
    let before = world.checkpoint();
    let reply = client
        .post_batch(&crate::source::batch(&header, &[group]))
        .await;
    assert_eq!(
        (reply.status, reply.problem()),
        (409, "rolled-back".to_owned())
    );
    // It shows what it has, for the source to keep.
    let note = reply.json()["checkpoint"].as_str().unwrap().to_owned();
    let note = affiant_tlog::Note::parse(note.as_bytes()).unwrap();
    let shown = affiant_tlog::Checkpoint::open(&note, &world.log_key()).unwrap();
    assert!(shown.size >= before.size && shown.size.0 < 1_000_000);
    let metrics = world.get("/metrics").await.text();
    let line = "affiant_source_log_rolled_back_total{source=\"gw-7\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}
