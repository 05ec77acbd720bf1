//! Foreign records: what becomes of each, in every format and through every door.

mod door;
mod formats;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use affiant_aggregator::foreign::{Imported, Importer};
use affiant_entry::{BootId, CommitKey, Moment, Seq, SourceId, Stamp, encode};
use affiant_policy::redact::{Redactor, RuleSet};

/// In the inputs of the fixtures, and in no output.
const SECRETS: [&str; 2] = ["hunter2-canary", "ghp_Q7wE2rT9yU4"];

/// One for all: compiling the rules is slow without optimisation.
fn importer() -> Importer {
    static IMPORTER: OnceLock<Importer> = OnceLock::new();
    IMPORTER
        .get_or_init(|| with_rules(RuleSet::builtin()))
        .clone()
}

fn with_rules(rules: RuleSet) -> Importer {
    let key = CommitKey::new("k1", &[7; 32]);
    Importer::new(Arc::new(Redactor::new(rules, key.clone())), key)
}

const fn now() -> Moment {
    Moment {
        utc_us: 1_795_330_441_000_000,
        mono_us: 0,
    }
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/formats")
        .join(name)
}

fn entries(imported: &[Imported]) -> Vec<String> {
    let source = SourceId::new("aggregator").unwrap();
    let boot = BootId::parse("00000000000000000000000000").unwrap();
    imported
        .iter()
        .zip(0..)
        .map(|(each, seq)| {
            let stamp = Stamp {
                source: &source,
                boot,
                seq: Seq(seq),
            };
            let bytes = encode(stamp, &each.record).unwrap().into_vec();
            String::from_utf8(bytes).unwrap()
        })
        .collect()
}

fn blobs(imported: &[Imported]) -> Vec<String> {
    let all = imported.iter().flat_map(|each| &each.blobs);
    all.map(|blob| String::from_utf8(blob.bytes.clone()).unwrap())
        .collect()
}
