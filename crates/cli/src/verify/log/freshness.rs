//! How old the witnesses' word is (`--max-cosignature-age`).
//!
//! A log that is frozen at an old checkpoint is perfect in itself and cosigned by everybody. Only the time of
//! the cosignatures tells: honest witnesses are asked anew at least every minute. So those that are too old are
//! taken off the note, and the policy is asked again.

use affiant_audit::TrustFile;
use affiant_entry::rfc3339;
use affiant_tlog::Note;
use affiant_tlog::policy::PolicyReport;

use crate::verify::{Answer, Fault};

/// The age that was asked for, and the time it is counted from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// The most a cosignature may be old, microseconds.
    pub(crate) age_us_max: i64,
    /// Now, microseconds since the Unix epoch.
    pub(crate) now_us: i64,
}

impl Freshness {
    /// What is wrong if fewer than a quorum of the policy's witnesses, or none at all, cosigned lately.
    pub(super) fn judge(
        self,
        trust: &TrustFile,
        note: &Note,
        report: &PolicyReport,
    ) -> Option<Fault> {
        let since_us = self.now_us.saturating_sub(self.age_us_max);
        let is_stale = |s: u64| {
            i64::try_from(s)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000)
                < since_us
        };
        let stale: Vec<_> = report
            .cosigned()
            .iter()
            .filter(|each| is_stale(each.time.0))
            .collect();
        let fresh = report.cosigned().len().saturating_sub(stale.len());
        let mut left = note
            .signatures()
            .iter()
            .filter(|line| stale.iter().all(|each| each.key != *line.key_ref()))
            .cloned();
        let kept = left
            .next()
            .and_then(|first| Note::from_parts(note.text(), first).ok())
            .and_then(|mut kept| {
                left.try_for_each(|line| kept.attach(line))
                    .ok()
                    .map(|()| kept)
            });
        let met = kept
            .and_then(|kept| trust.policy.check(&kept).ok())
            .is_some_and(|report| report.quorum_met());
        if met && fresh > 0 {
            return None;
        }
        let newest = report.cosigned().iter().map(|each| each.time.0).max();
        let newest = newest.map_or_else(
            || "none of your witnesses cosigned it".to_owned(),
            |s| {
                let us = i64::try_from(s)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1_000_000);
                format!("the newest of your witnesses saw it at {}", rfc3339(us))
            },
        );
        Some(Fault {
            answer: Answer::Incomplete,
            code: "cosignature-age",
            text: format!(
                "too few of your witnesses cosigned this checkpoint since {}: {newest}; the log may be frozen",
                rfc3339(since_us)
            ),
        })
    }
}
