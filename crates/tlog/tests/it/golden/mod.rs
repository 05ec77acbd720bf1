//! Golden vectors for other implementations: made from fixed keys, compared byte by byte.
//!
//! What each case expects is written down by hand beside it; the tests that read the files back
//! compute it. `AFFIANT_BLESS=1 cargo test -p affiant-tlog golden` rewrites the files.

mod notes;
mod proofs;
mod tiles;
mod verdict;
mod witnesses;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The files of one area by name.
pub(crate) type Files = BTreeMap<String, String>;
/// The lines and sections of one file.
pub(crate) type Case = BTreeMap<String, String>;

/// Puts a file together.
pub(crate) struct File(String);

impl File {
    pub(crate) fn new(about: &str, expect: &str) -> Self {
        Self(format!("about: {about}\nexpect: {expect}\n"))
    }

    pub(crate) fn line(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.0, "{name}: {value}").unwrap();
        self
    }

    /// A section of lines that end in a newline each.
    pub(crate) fn section(mut self, name: &str, lines: &str) -> Self {
        assert!(lines.is_empty() || lines.ends_with('\n'), "{name}");
        write!(self.0, "--- {name}\n{lines}").unwrap();
        self
    }

    pub(crate) fn text(self) -> String {
        self.0
    }
}

#[test]
fn files_are_as_committed() {
    for (area, files) in [
        ("tlog-checkpoint", notes::checkpoint()),
        ("tlog-cosignature", notes::cosignature()),
        ("tlog-witness", witnesses::witness()),
        ("tlog-proof", proofs::proof()),
        ("tlog-policy", proofs::policy()),
        ("tlog-tiles", tiles::tiles()),
        ("tlog-bundle", tiles::bundle()),
    ] {
        committed(area, &files);
    }
}

/// Reads back what is on disk, as another implementation would.
#[test]
fn files_hold() {
    for (area, judge) in [
        (
            "tlog-checkpoint",
            verdict::checkpoint as fn(&Case) -> String,
        ),
        ("tlog-cosignature", verdict::cosignature),
        ("tlog-witness", verdict::witness),
        ("tlog-proof", verdict::proof),
        ("tlog-policy", verdict::policy),
        ("tlog-tiles", tiles::verdict_tiles),
        ("tlog-bundle", tiles::verdict_bundle),
    ] {
        let cases = read_cases(area);
        assert!(!cases.is_empty());
        for (name, case) in cases {
            assert_eq!(judge(&case), case["expect"], "{name}");
        }
    }
}

fn dir(area: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "testdata",
        "vectors",
        area,
    ]
    .iter()
    .collect()
}

fn committed(area: &str, files: &Files) {
    let bless = std::env::var_os("AFFIANT_BLESS").is_some();
    if bless {
        fs_err::create_dir_all(dir(area)).unwrap();
    }
    for (name, text) in files {
        let path = dir(area).join(name);
        if bless {
            fs_err::write(&path, text).unwrap();
        }
        assert_eq!(
            &fs_err::read_to_string(&path).unwrap(),
            text,
            "{area}/{name}"
        );
    }
    let on_disk = fs_err::read_dir(dir(area))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> = on_disk.filter(|name| !files.contains_key(name)).collect();
    assert_eq!(strangers, Vec::<String>::new(), "no test makes these");
}

fn read_cases(area: &str) -> Vec<(String, Case)> {
    fs_err::read_dir(dir(area))
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let text = fs_err::read_to_string(&path).unwrap();
            (path.display().to_string(), read_case(&text))
        })
        .collect()
}

/// `name: value` lines, then sections `--- name` whose text runs to the next one.
fn read_case(text: &str) -> Case {
    let mut sections = text.split("--- ");
    let mut case: Case = sections
        .next()
        .unwrap()
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for section in sections {
        let (name, body) = section.split_once('\n').unwrap();
        case.insert(name.to_owned(), body.to_owned());
    }
    case
}
