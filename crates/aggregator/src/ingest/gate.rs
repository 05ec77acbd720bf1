//! Who may send batches.

use affiant_entry::{SourceId, Trust};

use crate::core::Core;
use crate::problem::Problem;
use crate::tls::Peer;

/// A source that may send, and the keys its seals may be by.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) source: SourceId,
    pub(crate) trust: Trust,
}

/// Asked for every request: a connection may outlive a certificate, and a source its welcome.
pub(crate) fn admitted(core: &Core, peer: &Peer) -> Result<Admitted, Problem> {
    let identity = match peer {
        Peer::Source(identity) => identity,
        Peer::Unknown => {
            return Err(Problem::not_enrolled("no client certificate was presented"));
        }
        Peer::Nameless => {
            return Err(Problem::not_enrolled("the certificate names no source"));
        }
    };
    let source = &identity.source;
    let unreadable = |error| {
        tracing::error!(%source, %error, "enrolment of a source cannot be read");
        Problem::log_unavailable("the list of sources cannot be read")
    };
    if core
        .sources
        .revocation(source)
        .map_err(unreadable)?
        .is_some()
    {
        return Err(Problem::revoked(source));
    }
    if crate::clock::now().utc_us / 1_000_000 > identity.not_after_s {
        return Err(Problem::not_enrolled("the certificate has expired"));
    }
    let enrolled = core.sources.find(source).map_err(unreadable)?;
    let enrolled = enrolled
        .ok_or_else(|| Problem::not_enrolled(format!("source `{source}` is not enrolled here")))?;
    Ok(Admitted {
        source: source.clone(),
        trust: enrolled.trust().map_err(unreadable)?,
    })
}
