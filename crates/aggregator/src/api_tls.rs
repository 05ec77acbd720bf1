//! The certificate of the API: two PEM files of the operator, read again when they change.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::config::TlsFiles;
use crate::files::{self, FileError};
use crate::problem::chain;
use crate::tls::{ServerCertificate, TlsError, provider};

/// The certificate and key of the API cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiTlsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The TLS library refuses them, or they do not belong together.
    #[error("certificate and key of the API cannot be used")]
    Tls(#[from] TlsError),
}

/// What browsers and tools are shown, and whence it comes.
#[derive(Debug)]
pub(crate) struct ApiCertificate {
    files: TlsFiles,
    shown: Arc<ServerCertificate>,
    seen: Seen,
}

/// When the files changed last.
type Seen = [Option<SystemTime>; 2];

impl ApiCertificate {
    pub(crate) fn open(files: &TlsFiles) -> Result<Self, ApiTlsError> {
        let seen = seen(files);
        Ok(Self {
            shown: ServerCertificate::of(read(files)?),
            files: files.clone(),
            seen,
        })
    }

    /// TLS 1.2 and 1.3, no client certificates.
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let resolver = Arc::clone(&self.shown);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Looks after the files until `stop` changes. What cannot be used is left, and the one before is shown.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.changed() => return,
            }
            let seen = seen(&self.files);
            if seen == self.seen {
                continue;
            }
            self.seen = seen;
            match read(&self.files) {
                Ok(key) => {
                    self.shown.show(key);
                    tracing::info!("certificate of the API was read again");
                }
                // One of the two may be new already: the other changes soon, and is seen then.
                Err(error) => {
                    tracing::error!(error = %chain(&error), "new certificate of the API is not used");
                }
            }
        }
    }
}

fn seen(files: &TlsFiles) -> Seen {
    [&files.certificate, &files.key].map(|path| fs::metadata(path).ok()?.modified().ok())
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, ApiTlsError> {
    let chain = certificates(&files.certificate)?;
    let wrong = || FileError::content(&files.key, "private key in PEM");
    let pem = files::read_secret(&files.key)?.ok_or_else(wrong)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
    let made = CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::from)?;
    Ok(Arc::new(made))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let wrong = || FileError::content(path, "certificate in PEM");
    let pem = fs::read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|_| wrong())?;
    if all.is_empty() {
        Err(wrong())
    } else {
        Ok(all)
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
