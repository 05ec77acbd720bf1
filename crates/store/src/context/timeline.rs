//! What was said of one subject, by leaf: intervals that never overlap.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the sources of one kind say of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Key and value; where two sources know a key, the one named first in the leaf counts.
    pub(crate) facts: BTreeMap<String, String>,
    /// Who says so, with the version that was read: `assets@sha256:…`, with commas between.
    pub(crate) from: String,
    /// Whether one of them was past its age.
    pub(crate) stale: bool,
}

/// Facts (or that nobody knows any) for the leaves `first..end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Interval {
    first: u64,
    end: u64,
    #[serde(with = "shared")]
    facts: Option<Arc<Facts>>,
}

/// Facts as they are, whoever else holds them.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Facts;

    pub(super) fn serialize<S: Serializer>(
        facts: &Option<Arc<Facts>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        facts.as_deref().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Arc<Facts>>, D::Error> {
        Ok(Option::<Facts>::deserialize(d)?.map(Arc::new))
    }
}

/// Intervals in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    intervals: Vec<Interval>,
}

impl Timeline {
    /// What holds for a leaf.
    pub(crate) fn at(&self, leaf: u64) -> Option<&Arc<Facts>> {
        let behind = self.intervals.partition_point(|i| i.first <= leaf);
        let found = self.intervals.get(behind.checked_sub(1)?)?;
        (leaf < found.end).then_some(found.facts.as_ref()).flatten()
    }

    /// Says it for `first..end`, over whatever was said before. `covered` tells whether every leaf of a
    /// range was looked at: then the subject did not occur where nothing was said of it, and the same
    /// facts on both sides are one interval.
    pub(crate) fn set(
        &mut self,
        first: u64,
        end: u64,
        facts: Option<Arc<Facts>>,
        covered: impl Fn(u64, u64) -> bool,
    ) {
        if first >= end {
            return;
        }
        let from = self.intervals.partition_point(|i| i.end <= first);
        let to = self.intervals.partition_point(|i| i.first < end);
        let mut new = Vec::with_capacity(3);
        if let Some(head) = self
            .intervals
            .get(from)
            .filter(|i| from < to && i.first < first)
        {
            new.push(Interval {
                end: first,
                ..head.clone()
            });
        }
        new.push(Interval { first, end, facts });
        if let Some(tail) = to
            .checked_sub(1)
            .and_then(|last| self.intervals.get(last))
            .filter(|i| from < to && i.end > end)
        {
            new.push(Interval {
                first: end,
                ..tail.clone()
            });
        }
        let added = new.len();
        self.intervals.splice(from..to, new);
        self.join(from.saturating_sub(1), from + added, covered);
    }

    /// Joins equal neighbours between two places.
    fn join(&mut self, from: usize, to: usize, covered: impl Fn(u64, u64) -> bool) {
        let mut at = to.min(self.intervals.len().saturating_sub(1));
        while at > from {
            if let [left, right] = &self.intervals[at - 1..=at]
                && left.facts == right.facts
                && (left.end == right.first || covered(left.end, right.first))
            {
                let end = right.end;
                self.intervals.remove(at);
                self.intervals[at - 1].end = end;
            }
            at -= 1;
        }
    }

    /// Forgets what only concerns leaves before an index.
    pub(crate) fn forget_below(&mut self, min: u64) {
        self.intervals.retain(|i| i.end > min);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Every set of facts with the leaves it holds for, in order.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (u64, u64, &Facts)> {
        self.intervals.iter().filter_map(|i| {
            let facts = i.facts.as_deref()?;
            Some((i.first, i.end, facts))
        })
    }

    /// Number of intervals.
    pub(crate) fn len(&self) -> usize {
        self.intervals.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(owner: &str) -> Option<Arc<Facts>> {
        Some(Arc::new(Facts {
            facts: BTreeMap::from([("owner".to_owned(), owner.to_owned())]),
            from: "assets".to_owned(),
            stale: false,
        }))
    }

    fn owner(timeline: &Timeline, leaf: u64) -> Option<&str> {
        let facts = timeline.at(leaf)?;
        facts.facts.get("owner").map(String::as_str)
    }

    #[test]
    fn what_is_said_later_counts_and_only_for_its_leaves() {
        let mut line = Timeline::default();
        line.set(0, 10, facts("ann"), |_, _| true);
        line.set(20, 30, facts("ann"), |_, _| true);
        assert_eq!(
            line.len(),
            1,
            "the same facts with nothing between are one interval"
        );
        line.set(5, 7, facts("bob"), |_, _| true);
        let seen: Vec<_> = [0, 4, 5, 6, 7, 29, 30].map(|at| owner(&line, at)).into();
        let ann = Some("ann");
        let bob = Some("bob");
        assert_eq!(seen, [ann, ann, bob, bob, ann, ann, None]);
        line.set(0, 40, None, |_, _| true);
        assert_eq!((line.len(), owner(&line, 6)), (1, None));
    }

    #[test]
    fn what_nobody_looked_at_is_not_filled_in() {
        let mut line = Timeline::default();
        line.set(0, 10, facts("ann"), |_, _| false);
        line.set(20, 30, facts("ann"), |_, _| false);
        assert_eq!((line.len(), owner(&line, 15)), (2, None));
    }

    /// Against a plain array, one cell a leaf.
    #[test]
    fn any_order_of_sayings_agrees_with_a_plain_array() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut line = Timeline::default();
            let mut plain: Vec<Option<String>> = vec![None; 64];
            for _ in 0..20 {
                let first = next(60);
                let end = first + 1 + next(64 - first - 1);
                let name = ["a", "b", "c"][usize::try_from(next(3)).unwrap()];
                line.set(first, end, facts(name), |_, _| false);
                for at in first..end {
                    plain[usize::try_from(at).unwrap()] = Some(name.to_owned());
                }
            }
            for (at, wanted) in (0_u64..).zip(&plain) {
                assert_eq!(owner(&line, at), wanted.as_deref());
            }
        }
    }
}
