//! OpenMetrics text as numbers.

use std::collections::BTreeMap;

use crate::http;

/// The samples of one scrape.
#[derive(Debug, Clone)]
pub struct Metrics(Vec<Sample>);

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Metrics {
    /// Gets and reads a page of metrics.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn read(url: &str) -> Self {
        let reply = http::get(url).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.head);
        Self::parse(&String::from_utf8_lossy(&reply.body))
    }

    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(samples.filter_map(sample).collect())
    }

    /// The sample of this name without labels, or with exactly this one.
    #[must_use]
    pub fn get(&self, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let labels = label.map_or_else(String::new, |(key, value)| format!("{key}=\"{value}\""));
        let found = self.0.iter().find(|s| s.name == name && s.labels == labels);
        found.map(|sample| sample.value)
    }

    /// All samples of this name, by the text of their labels.
    #[must_use]
    pub fn by_labels(&self, name: &str) -> BTreeMap<&str, f64> {
        let found = self.0.iter().filter(|sample| sample.name == name);
        found.map(|s| (s.labels.as_str(), s.value)).collect()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Sample {
        name: name.to_owned(),
        labels: labels.trim_end_matches('}').to_owned(),
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_a_name_labels_and_a_value() {
        let text = "# HELP a b\na_total{spool=\"crm\"} 3\nb 1.5\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.get("a_total", Some(("spool", "crm"))), Some(3.0));
        assert_eq!(metrics.get("b", None), Some(1.5));
        assert_eq!(metrics.get("a_total", None), None);
        assert_eq!(metrics.by_labels("a_total").len(), 1);
    }
}
