//! Reading the trail through the API.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use affiant_aggregator::query::{
    Answer, BoxFuture, EntryFilter, EntryPage, Page, Query, QueryError, SqlRequest,
};
use affiant_aggregator::{Parts, Server, StateDir, config};
use http::Method;
use serde_json::Value;

use crate::http::{ask, get};
use crate::wire::post;
use crate::world::World;

fn api(world: &World) -> String {
    world.server().addresses().api.clone()
}

/// A call of a tool, as another recorder tells it.
async fn import(world: &World, user: &str, tool: &str, id: u32) {
    let line = format!(
        concat!(
            r#"{{"time":"2026-08-21T10:15:01Z","level":"AUDIT","msg":"audit_event","type":"mcp_tool_call","#,
            r#""logged_at":"2026-08-21T10:15:02Z","outcome":"success","subjects":{{"user":"{user}"}},"#,
            r#""target":{{"method":"tools/call","name":"{tool}","type":"tool"}},"data":{{"request":{{"jsonrpc":"2.0","#,
            r#""id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"of":1.50}}}}}}}}}}"#,
            "\n"
        ),
        user = user,
        tool = tool,
        id = id,
    );
    let reply = post(&api(world), "/v1/import/toolhive", line.into_bytes()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

async fn page(world: &World, query: &str) -> Value {
    let answer = get(&api(world), &format!("/v1/entries?{query}"), &[]).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

fn indexes(page: &Value) -> Vec<u64> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["index"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_as_the_very_bytes_of_their_leaves() {
    let world = World::start().await;
    import(&world, "Ann", "echo", 1).await;
    let answer = get(&api(&world), "/v1/entries?kind=call.import", &[]).await;
    let index = indexes(&answer.json())[0];
    let leaf = &world.leaves()[usize::try_from(index).unwrap()];
    let leaf = String::from_utf8(leaf.clone()).unwrap();
    assert!(leaf.contains("1.50"), "{leaf}");
    let expected = format!(r#"{{"index":{index},"entry":{leaf},"context":null}}"#);
    assert!(answer.text().contains(&expected), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_out_the_others() {
    let world = World::start().await;
    for (user, tool, id) in [("Ann", "echo", 1), ("Ann", "add", 2), ("Bob", "add", 3)] {
        import(&world, user, tool, id).await;
    }
    let count = async |query: &str| indexes(&page(&world, query).await).len();
    assert_eq!(count("kind=call.import").await, 3);
    assert_eq!(count("user=Ann").await, 2);
    assert_eq!(count("user=Ann&tool=add").await, 1);
    assert_eq!(count("status=success").await, 3);
    assert_eq!(count("user=ann").await, 0);
    assert_eq!(count("user=A%25").await, 0);
    assert_eq!(count("kind=boot&kind=call.import").await, 4);
    assert_eq!(count("source=aggregator&kind=call.import").await, 3);
    assert_eq!(
        count("kind=call.import&from=2026-08-21T10:15:00Z&to=2026-08-21T10:15:01Z").await,
        0
    );
    assert_eq!(
        count("kind=call.import&from=2026-08-21T10:15:01Z&to=2026-08-21T10:15:03Z").await,
        3
    );
    let call = page(&world, "user=Bob").await["items"][0]["entry"]["call"].clone();
    assert_eq!(count(&format!("call={}", call.as_str().unwrap())).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_stable_while_the_log_grows() {
    let world = World::start().await;
    for id in 0..10 {
        import(&world, "Ann", "echo", id).await;
    }
    for order in ["asc", "desc"] {
        let all = indexes(&page(&world, &format!("user=Ann&order={order}&limit=1000")).await);
        let mut seen = Vec::new();
        let mut next = None;
        loop {
            let cursor = next.map_or_else(
                || format!("&order={order}"),
                |next: String| format!("&cursor={next}"),
            );
            let page = page(&world, &format!("user=Ann&limit=3{cursor}")).await;
            seen.extend(indexes(&page));
            let Some(text) = page["next"].as_str() else {
                break;
            };
            next = Some(text.to_owned());
            if seen.len() < all.len() {
                // Each read is an entry as well, and others come meanwhile.
                import(
                    &world,
                    "Bob",
                    "echo",
                    100 + u32::try_from(seen.len()).unwrap(),
                )
                .await;
            }
        }
        assert_eq!(seen, all, "{order}");
        let once: BTreeSet<_> = seen.iter().collect();
        assert_eq!(once.len(), seen.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_ended_is_continued_where_the_log_has_grown() {
    let world = World::start().await;
    import(&world, "Ann", "echo", 1).await;
    let first = page(&world, "user=Ann").await;
    assert_eq!(first["next"], Value::Null);
    let held = first["held"].as_str().unwrap().to_owned();
    import(&world, "Ann", "echo", 2).await;
    let more = page(&world, &format!("user=Ann&cursor={held}")).await;
    assert_eq!(indexes(&more).len(), 1);
    assert!(indexes(&more)[0] > indexes(&first)[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_given_whole_or_is_not_there() {
    let world = World::start().await;
    import(&world, "Ann", "echo", 1).await;
    let none = get(&api(&world), "/v1/sessions/nobody", &[]).await;
    assert_eq!(
        (none.status, none.problem().as_str()),
        (404, "no-such-session")
    );
    let trick = get(&api(&world), "/v1/sessions/..%2f..%2fetc%2fpasswd", &[]).await;
    assert_eq!(trick.status, 404);
    let twice = get(&api(&world), "/v1/sessions/a?session=b", &[]).await;
    assert_eq!(twice.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_read_is_in_the_log_before_it_is_answered() {
    let world = World::start().await;
    import(&world, "Ann", "echo", 1).await;
    assert_eq!(indexes(&page(&world, "user=Ann&limit=5").await).len(), 1);
    let reads = world.of_kind("trail.read");
    let read = &reads.last().unwrap()["read"];
    assert_eq!(read["what"], "entries");
    assert_eq!(
        read["filter"],
        serde_json::json!({"limit": "5", "user": "Ann"})
    );
    assert_eq!(read["rows"], 1);
    assert_eq!(read["by"], "loopback");
    assert_eq!(read["outcome"], "answered");
    let sql = "SELECT 'no store here'";
    let asked = ask(&api(&world), Method::POST, "/v1/query", &[], sql.as_bytes()).await;
    assert_eq!(
        (asked.status, asked.problem().as_str()),
        (501, "not-supported")
    );
    let reads = world.of_kind("trail.read");
    let read = &reads.last().unwrap()["read"];
    assert_eq!(
        read["sql"],
        serde_json::json!({"text": sql, "bytes": sql.len()})
    );
    assert_eq!(read["outcome"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_are_none_are_refused_in_one_line() {
    let world = World::start().await;
    for query in [
        "usr=x",
        "limit=0",
        "cursor=x",
        "from=now",
        "order=asc&order=asc",
        "%ff=1",
    ] {
        let answer = get(&api(&world), &format!("/v1/entries?{query}"), &[]).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "bad-question"),
            "{query}"
        );
    }
    for (headers, body, status) in [
        (vec![], "", 400),
        (vec![("content-type", "application/json")], "{\"q\":1}", 400),
        (vec![("content-type", "image/png")], "SELECT 1", 415),
        (vec![("accept", "image/png")], "SELECT 1", 406),
    ] {
        let answer = ask(
            &api(&world),
            Method::POST,
            "/v1/query",
            &headers,
            body.as_bytes(),
        )
        .await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let answer = ask(
        &api(&world),
        Method::POST,
        "/v1/query?format=xml",
        &[],
        b"SELECT 1",
    )
    .await;
    assert_eq!(answer.status, 400);
}

/// A store that answers everything with one row, or not at all.
struct One(Option<QueryError>);

impl Query for One {
    fn sql(&self, request: SqlRequest) -> BoxFuture<'_, Result<Answer, QueryError>> {
        Box::pin(async move {
            match &self.0 {
                Some(error) => Err(error.clone()),
                None => Ok(Answer {
                    content_type: request.format.media_type(),
                    body: request.sql.into_bytes(),
                    rows: 1,
                }),
            }
        })
    }

    fn entries(&self, _: EntryFilter, _: Page) -> BoxFuture<'_, Result<EntryPage, QueryError>> {
        Box::pin(async { Ok(EntryPage::default()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_goes_to_whoever_is_plugged_in_and_comes_back_in_the_format_asked_for() {
    for (error, status) in [
        (None, 200),
        (Some(QueryError::Refused("no writes".to_owned())), 400),
        (Some(QueryError::TooExpensive("30 s".to_owned())), 422),
        (Some(QueryError::Unavailable("disk".to_owned())), 503),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        let mut settings = config::dev(&state).unwrap();
        settings.interval = Duration::from_millis(20);
        let parts = Parts {
            query: Some(Arc::new(One(error))),
            ..Parts::default()
        };
        let server = Server::start(settings, state, parts).await.unwrap();
        let api = server.addresses().api.clone();
        let headers = [("accept", "text/csv"), ("content-type", "application/json")];
        let body = br#"{"sql":"SELECT 1"}"#;
        let answer = ask(&api, Method::POST, "/v1/query", &headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 200 {
            assert_eq!(answer.text(), "SELECT 1");
            assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
            assert_eq!(answer.header("affiant-rows"), "1");
        }
        server.stop().await;
    }
}
