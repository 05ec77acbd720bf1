//! What the key holder remembers of a spool.

use std::path::Path;

use affiant_agent::keys::{HeadError, HeadFile};
use affiant_entry::chain::RememberedHead;

use super::{Answer, Fault};
use crate::error::chain;

/// The remembered head of one spool.
pub(super) struct Remembered {
    /// The seal, if one can be read.
    pub(super) head: Option<RememberedHead>,
    /// How it was kept.
    pub(super) record: Record,
}

/// How a head was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// Nothing is kept beside this spool.
    NoPlace,
    /// There is no file.
    Missing,
    /// There is a file that never remembered a seal.
    Unused,
    /// Whole.
    Whole,
    /// Damaged, in these words.
    Damaged(String),
    /// Not readable, for this reason.
    Unreadable(String),
}

/// Reads the head that `path` remembers.
pub(super) fn read(path: Option<&Path>) -> Remembered {
    let Some(path) = path else {
        return Remembered {
            head: None,
            record: Record::NoPlace,
        };
    };
    let (note, record) = match HeadFile::read(path) {
        Ok(Some(note)) => (Some(note), Record::Whole),
        Ok(None) if path.exists() => (None, Record::Unused),
        Ok(None) => (None, Record::Missing),
        Err(error @ HeadError::Damaged { .. }) => {
            let text = chain(&error);
            let HeadError::Damaged { whole, .. } = error else {
                return Remembered {
                    head: None,
                    record: Record::Damaged(text),
                };
            };
            (whole, Record::Damaged(text))
        }
        Err(error) => (None, Record::Unreadable(chain(&error))),
    };
    match note.as_deref().map(RememberedHead::parse) {
        None => Remembered { head: None, record },
        Some(Ok(head)) => Remembered {
            head: Some(head),
            record,
        },
        Some(Err(error)) => Remembered {
            head: None,
            record: Record::Damaged(chain(&error)),
        },
    }
}

impl Remembered {
    /// What the way it was kept says about a spool. `seals`: whether the spool has any; `stopped`:
    /// whether its last boot ended in order, and with it the head was made durable.
    pub(super) fn judge(&self, seals: bool, stopped: bool) -> Judged {
        let fault = |answer, code, text: String| Judged::Fault(Fault { answer, code, text });
        match &self.record {
            Record::Whole => Judged::Nothing,
            Record::Unused | Record::Missing if !seals => Judged::Nothing,
            Record::NoPlace => fault(
                Answer::Incomplete,
                "head-not-given",
                "cannot tell whether its end was cut: the spool was verified apart from the key holder's memory".to_owned(),
            ),
            Record::Missing | Record::Unused => fault(
                Answer::Incomplete,
                "head-missing",
                "cannot tell whether its end was cut: the key holder remembers no seal of it".to_owned(),
            ),
            Record::Unreadable(text) => fault(Answer::Incomplete, "head-unreadable", text.clone()),
            Record::Damaged(text) if stopped => fault(Answer::No, "head-damaged", text.clone()),
            Record::Damaged(text) if self.head.is_none() => fault(Answer::Incomplete, "head-damaged", text.clone()),
            Record::Damaged(text) => Judged::Note(format!("{text}; the older one it holds was used, as after a power loss")),
        }
    }
}

/// What is to be said of a head.
pub(super) enum Judged {
    Nothing,
    Note(String),
    Fault(Fault),
}
