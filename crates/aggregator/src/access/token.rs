//! API tokens: who holds one has its role.
//!
//! ```text
//! affiant-api-v1.<id: 16 hexadecimal digits>.<base64url of a 32-byte secret>
//! ```
//!
//! One file a token, named by the id, with the SHA-256 of the secret. The secret has 256 random bits, so
//! that a fast hash is enough: there is nothing to guess. Read at each request: revoking counts at once.

use std::path::PathBuf;

use affiant_entry::{parse_rfc3339, rfc3339};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{By, Principal, Role};
use crate::files::{self, FileError};
use crate::query::ReadBounds;
use crate::state::StateDir;

/// First part of every token.
const PREFIX: &str = "affiant-api-v1.";

/// The API tokens of a data directory. Several processes may use it at once.
#[derive(Debug, Clone)]
pub struct ApiTokens {
    dir: PathBuf,
}

/// What a new token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// Whose it is: stands in the log for each read. At most [`ApiTokens::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// What its holder may.
    pub role: Role,
    /// The time that he may read.
    pub bounds: ReadBounds,
    /// When it ends, microseconds since the Unix epoch; never if absent.
    pub expires_utc_us: Option<i64>,
}

/// What is known of a token. The secret is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenInfo {
    /// Names it.
    pub id: String,
    /// What it is for.
    pub token: NewApiToken,
    /// When it was made, microseconds since the Unix epoch.
    pub created_utc_us: i64,
    /// When it was taken back, microseconds since the Unix epoch.
    pub revoked_utc_us: Option<i64>,
}

/// A token lets nobody in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiTokenError {
    /// Not a token of this aggregator.
    #[error("the API token is unknown")]
    Unknown,
    /// Its time is over.
    #[error("the API token has expired")]
    Expired,
    /// The operator took it back.
    #[error("the API token was revoked")]
    Revoked,
    /// The storage failed.
    #[error(transparent)]
    File(#[from] FileError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    v: u64,
    name: String,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    /// Of the secret, hexadecimal.
    sha256: String,
}

impl ApiTokens {
    /// Longest name of a token, bytes.
    pub const NAME_BYTES_MAX: usize = 128;

    /// The API tokens of this data directory.
    #[must_use]
    pub fn new(dir: &StateDir) -> Self {
        Self {
            dir: dir.api_tokens(),
        }
    }

    /// Whether a bearer token is meant to be one of ours.
    pub(crate) fn looks_like_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Makes a token and gives its text: the only time it is known.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn make(&self, new: &NewApiToken) -> Result<Zeroizing<String>, FileError> {
        files::private_dir(&self.dir)?;
        let id = hex::encode(crate::entropy::bytes::<8>());
        let secret = Zeroizing::new(crate::entropy::bytes::<32>());
        let stored = Stored {
            v: 1,
            name: new.name.clone(),
            role: new.role,
            from: new.bounds.from_us.map(rfc3339),
            to: new.bounds.to_us.map(rfc3339),
            created: rfc3339(crate::clock::now().utc_us),
            expires: new.expires_utc_us.map(rfc3339),
            revoked: None,
            sha256: hex::encode(Sha256::digest(secret.as_slice())),
        };
        files::write_json(&self.dir.join(&id), &stored, 0o600)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        Ok(Zeroizing::new(format!("{PREFIX}{id}.{}", secret.as_str())))
    }

    /// All tokens, revoked ones too, by id.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self) -> Result<Vec<ApiTokenInfo>, FileError> {
        let mut out = Vec::new();
        for id in files::names(&self.dir)? {
            if let Some(stored) = files::read_json::<Stored>(&self.dir.join(&id), WHAT)? {
                out.push(info(id, &stored)?);
            }
        }
        Ok(out)
    }

    /// Takes back the token of this id, or whose id alone begins so. False if there is none such that was
    /// good.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn revoke(&self, id: &str) -> Result<bool, FileError> {
        let all = files::names(&self.dir)?;
        let mut named = all.iter().filter(|name| name.starts_with(id));
        let (Some(name), None) = (named.next(), named.next()) else {
            return Ok(false);
        };
        let path = self.dir.join(name);
        let Some(mut stored) = files::read_json::<Stored>(&path, WHAT)? else {
            return Ok(false);
        };
        if stored.revoked.is_some() {
            return Ok(false);
        }
        stored.revoked = Some(rfc3339(crate::clock::now().utc_us));
        files::write_json(&path, &stored, 0o600)?;
        Ok(true)
    }

    /// Whom a token stands for.
    ///
    /// # Errors
    /// [`ApiTokenError`].
    pub fn check(&self, token: &str, now_utc_us: i64) -> Result<Principal, ApiTokenError> {
        let (id, secret) = parts(token).ok_or(ApiTokenError::Unknown)?;
        let stored = files::read_json::<Stored>(&self.dir.join(id), WHAT)?;
        let stored = stored.ok_or(ApiTokenError::Unknown)?;
        let mut wanted = [0_u8; 32];
        hex::decode_to_slice(&stored.sha256, &mut wanted)
            .map_err(|_| FileError::content(&self.dir.join(id), WHAT))?;
        let given: [u8; 32] = Sha256::digest(secret.as_slice()).into();
        if !bool::from(given.ct_eq(&wanted)) {
            return Err(ApiTokenError::Unknown);
        }
        let info = info(id.to_owned(), &stored)?;
        if info.revoked_utc_us.is_some() {
            return Err(ApiTokenError::Revoked);
        }
        if info
            .token
            .expires_utc_us
            .is_some_and(|end| end <= now_utc_us)
        {
            return Err(ApiTokenError::Expired);
        }
        Ok(Principal {
            name: Some(format!("{} ({id})", info.token.name)),
            role: info.token.role,
            by: By::Token,
            bounds: info.token.bounds,
        })
    }
}

/// Id and secret. The id is 16 hexadecimal digits and nothing else, as it names a file.
fn parts(token: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('.')?;
    let digits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != ID_CHARS || !id.bytes().all(digits) || secret.len() > SECRET_CHARS_MAX {
        return None;
    }
    let secret = URL_SAFE_NO_PAD.decode(secret).ok()?;
    Some((id, Zeroizing::new(secret)))
}

/// A bound or an end that cannot be read is an error, never an open one.
fn info(id: String, stored: &Stored) -> Result<ApiTokenInfo, FileError> {
    let wrong = || FileError::content(std::path::Path::new(&id), WHAT);
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_rfc3339(text).map(Some).ok_or_else(wrong),
    };
    if stored.v != 1 {
        return Err(wrong());
    }
    Ok(ApiTokenInfo {
        token: NewApiToken {
            name: stored.name.clone(),
            role: stored.role,
            bounds: ReadBounds {
                from_us: time(&stored.from)?,
                to_us: time(&stored.to)?,
            },
            expires_utc_us: time(&stored.expires)?,
        },
        created_utc_us: time(&Some(stored.created.clone()))?.unwrap_or_default(),
        revoked_utc_us: time(&stored.revoked)?,
        id,
    })
}

const WHAT: &str = "record of an API token";
const ID_CHARS: usize = 16;
/// 32 bytes are 43; what is longer is not decoded.
const SECRET_CHARS_MAX: usize = 64;
