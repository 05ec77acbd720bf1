//! A TOML file of rules:
//!
//! ```toml
//! [[rule]]
//! id = "crm-pii"
//! server = "crm*"        # `*` stands for anything; left out: any
//! tool = "search_*"
//! level = "restricted"
//! ```

use serde::Deserialize;

use super::{ReadError, of_rules};
use crate::table::{Rule, Table};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

/// The rules of a file, in its order.
pub(super) fn table(bytes: &[u8]) -> Result<(Table, u64), ReadError> {
    let text = str::from_utf8(bytes).map_err(|_| ReadError::Malformed {
        problem: "rules are not UTF-8".to_owned(),
    })?;
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        let words: Vec<&str> = error.message().split_whitespace().collect();
        ReadError::Malformed {
            problem: format!("rules, line {line}: {}", words.join(" ")),
        }
    })?;
    of_rules(file.rule)
}
