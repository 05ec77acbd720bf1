//! Who gets in, and how they stay.

use affiant_aggregator::sources::Sources;
use affiant_entry::rfc3339;
use affiant_tlog::{Hash, Note};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::source::Source;
use crate::wire::Client;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn enrolment_is_in_the_log() {
    let world = World::start().await;
    let (source, _) = world.enrolled("gw-7").await;
    let keys = world.of_kind("key");
    let enrolled = keys
        .iter()
        .find(|key| key["key"]["action"] == "enrol")
        .unwrap();
    assert_eq!(enrolled["key"]["subject"], "gw-7");
    assert_eq!(
        enrolled["key"]["vkey"],
        source.signer().verifier_key().to_string()
    );
    let log = keys
        .iter()
        .find(|key| key["key"]["action"] == "log")
        .unwrap();
    assert_eq!(log["key"]["vkey"], world.log_key().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_once_for_its_source_and_for_its_time() {
    let world = World::start().await;
    let token = world.token(None, 60);
    assert_eq!(world.enrol(&mut Source::new("a"), &token).await.status, 200);
    for (token, problem) in [
        (token, "token-used"),
        (world.token(None, -1), "token-expired"),
        (world.token(Some("other"), 60), "token-unknown"),
        ("affiant-token-v1.AAAA.AAAA".to_owned(), "token-unknown"),
        (String::new(), "token-unknown"),
    ] {
        let reply = world.enrol(&mut Source::new("b"), &token).await;
        assert_eq!((reply.status, reply.problem()), (401, problem.to_owned()));
    }
    // What was refused for another reason did not use the token up.
    let token = world.token(None, 60);
    let mut broken = Source::new("c");
    broken.csr =
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".to_owned();
    let reply = world.enrol(&mut broken, &token).await;
    assert_eq!(
        (reply.status, reply.problem()),
        (400, "csr-malformed".to_owned())
    );
    assert_eq!(world.enrol(&mut Source::new("c"), &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_many_use_at_once_lets_one_in() {
    let world = World::start().await;
    let token = world.token(None, 60);
    let tries = (0..8).map(|n| {
        let (world, token) = (&world, token.clone());
        async move {
            world
                .enrol(&mut Source::new(&format!("gw-{n}")), &token)
                .await
                .status
        }
    });
    let mut all = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        all.push(one);
    }
    let statuses = futures_join(all).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

async fn futures_join<F: Future<Output = u16>>(all: Vec<F>) -> Vec<u16> {
    use std::pin::Pin;
    use std::task::Poll;
    let mut all: Vec<(Pin<Box<F>>, Option<u16>)> =
        all.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(move |context| {
        let mut waiting = false;
        for (future, done) in &mut all {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(status) => *done = Some(status),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        Poll::Ready(all.iter().filter_map(|(_, done)| *done).collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_id_belongs_to_its_first_key() {
    let world = World::start().await;
    world.enrolled("gw-7").await;
    // The same key again is a re-installation.
    let mut same = Source::new("gw-7");
    assert_eq!(
        world.enrol(&mut same, &world.token(None, 60)).await.status,
        200
    );
    let mut thief = Source::new("gw-7");
    thief.seed = 99;
    let reply = world.enrol(&mut thief, &world.token(None, 60)).await;
    assert_eq!(
        (reply.status, reply.problem()),
        (409, "source-taken".to_owned())
    );
    let own = world
        .enrol(&mut Source::new("aggregator"), &world.token(None, 60))
        .await;
    assert_eq!(
        (own.status, own.problem()),
        (409, "source-taken".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_request_asks_for_the_certificate_names_the_source_alone() {
    let world = World::start().await;
    let mut source = Source::new("gw-7");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["gw-8.example".to_owned()]).unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI(
        "affiant:source:gw-8".try_into().unwrap(),
    ));
    source.csr = params.serialize_request(&key).unwrap().pem().unwrap();
    source.tls_key = key.serialize_pem();
    assert_eq!(
        world
            .enrol(&mut source, &world.token(None, 60))
            .await
            .status,
        200
    );
    let der =
        rustls::pki_types::CertificateDer::from_pem_slice(source.certificate.as_bytes()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1);
    assert!(format!("{:?}", names.value.general_names[0]).contains("affiant:source:gw-7"));
    assert!(!parsed.is_ca());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_renews_itself() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let reply = client
        .post_json("/v1/renew", &json!({"v": 1, "csr": source.csr}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    source.certificate = reply.json()["certificate"].as_str().unwrap().to_owned();
    let mut client = world.client(&source).await;
    let group = source.boot();
    assert_eq!(client.post_batch(&source.batch(&[group])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_certificate_ended_proves_itself_with_its_seal_key() {
    let world = World::start().await;
    let (source, _) = world.enrolled("gw-7").await;
    let der = CertificateSigningRequestDer::from_pem_slice(source.csr.as_bytes()).unwrap();
    let digest = Hash(Sha256::digest(&der).into());
    let text = |id: &str| {
        format!(
            "affiant.dev/renew/v1\nsource {id}\ncsr {}\ntime {}\n",
            digest.to_base64(),
            rfc3339(1)
        )
    };
    let mut stranger = world.stranger().await;
    let body =
        |id: &str, proof: String| json!({"v": 1, "csr": source.csr, "source": id, "proof": proof});
    let proof = Note::sign(&text("gw-7"), &source.signer())
        .unwrap()
        .to_string();
    let reply = stranger
        .post_json("/v1/renew", &body("gw-7", proof.clone()))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // Not for another source, not by another key, not for another request.
    assert_eq!(
        stranger
            .post_json("/v1/renew", &body("gw-8", proof.clone()))
            .await
            .status,
        403
    );
    let thief = Source::new("gw-77");
    let forged = Note::sign(&text("gw-7"), &thief.signer())
        .unwrap()
        .to_string();
    assert_eq!(
        stranger
            .post_json("/v1/renew", &body("gw-7", forged))
            .await
            .status,
        403
    );
    let other = json!({"v": 1, "csr": thief.csr, "source": "gw-7", "proof": proof});
    assert_eq!(stranger.post_json("/v1/renew", &other).await.status, 403);
    assert_eq!(
        stranger
            .post_json("/v1/renew", &json!({"v": 1, "csr": source.csr}))
            .await
            .status,
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_source_is_refused_on_the_connection_it_has() {
    let world = World::start().await;
    let (mut source, mut client) = world.enrolled("gw-7").await;
    let first = source.boot();
    assert_eq!(client.post_batch(&source.batch(&[first])).await.status, 200);
    let id = source.id.clone();
    assert!(
        Sources::new(&world.state())
            .revoke(&id, Some("stolen"))
            .unwrap()
    );
    let second = source.group(1);
    let reply = client.post_batch(&source.batch(&[second])).await;
    assert_eq!((reply.status, reply.problem()), (403, "revoked".to_owned()));
    let reply = client
        .post_json("/v1/renew", &json!({"v": 1, "csr": source.csr}))
        .await;
    assert_eq!((reply.status, reply.problem()), (403, "revoked".to_owned()));
    let reply = world
        .enrol(&mut source.twin(), &world.token(None, 60))
        .await;
    assert_eq!((reply.status, reply.problem()), (403, "revoked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_need_a_certificate() {
    let world = World::start().await;
    let mut source = Source::new("gw-7");
    let group = source.boot();
    let reply = world
        .stranger()
        .await
        .post_batch(&source.batch(&[group]))
        .await;
    assert_eq!(
        (reply.status, reply.problem()),
        (403, "not-enrolled".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_does_not_get_through_the_handshake() {
    let world = World::start().await;
    let foreign = World::start().await;
    let (mut source, _) = foreign.enrolled("gw-7").await;
    let ca = fs_err::read_to_string(world.state().ca().join("ca.crt")).unwrap();
    let identity = Some((source.certificate.as_str(), source.tls_key.as_str()));
    let connected = Client::try_connect(&world.server().addresses().ingest, &ca, identity).await;
    if let Ok(mut client) = connected {
        let group = source.boot();
        let body = zstd::bulk::compress(&source.batch(&[group]), 3).unwrap();
        let sent = client
            .try_post("/v1/batches", &crate::wire::BATCH_HEADERS, body)
            .await;
        assert!(sent.is_err(), "{sent:?}");
    }
}
