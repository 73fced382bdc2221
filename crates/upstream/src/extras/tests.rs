//! What goes along with every kind of request, and that no secret of it comes back.

use std::sync::Arc;

use bytes::Bytes;
use clock::Clock;

use super::*;
use crate::loopback::{KEY, Server, Then, answer_of, ask, client, question};
use crate::{Bearing, Credential, Dialect, Endpoint, Load, Passage, Verb, Verbatim, Way};

const SECRET: &str = "azure-key-that-nobody-may-see";
const TOKEN: &str = "token&in=the query";

fn azure(server: &Server, dialect: Dialect) -> HttpEndpoint {
    let secret = |text: &str| Extra::Secret(Secret::try_new(text).unwrap());
    let plain = |text: &str| Extra::Plain(text.to_owned());
    let extras = Extras {
        headers: [("api-key".to_owned(), secret(SECRET)), ("x-title".to_owned(), plain("Impresario"))].into(),
        query: [("api-version".to_owned(), plain("2024-10-21")), ("code".to_owned(), secret(TOKEN))].into(),
    };
    HttpEndpoint { extras: Some(Arc::new(extras)), ..server.endpoint(dialect) }
}

const QUERY: &str = "api-version=2024-10-21&code=token%26in%3Dthe+query";

async fn refusing() -> Server {
    let body = format!("{{\"error\": {{\"message\": \"no {SECRET}, no {TOKEN}, no {KEY}, no ?{QUERY}\"}}}}");
    Server::start(answer_of("400 Bad Request", "application/json", "", &body), Then::Close).await
}

/// That the request carried all of it once, and that the refusal shows none.
async fn holds(server: &mut Server, query: &str, refused: Error) {
    let request = server.seen.recv().await.unwrap();
    let line = request.lines().next().unwrap();
    assert!(line.ends_with(&format!("?{query} HTTP/1.1")), "{line}");
    assert!(request.contains(&format!("\r\napi-key: {SECRET}\r\n")), "{request}");
    assert!(request.contains("\r\nx-title: Impresario\r\n"), "{request}");
    assert_eq!(request.matches(KEY).count(), 1, "{request}");
    let Error::Status { status: 400, message, refusal, .. } = &refused else { panic!("{refused:?}") };
    let body = refusal.as_ref().map(|refusal| String::from_utf8(refusal.body.clone()).unwrap());
    let told = format!("{message} {refused:?} {}", body.unwrap_or_default());
    assert!([SECRET, TOKEN, KEY].iter().all(|secret| !told.contains(secret)), "{told}");
    assert!(
        message.contains(
            "no [redacted], no [redacted], no [redacted], no ?api-version=2024-10-21&code=[redacted]"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn headers_and_query_go_along_with_calls_and_no_refusal_repeats_their_secrets() {
    for (dialect, query) in
        [(Dialect::OpenAiChat, QUERY.to_owned()), (Dialect::Gemini, format!("alt=sse&{QUERY}"))]
    {
        let mut server = refusing().await;
        let endpoint = Endpoint::Http(azure(&server, dialect));
        let refused = ask(&client(&Clock::real()), &endpoint).await.1.unwrap_err();
        holds(&mut server, &query, refused).await;
    }
}

#[tokio::test]
async fn they_go_along_with_bytes_that_are_relayed() {
    let mut server = refusing().await;
    let body = Bytes::from_static(b"{}");
    let waits = question().call().waits;
    let call = Verbatim { way: Way::Embeddings, headers: &[], credential: None, body: &body, waits };
    let endpoint = azure(&server, Dialect::OpenAiChat);
    let refused = client(&Clock::real()).relay(&endpoint, &call).await.unwrap_err();
    holds(&mut server, QUERY, refused).await;
}

#[tokio::test]
async fn a_client_can_change_none_of_the_operators_query() {
    let mut server = refusing().await;
    let query = [("code", "mine"), ("limit", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let passage = Passage {
        verb: Verb::Get,
        place: &["files".to_owned()],
        query: &query,
        headers: &[],
        content_type: None,
        load: Load::Nothing,
        waits: question().call().waits,
    };
    let endpoint = azure(&server, Dialect::OpenAiChat);
    let refused = client(&Clock::real()).pass(&endpoint, passage).await.unwrap_err();
    holds(&mut server, &format!("limit=2&{QUERY}"), refused).await;
}

#[tokio::test]
async fn they_go_along_with_the_question_for_models() {
    let mut server = refusing().await;
    let endpoint = azure(&server, Dialect::OpenAiChat);
    let refused = crate::http::models(&client(&Clock::real()), &endpoint).await.unwrap_err();
    holds(&mut server, QUERY, refused).await;
}

#[tokio::test]
async fn where_somebody_else_pays_no_secret_is_left_and_all_that_is_secret_is_known() {
    let server = refusing().await;
    let endpoint = azure(&server, Dialect::OpenAiChat);
    assert_eq!(endpoint.secrets().len(), 3);
    let own = Secret::try_new("the client's own").unwrap();
    let credential = Credential { bearing: Bearing::Key, secret: own.clone(), along: Vec::new() };
    assert!(endpoint.paid_with(&credential).is_none());
    let open = HttpEndpoint { lets_through: true, ..endpoint.clone() };
    let plain = open.paid_with(&credential).unwrap();
    assert_eq!(plain.secrets(), [own]);
    let mut headers = HeaderMap::new();
    plain.add_headers(&mut headers).unwrap();
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-title"]);
    assert_eq!(plain.asked_at("http://h/".parse().unwrap()).query(), Some("api-version=2024-10-21"));
    assert!(!format!("{:?}", endpoint.extras).contains(SECRET));
}

#[test]
fn what_calls_and_connections_set_themselves_cannot_be_added() {
    let refused = RESERVED.iter().chain(&["authorization", "", "a b", "Upper", "ä", "a:b", "a\r\nb"]);
    for name in refused {
        assert!(Extras::may_add_header(name).is_err(), "{name}");
    }
    assert!(Extras::may_add_header(&"x".repeat(MAX_NAME_BYTES + 1)).is_err());
    for name in ["api-key", "http-referer", "x-title", "x-api-key", "openai-organization"] {
        assert_eq!(Extras::may_add_header(name), Ok(()), "{name}");
    }
    assert!(["", "alt", "a\nb"].iter().all(|name| Extras::may_add_pair(name).is_err()));
    assert!(Extras::can_send("2024-10-21") && !Extras::can_send("a\r\nb: c") && !Extras::can_send("ä"));
}
