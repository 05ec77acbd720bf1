//! House rules as a test.

mod edges;
mod licences;
mod sources;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::say;

/// Checks every rule; prints each breach on a line.
pub(crate) fn run(root: &Path) -> Result<()> {
    let breaches = breaches(root)?;
    for breach in &breaches {
        say(&format!("tidy: {breach}"));
    }
    if !breaches.is_empty() {
        bail!("{} house rules broken", breaches.len());
    }
    say("── tidy: ok");
    Ok(())
}

fn breaches(root: &Path) -> Result<Vec<String>> {
    let meta = metadata(root)?;
    let mut out = edges::check(&meta);
    out.extend(licences::check(&meta));
    out.extend(sources::check(root)?);
    Ok(out)
}

fn metadata(root: &Path) -> Result<Value> {
    let out = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !out.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    }
    serde_json::from_slice(&out.stdout).context("cargo metadata is not JSON")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let breaches = super::breaches(&crate::root()).unwrap();
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }
}
