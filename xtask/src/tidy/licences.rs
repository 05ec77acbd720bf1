//! Permissive licences only, of everything that is linked.

use serde_json::Value;

/// Licences that need no more than a notice.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(meta: &Value) -> Vec<String> {
    let packages = meta
        .get("packages")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    packages.iter().filter_map(breach).collect()
}

fn breach(package: &Value) -> Option<String> {
    let name = package.get("name")?.as_str()?;
    let licence = package
        .get("license")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (!permissive(licence)).then(|| format!("dependency `{name}` has licence `{licence}`"))
}

/// Whether an SPDX expression can be met with permissive licences alone: one alternative of each `OR`,
/// every part of each `AND`. Parentheses are flattened, which can only make it stricter.
fn permissive(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    flat.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|one| PERMISSIVE.contains(&one.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::permissive;

    #[test]
    fn expressions_are_read_strictly() {
        assert!(permissive("MIT OR Apache-2.0"));
        assert!(permissive("MIT/Apache-2.0"));
        assert!(permissive("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!permissive("MPL-2.0"));
        assert!(!permissive("MIT AND GPL-3.0-only"));
        assert!(!permissive(""));
    }
}
