//! Enrolment tokens: each lets one source in, once, for a short time.
//!
//! ```text
//! affiant-token-v1.<base64url of a 32-byte secret>.<base64url of SHA-256 of the CA certificate's DER>
//! ```
//!
//! The second part is no secret: with it a source knows the CA before it trusts a connection. Only
//! the SHA-256 of the secret is stored. Using a token renames its file to `used/`: of two that try,
//! one wins, whichever process they are in.

use std::io::ErrorKind;
use std::path::PathBuf;

use affiant_entry::{SourceId, parse_rfc3339, rfc3339};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::files::{self, FileError};
use crate::state::StateDir;

/// First part of every token.
const PREFIX: &str = "affiant-token-v1";

/// The tokens of a data directory. Several processes may use it at once.
#[derive(Debug, Clone)]
pub struct Tokens {
    dir: PathBuf,
}

/// What is known of a token. The secret is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Names it: the first 16 hexadecimal digits of the SHA-256 of its secret.
    pub id: String,
    /// The one source it lets in; any if absent.
    pub source: Option<SourceId>,
    /// When it was made, microseconds since the Unix epoch.
    pub created_utc_us: i64,
    /// When it ends, microseconds since the Unix epoch.
    pub expires_utc_us: i64,
    /// Whether it was used or revoked.
    pub spent: Option<Spent>,
}

/// How a token ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spent {
    /// A source was let in.
    Used,
    /// The operator took it back.
    Revoked,
}

/// A token lets nobody in. The operator makes another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a token of this aggregator, or not a token at all.
    #[error("token is unknown")]
    Unknown,
    /// Its time is over.
    #[error("token has expired")]
    Expired,
    /// It was used before, or revoked.
    #[error("token was used or revoked")]
    Used,
    /// It is for another source.
    #[error("token is for the source `{expected}`")]
    OtherSource {
        /// The one source it lets in.
        expected: SourceId,
    },
    /// The storage failed.
    #[error(transparent)]
    File(#[from] FileError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    v: u64,
    created: String,
    expires: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<SourceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spent: Option<Spent>,
}

impl Tokens {
    /// The tokens of this data directory.
    #[must_use]
    pub fn new(dir: &StateDir) -> Self {
        Self { dir: dir.tokens() }
    }

    /// Makes a token that ends at `expires_utc_us`, and gives its text: the only time it is known.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn make(
        &self,
        source: Option<SourceId>,
        expires_utc_us: i64,
        ca_sha256: &[u8; 32],
    ) -> Result<Zeroizing<String>, FileError> {
        files::private_dir(&self.dir.join("used"))?;
        let secret = Zeroizing::new(crate::entropy::bytes::<32>());
        let stored = Stored {
            v: 1,
            created: rfc3339(crate::clock::now().utc_us),
            expires: rfc3339(expires_utc_us),
            source,
            spent: None,
        };
        files::write_json(&self.path(&hash(secret.as_slice())), &stored, 0o600)?;
        Ok(Zeroizing::new(format!(
            "{PREFIX}.{}.{}",
            URL_SAFE_NO_PAD.encode(secret.as_slice()),
            URL_SAFE_NO_PAD.encode(ca_sha256)
        )))
    }

    /// All tokens, used ones too, by id.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self) -> Result<Vec<TokenInfo>, FileError> {
        let mut out = Vec::new();
        for dir in [self.dir.clone(), self.dir.join("used")] {
            let used = dir != self.dir;
            for name in files::names(&dir)? {
                let Some(stored) = files::read_json::<Stored>(&dir.join(&name), WHAT)? else {
                    continue;
                };
                let spent = stored.spent.or_else(|| used.then_some(Spent::Used));
                out.push(info(&name, &stored, spent));
            }
        }
        out.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(out)
    }

    /// Takes back every token whose id begins with `id`; says how many there were.
    ///
    /// # Errors
    /// When one cannot be moved.
    pub fn revoke(&self, id: &str) -> Result<usize, FileError> {
        let mut count = 0;
        for name in files::names(&self.dir)? {
            let path = self.dir.join(&name);
            if !name.starts_with(id) {
                continue;
            }
            let Some(mut stored) = files::read_json::<Stored>(&path, WHAT)? else {
                continue;
            };
            if self.spend(&name)? {
                stored.spent = Some(Spent::Revoked);
                files::write_json(&self.used(&name), &stored, 0o600)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Looks at a token without using it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check(&self, token: &str, source: &SourceId, now_utc_us: i64) -> Result<(), TokenError> {
        let name = name_of(token)?;
        let Some(stored) = files::read_json::<Stored>(&self.path(&name), WHAT)? else {
            return Err(if self.used(&name).exists() {
                TokenError::Used
            } else {
                TokenError::Unknown
            });
        };
        if parse_rfc3339(&stored.expires).is_none_or(|end| end <= now_utc_us) {
            return Err(TokenError::Expired);
        }
        match stored.source {
            Some(expected) if expected != *source => Err(TokenError::OtherSource { expected }),
            Some(_) | None => Ok(()),
        }
    }

    /// Uses a token: whoever gets `Ok` is the only one.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn redeem(
        &self,
        token: &str,
        source: &SourceId,
        now_utc_us: i64,
    ) -> Result<(), TokenError> {
        self.check(token, source, now_utc_us)?;
        if self.spend(&name_of(token)?)? {
            Ok(())
        } else {
            Err(TokenError::Used)
        }
    }

    /// Moves a token away; false if another was faster.
    fn spend(&self, name: &str) -> Result<bool, FileError> {
        files::private_dir(&self.dir.join("used"))?;
        match fs::rename(self.path(name), self.used(name)) {
            Ok(()) => {
                files::sync_dir(&self.dir)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn used(&self, name: &str) -> PathBuf {
        self.dir.join("used").join(name)
    }
}

fn info(name: &str, stored: &Stored, spent: Option<Spent>) -> TokenInfo {
    TokenInfo {
        id: name.chars().take(ID_CHARS).collect(),
        source: stored.source.clone(),
        created_utc_us: parse_rfc3339(&stored.created).unwrap_or_default(),
        expires_utc_us: parse_rfc3339(&stored.expires).unwrap_or_default(),
        spent,
    }
}

fn name_of(token: &str) -> Result<String, TokenError> {
    let mut parts = token.split('.');
    let (prefix, secret, ca) = (parts.next(), parts.next(), parts.next());
    if prefix != Some(PREFIX) || ca.is_none() || parts.next().is_some() {
        return Err(TokenError::Unknown);
    }
    let secret = URL_SAFE_NO_PAD.decode(secret.unwrap_or_default());
    let secret = Zeroizing::new(secret.map_err(|_| TokenError::Unknown)?);
    Ok(hash(&secret))
}

fn hash(secret: &[u8]) -> String {
    hex::encode(Sha256::digest(secret))
}

const WHAT: &str = "enrolment token's record";
/// Enough to tell the tokens of one aggregator apart.
const ID_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (tempfile::TempDir, Tokens) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        state.create().unwrap();
        let tokens = Tokens::new(&state);
        (dir, tokens)
    }

    fn id(text: &str) -> SourceId {
        SourceId::new(text).unwrap()
    }

    #[test]
    fn a_token_lets_one_source_in_once() {
        let (_dir, tokens) = world();
        let token = tokens.make(None, 100, &[7; 32]).unwrap();
        assert!(tokens.redeem(&token, &id("gw-1"), 99).is_ok());
        let again = tokens.redeem(&token, &id("gw-1"), 99);
        assert!(matches!(again, Err(TokenError::Used)), "{again:?}");
        assert_eq!(tokens.list().unwrap()[0].spent, Some(Spent::Used));
    }

    #[test]
    fn of_many_that_try_at_once_one_wins() {
        let (_dir, tokens) = world();
        let token = tokens.make(None, 100, &[7; 32]).unwrap();
        let wins = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| tokens.redeem(&token, &id("gw-1"), 1).is_ok()))
                .collect();
            tries
                .into_iter()
                .filter(|_| true)
                .map(|t| t.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(wins, 1);
    }

    #[test]
    fn a_token_that_is_old_or_for_another_or_revoked_is_refused() {
        let (_dir, tokens) = world();
        let token = tokens.make(Some(id("gw-1")), 100, &[7; 32]).unwrap();
        let late = tokens.redeem(&token, &id("gw-1"), 100);
        assert!(matches!(late, Err(TokenError::Expired)), "{late:?}");
        let other = tokens.redeem(&token, &id("gw-2"), 1);
        assert!(
            matches!(other, Err(TokenError::OtherSource { .. })),
            "{other:?}"
        );
        let listed = tokens.list().unwrap();
        assert_eq!(tokens.revoke(&listed[0].id).unwrap(), 1);
        let revoked = tokens.redeem(&token, &id("gw-1"), 1);
        assert!(matches!(revoked, Err(TokenError::Used)), "{revoked:?}");
        assert_eq!(tokens.list().unwrap()[0].spent, Some(Spent::Revoked));
    }

    #[test]
    fn what_is_no_token_is_unknown() {
        let (_dir, tokens) = world();
        for text in [
            "",
            "affiant-token-v1",
            "affiant-token-v1.AAAA.BBBB",
            "a.b.c",
            "..",
            "affiant-token-v1.AAAA.BB.CC",
        ] {
            let refused = tokens.redeem(text, &id("gw-1"), 1);
            assert!(
                matches!(refused, Err(TokenError::Unknown)),
                "{text}: {refused:?}"
            );
        }
    }

    #[test]
    fn the_secret_is_not_stored() {
        let (dir, tokens) = world();
        let token = tokens.make(None, 100, &[7; 32]).unwrap();
        let secret = token.split('.').nth(1).unwrap().to_owned();
        let stored = &files::names(&dir.path().join("state/tokens")).unwrap()[0];
        let text = fs::read_to_string(dir.path().join("state/tokens").join(stored)).unwrap();
        assert!(!text.contains(&secret) && !stored.contains(&secret));
    }
}
