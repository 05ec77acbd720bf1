//! Logins: who a browser's cookie stands for, in memory. A restart ends them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use affiant_entry::Moment;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Principal;

/// The logins of a process.
#[derive(Debug)]
pub(crate) struct Sessions {
    lifetime_us: u64,
    /// By the SHA-256 of the cookie: nobody finds a cookie in a dump of this.
    all: Mutex<BTreeMap<[u8; 32], Session>>,
}

#[derive(Debug)]
struct Session {
    principal: Principal,
    /// Monotonic microseconds.
    ends_us: u64,
}

impl Sessions {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime_us: u64::try_from(lifetime.as_micros()).unwrap_or(u64::MAX),
            all: Mutex::default(),
        }
    }

    /// Seconds that a login lasts.
    pub(crate) const fn lifetime_s(&self) -> u64 {
        self.lifetime_us / 1_000_000
    }

    /// Begins one and gives its cookie; `None` if there are too many.
    pub(crate) fn begin(&self, principal: Principal, now: Moment) -> Option<Zeroizing<String>> {
        let cookie = random_text();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, session| session.ends_us > now.mono_us);
        if all.len() >= SESSIONS_MAX {
            return None;
        }
        let ends_us = now.mono_us.saturating_add(self.lifetime_us);
        all.insert(digest(&cookie), Session { principal, ends_us });
        Some(cookie)
    }

    pub(crate) fn find(&self, cookie: &str, now: Moment) -> Option<Principal> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let session = all.get(&digest(cookie))?;
        (session.ends_us > now.mono_us).then(|| session.principal.clone())
    }

    pub(crate) fn end(&self, cookie: &str) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&digest(cookie));
    }
}

/// 256 random bits as text.
pub(super) fn random_text() -> Zeroizing<String> {
    let bytes = Zeroizing::new(crate::entropy::bytes::<32>());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Logins at a time.
const SESSIONS_MAX: usize = 10_000;
