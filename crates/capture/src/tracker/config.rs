//! What the shell tells a tracker once.

use affiant_entry::Fact;
use affiant_entry::call::Transport;

use super::limits::Limits;

/// Settings of one tracker: of one stdio process, or of one HTTP route.
#[derive(Debug, Clone)]
pub struct Config {
    /// The id the operator gave the server.
    pub server_id: String,
    /// How the server is reached.
    pub transport: Transport,
    /// A call without an answer ends as `error / timeout` after this long; `None`: never. Progress
    /// notifications start it anew.
    pub call_timeout_us: Option<u64>,
    /// Keys of `params._meta` whose string value names the session, the first that is present.
    pub session_meta_keys: Vec<String>,
    /// A conversation silent for this long is over. Not for stdio.
    pub session_idle_us: u64,
    /// Bounds.
    pub limits: Limits,
    /// Who acts, as configured.
    pub identity: Identity,
    /// What is known of the wrapped process.
    pub process: Process,
}

impl Config {
    /// Settings with the default bounds and nothing else known.
    #[must_use]
    pub fn new(server_id: &str, transport: Transport) -> Self {
        Self {
            server_id: server_id.to_owned(),
            transport,
            call_timeout_us: None,
            session_meta_keys: Vec::new(),
            session_idle_us: 30 * 60 * 1_000_000,
            limits: Limits::default(),
            identity: Identity::default(),
            process: Process::default(),
        }
    }
}

/// Who acts, where no token says it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Role of the agent.
    pub role: Fact<String>,
    /// The user on whose behalf it acts.
    pub user: Fact<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            role: Fact::absent("not configured"),
            user: Fact::absent("not configured"),
        }
    }
}

/// What `session` entries say of a wrapped process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Operating system user.
    pub os_user: Fact<String>,
    /// Command line, redacted.
    pub command: Fact<Vec<String>>,
    /// `sha256:<hex>` of the executable file.
    pub binary: Fact<String>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            os_user: Fact::absent("no process"),
            command: Fact::absent("no process"),
            binary: Fact::absent("no process"),
        }
    }
}
