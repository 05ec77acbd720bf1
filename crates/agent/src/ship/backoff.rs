//! How long to wait after a failure: exponential, with full jitter.

use std::time::Duration;

/// The first wait is drawn below this.
const FIRST: Duration = Duration::from_millis(200);
/// No wait is longer than this, except where the aggregator asks for it.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// No wait that the aggregator asks for is longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: how long to wait. Drawn evenly below a ceiling that doubles, so that sources which
    /// lost the same aggregator do not come back together; `retry_after` is waited at least.
    pub(super) fn next(&mut self, retry_after: Option<Duration>, random: u64) -> Duration {
        let ceiling = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let ceiling_us = u64::try_from(ceiling.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let drawn = Duration::from_micros(random % ceiling_us);
        drawn + retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_never_below_what_was_asked_for() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..10)
            .map(|_| backoff.next(None, u64::MAX).as_millis())
            .collect();
        assert!(longest.iter().all(|ms| *ms <= BACKOFF_MAX.as_millis()));
        assert!(longest[0] < 200);
        assert!(backoff.next(None, 0) < FIRST);
        let asked = Duration::from_secs(7);
        assert!(backoff.next(Some(asked), 0) >= asked);
        assert!(backoff.next(Some(Duration::from_secs(9_999)), 0) <= RETRY_AFTER_MAX + BACKOFF_MAX);
        backoff.reset();
        assert!(backoff.next(None, u64::MAX) < FIRST);
    }
}
