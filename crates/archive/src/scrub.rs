//! Looking at everything again: is each object there, of the bytes its manifest says, locked, not hidden?
//!
//! A pass goes from the first set to the newest. It stops wherever it is told to and goes on from there,
//! in this process or the next: [`ScrubState`] is all there is to keep.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chunk;
use crate::error::ArchiveError;
use crate::head::{Head, find_head};
use crate::key::Key;
use crate::manifest::{Chunk, Manifest, Stored, hash_of};
use crate::read::{Finding, Problem, Reader};
use crate::store::{LockMode, Objects};

/// Findings that are kept one by one; more are counted.
pub const FINDINGS_MAX: usize = 1_000;

/// How fast a pass may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bytes read a second, at most on average; 0 for no bound.
    pub bytes_per_s: u64,
}

impl Pace {
    /// How long reading this much should have taken.
    #[must_use]
    pub fn due(self, bytes: u64) -> Duration {
        if self.bytes_per_s == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(bytes.saturating_mul(1_000_000) / self.bytes_per_s)
    }
}

/// How far a pass is. Kept between processes, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScrubState {
    /// The newest set that was ever seen, by this process or one before.
    pub head: Option<Head>,
    /// The set that was looked at last, within a pass.
    pub at: Option<Head>,
    /// Chunks of the set behind it that were looked at.
    pub chunk: usize,
    /// Of the pass under way.
    pub pass: ScrubReport,
    /// Of the last whole pass.
    pub last: Option<ScrubReport>,
    /// Blobs that leaves of the pass so far say were erased, hex.
    pub erased: BTreeSet<String>,
    /// Blobs that are not there and not erased so far: the first leaf that names each.
    pub absent: BTreeSet<String>,
}

/// What a pass saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScrubReport {
    /// When it began, RFC 3339.
    pub began: String,
    /// When it ended; absent for one under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Sets looked at.
    pub sets: u64,
    /// Leaves in them.
    pub leaves: u64,
    /// Objects looked at, blobs among them.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong, the first [`FINDINGS_MAX`] of it.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_total: u64,
}

/// A pass, object by object.
pub struct Scrub<'o> {
    objects: &'o dyn Objects,
    reader: Reader<'o>,
    lock: Option<LockMode>,
    state: ScrubState,
    before: Option<(Manifest, [u8; 32])>,
    /// The set that is being looked at.
    within: Option<(Manifest, [u8; 32])>,
    began: bool,
}

impl<'o> Scrub<'o> {
    /// Goes on with a pass, or begins one.
    ///
    /// # Errors
    /// [`ArchiveError::Store`]. What is wrong with the archive is a finding, not an error.
    pub fn resume(
        objects: &'o dyn Objects,
        lock: Option<LockMode>,
        mut state: ScrubState,
        now_us: i64,
    ) -> Result<Self, ArchiveError> {
        let mut reader = Reader::new(objects);
        let before = match &state.at {
            None => None,
            Some(at) => {
                let hash = hash_of(&at.manifest).unwrap_or_default();
                match reader.manifest_of_hash(at.set, &hash) {
                    Ok(manifest) => Some((manifest, hash)),
                    Err(ArchiveError::Store(error)) => return Err(error.into()),
                    // It changed meanwhile: begin again, and find out.
                    Err(_) => None,
                }
            }
        };
        if before.is_none() {
            // Also where it was within the first set: that is done again.
            state.at = None;
            state.chunk = 0;
            state.erased.clear();
            state.absent.clear();
            state.pass = ScrubReport {
                began: affiant_entry::rfc3339(now_us),
                ..ScrubReport::default()
            };
        }
        Ok(Self {
            objects,
            reader,
            lock,
            began: before.is_some(),
            state,
            before,
            within: None,
        })
    }

    /// What to keep: also of a pass that is not over.
    #[must_use]
    pub const fn state(&self) -> &ScrubState {
        &self.state
    }

    /// Looks at the next chunk with all its objects, and at the set's own where it begins one. `false` when
    /// the pass is over; then [`ScrubState::last`] is its report.
    ///
    /// # Errors
    /// [`ArchiveError::Store`]: nothing of the chunk is counted, and the next call looks at it again.
    pub fn step(&mut self, now_us: i64) -> Result<bool, ArchiveError> {
        if !self.began {
            let found = [self.check_about(now_us)?, self.check_head()?].concat();
            found.into_iter().for_each(|finding| self.push(finding));
            self.began = true;
        }
        if self.within.is_none() {
            self.within = self.next_set(now_us)?;
        }
        let Some((manifest, hash)) = self.within.take() else {
            let set = self.next_number();
            self.end(set, now_us)?;
            return Ok(false);
        };
        if let Some(chunk) = manifest.chunks.get(self.state.chunk)
            && let Err(error) = self.chunk(chunk, now_us)
        {
            self.within = Some((manifest, hash));
            return Err(error);
        }
        if self.state.chunk < manifest.chunks.len() {
            self.within = Some((manifest, hash));
            return Ok(true);
        }
        let head = Head::of(&manifest, &hash);
        let known = self.state.head.as_ref().map(|known| known.set);
        if known.is_none_or(|known| known < head.set) {
            self.state.head = Some(head.clone());
        }
        self.state.at = Some(head);
        self.state.chunk = 0;
        self.state.pass.sets += 1;
        self.before = Some((manifest, hash));
        Ok(true)
    }

    fn next_number(&self) -> u64 {
        let before = self.before.as_ref();
        before.map_or(0, |(manifest, _)| manifest.set.saturating_add(1))
    }

    /// The set behind the one before, with its manifest and checkpoint looked at.
    fn next_set(&mut self, now_us: i64) -> Result<Option<(Manifest, [u8; 32])>, ArchiveError> {
        let set = self.next_number();
        let read = self.reader.manifest(set, self.before.as_ref());
        let mut found = self.reader.take_findings();
        let (manifest, hash) = match read {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(None),
            Err(ArchiveError::Store(error)) => return Err(error.into()),
            Err(error) => {
                // Nothing behind it can be believed before a person looked.
                let key = Key::manifest(set);
                self.push(finding(
                    &key,
                    Problem::Broken,
                    affiant_tlog::error_with_causes(&error),
                ));
                return Ok(None);
            }
        };
        let stored = &manifest.checkpoint;
        let looked = self.look(&stored.key(), now_us, |reader| reader.object(stored))?;
        found.extend(self.lock_finding(&Key::manifest(set), now_us)?);
        found.extend(looked.findings);
        // Gone on with within the set: these were counted.
        if self.state.chunk == 0 {
            self.state.pass.objects += 2;
            self.state.pass.bytes = self.state.pass.bytes.saturating_add(looked.bytes);
            found.into_iter().for_each(|finding| self.push(finding));
        }
        Ok(Some((manifest, hash)))
    }

    fn check_about(&mut self, now_us: i64) -> Result<Vec<Finding>, ArchiveError> {
        let key = Key::about();
        let mut found = Vec::new();
        match self.reader.about() {
            Ok(Some(_)) => found.extend(self.lock_finding(&key, now_us)?),
            Ok(None) => found.push(finding(&key, Problem::Missing, String::new())),
            Err(ArchiveError::Store(error)) => return Err(error.into()),
            Err(error) => found.push(finding(
                &key,
                Problem::Changed,
                affiant_tlog::error_with_causes(&error),
            )),
        }
        found.extend(self.reader.take_findings());
        Ok(found)
    }

    /// Whether the newest set known is still there.
    fn check_head(&self) -> Result<Vec<Finding>, ArchiveError> {
        let Some(head) = &self.state.head else {
            return Ok(Vec::new());
        };
        match find_head(self.objects, Some(head)) {
            Ok(_) => Ok(Vec::new()),
            Err(ArchiveError::Store(error)) => Err(error.into()),
            Err(error) => {
                let key = Key::manifest(head.set);
                Ok(vec![finding(
                    &key,
                    Problem::RolledBack,
                    affiant_tlog::error_with_causes(&error),
                )])
            }
        }
    }

    fn chunk(&mut self, chunk: &Chunk, now_us: i64) -> Result<(), ArchiveError> {
        let mut all = Looked::default();
        for (_, stored) in chunk.objects() {
            all.add(self.look(&stored.key(), now_us, |reader| reader.object(stored))?);
        }
        all.add(self.blobs(chunk, now_us)?);
        let pass = &mut self.state.pass;
        let range = chunk.range();
        pass.leaves += range.end.0 - range.start.0;
        pass.objects += all.objects;
        pass.bytes = pass.bytes.saturating_add(all.bytes);
        self.state.chunk += 1;
        all.findings
            .into_iter()
            .for_each(|finding| self.push(finding));
        Ok(())
    }

    /// Looks at one object: bytes, hiding, lock.
    fn look(
        &mut self,
        key: &Key,
        now_us: i64,
        read: impl FnOnce(&mut Reader<'o>) -> Result<bytes::Bytes, ArchiveError>,
    ) -> Result<Looked, ArchiveError> {
        let mut looked = Looked::default();
        match read(&mut self.reader) {
            Ok(bytes) => {
                looked.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                looked.findings.extend(self.lock_finding(key, now_us)?);
            }
            Err(ArchiveError::Store(error)) => {
                // Is it the store, or this object?
                self.objects.lock(&Key::about(), None)?;
                self.objects
                    .get(&Key::about(), None, crate::origin::ABOUT_BYTES_MAX)?;
                let detail = affiant_tlog::error_with_causes(&error);
                looked
                    .findings
                    .push(finding(key, Problem::Unreadable, detail));
            }
            Err(ArchiveError::Missing { .. }) => {
                looked
                    .findings
                    .push(finding(key, Problem::Missing, String::new()))
            }
            Err(error) => looked.findings.push(finding(
                key,
                Problem::Changed,
                affiant_tlog::error_with_causes(&error),
            )),
        }
        looked.objects = 1;
        looked.findings.extend(self.reader.take_findings());
        Ok(looked)
    }

    fn lock_finding(&self, key: &Key, now_us: i64) -> Result<Option<Finding>, ArchiveError> {
        let Some(wanted) = self.lock else {
            return Ok(None);
        };
        match self.reader.locked(key, wanted, now_us) {
            // Behind a delete marker there is nothing to look at: it is reported as hidden.
            Ok(()) | Err(ArchiveError::Missing { .. }) => Ok(None),
            Err(ArchiveError::Unlocked { found, .. }) => {
                Ok(Some(finding(key, Problem::Unlocked, found)))
            }
            Err(error) => Err(error),
        }
    }

    /// Blobs that were archived with a chunk. One that is not there may have been erased by a later leaf:
    /// that is judged at the end of the pass.
    fn blobs(&mut self, chunk: &Chunk, now_us: i64) -> Result<Looked, ArchiveError> {
        let mut all = Looked::default();
        let Some(list) = &chunk.blobs else {
            return Ok(all);
        };
        let Some(lines) = self.list(list)? else {
            return Ok(all);
        };
        for line in lines.lines() {
            let mut words = line.split(' ');
            let (what, name) = (words.next(), words.next().unwrap_or_default());
            let Some(hash) = hash_of(name) else {
                continue;
            };
            match what {
                Some("erased") => {
                    self.state.erased.insert(name.to_owned());
                }
                Some("blob") => {
                    let looked =
                        self.look(&Key::blob(&hash), now_us, |reader| reader.blob(&hash))?;
                    all.objects += 1;
                    all.bytes = all.bytes.saturating_add(looked.bytes);
                    for finding in looked.findings {
                        if finding.problem == Problem::Missing {
                            self.state.absent.insert(name.to_owned());
                        } else {
                            all.findings.push(finding);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// The list itself was judged before: one that cannot be read is no second finding.
    fn list(&mut self, list: &Stored) -> Result<Option<String>, ArchiveError> {
        match self.reader.object(list) {
            Ok(packed) => {
                drop(self.reader.take_findings());
                let raw = chunk::unpack(list, &packed).ok();
                Ok(raw.and_then(|raw| String::from_utf8(raw).ok()))
            }
            Err(ArchiveError::Store(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn end(&mut self, next: u64, now_us: i64) -> Result<(), ArchiveError> {
        // A manifest that is gone ends the pass; sets behind it say that it was there.
        let later = self.objects.sets()?.into_iter().max();
        let known = self.state.head.as_ref().map(|head| head.set);
        let reached = self
            .state
            .pass
            .findings
            .iter()
            .any(|f| f.problem == Problem::Broken);
        if !reached && (later.is_some_and(|set| set > next) || known.is_some_and(|set| set >= next))
        {
            self.find(
                &Key::manifest(next),
                Problem::Missing,
                "sets behind it were not looked at".to_owned(),
            );
        }
        let absent = std::mem::take(&mut self.state.absent);
        for name in absent.difference(&self.state.erased.clone()) {
            if let Some(hash) = hash_of(name) {
                self.find(
                    &Key::blob(&hash),
                    Problem::Missing,
                    "no leaf says that it was erased".to_owned(),
                );
            }
        }
        self.state.erased.clear();
        self.state.at = None;
        self.state.chunk = 0;
        self.before = None;
        self.began = false;
        let mut pass = std::mem::take(&mut self.state.pass);
        pass.ended = Some(affiant_entry::rfc3339(now_us));
        self.state.last = Some(pass);
        self.state.pass.began = affiant_entry::rfc3339(now_us);
        Ok(())
    }

    fn find(&mut self, key: &Key, problem: Problem, detail: String) {
        self.push(finding(key, problem, detail));
    }

    fn push(&mut self, finding: Finding) {
        let pass = &mut self.state.pass;
        pass.findings_total += 1;
        if pass.findings.len() < FINDINGS_MAX {
            pass.findings.push(finding);
        }
    }
}

#[derive(Default)]
struct Looked {
    objects: u64,
    bytes: u64,
    findings: Vec<Finding>,
}

impl Looked {
    fn add(&mut self, more: Self) {
        self.objects += more.objects;
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.findings.extend(more.findings);
    }
}

fn finding(key: &Key, problem: Problem, detail: String) -> Finding {
    Finding {
        key: key.as_str().to_owned(),
        problem,
        detail,
    }
}

impl std::fmt::Debug for Scrub<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrub({} sets)", self.state.pass.sets)
    }
}
