//! Our standard output: the server's bytes as they come, and, between its lines, our refusals.

use std::sync::{Mutex, PoisonError};

/// Serialises the two writers of stdout.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Whether the server's last byte ended a line.
    between_lines: bool,
    waiting: Vec<u8>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                between_lines: true,
                waiting: Vec::new(),
            }),
        }
    }
}

impl Gate {
    /// Passes bytes of the server on, at once.
    pub(super) fn pass(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        write_all(bytes)?;
        state.between_lines = bytes.last().is_none_or(|b| *b == b'\n');
        state.release()
    }

    /// Writes a line of ours as soon as the server is between two of its lines.
    pub(super) fn inject(&self, line: &[u8]) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.extend_from_slice(line);
        state.release()
    }
}

impl State {
    fn release(&mut self) -> std::io::Result<()> {
        if self.between_lines && !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            write_all(&waiting)?;
        }
        Ok(())
    }
}

/// Writes to file descriptor 1 without the line buffer of the standard library.
fn write_all(mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let n = rustix::io::retry_on_intr(|| rustix::io::write(std::io::stdout(), bytes))?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    Ok(())
}
