//! `signed_note`, Cloudflare's port of Go's `sumdb/note`, as a judge of our notes and keys.

use affiant_tlog::note::{self, KeyName};
use affiant_tlog::{Note, SignerKey, VerifierKey};
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};

const NAME: &str = "[a-zé./-]{1,24}";
const TEXT: &str = "[ -~é—]{0,60}\n([ -~]{0,20}\n){0,4}";

fn key(name: &str, seed: &[u8; 32]) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), seed)
}

/// Whether the judge accepts these bytes as signed by this key.
fn judge_accepts(bytes: &[u8], vkey: &str) -> bool {
    let verifier = StandardVerifier::new(vkey).unwrap();
    signed_note::Note::from_bytes(bytes).is_ok_and(|note| {
        note.verify(&VerifierList::new(vec![Box::new(verifier)]))
            .is_ok()
    })
}

/// Whether we do.
fn we_accept(bytes: &[u8], vkey: &str) -> bool {
    let verifier: VerifierKey = vkey.parse().unwrap();
    Note::parse(bytes).is_ok_and(|note| note::verify(&note, &[verifier]).is_ok())
}

/// A note by the judge, from our key's text.
fn judge_signs(text: &str, skeys: &[&str]) -> Vec<u8> {
    let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    for skey in skeys {
        note.add_sigs(&[&StandardSigner::new(skey).unwrap()])
            .unwrap();
    }
    note.to_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_make_the_same_note(name in NAME, text in TEXT, seed: [u8; 32]) {
        let key = key(&name, &seed);
        let ours = note::sign(&text, &key).unwrap();
        prop_assert_eq!(&ours, &judge_signs(&text, &[&key.to_secret_text()]));
        let vkey = key.verifier_key().to_string();
        prop_assert!(judge_accepts(&ours, &vkey));
        prop_assert!(we_accept(&ours, &vkey));
    }

    #[test]
    fn both_make_the_same_note_with_two_keys(text in TEXT, first: [u8; 32], second: [u8; 32]) {
        let (first, second) = (key("old.example", &first), key("new.example", &second));
        let mut ours = Note::sign(&text, &first).unwrap();
        ours.add_signature(&second).unwrap();
        let theirs = judge_signs(&text, &[&first.to_secret_text(), &second.to_secret_text()]);
        prop_assert_eq!(ours.to_bytes(), theirs);
        for key in [first, second] {
            prop_assert!(judge_accepts(&ours.to_bytes(), &key.verifier_key().to_string()));
        }
    }

    #[test]
    fn both_refuse_a_changed_byte(text in TEXT, seed: [u8; 32], at: prop::sample::Index, to: u8) {
        let key = key("gw-7", &seed);
        let vkey = key.verifier_key().to_string();
        let mut bytes = note::sign(&text, &key).unwrap();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        prop_assert!(!judge_accepts(&bytes, &vkey));
        prop_assert!(!we_accept(&bytes, &vkey));
    }

    #[test]
    fn both_read_the_same_notes(
        bytes in "[a\n— ]{0,8}\n?\n(— [a+ ]?a{0,2} (AAAAAAA=|[AB=]{0,9})\n?){0,3}",
    ) {
        let theirs = signed_note::Note::from_bytes(bytes.as_bytes());
        let ours = Note::parse(bytes.as_bytes());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.text().as_bytes(), theirs.text());
        }
    }

    #[test]
    fn both_read_the_same_verifier_keys(seed: [u8; 32], at: prop::sample::Index, to in "[ -~]") {
        let vkey = key("gw-7", &seed).verifier_key().to_string();
        let at = at.index(vkey.len());
        let changed = format!("{}{to}{}", &vkey[..at], &vkey[at + 1..]);
        let theirs = StandardVerifier::new(&changed).is_ok();
        // Ours has one spelling of the id, theirs reads upper case as well.
        let ours = changed.parse::<VerifierKey>().is_ok();
        let is_respelled = changed != vkey && changed.eq_ignore_ascii_case(&vkey);
        prop_assert!(ours == theirs || (is_respelled && theirs), "{}", changed);
    }
}
