//! Time stamps by `openssl ts`, and what is refused.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use affiant_log::anchor::{AnchorError, Authority, TokenError, verify_token};
use affiant_log::net::{Post, PostAnswer, PostError, PostRequest};
use rustls_pki_types::CertificateDer;

/// A time stamp authority of the `openssl` command, in a directory.
struct OpenSsl {
    dir: tempfile::TempDir,
    /// Put in the place of the query, to play a replay.
    other_query: Option<Vec<u8>>,
}

const CONFIG: &str = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\ncerts = ca.pem\n\
    signer_key = tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha512\n\
    ess_cert_id_alg = sha256\naccuracy = secs:1\nordering = yes\ntsa_name = yes\n";

impl OpenSsl {
    fn new(algorithm: &[&str], usage: &str) -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
            other_query: None,
        };
        let dir = made.dir.path();
        fs_err::write(dir.join("tsa.cnf"), CONFIG).unwrap();
        fs_err::write(dir.join("serial"), "01\n").unwrap();
        fs_err::write(dir.join("ext"), format!("extendedKeyUsage={usage}\n")).unwrap();
        let key = |name: &str, rest: &[&str]| {
            let mut arguments = vec!["req", "-nodes", "-newkey"];
            arguments.extend(algorithm);
            arguments.extend(["-subj", name]);
            arguments.extend(rest);
            openssl(dir, &arguments);
        };
        key(
            "/CN=ca",
            &[
                "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
            ],
        );
        key("/CN=tsa", &["-keyout", "tsa.key", "-out", "tsa.csr"]);
        let sign = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem \
            -days 30 -extfile ext";
        openssl(dir, &sign.split_whitespace().collect::<Vec<_>>());
        openssl(
            dir,
            &["x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der"],
        );
        made
    }

    fn authority(&self) -> Authority {
        let root = fs_err::read(self.dir.path().join("ca.der")).unwrap();
        Authority {
            name: "openssl".to_owned(),
            url: "http://tsa.example/".to_owned(),
            roots: vec![CertificateDer::from(root)],
            timeout: Duration::from_secs(5),
        }
    }
}

impl Post for OpenSsl {
    fn post(&self, request: PostRequest<'_>) -> Result<PostAnswer, PostError> {
        assert_eq!(request.content_type, "application/timestamp-query");
        let dir = self.dir.path();
        let query = self.other_query.as_deref().unwrap_or(request.body);
        fs_err::write(dir.join("q.tsq"), query).unwrap();
        let reply = "ts -reply -config tsa.cnf -queryfile q.tsq -out r.tsr";
        openssl(dir, &reply.split_whitespace().collect::<Vec<_>>());
        Ok(PostAnswer {
            status: 200,
            body: fs_err::read(dir.join("r.tsr")).unwrap(),
        })
    }
}

fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output();
    let output = output.expect("this test needs the `openssl` command");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

const EC: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const RSA: &[&str] = &["rsa:2048"];
const STAMPING: &str = "critical,timeStamping";
const NOTE: &[u8] = b"log.example/test\n3\nAAAA\n\n\xe2\x80\x94 log.example/test AAAA\n";

#[test]
fn stamps_by_openssl_verify_and_openssl_agrees() {
    for algorithm in [EC, RSA] {
        let tsa = OpenSsl::new(algorithm, STAMPING);
        let authority = tsa.authority();
        let anchor = authority.anchor(&tsa, NOTE).unwrap();
        assert!(anchor.stamp.time.ends_with('Z'));
        assert_eq!(
            verify_token(&anchor.token, NOTE, &authority.roots),
            Ok(anchor.stamp)
        );
        let dir = tsa.dir.path();
        fs_err::write(dir.join("checkpoint"), NOTE).unwrap();
        fs_err::write(dir.join("token"), &anchor.token).unwrap();
        let verify = "ts -verify -data checkpoint -in token -token_in -CAfile ca.pem";
        openssl(dir, &verify.split_whitespace().collect::<Vec<_>>());
    }
}

#[test]
fn a_stamp_of_another_checkpoint_is_refused() {
    let tsa = OpenSsl::new(EC, STAMPING);
    let authority = tsa.authority();
    let anchor = authority.anchor(&tsa, NOTE).unwrap();
    let other = verify_token(&anchor.token, b"another", &authority.roots);
    assert_eq!(other, Err(TokenError::Imprint));
}

#[test]
fn a_replayed_stamp_is_refused() {
    let mut tsa = OpenSsl::new(EC, STAMPING);
    let authority = tsa.authority();
    authority.anchor(&tsa, NOTE).unwrap();
    // A good stamp over the same bytes, for an earlier request.
    tsa.other_query = Some(fs_err::read(tsa.dir.path().join("q.tsq")).unwrap());
    let anchor = authority.anchor(&tsa, NOTE);
    assert!(matches!(anchor, Err(AnchorError::Nonce)), "{anchor:?}");
}

#[test]
fn a_stamp_by_an_unpinned_authority_is_refused() {
    let tsa = OpenSsl::new(EC, STAMPING);
    let mut authority = tsa.authority();
    authority.roots = OpenSsl::new(EC, STAMPING).authority().roots;
    let anchor = authority.anchor(&tsa, NOTE);
    assert!(
        matches!(anchor, Err(AnchorError::Token(TokenError::Chain))),
        "{anchor:?}"
    );
    authority.roots.clear();
    let anchor = authority.anchor(&tsa, NOTE);
    assert!(
        matches!(anchor, Err(AnchorError::Token(TokenError::Chain))),
        "{anchor:?}"
    );
}

/// OpenSSL itself refuses to stamp with such certificates, so the token of a good one is carried over.
#[test]
fn a_certificate_that_is_not_for_time_stamping_alone_is_refused() {
    for usage in [
        "timeStamping",
        "critical,timeStamping,serverAuth",
        "critical,serverAuth",
    ] {
        let tsa = OpenSsl::new(EC, usage);
        let dir = tsa.dir.path();
        fs_err::write(dir.join("data"), NOTE).unwrap();
        let query = "ts -query -data data -sha256 -cert -out q.tsq";
        openssl(dir, &query.split_whitespace().collect::<Vec<_>>());
        let reply = "ts -reply -config tsa.cnf -queryfile q.tsq -token_out -out token";
        let reply: Vec<_> = reply.split_whitespace().collect();
        let made = Command::new("openssl")
            .args(reply)
            .current_dir(dir)
            .output()
            .unwrap();
        let Ok(token) = fs_err::read(dir.join("token")) else {
            assert!(!made.status.success());
            continue;
        };
        let verified = verify_token(&token, NOTE, &tsa.authority().roots);
        assert!(verified.is_err(), "{usage}");
    }
}

#[test]
fn no_altered_byte_changes_what_a_token_says() {
    let tsa = OpenSsl::new(EC, STAMPING);
    let authority = tsa.authority();
    let anchor = authority.anchor(&tsa, NOTE).unwrap();
    let mut refused = 0;
    for at in 0..anchor.token.len() {
        let mut bad = anchor.token.clone();
        bad[at] ^= 0x01;
        match verify_token(&bad, NOTE, &authority.roots) {
            // What is not signed (versions, who is said to have signed, certificates that are not
            // needed) may change; what is said may not.
            Ok(stamp) => assert_eq!(stamp, anchor.stamp),
            Err(_) => refused += 1,
        }
        assert!(verify_token(&anchor.token[..at], NOTE, &authority.roots).is_err());
    }
    assert!(refused > anchor.token.len() / 2, "{refused}");
}

#[test]
fn answers_that_grant_nothing_are_told_apart() {
    struct Answer(u16, &'static [u8]);
    impl Post for Answer {
        fn post(&self, _: PostRequest<'_>) -> Result<PostAnswer, PostError> {
            Ok(PostAnswer {
                status: self.0,
                body: self.1.to_vec(),
            })
        }
    }
    let authority = Authority {
        name: String::new(),
        url: "http://tsa.example/".to_owned(),
        roots: Vec::new(),
        timeout: Duration::from_secs(1),
    };
    let refused = authority.anchor(&Answer(200, &[0x30, 5, 0x30, 3, 2, 1, 2]), NOTE);
    assert!(matches!(refused, Err(AnchorError::Refused { status: 2 })));
    let status = authority.anchor(&Answer(503, b""), NOTE);
    assert!(matches!(status, Err(AnchorError::Status { status: 503 })));
    for body in [
        &b""[..],
        b"nonsense",
        &[0x30, 0x80],
        &[0x30, 5, 0x30, 3, 2, 1, 0],
    ] {
        let malformed = authority.anchor(&Answer(200, body), NOTE);
        assert!(
            matches!(malformed, Err(AnchorError::Malformed)),
            "{malformed:?}"
        );
    }
}
