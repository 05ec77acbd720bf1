//! Making a record fit into a leaf that was too long for it.

use std::borrow::Cow;

use affiant_entry::call::{Call, Input};
use affiant_entry::record::{Anomaly, AnomalyFact, Body, Record};
use affiant_entry::{CommitKey, Fact};

/// Cuts what is unbounded in a record: first lists and inputs, and if that was not it, all but a
/// notice that something did not fit.
pub(super) fn shrink(record: &mut Record, bytes: usize, key: &CommitKey, server: &str) {
    if let Body::CallBegin(call) | Body::CallEnd(call, _) = &mut record.body {
        withhold(call, key);
    } else if let Body::CallReclosed(call) = &mut record.body {
        call.withhold_input(key);
    } else if let Body::Manifest(manifest) = &mut record.body
        && manifest.names.len()
            + manifest.added.len()
            + manifest.removed.len()
            + manifest.changed.len()
            > 0
    {
        manifest.names.clear();
        manifest.added.clear();
        manifest.removed.clear();
        manifest.changed.clear();
    } else {
        record.body = notice(record.body.kind(), bytes, server);
    }
}

fn notice(kind: &'static str, bytes: usize, server: &str) -> Body {
    Body::Anomaly(Anomaly {
        code: Cow::Borrowed("entry-too-long"),
        server: server.to_owned(),
        session: Fact::absent("the entry did not fit"),
        direction: Fact::absent("the entry did not fit"),
        facts: [
            (
                Cow::Borrowed("kind"),
                AnomalyFact::Word(Cow::Borrowed(kind)),
            ),
            (
                Cow::Borrowed("bytes"),
                AnomalyFact::Number(u64::try_from(bytes).unwrap_or(u64::MAX)),
            ),
        ]
        .into(),
    })
}

fn withhold(call: &mut Call, key: &CommitKey) {
    let (bytes, commit) = call.input.json().map_or_else(
        || (0, key.commit("input", b"")),
        |json| {
            (
                u64::try_from(json.len()).unwrap_or(u64::MAX),
                key.commit("input", json.as_bytes()),
            )
        },
    );
    call.input = Input::withheld(Cow::Borrowed("the entry would be too long"), bytes, commit);
}
