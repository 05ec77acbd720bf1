//! The walk through one segment: groups, damage, and how it ends.
//!
//! Everybody walks here: readers, strict verification and recovery. The one question that takes
//! thought is whether bytes that are no frame are a *torn tail* (the writer died before it
//! acknowledged them) or *damage* (they were acknowledged once). They are damage exactly if there
//! is proof that they were durable:
//!
//! - the next segment exists and says that this one counts up to a place behind them; or
//! - a valid frame with the base flag, or a trailer, lies behind them: it was written only after
//!   everything before it had been synced.

use std::io;

use crate::damage::Damage;
use crate::frame::{self, FrameBody, FrameHead, GROUP_BYTES_MAX, Length, PREFIX_BYTES};
use crate::ordinal::{Ordinal, OrdinalRange, Position, SegmentNumber};
use crate::reader::FrameRef;
use crate::segment::HEADER_END;
use crate::source::ByteSource;

/// Zeros that end every segment without trailer: the writer always keeps room for a trailer.
pub(crate) const SLACK_BYTES_MIN: u64 = 64;

/// What the header of the next segment says about this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Where the content ends.
    pub(crate) end: u64,
    /// The ordinal behind the content.
    pub(crate) next: Ordinal,
    /// The segment was given up; what lies behind `end` does not count.
    pub(crate) abandoned: bool,
}

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a trailer. `remains` bytes behind it are still to be cut off.
    Finished { end: u64, remains: u64 },
    /// Where the next segment says, without a trailer.
    Bounded { end: u64 },
    /// In zeros.
    Slack { end: u64, zero_bytes: u64 },
    /// In a group that was not acknowledged. `end` is where the last complete group ends.
    Torn { end: u64, bytes: u64 },
    /// In damage.
    Unterminated { end: u64, bytes: u64 },
}

/// One step through a segment.
#[derive(Debug)]
pub(crate) enum Step {
    /// A complete group, or what is left of one that was acknowledged.
    Frames(Vec<FrameRef>),
    Damage(Damage),
    /// The end. Asking again looks again, unless a trailer or a bound was met.
    End(End),
}

/// Walks one segment.
pub(crate) struct Scanner<S> {
    source: S,
    segment: SegmentNumber,
    bound: Option<Bound>,
    /// Where the next group begins.
    at: u64,
    /// Its first ordinal.
    expected: Ordinal,
    queued: Vec<Damage>,
    ended: Option<End>,
    /// Everything before this place was durable when the frame here was written.
    base: u64,
}

enum Probe {
    Frame(FrameHead),
    Zero,
    Bad,
}

/// What a search behind damaged bytes found.
struct Evidence {
    /// The first frame behind them.
    resync: Option<(u64, Ordinal)>,
    /// A frame behind them shows that they were durable.
    proven: bool,
}

impl<S: ByteSource> Scanner<S> {
    pub(crate) fn new(
        source: S,
        segment: SegmentNumber,
        expected: Ordinal,
        bound: Option<Bound>,
    ) -> Self {
        let (queued, ended) = (Vec::new(), None);
        Self {
            source,
            segment,
            bound,
            at: HEADER_END,
            expected,
            queued,
            ended,
            base: HEADER_END,
        }
    }

    /// The ordinal that the next frame should have.
    pub(crate) fn expected(&self) -> Ordinal {
        self.expected
    }

    /// Looks at the file anew, now that a next segment may have appeared.
    pub(crate) fn refresh(&mut self, bound: Option<Bound>) -> io::Result<()> {
        self.bound = bound;
        self.source.refresh()
    }

    /// Everything before this place was durable when the last groups were written.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Whether the next segment has said where this one ends.
    pub(crate) fn has_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// One step. With `follow`, zeros are the end without a look at what is behind them.
    pub(crate) fn step(&mut self, follow: bool) -> io::Result<Step> {
        if let Some(damage) = self.queued.pop() {
            return Ok(Step::Damage(damage));
        }
        if let Some(end) = self.ended {
            return Ok(Step::End(end));
        }
        let start = self.at;
        let (mut at, mut expected) = (start, self.expected);
        let mut frames = Vec::new();
        let mut group_bytes = 0_usize;
        loop {
            if self.bound.is_some_and(|bound| at >= bound.end) {
                return Ok(self.flush_or(frames, at, expected, |this| this.bounded_end(at)));
            }
            match self.probe(at)? {
                Probe::Frame(head) => {
                    let FrameBody::Payload(kind) = head.body else {
                        return self.trailer(frames, at, expected, &head);
                    };
                    if head.ordinal != expected {
                        return Ok(self
                            .flush_or(frames, at, expected, |this| this.out_of_order(at, &head)));
                    }
                    if head.base {
                        self.base = at;
                    }
                    let payload = self.payload(at, head.total)?;
                    let position = self.position(at);
                    let group_end = head.group_end;
                    let ordinal = head.ordinal;
                    frames.push(FrameRef {
                        ordinal,
                        kind,
                        position,
                        group_end,
                        payload,
                    });
                    at = add(at, head.total);
                    expected = expected.next();
                    group_bytes = group_bytes.saturating_add(head.total);
                    if group_end || group_bytes > GROUP_BYTES_MAX {
                        return Ok(self.frames(frames, at, expected));
                    }
                }
                Probe::Zero if follow && self.bound.is_none() => {
                    return Ok(Step::End(End::Slack {
                        end: start,
                        zero_bytes: 0,
                    }));
                }
                Probe::Zero | Probe::Bad => {
                    return self.broken(frames, start, at, expected, follow);
                }
            }
        }
    }

    fn probe(&mut self, at: u64) -> io::Result<Probe> {
        let total = match frame::read_length(self.source.view(at, PREFIX_BYTES)?) {
            Length::End => return Ok(Probe::Zero),
            Length::Implausible => return Ok(Probe::Bad),
            Length::Total(total) => total,
        };
        let head = frame::decode(self.source.view(at, total)?);
        Ok(head.map_or(Probe::Bad, Probe::Frame))
    }

    fn payload(&mut self, at: u64, total: usize) -> io::Result<Vec<u8>> {
        let frame = self.source.view(at, total)?;
        Ok(frame.get(PREFIX_BYTES..).unwrap_or_default().to_vec())
    }

    fn position(&self, offset: u64) -> Position {
        Position {
            segment: self.segment,
            offset,
        }
    }

    fn frames(&mut self, frames: Vec<FrameRef>, at: u64, expected: Ordinal) -> Step {
        self.at = at;
        self.expected = expected;
        Step::Frames(frames)
    }

    /// Hands out what is left of a group that lost its end; with nothing left, goes on.
    fn flush_or(
        &mut self,
        frames: Vec<FrameRef>,
        at: u64,
        expected: Ordinal,
        go_on: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        if frames.is_empty() {
            go_on(self)
        } else {
            self.frames(frames, at, expected)
        }
    }

    fn out_of_order(&mut self, at: u64, head: &FrameHead) -> Step {
        let (position, expected, found) = (self.position(at), self.expected, head.ordinal);
        if found > expected {
            self.expected = found;
        } else {
            self.at = add(at, head.total);
        }
        Step::Damage(Damage::Order {
            position,
            expected,
            found,
        })
    }

    /// The end of a segment that its writer gave up, or that was already damaged when the next
    /// segment was begun.
    fn bounded_end(&mut self, at: u64) -> Step {
        let len = self.source.len();
        self.ended = Some(End::Bounded { end: at });
        let Some(bound) = self.bound else {
            return Step::End(End::Bounded { end: at });
        };
        if bound.abandoned {
            self.expected = bound.next;
            return Step::End(End::Bounded { end: at });
        }
        if len != bound.end {
            let segment = self.segment;
            self.queued.push(Damage::Length {
                segment,
                expected: bound.end,
                found: len,
            });
        }
        let bytes = len.saturating_sub(at);
        Step::Damage(Damage::Unterminated {
            position: self.position(at),
            bytes,
        })
    }

    fn trailer(
        &mut self,
        frames: Vec<FrameRef>,
        at: u64,
        expected: Ordinal,
        head: &FrameHead,
    ) -> io::Result<Step> {
        if !frames.is_empty() {
            return Ok(self.frames(frames, at, expected));
        }
        let end = add(at, head.total);
        let len = self.source.len();
        let remains = len.saturating_sub(end);
        // Zeros may follow if the cut was not made, or was not durable; so may a torn tail, where
        // recovery wrote the trailer.
        let explained_end = match head.body {
            FrameBody::Trailer(trailer) => at.saturating_add(trailer.discarded_bytes).max(end),
            FrameBody::Payload(_) => end,
        };
        let explained = self.zero_from(end)? <= explained_end;
        let bound = self.bound.filter(|bound| !bound.abandoned);
        let misplaced = bound.is_some_and(|bound| bound.end != end);
        let abandoned = self.bound.is_some_and(|bound| bound.abandoned);
        if misplaced || !(explained || abandoned) {
            let segment = self.segment;
            let expected = bound.map_or(end, |bound| bound.end);
            self.queued.push(Damage::Length {
                segment,
                expected,
                found: len,
            });
        }
        if head.ordinal != expected {
            let (position, found) = (self.position(at), head.ordinal);
            self.queued.push(Damage::Order {
                position,
                expected,
                found,
            });
            self.expected = expected.max(found);
        }
        let finished = End::Finished { end, remains };
        if remains > 0 && self.bound.is_none() && self.queued.is_empty() {
            // The cut may be made any moment.
            return Ok(Step::End(finished));
        }
        self.ended = Some(finished);
        self.step(false)
    }

    /// Bytes at `at` are no frame: damage, a torn tail, or just the zeros of a live segment.
    fn broken(
        &mut self,
        frames: Vec<FrameRef>,
        start: u64,
        at: u64,
        expected: Ordinal,
        follow: bool,
    ) -> io::Result<Step> {
        let written_end = self.zero_from(at)?;
        let len = self.source.len();
        let evidence = if written_end > at {
            self.search(at, expected)?
        } else {
            Evidence {
                resync: None,
                proven: false,
            }
        };
        if evidence.proven || self.bound.is_some() {
            return Ok(self.flush_or(frames, at, expected, |this| {
                this.skip_damage(at, evidence.resync)
            }));
        }
        // A live file may have grown, or been cut behind a trailer, since its length was read; only
        // if it has the same length afterwards is what we saw how it ends.
        self.source.refresh()?;
        if self.source.len() != len {
            return self.step(follow);
        }
        if len.saturating_sub(written_end) < SLACK_BYTES_MIN {
            return Ok(self.flush_or(frames, at, expected, |this| this.unterminated(at)));
        }
        Ok(Step::End(if written_end == start {
            End::Slack {
                end: start,
                zero_bytes: len.saturating_sub(start),
            }
        } else {
            End::Torn {
                end: start,
                bytes: written_end.saturating_sub(start),
            }
        }))
    }

    fn skip_damage(&mut self, at: u64, resync: Option<(u64, Ordinal)>) -> Step {
        let expected = self.expected;
        let (end, next) = match (resync, self.bound) {
            (Some(found), _) => found,
            (None, Some(bound)) => (bound.end, bound.next.max(expected)),
            // Not reached: damage is skipped only with proof, and proof is a resync or a bound.
            (None, None) => (self.source.len(), expected),
        };
        self.at = end;
        self.expected = next;
        if resync.is_none() {
            self.ended = Some(End::Bounded { end });
            let found = self.source.len();
            if self
                .bound
                .is_some_and(|bound| !bound.abandoned && bound.end != found)
            {
                let segment = self.segment;
                self.queued.push(Damage::Length {
                    segment,
                    expected: end,
                    found,
                });
            }
        }
        let bytes = end.saturating_sub(at);
        let lost = OrdinalRange::until(expected, next);
        Step::Damage(Damage::Bytes {
            position: self.position(at),
            bytes,
            lost,
        })
    }

    fn unterminated(&mut self, at: u64) -> Step {
        let bytes = self.source.len().saturating_sub(at);
        self.ended = Some(End::Unterminated { end: at, bytes });
        Step::Damage(Damage::Unterminated {
            position: self.position(at),
            bytes,
        })
    }

    /// Where the last byte from `at` on that is not zero ends; `at` if there is none.
    fn zero_from(&mut self, at: u64) -> io::Result<u64> {
        let (mut from, mut end) = (at, at);
        loop {
            let view = self.source.view(from, CHUNK_BYTES)?;
            if view.is_empty() {
                return Ok(end);
            }
            if let Some(last) = view.iter().rposition(|byte| *byte != 0) {
                end = add(from, last + 1);
            }
            from = add(from, view.len());
        }
    }

    /// Looks for frames behind damaged bytes at `at`.
    ///
    /// A frame there must have a matching checksum and an ordinal that leaves no more frames lost
    /// than would fit into the bytes between.
    fn search(&mut self, at: u64, expected: Ordinal) -> io::Result<Evidence> {
        let mut evidence = Evidence {
            resync: None,
            proven: false,
        };
        let declared = match frame::read_length(self.source.view(at, PREFIX_BYTES)?) {
            Length::Total(total) => add(at, total),
            Length::End | Length::Implausible => add(at, 1),
        };
        // A payload may hold bytes that look like frames: believe the damaged frame's length first,
        // if the very next frame lies there.
        let follows = |head: &FrameHead| head.ordinal == expected.next();
        let declared_holds = self
            .candidate(declared, at, expected)?
            .is_some_and(|head| follows(&head));
        let mut from = if declared_holds { declared } else { add(at, 1) };
        while let Some(found) = self.next_plausible(from, at, expected)? {
            let Some(head) = self.candidate(found, at, expected)? else {
                from = add(found, 1);
                continue;
            };
            evidence.resync.get_or_insert((found, head.ordinal));
            evidence.proven = head.base || matches!(head.body, FrameBody::Trailer(_));
            if evidence.proven || self.bound.is_some() {
                break;
            }
            from = add(found, head.total);
        }
        Ok(evidence)
    }

    /// The frame at `offset`, if it is whole, lies within the content and is plausible.
    fn candidate(
        &mut self,
        offset: u64,
        damage: u64,
        expected: Ordinal,
    ) -> io::Result<Option<FrameHead>> {
        let view = self.source.view(offset, PREFIX_BYTES)?;
        let Some(total) = plausible(view, offset, damage, expected) else {
            return Ok(None);
        };
        let end = add(offset, total);
        if self.bound.is_some_and(|bound| end > bound.end) {
            return Ok(None);
        }
        Ok(frame::decode(self.source.view(offset, total)?))
    }

    /// The next offset from `from` on whose prefix is plausible.
    fn next_plausible(
        &mut self,
        mut from: u64,
        damage: u64,
        expected: Ordinal,
    ) -> io::Result<Option<u64>> {
        loop {
            let view = self.source.view(from, CHUNK_BYTES)?;
            for (index, prefix) in view.windows(PREFIX_BYTES).enumerate() {
                let offset = add(from, index);
                if plausible(prefix, offset, damage, expected).is_some() {
                    return Ok(Some(offset));
                }
            }
            if view.len() < PREFIX_BYTES {
                return Ok(None);
            }
            from = add(from, view.len() - PREFIX_BYTES + 1);
        }
    }
}

const CHUNK_BYTES: usize = 64 * 1024;

/// The size of the frame whose prefix this might be.
fn plausible(prefix: &[u8], offset: u64, damage: u64, expected: Ordinal) -> Option<usize> {
    let Length::Total(total) = frame::read_length(prefix) else {
        return None;
    };
    let lost = frame::peek_ordinal(prefix)?.checked_sub(expected.get())?;
    let room = offset.saturating_sub(damage) / u64::try_from(PREFIX_BYTES).unwrap_or(u64::MAX);
    (lost <= room).then_some(total)
}

fn add(offset: u64, bytes: usize) -> u64 {
    offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))
}
