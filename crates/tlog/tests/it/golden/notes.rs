//! The vectors of checkpoints and cosignatures.

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::{CosignerSigner, PosixTime};
use affiant_tlog::{Note, SignerKey};

use super::{File, Files};
use crate::world::{
    LOG, NOW, checkpoint as head, cosigned, log_key, name, signed, with_text, witness as cosigner,
};

pub(super) fn pq() -> CosignerSigner {
    CosignerSigner::ml_dsa_44(name("witness.example/pq"), &[109; 32]).unwrap()
}

pub(super) fn other_key() -> SignerKey {
    SignerKey::from_seed(name(LOG), &[2; 32])
}

pub(super) fn checkpoint() -> Files {
    let mut files = Files::new();
    let mut add = |file: &str, about: &str, expect: &str, note: &str| {
        let mut text = File::new(about, expect).line("log", log_key().verifier_key());
        if expect == "open" {
            let size = note.lines().nth(1).unwrap().parse().unwrap();
            text = text
                .line("size", size)
                .line("root", head(size).root.to_base64());
        }
        files.insert(format!("{file}.txt"), text.section("note", note).text());
    };
    let sign = |text: &str| Note::sign(text, &log_key()).unwrap().to_string();
    let good = signed(5).to_string();
    let body = head(5).to_string();
    add(
        "empty",
        "A log without leaves.",
        "open",
        &signed(0).to_string(),
    );
    add("five", "A log of five leaves.", "open", &good);
    let mut both = signed(5);
    both.add_signature(&other_key()).unwrap();
    add(
        "two-keys",
        "The log rotates its key: it signs with both.",
        "open",
        &both.to_string(),
    );
    let witnessed = cosigned(signed(5), &[&cosigner(1), &pq()]).to_string();
    add(
        "cosigned",
        "Lines of types this verifier has no key for are ignored.",
        "open",
        &witnessed,
    );
    let stranger = Note::sign(&body, &other_key()).unwrap().to_string();
    add(
        "refuse-stranger",
        "Another key of the same name.",
        "refuse unknown-key",
        &stranger,
    );
    let size = with_text(&signed(5), "\n5\n", "\n6\n").to_string();
    add(
        "refuse-size",
        "The size was altered.",
        "refuse bad-signature",
        &size,
    );
    add(
        "refuse-second-line",
        "Two lines name the log's key, and the second is not its signature.",
        "refuse bad-signature",
        &format!("{good}{}\n", signed(6).signatures()[0]),
    );
    let mut foreign = head(5);
    foreign.origin = Origin::new("log.example/us-1").unwrap();
    add(
        "refuse-origin",
        "The key speaks for another log.",
        "refuse other-origin",
        &sign(&foreign.to_string()),
    );
    add(
        "refuse-extension",
        "A line behind the root.",
        "refuse extension-line",
        &sign(&format!("{body}more\n")),
    );
    for (file, about, text) in [
        (
            "refuse-zero",
            "A size with a leading zero.",
            body.replace("\n5\n", "\n05\n"),
        ),
        (
            "refuse-sign",
            "A size with a sign.",
            body.replace("\n5\n", "\n+5\n"),
        ),
        (
            "refuse-huge",
            "A size above 2^63-1.",
            body.replace("\n5\n", "\n9223372036854775808\n"),
        ),
        (
            "refuse-root",
            "A root without padding.",
            body.replace("=\n", "\n"),
        ),
        ("refuse-short", "A root of 31 bytes.", {
            let mut lines: Vec<&str> = body.lines().collect();
            lines[2] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
            lines.join("\n") + "\n"
        }),
        ("refuse-two-lines", "No root.", format!("{LOG}\n5\n")),
        (
            "refuse-empty-line",
            "An empty line behind the root.",
            format!("{body}\n"),
        ),
    ] {
        add(file, about, "refuse not-a-checkpoint", &sign(&text));
    }
    add(
        "refuse-base64",
        "A signature whose base64 has bits to spare.",
        "refuse not-a-note",
        &{
            let line = signed(5).signatures()[0].to_string();
            let (rest, last) = line.split_at(line.len() - 2);
            let respelled = format!("{rest}{}=", char::from(last.as_bytes()[0] + 1));
            assert_ne!(respelled, line);
            good.replace(&line, &respelled)
        },
    );
    files
}

pub(super) fn cosignature() -> Files {
    let mut files = Files::new();
    let mut add = |file: &str, about: &str, expect: &str, witness: &CosignerSigner, note: &str| {
        let text = File::new(about, expect)
            .line("witness", witness.key())
            .section("note", note);
        files.insert(format!("{file}.txt"), text.text());
    };
    let now = format!("cosigned {NOW}");
    let ed = cosigner(1);
    for (suffix, signer) in [("ed25519", &ed), ("ml-dsa-44", &pq())] {
        let good = cosigned(signed(5), &[signer]);
        add(
            suffix,
            "The log's signature and a cosignature.",
            &now,
            signer,
            &good.to_string(),
        );
        let altered = with_text(&good, "\n5\n", "\n6\n").to_string();
        add(
            &format!("refuse-{suffix}"),
            "The size was altered.",
            "refuse",
            signer,
            &altered,
        );
        let mut moved = signed(5);
        moved
            .attach(signer.cosign(signed(6).text(), NOW).unwrap())
            .unwrap();
        add(
            &format!("refuse-{suffix}-other"),
            "A cosignature over another checkpoint.",
            "refuse",
            signer,
            &moved.to_string(),
        );
    }
    let mut timeless = signed(5);
    timeless
        .attach(pq().cosign(timeless.text(), PosixTime(0)).unwrap())
        .unwrap();
    add(
        "ml-dsa-44-timeless",
        "Time zero: consistent, but not said to be the newest.",
        "cosigned 0",
        &pq(),
        &timeless.to_string(),
    );
    add(
        "absent",
        "Only another witness cosigned.",
        "absent",
        &cosigner(2),
        &cosigned(signed(5), &[&ed]).to_string(),
    );
    let later = ed.cosign(signed(5).text(), PosixTime(NOW.0 + 60)).unwrap();
    add(
        "twice",
        "Two lines by one key: the later counts.",
        &format!("cosigned {}", NOW.0 + 60),
        &ed,
        &format!("{}{later}\n", cosigned(signed(5), &[&ed])),
    );
    let extended = Note::sign(&format!("{}more\n", head(5)), &log_key()).unwrap();
    add(
        "extension-ed25519",
        "Ed25519 covers extension lines.",
        &now,
        &ed,
        &cosigned(extended, &[&ed]).to_string(),
    );
    files
}
