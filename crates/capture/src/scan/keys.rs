//! Which keys the open objects already had.

use std::collections::BTreeSet;

use super::KEYS_BYTES_MAX;

/// The keys of a stack of objects.
///
/// The first keys of an object lie end to end in one buffer and are searched one by one, which for
/// an ordinary object is faster than a tree and allocates nothing; the others go to a tree, so
/// that an object of a million keys costs no more than its size.
#[derive(Default)]
pub(super) struct Keys {
    objects: Vec<Object>,
    text: Vec<u8>,
    /// Where in `text` each key ends.
    ends: Vec<usize>,
    bytes: usize,
}

/// Where an object's keys begin, and those that found no place there.
#[derive(Default)]
struct Object {
    text: usize,
    ends: usize,
    more: BTreeSet<Box<[u8]>>,
    more_bytes: usize,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    First,
    Before,
    /// There was no room to remember it ([`KEYS_BYTES_MAX`]).
    Unchecked,
}

/// Keys of an object that are searched one by one.
const SHORT_KEYS_MAX: usize = 16;
/// Longest key that is kept among them.
const SHORT_KEY_BYTES_MAX: usize = 128;
/// Bookkeeping charged for each key in a tree, in bytes.
const OVERHEAD_BYTES: usize = 64;

impl Keys {
    /// An object (or array) begins inside the one at hand.
    pub(super) fn open(&mut self) {
        let (text, ends) = (self.text.len(), self.ends.len());
        self.objects.push(Object {
            text,
            ends,
            ..Object::default()
        });
    }

    /// The object at hand ends.
    pub(super) fn close(&mut self) {
        if let Some(object) = self.objects.pop() {
            self.text.truncate(object.text);
            self.ends.truncate(object.ends);
            self.bytes = self.bytes.saturating_sub(object.more_bytes);
        }
    }

    /// The object at hand has `key`.
    pub(super) fn insert(&mut self, key: &[u8]) -> Seen {
        let Some(object) = self.objects.last_mut() else {
            return Seen::Unchecked;
        };
        let ends = self.ends.get(object.ends..).unwrap_or_default();
        let mut start = object.text;
        for &end in ends {
            if self.text.get(start..end) == Some(key) {
                return Seen::Before;
            }
            start = end;
        }
        if ends.len() < SHORT_KEYS_MAX && key.len() <= SHORT_KEY_BYTES_MAX {
            self.text.extend_from_slice(key);
            self.ends.push(self.text.len());
            return Seen::First;
        }
        if object.more.contains(key) {
            return Seen::Before;
        }
        let charge = key.len().saturating_add(OVERHEAD_BYTES);
        if self.bytes.saturating_add(charge) > KEYS_BYTES_MAX {
            return Seen::Unchecked;
        }
        self.bytes = self.bytes.saturating_add(charge);
        object.more_bytes = object.more_bytes.saturating_add(charge);
        object.more.insert(key.into());
        Seen::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_first_once() {
        let mut keys = Keys::default();
        let long = "x".repeat(SHORT_KEY_BYTES_MAX + 1);
        keys.open();
        for seen in [Seen::First, Seen::Before] {
            for n in 0..100 {
                assert_eq!(keys.insert(format!("{n}").as_bytes()), seen, "{n}");
            }
            assert_eq!(keys.insert(long.as_bytes()), seen);
            assert_eq!(keys.insert(b""), seen);
        }
    }

    #[test]
    fn objects_do_not_share_keys() {
        let mut keys = Keys::default();
        keys.open();
        assert_eq!(keys.insert(b"a"), Seen::First);
        keys.open();
        assert_eq!(keys.insert(b"a"), Seen::First);
        assert_eq!(keys.insert(b"b"), Seen::First);
        keys.close();
        assert_eq!(keys.insert(b"b"), Seen::First);
        assert_eq!(keys.insert(b"a"), Seen::Before);
        keys.close();
        assert_eq!((keys.text.len(), keys.ends.len(), keys.bytes), (0, 0, 0));
    }

    #[test]
    fn room_is_given_back() {
        let mut keys = Keys::default();
        let fill = |keys: &mut Keys| {
            (0_u32..)
                .take_while(|n| keys.insert(&n.to_le_bytes()) == Seen::First)
                .count()
        };
        keys.open();
        let count = fill(&mut keys);
        assert!(count > 10_000);
        keys.close();
        keys.open();
        assert_eq!(fill(&mut keys), count);
    }
}
