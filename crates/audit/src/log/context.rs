//! Whether context leaves speak of what is before them, and refer to what is there.

use std::collections::BTreeSet;

use affiant_entry::limits::CONTEXT_SAME_AS_LEAVES_MAX;
use affiant_entry::record::Context;
use affiant_tlog::LeafIndex;

use super::fault::Fault;

/// Context leaves that later ones may refer to.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// Those that have facts themselves, of the last [`CONTEXT_SAME_AS_LEAVES_MAX`] leaves.
    with_facts: BTreeSet<u64>,
}

impl Contexts {
    /// Takes the next context leaf; gives what is wrong with it. What it refers to before `begins` cannot be
    /// told.
    pub(super) fn take(
        &mut self,
        at: LeafIndex,
        said: &Context,
        begins: LeafIndex,
    ) -> Option<Fault> {
        let oldest = at.0.saturating_sub(CONTEXT_SAME_AS_LEAVES_MAX);
        self.with_facts = self.with_facts.split_off(&oldest);
        let fault = self.judge(at, said, oldest, begins);
        if said.same_as.is_none() && fault.is_none() {
            self.with_facts.insert(at.0);
        }
        fault
    }

    fn judge(
        &self,
        at: LeafIndex,
        said: &Context,
        oldest: u64,
        begins: LeafIndex,
    ) -> Option<Fault> {
        if said.end > at.0 {
            return Some(Fault::ContextRange {
                first: said.first,
                end: said.end,
            });
        }
        let same_as = said.same_as?;
        let gone = same_as >= oldest && same_as < begins.0;
        (!gone && !self.with_facts.contains(&same_as))
            .then_some(Fault::ContextUnfounded { same_as })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(same_as: Option<u64>) -> Context {
        let own = same_as.is_none();
        Context {
            first: 0,
            end: 5,
            late: false,
            sources: Vec::new(),
            facts: own.then(Vec::new),
            unknown: own.then(Vec::new),
            same_as,
            passed_over: 0,
        }
    }

    #[test]
    fn facts_may_be_referred_to_from_near_by_alone() {
        let begins = LeafIndex(0);
        let mut contexts = Contexts::default();
        let mut take = |at, same_as| contexts.take(LeafIndex(at), &said(same_as), begins);
        assert_eq!(take(9, None), None);
        assert_eq!(take(9 + CONTEXT_SAME_AS_LEAVES_MAX, Some(9)), None);
        let unfounded = Fault::ContextUnfounded { same_as: 9 };
        assert_eq!(
            take(10 + CONTEXT_SAME_AS_LEAVES_MAX, Some(9)),
            Some(unfounded)
        );
    }
}
