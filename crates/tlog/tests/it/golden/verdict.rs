//! What this implementation says of a vector.

use affiant_tlog::checkpoint::{OpenCheckpointError, Origin, ParseCheckpointError};
use affiant_tlog::cosignature::CosignerKey;
use affiant_tlog::note::VerifyError;
use affiant_tlog::policy::{CheckPolicyError, Policy};
use affiant_tlog::tlog_proof::{TlogProof, VerifyProofError};
use affiant_tlog::witness::{AddCheckpoint, KnownLog, Refusal, judge};
use affiant_tlog::{Checkpoint, Hash, Note, TreeSize, VerifierKey};

use super::Case;

pub(super) fn checkpoint(case: &Case) -> String {
    let log: VerifierKey = case["log"].parse().unwrap();
    let Ok(note) = Note::parse(case["note"].as_bytes()) else {
        return "refuse not-a-note".to_owned();
    };
    match Checkpoint::open(&note, &log) {
        Ok(checkpoint) => {
            assert_eq!(checkpoint.size.to_string(), case["size"]);
            assert_eq!(checkpoint.root.to_base64(), case["root"]);
            "open".to_owned()
        }
        Err(error) => format!(
            "refuse {}",
            match error {
                OpenCheckpointError::Note(VerifyError::UnknownKey { .. }) => "unknown-key",
                OpenCheckpointError::Note(_) => "bad-signature",
                OpenCheckpointError::Checkpoint(ParseCheckpointError::Extension) =>
                    "extension-line",
                OpenCheckpointError::Checkpoint(_) => "not-a-checkpoint",
                OpenCheckpointError::Origin { .. } => "other-origin",
                _ => "other",
            }
        ),
    }
}

pub(super) fn cosignature(case: &Case) -> String {
    let key: CosignerKey = case["witness"].parse().unwrap();
    let note = Note::parse(case["note"].as_bytes()).unwrap();
    match key.verify_in(&note) {
        Ok(Some(time)) => format!("cosigned {time}"),
        Ok(None) => "absent".to_owned(),
        Err(_) => "refuse".to_owned(),
    }
}

pub(super) fn witness(case: &Case) -> String {
    let Ok(request) = AddCheckpoint::parse(case["request"].as_bytes()) else {
        return "400".to_owned();
    };
    let key: VerifierKey = case["log"].parse().unwrap();
    let log = KnownLog {
        origin: Origin::of(key.name()).unwrap(),
        keys: vec![key],
    };
    let remembered = (case["remembered"] != "nothing").then(|| {
        let (size, root) = case["remembered"].split_once(' ').unwrap();
        Checkpoint::new(
            log.origin.clone(),
            TreeSize(size.parse().unwrap()),
            Hash::from_base64(root).unwrap(),
        )
    });
    match judge(&request, Some(&log), remembered.as_ref()) {
        Ok(_) => "200".to_owned(),
        Err(refusal @ Refusal::Conflict { remembered }) => {
            format!("{} {remembered}", refusal.status())
        }
        Err(refusal) => refusal.status().to_string(),
    }
}

pub(super) fn proof(case: &Case) -> String {
    let policy = Policy::parse(case["policy"].as_bytes()).unwrap();
    let leaf: Hash = case["leaf-hash"].parse().unwrap();
    let Ok(proof) = TlogProof::parse(case["proof"].as_bytes()) else {
        return "refuse malformed".to_owned();
    };
    match proof.verify(&leaf, &policy) {
        Ok(report) => format!("proved {} {}", proof.index, report.checkpoint().size),
        Err(VerifyProofError::Checkpoint(_)) => "refuse checkpoint".to_owned(),
        Err(VerifyProofError::Quorum { .. }) => "refuse quorum".to_owned(),
        Err(_) => "refuse inclusion".to_owned(),
    }
}

pub(super) fn policy(case: &Case) -> String {
    let policy = match Policy::parse(case["policy"].as_bytes()) {
        Ok(policy) => policy,
        Err(error) => return format!("malformed {}", error.line),
    };
    let note = Note::parse(case["note"].as_bytes()).unwrap();
    match policy.check(&note) {
        Ok(report) => {
            let names: Vec<String> = report
                .cosigned()
                .iter()
                .map(|cosigned| cosigned.name.to_string())
                .collect();
            let verdict = if report.quorum_met() { "met" } else { "unmet" };
            [&[verdict.to_owned()], names.as_slice()].concat().join(" ")
        }
        Err(CheckPolicyError::UnknownLog { .. }) => "refuse unknown-log".to_owned(),
        Err(CheckPolicyError::Cosignature(_)) => "refuse cosignature".to_owned(),
        Err(_) => "refuse signature".to_owned(),
    }
}
