//! What tools a server says it has, and when that changes.
//!
//! The digest of a manifest is SHA-256 over, for each tool in ascending order of the bytes of its
//! name, `u32 BE length of the name ‖ name ‖ SHA-256 of the tool's raw JSON object`. So it does not
//! depend on the order of tools or on paging, and on nothing a reader would have to re-encode.
//!
//! A listing may depend on who asks (MCP allows it by authorization), so manifests are kept per
//! *audience*: the keyed hash of the token, or nobody. A listing in pages is put together by its
//! cursors and counts when its last page came.

use std::collections::{BTreeMap, VecDeque};

use affiant_entry::limits::{MANIFEST_NAMES_MAX, TOOL_NAME_BYTES_MAX, clip};
use affiant_entry::record::Manifest;
use affiant_entry::{Commitment, Fact};
use sha2::{Digest, Sha256};

use super::limits::MANIFEST_NAMES_BYTES_MAX;
use super::view;

/// Who asks: the keyed hash of the token, or nobody.
pub(super) type Audience = Option<String>;

/// A `tools/list` request: whose, and from which page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listing {
    pub(super) audience: Audience,
    /// Commitment to the raw cursor, if it asks for a later page.
    pub(super) cursor: Option<String>,
}

impl Listing {
    pub(super) fn new(token: Option<&Commitment>, cursor: Option<&Commitment>) -> Self {
        let text = |commitment: &Commitment| commitment.as_str().to_owned();
        Self {
            audience: token.map(text),
            cursor: cursor.map(text),
        }
    }
}

/// Tools by name, each with the digest of its definition. A name given twice has two.
type Tools = BTreeMap<String, Vec<[u8; 32]>>;

/// A complete listing.
#[derive(Debug)]
struct Known {
    digest: String,
    tools: Tools,
}

/// A page of a `tools/list` result could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageError {
    /// It is not a list of objects with string names, or not UTF-8.
    Unreadable,
    /// More tools, or longer names, than are kept.
    TooMany,
}

/// What a page brought.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The manifest, if this page completed it and it is new or changed.
    pub(super) manifest: Option<Manifest>,
    /// Whether this page completed a listing.
    pub(super) complete: bool,
    /// Tools that stand in it more than once.
    pub(super) duplicates: u64,
    /// Another audience or listing had to be forgotten.
    pub(super) evicted: bool,
}

/// All manifests of a tracker.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    known: BTreeMap<Audience, Known>,
    /// Audiences, the one heard of longest ago first.
    order: VecDeque<Audience>,
    /// Listings that wait for the page their key asks for.
    partial: VecDeque<(Listing, Tools)>,
    /// Digests recorded already, newest last.
    recorded: VecDeque<String>,
}

impl Manifests {
    /// Whether the tool stands in the newest manifest of that token, and that manifest's digest. A
    /// token never seen in a listing counts as the one that `listed` in the same conversation.
    pub(super) fn lookup(
        &self,
        token: Option<&Commitment>,
        listed: Option<&Audience>,
        tool: Option<&str>,
    ) -> (Fact<bool>, Fact<String>) {
        let own = token.map(|token| token.as_str().to_owned());
        let known = self.known.get(&own).or_else(|| self.known.get(listed?));
        let Some(known) = known else {
            return (
                Fact::absent("no manifest seen"),
                Fact::absent("no manifest seen"),
            );
        };
        let known_tool = tool.map(|name| known.tools.contains_key(name));
        (
            Fact::from_option(known_tool, "no name in request"),
            Fact::Known(known.digest.clone()),
        )
    }

    /// Takes a page of a result: the raw `tools` array and, unless it is the last, the commitment to
    /// `nextCursor`.
    pub(super) fn page(
        &mut self,
        server: &str,
        listing: Listing,
        raw_tools: &[u8],
        next: Option<&Commitment>,
        limits: (usize, usize),
    ) -> Result<Page, PageError> {
        let (tools_max, manifests_max) = limits;
        let Some(mut tools) = self.take_partial(&listing) else {
            return Ok(Page::default());
        };
        add_tools(&mut tools, raw_tools)?;
        let count: usize = tools.values().map(Vec::len).sum();
        let names_bytes = tools.keys().map(String::len).fold(0, usize::saturating_add);
        if count > tools_max || names_bytes > MANIFEST_NAMES_BYTES_MAX {
            return Err(PageError::TooMany);
        }
        if let Some(next) = next {
            let key = Listing {
                audience: listing.audience,
                cursor: Some(next.as_str().to_owned()),
            };
            self.partial.retain(|(other, _)| *other != key);
            self.partial.push_back((key, tools));
            let evicted = self.partial.len() > manifests_max;
            if evicted {
                self.partial.pop_front();
            }
            return Ok(Page {
                evicted,
                ..Page::default()
            });
        }
        Ok(self.complete(server, listing.audience, tools, manifests_max))
    }

    /// What came before a page. `None` for a later page whose predecessors were not seen: what it
    /// brings is no manifest.
    fn take_partial(&mut self, listing: &Listing) -> Option<Tools> {
        if listing.cursor.is_none() {
            return Some(Tools::new());
        }
        let at = self.partial.iter().position(|(key, _)| key == listing)?;
        self.partial.remove(at).map(|(_, tools)| tools)
    }

    fn complete(&mut self, server: &str, audience: Audience, tools: Tools, max: usize) -> Page {
        let duplicates = tools
            .values()
            .filter(|definitions| definitions.len() > 1)
            .count();
        let duplicates = u64::try_from(duplicates).unwrap_or(u64::MAX);
        let digest = digest(&tools);
        self.order.retain(|other| *other != audience);
        self.order.push_back(audience.clone());
        let before = self.known.remove(&audience);
        let news = match &before {
            Some(before) => before.digest != digest,
            None => !self.recorded.contains(&digest),
        };
        let manifest = news.then(|| describe(server, &digest, &tools, before.as_ref()));
        if news {
            self.recorded.retain(|other| *other != digest);
            self.recorded.push_back(digest.clone());
            while self.recorded.len() > max {
                self.recorded.pop_front();
            }
        }
        self.known.insert(audience, Known { digest, tools });
        let evicted = self.order.len() > max;
        if let Some(oldest) = self.order.pop_front_if(|_| evicted) {
            self.known.remove(&oldest);
        }
        Page {
            manifest,
            complete: true,
            duplicates,
            evicted,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len().saturating_add(self.partial.len())
    }
}

fn add_tools(tools: &mut Tools, raw: &[u8]) -> Result<(), PageError> {
    for (name, tool) in view::tools(raw).ok_or(PageError::Unreadable)? {
        tools
            .entry(name)
            .or_default()
            .push(Sha256::digest(tool.get().as_bytes()).into());
    }
    Ok(())
}

fn digest(tools: &Tools) -> String {
    let mut hash = Sha256::new();
    for (name, definitions) in tools {
        for definition in definitions {
            hash.update(u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(name.as_bytes());
            hash.update(definition);
        }
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

fn describe(server: &str, digest: &str, tools: &Tools, before: Option<&Known>) -> Manifest {
    let none = Tools::new();
    let old = before.map_or(&none, |before| &before.tools);
    let count: usize = tools.values().map(Vec::len).sum();
    let changed = |name: &String| {
        old.get(name)
            .is_some_and(|definitions| tools.get(name) != Some(definitions))
    };
    Manifest {
        server: server.to_owned(),
        digest: digest.to_owned(),
        previous: Fact::from_option(
            before.map(|before| before.digest.clone()),
            "no manifest seen before",
        ),
        tools: u64::try_from(count).unwrap_or(u64::MAX),
        names: listed(tools.keys(), NAMES_BYTES_MAX),
        added: listed(
            tools
                .keys()
                .filter(|name| before.is_some() && !old.contains_key(*name)),
            CHANGES_BYTES_MAX,
        ),
        removed: listed(
            old.keys().filter(|name| !tools.contains_key(*name)),
            CHANGES_BYTES_MAX,
        ),
        changed: listed(tools.keys().filter(|name| changed(name)), CHANGES_BYTES_MAX),
    }
}

/// Most bytes of JSON that `names` takes, so that an entry holds it beside the changes.
const NAMES_BYTES_MAX: usize = 24 * 1024;
/// Most bytes of JSON that each of `added`, `removed` and `changed` takes.
const CHANGES_BYTES_MAX: usize = 8 * 1024;

fn listed<'a>(names: impl Iterator<Item = &'a String>, bytes_max: usize) -> Vec<String> {
    let mut bytes = 0_usize;
    names
        .take(MANIFEST_NAMES_MAX)
        .map(|name| clip(name, TOOL_NAME_BYTES_MAX))
        .take_while(|name| {
            let json = serde_json::to_string(name).unwrap_or_default();
            bytes = bytes.saturating_add(json.len()).saturating_add(1);
            bytes <= bytes_max
        })
        .collect()
}
