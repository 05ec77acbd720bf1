//! Inputs that were too long for their entries: is each there, and is it what its name says?

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use affiant_entry::Decoded;
use affiant_spool::{BlobId, Reader};
use fs_err as fs;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::{Answer, Fault};

/// Most faults listed one by one.
const FAULTS_MAX: usize = 20;

/// The blobs of one spool.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Blobs {
    /// Named by entries.
    pub(crate) named: u64,
    /// There, and of the content their name says.
    pub(crate) intact: u64,
    /// Not there.
    pub(crate) missing: u64,
    /// There, with other content.
    pub(crate) altered: u64,
    /// There, but named by no entry.
    pub(crate) unnamed: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
}

/// Blobs that entries name.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeSet<BlobId>);

impl Named {
    /// Takes note of the blob an entry names, if it names one.
    pub(super) fn note(&mut self, entry: &[u8]) {
        // Most entries name none; only those that may are read.
        if !contains(entry, b"\"input_form\":\"blob\"") {
            return;
        }
        let Ok(entry) = Decoded::parse_any_kind(entry) else {
            return;
        };
        if entry.member("input_form") != Some("\"blob\"") {
            return;
        }
        let id = entry
            .pointer("/input/blob")
            .and_then(|id| id.as_str().map(str::to_owned));
        let id = id
            .as_deref()
            .and_then(|id| id.strip_prefix("sha256:"))
            .and_then(BlobId::from_hex);
        self.0.extend(id);
    }
}

/// Looks at every blob that is named, and counts those that are not.
pub(super) fn check(
    dir: &Path,
    reader: &Reader,
    named: &Named,
    progress: &Progress,
    faults: &mut Vec<Fault>,
) -> std::io::Result<Blobs> {
    let mut blobs = Blobs {
        named: count(named.0.len()),
        ..Blobs::default()
    };
    for id in &named.0 {
        let path = dir.join("blobs").join(id.to_string());
        let fault = match digest(&path, progress, &mut blobs.bytes) {
            Ok(found) if found == *id.as_bytes() => {
                blobs.intact += 1;
                continue;
            }
            Ok(_) => {
                blobs.altered += 1;
                fault(
                    "blob-altered",
                    format!("blob {id} is not what its name says"),
                )
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                blobs.missing += 1;
                fault(
                    "blob-missing",
                    format!("blob {id} is named by an entry, but not there"),
                )
            }
            Err(error) => return Err(error),
        };
        if blobs.altered + blobs.missing <= count(FAULTS_MAX) {
            faults.push(fault);
        }
    }
    let there = reader.blob_ids().map_err(std::io::Error::other)?;
    blobs.unnamed = count(there.iter().filter(|id| !named.0.contains(id)).count());
    Ok(blobs)
}

const fn fault(code: &'static str, text: String) -> Fault {
    Fault {
        answer: Answer::No,
        code,
        text,
    }
}

/// SHA-256 of a file's content.
pub(super) fn digest(
    path: &Path,
    progress: &Progress,
    bytes: &mut u64,
) -> std::io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(chunk.get(..n).unwrap_or_default());
        *bytes += count(n);
        progress.read(count(n));
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
