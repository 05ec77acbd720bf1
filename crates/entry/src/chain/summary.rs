//! What the judge of chains needs of one entry.

use affiant_tlog::Hash;

use super::reading::outcome_unknown;
use super::report::CallFields;
use crate::completeness::Completeness;
use crate::decode::{Decoded, Header, Kind, Known, View};

/// An entry, read and hashed: all that a [`ChainVerifier`](super::ChainVerifier) needs of it. Made on any core,
/// in any order. Of a call, little more than its header is kept; of the rarer kinds, the entry.
#[derive(Debug, Clone)]
pub struct Summary {
    leaf: Hash,
    matter: Matter,
}

#[derive(Debug, Clone)]
enum Matter {
    /// A call's beginning, or a task.
    Brief(Header),
    /// A call's end.
    End(Header, CallEnd),
    Whole(Box<Decoded>),
}

/// What the end of a call says.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallEnd {
    pub(super) fields: CallFields,
    /// Recovery wrote it.
    pub(super) reclosed: bool,
    pub(super) outcome_unknown: bool,
}

impl Summary {
    /// Of an entry whose RFC 6962 leaf hash is `leaf`; the caller is believed.
    #[must_use]
    pub fn of(entry: View<'_>, leaf: Hash) -> Self {
        let matter = match (&entry.header().kind, entry.header().call) {
            (Kind::CallBegin | Kind::CallTask, _) => Matter::Brief(entry.into_header()),
            (Kind::CallEnd, Some(_)) => {
                let members = entry.members();
                let end = CallEnd {
                    fields: CallFields::of(&Completeness::brief(members)),
                    reclosed: members.known(Known::ClosedBy).is_some(),
                    outcome_unknown: outcome_unknown(members),
                };
                Matter::End(entry.into_header(), end)
            }
            (
                Kind::CallEnd
                | Kind::Boot
                | Kind::Stop
                | Kind::Heartbeat
                | Kind::Gap
                | Kind::Session
                | Kind::Manifest
                | Kind::AuthFailure
                | Kind::Anomaly
                | Kind::Seal
                | Kind::Log(_)
                | Kind::Unknown(_),
                _,
            ) => Matter::Whole(Box::new(entry.into_decoded())),
        };
        Self { leaf, matter }
    }

    /// RFC 6962 leaf hash of the entry.
    #[must_use]
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Who, where and when.
    #[must_use]
    pub fn header(&self) -> &Header {
        match &self.matter {
            Matter::Brief(header) | Matter::End(header, _) => header,
            Matter::Whole(entry) => entry.header(),
        }
    }

    /// The entry itself; `None` for `call.begin`, `call.task` and `call.end`.
    #[must_use]
    pub fn entry(&self) -> Option<&Decoded> {
        match &self.matter {
            Matter::Whole(entry) => Some(entry),
            Matter::Brief(_) | Matter::End(..) => None,
        }
    }

    pub(super) const fn call_end(&self) -> Option<CallEnd> {
        match &self.matter {
            Matter::End(_, end) => Some(*end),
            Matter::Brief(_) | Matter::Whole(_) => None,
        }
    }
}
