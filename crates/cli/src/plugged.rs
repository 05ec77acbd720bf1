//! What is plugged into the aggregator: one line a view.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use affiant_aggregator::config::Settings;
use affiant_aggregator::{Parts, StateDir};

use crate::archive::{self, ArchiveGauges, ArchiveView, Counts};
use crate::error::ExpectedError;

/// The views that the settings ask for. Those that work for long look whether `stopping` says to end.
pub(crate) fn parts(
    settings: &Settings,
    dir: &StateDir,
    stopping: &Arc<AtomicBool>,
) -> Result<Parts, ExpectedError> {
    let mut parts = Parts::default();
    if let Some(archive) = &settings.archive {
        let counts = Arc::<Counts>::default();
        let objects = archive::open(archive, true)?;
        let view = ArchiveView::new(
            settings,
            archive,
            objects,
            dir,
            Arc::clone(&counts),
            Arc::clone(stopping),
        );
        parts.views.push(Box::new(view));
        parts.gauges.push(Box::new(ArchiveGauges(counts)));
    }
    #[cfg(feature = "store")]
    crate::store::plug_into(&mut parts, settings, dir)?;
    Ok(parts)
}
