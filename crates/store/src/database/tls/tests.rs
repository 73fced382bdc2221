//! Which files of certificates are refused, and with which words.

use super::*;

#[test]
fn refuses_a_file_that_is_missing_or_holds_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let refused = |path: &Path| connector(Some(path)).err().expect("it is refused").to_string();
    assert!(refused(&path).contains("sslrootcert"), "{}", refused(&path));
    for content in
        ["", "no certificate at all", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        std::fs::write(&path, content).unwrap();
        let text = refused(&path);
        assert!(text.contains(path.to_str().unwrap()) && text.contains("cannot be used"), "{text}");
    }
    std::fs::write(&path, vec![b'x'; MAX_FILE_BYTES as usize + 1]).unwrap();
    assert!(refused(&path).contains("more than"), "{}", refused(&path));
}

#[test]
fn trusts_whom_the_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(vec!["db.example".to_owned()]).unwrap();
    std::fs::write(&path, made.cert.pem()).unwrap();
    assert!(connector(Some(&path)).is_ok());
}
