//! Whom to trust, and the one TLS configuration.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// The most bytes of a CA file.
const MAX_CA_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The machine's CA certificates and those of `ca_file`; none at all is no error yet.
pub(crate) fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // One unreadable certificate among the machine's is no reason to trust none of them.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add(&mut roots, path).map_err(|reason| Error::CaFile { path: path.to_owned(), reason })?;
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_CA_FILE_BYTES + 1).read_to_end(&mut pem).map_err(|error| error.to_string())?;
    if pem.len() as u64 > MAX_CA_FILE_BYTES {
        return Err(format!("it has more than {MAX_CA_FILE_BYTES} bytes"));
    }
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("it holds no certificate".to_owned()) }
}

/// TLS with ring; no provider is installed for the whole process.
pub(crate) fn configuration(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Setup { reason: error.to_string() })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests;
