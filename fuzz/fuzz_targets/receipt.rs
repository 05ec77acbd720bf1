//! Receipts, problems and rosters from any bytes: what is read is written and read the same.
#![no_main]

use affiant_entry::receipt::{Problem, Receipt};
use affiant_entry::roster::Roster;

fn fuzz(data: &[u8]) {
    if let Ok(receipt) = Receipt::parse(data) {
        assert_eq!(
            Receipt::parse(&receipt.to_json()).expect("it was written"),
            receipt
        );
    }
    if let Ok(problem) = Problem::parse(data) {
        assert_eq!(
            Problem::parse(&problem.to_json()).expect("it was written"),
            problem
        );
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(roster) = Roster::parse_text(text)
    {
        assert_eq!(roster.to_text(), text);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
