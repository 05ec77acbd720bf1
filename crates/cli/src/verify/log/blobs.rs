//! What leaves keep outside of themselves: is each there, what its name says, or erased as the log says?

use std::path::{Path, PathBuf};

use affiant_audit::log::{BlobClaims, BlobFound, BlobVerdict};
use serde::Serialize;

use crate::verify::blobs::digest;
use crate::verify::{Answer, Fault, Progress};

/// Most faults told one by one.
const FAULTS_MAX: u64 = 20;

/// The blobs of a log.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct LogBlobs {
    /// Named by leaves.
    pub(crate) named: u64,
    /// There, and of the content their name says.
    pub(crate) intact: u64,
    /// Not there, as the log says (`erase`).
    pub(crate) erased: u64,
    /// Not there, and the log does not say why.
    pub(crate) missing: u64,
    /// There, with other content, or though the log says that it was destroyed.
    pub(crate) faulty: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Named, and not looked at: too many.
    pub(crate) not_checked: u64,
}

/// Where a blob lies: an aggregator keeps all in one directory, an archive in one for each first byte.
fn place(dir: &Path, name: &str) -> PathBuf {
    let flat = dir.join(name);
    match name.get(..2) {
        Some(two) if !flat.exists() && dir.join(two).is_dir() => dir.join(two).join(name),
        _ => flat,
    }
}

/// Looks at every blob that a leaf names.
pub(super) fn check(
    dir: &Path,
    claims: &BlobClaims,
    progress: &Progress,
) -> std::io::Result<(LogBlobs, Vec<Fault>)> {
    let mut blobs = LogBlobs {
        not_checked: claims.beyond(),
        ..LogBlobs::default()
    };
    let mut faults = Vec::new();
    for (hash, leaf) in claims.named() {
        let name = hex::encode(hash);
        let found = match digest(&place(dir, &name), progress, &mut blobs.bytes) {
            Ok(found) if found == *hash => BlobFound::Intact,
            Ok(_) => BlobFound::Altered,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BlobFound::Nothing,
            Err(error) => return Err(error),
        };
        blobs.named += 1;
        let verdict = claims.judge(hash, found);
        let (count, code, what) = match verdict {
            BlobVerdict::Intact => (&mut blobs.intact, "", ""),
            BlobVerdict::Erased => (&mut blobs.erased, "", ""),
            BlobVerdict::Missing => (
                &mut blobs.missing,
                "blob-missing",
                "MISSING, and no entry says that it was erased",
            ),
            BlobVerdict::NotErased => (
                &mut blobs.faulty,
                "blob-not-erased",
                "there, though an entry says that it was erased",
            ),
            BlobVerdict::Altered | _ => {
                (&mut blobs.faulty, "blob-altered", "not what its name says")
            }
        };
        *count += 1;
        let answer: Answer = verdict.verdict().into();
        if answer != Answer::Ok && blobs.missing + blobs.faulty <= FAULTS_MAX {
            let text = format!("leaf {leaf}: blob {name} is {what}");
            faults.push(Fault { answer, code, text });
        } else if answer
            > faults
                .last()
                .map_or(Answer::Ok, |fault: &Fault| fault.answer)
        {
            let text = "more blobs are missing or faulty".to_owned();
            faults.push(Fault { answer, code, text });
        }
    }
    if blobs.not_checked > 0 {
        faults.push(Fault {
            answer: Answer::Incomplete,
            code: "blobs-not-checked",
            text: format!("{} blobs were not looked at: too many", blobs.not_checked),
        });
    }
    Ok((blobs, faults))
}
