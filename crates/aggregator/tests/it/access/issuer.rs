//! An OpenID Connect issuer on loopback: real keys, real signatures, and codes that are good once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const CLIENT: &str = "affiant";
pub(crate) const SECRET: &str = "s3cret: with & signs";

#[derive(Clone)]
pub(crate) struct Issuer {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    keys: Mutex<Vec<Key>>,
    codes: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// What stands in ID tokens beside the usual.
    person: Mutex<Value>,
    pub(crate) key_reads: AtomicUsize,
}

pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) pair: rcgen::KeyPair,
    pub(crate) algorithm: Algorithm,
}

impl Key {
    pub(crate) fn new(id: &str, algorithm: Algorithm) -> Self {
        let of = if algorithm == Algorithm::ES256 {
            &rcgen::PKCS_ECDSA_P256_SHA256
        } else {
            &rcgen::PKCS_ED25519
        };
        Self {
            id: id.to_owned(),
            pair: rcgen::KeyPair::generate_for(of).unwrap(),
            algorithm,
        }
    }

    fn jwk(&self) -> Value {
        let raw = self.pair.public_key_raw();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        if self.algorithm == Algorithm::ES256 {
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
                "x": text(&raw[1..33]), "y": text(&raw[33..65]),
            })
        } else {
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.id, "alg": "EdDSA",
                "x": text(raw),
            })
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        let der = self.pair.serialize_der();
        let key = if self.algorithm == Algorithm::ES256 {
            EncodingKey::from_ec_der(&der)
        } else {
            EncodingKey::from_ed_der(&der)
        };
        encode(&header, claims, &key).unwrap()
    }
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            inner: Arc::new(Inner {
                url: format!("http://{}", listener.local_addr().unwrap()),
                keys: Mutex::new(vec![Key::new("one", Algorithm::EdDSA)]),
                codes: Mutex::default(),
                person: Mutex::new(json!({"sub": "ada", "groups": ["trail-auditors"]})),
                key_reads: AtomicUsize::new(0),
            }),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(issuer.clone());
        tokio::spawn(async move {
            let builder =
                hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let builder = builder.clone();
                tokio::spawn(async move {
                    let stream = hyper_util::rt::TokioIo::new(stream);
                    let _ = builder.serve_connection(stream, service).await;
                });
            }
        });
        issuer
    }

    pub(crate) fn url(&self) -> &str {
        &self.inner.url
    }

    pub(crate) fn key_reads(&self) -> usize {
        self.inner.key_reads.load(Ordering::SeqCst)
    }

    pub(crate) fn replace_keys(&self, keys: Vec<Key>) {
        *self.inner.keys.lock().unwrap() = keys;
    }

    pub(crate) fn person(&self, claims: Value) {
        *self.inner.person.lock().unwrap() = claims;
    }

    /// Claims of a good bearer token.
    pub(crate) fn claims(&self) -> Value {
        let now = affiant_aggregator::clock::now().utc_us / 1_000_000;
        json!({
            "iss": self.url(), "aud": CLIENT, "sub": "ada", "iat": now, "exp": now + 300,
            "groups": ["everybody", "trail-auditors"],
        })
    }

    /// Signed with the newest key.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let keys = self.inner.keys.lock().unwrap();
        keys.last().unwrap().sign(claims)
    }
}

async fn discovery(State(issuer): State<Issuer>) -> String {
    let url = issuer.url();
    json!({
        "issuer": url,
        "jwks_uri": format!("{url}/keys"),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
    })
    .to_string()
}

async fn keys(State(issuer): State<Issuer>) -> String {
    issuer.inner.key_reads.fetch_add(1, Ordering::SeqCst);
    let keys = issuer.inner.keys.lock().unwrap();
    let mut all: Vec<_> = keys.iter().map(Key::jwk).collect();
    // Of a kind that nobody knows.
    all.push(json!({"kty": "LATTICE", "kid": "new", "lwe": "AA"}));
    json!({"keys": all}).to_string()
}

async fn authorize(
    State(issuer): State<Issuer>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let good = asked["response_type"] == "code"
        && asked["client_id"] == CLIENT
        && asked["code_challenge_method"] == "S256"
        && asked["scope"].split(' ').any(|scope| scope == "openid");
    if !good {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut codes = issuer.inner.codes.lock().unwrap();
    let code = format!("code-{}", codes.len());
    let to = format!(
        "{}?code={code}&state={}",
        asked["redirect_uri"], asked["state"]
    );
    codes.insert(code, asked);
    Redirect::to(&to).into_response()
}

async fn token(State(issuer): State<Issuer>, headers: HeaderMap, form: String) -> Response {
    let pairs = form_urlencoded::parse(form.as_bytes()).into_owned();
    let form: BTreeMap<String, String> = pairs.collect();
    let quoted =
        |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let basic = STANDARD.encode(format!("{}:{}", quoted(CLIENT), quoted(SECRET)));
    let known = headers.get("authorization").unwrap() == format!("Basic {basic}").as_str();
    let mut codes = issuer.inner.codes.lock().unwrap();
    let asked = codes
        .get_mut(&form["code"])
        .map(std::mem::take)
        .unwrap_or_default();
    drop(codes);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    let good = known
        && form["grant_type"] == "authorization_code"
        && asked.get("code_challenge") == Some(&challenge)
        && asked.get("redirect_uri") == form.get("redirect_uri");
    if !good {
        return (StatusCode::BAD_REQUEST, "{\"error\":\"invalid_grant\"}").into_response();
    }
    let mut claims = issuer.claims();
    claims.as_object_mut().unwrap().remove("groups");
    claims["nonce"] = asked["nonce"].clone().into();
    let person = issuer.inner.person.lock().unwrap().clone();
    for (name, value) in person.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let signed = issuer.sign(&claims);
    json!({"access_token": "opaque", "token_type": "Bearer", "id_token": signed})
        .to_string()
        .into_response()
}
