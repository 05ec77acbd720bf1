//! Names that are looked for, with what tells them apart worked out when the program was built.

use super::text;

/// A name to look for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(super) key: u64,
    pub(super) text: &'static str,
}

impl Name {
    /// The name of this text.
    pub(crate) const fn of(text: &'static str) -> Self {
        Self {
            key: text::key(text.as_bytes()),
            text,
        }
    }
}

macro_rules! known {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A top-level member that readers ask for in most entries: its place is noted while the entry is
        /// read, so that nobody has to look for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Known {
            $(#[doc = concat!("`", $text, "`")] $variant),+
        }

        impl Known {
            /// Their number.
            pub(super) const COUNT: usize = [$($text),+].len();

            /// Its number, from 0.
            #[expect(clippy::as_conversions, reason = "a variant's number is below their count")]
            pub(super) const fn place(self) -> usize {
                self as usize
            }

            /// The member of this name, if it is one of these.
            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its name.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}

known! {
    V = "v",
    Kind = "kind",
    Source = "source",
    Boot = "boot",
    Seq = "seq",
    Seal = "seal",
    Note = "note",
    Call = "call",
    Time = "time",
    MonoUs = "mono_us",
    Session = "session",
    Agent = "agent",
    Server = "server",
    Tool = "tool",
    InputForm = "input_form",
    Input = "input",
    Status = "status",
    Response = "response",
    LatencyUs = "latency_us",
    Classification = "classification",
    Policy = "policy",
    Correlation = "correlation",
    ClosedBy = "closed_by",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_is_found_by_its_text_alone() {
        assert_eq!(Known::of("input_form"), Some(Known::InputForm));
        assert_eq!(Known::InputForm.as_str(), "input_form");
        for other in ["", "inpu", "inputs", "Input", "boot_info"] {
            assert_eq!(Known::of(other), None, "{other}");
        }
    }
}
