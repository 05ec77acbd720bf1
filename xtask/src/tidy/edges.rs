//! Which crate may use which: arrows point down only, and pure crates stay pure.

use serde_json::Value;

/// Every crate of the house with the crates of the house it may use (in `[dependencies]`).
const ALLOWED: &[(&str, &[&str])] = &[
    ("affiant-tlog", &[]),
    ("affiant-entry", &["affiant-tlog"]),
    ("affiant-capture", &["affiant-entry"]),
    ("affiant-policy", &["affiant-entry"]),
    ("affiant-config", &[]),
    ("affiant-spool", &[]),
    ("affiant-log", &["affiant-tlog"]),
    (
        "affiant-archive",
        &["affiant-entry", "affiant-log", "affiant-tlog"],
    ),
    ("affiant-audit", &["affiant-entry", "affiant-tlog"]),
    ("affiant-enrich", &["affiant-config", "affiant-entry"]),
    (
        "affiant-aggregator",
        &[
            "affiant-audit",
            "affiant-config",
            "affiant-enrich",
            "affiant-entry",
            "affiant-kernel-clock",
            "affiant-log",
            "affiant-policy",
            "affiant-tlog",
        ],
    ),
    ("affiant-store", &["affiant-entry", "affiant-tlog"]),
    ("affiant-verify-wasm", &["affiant-audit"]),
    ("affiant-kernel-clock", &[]),
    (
        "affiant-agent",
        &[
            "affiant-capture",
            "affiant-config",
            "affiant-entry",
            "affiant-kernel-clock",
            "affiant-policy",
            "affiant-spool",
            "affiant-tlog",
        ],
    ),
    (
        "affiant-cli",
        // the demo server only behind the feature `demo`
        &[
            "affiant-agent",
            "affiant-aggregator",
            "affiant-archive",
            "affiant-audit",
            "affiant-capture",
            "affiant-demo-server",
            "affiant-entry",
            "affiant-log",
            "affiant-policy",
            "affiant-spool",
            "affiant-store",
            "affiant-tlog",
        ],
    ),
    ("affiant-demo-server", &[]),
    ("affiant-conformance-server", &[]),
    ("affiant-e2e", &["affiant-demo-server"]),
    ("xtask", &[]),
];

/// Crates that know no clock, randomness, file, socket or environment.
const PURE: &[&str] = &[
    "affiant-entry",
    "affiant-tlog",
    "affiant-capture",
    "affiant-policy",
    "affiant-config",
    "affiant-audit",
];

/// What a pure crate may not use, even behind another name.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "fs-err",
    "rustix",
    "libc",
    "getrandom",
    "rand",
    "affiant-spool",
    "affiant-agent",
    "tempfile",
];

/// Who may use an opinionated dependency directly.
const ONLY_IN: &[(&str, &[&str])] = &[
    (
        "tokio",
        &[
            "affiant-agent",
            "affiant-aggregator",
            "affiant-enrich",
            "affiant-log",
            "affiant-archive",
            "affiant-store",
            "affiant-cli",
            "affiant-demo-server",
            "affiant-conformance-server",
            "affiant-e2e",
        ],
    ),
    (
        "rmcp",
        // It re-encodes messages, so it is never on the data path. `affiant-cli` has it as an
        // optional dependency: the client of `affiant demo` (see OPTIONAL_IN).
        &[
            "affiant-cli",
            "affiant-demo-server",
            "affiant-conformance-server",
            "affiant-e2e",
        ],
    ),
    ("clap", &["affiant-cli"]),
    (
        "anyhow",
        &[
            "affiant-cli",
            "xtask",
            "affiant-demo-server",
            "affiant-conformance-server",
            "affiant-e2e",
        ],
    ),
];

/// What a crate may only have as an optional dependency, so that a product build goes without it.
const OPTIONAL_IN: &[(&str, &[&str])] = &[("affiant-cli", &["affiant-demo-server", "rmcp"])];

pub(super) fn check(meta: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for package in members(meta) {
        let name = text(package, "name");
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            out.push(format!(
                "crate `{name}` has no line in the table of allowed edges (xtask/src/tidy/edges.rs)"
            ));
            continue;
        };
        for dependency in dependencies(package) {
            let ours = dependency.starts_with("affiant-");
            if ours && !allowed.contains(&dependency) {
                out.push(format!("edge `{name}` -> `{dependency}` is not allowed"));
            }
            if PURE.contains(&name) && IMPURE.contains(&dependency) {
                out.push(format!("pure crate `{name}` uses `{dependency}`"));
            }
            let only = ONLY_IN.iter().find(|(banned, _)| *banned == dependency);
            if only.is_some_and(|(_, users)| !users.contains(&name)) {
                out.push(format!(
                    "`{name}` uses `{dependency}`, which only some crates may"
                ));
            }
        }
        out.extend(not_optional(package, name));
        if text(package, "license") != "Apache-2.0" {
            out.push(format!(
                "crate `{name}` does not say `license.workspace = true`"
            ));
        }
    }
    out
}

fn not_optional(package: &Value, name: &str) -> Vec<String> {
    let wanted = OPTIONAL_IN.iter().filter(|(user, _)| *user == name);
    let wanted: Vec<&str> = wanted.flat_map(|(_, all)| all.iter().copied()).collect();
    list(package, "dependencies")
        .filter(|d| wanted.contains(&text(d, "name")))
        .filter(|d| d.get("optional").and_then(Value::as_bool) != Some(true))
        .map(|d| {
            format!(
                "`{name}` has `{}`, which must be optional there",
                text(d, "name")
            )
        })
        .collect()
}

fn members(meta: &Value) -> impl Iterator<Item = &Value> {
    let ids: Vec<&str> = list(meta, "workspace_members")
        .filter_map(Value::as_str)
        .collect();
    list(meta, "packages").filter(move |package| ids.contains(&text(package, "id")))
}

/// Normal dependencies only: judges and test tools may be whatever they are.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    list(package, "dependencies")
        .filter(|d| d.get("kind").is_none_or(Value::is_null))
        .map(|d| text(d, "name"))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
