//! The verifier's own trust: a C2SP tlog-policy with lines of ours.
//!
//! ```text
//! log     localhost/affiant/3f9c2a1b+1c2f0f55+AQ…    the log
//! witness alice witness.example/alice+9a0b3c4d+BA…   who else saw its checkpoints
//! quorum  alice
//! admin   admin+77aa00ff+AQ…                         who signs the roster
//! source  gw-7+1c2f0f55+AQ…                          a seal key that you got elsewhere
//! tsa     freetsa-root.pem                           roots of a time-stamp authority
//! aggregator aggregator                              the id it writes under, if it is another
//! ```
//!
//! A text of verifier keys alone, one a line (what `affiant key show log` prints), is the policy that
//! trusts those logs and asks for no witness.
//!
//! Nothing of it may come from what it judges. Specification: <https://c2sp.org/tlog-policy>;
//! `docs/spec/proof.md` for our lines.

use affiant_entry::SourceId;
use affiant_tlog::VerifierKey;
use affiant_tlog::note::ParseKeyError;
use affiant_tlog::policy::{OtherLine, ParsePolicyError, Policy};

/// The id an aggregator writes under unless it was given another.
pub const AGGREGATOR: &str = "aggregator";

/// Whom a verifier believes.
#[derive(Debug, Clone)]
pub struct TrustFile {
    /// Logs, witnesses, quorum.
    pub policy: Policy,
    /// Keys that sign rosters.
    pub admins: Vec<VerifierKey>,
    /// Seal keys of sources.
    pub sources: Vec<VerifierKey>,
    /// Files with the roots of time-stamp authorities, as the text names them: relative to it.
    pub tsas: Vec<String>,
    /// The id that the aggregator writes under; `aggregator` unless the text says otherwise.
    pub aggregator: SourceId,
}

/// Why a text is not a trust file, and where. Its writer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustFileError {
    /// A line of the policy is wrong.
    #[error("trust file is malformed")]
    Policy(#[source] ParsePolicyError),
    /// A line that is neither of a policy nor ours.
    #[error(
        "line {line}: `{keyword}` is not `log`, `witness`, `group`, `quorum`, `admin`, `source`, `tsa` or `aggregator`"
    )]
    Keyword {
        /// Which line, counted from 1.
        line: usize,
        /// Its first word, as far as it is text.
        keyword: String,
    },
    /// One of our lines has too many or too few words.
    #[error("line {line}: `{keyword}` takes one word")]
    Words {
        /// Which line, counted from 1.
        line: usize,
        /// Its first word.
        keyword: &'static str,
    },
    /// A key is malformed.
    #[error("line {line}: key is malformed")]
    Key {
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        cause: ParseKeyError,
    },
    /// The id of the aggregator is none.
    #[error("line {line}: not a source id")]
    Aggregator {
        /// Which line, counted from 1.
        line: usize,
    },
    /// A word is not UTF-8.
    #[error("line {line}: not utf-8")]
    NotUtf8 {
        /// Which line, counted from 1.
        line: usize,
    },
}

impl TrustFile {
    /// Reads a trust file. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// [`TrustFileError`], with the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustFileError> {
        if let Some(keys) = bare_keys(bytes) {
            let text = keys
                .iter()
                .map(|key| format!("log {key}\n"))
                .chain(["quorum none\n".to_owned()])
                .collect::<String>();
            let policy = Policy::parse(text.as_bytes()).map_err(TrustFileError::Policy)?;
            return Ok(Self::of(policy));
        }
        let (policy, others) = Policy::parse_with_others(bytes).map_err(TrustFileError::Policy)?;
        let mut trust = Self::of(policy);
        for other in &others {
            trust.take(other)?;
        }
        Ok(trust)
    }

    /// The trust that pins one log and asks for no witness.
    #[must_use]
    pub fn of_log(key: VerifierKey) -> Self {
        Self::of(Policy::of_log(key))
    }

    fn of(policy: Policy) -> Self {
        Self {
            policy,
            admins: Vec::new(),
            sources: Vec::new(),
            tsas: Vec::new(),
            aggregator: SourceId::sanitized(AGGREGATOR),
        }
    }

    fn take(&mut self, other: &OtherLine) -> Result<(), TrustFileError> {
        let line = other.line;
        let mut words = Vec::with_capacity(other.words.len());
        for word in &other.words {
            words.push(str::from_utf8(word).map_err(|_| TrustFileError::NotUtf8 { line })?);
        }
        let key = |keyword| match words.as_slice() {
            [_, key] => key
                .parse::<VerifierKey>()
                .map_err(|cause| TrustFileError::Key { line, cause }),
            _ => Err(TrustFileError::Words { line, keyword }),
        };
        match words.first().copied().unwrap_or_default() {
            "admin" => self.admins.push(key("admin")?),
            "source" => self.sources.push(key("source")?),
            "tsa" => match words.as_slice() {
                [_, path] => self.tsas.push((*path).to_owned()),
                _ => {
                    let keyword = "tsa";
                    return Err(TrustFileError::Words { line, keyword });
                }
            },
            "aggregator" => {
                let id = match words.as_slice() {
                    [_, id] => SourceId::new(id).ok(),
                    _ => None,
                };
                self.aggregator = id.ok_or(TrustFileError::Aggregator { line })?;
            }
            other => {
                let keyword = affiant_entry::limits::clip(other, 40);
                return Err(TrustFileError::Keyword { line, keyword });
            }
        }
        Ok(())
    }
}

/// The keys of a text that is nothing but keys and comments.
fn bare_keys(bytes: &[u8]) -> Option<Vec<VerifierKey>> {
    let text = str::from_utf8(bytes).ok()?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines
        .map(|line| line.parse().ok())
        .collect::<Option<Vec<_>>>()?;
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn refused(text: &str) -> String {
        TrustFile::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn our_lines_stand_among_those_of_a_policy() {
        let text =
            format!("# mine\nlog {KEY}\nadmin {KEY}\nquorum none\nsource {KEY}\ntsa root.pem\n");
        let trust = TrustFile::parse(text.as_bytes()).unwrap();
        let counts = [
            trust.admins.len(),
            trust.sources.len(),
            trust.policy.logs().len(),
        ];
        assert_eq!((counts, trust.tsas), ([1; 3], vec!["root.pem".to_owned()]));
    }

    #[test]
    fn a_key_alone_is_a_log() {
        for text in [
            KEY.to_owned(),
            format!("{KEY}\n"),
            format!("# log\n{KEY}\n\n"),
        ] {
            let trust = TrustFile::parse(text.as_bytes()).unwrap();
            assert_eq!(trust.policy.logs().len(), 1);
            assert!(!trust.policy.asks_for_witnesses());
        }
    }

    #[test]
    fn unknown_lines_are_refused_with_their_number() {
        assert!(
            refused(&format!("log {KEY}\nquorum none\nwitnes {KEY}\n"))
                .starts_with("line 3: `witnes` is not")
        );
        assert!(refused("quorum none\nadmin\n").starts_with("line 2: `admin` takes"));
        assert!(refused("quorum none\nsource x\n").starts_with("line 2: key"));
        assert!(refused("quorum none\ntsa a b\n").starts_with("line 2: `tsa` takes"));
        assert!(refused("").starts_with("trust file is malformed"));
    }
}
