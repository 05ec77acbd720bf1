//! Names with `*` for any text, as in `servers = ["crm-*"]`.

/// A name pattern; `*` stands for any text, also none. Case counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    parts: Vec<String>,
}

impl Glob {
    /// Any text is a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        Self {
            parts: pattern.split('*').map(str::to_owned).collect(),
        }
    }

    /// Whether a name matches as a whole.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else {
            return name.is_empty();
        };
        let Some((last, middle)) = rest.split_last() else {
            return name == first;
        };
        let Some(mut left) = name
            .strip_prefix(first.as_str())
            .and_then(|name| name.strip_suffix(last.as_str()))
        else {
            return false;
        };
        for part in middle {
            let Some((_, after)) = left.split_once(part.as_str()) else {
                return false;
            };
            left = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("crm", "crm", true),
            ("crm", "crm2", false),
            ("crm-*", "crm-eu", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("*_secret_*", "read_secret_value", true),
            ("**", "x", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(name),
                expected,
                "{pattern} on {name}"
            );
        }
    }
}
