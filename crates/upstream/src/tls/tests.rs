//! Whom the client trusts, asked of a real TLS server on loopback.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use clock::Clock;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::loopback::{ask, stream_of};
use crate::{Client, Dialect, Endpoint, FailureClass, HttpEndpoint, Options};

const ANSWER: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n\
                      data: [DONE]\n\n";

/// Serves one TLS connection in a thread of its own; returns its URL and its certificate as PEM.
fn serve_once() -> (String, String) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        // A client that does not trust the certificate breaks off here, and the thread ends.
        if matches!(stream.read(&mut [0; 65_536]), Ok(1..)) {
            stream.write_all(stream_of(ANSWER).as_bytes()).unwrap();
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.read(&mut [0; 1_024]);
        }
    });
    (url, cert.pem())
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::Http(HttpEndpoint {
        dialect: Dialect::OpenAiChat,
        also: None,
        base_url: url.parse().unwrap(),
        extras: None,
        key: None,
        keys: None,
        is_traced: false,
        has_account_routes: false,
        lets_through: false,
    })
}

fn options(ca_file: Option<&Path>) -> Options {
    Options { ca_file: ca_file.map(Path::to_owned), ..Options::default() }
}

#[tokio::test]
async fn trusts_a_server_by_the_ca_file() {
    let (url, certificate) = serve_once();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    let client = Client::try_new(&options(Some(file.path())), Clock::real()).unwrap();
    let (events, end) = ask(&client, &endpoint(&url)).await;
    end.unwrap();
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn refuses_a_server_that_nobody_vouches_for() {
    let (url, _) = serve_once();
    let (_, other) = serve_once();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), other).unwrap();
    let client = Client::try_new(&options(Some(file.path())), Clock::real()).unwrap();
    let error = ask(&client, &endpoint(&url)).await.1.unwrap_err();
    assert_eq!(error.class(), FailureClass::Network);
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_machine_without_certificates_fails_only_where_they_are_needed() {
    let client = Client::trusting(RootCertStore::empty(), &options(None), Clock::real()).unwrap();
    let error = ask(&client, &endpoint("https://localhost:1/v1")).await.1.unwrap_err();
    assert!(matches!(error, Error::NoRoots { .. }));
    assert!(error.to_string().contains("upstream.ca_file"), "{error}");

    let server = crate::loopback::Server::start(stream_of(ANSWER), crate::loopback::Then::Close).await;
    ask(&client, &Endpoint::Http(server.endpoint(Dialect::OpenAiChat))).await.1.unwrap();
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files = [
        folder.path().join("absent.pem"),
        write("empty.pem", ""),
        write("broken.pem", broken),
        write("huge.pem", &" ".repeat(4 * 1024 * 1024 + 1)),
    ];
    for path in files {
        let error = Client::try_new(&options(Some(&path)), Clock::real()).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("upstream.ca_file") && shown.contains(&path.display().to_string()), "{shown}");
    }
}
