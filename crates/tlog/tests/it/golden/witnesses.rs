//! The vectors of witnesses.

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::witness::AddCheckpoint;
use affiant_tlog::{ConsistencyProof, Note, TreeSize, leaf_hash};

use super::notes::other_key;
use super::{File, Files};
use crate::world::{
    checkpoint as head, checkpoint_over, leaves, log_key, proof as consistency, signed, with_text,
};

pub(super) fn witness() -> Files {
    let mut files = Files::new();
    let mut add = |file: &str, about: &str, expect: &str, remembered: Option<u64>, body: &str| {
        let remembered = remembered.map_or_else(
            || "nothing".to_owned(),
            |size| format!("{size} {}", head(size).root.to_base64()),
        );
        let text = File::new(about, expect)
            .line("log", log_key().verifier_key())
            .line("remembered", remembered)
            .section("request", body);
        files.insert(format!("{file}.txt"), text.text());
    };
    let ask = |old: u64, proof: ConsistencyProof, note: Note| {
        AddCheckpoint::new(TreeSize(old), proof, note)
            .unwrap()
            .to_string()
    };
    let grow = |old, new| ask(old, consistency(old, new), signed(new));
    let none = ConsistencyProof::default;
    add(
        "first",
        "A log the witness never saw.",
        "200",
        None,
        &grow(0, 5),
    );
    add("grown", "The log has grown.", "200", Some(5), &grow(5, 9));
    add(
        "same",
        "Nothing new: a fresh time is all there is to get.",
        "200",
        Some(9),
        &grow(9, 9),
    );
    add("empty", "A log without leaves.", "200", None, &grow(0, 0));
    add(
        "conflict-unknown",
        "The log does not know what the witness remembers.",
        "409 5",
        Some(5),
        &grow(0, 9),
    );
    add(
        "conflict-rollback",
        "The log goes on from an older state.",
        "409 9",
        Some(9),
        &grow(5, 7),
    );
    add(
        "conflict-ahead",
        "The log believes the witness to know more than it does.",
        "409 0",
        None,
        &grow(5, 9),
    );
    let mut forked = leaves(9);
    forked[1] = leaf_hash(b"another past");
    let fork = || checkpoint_over(&forked).sign(&log_key()).unwrap();
    let proof = affiant_tlog::consistency_proof(&forked, TreeSize(5)).unwrap();
    add(
        "refuse-fork",
        "Another history, longer than what is remembered.",
        "422",
        Some(5),
        &ask(5, proof, fork()),
    );
    add(
        "refuse-fork-same-size",
        "Another history of the same size.",
        "422",
        Some(9),
        &ask(9, none(), fork()),
    );
    add(
        "refuse-proof-missing",
        "No proof.",
        "422",
        Some(5),
        &ask(5, none(), signed(9)),
    );
    let mut extra = consistency(5, 9);
    extra.0.push(leaf_hash(b""));
    add(
        "refuse-proof-extra",
        "A hash too many.",
        "422",
        Some(5),
        &ask(5, extra, signed(9)),
    );
    add(
        "refuse-proof-from-nothing",
        "A proof where none is needed.",
        "422",
        None,
        &ask(0, consistency(5, 9), signed(9)),
    );
    let mut hollow = head(0);
    hollow.root = leaf_hash(b"");
    add(
        "refuse-empty-root",
        "No leaves, but another root than that of the empty tree.",
        "422",
        None,
        &ask(0, none(), hollow.sign(&log_key()).unwrap()),
    );
    add(
        "refuse-old-larger",
        "From a larger tree to a smaller.",
        "400",
        Some(9),
        &ask(9, none(), signed(5)),
    );
    let stranger = Note::sign(&head(9).to_string(), &other_key()).unwrap();
    add(
        "refuse-stranger",
        "Signed by another key of the same name.",
        "403",
        Some(5),
        &ask(5, consistency(5, 9), stranger),
    );
    let altered = with_text(&signed(8), "\n8\n", "\n9\n");
    add(
        "refuse-altered",
        "The size was altered.",
        "403",
        Some(5),
        &ask(5, consistency(5, 9), altered),
    );
    let mut foreign = head(5);
    foreign.origin = Origin::new("log.example/us-1").unwrap();
    add(
        "refuse-origin",
        "A log the witness is not configured for.",
        "404",
        None,
        &ask(0, none(), foreign.sign(&log_key()).unwrap()),
    );
    let good = grow(5, 9);
    for (file, about, body) in [
        (
            "malformed-zero",
            "An old size with a leading zero.",
            good.replacen("old 5", "old 05", 1),
        ),
        (
            "malformed-word",
            "Another first word.",
            good.replacen("old", "Old", 1),
        ),
        (
            "malformed-hash",
            "A hash cut short.",
            good.replacen("=\n", "\n", 1),
        ),
        (
            "malformed-return",
            "Lines that end in carriage return and newline.",
            good.replacen('\n', "\r\n", 1),
        ),
        ("malformed-hashes", "64 hashes.", {
            let hash = format!("{}\n", leaf_hash(b"").to_base64());
            format!("old 5\n{}\n{}", hash.repeat(64), signed(9))
        }),
    ] {
        add(file, about, "400", Some(5), &body);
    }
    files
}
