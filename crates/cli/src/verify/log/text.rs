//! A verification of a log told to people.

use affiant_audit::log::{AuditReport, Interval, IntervalVerdict, SourceReport};

use super::LogOutcome;
use crate::entries::units::{count, plural, short_key, time};
use crate::printer::{Paint, clean};
use crate::verify::Answer;

/// Most stretches of one chain that are told.
const INTERVALS_TOLD: usize = 12;

/// The narrative, line by line.
pub(crate) fn lines(outcome: &LogOutcome, paint: Paint) -> Vec<String> {
    let mut out = vec![format!("Verifying the log {}", paint.bold(&outcome.target))];
    out.push(trust(outcome));
    out.push(String::new());
    checkpoint(outcome, paint, &mut out);
    if let Some(log) = &outcome.log {
        for source in &log.sources {
            out.push(String::new());
            chain(source, paint, &mut out);
        }
    }
    out.push(String::new());
    out.push("Not checked".to_owned());
    out.extend(
        outcome
            .not_checked
            .iter()
            .map(|what| paint.dim(&format!("  - {what}"))),
    );
    out.push(String::new());
    out.push(format!("Verdict: {}", verdict(outcome, paint)));
    out
}

fn trust(outcome: &LogOutcome) -> String {
    let trust = &outcome.trust;
    let keys: Vec<_> = trust.logs.iter().map(|key| short_key(key)).collect();
    let witnesses = if trust.asks_for_witnesses {
        format!(", witnesses {}", trust.witnesses.join(", "))
    } else {
        String::new()
    };
    let origin = if trust.given {
        ""
    } else {
        ", found beside the log itself"
    };
    format!(
        "Trusting {}{witnesses} from {}{origin}",
        keys.join(", "),
        trust.file.display()
    )
}

fn checkpoint(outcome: &LogOutcome, paint: Paint, out: &mut Vec<String>) {
    let own = own_answer(outcome);
    let name = outcome.checkpoint.as_ref().map_or_else(
        || "log".to_owned(),
        |facts| format!("log {}", clean(&facts.origin)),
    );
    out.push(format!("{} {}", mark(own, paint), paint.bold(&name)));
    let mut say = |text: String| out.push(format!("  {text}"));
    if let Some(facts) = &outcome.checkpoint {
        say(format!(
            "checkpoint of {} signed by {}",
            plural(facts.size, "leaf", "leaves"),
            clean(&facts.signed_by)
        ));
        for (name, at) in &facts.cosigned {
            say(format!("seen by witness {} at {at}", clean(name)));
        }
        if let Some(size) = facts.remembered {
            say(format!(
                "you remember it at {}",
                plural(size, "leaf", "leaves")
            ));
        }
    }
    if let Some(files) = &outcome.files {
        say(format!(
            "{} and {} follow from the leaves",
            plural(files.bundles, "bundle", "bundles"),
            plural(files.tiles, "tile", "tiles")
        ));
        for finding in &files.findings {
            say(tint(finding.verdict.into(), &finding.to_string(), paint));
        }
        more(files.findings_total, files.findings.len(), &mut say);
    }
    if let Some(log) = &outcome.log {
        totals(log, &mut say);
        if let Some(pruned) = log.pruned.as_ref().filter(|pruned| pruned.leaves > 0) {
            say(format!(
                "PRUNED {}, under policy {}, as leaf {} says",
                plural(pruned.leaves, "leaf", "leaves"),
                clean(&pruned.policy),
                count(pruned.leaf)
            ));
        }
        for finding in &log.findings {
            say(tint(finding.verdict.into(), &finding.to_string(), paint));
        }
        more(log.findings_total, log.findings.len(), &mut say);
    }
    if let Some(blobs) = outcome.blobs.as_ref().filter(|blobs| blobs.named > 0) {
        let erased = if blobs.erased > 0 {
            format!(", {} ERASED as the log says", count(blobs.erased))
        } else {
            String::new()
        };
        say(format!(
            "{} of {} intact{erased}",
            count(blobs.intact),
            plural(blobs.named, "blob", "blobs")
        ));
    }
    for (authority, newest) in outcome.anchors.newest() {
        say(format!(
            "{} by {}, the newest over {} at {}",
            plural(newest.held, "time stamp", "time stamps"),
            clean(authority),
            plural(newest.size, "leaf", "leaves"),
            clean(&newest.time)
        ));
    }
    for fault in &outcome.faults {
        say(tint(fault.answer, &fault.text, paint));
    }
    if let Some(left) = &outcome.leftovers {
        if left.strangers > 0 {
            say(paint.dim(&format!(
                "note: {} no part of a log: {}",
                plural(left.strangers, "file is", "files are"),
                clean(&left.strangers_named.join(", "))
            )));
        }
        if left.behind > 0 {
            say(paint.dim(&format!(
                "note: {} behind the checkpoint, for which nobody signed yet",
                plural(left.behind, "file lies", "files lie")
            )));
        }
    }
    for note in &outcome.notes {
        say(paint.dim(&format!("note: {}", clean(note))));
    }
}

fn totals(log: &AuditReport, say: &mut impl FnMut(String)) {
    let counts = &log.counts;
    say(format!(
        "{} under {}, {} of the aggregator",
        plural(counts.entries, "entry", "entries"),
        plural(counts.seals, "seal", "seals"),
        count(counts.own)
    ));
    if counts.imported > 0 {
        say(format!(
            "{} came in by another door, under no seal",
            plural(counts.imported, "call", "calls")
        ));
    }
    if counts.refused > 0 {
        say(format!(
            "{} refused, as the aggregator says",
            plural(counts.refused, "batch was", "batches were")
        ));
    }
    if counts.contexts > 0 {
        let stale = match counts.contexts_stale {
            0 => String::new(),
            n => format!(", {} of them with a stale source", count(n)),
        };
        say(format!(
            "{} of context{stale}",
            plural(counts.contexts, "leaf", "leaves")
        ));
    }
    if let Some(serial) = log.roster {
        say(format!("roster {serial} says which sources to expect"));
    }
}

fn chain(source: &SourceReport, paint: Paint, out: &mut Vec<String>) {
    out.push(format!(
        "{} {}",
        mark(source.verdict.into(), paint),
        paint.bold(&format!(
            "source {}, spool {}",
            source.source,
            source.spool.as_str()
        ))
    ));
    let mut say = |text: String| out.push(format!("  {text}"));
    for interval in source.intervals.iter().take(INTERVALS_TOLD) {
        say(stretch(interval, paint));
    }
    more(
        source.intervals_total,
        source.intervals.len().min(INTERVALS_TOLD),
        &mut say,
    );
    let coverage = &source.coverage;
    if coverage.calls > 0 {
        say(format!(
            "{} ended, {} with all twelve fields accounted for",
            plural(coverage.calls, "call", "calls"),
            count(coverage.complete)
        ));
    }
    for finding in &source.findings {
        say(tint(finding.verdict.into(), &finding.to_string(), paint));
    }
    more(source.findings_total, source.findings.len(), &mut say);
    let end = if source.stopped {
        "ended in order"
    } else {
        "open"
    };
    say(paint.dim(&format!("note: its last boot is {end}")));
}

fn stretch(interval: &Interval, paint: Paint) -> String {
    let word = interval.verdict.word();
    let entries = interval.entries.map_or_else(String::new, |n| {
        format!(" {}", plural(n, "entry", "entries"))
    });
    let range = match (&interval.from, &interval.to) {
        (Some(from), Some(to)) => format!(
            ", leaves {} to {}, {} to {} UTC",
            count(from.leaf),
            count(to.leaf),
            time(from.utc_us),
            time(to.utc_us)
        ),
        _ => String::new(),
    };
    let line = format!("{word}{entries}{range}");
    let bad = matches!(
        interval.verdict,
        IntervalVerdict::Missing(_) | IntervalVerdict::Faulty
    );
    if bad {
        paint.red(&line)
    } else if interval.verdict == IntervalVerdict::Complete {
        line
    } else {
        paint.yellow(&line)
    }
}

fn more(total: u64, listed: usize, say: &mut impl FnMut(String)) {
    let more = total.saturating_sub(u64::try_from(listed).unwrap_or(u64::MAX));
    if more > 0 {
        say(format!("and {} more", count(more)));
    }
}

fn own_answer(outcome: &LogOutcome) -> Answer {
    let faults = outcome.faults.iter().map(|fault| fault.answer);
    let files = outcome.files.iter().map(|files| files.verdict.into());
    let log = outcome.log.iter().flat_map(|log| &log.findings);
    let log = log.map(|finding| finding.verdict.into());
    faults.chain(files).chain(log).max().unwrap_or(Answer::Ok)
}

pub(crate) fn tint(answer: Answer, text: &str, paint: Paint) -> String {
    let line = format!("{}: {}", answer.word(), clean(text));
    if answer == Answer::No {
        paint.red(&line)
    } else {
        paint.yellow(&line)
    }
}

pub(crate) fn mark(answer: Answer, paint: Paint) -> String {
    match answer {
        Answer::Ok => paint.green("✓"),
        Answer::Incomplete | Answer::Untrusted => paint.yellow("?"),
        Answer::StorageFailed | Answer::No => paint.red("✗"),
    }
}

fn verdict(outcome: &LogOutcome, paint: Paint) -> String {
    match outcome.answer {
        Answer::Ok => paint.green("ok, everything that was checked holds"),
        Answer::No => paint.red("no, the log was altered, cut, forged or rolled back"),
        Answer::Untrusted => paint.yellow("untrusted, a key is not one you trust, or was not good"),
        Answer::StorageFailed => paint.red("the storage failed while it was read"),
        Answer::Incomplete => paint.yellow(
            "incomplete, what is there holds, but not everything is there or could be told",
        ),
    }
}
