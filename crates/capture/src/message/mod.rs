//! A JSON-RPC 2.0 message as the scanner saw it.

mod id;

use std::borrow::Cow;
use std::fmt;

pub use id::{IdKind, RpcId};

use crate::scan::{self, Captured, Flag, Flags, JsonKind, Limits, Scan, Scanner, Slot};

/// One JSON-RPC message: what it is, how long it is, and the captured fields.
///
/// `Debug` shows kinds and lengths, never a field's content.
#[derive(Clone, PartialEq, Eq)]
pub struct Message<O = ()> {
    /// What the message is by JSON-RPC 2.0.
    pub kind: Kind,
    /// The `id`; `None` when absent, of a type JSON-RPC does not allow, or beyond its bound.
    pub id: Option<RpcId>,
    /// The unescaped `method`; `None` when absent, not a string, or beyond its bound.
    pub method: Option<Box<str>>,
    /// Length in bytes of the JSON value: from `{` to `}`, without line ending, framing or the
    /// commas of a batch.
    pub bytes: u64,
    /// Offset of the first byte in its text.
    pub offset: u64,
    /// Greatest nesting of brackets within the message, counted from the root of its text and up
    /// to [`DEPTH_MAX`](scan::DEPTH_MAX). Readers have limits of their own: `serde_json` 128.
    pub depth: usize,
    /// What readers may disagree on.
    pub flags: Flags,
    /// What the [`Tap`](scan::Tap) made of exactly these bytes.
    pub digest: O,
    fields: Vec<Captured>,
}

/// What a message is by JSON-RPC 2.0, sections 4 and 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `method` and `id`. The id may be `null`, which MCP forbids.
    Request,
    /// `method` without `id`.
    Notification,
    /// `result` and `id`.
    Response,
    /// `error`; its `id` may be absent or `null`.
    Error,
    /// None of these.
    Invalid(Invalid),
}

/// Why a value is no JSON-RPC message. The fields are captured all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    /// The text ended or stopped being JSON inside the message.
    Incomplete,
    /// The value is not an object.
    NotAnObject,
    /// Neither `method` nor `result` nor `error`.
    NoMember,
    /// More than one of `method`, `result` and `error`.
    Ambiguous,
    /// `method` is not a string.
    MethodType,
    /// `id` is not a number, string or null.
    IdType,
    /// A `result` without `id`.
    IdMissing,
}

impl Message {
    /// Scans a whole text: a body of one message or a batch.
    #[must_use]
    pub fn parse(text: &[u8]) -> Scan {
        Self::parse_with(text, Limits::default())
    }

    /// Scans a whole text with other limits.
    #[must_use]
    pub fn parse_with(text: &[u8], limits: Limits) -> Scan {
        let mut scanner = Scanner::new(limits, ());
        scanner.feed(text);
        scanner.finish()
    }
}

impl<O> Message<O> {
    /// The raw JSON text of a field, exactly as it stood. `None` when the field is absent or was
    /// only measured; see [`truncated`](Self::truncated).
    #[must_use]
    pub fn raw(&self, slot: Slot) -> Option<&[u8]> {
        self.field(slot)?.raw.as_deref()
    }

    /// The unescaped value of a field that is a string. Lone surrogates and invalid UTF-8 become
    /// U+FFFD.
    #[must_use]
    pub fn text(&self, slot: Slot) -> Option<Cow<'_, str>> {
        scan::unescape(self.raw(slot)?)
    }

    /// Whether a field is present but its bytes were not kept.
    #[must_use]
    pub fn truncated(&self, slot: Slot) -> bool {
        self.field(slot).is_some_and(|field| field.raw.is_none())
    }

    /// Length of a field's raw text in bytes, also when it was not kept.
    #[must_use]
    pub fn bytes_of(&self, slot: Slot) -> Option<u64> {
        self.field(slot).map(|field| field.bytes)
    }

    /// Type of a field; `None` when it is absent.
    #[must_use]
    pub fn json_kind(&self, slot: Slot) -> Option<JsonKind> {
        self.field(slot).map(|field| field.kind)
    }

    /// A field that is `true` or `false`.
    #[must_use]
    pub fn boolean(&self, slot: Slot) -> Option<bool> {
        match self.raw(slot)? {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// A field that is a number written as an integer within `i64`. For others the raw text
    /// is all there is.
    #[must_use]
    pub fn integer(&self, slot: Slot) -> Option<i64> {
        std::str::from_utf8(self.raw(slot)?).ok()?.parse().ok()
    }

    /// A field that holds a request id, progress token or subscription id.
    #[must_use]
    pub fn rpc_id(&self, slot: Slot) -> Option<RpcId> {
        RpcId::from_raw(self.raw(slot)?)
    }

    /// The slots that are present, in the order of the text.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.fields.iter().map(|field| field.slot)
    }

    fn field(&self, slot: Slot) -> Option<&Captured> {
        self.fields.iter().find(|field| field.slot == slot)
    }

    pub(crate) fn assemble(parts: Parts<O>) -> Self {
        let Parts {
            complete,
            kind: json_kind,
            offset,
            bytes,
            depth,
            flags,
            fields,
            digest,
        } = parts;
        let kind = Kind::Invalid(Invalid::NoMember);
        let mut message = Self {
            kind,
            id: None,
            method: None,
            bytes,
            offset,
            depth,
            flags,
            digest,
            fields,
        };
        message.id = message.rpc_id(Slot::Id);
        message.method = message
            .text(Slot::Method)
            .map(|text| text.into_owned().into_boxed_str());
        message.kind = message.classify(json_kind, complete);
        let versioned = scan::unescape(message.raw(Slot::Jsonrpc).unwrap_or_default())
            .is_some_and(|version| version == "2.0");
        if complete && json_kind == JsonKind::Object && !versioned {
            message.flags.raise(Flag::JsonrpcVersion, offset);
        }
        message
    }

    fn classify(&self, json_kind: JsonKind, complete: bool) -> Kind {
        let has = |slot| self.field(slot).is_some();
        if !complete {
            return Kind::Invalid(Invalid::Incomplete);
        }
        if json_kind != JsonKind::Object {
            return Kind::Invalid(Invalid::NotAnObject);
        }
        match self.json_kind(Slot::Id) {
            Some(JsonKind::Object | JsonKind::Array | JsonKind::Boolean) => {
                return Kind::Invalid(Invalid::IdType);
            }
            Some(JsonKind::String | JsonKind::Number | JsonKind::Null) | None => {}
        }
        match (has(Slot::Method), has(Slot::Result), has(Slot::Error)) {
            (true, false, false) if self.json_kind(Slot::Method) != Some(JsonKind::String) => {
                Kind::Invalid(Invalid::MethodType)
            }
            (true, false, false) if has(Slot::Id) => Kind::Request,
            (true, false, false) => Kind::Notification,
            (false, true, false) if has(Slot::Id) => Kind::Response,
            (false, true, false) => Kind::Invalid(Invalid::IdMissing),
            (false, false, true) => Kind::Error,
            (false, false, false) => Kind::Invalid(Invalid::NoMember),
            (true, true, _) | (true, _, true) | (_, true, true) => {
                Kind::Invalid(Invalid::Ambiguous)
            }
        }
    }
}

impl<O> fmt::Debug for Message<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|field| (field.slot, field.bytes))
            .collect();
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("bytes", &self.bytes)
            .field("offset", &self.offset)
            .field("flags", &self.flags)
            .field("fields", &fields)
            .finish_non_exhaustive()
    }
}

/// What the scanner hands over at the end of a message.
pub(crate) struct Parts<O> {
    pub(crate) complete: bool,
    pub(crate) kind: JsonKind,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) depth: usize,
    pub(crate) flags: Flags,
    pub(crate) fields: Vec<Captured>,
    pub(crate) digest: O,
}
