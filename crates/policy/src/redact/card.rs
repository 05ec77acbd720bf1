//! Payment card numbers (ISO/IEC 7812-1): 13 to 19 digits that satisfy the Luhn check.

use std::ops::Range;

use super::rule::Cards;

/// Card numbers in a text: digits without separators, or in groups of 2 to 7 with one space or dash
/// between. A number that touches a letter, more digits or a decimal point is none.
pub(crate) fn find(text: &str, cards: Cards, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    // The last groups of digits, each one separator behind the other.
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(group) = next_group(bytes, at) {
        at = group.end;
        if !groups
            .last()
            .is_some_and(|last| follows(bytes, last, &group))
        {
            groups.clear();
        } else if groups.len() >= GROUPS_MAX {
            groups.remove(0);
        }
        groups.push(group);
        if let Some(card) = card_at_end(bytes, &groups, cards) {
            found(card);
            groups.clear();
        }
    }
}

/// Most groups a number of 19 digits has.
const GROUPS_MAX: usize = 9;

fn next_group(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = bytes.get(at..)?;
    let skip = rest.iter().position(u8::is_ascii_digit)?;
    let length = rest
        .get(skip..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let start = at.saturating_add(skip);
    Some(start..start.saturating_add(length))
}

/// One space or dash stands between two groups.
fn follows(bytes: &[u8], last: &Range<usize>, group: &Range<usize>) -> bool {
    last.end.saturating_add(1) == group.start && matches!(bytes.get(last.end), Some(b' ' | b'-'))
}

/// The longest card number that ends with the last group.
fn card_at_end(bytes: &[u8], groups: &[Range<usize>], cards: Cards) -> Option<Range<usize>> {
    let end = groups.last()?.end;
    let (mut length, mut longest) = (0_usize, None);
    for (count, first) in groups.iter().rev().enumerate() {
        length = length.saturating_add(first.len());
        let alone = count == 0;
        if length > 19
            || (!alone
                && groups
                    .iter()
                    .rev()
                    .take(count.saturating_add(1))
                    .any(|group| !(2..=7).contains(&group.len())))
        {
            break;
        }
        let range = first.start..end;
        if length >= 13
            && !touches(bytes, &range)
            && is_card(&digits(bytes.get(range.clone())?), cards)
        {
            longest = Some(range);
        }
    }
    longest
}

fn digits(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| byte.wrapping_sub(b'0'))
        .collect()
}

/// A letter, or more of a decimal number, at either end.
fn touches(bytes: &[u8], range: &Range<usize>) -> bool {
    let before = bytes.get(..range.start).unwrap_or_default().iter().rev();
    let after = bytes.get(range.end..).unwrap_or_default().iter();
    joins(before) || joins(after)
}

fn joins<'b>(mut outward: impl Iterator<Item = &'b u8>) -> bool {
    match outward.next() {
        Some(b'.' | b',') => outward.next().is_some_and(u8::is_ascii_digit),
        Some(byte) => byte.is_ascii_alphabetic() || *byte == b'_',
        None => false,
    }
}

/// Whether the text of a JSON number is a card number.
pub(crate) fn is_card_number(number: &str, cards: Cards) -> bool {
    let number = number.strip_prefix('-').unwrap_or(number);
    let whole = match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => number,
    };
    let digits = digits(whole.as_bytes());
    digits.len() == whole.len() && is_card(&digits, cards)
}

fn is_card(digits: &[u8], cards: Cards) -> bool {
    let length_ok = (13..=19).contains(&digits.len());
    let issuer_ok = cards == Cards::Any || is_issued(digits);
    length_ok && issuer_ok && luhn(digits) && digits.iter().any(|digit| *digit != 0)
}

/// Luhn check (ISO/IEC 7812-1 annex B).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            match (place % 2, digit) {
                (0, digit) => digit,
                (_, digit @ 0..=4) => digit.saturating_mul(2),
                (_, digit) => digit.saturating_mul(2).saturating_sub(9),
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether the first four digits and the length are those of a known issuer.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0_u32, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u32::from(*digit))
    });
    let length = digits.len();
    match prefix {
        // Visa.
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard.
        5100..=5599 | 2221..=2720 => length == 16,
        // American Express.
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        // JCB, Discover, Mir.
        3528..=3589 | 6011 | 6440..=6599 | 2200..=2204 => (16..=19).contains(&length),
        // UnionPay, Maestro.
        6200..=6299 => (16..=19).contains(&length),
        5000..=5099 | 5600..=5899 | 6304 | 6759 | 6761..=6763 => (13..=19).contains(&length),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Cards, find, is_card_number};

    fn cards_in(text: &str, cards: Cards) -> Vec<&str> {
        let mut found = Vec::new();
        find(text, cards, |range| found.push(&text[range]));
        found
    }

    #[test]
    fn issued_numbers_are_found_with_and_without_separators() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "3782-822463-10005",
            "6011000990139424",
        ] {
            let text = format!("card {card}, thanks");
            assert_eq!(cards_in(&text, Cards::Issuers), [card]);
        }
        assert_eq!(
            cards_in("4111111111111111 5555555555554444", Cards::Issuers),
            ["4111111111111111", "5555555555554444"]
        );
        assert_eq!(
            cards_in(&"4111 1111 1111 1111 ".repeat(20), Cards::Issuers).len(),
            20
        );
        assert_eq!(
            cards_in("exp 12 4111111111111111 12", Cards::Issuers),
            ["4111111111111111"]
        );
    }

    #[test]
    fn what_only_looks_like_a_card_stays() {
        for text in [
            "4111111111111112",
            "1700000000000",
            "x4111111111111111",
            "4111111111111111.5",
            "0.4111111111111111",
            "41111111111111114111111111111111",
            "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
            "4111  1111 1111 1111",
            "0000000000000000",
        ] {
            assert!(cards_in(text, Cards::Issuers).is_empty(), "{text}");
        }
    }

    #[test]
    fn any_issuer_is_a_choice() {
        assert!(cards_in("9999999999999995", Cards::Issuers).is_empty());
        assert_eq!(
            cards_in("9999999999999995", Cards::Any),
            ["9999999999999995"]
        );
    }

    #[test]
    fn numbers_of_json_count() {
        for number in [
            "4111111111111111",
            "-4111111111111111",
            "4111111111111111.00",
        ] {
            assert!(is_card_number(number, Cards::Issuers), "{number}");
        }
        for number in [
            "4111111111111112",
            "4111111111111111e2",
            "4.111111111111111",
            "12",
        ] {
            assert!(!is_card_number(number, Cards::Issuers), "{number}");
        }
    }

    #[test]
    fn long_digit_runs_cost_linear_time() {
        assert!(cards_in(&"4".repeat(1 << 20), Cards::Any).is_empty());
        assert!(cards_in(&"4 ".repeat(1 << 20), Cards::Any).is_empty());
    }
}
