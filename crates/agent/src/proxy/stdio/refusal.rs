//! The answer to a call that the trail could not take.

use affiant_capture::message::{Kind, Message};

/// JSON-RPC error code of a refused call: outside the ranges that JSON-RPC and MCP reserve.
pub(super) const REFUSED_CODE: i64 = -31_002;

/// One JSON-RPC error per request of a refused line, as one line: an array if the line was a batch.
pub(super) fn lines<O>(messages: &[Message<O>], batch: bool) -> Vec<u8> {
    let errors: Vec<String> = messages
        .iter()
        .filter(|message| message.kind == Kind::Request)
        .filter_map(|message| message.id.as_ref())
        .map(|id| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{{\"code\":{REFUSED_CODE},\"message\":\"the audit trail cannot \
                 record this call, so it was not forwarded\",\"data\":{{\"reason\":\"refused\"}}}}}}",
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
