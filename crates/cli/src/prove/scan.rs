//! The leaves of a log, in order, bundle by bundle.

use std::collections::VecDeque;

use affiant_audit::files::Files as _;
use affiant_tlog::bundle::Bundle;
use affiant_tlog::tile::BundleId;
use affiant_tlog::{LeafIndex, TreeSize};
use memchr::memmem::Finder;

use super::{broken, unreadable};
use crate::error::{ExpectedError, chain};
use crate::verify::log::Source;

/// Leaves from one index on.
pub(crate) struct Leaves<'a> {
    source: &'a Source,
    next: LeafIndex,
    size: TreeSize,
    ready: VecDeque<Vec<u8>>,
    /// Whether bundles may be missing before the first that is here: whoever reads from the beginning begins
    /// behind what was pruned.
    may_begin_later: bool,
    /// Bundles without these bytes are passed over unread.
    needle: Option<Finder<'a>>,
    failed: bool,
}

impl<'a> Leaves<'a> {
    /// The leaves from this index to the end of a tree of this size.
    pub(crate) const fn new(source: &'a Source, from: LeafIndex, size: TreeSize) -> Self {
        Self {
            source,
            next: from,
            size,
            ready: VecDeque::new(),
            may_begin_later: false,
            needle: None,
            failed: false,
        }
    }

    /// The same, or from the first leaf behind it that is here.
    pub(crate) const fn or_later(mut self) -> Self {
        self.may_begin_later = true;
        self
    }

    /// Only those of bundles that hold these bytes somewhere: far faster than reading every leaf.
    pub(crate) fn near(mut self, needle: &'a [u8]) -> Self {
        self.needle = Some(Finder::new(needle));
        self
    }

    fn fill(&mut self) -> Result<bool, ExpectedError> {
        loop {
            let Some(wanted) = BundleId::holding(self.next, self.size) else {
                return Ok(false);
            };
            if self.read(wanted)? {
                self.may_begin_later = false;
                if self.ready.is_empty() {
                    continue;
                }
                return Ok(true);
            }
            if !self.may_begin_later {
                return Err(broken(format!("{} is missing", wanted.path())));
            }
            let behind = wanted.first_entry().0.saturating_add(256);
            self.next = LeafIndex(behind);
        }
    }

    fn read(&mut self, wanted: BundleId) -> Result<bool, ExpectedError> {
        for id in [wanted, wanted.to_full()] {
            let Some(bytes) = self.source.get(&id.path()).map_err(unreadable)? else {
                continue;
            };
            let needle = self.needle.as_ref();
            if needle.is_some_and(|needle| needle.find(&bytes).is_none()) {
                let behind = wanted.first_entry().0.saturating_add(wanted.width().into());
                self.next = LeafIndex(behind);
                return Ok(true);
            }
            let bundle = Bundle::parse(id, &bytes).map_err(|error| broken(chain(&error)))?;
            let skipped = self.next.0.saturating_sub(id.first_entry().0);
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            let entries = bundle.entries().iter().take(usize::from(wanted.width()));
            self.ready
                .extend(entries.skip(skipped).map(|entry| entry.to_vec()));
            return Ok(true);
        }
        Ok(false)
    }
}

impl Iterator for Leaves<'_> {
    type Item = Result<(LeafIndex, Vec<u8>), ExpectedError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.ready.is_empty() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        let bytes = self.ready.pop_front()?;
        let index = self.next;
        self.next = LeafIndex(index.0.saturating_add(1));
        Some(Ok((index, bytes)))
    }
}
