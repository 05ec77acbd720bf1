//! Which entries are shown.

use affiant_entry::decode::Decoded;

use super::facts;

/// All that must hold; an empty filter lets everything pass. An entry that does not have a field
/// asked for does not pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Not before, microseconds since the Unix epoch.
    pub(crate) since_us: Option<i64>,
    /// Before, microseconds since the Unix epoch.
    pub(crate) until_us: Option<i64>,
    /// Session id, or how it begins or ends.
    pub(crate) session: Option<String>,
    /// User.
    pub(crate) user: Option<String>,
    /// Tool name.
    pub(crate) tool: Option<String>,
    /// Server id.
    pub(crate) server: Option<String>,
    /// Status code or reason.
    pub(crate) status: Option<String>,
    /// Kinds, any of them.
    pub(crate) kinds: Vec<String>,
    /// Call id.
    pub(crate) call: Option<String>,
}

impl Filter {
    /// Whether the entry is to be shown.
    pub(crate) fn passes(&self, entry: &Decoded) -> bool {
        self.kind_passes(entry)
            && self.time_passes(entry)
            && is(self.call.as_deref(), || {
                entry.header().call.map(|call| call.to_string())
            })
            && is(self.tool.as_deref(), || facts::text(entry, &["/tool/name"]))
            && is(self.server.as_deref(), || facts::server(entry))
            && is(self.user.as_deref(), || {
                facts::text(entry, &["/agent/user"])
            })
            && self.session.as_deref().is_none_or(|wanted| {
                facts::session(entry)
                    .is_some_and(|session| session.starts_with(wanted) || session.ends_with(wanted))
            })
            && self.status.as_deref().is_none_or(|wanted| {
                ["/status/code", "/status/reason"]
                    .iter()
                    .any(|at| facts::text(entry, &[at]).as_deref() == Some(wanted))
            })
    }

    fn kind_passes(&self, entry: &Decoded) -> bool {
        let kind = entry.header().kind.as_str();
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }

    fn time_passes(&self, entry: &Decoded) -> bool {
        if self.since_us.is_none() && self.until_us.is_none() {
            return true;
        }
        facts::utc_us(entry).is_some_and(|at| {
            self.since_us.is_none_or(|since| at >= since)
                && self.until_us.is_none_or(|until| at < until)
        })
    }
}

fn is(wanted: Option<&str>, found: impl FnOnce() -> Option<String>) -> bool {
    wanted.is_none_or(|wanted| found().as_deref() == Some(wanted))
}
