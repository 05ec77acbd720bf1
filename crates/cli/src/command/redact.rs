//! `affiant redact`.

use std::io::Read;
use std::path::{Path, PathBuf};

use affiant_entry::CommitKey;
use affiant_policy::redact::{Explanation, Redactor};
use fs_err as fs;
use serde_json::json;

use crate::cli::Format;
use crate::entries::units::plural;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::{Paint, Stdout, clean};
use crate::{help, wiring};

const TEST_EXAMPLES: &str = "  \
  affiant redact test arguments.json
  affiant redact test --rules rules.toml --server crm --tool login arguments.json
  echo '{\"password\":\"hunter2\"}' | affiant redact test -";

const RULES_EXAMPLES: &str = "  \
  affiant redact rules
  affiant redact rules --rules rules.toml --format json";

/// Largest file `test` reads: larger inputs are withheld whole anyway.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// See what redaction does
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(TEST_EXAMPLES, &[Exit::Ok, Exit::Usage]))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show what would be kept of a call's arguments, and which rules cut what
    #[command(after_long_help = help::sections(TEST_EXAMPLES, &[Exit::Ok, Exit::Usage]))]
    Test {
        /// JSON as it would stand in `params.arguments`; `-` for standard input
        file: PathBuf,
        /// Redaction rules, before the built-in ones
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// As for this server
        #[arg(long, value_name = "ID", default_value = "test")]
        server: String,
        /// As for this tool [default: the rules of every tool]
        #[arg(long, value_name = "NAME")]
        tool: Option<String>,
        /// How the answer is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List the rules in force, the first to decide first
    #[command(after_long_help = help::sections(RULES_EXAMPLES, &[Exit::Ok, Exit::Usage]))]
    Rules {
        /// Redaction rules, before the built-in ones
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// How the list is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(crate) fn run(args: Args) -> Result<Exit, ExpectedError> {
    match args.action {
        Action::Test {
            file,
            rules,
            server,
            tool,
            format,
        } => {
            let rules = wiring::rules(rules.as_deref())?;
            let input = read(&file)?;
            // No commitment leaves this process, so that any key will do.
            let redactor = Redactor::new(rules, CommitKey::new("test", &[0; 32]));
            print_test(
                &redactor.explain(trimmed(&input), &server, tool.as_deref()),
                format,
            )
        }
        Action::Rules { rules, format } => print_rules(rules.as_deref(), format),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, ExpectedError> {
    let mut input = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut input)
    } else {
        fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut input))
    };
    read.map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    Ok(input)
}

fn trimmed(input: &[u8]) -> &[u8] {
    input.trim_ascii()
}

fn print_test(explanation: &Explanation, format: Format) -> Result<Exit, ExpectedError> {
    let mut out = Stdout::lock();
    let paint = Paint::stdout();
    match format {
        Format::Json => {
            let hits: Vec<_> = explanation
                .hits
                .iter()
                .map(|hit| json!({"at": hit.at, "rule": hit.rule, "why": hit.why, "bytes": hit.bytes}))
                .collect();
            let kept = explanation.output.as_ref().ok();
            let withheld = explanation
                .output
                .as_ref()
                .err()
                .map(|withheld| withheld.reason());
            let value = json!({"output": kept, "withheld": withheld, "hits": hits, "hits_more": explanation.hits_more});
            out.line(value.to_string().as_bytes())?;
        }
        Format::Text => {
            match &explanation.output {
                Ok(output) => out.line(clean(output).as_bytes())?,
                Err(withheld) => {
                    out.line(
                        paint
                            .yellow(&format!("withheld as a whole: {}", withheld.reason()))
                            .as_bytes(),
                    )?;
                }
            }
            let total = u64::try_from(explanation.hits.len())
                .unwrap_or(u64::MAX)
                .saturating_add(explanation.hits_more);
            out.line(b"")?;
            out.line(paint.bold(&plural(total, "cut", "cuts")).as_bytes())?;
            for hit in &explanation.hits {
                let at = if hit.at.is_empty() {
                    "(the whole input)"
                } else {
                    &hit.at
                };
                let bytes = plural(
                    u64::try_from(hit.bytes).unwrap_or(u64::MAX),
                    "byte",
                    "bytes",
                );
                out.line(
                    format!("  {}  {} ({bytes})", clean(at), paint.cyan(&hit.rule)).as_bytes(),
                )?;
                out.line(paint.dim(&format!("      {}", clean(&hit.why))).as_bytes())?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn print_rules(file: Option<&Path>, format: Format) -> Result<Exit, ExpectedError> {
    let rules = wiring::rules(file)?;
    let mut out = Stdout::lock();
    match format {
        Format::Json => {
            let list: Vec<_> = rules
                .rules()
                .map(|rule| {
                    json!({"id": rule.id(), "matcher": rule.matcher(), "description": rule.description(), "global": rule.is_global()})
                })
                .collect();
            out.line(
                json!({"digest": rules.digest(), "rules": list})
                    .to_string()
                    .as_bytes(),
            )?;
        }
        Format::Text => {
            let paint = Paint::stdout();
            let wide = rules.rules().map(|rule| rule.id().len()).max().unwrap_or(0);
            for rule in rules.rules() {
                let id = format!("{:wide$}", rule.id());
                let scope = if rule.is_global() {
                    ""
                } else {
                    " (some servers or tools)"
                };
                let line = format!(
                    "{}  {:8}  {}{scope}",
                    paint.bold(&id),
                    rule.matcher(),
                    clean(rule.description())
                );
                out.line(line.trim_end().as_bytes())?;
            }
            out.line(paint.dim(&format!("digest {}", rules.digest())).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}
