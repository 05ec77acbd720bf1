//! Walks `testdata/transcripts/<revision>/<scenario>.jsonl`: what both ends said, and what is to be
//! told of it.
//!
//! The form of the files is in `testdata/transcripts/README.md`.

use std::path::{Path, PathBuf};

use affiant_entry::call::Transport;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Config, ExchangeEnd, Finish, HttpFacts, Refusal, StreamKind};
use super::world::{World, token};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    transport: String,
    note: String,
    call_timeout_ms: Option<u64>,
    idle_ms: Option<u64>,
    #[serde(default)]
    meta_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step<'a> {
    #[serde(default)]
    on: u64,
    #[serde(borrow)]
    client: Option<&'a RawValue>,
    #[serde(borrow)]
    server: Option<&'a RawValue>,
    client_text: Option<String>,
    server_text: Option<String>,
    exchange: Option<u64>,
    stream: Option<String>,
    #[serde(default)]
    headers: Headers,
    endpoint: Option<String>,
    head: Option<Head>,
    closed: Option<String>,
    delete: Option<u16>,
    refused: Option<String>,
    wait_ms: Option<u64>,
    finish: Option<String>,
    #[serde(default)]
    expect: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Headers {
    mcp_session_id: Option<String>,
    mcp_protocol_version: Option<String>,
    mcp_method: Option<String>,
    mcp_name: Option<String>,
    traceparent: Option<String>,
    baggage: Option<String>,
    authorization: Option<String>,
    client_address: Option<String>,
    user_agent: Option<String>,
    last_event_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    status: u16,
    session: Option<String>,
    #[serde(default)]
    sse: bool,
}

#[test]
fn every_transcript_tells_what_it_says_it_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/transcripts");
    let mut files: Vec<PathBuf> = Vec::new();
    let entries = |dir: &Path| {
        fs_err::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    for revision in entries(&root).filter(|path| path.is_dir()) {
        files.extend(entries(&revision));
    }
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "jsonl")
    });
    files.sort();
    assert!(files.len() >= 10, "transcripts are there");
    let wrong: Vec<String> = files.iter().flat_map(|file| walk(file)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Walks one transcript; returns where it was told otherwise.
fn walk(path: &Path) -> Vec<String> {
    let text = fs_err::read_to_string(path).unwrap();
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty());
    let (_, first) = lines.next().unwrap();
    let setting: Setting =
        serde_json::from_str(first).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!setting.note.is_empty());
    let mut world = World::new(config(&setting));
    let mut wrong = Vec::new();
    let mut finished = false;
    for (number, line) in lines {
        let at = format!("{}:{}", path.display(), number + 1);
        let step: Step<'_> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{at}: {error}"));
        finished |= step.finish.is_some();
        take(&mut world, &step);
        let told = world.told();
        if told != step.expect {
            wrong.push(format!(
                "{at}\n  expected {:#?}\n  told {told:#?}",
                step.expect
            ));
        }
    }
    if !finished {
        wrong.push(format!("{}: does not finish", path.display()));
    }
    wrong
}

fn config(setting: &Setting) -> Config {
    let transport = match setting.transport.as_str() {
        "stdio" => Transport::Stdio,
        "http" => Transport::Http,
        "sse" => Transport::Sse,
        other => panic!("transport {other}"),
    };
    let mut config = Config::new("srv", transport);
    config.call_timeout_us = setting.call_timeout_ms.map(|ms| ms * 1000);
    config.session_idle_us = setting
        .idle_ms
        .map_or(config.session_idle_us, |ms| ms * 1000);
    config.session_meta_keys.clone_from(&setting.meta_keys);
    config
}

fn take(world: &mut World, step: &Step<'_>) {
    if let Some(number) = step.exchange {
        let stream = match step.stream.as_deref().unwrap_or("post") {
            "post" => StreamKind::Post,
            "get" => StreamKind::Get,
            "sse-get" => StreamKind::SseGet,
            "sse-post" => StreamKind::SsePost,
            other => panic!("stream {other}"),
        };
        world.exchange(number, stream, |via| {
            via.headers = facts(&step.headers);
            via.sse_endpoint.clone_from(&step.endpoint);
        });
    }
    let on = step.on;
    let client = step
        .client
        .map(|raw| raw.get().to_owned())
        .or_else(|| step.client_text.clone());
    if let Some(text) = client {
        world.client(on, &text);
    }
    let server = step
        .server
        .map(|raw| raw.get().to_owned())
        .or_else(|| step.server_text.clone());
    if let Some(text) = server {
        world.server(on, &text);
    }
    if let Some(head) = &step.head {
        world.head(on, head.status, head.session.as_deref(), head.sse);
    }
    if let Some(closed) = &step.closed {
        world.closed(
            on,
            match closed.as_str() {
                "complete" => ExchangeEnd::Complete,
                "client-closed" => ExchangeEnd::ClientClosed,
                "upstream-broken" => ExchangeEnd::UpstreamBroken,
                "connect-failed" => ExchangeEnd::ConnectFailed,
                other => panic!("closed {other}"),
            },
        );
    }
    if let Some(status) = step.delete {
        world.delete(on, status);
    }
    if let Some(call) = &step.refused {
        world.refused(call, Refusal::Refused);
    }
    if let Some(ms) = step.wait_ms {
        world.wait_us(ms * 1000);
    }
    match step.finish.as_deref() {
        Some("shutdown") => world.finish(Finish::Shutdown),
        Some("stream-closed") => world.finish(Finish::StreamClosed),
        Some(other) => panic!("finish {other}"),
        None => {}
    }
}

fn facts(headers: &Headers) -> HttpFacts {
    HttpFacts {
        session_id: headers.mcp_session_id.clone(),
        protocol_version: headers.mcp_protocol_version.clone(),
        mcp_method: headers.mcp_method.clone(),
        mcp_name: headers.mcp_name.clone(),
        traceparent: headers.traceparent.clone(),
        baggage: headers.baggage.clone(),
        token: headers.authorization.as_deref().map(token),
        client_address: headers.client_address.clone(),
        user_agent: headers.user_agent.clone(),
        last_event_id: headers.last_event_id.clone(),
    }
}
