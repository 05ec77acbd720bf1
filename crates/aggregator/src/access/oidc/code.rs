//! A login: the authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use affiant_entry::Moment;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Oidc, OidcError};
use crate::access::session::{digest, random_text};
use crate::access::{By, Principal};

/// Logins that were begun, by the SHA-256 of their state.
#[derive(Debug, Default)]
pub(in crate::access) struct Pending {
    all: Mutex<BTreeMap<[u8; 32], Waiting>>,
}

struct Waiting {
    verifier: Zeroizing<String>,
    nonce: Zeroizing<String>,
    /// Where the browser goes afterwards.
    then: String,
    /// Monotonic microseconds.
    ends_us: u64,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// What a browser gets that begins a login.
pub(in crate::access) struct Begun {
    /// Where it goes.
    pub(in crate::access) url: String,
    /// What it brings back, in a cookie and in the URL.
    pub(in crate::access) state: Zeroizing<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Oidc {
    /// Begins a login that ends at the local path `then`.
    pub(in crate::access) async fn begin(
        &self,
        then: String,
        now: Moment,
    ) -> Result<Begun, OidcError> {
        let redirect = self
            .settings
            .redirect_url
            .as_deref()
            .ok_or(OidcError::Login)?;
        let endpoint = self.discovered().await?.authorization_endpoint;
        let endpoint = endpoint.ok_or_else(|| OidcError::Issuer("it has no logins".to_owned()))?;
        let (state, nonce, verifier) = (random_text(), random_text(), random_text());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        self.pending.keep(
            &state,
            Waiting {
                verifier,
                nonce,
                then,
                ends_us: now.mono_us.saturating_add(LOGIN_US),
            },
            now,
        )?;
        Ok(Begun {
            url: format!("{endpoint}{sign}{query}"),
            state,
        })
    }

    /// Ends a login: who came, and where he goes.
    pub(in crate::access) async fn finish(
        &self,
        state: &str,
        code: &str,
        now: Moment,
    ) -> Result<(Principal, String), OidcError> {
        let waiting = self.pending.take(state, now).ok_or(OidcError::Login)?;
        let redirect = self
            .settings
            .redirect_url
            .as_deref()
            .ok_or(OidcError::Login)?;
        let endpoint = self.discovered().await?.token_endpoint;
        let endpoint =
            endpoint.ok_or_else(|| OidcError::Issuer("it gives no tokens".to_owned()))?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect)
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("code_verifier", &waiting.verifier)
            .finish();
        let basic = self.basic();
        let basic = basic.as_ref().map(|text| text.as_str());
        let answer: TokenAnswer = self.fetch.form(&endpoint, form, basic).await?;
        let client = [self.settings.client_id.as_str()];
        let claims = self.verify(&answer.id_token, &client, now).await?;
        let nonce = claims
            .get("nonce")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(waiting.nonce.as_bytes())) {
            return Err(OidcError::Claims("`nonce` is of another login".to_owned()));
        }
        let many = claims
            .get("aud")
            .and_then(Value::as_array)
            .is_some_and(|aud| aud.len() > 1);
        let party = claims.get("azp").and_then(Value::as_str);
        if party.map_or(many, |party| party != self.settings.client_id) {
            return Err(OidcError::Claims("`azp` is of another client".to_owned()));
        }
        Ok((self.principal(&claims, By::Session)?, waiting.then))
    }

    /// The client's secret as a header: RFC 6749 section 2.3.1.
    fn basic(&self) -> Option<Zeroizing<String>> {
        let secret = self.secret.as_ref()?;
        let quoted =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = format!("{}:{}", quoted(&self.settings.client_id), quoted(secret));
        let pair = Zeroizing::new(pair);
        Some(Zeroizing::new(format!(
            "Basic {}",
            STANDARD.encode(pair.as_bytes())
        )))
    }
}

impl Pending {
    fn keep(&self, state: &str, waiting: Waiting, now: Moment) -> Result<(), OidcError> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, waiting| waiting.ends_us > now.mono_us);
        if all.len() >= PENDING_MAX {
            return Err(OidcError::Login);
        }
        all.insert(digest(state), waiting);
        Ok(())
    }

    /// Each state ends one login.
    fn take(&self, state: &str, now: Moment) -> Option<Waiting> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.remove(&digest(state))?;
        (waiting.ends_us > now.mono_us).then_some(waiting)
    }
}

/// How long somebody may take at the issuer, microseconds.
const LOGIN_US: u64 = 600_000_000;
/// Logins under way.
const PENDING_MAX: usize = 1_000;
