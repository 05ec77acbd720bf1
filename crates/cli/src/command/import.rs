//! `affiant import`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use affiant_aggregator::StateDir;
use affiant_aggregator::foreign::{BODY_BYTES_MAX, Format as Foreign};
use affiant_aggregator::server::ServeJson;
use clap::ValueEnum;
use fs_err as fs;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::cli::Format;
use crate::entries::units::plural;
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say, warn};

const EXAMPLES: &str = "  \
  affiant import entries audit.log --format toolhive --data-dir /var/lib/affiant
  affiant import entries spans.jsonl --format otlp --url http://127.0.0.1:7480
  kubectl logs deploy/agentgateway | affiant import entries - --format agentgateway --data-dir D";

const EXITS: [Exit; 6] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// Bring in records of other recorders
///
/// They become entries of their own kind, marked `unsealed`: what a foreign recorder says is kept as its
/// claim, with the twelve fields filled or said to be absent.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Import lines of JSON into the log of a running aggregator
    ///
    /// Every line is accounted for: tool calls become entries, records about something else are counted,
    /// lines that are not understood are named by their number (exit code 3). Importing a line twice
    /// makes two entries with the same `call`.
    #[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
    Entries(EntriesArgs),
}

#[derive(Debug, clap::Args)]
struct EntriesArgs {
    /// The lines; `-` for standard input
    file: PathBuf,
    /// Whose they are
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Whose,
    /// Data directory of the aggregator, which runs on this machine
    #[arg(long, value_name = "DIR", required_unless_present = "url")]
    data_dir: Option<PathBuf>,
    /// Its API: `http://HOST:PORT`, `api` in its `serve.json`
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    url: Option<String>,
    /// File with the token that the aggregator asks for (`import.token_file` there)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How the summary is printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Format,
}

/// A foreign format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// Request log of agentgateway (`LOG_FORMAT=json`)
    Agentgateway,
    /// Logs, audit trail rows and SIEM events of ContextForge
    Contextforge,
    /// Audit log of ToolHive
    Toolhive,
    /// OTLP JSON, as a collector's file exporter writes it
    Otlp,
}

impl Whose {
    const fn foreign(self) -> Foreign {
        match self {
            Self::Agentgateway => Foreign::Agentgateway,
            Self::Contextforge => Foreign::Contextforge,
            Self::Toolhive => Foreign::Toolhive,
            Self::Otlp => Foreign::Otlp,
        }
    }
}

/// What the aggregator answers, and the sum of its answers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Summary {
    lines: u64,
    imported: u64,
    other: u64,
    blank: u64,
    unknown: Vec<Unknown>,
    unknown_more: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_index: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Unknown {
    line: u64,
    problem: String,
}

impl Summary {
    fn add(&mut self, part: Self) {
        self.lines += part.lines;
        self.imported += part.imported;
        self.other += part.other;
        self.blank += part.blank;
        self.unknown_more += part.unknown_more;
        for unknown in part.unknown {
            if self.unknown.len() < UNKNOWN_SHOWN_MAX {
                self.unknown.push(unknown);
            } else {
                self.unknown_more += 1;
            }
        }
        self.first_index = self.first_index.or(part.first_index);
        self.end_index = part.end_index.or(self.end_index);
    }

    fn unknown(&self) -> u64 {
        u64::try_from(self.unknown.len())
            .unwrap_or(u64::MAX)
            .saturating_add(self.unknown_more)
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let Action::Entries(args) = &args.action;
    let mut api = Api::parse(&api_url(args)?)?;
    if let Some(path) = &args.token_file {
        let token =
            fs::read_to_string(path).map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
        api.token = Some(token.trim().to_owned());
    }
    let mut lines = open(&args.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ExpectedError::storage(&error))?;
    let mut sum = Summary::default();
    loop {
        let chunk = chunk(&mut *lines).map_err(|error| ExpectedError::caused(Exit::Usage, &error));
        let sent = match chunk {
            Ok(chunk) if chunk.is_empty() => break,
            Ok(chunk) => runtime.block_on(api.post(args.format.foreign(), sum.lines + 1, chunk)),
            Err(error) => Err(error),
        };
        match sent {
            Ok(part) => sum.add(part),
            Err(error) => {
                // What went before stands in the log already.
                if sum.lines > 0 {
                    warn(&format!(
                        "the first {} were imported",
                        plural(sum.lines, "line", "lines")
                    ));
                }
                return Err(error);
            }
        }
    }
    print(&sum, args)?;
    Ok(if sum.unknown() == 0 {
        Exit::Ok
    } else {
        Exit::Incomplete
    })
}

fn api_url(args: &EntriesArgs) -> Result<String, ExpectedError> {
    if let Some(url) = &args.url {
        return Ok(url.clone());
    }
    let dir = args.data_dir.clone().unwrap_or_default();
    let path = StateDir::new(&dir).serve_json();
    let text = fs::read_to_string(&path).map_err(|error| {
        let stopped = error.kind() == std::io::ErrorKind::NotFound && dir.is_dir();
        let exit = if stopped {
            Exit::Unreachable
        } else {
            Exit::Usage
        };
        ExpectedError::caused(exit, &error).hint("is `affiant serve` running there?")
    })?;
    let found: ServeJson = serde_json::from_str(&text)
        .map_err(|_| ExpectedError::usage(format!("`{}` is not a `serve.json`", path.display())))?;
    Ok(found.api)
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, ExpectedError> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened =
        fs::File::open(file).map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// Whole lines, up to about [`CHUNK_BYTES`]. A line that no request can hold is cut: it is reported as
/// too long all the same.
fn chunk(lines: &mut dyn BufRead) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    while out.len() < CHUNK_BYTES {
        let start = out.len();
        let mut line = Read::take(&mut *lines, LINE_BYTES_KEPT);
        let taken = line.read_until(b'\n', &mut out)?;
        if taken == 0 {
            break;
        }
        if out.last() != Some(&b'\n') && out.len() - start >= LINE_BYTES_CUT {
            lines.skip_until(b'\n')?;
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// Where the API of an aggregator answers.
struct Api {
    authority: String,
    token: Option<String>,
}

impl Api {
    fn parse(url: &str) -> Result<Self, ExpectedError> {
        let rest = url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        match rest {
            Some(authority) if !authority.is_empty() && !authority.contains('/') => Ok(Self {
                authority: authority.to_owned(),
                token: None,
            }),
            _ => Err(ExpectedError::usage(format!(
                "`{url}` is not `http://HOST:PORT`"
            ))),
        }
    }

    async fn post(
        &self,
        format: Foreign,
        first_line: u64,
        body: Vec<u8>,
    ) -> Result<Summary, ExpectedError> {
        let asked = tokio::time::timeout(TIMEOUT, self.exchange(format, first_line, body)).await;
        let unreachable = |why: &str| {
            ExpectedError::new(Exit::Unreachable, format!("`{}`: {why}", self.authority))
        };
        let (status, body) = asked
            .map_err(|_| unreachable("no answer in time"))?
            .map_err(|why| unreachable(&why))?;
        if status == 200 {
            return serde_json::from_slice(&body)
                .map_err(|_| unreachable("the answer is not one of an aggregator"));
        }
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        let detail = problem
            .detail
            .unwrap_or_else(|| "no reason given".to_owned());
        let exit = match status {
            503 => Exit::Storage,
            403 => Exit::Untrusted,
            _ => Exit::Unreachable,
        };
        Err(ExpectedError::new(
            exit,
            format!("`{}` answered {status}: {detail}", self.authority),
        ))
    }

    async fn exchange(
        &self,
        format: Foreign,
        first_line: u64,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|error| chain(&error))?;
        let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| chain(&error))?;
        let mut request = hyper::Request::post(format!(
            "/v1/import/{}?first_line={first_line}",
            format.word()
        ))
        .header("host", &self.authority)
        .header("content-type", "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| chain(&error))?;
        let asked = async {
            let answer = send
                .send_request(request)
                .await
                .map_err(|error| chain(&error))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body = body.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes().to_vec()))
        };
        // The connection moves the bytes; it may end before or after the answer is read.
        let (answer, _) = tokio::join!(asked, connection);
        answer
    }
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    detail: Option<String>,
}

fn print(sum: &Summary, args: &EntriesArgs) -> Result<(), ExpectedError> {
    let mut out = Stdout::lock();
    if args.output == Format::Json {
        let value = serde_json::to_vec(sum).map_err(|error| ExpectedError::storage(&error))?;
        out.line(&value)?;
        return out.flush();
    }
    let mut text = format!(
        "{}: {} imported, unsealed",
        plural(sum.lines, "line", "lines"),
        plural(sum.imported, "call", "calls")
    );
    if let (Some(first), Some(end)) = (sum.first_index, sum.end_index) {
        text.push_str(&format!(", leaves {first} to {}", end.saturating_sub(1)));
    }
    out.line(text.as_bytes())?;
    if sum.other > 0 {
        let others = plural(sum.other, "record", "records");
        out.line(format!("{others} about something else").as_bytes())?;
    }
    out.flush()?;
    for unknown in &sum.unknown {
        warn(&format!(
            "line {}: {}",
            unknown.line,
            unknown.problem.replace('-', " ")
        ));
    }
    if sum.unknown_more > 0 {
        warn(&format!(
            "and {} more",
            plural(sum.unknown_more, "line", "lines")
        ));
    }
    if sum.unknown() > 0 {
        say(&format!(
            "{} not understood",
            plural(sum.unknown(), "record", "records")
        ));
    }
    Ok(())
}

/// What a request is filled up to: with one more line it stays below what the aggregator takes.
const CHUNK_BYTES: usize = 4 << 20;
/// A line is read up to here, bytes: more than the aggregator takes.
const LINE_BYTES_KEPT: u64 = 2 << 20;
const LINE_BYTES_CUT: usize = 2 << 20;
/// Longest answer, bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Unknown lines that are named.
const UNKNOWN_SHOWN_MAX: usize = 1000;

const _: () = assert!(CHUNK_BYTES + LINE_BYTES_CUT < BODY_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_and_long_ones_are_cut() {
        let mut text = b"a\nb\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LINE_BYTES_CUT * 2));
        text.extend(b"\nc");
        let taken = chunk(&mut text.as_slice()).unwrap();
        let lines: Vec<_> = taken
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::len)
            .collect();
        assert_eq!(lines, [1, 1, LINE_BYTES_CUT, 1]);
    }

    #[test]
    fn an_api_is_plain_http_on_a_port() {
        assert_eq!(
            Api::parse("http://127.0.0.1:9/").unwrap().authority,
            "127.0.0.1:9"
        );
        for wrong in ["https://a:1", "127.0.0.1:9", "http://", "http://a:1/x"] {
            assert!(Api::parse(wrong).is_err(), "{wrong}");
        }
    }
}
