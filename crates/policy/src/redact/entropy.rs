//! Tokens that look random.
//!
//! Conservative, as most of what has no spaces is not secret. A token is a run of `A-Z a-z 0-9 + / _ -`
//! with `=` at its end. It looks random if it is long enough, but not as long as data; holds lower
//! case, upper case and digits; changes between them as often as chance does; and has enough Shannon
//! entropy. So UUIDs, hex digests, ULIDs, words, identifiers and paths stay.

use std::ops::Range;

use super::rule::Entropy;

/// Random-looking tokens of a text.
pub(crate) fn find(text: &str, entropy: Entropy, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while let Some(rest) = bytes
        .get(start..)
        .filter(|rest| rest.len() >= entropy.length_min)
    {
        // Where a token long enough would reach to; most do not.
        let reach = rest.get(..entropy.length_min).unwrap_or_default();
        if let Some(stop) = reach.iter().rposition(|byte| !is_token(*byte)) {
            start = start.saturating_add(stop).saturating_add(1);
            continue;
        }
        let length = rest.iter().take_while(|byte| is_token(**byte)).count();
        let end = start.saturating_add(length);
        if rest
            .get(..length)
            .is_some_and(|token| is_random(token, entropy))
        {
            let padding = rest
                .iter()
                .skip(length)
                .take(2)
                .take_while(|byte| **byte == b'=')
                .count();
            found(start..end.saturating_add(padding));
        }
        start = end.saturating_add(1);
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

fn is_random(token: &[u8], entropy: Entropy) -> bool {
    (entropy.length_min..=entropy.length_max).contains(&token.len())
        && has_three_kinds(token)
        && changes_often(token)
        && !is_path(token)
        && shannon_bits(token) >= entropy.bits
}

fn has_three_kinds(token: &[u8]) -> bool {
    token.iter().any(u8::is_ascii_lowercase)
        && token.iter().any(u8::is_ascii_uppercase)
        && token.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
}

/// Random base64 changes kind at 62 % of its steps, camel case and slugs at some 35 %.
fn changes_often(token: &[u8]) -> bool {
    let kinds: Vec<u8> = token.iter().filter_map(|byte| kind(*byte)).collect();
    let changes = kinds
        .iter()
        .zip(kinds.iter().skip(1))
        .filter(|(a, b)| a != b)
        .count();
    changes.saturating_mul(100) >= kinds.len().saturating_mul(42)
}

const fn kind(byte: u8) -> Option<u8> {
    match byte {
        b'a'..=b'z' => Some(0),
        b'A'..=b'Z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    }
}

/// A token with a slash, one of whose segments is a word of four lower-case letters or more.
fn is_path(token: &[u8]) -> bool {
    token.contains(&b'/')
        && token
            .split(|byte| matches!(byte, b'/' | b'-' | b'_'))
            .any(|segment| segment.len() >= 4 && segment.iter().skip(1).all(u8::is_ascii_lowercase))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "counts of a token of some hundred bytes"
)]
fn shannon_bits(token: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in token {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = token.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = *count as f64 / length;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{Entropy, find};

    fn tokens(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(
            text,
            Entropy {
                bits: 4.3,
                length_min: 32,
                length_max: 256,
            },
            |range| found.push(&text[range]),
        );
        found
    }

    #[test]
    fn random_tokens_are_found() {
        for token in [
            "wJa1rXUtnFEM9/K7Mq3Gt/bPxRf5CYhW2kL8vZd0",
            "q3vT9kLmZx7RbW2nYc8HdPs5GfJ4aUe6",
            "Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRkdISUpLTE0x",
        ] {
            assert_eq!(tokens(&format!("a {token} b")), [token]);
        }
    }

    #[test]
    fn what_is_not_random_stays() {
        for text in [
            "550e8400-e29b-41d4-a716-446655440000",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709da39a3ee5e6b4b0d3255bfef",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "getUserAccountByEmailAddressV2HandlerFactory3",
            "src/main/java/com/example/Project42/FooBarBazQux7Impl",
            "the-quick-brown-fox-jumps-over-the-lazy-dog-2024-11-05",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &"q3vT9kLmZx7RbW2nYc8HdPs5GfJ4aUe6".repeat(9),
        ] {
            assert!(tokens(text).is_empty(), "{text}");
        }
    }
}
