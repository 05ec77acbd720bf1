//! A log whose key lies in SoftHSM.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use affiant_log::store::MemStore;
use affiant_log::{CheckpointSigner, Pkcs11Key, Pkcs11Signer, SignerError};
use affiant_tlog::note::KeyName;
use affiant_tlog::{Checkpoint, Note};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

use crate::support::{NAME, leaves, open_mem_with, options};

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
    let tokens = dir.path().join("tokens");
    fs_err::create_dir(&tokens).unwrap();
    let configuration = dir.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\n",
        tokens.display()
    );
    fs_err::write(&configuration, text).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pkcs11::within_softhsm", "--nocapture"])
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
#[test]
fn within_softhsm() {
    if std::env::var_os(CONFIGURATION).is_none() {
        return;
    }
    make_key();
    let open = |token, label, pin: &str| {
        let key = Pkcs11Key {
            module: Path::new(MODULE),
            token,
            label,
        };
        Pkcs11Signer::open(&key, pin.to_owned(), KeyName::new(NAME).unwrap())
    };
    assert!(matches!(
        open("other", "log", PIN),
        Err(SignerError::Device { .. })
    ));
    assert!(matches!(
        open("affiant", "other", PIN),
        Err(SignerError::Device { .. })
    ));
    let signer = open("affiant", "log", PIN).unwrap();
    assert!(!format!("{signer:?}").contains(PIN));
    let key = signer.verifier_key().clone();
    let mut options = options(1);
    options.signer = Arc::new(signer);
    let store = MemStore::new();
    let log = open_mem_with(&store, options.clone()).unwrap();
    let head = log.submit(leaves(0, 300)).wait().unwrap().head;
    let note = Note::parse(&head.note).unwrap();
    assert_eq!(Checkpoint::open(&note, &key).unwrap().size.0, 300);
    log.close();
    // A restart signs the same head with the same bytes.
    store.tamper("checkpoint", None);
    let log = open_mem_with(&store, options).unwrap();
    assert_eq!(log.head(), head);
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
