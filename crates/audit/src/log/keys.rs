//! Which key was good for which source, by leaf index.

use std::collections::BTreeMap;

use affiant_entry::rotation::{Rotation, Trust};
use affiant_entry::{SourceId, rotation};
use affiant_tlog::note::KeyRef;
use affiant_tlog::{LeafIndex, VerifierKey};

use super::fault::Fault;
use super::said::{Action, Key};

/// Most keys of one source that are kept apart.
const KEYS_MAX: usize = rotation::TRUSTED_KEYS_MAX;

/// The keys that the log's `key` entries gave and took.
#[derive(Debug, Default)]
pub(super) struct KeyBook {
    sources: BTreeMap<String, Vec<Window>>,
    /// Moves with each statement, so that a judgement may be kept until then.
    generation: u64,
}

#[derive(Debug)]
struct Window {
    key: VerifierKey,
    given: LeafIndex,
    replaced: Option<LeafIndex>,
    revoked: Option<LeafIndex>,
}

impl KeyBook {
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes what a `key` entry says. Gives what is wrong with it.
    pub(super) fn take(&mut self, at: LeafIndex, said: &Key) -> Option<Fault> {
        self.generation = self.generation.saturating_add(1);
        let named_well = said
            .vkey
            .as_ref()
            .is_none_or(|key| key.name().as_str() == said.subject);
        if let Some(key) = said.vkey.as_ref().filter(|_| !named_well) {
            return Some(Fault::KeyName {
                key: key.to_string(),
                subject: said.subject.clone(),
            });
        }
        let windows = self.sources.entry(said.subject.clone()).or_default();
        match (said.action, &said.vkey) {
            (Action::Log, _) => None,
            (Action::Revoke, key) => {
                for window in windows {
                    if key.as_ref().is_none_or(|key| *key == window.key) {
                        window.revoked.get_or_insert(at);
                    }
                }
                None
            }
            (Action::Enrol | Action::Rotate, Some(key)) => {
                let current: Vec<VerifierKey> = windows
                    .iter()
                    .filter(|window| window.replaced.is_none() && window.revoked.is_none())
                    .map(|window| window.key.clone())
                    .collect();
                let proven = said.action == Action::Enrol
                    || current.contains(key)
                    || follows(&current, said.rotation.as_deref().unwrap_or_default(), key);
                open(windows, key, at);
                (!proven).then(|| Fault::RotationUnproven {
                    key: key.to_string(),
                })
            }
            (Action::Enrol | Action::Rotate, None) => None,
        }
    }

    /// The key of this name and id that the source was ever given.
    pub(super) fn find(&self, source: &SourceId, wanted: &KeyRef) -> Option<&VerifierKey> {
        let windows = self.sources.get(source.as_str())?;
        windows
            .iter()
            .map(|window| &window.key)
            .find(|key| key.key_ref() == wanted)
    }

    /// The key, if a `key` entry before `by` gave it: one that was written down again before its first
    /// was pruned.
    pub(super) fn given_before(
        &self,
        source: &SourceId,
        wanted: &KeyRef,
        by: LeafIndex,
    ) -> Option<&VerifierKey> {
        let windows = self.sources.get(source.as_str())?;
        let window = windows
            .iter()
            .find(|window| window.key.key_ref() == wanted)?;
        (window.given < by).then_some(&window.key)
    }

    /// Whether a boot whose first leaf stands at `boot_at` may be sealed with this key.
    pub(super) fn judge(
        &self,
        source: &SourceId,
        key: &VerifierKey,
        boot_at: LeafIndex,
    ) -> Result<(), Fault> {
        let window = self
            .sources
            .get(source.as_str())
            .and_then(|windows| windows.iter().find(|window| window.key == *key));
        let name = || key.key_ref().to_string();
        let Some(window) = window else {
            return Err(Fault::KeyUnknown { key: name() });
        };
        if let Some(at) = window.revoked {
            return Err(Fault::KeyRevoked { key: name(), at });
        }
        match window.replaced.filter(|at| *at < boot_at) {
            Some(at) => Err(Fault::KeyReplaced { key: name(), at }),
            None => Ok(()),
        }
    }
}

fn open(windows: &mut Vec<Window>, key: &VerifierKey, at: LeafIndex) {
    for window in windows.iter_mut().filter(|window| window.key != *key) {
        window.replaced.get_or_insert(at);
    }
    if let Some(window) = windows.iter_mut().find(|window| window.key == *key) {
        (window.replaced, window.revoked) = (None, None);
    } else if windows.len() < KEYS_MAX {
        windows.push(Window {
            key: key.clone(),
            given: at,
            replaced: None,
            revoked: None,
        });
    }
}

/// Whether rotation notes lead from one of these keys to the new one.
fn follows(current: &[VerifierKey], notes: &str, key: &VerifierKey) -> bool {
    Trust::new(current.iter().cloned())
        .with_rotations(notes)
        .trusts(key)
}

/// Rotation notes that several keys of one source left: what pins are followed along.
#[derive(Debug, Default, Clone)]
pub(super) struct Links(Vec<Rotation>);

impl Links {
    pub(super) fn take(&mut self, notes: &str) {
        for note in notes_of(notes) {
            if let Ok(rotation) = Rotation::parse(&note)
                && self.0.len() < KEYS_MAX
                && !self.0.contains(&rotation)
            {
                self.0.push(rotation);
            }
        }
    }

    /// Whether the key is one of these, or follows from one.
    pub(super) fn reach(&self, pinned: &[VerifierKey], key: &VerifierKey) -> bool {
        let mut trust = Trust::new(pinned.iter().cloned());
        for rotation in &self.0 {
            trust.link(rotation.clone());
        }
        trust.trusts(key)
    }
}

/// Several notes kept as one text: each begins with the first line of every rotation note.
fn notes_of(text: &str) -> Vec<String> {
    let head = format!("{}\n", rotation::ROTATION_TEXT_V1);
    text.split(head.as_str())
        .skip(1)
        .map(|rest| format!("{head}{rest}"))
        .collect()
}
