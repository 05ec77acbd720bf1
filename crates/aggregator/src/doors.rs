//! Where foreign records go: into our own chain, blobs first.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use affiant_entry::CommitKey;
use affiant_log::SequenceError;
use affiant_policy::redact::{Redactor, RuleSet};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::blobs::Blobs;
use crate::clock;
use crate::config::Settings;
use crate::core::Core;
use crate::files::{self, FileError};
use crate::foreign::{Foreign, Imported, Importer, Sink, SinkError};
use crate::ledger::{Ledger, LedgerError, Part};
use crate::problem::Problem;
use crate::server::StartError;
use crate::state::StateDir;

/// The ledger and the blobs, as foreign records see them.
#[derive(Debug)]
pub(crate) struct OwnChainSink {
    ledger: Ledger,
    blobs: Blobs,
}

/// What the routes for foreign records work with.
pub(crate) fn foreign(
    dir: &StateDir,
    core: &Core,
    rules: RuleSet,
) -> Result<Arc<Foreign<OwnChainSink>>, FileError> {
    let key = commit_key(dir)?;
    let redactor = Arc::new(Redactor::new(rules, key.clone()));
    Ok(Arc::new(Foreign {
        importer: Importer::new(redactor, key),
        sink: OwnChainSink {
            ledger: core.ledger.clone(),
            blobs: core.blobs.clone(),
        },
        now: clock::now,
    }))
}

/// The redaction rules in force, and the digest of all that was configured: that of the configuration
/// file, and behind a `+` that of the rule file.
pub(crate) fn rules(settings: &Settings) -> Result<(RuleSet, Option<String>), StartError> {
    let digest = settings.digest.clone();
    let Some(path) = &settings.redaction_rules else {
        return Ok((RuleSet::builtin(), digest));
    };
    let text = fs_err::read_to_string(path)?;
    let rules = RuleSet::parse(&text).map_err(|error| StartError::Rules {
        path: path.clone(),
        problem: format!(
            "line {}, column {}: {}",
            error.line, error.column, error.problem
        ),
    })?;
    let of_rules = format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())));
    let digest = digest.map_or_else(|| of_rules.clone(), |own| format!("{own}+{of_rules}"));
    Ok((rules, Some(digest)))
}

/// Who may write through the API.
#[derive(Debug, Clone)]
pub(crate) enum Gate {
    /// Whoever reaches it: it listens on loopback, asks nobody who he is, and no token is configured.
    Open,
    /// Who knows the token, by the SHA-256 of it.
    Token([u8; 32]),
    /// Nobody but who has a role for it: no token is configured.
    Shut,
}

impl Gate {
    /// By the token's file, and whether the API lets in whoever reaches it.
    ///
    /// # Errors
    /// When the file can be reached by others, or holds no token.
    pub(crate) fn open(token: Option<&Path>, anyone: bool) -> Result<Self, FileError> {
        let Some(path) = token else {
            return Ok(if anyone { Self::Open } else { Self::Shut });
        };
        let wrong = || FileError::content(path, "token (one line of 16 characters or more)");
        let text = files::read_secret(path)?.ok_or_else(wrong)?;
        let token = text.trim();
        let fits = token.len() >= TOKEN_BYTES_MIN && token.bytes().all(|b| b.is_ascii_graphic());
        if fits {
            Ok(Self::Token(Sha256::digest(token.as_bytes()).into()))
        } else {
            Err(wrong())
        }
    }

    /// Whether a request with these headers may write.
    pub(crate) fn lets_in(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let wanted = match self {
            Self::Open => return Ok(()),
            Self::Shut => {
                let detail = "importing asks for the token of `import.token_file`, or for a role";
                return Err(refused(detail));
            }
            Self::Token(wanted) => wanted,
        };
        let given = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let given = given.and_then(|text| text.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = given.ok_or_else(|| refused("importing asks for a bearer token"))?;
        let given: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        if bool::from(given.ct_eq(wanted)) {
            Ok(())
        } else {
            Err(refused(
                "the bearer token is not the one that importing asks for",
            ))
        }
    }
}

fn refused(detail: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "import-refused",
        "importing is not allowed",
        detail,
    )
}

impl Sink for OwnChainSink {
    async fn append(&self, imported: Vec<Imported>) -> Result<Range<u64>, SinkError> {
        let mut blobs = Vec::new();
        let mut records = Vec::with_capacity(imported.len());
        for one in imported {
            blobs.extend(one.blobs.into_iter().map(|blob| blob.bytes));
            records.push(one.record);
        }
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let store = self.blobs.clone();
        let kept = tokio::task::spawn_blocking(move || store.keep(&blobs)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::error!("blobs of imported records cannot be kept");
            return Err(SinkError::Unavailable);
        }
        let submitted = self
            .ledger
            .submit(self.ledger.epoch(), vec![Part::Own(records)]);
        let submission = submitted.map_err(|_| SinkError::Unavailable)?;
        let leaves = submission.leaves();
        let appended = submission.settled().await.map_err(|error| unsure(&error))?;
        // A boot entry of our own may stand before them.
        let end = appended.first.0.saturating_add(leaves);
        Ok(end.saturating_sub(count)..end)
    }
}

const fn unsure(error: &LedgerError) -> SinkError {
    match error {
        LedgerError::Log(SequenceError::Unknown(_) | SequenceError::Unpublished)
        | LedgerError::Behind => SinkError::Unknown,
        LedgerError::Log(_) | LedgerError::Failed | LedgerError::Encode(_) => {
            SinkError::Unavailable
        }
    }
}

/// Shorter tokens can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// The key of commitments in imported entries; made once.
fn commit_key(dir: &StateDir) -> Result<CommitKey, FileError> {
    let path = dir.keys().join("commit.key");
    let text = match files::read_secret(&path)? {
        Some(text) => text,
        None => {
            let secret = Zeroizing::new(crate::entropy::bytes::<32>());
            let text = Zeroizing::new(format!("k1:{}\n", hex::encode(secret.as_slice())));
            files::write_whole(&path, text.as_bytes(), 0o600)?;
            text
        }
    };
    let wrong = || FileError::content(&path, "commitment key (`k1:` and 64 hex digits)");
    let (id, secret) = text.trim().split_once(':').ok_or_else(wrong)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(secret, bytes.as_mut_slice()).map_err(|_| wrong())?;
    Ok(CommitKey::new(id, &bytes))
}
