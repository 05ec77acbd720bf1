//! What a restart keeps, and what it makes again from the log.

use affiant_aggregator::{Parts, Server, StartError, config};

use crate::source::verified;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_knows_every_chain() {
    let mut world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let groups = vec![source.boot(), source.group(2)];
    client.post_batch(&source.batch(&groups)).await;
    world.stop().await;
    assert!(!world.state().serve_json().exists());
    world.start_again().await;
    let mut client = world.client(&source).await;
    let (again, _) = verified(
        &client.post_batch(&source.batch(&groups)).await,
        &world.log_key(),
        None,
        &groups,
    );
    assert!(again.groups.iter().all(|group| group.duplicate));
    let next = [source.group(1)];
    verified(
        &client.post_batch(&source.batch(&next)).await,
        &world.log_key(),
        None,
        &next,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_gone_or_broken_is_made_again() {
    let mut world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let groups = vec![source.boot(), source.group(300)];
    client.post_batch(&source.batch(&groups)).await;
    let mut twin = source.twin();
    let (ours, theirs) = ([source.group(1)], [twin.group(2)]);
    client.post_batch(&source.batch(&ours)).await;
    assert_eq!(client.post_batch(&twin.batch(&theirs)).await.status, 409);
    let before = world.status("gw-7").await["chains"].clone();
    for damage in [None, Some(&b"garbage"[..])] {
        world.stop().await;
        let path = world.state().index();
        match damage {
            None => fs_err::remove_file(&path).unwrap(),
            Some(bytes) => fs_err::write(&path, bytes).unwrap(),
        }
        world.start_again().await;
        let mut after = world.status("gw-7").await["chains"].clone();
        // What the source says of itself is not in the log.
        for member in ["newest_boot", "newest_seal", "pending_entries"] {
            after[0][member] = before[0][member].clone();
        }
        assert_eq!(after, before);
        let mut client = world.client(&source).await;
        let reply = client.post_batch(&source.batch(&groups)).await;
        verified(&reply, &world.log_key(), None, &groups);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_log_is_not_believed() {
    let mut world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let group = [source.boot()];
    client.post_batch(&source.batch(&group)).await;
    let mut other = World::start().await;
    let (mut stranger, mut client) = other.enrolled("elsewhere").await;
    let groups = [stranger.boot(), stranger.group(1), stranger.group(1)];
    client.post_batch(&stranger.batch(&groups)).await;
    world.stop().await;
    other.stop().await;
    fs_err::copy(other.state().index(), world.state().index()).unwrap();
    world.start_again().await;
    let status = world.get("/v1/status").await.text();
    assert!(!status.contains("elsewhere"), "{status}");
    let mut client = world.client(&source).await;
    let next = [source.group(1)];
    verified(
        &client.post_batch(&source.batch(&next)).await,
        &world.log_key(),
        None,
        &next,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_is_a_boot_of_the_aggregators_own_chain() {
    let mut world = World::start().await;
    world.stop().await;
    world.start_again().await;
    world.enrolled("gw-7").await;
    let leaves = world.leaves();
    let entries = leaves
        .iter()
        .map(|leaf| affiant_entry::Decoded::parse(leaf).unwrap());
    let own: Vec<_> = entries
        .filter(|entry| entry.header().source.as_str() == "aggregator")
        .map(|entry| {
            let header = entry.header();
            (
                header.boot,
                header.seq.unwrap().0,
                header.kind.as_str().to_owned(),
            )
        })
        .collect();
    assert_eq!(own.iter().filter(|one| one.2 == "boot").count(), 2);
    for pair in own.windows(2) {
        let next = if pair[0].0 == pair[1].0 {
            pair[0].1 + 1
        } else {
            0
        };
        assert_eq!(pair[1].1, next, "{own:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_directory_has_one_process() {
    let world = World::start().await;
    let settings = config::dev(&world.state()).unwrap();
    let second = Server::start(settings, world.state(), Parts::default()).await;
    assert!(
        matches!(second, Err(StartError::Locked { .. })),
        "{second:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_key_is_not_continued() {
    let mut world = World::start().await;
    world.stop().await;
    fs_err::remove_file(world.state().log_key()).unwrap();
    let settings = config::dev(&world.state()).unwrap();
    let started = Server::start(settings, world.state(), Parts::default()).await;
    assert!(
        matches!(started, Err(StartError::KeyLost { .. })),
        "{started:?}"
    );
}
