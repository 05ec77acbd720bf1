//! Seals, and what they are held against.

use affiant_tlog::Hash;
use affiant_tlog::note::{Note, VerifyError, verify};

use super::{ChainVerifier, Link};
use crate::chain::finding::{Fault, Place};
use crate::chain::reading::read_seal;
use crate::chain::report::{LastSeal, bump};
use crate::decode::Decoded;
use crate::ids::{BootId, SealNumber};
use crate::seal::SealText;

impl ChainVerifier {
    pub(super) fn push_seal(&mut self, entry: &Decoded, hash: Hash) {
        let header = entry.header();
        self.check_source(header);
        if self
            .life
            .as_ref()
            .is_none_or(|life| life.boot != header.boot)
        {
            self.enter_boot(header, Some(entry));
        }
        let seal = header.seal.unwrap_or(SealNumber(0));
        let place = Place::Seal {
            boot: header.boot,
            seal,
        };
        let expected = self.life.as_ref().and_then(|life| life.next_seal);
        if let Some(expected) = expected.filter(|expected| *expected != seal.0) {
            self.find(
                place,
                Fault::SealNumber {
                    expected,
                    found: seal.0,
                },
            );
        }
        let utc_us = match read_seal(entry) {
            Ok((note, text)) => {
                self.check_seal(place, &note, &text);
                Some(text.utc_us)
            }
            Err(reason) => {
                self.find(place, Fault::SealMalformed { reason });
                None
            }
        };
        self.check_remembered(place, header.boot, seal, hash);
        self.proven_seen |= self.proven == Some(hash);
        if let Some(life) = &mut self.life {
            life.next_seal = Some(seal.0.saturating_add(1));
        }
        self.last = Some(LastSeal {
            boot: header.boot,
            seal,
            hash,
            utc_us,
        });
        self.link = Link::To(Some(hash));
        bump(&mut self.counts.seals);
        self.apply_group();
    }

    pub(super) fn check_seal(&mut self, place: Place, note: &Note, text: &SealText) {
        self.check_spool(place, &text.spool);
        if let Some(expected) = self.group.first.filter(|first| *first != text.first.0) {
            self.find(
                place,
                Fault::SealFirst {
                    expected,
                    found: text.first.0,
                },
            );
        }
        let (expected, found) = (self.group.count(), text.count.get());
        if expected != found {
            self.find(place, Fault::SealCount { expected, found });
        } else if self.group.tree.root() != text.root {
            self.find(place, Fault::Root);
        }
        if let Link::To(previous) = self.link {
            if previous != text.previous {
                self.find(place, Fault::SealLink);
            }
        } else {
            self.proven_seen |= self.proven.is_some() && self.proven == text.previous;
        }
        self.check_signature(place, note, text);
    }

    pub(super) fn check_signature(&mut self, place: Place, note: &Note, text: &SealText) {
        let declared = self.life.as_ref().and_then(|life| life.key.clone());
        let known = declared
            .clone()
            .map_or_else(|| self.trust.keys().to_vec(), |key| vec![key]);
        match verify(note, &known) {
            Ok(verified) => {
                let signer = known
                    .iter()
                    .find(|key| verified.is_signed_by(key.key_ref()));
                if let Some(key) =
                    signer.filter(|key| self.keys.iter().all(|(seen, _)| seen != *key))
                {
                    self.keys.push((key.clone(), text.boot));
                }
            }
            Err(VerifyError::UnknownKey { found }) => {
                let found = found.first().map(ToString::to_string).unwrap_or_default();
                let fault = match declared {
                    Some(_) => Fault::OtherKey { found },
                    None => Fault::Untrusted { key: found },
                };
                self.find(place, fault);
            }
            Err(VerifyError::BadSignature { .. } | VerifyError::AmbiguousKey { .. }) => {
                self.find(place, Fault::Signature);
            }
        }
    }

    pub(super) fn check_remembered(
        &mut self,
        place: Place,
        boot: BootId,
        seal: SealNumber,
        hash: Hash,
    ) {
        let Some(head) = self
            .expected
            .as_ref()
            .filter(|head| head.boot == boot && head.seal == seal)
        else {
            return;
        };
        let same = head.hash == hash;
        self.head_seen = Some(same || self.head_seen == Some(true));
        if !same {
            self.find(place, Fault::HeadDiffers);
        }
    }
}
