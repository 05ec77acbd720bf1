//! The vectors of proofs and policies.

use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::tlog_proof::TlogProof;
use affiant_tlog::{LeafIndex, Note, SignerKey, inclusion_proof};

use super::notes::{other_key, pq};
use super::{File, Files};
use crate::world::{
    NOW, checkpoint_over, cosigned, leaf, leaves, log_key, name, signed, with_text,
    witness as cosigner,
};

fn policy_text(quorum: &str) -> String {
    format!(
        "log {}\nwitness one {}\nwitness two {}\nwitness pq {}\ngroup two-of-three 2 one two pq\nquorum {quorum}\n",
        log_key().verifier_key(),
        cosigner(1).key(),
        cosigner(2).key(),
        pq().key(),
    )
}

pub(super) fn proof() -> Files {
    let mut files = Files::new();
    let mut add = |file: &str, about: &str, expect: &str, quorum: &str, proof: &str| {
        let text = File::new(about, expect)
            .line("leaf-hash", leaf(3))
            .section("policy", &policy_text(quorum))
            .section("proof", proof);
        files.insert(format!("{file}.txt"), text.text());
    };
    let good = TlogProof {
        extra: Vec::new(),
        index: LeafIndex(3),
        proof: inclusion_proof(&leaves(7), LeafIndex(3)).unwrap(),
        checkpoint: cosigned(signed(7), &[&cosigner(1), &cosigner(2)]),
    };
    let text = good.to_string();
    add(
        "quorum",
        "Two of three witnesses.",
        "proved 3 7",
        "two-of-three",
        &text,
    );
    add(
        "quorum-none",
        "A verifier that asks for no witness.",
        "proved 3 7",
        "none",
        &text,
    );
    let only_one = TlogProof {
        checkpoint: cosigned(signed(7), &[&cosigner(1)]),
        ..good.clone()
    };
    add(
        "refuse-quorum",
        "One of three witnesses.",
        "refuse quorum",
        "two-of-three",
        &only_one.to_string(),
    );
    let extra = TlogProof {
        extra: b"anything".to_vec(),
        ..good.clone()
    };
    add(
        "extra",
        "Extra data, which nobody signed.",
        "proved 3 7",
        "one",
        &extra.to_string(),
    );
    let lone = TlogProof {
        index: LeafIndex(0),
        proof: affiant_tlog::InclusionProof::default(),
        checkpoint: checkpoint_over(&[leaf(3)]).sign(&log_key()).unwrap(),
        extra: Vec::new(),
    };
    add(
        "lone",
        "The only leaf of a log: no hashes.",
        "proved 0 1",
        "none",
        &lone.to_string(),
    );
    let moved = TlogProof {
        index: LeafIndex(4),
        ..good.clone()
    };
    add(
        "refuse-index",
        "Claimed for another index.",
        "refuse inclusion",
        "one",
        &moved.to_string(),
    );
    let grown = TlogProof {
        checkpoint: cosigned(signed(8), &[&cosigner(1)]),
        ..good.clone()
    };
    add(
        "refuse-size",
        "Claimed for another checkpoint.",
        "refuse inclusion",
        "one",
        &grown.to_string(),
    );
    let mut longer = good.clone();
    longer.proof.0.push(leaf(0));
    add(
        "refuse-hash-extra",
        "A hash too many.",
        "refuse inclusion",
        "one",
        &longer.to_string(),
    );
    let altered = TlogProof {
        checkpoint: with_text(&good.checkpoint, "\n7\n", "\n8\n"),
        ..good.clone()
    };
    add(
        "refuse-checkpoint",
        "The checkpoint was altered.",
        "refuse checkpoint",
        "one",
        &altered.to_string(),
    );
    let forged = Note::sign(good.checkpoint.text(), &other_key()).unwrap();
    let forged = TlogProof {
        checkpoint: cosigned(forged, &[&cosigner(1)]),
        ..good
    };
    add(
        "refuse-stranger",
        "Signed by another key of the same name.",
        "refuse checkpoint",
        "one",
        &forged.to_string(),
    );
    for (file, about, from, to) in [
        ("malformed-version", "Another version.", "@v1", "@v2"),
        (
            "malformed-index",
            "An index with a leading zero.",
            "index 3",
            "index 03",
        ),
        (
            "malformed-extra",
            "Extra data without data.",
            "index 3",
            "extra \nindex 3",
        ),
        (
            "malformed-order",
            "Extra data behind the index.",
            "index 3\n",
            "index 3\nextra AA==\n",
        ),
        ("malformed-hash", "A hash cut short.", "=\n", "\n"),
    ] {
        assert!(text.contains(from));
        add(
            file,
            about,
            "refuse malformed",
            "none",
            &text.replacen(from, to, 1),
        );
    }
    files
}

pub(super) fn policy() -> Files {
    let mut files = Files::new();
    let mut add = |file: &str, about: &str, expect: &str, policy: &str, note: &Note| {
        let text = File::new(about, expect)
            .section("policy", policy)
            .section("note", &note.to_string());
        files.insert(format!("{file}.txt"), text.text());
    };
    let key = log_key();
    let log = key.verifier_key();
    let (one, two, three) = (cosigner(1), cosigner(2), cosigner(3));
    let with = |signers: &[&CosignerSigner]| cosigned(signed(5), signers);
    let threshold = policy_text("two-of-three");
    add(
        "met",
        "Two of three.",
        "met one pq",
        &threshold,
        &with(&[&pq(), &one]),
    );
    add(
        "unmet",
        "One of three.",
        "unmet two",
        &threshold,
        &with(&[&two, &three]),
    );
    add(
        "unmet-twice",
        "One witness that signed twice counts once.",
        "unmet one",
        &threshold,
        &{
            let later = one.cosign(signed(5).text(), PosixTime(NOW.0 + 60)).unwrap();
            Note::parse(format!("{}{later}\n", with(&[&one])).as_bytes()).unwrap()
        },
    );
    add(
        "none",
        "No witness is asked for.",
        "met",
        &format!("log {log}\nquorum none\n"),
        &signed(5),
    );
    let nested = format!(
        "# two organisations\n\nwitness a1 {}\nwitness a2 {} https://a2.example/\n\twitness b {}\nlog {log} https://log.example/\n\
         group a any a1 a2\ngroup both all a b\nquorum both\n",
        one.key(),
        two.key(),
        three.key(),
    );
    add(
        "nested-met",
        "One of each organisation.",
        "met a2 b",
        &nested,
        &with(&[&two, &three]),
    );
    add(
        "nested-unmet",
        "Two of one organisation.",
        "unmet a1 a2",
        &nested,
        &with(&[&one, &two]),
    );
    let foreign = SignerKey::from_seed(name("log.example/us-1"), &[1; 32]);
    add(
        "refuse-log",
        "A log that is not in the policy.",
        "refuse unknown-log",
        &format!("log {}\nquorum none\n", foreign.verifier_key()),
        &signed(5),
    );
    add(
        "refuse-key",
        "The log's name, but not its key.",
        "refuse signature",
        &format!("log {}\nquorum none\n", other_key().verifier_key()),
        &signed(5),
    );
    let mut poisoned = with(&[&two]);
    poisoned
        .attach(one.cosign(signed(6).text(), NOW).unwrap())
        .unwrap();
    add(
        "refuse-cosignature",
        "A line of a known witness is no cosignature of this checkpoint.",
        "refuse cosignature",
        &threshold,
        &poisoned,
    );
    let w = format!("witness a {}\n", one.key());
    for (file, about, line, policy) in [
        (
            "malformed-keyword",
            "A word mistyped.",
            1,
            "witnes a b\nquorum none\n".to_owned(),
        ),
        (
            "malformed-no-quorum",
            "No quorum: the fault is at the end.",
            1,
            w.clone(),
        ),
        (
            "malformed-two-quorums",
            "Two quorums.",
            3,
            format!("{w}quorum a\nquorum none\n"),
        ),
        (
            "malformed-late",
            "A name used before it is defined.",
            1,
            format!("quorum a\n{w}"),
        ),
        (
            "malformed-threshold",
            "More than there are members.",
            2,
            format!("{w}group g 2 a\nquorum g\n"),
        ),
        (
            "malformed-twice",
            "A witness in two groups.",
            3,
            format!("{w}group g any a\ngroup h any a g\nquorum h\n"),
        ),
        (
            "malformed-name",
            "A name that means nobody.",
            1,
            format!("witness none {}\nquorum none\n", one.key()),
        ),
        (
            "malformed-duplicate",
            "One key under two names.",
            2,
            format!("{w}{}quorum a\n", w.replace(" a ", " b ")),
        ),
        (
            "malformed-type",
            "A log's key for a witness.",
            1,
            format!("witness a {log}\nquorum a\n"),
        ),
        (
            "malformed-return",
            "A carriage return.",
            1,
            "quorum none\r\n".to_owned(),
        ),
    ] {
        add(
            file,
            about,
            &format!("malformed {line}"),
            &policy,
            &signed(5),
        );
    }
    files
}
