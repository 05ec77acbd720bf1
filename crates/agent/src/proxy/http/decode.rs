//! Content codings undone on a copy, within bounds; what is forwarded stays coded.

use std::io::{self, Write};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Decoded bytes a body may have without regard to its size on the wire.
pub(super) const DECODED_BYTES_FREE: u64 = 64 << 20;
/// Decoded bytes a body may have beyond that for each byte on the wire.
pub(super) const DECODED_BYTES_PER_WIRE_BYTE: u64 = 100;

/// A content coding ([RFC 9110 section 8.4.1](https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// None.
    Identity,
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`: zlib, or the raw form some senders mean by it.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

impl Coding {
    /// The coding of a body; `None` if it is one that cannot be undone here, or several.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut found = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            for token in value.to_str().ok()?.split(',') {
                let next = Self::named(token.trim())?;
                match (found, next) {
                    (_, Self::Identity) => {}
                    (Self::Identity, _) => found = next,
                    _ => return None,
                }
            }
        }
        Some(found)
    }

    fn named(token: &str) -> Option<Self> {
        let token = token.to_ascii_lowercase();
        Some(match token.as_str() {
            "" | "identity" => Self::Identity,
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

/// Why a copy could not be decoded. Whoever sent the body is at fault; the body was forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// The bytes are not in the coding they are declared in.
    #[error("body is not in its declared content coding")]
    Damaged,
    /// It unpacks to more than the bounds of this module allow.
    #[error("body decodes to more than the bound")]
    TooLarge,
}

/// Takes the bytes of a body as they come and hands the decoded ones to `W` at once.
pub(super) struct Decoder<W: Write> {
    state: State<W>,
    failed: Option<DecodeError>,
}

enum State<W: Write> {
    Identity(Bounded<W>),
    Gzip(Box<flate2::write::MultiGzDecoder<Bounded<W>>>),
    /// The first byte tells zlib from raw deflate.
    DeflateAwaited(Option<Bounded<W>>),
    Zlib(Box<flate2::write::ZlibDecoder<Bounded<W>>>),
    Deflate(Box<flate2::write::DeflateDecoder<Bounded<W>>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Bounded<W>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Bounded<W>>>),
}

impl<W: Write> Decoder<W> {
    /// A decoder for one body. `None` if the decoder cannot be made.
    pub(super) fn new(coding: Coding, sink: W) -> Option<Self> {
        let bounded = coding != Coding::Identity;
        let sink = Bounded {
            sink,
            allowance: DECODED_BYTES_FREE,
            bounded,
            spent: false,
        };
        let state = match coding {
            Coding::Identity => State::Identity(sink),
            Coding::Gzip => State::Gzip(Box::new(flate2::write::MultiGzDecoder::new(sink))),
            Coding::Deflate => State::DeflateAwaited(Some(sink)),
            Coding::Brotli => State::Brotli(Box::new(
                brotli_decompressor::DecompressorWriter::new(sink, BROTLI_BUFFER_BYTES),
            )),
            Coding::Zstd => State::Zstd(Box::new(zstd::stream::write::Decoder::new(sink).ok()?)),
        };
        Some(Self {
            state,
            failed: None,
        })
    }

    /// Takes the next bytes; nothing happens after a failure.
    ///
    /// # Errors
    /// The first time the copy cannot be decoded.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if bytes.is_empty() || self.failed.is_some() {
            return Ok(());
        }
        self.choose_deflate(bytes);
        if let Some(sink) = self.sink_mut() {
            let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            sink.allowance = sink
                .allowance
                .saturating_add(more.saturating_mul(DECODED_BYTES_PER_WIRE_BYTE));
        }
        let written = match &mut self.state {
            State::Identity(to) => write_on(to, bytes),
            State::Gzip(to) => write_on(to.as_mut(), bytes),
            State::DeflateAwaited(_) => Ok(()),
            State::Zlib(to) => write_on(to.as_mut(), bytes),
            State::Deflate(to) => write_on(to.as_mut(), bytes),
            State::Brotli(to) => write_on(to.as_mut(), bytes),
            State::Zstd(to) => write_on(to.as_mut(), bytes),
        };
        written.map_err(|_| {
            let spent = self.sink_mut().is_some_and(|sink| sink.spent);
            let error = if spent {
                DecodeError::TooLarge
            } else {
                DecodeError::Damaged
            };
            self.failed = Some(error);
            error
        })
    }

    /// Where the decoded bytes went.
    pub(super) fn sink(&mut self) -> Option<&mut W> {
        self.sink_mut().map(|bounded| &mut bounded.sink)
    }

    fn choose_deflate(&mut self, bytes: &[u8]) {
        let State::DeflateAwaited(sink) = &mut self.state else {
            return;
        };
        let (Some(sink), Some(first)) = (sink.take(), bytes.first()) else {
            return;
        };
        // RFC 1950: the low four bits of a zlib stream's first byte are 8.
        self.state = if first & 0x0f == 8 {
            State::Zlib(Box::new(flate2::write::ZlibDecoder::new(sink)))
        } else {
            State::Deflate(Box::new(flate2::write::DeflateDecoder::new(sink)))
        };
    }

    fn sink_mut(&mut self) -> Option<&mut Bounded<W>> {
        match &mut self.state {
            State::Identity(sink) => Some(sink),
            State::Gzip(decoder) => Some(decoder.get_mut()),
            State::DeflateAwaited(sink) => sink.as_mut(),
            State::Zlib(decoder) => Some(decoder.get_mut()),
            State::Deflate(decoder) => Some(decoder.get_mut()),
            State::Brotli(decoder) => Some(decoder.get_mut()),
            State::Zstd(decoder) => Some(decoder.get_mut()),
        }
    }
}

/// Writes and flushes, so that an event that has come whole is seen whole.
fn write_on(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Refuses what goes over the allowance.
struct Bounded<W> {
    sink: W,
    allowance: u64,
    bounded: bool,
    spent: bool,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bounded {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let Some(left) = self.allowance.checked_sub(length) else {
                self.spent = true;
                return Err(io::ErrorKind::FileTooLarge.into());
            };
            self.allowance = left;
        }
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

const BROTLI_BUFFER_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

    fn decoded(coding: Coding, wire: &[u8], step: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(coding, Vec::new()).unwrap();
        for piece in wire.chunks(step) {
            decoder.push(piece).unwrap();
        }
        decoder.sink().unwrap().clone()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    #[test]
    fn every_coding_is_undone_however_it_is_cut() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(TEXT).unwrap();
        let raw = raw.finish().unwrap();

        let brotli = brotli_stored(TEXT);
        for step in [1, 7, 4096] {
            assert_eq!(decoded(Coding::Identity, TEXT, step), TEXT);
            assert_eq!(decoded(Coding::Gzip, &gzip(TEXT), step), TEXT);
            assert_eq!(decoded(Coding::Deflate, &zlib, step), TEXT);
            assert_eq!(decoded(Coding::Deflate, &raw, step), TEXT);
            assert_eq!(
                decoded(Coding::Zstd, &zstd::encode_all(TEXT, 1).unwrap(), step),
                TEXT
            );
            assert_eq!(decoded(Coding::Brotli, &brotli, step), TEXT);
        }
    }

    /// RFC 7932: window bits 16 (one zero bit), then an uncompressed meta-block, then an empty last one.
    fn brotli_stored(text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap() - 1;
        // WBITS=0, ISLAST=0, MNIBBLES=00 (four nibbles), MLEN-1 in 16 bits, ISUNCOMPRESSED=1.
        let bits = (length << 4) | (1 << 20);
        let mut out = bits.to_le_bytes()[..3].to_vec();
        out.extend_from_slice(text);
        out.push(0b11);
        out
    }

    #[test]
    fn an_event_flushed_by_the_sender_is_seen_at_once() {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(TEXT).unwrap();
        to.flush().unwrap();
        assert_eq!(decoded(Coding::Gzip, to.get_ref(), 5), TEXT);
    }

    #[test]
    fn a_bomb_is_cut_off_and_reported_once() {
        // As tight as it gets: how tight "fast" is, depends on the library behind flate2.
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        to.write_all(&vec![b' '; 200 << 20]).unwrap();
        let bomb = to.finish().unwrap();
        let mut decoder = Decoder::new(Coding::Gzip, io::sink()).unwrap();
        let errors: Vec<_> = bomb
            .chunks(1 << 12)
            .filter_map(|c| decoder.push(c).err())
            .collect();
        assert_eq!(errors, [DecodeError::TooLarge]);
    }

    #[test]
    fn bytes_that_are_not_in_the_coding_are_damage() {
        let mut decoder = Decoder::new(Coding::Gzip, io::sink()).unwrap();
        assert_eq!(
            decoder.push(b"certainly not gzip"),
            Err(DecodeError::Damaged)
        );
        assert_eq!(decoder.push(b"nor this"), Ok(()));
    }

    #[test]
    fn unknown_and_stacked_codings_are_not_guessed() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static(value));
            Coding::of(&headers)
        };
        assert_eq!(of("GZIP"), Some(Coding::Gzip));
        assert_eq!(of("identity, br"), Some(Coding::Brotli));
        assert_eq!(of("aes128gcm"), None);
        assert_eq!(of("gzip, br"), None);
        assert_eq!(Coding::of(&HeaderMap::new()), Some(Coding::Identity));
    }
}
