//! The judge of proofs, for a browser: bytes in, JSON out.
//!
//! No generated glue: the page writes into one of two inputs and reads one output, all of them owned
//! here. A module has one page and one thread.
//!
//! ```text
//! input(0, n) ─▸ address: write the proof's n bytes      input(1, n) ─▸ address: write the trust file
//! verify()    ─▸ length of the answer                    output()    ─▸ address: read that many bytes
//! ```
//!
//! The answer is what `affiant verify --format json` has under `proof`, with `entry`, or
//! `{"error":{"code","text"}}` where proof or trust file cannot be read. See
//! `docs/reference/verify-json.md`.

use std::cell::RefCell;
use std::error::Error;

use affiant_audit::proof::ProofReport;
use affiant_audit::{ProofFile, TrustFile};
use serde::Serialize;

/// The longest input, bytes: more than any proof or trust file may have.
const INPUT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static INPUTS: RefCell<[Vec<u8>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for an input (0: the proof, 1: the trust file) and gives its address; 0 if there is no
/// such input, or it would be too long. The address holds until the next call for that input.
// SAFETY: the names of the three exports are this crate's own and defined once.
#[unsafe(no_mangle)]
pub extern "C" fn input(which: usize, bytes: usize) -> usize {
    if bytes > INPUT_BYTES_MAX {
        return 0;
    }
    INPUTS.with_borrow_mut(|inputs| {
        inputs.get_mut(which).map_or(0, |input| {
            input.clear();
            input.resize(bytes, 0);
            input.as_ptr().addr()
        })
    })
}

/// Judges the inputs; gives the length of the answer.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn verify() -> usize {
    let json = INPUTS.with_borrow(|[proof, trust]| judge(proof, trust));
    let length = json.len();
    OUTPUT.replace(json);
    length
}

/// Address of the answer, until the next [`verify`].
// SAFETY: as above.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> usize {
    OUTPUT.with_borrow(|output| output.as_ptr().addr())
}

#[derive(Serialize)]
struct Judged<'a> {
    entry: &'a str,
    #[serde(flatten)]
    report: ProofReport,
}

/// What the page gets: the judgement as JSON.
#[must_use]
pub fn judge(proof: &[u8], trust: &[u8]) -> Vec<u8> {
    let trust = match TrustFile::parse(trust) {
        Ok(trust) => trust,
        Err(error) => return refused("trust", &error),
    };
    let proof = match ProofFile::parse(proof) {
        Ok(proof) => proof,
        Err(error) => return refused("proof", &error),
    };
    let judged = Judged {
        entry: proof.entry(),
        report: proof.verify(&trust),
    };
    serde_json::to_vec(&judged).unwrap_or_else(|error| refused("answer", &error))
}

fn refused(code: &str, error: &dyn Error) -> Vec<u8> {
    let text = affiant_audit::error_with_causes(error);
    let json = serde_json::json!({ "error": { "code": code, "text": text } });
    json.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_said() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("json is utf-8");
        assert!(text(judge(b"", b"")).contains(r#""code":"trust""#));
        assert!(text(judge(b"", b"quorum none\n")).contains(r#""code":"proof""#));
    }
}
