//! Tokens and logins of an OpenID Connect issuer.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use affiant_aggregator::access::Role;
use affiant_aggregator::config::{OidcSettings, RoleRule, Settings};
use affiant_aggregator::query::ReadBounds;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::api;
use super::issuer::{CLIENT, Issuer, Key, SECRET};
use crate::http::{Answer, ask, get};
use crate::world::World;

fn rule(claim: &str, role: Role) -> RoleRule {
    RoleRule {
        claim: claim.to_owned(),
        role,
        bounds: ReadBounds::default(),
    }
}

struct Trusting {
    world: World,
    issuer: Issuer,
    _dir: tempfile::TempDir,
}

/// An aggregator that trusts an issuer.
async fn trusting() -> Trusting {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("client.secret");
    fs_err::write(&secret, format!("{SECRET}\n")).unwrap();
    fs_err::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let oidc = OidcSettings {
        issuer: issuer.url().to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret_file: Some(secret),
        audience: CLIENT.to_owned(),
        redirect_url: Some("http://localhost:7480/callback".to_owned()),
        scopes: vec!["openid".to_owned(), "groups".to_owned()],
        algorithms: vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256],
        name_claim: "email".to_owned(),
        role_claim: "groups".to_owned(),
        roles: vec![
            rule("trail-admins", Role::Admin),
            rule("trail-auditors", Role::Auditor),
        ],
        roots_file: None,
    };
    let world = World::start_with(|settings: &mut Settings| {
        settings.access.required = true;
        settings.access.requests_per_minute = 100_000;
        settings.access.oidc = Some(oidc);
    })
    .await;
    Trusting {
        world,
        issuer,
        _dir: dir,
    }
}

impl Trusting {
    async fn who(&self, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        get(
            &api(&self.world),
            "/v1/whoami",
            &[("authorization", &bearer)],
        )
        .await
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        get(&api(&self.world), path, &[("cookie", cookie)]).await
    }

    /// From `/login` to the way back: path at `/callback` and the cookie of the login.
    async fn begin(&self, path: &str) -> (String, String) {
        let begun = self.get(path, "").await;
        assert_eq!(begun.status, 302, "{}", begun.text());
        let to = begun.header("location");
        let at_issuer = to.strip_prefix(self.issuer.url()).unwrap();
        let back = get(self.issuer.url(), at_issuer, &[]).await;
        let back = back.header("location");
        let back = back
            .strip_prefix("http://localhost:7480")
            .unwrap()
            .to_owned();
        (back, begun.cookie("affiant-login"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_issuer_has_the_role_that_its_claim_gives() {
    let world = trusting().await;
    let me = world
        .who(&world.issuer.sign(&world.issuer.claims()))
        .await
        .json();
    assert_eq!(me["role"], "auditor");
    assert_eq!((&me["name"], &me["by"]), (&"ada".into(), &"oidc".into()));
    let mut claims = world.issuer.claims();
    claims["groups"] = "trail-admins".into();
    claims["email"] = "ada@example.org".into();
    let me = world.who(&world.issuer.sign(&claims)).await.json();
    assert_eq!(
        (&me["role"], &me["name"]),
        (&"admin".into(), &"ada@example.org".into())
    );
    let several = json!([CLIENT, "another"]);
    claims["aud"] = several;
    assert_eq!(world.who(&world.issuer.sign(&claims)).await.status, 200);
}

fn changed(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_hold_lets_nobody_in() {
    let world = trusting().await;
    let good = world.issuer.claims();
    let now = good["iat"].as_i64().unwrap();
    assert_eq!(world.who(&world.issuer.sign(&good)).await.status, 200);
    let cases = [
        ("iss", json!("http://127.0.0.1:1")),
        ("iss", json!(format!("{}/", world.issuer.url()))),
        ("iss", json!([world.issuer.url()])),
        ("iss", Value::Null),
        ("aud", json!("another")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(now - 31)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("nbf", json!(now + 120)),
        ("sub", Value::Null),
        ("groups", json!(["nobody"])),
        ("groups", json!({"trail-admins": true})),
        ("groups", json!("trail-admins trail-auditors")),
        ("groups", Value::Null),
    ];
    for (name, value) in cases {
        let token = world.issuer.sign(&changed(&good, name, value.clone()));
        let answer = world.who(&token).await;
        assert_eq!(answer.status, 401, "{name} {value}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_signed_by_a_key_of_the_issuer_in_a_way_that_is_allowed() {
    let world = trusting().await;
    let claims = world.issuer.claims();
    let good = world.issuer.sign(&claims);
    assert_eq!(world.who(&good).await.status, 200);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, body) = head.split_once('.').unwrap();
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","kid":"one"}"#);
    let stranger = Key::new("one", Algorithm::EdDSA);
    let unknown = Key::new("two", Algorithm::EdDSA);
    // The public key as a shared secret: the classical confusion.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("one".to_owned());
    let key = EncodingKey::from_secret(stranger.pair.public_key_raw());
    let confused = encode(&header, &claims, &key).unwrap();
    let mut crit = Header::new(Algorithm::EdDSA);
    crit.kid = Some("one".to_owned());
    crit.crit = Some(vec!["exp".to_owned()]);
    let of = EncodingKey::from_ed_der(&stranger.pair.serialize_der());
    for bad in [
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{head}."),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        stranger.sign(&claims),
        unknown.sign(&claims),
        confused,
        encode(&crit, &claims, &of).unwrap(),
    ] {
        let answer = world.who(&bad).await;
        assert_eq!(answer.status, 401, "{bad}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_of_the_issuer_are_found_and_old_ones_forgotten() {
    let world = trusting().await;
    let old = world.issuer.sign(&world.issuer.claims());
    assert_eq!(world.who(&old).await.status, 200);
    assert_eq!(world.who(&old).await.status, 200);
    assert_eq!(world.issuer.key_reads(), 1);
    world
        .issuer
        .replace_keys(vec![Key::new("two", Algorithm::ES256)]);
    let new = world.issuer.sign(&world.issuer.claims());
    // Made-up key ids do not make us ask the issuer again and again.
    for _ in 0..5 {
        assert_eq!(world.who(&new).await.status, 401);
    }
    assert_eq!(world.issuer.key_reads(), 1);
    tokio::time::sleep(Duration::from_millis(5_200)).await;
    assert_eq!(world.who(&new).await.status, 200);
    assert_eq!(world.issuer.key_reads(), 2);
    assert_eq!(world.who(&old).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_and_out() {
    let world = trusting().await;
    let (back, login) = world.begin("/login?then=/v1/entries?limit=1").await;
    let done = world.get(&back, &login).await;
    assert_eq!(done.status, 302, "{}", done.text());
    assert_eq!(done.header("location"), "/v1/entries?limit=1");
    for line in done.headers.get_all("set-cookie") {
        let line = line.to_str().unwrap();
        assert!(
            line.contains("; HttpOnly") && line.contains("; SameSite=Lax"),
            "{line}"
        );
    }
    let session = done.cookie("affiant-session");
    let me = world.get("/v1/whoami", &session).await.json();
    assert_eq!(
        (&me["role"], &me["by"]),
        (&"auditor".into(), &"session".into())
    );
    assert_eq!(world.get("/v1/entries?limit=1", &session).await.status, 200);
    // A page of our own may act through it, one of another may not.
    for (origin, status) in [("http://evil.example", 403), ("http://localhost:7480", 501)] {
        let headers = [("cookie", session.as_str()), ("origin", origin)];
        let asked = ask(
            &api(&world.world),
            Method::POST,
            "/v1/query",
            &headers,
            b"SELECT 1",
        )
        .await;
        assert_eq!(asked.status, status, "{}", asked.text());
    }
    let headers = [("cookie", session.as_str())];
    let out = ask(&api(&world.world), Method::POST, "/logout", &headers, b"").await;
    assert_eq!(out.status, 204);
    assert_eq!(world.get("/v1/whoami", &session).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_belongs_to_the_browser_that_began_it_and_ends_once() {
    let world = trusting().await;
    let (back, login) = world.begin("/login").await;
    assert_eq!(world.get(&back, "").await.status, 401);
    let (_, other) = world.begin("/login").await;
    assert_eq!(world.get(&back, &other).await.status, 401);
    assert_eq!(world.get(&back, &login).await.status, 302);
    assert_eq!(world.get(&back, &login).await.status, 401);
    let (_, login) = world.begin("/login?then=//evil.example/").await;
    let state = login.split_once('=').unwrap().1;
    let wrong = format!("/callback?state={state}&code=made-up");
    let answer = world.get(&wrong, &login).await;
    assert!(matches!(answer.status, 401 | 503), "{}", answer.text());
    let (back, login) = world.begin("/login?then=//evil.example/").await;
    assert_eq!(
        world.get(&back, &login).await.header("location"),
        "/v1/whoami"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_a_role_or_for_another_is_refused() {
    let world = trusting().await;
    for person in [
        json!({"sub": "eve", "groups": []}),
        json!({"sub": "eve", "groups": ["trail-auditors"], "nonce": "of another login"}),
        json!({"sub": "eve", "groups": ["trail-auditors"], "aud": "another"}),
        json!({"sub": "eve", "groups": ["trail-auditors"], "aud": [CLIENT, "another"]}),
        json!({"sub": "eve", "groups": ["trail-auditors"], "azp": "another"}),
    ] {
        world.issuer.person(person.clone());
        let (back, login) = world.begin("/login").await;
        let answer = world.get(&back, &login).await;
        assert_eq!(answer.status, 401, "{person}: {}", answer.text());
        assert!(!answer.headers.contains_key("set-cookie"));
    }
}
