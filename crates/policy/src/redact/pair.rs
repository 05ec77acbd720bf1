//! `key=value`, `key: value`, `<key>value</key>` and `--key value` in free text.
//!
//! The key rules apply there too: log lines, command lines, URL queries, form bodies, HTTP headers,
//! connection strings, broken or truncated JSON. A value reaches to its closing quote; without quotes
//! to white space or one of `, ; & < >` or a quote; for rules with `reach = "line"` to the end of the
//! line, or to the quote that opened before the key.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::engine::Engine;
use super::json::Cursor;
use super::key::fold;
use super::rule::Reach;
use super::scope::Scope;

/// Reports each value with the rule of its key.
pub(crate) fn find(
    text: &str,
    engine: &Engine,
    scope: &Scope,
    folded: &mut Vec<u8>,
    mut found: impl FnMut(Range<usize>, usize),
) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in memchr::memchr3_iter(b'=', b':', b'>', bytes) {
        if at >= done
            && let Some((range, place)) = pair_at(text, at, 1, engine, scope, folded)
        {
            done = range.end;
            found(range, place);
        }
    }
    // Each of the three kinds goes on behind what it found, so that no byte is read twice for one.
    let mut done = 0;
    for at in memchr::memchr_iter(b'%', bytes) {
        if at >= done
            && matches!(bytes.get(at..at.saturating_add(3)), Some(b"%3D" | b"%3d"))
            && let Some((range, place)) = pair_at(text, at, 3, engine, scope, folded)
        {
            done = range.end;
            found(range, place);
        }
    }
    let mut done = 0;
    for at in DASHES.find_iter(bytes) {
        if at >= done
            && let Some((range, place)) = flag_at(text, at, engine, scope, folded)
        {
            done = range.end;
            found(range, place);
        }
    }
}

/// The pair whose separator stands at `at`.
fn pair_at(
    text: &str,
    at: usize,
    separator: usize,
    engine: &Engine,
    scope: &Scope,
    folded: &mut Vec<u8>,
) -> Option<(Range<usize>, usize)> {
    let bytes = text.as_bytes();
    let name = name_before(bytes, at)?;
    let xml = bytes.get(at) == Some(&b'>');
    if xml && byte_before(bytes, name.start) != Some(b'<') {
        return None;
    }
    let place = rule_of(text, &name, engine, scope, folded)?;
    let after = at.saturating_add(separator);
    let range = if xml {
        after..position(bytes, after, |byte| byte == b'<')
    } else {
        value_after(text, after, &name, engine.reach(place))?
    };
    is_value(text.get(range.clone())?).then_some((range, place))
}

/// The rule of a name, or of the name and the word before it (`API key: …`).
fn rule_of(
    text: &str,
    name: &Range<usize>,
    engine: &Engine,
    scope: &Scope,
    folded: &mut Vec<u8>,
) -> Option<usize> {
    fold(text.get(name.clone())?, folded);
    if let Some(place) = engine.rule_of_key(folded, scope) {
        return Some(place);
    }
    let space = name.start.checked_sub(1)?;
    let bytes = text.as_bytes();
    if bytes.get(space) != Some(&b' ') {
        return None;
    }
    let word = word_before(bytes, space);
    fold(text.get(word.start..name.end)?, folded);
    engine
        .rule_of_key(folded, scope)
        .filter(|_| !word.is_empty())
}

/// The name that ends before a separator: past blanks, a closing quote with its backslashes, and
/// the `]` of a form field.
fn name_before(bytes: &[u8], separator: usize) -> Option<Range<usize>> {
    let mut end = separator;
    for _ in 0..PADDING_MAX {
        match byte_before(bytes, end) {
            Some(b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b']') => end = end.saturating_sub(1),
            Some(b'D' | b'd') if ends_with_escaped_bracket(bytes, end) => {
                end = end.saturating_sub(3)
            }
            _ => break,
        }
    }
    let mut name = word_before(bytes, end);
    // `%26token%3D`: the two digits belong to the escape.
    if byte_before(bytes, name.start) == Some(b'%') && name.len() > 2 {
        name.start = name.start.saturating_add(2);
    }
    (!name.is_empty()).then_some(name)
}

fn ends_with_escaped_bracket(bytes: &[u8], end: usize) -> bool {
    let tail = end.checked_sub(3).and_then(|start| bytes.get(start..end));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(b"%5D"))
}

fn word_before(bytes: &[u8], end: usize) -> Range<usize> {
    let before = bytes.get(..end).unwrap_or_default();
    let length = before
        .iter()
        .rev()
        .take(NAME_BYTES_MAX)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count();
    end.saturating_sub(length)..end
}

fn byte_before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|at| bytes.get(at)).copied()
}

/// The first place from `start` whose byte satisfies `stop`, or the end.
fn position(bytes: &[u8], start: usize, stop: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start.saturating_add(
        rest.iter()
            .position(|byte| stop(*byte))
            .unwrap_or(rest.len()),
    )
}

/// The value that starts behind a separator.
fn value_after(
    text: &str,
    separator_end: usize,
    name: &Range<usize>,
    reach: Reach,
) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let blanks = bytes
        .get(separator_end..)?
        .iter()
        .take(PADDING_MAX)
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'='))
        .count();
    let start = separator_end.saturating_add(blanks);
    if let Some(quoted) = quoted_at(bytes, start) {
        return Some(quoted);
    }
    if matches!(bytes.get(start), Some(b'{' | b'['))
        && let Ok(range) = Cursor::new(text, start).value(0)
    {
        return Some(range);
    }
    if reach == Reach::Line {
        let opened = byte_before(bytes, name.start).filter(|byte| is_quote(*byte));
        return Some(
            start..position(bytes, start, |byte| {
                matches!(byte, b'\n' | b'\r') || Some(byte) == opened
            }),
        );
    }
    Some(start..word_end(bytes, start))
}

/// The inside of a quoted text at `start`; the quotes may be escaped themselves.
fn quoted_at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let backslashes = bytes
        .get(start..)?
        .iter()
        .take_while(|byte| **byte == b'\\')
        .count();
    let open = start.saturating_add(backslashes);
    let quote = bytes.get(open).copied().filter(|byte| is_quote(*byte))?;
    let inside = open.saturating_add(1);
    let rest = bytes.get(inside..)?;
    let close = memchr::memchr_iter(quote, rest).find_map(|at| {
        let before = rest
            .get(..at)?
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        let closes = if backslashes == 0 {
            before % 2 == 0
        } else {
            before <= backslashes
        };
        closes.then(|| at.saturating_sub(if backslashes == 0 { 0 } else { before }))
    });
    Some(inside..inside.saturating_add(close.unwrap_or(rest.len())))
}

/// The end of a bare value; a scheme (`Bearer`) takes the next word with it.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let end = bare_end(bytes, start);
    let word = bytes.get(start..end).unwrap_or_default();
    let is_scheme = SCHEMES
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()));
    if is_scheme && bytes.get(end) == Some(&b' ') {
        bare_end(bytes, end.saturating_add(1))
    } else {
        end
    }
}

fn bare_end(bytes: &[u8], start: usize) -> usize {
    let end = position(bytes, start, |byte| {
        byte.is_ascii_whitespace()
            || matches!(byte, b',' | b';' | b'&' | b'<' | b'>')
            || is_quote(byte)
    });
    // In a query inside a query, `%26` is the `&`.
    let inner = bytes.get(start..end).unwrap_or_default();
    let escaped = memchr::memmem::find(inner, b"%26").map_or(end, |at| start.saturating_add(at));
    let after = bytes.get(escaped..end).unwrap_or_default();
    if memchr::memmem::find(after, b"%3D").is_some()
        || memchr::memmem::find(after, b"%3d").is_some()
    {
        escaped
    } else {
        end
    }
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Whether a text can be a secret at all.
fn is_value(text: &str) -> bool {
    !text.trim().is_empty() && !NO_VALUES.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `--name value`, where the dashes stand at `at`.
fn flag_at(
    text: &str,
    at: usize,
    engine: &Engine,
    scope: &Scope,
    folded: &mut Vec<u8>,
) -> Option<(Range<usize>, usize)> {
    let bytes = text.as_bytes();
    if byte_before(bytes, at).is_some_and(|byte| !byte.is_ascii_whitespace() && !is_quote(byte)) {
        return None;
    }
    let start = at.saturating_add(2);
    let end = position(bytes, start, |byte| {
        !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.')
    });
    let value = position(bytes, end, |byte| !matches!(byte, b' ' | b'\t'));
    if value == end || end.saturating_sub(start) > NAME_BYTES_MAX || bytes.get(value) == Some(&b'-')
    {
        return None;
    }
    fold(text.get(start..end)?, folded);
    let place = engine.rule_of_key(folded, scope)?;
    let range = quoted_at(bytes, value).unwrap_or_else(|| value..word_end(bytes, value));
    is_value(text.get(range.clone())?).then_some((range, place))
}

/// What a long flag starts with.
static DASHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"--"));

/// Longest name looked at, in bytes; of a longer one the end.
const NAME_BYTES_MAX: usize = 64;

/// Most blanks, quotes and brackets between name, separator and value.
const PADDING_MAX: usize = 12;

/// Authentication schemes that precede the credential proper.
const SCHEMES: &[&str] = &["bearer", "basic", "token", "apikey", "digest", "negotiate"];

/// Words that stand where a secret could, and are none.
const NO_VALUES: &[&str] = &["null", "true", "false", "none", "undefined"];
