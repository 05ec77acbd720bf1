//! Repeatable randomness: a test prints its seed, and takes one from `AFFIANT_SEED`.

/// SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From `AFFIANT_SEED`, else from the process id; prints the seed.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a failing test must be repeatable")]
    pub fn seeded(test: &str) -> Self {
        let given = std::env::var("AFFIANT_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("{test}: AFFIANT_SEED={seed}");
        Self(seed)
    }

    /// Another generator, for a thread of its own.
    #[must_use]
    pub const fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// Changes the order of a list, each item moving by less than `distance`.
    pub fn jumble<T>(&mut self, list: &mut [T], distance: usize) {
        for at in 0..list.len() {
            let bound = u64::try_from(distance.min(list.len() - at)).unwrap_or(1);
            let other = at + usize::try_from(self.below(bound)).unwrap_or(0);
            list.swap(at, other);
        }
    }

    /// The next number below `bound` (which must not be 0).
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
