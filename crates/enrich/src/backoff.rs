//! When a source is read again.

use std::time::Duration;

/// How long to wait after `failures` reads in a row failed: doubled with each, never longer than
/// [`PAUSE_MAX`] nor than from read to read; after a success (`failures` = 0) the whole of `refresh`. A fifth
/// more or less by chance, so that many readers do not come at once.
pub(crate) fn pause(refresh: Duration, failures: u32, chance: u8) -> Duration {
    let plain = match failures {
        0 => refresh,
        n => PAUSE_MIN
            .saturating_mul(1 << (n - 1).min(16))
            .min(PAUSE_MAX)
            .min(refresh),
    };
    // 80 % to 120 %.
    let share = 800 + 400 * u32::from(chance) / 255;
    plain.saturating_mul(share) / 1000
}

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let refresh = Duration::from_secs(3600);
        let at = |failures| pause(refresh, failures, 127).as_secs_f64().round();
        assert_eq!([1, 2, 3, 4].map(at), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(at(40), 300.0);
        assert_eq!(at(0), 3596.0);
        let often = Duration::from_millis(100);
        assert!(pause(often, 9, 255) <= Duration::from_millis(120));
        assert!(pause(often, 0, 0) >= Duration::from_millis(80));
    }
}
