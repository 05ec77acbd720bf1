//! 43 to 46: time stamps, opened by the verifier's own roots. The tokens are made with the `openssl` command,
//! with the times and faults that an honest authority would never give.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::verify;
use crate::sandbox::Sandbox;
use crate::stored::{COSIGNED_S, Stored, note, note_at, witness};
use crate::world::{LOG, World, vkey};

/// An authority of the `openssl` command: a root, another root, and certificates of one key.
struct Tsa {
    dir: tempfile::TempDir,
}

const CONFIG: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
    certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\npolicy = p\nunique_subject = no\n\
    [p]\ncommonName = supplied\n";
const EC: &str = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";

fn tsa() -> &'static Tsa {
    static TSA: OnceLock<Tsa> = OnceLock::new();
    TSA.get_or_init(Tsa::new)
}

impl Tsa {
    fn new() -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for (name, text) in [
            ("ca.cnf", CONFIG),
            ("index.txt", ""),
            ("serial", "01\n"),
            ("good.ext", "extendedKeyUsage=critical,timeStamping\n"),
            ("web.ext", "extendedKeyUsage=critical,serverAuth\n"),
        ] {
            fs::write(made.path(name), text).unwrap();
        }
        for name in ["ca", "other"] {
            made.openssl(&format!(
                "req {EC} -x509 -subj /CN={name} -keyout {name}.key -out {name}.pem -days 30"
            ));
        }
        made.openssl(&format!(
            "req {EC} -subj /CN=tsa -keyout tsa.key -out tsa.csr"
        ));
        for name in ["good", "web"] {
            made.openssl(&format!(
                "ca -batch -config ca.cnf -in tsa.csr -out {name}.pem -notext -extfile {name}.ext \
                 -startdate 20260101000000Z -enddate 20361231000000Z"
            ));
        }
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .expect("this test needs the `openssl` command");
        assert!(output.status.success(), "{arguments}: {output:?}");
    }

    /// A token over these bytes, base64.
    fn token(&self, message: &[u8], time: &str, certificate: &str) -> String {
        let imprint = [
            tagged(0x30, &[SHA256, &[5, 0]].concat()),
            tagged(4, &Sha256::digest(message)),
        ]
        .concat();
        self.sign(&imprint, time, certificate)
    }

    /// RFC 3161 section 2.4.2, with any imprint and time.
    fn sign(&self, imprint: &[u8], time: &str, certificate: &str) -> String {
        let info = [
            tagged(2, &[1]),
            tagged(6, &[0x2a, 3, 4, 1]),
            tagged(0x30, imprint),
            tagged(2, &[7]),
            tagged(0x18, time.as_bytes()),
        ]
        .concat();
        let files = tempfile::tempdir_in(self.dir.path()).unwrap();
        let name = files
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        fs::write(files.path().join("info"), tagged(0x30, &info)).unwrap();
        self.openssl(&format!(
            "cms -sign -binary -nodetach -nosmimecap -cades -md sha256 -econtent_type 1.2.840.113549.1.9.16.1.4 \
             -signer {certificate}.pem -inkey tsa.key -outform DER -in {name}/info -out {name}/token"
        ));
        self.openssl(&format!("base64 -A -in {name}/token -out {name}/text"));
        fs::read_to_string(files.path().join("text")).unwrap()
    }
}

/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
/// 1.3.14.3.2.26
const SHA1: &[u8] = &[6, 5, 0x2b, 0x0e, 3, 2, 0x1a];

/// An element of DER shorter than 256 bytes.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 {
        vec![tag, length]
    } else {
        vec![tag, 0x81, length]
    };
    [head, content.to_vec()].concat()
}

/// One hour after the witness saw the first checkpoint, as in a token and in an entry.
const TIME: (&str, &str) = ("20261122075401Z", "2026-11-22T07:54:01Z");
const LATER_S: u64 = COSIGNED_S + 7_200;

/// A log, and when the witness saw its last checkpoint.
struct Case {
    name: &'static str,
    code: i32,
    says: &'static str,
    build: fn(&Tsa, &mut World),
}

/// What the authority stamps: the checkpoint over the first leaves.
fn stamped(world: &World) -> String {
    note(&world.leaves[..10]).to_string()
}

fn anchor(world: &mut World, token: &str) {
    let note = stamped(world);
    world.anchor(&note, 10, token, TIME.1);
}

fn stamp(tsa: &Tsa, world: &mut World, time: (&str, &str), certificate: &str) {
    let note = stamped(world);
    let token = tsa.token(note.as_bytes(), time.0, certificate);
    world.anchor(&note, 10, &token, time.1);
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "a good time stamp", code: 0, says: "1 time stamp by tsa.example, the newest over 10 leaves at 2026-11-22T07:54:01Z",
        build: |t, w| stamp(t, w, TIME, "good") },
    Case { name: "two of them, the second over the first", code: 0, says: "2 time stamps by tsa.example",
        build: |t, w| { stamp(t, w, TIME, "good"); let n = w.leaves.len(); let note = note_at(&w.leaves, COSIGNED_S + 3_000).to_string(); let token = t.token(note.as_bytes(), "20261122075500Z", "good"); w.anchor(&note, n, &token, "2026-11-22T07:55:00Z"); } },
    Case { name: "3 all time stamps are gone", code: 3, says: "the log holds no time stamp",
        build: |_, _| {} },
    Case { name: "1 a token that was altered", code: 1, says: "has a token that does not verify",
        build: |t, w| { let note = stamped(w); let token = t.token(note.as_bytes(), TIME.0, "good"); let mut bytes = token.into_bytes(); let at = bytes.len() - 40; bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' }; anchor(w, &String::from_utf8(bytes).unwrap()); } },
    Case { name: "36, 44 a token over another checkpoint", code: 1, says: "time stamp is over other bytes",
        build: |t, w| { let other = note(&w.leaves[..9]).to_string(); let token = t.token(other.as_bytes(), TIME.0, "good"); anchor(w, &token); } },
    Case { name: "36, 44 a good token over another history", code: 1, says: "stamped a tree that this log does not begin with",
        build: |t, w| { let mut other = w.clone(); other.leaves.swap(3, 4); stamp(t, &mut other, TIME, "good"); w.leaves.push(other.leaves.pop().unwrap()); } },
    Case { name: "44 a checkpoint that is not the one its entry names", code: 1, says: "holds a checkpoint that is not the one it names",
        build: |t, w| { let note = note(&w.leaves[..9]).to_string(); let token = t.token(note.as_bytes(), TIME.0, "good"); w.anchor(&note, 10, &token, TIME.1); } },
    Case { name: "45 a certificate for something else", code: 4, says: "not for time stamping alone",
        build: |t, w| stamp(t, w, TIME, "web") },
    Case { name: "45 a chain that had expired by then", code: 4, says: "does not lead to a pinned root",
        build: |t, w| stamp(t, w, ("20370101000000Z", "2037-01-01T00:00:00Z"), "good") },
    Case { name: "45 an imprint in SHA-1", code: 1, says: "algorithm that is not accepted",
        build: |t, w| { let imprint = [tagged(0x30, &[SHA1, &[5, 0]].concat()), tagged(4, &[7; 20])].concat(); let token = t.sign(&imprint, TIME.0, "good"); anchor(w, &token); } },
    Case { name: "43, 46 a time before the witness saw what was stamped", code: 1, says: "cosigned what it stamped at",
        build: |t, w| stamp(t, w, ("20261122060000Z", "2026-11-22T06:00:00Z"), "good") },
    Case { name: "46 a time after the log was seen with it", code: 1, says: "saw it in the log at",
        build: |t, w| stamp(t, w, ("20261122120000Z", "2026-11-22T12:00:00Z"), "good") },
    Case { name: "46 a tree that holds a later time stamp", code: 1, says: "the tree it stamped holds a time stamp of",
        build: |t, w| { stamp(t, w, TIME, "good"); let n = w.leaves.len(); let note = note(&w.leaves).to_string(); let token = t.token(note.as_bytes(), "20261122070000Z", "good"); w.anchor(&note, n, &token, "2026-11-22T07:00:00Z"); } },
    Case { name: "43 an entry that gives another time than its token", code: 1, says: "says another time than its entry does",
        build: |t, w| stamp(t, w, (TIME.0, "2026-11-22T07:00:00Z"), "good") },
    Case { name: "a token that is not base64", code: 1, says: "`anchor` of the aggregator's entry is malformed",
        build: |_, w| anchor(w, "no base64") },
];

/// Writes the log, and a trust file that pins this root.
fn lay(sandbox: &Sandbox, world: &World, root: &str) -> (PathBuf, PathBuf) {
    let dir = sandbox.path("agg");
    let mut stored = Stored::of(&world.leaves, &[10]);
    let last = note_at(&world.leaves, LATER_S).to_bytes();
    stored.0.insert("checkpoint".to_owned(), last);
    write(&dir.join("log"), &stored);
    if !root.is_empty() {
        fs::copy(tsa().path(root), sandbox.path(root)).unwrap();
    }
    let tsa = if root.is_empty() {
        String::new()
    } else {
        format!("tsa {root}\n")
    };
    let text = format!(
        "log {}\nwitness w {}\nquorum w\n{tsa}",
        vkey(LOG, 200),
        witness().key()
    );
    (dir, sandbox.write("trust.txt", &text))
}

pub(super) fn write(dir: &Path, stored: &Stored) {
    for (path, bytes) in &stored.0 {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn ran(world: &World, root: &str, options: &[&str]) -> crate::sandbox::Ran {
    let sandbox = Sandbox::new();
    let (dir, trust) = lay(&sandbox, world, root);
    let options = [&["--trust", trust.to_str().unwrap()], options].concat();
    verify(&sandbox, &dir, &options)
}

#[test]
fn every_time_stamp_has_its_code_and_reason() {
    let mut wrong = Vec::new();
    for case in CASES {
        let mut world = World::lived().0;
        (case.build)(tsa(), &mut world);
        let ran = ran(&world, "ca.pem", &[]);
        if ran.code != case.code || !ran.stdout.contains(case.says) {
            wrong.push(format!(
                "{}: {} instead of {}\n{}{}",
                case.name, ran.code, case.code, ran.stdout, ran.stderr
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// 45: by somebody the verifier did not pin.
#[test]
fn a_time_stamp_by_a_stranger_is_untrusted() {
    let mut world = World::lived().0;
    stamp(tsa(), &mut world, TIME, "good");
    let ran = ran(&world, "other.pem", &[]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stdout.contains("does not lead to a pinned root"),
        "{ran:?}"
    );
}

#[test]
fn without_a_root_time_stamps_are_not_checked_and_that_is_said() {
    let mut world = World::lived().0;
    stamp(tsa(), &mut world, TIME, "good");
    let text = ran(&world, "", &[]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(
        text.stdout.contains("the time stamps themselves (1)"),
        "{text:?}"
    );
    assert!(!text.stdout.contains("1 time stamp by"), "{text:?}");
    let json = |root| -> serde_json::Value {
        serde_json::from_str(&ran(&world, root, &["--format", "json"]).stdout).unwrap()
    };
    let anchors = &json("")["anchors"];
    assert_eq!(
        (&anchors["hold"], &anchors["not_checked"]),
        (&0.into(), &1.into())
    );
    let anchors = &json("ca.pem")["anchors"];
    assert_eq!(anchors["hold"], 1);
    assert_eq!(anchors["listed"][0]["verdict"], "holds");
    assert_eq!(anchors["listed"][0]["time"], TIME.1);
}

#[test]
fn roots_that_cannot_be_read_are_an_error_of_the_trust_file() {
    let sandbox = Sandbox::new();
    let (dir, trust) = lay(&sandbox, &World::lived().0, "ca.pem");
    for text in [None, Some("no certificate")] {
        fs::remove_file(sandbox.path("ca.pem")).unwrap();
        if let Some(text) = text {
            sandbox.write("ca.pem", text);
        }
        let ran = verify(&sandbox, &dir, &["--trust", trust.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("ca.pem"), "{ran:?}");
        sandbox.write("ca.pem", "");
    }
}
