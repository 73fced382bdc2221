//! Calls of a vendor's other routes.

use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::network;
use super::relayed::{Relayed, accepted, headers};
use crate::deadlines::Deadlines;
use crate::{Client, Error, HttpEndpoint, Passage, Verb};

/// The most bytes of one answer: a file, a sound. They pass, and none is kept.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024 * 1024;

/// Sends a call; returns when the provider has accepted it.
pub(crate) async fn pass(
    client: &Client,
    endpoint: &HttpEndpoint,
    passage: &mut Passage<'_>,
) -> Result<Relayed, Error> {
    let mut deadlines = Deadlines::start(&client.clock, endpoint.origin(), passage.waits);
    if endpoint.base_url.scheme() == "https" && !client.has_roots {
        return Err(Error::NoRoots { origin: endpoint.origin() });
    }
    let segments: Vec<&str> = passage.place.iter().map(String::as_str).collect();
    let mut url = endpoint.url(&segments)?;
    if !passage.query.is_empty() {
        url.query_pairs_mut().extend_pairs(passage.query);
    }
    let url = endpoint.asked_at(url);
    let mut headers = headers(client, endpoint, passage.headers)?;
    if let Some(kind) = passage.content_type.and_then(|kind| HeaderValue::from_str(kind).ok()) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let request = match passage.verb {
        Verb::Get => client.http.get(url),
        Verb::Post => client.http.post(url),
        Verb::Delete => client.http.delete(url),
    };
    let request = match passage.load.take(endpoint)? {
        Some(body) => request.headers(headers).body(body),
        None => request.headers(headers),
    };
    let sent = deadlines.watch(request.send()).await?;
    let response = sent.map_err(|error| network(endpoint, error))?;
    accepted(client, endpoint, response, deadlines, MAX_ANSWER_BYTES).await
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use clock::Clock;
    use tokio::sync::mpsc;

    use super::*;
    use crate::loopback::{KEY, Server, Then, answer_of, client, question};
    use crate::{Dialect, Load};

    fn passage<'a>(place: &'a [String], query: &'a [(String, String)], load: Load<'a>) -> Passage<'a> {
        Passage {
            verb: Verb::Post,
            place,
            query,
            headers: &[],
            content_type: Some("multipart/form-data; boundary=x"),
            load,
            waits: question().call().waits,
        }
    }

    #[tokio::test]
    async fn pieces_go_out_as_they_come_with_the_key_and_to_no_other_place() {
        let mut server = Server::start(answer_of("200 OK", "audio/mpeg", "", "sound"), Then::Close).await;
        let place = ["..".to_owned(), "a/../b?c#d".to_owned()];
        let query = [("purpose".to_owned(), "a&key=1".to_owned())];
        let (sender, pieces) = mpsc::channel(1);
        let load = Load::Pieces(Some(pieces));
        let client = client(&Clock::real());
        let endpoint = server.endpoint(Dialect::OpenAiChat);
        let (answer, ()) =
            futures_util::future::join(client.pass(&endpoint, passage(&place, &query, load)), async {
                sender.send(Bytes::from_static(b"one")).await.unwrap();
                drop(sender);
            })
            .await;
        let mut answer = answer.unwrap();
        assert_eq!(answer.content_type(), "audio/mpeg");
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "sound");
        let request = server.seen.recv().await.unwrap();
        let first = "POST /v1/a%2F..%2Fb%3Fc%23d?purpose=a%26key%3D1 HTTP/1.1\r\n";
        assert!(request.starts_with(first), "{request}");
        assert!(request.contains("transfer-encoding: chunked\r\n"), "{request}");
        assert!(request.contains("content-type: multipart/form-data; boundary=x\r\n"), "{request}");
        assert_eq!(request.matches(KEY).count(), 1);
    }

    #[tokio::test]
    async fn what_went_out_once_does_not_go_out_again() {
        let server = Server::start(answer_of("500 Oh", "text/plain", "", "no"), Then::Close).await;
        let endpoint = server.endpoint(Dialect::OpenAiChat);
        let place = ["files".to_owned()];
        let mut passage = passage(&place, &[], Load::Pieces(Some(mpsc::channel(1).1)));
        let client = client(&Clock::real());
        assert!(matches!(
            pass(&client, &endpoint, &mut passage).await,
            Err(Error::Status { status: 500, .. })
        ));
        assert!(passage.is_spent());
        assert!(matches!(pass(&client, &endpoint, &mut passage).await, Err(Error::Network { .. })));
    }
}
