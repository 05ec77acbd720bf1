//! A bar on standard error while much is read, on terminals only.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Less than this is read before anyone could look, bytes.
const WORTH_SHOWING_BYTES: u64 = 32 << 20;

/// How far a verification got.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar that shows itself where there is a terminal and enough to do.
    pub(crate) fn on_stderr() -> Self {
        Self {
            bar: ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden()),
        }
    }

    pub(super) fn begin(&self, bytes: u64) {
        self.bar.set_length(bytes);
        if bytes >= WORTH_SHOWING_BYTES && std::io::stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left");
            self.bar
                .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub(super) fn read(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
