//! What the log says about servers, users and tools beside the calls themselves.
//!
//! A `context` leaf speaks for a range of leaves; a later one that covers the same leaves counts before
//! it. So facts are a table by leaf (`first..end`) for each subject, and an entry is joined with what
//! holds at its index. Files are never rewritten for facts that came late.

mod timeline;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use affiant_entry::Decoded;
use affiant_entry::Fact;
use affiant_entry::record::{Context as Said, ContextKind, Subject};
use affiant_tlog::LeafIndex;
use datafusion::arrow::array::{BooleanBuilder, Int64Builder, RecordBatch, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

pub(crate) use timeline::{Facts, Timeline};

/// Most keys of facts that get a column of their own, per kind of source; the others are in the JSON
/// column beside them.
pub(crate) const FACT_COLUMNS_MAX: usize = 64;
/// Longest such key.
const FACT_KEY_BYTES_MAX: usize = 40;

/// The kinds of sources that have columns, with the prefix of these.
pub(crate) const PREFIXES: [(ContextKind, &str); 3] = [
    (ContextKind::Asset, "asset"),
    (ContextKind::User, "user"),
    (ContextKind::Classification, "class"),
];

/// All facts, by subject and leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// What inventories say of servers.
    #[serde(with = "pairs")]
    servers: HashMap<String, Line>,
    /// What directories say of users.
    #[serde(with = "pairs")]
    users: HashMap<String, Line>,
    /// What classification systems say of tools: by server, then tool.
    #[serde(with = "pairs")]
    tools: HashMap<String, BTreeMap<String, Line>>,
    /// Ranges that context leaves spoke for, joined.
    covered: Vec<(u64, u64)>,
    /// Keys that have columns: the first that were said.
    keys: BTreeMap<ContextKind, BTreeSet<String>>,
}

/// A context leaf that cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    /// It is not what the specification says.
    #[error("context leaf cannot be read")]
    Malformed,
    /// It speaks of leaves that are not before it.
    #[error("context leaf speaks of leaves up to {end}, and is leaf {leaf} itself")]
    Range {
        /// The end of its range.
        end: u64,
        /// Its own place.
        leaf: u64,
    },
    /// It says the same as another leaf, which cannot be read, or is no such leaf.
    #[error("context leaf says the same as leaf {leaf}, which cannot be read")]
    SameAs {
        /// That leaf.
        leaf: u64,
    },
}

impl Context {
    /// Takes in a context leaf. `other` reads an earlier one.
    pub(crate) fn apply(
        &mut self,
        leaf: LeafIndex,
        entry: &Decoded,
        other: impl FnOnce(LeafIndex) -> Option<Said>,
    ) -> Result<(), ContextError> {
        let said = Said::of_entry(entry).ok_or(ContextError::Malformed)?;
        if said.end > leaf.0 {
            return Err(ContextError::Range {
                end: said.end,
                leaf: leaf.0,
            });
        }
        let (first, end) = (said.first, said.end);
        let said = match said.same_as {
            None => said,
            Some(same) => other(LeafIndex(same))
                .filter(|other| same < leaf.0 && other.facts.is_some())
                .ok_or(ContextError::SameAs { leaf: same })?,
        };
        cover(&mut self.covered, first, end);
        for subject in said.unknown.iter().flatten() {
            self.set(subject, (first, end), None);
        }
        for (subject, facts) in merged(&said) {
            self.learn(subject.asked_of(), &facts);
            self.set(subject, (first, end), Some(Arc::new(facts)));
        }
        Ok(())
    }

    fn set(&mut self, subject: &Subject, (first, end): (u64, u64), facts: Option<Arc<Facts>>) {
        let line = match subject {
            Subject::Server(id) => self.servers.entry(id.clone()).or_default(),
            Subject::User(id) => self.users.entry(id.clone()).or_default(),
            Subject::Tool(server, tool) => {
                let tools = self.tools.entry(server.clone()).or_default();
                tools.entry(tool.clone()).or_default()
            }
            // Of a later version; nothing is joined with it.
            _ => return,
        };
        let covered = &self.covered;
        Arc::make_mut(&mut line.0).set(first, end, facts, |from, to| {
            covered
                .iter()
                .any(|(first, end)| *first <= from && to <= *end)
        });
    }

    /// What the sources of a kind say of an entry.
    pub(crate) fn facts(&self, kind: ContextKind, entry: &Subjects<'_>) -> Option<&Facts> {
        let line = match kind {
            ContextKind::Asset => self.servers.get(entry.server?),
            ContextKind::User => self.users.get(entry.user?),
            ContextKind::Classification => self.tools.get(entry.server?)?.get(entry.tool?),
            _ => None,
        };
        line?.at(entry.leaf).map(Arc::as_ref)
    }

    /// The keys that have columns, of one kind, in order.
    pub(crate) fn keys(&self, kind: ContextKind) -> impl Iterator<Item = &str> {
        let keys = self.keys.get(&kind).into_iter().flatten();
        keys.map(String::as_str)
    }

    fn learn(&mut self, kind: ContextKind, facts: &Facts) {
        let keys = self.keys.entry(kind).or_default();
        for key in facts.facts.keys() {
            if keys.len() < FACT_COLUMNS_MAX && is_column(key) && !keys.contains(key) {
                keys.insert(key.clone());
            }
        }
    }

    /// Forgets what only concerns leaves before an index.
    pub(crate) fn forget_below(&mut self, min: u64) {
        self.servers.retain(|_, line| kept(line, min));
        self.users.retain(|_, line| kept(line, min));
        for tools in self.tools.values_mut() {
            tools.retain(|_, line| kept(line, min));
        }
        self.tools.retain(|_, tools| !tools.is_empty());
    }

    /// Intervals held.
    pub(crate) fn intervals(&self) -> usize {
        self.lines().map(|(_, line)| line.len()).sum()
    }

    /// Whether no context leaf was taken in.
    pub(crate) fn is_empty(&self) -> bool {
        self.covered.is_empty()
    }

    /// The facts as rows: one for each subject, range of leaves and key, in order.
    pub(crate) fn rows(&self) -> Result<RecordBatch, ArrowError> {
        let mut lines: Vec<_> = self.lines().collect();
        lines.sort_by(|a, b| a.0.cmp(&b.0));
        let mut texts: [StringViewBuilder; 7] = std::array::from_fn(|_| StringViewBuilder::new());
        let (mut first, mut end) = (Int64Builder::new(), Int64Builder::new());
        let mut stale = BooleanBuilder::new();
        for ((kind, server, user, tool), line) in lines {
            for (from, to, facts) in line.facts() {
                for (key, value) in &facts.facts {
                    let row = [
                        Some(kind),
                        server,
                        user,
                        tool,
                        Some(key),
                        Some(value),
                        Some(&facts.from),
                    ];
                    for (out, value) in texts.iter_mut().zip(row) {
                        out.append_option(value);
                    }
                    first.append_option(i64::try_from(from).ok());
                    end.append_option(i64::try_from(to).ok());
                    stale.append_value(facts.stale);
                }
            }
        }
        let texts = texts.map(|mut out| Arc::new(out.finish()) as _);
        let mut columns = Vec::from(texts);
        columns.extend([Arc::new(first.finish()) as _, Arc::new(end.finish()) as _]);
        columns.push(Arc::new(stale.finish()) as _);
        RecordBatch::try_new(Self::schema(), columns)
    }

    /// The columns of [`Context::rows`].
    pub(crate) fn schema() -> SchemaRef {
        let texts = ["kind", "server", "user", "tool", "key", "value", "said_by"];
        let mut fields: Vec<Field> = texts
            .map(|name| Field::new(name, DataType::Utf8View, true))
            .into();
        fields.push(Field::new("first", DataType::Int64, true));
        fields.push(Field::new("end", DataType::Int64, true));
        fields.push(Field::new("stale", DataType::Boolean, true));
        Arc::new(Schema::new(fields))
    }

    /// Every timeline under kind, server, user and tool.
    fn lines(&self) -> impl Iterator<Item = (Key<'_>, &Timeline)> {
        let servers = self.servers.iter();
        let servers = servers.map(|(id, line)| (("asset", Some(id.as_str()), None, None), &**line));
        let users = self.users.iter();
        let users = users.map(|(id, line)| (("user", None, Some(id.as_str()), None), &**line));
        let tools = self.tools.iter().flat_map(|(server, tools)| {
            tools.iter().map(|(tool, line)| {
                let key = (
                    "classification",
                    Some(server.as_str()),
                    None,
                    Some(tool.as_str()),
                );
                (key, &**line)
            })
        });
        servers.chain(users).chain(tools)
    }
}

/// A timeline that snapshots share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Line(Arc<Timeline>);

impl std::ops::Deref for Line {
    type Target = Timeline;

    fn deref(&self) -> &Timeline {
        &self.0
    }
}

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Timeline::deserialize(d).map(|line| Self(Arc::new(line)))
    }
}

type Key<'a> = (
    &'static str,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
);

/// What an entry can be joined by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subjects<'a> {
    pub(crate) leaf: u64,
    pub(crate) server: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) tool: Option<&'a str>,
}

fn kept(line: &mut Line, min: u64) -> bool {
    Arc::make_mut(&mut line.0).forget_below(min);
    !line.is_empty()
}

/// Whether a key can be part of the name of a column, plainly written, and means nothing else there.
fn is_column(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !key.is_empty()
        && key.len() <= FACT_KEY_BYTES_MAX
        && key.bytes().all(plain)
        && !["facts", "from", "stale", "absent"].contains(&key)
}

/// What all sources say of each subject, as one; where two know a key, the one named first counts.
fn merged(said: &Said) -> BTreeMap<&Subject, Facts> {
    let mut all: BTreeMap<&Subject, Facts> = BTreeMap::new();
    for source in &said.sources {
        let facts = said.facts.iter().flatten();
        for said in facts.filter(|said| said.source == source.id) {
            let facts = all.entry(&said.subject).or_insert_with(|| Facts {
                facts: BTreeMap::new(),
                from: String::new(),
                stale: false,
            });
            if !facts.from.is_empty() {
                facts.from.push(',');
            }
            facts.from.push_str(&source.id);
            if let Fact::Known(version) = &source.version {
                facts.from.push('@');
                facts.from.push_str(version);
            }
            facts.stale |= source.stale;
            for (key, value) in &said.fact {
                if !facts.facts.contains_key(key) {
                    facts.facts.insert(key.clone(), value.clone());
                }
            }
        }
    }
    all
}

/// Adds a range to ranges in order.
fn cover(covered: &mut Vec<(u64, u64)>, first: u64, end: u64) {
    if first >= end {
        return;
    }
    let from = covered.partition_point(|range| range.1 < first);
    let to = covered.partition_point(|range| range.0 <= end);
    let (mut low, mut high) = (first, end);
    for range in covered.get(from..to).unwrap_or_default() {
        low = low.min(range.0);
        high = high.max(range.1);
    }
    covered.splice(from..to.max(from), [(low, high)]);
}

/// Maps as lists of pairs: JSON has no other keys than strings.
mod pairs {
    use std::collections::{BTreeMap, HashMap};
    use std::hash::Hash;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K, V, S>(map: &HashMap<K, V>, s: S) -> Result<S::Ok, S::Error>
    where
        K: Ord + Serialize,
        V: Serialize,
        S: Serializer,
    {
        let sorted: BTreeMap<&K, &V> = map.iter().collect();
        s.collect_seq(sorted)
    }

    pub(super) fn deserialize<'de, K, V, D>(d: D) -> Result<HashMap<K, V>, D::Error>
    where
        K: Eq + Hash + Deserialize<'de>,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let all: Vec<(K, V)> = Vec::deserialize(d)?;
        Ok(all.into_iter().collect())
    }
}
