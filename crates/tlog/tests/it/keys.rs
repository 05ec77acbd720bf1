//! Names, ids and the two key formats.

use affiant_tlog::note::{KeyName, KeyNameError, ParseKeyError, SignError, Signature};
use affiant_tlog::{Note, SignerKey, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use sha2::Digest as _;

const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

/// A verifier key text with a correct id, whatever the type byte and key.
fn vkey_text(name: &str, typed: &[u8]) -> String {
    let id = sha2::Sha256::digest([name.as_bytes(), b"\n", typed].concat());
    format!(
        "{name}+{}+{}",
        hex::encode(&id[..4]),
        STANDARD.encode(typed)
    )
}

fn check_verifier(text: &str, expected: ParseKeyError) {
    assert_eq!(text.parse::<VerifierKey>(), Err(expected), "{text}");
}

#[test]
fn names_that_the_format_cannot_carry_are_refused() {
    assert_eq!(KeyName::new(""), Err(KeyNameError::Empty));
    for found in [
        ' ', '+', '\n', '\t', '\r', '\0', '\u{1f}', '\u{a0}', '\u{85}', '\u{2003}', '\u{3000}',
    ] {
        assert_eq!(
            KeyName::new(&format!("a{found}b")),
            Err(KeyNameError::Character { found })
        );
    }
    for good in ["a", "log.example/eu-1", "è", "—", "\u{200b}"] {
        assert_eq!(KeyName::new(good).unwrap().as_str(), good);
    }
}

#[test]
fn malformed_verifier_keys_are_told_apart() {
    check_verifier("", ParseKeyError::Layout);
    check_verifier("PeterNeumann+c74f20a3", ParseKeyError::Layout);
    check_verifier(
        &VKEY.replace("PeterNeumann", ""),
        ParseKeyError::Name(KeyNameError::Empty),
    );
    check_verifier(
        &VKEY.replace("PeterNeumann", "Peter Neumann"),
        ParseKeyError::Name(KeyNameError::Character { found: ' ' }),
    );
    for id in [
        "",
        "c74f20a",
        "c74f20a30",
        "C74F20A3",
        "c74f20ag",
        "0xc74f20",
        "-74f20a3",
    ] {
        check_verifier(&VKEY.replace("c74f20a3", id), ParseKeyError::KeyId);
    }
    check_verifier(&format!("{VKEY}\n"), ParseKeyError::Base64);
    check_verifier(&format!("{VKEY}="), ParseKeyError::Base64);
    check_verifier("a+00000000+", ParseKeyError::Length);
    check_verifier(&vkey_text("a", &[1; 32]), ParseKeyError::Length);
    check_verifier(&vkey_text("a", &[1; 34]), ParseKeyError::Length);
    check_verifier(
        &vkey_text("a", &[4; 33]),
        ParseKeyError::UnknownType { found: 4 },
    );
}

#[test]
fn key_of_another_name_or_id_is_refused() {
    let renamed = VKEY
        .replace("PeterNeumann", "PeterNewmann")
        .parse::<VerifierKey>();
    assert!(matches!(renamed, Err(ParseKeyError::IdMismatch { .. })));
    let renumbered = VKEY.replace("c74f20a3", "c74f20a4").parse::<VerifierKey>();
    assert!(matches!(renumbered, Err(ParseKeyError::IdMismatch { .. })));
    let signer = SKEY.replace("c74f20a3", "c74f20a4").parse::<SignerKey>();
    assert!(matches!(signer, Err(ParseKeyError::IdMismatch { .. })));
}

#[test]
fn public_keys_for_which_anybody_can_sign_are_refused() {
    // The eight points of small order (RFC 7748 section 7 and "Taming the many EdDSAs", table 1c).
    let small_order = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ];
    for point in small_order {
        let typed = [vec![1], hex::decode(point).unwrap()].concat();
        check_verifier(&vkey_text("weak.example", &typed), ParseKeyError::WeakKey);
    }
    // y = 2 is no point of the curve.
    let mut off_curve = [0; 33];
    (off_curve[0], off_curve[1]) = (1, 2);
    check_verifier(
        &vkey_text("weak.example", &off_curve),
        ParseKeyError::WeakKey,
    );
}

#[test]
fn malformed_signer_keys_are_told_apart_without_their_seed() {
    let long = vkey_text("a", &[1; 34]);
    let cases = [
        (VKEY.to_owned(), ParseKeyError::Layout),
        (
            SKEY.replace("PRIVATE+KEY+", "PRIVATE+"),
            ParseKeyError::Layout,
        ),
        (format!("{SKEY}\n"), ParseKeyError::Base64),
        ("PRIVATE+KEY+a+00000000+".to_owned(), ParseKeyError::Length),
        (format!("PRIVATE+KEY+{long}"), ParseKeyError::Length),
        (
            SKEY.replace("+AYEK", "+AoEK"),
            ParseKeyError::UnknownType { found: 2 },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<SignerKey>().unwrap_err(), expected);
    }
}

#[test]
fn signer_key_shows_its_name_and_never_its_seed() {
    let key: SignerKey = SKEY.parse().unwrap();
    assert_eq!(format!("{key}"), "PeterNeumann+c74f20a3");
    assert_eq!(
        format!("{key:?}"),
        "SignerKey(PeterNeumann+c74f20a3, seed withheld)"
    );
    assert_eq!(
        format!("{key:#?}"),
        "SignerKey(PeterNeumann+c74f20a3, seed withheld)"
    );
}

proptest! {
    #[test]
    fn keys_read_back_as_written(name in "[a-z.é/]{1,20}", seed: [u8; 32]) {
        let key = SignerKey::from_seed(KeyName::new(&name).unwrap(), &seed);
        let again: SignerKey = key.to_secret_text().parse().unwrap();
        prop_assert_eq!(again.verifier_key(), key.verifier_key());
        prop_assert_eq!(again.to_secret_text(), key.to_secret_text());
        let public: VerifierKey = key.verifier_key().to_string().parse().unwrap();
        prop_assert_eq!(&public, key.verifier_key());
        prop_assert_eq!(public.public_key(), key.verifier_key().public_key());
    }

    #[test]
    fn no_text_panics_the_key_parsers(text in "(PRIVATE\\+KEY\\+)?\\PC{0,5}\\+?[0-9a-f]{0,9}\\+?[A-Za-z0-9+/=]{0,50}") {
        let _ = text.parse::<SignerKey>();
        let _ = text.parse::<VerifierKey>();
    }
}

/// What a token or key service gives back is a raw signature; the note is put together around it.
#[test]
fn a_signature_made_elsewhere_is_put_on_a_note() {
    let key: SignerKey = SKEY.parse().unwrap();
    let text = "one line\n";
    let made = Note::sign(text, &key).unwrap();
    let raw = made.signatures()[0].bytes();
    assert!(key.verifier_key().accepts(text, raw));
    assert!(!key.verifier_key().accepts("another\n", raw));
    assert!(!key.verifier_key().accepts(text, &raw[1..]));

    let signature = Signature::new(key.key_ref().clone(), raw.to_vec());
    assert_eq!(
        Note::from_parts(text, signature.clone()).as_ref(),
        Ok(&made)
    );
    assert_eq!(
        Signature::parse(&signature.to_string()),
        Ok(signature.clone())
    );
    let mut again = made.clone();
    again.attach(signature.clone()).unwrap();
    assert_eq!(again, made);
    assert_eq!(
        Note::from_parts("no newline", signature.clone()),
        Err(SignError::NoFinalNewline)
    );
    assert_eq!(
        Note::from_parts("a\tb\n", signature),
        Err(SignError::ControlCharacter { offset: 1 })
    );
}
