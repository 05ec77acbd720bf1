//! What was said already: a leaf that would say it again refers to the one that did.

use std::collections::{BTreeMap, VecDeque};

use affiant_entry::Fact;
use affiant_entry::limits::CONTEXT_SAME_AS_LEAVES_MAX;
use affiant_entry::record::{Context, ContextFact, ContextSource, Subject};

use super::draft::Drafted;

/// Most leaves that are kept: each is at most 60,000 bytes as an entry.
pub(super) const KEPT_MAX: usize = 16;

/// How far back a reference reaches here: half of what it may, as nobody knows how many leaves come in between
/// before it is written.
const REACH_LEAVES: u64 = CONTEXT_SAME_AS_LEAVES_MAX / 2;

/// The newest context leaves that have facts of their own.
#[derive(Debug, Default)]
pub(super) struct Said {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    index: u64,
    sources: Vec<(String, Fact<String>, bool)>,
    answers: BTreeMap<Subject, Vec<ContextFact>>,
}

impl Said {
    /// Takes note of a leaf; one without facts of its own is nothing to refer to.
    pub(super) fn keep(&mut self, index: u64, said: &Context) {
        let (Some(facts), Some(unknown)) = (&said.facts, &said.unknown) else {
            return;
        };
        let mut answers: BTreeMap<Subject, Vec<ContextFact>> = BTreeMap::new();
        for fact in facts {
            let of = answers.entry(fact.subject.clone()).or_default();
            of.push(fact.clone());
        }
        for subject in unknown {
            answers.entry(subject.clone()).or_default();
        }
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept {
            index,
            sources: standing(&said.sources),
            answers,
        });
    }

    /// The newest leaf that says all of this, by sources of the same versions, as stale as they are now.
    pub(super) fn find(
        &self,
        draft: &Drafted,
        sources: &[ContextSource],
        head: u64,
    ) -> Option<u64> {
        let now = standing(sources);
        let says = |kept: &&Kept| {
            head.saturating_sub(kept.index) <= REACH_LEAVES
                && kept.sources == now
                && draft
                    .answers
                    .iter()
                    .all(|(subject, facts)| kept.answers.get(subject) == Some(facts))
        };
        self.kept.iter().rev().find(says).map(|kept| kept.index)
    }
}

/// How sources stand, but for their age.
fn standing(sources: &[ContextSource]) -> Vec<(String, Fact<String>, bool)> {
    let one = |source: &ContextSource| (source.id.clone(), source.version.clone(), source.stale);
    sources.iter().map(one).collect()
}
