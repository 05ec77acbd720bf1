//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// Longest wait for anything that takes milliseconds on an idle machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

const TICK: Duration = Duration::from_millis(5);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When none came within [`DEADLINE`].
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    match within(DEADLINE, probe) {
        Some(answer) => answer,
        None => panic!("waited {DEADLINE:?} in vain until {what}"),
    }
}

/// Asks again and again until there is an answer, or the time is up.
#[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
pub fn within<T>(longest: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + longest;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(TICK);
    }
}
