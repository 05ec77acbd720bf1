//! Reading the sealed groups of one spool, in order, as far as they are durable.
//!
//! A reader sees a group an instant before its fdatasync. Nothing of it may leave the machine until
//! then: after a power loss the chain would go on from an older seal, and that is what a fork looks
//! like.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use affiant_entry::{Decoded, Header, SealPlace, SealText};
use affiant_spool::{BlobId, FrameKind, FrameRef, Item, Ordinal, ReadError, Reader};
use affiant_tlog::note::Note;
use affiant_tlog::{Hash, leaf_hash};

use crate::trail::blob_named;

/// How far a spool may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Durable {
    /// The first ordinal that is not durable.
    pub(crate) end: Ordinal,
    /// How many appends have failed: what was read ahead of `end` may since have been replaced.
    pub(crate) failures: u64,
}

impl Durable {
    /// Of a spool that nobody writes to.
    pub(crate) const ALL: Self = Self {
        end: Ordinal::new(u64::MAX),
        failures: 0,
    };
}

/// A sealed group, whole.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) place: SealPlace,
    /// Leaf hash of the seal entry.
    pub(super) hash: Hash,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) seal: Vec<u8>,
    /// Ordinal of its first frame.
    pub(super) first: Ordinal,
    /// Ordinal of its seal.
    pub(super) last: Ordinal,
    /// Blobs its entries name.
    pub(super) blobs: Vec<BlobId>,
    /// When it was sealed, by the source's clock.
    pub(super) sealed_utc_us: i64,
}

impl Group {
    /// Bytes of entries and seal.
    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(Vec::len).sum::<usize>() + self.seal.len()
    }
}

/// What a spool holds next.
#[derive(Debug)]
pub(super) enum Found {
    Group(Box<Group>),
    /// Frames that are not there, or of no use without those that are not.
    Lost {
        frames: u64,
    },
}

/// Reads one spool.
pub(super) struct Source {
    dir: PathBuf,
    reader: Option<Reader>,
    /// The first ordinal that was not handed out.
    next: Ordinal,
    /// Read, but perhaps not durable.
    ahead: VecDeque<FrameRef>,
    failures: u64,
    group: Vec<FrameRef>,
    calls: OpenCalls,
    /// Per blob, the last ordinal that names it, of what was read and is still on disk.
    named: HashMap<BlobId, Ordinal>,
}

impl Source {
    /// A source that begins at an ordinal.
    pub(super) fn new(dir: &Path, next: Ordinal) -> Self {
        Self {
            dir: dir.to_owned(),
            reader: None,
            next,
            ahead: VecDeque::new(),
            failures: 0,
            group: Vec::new(),
            calls: OpenCalls::default(),
            named: HashMap::new(),
        }
    }

    /// The first ordinal that was not handed out.
    pub(super) const fn next(&self) -> Ordinal {
        self.next
    }

    /// The first frame that a later life of the chain may need: the beginning of the oldest call that
    /// is open, which recovery would have to close.
    pub(super) fn needed_from(&self) -> Option<Ordinal> {
        self.calls.oldest()
    }

    /// Blobs that only frames before `end` name, as far as was read.
    pub(super) fn blobs_before(&self, end: Ordinal) -> Vec<BlobId> {
        let before = self.named.iter().filter(|(_, last)| **last < end);
        before.map(|(id, _)| *id).collect()
    }

    /// Forgets a blob that was removed.
    pub(super) fn forget_blob(&mut self, id: BlobId) {
        self.named.remove(&id);
    }

    /// The groups completed since the last call: about 8 MiB at most, so that a caller asks again
    /// until the answer is empty.
    pub(super) fn poll(&mut self, durable: Durable) -> Result<Vec<Found>, ReadError> {
        if durable.failures != self.failures {
            self.failures = durable.failures;
            if !self.ahead.is_empty() {
                self.go_to(self.next);
            }
        }
        let mut found = Vec::new();
        if self.next < durable.end {
            while let Some(frame) = self.ahead.pop_front_if(|frame| frame.ordinal < durable.end) {
                self.take(frame, &mut found);
            }
            if found.is_empty() && self.ahead.is_empty() {
                self.read(durable, &mut found)?;
            }
        }
        Ok(found)
    }

    fn read(&mut self, durable: Durable, found: &mut Vec<Found>) -> Result<(), ReadError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => match Reader::open_from(&self.dir, self.next) {
                Ok(reader) => none.insert(reader),
                Err(ReadError::NoSpool { .. }) => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        for item in reader.poll_new()? {
            match item {
                Item::Damage(damage) => {
                    tracing::warn!(dir = %self.dir.display(), %damage, "spool is damaged");
                }
                Item::Frame(frame) if frame.ordinal >= durable.end || !self.ahead.is_empty() => {
                    self.ahead.push_back(frame);
                }
                Item::Frame(frame) => self.take(frame, found),
            }
        }
        Ok(())
    }

    /// Takes one durable frame.
    fn take(&mut self, frame: FrameRef, found: &mut Vec<Found>) {
        let ordinal = frame.ordinal;
        let expected = self.group.last().map_or(self.next, |f| f.ordinal.next());
        if ordinal > expected {
            let frames = ordinal.get().saturating_sub(self.next.get());
            self.group.clear();
            self.next = ordinal;
            found.push(Found::Lost { frames });
        }
        let ends = frame.group_end;
        self.group.push(frame);
        if !ends {
            return;
        }
        let frames = std::mem::take(&mut self.group);
        self.next = ordinal.next();
        let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        match self.group_of(frames) {
            Some(group) => found.push(Found::Group(Box::new(group))),
            None => found.push(Found::Lost { frames: count }),
        }
    }

    fn group_of(&mut self, mut frames: Vec<FrameRef>) -> Option<Group> {
        let seal = frames.pop().filter(|f| f.kind == FrameKind::Seal)?;
        let decoded = Decoded::parse(&seal.payload).ok()?;
        let note = Note::parse(decoded.note()?.as_bytes()).ok()?;
        let text = SealText::parse(note.text()).ok()?;
        let whole = u64::try_from(frames.len()).ok() == Some(text.count.get());
        if !whole || frames.iter().any(|f| f.kind != FrameKind::Entry) {
            return None;
        }
        let mut blobs = Vec::new();
        for frame in &frames {
            self.calls.note(&frame.payload, frame.ordinal);
            if let Some(id) = blob_named(&frame.payload) {
                self.named.insert(id, frame.ordinal);
                if !blobs.contains(&id) {
                    blobs.push(id);
                }
            }
        }
        Some(Group {
            place: SealPlace {
                boot: text.boot,
                seal: text.seal,
            },
            hash: leaf_hash(&seal.payload),
            first: frames.first()?.ordinal,
            last: seal.ordinal,
            entries: frames.into_iter().map(|frame| frame.payload).collect(),
            seal: seal.payload,
            blobs,
            sealed_utc_us: text.utc_us,
        })
    }

    /// A blob's content, if it is there.
    pub(super) fn blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, ReadError> {
        self.reader
            .as_ref()
            .map_or(Ok(None), |reader| reader.read_blob(id))
    }

    /// Reads on from another ordinal.
    pub(super) fn go_to(&mut self, next: Ordinal) {
        self.reader = None;
        self.ahead.clear();
        self.group.clear();
        self.next = next;
    }

    /// Where the group with this seal begins, if it is still in the spool. With `None`: where the
    /// first group begins that is still there.
    pub(super) fn find(&self, place: Option<SealPlace>) -> Result<Option<Ordinal>, ReadError> {
        let mut reader = match Reader::open(&self.dir) {
            Err(ReadError::NoSpool { .. }) => return Ok(None),
            opened => opened?,
        };
        let mut begin = None;
        while let Some(item) = reader.next_item()? {
            let Item::Frame(frame) = item else { continue };
            let first = *begin.get_or_insert(frame.ordinal);
            if place.is_none() {
                return Ok(Some(first));
            }
            if frame.kind == FrameKind::Seal && place_of(&frame.payload) == place {
                return Ok(Some(first));
            }
            if frame.group_end {
                begin = None;
            }
        }
        Ok(None)
    }

    /// Takes note of the blobs that frames before `end` name. A shipper that starts anew does so once,
    /// if there are blobs, so that they go when the frames go.
    pub(super) fn learn_blobs(&mut self, end: Ordinal) -> Result<(), ReadError> {
        let mut reader = match Reader::open(&self.dir) {
            Err(ReadError::NoSpool { .. }) => return Ok(()),
            opened => opened?,
        };
        if reader.blob_ids()?.is_empty() {
            return Ok(());
        }
        while let Some(item) = reader.next_item()? {
            let Item::Frame(frame) = item else { continue };
            if frame.ordinal >= end {
                break;
            }
            if let Some(id) = blob_named(&frame.payload) {
                self.named.insert(id, frame.ordinal);
            }
        }
        Ok(())
    }
}

/// Which seal an entry is, if it is one.
fn place_of(seal: &[u8]) -> Option<SealPlace> {
    let header = Header::parse(seal).ok()?;
    Some(SealPlace {
        boot: header.boot,
        seal: header.seal?,
    })
}

/// The calls that have begun and not ended, and where.
#[derive(Debug, Default)]
struct OpenCalls {
    begun: HashMap<[u8; CALL_CHARS], Ordinal>,
    ordinals: BTreeSet<Ordinal>,
}

/// Length of a ULID as text.
const CALL_CHARS: usize = 26;
/// Within so many bytes the head of an entry ends: the codec writes `call` before anything of
/// unbounded length.
const HEAD_BYTES: usize = 256;

impl OpenCalls {
    fn oldest(&self) -> Option<Ordinal> {
        self.ordinals.first().copied()
    }

    fn note(&mut self, entry: &[u8], ordinal: Ordinal) {
        let Some(rest) = entry.strip_prefix(br#"{"v":1,"kind":""#) else {
            return;
        };
        if rest.starts_with(br#"boot""#) {
            // What was open before, this boot has closed.
            self.begun.clear();
            self.ordinals.clear();
        } else if rest.starts_with(br#"call.begin""#) {
            if let Some(call) = call_of(rest) {
                self.begun.insert(call, ordinal);
                self.ordinals.insert(ordinal);
            }
        } else if rest.starts_with(br#"call.end""#)
            && let Some(begin) = call_of(rest).and_then(|call| self.begun.remove(&call))
        {
            self.ordinals.remove(&begin);
        }
    }
}

fn call_of(entry: &[u8]) -> Option<[u8; CALL_CHARS]> {
    const MARK: &[u8] = br#","call":""#;
    let head = entry.get(..entry.len().min(HEAD_BYTES))?;
    let at = head.windows(MARK.len()).position(|w| w == MARK)?;
    let call = entry.get(at + MARK.len()..)?;
    call.first_chunk().copied()
}
