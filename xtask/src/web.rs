//! The page that verifies proofs: `cargo xtask web` makes it, and the test command tries it in a
//! browser.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;

use crate::run::{has, say, step};

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the module and writes it in base64, which a page from `file://` can load.
pub(crate) fn build(root: &Path) -> Result<()> {
    if has("rustup", "--version") {
        step(root, "wasm target", "rustup", &["target", "add", TARGET])?;
    }
    let args = [
        "build",
        "--release",
        "--target",
        TARGET,
        "--package",
        "affiant-verify-wasm",
    ];
    step(root, "the judge for browsers", "cargo", &args)?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let module = target.join(TARGET).join("release/affiant_verify_wasm.wasm");
    let module = fs::read(module)?;
    let js = format!(
        "// Made by `cargo xtask web` from crates/verify-wasm.\nconst AFFIANT_VERIFY_WASM = \"{}\";\n",
        base64(&module)
    );
    fs::write(root.join("web/verify/verify.wasm.js"), js)?;
    say(&format!("web/verify: {} bytes of module", module.len()));
    Ok(())
}

/// Lets a headless Chromium judge the vectors of `testdata/vectors/proof` on the page, from `file://`.
pub(crate) fn check(root: &Path) -> Result<()> {
    build(root)?;
    let vectors = root.join("testdata/vectors/proof");
    let trust = fs::read_to_string(vectors.join("trust.txt"))?;
    let cases = [
        ("honest.proof", trust.as_str(), "ok"),
        ("forged.proof", trust.as_str(), "no"),
        ("honest.proof", "quorum none\n", "untrusted"),
        ("trust.txt", trust.as_str(), "proof"),
        ("honest.proof", "witnes x\n", "trust"),
    ];
    for (file, trust, expected) in cases {
        let proof = fs::read(vectors.join(file))?;
        let found = ask(root, &proof, trust)?;
        ensure!(
            found == expected,
            "web/verify says `{found}` of {file}, not `{expected}`"
        );
        say(&format!("web/verify: {file}: {found}"));
    }
    Ok(())
}

/// What the page says of a proof: a copy of it, with both inputs filled in.
fn ask(root: &Path, proof: &[u8], trust: &str) -> Result<String> {
    let dir = std::env::temp_dir().join(format!("affiant-web-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    for name in ["index.html", "verify.css", "verify.js", "verify.wasm.js"] {
        fs::copy(root.join("web/verify").join(name), dir.join(name))?;
    }
    let script = format!(
        "proofBytes = Uint8Array.from(atob(\"{}\"), (c) => c.charCodeAt(0));\n\
         byId(\"trust\").value = {};\nrun();\n",
        base64(proof),
        serde_json::Value::from(trust)
    );
    fs::write(dir.join("try.js"), script)?;
    let page = dir.join("index.html");
    let html = fs::read_to_string(&page)?;
    let html = html.replace("</body>", "<script src=\"try.js\"></script>\n</body>");
    fs::write(&page, html)?;
    let output = Command::new(browser()?)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .context("cannot start the browser")?;
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::remove_dir_all(&dir)?;
    let verdict = dom
        .split_once("data-verdict=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(verdict, _)| verdict.to_owned());
    verdict.with_context(|| format!("the page gave no verdict: {}", clip(&dom)))
}

fn browser() -> Result<String> {
    let candidates = ["chromium", "chromium-browser", "google-chrome"];
    match candidates.into_iter().find(|name| has(name, "--version")) {
        Some(name) => Ok(name.to_owned()),
        None => bail!("install `chromium` to try web/verify"),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(2_000).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at)) & 63;
            let digit = usize::try_from(digit).unwrap_or(0);
            let padding = at > chunk.len();
            let _ = out.write_char(if padding {
                '='
            } else {
                char::from(DIGITS[digit])
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let texts = cases.map(|text| super::base64(text.as_bytes()));
        assert_eq!(
            texts,
            [
                "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"
            ]
        );
    }
}
