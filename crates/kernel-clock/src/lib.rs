//! What the kernel knows about the error of its own clock.
//!
//! Not a clock: it tells no time. Linux only; elsewhere [`read`] gives `None`. This leaf crate
//! holds the only `unsafe` block of the house, as no kept crate wraps `adjtimex(2)`.

/// One reading of `adjtimex(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// Whether a time service keeps the clock synchronised (`STA_UNSYNC` is clear).
    pub synchronised: bool,
    /// The kernel's bound on the clock's error, microseconds (`maxerror`).
    pub error_us_max: u64,
}

/// Asks the kernel. Changes nothing; needs no privilege. `None` if the kernel refuses.
#[cfg(target_os = "linux")]
#[must_use]
pub fn read() -> Option<ClockState> {
    // SAFETY: `timex` is a C struct of integers and a `timeval`; all-zero is a valid value of each,
    // and `modes == 0` asks for a reading only.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusively borrowed `timex` for the length of the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return None;
    }
    let error_us_max = u64::try_from(timex.maxerror).ok()?;
    Some(ClockState {
        synchronised: timex.status & libc::STA_UNSYNC == 0,
        error_us_max,
    })
}

/// Asks the kernel; not known on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn read() -> Option<ClockState> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_kernel_answers_or_refuses_without_harm() {
        if let Some(state) = super::read() {
            assert!(state.error_us_max < 1_000_000_000_000, "{state:?}");
        }
    }
}
