//! Policies: what they say, what they refuse to say, and whom they believe.

use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::note::ParseKeyError;
use affiant_tlog::policy::{CheckPolicyError, LogKey, ParsePolicyError, Policy, PolicyProblem};
use affiant_tlog::{Note, SignerKey};
use proptest::prelude::*;

use crate::world::{LOG, NOW, checkpoint, cosigned, log_key, name, signed, with_text, witness};

/// The example of the specification: X1 to X3 two of three, Y1 to Y3 any, both.
fn example() -> String {
    let mut text = format!("log {}\n\n", log_key().verifier_key());
    for number in 1..=6_u8 {
        let (group, member) = if number <= 3 {
            ('X', number)
        } else {
            ('Y', number - 3)
        };
        text += &format!("witness {group}{member} {}\n", witness(number).key());
    }
    text + "group X-witnesses 2 X1 X2 X3\n\
        group Y-witnesses any Y1 Y2 Y3\n\
        group X-and-Y all X-witnesses Y-witnesses\n\
        quorum X-and-Y\n"
}

fn parse(text: &str) -> Result<Policy, ParsePolicyError> {
    Policy::parse(text.as_bytes())
}

fn is_met(policy: &Policy, witnesses: &[u8]) -> bool {
    let signers: Vec<CosignerSigner> = witnesses.iter().map(|&number| witness(number)).collect();
    let note = cosigned(signed(3), &signers.iter().collect::<Vec<_>>());
    let report = policy.check(&note).unwrap();
    assert_eq!(report.checkpoint(), &checkpoint(3));
    report.quorum_met()
}

#[test]
fn the_example_of_the_specification_asks_for_two_of_one_group_and_one_of_the_other() {
    let policy = parse(&example()).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert!(policy.asks_for_witnesses());
    for bits in 0..64_u8 {
        let signed: Vec<u8> = (1..=6)
            .filter(|number| bits >> (number - 1) & 1 == 1)
            .collect();
        let expected = (bits & 0b111).count_ones() >= 2 && bits & 0b11_1000 != 0;
        assert_eq!(is_met(&policy, &signed), expected, "{signed:?}");
    }
}

#[test]
fn the_report_says_who_and_when() {
    let policy = parse(&example()).unwrap();
    let mut note = cosigned(signed(3), &[&witness(5), &witness(9), &witness(2)]);
    note.attach(witness(1).cosign(note.text(), PosixTime(7)).unwrap())
        .unwrap();
    let report = policy.check(&note).unwrap();
    let cosigned: Vec<(String, PosixTime)> = report
        .cosigned()
        .iter()
        .map(|cosigned| (cosigned.name.to_string(), cosigned.time))
        .collect();
    assert_eq!(
        cosigned,
        [
            ("X1".to_owned(), PosixTime(7)),
            ("X2".to_owned(), NOW),
            ("Y2".to_owned(), NOW)
        ]
    );
    assert_eq!(report.log(), log_key().key_ref());
}

#[test]
fn white_space_comments_urls_and_names_are_free() {
    let text = format!(
        "# comment \u{e9}\n\t\n  #another\n log\t{} https://log.example/ \n\
         witness K {} https://w.example/\nwitness \u{212a} {}\ngroup g\t1  K   \u{212a}\nquorum g\n",
        log_key().verifier_key(),
        witness(1).key(),
        witness(2).key(),
    );
    let policy = parse(&text).unwrap();
    assert_eq!(
        policy.logs()[0].url.as_deref(),
        Some(&b"https://log.example/"[..])
    );
    assert_eq!(policy.witnesses()[1].name.as_bytes(), "\u{212a}".as_bytes());
    assert!(is_met(&policy, &[2]));
    // Octets that are no UTF-8 are fine in names and comments.
    let mut bytes = b"# \xff\nwitness \xff ".to_vec();
    bytes.extend_from_slice(format!("{}\nquorum ", witness(1).key()).as_bytes());
    bytes.extend_from_slice(b"\xff\n");
    assert!(Policy::parse(&bytes).unwrap().asks_for_witnesses());
}

#[test]
fn a_policy_may_know_no_log_and_ask_for_no_witness() {
    let policy = parse("quorum none\n").unwrap();
    assert!(!policy.asks_for_witnesses());
    assert!(matches!(
        policy.check(&signed(3)),
        Err(CheckPolicyError::UnknownLog { .. })
    ));
    let key = log_key().verifier_key().clone();
    let policy = policy.with_log(key.clone()).with_log(key.clone());
    assert_eq!(policy.logs().len(), 1);
    assert!(policy.check(&signed(3)).unwrap().quorum_met());
    assert!(Policy::of_log(key).check(&signed(3)).unwrap().quorum_met());
}

#[test]
fn other_policies_are_refused_with_line_and_reason() {
    use PolicyProblem as P;
    let w = |number: u8| witness(number).key().to_string();
    let vkey = log_key().verifier_key().to_string();
    let witness_as = |number: u8, text: &str| format!("witness {text} {}\n", w(number));
    let name = |text: &str| {
        let policy = parse(&format!("{}quorum {text}\n", witness_as(1, text))).unwrap();
        policy.witnesses()[0].name.clone()
    };
    let one = witness_as(1, "a");
    let two = format!("{one}{}", witness_as(2, "b"));
    let renamed = SignerKey::from_seed(crate::world::name("other"), &[1; 32]);
    for (text, line, problem) in [
        (String::new(), 0, P::NoQuorum),
        ("# quorum none\n".to_owned(), 1, P::NoQuorum),
        ("quorum none".to_owned(), 1, P::Truncated),
        ("quorum none\nquorum none\n".to_owned(), 2, P::QuorumTwice),
        ("quorum none\r\n".to_owned(), 1, P::Character),
        ("quorum none\n\u{b}\n".to_owned(), 2, P::Character),
        ("quorum none #\n".to_owned(), 1, P::Words),
        ("quorum\n".to_owned(), 1, P::Words),
        (
            "quorum a\n".to_owned(),
            1,
            P::UnknownName { name: name("a") },
        ),
        (
            format!("quorum a\n{one}"),
            1,
            P::UnknownName { name: name("a") },
        ),
        (
            format!("{one}quorum A\n"),
            2,
            P::UnknownName { name: name("A") },
        ),
        ("witnes a b\nquorum none\n".to_owned(), 1, P::Keyword),
        ("Quorum none\nquorum none\n".to_owned(), 1, P::Keyword),
        ("log\n".to_owned(), 1, P::Words),
        (format!("log {vkey} u v\n"), 1, P::Words),
        (format!("witness {}\n", w(1)), 1, P::Words),
        (
            format!("log {vkey}\nlog {}\n", renamed.verifier_key()),
            2,
            P::DuplicateKey,
        ),
        (format!("{one}{}", witness_as(1, "b")), 2, P::DuplicateKey),
        (
            format!("log {}\n", w(1)),
            1,
            P::Key(ParseKeyError::UnknownType { found: 4 }),
        ),
        (
            format!("witness a {vkey}\n"),
            1,
            P::Key(ParseKeyError::UnknownType { found: 1 }),
        ),
        ("log x\n".to_owned(), 1, P::Key(ParseKeyError::Layout)),
        (format!("{one}group g all\n"), 2, P::Words),
        (format!("{one}group g\n"), 2, P::Words),
        (format!("{one}group g 0 a\n"), 2, P::Threshold),
        (format!("{one}group g 2 a\n"), 2, P::Threshold),
        (format!("{one}group g 01 a\n"), 2, P::Threshold),
        (format!("{one}group g -1 a\n"), 2, P::Threshold),
        (format!("{one}group g ALL a\n"), 2, P::Threshold),
        (
            format!("{one}group g all b\n"),
            2,
            P::UnknownName { name: name("b") },
        ),
        (
            format!("{one}group g all g\n"),
            2,
            P::UnknownName { name: name("g") },
        ),
        (
            format!("{two}group g all a a\n"),
            3,
            P::MemberTwice { name: name("a") },
        ),
        (
            format!("{two}group g all a\ngroup h any a b\n"),
            4,
            P::MemberTwice { name: name("a") },
        ),
        (
            format!("{one}group a all a\n"),
            2,
            P::NameTaken { name: name("a") },
        ),
    ] {
        assert_eq!(
            parse(&text),
            Err(ParsePolicyError { line, problem }),
            "{text}"
        );
    }
    for text in [
        witness_as(1, "none"),
        format!("{one}group none any a\n"),
        format!("{one}group g any none\n"),
    ] {
        assert!(parse(&format!("{text}quorum none\n")).is_err(), "{text}");
    }
    assert!(matches!(
        Policy::parse(&vec![b'\n'; 2 << 20]),
        Err(ParsePolicyError {
            problem: P::TooLarge,
            ..
        })
    ));
}

#[test]
fn lines_of_another_kind_come_back_to_who_asks_for_them() {
    let text = format!("{}admin key here\n# tsa no\ntsa x\n", example());
    assert!(parse(&text).is_err());
    let (policy, others) = Policy::parse_with_others(text.as_bytes()).unwrap();
    assert_eq!(policy, parse(&example()).unwrap());
    let words: Vec<String> = others
        .iter()
        .map(|other| String::from_utf8(other.words.join(&b"|"[..])).unwrap())
        .collect();
    assert_eq!(words, ["admin|key|here", "tsa|x"]);
    assert_eq!(others[1].line - others[0].line, 2);
}

#[test]
fn a_checkpoint_of_another_log_or_of_none_is_refused() {
    let policy = parse(&example()).unwrap();
    let other = SignerKey::from_seed(name("log.example/us-1"), &[1; 32]);
    let mut foreign = checkpoint(3);
    foreign.origin = affiant_tlog::checkpoint::Origin::of(other.name()).unwrap();
    assert!(matches!(
        policy.check(&foreign.sign(&other).unwrap()),
        Err(CheckPolicyError::UnknownLog { .. })
    ));
    // The right origin, signed by who is not the log.
    assert!(matches!(
        policy.check(&checkpoint(3).sign(&other).unwrap()),
        Err(CheckPolicyError::Signature(_))
    ));
    // The right key for the wrong origin.
    assert!(policy.check(&foreign.sign(&log_key()).unwrap()).is_err());
    assert!(matches!(
        policy.check(&Note::sign("affiant.dev/seal/v1\n", &log_key()).unwrap()),
        Err(CheckPolicyError::Checkpoint(_))
    ));
    let extended = Note::sign(&format!("{}more\n", checkpoint(3)), &log_key()).unwrap();
    assert!(matches!(
        policy.check(&extended),
        Err(CheckPolicyError::Checkpoint(_))
    ));
}

#[test]
fn a_bad_line_of_a_known_witness_spoils_the_checkpoint_and_of_an_unknown_one_does_not() {
    let policy = parse(&example()).unwrap();
    let with_line_of = |number| {
        let line = witness(number).cosign(signed(4).text(), NOW).unwrap();
        let mut note = cosigned(signed(3), &[&witness(2), &witness(4)]);
        note.attach(line).unwrap();
        policy.check(&note)
    };
    assert!(matches!(
        with_line_of(1),
        Err(CheckPolicyError::Cosignature(_))
    ));
    assert!(!with_line_of(9).unwrap().quorum_met());
}

#[test]
fn one_witness_counts_once_however_often_it_signs() {
    let policy = parse(&example()).unwrap();
    let mut note = cosigned(signed(3), &[&witness(1), &witness(4)]).to_string();
    for later in 1..5 {
        let line = witness(1)
            .cosign(signed(3).text(), PosixTime(NOW.0 + later))
            .unwrap();
        note += &format!("{line}\n");
    }
    let report = policy
        .check(&Note::parse(note.as_bytes()).unwrap())
        .unwrap();
    assert!(!report.quorum_met());
    assert_eq!(report.cosigned().len(), 2);
    assert_eq!(report.cosigned()[0].time, PosixTime(NOW.0 + 4));
}

#[test]
fn a_log_may_be_known_by_its_ml_dsa_key_and_witnesses_too() {
    let log = CosignerSigner::ml_dsa_44(name(LOG), &[7; 32]).unwrap();
    let pq = CosignerSigner::ml_dsa_44(name("w.example/pq"), &[8; 32]).unwrap();
    let text = format!("log {}\nwitness pq {}\nquorum pq\n", log.key(), pq.key());
    let policy = parse(&text).unwrap();
    assert!(matches!(policy.logs()[0].key, LogKey::MlDsa44(_)));
    let note = cosigned(signed(3), &[&log, &pq]);
    let report = policy.check(&note).unwrap();
    assert!(report.quorum_met());
    assert_eq!(report.log(), log.key().key_ref());
    assert!(matches!(
        policy.check(&cosigned(signed(3), &[&pq])),
        Err(CheckPolicyError::Signature(_))
    ));
    assert!(policy.check(&with_text(&note, "\n3\n", "\n4\n")).is_err());
}

proptest! {
    #[test]
    fn any_lines_are_read_or_refused(
        text in "((log|witness|group|quorum|#|x)([ \t](a|b|none|all|any|1|2|\\PC{0,3})){0,4}\n){0,6}",
    ) {
        let _ = Policy::parse_with_others(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Policy::parse_with_others(&bytes);
    }
}
