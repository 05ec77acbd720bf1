//! Every bound of the tracker, with its reason. Hitting one is an anomaly of code `limit` that says
//! which.

/// Requests of a client that wait for an answer. A modern call ends with its exchange, so only
/// stalled stdio servers and abandoned legacy calls pile up. About 400 bytes each.
///
/// Over it, the oldest is forgotten; if it is a call, it ends as `error / outcome-unknown`.
pub const CALLS_OPEN_MAX: usize = 16 * 1024;

/// Bytes of the ids and progress tokens of those requests, as ids may be 4 KiB long. Over it, as
/// for [`CALLS_OPEN_MAX`].
pub const CALLS_OPEN_ID_BYTES_MAX: usize = 4 << 20;

/// Conversations remembered. Over it, the one that was silent longest is ended and forgotten.
pub const SESSIONS_MAX: usize = 4096;

/// Calls carried by a task. Over it, the oldest ends as `error / outcome-unknown`.
pub const TASKS_MAX: usize = 4096;

/// Task statuses kept that came before the task they speak of. Over it, the oldest is forgotten.
pub const TASKS_EARLY_MAX: usize = 256;

/// Rounds remembered that a client may continue with their `requestState`. Over it, the oldest is
/// forgotten: its next round then counts as a first round.
pub const CHAINS_MAX: usize = 4096;

/// Tools of one manifest. A longer one is not recorded.
pub const MANIFEST_TOOLS_MAX: usize = 4096;

/// Bytes of the names of one manifest's tools. A longer one is not recorded.
pub const MANIFEST_NAMES_BYTES_MAX: usize = 256 << 10;

/// Audiences (authorizations) whose manifests are remembered, and listings that wait for their next
/// page. Over it, the oldest is forgotten.
pub const MANIFESTS_MAX: usize = 64;

/// Exchanges whose response head is remembered until they close, and streams held open. Over it, the oldest is forgotten.
pub const EXCHANGES_MAX: usize = 16 * 1024;

/// Ended requests remembered, to tell a late answer from one that nobody asked for. Over it, the
/// oldest is forgotten.
pub const ENDED_MAX: usize = 1024;

/// Anomalies of one code recorded a minute; the rest are counted, and the count is recorded.
pub const ANOMALIES_PER_MINUTE_MAX: u64 = 60;

/// Authorization failures recorded a minute; the rest are counted, and the count is recorded.
pub const AUTH_FAILURES_PER_MINUTE_MAX: u64 = 600;

/// How long after a task's final status (or a request to cancel it) its result may still be
/// fetched, before the call ends by the status alone.
pub const TASK_RESULT_GRACE_US: u64 = 60_000_000;

/// The bounds in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// [`CALLS_OPEN_MAX`].
    pub calls_open_max: usize,
    /// [`CALLS_OPEN_ID_BYTES_MAX`].
    pub calls_open_id_bytes_max: usize,
    /// [`SESSIONS_MAX`].
    pub sessions_max: usize,
    /// [`TASKS_MAX`].
    pub tasks_max: usize,
    /// [`TASKS_EARLY_MAX`].
    pub tasks_early_max: usize,
    /// [`CHAINS_MAX`].
    pub chains_max: usize,
    /// [`MANIFEST_TOOLS_MAX`].
    pub manifest_tools_max: usize,
    /// [`MANIFESTS_MAX`].
    pub manifests_max: usize,
    /// [`EXCHANGES_MAX`].
    pub exchanges_max: usize,
    /// [`ENDED_MAX`].
    pub ended_max: usize,
    /// [`ANOMALIES_PER_MINUTE_MAX`].
    pub anomalies_per_minute_max: u64,
    /// [`AUTH_FAILURES_PER_MINUTE_MAX`].
    pub auth_failures_per_minute_max: u64,
    /// [`TASK_RESULT_GRACE_US`].
    pub task_result_grace_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_open_max: CALLS_OPEN_MAX,
            calls_open_id_bytes_max: CALLS_OPEN_ID_BYTES_MAX,
            sessions_max: SESSIONS_MAX,
            tasks_max: TASKS_MAX,
            tasks_early_max: TASKS_EARLY_MAX,
            chains_max: CHAINS_MAX,
            manifest_tools_max: MANIFEST_TOOLS_MAX,
            manifests_max: MANIFESTS_MAX,
            exchanges_max: EXCHANGES_MAX,
            ended_max: ENDED_MAX,
            anomalies_per_minute_max: ANOMALIES_PER_MINUTE_MAX,
            auth_failures_per_minute_max: AUTH_FAILURES_PER_MINUTE_MAX,
            task_result_grace_us: TASK_RESULT_GRACE_US,
        }
    }
}
