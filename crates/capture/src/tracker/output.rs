//! What a tracker hands out.

use affiant_entry::call::{CallDraft, Chain, Ending, Server};
use affiant_entry::{CallId, Moment, Record, Unredacted};

/// What the caller does with the message it just showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Forward it.
    Pass,
    /// Forward it once the `call.begin` of each of these is as durable as configured; if that
    /// cannot be, do not forward it and tell [`handle_refused`](super::Tracker::handle_refused).
    Hold(Vec<CallId>),
}

/// Why the caller did not forward a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The trail could not take it.
    Refused,
    /// A policy stopped it.
    Denied,
}

/// Why a tracker is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The server process or the stream to it ended: open calls end as `stream-closed`.
    StreamClosed,
    /// The shell shuts down: open calls end as `no-response`.
    Shutdown,
}

/// Something to record. For every call there is one [`Begin`](Self::Begin) and, later, one
/// [`End`](Self::End).
#[derive(Debug, Clone)]
pub enum Output {
    /// A call is about to be forwarded. The caller redacts the draft, records `call.begin` and keeps
    /// the redacted call until its end: the tracker keeps no input.
    Begin {
        /// The call.
        call: CallId,
        /// When the request passed.
        at: Moment,
        /// What is known of it, unredacted.
        draft: Box<CallDraft>,
    },
    /// To be recorded as it is.
    Record(Record),
    /// A call ended. The caller joins it with what it kept and records `call.end`.
    End(Box<End>),
}

/// The end of a call, with what was learned since its begin.
#[derive(Debug, Clone)]
pub struct End {
    /// The call.
    pub call: CallId,
    /// When the request passed (the `at` of its begin).
    pub requested_at: Moment,
    /// Fields 7 to 9; `status.text` is empty.
    pub ending: Ending,
    /// Field 4 as known now: it replaces the head's.
    pub server: Server,
    /// Its place in a multi-round-trip request: it replaces the head's. A first round is known as
    /// one only now.
    pub chain: Option<Chain>,
    /// The client's reason for cancelling, raw JSON: redact, clip, then put it into `status.text`.
    pub cancel_text: Option<Unredacted>,
}
