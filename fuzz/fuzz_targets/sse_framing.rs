//! Events of an SSE stream: the same outcome for every way of cutting the bytes.
#![no_main]

use affiant_capture::framing::sse::Events;
use affiant_capture::scan::Limits;

fn fuzz(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let step = usize::from(*cut).max(1);
    let mut whole = Events::new(Limits::default(), ());
    let mut cutting = Events::new(Limits::default(), ());
    let mut expected: Vec<_> = whole.push(bytes).into_iter().map(|e| (e.event, e.id, e.data_bytes, e.scan)).collect();
    expected.extend(whole.finish().map(|e| (e.event, e.id, e.data_bytes, e.scan)));
    let mut found = Vec::new();
    for piece in bytes.chunks(step) {
        found.extend(cutting.push(piece).into_iter().map(|e| (e.event, e.id, e.data_bytes, e.scan)));
    }
    found.extend(cutting.finish().map(|e| (e.event, e.id, e.data_bytes, e.scan)));
    assert_eq!(found, expected);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
