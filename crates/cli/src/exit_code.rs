//! Exit codes: what each means, for every command. `affiant run` returns its server's instead.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the interface and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well; for a check: it says yes.
    Ok,
    /// The check says no: evidence was altered, cut or forged.
    No,
    /// Wrong arguments or configuration.
    Usage,
    /// The check could not tell: something is not there, was declared lost, or cannot be read.
    Incomplete,
    /// Sealed by a key that nothing links to a trusted one, or a key file that is not safe to use.
    Untrusted,
    /// A peer or address could not be reached or taken.
    Unreachable,
    /// The storage failed or is full.
    Storage,
    /// The wrapped server's own code (`affiant run`).
    Child(u8),
}

impl Exit {
    /// All codes that are ours, in order.
    pub(crate) const ALL: [Self; 7] = [
        Self::Ok,
        Self::No,
        Self::Usage,
        Self::Incomplete,
        Self::Untrusted,
        Self::Unreachable,
        Self::Storage,
    ];

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Untrusted => 4,
            Self::Unreachable => 5,
            Self::Storage => 6,
            Self::Child(code) => code,
        }
    }

    /// What it means, for help and documentation.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "all went well; a check says yes",
            Self::No => "the check says no: something was altered, cut or forged",
            Self::Usage => "wrong arguments or configuration",
            Self::Incomplete => "incomplete: the check could not tell",
            Self::Untrusted => "untrusted key or identity, or a key file that is not safe to use",
            Self::Unreachable => "an address could not be reached, or is taken",
            Self::Storage => "the storage failed, or is full",
            Self::Child(_) => "the server's own code",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/reference/exit-codes.md` has one row a code, in the words of the help.
    #[test]
    fn the_reference_page_has_every_code() {
        let page = include_str!("../../../docs/reference/exit-codes.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(
                page.contains(&row),
                "docs/reference/exit-codes.md lacks `{row}`"
            );
        }
    }
}
