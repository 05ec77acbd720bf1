//! What a log keeps, whatever fails.

mod anchors;
mod directory;
mod faults;
mod judges;
mod recovery;
mod sequencing;
mod support;
mod witnesses;
