//! An OpenID Connect issuer: who its tokens stand for.
//!
//! ```text
//! bearer JWT ─▸ allow-listed algorithm ─▸ key of that id ─▸ signature ─▸ iss, aud, exp, nbf ─▸ role
//!                                            │ unknown: the key set is read again, at most every 5 s
//! login ─▸ authorization code + PKCE ─▸ ID token ─▸ the same, and azp, nonce
//! ```
//!
//! Signatures and claims are judged by the crate `jsonwebtoken`. Algorithms come from the configuration,
//! never from a token or a key set, and none of them is symmetric.
//!
//! # What it does not check
//!
//! Whether the issuer took a token back before its end (RFC 7662): keep the tokens of the issuer short.
//! Which endpoint a token was meant for, beyond `aud`.

mod claims;
mod code;
mod fetch;
mod keys;

use affiant_entry::Moment;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{By, Principal};
use crate::config::OidcSettings;
use crate::files::{self, FileError};

use code::Pending;
use fetch::Fetch;
use keys::Keys;

/// The issuer as configured, and what is known of it.
#[derive(Debug)]
pub(crate) struct Oidc {
    settings: OidcSettings,
    secret: Option<zeroize::Zeroizing<String>>,
    fetch: Fetch,
    known: Mutex<Option<Discovered>>,
    keys: Keys,
    pending: Pending,
}

/// What the issuer says of itself: OpenID Connect Discovery 1.0 section 3.
#[derive(Debug, Clone, Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

/// A token of the issuer lets nobody in, or the issuer cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// Not a JSON web token.
    #[error("the token is no JSON web token")]
    Malformed,
    /// Signed in a way that is not allowed here.
    #[error("the token is signed in a way that is not allowed here")]
    Algorithm,
    /// Signed by a key that the issuer does not have.
    #[error("the token is signed by a key that its issuer does not have")]
    UnknownKey,
    /// Signature, issuer, audience or time is wrong.
    #[error("the token does not hold: {0}")]
    Claims(String),
    /// It stands for somebody without a role here.
    #[error("the token gives no role here")]
    NoRole,
    /// The login was not begun here, or too long ago.
    #[error("the login was not begun here, or too long ago")]
    Login,
    /// The issuer did not answer, or not as it should.
    #[error("issuer: {0}")]
    Issuer(String),
}

impl OidcError {
    /// Whether it is not the asker's fault.
    pub(crate) const fn is_ours(&self) -> bool {
        matches!(self, Self::Issuer(_))
    }
}

impl Discovered {
    fn is_secure(&self) -> bool {
        let ends = [&self.authorization_endpoint, &self.token_endpoint];
        let mut ends = ends.into_iter().flatten().chain([&self.jwks_uri]);
        ends.all(|url| url.starts_with("https://"))
    }
}

impl Oidc {
    /// # Errors
    /// When the client's secret or the roots cannot be read.
    pub(super) fn open(settings: &OidcSettings) -> Result<Self, FileError> {
        let secret = match &settings.client_secret_file {
            None => None,
            Some(path) => {
                let text = files::read_secret(path)?;
                let text = text.ok_or_else(|| FileError::content(path, "client secret"))?;
                Some(zeroize::Zeroizing::new(text.trim().to_owned()))
            }
        };
        Ok(Self {
            secret,
            fetch: Fetch::open(settings.roots_file.as_deref())?,
            known: Mutex::new(None),
            keys: Keys::default(),
            pending: Pending::default(),
            settings: settings.clone(),
        })
    }

    /// Whom a bearer token stands for.
    pub(super) async fn bearer(&self, token: &str, now: Moment) -> Result<Principal, OidcError> {
        let audience = [self.settings.audience.as_str()];
        let claims = self.verify(token, &audience, now).await?;
        self.principal(&claims, By::Oidc)
    }

    /// The claims of a token that holds.
    async fn verify(
        &self,
        token: &str,
        audience: &[&str],
        now: Moment,
    ) -> Result<Map<String, Value>, OidcError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(OidcError::Malformed);
        }
        let header = decode_header(token).map_err(|_| OidcError::Malformed)?;
        if !self.settings.algorithms.contains(&header.alg) || header.crit.is_some() {
            return Err(OidcError::Algorithm);
        }
        let jwks = self.discovered().await?.jwks_uri;
        let kid = header.kid.as_deref();
        let jwk = self.keys.find(&self.fetch, &jwks, kid, header.alg, now);
        let key = DecodingKey::from_jwk(&jwk.await?).map_err(|_| OidcError::UnknownKey)?;
        if key.family() != header.alg.family() {
            return Err(OidcError::Algorithm);
        }
        let mut rules = Validation::new(header.alg);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(audience);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY_S;
        let decoded = decode::<Map<String, Value>>(token, &key, &rules);
        let claims = decoded
            .map_err(|error| OidcError::Claims(error.to_string()))?
            .claims;
        // The crate takes lists of issuers, too; a token has one.
        if claims.get("iss").and_then(Value::as_str) != Some(&self.settings.issuer) {
            return Err(OidcError::Claims("`iss` is of another issuer".to_owned()));
        }
        Ok(claims)
    }

    fn principal(&self, claims: &Map<String, Value>, by: By) -> Result<Principal, OidcError> {
        let name = claims::text(claims, &self.settings.name_claim);
        let name = name.or_else(|| claims::text(claims, "sub"));
        let name = name.ok_or(OidcError::NoRole)?;
        let held = claims::texts(claims, &self.settings.role_claim);
        let mut rules = self.settings.roles.iter();
        let rule = rules.find(|rule| held.contains(&rule.claim));
        let rule = rule.ok_or(OidcError::NoRole)?;
        Ok(Principal {
            name: Some(affiant_entry::limits::clip(&name, NAME_BYTES_MAX)),
            role: rule.role,
            by,
            bounds: rule.bounds,
        })
    }

    /// What the issuer says of itself; asked for once.
    async fn discovered(&self) -> Result<Discovered, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let issuer = self.settings.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let said: Discovered = self.fetch.json(&url).await?;
        if said.issuer != self.settings.issuer {
            let text = format!("it calls itself `{}`", said.issuer);
            return Err(OidcError::Issuer(text));
        }
        // An issuer behind TLS does not send us elsewhere without.
        if self.settings.issuer.starts_with("https://") && !said.is_secure() {
            let text = "it names an endpoint without TLS";
            return Err(OidcError::Issuer(text.to_owned()));
        }
        *known = Some(said.clone());
        Ok(said)
    }
}

/// Longest token that is read, bytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// By how much the clocks of issuer and aggregator may differ, seconds.
const LEEWAY_S: u64 = 30;
/// Longest name of a person, bytes.
const NAME_BYTES_MAX: usize = 256;
