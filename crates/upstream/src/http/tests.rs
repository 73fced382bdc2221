//! Calls to real servers on loopback: what is sent, what comes back, and every way in which it goes wrong.

use std::task::Poll;
use std::time::Duration;

use chat::{Event, StopReason, Usage};
use clock::Clock;
use futures_util::future::join;
use units::TokenCount;

use crate::loopback::{KEY, Server, Then, answer_of, ask, client, drain, question, stream_of};
use crate::{Dialect, Endpoint, Error, FailureClass, HttpEndpoint, Wait};

const OPENAI: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n",
    "data: [DONE]\n\n",
);
const ANTHROPIC: &str = concat!(
    "event: content_block_delta\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
    "event: message_delta\n",
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const RESPONSES: &str = concat!(
    "event: response.output_text.delta\n",
    "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"hi\"}\n\n",
    "event: response.completed\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"x\",\"status\":\"completed\"}}\n\n",
);
const GEMINI: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n";

fn hi() -> Event {
    Event::Text { text: "hi".to_owned() }
}

fn stopped() -> Event {
    Event::Stopped { reason: StopReason::EndOfTurn }
}

/// Asks an OpenAI-compatible server that answers with these bytes and closes.
async fn ask_one_that_says(answer: impl Into<Vec<u8>>) -> (Vec<Event>, Result<(), Error>) {
    let server = Server::start(answer, Then::Close).await;
    ask(&client(&Clock::real()), &Endpoint::Http(server.endpoint(Dialect::OpenAiChat))).await
}

async fn refusal_of(answer: String) -> Error {
    let (events, end) = ask_one_that_says(answer).await;
    assert_eq!(events, []);
    end.unwrap_err()
}

/// The request that a server of this dialect receives, after its stream was read to the end.
async fn request_of(dialect: Dialect, body: &str, events: &[Event]) -> String {
    let mut server = Server::start(stream_of(body), Then::Close).await;
    let (found, end) = ask(&client(&Clock::real()), &Endpoint::Http(server.endpoint(dialect))).await;
    assert_eq!(found, events);
    end.unwrap();
    let request = server.seen.recv().await.unwrap();
    assert_eq!(request.matches(KEY).count(), 1);
    assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    request
}

#[tokio::test]
async fn speaks_openai_chat() {
    let usage = Usage { input: TokenCount(5), output: TokenCount(1), ..Usage::default() };
    let request = request_of(Dialect::OpenAiChat, OPENAI, &[hi(), stopped(), Event::Usage(usage)]).await;
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: Bearer {KEY}\r\n")), "{request}");
    assert!(request.contains("\"model\":\"model-x\""), "{request}");
}

#[tokio::test]
async fn speaks_openai_responses_and_has_nothing_kept() {
    let began = Event::Began { id: Some("r".to_owned()), model: Some("x".to_owned()) };
    let request = request_of(Dialect::OpenAiResponses, RESPONSES, &[hi(), began, stopped()]).await;
    assert!(request.starts_with("POST /v1/responses HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: Bearer {KEY}\r\n")), "{request}");
    assert!(request.contains("\"store\":false") && request.contains("\"stream\":true"), "{request}");
}

#[tokio::test]
async fn speaks_anthropic() {
    let request = request_of(Dialect::Anthropic, ANTHROPIC, &[hi(), stopped()]).await;
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("x-api-key: {KEY}\r\n")), "{request}");
    assert!(request.contains("anthropic-version: 2023-06-01\r\n"), "{request}");
}

#[tokio::test]
async fn speaks_gemini() {
    let request = request_of(Dialect::Gemini, GEMINI, &[hi(), stopped()]).await;
    let line = "POST /v1beta/models/model-x:streamGenerateContent?alt=sse HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    assert!(request.contains(&format!("x-goog-api-key: {KEY}\r\n")), "{request}");
}

#[tokio::test]
async fn an_endpoint_without_a_key_gets_none() {
    let mut server = Server::start(stream_of(OPENAI), Then::Close).await;
    let endpoint = HttpEndpoint { key: None, ..server.endpoint(Dialect::OpenAiChat) };
    ask(&client(&Clock::real()), &Endpoint::Http(endpoint)).await.1.unwrap();
    assert!(!server.seen.recv().await.unwrap().contains("authorization"));
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let error = "{\"error\":{\"message\":\"slow down\"}}";
    let error = refusal_of(answer_of("429 Too Many", "application/json", "retry-after: 3\r\n", error)).await;
    assert_eq!(error.class(), FailureClass::Limited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert!(error.to_string().contains("slow down"));
}

#[tokio::test]
async fn every_status_has_its_class() {
    let cases = [
        ("400 Bad", FailureClass::Client),
        ("401 No", FailureClass::Key),
        ("500 Oh", FailureClass::Server),
        ("529 Full", FailureClass::Overloaded),
    ];
    for (status, class) in cases {
        let error = refusal_of(answer_of(status, "text/html", "", "<html>")).await;
        assert_eq!((error.class(), error.retry_after()), (class, None));
        assert!(error.to_string().contains("no reason"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Server::start(stream_of(OPENAI), Then::Close).await;
    let location = format!("location: {}/v1/chat/completions\r\n", elsewhere.address);
    for status in ["301 Moved", "307 Moved", "308 Moved"] {
        let error = refusal_of(answer_of(status, "text/html", &location, "")).await;
        assert!(matches!(error, Error::Redirected { .. }), "{error:?}");
        assert_eq!(error.class(), FailureClass::Malformed);
    }
    assert!(elsewhere.seen.try_recv().is_err(), "the key went elsewhere");
}

#[tokio::test]
async fn refuses_what_is_no_event_stream_or_is_compressed() {
    let json = answer_of("200 OK", "application/json", "", "{}");
    let gzip = answer_of("200 OK", "text/event-stream", "content-encoding: gzip\r\n", OPENAI);
    let bare = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned();
    for (answer, found) in [(json, "application/json"), (gzip, "gzip"), (bare, "nothing")] {
        let error = refusal_of(answer).await;
        assert!(matches!(&error, Error::WrongContent { found: is, .. } if is == found), "{error:?}");
        assert_eq!(error.class(), FailureClass::Malformed);
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_is_an_error_after_what_came() {
    let half = OPENAI.split_inclusive("\n\n").next().unwrap();
    let (events, end) = ask_one_that_says(stream_of(half)).await;
    assert_eq!(events, [hi()]);
    let error = end.unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error:?}");
    assert_eq!(error.class(), FailureClass::Network);
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_after_what_came() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let half = OPENAI.split_inclusive("\n\n").next().unwrap();
    let (events, end) = ask_one_that_says(format!("{head}{:x}\r\n{half}\r\n", half.len())).await;
    assert_eq!(events, [hi()]);
    let error = end.unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_in_the_stream_comes_after_what_was_said() {
    let half = OPENAI.split_inclusive("\n\n").next().unwrap();
    let body = format!("{half}data: {{\"error\":{{\"message\":\"full\",\"code\":503}}}}\n\n");
    let (events, end) = ask_one_that_says(stream_of(&body)).await;
    assert_eq!(events, [hi()]);
    let error = end.unwrap_err();
    assert!(matches!(error, Error::Reported { status: 503, .. }), "{error:?}");
    assert_eq!(error.class(), FailureClass::Overloaded);
}

#[tokio::test]
async fn a_frame_without_end_is_refused() {
    let body = "data: ".to_owned() + &"x".repeat(wire::sse::MAX_FRAME_BYTES);
    let error = refusal_of(stream_of(&body)).await;
    let limit = wire::sse::MAX_FRAME_BYTES;
    assert!(
        matches!(error, Error::Malformed { source: wire::Error::FrameTooLarge { limit: l }, .. } if l == limit)
    );
}

#[tokio::test]
async fn nobody_at_home_is_a_network_error_without_the_path() {
    let endpoint = Server::start("", Then::Close).await.endpoint(Dialect::Gemini);
    let error = ask(&client(&Clock::real()), &Endpoint::Http(endpoint)).await.1.unwrap_err();
    assert_eq!(error.class(), FailureClass::Network);
    assert!(!error.to_string().contains("v1beta"), "{error}");
}

#[tokio::test]
async fn gives_up_when_the_first_event_does_not_come() {
    // Neither silence nor headers nor pings are an event.
    for answer in [String::new(), stream_of(""), stream_of(": ping\n\n")] {
        let clock = Clock::manual();
        let mut server = Server::start(answer, Then::Hang).await;
        let endpoint = Endpoint::Http(server.endpoint(Dialect::OpenAiChat));
        let client = client(&clock);
        let (asked, ()) = join(ask(&client, &endpoint), async {
            server.seen.recv().await.unwrap();
            clock.advance(Duration::from_secs(30));
        })
        .await;
        let error = asked.1.unwrap_err();
        assert!(matches!(error, Error::Timeout { waited_for: Wait::FirstEvent, .. }), "{error:?}");
        assert_eq!(error.class(), FailureClass::Timeout);
    }
}

#[tokio::test]
async fn gives_up_when_the_answer_stalls_or_takes_too_long() {
    let half = OPENAI.split_inclusive("\n\n").next().unwrap();
    let cases = [(Duration::from_secs(10), Wait::MoreBytes), (Duration::from_secs(100), Wait::Total)];
    for (wait, waited_for) in cases {
        let clock = Clock::manual();
        let server = Server::start(stream_of(half), Then::Hang).await;
        let endpoint = Endpoint::Http(server.endpoint(Dialect::OpenAiChat));
        let question = question();
        let mut stream = client(&clock).call(&endpoint, &question.call()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), hi());
        if waited_for == Wait::Total {
            clock.advance(wait);
        }
        let (next, ()) = join(stream.next(), async { clock.advance(wait) }).await;
        let error = next.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Timeout { waited_for: found, .. } if found == waited_for),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_stays_open_after_the_end_does_not_hold_the_answer_back() {
    let clock = Clock::manual();
    let server = Server::start(stream_of(OPENAI), Then::Hang).await;
    let endpoint = Endpoint::Http(server.endpoint(Dialect::OpenAiChat));
    let question = question();
    let mut stream = client(&clock).call(&endpoint, &question.call()).await.unwrap();
    for _ in 0..3 {
        stream.next().await.unwrap().unwrap();
    }
    let mut next = std::pin::pin!(stream.next());
    let end = loop {
        if let Poll::Ready(end) = futures_util::poll!(next.as_mut()) {
            break end;
        }
        if clock.next_wake() == Some(clock.now() + Duration::from_millis(250)) {
            clock.advance(Duration::from_millis(250));
        }
        tokio::task::yield_now().await;
    };
    assert!(end.is_none());
}

#[tokio::test]
async fn dropping_the_stream_closes_the_call() {
    let half = OPENAI.split_inclusive("\n\n").next().unwrap();
    let mut server = Server::start(stream_of(half), Then::Hang).await;
    let endpoint = Endpoint::Http(server.endpoint(Dialect::OpenAiChat));
    let question = question();
    let mut stream = client(&Clock::real()).call(&endpoint, &question.call()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), hi());
    server.seen.recv().await.unwrap();
    drop(stream);
    assert_eq!(server.seen.recv().await.as_deref(), Some(""));
}

#[tokio::test]
async fn a_waiting_next_can_be_dropped_without_losing_an_event() {
    let server = Server::start(stream_of(OPENAI), Then::Close).await;
    let endpoint = Endpoint::Http(server.endpoint(Dialect::OpenAiChat));
    let question = question();
    let mut stream = client(&Clock::real()).call(&endpoint, &question.call()).await.unwrap();
    {
        let next = std::pin::pin!(stream.next());
        let _ = futures_util::poll!(next);
    }
    let (events, end) = drain(stream).await;
    end.unwrap();
    assert!(events.len() >= 2, "{events:?}");
}

#[tokio::test]
async fn no_error_shows_the_key_or_the_prompt() {
    let message =
        format!("{{\"error\":{{\"message\":\"bad key {KEY}, prompt\\u0007 {}\"}}}}", "x".repeat(5_000));
    let in_stream = format!("data: {message}\n\n");
    // The key lies where a message is cut off.
    let at_the_cut = format!("{{\"error\":\"{}{KEY}\"}}", "x".repeat(490));
    let redirect = format!("location: http://127.0.0.1/{KEY}\r\n");
    let answers = [
        answer_of("401 No", "application/json", "", &message),
        answer_of("401 No", "application/json", "", &at_the_cut),
        answer_of("200 OK", KEY, "", ""),
        answer_of("302 Found", "text/html", &redirect, ""),
        stream_of(&in_stream),
        stream_of(&format!("data: {{\"{KEY}\"\n\n")),
        format!("HTTP/1.1 2{KEY}\r\n\r\n"),
    ];
    for answer in answers {
        let error = refusal_of(answer).await;
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains("sk-key") && !shown.contains("nobody may see"), "{shown}");
        assert!(!shown.contains('\u{7}') && error.to_string().len() < 1_000, "{shown}");
    }
}

#[tokio::test]
async fn a_key_that_no_header_can_hold_is_refused_unseen() {
    let server = Server::start("", Then::Close).await;
    let key = Some(secrets::Secret::try_new("sk-key\nx").unwrap());
    let endpoint = HttpEndpoint { key, ..server.endpoint(Dialect::Anthropic) };
    let error = ask(&client(&Clock::real()), &Endpoint::Http(endpoint)).await.1.unwrap_err();
    assert!(matches!(error, Error::BadKey { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("sk-key"));
}

#[tokio::test]
async fn lists_models_and_leaves_out_names_that_cannot_be_configured() {
    let list = "{\"data\":[{\"id\":\"llama3:8b\"},{\"id\":\"two words\"},{\"id\":\"\"},{\"id\":\"org/m\"}]}";
    let mut server = Server::start(answer_of("200 OK", "application/json", "", list), Then::Close).await;
    let models = client(&Clock::real()).models(&server.endpoint(Dialect::OpenAiChat)).await.unwrap();
    let names: Vec<_> = models.iter().map(|model| model.as_str()).collect();
    assert_eq!(names, ["llama3:8b", "org/m"]);
    assert!(server.seen.recv().await.unwrap().starts_with("GET /v1/models HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_list_of_models_is_bounded_in_time_and_size() {
    let clock = Clock::manual();
    let mut silent = Server::start("", Then::Hang).await;
    let (client, endpoint) = (client(&clock), silent.endpoint(Dialect::OpenAiChat));
    let (listed, ()) = join(client.models(&endpoint), async {
        silent.seen.recv().await.unwrap();
        clock.advance(Duration::from_secs(10));
    })
    .await;
    assert_eq!(listed.unwrap_err().class(), FailureClass::Timeout);

    let huge = answer_of("200 OK", "application/json", "", &" ".repeat(super::MAX_MODELS_BYTES + 1));
    let huge = Server::start(huge, Then::Close).await;
    let error = client.models(&huge.endpoint(Dialect::OpenAiChat)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_body_without_end_is_read_up_to_its_bound() {
    let body = format!("{{\"error\":\"{}", "x".repeat(10 * super::MAX_ERROR_BYTES));
    let error = refusal_of(answer_of("500 Oh", "application/json", "", &body)).await;
    assert_eq!(error.class(), FailureClass::Server);
}
