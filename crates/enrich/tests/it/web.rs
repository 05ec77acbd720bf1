//! Documents over HTTP: versions, tokens, and servers that do not do what they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use affiant_enrich::config::Origin;
use affiant_entry::Fact;
use affiant_entry::record::ContextKind;

use super::slapd::private;
use super::stub::{Answer, Stub};
use super::world::{World, facts, file, no_list, server, settings, web};

const ROWS: &str = r#"[{"name":"crm","owner":"red"}]"#;

fn asked(stub: &Stub) -> World {
    let origin = Origin::Http(web(stub.url("/items")), no_list());
    World::start(settings(ContextKind::Asset, origin, &[("owner", "owner")]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_did_not_change_is_not_sent_again() {
    let version = Arc::<AtomicU8>::default();
    let (whole, same) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (now, sent, kept) = (Arc::clone(&version), Arc::clone(&whole), Arc::clone(&same));
    let stub = Stub::start(move |request| {
        let tag = format!("W/\"{}\"", now.load(Ordering::SeqCst));
        if request.header("if-none-match") == Some(&tag) {
            kept.fetch_add(1, Ordering::SeqCst);
            return Answer::status(304);
        }
        sent.fetch_add(1, Ordering::SeqCst);
        let rows = ROWS.replace("red", &format!("red{}", now.load(Ordering::SeqCst)));
        Answer::Document(200, vec![format!("ETag: {tag}")], rows.into_bytes())
    });
    let world = asked(&stub);
    world
        .until("it is asked", |_| same.load(Ordering::SeqCst) > 2)
        .await;
    assert_eq!(whole.load(Ordering::SeqCst), 1);
    let tag = Fact::Known("etag:W/\"0\"".to_owned());
    assert_eq!(world.source().version, tag);
    // Unchanged is read: it does not grow old.
    assert_eq!((world.state().failures, world.state().age_s), (0, Some(0)));
    version.store(1, Ordering::SeqCst);
    let newer = facts(&[("owner", "red1")]);
    world
        .until("it changes", |_| world.fact(&server("crm")) == newer)
        .await;
    assert_eq!(whole.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_was_never_given_is_not_believed() {
    // Answers `not modified` to whoever asks first.
    let stub = Stub::start(|_| Answer::status(304));
    let world = asked(&stub);
    world.failed().await;
    assert_eq!(world.source().version, Fact::absent("never read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_do_what_it_should_changes_nothing() {
    let mode = Arc::<AtomicU8>::default();
    let at = Arc::clone(&mode);
    let stub = Stub::start(move |_| match at.load(Ordering::SeqCst) {
        0 => Answer::json(ROWS),
        1 => Answer::status(500),
        2 => Answer::Cut,
        3 => Answer::json("<html>Sign in</html>"),
        4 => Answer::json(r#"{"error":"no"}"#),
        5 => Answer::Document(
            302,
            vec!["location: http://127.0.0.1:1/".to_owned()],
            Vec::new(),
        ),
        6 => Answer::Document(
            200,
            Vec::new(),
            vec![b' '; affiant_enrich::BODY_BYTES_MAX + 1],
        ),
        _ => Answer::Silence,
    });
    let world = asked(&stub);
    world.read().await;
    for wrong in 1..=7 {
        mode.store(wrong, Ordering::SeqCst);
        let failures = world.state().failures;
        world
            .until("it fails", |state| state.failures > failures)
            .await;
        assert_eq!(
            world.fact(&server("crm")),
            facts(&[("owner", "red")]),
            "{wrong}"
        );
        mode.store(0, Ordering::SeqCst);
        let reads = world.state();
        let good = reads.reads - reads.failures;
        world
            .until("it is read again", |state| {
                state.reads - state.failures > good
            })
            .await;
        assert!(!world.state().stale, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_read_from_a_file_that_nobody_else_can_read() {
    let stub = Stub::start(|request| {
        let good = request.header("authorization") == Some("Bearer hush-hush");
        if good {
            Answer::json(ROWS)
        } else {
            Answer::status(401)
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let token = file(dir.path(), "token", "hush-hush\n");
    let mut at = web(stub.url("/items"));
    at.token_file = Some(token.clone());
    let origin = Origin::Http(at, no_list());
    let world = World::start(settings(ContextKind::Asset, origin, &[("owner", "owner")]));
    world.failed().await;
    // It was not even asked, as the token lay open.
    assert_eq!(stub.asked(), 0);
    private(&token);
    world.read().await;
    file(dir.path(), "token", "other\n");
    let failures = world.state().failures;
    world
        .until("it fails", |state| state.failures > failures)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_server_is_asked_less_and_less() {
    let stub = Stub::start(|_| Answer::status(503));
    let origin = Origin::Http(web(stub.url("/items")), no_list());
    let mut one = settings(ContextKind::Asset, origin, &[("owner", "owner")]);
    one.refresh = std::time::Duration::from_secs(60);
    let world = World::start(one);
    tokio::time::sleep(std::time::Duration::from_millis(4500)).await;
    // At 0, about 1, about 3 seconds; never in a row.
    let asked = stub.asked();
    assert!((2..=4).contains(&asked), "{asked}");
    assert!(world.state().stale);
}
