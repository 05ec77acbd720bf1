//! Which rules apply to a call.

use super::rule::Rule;

/// The rules in force for one server and tool.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// All of them.
    All,
    /// Those whose place holds `true`.
    Some(Vec<bool>),
}

impl Scope {
    /// The rules for a tool of a server.
    pub(crate) fn of<'r>(
        rules: impl Iterator<Item = &'r Rule> + Clone,
        server: &str,
        tool: Option<&str>,
    ) -> Self {
        if rules.clone().all(Rule::is_global) {
            return Self::All;
        }
        Self::Some(rules.map(|rule| rule.applies(server, tool)).collect())
    }

    /// Whether the rule at a place applies.
    pub(crate) fn holds(&self, place: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(places) => places.get(place).copied().unwrap_or(true),
        }
    }
}
