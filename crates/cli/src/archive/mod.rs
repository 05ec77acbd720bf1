//! The archive, plugged into the aggregator, and what the commands on it share.
//!
//! ```text
//! log ─▸ ArchiveView (a thread of the aggregator) ─▸ sets
//!           └─ Scrubber (a thread beside it) ─▸ findings: state/archive/scrub.json, metrics, warnings
//! ```

mod blobs;
mod counts;
mod local;
mod place;
mod rebuild;
mod scrubber;
mod view;

pub(crate) use blobs::DirBlobs;
pub(crate) use counts::{ArchiveGauges, Counts};
pub(crate) use local::ArchiveDir;
pub(crate) use place::{Where, limits, lock, open, refused};
pub(crate) use rebuild::rebuild;
pub(crate) use scrubber::run_pass;
pub(crate) use view::ArchiveView;
