//! One redaction rule: what it looks for, where, and how much it cuts.

use regex::Regex;

use super::format::Format;
use super::glob::Glob;
use super::key::KeyName;
use super::pointer::Pattern;

/// One rule in force.
#[derive(Debug)]
pub struct Rule {
    /// Id, which is also the name of its test cases and stands in every marker it leaves.
    pub(crate) id: String,
    /// What it is for, in a sentence.
    pub(crate) description: String,
    /// What it looks for.
    pub(crate) matcher: Matcher,
    /// How much it cuts.
    pub(crate) action: Action,
    /// Servers it applies to; empty means all.
    pub(crate) servers: Vec<Glob>,
    /// Tools it applies to; empty means all.
    pub(crate) tools: Vec<Glob>,
}

/// What a rule looks for.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Values under keys of these names, in JSON and in `key=value` text.
    Keys {
        names: Vec<KeyName>,
        except: Vec<KeyName>,
        reach: Reach,
    },
    /// Values at these places.
    Pointer(Vec<Pattern>),
    /// Text that matches one of these.
    Value(Vec<Regex>),
    /// Text of these known secret formats.
    Format(Vec<&'static Format>),
    /// Payment card numbers.
    Card(Cards),
    /// Tokens that look random.
    Entropy(Entropy),
}

/// How much of a string a rule cuts. A JSON value under a key or pointer is always cut whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The whole value.
    Replace,
    /// The matched part.
    Partial,
}

/// How far the value after a key reaches in free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To the end of the word, or of the quoted text.
    Word,
    /// To the end of the line, as in an HTTP header.
    Line,
}

/// Which digit runs that satisfy the Luhn check are card numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cards {
    /// Those in a known issuer's range and of that issuer's length.
    Issuers,
    /// All of 13 to 19 digits: one in ten numbers of that length is one by chance.
    Any,
}

/// When a token looks random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entropy {
    /// Least Shannon entropy in bits a character.
    pub(crate) bits: f64,
    /// Shortest token in characters.
    pub(crate) length_min: usize,
    /// Longest token in characters: what is longer is data, not a secret.
    pub(crate) length_max: usize,
}

impl Rule {
    /// Id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the rule is for, in a sentence.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Name of the matcher: `keys`, `pointer`, `value`, `format`, `card` or `entropy`.
    #[must_use]
    pub const fn matcher(&self) -> &'static str {
        match self.matcher {
            Matcher::Keys { .. } => "keys",
            Matcher::Pointer(_) => "pointer",
            Matcher::Value(_) => "value",
            Matcher::Format(_) => "format",
            Matcher::Card(_) => "card",
            Matcher::Entropy(_) => "entropy",
        }
    }

    /// Whether the rule applies to every server and tool.
    #[must_use]
    pub const fn is_global(&self) -> bool {
        self.servers.is_empty() && self.tools.is_empty()
    }

    /// Whether the rule applies to a tool of a server. A tool whose name is not known is every tool.
    pub(crate) fn applies(&self, server: &str, tool: Option<&str>) -> bool {
        let server_ok =
            self.servers.is_empty() || self.servers.iter().any(|glob| glob.matches(server));
        let tool_ok = tool.is_none_or(|tool| {
            self.tools.is_empty() || self.tools.iter().any(|glob| glob.matches(tool))
        });
        server_ok && tool_ok
    }

    /// The rule as one line for the digest of a rule set: everything that decides what it cuts.
    pub(crate) fn canonical(&self) -> String {
        let matcher = match &self.matcher {
            Matcher::Keys {
                names,
                except,
                reach,
            } => format!("keys {names:?} except {except:?} reach {reach:?}"),
            Matcher::Pointer(patterns) => format!("pointer {patterns:?}"),
            Matcher::Value(regexes) => {
                format!(
                    "value {:?}",
                    regexes.iter().map(Regex::as_str).collect::<Vec<_>>()
                )
            }
            Matcher::Format(formats) => {
                format!(
                    "format {:?}",
                    formats
                        .iter()
                        .map(|format| (format.name, format.pattern))
                        .collect::<Vec<_>>()
                )
            }
            Matcher::Card(cards) => format!("card {cards:?}"),
            Matcher::Entropy(Entropy {
                bits,
                length_min,
                length_max,
            }) => {
                format!("entropy {bits} {length_min} {length_max}")
            }
        };
        let Self {
            id,
            action,
            servers,
            tools,
            ..
        } = self;
        format!("{id:?} {matcher} {action:?} servers {servers:?} tools {tools:?}\n")
    }
}
