//! Ranges whose context came from a source that was stale: they are said again when it is back.
//!
//! A range is owed the sources that were stale when it was first said, and no others: each comes back once, so
//! that sources which come and go do not have the same leaves said for ever.

use std::collections::BTreeSet;
use std::ops::Range;

/// Most ranges; beyond them the oldest are given up, and counted. Neighbours that wait for the same are one.
const RANGES_MAX: usize = 4096;

/// The ranges, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    ranges: Vec<OwedRange>,
    /// Where the range that was said last ended, if the last of `ranges` is that one.
    grows_at: Option<u64>,
    /// Leaves that were given up, until somebody asks.
    given_up: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OwedRange {
    leaves: Range<u64>,
    missing: BTreeSet<String>,
}

impl Owed {
    /// Leaves got their first context while these sources were stale.
    pub(super) fn said(&mut self, leaves: Range<u64>, stale: BTreeSet<String>) {
        if stale.is_empty() {
            self.grows_at = None;
            return;
        }
        let grows = self.grows_at.is_some();
        self.grows_at = Some(leaves.end);
        match self.ranges.last_mut() {
            // What lies between the two names no subject.
            Some(last) if grows && last.missing == stale => last.leaves.end = leaves.end,
            _ => self.ranges.push(OwedRange {
                leaves,
                missing: stale,
            }),
        }
        if self.ranges.len() > RANGES_MAX {
            let oldest = self.ranges.remove(0);
            self.give_up(&oldest.leaves);
        }
    }

    /// Leaves were looked at again; of the sources they waited for, these are still stale.
    pub(super) fn said_again(&mut self, leaves: &Range<u64>, stale: &BTreeSet<String>) {
        let mut kept = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            let old = &range.leaves;
            let within = old.start.max(leaves.start)..old.end.min(leaves.end);
            if within.is_empty() {
                kept.push(range);
                continue;
            }
            let still = range.missing.intersection(stale).cloned().collect();
            for (leaves, missing) in [
                (old.start..within.start, range.missing.clone()),
                (within.clone(), still),
                (within.end..old.end, range.missing.clone()),
            ] {
                if !leaves.is_empty() && !missing.is_empty() {
                    kept.push(OwedRange { leaves, missing });
                }
            }
        }
        // The last one may have been cut: what comes next is a range of its own.
        self.grows_at = None;
        self.ranges = kept;
    }

    /// At most `max` leaves, oldest first, that wait for a source which is not stale any more.
    pub(super) fn due(&self, max: u64, fresh: impl Fn(&str) -> bool) -> Option<Range<u64>> {
        let due = |range: &&OwedRange| range.missing.iter().any(|id| fresh(id));
        let range = &self.ranges.iter().find(due)?.leaves;
        Some(range.start..range.end.min(range.start.saturating_add(max)))
    }

    /// Gives up what lies before `oldest`.
    pub(super) fn forget_before(&mut self, oldest: u64) {
        while let Some(first) = self.ranges.first_mut() {
            let leaves = first.leaves.clone();
            if leaves.start >= oldest {
                return;
            }
            if leaves.end <= oldest {
                self.ranges.remove(0);
                self.grows_at = self.grows_at.filter(|_| !self.ranges.is_empty());
                self.give_up(&leaves);
            } else {
                first.leaves.start = oldest;
                self.give_up(&(leaves.start..oldest));
            }
        }
    }

    /// Leaves that are owed something.
    pub(super) fn leaves(&self) -> u64 {
        self.ranges.iter().map(|range| count(&range.leaves)).sum()
    }

    /// Leaves that were given up since the last time this was asked.
    pub(super) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    fn give_up(&mut self, leaves: &Range<u64>) {
        self.given_up = self.given_up.saturating_add(count(leaves));
    }
}

const fn count(leaves: &Range<u64>) -> u64 {
    leaves.end.saturating_sub(leaves.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn ranges(owed: &Owed) -> Vec<(Range<u64>, Vec<&str>)> {
        let mut out = Vec::new();
        for range in &owed.ranges {
            let missing = range.missing.iter().map(String::as_str).collect();
            out.push((range.leaves.clone(), missing));
        }
        out
    }

    #[test]
    fn neighbours_that_wait_for_the_same_are_one() {
        let mut owed = Owed::default();
        owed.said(0..10, set(&["a"]));
        owed.said(12..20, set(&["a"]));
        owed.said(20..30, set(&["a", "b"]));
        owed.said(30..40, set(&[]));
        owed.said(40..50, set(&["a", "b"]));
        assert_eq!(
            ranges(&owed),
            [
                (0..20, vec!["a"]),
                (20..30, vec!["a", "b"]),
                (40..50, vec!["a", "b"])
            ]
        );
        assert_eq!(owed.leaves(), 40);
    }

    #[test]
    fn what_is_back_is_said_once_and_the_rest_waits() {
        let mut owed = Owed::default();
        owed.said(0..100, set(&["a", "b"]));
        assert_eq!(owed.due(10, |id| id == "c"), None);
        assert_eq!(owed.due(30, |id| id == "a"), Some(0..30));
        owed.said_again(&(0..30), &set(&["b", "c"]));
        assert_eq!(
            ranges(&owed),
            [(0..30, vec!["b"]), (30..100, vec!["a", "b"])]
        );
        assert_eq!(owed.due(500, |id| id == "a"), Some(30..100));
        owed.said_again(&(30..100), &set(&["b"]));
        // `a` is stale again: these leaves had it once.
        owed.said_again(&(0..100), &set(&["a"]));
        assert_eq!(owed, Owed::default());
    }

    #[test]
    fn what_is_too_far_back_is_given_up_and_counted() {
        let mut owed = Owed::default();
        owed.said(0..10, set(&["a"]));
        owed.said(10..20, set(&["b"]));
        owed.forget_before(15);
        assert_eq!(ranges(&owed), [(15..20, vec!["b"])]);
        assert_eq!(owed.take_given_up(), 15);
        owed.forget_before(99);
        assert_eq!((owed.leaves(), owed.take_given_up()), (0, 5));
        for n in 0..=u64::try_from(RANGES_MAX).unwrap() {
            owed.said(n * 2..n * 2 + 1, set(&["a"]));
            owed.said(n * 2 + 1..n * 2 + 2, set(&[]));
        }
        assert_eq!((owed.leaves(), owed.take_given_up()), (4096, 1));
    }
}
