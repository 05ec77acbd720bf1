//! The strict reader of entries: what it takes, it gives back; and one that remembers shapes says the same.
#![no_main]

use std::cell::RefCell;

use affiant_entry::decode::{Reader, View};
use affiant_entry::{Decoded, Header};

thread_local! {
    static READER: RefCell<Reader> = RefCell::default();
}

fn fuzz(data: &[u8]) {
    READER.with_borrow_mut(|reader| {
        let remembered = reader.read(data).map(View::into_decoded);
        let fresh = Decoded::parse_any_kind(data);
        assert_eq!(format!("{remembered:?}"), format!("{fresh:?}"));
    });
    if let Ok(entry) = Decoded::parse(data) {
        assert_eq!(entry.bytes(), data);
        assert!(Header::parse(data).is_ok());
        let _ = entry.value();
        let _ = affiant_entry::decode::reclose(&entry, affiant_entry::Moment::default());
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
