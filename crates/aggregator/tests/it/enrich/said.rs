//! What a test sends, and what the log says of it afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use affiant_enrich::SourceSettings;
use affiant_enrich::config::{Attributes, List, Origin, Web};
use affiant_entry::call::{SessionOrigin, Transport};
use affiant_entry::record::{Context, ContextKind, SessionInfo, Subject};
use affiant_entry::{Body, CallId, Decoded, Fact};

use super::calls::{call, ending};
use super::stub::Stub;
use crate::source::{Group, Source};
use crate::wire::Client;
use crate::world::{World, eventually};

/// What the last context leaf says of a subject of a leaf: facts by source.
pub(crate) type Said = BTreeMap<String, BTreeMap<String, String>>;

/// Read often; never stale, however busy the machine is.
pub(crate) fn source(
    id: &str,
    kind: ContextKind,
    origin: Origin,
    facts: &[(&str, &str)],
) -> SourceSettings {
    let text = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    SourceSettings {
        id: id.to_owned(),
        kind,
        origin,
        attributes: Attributes {
            key: "name".to_owned(),
            facts: facts.iter().map(text).collect(),
        },
        refresh: Duration::from_millis(150),
        stale_after: Duration::from_secs(120),
        timeout: Duration::from_secs(20),
    }
}

/// Given up soon, and stale soon.
pub(crate) fn hasty(source: SourceSettings) -> SourceSettings {
    SourceSettings {
        stale_after: Duration::from_millis(900),
        timeout: Duration::from_millis(500),
        ..source
    }
}

/// Waits until these sources were read.
pub(crate) async fn ready(world: &World, ids: &[&str]) {
    for id in ids {
        shows(world, &format!("affiant_enrich_stale{{source=\"{id}\"}} 0")).await;
    }
}

pub(crate) fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs_err::write(&path, text).unwrap();
    path
}

/// Users at a server of ours.
pub(crate) fn users(stub: &Stub) -> SourceSettings {
    let web = Web {
        url: stub.url("/users"),
        token_file: None,
        ca_file: None,
    };
    let origin = Origin::Http(web, List::default());
    hasty(source(
        "people",
        ContextKind::User,
        origin,
        &[("unit", "unit")],
    ))
}

/// A conversation of a user with a server.
pub(crate) fn session(server: &str, user: &str) -> (Option<CallId>, Body) {
    let info = SessionInfo {
        phase: "start".into(),
        id: "s-1".to_owned(),
        origin: SessionOrigin::StdioProcess,
        server: server.to_owned(),
        transport: Transport::Stdio,
        protocol: Fact::absent("test"),
        client: Fact::absent("test"),
        client_address: Fact::absent("test"),
        os_user: Fact::Known(user.to_owned()),
        command: Fact::absent("test"),
        binary: Fact::absent("test"),
    };
    (None, Body::Session(Box::new(info)))
}

/// A whole call of `alice@example.com` of `search_customers` at `crm`.
pub(crate) fn whole_call() -> Vec<(Option<CallId>, Body)> {
    let id = Some(CallId::from_parts(1_795_330_441_000_000, 7));
    let called = || Box::new(call(r#"{"q":"Ada"}"#));
    vec![
        (id, Body::CallBegin(called())),
        (id, Body::CallEnd(called(), Box::new(ending()))),
    ]
}

/// A world with these sources, and a source of entries that has begun.
pub(crate) async fn world(sources: &[SourceSettings]) -> (World, Source, Client) {
    let sources = sources.to_vec();
    let world = World::start_with(|settings| settings.enrich = sources).await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let boot = [source.boot()];
    send(&mut client, &source, &boot).await;
    (world, source, client)
}

/// Sends groups, and gives how long the receipt took to come.
pub(crate) async fn send(client: &mut Client, source: &Source, groups: &[Group]) -> Duration {
    let begun = affiant_aggregator::clock::now().mono_us;
    let reply = client.post_batch(&source.batch(groups)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    Duration::from_micros(affiant_aggregator::clock::now().mono_us - begun)
}

/// The context leaves of a log, with their indexes.
pub(crate) fn contexts(leaves: &[Vec<u8>]) -> Vec<(usize, Context)> {
    let read = |(index, leaf): (usize, &Vec<u8>)| {
        let said = Context::of_entry(&Decoded::parse(leaf).ok()?)?;
        Some((index, said))
    };
    leaves.iter().enumerate().filter_map(read).collect()
}

/// What the context leaves of a log say of a subject of the leaf at `index`, as `docs/spec/leaf-kinds.md` has it read: the last
/// context leaf with the leaf in its range, and what that one refers to. `None`: nothing yet.
pub(crate) fn said_of(all: &[(usize, Context)], index: usize, subject: &Subject) -> Option<Said> {
    let at = u64::try_from(index).unwrap();
    let last = all
        .iter()
        .rfind(|(_, said)| (said.first..said.end).contains(&at))?;
    let own = match last.1.same_as {
        None => &last.1,
        Some(other) => {
            let other = usize::try_from(other).unwrap();
            &all.iter().find(|(index, _)| *index == other).unwrap().1
        }
    };
    let (facts, unknown) = (own.facts.as_ref()?, own.unknown.as_ref()?);
    let of = facts.iter().filter(|fact| fact.subject == *subject);
    let known: Said = of
        .map(|fact| (fact.source.clone(), fact.fact.clone()))
        .collect();
    (!known.is_empty() || unknown.contains(subject)).then_some(known)
}

/// The leaf of an entry of ours.
pub(crate) fn index_of(leaves: &[Vec<u8>], entry: &[u8]) -> usize {
    leaves.iter().position(|leaf| leaf == entry).unwrap()
}

/// Waits until the log says this of a subject of an entry.
pub(crate) async fn says(
    world: &World,
    entry: &[u8],
    subject: &Subject,
    wanted: &[(&str, &str, &str)],
) {
    let mut all = Said::new();
    for (source, name, value) in wanted {
        let of = all.entry((*source).to_owned()).or_default();
        of.insert((*name).to_owned(), (*value).to_owned());
    }
    let mut last = None;
    for _ in 0..300 {
        let leaves = world.leaves();
        last = said_of(&contexts(&leaves), index_of(&leaves, entry), subject);
        if last.as_ref() == Some(&all) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{subject:?}: {last:?}, not {all:?}");
}

/// Waits for a line of the metrics.
pub(crate) async fn shows(world: &World, line: &str) {
    let mut text = String::new();
    for _ in 0..200 {
        text = world.get("/metrics").await.text();
        if text.lines().any(|found| found == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no `{line}` in {text}");
}

/// Waits until nothing is written any more, and gives the leaves.
pub(crate) async fn settled(world: &World) -> Vec<Vec<u8>> {
    let mut before = Vec::new();
    eventually(|| {
        let now = world.leaves();
        let same = now.len() == before.len();
        before = now;
        same.then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    world.leaves()
}
