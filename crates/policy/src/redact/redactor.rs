//! The redactor: a call as it came in, a call that may be written out.

use std::borrow::Cow;

use affiant_entry::call::{Call, CallDraft, DraftInput, Input, Redaction};
use affiant_entry::{CommitKey, Fact, limits};
use serde_json::value::RawValue;

use super::echo::Echoes;
use super::engine::{Cut, Engine, join};
use super::hits::{Hit, Hits};
use super::json::Broken;
use super::limit::{EXPLAIN_HITS_MAX, REDACT_INPUT_BYTES_MAX, TEXT_BYTES_MAX};
use super::scope::Scope;
use super::set::RuleSet;
use super::walk::{Edit, Search, Walk};

/// Cuts sensitive values out of what a client or server sent. One for a process; `&self` throughout.
#[derive(Debug)]
pub struct Redactor {
    engine: Engine,
    /// Every rule: for texts that belong to no tool.
    every: Scope,
    key: CommitKey,
    rules: RuleSet,
}

/// Why an input is kept out of the entry altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Withheld {
    /// Longer than [`REDACT_INPUT_BYTES_MAX`].
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON.
    NotJson,
    /// Nested too deep.
    TooDeep,
    /// The redacted text is not JSON: a fault of the redactor.
    Inconsistent,
}

impl Withheld {
    /// The reason as it stands in the entry.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "redaction: input too long",
            Self::NotUtf8 => "redaction: input is not UTF-8",
            Self::NotJson => "redaction: input is not JSON",
            Self::TooDeep => "redaction: input nested too deep",
            Self::Inconsistent => "redaction: internal check failed",
        }
    }
}

/// What a redactor does to an input, for people.
#[derive(Debug)]
pub struct Explanation {
    /// The redacted JSON as it would be kept, or why all of it would be withheld.
    pub output: Result<String, Withheld>,
    /// The cuts, in the order they were made; at most 10,000.
    pub hits: Vec<ExplainedHit>,
    /// Cuts beyond those listed.
    pub hits_more: u64,
}

/// One cut. Says nothing of the value but its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedHit {
    /// Pointer into the input.
    pub at: String,
    /// Id of the rule.
    pub rule: String,
    /// The rule's matcher and description.
    pub why: String,
    /// Length of the cut in bytes.
    pub bytes: usize,
}

/// A redacted input, before it is put into an entry.
struct Outcome<'k> {
    json: String,
    hits: Hits<'k>,
    echoes: Echoes,
}

impl Redactor {
    /// A redactor for the rules in force. `key` makes the commitments.
    #[must_use]
    pub fn new(rules: RuleSet, key: CommitKey) -> Self {
        Self {
            engine: Engine::new(&rules),
            every: Scope::All,
            key,
            rules,
        }
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Redacts a call's input. The head passes as it is: session, agent, server and tool names are
    /// the identifiers an auditor searches by, and the caller redacts what of them is a peer's free
    /// text ([`Redactor::redact_text`]).
    ///
    /// Never fails: what cannot be redacted is withheld whole, with the reason and a commitment to the
    /// input as it came. The second value is for the call's later texts.
    ///
    /// A draft cannot be written by accident; this does not compile:
    ///
    /// ```compile_fail
    /// fn needs_serialize<T: serde::Serialize>(_: &T) {}
    /// fn leak(draft: &affiant_entry::call::CallDraft) { needs_serialize(draft) }
    /// ```
    #[must_use]
    pub fn redact_call(&self, draft: CallDraft) -> (Call, Echoes) {
        let CallDraft { head, input } = draft;
        let (input, echoes) = match input {
            DraftInput::None => (Input::absent("no arguments"), Echoes::default()),
            DraftInput::TooLong { bytes, commit } => {
                let reason = Cow::Borrowed("capture: input too long");
                (Input::withheld(reason, bytes, commit), Echoes::default())
            }
            DraftInput::Json(raw) => {
                self.redact_bytes(raw.expose(), &head.server.id, known(&head.tool.name))
            }
        };
        (Call { head, input }, echoes)
    }

    /// Redacts the raw JSON of an input. `tool` is `None` where its name is not known; every rule of
    /// the server applies then. Takes any bytes.
    #[must_use]
    pub fn redact_bytes(&self, json: &[u8], server: &str, tool: Option<&str>) -> (Input, Echoes) {
        let hits = Hits::committed(&self.key, limits::REDACTIONS_MAX);
        let kept = self
            .run(json, &self.scope(server, tool), hits)
            .and_then(|outcome| {
                let raw =
                    RawValue::from_string(outcome.json).map_err(|_| Withheld::Inconsistent)?;
                let (listed, more) = outcome.hits.into_parts();
                let redactions = listed
                    .into_iter()
                    .filter_map(|hit| self.redaction(hit))
                    .collect();
                Ok((Input::redacted(raw, redactions, more), outcome.echoes))
            });
        kept.unwrap_or_else(|withheld| {
            let bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
            let commit = self.key.commit("input", json);
            (
                Input::withheld(Cow::Borrowed(withheld.reason()), bytes, commit),
                Echoes::default(),
            )
        })
    }

    /// What [`Redactor::redact_bytes`] would do, and why: for `affiant redact test`.
    #[must_use]
    pub fn explain(&self, json: &[u8], server: &str, tool: Option<&str>) -> Explanation {
        match self.run(
            json,
            &self.scope(server, tool),
            Hits::uncommitted(EXPLAIN_HITS_MAX),
        ) {
            Ok(outcome) => {
                let (listed, hits_more) = outcome.hits.into_parts();
                let hits = listed
                    .into_iter()
                    .map(|hit| self.explain_hit(hit))
                    .collect();
                let output = RawValue::from_string(outcome.json).map(|raw| raw.get().to_owned());
                Explanation {
                    output: output.map_err(|_| Withheld::Inconsistent),
                    hits,
                    hits_more,
                }
            }
            Err(withheld) => Explanation {
                output: Err(withheld),
                hits: Vec::new(),
                hits_more: 0,
            },
        }
    }

    fn scope(&self, server: &str, tool: Option<&str>) -> Scope {
        Scope::of(self.engine.rules.iter().map(AsRef::as_ref), server, tool)
    }

    fn redaction(&self, hit: Hit) -> Option<Redaction> {
        Some(Redaction {
            at: hit.at,
            rule: self.engine.id(hit.place).to_owned(),
            commit: hit.commit?,
        })
    }

    fn explain_hit(&self, hit: Hit) -> ExplainedHit {
        let rule = self.engine.id(hit.place).to_owned();
        let why = match (self.engine.rules.get(hit.place), rule.as_str()) {
            (Some(rule), _) if rule.description().is_empty() => rule.matcher().to_owned(),
            (Some(rule), _) => format!("{}: {}", rule.matcher(), rule.description()),
            (None, "echo") => "repeats a value cut elsewhere in this input".to_owned(),
            (None, _) => "JSON nested in strings deeper than is looked into".to_owned(),
        };
        ExplainedHit {
            at: hit.at,
            rule,
            why,
            bytes: hit.bytes,
        }
    }

    /// Redacts free text of a peer (a reason for cancelling, a client's name) and clips it to
    /// [`limits::PEER_TEXT_BYTES_MAX`]. `echoes` are the secrets of the call the text belongs to.
    #[must_use]
    pub fn redact_text(&self, text: &str, echoes: Option<&Echoes>) -> String {
        limits::clip(
            &self.redact_text_whole(text, echoes),
            limits::PEER_TEXT_BYTES_MAX,
        )
    }

    /// As [`Redactor::redact_text`], not clipped. Text of more than 64 KiB is withheld.
    pub(crate) fn redact_text_whole(&self, text: &str, echoes: Option<&Echoes>) -> String {
        if text.len() > TEXT_BYTES_MAX {
            return format!("[withheld: {} bytes]", text.len());
        }
        // A text is redacted as the string it would be in JSON: what looks like JSON is walked.
        let Ok(json) = serde_json::to_string(text) else {
            return "[withheld]".to_owned();
        };
        let redacted = self
            .run(json.as_bytes(), &self.every, Hits::uncommitted(0))
            .ok();
        let plain = redacted.and_then(|outcome| serde_json::from_str::<String>(&outcome.json).ok());
        let Some(plain) = plain else {
            return format!("[withheld: {} bytes]", text.len());
        };
        let Some(echoes) = echoes else { return plain };
        self.apply_cuts(&plain, &join(echoes.find(&plain)))
    }

    /// Redacts a command line, one argument at a time: `--token X`, `--token=X`, `KEY=value`, URLs.
    /// The result has as many arguments.
    #[must_use]
    pub fn redact_argv(&self, argv: &[String]) -> Vec<String> {
        super::argv::redact(self, argv)
    }

    /// The marker for a key of the command line, if a rule knows the key.
    pub(crate) fn marker_of_key(&self, key: &str) -> Option<String> {
        let mut folded = Vec::new();
        super::key::fold(key, &mut folded);
        self.engine
            .rule_of_key(&folded, &self.every)
            .map(|place| self.engine.marker(place))
    }

    fn apply_cuts(&self, text: &str, cuts: &[Cut]) -> String {
        let edits = cuts.iter().map(|cut| Edit {
            range: cut.range.clone(),
            text: self.engine.marker(cut.place),
        });
        splice(text, edits)
    }

    /// Both passes: the rules, then values they found that stand elsewhere too.
    fn run<'k>(
        &'k self,
        json: &[u8],
        scope: &Scope,
        hits: Hits<'k>,
    ) -> Result<Outcome<'k>, Withheld> {
        if json.len() > REDACT_INPUT_BYTES_MAX {
            return Err(Withheld::TooLong);
        }
        let text = std::str::from_utf8(json).map_err(|_| Withheld::NotUtf8)?;
        let mut walk = Walk::new(&self.engine, scope, Search::Rules, hits);
        let edits = walk.document(text, 0).map_err(withheld)?;
        let Walk {
            mut hits, echoes, ..
        } = walk;
        let mut json = one_line(text, edits);
        if echoes.any_opaque() {
            let mut again = Walk::new(&self.engine, scope, Search::Echoes(&echoes), hits.rest());
            let edits = again.document(&json, 0).map_err(withheld)?;
            hits.append(again.hits);
            json = splice(&json, edits);
        }
        Ok(Outcome { json, hits, echoes })
    }
}

fn known(name: &Fact<String>) -> Option<&str> {
    name.known().map(String::as_str)
}

const fn withheld(broken: Broken) -> Withheld {
    match broken {
        Broken::Syntax => Withheld::NotJson,
        Broken::Deep => Withheld::TooDeep,
    }
}

/// Puts edits in place. Entries are lines: line breaks and tabs between tokens go (valid JSON has
/// them nowhere else; in a string they are escapes).
fn one_line(text: &str, edits: Vec<Edit>) -> String {
    let json = splice(text, edits);
    if memchr::memchr3(b'\n', b'\r', b'\t', json.as_bytes()).is_none() {
        return json;
    }
    json.replace(['\n', '\r', '\t'], "")
}

/// Puts sorted edits in place.
fn splice(text: &str, edits: impl IntoIterator<Item = Edit>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.range.start).unwrap_or_default());
        out.push_str(&edit.text);
        at = edit.range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
