//! Tiles: what the writer gives out is the tree, and what the reader proves from it verifies.

use std::collections::BTreeMap;
use std::convert::Infallible;

use affiant_tlog::tile::{
    BundleId, LogPath, ParsePathError, ReadTilesError, Tile, TileId, TileReader, TreeWriter,
    bundles_between, tiles_between, tiles_for_consistency, tiles_for_inclusion, tiles_for_root,
};
use affiant_tlog::{
    CompactTree, Hash, LeafIndex, TreeSize, consistency_proof, empty_root, inclusion_proof,
    leaf_hash, root_of, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

/// The files of a log, all that were ever written.
type Files = BTreeMap<TileId, Vec<u8>>;

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(leaf).collect()
}

fn grow(writer: &mut TreeWriter, to: u64) {
    for index in writer.size().0..to {
        assert_eq!(writer.append(leaf(index)), LeafIndex(index));
    }
}

fn store(files: &mut Files, tiles: &[Tile]) {
    for tile in tiles {
        files.insert(tile.id(), tile.to_bytes());
    }
}

fn files_of(size: u64) -> Files {
    let mut writer = TreeWriter::new();
    grow(&mut writer, size);
    let mut files = Files::new();
    store(&mut files, &writer.drain());
    files
}

/// The tile as the specification defines it: each hash is the root over its leaves.
fn tile_by_definition(id: TileId, leaves: &[Hash]) -> Vec<u8> {
    let span = 256_usize.pow(u32::from(id.level()));
    let start = usize::try_from(id.index()).unwrap() * 256 * span;
    (0..usize::from(id.width()))
        .map(|i| root_of(&leaves[start + i * span..start + (i + 1) * span]))
        .flat_map(|hash| hash.0)
        .collect()
}

#[test]
fn the_writer_has_the_root_of_the_tree_at_every_size() {
    let mut writer = TreeWriter::new();
    let mut tree = CompactTree::new();
    assert_eq!(writer.root(), empty_root());
    for index in 0..2_000 {
        writer.append(leaf(index));
        tree.append(leaf(index));
        assert_eq!((writer.size(), writer.root()), (tree.size(), tree.root()));
    }
}

#[test]
fn the_writer_gives_out_the_tiles_of_the_definition_at_every_size() {
    let all = leaves(2_000);
    let mut writer = TreeWriter::new();
    let mut files = Files::new();
    for size in 1..=2_000 {
        let before = writer.size();
        grow(&mut writer, size);
        let tiles = writer.drain();
        let ids: Vec<TileId> = tiles.iter().map(Tile::id).collect();
        let expected: Vec<TileId> = tiles_between(before, TreeSize(size)).collect();
        assert_eq!(ids, expected, "size {size}");
        for tile in &tiles {
            assert_eq!(
                tile.to_bytes(),
                tile_by_definition(tile.id(), &all),
                "{size}"
            );
        }
        store(&mut files, &tiles);
        assert_eq!(
            TileReader::new(&files, writer.size()).root(),
            Ok(writer.root())
        );
    }
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specification() {
    let ids: Vec<TileId> = tiles_between(TreeSize(0), TreeSize(70_000)).collect();
    let of = |level| ids.iter().filter(move |id| id.level() == level);
    assert_eq!(of(0).filter(|id| id.is_full()).count(), 273);
    let partial: Vec<String> = ids
        .iter()
        .filter(|id| !id.is_full())
        .map(|id| id.path())
        .collect();
    assert_eq!(
        partial,
        ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    );
    assert_eq!(of(1).filter(|id| id.is_full()).count(), 1);

    let ids: Vec<String> = tiles_between(TreeSize(0), TreeSize(256))
        .map(TileId::path)
        .collect();
    assert_eq!(ids, ["tile/0/000", "tile/1/000.p/1"]);
}

#[test]
fn a_tree_of_three_levels_is_the_tree() {
    let size = 66_000;
    let all = leaves(size);
    let files = files_of(size);
    for (id, bytes) in &files {
        assert_eq!(*bytes, tile_by_definition(*id, &all), "{id}");
    }
    let reader = TileReader::new(&files, TreeSize(size));
    let root = root_of(&all);
    assert_eq!(reader.root(), Ok(root));
    for index in [0, 255, 256, 32_767, 65_535, 65_536, 65_999] {
        let index = LeafIndex(index);
        let proof = reader.inclusion_proof(index).unwrap();
        verify_inclusion(index, TreeSize(size), &leaf(index.0), &proof, &root).unwrap();
    }
    for old in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000] {
        let old_root = root_of(&all[..usize::try_from(old).unwrap()]);
        let proof = reader.consistency_proof(TreeSize(old)).unwrap();
        verify_consistency(TreeSize(old), TreeSize(size), &proof, &old_root, &root).unwrap();
    }
}

#[test]
fn a_writer_resumes_at_every_size() {
    let mut whole = TreeWriter::new();
    let mut files = Files::new();
    for size in 0..=1_100 {
        grow(&mut whole, size);
        store(&mut files, &whole.drain());
        let mut resumed = TreeWriter::resume(TreeSize(size), &whole.root(), &files).unwrap();
        assert!(resumed.drain().is_empty());
        let mut ahead = whole.clone();
        grow(&mut resumed, size + 300);
        grow(&mut ahead, size + 300);
        assert_eq!(resumed.root(), ahead.root());
        assert_eq!(resumed.drain(), ahead.drain());
    }
}

#[test]
fn a_writer_does_not_resume_on_another_root_or_from_damaged_tiles() {
    let mut files = files_of(700);
    let root = root_of(&leaves(700));
    let other = root_of(&leaves(699));
    assert!(matches!(
        TreeWriter::resume(TreeSize(700), &other, &files),
        Err(ReadTilesError::RootMismatch { .. })
    ));
    let edge = TileId::in_tree(0, 2, TreeSize(700)).unwrap();
    let good = files.get(&edge).unwrap().clone();
    for at in [0, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        files.insert(edge, bad);
        assert!(matches!(
            TreeWriter::resume(TreeSize(700), &root, &files),
            Err(ReadTilesError::RootMismatch { .. })
        ));
    }
    files.insert(edge, good[1..].to_vec());
    assert!(matches!(
        TreeWriter::resume(TreeSize(700), &root, &files),
        Err(ReadTilesError::Malformed(error)) if error.tile == edge
    ));
    files.remove(&edge);
    assert_eq!(
        TreeWriter::resume(TreeSize(700), &root, &files).unwrap_err(),
        ReadTilesError::Missing { tile: edge }
    );
}

#[test]
fn the_full_tile_serves_for_a_partial_one_that_is_gone() {
    let files: Files = files_of(1_024)
        .into_iter()
        .filter(|(id, _)| id.level() > 0 || id.is_full())
        .collect();
    // At size 700 tile/0/002.p/188 was there; now there is tile/0/002. tile/1/000.p/2 became p/4.
    let source = |id: TileId| -> Result<_, Infallible> {
        let wider = files.keys().find(|have| {
            have.level() == id.level() && have.index() == id.index() && have.width() >= id.width()
        });
        Ok(match wider {
            Some(have) if id.level() > 0 => {
                Some(files[have][..usize::from(id.width()) * 32].to_vec())
            }
            _ => files.get(&id).cloned(),
        })
    };
    let root = root_of(&leaves(700));
    assert_eq!(TileReader::new(&source, TreeSize(700)).root(), Ok(root));
    assert!(TreeWriter::resume(TreeSize(700), &root, &source).is_ok());
}

#[test]
fn what_a_tree_does_not_have_is_not_proved() {
    let files = files_of(10);
    let reader = TileReader::new(&files, TreeSize(10));
    assert!(matches!(
        reader.inclusion_proof(LeafIndex(10)),
        Err(ReadTilesError::Prove(_))
    ));
    assert!(matches!(
        reader.consistency_proof(TreeSize(11)),
        Err(ReadTilesError::Prove(_))
    ));
    assert!(matches!(
        reader.leaf_hashes(LeafIndex(0)..LeafIndex(11)),
        Err(ReadTilesError::Prove(_))
    ));
    assert!(tiles_for_inclusion(LeafIndex(10), TreeSize(10)).is_err());
    assert!(tiles_for_consistency(TreeSize(11), TreeSize(10)).is_err());
    assert!(tiles_for_root(TreeSize(0)).is_empty());
    assert_eq!(
        TileReader::new(&Files::new(), TreeSize(0)).root(),
        Ok(empty_root())
    );
}

#[test]
fn paths_are_those_of_the_specification() {
    let tile = TileId::new(3, 1_234_067, 256).unwrap();
    assert_eq!(tile.path(), "tile/3/x001/x234/067");
    let partial = TileId::new(0, 273, 112).unwrap();
    assert_eq!(partial.path(), "tile/0/273.p/112");
    let bundle = BundleId::new(1_000, 1).unwrap();
    assert_eq!(bundle.path(), "tile/entries/x001/000.p/1");
    assert_eq!(bundle.leaf_tile().path(), "tile/0/x001/000.p/1");
    assert_eq!(bundle.first_entry(), LeafIndex(256_000));
    assert_eq!("checkpoint".parse(), Ok(LogPath::Checkpoint));
    let largest = TileId::new(63, u64::MAX, 1).unwrap();
    assert_eq!(largest.path().parse(), Ok(largest));
}

#[test]
fn other_paths_are_refused() {
    use ParsePathError::{Index, Layout, Level, Width};
    for (path, expected) in [
        ("", Layout),
        ("/checkpoint", Layout),
        ("checkpoint/", Layout),
        ("tile", Layout),
        ("tile/0", Layout),
        ("tile//000", Level),
        ("tile/00/000", Level),
        ("tile/64/000", Level),
        ("tile/-1/000", Level),
        ("tile/8/0/000", Index),
        ("tile/0/", Index),
        ("tile/0/0", Index),
        ("tile/0/0000", Index),
        ("tile/0/000/", Index),
        ("tile/0/000/000", Index),
        ("tile/0/x000/000", Index),
        ("tile/0/x001/x000", Index),
        ("tile/0/x01/000", Index),
        ("tile/0/x001//000", Index),
        ("tile/0/../000", Index),
        ("tile/0/x999/x999/x999/x999/x999/x999/999", Index),
        ("tile/0/x001/x000/x000/x000/x000/x000/x000/000", Index),
        ("tile/0/00é", Index),
        ("tile/0/000.p", Index),
        ("tile/0/000.p/", Width),
        ("tile/0/000.p/0", Width),
        ("tile/0/000.p/01", Width),
        ("tile/0/000.p/256", Width),
        ("tile/0/000.p/1/", Width),
        ("tile/entries/000.p/256", Width),
        ("tile/entries/0", Index),
    ] {
        assert_eq!(path.parse::<LogPath>(), Err(expected), "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_from_tiles_are_those_from_leaves(size in 1_u64..2_000, at: prop::sample::Index) {
        let all = leaves(size);
        let files = files_of(size);
        let reader = TileReader::new(&files, TreeSize(size));
        let index = LeafIndex(at.index(all.len()) as u64);
        prop_assert_eq!(reader.inclusion_proof(index).unwrap(), inclusion_proof(&all, index).unwrap());
        let old = TreeSize(index.0 + 1);
        prop_assert_eq!(reader.consistency_proof(old).unwrap(), consistency_proof(&all, old).unwrap());
    }

    #[test]
    fn the_named_tiles_are_enough(size in 1_u64..70_000, at: prop::sample::Index) {
        let files = files_of(size);
        let size = TreeSize(size);
        let index = LeafIndex(at.index(usize::try_from(size.0).unwrap()) as u64);
        let only = |ids: Vec<TileId>| -> Files {
            ids.into_iter().map(|id| (id, files[&id].clone())).collect()
        };
        let some = only(tiles_for_inclusion(index, size).unwrap());
        prop_assert!(TileReader::new(&some, size).inclusion_proof(index).is_ok());
        let next = LeafIndex(index.0 + 1);
        prop_assert_eq!(TileReader::new(&some, size).leaf_hashes(index..next), Ok(vec![leaf(index.0)]));
        let some = only(tiles_for_consistency(TreeSize(index.0), size).unwrap());
        prop_assert!(TileReader::new(&some, size).consistency_proof(TreeSize(index.0)).is_ok());
        let some = only(tiles_for_root(size));
        prop_assert!(TileReader::new(&some, size).root().is_ok());
    }

    #[test]
    fn drains_at_any_sizes_leave_the_files_of_the_tree(steps in prop::collection::vec(0_u64..600, 1..8)) {
        let mut writer = TreeWriter::new();
        let mut files = Files::new();
        for step in steps {
            let to = writer.size().0 + step;
            grow(&mut writer, to);
            store(&mut files, &writer.drain());
        }
        for (id, bytes) in files_of(writer.size().0) {
            prop_assert_eq!(files.get(&id), Some(&bytes), "{}", id);
        }
    }

    #[test]
    fn leaf_hashes_of_a_range_are_those(size in 1_u64..1_500, a: prop::sample::Index, b: prop::sample::Index) {
        let all = leaves(size);
        let files = files_of(size);
        let (a, b) = (a.index(all.len() + 1), b.index(all.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        let range = LeafIndex(start as u64)..LeafIndex(end as u64);
        let read = TileReader::new(&files, TreeSize(size)).leaf_hashes(range).unwrap();
        prop_assert_eq!(&read, &all[start..end]);
    }

    #[test]
    fn paths_come_back(level in 0_u8..64, index: u64, shift in 0_u32..64, width in 1_u16..=256) {
        let tile = TileId::new(level, index >> shift, width).unwrap();
        prop_assert_eq!(tile.path().parse(), Ok(LogPath::Tile(tile)));
        let bundle = BundleId::new(index >> shift, width).unwrap();
        prop_assert_eq!(bundle.path().parse(), Ok(LogPath::Bundle(bundle)));
    }

    #[test]
    fn each_path_has_one_spelling(path in "(tile/)?([0-9]|entries)/(x?[0-9]{1,3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(parsed) = path.parse::<LogPath>() {
            prop_assert_eq!(parsed.to_string(), path);
        }
    }

    #[test]
    fn bundles_between_have_all_entries(old in 0_u64..2_000, more in 0_u64..2_000) {
        let new = TreeSize(old + more);
        let ids: Vec<BundleId> = bundles_between(TreeSize(old), new).collect();
        for index in old..new.0 {
            let holding = BundleId::holding(LeafIndex(index), new).unwrap();
            prop_assert!(ids.contains(&holding));
        }
        prop_assert_eq!(ids.is_empty(), more == 0);
        prop_assert_eq!(BundleId::holding(LeafIndex(new.0), new), None);
    }
}
