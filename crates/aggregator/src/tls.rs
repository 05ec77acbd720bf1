//! TLS 1.3 on the ingest listener: who is at the other end.
//!
//! The handshake lets a client without certificate in, as enrolment needs that; every other route asks
//! for a [`Peer`] with an identity. The identity of a source is one URI in the certificate's subject
//! alternative names, `affiant:source:<id>`, and nothing else in it.

use std::sync::{Arc, RwLock};

use affiant_entry::SourceId;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;

use crate::ca::{Authority, CaError, SOURCE_URI, ServerIdentity};

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Sent no certificate.
    Unknown,
    /// A certificate of our authority, for this source.
    Source(Identity),
    /// A certificate of our authority that names no source.
    Nameless,
}

/// What a source's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) source: SourceId,
    /// When it ends, seconds since the Unix epoch.
    pub(crate) not_after_s: i64,
}

impl Peer {
    /// From the chain that TLS verified, end entity first.
    pub(crate) fn of(chain: Option<&[CertificateDer<'_>]>) -> Self {
        match chain.and_then(<[_]>::first) {
            None => Self::Unknown,
            Some(certificate) => identity(certificate).map_or(Self::Nameless, Self::Source),
        }
    }
}

fn identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
        return None;
    };
    Some(Identity {
        source: SourceId::new(uri.strip_prefix(SOURCE_URI)?).ok()?,
        not_after_s: parsed.validity().not_after.timestamp(),
    })
}

/// The server's certificate, which changes while connections come in.
#[derive(Debug)]
pub(crate) struct ServerCertificate(RwLock<Arc<CertifiedKey>>);

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate authority did not give a server certificate.
    #[error("server has no certificate")]
    Ca(#[from] CaError),
    /// The TLS library refuses what it was given.
    #[error("TLS cannot be set up")]
    Rustls(#[from] rustls::Error),
    /// The authority's certificate cannot verify clients.
    #[error("clients cannot be verified")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

impl ServerCertificate {
    pub(crate) fn new(identity: ServerIdentity) -> Result<Arc<Self>, TlsError> {
        Ok(Self::of(certified(identity)?))
    }

    /// Any certificate with its key.
    pub(crate) fn of(key: Arc<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(key)))
    }

    /// Shows another one from the next handshake on.
    pub(crate) fn show(&self, key: Arc<CertifiedKey>) {
        *self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = key;
    }

    /// Uses another one from the next handshake on.
    pub(crate) fn replace(&self, identity: ServerIdentity) -> Result<(), TlsError> {
        self.show(certified(identity)?);
        Ok(())
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

fn certified(identity: ServerIdentity) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = provider().key_provider.load_private_key(identity.key)?;
    Ok(Arc::new(CertifiedKey::new(identity.chain, key)))
}

/// The ingest listener's side of TLS.
pub(crate) fn server_config(
    authority: &Authority,
    certificate: Arc<ServerCertificate>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let provider = provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A ticket would carry a certificate past its end; handshakes are rare.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
