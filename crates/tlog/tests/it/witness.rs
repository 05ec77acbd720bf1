//! The witness: every answer of the protocol, and no cosignature for a rollback or a fork.

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::{CosignatureError, PosixTime};
use affiant_tlog::witness::{
    Accepted, AddCheckpoint, AnswerError, KnownLog, ParseRequestError, Refusal, UnprocessableError,
    judge, read_conflict, read_cosignatures, write_cosignatures,
};
use affiant_tlog::{
    Checkpoint, ConsistencyError, ConsistencyProof, Hash, Note, SignerKey, TreeSize,
    consistency_proof, leaf_hash,
};
use proptest::prelude::*;

use crate::world::{
    LOG, NOW, checkpoint, checkpoint_over, leaves, log_key, name, proof, signed, with_text, witness,
};

fn known() -> KnownLog {
    KnownLog {
        origin: Origin::new(LOG).unwrap(),
        keys: vec![log_key().verifier_key().clone()],
    }
}

fn request(old: u64, new: u64) -> AddCheckpoint {
    AddCheckpoint::new(TreeSize(old), proof(old, new), signed(new)).unwrap()
}

fn answer(request: &AddCheckpoint, remembered: Option<u64>) -> Result<Accepted, Refusal> {
    judge(request, Some(&known()), remembered.map(checkpoint).as_ref())
}

/// The leaves of the log up to `size`, but one of them is another.
fn forked(size: u64, at: usize) -> Vec<Hash> {
    let mut leaves = leaves(size);
    leaves[at] = leaf_hash(b"another past");
    leaves
}

fn forked_request(old: u64, new: u64) -> AddCheckpoint {
    let leaves = forked(new, 1);
    let proof = consistency_proof(&leaves, TreeSize(old)).unwrap();
    let note = checkpoint_over(&leaves).sign(&log_key()).unwrap();
    AddCheckpoint::new(TreeSize(old), proof, note).unwrap()
}

#[test]
fn a_growing_log_is_cosigned() {
    let mut remembered = None;
    for (old, new) in [(0, 3), (3, 3), (3, 7), (7, 64), (64, 1000)] {
        let accepted = answer(&request(old, new), remembered).unwrap();
        assert_eq!(accepted.checkpoint(), &checkpoint(new));
        remembered = Some(new);

        let body = write_cosignatures(&[accepted.cosign(&witness(1), NOW).unwrap()]);
        let read = read_cosignatures(
            body.as_bytes(),
            signed(new).text(),
            &[witness(2).key().clone(), witness(1).key().clone()],
        );
        let read = read.unwrap();
        assert_eq!((read.len(), read[0].1), (1, NOW));
        let mut note = signed(new);
        note.attach(read[0].0.clone()).unwrap();
        assert_eq!(witness(1).key().verify_in(&note), Ok(Some(NOW)));
    }
}

#[test]
fn an_empty_log_is_cosigned_only_with_the_empty_root() {
    assert!(answer(&request(0, 0), None).is_ok());
    let mut other = checkpoint(0);
    other.root = leaf_hash(b"");
    let note = other.sign(&log_key()).unwrap();
    let request = AddCheckpoint::new(TreeSize(0), ConsistencyProof::default(), note).unwrap();
    let refusal = answer(&request, None).unwrap_err();
    assert_eq!(refusal.status(), 422);
    assert!(matches!(
        refusal,
        Refusal::Unprocessable(UnprocessableError::EmptyRoot { .. })
    ));
}

#[test]
fn a_rollback_is_a_conflict_with_the_remembered_size() {
    for (request, remembered) in [
        (request(0, 5), Some(10)),
        (request(5, 5), Some(10)),
        (request(3, 10), Some(10)),
        (request(3, 10), None),
        (request(10, 20), Some(5)),
    ] {
        let refusal = answer(&request, remembered).unwrap_err();
        let size = TreeSize(remembered.unwrap_or(0));
        assert_eq!(refusal, Refusal::Conflict { remembered: size });
        assert_eq!(
            (refusal.status(), refusal.body()),
            (409, format!("{size}\n"))
        );
        assert_eq!(read_conflict(refusal.body().as_bytes()), Some(size));
    }
}

#[test]
fn a_fork_is_unprocessable_whatever_proof_comes_with_it() {
    for (request, remembered) in [
        (forked_request(10, 20), 10),
        (forked_request(10, 10), 10),
        (
            AddCheckpoint::new(
                TreeSize(10),
                proof(10, 20),
                checkpoint_over(&forked(20, 1)).sign(&log_key()).unwrap(),
            )
            .unwrap(),
            10,
        ),
    ] {
        let refusal = answer(&request, Some(remembered)).unwrap_err();
        assert_eq!(refusal.status(), 422, "{refusal:?}");
        assert!(matches!(
            refusal,
            Refusal::Unprocessable(UnprocessableError::Inconsistent(_))
        ));
    }
    // A witness that has seen nothing cannot know.
    assert!(answer(&forked_request(0, 20), None).is_ok());
}

#[test]
fn a_proof_that_is_not_one_is_unprocessable() {
    let with = |old, hashes: Vec<Hash>, new| {
        AddCheckpoint::new(TreeSize(old), ConsistencyProof(hashes), signed(new)).unwrap()
    };
    let mut extra = proof(5, 9).0;
    extra.push(leaf_hash(b""));
    for (request, remembered) in [
        (with(0, vec![leaf_hash(b"")], 9), None),
        (with(5, Vec::new(), 9), Some(5)),
        (with(5, extra, 9), Some(5)),
        (with(5, proof(4, 9).0, 9), Some(5)),
        (with(9, vec![leaf_hash(b"")], 9), Some(9)),
    ] {
        let refusal = answer(&request, remembered).unwrap_err();
        assert_eq!(refusal.status(), 422, "{refusal:?}");
    }
    assert!(matches!(
        answer(&with(5, Vec::new(), 9), Some(5)),
        Err(Refusal::Unprocessable(UnprocessableError::Inconsistent(
            ConsistencyError::Length { .. }
        )))
    ));
}

#[test]
fn other_logs_and_other_keys_are_refused_before_anything_is_compared() {
    let request = request(5, 9);
    let refusal = judge(&request, None, Some(&checkpoint(5))).unwrap_err();
    assert_eq!(refusal.status(), 404);
    let mut other = known();
    other.origin = Origin::new("log.example/us-1").unwrap();
    assert_eq!(
        judge(&request, Some(&other), None).unwrap_err().status(),
        404
    );

    let mut strangers = known();
    strangers.keys = vec![
        SignerKey::from_seed(name(LOG), &[3; 32])
            .verifier_key()
            .clone(),
    ];
    assert_eq!(
        judge(&request, Some(&strangers), Some(&checkpoint(5)))
            .unwrap_err()
            .status(),
        403
    );
    // Altered: even the sizes are not answered to whom is not the log.
    let altered = with_text(&signed(9), "\n9\n", "\n8\n");
    let request = AddCheckpoint::new(TreeSize(3), proof(3, 8), altered).unwrap();
    assert_eq!(answer(&request, Some(5)).unwrap_err().status(), 403);
}

#[test]
fn a_bad_line_by_a_trusted_key_is_refused_beside_a_good_one_by_another() {
    let second = SignerKey::from_seed(name(LOG), &[3; 32]);
    let mut note = signed(9);
    note.add_signature(&second).unwrap();
    let mut log = known();
    let good = AddCheckpoint::new(TreeSize(0), ConsistencyProof::default(), note).unwrap();
    // The second key is unknown, then known: both are fine while both lines are good.
    assert!(judge(&good, Some(&log), None).is_ok());
    log.keys.push(second.verifier_key().clone());
    assert!(judge(&good, Some(&log), None).is_ok());

    let line = Note::sign("another text\n", &second).unwrap().signatures()[0].to_string();
    let poisoned = Note::parse(format!("{}{line}\n", signed(9)).as_bytes()).unwrap();
    let request = AddCheckpoint::new(TreeSize(0), ConsistencyProof::default(), poisoned).unwrap();
    assert_eq!(judge(&request, Some(&log), None).unwrap_err().status(), 403);
    // A stranger's forged line does nobody harm.
    assert!(judge(&request, Some(&known()), None).is_ok());
}

#[test]
fn an_old_size_above_the_checkpoint_is_a_bad_request() {
    let request = AddCheckpoint::new(TreeSize(10), ConsistencyProof::default(), signed(5)).unwrap();
    let refusal = answer(&request, Some(10)).unwrap_err();
    assert_eq!(refusal.status(), 400);
    assert!(refusal.body().ends_with('\n'));
}

#[test]
fn logs_with_extension_lines_are_cosigned_with_them() {
    let text = format!("{}opaque\n", checkpoint(3));
    let note = Note::sign(&text, &log_key()).unwrap();
    let request = AddCheckpoint::new(TreeSize(0), ConsistencyProof::default(), note).unwrap();
    let accepted = answer(&request, None).unwrap();
    assert_eq!(accepted.text(), text);
    let signature = accepted.cosign(&witness(1), NOW).unwrap();
    assert!(witness(1).key().verify(&text, &signature).is_ok());
    assert!(
        witness(1)
            .key()
            .verify(&checkpoint(3).to_string(), &signature)
            .is_err()
    );
}

#[test]
fn the_request_of_the_specification_is_read() {
    let body = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
    let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!(request.old(), TreeSize(20_852_014));
    assert_eq!(request.proof().0.len(), 4);
    assert_eq!(
        request.checkpoint().origin.as_str(),
        "example.com/behind-the-sofa"
    );
    assert_eq!(request.note().signatures().len(), 2);
    assert_eq!(request.to_bytes(), body.as_bytes());
}

#[test]
fn other_requests_are_refused() {
    let note = signed(3).to_string();
    let hash = leaf_hash(b"").to_base64();
    let refused = |body: String| AddCheckpoint::parse(body.as_bytes()).unwrap_err();
    for head in [
        "",
        "old\n",
        "old \n",
        "old 01\n",
        "old -1\n",
        "old 1 \n",
        "Old 1\n",
        "old 9223372036854775808\n",
        "size 1\n",
    ] {
        assert_eq!(
            refused(format!("{head}\n{note}")),
            ParseRequestError::OldSize,
            "{head:?}"
        );
    }
    assert!(matches!(
        refused(format!("old 1\n{hash} \n\n{note}")),
        ParseRequestError::Hash(_)
    ));
    assert!(matches!(
        refused(format!("old 1\r\n\n{note}")),
        ParseRequestError::OldSize
    ));
    let lines = |count: usize| format!("{hash}\n").repeat(count);
    assert_eq!(
        refused(format!("old 1\n{}\n{note}", lines(64))),
        ParseRequestError::TooManyHashes
    );
    assert!(AddCheckpoint::parse(format!("old 1\n{}\n{note}", lines(63)).as_bytes()).is_ok());
    assert_eq!(refused("old 1\n".to_owned()), ParseRequestError::Layout);
    assert!(matches!(
        refused("old 1\n\n".to_owned()),
        ParseRequestError::Note(_)
    ));
    let seal = Note::sign("affiant.dev/seal/v1\n", &log_key()).unwrap();
    assert!(matches!(
        refused(format!("old 0\n\n{seal}")),
        ParseRequestError::Checkpoint(_)
    ));
    let found_bytes = 2_000_000;
    assert_eq!(
        AddCheckpoint::parse(&vec![b'x'; found_bytes]),
        Err(ParseRequestError::TooLarge { found_bytes })
    );
}

#[test]
fn other_answers_are_refused() {
    let text = signed(3).text().to_owned();
    let (ours, other) = (witness(1), witness(2));
    let read = |body: &str| read_cosignatures(body.as_bytes(), &text, &[ours.key().clone()]);
    let good = ours.cosign(&text, NOW).unwrap().to_string();
    let foreign = other.cosign(&text, NOW).unwrap().to_string();
    assert_eq!(read(&format!("{foreign}\n{good}\n")).unwrap().len(), 1);
    assert_eq!(read(""), Err(AnswerError::Layout));
    assert_eq!(read(&good), Err(AnswerError::Layout));
    assert!(matches!(read("\n"), Err(AnswerError::Line(_))));
    assert!(matches!(
        read(&format!("{good}\n\n")),
        Err(AnswerError::Line(_))
    ));
    assert_eq!(read(&format!("{foreign}\n")), Err(AnswerError::NoKnownKey));
    let timeless = ours.cosign(&text, PosixTime(0)).unwrap();
    assert_eq!(read(&format!("{timeless}\n")), Err(AnswerError::NoTime));
    let stale = ours.cosign(signed(2).text(), NOW).unwrap();
    assert!(matches!(
        read(&format!("{stale}\n")),
        Err(AnswerError::Cosignature(
            CosignatureError::BadSignature { .. }
        ))
    ));
    assert_eq!(
        read(&format!("{good}\n").repeat(101)),
        Err(AnswerError::Layout)
    );
    for body in [
        "",
        "1",
        "01\n",
        "1\n\n",
        " 1\n",
        "-1\n",
        "9223372036854775808\n",
        "x\n",
    ] {
        assert_eq!(read_conflict(body.as_bytes()), None, "{body:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked in whatever order, what a witness cosigned is one history.
    #[test]
    fn a_witness_cosigns_one_history(
        asks in prop::collection::vec((0_u64..24, 0_u64..24, 0_u64..24, any::<bool>()), 1..30),
    ) {
        let mut remembered: Option<Checkpoint> = None;
        let mut is_forked = None;
        for (old, proved, new, fork) in asks {
            let all = if fork && new > 1 { forked(new, 1) } else { leaves(new) };
            let proof = consistency_proof(&all, TreeSize(proved.min(new))).unwrap();
            let note = checkpoint_over(&all).sign(&log_key()).unwrap();
            let request = AddCheckpoint::new(TreeSize(old), proof, note).unwrap();
            let verdict = judge(&request, Some(&known()), remembered.as_ref());
            let size = remembered.as_ref().map_or(0, |remembered| remembered.size.0);
            let Ok(accepted) = verdict else { continue };
            prop_assert_eq!(old, size);
            prop_assert!(new >= size);
            if new > 1 {
                // Sizes 0 and 1 are common to both histories.
                prop_assert!(is_forked.is_none_or(|is_forked| is_forked == fork));
                is_forked = Some(fork);
            }
            remembered = Some(accepted.checkpoint().clone());
        }
    }

    #[test]
    fn requests_come_back(old in 0_u64..50, more in 0_u64..50) {
        let request = request(old, old + more);
        prop_assert_eq!(AddCheckpoint::parse(&request.to_bytes()), Ok(request));
    }

    #[test]
    fn each_request_has_one_spelling(at: prop::sample::Index, to: u8) {
        let mut body = request(3, 9).to_bytes();
        let at = at.index(body.len());
        body[at] = to;
        if let Ok(request) = AddCheckpoint::parse(&body) {
            prop_assert_eq!(request.to_bytes(), body);
        }
    }
}
