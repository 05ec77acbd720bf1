//! What the store costs: ingest, bytes an entry, memory, and five questions beside DuckDB and chdb on the
//! same files in the same run.
//!
//! `cargo run --release -p affiant-store --example store_speed -- 1000000 [PYTHON]`: PYTHON has `duckdb`
//! and, if it is to be compared too, `chdb`. Figures are ratios within the run.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement: it prints, reads the clock and ends by panicking"
)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use affiant_entry::{BootId, CallId, rfc3339};
use affiant_store::query::{Bounds, Engine, Format, Limits, SqlRequest};
use affiant_store::{RawLeaves, Store};
use affiant_tlog::LeafIndex;

/// 2026-11-20T00:00:00Z; entries spread evenly over seven days.
const START_US: i64 = 1_795_132_800_000_000;
const WEEK_US: i64 = 7 * 86_400_000_000;
const RUNS: usize = 5;
const BATCH: u64 = 4096;

/// Title and text; `{files}` of the peers is the list of Parquet files, ours are in the view.
const QUERIES: [(&str, &str); 5] = [
    (
        "status per hour, 7 days",
        "SELECT hour, status, count(*) AS n FROM calls GROUP BY hour, status ORDER BY hour, status",
    ),
    (
        "users on restricted data off hours",
        "SELECT \"user\", count(*) AS n FROM calls WHERE level = 'restricted' AND (extract(hour FROM time) < 7 OR extract(hour FROM time) >= 19) GROUP BY \"user\" ORDER BY n DESC, \"user\" LIMIT 20",
    ),
    (
        "top tools by response bytes",
        "SELECT tool, sum(response_bytes) AS total FROM calls GROUP BY tool ORDER BY total DESC, tool LIMIT 10",
    ),
    (
        "one session's entries, in order",
        "SELECT leaf, time, tool, input, status FROM calls WHERE session_id = 'sess-4242' ORDER BY leaf",
    ),
    (
        "deny ratio by policy",
        "SELECT policy_set, sum(CASE WHEN decision = 'deny' THEN 1 ELSE 0 END) AS denied, count(*) AS n FROM calls GROUP BY policy_set ORDER BY policy_set",
    ),
];

struct Nothing;

impl RawLeaves for Nothing {
    fn leaf(&self, _: LeafIndex) -> Option<Vec<u8>> {
        None
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let entries: u64 = args.next().map_or(1_000_000, |n| n.parse().unwrap());
    let python = args.next();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "aggregator", "bench", Arc::new(Nothing)).unwrap();
    ingest(&store, entries);
    let engine = Engine::new(store, 2).unwrap();
    let ours: Vec<f64> = QUERIES
        .iter()
        .map(|(_, sql)| measure(|| ask(&engine, sql)))
        .collect();
    let peers = python.map(|python| peers(&python, dir.path()));
    println!("| query | Affiant ms | DuckDB ms | chdb ms | ratio to the better |");
    println!("|---|---|---|---|---|");
    for (at, (title, _)) in QUERIES.iter().enumerate() {
        let of = |engine: usize| peers.as_ref().and_then(|all| all[engine][at]);
        let better = [of(0), of(1)]
            .into_iter()
            .flatten()
            .fold(f64::INFINITY, f64::min);
        let shown = |value: Option<f64>| value.map_or_else(String::new, |ms| format!("{ms:.0}"));
        println!(
            "| {title} | {:.0} | {} | {} | {:.2} |",
            ours[at],
            shown(of(0)),
            shown(of(1)),
            ours[at] / better
        );
    }
    println!("\npeak resident: {} MiB", peak_kib() / 1024);
}

fn ingest(store: &Store, entries: u64) {
    let (mut spent, mut bytes) = (0.0, 0);
    let mut at = 0;
    while at < entries {
        let end = (at + BATCH).min(entries);
        let leaves: Vec<Vec<u8>> = (at..end).map(|n| leaf(n, entries)).collect();
        bytes += leaves.iter().map(Vec::len).sum::<usize>();
        let begun = Instant::now();
        store.append(LeafIndex(at), &leaves).unwrap();
        spent += begun.elapsed().as_secs_f64();
        at = end;
    }
    let begun = Instant::now();
    store.flush().unwrap();
    spent += begun.elapsed().as_secs_f64();
    let merging = Instant::now();
    while store.compact().unwrap() {}
    let status = store.status();
    println!(
        "entries: {entries} of {} B; ingest on one thread: {:.0}/s",
        bytes as u64 / entries,
        entries as f64 / spent
    );
    println!(
        "merged in {:.1} s into {} files; {:.0} B an entry\n",
        merging.elapsed().as_secs_f64(),
        status.files,
        status.bytes as f64 / status.rows as f64
    );
}

fn ask(engine: &Engine, sql: &str) {
    let request = SqlRequest {
        sql: sql.to_owned(),
        format: Format::Csv,
        bounds: Bounds::default(),
        limits: Limits::default(),
    };
    engine.sql_blocking(request).unwrap();
}

/// The median of some runs, milliseconds; the first does not count.
fn measure(run: impl Fn()) -> f64 {
    run();
    let mut all: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[RUNS / 2]
}

const PEERS: &str = r#"
import json, sys, time
root, queries = sys.argv[1], json.loads(sys.argv[2])
runs = 5
def measure(run):
    run()
    all = []
    for _ in range(runs):
        begun = time.perf_counter()
        run()
        all.append((time.perf_counter() - begun) * 1e3)
    return sorted(all)[runs // 2]
out = [[None] * len(queries), [None] * len(queries)]
calls = "SELECT * FROM {} WHERE kind IN ('call.end', 'call.import') AND problem IS NULL AND repeats IS NULL"
try:
    import duckdb
    db = duckdb.connect()
    db.execute("SET threads = 2; SET TimeZone = 'UTC'")
    db.execute("CREATE VIEW calls AS " + calls.format(f"read_parquet('{root}/data/*/*.parquet')"))
    out[0] = [measure(lambda: db.execute(f"COPY ({sql}) TO '/dev/null' (FORMAT csv)")) for sql in queries]
except ImportError:
    pass
try:
    from chdb import session
    ch = session.Session()
    ch.query("CREATE DATABASE b")
    ch.query("CREATE VIEW b.calls AS " + calls.format(f"file('{root}/data/*/*.parquet', Parquet)"))
    fixed = [s.replace("FROM calls", "FROM b.calls").replace("extract(hour FROM time)", "toHour(time)") for s in queries]
    out[1] = [measure(lambda: ch.query(sql + " SETTINGS max_threads = 2", "CSV")) for sql in fixed]
except ImportError:
    pass
print(json.dumps(out))
"#;

/// Milliseconds of DuckDB and chdb, a query each.
fn peers(python: &str, root: &Path) -> Vec<Vec<Option<f64>>> {
    let queries: Vec<&str> = QUERIES.iter().map(|(_, sql)| *sql).collect();
    let queries = serde_json::to_string(&queries).unwrap();
    let run = Command::new(python)
        .args(["-c", PEERS])
        .arg(root)
        .arg(queries)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    serde_json::from_slice(&run.stdout).unwrap()
}

/// Highest resident size of this process so far.
fn peak_kib() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// A `call.end` of about 1.2 kB.
fn leaf(n: u64, of: u64) -> Vec<u8> {
    let mut dice = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut roll = |sides: u64| {
        dice ^= dice >> 29;
        dice = dice.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (dice >> 32) % sides
    };
    let share = n as f64 / of as f64;
    #[expect(clippy::cast_possible_truncation, reason = "microseconds of a week")]
    let at = START_US + (share * WEEK_US as f64) as i64;
    let call = CallId::from_parts(at, u128::from(n));
    let boot = BootId::from_parts(START_US, 1);
    // A session lives for about an hour.
    let session = n / 20_000 * 100 + roll(200);
    let status = match roll(40) {
        0 => "{\"code\":\"error\",\"reason\":\"timeout\"}",
        1 | 2 => "{\"code\":\"failure\",\"reason\":\"tool-error\"}",
        _ => "{\"code\":\"success\",\"reason\":\"ok\"}",
    };
    let level =
        ["public", "internal", "confidential", "restricted"][usize::try_from(roll(4)).unwrap()];
    let decision = if roll(50) == 0 { "deny" } else { "allow" };
    let text: String = (0..12).map(|_| format!("{:08x} ", roll(1 << 32))).collect();
    format!(
        "{{\"v\":1,\"kind\":\"call.end\",\"source\":\"edge-{}\",\"boot\":\"{boot}\",\"seq\":{n},\"call\":\"{call}\",\"time\":\"{}\",\"mono_us\":{n},\
         \"session\":{{\"id\":\"sess-{session}\",\"origin\":\"mcp-session-id\"}},\"agent\":{{\"role\":\"role-{}\",\"user\":\"user-{:04}\",\"token\":\"hmac-sha256:k1:{:016x}{:016x}\",\"client\":\"claude-code/2.1\",\"verified\":[\"user\"]}},\
         \"server\":{{\"id\":\"server-{}\",\"name\":\"Server\",\"version\":\"1.4.{}\",\"protocol\":\"2025-06-18\",\"transport\":\"http\"}},\"tool\":{{\"name\":\"tool-{}\",\"in_manifest\":true,\"manifest\":\"sha256:0011\"}},\
         \"input_form\":\"value\",\"input\":{{\"query\":\"{text}\",\"limit\":{},\"path\":\"/srv/data/{}/file-{}.txt\"}},\"redactions\":[],\"status\":{status},\"response\":{{\"bytes\":{},\"commit\":\"hmac-sha256:k1:{:016x}{:016x}\"}},\"latency_us\":{},\
         \"classification\":{{\"level\":\"{level}\",\"rule\":\"r-{level}\"}},\"policy\":{{\"decision\":\"{decision}\",\"mode\":\"enforce\",\"set\":\"policy-{}\",\"evaluated\":[]}},\"correlation\":{{\"id\":\"{:032x}\",\"request_id\":\"{}\",\"origin\":\"minted\"}}}}",
        roll(8), rfc3339(at), roll(12), roll(2000), roll(u64::MAX), roll(u64::MAX), roll(40), roll(9), roll(300), roll(100), roll(50), roll(10_000), roll(200_000), roll(u64::MAX), roll(u64::MAX), roll(2_000_000), roll(6), u128::from(roll(u64::MAX)), roll(500)
    )
    .into_bytes()
}
