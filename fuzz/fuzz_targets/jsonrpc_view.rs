//! The view of a JSON-RPC text: never panics, and cutting changes nothing.
#![no_main]

use affiant_capture::scan::Limits;
use affiant_capture::{Message, Scanner};

fn fuzz(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let mut cutting = Scanner::new(Limits::default(), ());
    for piece in bytes.chunks(usize::from(*cut).max(1)) {
        cutting.feed(piece);
    }
    assert_eq!(cutting.finish(), Message::parse(bytes));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
