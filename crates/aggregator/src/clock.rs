//! The one place of this crate that reads clocks.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use affiant_entry::record::Clock;
use affiant_entry::{Fact, Moment};

/// Reads both clocks, one right after the other.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads clocks"
)]
#[must_use]
pub fn now() -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    let mono_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let utc_us = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    };
    Moment { utc_us, mono_us }
}

/// What the kernel says of its clock.
#[must_use]
pub(crate) fn kernel_clock() -> Clock {
    affiant_kernel_clock::read().map_or_else(
        || Clock {
            synchronised: Fact::absent("kernel does not say"),
            error_us_max: Fact::absent("kernel does not say"),
        },
        |state| Clock {
            synchronised: Fact::Known(state.synchronised),
            error_us_max: Fact::Known(state.error_us_max),
        },
    )
}
