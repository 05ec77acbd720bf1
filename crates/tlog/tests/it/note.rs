//! Notes as attacks and accidents leave them.

use affiant_tlog::note::{
    self, KeyName, MAX_NOTE_BYTES, MAX_SIGNATURES, ParseNoteError, SignError, SignatureLineError,
    VerifyError,
};
use affiant_tlog::{Note, SignerKey, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const TEXT: &str = "affiant.example/test\nbody\n";

fn key(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), &[seed; 32])
}

fn verifier(key: &SignerKey) -> VerifierKey {
    key.verifier_key().clone()
}

/// A signature line for this key with these bytes as signature.
fn line(key: &SignerKey, signature: &[u8]) -> String {
    let keyed = [&key.key_id().0.to_be_bytes(), signature].concat();
    format!("— {} {}\n", key.name(), STANDARD.encode(keyed))
}

/// Parses and verifies; parsing must succeed.
fn verdict(bytes: &str, known: &[VerifierKey]) -> Result<usize, VerifyError> {
    let note = Note::parse(bytes.as_bytes()).unwrap();
    note::verify(&note, known).map(|verified| verified.signatures().len())
}

fn check_malformed(bytes: impl AsRef<[u8]>, expected: ParseNoteError) {
    assert_eq!(Note::parse(bytes.as_ref()), Err(expected));
}

fn check_malformed_line(line: &str, cause: SignatureLineError) {
    check_malformed(
        format!("text\n\n{line}\n"),
        ParseNoteError::SignatureLine { number: 1, cause },
    );
}

#[test]
fn signatures_by_unknown_keys_are_ignored() {
    let (ours, theirs) = (key("ours", 1), key("theirs", 2));
    let mut note = Note::sign(TEXT, &theirs).unwrap();
    note.add_signature(&ours).unwrap();
    let verified = note::verify(&note, &[verifier(&ours)]).unwrap();
    assert_eq!(verified.text(), TEXT);
    assert_eq!(verified.signatures().len(), 1);
    assert!(verified.is_signed_by(ours.key_ref()));
    assert!(!verified.is_signed_by(theirs.key_ref()));
}

#[test]
fn unknown_key_is_not_a_bad_signature() {
    let (ours, theirs) = (key("ours", 1), key("theirs", 2));
    let note = Note::sign(TEXT, &theirs).unwrap();
    let unknown = VerifyError::UnknownKey {
        found: vec![theirs.key_ref().clone()],
    };
    assert_eq!(
        note::verify(&note, &[verifier(&ours)]),
        Err(unknown.clone())
    );
    assert_eq!(note::verify(&note, &[]), Err(unknown));
}

#[test]
fn same_name_with_another_key_is_unknown() {
    let (known, imposter) = (key("gw-7", 1), key("gw-7", 2));
    let note = Note::sign(TEXT, &imposter).unwrap();
    let verdict = note::verify(&note, &[verifier(&known)]);
    assert!(matches!(verdict, Err(VerifyError::UnknownKey { .. })));
}

#[test]
fn forged_signature_under_a_known_name_and_id_is_bad() {
    let known = key("gw-7", 1);
    let bad = Err(VerifyError::BadSignature {
        key: known.key_ref().clone(),
    });
    for forged in [vec![0; 64], vec![0; 63], vec![0; 65], vec![1]] {
        let bytes = format!("{TEXT}\n{}", line(&known, &forged));
        assert_eq!(verdict(&bytes, &[verifier(&known)]), bad);
    }
}

#[test]
fn one_bad_signature_by_a_known_key_spoils_the_note() {
    let (first, second) = (key("first", 1), key("second", 2));
    let good = String::from_utf8(note::sign(TEXT, &first).unwrap()).unwrap();
    let bytes = format!("{good}{}", line(&second, &[7; 64]));
    let known = [verifier(&first), verifier(&second)];
    let bad = VerifyError::BadSignature {
        key: second.key_ref().clone(),
    };
    assert_eq!(verdict(&bytes, &known), Err(bad));
    assert_eq!(
        verdict(&bytes, &known[..1]),
        Ok(1),
        "the second key is unknown here"
    );
}

#[test]
fn two_lines_by_one_key_count_once_and_must_both_be_good() {
    let key = key("twice", 1);
    let once = String::from_utf8(note::sign(TEXT, &key).unwrap()).unwrap();
    let own_line = once.strip_prefix(TEXT).unwrap().trim_start();
    assert_eq!(
        verdict(&format!("{once}{own_line}"), &[verifier(&key)]),
        Ok(1)
    );
    let spoiled = format!("{once}{}", line(&key, &[7; 64]));
    assert!(matches!(
        verdict(&spoiled, &[verifier(&key)]),
        Err(VerifyError::BadSignature { .. })
    ));
}

#[test]
fn signature_made_larger_by_the_group_order_is_bad() {
    // RFC 8032 section 5.1.7: S must be below L, or one signature had many spellings.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = key("malleable", 3);
    let note = Note::sign(TEXT, &key).unwrap();
    let mut signature = note.signatures()[0].bytes().to_vec();
    let mut carry = 0_u16;
    for (byte, order) in signature[32..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(order);
        [*byte, _] = carry.to_le_bytes();
        carry >>= 8;
    }
    assert!(matches!(
        verdict(
            &format!("{TEXT}\n{}", line(&key, &signature)),
            &[verifier(&key)]
        ),
        Err(VerifyError::BadSignature { .. })
    ));
}

#[test]
fn key_given_twice_is_no_ambiguity() {
    let key = key("same", 1);
    let note = Note::sign(TEXT, &key).unwrap();
    assert!(note::verify(&note, &[verifier(&key), verifier(&key)]).is_ok());
}

/// Two keys of one name and id: by the birthday bound anybody finds such a pair in seconds.
fn colliding_keys() -> [SignerKey; 2] {
    [60_653_u64, 68_904].map(|number| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        SignerKey::from_seed(KeyName::new("collision.example").unwrap(), &seed)
    })
}

#[test]
fn colliding_key_id_gives_a_bad_signature_and_nothing_more() {
    let [known, imposter] = colliding_keys();
    assert_eq!(known.key_ref(), imposter.key_ref());
    assert_ne!(known.verifier_key(), imposter.verifier_key());
    let note = Note::sign(TEXT, &imposter).unwrap();
    let bad = VerifyError::BadSignature {
        key: known.key_ref().clone(),
    };
    assert_eq!(note::verify(&note, &[verifier(&known)]), Err(bad));
}

#[test]
fn known_keys_that_collide_are_ambiguous() {
    let [first, second] = colliding_keys();
    let note = Note::sign(TEXT, &first).unwrap();
    let ambiguous = VerifyError::AmbiguousKey {
        key: first.key_ref().clone(),
    };
    assert_eq!(
        note::verify(&note, &[verifier(&first), verifier(&second)]),
        Err(ambiguous)
    );
}

#[test]
fn text_may_hold_empty_lines_and_what_looks_like_signatures() {
    let key = key("outer", 1);
    let inner = String::from_utf8(note::sign(TEXT, &key).unwrap()).unwrap();
    for text in [
        "\n",
        "\n\n",
        "a\n\n",
        "a\n\nb\n",
        "— not a signature\n",
        inner.as_str(),
    ] {
        let bytes = note::sign(text, &key).unwrap();
        let note = Note::parse(&bytes).unwrap();
        assert_eq!(note.text(), text);
        assert_eq!(note.signatures().len(), 1);
        assert_eq!(note::verify(&note, &[verifier(&key)]).unwrap().text(), text);
    }
}

#[test]
fn text_that_the_format_cannot_carry_is_not_signed() {
    let key = key("k", 1);
    assert_eq!(note::sign("", &key), Err(SignError::NoFinalNewline));
    assert_eq!(note::sign("cut", &key), Err(SignError::NoFinalNewline));
    assert_eq!(
        note::sign("a\tb\n", &key),
        Err(SignError::ControlCharacter { offset: 1 })
    );
    assert_eq!(
        note::sign("a\r\n", &key),
        Err(SignError::ControlCharacter { offset: 1 })
    );
    let large = "x".repeat(MAX_NOTE_BYTES - 1) + "\n";
    assert!(matches!(
        note::sign(&large, &key),
        Err(SignError::TooLarge { .. })
    ));
}

#[test]
fn largest_note_is_made_and_read() {
    let key = key("k", 1);
    let overhead_bytes = note::sign("\n", &key).unwrap().len() - 1;
    let text = "x".repeat(MAX_NOTE_BYTES - overhead_bytes - 1) + "\n";
    let bytes = note::sign(&text, &key).unwrap();
    assert_eq!(bytes.len(), MAX_NOTE_BYTES);
    assert_eq!(Note::parse(&bytes).unwrap().text(), text);
    let found_bytes = MAX_NOTE_BYTES + 1;
    check_malformed(
        [bytes.as_slice(), b"\n"].concat(),
        ParseNoteError::TooLarge { found_bytes },
    );
}

#[test]
fn as_many_signatures_as_allowed_and_no_more() {
    let key = key("k", 1);
    let mut note = Note::sign(TEXT, &key).unwrap();
    let mut bytes = note.to_string();
    for _ in 1..MAX_SIGNATURES {
        bytes += &line(&key, &[7; 64]);
    }
    assert_eq!(
        Note::parse(bytes.as_bytes()).unwrap().signatures().len(),
        MAX_SIGNATURES
    );
    bytes += &line(&key, &[7; 64]);
    check_malformed(&bytes, ParseNoteError::TooManySignatures);

    for number in 1..MAX_SIGNATURES {
        let name = KeyName::new(&format!("k{number}")).unwrap();
        note.add_signature(&SignerKey::from_seed(name, &[2; 32]))
            .unwrap();
    }
    let full = note.clone();
    let one_more = SignerKey::from_seed(KeyName::new("more").unwrap(), &[3; 32]);
    assert_eq!(
        note.add_signature(&one_more),
        Err(SignError::TooManySignatures)
    );
    assert_eq!(note, full);
    note.add_signature(&key).unwrap();
    assert_eq!(
        note.signatures().len(),
        MAX_SIGNATURES,
        "signing again replaces"
    );
}

#[test]
fn malformed_notes_are_told_apart() {
    check_malformed("", ParseNoteError::NoSignatures);
    check_malformed("text\n", ParseNoteError::NoSignatures);
    check_malformed("text\n\n", ParseNoteError::NoSignatures);
    check_malformed("\n— k AAAAAAA=\n", ParseNoteError::NoSignatures);
    check_malformed("text\n\n— k AAAAAAA=", ParseNoteError::Truncated);
    check_malformed(b"te\xffxt\n\n", ParseNoteError::NotUtf8 { offset: 2 });
    check_malformed("te\0xt\n\n", ParseNoteError::ControlCharacter { offset: 2 });
    check_malformed(
        "text\r\n\r\n",
        ParseNoteError::ControlCharacter { offset: 4 },
    );
    check_malformed(
        "text\n\n— k AAAAAAA=\nx\n",
        ParseNoteError::SignatureLine {
            number: 2,
            cause: SignatureLineError::Layout,
        },
    );
}

#[test]
fn malformed_signature_lines_are_told_apart() {
    use affiant_tlog::note::KeyNameError;

    check_malformed_line("- k AAAAAAA=", SignatureLineError::Layout);
    check_malformed_line("—k AAAAAAA=", SignatureLineError::Layout);
    check_malformed_line("—\u{a0}k AAAAAAA=", SignatureLineError::Layout);
    check_malformed_line("— k", SignatureLineError::Layout);
    check_malformed_line("—  AAAAAAA=", SignatureLineError::Name(KeyNameError::Empty));
    check_malformed_line(
        "— a+b AAAAAAA=",
        SignatureLineError::Name(KeyNameError::Character { found: '+' }),
    );
    check_malformed_line("— k ", SignatureLineError::Length { found_bytes: 0 });
    check_malformed_line(
        "— k AAAAAA==",
        SignatureLineError::Length { found_bytes: 4 },
    );
    for base64 in ["AAAAAAA", "AAAAAAB=", "AAAAAAA= ", "AAAA-AA=", "AAAAAAA=="] {
        check_malformed_line(&format!("— k {base64}"), SignatureLineError::Base64);
    }
}

#[test]
fn errors_say_what_happened_in_one_line() {
    let (ours, theirs) = (key("ours.example", 1), key("theirs.example", 2));
    let mut note = Note::sign(TEXT, &theirs).unwrap();
    let unknown = note::verify(&note, &[verifier(&ours)]).unwrap_err();
    let expected = format!(
        "note is signed by no known key, only by {}",
        theirs.key_ref()
    );
    assert_eq!(unknown.to_string(), expected);

    note.add_signature(&ours).unwrap();
    let forged = note.to_string().replace("body", "Body");
    let bad = verdict(&forged, &[verifier(&ours)]).unwrap_err();
    assert_eq!(
        bad.to_string(),
        format!("signature by {} does not fit the text", ours.key_ref())
    );
}

proptest! {
    #[test]
    fn any_text_comes_back(
        text in "[^\\x00-\\x1f]{0,40}(\n[^\\x00-\\x1f]{0,10}){0,4}\n",
        seed: [u8; 32],
    ) {
        let key = SignerKey::from_seed(KeyName::new("any.example").unwrap(), &seed);
        let bytes = note::sign(&text, &key).unwrap();
        let note = Note::parse(&bytes).unwrap();
        prop_assert_eq!(note.to_bytes(), bytes);
        prop_assert_eq!(note::verify(&note, &[verifier(&key)]).unwrap().text(), text);
    }

    #[test]
    fn any_changed_byte_is_refused(at: prop::sample::Index, to: u8) {
        let key = key("gw-7", 5);
        let bytes = note::sign(TEXT, &key).unwrap();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = to;
        prop_assume!(changed != bytes);
        if let Ok(note) = Note::parse(&changed) {
            prop_assert!(note::verify(&note, &[verifier(&key)]).is_err());
        }
    }

    #[test]
    fn any_cut_is_refused(at: prop::sample::Index) {
        let bytes = note::sign(TEXT, &key("gw-7", 5)).unwrap();
        prop_assert!(Note::parse(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn no_bytes_panic_the_parser(bytes: Vec<u8>) {
        let _ = Note::parse(&bytes);
    }

    #[test]
    fn what_parses_is_written_back_to_the_byte(
        bytes in "[a\n— ]{0,8}\n\n(— a{1,3} (AAAAAAA=|[AB=]{0,9})\n){0,3}",
    ) {
        if let Ok(note) = Note::parse(bytes.as_bytes()) {
            prop_assert_eq!(note.to_string(), bytes);
        }
    }
}
