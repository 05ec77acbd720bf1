//! Subjects of a range of leaves become the bodies of context leaves, as many as it takes.

use std::collections::BTreeMap;

use affiant_enrich::Snapshot;
use affiant_entry::limits::CONTEXT_BYTES_MAX;
use affiant_entry::record::{Context, ContextFact, ContextSource, Subject};

/// Context for a range, not yet written: each subject once, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drafted {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) answers: BTreeMap<Subject, Vec<ContextFact>>,
    pub(super) passed_over: u64,
}

/// Takes leaves one by one.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    snapshot: &'a Snapshot,
    /// Bytes of an entry without facts.
    empty_bytes: usize,
    done: Vec<Drafted>,
    open: Option<(Drafted, usize)>,
}

impl<'a> Draft<'a> {
    /// With what these sources know.
    pub(super) fn new(snapshot: &'a Snapshot, sources: &[ContextSource]) -> Self {
        Self {
            snapshot,
            empty_bytes: HEADER_BYTES.saturating_add(bytes(&sources)),
            done: Vec::new(),
            open: None,
        }
    }

    /// A leaf that names these subjects.
    pub(super) fn leaf(&mut self, index: u64, subjects: Vec<Subject>) {
        let asked: Vec<Subject> = subjects
            .into_iter()
            .filter(|subject| self.snapshot.asks_about(subject))
            .collect();
        if asked.is_empty() {
            return;
        }
        let (mut named, mut more, mut passed_over) = (Vec::new(), 0_usize, 0_u64);
        for subject in asked {
            if !subject.fits() {
                passed_over = passed_over.saturating_add(1);
                continue;
            }
            let known = self
                .open
                .as_ref()
                .is_some_and(|(open, _)| open.answers.contains_key(&subject));
            let facts = self.snapshot.facts(&subject);
            let size = weight(&subject, &facts);
            more = more.saturating_add(if known { 0 } else { size });
            named.push((subject, facts, size));
        }
        let full = |used: &usize| used.saturating_add(more) > CONTEXT_BYTES_MAX;
        if let Some((open, _)) = self.open.take_if(|(_, used)| full(used)) {
            self.close(open, index);
        }
        let empty_bytes = self.empty_bytes;
        let (open, used) = self.open.get_or_insert_with(|| {
            let open = Drafted {
                first: index,
                end: index,
                answers: BTreeMap::new(),
                passed_over: 0,
            };
            (open, empty_bytes)
        });
        open.passed_over = open.passed_over.saturating_add(passed_over);
        for (subject, facts, size) in named {
            open.answers.entry(subject).or_insert_with(|| {
                *used = used.saturating_add(size);
                facts
            });
        }
    }

    /// The drafts; the last one ends at `end`, the leaf behind those that were given.
    pub(super) fn finish(mut self, end: u64) -> Vec<Drafted> {
        if let Some((open, _)) = self.open.take() {
            self.close(open, end);
        }
        self.done
    }

    fn close(&mut self, open: Drafted, end: u64) {
        self.done.push(Drafted { end, ..open });
    }
}

impl Drafted {
    /// The body of the leaf; `same_as` is an earlier leaf that says the same.
    pub(super) fn body(
        self,
        sources: Vec<ContextSource>,
        late: bool,
        same_as: Option<u64>,
    ) -> Context {
        let own = same_as.is_none();
        let (unknown, known): (Vec<_>, Vec<_>) = self
            .answers
            .into_iter()
            .partition(|(_, facts)| facts.is_empty());
        let facts = known.into_iter().flat_map(|(_, facts)| facts).collect();
        let unknown = unknown.into_iter().map(|(subject, _)| subject).collect();
        Context {
            first: self.first,
            end: self.end,
            late,
            sources,
            facts: own.then_some(facts),
            unknown: own.then_some(unknown),
            same_as,
            passed_over: self.passed_over,
        }
    }
}

/// What a subject adds to an entry.
fn weight(subject: &Subject, facts: &[ContextFact]) -> usize {
    let facts: usize = facts.iter().map(|fact| bytes(fact).saturating_add(1)).sum();
    if facts > 0 {
        facts
    } else {
        bytes(subject).saturating_add(1)
    }
}

fn bytes<T: serde::Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// The members before `context`, with the longest id and the largest numbers, and the plain members in it.
const HEADER_BYTES: usize = 640;
