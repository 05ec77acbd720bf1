//! An archive in an S3 bucket. Reads, writes and signatures are those of `object_store`; what it lacks, the
//! headers and calls of object lock, is asked for here with its client and its SigV4.
//!
//! The bucket's default retention locks what is created; nothing here sets a retention. Creations are
//! `If-None-Match: *` with a SHA-256 checksum, in one request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential, Checksum, S3ConditionalPut,
};
use object_store::client::{
    Certificate, HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector,
};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload,
    RetryConfig,
};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::s3_xml;
use super::{Created, Lock, LockMode, Objects, StoreError, Version};
use crate::key::Key;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Retries of one request; whoever asked tries again later anyway.
const RETRIES_MAX: usize = 1;
/// The longest answer of a call that is not an object, bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Pages of versions of one object that are asked for: 1,000 versions each.
const VERSION_PAGES_MAX: usize = 100;

/// Who asks. Shows nothing of itself.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    key_id: String,
    secret: Zeroizing<String>,
}

impl Credentials {
    /// From a text of two lines: id and secret of an access key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (key_id, secret) = (lines.next()?, lines.next()?);
        lines.next().is_none().then(|| Self {
            key_id: key_id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
        })
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// How a bucket is reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with, without a `/` at either end; may be empty.
    pub prefix: String,
    /// The service, without bucket; AWS if absent.
    pub endpoint: Option<String>,
    /// Default `us-east-1`.
    pub region: String,
    /// Who asks.
    pub credentials: Credentials,
    /// PEM of certificates to trust beside the system's.
    pub roots: Option<Vec<u8>>,
    /// How long one request may take.
    pub timeout: Duration,
}

impl S3Options {
    /// The defaults.
    #[must_use]
    pub fn new(bucket: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            endpoint: None,
            region: "us-east-1".to_owned(),
            credentials,
            roots: None,
            timeout: REQUEST_TIMEOUT,
        }
    }
}

/// A bucket.
#[derive(Debug)]
pub struct S3Objects {
    store: AmazonS3,
    client: HttpClient,
    credential: AwsCredential,
    region: String,
    /// `https://host/bucket`.
    base: String,
    prefix: String,
    runtime: Runtime,
}

impl S3Objects {
    /// Sets up a client; nothing is asked yet.
    ///
    /// # Errors
    /// [`StoreError::Setup`].
    pub fn open(options: S3Options) -> Result<Self, StoreError> {
        let endpoint = options
            .endpoint
            .unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", options.region));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let mut client = ClientOptions::new()
            .with_timeout(options.timeout)
            .with_connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .with_allow_http(endpoint.starts_with("http://"));
        for certificate in roots(options.roots.as_deref())? {
            client = client.with_root_certificate(certificate);
        }
        let credential = AwsCredential {
            key_id: options.credentials.key_id.clone(),
            secret_key: options.credentials.secret.as_str().to_owned(),
            token: None,
        };
        let store = AmazonS3Builder::new()
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_endpoint(&endpoint)
            .with_virtual_hosted_style_request(false)
            .with_access_key_id(&options.credentials.key_id)
            .with_secret_access_key(options.credentials.secret.as_str())
            .with_checksum_algorithm(Checksum::SHA256)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_client_options(client.clone())
            .with_allow_http(endpoint.starts_with("http://"))
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: RETRIES_MAX,
                retry_timeout: options.timeout,
            })
            .build()
            .map_err(StoreError::setup)?;
        Ok(Self {
            store,
            client: ReqwestConnector::default()
                .connect(&client)
                .map_err(StoreError::setup)?,
            credential,
            region: options.region,
            base: format!("{endpoint}/{}", options.bucket),
            prefix: options.prefix,
            runtime: runtime()?,
        })
    }

    fn path(&self, key: &str) -> Path {
        match self.prefix.is_empty() {
            true => Path::from(key),
            false => Path::from(format!("{}/{key}", self.prefix)),
        }
    }

    /// One signed request that `object_store` does not know.
    fn ask(
        &self,
        operation: &'static str,
        method: Method,
        key: &str,
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Option<(HeaderMap, Bytes)>, StoreError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::failed(operation, key, error)
        };
        let mut request = self.request(method, key, query, body).map_err(failed)?;
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| StoreError::failed(operation, key, error))?;
        let asked = async {
            let answer = self
                .client
                .execute(request)
                .await
                .map_err(|error| failed(error.into()))?;
            let (parts, body) = answer.into_parts();
            let body = body.bytes().await.map_err(|error| failed(error.into()))?;
            Ok((parts, body))
        };
        let (parts, body) = self.runtime.block_on(asked)?;
        if body.len() > ANSWER_BYTES_MAX {
            return Err(failed("answer is too long".into()));
        }
        match parts.status.as_u16() {
            200..300 => Ok(Some((parts.headers, body))),
            404 => Ok(None),
            status if parts.status.is_server_error() => {
                Err(failed(format!("status {status}").into()))
            }
            status => Err(StoreError::Refused {
                operation,
                key: key.to_owned(),
                status,
                message: s3_xml::message(&body),
            }),
        }
    }

    fn request(
        &self,
        method: Method,
        key: &str,
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let mut url = match key {
            "" => self.base.clone(),
            key => format!("{}/{}", self.base, self.path(key)),
        };
        for (number, (name, value)) in query.iter().enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            url.push_str(&format!("{separator}{name}={}", encode(value)));
        }
        let mut request = http::Request::builder().method(method).uri(url);
        let body = match body {
            None => HttpRequestBody::empty(),
            Some(text) => {
                let sum = Sha256::digest(text.as_bytes());
                request = request.header("x-amz-checksum-sha256", base64(&sum));
                HttpRequestBody::from(text)
            }
        };
        Ok(request.body(body)?)
    }

    fn version_query(version: Option<&Version>) -> Vec<(&str, &str)> {
        version
            .map(|v| ("versionId", v.id.as_str()))
            .into_iter()
            .collect()
    }
}

impl Objects for S3Objects {
    fn create(&self, key: &Key, bytes: Bytes) -> Result<Created, StoreError> {
        let path = self.path(key.as_str());
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&path, PutPayload::from(bytes), options);
        match self.runtime.block_on(put) {
            Ok(_) => Ok(Created::New),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Created::Exists),
            Err(error) => Err(StoreError::failed("create", key, error)),
        }
    }

    fn get(
        &self,
        key: &Key,
        version: Option<&Version>,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(key.as_str());
        let options = GetOptions {
            version: version.map(|version| version.id.clone()),
            ..GetOptions::default()
        };
        let read = async {
            let got = self.store.get_opts(&path, options).await?;
            if got.meta.size > bytes_max {
                return Ok(Err(got.meta.size));
            }
            got.bytes().await.map(Ok)
        };
        match self.runtime.block_on(read) {
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(bytes)) => Err(StoreError::TooLong {
                key: key.clone(),
                bytes,
                bytes_max,
            }),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::failed("read", key, error)),
        }
    }

    fn sets(&self) -> Result<Vec<u64>, StoreError> {
        let prefix = self.path("sets");
        let listed = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(&prefix)));
        let listed = listed.map_err(|error| StoreError::failed("list", "sets", error))?;
        Ok(set_numbers(&listed.common_prefixes))
    }

    fn lock(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>, StoreError> {
        let query = Self::version_query(version);
        let answer = self.ask("look at", Method::HEAD, key.as_str(), &query, None)?;
        Ok(answer.map(|(headers, _)| lock_of(&headers)))
    }

    fn versions(&self, key: &Key) -> Result<Vec<Version>, StoreError> {
        let full = self.path(key.as_str()).to_string();
        let mut out = Vec::new();
        let mut after: Option<(String, String)> = None;
        for _ in 0..VERSION_PAGES_MAX {
            let mut query = vec![("versions", ""), ("prefix", full.as_str())];
            if let Some((key, id)) = &after {
                query.extend([
                    ("key-marker", key.as_str()),
                    ("version-id-marker", id.as_str()),
                ]);
            }
            let answer = self.ask("list versions of", Method::GET, "", &query, None)?;
            let Some((_, body)) = answer else {
                return Ok(out);
            };
            let page = s3_xml::versions(&body, &full)
                .map_err(|problem| StoreError::failed("list versions of", key, problem))?;
            out.extend(page.versions);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(out),
            }
        }
        Ok(out)
    }

    fn hold(&self, key: &Key, version: Option<&Version>, on: bool) -> Result<(), StoreError> {
        let mut query = vec![("legal-hold", "")];
        query.extend(Self::version_query(version));
        let status = if on { "ON" } else { "OFF" };
        let body = format!(
            "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></LegalHold>"
        );
        let set = self.ask("hold", Method::PUT, key.as_str(), &query, Some(body))?;
        match set {
            Some(_) => Ok(()),
            None => Err(StoreError::failed("hold", key, "it is not there")),
        }
    }
}

/// The lock that stands in the headers of an object.
fn lock_of(headers: &HeaderMap) -> Lock {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let mode = match text("x-amz-object-lock-mode") {
        Some("COMPLIANCE") => Some(LockMode::Compliance),
        Some("GOVERNANCE") => Some(LockMode::Governance),
        _ => None,
    };
    let until = text("x-amz-object-lock-retain-until-date");
    Lock {
        mode,
        until_us: until.and_then(affiant_entry::parse_rfc3339),
        hold: text("x-amz-object-lock-legal-hold") == Some("ON"),
    }
}

/// The numbers in `sets/<n>`, of directories that are named as a writer names them.
pub(super) fn set_numbers(prefixes: &[Path]) -> Vec<u64> {
    let last = prefixes.iter().filter_map(Path::filename);
    let numbers = last.filter_map(|name| {
        let set = name.parse::<u64>().ok()?;
        (Key::set_dir(set).strip_prefix("sets/") == Some(name)).then_some(set)
    });
    numbers.collect()
}

/// One thread for the network, however many ask.
pub(super) fn runtime() -> Result<Runtime, StoreError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(StoreError::setup)
}

fn roots(pem: Option<&[u8]>) -> Result<Vec<Certificate>, StoreError> {
    match pem {
        Some(pem) => Certificate::from_pem_bundle(pem).map_err(StoreError::setup),
        None => Ok(Vec::new()),
    }
}

/// Percent-encodes all but what RFC 3986 calls unreserved, as SigV4 asks for.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().fold(String::new(), |mut out, byte| {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
