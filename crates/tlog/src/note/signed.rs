//! The note itself: bytes to text and signatures, and back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key_ref::{KeyId, KeyName, KeyNameError, KeyRef};
use super::signer::SignerKey;

/// The largest note that is read or made, in bytes: what `golang.org/x/mod/sumdb/note` accepts, and
/// room for [`MAX_SIGNATURES`] post-quantum signatures of 5 kB with a text of half a megabyte.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

/// The most signatures that a note may have, those by unknown keys included. The specification asks
/// for at least 16; this is the limit of `golang.org/x/mod/sumdb/note`.
pub const MAX_SIGNATURES: usize = 100;

/// Em dash and space, before each signature.
const LINE_PREFIX: &str = "— ";
/// Between text and signatures: the end of the text's last line, and the empty line.
const SEPARATOR: &str = "\n\n";
/// A key id with at least one byte of signature.
const KEYED_SIGNATURE_BYTES_MIN: usize = 5;

/// A well-formed note: a text with signatures that nobody has verified yet.
///
/// [`verify`](super::verify) says whether to believe the text. `Display` and [`Note::to_bytes`] give
/// back exactly the bytes that [`Note::parse`] read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line of a note: which key it claims to be by, and the signature's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key_ref: KeyRef,
    bytes: Vec<u8>,
}

impl Note {
    /// Reads a note. Never panics, whatever the bytes.
    ///
    /// Does not verify any signature.
    ///
    /// # Errors
    ///
    /// [`ParseNoteError`] where the bytes break a rule or a limit of the format.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseNoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(ParseNoteError::TooLarge {
                found_bytes: bytes.len(),
            });
        }
        let note = str::from_utf8(bytes).map_err(|error| ParseNoteError::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        if let Some(offset) = find_control(note) {
            return Err(ParseNoteError::ControlCharacter { offset });
        }
        let (text, lines) = note
            .rsplit_once(SEPARATOR)
            .ok_or(ParseNoteError::NoSignatures)?;
        if lines.is_empty() {
            return Err(ParseNoteError::NoSignatures);
        }
        let lines = lines.strip_suffix('\n').ok_or(ParseNoteError::Truncated)?;
        let mut signatures = Vec::new();
        for (line, number) in lines.split('\n').zip(1..) {
            if number > MAX_SIGNATURES {
                return Err(ParseNoteError::TooManySignatures);
            }
            let signature = Signature::parse(line)
                .map_err(|cause| ParseNoteError::SignatureLine { number, cause })?;
            signatures.push(signature);
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }

    /// Signs a text with one key.
    ///
    /// # Errors
    ///
    /// [`SignError`] where the format cannot carry the text.
    pub fn sign(text: &str, key: &SignerKey) -> Result<Self, SignError> {
        Self::from_parts(text, key.signature_of(text))
    }

    /// Puts together a text and a signature over it that was made elsewhere, by a token or a key
    /// service. [`Note::attach`] adds more.
    ///
    /// Does not verify the signature.
    ///
    /// # Errors
    ///
    /// [`SignError`] where the format cannot carry the text.
    pub fn from_parts(text: &str, signature: Signature) -> Result<Self, SignError> {
        if !text.ends_with('\n') {
            return Err(SignError::NoFinalNewline);
        }
        if let Some(offset) = find_control(text) {
            return Err(SignError::ControlCharacter { offset });
        }
        let mut note = Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        };
        note.attach(signature)?;
        Ok(note)
    }

    /// Signs the note with one more key, behind the signatures it has. Lines that name the same key
    /// are replaced. The note is unchanged on error.
    ///
    /// Does not verify what was signed before: sign only what you verified or wrote.
    ///
    /// # Errors
    ///
    /// [`SignError::TooManySignatures`] or [`SignError::TooLarge`] where the note is full.
    pub fn add_signature(&mut self, key: &SignerKey) -> Result<(), SignError> {
        self.attach(key.signature_of(&self.text))
    }

    /// Adds a signature made elsewhere, a witness's cosignature for example, behind those the note
    /// has. Lines that name the same key are replaced. The note is unchanged on error.
    ///
    /// Does not verify the signature.
    ///
    /// # Errors
    ///
    /// [`SignError::TooManySignatures`] or [`SignError::TooLarge`] where the note is full.
    pub fn attach(&mut self, signature: Signature) -> Result<(), SignError> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|present| present.key_ref() != signature.key_ref());
        if signatures.len() >= MAX_SIGNATURES {
            return Err(SignError::TooManySignatures);
        }
        signatures.push(signature);
        let signed = Self {
            text: self.text.clone(),
            signatures,
        };
        let size_bytes = signed.to_string().len();
        if size_bytes > MAX_NOTE_BYTES {
            return Err(SignError::TooLarge { size_bytes });
        }
        *self = signed;
        Ok(())
    }

    /// The text with its last newline: what is signed. Not to be believed before
    /// [`verify`](super::verify).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in the order of their lines; at least one.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The note as its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl Signature {
    /// A signature by the key of this name and id, made elsewhere: by a token, a key service, a
    /// witness. `bytes` are the signature without key id.
    ///
    /// Does not verify it. The format has no signature without bytes: an empty one is written as a
    /// line that no reader accepts.
    pub const fn new(key_ref: KeyRef, bytes: Vec<u8>) -> Self {
        Self { key_ref, bytes }
    }

    /// The name of the key it claims to be by.
    pub const fn name(&self) -> &KeyName {
        &self.key_ref.name
    }

    /// The id of the key it claims to be by.
    pub const fn key_id(&self) -> KeyId {
        self.key_ref.id
    }

    /// Name and id of the key it claims to be by.
    pub const fn key_ref(&self) -> &KeyRef {
        &self.key_ref
    }

    /// The signature without key id; at least one byte, for Ed25519 64.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a signature line, `— name base64`, without its newline. `Display` writes it.
    ///
    /// Does not verify the signature.
    ///
    /// # Errors
    ///
    /// [`SignatureLineError`] says which rule the line breaks.
    pub fn parse(line: &str) -> Result<Self, SignatureLineError> {
        let line = line
            .strip_prefix(LINE_PREFIX)
            .ok_or(SignatureLineError::Layout)?;
        let (name, base64) = line.split_once(' ').ok_or(SignatureLineError::Layout)?;
        let name = KeyName::new(name).map_err(SignatureLineError::Name)?;
        let keyed = STANDARD
            .decode(base64)
            .map_err(|_| SignatureLineError::Base64)?;
        if keyed.len() < KEYED_SIGNATURE_BYTES_MIN {
            return Err(SignatureLineError::Length {
                found_bytes: keyed.len(),
            });
        }
        let (id, bytes) = keyed
            .split_first_chunk::<4>()
            .ok_or(SignatureLineError::Length {
                found_bytes: keyed.len(),
            })?;
        let id = KeyId(u32::from_be_bytes(*id));
        Ok(Self::new(KeyRef { name, id }, bytes.to_vec()))
    }
}

/// Signs a text with one key and gives the note's bytes: [`Note::sign`] and [`Note::to_bytes`].
///
/// ```
/// use affiant_tlog::note::{self, KeyName, SignerKey};
///
/// let key = SignerKey::from_seed(KeyName::new("source.example/gw-7")?, &[7; 32]);
/// let bytes = note::sign("one line\n", &key)?;
/// assert!(bytes.starts_with("one line\n\n— source.example/gw-7 ".as_bytes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`SignError`] where the format cannot carry the text.
pub fn sign(text: &str, key: &SignerKey) -> Result<Vec<u8>, SignError> {
    Note::sign(text, key).map(|note| note.to_bytes())
}

/// The byte offset of the first control character other than newline (C2SP signed-note, "Format").
fn find_control(text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte < b' ' && byte != b'\n')
}

/// Why bytes are not a note. Whoever wrote or carried them is at fault; retrying does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNoteError {
    /// Larger than [`MAX_NOTE_BYTES`].
    #[error("note has {found_bytes} bytes, more than {MAX_NOTE_BYTES}")]
    TooLarge {
        /// The size in bytes.
        found_bytes: usize,
    },
    /// Not UTF-8.
    #[error("note is not utf-8 at byte {offset}")]
    NotUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// A control character other than newline.
    #[error("note has a control character at byte {offset}")]
    ControlCharacter {
        /// Where it stands.
        offset: usize,
    },
    /// No empty line with signatures behind it.
    #[error("note has no signatures")]
    NoSignatures,
    /// The last line does not end: the note was cut.
    #[error("note does not end in a newline")]
    Truncated,
    /// More than [`MAX_SIGNATURES`].
    #[error("note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A line behind the text is not a signature.
    #[error("signature {number} is malformed")]
    SignatureLine {
        /// Which signature, counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        cause: SignatureLineError,
    },
}

/// Why a line is not a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureLineError {
    /// Not em dash, space, name, space, base64.
    #[error("line is not of the form `— name base64`")]
    Layout,
    /// The name breaks the rules of [`KeyName`].
    #[error("key name is malformed")]
    Name(#[source] KeyNameError),
    /// Not canonical standard base64.
    #[error("signature is not canonical base64")]
    Base64,
    /// Shorter than a key id and one byte of signature.
    #[error("signature has {found_bytes} bytes, fewer than {KEYED_SIGNATURE_BYTES_MIN}")]
    Length {
        /// The decoded length in bytes.
        found_bytes: usize,
    },
}

/// Why a text cannot be signed as a note. The caller's text is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The text does not end in a newline (an empty text does not either).
    #[error("text does not end in a newline")]
    NoFinalNewline,
    /// The text has a control character other than newline.
    #[error("text has a control character at byte {offset}")]
    ControlCharacter {
        /// Where it stands.
        offset: usize,
    },
    /// The note would have more than [`MAX_NOTE_BYTES`].
    #[error("note would have {size_bytes} bytes, more than {MAX_NOTE_BYTES}")]
    TooLarge {
        /// The size that the note would have, in bytes.
        size_bytes: usize,
    },
    /// The note has [`MAX_SIGNATURES`] already.
    #[error("note has {MAX_SIGNATURES} signatures already")]
    TooManySignatures,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keyed = self.key_ref.id.0.to_be_bytes().to_vec();
        keyed.extend_from_slice(&self.bytes);
        write!(
            f,
            "{LINE_PREFIX}{} {}",
            self.key_ref.name,
            STANDARD.encode(keyed)
        )
    }
}
