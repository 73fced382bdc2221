//! The files of TLS: a chain of certificates and its private key, read in full and checked against each other.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Error;
use super::settings::Tls;

/// The most bytes of either file; chains are far smaller.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What others than the owner and the group may do with a key: nothing.
const OTHERS: u32 = 0o007;

/// What the doors show to whoever asks over TLS; none where no files are named.
///
/// # Errors
/// When only one file is named, one cannot be read or holds something else, the key may be read by everybody, or it is
/// not the certificate's.
pub fn certificate(tls: &Tls) -> Result<Option<Arc<CertifiedKey>>, Error> {
    let (chain_path, key_path) = match (&tls.certificate, &tls.key) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(Error::HalfOfTls { missing: "key" }),
        (None, Some(_)) => return Err(Error::HalfOfTls { missing: "certificate" }),
        (Some(chain), Some(key)) => (chain, key),
    };
    let bad = |key: &'static str, path: &Path, reason: &str| Error::BadTls {
        key,
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&read("certificate", chain_path)?).collect();
    let chain = match chain {
        Ok(chain) if !chain.is_empty() => chain,
        _ => return Err(bad("certificate", chain_path, "it holds no certificate in PEM form")),
    };
    let mode = key_path.metadata().map_err(unreadable("key", key_path))?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(Error::OpenToOthers { path: key_path.clone(), mode, wanted: 0o600 });
    }
    // Why it is none is not told: the message might hold a piece of it.
    let key = PrivateKeyDer::from_pem_slice(&read("key", key_path)?)
        .map_err(|_| bad("key", key_path, "it holds no private key in PEM form"))?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| bad("key", key_path, &format!("it does not fit the certificate: {error}")))?;
    Ok(Some(Arc::new(certified)))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = unreadable(key, path);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(&unreadable)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(&unreadable)?;
    Ok(bytes)
}

fn unreadable(key: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Unreadable { what: format!("`server.tls.{key}`"), path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn what_is_no_pair_is_refused_and_nothing_of_a_key_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let made = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (one, other) = (made(), made());
        let chain = write(folder.path(), "chain.pem", &one.cert.pem(), 0o644);
        let key = write(folder.path(), "key.pem", &one.signing_key.serialize_pem(), 0o640);
        let foreign = write(folder.path(), "foreign.pem", &other.signing_key.serialize_pem(), 0o600);
        let open = write(folder.path(), "open.pem", &one.signing_key.serialize_pem(), 0o644);
        let secret = write(folder.path(), "secret.pem", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", 0o600);

        let ask = |certificate: Option<&PathBuf>, key: Option<&PathBuf>| {
            certificate_of(certificate.cloned(), key.cloned())
        };
        assert!(ask(None, None).unwrap().is_none());
        assert_eq!(ask(Some(&chain), Some(&key)).unwrap().unwrap().cert.len(), 1);
        assert!(matches!(ask(Some(&chain), None), Err(Error::HalfOfTls { missing: "key" })));
        assert!(matches!(ask(None, Some(&key)), Err(Error::HalfOfTls { missing: "certificate" })));
        assert!(matches!(ask(Some(&chain), Some(&foreign)), Err(Error::BadTls { key: "key", .. })));
        assert!(matches!(ask(Some(&chain), Some(&open)), Err(Error::OpenToOthers { mode: 0o644, .. })));
        assert!(matches!(ask(Some(&key), Some(&key)), Err(Error::BadTls { key: "certificate", .. })));
        let missing = folder.path().join("missing");
        assert!(matches!(ask(Some(&missing), Some(&key)), Err(Error::Unreadable { .. })));
        let refused = ask(Some(&chain), Some(&secret)).unwrap_err().to_string();
        assert!(!refused.contains("c2VjcmV0") && !refused.contains("secret\n"), "{refused}");
    }

    fn certificate_of(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Option<Arc<CertifiedKey>>, Error> {
        super::certificate(&Tls { certificate, key })
    }
}
