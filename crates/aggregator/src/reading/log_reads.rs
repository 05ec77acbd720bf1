//! Who read files of the log itself: counted, and said once a minute for each principal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use affiant_entry::Fact;
use affiant_entry::record::{Body, TrailRead};

use crate::access::Principal;

/// Files that were given, and are not in the log yet.
#[derive(Debug, Default)]
pub(crate) struct LogReads {
    waiting: Mutex<BTreeMap<Option<String>, (Principal, u64)>>,
}

impl LogReads {
    /// Counts a file with entries.
    pub(crate) fn count(&self, principal: &Principal) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(principal.key());
        if waiting.len() >= PRINCIPALS_MAX && !waiting.contains_key(&key) {
            key = None;
        }
        let (_, files) = waiting.entry(key).or_insert_with(|| (principal.clone(), 0));
        *files = files.saturating_add(1);
    }

    /// Takes what waits, as bodies of entries.
    pub(crate) fn take(&self) -> Vec<Body> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *waiting);
        let body = |(key, (principal, files)): (Option<String>, (Principal, u64))| {
            let name = match key {
                Some(_) => Fact::from_option(principal.name, "nobody was asked"),
                None => Fact::absent("too many to tell apart"),
            };
            Body::TrailRead(Box::new(TrailRead {
                principal: name,
                role: principal.role.as_str().into(),
                by: principal.by.as_str().into(),
                what: "log".into(),
                filter: BTreeMap::new(),
                sql: None,
                rows: Fact::Known(files),
                outcome: "answered".into(),
            }))
        };
        taken.into_iter().map(body).collect()
    }
}

/// Principals that are told apart in one minute.
const PRINCIPALS_MAX: usize = 1_000;
