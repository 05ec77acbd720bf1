//! What holds for all inputs.

use std::num::NonZeroU64;

use affiant_entry::chain::{ChainVerifier, RememberedHead, Tail, Verdict};
use affiant_entry::limits::INTEGER_MAX;
use affiant_entry::{BootId, Decoded, Header, SealNumber, SealText, Seq, SourceId, SpoolName};
use affiant_tlog::Hash;
use proptest::prelude::*;

use crate::world::{World, judge, trust};

prop_compose! {
    fn seal_text()(
        source in "[a-z0-9][a-z0-9._-]{0,63}",
        spool in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}",
        boot in any::<(u32, u128)>(),
        numbers in (0..=INTEGER_MAX, 0..=INTEGER_MAX, 1..=INTEGER_MAX),
        root in any::<[u8; 32]>(),
        previous in any::<Option<[u8; 32]>>(),
        utc_us in 0_i64..4_000_000_000_000_000,
    ) -> SealText {
        SealText {
            source: SourceId::new(&source).unwrap(),
            spool: SpoolName::new(&spool).unwrap(),
            boot: BootId::from_parts(i64::from(boot.0) * 1_000_000, boot.1),
            seal: SealNumber(numbers.0),
            first: Seq(numbers.1),
            count: NonZeroU64::new(numbers.2).unwrap(),
            root: Hash(root),
            previous: previous.map(Hash),
            utc_us,
        }
    }
}

/// A chain of any shape a sealer can make.
fn lives() -> impl Strategy<Value = World> {
    let life = prop::collection::vec(prop::collection::vec(0_u8..4, 1..6), 0..5);
    prop::collection::vec((life, any::<bool>()), 1..4).prop_map(|lives| {
        let mut world = World::new();
        for (groups, stops) in lives {
            world.boot("start", None);
            for group in groups {
                let mut records = Vec::new();
                for what in group {
                    match what {
                        0 => records.push(world.heartbeat()),
                        1 => records.push(world.anomaly()),
                        _ => {
                            let (begin, end) = world.call_pair();
                            records.extend([begin, end]);
                        }
                    }
                }
                world.group(records);
            }
            if stops {
                world.stop();
            }
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_seal_text_reads_back(text in seal_text()) {
        prop_assert_eq!(SealText::parse(&text.to_text()), Ok(text));
    }

    #[test]
    fn a_seal_text_has_one_spelling(text in seal_text(), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut chars: Vec<char> = text.to_text().chars().collect();
        let at = at.index(chars.len());
        chars[at] = with;
        let other: String = chars.into_iter().collect();
        if let Ok(read) = SealText::parse(&other) {
            prop_assert_eq!(read.to_text(), other);
        }
    }

    #[test]
    fn what_a_sealer_makes_is_ok(world in lives()) {
        let report = world.judge();
        prop_assert_eq!(report.verdict, Verdict::Ok, "{:#?}", report.findings);
    }

    #[test]
    fn any_flipped_bit_is_refused(world in lives(), item in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8) {
        let mut items = world.items.clone();
        let item = item.index(items.len());
        let at = byte.index(items[item].len());
        items[item][at] ^= 1_u8 << bit;
        prop_assert_eq!(judge(&items, &trust(&[1]), world.head()).verdict, Verdict::No);
    }

    #[test]
    fn any_cut_out_range_is_refused(world in lives(), from in any::<prop::sample::Index>(), many in 1_usize..9) {
        let mut items = world.items.clone();
        let from = from.index(items.len());
        let to = (from + many).min(items.len());
        items.drain(from..to);
        prop_assert_eq!(judge(&items, &trust(&[1]), world.head()).verdict, Verdict::No);
    }

    #[test]
    fn any_other_order_is_refused(world in lives(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let mut items = world.items.clone();
        let (a, b) = (a.index(items.len()), b.index(items.len()));
        items.swap(a, b);
        let verdict = judge(&items, &trust(&[1]), world.head()).verdict;
        prop_assert_eq!(verdict, if a == b { Verdict::Ok } else { Verdict::No });
    }

    #[test]
    fn no_bytes_make_anything_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let _ = Decoded::parse(input);
            let _ = Header::parse(input);
            let mut verifier = ChainVerifier::new(trust(&[1]), None);
            verifier.push(input);
            let _ = verifier.finish(Tail::Clean);
        }
        let _ = SealText::parse(&text);
        let _ = RememberedHead::parse(&text);
        let _ = affiant_entry::Rotation::parse(&text);
    }

    #[test]
    fn both_readers_agree(world in lives(), item in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = item.get(&world.items).clone();
        let at = byte.index(bytes.len());
        bytes[at] = with;
        let (whole, header) = (Decoded::parse(&bytes), Header::parse(&bytes));
        prop_assert_eq!(whole.map(|entry| entry.header().clone()).ok(), header.ok());
    }
}
