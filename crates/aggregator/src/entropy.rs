//! The one place of this crate that reads randomness.

/// Bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nobody could tell tokens and boots apart.
#[must_use]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness secrets could be guessed; see the doc comment"
    )]
    getrandom::fill(&mut out).expect("the operating system gives randomness");
    out
}

/// 128 bits of randomness for a ULID.
#[must_use]
pub(crate) fn ulid() -> u128 {
    u128::from_le_bytes(bytes())
}
