//! How often somebody may come: the generic cell rate algorithm (ITU-T I.371).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A rate for each of many keys, in bounded memory.
#[derive(Debug)]
pub(crate) struct Rate {
    /// From one to the next at the full rate, microseconds.
    interval_us: u64,
    /// By how much one may run ahead of the rate, microseconds.
    ahead_us: u64,
    /// When each would be back at nothing, monotonic microseconds.
    due_us: Mutex<BTreeMap<String, u64>>,
}

impl Rate {
    /// So many a minute, of which a tenth (but ten at least) may come at once.
    pub(crate) fn new(per_minute: u32) -> Self {
        let burst = (per_minute / 10).max(BURST_MIN);
        Self::with_burst(per_minute, burst)
    }

    /// So many a minute, of which so many may come at once.
    pub(crate) fn with_burst(per_minute: u32, burst: u32) -> Self {
        let per_minute = u64::from(per_minute.max(1));
        let interval_us = MINUTE_US / per_minute;
        let burst = u64::from(burst).min(per_minute);
        Self {
            interval_us,
            ahead_us: interval_us.saturating_mul(burst.saturating_sub(1)),
            due_us: Mutex::default(),
        }
    }

    /// Counts one, unless there were too many: then it says how many seconds to wait.
    pub(crate) fn take(&self, key: &str, now_us: u64) -> Result<(), u64> {
        let mut all = self.due_us.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if all.len() >= KEYS_MAX && !all.contains_key(key) {
            all.retain(|_, due| *due > now_us);
            // Still as many: those that come now share one.
            if all.len() >= KEYS_MAX { OTHERS } else { key }
        } else {
            key
        };
        let due = all.get(key).copied().unwrap_or_default().max(now_us);
        let ahead = due.saturating_sub(now_us);
        if ahead > self.ahead_us {
            let wait_us = ahead.saturating_sub(self.ahead_us);
            return Err(wait_us.div_ceil(1_000_000).max(1));
        }
        all.insert(key.to_owned(), due.saturating_add(self.interval_us));
        Ok(())
    }

    /// Whether one more would be taken; counts nothing.
    pub(crate) fn has_room(&self, key: &str, now_us: u64) -> Result<(), u64> {
        let all = self.due_us.lock().unwrap_or_else(PoisonError::into_inner);
        let due = all.get(key).copied().unwrap_or_default();
        let ahead = due.saturating_sub(now_us);
        if ahead > self.ahead_us {
            return Err(ahead
                .saturating_sub(self.ahead_us)
                .div_ceil(1_000_000)
                .max(1));
        }
        Ok(())
    }
}

const MINUTE_US: u64 = 60_000_000;
const BURST_MIN: u32 = 10;
/// Keys that are told apart.
const KEYS_MAX: usize = 65_536;
const OTHERS: &str = "others";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate::new(60);
        let now = 5_000_000;
        let at_once = (0..100).filter(|_| rate.take("a", now).is_ok()).count();
        assert_eq!(at_once, 10);
        assert_eq!(rate.take("a", now), Err(1));
        assert!(rate.take("b", now).is_ok());
        assert!(rate.take("a", now + 1_000_000).is_ok());
        assert!(rate.take("a", now + 1_000_000).is_err());
        let minute = (0..600_u64).filter(|i| rate.take("c", now + i * 100_000).is_ok());
        assert_eq!(minute.count(), 69);
    }

    #[test]
    fn memory_is_bounded_and_those_beyond_share() {
        let rate = Rate::new(1);
        for i in 0..KEYS_MAX + 10 {
            let _ = rate.take(&i.to_string(), 1);
        }
        assert!(rate.due_us.lock().unwrap().len() <= KEYS_MAX + 1);
        assert!(rate.take("newcomer", 1).is_err());
        assert!(rate.take("newcomer", 200_000_000).is_ok());
    }
}
