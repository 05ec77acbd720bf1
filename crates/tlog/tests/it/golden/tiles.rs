//! The vectors of tiles, paths and bundles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use affiant_tlog::bundle::{Bundle, BundleWriter, ParseBundleError, push};
use affiant_tlog::tile::{BundleId, LogPath, TileId, TileReader, TreeWriter};
use affiant_tlog::{Hash, LeafIndex, TreeSize, leaf_hash};
use sha2::Digest as _;

use super::{Case, File, Files};

/// The entries that are proved, as far as the log has them.
const INDEXES: [u64; 6] = [0, 1, 255, 256, 700, 69_999];
/// The older sizes that are proved, likewise.
const OLD_SIZES: [u64; 7] = [1, 2, 255, 256, 257, 700, 65_537];
/// Where a log is so large that its full level 0 tiles and bundles are left out.
const LARGE: u64 = 10_000;

/// The whole log of a size, made anew.
struct Log {
    files: BTreeMap<String, Vec<u8>>,
    tiles: BTreeMap<TileId, Vec<u8>>,
    size: TreeSize,
    root: Hash,
}

impl Log {
    fn of(size: u64) -> Self {
        let (mut tree, mut bundles) = (TreeWriter::new(), BundleWriter::new());
        for index in 0..size {
            let entry = format!("leaf {index}");
            tree.append(leaf_hash(entry.as_bytes()));
            bundles.append(entry.as_bytes()).unwrap();
        }
        let tiles: BTreeMap<TileId, Vec<u8>> = tree
            .drain()
            .iter()
            .map(|tile| (tile.id(), tile.to_bytes()))
            .collect();
        let mut files: BTreeMap<String, Vec<u8>> = tiles
            .iter()
            .map(|(id, bytes)| (id.path(), bytes.clone()))
            .collect();
        files.extend(
            bundles
                .drain()
                .into_iter()
                .map(|(id, bytes)| (id.path(), bytes)),
        );
        Self {
            files,
            tiles,
            size: tree.size(),
            root: tree.root(),
        }
    }

    fn digests(&self) -> String {
        let is_dull = |path: &str| {
            self.size.0 > LARGE
                && !path.contains(".p/")
                && !path.starts_with("tile/1/")
                && path != "tile/0/000"
                && path != "tile/entries/000"
        };
        let mut lines = String::new();
        for (path, bytes) in self.files.iter().filter(|(path, _)| !is_dull(path)) {
            writeln!(lines, "{path} {}", hex::encode(sha2::Sha256::digest(bytes))).unwrap();
        }
        lines
    }

    fn proofs(&self) -> Vec<(String, String)> {
        let reader = TileReader::new(&self.tiles, self.size);
        let lines = |hashes: Vec<Hash>| -> String {
            hashes.iter().map(|hash| hash.to_base64() + "\n").collect()
        };
        let mut proofs = Vec::new();
        for index in INDEXES.into_iter().filter(|&index| index < self.size.0) {
            let proof = reader.inclusion_proof(LeafIndex(index)).unwrap();
            proofs.push((format!("inclusion {index}"), lines(proof.0)));
        }
        for old in OLD_SIZES.into_iter().filter(|&old| old <= self.size.0) {
            let proof = reader.consistency_proof(TreeSize(old)).unwrap();
            proofs.push((format!("consistency {old}"), lines(proof.0)));
        }
        proofs
    }
}

pub(super) fn tiles() -> Files {
    let mut files = Files::new();
    for size in [1, 2, 255, 256, 257, 1_000, 70_000] {
        let log = Log::of(size);
        let mut file = File::new(
            "The files and proofs of a log whose leaf i is the text `leaf i`.",
            "log",
        )
        .line("size", size)
        .line("root", log.root.to_base64())
        .section("files", &log.digests());
        for (name, lines) in log.proofs() {
            file = file.section(&name, &lines);
        }
        files.insert(format!("size-{size}.txt"), file.text());
    }
    let (read, refused) = paths();
    let file = File::new("Paths of files of a log, and texts that are none.", "paths")
        .section("read", &read)
        .section("refused", &refused);
    files.insert("paths.txt".to_owned(), file.text());
    files
}

fn paths() -> (String, String) {
    let read = [
        "checkpoint",
        "tile/0/000",
        "tile/0/999",
        "tile/0/x001/000",
        "tile/0/x001/x234/067",
        "tile/63/000.p/1",
        "tile/0/273.p/112",
        "tile/entries/000.p/255",
        "tile/entries/x018/x446/x744/x073/x709/x551/615",
    ];
    let refused = [
        "/checkpoint",
        "checkpoint/",
        "tile",
        "tile/0",
        "tile/64/000",
        "tile/00/000",
        "tile/+1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x001",
        "tile/0/000/000",
        "tile/0/x000/000",
        "tile/0/x01/000",
        "tile/0/000/",
        "tile/0//000",
        "tile/0/../000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.P/1",
        "tile/data/000",
        "tile/8/0/000",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
    ];
    (read.join("\n") + "\n", refused.join("\n") + "\n")
}

pub(super) fn verdict_tiles(case: &Case) -> String {
    if case["expect"] == "paths" {
        for path in case["read"].lines() {
            assert_eq!(path.parse::<LogPath>().unwrap().to_string(), path);
        }
        for path in case["refused"].lines() {
            assert!(path.parse::<LogPath>().is_err(), "{path}");
        }
        return "paths".to_owned();
    }
    let log = Log::of(case["size"].parse().unwrap());
    assert_eq!(log.root.to_base64(), case["root"]);
    assert_eq!(log.digests(), case["files"]);
    for (name, lines) in log.proofs() {
        assert_eq!(lines, case[&name], "{name}");
    }
    "log".to_owned()
}

pub(super) fn bundle() -> Files {
    let mut files = Files::new();
    let mut add = |file: &str, about: &str, expect: &str, width: u16, bytes: &[u8]| {
        let file_text = File::new(about, expect)
            .line("width", width)
            .section("bundle", &(hex::encode(bytes) + "\n"));
        files.insert(format!("{file}.txt"), file_text.text());
    };
    let mut bytes = Vec::new();
    for entry in [&b"first"[..], b"", "ünï\n".as_bytes()] {
        push(&mut bytes, entry).unwrap();
    }
    add(
        "three",
        "Three entries, one of them empty.",
        "read 5 0 6",
        3,
        &bytes,
    );
    add(
        "refuse-narrow",
        "Named narrower than it is.",
        "refuse trailing",
        2,
        &bytes,
    );
    add(
        "refuse-wide",
        "Named wider than it is.",
        "refuse truncated",
        4,
        &bytes,
    );
    add(
        "refuse-cut",
        "Cut within an entry.",
        "refuse truncated",
        3,
        &bytes[..bytes.len() - 1],
    );
    add(
        "refuse-cut-length",
        "Cut within a length.",
        "refuse truncated",
        2,
        &bytes[..8],
    );
    let mut trailing = bytes.clone();
    trailing.push(0);
    add(
        "refuse-trailing",
        "A byte behind the last entry.",
        "refuse trailing",
        3,
        &trailing,
    );
    add(
        "refuse-little-endian",
        "Lengths in the wrong order.",
        "refuse truncated",
        1,
        &[5, 0, b'f', b'i', b'r', b's', b't'],
    );
    files
}

pub(super) fn verdict_bundle(case: &Case) -> String {
    let bytes = hex::decode(case["bundle"].trim_end()).unwrap();
    let id = BundleId::new(0, case["width"].parse().unwrap()).unwrap();
    match Bundle::parse(id, &bytes) {
        Ok(bundle) => {
            let lengths: Vec<String> = bundle
                .entries()
                .iter()
                .map(|entry| entry.len().to_string())
                .collect();
            format!("read {}", lengths.join(" "))
        }
        Err(ParseBundleError::Truncated { .. }) => "refuse truncated".to_owned(),
        Err(_) => "refuse trailing".to_owned(),
    }
}
