//! The text of a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::model::{Group, Member, Policy, PolicyLog, PolicyName, PolicyWitness};
use crate::checkpoint::parse_decimal;
use crate::note::ParseKeyError;

/// The largest policy that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// The name that means nobody.
const NONE: &[u8] = b"none";

/// A line whose keyword is not one of the specification, for a caller who has lines of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLine {
    /// Which line, counted from 1.
    pub line: usize,
    /// Its words, the keyword first; at least one.
    pub words: Vec<Vec<u8>>,
}

impl Policy {
    /// Reads a policy. Never panics, whatever the bytes.
    ///
    /// # Errors
    ///
    /// [`ParsePolicyError`], of which [`PolicyProblem::Keyword`] for lines that are not of the
    /// specification.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParsePolicyError> {
        let (policy, others) = Self::parse_with_others(bytes)?;
        match others.first() {
            None => Ok(policy),
            Some(other) => Err(ParsePolicyError {
                line: other.line,
                problem: PolicyProblem::Keyword,
            }),
        }
    }

    /// Reads a policy among other lines, and gives those back as they are, in order. The caller must
    /// refuse the ones it does not know: a mistyped `witness` is one of them.
    ///
    /// # Errors
    ///
    /// [`ParsePolicyError`].
    pub fn parse_with_others(bytes: &[u8]) -> Result<(Self, Vec<OtherLine>), ParsePolicyError> {
        let at = |line| move |problem| ParsePolicyError { line, problem };
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(at(0)(PolicyProblem::TooLarge));
        }
        let mut builder = Builder::default();
        let mut others = Vec::new();
        let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
        // Each line ends in a newline, so that the last piece is nothing.
        let behind = lines.pop().unwrap_or_default();
        let count = lines.len();
        if !behind.is_empty() {
            return Err(at(count.saturating_add(1))(PolicyProblem::Truncated));
        }
        for (text, line) in lines.into_iter().zip(1..) {
            if text.iter().any(|&byte| is_refused(byte)) {
                return Err(at(line)(PolicyProblem::Character));
            }
            let words: Vec<&[u8]> = text
                .split(|&byte| byte == b' ' || byte == b'\t')
                .filter(|word| !word.is_empty())
                .collect();
            let Some((&keyword, rest)) = words.split_first() else {
                continue;
            };
            match keyword {
                [b'#', ..] => {}
                b"log" => builder.log(rest).map_err(at(line))?,
                b"witness" => builder.witness(rest).map_err(at(line))?,
                b"group" => builder.group(rest).map_err(at(line))?,
                b"quorum" => builder.quorum(rest).map_err(at(line))?,
                _ => others.push(OtherLine {
                    line,
                    words: words.iter().map(|word| word.to_vec()).collect(),
                }),
            }
        }
        Ok((builder.finish().map_err(at(count))?, others))
    }
}

/// Control characters other than tab; newlines are not here any more.
fn is_refused(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

#[derive(Default)]
struct Builder {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<Vec<u8>, Member>,
    grouped: BTreeSet<Vec<u8>>,
    quorum: Option<Option<Member>>,
}

impl Builder {
    fn log(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let (vkey, url) = match words {
            [vkey] => (vkey, None),
            [vkey, url] => (vkey, Some(url.to_vec())),
            _ => return Err(PolicyProblem::Words),
        };
        let log = PolicyLog {
            key: parse_key(vkey)?,
            url,
        };
        let public_key = log.key.public_key();
        if self.logs.iter().any(|l| l.key.public_key() == public_key) {
            return Err(PolicyProblem::DuplicateKey);
        }
        self.logs.push(log);
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let (name, vkey, url) = match words {
            [name, vkey] => (*name, vkey, None),
            [name, vkey, url] => (*name, vkey, Some(url.to_vec())),
            _ => return Err(PolicyProblem::Words),
        };
        let witness = PolicyWitness {
            name: PolicyName(name.to_vec()),
            key: parse_key(vkey)?,
            url,
        };
        if self
            .witnesses
            .iter()
            .any(|other| other.key.public_key() == witness.key.public_key())
        {
            return Err(PolicyProblem::DuplicateKey);
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(witness);
        Ok(())
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let [name, threshold, names @ ..] = words else {
            return Err(PolicyProblem::Words);
        };
        if names.is_empty() {
            return Err(PolicyProblem::Words);
        }
        let threshold = match *threshold {
            b"all" => names.len(),
            b"any" => 1,
            number => str::from_utf8(number)
                .ok()
                .and_then(parse_decimal)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=names.len()).contains(number))
                .ok_or(PolicyProblem::Threshold)?,
        };
        let mut members = Vec::with_capacity(names.len());
        for &member in names {
            members.push(self.lookup(member)?);
            if !self.grouped.insert(member.to_vec()) {
                return Err(PolicyProblem::MemberTwice {
                    name: PolicyName(member.to_vec()),
                });
            }
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), PolicyProblem> {
        let &[name] = words else {
            return Err(PolicyProblem::Words);
        };
        if self.quorum.is_some() {
            return Err(PolicyProblem::QuorumTwice);
        }
        self.quorum = Some(if name == NONE {
            None
        } else {
            Some(self.lookup(name)?)
        });
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Member, PolicyProblem> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| PolicyProblem::UnknownName {
                name: PolicyName(name.to_vec()),
            })
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), PolicyProblem> {
        if name == NONE || self.names.contains_key(name) {
            return Err(PolicyProblem::NameTaken {
                name: PolicyName(name.to_vec()),
            });
        }
        self.names.insert(name.to_vec(), member);
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyProblem> {
        Ok(Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            groups: self.groups,
            quorum: self.quorum.ok_or(PolicyProblem::NoQuorum)?,
        })
    }
}

fn parse_key<K: FromStr<Err = ParseKeyError>>(vkey: &[u8]) -> Result<K, PolicyProblem> {
    str::from_utf8(vkey)
        .map_err(|_| PolicyProblem::Key(ParseKeyError::Layout))?
        .parse()
        .map_err(PolicyProblem::Key)
}

/// Why a text is not a policy, and where. Its writer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy is wrong")]
pub struct ParsePolicyError {
    /// Which line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: PolicyProblem,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// The file has more than [`POLICY_BYTES_MAX`].
    #[error("policy has more than {POLICY_BYTES_MAX} bytes")]
    TooLarge,
    /// The last line does not end: the file was cut.
    #[error("last line does not end in a newline")]
    Truncated,
    /// A control character other than tab.
    #[error("line has a control character")]
    Character,
    /// The line is not a log, witness, group or quorum.
    #[error("first word is not log, witness, group or quorum")]
    Keyword,
    /// Too many or too few words for the keyword.
    #[error("line has too many or too few words")]
    Words,
    /// The key is not a verifier key of a type that fits.
    #[error("key is malformed")]
    Key(#[source] ParseKeyError),
    /// Another line has the same public key.
    #[error("key is there already")]
    DuplicateKey,
    /// The name is `none`, or defined already.
    #[error("name {name} is taken")]
    NameTaken {
        /// The name.
        name: PolicyName,
    },
    /// The name is not defined further up.
    #[error("name {name} is not defined")]
    UnknownName {
        /// The name.
        name: PolicyName,
    },
    /// The name is a member of a group already, which would count it twice.
    #[error("{name} is a member of a group already")]
    MemberTwice {
        /// The name.
        name: PolicyName,
    },
    /// The threshold is not `all`, `any` or a number from 1 to the number of members.
    #[error("threshold is not all, any or a number from 1 to the number of members")]
    Threshold,
    /// A second quorum.
    #[error("quorum is there already")]
    QuorumTwice,
    /// No quorum in the whole file.
    #[error("policy has no quorum")]
    NoQuorum,
}
