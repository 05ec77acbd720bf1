//! Checkpoints: one spelling each, and only the log's own are opened.

use affiant_tlog::checkpoint::{
    ORIGIN_BYTES_MAX, OpenCheckpointError, Origin, OriginError, ParseCheckpointError,
};
use affiant_tlog::{Checkpoint, Hash, Note, SignerKey, TreeSize};
use proptest::prelude::*;

use crate::world::{LOG, checkpoint, log_key, name, signed, with_text};

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

/// Whether `tlog_tiles` reads the same three parts and nothing more.
fn judge_reads(text: &str) -> bool {
    tlog_tiles::Checkpoint::from_bytes(text.as_bytes())
        .is_ok_and(|checkpoint| checkpoint.extension().is_empty())
}

#[test]
fn the_checkpoint_of_the_specification_is_read() {
    let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, TreeSize(20_852_163));
    assert_eq!(checkpoint.root, Hash::from_base64(ROOT).unwrap());
    assert_eq!(checkpoint.to_string(), text);
}

#[test]
fn texts_that_are_no_checkpoint_are_refused_with_their_reason() {
    use ParseCheckpointError::{Extension, Line, Origin as BadOrigin, Root, Size};
    let long = "o".repeat(ORIGIN_BYTES_MAX + 1);
    let found_bytes = long.len();
    for (text, expected) in [
        (String::new(), Line),
        ("log\n1\n".to_owned(), Line),
        (format!("log\n1\n{ROOT}"), Line),
        (format!("\n1\n{ROOT}\n"), BadOrigin(OriginError::Empty)),
        (
            format!("lo\tg\n1\n{ROOT}\n"),
            BadOrigin(OriginError::ControlCharacter),
        ),
        (
            format!("{long}\n1\n{ROOT}\n"),
            BadOrigin(OriginError::TooLong { found_bytes }),
        ),
        (format!("log\n\n{ROOT}\n"), Size),
        (format!("log\n01\n{ROOT}\n"), Size),
        (format!("log\n00\n{ROOT}\n"), Size),
        (format!("log\n+1\n{ROOT}\n"), Size),
        (format!("log\n-1\n{ROOT}\n"), Size),
        (format!("log\n1 \n{ROOT}\n"), Size),
        (format!("log\n0x1\n{ROOT}\n"), Size),
        (format!("log\n9223372036854775808\n{ROOT}\n"), Size),
        (format!("log\n18446744073709551616\n{ROOT}\n"), Size),
        (format!("log\n1\n{ROOT}\nmore\n"), Extension),
        (format!("log\n1\n{ROOT}\n\n"), Line),
        (format!("log\n1\n{ROOT}\nmore"), Line),
        (format!("log\n1\n{ROOT}\na\n\nb\n"), Line),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(expected), "{text:?}");
    }
    for root in [
        "",
        "AAAA",
        &ROOT[..43],
        &ROOT.replace("2I=", "2J="),
        &format!(" {ROOT}"),
    ] {
        let text = format!("log\n1\n{root}\n");
        assert!(matches!(Checkpoint::parse(&text), Err(Root(_))), "{text:?}");
    }
}

#[test]
fn extension_lines_are_read_only_where_asked_for() {
    let text = format!("log\n1\n{ROOT}\none\ntwo\n");
    let (checkpoint, extensions) = Checkpoint::parse_extended(&text).unwrap();
    assert_eq!((checkpoint.size, extensions), (TreeSize(1), "one\ntwo\n"));
    assert!(!judge_reads(&text));
}

#[test]
fn only_the_log_opens_its_checkpoint() {
    let note = signed(7);
    let key = log_key();
    assert_eq!(
        Checkpoint::open(&note, key.verifier_key()),
        Ok(checkpoint(7))
    );

    let other = SignerKey::from_seed(name(LOG), &[2; 32]);
    assert!(matches!(
        Checkpoint::open(&note, other.verifier_key()),
        Err(OpenCheckpointError::Note(_))
    ));
    assert!(matches!(
        Checkpoint::open(&with_text(&note, "\n7\n", "\n8\n"), key.verifier_key()),
        Err(OpenCheckpointError::Note(_))
    ));
    let seal = Note::sign("affiant.dev/seal/v1\nsource gw\n", &key).unwrap();
    assert!(matches!(
        Checkpoint::open(&seal, key.verifier_key()),
        Err(OpenCheckpointError::Checkpoint(_))
    ));
    let mut foreign = checkpoint(7);
    foreign.origin = Origin::new("log.example/us-1").unwrap();
    assert!(matches!(
        Checkpoint::open(&foreign.sign(&key).unwrap(), key.verifier_key()),
        Err(OpenCheckpointError::Origin { .. })
    ));
}

proptest! {
    #[test]
    fn the_judge_reads_what_we_write(origin in "[!-~é—]{1,60}", size in 0..=i64::MAX as u64, root: [u8; 32]) {
        let ours = Checkpoint::new(Origin::new(&origin).unwrap(), TreeSize(size), Hash(root));
        let theirs = tlog_tiles::Checkpoint::from_bytes(ours.to_string().as_bytes()).unwrap();
        prop_assert_eq!(theirs.origin(), origin.as_str());
        prop_assert_eq!(theirs.size(), size);
        prop_assert_eq!(theirs.hash().0, root);
        prop_assert_eq!(theirs.to_bytes(), ours.to_string().into_bytes());
        prop_assert_eq!(ours.to_string().parse(), Ok(ours));
    }

    #[test]
    fn what_we_refuse_the_judge_refuses_and_the_other_way_round(
        origin in "[a-c/]{0,3}",
        size in "[0-9+ ]{0,3}",
        root in prop_oneof![Just(ROOT.to_owned()), "[A-D=]{0,4}", Just(ROOT.replace("2I=", "2J="))],
        tail in prop_oneof![4 => Just("\n"), 1 => Just(""), 1 => Just("\n\n"), 1 => Just("\nx\n"), 1 => Just("\nx")],
    ) {
        let text = format!("{origin}\n{size}\n{root}{tail}");
        prop_assert_eq!(Checkpoint::parse(&text).is_ok(), judge_reads(&text), "{:?}", text);
    }
}
