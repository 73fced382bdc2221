//! Real listeners on loopback that name models, or something else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::settings::Providers;
use super::super::{Environment, accounts};
use super::*;

/// Answers each connection with `body` for as long as its task lives; the text is the base URL.
pub(in super::super) async fn serve(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::runtime::Handle::current().spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let found = if head.starts_with(b"GET /v1/models ") { status } else { "404 Not Found" };
            let answer = format!(
                "HTTP/1.1 {found}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}"
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/v1")
}

/// A base URL where nobody listens.
pub(in super::super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

pub(in super::super) const TWO_MODELS: &str =
    r#"{"object":"list","data":[{"id":"nomic-embed-text"},{"id":"qwen:7b"},{"id":"llama3"}]}"#;

async fn asked(url: &str) -> Known {
    let text = format!("local: {{kind: openai_compatible, base_url: \"{url}\"}}");
    let providers: Providers = yaml::from_str("test.yaml", &text).unwrap();
    let accounts = accounts::read(&providers, &Environment::default()).unwrap();
    ask(&accounts, &Options::default(), &Clock::real()).await.unwrap().remove(0)
}

fn names(known: &Known) -> Vec<&str> {
    known.account.models.iter().flatten().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn a_server_that_runs_names_its_models() {
    let known = asked(&serve("200 OK", TWO_MODELS).await).await;
    assert_eq!(names(&known), ["qwen:7b", "llama3"]);
    assert_eq!(known.silent, None);
}

#[tokio::test]
async fn where_nobody_listens_no_model_is_known() {
    let known = asked(&nobody().await).await;
    assert!(known.account.models.is_none());
    assert!(known.silent.unwrap().contains("127.0.0.1"));
}

#[tokio::test]
async fn another_kind_of_server_is_no_provider() {
    for (status, body) in [
        ("404 Not Found", "nothing here"),
        ("200 OK", "<html>"),
        ("401 Unauthorized", "{}"),
        ("200 OK", r#"{"data":null}"#),
    ] {
        let known = asked(&serve(status, body).await).await;
        assert!(known.account.models.is_none() && known.silent.is_some(), "{status} {body}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_is_silent_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!(
        "local: {{kind: openai_compatible, base_url: \"http://{}/v1\"}}",
        listener.local_addr().unwrap()
    );
    let providers: Providers = yaml::from_str("test.yaml", &text).unwrap();
    let accounts = accounts::read(&providers, &Environment::default()).unwrap();
    let clock = Clock::manual();
    let options = Options::default();
    let asking = ask(&accounts, &options, &clock);
    let accepted = async {
        let socket = listener.accept().await.unwrap();
        clock.advance(ANSWER_WITHIN);
        socket
    };
    let (known, _socket) = futures_util::future::join(asking, accepted).await;
    let silent = known.unwrap().remove(0).silent.unwrap();
    assert!(silent.contains("within 2 s"), "{silent}");
}
