//! The calls of the story, each with how it has to come out.

use serde_json::{Map, Value, json};

/// The password in the input of one call. It must be nowhere in what is written or printed.
pub(super) const PASSWORD: &str = "correct-horse-battery-42";
/// A key as AWS forms them (its documentation's example), inside a sentence in the same input.
pub(super) const CLOUD_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// What stands beside the key in that sentence. It is no secret, so it must be found.
pub(super) const BESIDE: &str = "leaked";

/// The tool that takes the secrets.
pub(super) const SECRET_TOOL: &str = "connect";
/// The tool that takes its time.
pub(super) const SLOW_TOOL: &str = "export_report";
/// The tool that always ends in a protocol error, and the customer it is asked to delete.
pub(super) const REFUSED_TOOL: &str = "delete_customer";
/// The customer of [`REFUSED_TOOL`].
pub(super) const SPARED: &str = "C-1004";
/// How that customer reads with one bit flipped.
pub(super) const SPARED_FLIPPED: &str = "C-1005";

/// How a call comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The tool did it.
    Success,
    /// The tool ran and failed: `isError`.
    Failure,
    /// A JSON-RPC error.
    Error,
    /// The client took it back while it ran.
    Cancelled,
}

impl Ending {
    /// In a word or two.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// `status.reason` of the entry that says so. On HTTP a modern client takes a call back by
    /// closing its stream.
    pub(super) const fn reason(self, over_http: bool) -> &'static str {
        match self {
            Self::Success => "ok",
            Self::Failure => "tool-error",
            Self::Error => "rpc-error",
            Self::Cancelled if over_http => "client-disconnected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The tool.
    pub(super) tool: &'static str,
    /// Its arguments, secrets and all; never printed.
    pub(super) arguments: Map<String, Value>,
    /// How it has to come out.
    pub(super) ending: Ending,
}

impl Call {
    fn new(tool: &'static str, arguments: &[(&str, &str)], ending: Ending) -> Self {
        let arguments = arguments
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        Self {
            tool,
            arguments: arguments.collect(),
            ending,
        }
    }

    /// The arguments as they may be shown.
    pub(super) fn shown(&self) -> String {
        let text = Value::Object(self.arguments.clone()).to_string();
        text.replace(PASSWORD, "••••").replace(CLOUD_KEY, "••••")
    }
}

/// What the client does on each transport.
pub(super) fn calls() -> Vec<Call> {
    let note = format!("key {CLOUD_KEY} {BESIDE}");
    vec![
        Call::new("search_customers", &[("query", "lyon")], Ending::Success),
        Call::new("get_customer", &[("id", "C-1002")], Ending::Success),
        Call::new("get_customer", &[("id", "C-9999")], Ending::Failure),
        Call::new(REFUSED_TOOL, &[("id", SPARED)], Ending::Error),
        slow_call(),
        Call::new(
            SECRET_TOOL,
            &[("username", "ann"), ("password", PASSWORD), ("note", &note)],
            Ending::Success,
        ),
    ]
}

/// A call that runs for a minute, unless something ends it.
pub(super) fn slow_call() -> Call {
    let mut call = Call::new(SLOW_TOOL, &[], Ending::Cancelled);
    call.arguments.insert("seconds".to_owned(), json!(60));
    call
}

/// What the client does while the network is cut.
pub(super) fn outage_calls() -> Vec<Call> {
    vec![
        Call::new("search_customers", &[("query", "lyon")], Ending::Success),
        quick_call(),
        Call::new(REFUSED_TOOL, &[("id", SPARED)], Ending::Error),
    ]
}

/// A call that shows that all is well again.
pub(super) fn quick_call() -> Call {
    Call::new("get_customer", &[("id", "C-1001")], Ending::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_call_holds_no_secret() {
        for call in calls() {
            let shown = call.shown();
            assert!(
                !shown.contains(PASSWORD) && !shown.contains(CLOUD_KEY),
                "{}",
                call.tool
            );
        }
    }

    #[test]
    fn one_bit_parts_the_two_customers() {
        let pairs = SPARED.bytes().zip(SPARED_FLIPPED.bytes());
        assert_eq!(pairs.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(), 1);
    }
}
