//! Judging a proof file.

use std::error::Error;

use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::{SealText, SourceId, rfc3339};
use affiant_tlog::note::{Note, VerifyError, verify};
use affiant_tlog::policy::{CheckPolicyError, PolicyReport};
use affiant_tlog::{
    Checkpoint, InclusionProof, LeafIndex, TreeSize, VerifierKey, leaf_hash, verify_inclusion,
};
use serde::Deserialize;

use super::ProofFile;
use super::extra::{Proven, Seal, parse_hashes};
use super::report::{KeyTrust, ProofFault, ProofFinding, ProofReport};
use crate::trust::TrustFile;
use affiant_entry::chain::Verdict;

impl ProofFile {
    /// Judges the proof by the verifier's own trust. Never fails: what does not hold is part of the
    /// answer.
    #[must_use]
    pub fn verify(&self, trust: &TrustFile) -> ProofReport {
        let mut judge = Judge::new(self, trust);
        judge.run();
        judge.report
    }
}

struct Judge<'a> {
    file: &'a ProofFile,
    trust: &'a TrustFile,
    report: ProofReport,
}

impl<'a> Judge<'a> {
    fn new(file: &'a ProofFile, trust: &'a TrustFile) -> Self {
        let report = ProofReport {
            verdict: Verdict::Ok,
            index: file.proof.index.0,
            origin: String::new(),
            size: 0,
            witnesses: Vec::new(),
            source: None,
            boot: None,
            seq: None,
            kind: None,
            time: None,
            seal_key: None,
            key_trust: KeyTrust::Unknown,
            findings: Vec::new(),
            checked: Vec::new(),
            not_checked: Vec::new(),
        };
        Self {
            file,
            trust,
            report,
        }
    }

    fn run(&mut self) {
        let checkpoint = self.checkpoint();
        if let Some(checkpoint) = &checkpoint {
            self.included(
                "entry",
                &self.file.extra.entry,
                self.file.proof.index,
                &self.file.proof.proof,
                checkpoint,
            );
        }
        if let Some(entry) = self.entry() {
            self.source(&entry, checkpoint.as_ref());
        }
        self.report.not_checked.extend(
            [
                "what else is in the log, and whether something is missing from it: `affiant verify` on the log says that",
                "whether what was captured is true, and calls that did not pass Affiant",
                "blobs: an entry names an input kept outside of it by its hash",
            ]
            .map(str::to_owned),
        );
    }

    // The checkpoint.

    fn checkpoint(&mut self) -> Option<Checkpoint> {
        let note = &self.file.proof.checkpoint;
        match self.trust.policy.check(note) {
            Ok(report) => {
                self.signed(&report);
                Some(report.checkpoint().clone())
            }
            Err(error) => {
                let reason = spell(&error);
                let unknown = matches!(
                    error,
                    CheckPolicyError::UnknownLog { .. }
                        | CheckPolicyError::Signature(VerifyError::UnknownKey { .. })
                );
                self.find(if unknown {
                    ProofFault::LogUntrusted { reason }
                } else {
                    ProofFault::Checkpoint { reason }
                });
                // What the rest says can still be told, under a checkpoint nobody believes.
                let claimed = Checkpoint::parse(note.text()).ok()?;
                self.report.origin = claimed.origin.as_str().to_owned();
                self.report.size = claimed.size.0;
                Some(claimed)
            }
        }
    }

    fn signed(&mut self, report: &PolicyReport) {
        let checkpoint = report.checkpoint();
        self.report.origin = checkpoint.origin.as_str().to_owned();
        self.report.size = checkpoint.size.0;
        self.report.witnesses = report
            .cosigned()
            .iter()
            .map(|each| (each.name.to_string(), each.time.0))
            .collect();
        self.say(format!(
            "the checkpoint of {} at {} leaves is signed by {}",
            checkpoint.origin.as_str(),
            checkpoint.size,
            report.log()
        ));
        let cosigned = report.cosigned().len();
        if !report.quorum_met() {
            self.find(ProofFault::Quorum { cosigned });
        } else if self.trust.policy.asks_for_witnesses() {
            let names: Vec<_> = report
                .cosigned()
                .iter()
                .map(|each| each.name.to_string())
                .collect();
            self.say(format!(
                "enough of your witnesses saw that very checkpoint: {}",
                names.join(", ")
            ));
        } else {
            self.report.not_checked.push(
                "whether the log shows others another history: your trust file asks for no witness"
                    .to_owned(),
            );
        }
    }

    fn included(
        &mut self,
        what: &'static str,
        leaf: &str,
        index: LeafIndex,
        proof: &InclusionProof,
        checkpoint: &Checkpoint,
    ) -> bool {
        let hash = leaf_hash(leaf.as_bytes());
        match verify_inclusion(index, checkpoint.size, &hash, proof, &checkpoint.root) {
            Ok(()) => {
                self.say(format!("the {what} is leaf {index} of that tree"));
                true
            }
            Err(error) => {
                self.find(ProofFault::NotInLog {
                    what,
                    index: index.0,
                    reason: error.to_string(),
                });
                false
            }
        }
    }

    // The entry and its seal.

    fn entry(&mut self) -> Option<Decoded> {
        let entry = self.decode("entry", &self.file.extra.entry)?;
        let header = entry.header();
        self.report.source = Some(header.source.to_string());
        self.report.boot = Some(header.boot.to_string());
        self.report.seq = header.seq.map(|seq| seq.0);
        self.report.kind = Some(header.kind.to_string());
        self.report.time = header.at.map(|at| rfc3339(at.utc_us));
        Some(entry)
    }

    fn decode(&mut self, what: &'static str, text: &str) -> Option<Decoded> {
        match Decoded::parse_any_kind(text.as_bytes()) {
            Ok(entry) => Some(entry),
            Err(error) => {
                let reason = spell(&error);
                self.find(ProofFault::NotAnEntry { what, reason });
                None
            }
        }
    }

    fn source(&mut self, entry: &Decoded, checkpoint: Option<&Checkpoint>) {
        let own = entry.header().source == self.trust.aggregator;
        let Some(seal) = &self.file.extra.seal else {
            self.report.key_trust = KeyTrust::NoSeal;
            if entry.header().kind == Kind::Seal {
                // A seal is proven like an entry, and speaks for itself.
                self.seal_alone(entry, checkpoint);
            } else if own {
                self.say("the entry is the aggregator's own: the checkpoint signs it".to_owned());
            } else {
                self.find(ProofFault::NoSeal);
            }
            return;
        };
        if own {
            let reason = "entries of the aggregator have none".to_owned();
            self.find(ProofFault::Seal { reason });
            return;
        }
        let Some(sealed) = self.decode("seal", &seal.entry) else {
            return;
        };
        if let Some(checkpoint) = checkpoint {
            let proof = seal.path.whole(&self.file.proof.proof).unwrap_or_default();
            self.included(
                "seal",
                &seal.entry,
                LeafIndex(seal.index),
                &proof,
                checkpoint,
            );
        }
        match under(entry, self.file.proof.index, &sealed, seal) {
            Ok((note, text)) => {
                self.say(format!(
                    "seal {} of boot {} covers entry {} of {}",
                    text.seal.0,
                    text.boot,
                    entry.header().seq.map_or(0, |seq| seq.0),
                    text.source
                ));
                self.key(&note, &text.source, checkpoint, seal.index);
            }
            Err(reason) => self.find(ProofFault::Seal { reason }),
        }
    }

    fn seal_alone(&mut self, entry: &Decoded, checkpoint: Option<&Checkpoint>) {
        match read_seal(entry) {
            Ok((note, text)) => {
                self.report.key_trust = KeyTrust::Unknown;
                self.key(&note, &text.source, checkpoint, self.file.proof.index.0);
            }
            Err(reason) => self.find(ProofFault::Seal { reason }),
        }
    }

    // The key.

    fn key(
        &mut self,
        note: &Note,
        source: &SourceId,
        checkpoint: Option<&Checkpoint>,
        sealed_at: u64,
    ) {
        let named = note.signatures().first().map(|each| each.key_ref().clone());
        let name = named.map(|key| key.to_string()).unwrap_or_default();
        self.report.seal_key = Some(name.clone());
        let mut pins = self
            .trust
            .sources
            .iter()
            .filter(|key| key.name().as_str() == source.as_str())
            .peekable();
        if pins.peek().is_some() {
            let pins: Vec<VerifierKey> = pins.cloned().collect();
            match verify(note, &pins) {
                Ok(_) => {
                    self.report.key_trust = KeyTrust::Pinned;
                    self.say(format!(
                        "the seal is signed by {name}, which your trust file names"
                    ));
                }
                Err(VerifyError::UnknownKey { .. }) => {
                    self.find(ProofFault::KeyNotPinned { key: name });
                }
                Err(_) => self.find(ProofFault::Signature),
            }
            return;
        }
        let (Some(key), Some(checkpoint)) = (&self.file.extra.key, checkpoint) else {
            self.find(ProofFault::KeyUnknown { key: name });
            return;
        };
        self.logged_key(key, note, source, checkpoint, sealed_at, &name);
    }

    fn logged_key(
        &mut self,
        key: &Proven,
        note: &Note,
        source: &SourceId,
        checkpoint: &Checkpoint,
        sealed_at: u64,
        name: &str,
    ) {
        let Some(entry) = self.decode("key entry", &key.entry) else {
            return;
        };
        let proof = key.path.whole(&self.file.proof.proof).unwrap_or_default();
        let there = self.included(
            "key entry",
            &key.entry,
            LeafIndex(key.index),
            &proof,
            checkpoint,
        );
        if !there {
            return;
        }
        let vkey = match given(&entry, &self.trust.aggregator, source) {
            Ok(_) if key.index >= sealed_at => Err("it comes after the seal"),
            other => other,
        };
        match vkey.map(|vkey| verify(note, std::slice::from_ref(&vkey)).map(|_| ())) {
            Err(reason) => self.find(ProofFault::Key { reason }),
            Ok(Ok(())) => {
                self.report.key_trust = KeyTrust::Logged;
                self.say(format!(
                    "the seal is signed by {name}, which the log gave to {source} at leaf {}",
                    key.index
                ));
                self.report.not_checked.push(format!(
                    "whether {name} was revoked before the seal, and whether it is really the source's: \
                     the log's aggregator says so, your trust file does not"
                ));
            }
            Ok(Err(VerifyError::UnknownKey { .. })) => {
                let reason = "it gives another key";
                self.find(ProofFault::Key { reason });
            }
            Ok(Err(_)) => self.find(ProofFault::Signature),
        }
    }

    fn say(&mut self, text: String) {
        self.report.checked.push(text);
    }

    fn find(&mut self, fault: ProofFault) {
        let verdict = fault.verdict();
        self.report.verdict = self.report.verdict.max(verdict);
        self.report.findings.push(ProofFinding { verdict, fault });
    }
}

/// Whether the seal is over the entry, by its place and its root.
fn under(
    entry: &Decoded,
    index: LeafIndex,
    sealed: &Decoded,
    seal: &Seal,
) -> Result<(Note, SealText), String> {
    let (note, text) = read_seal(sealed)?;
    let header = entry.header();
    if text.source != header.source || text.boot != header.boot {
        return Err("it is of another source or boot".to_owned());
    }
    let place = header
        .seq
        .and_then(|seq| seq.0.checked_sub(text.first.0))
        .filter(|place| *place < text.count.get())
        .ok_or("it covers other entries")?;
    // A group is contiguous in the log, its seal right behind it.
    let behind = seal.index.checked_sub(index.0);
    if behind != text.count.get().checked_sub(place) {
        return Err("it does not stand right behind the entries it covers".to_owned());
    }
    let proof = parse_hashes(&seal.group).ok_or("its proof is malformed")?;
    verify_inclusion(
        LeafIndex(place),
        TreeSize(text.count.get()),
        &leaf_hash(entry.bytes()),
        &InclusionProof(proof),
        &text.root,
    )
    .map_err(|error| error.to_string())?;
    Ok((note, text))
}

fn read_seal(entry: &Decoded) -> Result<(Note, SealText), String> {
    let note = entry.note().ok_or("it is no seal")?;
    let note = Note::parse(note.as_bytes()).map_err(|error| spell(&error))?;
    let text = SealText::parse(note.text()).map_err(|error| spell(&error))?;
    let header = entry.header();
    let same = text.source == header.source
        && text.boot == header.boot
        && Some(text.seal) == header.seal
        && note.signatures().len() == 1;
    if same {
        Ok((note, text))
    } else {
        Err("entry and note say different things".to_owned())
    }
}

#[derive(Deserialize)]
struct KeyBody {
    action: String,
    subject: String,
    vkey: String,
}

/// The key that an entry of the aggregator gives to a source.
fn given(
    entry: &Decoded,
    aggregator: &SourceId,
    source: &SourceId,
) -> Result<VerifierKey, &'static str> {
    let header = entry.header();
    if header.source != *aggregator || header.kind.as_str() != "key" {
        return Err("it is no key entry of the aggregator");
    }
    let body: Option<KeyBody> = entry
        .member("key")
        .and_then(|raw| serde_json::from_str(raw).ok());
    let body = body.ok_or("it cannot be read")?;
    if body.subject != source.as_str() {
        return Err("it speaks of another source");
    }
    if !matches!(body.action.as_str(), "enrol" | "rotate") {
        return Err("it gives no key");
    }
    let vkey: VerifierKey = body.vkey.parse().map_err(|_| "its key is malformed")?;
    if vkey.name().as_str() == source.as_str() {
        Ok(vkey)
    } else {
        Err("its key is not named after the source")
    }
}

/// An error with its causes, in one line, clipped.
fn spell(error: &dyn Error) -> String {
    affiant_entry::limits::clip(&affiant_tlog::error_with_causes(error), 400)
}
