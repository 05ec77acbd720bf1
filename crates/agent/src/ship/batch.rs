//! One batch on its way: built once, sent as often as it takes.

use affiant_entry::batch::{AcceptedGap, BatchHeader, BatchWriteError, BatchWriter};
use affiant_entry::receipt::SentSeal;
use affiant_entry::{SealPlace, SourceId, SpoolName};
use affiant_spool::Ordinal;
use affiant_tlog::{Checkpoint, TreeSize};

use super::kept_proof::KeptProof;
use super::source::Group;

/// Compression level: the third of zstd's fast ones costs a fifth of a core at 80 MB/s.
const ZSTD_LEVEL: i32 = 1;

/// Where a batch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// To be sent, at this monotonic time at the earliest.
    Ready { not_before_us: u64 },
    /// To be sent once all before it are done: it overtook one of them.
    Behind,
    /// Sent, no answer yet.
    Flying,
    /// Its receipt verified, under a checkpoint that is not on the line yet.
    Held(Checkpoint),
    /// Its receipt verified.
    Done,
}

/// One group of a batch, after its bytes were taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) first: Ordinal,
    pub(super) last: Ordinal,
    pub(super) entries: u64,
    pub(super) sealed_utc_us: i64,
}

/// A batch.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) seals: Vec<SentSeal>,
    pub(super) pieces: Vec<Piece>,
    /// Everything behind the header frame.
    frames: Vec<u8>,
    /// Whether frames right before it are lost.
    pub(super) after_loss: bool,
    /// Why what the aggregator expects before it will never come, once it has asked.
    pub(super) gap: Option<&'static str>,
    pub(super) stage: Stage,
    /// That the log has its last seal, once its receipt verified.
    pub(super) proof: Option<KeptProof>,
    pub(super) attempts: u64,
}

/// What the header of every batch of a chain says.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    pub(super) source: SourceId,
    pub(super) spool: SpoolName,
    pub(super) sent_utc_us: i64,
    pub(super) newest: Option<SealPlace>,
    pub(super) pending_entries: u64,
}

impl Heading {
    fn header(&self, base: Option<&Checkpoint>, gap: Option<&str>) -> BatchHeader {
        BatchHeader {
            source: self.source.clone(),
            spool: self.spool.clone(),
            sent_utc_us: self.sent_utc_us,
            old: base.map_or(TreeSize(0), |base| base.size),
            newest: self.newest,
            pending_entries: self.pending_entries,
            gap: gap.map(AcceptedGap::new),
        }
    }
}

impl Batch {
    /// The first and the last ordinal of its groups.
    pub(super) fn ordinals(&self) -> Option<(Ordinal, Ordinal)> {
        Some((self.pieces.first()?.first, self.pieces.last()?.last))
    }

    /// Bytes without its header, uncompressed.
    pub(super) const fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// The whole batch for a receipt from `base` on, and the same compressed.
    pub(super) fn encode(
        &self,
        heading: &Heading,
        base: Option<&Checkpoint>,
    ) -> std::io::Result<(usize, Vec<u8>)> {
        let mut bytes = BatchWriter::new(&heading.header(base, self.gap)).finish();
        bytes.extend_from_slice(&self.frames);
        Ok((bytes.len(), zstd::bulk::compress(&bytes, ZSTD_LEVEL)?))
    }
}

/// Collects groups until a batch is full.
#[derive(Debug)]
pub(super) struct Filling {
    writer: BatchWriter,
    header_bytes: usize,
    seals: Vec<SentSeal>,
    pieces: Vec<Piece>,
    after_loss: bool,
}

impl Filling {
    pub(super) fn new(heading: &Heading) -> Self {
        let writer = BatchWriter::new(&heading.header(None, None));
        Self {
            header_bytes: writer.size_bytes(),
            writer,
            seals: Vec::new(),
            pieces: Vec::new(),
            after_loss: false,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Frames before the next group are lost. True if that needs a new batch, as only the beginning
    /// of a batch can own up to a gap.
    pub(super) const fn lose(&mut self) -> bool {
        let begun = !self.is_empty();
        if !begun {
            self.after_loss = true;
        }
        begun
    }

    /// Whether a group of so many bytes fits.
    pub(super) const fn fits(&self, group: usize) -> bool {
        self.writer.fits(group)
    }

    /// Adds a blob; false if the batch is full.
    pub(super) fn blob(&mut self, blob: &[u8]) -> bool {
        self.writer.blob(blob).is_ok()
    }

    /// Adds a group.
    pub(super) fn group(&mut self, group: &Group) -> Result<(), BatchWriteError> {
        let entries = group.entries.iter().map(Vec::as_slice);
        self.writer.group(entries, &group.seal)?;
        self.seals
            .push((group.place.boot, group.place.seal, group.hash));
        self.pieces.push(Piece {
            first: group.first,
            last: group.last,
            entries: u64::try_from(group.entries.len()).unwrap_or(u64::MAX),
            sealed_utc_us: group.sealed_utc_us,
        });
        Ok(())
    }

    /// The batch.
    pub(super) fn finish(self, number: u64) -> Batch {
        let mut frames = self.writer.finish();
        frames.drain(..self.header_bytes.min(frames.len()));
        Batch {
            number,
            seals: self.seals,
            pieces: self.pieces,
            frames,
            after_loss: self.after_loss,
            gap: None,
            stage: Stage::Ready { not_before_us: 0 },
            proof: None,
            attempts: 0,
        }
    }
}
