//! One round: leaves become objects, and the head moves over them.

use affiant_tlog::LeafIndex;

use super::{Attempt, Engine, HashedLeaf, settle};
use crate::error::RoundError;

impl Engine {
    /// Appends leaves, in order, and makes them the log's. They must be no longer than the format
    /// holds, and at least one.
    ///
    /// After an error the engine is no longer true and must be dropped. What the round tried is told
    /// through `attempted`, so that the caller finds out from storage how it ended.
    pub(crate) fn append<'l>(
        &mut self,
        leaves: impl Iterator<Item = &'l HashedLeaf>,
        attempted: &mut Option<Attempt>,
    ) -> Result<(), RoundError> {
        let parts = &self.parts;
        let Some(key) = parts.key() else {
            return Err(RoundError::Gone);
        };
        let first = LeafIndex(self.record.tree.size.0);
        for leaf in leaves {
            if !self.edge.append(leaf) {
                return Err(RoundError::Gone);
            }
        }
        let tree = self.edge.tree();
        let objects = self.edge.drain();
        let next = self.record.next(key.key_ref(), parts.clock.utc_ms(), tree);
        *attempted = Some(Attempt {
            epoch: next.epoch,
            tree,
            first,
        });

        // Dying up to here, or losing what follows: the head still is the old one, and the stage is
        // removed by the next load.
        parts.store.stage(&next.stage_name(), &objects)?;
        parts
            .store
            .swap_head(Some(&self.record.to_bytes()), &next.to_bytes())?;
        // The round is decided and durable. Dying from here on: the next load does what is left.
        // Nothing was signed yet: whoever loses the swap never signs another tree of this size.
        self.record = next;
        settle(&*parts.store, &self.record, &objects)?;
        Ok(())
    }
}
