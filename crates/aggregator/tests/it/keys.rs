//! The keys of the log: rotated, in a device, beside an ML-DSA-44 key; and the operator's own authority.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use affiant_aggregator::config::{CaFiles, DeviceKey, Settings};
use affiant_aggregator::logkey;
use affiant_entry::log_rotation::{follow, log_rotations};
use affiant_tlog::policy::{LogKey, Policy};
use affiant_tlog::{Checkpoint, Note, VerifierKey};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};

use crate::source::verified;
use crate::world::World;

fn note(world: &World) -> Note {
    Note::parse(&fs_err::read(world.dir.path().join("log/checkpoint")).unwrap()).unwrap()
}

fn signs(note: &Note, key: &VerifierKey) -> bool {
    Checkpoint::open(note, key).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_named_under_the_old_one_and_takes_over() {
    let mut world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = [source.boot()];
    let (_, remembered) = verified(
        &client.post_batch(&source.batch(&boot)).await,
        &world.log_key(),
        None,
        &boot,
    );
    let old = world.log_key();
    let new = logkey::prepare_rotation(&world.state()).unwrap().unwrap();
    assert_eq!(logkey::prepare_rotation(&world.state()).unwrap(), None);
    // Nothing changes while it runs.
    assert_eq!(world.log_key(), old);
    world.stop().await;
    world.start_again().await;
    assert_eq!(world.log_key(), new);
    let notes = fs_err::read_to_string(world.state().log().join("key-rotations")).unwrap();
    assert_eq!(follow(&old, &notes), [old.clone(), new.clone()]);
    assert_eq!(world.get("/log/key-rotations").await.text(), notes);
    let keys = world.of_kind("key");
    let logged: Vec<_> = keys
        .iter()
        .filter(|key| key["key"]["action"] == "log")
        .collect();
    assert_eq!(logged.len(), 2);
    assert_eq!(logged[1]["key"]["vkey"], new.to_string());
    let rotation = logged[1]["key"]["rotation"].as_str().unwrap();
    assert_eq!(follow(&old, rotation), [old.clone(), new.clone()]);
    // Both sign for now.
    let boot = [source.boot()];
    let mut client = world.client(&source).await;
    let mut header = source.header();
    header.old = remembered.size;
    let reply = client
        .post_batch(&crate::source::batch(&header, &boot))
        .await;
    for key in [&old, &new] {
        verified(&reply, key, Some(&remembered), &boot);
        assert!(signs(&note(&world), key));
    }
    // Sources hear of it when they renew.
    let renewed = client
        .post_json("/v1/renew", &serde_json::json!({"v": 1, "csr": source.csr}))
        .await
        .json();
    assert_eq!(renewed["log"]["vkey"], new.to_string());
    assert_eq!(
        log_rotations(renewed["log"]["rotations"].as_str().unwrap()).len(),
        1
    );
    let all = logkey::all_keys(&world.state()).unwrap();
    assert_eq!(all, [new.to_string(), old.to_string()]);
    // The hand-over ends: the new key alone, and the old one's file is gone.
    world.stop().await;
    let keys = world.state().keys();
    assert!(keys.join("log.old.key").exists());
    fs_err::write(keys.join("log.handover.json"), r#"{"v":1,"until_ms":1}"#).unwrap();
    world.start_again().await;
    assert!(!keys.join("log.old.key").exists());
    world.enrolled("gw-8").await;
    assert!(signs(&note(&world), &new) && !signs(&note(&world), &old));
    // A second rotation follows from the first.
    let third = logkey::prepare_rotation(&world.state()).unwrap().unwrap();
    world.stop().await;
    world.start_again().await;
    let notes = fs_err::read_to_string(keys.join("log.rotations")).unwrap();
    assert_eq!(follow(&old, &notes), [old, new, third]);
}

/// Died after each step of a rotation: the next start ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_cut_off_is_carried_out_by_the_next_start() {
    for at in ["noted", "renamed"] {
        let mut world = World::start().await;
        let old = world.log_key();
        let new = logkey::prepare_rotation(&world.state()).unwrap().unwrap();
        world.stop().await;
        let keys = world.state().keys();
        let read = |name: &str| fs_err::read_to_string(keys.join(name)).unwrap();
        let (old_key, next_key) = (read("log.key"), read("log.next.key"));
        world.start_again().await;
        world.stop().await;
        // Back to what a crash would have left.
        write_secret(&keys.join("log.next.key"), &next_key);
        if at == "noted" {
            write_secret(&keys.join("log.key"), &old_key);
            fs_err::remove_file(keys.join("log.old.key")).unwrap();
            fs_err::remove_file(keys.join("log.handover.json")).unwrap();
        }
        world.start_again().await;
        assert_eq!(world.log_key(), new, "{at}");
        assert!(!keys.join("log.next.key").exists());
        assert!(signs(&note(&world), &old) && signs(&note(&world), &new));
        assert_eq!(log_rotations(&read("log.rotations")).len(), 1);
    }
}

pub(crate) fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ml_dsa_44_line_stands_on_every_checkpoint_and_a_policy_can_demand_it() {
    let mut world = World::start_with(|settings| settings.ml_dsa_44 = true).await;
    let keys = logkey::all_keys(&world.state()).unwrap();
    let [log, pq] = keys.as_slice() else {
        panic!("{keys:?}");
    };
    assert!(matches!(pq.parse(), Ok(LogKey::MlDsa44(_))));
    let demanding = format!("log {log}\nwitness pq {pq}\nquorum pq\n");
    let demanding = Policy::parse(demanding.as_bytes()).unwrap();
    let plain = Policy::parse(format!("log {log}\nquorum none\n").as_bytes()).unwrap();
    world.enrolled("gw-7").await;
    let met = |policy: &Policy, note: &Note| policy.check(note).unwrap().quorum_met();
    let signed = note(&world);
    assert!(met(&demanding, &signed) && met(&plain, &signed));
    // The key stays; without it the line is missed, and a reader who does not know it misses nothing.
    world.stop().await;
    world
        .start_again_with(|settings| settings.ml_dsa_44 = true)
        .await;
    assert_eq!(logkey::all_keys(&world.state()).unwrap(), keys);
    assert!(met(&demanding, &note(&world)));
    world.stop().await;
    world.start_again().await;
    world.enrolled("gw-8").await;
    assert!(!met(&demanding, &note(&world)) && met(&plain, &note(&world)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_authority_signs_the_server_and_its_sources() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key).unwrap();
    let files = CaFiles {
        certificate: dir.path().join("ca.crt"),
        key: dir.path().join("ca.key"),
    };
    fs_err::write(&files.certificate, certificate.pem()).unwrap();
    write_secret(&files.key, &key.serialize_pem());
    let ours = |settings: &mut Settings| settings.ca = Some(files.clone());
    let mut world = World::start_with(ours).await;
    assert!(!world.state().ca().join("ca.key").exists());
    let (mut source, mut client) = world.enrolled("gw-7").await;
    assert!(source.certificate.ends_with(&certificate.pem()));
    let boot = [source.boot()];
    verified(
        &client.post_batch(&source.batch(&boot)).await,
        &world.log_key(),
        None,
        &boot,
    );
    // With the aggregator's own one instead, nobody is known any more.
    world.stop().await;
    world.start_again().await;
    let ca = fs_err::read_to_string(world.state().ca().join("ca.crt")).unwrap();
    assert_ne!(ca, certificate.pem());
    let identity = Some((source.certificate.as_str(), source.tls_key.as_str()));
    let url = &world.server().addresses().ingest;
    let connected = crate::wire::Client::try_connect(url, &ca, identity).await;
    let answered = match connected {
        Ok(mut client) => client
            .try_post("/v1/batches", &crate::wire::BATCH_HEADERS, Vec::new())
            .await
            .is_ok(),
        Err(_) => false,
    };
    assert!(!answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_seconds_are_given_and_end() {
    let world = World::start_with(|settings| settings.source_lifetime_s = 2).await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = [source.boot()];
    assert_eq!(client.post_batch(&source.batch(&boot)).await.status, 200);
    tokio::time::sleep(Duration::from_millis(3200)).await;
    let late = [source.group(1)];
    let reply = client.post_batch(&source.batch(&late)).await;
    assert_eq!(
        (reply.status, reply.problem()),
        (403, "not-enrolled".to_owned())
    );
}

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CONFIGURATION: &str = "SOFTHSM2_CONF";
const PIN: &str = "1234";

/// SoftHSM reads its configuration from the environment, so the test runs in a process of its own.
#[test]
fn a_log_is_signed_by_a_device() {
    assert!(
        Path::new(MODULE).exists(),
        "this test needs the package softhsm2"
    );
    let dir = tempfile::tempdir().unwrap();
    fs_err::create_dir(dir.path().join("tokens")).unwrap();
    let configuration = dir.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\n",
        dir.path().join("tokens").display()
    );
    fs_err::write(&configuration, text).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "keys::within_softhsm", "--nocapture"])
        .env(CONFIGURATION, &configuration)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("signed by a device"),
        "{output:?}"
    );
}

/// The inner half of the test above; does nothing by itself.
#[tokio::test(flavor = "multi_thread")]
async fn within_softhsm() {
    if std::env::var_os(CONFIGURATION).is_none() {
        return;
    }
    make_key();
    let dir = tempfile::tempdir().unwrap();
    let pin_file = dir.path().join("pin");
    write_secret(&pin_file, &format!("{PIN}\n"));
    let device = |settings: &mut Settings| {
        settings.device_key = Some(DeviceKey {
            module: MODULE.into(),
            token_label: "affiant".to_owned(),
            key_label: "log".to_owned(),
            pin_file: pin_file.clone(),
        });
    };
    let mut world = World::start_with(device).await;
    assert!(!world.state().log_key().exists());
    let shown = fs_err::read_to_string(world.state().log_vkey()).unwrap();
    assert_eq!(shown.trim(), world.log_key().to_string());
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = [source.boot()];
    verified(
        &client.post_batch(&source.batch(&boot)).await,
        &world.log_key(),
        None,
        &boot,
    );
    assert!(logkey::prepare_rotation(&world.state()).is_err());
    world.stop().await;
    world.start_again_with(device).await;
    assert!(signs(&note(&world), &world.log_key()));
    println!("signed by a device");
}

fn make_key() {
    let module = Pkcs11::new(MODULE).unwrap();
    let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    module.initialize(flags).unwrap();
    let slot = module.get_slots_with_token().unwrap()[0];
    let so_pin = AuthPin::new("so-1234".to_owned().into());
    let pin = AuthPin::new(PIN.to_owned().into());
    module.init_token(slot, &so_pin, "affiant").unwrap();
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&so_pin)).unwrap();
    session.init_pin(&pin).unwrap();
    session.logout().unwrap();
    session.login(UserType::User, Some(&pin)).unwrap();
    let edwards25519 = b"\x13\x0cedwards25519".to_vec();
    let label = || Attribute::Label(b"log".to_vec());
    session
        .generate_key_pair(
            &Mechanism::EccEdwardsKeyPairGen,
            &[
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Verify(true),
                Attribute::EcParams(edwards25519),
                label(),
            ],
            &[Attribute::Token(true), Attribute::Sign(true), label()],
        )
        .unwrap();
    session.logout().unwrap();
}
