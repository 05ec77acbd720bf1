//! Quantiles and tables.

use std::time::Duration;

/// Sorted samples, microseconds.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn of(times: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e6).collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let at = (q * (self.0.len().saturating_sub(1)) as f64).round() as usize;
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Prints a Markdown table: a title, a header, rows.
pub(crate) fn table(title: &str, header: &[&str], rows: &[Vec<String>]) {
    println!("\n## {title}\n");
    println!("| {} |", header.join(" | "));
    println!("|{}", "---|".repeat(header.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// A latency row: name, p50, p99, and what was added to and multiplied upon the first row's p50.
pub(crate) fn latency_row(name: &str, samples: &Samples, base: &Samples) -> Vec<String> {
    let (p50, p99) = (samples.quantile(0.5), samples.quantile(0.99));
    let (base50, base99) = (base.quantile(0.5), base.quantile(0.99));
    vec![
        name.to_owned(),
        format!("{p50:.0}"),
        format!("{p99:.0}"),
        format!("{:+.0}", p50 - base50),
        format!("{:+.0}", p99 - base99),
        format!("{:.2}", p50 / base50),
    ]
}

pub(crate) const LATENCY_HEADER: &[&str] = &[
    "",
    "p50 µs",
    "p99 µs",
    "added p50 µs",
    "added p99 µs",
    "p50 ratio",
];
