//! Several keys against real servers on loopback: who is asked with which, and what becomes of a refused one.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::*;
use crate::loopback::{answer_of, ask, client, question, read_request, stream_of};
use crate::{Dialect, Endpoint, FailureClass, Verbatim, Way};

const ANSWER: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
);

/// A vendor that answers each key as a test says, and remembers with which it was asked.
struct Vendor {
    address: String,
    says: Arc<Mutex<HashMap<&'static str, String>>>,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Vendor {
    async fn start(says: &[(&'static str, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let says = Arc::new(Mutex::new(says.iter().cloned().collect::<HashMap<_, _>>()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answers, asked) = (says.clone(), seen.clone());
        let task = tokio::runtime::Handle::current().spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let text = read_request(&mut socket).await.unwrap();
                let key = text
                    .split("Bearer ")
                    .nth(1)
                    .or(text.split("x-api-key: ").nth(1))
                    .unwrap()
                    .split("\r\n")
                    .next()
                    .unwrap()
                    .to_owned();
                let answer = answers.lock().await[key.as_str()].clone();
                asked.lock().await.push(key);
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, says, seen, task }
    }

    fn endpoint(&self, keys: &[&str]) -> HttpEndpoint {
        let key = |(index, key): (usize, &&str)| Key {
            place: format!("api_key[{index}]"),
            secret: Secret::try_new(key).unwrap(),
        };
        let bare = HttpEndpoint {
            dialect: Dialect::OpenAiChat,
            also: None,
            base_url: self.address.parse().unwrap(),
            extras: None,
            key: None,
            keys: None,
            is_traced: false,
            has_account_routes: false,
            lets_through: false,
        };
        bare.with_keys(keys.iter().enumerate().map(key).collect())
    }

    /// The keys of the calls since this was asked last.
    async fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().await)
    }

    async fn says(&self, key: &'static str, answer: String) {
        self.says.lock().await.insert(key, answer);
    }
}

fn answer() -> String {
    stream_of(ANSWER)
}

fn refusal(status: &str, headers: &str) -> String {
    answer_of(status, "application/json", headers, "{\"error\":{\"message\":\"no\"}}")
}

async fn call(endpoint: &HttpEndpoint, clock: &Clock) -> Result<(), Error> {
    ask(&client(clock), &Endpoint::Http(endpoint.clone())).await.1
}

#[tokio::test]
async fn keys_in_force_take_turns() {
    let vendor = Vendor::start(&[("a", answer()), ("b", answer())]).await;
    let endpoint = vendor.endpoint(&["a", "b"]);
    for _ in 0..4 {
        call(&endpoint, &Clock::real()).await.unwrap();
    }
    assert_eq!(vendor.seen().await, ["a", "b", "a", "b"]);
}

#[tokio::test]
async fn a_refused_key_is_set_aside_and_no_caller_sees_it() {
    for status in ["401 Unauthorized", "402 Payment Required"] {
        let vendor = Vendor::start(&[("dead", refusal(status, "")), ("good", answer())]).await;
        let endpoint = vendor.endpoint(&["dead", "good"]);
        for _ in 0..3 {
            call(&endpoint, &Clock::real()).await.unwrap();
        }
        assert_eq!(vendor.seen().await, ["dead", "good", "good", "good"], "{status}");
        assert_eq!(endpoint.keys.as_ref().unwrap().in_force(&Clock::real()), 1);
        // Keys that are read anew are all in force.
        assert_eq!(vendor.endpoint(&["dead", "good"]).keys.unwrap().in_force(&Clock::real()), 2);
    }
}

#[tokio::test]
async fn a_key_without_credit_is_set_aside_for_minutes_whatever_status_says_so() {
    let quota = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let limit =
        r#"{"error":{"message":"insufficient_quota","type":"requests","code":"rate_limit_exceeded"}}"#;
    let balance = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#;
    let echo = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no such tool: Your credit balance is too low"}}"#;
    for (dialect, status, body, expected) in [
        (Dialect::OpenAiChat, "429 Too Many Requests", quota, Some(REFUSED_FOR)),
        (Dialect::OpenAiChat, "429 Too Many Requests", limit, Some(LIMITED_FOR)),
        (Dialect::Anthropic, "400 Bad Request", balance, Some(REFUSED_FOR)),
        (Dialect::Anthropic, "400 Bad Request", echo, None),
    ] {
        let refusal = answer_of(status, "application/json", "", body);
        let vendor = Vendor::start(&[("a", refusal.clone()), ("b", refusal)]).await;
        let endpoint = HttpEndpoint { dialect, ..vendor.endpoint(&["a", "b"]) };
        let clock = Clock::manual();
        let error = call(&endpoint, &clock).await.unwrap_err();
        assert_eq!(error.class() == FailureClass::Key, expected == Some(REFUSED_FOR), "{body}");
        let Some(aside) = expected else {
            assert_eq!(
                (vendor.seen().await.len(), endpoint.keys.unwrap().in_force(&clock)),
                (1, 2),
                "{body}"
            );
            continue;
        };
        let keys = endpoint.keys.unwrap();
        assert_eq!((vendor.seen().await.len(), keys.in_force(&clock)), (2, 0), "{body}");
        clock.advance(aside - Duration::from_millis(1));
        assert_eq!(keys.in_force(&clock), 0, "{body}");
        clock.advance(Duration::from_millis(1));
        assert_eq!(keys.in_force(&clock), 2, "{body}");
    }
}

#[tokio::test]
async fn bytes_that_are_relayed_go_on_with_the_next_key_too() {
    let vendor = Vendor::start(&[("dead", refusal("401 Unauthorized", "")), ("good", answer())]).await;
    let endpoint = vendor.endpoint(&["dead", "good"]);
    let body = Bytes::from_static(b"{}");
    let waits = question().call().waits;
    let call = Verbatim { way: Way::ChatCompletions, headers: &[], credential: None, body: &body, waits };
    let relayed = client(&Clock::real()).relay(&endpoint, &call).await.unwrap();
    assert_eq!(relayed.status(), 200);
    assert_eq!(vendor.seen().await, ["dead", "good"]);
}

#[tokio::test]
async fn what_one_key_may_not_another_may_and_both_stay_in_force() {
    let vendor = Vendor::start(&[("a", refusal("403 Forbidden", "")), ("b", answer())]).await;
    let endpoint = vendor.endpoint(&["a", "b"]);
    call(&endpoint, &Clock::real()).await.unwrap();
    assert_eq!(vendor.seen().await, ["a", "b"]);
    assert_eq!(endpoint.keys.unwrap().in_force(&Clock::real()), 2);
}

#[tokio::test]
async fn where_all_are_refused_the_caller_is_told_and_a_later_call_brings_one_back() {
    let dead = || refusal("401 Unauthorized", "");
    let vendor = Vendor::start(&[("a", dead()), ("b", dead())]).await;
    let endpoint = vendor.endpoint(&["a", "b"]);
    let clock = Clock::real();
    assert_eq!(call(&endpoint, &clock).await.unwrap_err().class(), FailureClass::Key);
    assert_eq!(vendor.seen().await, ["a", "b"]);
    assert_eq!(call(&endpoint, &clock).await.unwrap_err().class(), FailureClass::Key);
    assert_eq!(vendor.seen().await.len(), 1, "a provider that takes no key is asked once a call");
    vendor.says("a", answer()).await;
    vendor.says("b", answer()).await;
    call(&endpoint, &clock).await.unwrap();
    assert_eq!(endpoint.keys.unwrap().in_force(&clock), 1);
}

#[tokio::test]
async fn a_limit_of_one_key_is_no_limit_of_the_other_and_says_more_than_a_refusal() {
    let limited = refusal("429 Too Many Requests", "retry-after: 60\r\n");
    let vendor = Vendor::start(&[("a", limited), ("b", answer())]).await;
    let endpoint = vendor.endpoint(&["a", "b"]);
    let clock = Clock::real();
    call(&endpoint, &clock).await.unwrap();
    call(&endpoint, &clock).await.unwrap();
    assert_eq!(vendor.seen().await, ["a", "b", "b"]);

    vendor.says("b", refusal("401 Unauthorized", "")).await;
    let error = call(&vendor.endpoint(&["a", "b"]), &clock).await.unwrap_err();
    assert_eq!((error.class(), error.retry_after()), (FailureClass::Limited, Some(Duration::from_secs(60))));
}

#[tokio::test]
async fn where_all_are_limited_the_shortest_wait_is_told() {
    let limited = |wait: &str| refusal("429 Too Many Requests", &format!("retry-after: {wait}\r\n"));
    for waits in [["3600", "7"], ["7", "3600"]] {
        let vendor = Vendor::start(&[("a", limited(waits[0])), ("b", limited(waits[1]))]).await;
        let error = call(&vendor.endpoint(&["a", "b"]), &Clock::real()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn what_is_not_about_the_key_is_not_asked_with_another() {
    for status in ["400 Bad Request", "500 Internal Server Error", "503 Service Unavailable"] {
        let vendor = Vendor::start(&[("a", refusal(status, "")), ("b", answer())]).await;
        let endpoint = vendor.endpoint(&["a", "b"]);
        call(&endpoint, &Clock::real()).await.unwrap_err();
        assert_eq!(vendor.seen().await, ["a"], "{status}");
        assert_eq!(endpoint.keys.unwrap().in_force(&Clock::real()), 2);
    }
}

#[test]
fn nothing_that_is_shown_holds_one_of_the_keys() {
    let key = |text: &str| Key { place: "api_key[0]".to_owned(), secret: Secret::try_new(text).unwrap() };
    let keys = Keys::new(vec![key("sk-one-nobody-sees"), key("sk-two-nobody-sees")]);
    assert!(!format!("{keys:?} {:?}", key("sk-one-nobody-sees")).contains("nobody"));
}
