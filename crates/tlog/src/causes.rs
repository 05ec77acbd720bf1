//! An error with its causes.

use std::error::Error;

/// An error with its causes in one line, `: ` between them; a cause that its error has spelled out at its end
/// already is not said again.
#[must_use]
pub fn error_with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layered {
        #[error("disk is full")]
        Deep,
        #[error("log cannot be read")]
        Plain(#[source] Box<Self>),
        #[error("batch failed: {0}")]
        Spelled(#[source] Box<Self>),
    }

    #[test]
    fn each_cause_is_said_once() {
        let plain = Layered::Plain(Layered::Deep.into());
        assert_eq!(
            error_with_causes(&plain),
            "log cannot be read: disk is full"
        );
        let spelled = Layered::Spelled(Layered::Deep.into());
        assert_eq!(error_with_causes(&spelled), "batch failed: disk is full");
    }
}
