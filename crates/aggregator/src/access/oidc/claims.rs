//! What stands in a token: names and roles, at a claim or below one.

use serde_json::{Map, Value};

/// The claim of this name; with dots, one below others, such as `realm_access.roles`. A claim whose own
/// name has dots (`https://example.org/roles`) is found by its whole name first.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_object()?.get(part))
}

/// A claim that is one text.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    find(claims, name)?.as_str().map(str::to_owned)
}

/// A claim that is a text or a list of texts. A text is one value: it is not split.
pub(super) fn texts(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    let Some(value) = find(claims, name) else {
        return Vec::new();
    };
    let one = value.as_str().map(str::to_owned);
    let many = value.as_array().into_iter().flatten();
    let many = many.filter_map(|value| value.as_str().map(str::to_owned));
    one.into_iter().chain(many).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_where_issuers_put_them() {
        let claims = serde_json::json!({
            "groups": ["a", 7, "b"],
            "role": "a b",
            "realm_access": {"roles": ["c"]},
            "https://x.example/roles": ["d"],
        });
        let claims = claims.as_object().unwrap();
        assert_eq!(texts(claims, "groups"), ["a", "b"]);
        assert_eq!(texts(claims, "role"), ["a b"]);
        assert_eq!(texts(claims, "realm_access.roles"), ["c"]);
        assert_eq!(texts(claims, "https://x.example/roles"), ["d"]);
        assert!(texts(claims, "realm_access.none").is_empty());
        assert!(texts(claims, "groups.a").is_empty());
    }
}
