//! The same answer for every way of cutting the bytes.

use affiant_capture::framing::sse::{Event, Events};
use affiant_capture::framing::stdio::{Line, Lines};
use affiant_capture::scan::{Limits, Scan, Scanner, Tap};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::strategies::{cuts, damaged, json, message, pieces};

/// A tap that keeps the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keep(Vec<u8>);

impl Tap for Keep {
    type Out = Vec<u8>;

    fn update(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Bounds that small texts can hit.
const TIGHT: Limits = Limits {
    arguments_bytes_max: 24,
    tools_bytes_max: 24,
    captured_bytes_max: 100,
};

pub(crate) fn scan(parts: &[&[u8]], limits: Limits) -> Scan<Vec<u8>> {
    let mut scanner = Scanner::new(limits, Keep::default());
    parts.iter().for_each(|part| scanner.feed(part));
    scanner.finish()
}

fn lines(parts: &[&[u8]]) -> Vec<Line<Vec<u8>>> {
    let mut lines = Lines::new(TIGHT, Keep::default());
    collect(
        parts,
        |part| lines.push(part),
        |line, base| line.end += base,
    )
    .into_iter()
    .chain(lines.finish())
    .collect()
}

fn events(parts: &[&[u8]]) -> Vec<Event<Vec<u8>>> {
    let mut events = Events::new(TIGHT, Keep::default());
    collect(
        parts,
        |part| events.push(part),
        |event, base| event.end += base,
    )
    .into_iter()
    .chain(events.finish())
    .collect()
}

/// Pushes all parts; makes the ends of what came out offsets in the whole stream.
fn collect<T>(
    parts: &[&[u8]],
    mut push: impl FnMut(&[u8]) -> Vec<T>,
    shift: impl Fn(&mut T, usize),
) -> Vec<T> {
    let mut all = Vec::new();
    let mut base = 0;
    for part in parts {
        let mut found = push(part);
        found.iter_mut().for_each(|item| shift(item, base));
        all.extend(found);
        base += part.len();
    }
    all
}

fn text() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        damaged(json()),
        damaged(message()),
        damaged(
            vec(message(), 0..4)
                .prop_map(|all| format!("[{}]", all.join(",")))
                .boxed()
        ),
    ]
    .boxed()
}

fn stdio_stream() -> impl Strategy<Value = Vec<u8>> {
    let ending = select(vec![&b"\n"[..], b"\r\n", b"\n\n", b"\r\r\n", b""]);
    vec(
        (text(), ending).prop_map(|(text, ending)| [&text, ending].concat()),
        0..4,
    )
    .prop_map(|lines| lines.concat())
}

fn sse_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => text(),
        8 => select(vec![
            &b"data: "[..], b"data:", b"data", b"id: 1", b"id:\0", b"event: endpoint", b"event",
            b"retry: 10", b": comment", b"\xef\xbb\xbf", b"\xef\xbb", b"x: y",
        ]).prop_map(<[u8]>::to_vec),
        8 => select(vec![&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"])
            .prop_map(<[u8]>::to_vec),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn scanner_does_not_see_the_cuts(text in text(), cuts in cuts()) {
        let whole = scan(&[&text], TIGHT);
        prop_assert_eq!(&scan(&pieces(&text, &cuts), TIGHT), &whole);
        let single: Vec<_> = text.chunks(1).collect();
        prop_assert_eq!(&scan(&single, TIGHT), &whole);
    }

    #[test]
    fn lines_do_not_see_the_cuts(stream in stdio_stream(), cuts in cuts()) {
        let whole = lines(&[&stream]);
        prop_assert_eq!(&lines(&pieces(&stream, &cuts)), &whole);
        let single: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(&lines(&single), &whole);
        prop_assert_eq!(whole.iter().map(|line| line.bytes).sum::<u64>(), stream.len() as u64);
    }

    #[test]
    fn events_do_not_see_the_cuts(stream in sse_stream(), cuts in cuts()) {
        let whole = events(&[&stream]);
        prop_assert_eq!(&events(&pieces(&stream, &cuts)), &whole);
        let single: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(&events(&single), &whole);
    }

    #[test]
    fn scanner_takes_any_bytes(bytes in vec(any::<u8>(), 0..64), cuts in cuts()) {
        prop_assert_eq!(scan(&pieces(&bytes, &cuts), TIGHT), scan(&[&bytes], TIGHT));
        prop_assert_eq!(lines(&pieces(&bytes, &cuts)), lines(&[&bytes]));
        prop_assert_eq!(events(&pieces(&bytes, &cuts)), events(&[&bytes]));
    }

    #[test]
    fn tap_sees_exactly_the_message(text in text()) {
        for message in scan(&[&text], Limits::default()).messages {
            let start = usize::try_from(message.offset).unwrap();
            let end = start + usize::try_from(message.bytes).unwrap();
            prop_assert_eq!(&message.digest, &text[start..end]);
        }
    }
}

#[test]
fn every_two_cuts_of_a_hard_text_give_the_same() {
    let text = "\u{feff}[{\"jsonrpc\":\"2.0\",\"\\u0069d\":-1.5e+10,\"method\":\"t\\ud83d\\ude00\\ud800x\",\
                \"params\":{\"name\":\"é😀\",\"arguments\":{\"k\":[-Infinity,NaN],\"k\":0}}},1,\"\\\\\"] ,";
    let stream = format!("{text}\r\n{text}\n");
    let event = format!("\u{feff}id: 1\r\ndata: {text}\r\ndata: 1\r\n\r\n: c\rdata:x\n\r\n");
    for (a, b) in (0..=event.len()).flat_map(|b| (0..=b).map(move |a| (a, b))) {
        assert_eq!(
            scan(&thirds(text.as_bytes(), a, b), TIGHT),
            scan(&[text.as_bytes()], TIGHT)
        );
        assert_eq!(
            lines(&thirds(stream.as_bytes(), a, b)),
            lines(&[stream.as_bytes()])
        );
        assert_eq!(
            events(&thirds(event.as_bytes(), a, b)),
            events(&[event.as_bytes()])
        );
    }
}

fn thirds(bytes: &[u8], a: usize, b: usize) -> [&[u8]; 3] {
    let (a, b) = (a.min(bytes.len()), b.min(bytes.len()));
    [&bytes[..a], &bytes[a..b], &bytes[b..]]
}
