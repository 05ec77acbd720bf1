//! What the aggregator notices by itself.

use std::time::Duration;

use affiant_aggregator::sources::Sources;
use affiant_entry::roster::{Roster, RosterSource};
use affiant_tlog::SignerKey;
use serde_json::json;

use crate::source::{Source, verified};
use crate::world::{World, eventually};

fn admin() -> SignerKey {
    SignerKey::from_seed("admin".parse().unwrap(), &[42; 32])
}

fn roster(serial: u64, sources: &[(&Source, u64)], signer: &SignerKey) -> String {
    let sources = sources.iter().map(|(source, heartbeat_s)| RosterSource {
        source: source.id.clone(),
        key: source.signer().verifier_key().clone(),
        heartbeat_s: *heartbeat_s,
    });
    Roster::new(serial, 0, sources.collect())
        .unwrap()
        .sign(signer)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_in_the_log() {
    let world = World::start().await;
    let (source, _) = world.enrolled("gw-7").await;
    Sources::new(&world.state())
        .revoke(&source.id, Some("stolen"))
        .unwrap();
    let key = eventually(|| {
        let keys = world.of_kind("key");
        keys.into_iter()
            .find(|key| key["key"]["action"] == "revoke")
    });
    let key = key.await;
    assert_eq!(key["key"]["subject"], "gw-7");
    assert_eq!(key["key"]["reason"], "stolen");
    assert_eq!(
        key["key"]["vkey"],
        source.signer().verifier_key().to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_roster_is_in_the_log_and_strangers_are_named() {
    let world = World::start().await;
    let (expected, _) = world.enrolled("gw-7").await;
    let (mut stranger, mut client) = world.enrolled("stranger").await;
    let group = stranger.boot();
    assert_eq!(
        client.post_batch(&stranger.batch(&[group])).await.status,
        200
    );
    fs_err::write(
        world.state().admin_vkey(),
        format!("{}\n", admin().verifier_key()),
    )
    .unwrap();
    // One that the admin key did not sign counts for nothing.
    let forged = SignerKey::from_seed("admin".parse().unwrap(), &[43; 32]);
    fs_err::write(
        world.state().roster(),
        roster(9, &[(&stranger, 60)], &forged),
    )
    .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(world.of_kind("roster").is_empty());
    let note = roster(1, &[(&expected, 60)], &admin());
    fs_err::write(world.state().roster(), &note).unwrap();
    let logged = eventually(|| world.of_kind("roster").pop()).await;
    assert_eq!(logged["roster"]["serial"], 1);
    assert_eq!(logged["roster"]["note"], note);
    let named = eventually(|| world.of_kind("source.unrostered").pop()).await;
    assert_eq!(named["unrostered"]["subject"], "stranger");
    // An older one is not taken any more.
    fs_err::write(world.state().roster(), roster(0, &[], &admin())).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.of_kind("roster").len(), 1);
    assert_eq!(world.status("stranger").await["unrostered"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_falls_silent_is_said_and_so_is_its_return() {
    let world = World::start().await;
    let (source, mut client) = world.enrolled("gw-7").await;
    fs_err::write(
        world.state().admin_vkey(),
        format!("{}\n", admin().verifier_key()),
    )
    .unwrap();
    fs_err::write(world.state().roster(), roster(1, &[(&source, 1)], &admin())).unwrap();
    assert_eq!(client.post_batch(&source.batch(&[])).await.status, 200);
    let silent = eventually(|| world.of_kind("source.silent").pop()).await;
    assert_eq!(silent["silent"]["subject"], "gw-7");
    assert_eq!(silent["silent"]["expected_every_s"], 1);
    assert!(silent["silent"]["last_heard"].is_string());
    assert_eq!(client.post_batch(&source.batch(&[])).await.status, 200);
    eventually(|| world.of_kind("source.heard").pop()).await;
    assert_eq!(world.of_kind("source.silent").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_followed_and_logged() {
    use affiant_entry::rotation::Rotation;
    let mut world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let first = [source.boot()];
    verified(
        &client.post_batch(&source.batch(&first)).await,
        &world.log_key(),
        None,
        &first,
    );
    let old = source.signer();
    source.seed = 77;
    let rotation = Rotation {
        source: source.id.clone(),
        old: old.verifier_key().clone(),
        new: source.signer().verifier_key().clone(),
        utc_us: 0,
    };
    source.rotations = rotation.sign(&old, &source.signer()).unwrap();
    let boot = [source.boot()];
    verified(
        &client.post_batch(&source.batch(&boot)).await,
        &world.log_key(),
        None,
        &boot,
    );
    source.rotations.clear();
    // Later batches, boots and restarts know the new key.
    let next = [source.group(1)];
    verified(
        &client.post_batch(&source.batch(&next)).await,
        &world.log_key(),
        None,
        &next,
    );
    world.stop().await;
    fs_err::remove_file(world.state().index()).unwrap();
    world.start_again().await;
    let mut client = world.client(&source).await;
    let boot = [source.boot()];
    verified(
        &client.post_batch(&source.batch(&boot)).await,
        &world.log_key(),
        None,
        &boot,
    );
    let keys = world.of_kind("key");
    let rotated: Vec<_> = keys
        .iter()
        .filter(|key| key["key"]["action"] == "rotate")
        .collect();
    assert_eq!(rotated.len(), 1);
    assert_eq!(
        rotated[0]["key"]["vkey"],
        source.signer().verifier_key().to_string()
    );
    // A key that nothing links to does not seal.
    source.seed = 78;
    let forged = source.boot();
    assert_eq!(
        client.post_batch(&source.batch(&[forged])).await.status,
        422
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_have_many_chains() {
    let world = World::start().await;
    let (mut main, mut client) = world.enrolled("gw-7").await;
    let mut other = main.twin();
    other.spool = "run-4711";
    other.forget();
    for source in [&mut main, &mut other] {
        let groups = [source.boot(), source.group(2)];
        verified(
            &client.post_batch(&source.batch(&groups)).await,
            &world.log_key(),
            None,
            &groups,
        );
    }
    assert_eq!(
        world.status("gw-7").await["chains"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // A group of one chain is none of the other.
    let mut header = other.header();
    header.spool = affiant_entry::SpoolName::new("main").unwrap();
    let group = other.group(1);
    let reply = client
        .post_batch(&crate::source::batch(&header, &[group]))
        .await;
    assert_eq!(
        (reply.status, reply.problem()),
        (403, "wrong-source".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_asks_its_witness_and_the_witness_refuses_a_rollback() {
    use affiant_aggregator::witness::WitnessServer;
    use affiant_log::witness::MemWitnessStore;
    use affiant_log::{SystemClock, Witness};
    use affiant_tlog::checkpoint::Origin;
    use affiant_tlog::cosignature::CosignerSigner;
    use affiant_tlog::witness::KnownLog;
    let world = World::start().await;
    world.enrolled("gw-7").await;
    let key = world.log_key();
    let log = KnownLog {
        origin: Origin::of(key.name()).unwrap(),
        keys: vec![key],
    };
    let signer = CosignerSigner::ed25519("w.example/1".parse().unwrap(), &[5; 32]);
    let store = std::sync::Arc::new(MemWitnessStore::default());
    let witness = Witness::new(
        vec![log],
        vec![signer],
        store,
        std::sync::Arc::new(SystemClock),
    );
    let server = WitnessServer::start(([127, 0, 0, 1], 0).into(), witness)
        .await
        .unwrap();
    let url = format!("http://{}", server.address());
    let note = fs_err::read_to_string(world.dir.path().join("log/checkpoint")).unwrap();
    let ask = |body: String| crate::wire::post(&url, "/add-checkpoint", body.into_bytes());
    let first = ask(format!("old 0\n\n{note}")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert!(first.text().starts_with("— w.example/1 "));
    // Asked from a size it does not have, it says which it has.
    let stale = ask(format!("old 0\n\n{note}")).await;
    assert_eq!(stale.status, 409);
    assert_eq!(ask("nonsense".to_owned()).await.status, 400);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_others_come_in_by_the_api_but_not_from_web_pages() {
    let world = World::start().await;
    let api = world.server().addresses().api.clone();
    let line = json!({"unknown": true}).to_string().into_bytes();
    let reply = crate::wire::post(&api, "/v1/import/agentgateway", line.clone()).await;
    assert!(reply.status < 500, "{}", reply.text());
    let page = crate::wire::post_from(
        &api,
        "/v1/import/agentgateway",
        line,
        Some("https://evil.example"),
    );
    assert_eq!(page.await.status, 403);
}
