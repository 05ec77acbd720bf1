//! Everything `affiant verify` must say no to.

use std::path::{Path, PathBuf};

use affiant_spool::{Frame, FrameKind, Item, Options, Reader, Spool};

use crate::sandbox::{Ran, Sandbox, copy};

const SPOOL: &str = "spools/crm";

/// Verifies a copy of the data directory after something was done to it.
fn after(sandbox: &Sandbox, attack: impl FnOnce(&Path)) -> Ran {
    let copied = sandbox.path("attacked");
    if copied.exists() {
        fs_err::remove_dir_all(&copied).unwrap();
    }
    copy(&sandbox.data(), &copied);
    attack(&copied);
    sandbox.run(["verify", copied.to_str().unwrap()])
}

type Frames = Vec<(FrameKind, Vec<u8>)>;

fn frames(spool: &Path) -> Frames {
    let mut reader = Reader::open(spool).unwrap();
    let mut frames = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Frame(frame) = item else {
            panic!("{item:?}")
        };
        frames.push((frame.kind, frame.payload));
    }
    frames
}

/// Puts frames where a spool was, as its own writer would have left them.
fn rewrite(spool: &Path, frames: &Frames) {
    fs_err::remove_dir_all(spool).unwrap();
    let (mut writer, _) = Spool::open(spool, Options::default()).unwrap();
    for (kind, payload) in frames {
        writer
            .append_group(&[Frame {
                kind: *kind,
                payload,
            }])
            .unwrap();
    }
    writer.close().unwrap();
}

/// The spool with its frames changed, and nothing else wrong with it.
fn with_frames(sandbox: &Sandbox, change: impl FnOnce(&mut Frames)) -> Ran {
    after(sandbox, |data| {
        let spool = data.join(SPOOL);
        let mut all = frames(&spool);
        change(&mut all);
        rewrite(&spool, &all);
    })
}

fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.record(3);
    assert_eq!(sandbox.verify().code, 0);
    sandbox
}

fn place_of(frames: &Frames, kind: &str) -> usize {
    let tag = format!("\"kind\":\"{kind}\"");
    let found = frames
        .iter()
        .position(|(_, payload)| String::from_utf8_lossy(payload).contains(&tag));
    found.unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn frames_written_again_as_they_were_still_verify() {
    let sandbox = recorded();
    let ran = with_frames(&sandbox, |_| {});
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    // A prime, so that every bit of a byte and every corner of a file comes by.
    const STRIDE: usize = 271;
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let data = sandbox.data();
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in [SPOOL, "keys/heads"] {
        let entries = fs_err::read_dir(data.join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let whole = fs_err::read(&file).unwrap();
        for bit in (0..whole.len() * 8).step_by(STRIDE) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs_err::write(&file, bytes).unwrap();
            let ran = sandbox.verify();
            assert_eq!(
                ran.code,
                1,
                "bit {bit} of {} was flipped\n{}",
                file.display(),
                ran.stdout
            );
        }
        fs_err::write(&file, whole).unwrap();
    }
    assert_eq!(sandbox.verify().code, 0);
}

#[test]
fn a_deleted_entry_is_noticed() {
    let sandbox = recorded();
    for kind in ["boot", "session", "call.begin", "call.end", "stop"] {
        let ran = with_frames(&sandbox, |frames| {
            frames.remove(place_of(frames, kind));
        });
        assert_eq!(ran.code, 1, "{kind} was deleted\n{}", ran.stdout);
    }
}

#[test]
fn a_deleted_seal_is_noticed() {
    let sandbox = recorded();
    let ran = with_frames(&sandbox, |frames| {
        frames.remove(place_of(frames, "seal"));
    });
    assert_eq!(ran.code, 1, "{}", ran.stdout);
}

#[test]
fn reordered_doubled_and_forged_entries_are_noticed() {
    let sandbox = recorded();
    let swapped = with_frames(&sandbox, |frames| {
        let at = place_of(frames, "call.begin");
        frames.swap(at, at + 1);
    });
    assert_eq!(swapped.code, 1, "{}", swapped.stdout);
    let doubled = with_frames(&sandbox, |frames| {
        let at = place_of(frames, "call.end");
        frames.insert(at, frames[at].clone());
    });
    assert_eq!(doubled.code, 1, "{}", doubled.stdout);
    let forged = with_frames(&sandbox, |frames| {
        let at = place_of(frames, "call.end");
        let text = String::from_utf8(frames[at].1.clone()).unwrap();
        assert!(text.contains("\"code\":\"success\""), "{text}");
        frames[at].1 = text
            .replace("\"code\":\"success\"", "\"code\":\"failure\"")
            .into_bytes();
    });
    assert_eq!(forged.code, 1, "{}", forged.stdout);
    assert!(forged.stdout.contains("root differs"), "{}", forged.stdout);
    let added = with_frames(&sandbox, |frames| {
        let at = place_of(frames, "call.end");
        let mut text = String::from_utf8(frames[at].1.clone()).unwrap();
        text = text.replacen("\"n\":", "\"m\":", 1);
        frames.insert(at + 1, (FrameKind::Entry, text.into_bytes()));
    });
    assert_eq!(added.code, 1, "{}", added.stdout);
}

#[test]
fn a_tail_cut_across_a_seal_is_noticed() {
    let sandbox = recorded();
    let total = frames(&sandbox.data().join(SPOOL)).len();
    for kept in 1..total {
        let ran = with_frames(&sandbox, |frames| frames.truncate(kept));
        assert_eq!(
            ran.code, 1,
            "{kept} of {total} frames were left\n{}",
            ran.stdout
        );
    }
    // The same, with the file cut off as it lies.
    let ran = after(&sandbox, |data| {
        let segment = data.join(SPOOL).join("seg-0000000000000000.aff");
        let bytes = fs_err::read(&segment).unwrap();
        fs_err::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert_eq!(ran.code, 1, "{}", ran.stdout);
}

#[test]
fn a_whole_boot_cut_off_is_noticed() {
    let sandbox = Sandbox::new();
    sandbox.record(1);
    let before = sandbox.path("before");
    copy(&sandbox.data().join(SPOOL), &before);
    sandbox.record(1);
    assert_eq!(sandbox.verify().code, 0);
    let ran = after(&sandbox, |data| {
        fs_err::remove_dir_all(data.join(SPOOL)).unwrap();
        copy(&before, &data.join(SPOOL));
    });
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("chain was cut"), "{}", ran.stdout);
}

#[test]
fn an_emptied_spool_whose_key_remembers_a_past_is_noticed() {
    let sandbox = recorded();
    let gone = after(&sandbox, |data| {
        fs_err::remove_dir_all(data.join("spools")).unwrap()
    });
    assert_eq!(gone.code, 1, "{}", gone.stdout);
    assert!(gone.stdout.contains("emptied"), "{}", gone.stdout);
    let bare = after(&sandbox, |data| {
        fs_err::remove_dir_all(data.join(SPOOL)).unwrap();
        fs_err::create_dir(data.join(SPOOL)).unwrap();
    });
    assert_eq!(bare.code, 1, "{}", bare.stdout);
    let fresh = with_frames(&sandbox, Vec::clear);
    assert_eq!(fresh.code, 1, "{}", fresh.stdout);
}

#[test]
fn a_chain_sealed_by_another_key_is_refused() {
    let sandbox = recorded();
    let other = recorded();
    let swapped = after(&sandbox, |data| {
        fs_err::remove_dir_all(data.join(SPOOL)).unwrap();
        copy(&other.data().join(SPOOL), &data.join(SPOOL));
    });
    assert_eq!(swapped.code, 1, "{}", swapped.stdout);
    let with_head = after(&sandbox, |data| {
        fs_err::remove_dir_all(data.join(SPOOL)).unwrap();
        copy(&other.data().join(SPOOL), &data.join(SPOOL));
        fs_err::copy(
            other.data().join("keys/heads/crm"),
            data.join("keys/heads/crm"),
        )
        .unwrap();
    });
    assert_eq!(with_head.code, 4, "{}", with_head.stdout);
    let key = other.data().join("keys/source.vkey");
    let pinned = sandbox.run([
        "verify",
        "--trust",
        key.to_str().unwrap(),
        sandbox.data().to_str().unwrap(),
    ]);
    assert_eq!(pinned.code, 4, "{}", pinned.stdout);
}

#[test]
fn a_missing_or_emptied_memory_is_not_an_ok() {
    let sandbox = recorded();
    let missing = after(&sandbox, |data| {
        fs_err::remove_file(data.join("keys/heads/crm")).unwrap()
    });
    assert_eq!(missing.code, 3, "{}", missing.stdout);
    let zeroed = after(&sandbox, |data| {
        fs_err::write(data.join("keys/heads/crm"), vec![0; 2048]).unwrap()
    });
    assert_eq!(zeroed.code, 3, "{}", zeroed.stdout);
    let no_key = after(&sandbox, |data| {
        fs_err::remove_file(data.join("keys/source.vkey")).unwrap()
    });
    assert_eq!(no_key.code, 4, "{}", no_key.stdout);
    let apart = sandbox.path("apart");
    copy(&sandbox.data().join(SPOOL), &apart);
    let key = sandbox.data().join("keys/source.vkey");
    let apart = sandbox.run([
        "verify",
        "--trust",
        key.to_str().unwrap(),
        apart.to_str().unwrap(),
    ]);
    assert_eq!(apart.code, 3, "{}", apart.stdout);
}

#[test]
fn a_blob_that_is_gone_or_altered_is_noticed() {
    let sandbox = Sandbox::new();
    let words: String = (0..9000).map(|n| format!("word{n} ")).collect();
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"echo\",\"arguments\":{{\"t\":\"{words}\"}}}}}}\n"
    );
    sandbox.wrap(&[], &["cat"], line.as_bytes());
    let blobs = sandbox.verdict()["spools"][0]["blobs"].clone();
    assert_eq!(
        (blobs["named"].as_u64(), blobs["intact"].as_u64()),
        (Some(1), Some(1)),
        "{blobs}"
    );
    let blob = |data: &Path| {
        fs_err::read_dir(data.join(SPOOL).join("blobs"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    };
    let gone = after(&sandbox, |data| fs_err::remove_file(blob(data)).unwrap());
    assert_eq!(gone.code, 1, "{}", gone.stdout);
    let altered = after(&sandbox, |data| fs_err::write(blob(data), "other").unwrap());
    assert_eq!(altered.code, 1, "{}", altered.stdout);
    let more = after(&sandbox, |data| {
        let name = "0".repeat(64);
        fs_err::write(data.join(SPOOL).join("blobs").join(name), "left over").unwrap();
    });
    assert_eq!(more.code, 0, "{}", more.stdout);
    assert!(more.stdout.contains("named by no entry"), "{}", more.stdout);
}
