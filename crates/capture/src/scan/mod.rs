//! A streaming scanner for RFC 8259 texts that carry JSON-RPC messages.
//!
//! Push bytes in any pieces with [`Scanner::feed`], end the text with [`Scanner::finish`]: the
//! result is the same for every way of cutting. One pass, no look-back, memory in the order of the
//! nesting depth plus the bounded captures: a response whose `id` comes behind 100 MiB of content
//! costs no more than a short one.
//!
//! ```text
//!  {"jsonrpc":"2.0","method":"tools/call","params":{"name":"add","arguments":{"a":1}},"id":7}
//!                            └─ Method ─┘           └─ ParamsName ┘└ ParamsArguments ┘    └ Id
//!  └──────────────────────────────── Message::bytes, Tap ──────────────────────────────────┘
//! ```
//!
//! A text is one line, one SSE event's data or one HTTP body. It holds one message or, as a
//! top-level array, a batch of them; whitespace and a byte order mark round the value belong to no
//! message.
//!
//! # Errors and flags
//!
//! What no JSON reader accepts ends the scan with a [`SyntaxError`]. What some accept (`NaN`,
//! invalid UTF-8, lone surrogates, repeated keys, a byte order mark) raises a [`Flag`] and the
//! scan goes on, because a peer may act on it. [`Scan::is_rfc8259`] tells both apart from clean.

mod builder;
mod flag;
mod keys;
mod lexer;
mod number;
mod slot;
mod tap;
mod text;
mod utf8;

use std::fmt;

use crate::message::Message;

pub use flag::{Flag, Flags, SyntaxError, SyntaxErrorKind};
pub use slot::Slot;
pub use tap::Tap;
pub use text::{unescape, unescape_bytes};

pub(crate) use builder::Captured;

/// Nesting that is followed exactly; deeper, only brackets are counted ([`Flag::TooDeep`]).
pub const DEPTH_MAX: usize = 64 << 10;
/// Nesting within `params` to which keys are compared ([`Flag::KeysUnchecked`]).
pub const KEYS_DEPTH_MAX: usize = 64;
/// Longest key that is compared, in bytes after unescaping ([`Flag::KeysUnchecked`]).
pub const KEY_BYTES_MAX: usize = 64 << 10;
/// Keys held for comparison at one time, in bytes with their bookkeeping ([`Flag::KeysUnchecked`]).
pub const KEYS_BYTES_MAX: usize = 4 << 20;
/// Messages of a batch that are kept; more are counted in [`Scan::messages_dropped`].
pub const BATCH_MESSAGES_MAX: usize = 4096;
/// Default of [`Limits::arguments_bytes_max`].
pub const ARGUMENTS_BYTES_MAX: usize = 16 << 20;
/// Default of [`Limits::tools_bytes_max`].
pub const TOOLS_BYTES_MAX: usize = 16 << 20;
/// Default of [`Limits::captured_bytes_max`].
pub const CAPTURED_BYTES_MAX: usize = 64 << 20;

/// How much of a text is kept. A larger field is measured, not kept, and flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes kept of `params.arguments`.
    pub arguments_bytes_max: usize,
    /// Bytes kept of `result.tools`.
    pub tools_bytes_max: usize,
    /// Bytes kept of all fields of all messages of a text. Fields still open are not counted.
    pub captured_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            arguments_bytes_max: ARGUMENTS_BYTES_MAX,
            tools_bytes_max: TOOLS_BYTES_MAX,
            captured_bytes_max: CAPTURED_BYTES_MAX,
        }
    }
}

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number, also the non-standard `NaN` and `Infinity` ([`Flag::NonFiniteNumber`]).
    Number,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
}

/// What a text was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan<O = ()> {
    /// Length of the text in bytes, all of it.
    pub bytes: u64,
    /// Whether the value is an array: a JSON-RPC batch.
    pub batch: bool,
    /// The messages in order. If `error` is set, the last one may be incomplete
    /// ([`Invalid::Incomplete`](crate::message::Invalid::Incomplete)).
    pub messages: Vec<Message<O>>,
    /// Messages beyond [`BATCH_MESSAGES_MAX`], counted only.
    pub messages_dropped: u64,
    /// Flags of the text; those inside a message are in [`Message::flags`].
    pub flags: Flags,
    /// Why the text is not JSON, if it is not.
    pub error: Option<SyntaxError>,
}

impl<O> Default for Scan<O> {
    fn default() -> Self {
        Self {
            bytes: 0,
            batch: false,
            messages: Vec::new(),
            messages_dropped: 0,
            flags: Flags::default(),
            error: None,
        }
    }
}

impl<O> Scan<O> {
    /// Whether the text holds no value and no error: nothing but whitespace or a byte order mark.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.error.is_none() && !self.batch && self.messages.is_empty()
    }

    /// Whether a strict reader accepts the text.
    ///
    /// Does not tell about repeated keys, which RFC 8259 allows, nor about texts with
    /// [`Flag::TooDeep`], which were not checked to the bottom.
    #[must_use]
    pub fn is_rfc8259(&self) -> bool {
        let strict = |flags: &Flags| {
            [
                Flag::ByteOrderMark,
                Flag::InvalidUtf8,
                Flag::LoneSurrogate,
                Flag::NonFiniteNumber,
            ]
            .iter()
            .all(|flag| !flags.has(*flag))
        };
        self.error.is_none()
            && !self.is_blank()
            && strict(&self.flags)
            && self.messages.iter().all(|message| strict(&message.flags))
    }
}

/// The incremental scanner; see the [module](self).
///
/// One scanner reads many texts, one after the other, and keeps its buffers between them.
///
/// `Debug` shows the state, nothing of the text.
pub struct Scanner<T: Tap = ()> {
    lexer: lexer::Lexer,
    builder: builder::Builder<T>,
}

impl<T: Tap> Scanner<T> {
    /// A scanner at the start of a text. `tap` is cloned for every message.
    #[must_use]
    pub fn new(limits: Limits, tap: T) -> Self {
        Self {
            lexer: lexer::Lexer::default(),
            builder: builder::Builder::new(limits, tap),
        }
    }

    /// Takes the next bytes of the text, in any cutting.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.lexer.feed(bytes, &mut self.builder);
    }

    /// Ends the text and starts the next.
    pub fn finish(&mut self) -> Scan<T::Out> {
        self.lexer.finish(&mut self.builder)
    }
}

impl<T: Tap> fmt::Debug for Scanner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("lexer", &self.lexer)
            .finish_non_exhaustive()
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(Limits::default(), ())
    }
}
