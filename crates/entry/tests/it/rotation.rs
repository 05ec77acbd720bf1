//! Rotation notes and the trust they carry.

use affiant_entry::rotation::{RotationError, Trust};
use affiant_entry::{Rotation, SourceId};
use affiant_tlog::note::{KeyName, Note, SignerKey};

use crate::world::{NOW_US, SOURCE, key, vkey};

fn rotation(old: u8, new: u8) -> Rotation {
    Rotation {
        source: SourceId::new(SOURCE).unwrap(),
        old: vkey(old),
        new: vkey(new),
        utc_us: NOW_US,
    }
}

#[test]
fn a_note_by_both_keys_reads_back() {
    let note = rotation(1, 2).sign(&key(1), &key(2)).unwrap();
    assert_eq!(Rotation::parse(&note).unwrap(), rotation(1, 2));
}

#[test]
fn a_note_by_one_key_links_nothing() {
    for signer in [1, 2] {
        let note = Note::sign(&rotation(1, 2).to_text(), &key(signer))
            .unwrap()
            .to_string();
        assert!(matches!(
            Rotation::parse(&note),
            Err(RotationError::Signers)
        ));
        assert!(!Trust::new([vkey(1)]).with_rotations(&note).trusts(&vkey(2)));
    }
}

#[test]
fn a_third_signature_is_refused() {
    let mut note = Note::sign(&rotation(1, 2).to_text(), &key(1)).unwrap();
    note.add_signature(&key(2)).unwrap();
    note.add_signature(&key(3)).unwrap();
    assert!(matches!(
        Rotation::parse(&note.to_string()),
        Err(RotationError::Signers)
    ));
}

#[test]
fn only_the_keys_named_may_sign() {
    assert!(matches!(
        rotation(1, 1).sign(&key(1), &key(1)),
        Err(RotationError::SameKey)
    ));
    assert!(matches!(
        rotation(1, 2).sign(&key(2), &key(1)),
        Err(RotationError::Signers)
    ));
    let stranger = SignerKey::from_seed(KeyName::new("gw-8").unwrap(), &[2; 32]);
    let other = Rotation {
        new: stranger.verifier_key().clone(),
        ..rotation(1, 2)
    };
    assert!(matches!(
        other.sign(&key(1), &stranger),
        Err(RotationError::KeyName { .. })
    ));
}

#[test]
fn trust_reaches_along_notes_in_any_order_and_no_further() {
    let step = |old, new| rotation(old, new).sign(&key(old), &key(new)).unwrap();
    let notes = step(3, 4) + &step(2, 3) + &step(1, 2) + &step(7, 8);
    for pinned in 1..=4 {
        let trust = Trust::new([vkey(pinned)]).with_rotations(&notes);
        let trusted: Vec<u8> = (1..=8).filter(|seed| trust.trusts(&vkey(*seed))).collect();
        assert_eq!(trusted, [1, 2, 3, 4], "pinned {pinned}");
    }
}
