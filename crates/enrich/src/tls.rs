//! Whom a source's certificate must come from: the roots of the system, or those of one file.

use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::read::ReadError;

/// A client's side of TLS 1.2 and 1.3, without a certificate of its own.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, ReadError> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let pem = fs::read(path)?;
            let wrong = || ReadError::Malformed {
                problem: format!("`{}` has no PEM certificate", path.display()),
            };
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| wrong())?;
                roots.add(certificate).map_err(|_| wrong())?;
            }
            if roots.is_empty() {
                return Err(wrong());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ReadError::Net {
            reason: error.to_string(),
        })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
