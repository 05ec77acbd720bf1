//! A key that is not known, and the known one it resembles.

/// serde's words for a key that `deny_unknown_fields` refused, taken apart.
pub(crate) struct UnknownKey {
    pub(crate) key: String,
    pub(crate) suggestion: Option<String>,
}

impl UnknownKey {
    pub(crate) fn read(message: &str) -> Option<Self> {
        let mut quoted = message
            .strip_prefix("unknown field ")?
            .split('`')
            .skip(1)
            .step_by(2);
        let key = quoted.next()?.to_owned();
        Some(Self {
            suggestion: nearest(&key, quoted),
            key,
        })
    }
}

fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    known
        .map(|name| (strsim::jaro_winkler(key, name), name))
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

/// Similarity from which a known key is suggested.
const NEAR: f64 = 0.8;
