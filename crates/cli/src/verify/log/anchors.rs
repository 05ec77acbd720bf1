//! Time stamps that a log holds (`checkpoint.anchor`), opened and judged by the verifier's own roots.
//!
//! A stamp shows that a tree was there at a time, by somebody else's clock. So it is worth something only
//! if the tree is the beginning of this very log, the token is over that checkpoint's bytes, the authority
//! is pinned, and its time fits what it must have come after and before:
//!
//! ```text
//! witnesses cosigned the checkpoint ─▸ it was stamped ─▸ the token became a leaf
//!                                        ─▸ whatever covers that leaf was cosigned, or stamped
//! ```
//!
//! Nothing of it needs the network. Without `tsa` lines in the trust file the trees are compared and the
//! tokens are left closed, and that is said.

use std::collections::BTreeMap;

use affiant_audit::TrustFile;
use affiant_audit::files::root_at;
use affiant_audit::log::AnchorClaim;
use affiant_entry::rfc3339;
use affiant_log::anchor::{TokenError, verify_token};
use affiant_tlog::policy::PolicyReport;
use affiant_tlog::{Checkpoint, Note, TreeSize};
use rustls::pki_types::CertificateDer;
use serde::Serialize;

use super::source::{ReadError, Source};
use crate::entries::units::plural;
use crate::error::chain;
use crate::verify::{Answer, Fault};

/// How far the clocks of an authority and a witness may be apart, seconds.
const CLOCKS_APART_S: u64 = 60;
/// Most time stamps listed one by one, the newest.
const LISTED_MAX: usize = 200;
/// Most faults of time stamps that are told one by one.
const FAULTS_MAX: usize = 20;

/// The time stamps of a log.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Anchors {
    /// How many the log holds.
    pub(crate) total: u64,
    /// How many hold: the tree is this log's, the token verified, its time fits.
    pub(crate) hold: u64,
    /// How many tokens were not opened, for want of a root to trust.
    pub(crate) not_checked: u64,
    /// How many are over trees whose hashes are not here any more.
    pub(crate) pruned: u64,
    /// The newest of them, in the order of the log.
    pub(crate) listed: Vec<Anchor>,
    #[serde(skip)]
    newest: BTreeMap<String, Newest>,
}

/// One time stamp.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Anchor {
    /// The leaf that holds it.
    leaf: u64,
    /// The authority, as the aggregator calls it.
    authority: String,
    /// Leaves of the stamped tree.
    size: u64,
    /// The time of the verified token, RFC 3339; absent if it was not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// What became of it: `holds`, `not-checked`, `pruned`, or the code of a fault.
    verdict: &'static str,
}

/// The newest time stamp of an authority that holds.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// How many of this authority hold.
    pub(crate) held: u64,
    /// Leaves that the newest covers.
    pub(crate) size: u64,
    /// Its time.
    pub(crate) time: String,
}

/// What time stamps are judged by.
pub(super) struct Stamped<'a> {
    pub(super) source: &'a Source,
    pub(super) trust: &'a TrustFile,
    /// `None`: the trust file names no authority.
    pub(super) roots: Option<&'a [CertificateDer<'static>]>,
    pub(super) report: &'a PolicyReport,
}

/// Why one does not hold.
struct Refused {
    answer: Answer,
    code: &'static str,
    text: String,
}

/// Why one was not judged to its end.
enum Undone {
    Refused(Refused),
    /// The hashes of its tree are not here.
    Pruned,
    Read(ReadError),
}

impl From<ReadError> for Undone {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A token that verified.
struct Verified {
    time_s: u64,
    time: String,
}

impl Stamped<'_> {
    /// Judges the time stamps, in the order of the log.
    pub(super) fn judge(&self, claims: &[AnchorClaim]) -> Result<(Anchors, Vec<Fault>), ReadError> {
        let mut anchors = Anchors {
            total: count(claims.len()),
            ..Anchors::default()
        };
        let mut faults = Faults::default();
        // Leaves that hold a verified token, with the latest time of any up to there.
        let mut known: Vec<(u64, u64)> = Vec::new();
        for claim in claims {
            let (time, verdict) = match self.one(claim, &known) {
                Ok(Some(verified)) => {
                    let latest = known.last().map_or(0, |(_, time)| *time);
                    known.push((claim.leaf.0, latest.max(verified.time_s)));
                    anchors.hold += 1;
                    let newest = anchors.newest.entry(claim.authority.clone()).or_default();
                    newest.held += 1;
                    (newest.size, newest.time) = (claim.size, verified.time.clone());
                    (Some(verified.time), "holds")
                }
                Ok(None) => {
                    anchors.not_checked += 1;
                    (None, "not-checked")
                }
                Err(Undone::Pruned) => {
                    anchors.pruned += 1;
                    (None, "pruned")
                }
                Err(Undone::Read(error)) => return Err(error),
                Err(Undone::Refused(refused)) => {
                    let code = refused.code;
                    faults.add(claim, &refused);
                    (None, code)
                }
            };
            anchors.listed.push(Anchor {
                leaf: claim.leaf.0,
                authority: claim.authority.clone(),
                size: claim.size,
                time,
                verdict,
            });
        }
        let more = anchors.listed.len().saturating_sub(LISTED_MAX);
        anchors.listed.drain(..more);
        if self.roots.is_some() && claims.is_empty() {
            faults.listed.push(Fault {
                answer: Answer::Incomplete,
                code: "anchor-missing",
                text: "you trust a time-stamp authority, but the log holds no time stamp"
                    .to_owned(),
            });
        }
        Ok((anchors, faults.all()))
    }

    fn one(&self, claim: &AnchorClaim, known: &[(u64, u64)]) -> Result<Option<Verified>, Undone> {
        let note = self.tree(claim)?;
        let Some(roots) = self.roots else {
            return Ok(None);
        };
        let stamp = verify_token(&claim.token, claim.checkpoint.as_bytes(), roots)
            .map_err(|error| Undone::Refused(refusal(error, &chain(&error))))?;
        self.times(claim, &note, stamp.time_s, known)?;
        Ok(Some(Verified {
            time_s: stamp.time_s,
            time: stamp.time,
        }))
    }

    /// The stamped checkpoint must be the beginning of this very log.
    fn tree(&self, claim: &AnchorClaim) -> Result<Note, Undone> {
        let ours = self.report.checkpoint();
        let read = Note::parse(claim.checkpoint.as_bytes())
            .ok()
            .and_then(|note| {
                let checkpoint = Checkpoint::parse(note.text()).ok()?;
                Some((note, checkpoint))
            });
        let note = match read {
            Some((note, of))
                if of.origin == ours.origin && of.size.0 == claim.size && of.root == claim.root =>
            {
                note
            }
            _ => {
                return no(
                    "anchor-checkpoint",
                    "holds a checkpoint that is not the one it names",
                );
            }
        };
        let size = TreeSize(claim.size);
        let root = root_at(self.source, size, ours.size)?;
        if size > ours.size || root.is_some_and(|root| root != claim.root) {
            let what = "a tree that this log does not begin with";
            return no("anchor-root", format!("stamped {what}"));
        }
        if root.is_none() {
            return Err(Undone::Pruned);
        }
        Ok(note)
    }

    /// The time must fit what came before and behind it.
    fn times(
        &self,
        claim: &AnchorClaim,
        note: &Note,
        at_s: u64,
        known: &[(u64, u64)],
    ) -> Result<(), Undone> {
        let said = |s: u64| {
            rfc3339(
                i64::try_from(s)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1_000_000),
            )
        };
        let is_before = |a: u64, b: u64| a.saturating_add(CLOCKS_APART_S) < b;
        let cosigned = self.trust.policy.check(note);
        let cosigned = cosigned.iter().flat_map(PolicyReport::cosigned);
        if let Some(witness) = cosigned.max_by_key(|each| each.time)
            && is_before(at_s, witness.time.0)
        {
            return no(
                "anchor-time",
                format!(
                    "says {}, but witness {} cosigned what it stamped at {}",
                    said(at_s),
                    witness.name,
                    said(witness.time.0)
                ),
            );
        }
        let inside = known.partition_point(|(leaf, _)| *leaf < claim.size);
        if let Some((_, earlier)) = inside.checked_sub(1).and_then(|last| known.get(last))
            && is_before(at_s, *earlier)
        {
            return no(
                "anchor-time",
                format!(
                    "says {}, but the tree it stamped holds a time stamp of {}",
                    said(at_s),
                    said(*earlier)
                ),
            );
        }
        let over = self.report.cosigned().iter().min_by_key(|each| each.time);
        if let Some(witness) = over.filter(|witness| is_before(witness.time.0, at_s)) {
            return no(
                "anchor-time",
                format!(
                    "says {}, but witness {} saw it in the log at {}",
                    said(at_s),
                    witness.name,
                    said(witness.time.0)
                ),
            );
        }
        if claim
            .gen_time
            .as_ref()
            .is_some_and(|time| !same_second(time, &said(at_s)))
        {
            return no("anchor-time", "says another time than its entry does");
        }
        Ok(())
    }
}

/// Both are RFC 3339 in UTC; fractions may be spelled differently.
fn same_second(a: &str, b: &str) -> bool {
    a.get(..19) == b.get(..19)
}

fn no<T>(code: &'static str, text: impl Into<String>) -> Result<T, Undone> {
    Err(Undone::Refused(Refused {
        answer: Answer::No,
        code,
        text: text.into(),
    }))
}

/// What a token that does not verify comes to. Who signed it is a question of trust, as with a log's
/// key; all else is forged, or over something else.
fn refusal(error: TokenError, text: &str) -> Refused {
    let (answer, code) = match error {
        TokenError::Chain => (Answer::Untrusted, "anchor-untrusted"),
        TokenError::Usage => (Answer::Untrusted, "anchor-usage"),
        TokenError::Imprint => (Answer::No, "anchor-imprint"),
        TokenError::Algorithm => (Answer::No, "anchor-algorithm"),
        TokenError::Malformed
        | TokenError::Attributes
        | TokenError::Certificate
        | TokenError::Signature
        | _ => (Answer::No, "anchor-token"),
    };
    Refused {
        answer,
        code,
        text: format!("has a token that does not verify: {text}"),
    }
}

#[derive(Default)]
struct Faults {
    listed: Vec<Fault>,
    more: u64,
    worst: Option<Answer>,
}

impl Faults {
    fn add(&mut self, claim: &AnchorClaim, refused: &Refused) {
        if self.listed.len() >= FAULTS_MAX {
            self.more += 1;
            self.worst = self.worst.max(Some(refused.answer));
            return;
        }
        self.listed.push(Fault {
            answer: refused.answer,
            code: refused.code,
            text: format!(
                "leaf {}: time stamp by `{}` over {} {}",
                claim.leaf,
                claim.authority,
                plural(claim.size, "leaf", "leaves"),
                refused.text
            ),
        });
    }

    fn all(mut self) -> Vec<Fault> {
        if let Some(answer) = self.worst {
            self.listed.push(Fault {
                answer,
                code: "anchor-more",
                text: format!("{} more time stamps do not hold", self.more),
            });
        }
        self.listed
    }
}

impl Anchors {
    /// Of each authority the newest that holds, by name.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&String, &Newest)> {
        self.newest.iter()
    }

    /// What was left open, in sentences.
    pub(super) fn not_checked(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.not_checked > 0 {
            out.push(format!(
                "the time stamps themselves ({}): their trees were found in this log, their tokens were not \
                 opened, as your trust has no `tsa` line",
                self.not_checked
            ));
        }
        if self.pruned > 0 {
            out.push(format!(
                "time stamps over trees whose hashes are not here any more ({})",
                self.pruned
            ));
        }
        if self.hold > 0 {
            out.push(
                "whether a time-stamp authority's certificate was revoked, and its clock right"
                    .to_owned(),
            );
        }
        out
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
