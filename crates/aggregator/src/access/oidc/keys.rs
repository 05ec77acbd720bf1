//! The keys of the issuer: kept for an hour, read again when one is not known.

use affiant_entry::Moment;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::OidcError;
use super::fetch::Fetch;

/// The key set, as it was read last. One request at a time reads it anew; others wait for that.
#[derive(Debug, Default)]
pub(super) struct Keys {
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    set: Option<JwkSet>,
    /// When it was read, monotonic microseconds.
    at_us: u64,
    /// When it was tried last.
    tried_us: Option<u64>,
}

impl Keys {
    /// The key of this id, for this algorithm; without an id, the only one there is for it.
    pub(super) async fn find(
        &self,
        fetch: &Fetch,
        url: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Moment,
    ) -> Result<Jwk, OidcError> {
        let mut read = self.read.lock().await;
        let found = read
            .set
            .as_ref()
            .and_then(|set| key_of(set, kid, algorithm));
        let old = now.mono_us.saturating_sub(read.at_us) > KEEP_US;
        if let Some(key) = found.as_ref().filter(|_| !old) {
            return Ok(key.clone());
        }
        let tried = read.tried_us.map(|tried| now.mono_us.saturating_sub(tried));
        if read.set.is_none() || tried.is_none_or(|since| since >= RETRY_US) {
            read.tried_us = Some(now.mono_us);
            match fetch.json::<Raw>(url).await {
                Ok(raw) => {
                    read.set = Some(raw.set());
                    read.at_us = now.mono_us;
                }
                // Keys that were good an hour ago are better than none, for a day.
                Err(error) => {
                    let usable = now.mono_us.saturating_sub(read.at_us) < STALE_US;
                    return match found.filter(|_| usable) {
                        Some(key) => Ok(key),
                        None => Err(error),
                    };
                }
            }
        }
        let set = read.set.as_ref();
        let found = set.and_then(|set| key_of(set, kid, algorithm));
        found.ok_or(OidcError::UnknownKey)
    }
}

/// A key set may have keys of kinds that we do not know: those are left out.
#[derive(Debug, Deserialize)]
struct Raw {
    keys: Vec<Value>,
}

impl Raw {
    fn set(self) -> JwkSet {
        let keys = self.keys.into_iter().take(KEYS_MAX);
        let keys = keys.filter_map(|key| serde_json::from_value(key).ok());
        JwkSet {
            keys: keys.collect(),
        }
    }
}

fn key_of(set: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<Jwk> {
    let mut fitting = set.keys.iter().filter(|key| {
        let common = &key.common;
        let named = kid.is_none() || common.key_id.as_deref() == kid;
        let signs = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption));
        let fits = common.key_algorithm.is_none_or(|of| of == algorithm.into());
        named && signs && fits && is_of_family(key, algorithm)
    });
    let first = fitting.next()?;
    fitting.next().is_none().then(|| first.clone())
}

fn is_of_family(key: &Jwk, algorithm: Algorithm) -> bool {
    DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == algorithm.family())
}

const KEEP_US: u64 = 3_600_000_000;
const STALE_US: u64 = 24 * 3_600_000_000;
/// An unknown key id makes us ask again, but not as often as somebody makes them up.
const RETRY_US: u64 = 5_000_000;
const KEYS_MAX: usize = 64;
