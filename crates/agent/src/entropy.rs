//! The one place that reads randomness.

/// Bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: a source that cannot name its entries
/// apart must not go on.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness ids would collide; see the doc comment"
    )]
    getrandom::fill(&mut out).expect("the operating system gives randomness");
    out
}

/// 128 bits of randomness for a ULID.
#[must_use]
pub fn ulid() -> u128 {
    u128::from_le_bytes(bytes())
}

/// Randomness for the tracker, drawn from the operating system in pages.
#[derive(Debug)]
pub struct OsMint {
    page: [u8; 1024],
    used: usize,
}

impl Default for OsMint {
    fn default() -> Self {
        Self {
            page: bytes(),
            used: 0,
        }
    }
}

impl OsMint {
    fn take(&mut self) -> [u8; 16] {
        if self.used + 16 > self.page.len() {
            self.page = bytes();
            self.used = 0;
        }
        let mut out = [0; 16];
        if let Some(slice) = self.page.get(self.used..self.used + 16) {
            out.copy_from_slice(slice);
        }
        self.used += 16;
        out
    }
}

impl affiant_capture::tracker::Mint for OsMint {
    fn ulid_entropy(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }

    fn trace_id(&mut self) -> [u8; 16] {
        self.take()
    }
}
