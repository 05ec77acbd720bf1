//! The one place of this crate that reads clocks.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the log needs of a clock.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970, by the wall clock. May go backward.
    fn utc_ms(&self) -> u64;

    /// Time since some fixed moment. Never goes backward.
    fn mono(&self) -> Duration;
}

/// The clocks of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    fn utc_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    fn mono(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}
