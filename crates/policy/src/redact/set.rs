//! The rules in force.

use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::error::RuleError;
use super::parse;
use super::rule::Rule;

/// Redaction rules, checked and compiled. Cheap to clone.
///
/// ```
/// use affiant_policy::redact::RuleSet;
///
/// let own = RuleSet::parse("[[rule]]\nid = \"badge\"\nvalue = 'B-\\d{6}'\n")?;
/// assert!(own.rules().count() > RuleSet::builtin().rules().count());
///
/// let error = RuleSet::parse("[[rule]]\nid = \"badge\"\nvalues = 'B'\n").unwrap_err();
/// assert_eq!((error.line, error.problem.to_string().as_str()), (3, "unknown key `values`, did you mean `value`?"));
/// # Ok::<(), affiant_policy::redact::RuleError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RuleSet {
    rules: Arc<[Arc<Rule>]>,
}

/// The built-in rules as they stand in `config/redaction.toml`.
pub const BUILTIN: &str = include_str!("../../../../config/redaction.toml");

impl RuleSet {
    /// Reads a rule file. Its own rules come first, then the built-in ones it does not disable or
    /// redefine (by the same id), unless it says `extends = "none"`.
    ///
    /// # Errors
    ///
    /// [`RuleError`] with the place in `toml_text`: not TOML, unknown keys, patterns that do not
    /// compile. Nothing is loaded in part.
    pub fn parse(toml_text: &str) -> Result<Self, RuleError> {
        let file = parse::rule_file(toml_text)?;
        let mut rules: Vec<Arc<Rule>> = file.rules.into_iter().map(Arc::new).collect();
        if file.extends_builtin {
            let own: Vec<String> = rules.iter().map(|rule| rule.id.clone()).collect();
            let builtin = Self::builtin();
            let kept = builtin
                .rules
                .iter()
                .filter(|rule| !own.contains(&rule.id) && !file.disable.contains(&rule.id));
            rules.extend(kept.cloned());
        }
        Ok(Self {
            rules: rules.into(),
        })
    }

    /// The built-in rules alone.
    #[must_use]
    pub fn builtin() -> Self {
        static RULES: OnceLock<RuleSet> = OnceLock::new();
        RULES.get_or_init(Self::read_builtin).clone()
    }

    /// A test reads the same constant, so that no release can fail here.
    fn read_builtin() -> Self {
        let file = parse::rule_file(BUILTIN)
            .unwrap_or_else(|error| unreachable!("built-in rules: {}", error.problem));
        Self {
            rules: file.rules.into_iter().map(Arc::new).collect(),
        }
    }

    /// The rules in force, the first to decide first.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> + Clone {
        self.rules.iter().map(AsRef::as_ref)
    }

    pub(crate) fn shared_rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// `sha256:<64 hex digits>` over everything that decides what is cut, in order: it changes when a
    /// rule does and when a release changes a known format, not when a comment or description does.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"affiant redaction rules v1\n");
        for rule in self.rules() {
            digest.update(rule.canonical().as_bytes());
        }
        format!("sha256:{}", hex::encode(digest.finalize()))
    }
}
