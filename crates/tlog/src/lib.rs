//! RFC 6962 Merkle trees and C2SP signed notes, as pure functions over bytes.
//!
//! This crate knows nothing of what a leaf means, and it touches no clock, randomness, file, socket
//! or environment: a browser can verify with it. It opens no files and asks no witness: it says which
//! bytes to read and write, and judges those it is given.
//!
//! | module | C2SP specification |
//! |---|---|
//! | [`note`] | signed-note 1.0.0 |
//! | [`checkpoint`] | tlog-checkpoint 1.0.0 |
//! | [`tile`], [`bundle`] | tlog-tiles, SHA-256, 256 wide |
//! | [`cosignature`] | tlog-cosignature: Ed25519, and ML-DSA-44 with the feature `ml-dsa` |
//! | [`witness`] | tlog-witness 1.0.0: add-checkpoint |
//! | [`tlog_proof`] | tlog-proof, version 1 |
//! | [`policy`] | tlog-policy |
//!
//! # The tree
//!
//! ```text
//!              root = H(1 || ab || cd)            leaf hash  = SHA-256(0x00 || leaf bytes)
//!             /                       \           node hash  = SHA-256(0x01 || left || right)
//!    ab = H(1 || a || b)      cd = H(1 || c || d) empty root = SHA-256()
//!      /          \             /          \
//!     a            b           c            d     a = H(0 || first leaf), ...
//! ```
//!
//! Sizes and indexes are [`TreeSize`] and [`LeafIndex`], never bare integers. A proof holds at most
//! 64 hashes for one leaf, 65 between two sizes. Proving from leaf hashes reads all of them; proving
//! from tiles ([`tile::TileReader`]) reads a few.
//!
//! ```
//! use affiant_tlog::{CompactTree, LeafIndex, inclusion_proof, leaf_hash, verify_inclusion};
//!
//! let leaves = [leaf_hash(b"first"), leaf_hash(b"second"), leaf_hash(b"third")];
//! let tree: CompactTree = leaves.iter().copied().collect();
//!
//! let proof = inclusion_proof(&leaves, LeafIndex(1))?;
//! verify_inclusion(LeafIndex(1), tree.size(), &leaf_hash(b"second"), &proof, &tree.root())?;
//! assert!(
//!     verify_inclusion(LeafIndex(1), tree.size(), &leaf_hash(b"forged"), &proof, &tree.root())
//!         .is_err()
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Signed notes
//!
//! See [`note`] for the bytes, the key formats and what verification promises.
//!
//! # Specifications
//!
//! - RFC 6962 sections 2.1 (Merkle tree hash), 2.1.1 (audit paths), 2.1.2 (consistency proofs);
//!   RFC 9162 section 2.1 defines the same tree.
//! - C2SP signed-note 1.0.0, <https://c2sp.org/signed-note>, and those of the table above.
//! - RFC 8032 (Ed25519), verified strictly: small-order keys and points are refused.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

pub mod bundle;
mod causes;
pub mod checkpoint;
pub mod cosignature;
pub mod hash;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod witness;

pub use causes::error_with_causes;
pub use checkpoint::Checkpoint;
pub use hash::{HASH_BYTES, Hash, ParseHashError, empty_root, leaf_hash, node_hash};
pub use note::{Note, SignerKey, VerifiedNote, VerifierKey};
pub use proof::{
    ConsistencyError, ConsistencyProof, InclusionError, InclusionProof, ProveError,
    consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
pub use tree::{CompactTree, FrontierError, LeafIndex, TreeSize, root_of};
