//! The certificate: read at the start, and again when its files change; a bad new one leaves the old one in place.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{error, info};

use crate::config::settings::Tls;

/// The certificate in use.
pub struct Certificate {
    files: Tls,
    current: ArcSwap<ServerConfig>,
    /// Of both files when they were read last, whatever came of it.
    stamp: std::sync::Mutex<Stamp>,
}

/// Changes when a file does.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// Why a certificate cannot be used, in a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl Certificate {
    pub fn read(files: Tls) -> Result<Certificate, TlsError> {
        let stamp = stamp(&files);
        let current = ArcSwap::from_pointee(load(&files)?);
        Ok(Certificate { files, current, stamp: std::sync::Mutex::new(stamp) })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again if they changed.
    pub fn refresh(&self) {
        let new = stamp(&self.files);
        {
            let mut old = self.stamp.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if *old == new {
                return;
            }
            *old = new;
        }
        match load(&self.files) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                info!(event = "certificate-read", cert = %self.files.cert.display(),
                    "the API has a new certificate");
            }
            Err(problem) => error!(event = "certificate-unusable", %problem,
                "the API keeps its old certificate: {problem}"),
        }
    }
}

fn stamp(files: &Tls) -> Stamp {
    [&files.cert, &files.key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn load(files: &Tls) -> Result<ServerConfig, TlsError> {
    let wrong = |path: &Path, error: &dyn fmt::Display| {
        TlsError(format!("{} cannot be used: {error}", path.display()))
    };
    let certs = CertificateDer::pem_file_iter(&files.cert)
        .and_then(|certs| certs.collect::<Result<Vec<_>, _>>())
        .map_err(|e| wrong(&files.cert, &e))?;
    if certs.is_empty() {
        return Err(wrong(&files.cert, &"it holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| wrong(&files.key, &e))?;
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&files.cert, &e))?
        .with_no_client_auth()
        .with_single_cert(certs, key)
        .map_err(|e| wrong(&files.cert, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
