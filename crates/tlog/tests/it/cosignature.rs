//! Cosignatures: the signed bytes are those of the specification, and nobody else's are accepted.

use affiant_tlog::cosignature::{
    CosignError, CosignatureError, CosignerAlgorithm, CosignerKey, CosignerSigner, PosixTime,
};
use affiant_tlog::note::{KeyRef, ParseKeyError, Signature};
use affiant_tlog::{Note, SignerKey, VerifierKey};
use proptest::prelude::*;
use sha2::Digest as _;

use crate::world::{LOG, NOW, cosigned, log_key, name, signed, with_text, witness};

fn pq() -> CosignerSigner {
    CosignerSigner::ml_dsa_44(name("witness.example/pq"), &[9; 32]).unwrap()
}

fn both() -> [CosignerSigner; 2] {
    [witness(1), pq()]
}

#[test]
fn the_ed25519_message_is_that_of_the_specification() {
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let message = witness(1)
        .key()
        .message(text, PosixTime(1_679_315_147))
        .unwrap();
    assert_eq!(
        String::from_utf8(message).unwrap(),
        format!("cosignature/v1\ntime 1679315147\n{text}")
    );
}

#[test]
fn the_ml_dsa_message_is_that_of_the_specification() {
    let text = signed(5).text().to_owned();
    let root = crate::world::checkpoint(5).root;
    let message = pq().key().message(&text, PosixTime(0x0102)).unwrap();
    let expected = [
        b"subtree/v1\n\0".as_slice(),
        &[18],
        b"witness.example/pq",
        &[0, 0, 0, 0, 0, 0, 1, 2],
        &[16],
        LOG.as_bytes(),
        &[0; 8],
        &[0, 0, 0, 0, 0, 0, 0, 5],
        root.as_bytes(),
    ]
    .concat();
    assert_eq!(message, expected);
}

#[test]
fn key_ids_and_lengths_are_those_of_the_specification() {
    for (signer, type_byte, key_bytes, signature_bytes) in
        [(witness(1), 4_u8, 32, 8 + 64), (pq(), 6, 1312, 8 + 2420)]
    {
        let key = signer.key();
        assert_eq!(key.algorithm().type_byte(), type_byte);
        assert_eq!(key.public_key().len(), key_bytes);
        let digest = sha2::Sha256::new()
            .chain_update(key.name().as_str())
            .chain_update([b'\n', type_byte])
            .chain_update(key.public_key())
            .finalize();
        assert_eq!(key.key_ref().id.0.to_be_bytes(), digest[..4]);
        let signature = signer.cosign(signed(3).text(), NOW).unwrap();
        assert_eq!(signature.bytes().len(), signature_bytes);
        assert_eq!(signature.bytes()[..8], NOW.0.to_be_bytes());
    }
}

#[test]
fn the_ed25519_signature_is_one_that_the_plain_algorithm_accepts() {
    // A judge that knows no notes: the signature is over the message and nothing else.
    let signer = witness(1);
    let note = signed(3);
    let signature = signer.cosign(note.text(), NOW).unwrap();
    let key = ed25519_dalek::VerifyingKey::try_from(signer.key().public_key()).unwrap();
    let raw = ed25519_dalek::Signature::from_slice(&signature.bytes()[8..]).unwrap();
    let message = format!("cosignature/v1\ntime {NOW}\n{}", note.text());
    key.verify_strict(message.as_bytes(), &raw).unwrap();
}

#[test]
fn cosignatures_are_found_under_a_checkpoint() {
    let [ed, pq] = both();
    let note = cosigned(signed(3), &[&ed, &pq]);
    let read = Note::parse(&note.to_bytes()).unwrap();
    assert_eq!(ed.key().verify_in(&read), Ok(Some(NOW)));
    assert_eq!(pq.key().verify_in(&read), Ok(Some(NOW)));
    assert_eq!(witness(2).key().verify_in(&read), Ok(None));
    // Cosignatures do not disturb who knows the log's key alone.
    assert!(affiant_tlog::Checkpoint::open(&read, log_key().verifier_key()).is_ok());
}

#[test]
fn of_several_lines_by_one_key_each_must_be_good_and_the_latest_counts() {
    let signer = witness(1);
    let note = cosigned(signed(3), &[&signer]);
    let later = signer.cosign(note.text(), PosixTime(NOW.0 + 1)).unwrap();
    let twice = Note::parse(format!("{note}{later}\n").as_bytes()).unwrap();
    assert_eq!(
        signer.key().verify_in(&twice),
        Ok(Some(PosixTime(NOW.0 + 1)))
    );
    let other = signer.cosign(signed(4).text(), NOW).unwrap();
    let bad = Note::parse(format!("{note}{other}\n").as_bytes()).unwrap();
    assert!(matches!(
        signer.key().verify_in(&bad),
        Err(CosignatureError::BadSignature { .. })
    ));
}

#[test]
fn a_cosignature_is_for_one_checkpoint_one_time_and_one_key() {
    for signer in both() {
        let note = cosigned(signed(3), &[&signer]);
        let other = with_text(&note, "\n3\n", "\n4\n");
        assert!(signer.key().verify_in(&other).is_err());

        let mut bytes = signer.cosign(note.text(), NOW).unwrap().bytes().to_vec();
        bytes[7] ^= 1;
        let moved = Signature::new(signer.key().key_ref().clone(), bytes);
        assert!(signer.key().verify(note.text(), &moved).is_err());
    }
    // ML-DSA-44 covers the name; a key with another name does not accept it under that name's id.
    let renamed = CosignerSigner::ml_dsa_44(name("witness.example/other"), &[9; 32]).unwrap();
    let signature = pq().cosign(signed(3).text(), NOW).unwrap();
    let moved = Signature::new(renamed.key().key_ref().clone(), signature.bytes().to_vec());
    assert!(renamed.key().verify(signed(3).text(), &moved).is_err());
}

#[test]
fn a_log_signature_is_no_cosignature_of_the_same_key() {
    // One seed as a log key and as a witness key: neither signature passes for the other.
    let (log, both) = (
        SignerKey::from_seed(name(LOG), &[1; 32]),
        CosignerSigner::ed25519(name(LOG), &[1; 32]),
    );
    let note = signed(3);
    let raw = note.signatures()[0].bytes();
    let timed = [&NOW.0.to_be_bytes()[..], raw].concat();
    let posing = Signature::new(both.key().key_ref().clone(), timed);
    assert!(both.key().verify(note.text(), &posing).is_err());
    assert_ne!(log.key_ref(), both.key().key_ref());
}

#[test]
fn only_checkpoints_are_cosigned_and_only_at_times_that_exist() {
    let text = signed(3).text().to_owned();
    for signer in both() {
        assert!(matches!(
            signer.cosign("affiant.dev/seal/v1\n", NOW),
            Err(CosignError::Checkpoint(_))
        ));
        let found = PosixTime(1 << 63);
        assert_eq!(
            signer.cosign(&text, found),
            Err(CosignError::Time { found })
        );
        assert!(signer.cosign(&text, PosixTime((1 << 63) - 1)).is_ok());
    }
    let long = name(&"n".repeat(256));
    let signer = CosignerSigner::ml_dsa_44(long.clone(), &[1; 32]).unwrap();
    assert!(matches!(
        signer.cosign(&text, NOW),
        Err(CosignError::NameTooLong { found_bytes: 256 })
    ));
    assert!(
        CosignerSigner::ed25519(long, &[1; 32])
            .cosign(&text, NOW)
            .is_ok()
    );
}

#[test]
fn keys_come_back_from_their_text_and_nothing_else_does() {
    for signer in both() {
        let text = signer.key().to_string();
        assert_eq!(text.parse::<CosignerKey>().as_ref(), Ok(signer.key()));
        let secret = signer.to_secret_text();
        let back: CosignerSigner = secret.parse().unwrap();
        assert_eq!(back.key(), signer.key());
        assert!(!format!("{signer:?} {signer}").contains(&secret[secret.len() - 20..]));
        // A log key is not a witness key, and the other way round.
        assert!(matches!(
            text.parse::<VerifierKey>(),
            Err(ParseKeyError::UnknownType { .. })
        ));
        assert!(matches!(
            secret.parse::<SignerKey>(),
            Err(ParseKeyError::UnknownType { .. })
        ));
        let renamed = text.replace("witness.", "witless.");
        assert!(matches!(
            renamed.parse::<CosignerKey>(),
            Err(ParseKeyError::IdMismatch { .. })
        ));
    }
    let log = log_key().verifier_key().to_string();
    assert_eq!(
        log.parse::<CosignerKey>(),
        Err(ParseKeyError::UnknownType { found: 1 })
    );
    for (algorithm, bytes) in [
        (CosignerAlgorithm::Ed25519, 31),
        (CosignerAlgorithm::MlDsa44, 1311),
        (CosignerAlgorithm::MlDsa44, 1313),
    ] {
        let key = CosignerKey::new(name("w"), algorithm, &vec![1; bytes]);
        assert_eq!(key, Err(ParseKeyError::Length));
    }
    // The neutral element: everybody can sign for it.
    let mut weak = [0; 32];
    weak[0] = 1;
    let key = CosignerKey::new(name("w"), CosignerAlgorithm::Ed25519, &weak);
    assert_eq!(key, Err(ParseKeyError::WeakKey));
}

#[test]
fn keys_of_the_public_witness_network_are_read() {
    for (vkey, id) in [
        (
            "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
            0x67f7_aea0,
        ),
        (
            "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
            0xd804_2a87,
        ),
    ] {
        let key: CosignerKey = vkey.parse().unwrap();
        assert_eq!(key.key_ref().id.0, id);
        assert_eq!(key.to_string(), vkey);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_flipped_bit_is_refused(at: prop::sample::Index, bit in 0..8_u32, is_pq: bool) {
        let signer = if is_pq { pq() } else { witness(1) };
        let note = signed(3);
        let good = signer.cosign(note.text(), NOW).unwrap();
        let mut bytes = good.bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let bad = Signature::new(good.key_ref().clone(), bytes);
        prop_assert!(signer.key().verify(note.text(), &bad).is_err());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 1..100)) {
        for signer in both() {
            let key: KeyRef = signer.key().key_ref().clone();
            let signature = Signature::new(key, bytes.clone());
            prop_assert!(signer.key().verify(signed(3).text(), &signature).is_err());
        }
    }
}
