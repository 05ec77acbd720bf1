//! The table of routes, line by line and role by role.

use affiant_aggregator::access::{ROUTES, Role, Route, Who};
use serde_json::Value;

use super::{api, asking, bearer};
use crate::http::ask;

fn path_of(route: &Route) -> String {
    route
        .path
        .replace("{*path}", "checkpoint")
        .replace("{id}", "nobody")
        .replace("{format}", "toolhive")
}

fn may(route: &Route, role: Option<Role>) -> bool {
    match route.who {
        Who::Anyone => true,
        Who::Roles(roles) | Who::Log(roles) | Who::Import(roles) => {
            role.is_some_and(|role| roles.contains(&role))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_lets_in_whom_its_line_names_and_nobody_else() {
    let world = asking().await;
    let mut refused = 0;
    for role in Role::ALL.map(Some).into_iter().chain([None]) {
        let bearer = role.map(|role| bearer(&world, role));
        let headers: Vec<_> = bearer
            .iter()
            .map(|b| ("authorization", b.as_str()))
            .collect();
        for route in &ROUTES {
            // A callback without a login is refused, whoever comes.
            if route.path == "/callback" {
                continue;
            }
            let method = route.method.method();
            let answer = ask(&api(&world), method, &path_of(route), &headers, b"").await;
            let let_in = !matches!(answer.status, 401 | 403);
            assert_eq!(
                let_in,
                may(route, role),
                "{} as {role:?}: {} {}",
                route.path,
                answer.status,
                answer.text()
            );
            if !let_in {
                refused += 1;
                let expected = if role.is_none() && !matches!(route.who, Who::Import(_)) {
                    401
                } else {
                    403
                };
                assert_eq!(answer.status, expected, "{} as {role:?}", route.path);
            }
            if answer.status == 401 {
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_other_paths_lead_nowhere() {
    let world = asking().await;
    let admin = bearer(&world, Role::Admin);
    let headers = [("authorization", admin.as_str())];
    for (method, path, status) in [
        (http::Method::DELETE, "/v1/entries", 405),
        (http::Method::PUT, "/v1/query", 405),
        (http::Method::POST, "/v1/entries", 405),
        (http::Method::GET, "/v1/", 404),
        (http::Method::GET, "/V1/entries", 404),
        (http::Method::GET, "//v1/entries", 404),
        (http::Method::GET, "/v1/entries/", 404),
        (http::Method::GET, "/healthz/../v1/entries", 404),
        (http::Method::GET, "/healthz/%2e%2e/v1/entries", 404),
        (http::Method::GET, "/v1%2fentries", 404),
        (http::Method::GET, "/log/../state/index.redb", 404),
        (http::Method::GET, "/log/%2e%2e/state/index.redb", 404),
        (
            http::Method::GET,
            "/log/tile/entries/../../../keys/log.key",
            404,
        ),
    ] {
        let answer = ask(&api(&world), method, path, &headers, b"").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_log_is_public_and_nothing_else() {
    let world = crate::world::World::start_with(|settings| {
        settings.access.required = true;
        settings.access.log_public = true;
    })
    .await;
    let status = async |path: &str| crate::http::get(&api(&world), path, &[]).await.status;
    assert_eq!(status("/log/checkpoint").await, 200);
    assert_eq!(status("/v1/entries").await, 401);
    assert_eq!(status("/v1/status").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_exactly_the_routes_of_the_table_with_their_roles() {
    let world = asking().await;
    let document = crate::http::get(&api(&world), "/openapi.json", &[])
        .await
        .json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let roles = operation["x-affiant-roles"].as_array();
            let roles = roles.unwrap_or_else(|| panic!("{path} says no roles"));
            let mut roles: Vec<_> = roles
                .iter()
                .map(|r| r.as_str().unwrap().to_owned())
                .collect();
            roles.sort();
            documented.push((method.to_uppercase(), path.clone(), roles));
        }
    }
    let mut ours: Vec<_> = ROUTES
        .iter()
        .map(|route| {
            let mut roles: Vec<_> = match route.who {
                Who::Anyone => vec!["anyone".to_owned()],
                Who::Roles(roles) | Who::Log(roles) | Who::Import(roles) => {
                    roles.iter().map(|role| role.as_str().to_owned()).collect()
                }
            };
            roles.sort();
            let path = route.path.replace("{*path}", "{path}");
            (route.method.method().to_string(), path, roles)
        })
        .collect();
    ours.sort();
    documented.sort();
    assert_eq!(documented, ours);
}

/// References lead somewhere: what a validator of the schema alone does not see.
#[test]
fn the_document_has_no_dangling_references() {
    let text = include_str!("../../../openapi.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let mut waiting = vec![&document];
    let mut seen = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(map) => {
                if let Some(to) = map.get("$ref").and_then(Value::as_str) {
                    assert!(
                        document.pointer(to.strip_prefix('#').unwrap()).is_some(),
                        "{to}"
                    );
                    seen += 1;
                }
                waiting.extend(map.values());
            }
            Value::Array(all) => waiting.extend(all),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(seen > 10);
}
