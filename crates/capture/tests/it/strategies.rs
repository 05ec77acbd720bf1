//! Texts that look like MCP traffic, and texts that look like trouble.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A JSON text with keys of MCP, in many spellings. Always well-formed.
pub(crate) fn json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        select(vec![
            "null", "true", "false", "0", "-0", "1", "-12", "1.50", "1e0", "2.5E-7"
        ])
        .prop_map(str::to_owned),
        string(),
        (0..u64::MAX).prop_map(|n| n.to_string()),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..5), space())
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(","))),
            (vec((key(), inner), 0..6), space()).prop_map(|(members, space)| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{key}:{space}{value}"))
                    .collect();
                format!("{{{}{space}}}", members.join(","))
            }),
        ]
    })
    .boxed()
}

/// A JSON-RPC message, mostly well-formed MCP; members in any order, some twice.
pub(crate) fn message() -> BoxedStrategy<String> {
    let member = prop_oneof![
        Just("\"jsonrpc\":\"2.0\"".to_owned()),
        json().prop_map(|id| format!("\"id\":{id}")),
        string().prop_map(|method| format!("\"method\":{method}")),
        (select(vec!["params", "result", "error"]), json())
            .prop_map(|(key, value)| format!("\"{key}\":{value}")),
        (key(), json()).prop_map(|(key, value)| format!("{key}:{value}")),
    ];
    vec(member, 0..6)
        .prop_map(|members| format!("{{{}}}", members.join(",")))
        .boxed()
}

/// A JSON string with its quotes: letters, escapes, other scripts, keys of MCP.
pub(crate) fn string() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        4 => "[a-z ]{0,40}",
        1 => select(vec![
            "\\n", "\\\"", "\\\\", "\\/", "\\u0061", "\\u00e9", "\\ud83d\\ude00", "é", "日本", "😀",
            "\u{7f}", "{", "]",
        ])
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..4)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
        .boxed()
}

/// A key with its quotes, often one that the scanner looks for.
pub(crate) fn key() -> BoxedStrategy<String> {
    prop_oneof![
        8 => select(vec![
            "id", "method", "params", "result", "error", "name", "arguments", "_meta", "task",
            "taskId", "status", "isError", "code", "message", "tools", "requestId", "serverInfo",
            "Name", "ID", "n\\u0061me", "io.modelcontextprotocol/serverInfo", "progressToken",
        ])
        .prop_map(|key| format!("\"{key}\"")),
        1 => string(),
    ]
    .boxed()
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\t", "  "])
}

/// Text that went wrong in a few places.
pub(crate) fn damaged(text: BoxedStrategy<String>) -> BoxedStrategy<Vec<u8>> {
    let damage = select(vec![
        &b"NaN"[..],
        b"-Infinity",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\udc00",
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"\x01",
        b"\n",
        b"\r",
        b"0",
        b"-",
        b".",
        b"e",
        b" ",
        b"\xef\xbb\xbf",
        b"nul",
        b"00",
        b"01",
        b"\\u12",
        b"",
    ]);
    (text, vec((any::<Index>(), damage, 0..3_usize), 0..3))
        .prop_map(|(text, damages)| {
            let mut text = text.into_bytes();
            for (index, damage, removed) in damages {
                let at = index.index(text.len() + 1);
                let end = (at + removed).min(text.len());
                text.splice(at..end, damage.iter().copied());
            }
            text
        })
        .boxed()
}

/// Some offsets at which to cut.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..8)
}

/// Cuts `bytes` at `cuts`; pieces may be empty.
pub(crate) fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut start = 0;
    at.into_iter()
        .map(|end| &bytes[std::mem::replace(&mut start, end)..end])
        .collect()
}
