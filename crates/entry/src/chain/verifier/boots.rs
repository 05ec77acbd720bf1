//! Where a boot begins.

use affiant_tlog::note::VerifierKey;

use super::{ChainVerifier, Life, Link};
use crate::chain::finding::{Fault, Place};
use crate::chain::reading::{BootInfo, Previous, spell};
use crate::chain::report::bump;
use crate::decode::{Decoded, Header, Kind};
use crate::ids::SpoolName;
use crate::rotation::{Rotation, split_notes};

impl ChainVerifier {
    pub(super) fn enter_boot(&mut self, header: &Header, entry: Option<&Decoded>) {
        let place = Place::Boot { boot: header.boot };
        if self.group.count() > 0 {
            let entries = self.group.count();
            self.find(place, Fault::UnsealedInside { entries });
            self.drop_group();
        }
        bump(&mut self.lives);
        let at_start = self.life.is_none() && self.last.is_none();
        let mut life = Life {
            boot: header.boot,
            number: self.lives,
            next_seq: None,
            next_seal: None,
            key: None,
        };
        if let (Kind::Boot, Some(boot)) = (&header.kind, entry) {
            (life.next_seq, life.next_seal) = (Some(0), Some(0));
            life.key = self.read_boot(boot, at_start);
        } else if at_start {
            self.miss_start();
        } else {
            self.find(place, Fault::BootMissing);
        }
        self.life = Some(life);
    }

    /// Judges a `boot` entry; gives the key its boot is sealed with.
    pub(super) fn read_boot(&mut self, entry: &Decoded, at_start: bool) -> Option<VerifierKey> {
        let place = Place::Boot {
            boot: entry.header().boot,
        };
        let Some(info) = BootInfo::of(entry) else {
            self.find(
                place,
                Fault::BootMalformed {
                    member: "boot_info",
                },
            );
            return None;
        };
        match (SpoolName::new(&info.spool), info.previous()) {
            (Err(_), _) => self.find(place, Fault::BootMalformed { member: "spool" }),
            (Ok(_), None) => self.find(place, Fault::BootMalformed { member: "previous" }),
            (Ok(spool), Some(previous)) => {
                self.check_spool(place, &spool);
                self.check_boot_link(place, previous.as_ref(), at_start);
            }
        }
        for note in info.rotation.iter().flat_map(|notes| split_notes(notes)) {
            match Rotation::parse(note) {
                Ok(rotation) => self.trust.link(rotation),
                Err(error) => self.find(
                    place,
                    Fault::Rotation {
                        reason: spell(&error),
                    },
                ),
            }
        }
        let key: Option<VerifierKey> = info.key.parse().ok();
        let key = key.filter(|key| key.name().as_str() == entry.header().source.as_str());
        if key.is_none() {
            self.find(place, Fault::BootMalformed { member: "key" });
        }
        key
    }

    pub(super) fn check_boot_link(
        &mut self,
        place: Place,
        previous: Option<&Previous>,
        at_start: bool,
    ) {
        let linked = match (previous, &self.last) {
            (None, None) => true,
            (Some(_), None) if at_start => {
                self.miss_start();
                return;
            }
            // Behind a start that is missing, or a first boot without one seal.
            (Some(_), None) => self.link == Link::Unknown,
            (None, Some(_)) => false,
            (Some(named), Some(last)) => {
                named.boot == last.boot
                    && named.seal == last.seal
                    && named.hash == format!("sha256:{}", last.hash)
            }
        };
        if !linked {
            self.find(place, Fault::BootLink);
        }
    }

    pub(super) fn miss_start(&mut self) {
        self.start_missing = true;
        self.link = Link::Unknown;
    }
}
