//! Why a source is not enrolled, or its certificate not renewed.

use affiant_tlog::note::SignError;

use super::link::{IngestUrlError, LinkError, Problem};
use super::state::EnrolmentError;
use super::token::TokenError;
use crate::keys::KeyRingError;

/// Enrolment or renewal failed. Nothing on disk has changed, except for new keys of the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The token is malformed; the user copies it again.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The URL is not one of an ingest listener.
    #[error(transparent)]
    Url(#[from] IngestUrlError),
    /// The source's keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The aggregator cannot be reached, or is not the one that made the token.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The aggregator refused: the token is unknown, used or expired, the source is another's, …
    #[error("aggregator refused: {0}")]
    Refused(Problem),
    /// The aggregator's answer makes no sense.
    #[error("aggregator answered {0}")]
    Answer(&'static str),
    /// The CA file is unfit.
    #[error("CA file `{path}` {what}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The files of the enrolment cannot be read or written.
    #[error(transparent)]
    State(#[from] EnrolmentError),
    /// A key or a request for a certificate cannot be made: a bug.
    #[error("certificate request cannot be made")]
    Request(#[source] rcgen::Error),
    /// The proof of renewal cannot be signed: a bug.
    #[error("renewal cannot be signed")]
    Sign(#[source] SignError),
    /// No runtime or lock to work with.
    #[error("enrolment cannot be worked on")]
    Io(#[from] std::io::Error),
}

impl EnrolError {
    /// Whether trying again later may help: nobody was there, or he was too busy.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        if let Self::Link(error) = self {
            return !error.is_untrusted();
        }
        if let Self::Refused(problem) = self {
            return problem.is_temporary();
        }
        false
    }

    /// Whether one side does not trust the other.
    #[must_use]
    pub const fn is_untrusted(&self) -> bool {
        if let Self::Link(error) = self {
            return error.is_untrusted();
        }
        if let Self::Refused(problem) = self {
            return !problem.is_temporary() && problem.status != 400;
        }
        matches!(self, Self::Answer(_))
    }
}
