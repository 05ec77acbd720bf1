//! The spool against a model: a list of groups, each acknowledged or not.

use std::sync::Arc;

use affiant_spool::testing::CrashDisk;
use affiant_spool::{AppendError, Frame, Item, Options, Ordinal, Reader, Spool};
use proptest::prelude::*;

use crate::common::{dir, drain, open_with, small};

#[derive(Debug, Clone)]
enum Op {
    Append(Vec<u16>),
    AppendUnsynced(Vec<u16>),
    AppendReserved,
    Sync,
    Maintain,
    Release(u8),
    FailSyncs { after: u8, count: u8 },
    FailWrite(u8),
    Heal,
    DiskRoom(Option<u16>),
    Crash,
    Kill,
    Close,
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let sizes = || prop::collection::vec(prop_oneof![3 => 0..300_u16, 1 => 0..4000_u16], 1..5);
    let op = prop_oneof![
        12 => sizes().prop_map(Op::Append),
        6 => sizes().prop_map(Op::AppendUnsynced),
        1 => Just(Op::AppendReserved),
        2 => Just(Op::Sync),
        2 => Just(Op::Maintain),
        1 => any::<u8>().prop_map(Op::Release),
        2 => (0..3_u8, 1..6_u8).prop_map(|(after, count)| Op::FailSyncs { after, count }),
        1 => (0..6_u8).prop_map(Op::FailWrite),
        2 => Just(Op::Heal),
        1 => prop::option::of(0..20_000_u16).prop_map(Op::DiskRoom),
        3 => Just(Op::Crash),
        1 => Just(Op::Kill),
        1 => Just(Op::Close),
        2 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..60)
}

/// A group as the model has it.
#[derive(Debug, Clone)]
struct Group {
    first: u64,
    payloads: Vec<Vec<u8>>,
    /// The spool said that it is durable.
    acknowledged: bool,
}

struct Run {
    disk: CrashDisk,
    options: Options,
    spool: Option<Spool>,
    /// What the spool accepted, and what it refused but may show after a restart.
    groups: Vec<Group>,
    refused: Vec<Group>,
    /// What was found once and then released: a deletion that was not synced may be undone.
    old: Vec<Group>,
    released: u64,
    serial: u32,
}

impl Run {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Append(sizes) => self.append(&sizes, Spool::append_group),
            Op::AppendUnsynced(sizes) => self.append(&sizes, Spool::append_unsynced),
            Op::AppendReserved => self.append(&[20], Spool::append_reserved),
            Op::Sync => {
                let _ = self.spool().sync();
            }
            Op::Maintain => {
                let _ = self.spool().maintain();
            }
            Op::Release(part) => self.release(part),
            Op::FailSyncs { after, count } => self.disk.fail_sync_after(after.into(), count.into()),
            Op::FailWrite(after) => self.disk.fail_write_after(after.into()),
            Op::Heal => self.disk.heal(),
            Op::DiskRoom(room) => {
                let used = self.disk.bytes_used();
                self.disk
                    .set_capacity(room.map(|room| used + u64::from(room)));
            }
            Op::Crash => {
                self.disk.crash();
                self.reopen();
            }
            Op::Kill => {
                self.disk.kill();
                self.reopen();
            }
            Op::Close => {
                if let Some(spool) = self.spool.take() {
                    let _ = spool.close();
                }
                self.reopen();
            }
            Op::Reopen => {
                self.spool = None;
                self.reopen();
            }
        }
        self.note_durable();
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    fn append(
        &mut self,
        sizes: &[u16],
        how: impl Fn(&mut Spool, &[Frame<'_>]) -> Result<affiant_spool::GroupPosition, AppendError>,
    ) {
        let payloads: Vec<Vec<u8>> = sizes.iter().map(|size| self.payload(*size)).collect();
        let frames: Vec<_> = payloads
            .iter()
            .map(|payload| Frame::entry(payload))
            .collect();
        let first = self.spool().next_ordinal().get();
        let result = how(self.spool(), &frames);
        let group = Group {
            first,
            payloads,
            acknowledged: false,
        };
        match result {
            Ok(position) => {
                assert_eq!(position.first.get(), first);
                assert_eq!(self.spool().next_ordinal(), position.last.next());
                self.groups.push(group);
            }
            Err(error) => {
                assert_eq!(self.spool().next_ordinal().get(), first, "{error}");
                self.refused.push(group);
            }
        }
    }

    fn payload(&mut self, size: u16) -> Vec<u8> {
        self.serial += 1;
        let mut payload = self.serial.to_le_bytes().to_vec();
        payload.resize(4 + usize::from(size), self.serial.to_le_bytes()[0]);
        payload
    }

    fn note_durable(&mut self) {
        let durable_end = self.spool().durable_end().get();
        for group in &mut self.groups {
            group.acknowledged |= group.first < durable_end;
        }
    }

    fn release(&mut self, part: u8) {
        let durable_end = self.spool().durable_end().get();
        if durable_end == 0 {
            return;
        }
        let through = (durable_end - 1) * u64::from(part) / 255;
        // After an error the cursor may have moved all the same.
        let _ = self.spool().release_through(Ordinal::new(through));
        self.released = self.released.max(through + 1);
    }

    /// Restarts and holds what is found against the model.
    fn reopen(&mut self) {
        self.spool = None;
        self.disk.heal();
        self.disk.set_capacity(None);
        // What a crash leaves is no damage, before recovery as little as behind it.
        let storage = Arc::new(self.disk.clone());
        let left = drain(Reader::open_strict_on(storage, dir()).unwrap());
        assert_eq!(left.damage, []);
        let (spool, recovery) = open_with(&self.disk, self.options.clone());
        assert_eq!(recovery.damage, []);
        assert_eq!(Some(recovery.tail), left.tail);
        self.spool = Some(spool);
        let reader = Reader::open_on(Arc::new(self.disk.clone()), dir()).unwrap();
        let read = drain(reader);
        assert_eq!(read.damage, []);
        let first = read
            .ordinals()
            .first()
            .copied()
            .unwrap_or_else(|| recovery.next.get());
        assert!(first <= self.released, "frames before {first} are gone");
        let contiguous = (first..recovery.next.get()).collect::<Vec<_>>();
        assert_eq!(read.ordinals(), contiguous);
        let found = groups(&read.frames);

        for group in self.groups.iter().filter(|group| group.acknowledged) {
            let end = group.first + group.payloads.len() as u64;
            let kept = found
                .iter()
                .any(|(first, payloads)| *first == group.first && *payloads == group.payloads);
            assert!(kept || end <= self.released, "lost {group:?}");
        }
        let mut adopted = Vec::new();
        for (first, payloads) in found {
            let old = self.old.iter().filter(|group| group.first < self.released);
            let known = self.groups.iter().chain(&self.refused).chain(old);
            let known = known.filter(|group| group.first == first && group.payloads == payloads);
            assert_eq!(
                known.count(),
                1,
                "group at {first} was never appended there"
            );
            // Found is found: from here on it must stay.
            adopted.push(Group {
                first,
                payloads,
                acknowledged: true,
            });
        }
        let is_gone = |group: &Group| adopted.iter().all(|found| found.first != group.first);
        self.old.extend(self.groups.drain(..).filter(is_gone));
        self.old.retain(is_gone);
        self.groups = adopted;
        self.refused.clear();
    }
}

fn groups(frames: &[affiant_spool::FrameRef]) -> Vec<(u64, Vec<Vec<u8>>)> {
    let mut groups = Vec::new();
    let mut open: Option<(u64, Vec<Vec<u8>>)> = None;
    for frame in frames {
        let group = open.get_or_insert_with(|| (frame.ordinal.get(), Vec::new()));
        group.1.push(frame.payload.clone());
        if frame.group_end {
            groups.extend(open.take());
        }
    }
    assert!(open.is_none(), "a partial group is visible");
    groups
}

fn run(seed: u64, ops: Vec<Op>) {
    let disk = CrashDisk::new(seed);
    let mut options = small();
    options.unsynced_bytes_max = 6000;
    options.bytes_max = 150_000;
    let spool = Some(open_with(&disk, options.clone()).0);
    let (groups, refused, old) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = Run {
        disk,
        options,
        spool,
        groups,
        refused,
        old,
        released: 0,
        serial: 0,
    };
    for op in ops {
        run.apply(op);
    }
    run.apply(Op::Crash);
    run.apply(Op::Close);
    let reader = Reader::open_strict_on(Arc::new(run.disk.clone()), dir()).unwrap();
    assert_eq!(drain(reader).damage, []);
}

proptest! {
    #[test]
    fn no_acknowledged_group_is_lost_doubled_or_partial(seed: u64, ops in ops()) {
        run(seed, ops);
    }

    #[test]
    fn scanning_arbitrary_bytes_never_panics(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), 9..40_u8, any::<u8>()], 0..600),
    ) {
        let scan = affiant_spool::recovery::scan_bytes(&bytes);
        prop_assert!(scan.payload_bytes <= bytes.len() as u64);
    }

    #[test]
    fn scanning_arbitrary_changes_never_panics(
        seed: u64,
        sizes in prop::collection::vec(0..200_usize, 1..12),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut: prop::sample::Index,
    ) {
        let disk = CrashDisk::new(seed);
        let (mut spool, _) = open_with(&disk, small());
        for size in sizes {
            crate::common::append(&mut spool, &[&vec![b'z'; size]]);
        }
        let mut bytes = disk.content(&crate::common::segments(&disk)[0]).unwrap();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let scan = affiant_spool::recovery::scan_bytes(&bytes);
        prop_assert!(scan.payload_bytes <= bytes.len() as u64);
    }
}

#[test]
fn a_follower_polling_between_operations_sees_each_acknowledged_frame_once() {
    let disk = CrashDisk::new(11);
    let (mut spool, _) = open_with(&disk, small());
    spool.maintain().unwrap();
    let mut reader = Reader::open_on(Arc::new(disk.clone()), dir()).unwrap();
    let mut next = 0;
    for round in 0..200_u64 {
        if round % 17 == 5 {
            disk.fail_sync_after(0, 1);
        }
        let payload = vec![b'p'; usize::try_from(round * 7 % 900).unwrap()];
        spool
            .append_group(&[Frame::entry(&payload), Frame::seal(b"s")])
            .unwrap();
        for item in reader.poll_new().unwrap() {
            let Item::Frame(frame) = item else {
                panic!("{item:?}")
            };
            assert_eq!(frame.ordinal.get(), next);
            next += 1;
        }
        assert_eq!(next, (round + 1) * 2);
    }
}
