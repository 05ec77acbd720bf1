//! A verification told to people: what was checked, against which key, what was not.

use affiant_entry::chain::{HeadCheck, Verdict};
use affiant_entry::completeness::FIELDS;

use super::{Answer, Outcome, SpoolOutcome, State};
use crate::entries::units::{bytes, count, plural, short_key, time};
use crate::printer::{Paint, clean};

/// The narrative, line by line.
pub(crate) fn lines(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let spools = plural(len(outcome.spools.len()), "spool", "spools");
    let mut out = vec![format!(
        "Verifying {} ({spools})",
        paint.bold(&outcome.target.display().to_string())
    )];
    out.push(trust(outcome));
    for spool in &outcome.spools {
        out.push(String::new());
        describe(spool, paint, &mut out);
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

/// Most faults of one spool that the short narrative tells.
#[cfg(feature = "demo")]
const SHORT_FAULTS_MAX: usize = 2;

/// The narrative in short: each spool in a line or two, and the verdict.
#[cfg(feature = "demo")]
pub(crate) fn short(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let mut out = Vec::new();
    for spool in &outcome.spools {
        let (counts, coverage) = (&spool.chain.counts, &spool.chain.coverage);
        out.push(format!(
            "{} {}  {} under {}, {} with all {FIELDS} fields",
            mark(spool.answer, paint),
            paint.bold(&format!("spool {}", clean(&spool.name))),
            plural(counts.entries, "entry", "entries"),
            plural(counts.seals, "seal", "seals"),
            plural(coverage.complete, "call", "calls"),
        ));
        let mut told = Vec::new();
        faults(spool, paint, &mut |line| told.push(line));
        let more = told.len().saturating_sub(SHORT_FAULTS_MAX);
        told.truncate(SHORT_FAULTS_MAX);
        if more > 0 {
            told.push(paint.dim(&format!("and {more} more")));
        }
        out.extend(told.iter().map(|line| format!("  {line}")));
    }
    out.push(format!("Verdict: {}", verdict(outcome, paint)));
    out
}

fn trust(outcome: &Outcome) -> String {
    let Some(file) = &outcome.trust.file else {
        return "Trusting no key: there is none beside it, and `--trust` was not given".to_owned();
    };
    let keys: Vec<_> = outcome
        .trust
        .keys
        .iter()
        .map(|key| short_key(key))
        .collect();
    let origin = if outcome.trust.given {
        ""
    } else {
        ", found in the directory itself"
    };
    format!(
        "Trusting {} from {}{origin}",
        keys.join(", "),
        file.display()
    )
}

fn describe(spool: &SpoolOutcome, paint: Paint, out: &mut Vec<String>) {
    let counts = &spool.chain.counts;
    out.push(format!(
        "{} {}",
        mark(spool.answer, paint),
        paint.bold(&format!("spool {}", clean(&spool.name)))
    ));
    let mut say = |text: String| out.push(format!("  {text}"));
    if counts.seals > 0 {
        let range = match (spool.chain.first_utc_us, spool.chain.last_utc_us) {
            (Some(first), Some(last)) => format!(", {} to {} UTC", time(first), time(last)),
            _ => String::new(),
        };
        say(format!(
            "{} under {} in {}{range}",
            plural(counts.entries, "entry", "entries"),
            plural(counts.seals, "seal", "seals"),
            plural(counts.boots, "boot", "boots"),
        ));
    }
    if let Some(released) = &spool.released {
        say(format!(
            "PRUNED before that: released, as {} has it up to leaf {} of {}",
            clean(&released.log),
            count(released.leaf),
            count(released.size)
        ));
    }
    for key in &spool.chain.keys {
        let trusted = if key.trusted {
            "trusted"
        } else {
            "not trusted"
        };
        say(format!("sealed by {} ({trusted})", short_key(&key.key)));
    }
    calls(spool, &mut say);
    match spool.chain.head {
        HeadCheck::Found => say("the seal that the key holder remembers is there".to_owned()),
        HeadCheck::NotFound | HeadCheck::NotGiven => {}
    }
    if spool.blobs.named > 0 {
        say(format!(
            "{} of {} intact, {}",
            count(spool.blobs.intact),
            plural(spool.blobs.named, "blob", "blobs"),
            bytes(spool.blobs.bytes)
        ));
    }
    faults(spool, paint, &mut say);
    for note in &spool.notes {
        say(paint.dim(&format!("note: {}", clean(note))));
    }
    if spool.state == State::Missing && spool.chain.findings.is_empty() && spool.faults.is_empty() {
        say("nothing here".to_owned());
    }
}

fn calls(spool: &SpoolOutcome, say: &mut impl FnMut(String)) {
    let (counts, coverage) = (&spool.chain.counts, &spool.chain.coverage);
    if counts.calls_begun == 0 && coverage.calls == 0 {
        return;
    }
    let mut more = String::new();
    if counts.calls_open > 0 {
        more.push_str(&format!(", {} open", count(counts.calls_open)));
    }
    if counts.calls_outcome_unknown > 0 {
        more.push_str(&format!(
            ", {} with unknown outcome",
            count(counts.calls_outcome_unknown)
        ));
    }
    say(format!(
        "{} ended, {} with all {FIELDS} fields accounted for{more}",
        plural(coverage.calls, "call", "calls"),
        count(coverage.complete)
    ));
    let absent: Vec<_> = coverage
        .fields()
        .filter(|(_, tally)| tally.absent > 0)
        .map(|(field, tally)| format!("{field} {}", count(tally.absent)))
        .collect();
    if !absent.is_empty() {
        say(format!("said to be absent: {}", absent.join(", ")));
    }
    if counts.anomalies > 0 {
        say(format!(
            "{} recorded",
            plural(counts.anomalies, "anomaly", "anomalies")
        ));
    }
}

fn faults(spool: &SpoolOutcome, paint: Paint, say: &mut impl FnMut(String)) {
    let tinted = |answer: Answer, text: &str| {
        let line = format!("{}: {}", answer.word(), clean(text));
        if answer == Answer::No {
            paint.red(&line)
        } else {
            paint.yellow(&line)
        }
    };
    for finding in spool
        .chain
        .findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Ok)
    {
        say(tinted(finding.verdict.into(), &finding.to_string()));
    }
    let more = spool
        .chain
        .findings_total
        .saturating_sub(len(spool.chain.findings.len()));
    if more > 0 {
        say(format!("and {} more", count(more)));
    }
    for fault in &spool.faults {
        say(tinted(fault.answer, &fault.text));
    }
}

fn mark(answer: Answer, paint: Paint) -> String {
    match answer {
        Answer::Ok => paint.green("✓"),
        Answer::Incomplete | Answer::Untrusted => paint.yellow("?"),
        Answer::StorageFailed | Answer::No => paint.red("✗"),
    }
}

fn verdict(outcome: &Outcome, paint: Paint) -> String {
    match outcome.answer {
        Answer::Ok => paint.green("ok, everything that was checked holds"),
        Answer::No => paint.red("no, the trail was altered, cut or forged"),
        Answer::Untrusted => {
            paint.yellow("untrusted, it is sealed by a key that nothing links to a trusted one")
        }
        Answer::StorageFailed => paint.red("the storage failed while it was read"),
        Answer::Incomplete if outcome.spools.is_empty() => {
            paint.yellow("incomplete, there is no spool")
        }
        Answer::Incomplete => {
            paint.yellow("incomplete, what is there holds, but not everything is there")
        }
    }
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
