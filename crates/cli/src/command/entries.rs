//! `affiant entries`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use affiant_agent::state::DataDir;
use affiant_entry::CallId;
use affiant_entry::decode::Kind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::api_client::ApiClient;
use crate::cli::Format;
use crate::data_dir::DataDirArg;
use crate::entries::filter::Filter;
use crate::entries::log::LogStream;
use crate::entries::merge::{Merge, Row};
use crate::entries::remote::RemoteStream;
use crate::entries::table::Table;
use crate::entries::when;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Paint, Stdout, say};

const EXAMPLES: &str = "  \
  affiant entries --since 15m                       what happened in the last quarter of an hour
  affiant entries --status error --server crm       calls that went wrong
  affiant entries --format json | jq .tool.name     the entries themselves, one a line
  affiant entries --follow --limit 20               the last twenty, then each as it comes
  affiant entries --api https://trail.example:7480 --token-file me.token --tool search --since 1d";

/// How long `--follow` waits before it looks again.
const FOLLOW_NAP: Duration = Duration::from_millis(200);
/// Every how many naps `--follow` asks the API.
const NAPS_PER_LOOK: u32 = 15;
/// Every how many naps `--follow` looks for new spools.
const NAPS_PER_SCAN: u32 = 5;
/// Largest `--limit`: that many entries are kept in memory.
const LIMIT_MAX: u64 = 100_000;

/// List the entries of the trail, and follow them
///
/// Spools are merged by time, each in its own order. Of an aggregator's data directory, what its log
/// holds is listed, in the log's order. `--format json` prints the exact bytes of every
/// entry, seals included, one a line. The table shows calls by their end and leaves out seals,
/// heartbeats and beginnings; `--kind` shows them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &[Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Storage]))]
pub(crate) struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
    /// How entries are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Go on with entries as they come, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Not before this time: RFC 3339, a date, or how long ago (`15m`, `2h`, `7d`)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Of this session: its id, or how it begins or ends
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// On behalf of this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Of this server, by the id you gave it
    #[arg(long, value_name = "ID")]
    server: Option<String>,
    /// Of this status: `success`, `failure`, `error`, or a reason such as `timeout`
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Of this kind, such as `call.end`, `boot`, `anomaly`, `seal`; may be given several times
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Of this call
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// Only the last N that match
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(..=LIMIT_MAX))]
    limit: Option<u64>,
    /// Ask the API of an aggregator instead: `http://HOST:PORT` or `https://…`. Sessions are named whole
    #[arg(long, value_name = "URL", conflicts_with = "spools")]
    api: Option<String>,
    /// File with an API token, or one of the issuer that the aggregator trusts
    #[arg(long, value_name = "FILE", requires = "api")]
    token_file: Option<PathBuf>,
    /// Only this spool; may be given several times
    #[arg(long = "spool", value_name = "NAME")]
    spools: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let filter = args.filter()?;
    if let Some(url) = &args.api {
        return run_api(args, &filter, url);
    }
    if let Some(log) = args.data_dir.log()? {
        return run_log(args, &filter, &log);
    }
    let dir = args.data_dir.to_read()?;
    let names = chosen(&dir, &args.spools)?;
    let mut merge = Merge::open(&dir, &names)?;
    let mut show = Show::new(args);
    let mut last = VecDeque::new();
    while let Some(row) = merge.next()? {
        if show.out.is_closed() {
            break;
        }
        if !filter.passes(&row.entry) {
            show.pass_over(&row);
            continue;
        }
        match args.limit {
            None => show.row(&row)?,
            Some(limit) => {
                last.push_back(row);
                if last.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
                    last.pop_front();
                }
            }
        }
    }
    for row in last {
        show.row(&row)?;
    }
    if args.follow {
        follow(args, &dir, &filter, &mut merge, &mut show)?;
    }
    show.finish()?;
    Ok(if merge.is_troubled() {
        Exit::Incomplete
    } else {
        Exit::Ok
    })
}

/// Lists what an aggregator gives through its API.
fn run_api(args: &Args, filter: &Filter, url: &str) -> Result<Exit, ExpectedError> {
    let api = ApiClient::open(url, args.token_file.as_deref())?;
    let mut stream = RemoteStream::new(api, filter);
    let mut show = Show::new(args);
    if let Some(limit) = args.limit {
        for row in stream.last(limit)? {
            show.row(&row)?;
        }
    } else {
        drain(&mut stream, &mut show)?;
    }
    if args.follow {
        follow_api(&mut stream, &mut show)?;
    }
    show.finish()?;
    Ok(Exit::Ok)
}

/// Shows entries as the aggregator has them, until nobody reads any more.
fn follow_api(stream: &mut RemoteStream, show: &mut Show) -> Result<(), ExpectedError> {
    loop {
        show.flush()?;
        // Each look is an entry in the log as well: they are far apart.
        for _ in 0..NAPS_PER_LOOK {
            if show.out.is_closed() || reader_is_gone() {
                return Ok(());
            }
        }
        drain(stream, show)?;
    }
}

fn drain(stream: &mut RemoteStream, show: &mut Show) -> Result<(), ExpectedError> {
    stream.drain(|row| {
        show.row(&row)?;
        Ok(!show.out.is_closed())
    })
}

/// Lists what an aggregator's log holds.
fn run_log(args: &Args, filter: &Filter, log: &Path) -> Result<Exit, ExpectedError> {
    if !args.spools.is_empty() {
        return Err(ExpectedError::usage(
            "`--spool` is for spools, and this is a log",
        ));
    }
    let mut stream = LogStream::open(log)?;
    let mut show = Show::new(args);
    let mut last = VecDeque::new();
    let limit = args
        .limit
        .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    stream.drain(|row| {
        if !filter.passes(&row.entry) {
            show.pass_over(&row);
        } else if let Some(limit) = limit {
            last.push_back(row);
            if last.len() > limit {
                last.pop_front();
            }
        } else {
            show.row(&row)?;
        }
        Ok(!show.out.is_closed())
    })?;
    for row in last {
        show.row(&row)?;
    }
    if args.follow {
        follow_log(filter, &mut stream, &mut show)?;
    }
    show.finish()?;
    Ok(if stream.is_troubled() {
        Exit::Incomplete
    } else {
        Exit::Ok
    })
}

/// Shows entries as the log grows, until nobody reads any more.
fn follow_log(
    filter: &Filter,
    stream: &mut LogStream,
    show: &mut Show,
) -> Result<(), ExpectedError> {
    loop {
        show.flush()?;
        if show.out.is_closed() || reader_is_gone() {
            return Ok(());
        }
        stream.look()?;
        stream.drain(|row| {
            if filter.passes(&row.entry) {
                show.row(&row)?;
            }
            Ok(!show.out.is_closed())
        })?;
    }
}

/// Shows entries as they come, until nobody reads any more.
fn follow(
    args: &Args,
    dir: &DataDir,
    filter: &Filter,
    merge: &mut Merge,
    show: &mut Show,
) -> Result<(), ExpectedError> {
    let mut naps = 0_u32;
    loop {
        while let Some(row) = merge.next_new()? {
            if filter.passes(&row.entry) {
                show.row(&row)?;
            }
        }
        show.flush()?;
        if show.out.is_closed() || reader_is_gone() {
            return Ok(());
        }
        naps = naps.wrapping_add(1);
        if args.spools.is_empty() && naps.is_multiple_of(NAPS_PER_SCAN) {
            for name in spool_names(dir)? {
                merge.add(dir, &name)?;
            }
        }
    }
}

/// Waits a moment, or until whoever reads our output goes away.
fn reader_is_gone() -> bool {
    let stdout = std::io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let nap = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(FOLLOW_NAP.subsec_nanos()),
    };
    let ready = poll(&mut fds, Some(&nap)).is_ok_and(|n| n > 0);
    ready
        && fds.iter().any(|fd| {
            fd.revents()
                .intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
        })
}

/// The spools asked for, or all.
fn chosen(dir: &DataDir, wanted: &[String]) -> Result<Vec<String>, ExpectedError> {
    let names = spool_names(dir)?;
    if wanted.is_empty() {
        return Ok(names);
    }
    for name in wanted {
        super::spool::known(dir, &names, name)?;
    }
    Ok(names
        .into_iter()
        .filter(|name| wanted.contains(name))
        .collect())
}

fn spool_names(dir: &DataDir) -> Result<Vec<String>, ExpectedError> {
    dir.spool_names().map_err(|e| ExpectedError::storage(&e))
}

impl Args {
    fn filter(&self) -> Result<Filter, ExpectedError> {
        let now_us = affiant_agent::clock::now().utc_us;
        let time = |flag: &str, text: &Option<String>| {
            text.as_ref().map_or(Ok(None), |text| {
                when::parse(text, now_us).map(Some).ok_or_else(|| {
                    ExpectedError::usage(format!("`{flag}` cannot be `{text}`"))
                        .hint("give RFC 3339 (`2026-11-22T06:54:01Z`), a date, or how long ago (`15m`, `2h`, `7d`)")
                })
            })
        };
        for kind in &self.kinds {
            if matches!(Kind::of(kind), Kind::Unknown(_)) {
                return Err(ExpectedError::usage(format!("`--kind` cannot be `{kind}`")).hint(
                    "kinds are `call.begin`, `call.task`, `call.end`, `boot`, `stop`, `heartbeat`, `gap`, `session`, \
                     `manifest`, `auth.failure`, `anomaly`, `seal`",
                ));
            }
        }
        if let Some(call) = self
            .call
            .as_ref()
            .filter(|call| CallId::parse(call).is_err())
        {
            return Err(ExpectedError::usage(format!(
                "`--call` cannot be `{call}`: it is no call id"
            )));
        }
        Ok(Filter {
            since_us: time("--since", &self.since)?,
            until_us: time("--until", &self.until)?,
            session: self.session.clone(),
            user: self.user.clone(),
            tool: self.tool.clone(),
            server: self.server.clone(),
            status: self.status.clone(),
            kinds: self.kinds.clone(),
            call: self.call.clone(),
        })
    }
}

/// Where rows go.
struct Show {
    out: Stdout,
    table: Option<Table>,
    every_kind: bool,
}

impl Show {
    fn new(args: &Args) -> Self {
        // Whether a call is still open is known once everything was read, unless it was filtered.
        let show_open =
            !args.follow && args.limit.is_none() && args.kinds.is_empty() && args.status.is_none();
        let table = match args.format {
            Format::Text => Some(Table::new(Paint::stdout(), show_open)),
            Format::Json => None,
        };
        Self {
            out: Stdout::lock(),
            table,
            every_kind: !args.kinds.is_empty() || args.call.is_some(),
        }
    }

    fn row(&mut self, row: &Row) -> Result<(), ExpectedError> {
        match &mut self.table {
            Some(table) => table.add(&mut self.out, row, self.every_kind),
            None => self.out.line(row.entry.bytes()),
        }
    }

    /// An entry that is not shown may still end a call that is.
    fn pass_over(&mut self, row: &Row) {
        if let Some(table) = &mut self.table {
            table.pass_over(row);
        }
    }

    fn flush(&mut self) -> Result<(), ExpectedError> {
        if let Some(table) = &mut self.table {
            table.settle(&mut self.out)?;
        }
        self.out.flush()
    }

    fn finish(mut self) -> Result<(), ExpectedError> {
        if let Some(table) = &mut self.table {
            let rows = table.finish(&mut self.out)?;
            if rows == 0 && !self.out.is_closed() {
                say("no entries match");
            }
        }
        self.out.flush()
    }
}
