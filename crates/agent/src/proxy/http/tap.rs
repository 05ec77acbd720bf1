//! Copies of bodies on their way through content decoding and scanning to the recorder.

use std::io::{self, Write};

use affiant_capture::framing::sse::{Event, Events};
use affiant_capture::scan::{Limits, Scan, Scanner};
use affiant_capture::tracker::Malformed;
use affiant_entry::Commitment;
use affiant_entry::record::Direction;
use http::HeaderMap;

use crate::clock;
use crate::recorder::{CommitTap, Recorder};

use super::decode::{Coding, DecodeError, Decoder};
use super::exchange::Witness;
use super::headers;

/// A body of one JSON text, or of an array of them.
pub(super) struct JsonText {
    scanner: Scanner<CommitTap>,
    bytes: u64,
}

impl JsonText {
    pub(super) fn new(recorder: &Recorder) -> Self {
        Self {
            scanner: Scanner::new(Limits::default(), recorder.commit_tap()),
            bytes: 0,
        }
    }

    /// Ends the text.
    pub(super) fn finish(&mut self) -> Scan<Commitment> {
        self.scanner.finish()
    }

    /// Decoded bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for JsonText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scanner.feed(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event stream: what ended in it and was not taken yet.
pub(super) struct EventStream {
    events: Events<CommitTap>,
    ended: Vec<Event<Commitment>>,
}

impl Write for EventStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ended.extend(self.events.push(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks into a response body.
pub(super) enum ResponseTap {
    /// `application/json`.
    Json(Box<Decoder<JsonText>>),
    /// `text/event-stream`.
    Events(Box<Decoder<EventStream>>),
}

impl ResponseTap {
    /// `None` when the body is of no kind MCP uses, or in a coding that cannot be undone.
    pub(super) fn new(witness: &Witness, fields: &HeaderMap, answers: bool) -> Option<Self> {
        let media = headers::media_type(fields)?;
        let events = media == "text/event-stream";
        if !events && (!answers || !is_json(&media)) {
            return None;
        }
        let Some(coding) = Coding::of(fields) else {
            undecoded(witness, Direction::ServerToClient, 0);
            return None;
        };
        let recorder = &witness.recorder;
        Some(if events {
            let events = Events::new(Limits::default(), recorder.commit_tap());
            let sink = EventStream {
                events,
                ended: Vec::new(),
            };
            Self::Events(Box::new(Decoder::new(coding, sink)?))
        } else {
            Self::Json(Box::new(Decoder::new(coding, JsonText::new(recorder))?))
        })
    }

    /// Takes the next bytes of the body, before they are sent on.
    pub(super) fn push(&mut self, witness: &mut Witness, bytes: &[u8]) {
        let pushed = match self {
            Self::Json(decoder) => decoder
                .push(bytes)
                .map_err(|error| (error, decoder.sink().map_or(0, |text| text.bytes()))),
            Self::Events(decoder) => decoder.push(bytes).map_err(|error| (error, 0)),
        };
        if let Self::Events(decoder) = self {
            let ended = decoder.sink().map(|sink| std::mem::take(&mut sink.ended));
            ended
                .unwrap_or_default()
                .into_iter()
                .for_each(|event| show_event(witness, &event));
        }
        if let Err((error, at)) = pushed {
            damaged(witness, Direction::ServerToClient, error, at);
        }
    }

    /// The body is over. A text cut short is no message and no fault of the server's.
    pub(super) fn finish(self, witness: &Witness, complete: bool) {
        if !complete {
            return;
        }
        match self {
            Self::Json(mut decoder) => {
                if let Some(scan) = decoder.sink().map(JsonText::finish) {
                    show_server_scan(witness, &scan);
                }
            }
            // Clients discard an event without its empty line.
            Self::Events(_) => {}
        }
    }
}

fn show_event(witness: &mut Witness, event: &Event<Commitment>) {
    if let Some(endpoint) = &event.endpoint {
        witness.endpoint_named(endpoint);
        return;
    }
    let is_message = event.event.as_deref().is_none_or(|name| name == "message");
    if is_message && event.data_lines > 0 {
        show_server_scan(witness, &event.scan);
    }
}

fn show_server_scan(witness: &Witness, scan: &Scan<Commitment>) {
    if !scan.is_blank() {
        witness
            .recorder
            .server_scan(clock::now(), &witness.via, scan);
    }
}

/// The copy could not be decoded any further; `at` bytes were.
pub(super) fn damaged(witness: &Witness, direction: Direction, error: DecodeError, at: u64) {
    match error {
        DecodeError::Damaged => undecoded(witness, direction, at),
        DecodeError::TooLarge => {
            witness.count_undecoded();
            let what = Malformed::Oversize { bytes: at };
            witness.malformed(direction, what);
        }
    }
}

/// No reader of this gateway can make JSON of the body from byte `at` on.
pub(super) fn undecoded(witness: &Witness, direction: Direction, at: u64) {
    witness.count_undecoded();
    witness.malformed(direction, Malformed::NotJson { offset: at });
}

/// `application/json`, and types with that suffix.
pub(super) fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}
