//! API tokens.

use affiant_aggregator::access::{ApiTokens, NewApiToken, Role};
use affiant_aggregator::clock;
use affiant_aggregator::query::ReadBounds;

use super::{api, asking, bearer, bearer_within};
use crate::http::get;
use crate::world::World;

async fn status(world: &World, authorization: &str) -> u16 {
    let headers = [("authorization", authorization)];
    get(&api(world), "/v1/whoami", &headers).await.status
}

fn new(expires_utc_us: Option<i64>) -> NewApiToken {
    NewApiToken {
        name: "ci".to_owned(),
        role: Role::Analyst,
        bounds: ReadBounds::default(),
        expires_utc_us,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_who_one_is_until_it_is_revoked() {
    let world = asking().await;
    let tokens = ApiTokens::new(&world.state());
    let text = tokens.make(&new(None)).unwrap();
    let header = format!("Bearer {}", text.as_str());
    let headers = [("authorization", header.as_str())];
    let me = get(&api(&world), "/v1/whoami", &headers).await.json();
    assert_eq!(
        (&me["role"], &me["by"]),
        (&"analyst".into(), &"token".into())
    );
    let id = tokens.list().unwrap()[0].id.clone();
    assert_eq!(me["name"], format!("ci ({id})"));
    assert!(tokens.revoke(&id).unwrap());
    assert_eq!(status(&world, &header).await, 401);
    assert!(!tokens.revoke(&id).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_lets_nobody_in() {
    let world = asking().await;
    let tokens = ApiTokens::new(&world.state());
    let past = clock::now().utc_us - 1;
    let text = tokens.make(&new(Some(past))).unwrap();
    assert_eq!(
        status(&world, &format!("Bearer {}", text.as_str())).await,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_almost_a_token_is_none() {
    let world = asking().await;
    let good = bearer(&world, Role::Admin);
    assert_eq!(status(&world, &good).await, 200);
    assert_eq!(status(&world, &good.replace("Bearer", "bEARER")).await, 200);
    let token = good.strip_prefix("Bearer ").unwrap();
    let (head, secret) = token.rsplit_once('.').unwrap();
    let id = head.strip_prefix("affiant-api-v1.").unwrap();
    let flipped = if secret.starts_with('A') { 'B' } else { 'A' };
    for almost in [
        format!("Bearer {head}.{flipped}{}", &secret[1..]),
        format!("Bearer {head}."),
        format!("Bearer {head}"),
        format!("Bearer {head}.{secret}AAAA"),
        format!("Bearer {head}.{}", "A".repeat(100_000 / 4)),
        format!("Bearer affiant-api-v1.../api-tokens/{id}.{secret}"),
        format!("Bearer affiant-api-v1.0000000000000000.{secret}"),
        format!("Bearer affiant-api-v1.{}.{secret}", id.to_uppercase()),
        format!("Basic {token}"),
        format!("Bearer{token}"),
        token.to_owned(),
        "Bearer ".to_owned(),
    ] {
        // The id alone may have no letters.
        if almost == good {
            continue;
        }
        assert_eq!(status(&world, &almost).await, 401, "{almost}");
    }
}

#[test]
fn the_secret_is_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let state = affiant_aggregator::StateDir::new(dir.path());
    state.create().unwrap();
    let text = ApiTokens::new(&state).make(&new(None)).unwrap();
    let secret = text.rsplit('.').next().unwrap();
    for file in fs_err::read_dir(state.api_tokens()).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs_err::read_to_string(&path).unwrap().contains(secret));
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_opens_nothing() {
    let world = asking().await;
    let header = bearer_within(
        &world,
        Role::Auditor,
        ReadBounds {
            from_us: Some(0),
            to_us: Some(1),
        },
    );
    let name = ApiTokens::new(&world.state()).list().unwrap()[0].id.clone();
    let path = world.state().api_tokens().join(name);
    let text = fs_err::read_to_string(&path).unwrap();
    // A bound that is damaged is not an open one.
    fs_err::write(&path, text.replace("1970", "19x0")).unwrap();
    assert_eq!(status(&world, &header).await, 503);
    fs_err::write(&path, text.replace("\"v\": 1", "\"v\": 2")).unwrap();
    assert_eq!(status(&world, &header).await, 503);
}
