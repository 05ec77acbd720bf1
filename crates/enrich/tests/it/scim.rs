//! SCIM 2.0: all pages, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use affiant_enrich::SourceSettings;
use affiant_enrich::config::Origin;
use affiant_entry::record::ContextKind;

use super::slapd::private;
use super::stub::{Answer, Request, Stub};
use super::world::{World, facts, file, settings, user, web};

const USERS: u64 = 450;

/// A page as RFC 7644 section 3.4.2.4 has it: no more than 100 users, whatever is asked for.
fn page(request: &Request, total: u64, last: u64) -> String {
    let first = request.query("startIndex").unwrap();
    let count = request.query("count").unwrap().min(100);
    let end = (first + count).min(last + 1);
    let users: Vec<String> = (first..end)
        .map(|n| {
            format!(
                r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"{n}","userName":"user{n}","title":"T{n}",
                "emails":[{{"value":"user{n}@example.com"}}],"active":true,
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{{"department":"d{}"}}}}"#,
                n % 7
            )
        })
        .collect();
    format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":{total},"itemsPerPage":{},"startIndex":{first},"Resources":[{}]}}"#,
        users.len(),
        users.join(",")
    )
}

fn directory(stub: &Stub) -> SourceSettings {
    let wanted = [
        (
            "department",
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department",
        ),
        ("active", "active"),
    ];
    let origin = Origin::Scim(web(stub.url("/scim/v2")));
    let mut one = settings(ContextKind::User, origin, &wanted);
    one.attributes.key = "userName".to_owned();
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read() {
    let stub = Stub::start(|request| {
        assert!(
            request.path.starts_with("/scim/v2/Users?"),
            "{}",
            request.path
        );
        if request.header("authorization") != Some("Bearer scim-token") {
            return Answer::status(401);
        }
        Answer::json(&page(request, USERS, USERS))
    });
    let dir = tempfile::tempdir().unwrap();
    let token = file(dir.path(), "token", "scim-token");
    private(&token);
    let mut one = directory(&stub);
    let mut at = web(stub.url("/scim/v2"));
    at.token_file = Some(token);
    one.origin = Origin::Scim(at);
    let world = World::start(one);
    world.read().await;
    assert_eq!(world.state().rows, 450);
    let last = facts(&[("department", "d2"), ("active", "true")]);
    assert_eq!(world.fact(&user("user450")), last);
    world.until("it is kept", |_| world.cache().exists()).await;
    let cached = fs_err::read_to_string(world.cache()).unwrap();
    assert!(!cached.contains("@example.com") && !cached.contains("T450"));
    // The same users are the same version.
    let (version, reads) = (world.source().version, world.state().reads);
    world
        .until("it is read again", |state| state.reads > reads)
        .await;
    assert_eq!(world.source().version, version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_ends_early_is_no_list() {
    let mode = Arc::<AtomicU8>::default();
    let at = Arc::clone(&mode);
    let stub = Stub::start(move |request| match at.load(Ordering::SeqCst) {
        0 => Answer::json(&page(request, USERS, USERS)),
        // Half of the users would seem to be gone.
        1 => Answer::json(&page(request, USERS, USERS / 2)),
        // Half of the pages fail.
        2 if request.query("startIndex").unwrap() > 200 => Answer::status(500),
        2 => Answer::json(&page(request, USERS, USERS)),
        3 => Answer::json(&page(request, 1 << 40, USERS)),
        _ => Answer::json(r#"{"totalResults":1}"#),
    });
    let world = World::start(directory(&stub));
    world.read().await;
    for wrong in 1..=4 {
        mode.store(wrong, Ordering::SeqCst);
        let failures = world.state().failures;
        // One that had begun in the mode before may still end well.
        world
            .until("it fails", |state| state.failures > failures)
            .await;
        assert!(world.fact(&user("user450")).is_some(), "{wrong}");
        assert_eq!(world.state().rows, 450, "{wrong}");
        mode.store(0, Ordering::SeqCst);
        let before = world.state();
        let good = before.reads - before.failures;
        world
            .until("it is read again", |state| {
                state.reads - state.failures > good
            })
            .await;
    }
}
