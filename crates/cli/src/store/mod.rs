//! The store beside an aggregator: plugged in as a view and as who answers, or opened by commands.

mod local;
mod port;
mod view;

use std::sync::Arc;

use affiant_aggregator::config::Settings;
use affiant_aggregator::{Parts, StateDir};
use affiant_store::OpenError;

pub(crate) use local::{Local, rebuild};
use port::StoreQuery;
use view::StoreView;

use crate::error::ExpectedError;
use crate::exit_code::Exit;

/// Directory of the store in an aggregator's data directory.
pub(crate) const STORE: &str = "store";

/// Gives an aggregator that starts a store: it follows the log, and answers questions.
pub(crate) fn plug_into(
    parts: &mut Parts,
    settings: &Settings,
    dir: &StateDir,
) -> Result<(), ExpectedError> {
    let root = dir.root().join(STORE);
    let own = settings.own_id.as_str();
    let view = StoreView::open(&root, own, &settings.log_name);
    let view = view.map_err(|error| open_refused(&error))?;
    let query = StoreQuery::new(view.store(), view.log());
    let query = query.map_err(|error| ExpectedError::storage(&error))?;
    parts.views.push(Box::new(view));
    parts.query = Some(Arc::new(query));
    Ok(())
}

/// Why a store cannot be opened.
pub(crate) fn open_refused(error: &OpenError) -> ExpectedError {
    let (exit, hint) = match error {
        OpenError::Locked { .. } => (Exit::Usage, "stop `affiant serve` first"),
        OpenError::Missing { .. } => (Exit::Usage, "`affiant store rebuild` makes it from the log"),
        OpenError::Version { .. } | OpenError::Damaged(_) => (
            Exit::Incomplete,
            "`affiant store rebuild` makes it anew from the log",
        ),
        OpenError::Io(_) | _ => (Exit::Storage, "check the disk; the log is not touched"),
    };
    ExpectedError::caused(exit, error).hint(hint)
}
