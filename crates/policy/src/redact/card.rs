//! Payment card numbers (ISO/IEC 7812-1): 13 to 19 digits that satisfy the Luhn check.

use std::ops::Range;

use super::rule::Cards;

/// Card numbers in a text: digits without separators, or in groups of 2 to 7 with one space or dash
/// between. A run that touches a letter, a further digit group or a decimal point is none.
pub(crate) fn find(text: &str, cards: Cards, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = bytes
        .iter()
        .skip(at)
        .position(u8::is_ascii_digit)
        .map(|skip| at.saturating_add(skip))
    {
        let run = Run::read(bytes, start);
        if run.digits.len() >= 13 && !touches_before(bytes, start) && !touches_after(bytes, run.end)
        {
            run.cards(cards, &mut found);
        }
        at = run.end.max(start.saturating_add(1));
    }
}

/// Whether the text of a JSON number is a card number.
pub(crate) fn is_card_number(number: &str, cards: Cards) -> bool {
    let number = number.strip_prefix('-').unwrap_or(number);
    let whole = match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => number,
    };
    let digits: Vec<u8> = whole
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|byte| byte.wrapping_sub(b'0'))
        .collect();
    digits.len() == whole.len() && is_card(&digits, cards)
}

/// Digits with at most one separator between two of them.
struct Run {
    /// Value of each digit and where it stands.
    digits: Vec<(u8, usize)>,
    end: usize,
}

/// Longest run looked at: two card numbers side by side, or a number in a longer one.
const RUN_DIGITS_MAX: usize = 64;

impl Run {
    fn read(bytes: &[u8], start: usize) -> Self {
        let mut run = Self {
            digits: Vec::new(),
            end: start,
        };
        let mut separator = false;
        for (at, byte) in bytes.iter().enumerate().skip(start) {
            if byte.is_ascii_digit() {
                if run.digits.len() < RUN_DIGITS_MAX {
                    run.digits.push((byte.wrapping_sub(b'0'), at));
                } else {
                    run.digits.clear();
                    run.digits.push((0, at));
                }
                run.end = at.saturating_add(1);
                separator = false;
            } else if matches!(byte, b' ' | b'-') && !separator {
                separator = true;
            } else {
                break;
            }
        }
        run
    }

    /// The card numbers in the run: spans of whole groups.
    fn cards(&self, cards: Cards, found: &mut impl FnMut(Range<usize>)) {
        let mut first = 0;
        while first < self.digits.len() {
            let hit = (13..=19)
                .rev()
                .find_map(|length| self.card_at(first, length, cards));
            if let Some((range, next)) = hit {
                found(range);
                first = next;
            } else {
                first = first.saturating_add(1);
            }
        }
    }

    fn card_at(&self, first: usize, length: usize, cards: Cards) -> Option<(Range<usize>, usize)> {
        let next = first.checked_add(length)?;
        let digits = self.digits.get(first..next)?;
        let (_, start) = *digits.first()?;
        let (_, last) = *digits.last()?;
        let end = last.saturating_add(1);
        let joined_before = first
            .checked_sub(1)
            .and_then(|at| self.digits.get(at))
            .is_some_and(|(_, at)| at.saturating_add(1) == start);
        let joined_after = self.digits.get(next).is_some_and(|(_, at)| *at == end);
        let values: Vec<u8> = digits.iter().map(|(value, _)| *value).collect();
        (!joined_before && !joined_after && grouped(digits) && is_card(&values, cards))
            .then_some((start..end, next))
    }
}

/// No group of one digit, none of more than 7 unless there is one group only.
fn grouped(digits: &[(u8, usize)]) -> bool {
    let mut groups = vec![1_usize];
    for (before, after) in digits.iter().zip(digits.iter().skip(1)) {
        if before.1.saturating_add(1) == after.1 {
            if let Some(last) = groups.last_mut() {
                *last = last.saturating_add(1);
            }
        } else {
            groups.push(1);
        }
    }
    groups.len() == 1 || groups.iter().all(|length| (2..=7).contains(length))
}

fn touches_before(bytes: &[u8], start: usize) -> bool {
    let mut before = bytes.get(..start).unwrap_or_default().iter().rev();
    match before.next() {
        Some(b'.' | b',') => before.next().is_some_and(u8::is_ascii_digit),
        Some(byte) => byte.is_ascii_alphabetic() || *byte == b'_',
        None => false,
    }
}

fn touches_after(bytes: &[u8], end: usize) -> bool {
    let mut after = bytes.get(end..).unwrap_or_default().iter();
    match after.next() {
        Some(b'.' | b',') => after.next().is_some_and(u8::is_ascii_digit),
        Some(byte) => byte.is_ascii_alphabetic() || *byte == b'_',
        None => false,
    }
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
    }
}
