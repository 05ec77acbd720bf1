//! What a user can cause: a documented exit code, one clear line, and perhaps a hint.

use std::error::Error;
use std::fmt;

use crate::exit_code::Exit;
pub(crate) use affiant_tlog::error_with_causes as chain;

/// An error with the exit code it leads to.
#[derive(Debug)]
pub(crate) struct ExpectedError {
    /// How the command ends.
    pub(crate) exit: Exit,
    /// One line, a lowercase fragment.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl ExpectedError {
    /// An error in one line.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: one_line(&message.into()),
            hint: None,
        }
    }

    /// Wrong arguments or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The storage failed.
    pub(crate) fn storage(error: &dyn Error) -> Self {
        Self::caused(Exit::Storage, error)
    }

    /// An error and its causes in one line: `message: cause: cause`.
    pub(crate) fn caused(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, chain(error))
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ExpectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_a_hint() {
        let error = ExpectedError::usage("cannot read\n  `x`").hint("look again");
        assert_eq!(
            error.to_string(),
            "error: cannot read; `x`\nhint: look again"
        );
    }
}
