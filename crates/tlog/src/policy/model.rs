//! What a policy says.

use std::fmt;
use std::str::FromStr;

use crate::cosignature::{CosignerAlgorithm, CosignerKey};
use crate::note::{KeyName, KeyRef, ParseKeyError, VerifierKey};

/// The name of a witness or group within one policy: any bytes but white space and controls.
///
/// `Display` shows bytes that are not UTF-8 as U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(pub(super) Vec<u8>);

impl PolicyName {
    /// The bytes as they stand in the policy.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key of a log: it signs its checkpoints as notes, or in the form of ML-DSA-44 cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogKey {
    /// Type `0x01`.
    Ed25519(VerifierKey),
    /// Type `0x06`.
    MlDsa44(CosignerKey),
}

impl LogKey {
    /// The key's name, which is the origin of the log.
    pub const fn name(&self) -> &KeyName {
        &self.key_ref().name
    }

    /// Name and id, as signature lines carry them.
    pub const fn key_ref(&self) -> &KeyRef {
        match self {
            Self::Ed25519(key) => key.key_ref(),
            Self::MlDsa44(key) => key.key_ref(),
        }
    }

    pub(super) fn public_key(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.public_key().to_vec(),
            Self::MlDsa44(key) => key.public_key().to_vec(),
        }
    }
}

/// A log that the policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the name is the origin.
    pub key: LogKey,
    /// Where it is to be had, if the policy says so. Not necessarily UTF-8, hence bytes.
    pub url: Option<Vec<u8>>,
}

/// A witness that the policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name within the policy.
    pub name: PolicyName,
    /// Its key.
    pub key: CosignerKey,
    /// Where it is to be had, if the policy says so.
    pub url: Option<Vec<u8>>,
}

/// Whose cosignature, or how many of them, stands behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// The witness of this number.
    Witness(usize),
    /// The group of this number.
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) threshold: usize,
    pub(super) members: Vec<Member>,
}

/// A policy: logs, witnesses, and the quorum of them. Made by [`Policy::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) logs: Vec<PolicyLog>,
    pub(super) witnesses: Vec<PolicyWitness>,
    /// Members are witnesses, or groups further up.
    pub(super) groups: Vec<Group>,
    pub(super) quorum: Option<Member>,
}

impl Policy {
    /// The policy that trusts one log by itself, without witnesses: what a pinned key says.
    ///
    /// A log can show such a verifier another history than others see.
    pub fn of_log(key: VerifierKey) -> Self {
        Self {
            logs: vec![PolicyLog {
                key: LogKey::Ed25519(key),
                url: None,
            }],
            witnesses: Vec::new(),
            groups: Vec::new(),
            quorum: None,
        }
    }

    /// The logs it accepts; none where they are to be known otherwise.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// Adds a log that is known otherwise. One that is there already stays as it is.
    #[must_use]
    pub fn with_log(mut self, key: VerifierKey) -> Self {
        let key = LogKey::Ed25519(key);
        if self.logs.iter().all(|log| log.key != key) {
            self.logs.push(PolicyLog { key, url: None });
        }
        self
    }

    /// The witnesses it knows, in their order.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether it asks for any cosignature (`quorum none` does not).
    pub const fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether the quorum is met where exactly these witnesses cosigned.
    pub(super) fn is_met(&self, cosigned: impl Fn(usize) -> bool) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let has = |member: Member, groups: &[bool]| match member {
            Member::Witness(number) => cosigned(number),
            Member::Group(number) => groups.get(number).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|&&m| has(m, &groups)).count();
            groups.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|member| has(member, &groups))
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl FromStr for LogKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<VerifierKey>() {
            Ok(key) => Ok(Self::Ed25519(key)),
            Err(error @ ParseKeyError::UnknownType { .. }) => match text.parse::<CosignerKey>() {
                Ok(key) if key.algorithm() == CosignerAlgorithm::MlDsa44 => Ok(Self::MlDsa44(key)),
                Ok(_) | Err(ParseKeyError::UnknownType { .. }) => Err(error),
                Err(other) => Err(other),
            },
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(key) => key.fmt(f),
            Self::MlDsa44(key) => key.fmt(f),
        }
    }
}
