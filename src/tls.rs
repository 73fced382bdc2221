//! TLS at the doors: the certificate in force, which a reload replaces while connections go on as they began.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use supervision::Snapshot;

use crate::config;
use crate::config::settings::Tls;

/// The certificate that each new connection is shown.
pub(crate) struct Certificates {
    shown: Snapshot<CertifiedKey>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// What the files hold; none where none are named.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn open(files: &Tls) -> Result<Option<Arc<Self>>, config::Error> {
        let first = config::certificate(files)?;
        Ok(first.map(|first| {
            let shown = Snapshot::new(CertifiedKey::clone(&first));
            Arc::new(Self { shown })
        }))
    }

    /// Shows another one, to whoever connects from now on.
    pub(crate) fn show(&self, certificate: Arc<CertifiedKey>) {
        self.shown.publish(certificate);
    }

    /// TLS as the doors speak it.
    pub(crate) fn offer(self: &Arc<Self>) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the versions that it is built with")
            .with_no_client_auth()
            .with_cert_resolver(self.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}
