//! The Merkle tree hash of RFC 6962 section 2.1, grown leaf by leaf.

use std::fmt;

use crate::hash::{Hash, empty_root, node_hash};

/// The largest size [`CompactTree::from_frontier`] restores: far above any log, far below where
/// counting could overflow.
const RESTORED_SIZE_MAX: u64 = 1 << 62;

/// The position of a leaf in a tree, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(
    /// Leaves before this one.
    pub u64,
);

/// How many leaves a tree has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSize(
    /// The number of leaves.
    pub u64,
);

impl TreeSize {
    /// The size of the tree over these leaf hashes.
    pub fn of(leaves: &[Hash]) -> Self {
        // usize is at most 64 bits wide on every target Rust knows.
        Self(u64::try_from(leaves.len()).unwrap_or(u64::MAX))
    }

    /// Whether the leaf is one of this tree's.
    pub fn contains(self, index: LeafIndex) -> bool {
        index.0 < self.0
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An append-only tree that remembers only its right edge: at most 64 hashes, whatever its size.
///
/// The frontier holds one root per perfect subtree, largest (leftmost) first, one for each set bit
/// of the size:
///
/// ```text
/// size 7 = 0b111      frontier: [root of 0..4] [root of 4..6] [leaf 6]
/// ```
///
/// It gives the size and root at any moment, but no proofs: those need the leaf hashes, see
/// [`inclusion_proof`](crate::inclusion_proof).
///
/// ```
/// use affiant_tlog::{CompactTree, TreeSize, empty_root, leaf_hash, node_hash};
///
/// let mut tree = CompactTree::new();
/// assert_eq!(tree.root(), empty_root());
/// let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
/// tree.append(a);
/// tree.append(b);
/// assert_eq!((tree.size(), tree.root()), (TreeSize(2), node_hash(&a, &b)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactTree {
    size: TreeSize,
    frontier: Vec<Hash>,
}

impl CompactTree {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self {
            size: TreeSize(0),
            frontier: Vec::new(),
        }
    }

    /// Restores a tree from its size and [`CompactTree::frontier`].
    ///
    /// Does not check the hashes themselves: whoever stores a frontier compares
    /// [`CompactTree::root`] with a root it trusts.
    ///
    /// # Errors
    ///
    /// [`FrontierError::Length`] where the number of hashes is not the number of set bits of the
    /// size, [`FrontierError::Size`] above 2^62 leaves.
    pub fn from_frontier(size: TreeSize, frontier: Vec<Hash>) -> Result<Self, FrontierError> {
        if size.0 > RESTORED_SIZE_MAX {
            return Err(FrontierError::Size { size });
        }
        let found = frontier.len();
        if usize::try_from(size.0.count_ones()) != Ok(found) {
            return Err(FrontierError::Length { size, found });
        }
        Ok(Self { size, frontier })
    }

    /// Adds a leaf by its hash, and gives the index it now has.
    ///
    /// Costs one node hash on average, 62 at most.
    pub fn append(&mut self, leaf: Hash) -> LeafIndex {
        let index = LeafIndex(self.size.0);
        let mut node = leaf;
        for _ in 0..self.size.0.trailing_ones() {
            let Some(left) = self.frontier.pop() else {
                break;
            };
            node = node_hash(&left, &node);
        }
        self.frontier.push(node);
        // Restored trees end at 2^62 leaves, and nobody appends 2^63 more: this never saturates.
        self.size = TreeSize(self.size.0.saturating_add(1));
        index
    }

    /// How many leaves were appended.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The Merkle tree hash over all leaves so far; of none, [`empty_root`].
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.frontier.iter().rev().copied();
        let Some(last) = smallest_first.next() else {
            return empty_root();
        };
        smallest_first.fold(last, |right, left| node_hash(&left, &right))
    }

    /// The roots of the perfect subtrees, largest first: what [`CompactTree::from_frontier`] takes.
    pub fn frontier(&self) -> &[Hash] {
        &self.frontier
    }
}

impl Extend<Hash> for CompactTree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        for leaf in leaves {
            self.append(leaf);
        }
    }
}

impl FromIterator<Hash> for CompactTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::new();
        tree.extend(leaves);
        tree
    }
}

/// The Merkle tree hash over these leaf hashes (RFC 6962 section 2.1).
///
/// Takes leaf hashes, not leaves: hash each leaf with [`leaf_hash`](crate::leaf_hash) first.
pub fn root_of(leaves: &[Hash]) -> Hash {
    leaves.iter().copied().collect::<CompactTree>().root()
}

/// Why a stored frontier is not that of any tree. The store is damaged; retrying does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The number of hashes does not fit the size.
    #[error("frontier of a tree of size {size} has {found} hashes instead of {}", size.0.count_ones())]
    Length {
        /// The size the frontier was said to belong to.
        size: TreeSize,
        /// How many hashes there are.
        found: usize,
    },
    /// The size is larger than 2^62 leaves.
    #[error("tree size {size} is above the maximum of {RESTORED_SIZE_MAX}")]
    Size {
        /// The size asked for.
        size: TreeSize,
    },
}
