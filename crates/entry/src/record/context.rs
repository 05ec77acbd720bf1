//! `context`: what inventories, directories and classification systems know of what entries name.
//!
//! A context leaf speaks of a range of leaves before it: each subject that an entry in the range names, and
//! the facts that each source of facts had about it, with the source's version and age. What it says and
//! how it is read: `docs/spec/leaf-kinds.md`, section Context.

use serde::{Deserialize, Deserializer, Serialize};

use crate::decode::{Decoded, Kind};
use crate::fact::Fact;
use crate::kind::LogKind;
use crate::limits::CONTEXT_SUBJECT_BYTES_MAX;

/// Body of `context`: facts about the subjects of the leaves `first` to `end`, without `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The first leaf it speaks of.
    pub first: u64,
    /// The leaf behind the last one; at most the index of the context leaf itself.
    pub end: u64,
    /// Whether the range had context before, and sources that were stale then are not any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// The sources that were asked, each once.
    pub sources: Vec<ContextSource>,
    /// What they know; absent where [`Context::same_as`] stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Vec<ContextFact>>,
    /// Subjects that no source knows; absent where [`Context::same_as`] stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Vec<Subject>>,
    /// An earlier context leaf that has facts itself: what it says of the subjects of this range holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u64>,
    /// Names in the range that are too long to be looked up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passed_over: u64,
}

/// A source of facts, and how it stood when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextSource {
    /// Its name in the aggregator's configuration.
    pub id: String,
    /// What it is.
    pub kind: ContextKind,
    /// `sha256:<hex>` of what was read, or `etag:<tag>` as its server says.
    #[serde(deserialize_with = "fact")]
    pub version: Fact<String>,
    /// When it was last read with success, RFC 3339.
    #[serde(deserialize_with = "fact")]
    pub read: Fact<String>,
    /// How long ago that was, seconds.
    #[serde(deserialize_with = "fact")]
    pub age_s: Fact<u64>,
    /// Whether that is longer ago than the operator allows, or it was never read.
    pub stale: bool,
}

/// What a source of facts is, and so what it is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ContextKind {
    /// An asset inventory: servers.
    Asset,
    /// A user directory: users.
    User,
    /// A data classification system: tools.
    Classification,
}

impl ContextKind {
    /// Its name as it stands in the entry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::User => "user",
            Self::Classification => "classification",
        }
    }
}

/// What one source knows of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextFact {
    /// Of whom or what.
    pub subject: Subject,
    /// Id of the source.
    pub source: String,
    /// Names and values, as the operator chose them.
    pub fact: std::collections::BTreeMap<String, String>,
}

/// What facts are about: exactly as entries name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Subject {
    /// A server, by the id that the operator gave it.
    Server(String),
    /// A user, by the name in the entry.
    User(String),
    /// A tool of a server.
    Tool(String, String),
}

impl Subject {
    /// The source that is asked about it.
    #[must_use]
    pub const fn asked_of(&self) -> ContextKind {
        match self {
            Self::Server(_) => ContextKind::Asset,
            Self::User(_) => ContextKind::User,
            Self::Tool(..) => ContextKind::Classification,
        }
    }

    /// Whether it fits into a context leaf: at most [`CONTEXT_SUBJECT_BYTES_MAX`] bytes of JSON.
    #[must_use]
    pub fn fits(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|json| json.len() <= CONTEXT_SUBJECT_BYTES_MAX)
    }

    /// The subjects that an entry names, each once: server, user and tool of a call; the server of a
    /// session, with its operating system user, of a manifest, a refusal or an anomaly. None for other kinds.
    ///
    /// A value that the entry says is absent is no subject.
    #[must_use]
    pub fn of_entry(entry: &Decoded) -> Vec<Self> {
        let server = |member, name| text(entry, member, name).map(Self::Server);
        match &entry.header().kind {
            Kind::CallBegin | Kind::CallEnd | Kind::Log(LogKind::CallImport) => {
                let server = text(entry, "server", "id");
                let tool = server.clone().zip(text(entry, "tool", "name"));
                let user = text(entry, "agent", "user");
                let tool = tool.map(|(server, tool)| Self::Tool(server, tool));
                let server = server.map(Self::Server);
                [server, user.map(Self::User), tool]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Kind::Session => {
                let user = text(entry, "session_info", "os_user").map(Self::User);
                let server = server("session_info", "server");
                server.into_iter().chain(user).collect()
            }
            Kind::Manifest => server("manifest", "server").into_iter().collect(),
            Kind::AuthFailure => server("auth_failure", "server").into_iter().collect(),
            Kind::Anomaly => server("anomaly", "server").into_iter().collect(),
            Kind::CallTask
            | Kind::Boot
            | Kind::Stop
            | Kind::Heartbeat
            | Kind::Gap
            | Kind::Seal
            | Kind::Log(_)
            | Kind::Unknown(_) => Vec::new(),
        }
    }
}

impl Context {
    /// What a `context` entry says; `None` for any other entry, and for one that is malformed.
    ///
    /// Does not check that the aggregator wrote it, nor that its range is before it: see `affiant-audit`.
    #[must_use]
    pub fn of_entry(entry: &Decoded) -> Option<Self> {
        if entry.header().kind != Kind::Log(LogKind::Context) {
            return None;
        }
        let said: Self = serde_json::from_str(entry.member(LogKind::Context.member())?).ok()?;
        let own = said.facts.is_some() && said.unknown.is_some();
        let elsewhere = said.facts.is_none() && said.unknown.is_none();
        (said.first < said.end
            && if said.same_as.is_some() {
                elsewhere
            } else {
                own
            })
        .then_some(said)
    }

    /// Ids of the sources that were stale.
    pub fn stale(&self) -> impl Iterator<Item = &str> {
        let stale = self.sources.iter().filter(|source| source.stale);
        stale.map(|source| source.id.as_str())
    }
}

/// The text of a member of a member; `None` if there is none, or it is empty.
fn text(entry: &Decoded, member: &str, name: &str) -> Option<String> {
    let text = match entry.view().children_of(member) {
        Some(object) => serde_json::from_str(object.find_text(name)?).ok()?,
        None => entry
            .pointer(&format!("/{member}/{name}"))?
            .as_str()?
            .to_owned(),
    };
    Some(text).filter(|text: &String| !text.is_empty())
}

/// The value, or `{"absent":"<reason>"}`.
fn fact<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Fact<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Absent { absent: String },
        Known(T),
    }
    Ok(match Either::deserialize(d)? {
        Either::Absent { absent } => Fact::Absent(absent.into()),
        Either::Known(value) => Fact::Known(value),
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}
