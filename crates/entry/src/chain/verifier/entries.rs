//! Entries, as they come.

use affiant_tlog::{Hash, leaf_hash};

use super::ChainVerifier;
use crate::chain::finding::{Fault, Place};
use crate::chain::group::{Effect, Said};
use crate::chain::reading::{effect_of, spell};
use crate::chain::summary::Summary;
use crate::decode::{DecodeError, Header, Kind};
use crate::ids::{Seq, SpoolName};
use crate::limits::{GROUP_ENTRIES_MAX, clip};

impl ChainVerifier {
    pub(super) fn push_unreadable(&mut self, bytes: &[u8], error: &DecodeError) {
        let seq = self
            .life
            .as_ref()
            .and_then(|life| life.next_seq)
            .unwrap_or(0);
        let place = self.life.as_ref().map_or(Place::Chain, |l| Place::Entry {
            boot: l.boot,
            seq: Seq(seq),
        });
        let reason = spell(error);
        let newer = matches!(error, DecodeError::Version { .. });
        self.find(
            place,
            if newer {
                Fault::Unsupported { reason }
            } else {
                Fault::NotAnEntry { reason }
            },
        );
        self.add_leaf(
            leaf_hash(bytes),
            Said {
                seq: Seq(seq),
                utc_us: None,
                effect: Effect::Other,
            },
        );
        if let Some(life) = &mut self.life {
            life.next_seq = life.next_seq.map(|next| next.saturating_add(1));
        }
    }

    pub(super) fn push_entry(&mut self, entry: &Summary) {
        let header = entry.header();
        self.check_source(header);
        let begins = self
            .life
            .as_ref()
            .is_none_or(|life| life.boot != header.boot);
        if begins {
            self.enter_boot(header, entry.entry());
        }
        let seq = header.seq.unwrap_or(Seq(0));
        let place = Place::Entry {
            boot: header.boot,
            seq,
        };
        if header.kind == Kind::Boot && !begins {
            self.find(place, Fault::BootTwice);
        }
        if let Kind::Unknown(kind) = &header.kind {
            let reason = format!("unknown kind `{}`", clip(kind, 80));
            self.find(place, Fault::Unsupported { reason });
        }
        if let Kind::Log(kind) = &header.kind {
            let kind = kind.as_str();
            self.find(place, Fault::ForeignKind { kind });
        }
        let expected = self.life.as_ref().and_then(|life| life.next_seq);
        if let Some(expected) = expected.filter(|expected| *expected != seq.0) {
            self.find(
                place,
                Fault::Seq {
                    expected,
                    found: seq.0,
                },
            );
        }
        if let Some(life) = &mut self.life {
            life.next_seq = Some(seq.0.saturating_add(1));
        }
        let effect = effect_of(entry, &mut self.group.coverage);
        self.add_leaf(
            entry.leaf(),
            Said {
                seq,
                utc_us: header.at.map(|at| at.utc_us),
                effect,
            },
        );
    }

    pub(super) fn add_leaf(&mut self, leaf: Hash, said: Said) {
        if self.group.said.len() >= GROUP_ENTRIES_MAX {
            let place = self
                .life
                .as_ref()
                .map_or(Place::Chain, |life| Place::Entry {
                    boot: life.boot,
                    seq: said.seq,
                });
            self.find(place, Fault::GroupTooLong);
            self.drop_group();
        }
        self.group.add(leaf, said);
    }

    pub(super) fn check_source(&mut self, header: &Header) {
        let expected = self.source.get_or_insert_with(|| header.source.clone());
        if *expected != header.source {
            let (expected, found) = (expected.to_string(), header.source.to_string());
            self.find(
                Place::Boot { boot: header.boot },
                Fault::Source { expected, found },
            );
        }
    }

    pub(super) fn check_spool(&mut self, place: Place, found: &SpoolName) {
        let expected = self.spool.get_or_insert_with(|| found.clone());
        if expected != found {
            let (expected, found) = (expected.to_string(), found.to_string());
            self.find(place, Fault::Spool { expected, found });
        }
    }
}
