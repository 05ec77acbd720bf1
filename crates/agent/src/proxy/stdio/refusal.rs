//! The answer to a call that the trail could not take.

use affiant_capture::message::{Kind, Message};

use crate::proxy::{NOT_RECORDED, NOT_RECORDED_TEXT};

/// One JSON-RPC error per request of a refused line, as one line: an array if the line was a batch.
pub(super) fn lines<O>(messages: &[Message<O>], batch: bool) -> Vec<u8> {
    let errors: Vec<String> = messages
        .iter()
        .filter(|message| message.kind == Kind::Request)
        .filter_map(|message| message.id.as_ref())
        .map(|id| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{{\"code\":{NOT_RECORDED},\"message\":\"{NOT_RECORDED_TEXT}\",\
                 \"data\":{{\"reason\":\"refused\"}}}}}}",
                String::from_utf8_lossy(id.raw())
            )
        })
        .collect();
    let mut out = if batch {
        format!("[{}]", errors.join(","))
    } else {
        errors.concat()
    };
    if errors.is_empty() {
        out.clear();
    } else {
        out.push('\n');
    }
    out.into_bytes()
}
