//! Who asks.

use super::Role;
use crate::query::ReadBounds;

/// Somebody, what he may, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Name of a token, or what the issuer calls him; absent if nobody was asked.
    pub name: Option<String>,
    /// What he may.
    pub role: Role,
    /// How it is known.
    pub by: By,
    /// The time that he may read.
    pub bounds: ReadBounds,
}

/// How somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// By an API token.
    Token,
    /// By a token of the OpenID Connect issuer.
    Oidc,
    /// By the cookie of a login.
    Session,
    /// By the token for imports.
    ImportToken,
    /// Not at all: he is on this machine, and nobody is asked there.
    Loopback,
}

impl By {
    /// As it stands in `trail.read`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Session => "session",
            Self::ImportToken => "import-token",
            Self::Loopback => "loopback",
        }
    }
}

impl Principal {
    /// Whoever is on this machine.
    #[must_use]
    pub(crate) fn loopback() -> Self {
        Self {
            name: None,
            role: Role::Admin,
            by: By::Loopback,
            bounds: ReadBounds::default(),
        }
    }

    /// Whoever knows the token for imports.
    #[must_use]
    pub(crate) fn importer() -> Self {
        Self {
            name: None,
            role: Role::Source,
            by: By::ImportToken,
            bounds: ReadBounds::default(),
        }
    }

    /// Whether he may read the whole time.
    #[must_use]
    pub fn reads_all(&self) -> bool {
        self.bounds == ReadBounds::default()
    }

    /// One word for rates and refusals.
    pub(crate) fn key(&self) -> String {
        let name = self.name.as_deref().unwrap_or("-");
        format!("{} {name}", self.by.as_str())
    }
}
