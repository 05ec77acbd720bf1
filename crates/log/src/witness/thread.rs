//! The thread that keeps the log's witnesses up to date.

use std::time::Duration;

use affiant_tlog::{Checkpoint, Note, TreeSize};

use super::client::{AskError, Client, PublishRule};
use crate::clock::Clock;
use crate::error::RoundError;
use crate::publication::Publication;
use crate::sequencer::chain;

/// Works until the log closes: asks for every new head, at most once an interval, and once more when
/// the log is idle, so that a cosignature's time says that the log lives.
pub(crate) fn run(client: &Client, publication: &Publication, clock: &dyn Clock, idle: Duration) {
    let interval = client.options().interval;
    let mut asked: Option<TreeSize> = None;
    let mut latest = clock.mono();
    let mut earliest = latest;
    while let Some((checkpoint, note)) = publication.next_to_witness(clock, asked, earliest, latest)
    {
        earliest = clock.mono() + interval;
        let satisfied = match ask_and_show(client, publication, &checkpoint, &note) {
            Ok(quorum_met) => quorum_met,
            Err(objection) => {
                publication.object(RoundError::Witness(objection));
                true
            }
        };
        asked = Some(checkpoint.size);
        // A head that waits for its quorum, or lacks it, is asked for again soon.
        latest = clock.mono() + if satisfied { idle } else { interval.max(RETRY) };
    }
}

/// Asks for one head, and shows what came. Says whether there is nothing left to ask for soon.
///
/// # Errors
///
/// A contradiction, where the log is to stop for it.
pub(crate) fn ask_and_show(
    client: &Client,
    publication: &Publication,
    checkpoint: &Checkpoint,
    note: &Note,
) -> Result<bool, AskError> {
    let shown = publication.head();
    // What is shown may have cosignatures of witnesses that do not answer now.
    let base = match Note::parse(&shown.note) {
        Ok(shown_note) if shown.checkpoint == *checkpoint => shown_note,
        _ => note.clone(),
    };
    let outcome = client.ask(checkpoint, &base);
    if let Some(contradiction) = outcome.contradiction {
        tracing::error!(error = %chain(&contradiction), "a witness has seen another history");
        if client.options().stop_if_contradicted {
            return Err(contradiction);
        }
    }
    if let Err(error) = publication.cosigned(checkpoint, &outcome.note, outcome.quorum_met) {
        tracing::error!(error = %chain(&error), "cosigned checkpoint was not published");
        return Ok(false);
    }
    if !outcome.quorum_met && client.options().rule == PublishRule::WithQuorum {
        tracing::warn!(size = %checkpoint.size, "checkpoint waits for its quorum");
    }
    Ok(outcome.quorum_met)
}

/// Before witnesses are asked again that did not answer.
const RETRY: Duration = Duration::from_secs(1);
