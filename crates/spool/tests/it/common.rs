//! What all tests use, so that a change of the API is a change here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use affiant_spool::testing::CrashDisk;
use affiant_spool::{
    Damage, Frame, FrameRef, Item, Options, Reader, Recovery, Spool, SpoolId, Tail,
};

/// Where the spool of a simulated disk is.
pub(crate) fn dir() -> &'static Path {
    Path::new("/spool")
}

/// Small segments and little preallocation, so that tests roll and extend often.
pub(crate) fn small() -> Options {
    let mut options = Options::default();
    options.new_id = Some(SpoolId::new([7; 16]));
    options.segment_bytes = 16 * 1024;
    options.prealloc_first_bytes = 6 * 1024;
    options.prealloc_step_bytes = 4 * 1024;
    options.prealloc_low_bytes = 1024;
    options.reserve_bytes = 8 * 1024;
    options.bytes_max = 1024 * 1024;
    options
}

pub(crate) fn open(disk: &CrashDisk) -> (Spool, Recovery) {
    open_with(disk, small())
}

pub(crate) fn open_with(disk: &CrashDisk, options: Options) -> (Spool, Recovery) {
    Spool::open_on(Arc::new(disk.clone()), dir(), options).unwrap()
}

/// Appends a group of entries, durably.
pub(crate) fn append(spool: &mut Spool, payloads: &[&[u8]]) {
    let frames: Vec<_> = payloads
        .iter()
        .map(|payload| Frame::entry(payload))
        .collect();
    spool.append_group(&frames).unwrap();
}

/// Everything a reader says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) frames: Vec<FrameRef>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) tail: Option<Tail>,
}

impl Read {
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.frames
            .iter()
            .map(|frame| frame.payload.as_slice())
            .collect()
    }

    pub(crate) fn ordinals(&self) -> Vec<u64> {
        self.frames
            .iter()
            .map(|frame| frame.ordinal.get())
            .collect()
    }
}

pub(crate) fn drain(mut reader: Reader) -> Read {
    let mut read = Read::default();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Frame(frame) => read.frames.push(frame),
            Item::Damage(damage) => read.damage.push(damage),
        }
    }
    read.tail = reader.tail();
    read
}

pub(crate) fn read(disk: &CrashDisk) -> Read {
    drain(Reader::open_on(Arc::new(disk.clone()), dir()).unwrap())
}

pub(crate) fn read_strict(disk: &CrashDisk) -> Read {
    drain(Reader::open_strict_on(Arc::new(disk.clone()), dir()).unwrap())
}

/// The segment files, in order.
pub(crate) fn segments(disk: &CrashDisk) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "aff"));
    files
}

/// Changes a file behind the spool's back.
pub(crate) fn edit(disk: &CrashDisk, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = disk.content(path).unwrap();
    change(&mut content);
    disk.put(path, content);
}

/// Where `needle` first occurs.
pub(crate) fn find(content: &[u8], needle: &[u8]) -> usize {
    content
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap()
}
