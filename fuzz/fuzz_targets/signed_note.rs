//! C2SP signed notes from any bytes.
#![no_main]

use affiant_tlog::Note;

fn fuzz(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_bytes(), data);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
