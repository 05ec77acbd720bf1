//! What somebody with access to the disk might try, on copies.

use std::path::Path;

use affiant_agent::state::DataDir;
use affiant_entry::decode::{Decoded, Kind};
use affiant_spool::{FrameRef, Item, Reader};
use fs_err as fs;

use super::script::{REFUSED_TOOL, SPARED, SPARED_FLIPPED};
use super::{PROPS, Told, broken, evidence};
use crate::error::{ExpectedError, chain};

/// Zeros behind the cut: a writer at work keeps some ahead of itself, so the cut looks like a crash.
const ZEROS: usize = 4096;

/// A byte that was changed.
#[derive(Debug)]
pub(super) struct Flip {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) before: u8,
    pub(super) after: u8,
}

/// An end that was cut off.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) file: String,
    pub(super) offset: u64,
    /// Frames cut off, the seal among them.
    pub(super) frames: usize,
}

/// Copies a data directory, without its secret keys: verification needs none.
pub(super) fn copy(from: &Path, to: &Path) -> Told<DataDir> {
    copy_dir(from, to, false).map_err(|e| ExpectedError::storage(&e))?;
    Ok(DataDir::new(to))
}

/// Copies a directory with everything in it, secret keys too.
pub(super) fn copy_all(from: &Path, to: &Path) -> Told<()> {
    copy_dir(from, to, true).map_err(|e| ExpectedError::storage(&e))
}

fn copy_dir(from: &Path, to: &Path, secrets: bool) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let secret = path.extension().is_some_and(|ending| ending == "key");
        if path.is_dir() && name != PROPS {
            copy_dir(&path, &to.join(name), secrets)?;
        } else if path.is_file() && (secrets || !secret) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// Flips one bit in the entry of the refused call: another customer was to be deleted, it then says.
pub(super) fn flip(dir: &DataDir, spool: &str) -> Told<Flip> {
    let missing = || broken("the entry of the refused call", "none");
    let frames = frames(dir, spool)?;
    let frame = frames.iter().find(|frame| is_refused_call(frame));
    let frame = frame.ok_or_else(missing)?;
    let file = frame.position.segment.file_name();
    let path = dir.spool(spool).join(&file);
    let mut bytes = fs::read(&path).map_err(|e| ExpectedError::storage(&e))?;
    let start = usize::try_from(frame.position.offset).map_err(|_| missing())?;
    let place = find(&bytes, start, SPARED.as_bytes()).ok_or_else(missing)?;
    let forged = SPARED_FLIPPED.as_bytes();
    let changed = SPARED.bytes().zip(forged).position(|(a, b)| a != *b);
    let at = place + changed.ok_or_else(missing)?;
    let byte = bytes.get_mut(at).ok_or_else(missing)?;
    let before = *byte;
    *byte ^= 1;
    let after = *byte;
    fs::write(&path, &bytes).map_err(|e| ExpectedError::storage(&e))?;
    Ok(Flip {
        file,
        offset: u64::try_from(at).unwrap_or(u64::MAX),
        before,
        after,
    })
}

/// Cuts off everything behind the last seal but one.
pub(super) fn cut(dir: &DataDir, spool: &str) -> Told<Cut> {
    let missing = || broken("two seals to cut between", "fewer");
    let frames = frames(dir, spool)?;
    let groups = frames.iter().enumerate().filter(|(_, f)| f.group_end);
    let (kept, _) = groups.rev().nth(1).ok_or_else(missing)?;
    let first = frames.get(kept + 1).ok_or_else(missing)?;
    let file = first.position.segment.file_name();
    let path = dir.spool(spool).join(&file);
    let mut bytes = fs::read(&path).map_err(|e| ExpectedError::storage(&e))?;
    let end = usize::try_from(first.position.offset).map_err(|_| missing())?;
    bytes.truncate(end);
    bytes.resize(end.saturating_add(ZEROS), 0);
    fs::write(&path, &bytes).map_err(|e| ExpectedError::storage(&e))?;
    Ok(Cut {
        file,
        offset: first.position.offset,
        frames: frames.len().saturating_sub(kept + 1),
    })
}

fn frames(dir: &DataDir, spool: &str) -> Told<Vec<FrameRef>> {
    let unreadable = |error| broken("a spool that can be read", chain(&error));
    let mut reader = Reader::open(dir.spool(spool)).map_err(unreadable)?;
    let mut out = Vec::new();
    while let Some(item) = reader.next_item().map_err(unreadable)? {
        if let Item::Frame(frame) = item {
            out.push(frame);
        }
    }
    Ok(out)
}

fn is_refused_call(frame: &FrameRef) -> bool {
    Decoded::parse(&frame.payload).is_ok_and(|entry| {
        entry.header().kind == Kind::CallEnd && evidence::tool(&entry) == REFUSED_TOOL
    })
}

fn find(bytes: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let at = rest.windows(word.len()).position(|here| here == word)?;
    Some(start + at)
}
