//! Rules about the text of the sources.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

/// Longest production file, in lines: past that it has two nouns.
const FILE_LINES_MAX: usize = 800;

/// Words that may not stand in a source, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        concat!("#[", "ignore"),
        "a test that does not run tests nothing",
    ),
    (concat!("to", "do!("), "finish it"),
    (concat!("unimple", "mented!("), "finish it"),
    (concat!("TO", "DO"), "open ends belong into the tracker"),
    (concat!("FIX", "ME"), "open ends belong into the tracker"),
];

/// Calls that only some places may make, by path prefix.
const RESTRICTED: &[(&str, &[&str], &str)] = &[
    (
        concat!(".exp", "ose()"),
        &["crates/policy/", "crates/entry/"],
        "only the redactor looks at unredacted bytes",
    ),
    (
        concat!("Input::", "redacted("),
        &["crates/policy/", "crates/entry/"],
        "only the redactor makes redacted input",
    ),
    (
        concat!("SystemTime::", "now"),
        &[
            "crates/agent/src/clock.rs",
            "crates/aggregator/src/clock.rs",
            "crates/log/src/clock.rs",
        ],
        "one place of a process reads clocks",
    ),
    (
        concat!("getrandom::", "fill"),
        &[
            "crates/agent/src/entropy.rs",
            "crates/aggregator/src/entropy.rs",
            // the nonce of a request for a time stamp
            "crates/log/src/anchor/",
            "crates/spool/",
        ],
        "one place of a process reads randomness",
    ),
    (
        concat!("un", "safe {"),
        &["crates/kernel-clock/"],
        "unsafe lives in one leaf crate",
    ),
];

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let mut files = Vec::new();
    for dir in ["crates", "examples", "xtask", "benches", "fuzz"] {
        collect(&root.join(dir), &mut files)?;
    }
    for file in files {
        let shown = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        check_file(&shown, &fs::read_to_string(&file)?, &mut out);
    }
    Ok(out)
}

fn check_file(shown: &str, text: &str, out: &mut Vec<String>) {
    let test_code =
        shown.contains("/tests/") || shown.ends_with("tests.rs") || shown.starts_with("fuzz/");
    if !test_code && text.lines().count() > FILE_LINES_MAX {
        out.push(format!("{shown}: more than {FILE_LINES_MAX} lines"));
    }
    for (at, line) in text.lines().enumerate() {
        let place = || format!("{shown}:{}", at + 1);
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                out.push(format!("{}: `{word}` ({why})", place()));
            }
        }
        for (call, homes, why) in RESTRICTED {
            let at_home = homes.iter().any(|home| shown.starts_with(home));
            if !test_code && !at_home && line.contains(call) {
                out.push(format!("{}: `{call}` ({why})", place()));
            }
        }
    }
}

fn collect(dir: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                collect(&path, out)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    Ok(())
}
