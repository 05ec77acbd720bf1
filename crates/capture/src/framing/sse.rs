//! Event streams (WHATWG HTML, section 9.2), as on MCP's HTTP transports.

mod parser;

use std::fmt;

use parser::Parser;

use crate::scan::{Limits, Scan, Scanner, Tap};

/// Longest `event` or `id` that is kept, in bytes; [`Event::truncated`] tells.
pub const FIELD_BYTES_MAX: usize = 4 << 10;
/// Longest data of an `endpoint` event that is kept, in bytes.
pub const ENDPOINT_BYTES_MAX: usize = 4 << 10;

/// Cuts an event stream into events and scans the data of each as it comes.
///
/// Takes the decoded body of a response: content coding and transfer coding are off already. Data
/// is not held, so an event may be of any size.
///
/// `Debug` shows the state, nothing of the stream.
pub struct Events<T: Tap = ()> {
    scanner: Scanner<T>,
    parser: Parser,
    block: Block,
}

/// A block of the stream, ended by an empty line, with at least one field in it.
///
/// A client dispatches it only when [`data_lines`](Self::data_lines) is not 0. A priming event
/// has an id and empty data: it is dispatched, its [`scan`](Self::scan) is blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<O = ()> {
    /// Where it ended: an offset in the bytes of the push that ended it, behind the first byte of
    /// the empty line's ending. The LF of a CRLF counts with what follows, because it may come
    /// much later. 0 at the end of the stream.
    pub end: usize,
    /// The `event` field; `None` when absent or empty, which means `message`.
    pub event: Option<Box<str>>,
    /// The `id` field of this block. `None` when absent; an empty one resets the last event id.
    pub id: Option<Box<str>>,
    /// The `retry` field in milliseconds.
    pub retry_ms: Option<u64>,
    /// Number of `data` fields.
    pub data_lines: u64,
    /// Length of the data in bytes: all `data` fields, joined by `\n`.
    pub data_bytes: u64,
    /// The data of an `endpoint` event (2024-11-05), unless longer than [`ENDPOINT_BYTES_MAX`].
    pub endpoint: Option<Box<[u8]>>,
    /// Whether `event` or `id` was longer than [`FIELD_BYTES_MAX`] and cut there.
    pub truncated: bool,
    /// Whether the empty line came. At the end of a stream, clients discard a block without it.
    pub complete: bool,
    /// What the data held.
    pub scan: Scan<O>,
}

/// What is known of the block at hand.
#[derive(Default)]
struct Block {
    event: Value,
    id: Option<Value>,
    retry_ms: Option<u64>,
    data_lines: u64,
    /// The first bytes of the data.
    head: Vec<u8>,
    truncated: bool,
    any: bool,
}

/// A field's value, up to [`FIELD_BYTES_MAX`].
type Value = Vec<u8>;

/// What the parser tells, in the order of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    /// The next piece of a `data` field.
    Data(&'a [u8]),
    /// A line with a `data` field begins.
    DataStart,
    /// A line with another field ended; its value, and whether it was cut.
    Field(Field, &'a [u8], bool),
    /// An empty line ended.
    Dispatch,
}

/// The fields of an event stream other than `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Event,
    Id,
    Retry,
}

impl<T: Tap> Events<T> {
    /// A stream at its start. `tap` is cloned for every message.
    #[must_use]
    pub fn new(limits: Limits, tap: T) -> Self {
        Self {
            scanner: Scanner::new(limits, tap),
            parser: Parser::default(),
            block: Block::default(),
        }
    }

    /// Takes the next bytes, in any cutting, and returns the events that ended in them.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event<T::Out>> {
        let mut events = Vec::new();
        let (parser, block, scanner) = (&mut self.parser, &mut self.block, &mut self.scanner);
        parser.push(bytes, |at, step| match step {
            Step::Dispatch => events.extend(block.end(scanner, at, true)),
            Step::DataStart => block.data_start(scanner),
            Step::Data(data) => block.data(scanner, data),
            Step::Field(field, value, cut) => block.field(field, value, cut),
        });
        events
    }

    /// The stream has ended. Returns the block that lacked its empty line, if any.
    pub fn finish(&mut self) -> Option<Event<T::Out>> {
        self.parser = Parser::default();
        self.block.end(&mut self.scanner, 0, false)
    }
}

impl<T: Tap> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("scanner", &self.scanner)
            .finish_non_exhaustive()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new(Limits::default(), ())
    }
}

impl Block {
    fn data_start<T: Tap>(&mut self, scanner: &mut Scanner<T>) {
        if self.data_lines > 0 {
            self.data(scanner, b"\n");
        }
        self.any = true;
        self.data_lines = self.data_lines.saturating_add(1);
    }

    fn data<T: Tap>(&mut self, scanner: &mut Scanner<T>, data: &[u8]) {
        scanner.feed(data);
        // One byte more than is kept tells that the data was longer.
        let room = ENDPOINT_BYTES_MAX
            .saturating_add(1)
            .saturating_sub(self.head.len());
        self.head
            .extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
    }

    fn field(&mut self, field: Field, value: &[u8], cut: bool) {
        self.any = true;
        match field {
            Field::Event => self.event = value.to_vec(),
            Field::Id if value.contains(&0) => return,
            Field::Id => self.id = Some(value.to_vec()),
            Field::Retry => {
                let digits = value.iter().all(u8::is_ascii_digit);
                let number = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                self.retry_ms = number.filter(|_| digits).or(self.retry_ms);
                return;
            }
        }
        self.truncated |= cut;
    }

    fn end<T: Tap>(
        &mut self,
        scanner: &mut Scanner<T>,
        end: usize,
        complete: bool,
    ) -> Option<Event<T::Out>> {
        let Self {
            event,
            id,
            retry_ms,
            data_lines,
            mut head,
            truncated,
            any,
        } = std::mem::take(self);
        if !any {
            return None;
        }
        let scan = scanner.finish();
        let endpoint = event == b"endpoint" && head.len() <= ENDPOINT_BYTES_MAX;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned().into_boxed_str();
        let found = Event {
            end,
            event: (!event.is_empty()).then(|| text(&event)),
            id: id.as_deref().map(text),
            retry_ms,
            data_lines,
            data_bytes: scan.bytes,
            endpoint: endpoint.then(|| head.as_slice().into()),
            truncated,
            complete,
            scan,
        };
        head.clear();
        self.head = head;
        Some(found)
    }
}

#[cfg(test)]
mod tests;
