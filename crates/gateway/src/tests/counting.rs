//! Counting tokens at a provider that says nothing: its client has work to do.

use bytes::Bytes;
use clock::Clock;
use tokio::net::TcpListener;
use upstream::{Dialect, Endpoint, HttpEndpoint, Way};

use super::*;
use crate::{Asking, Begun, Out, Relay};

/// What a client is given.
#[derive(Default)]
struct Given(Option<Begun>);

impl Out for Given {
    fn begin(&mut self, begun: Begun) {
        self.0 = Some(begun);
    }

    async fn give(&mut self, _: Bytes) {
        unreachable!("a count is whole");
    }

    fn cut(&mut self) {
        unreachable!("a count is whole");
    }
}

#[tokio::test]
async fn a_count_that_does_not_come_is_estimated_long_before_an_answer_would_be_given_up() {
    // It takes connections, and nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::Http(HttpEndpoint {
        dialect: Dialect::Gemini,
        also: None,
        lets_through: false,
        base_url: format!("http://{}", silent.local_addr().unwrap()).parse().unwrap(),
        extras: None,
        key: None,
        keys: None,
        is_traced: false,
        has_account_routes: false,
    });
    let choice = Choice::Named(vec!["a/x".parse().unwrap()]);
    let house = House::build(Clock::manual(), vec![("a/x", endpoint)], choice);
    let (own, other) =
        (r#"{"contents":[]}"#, r#"{"model":"a/x","messages":[{"role":"user","content":"hi"}]}"#);
    let gemini = Way::Gemini { model: "a/x", method: upstream::Method::CountTokens };
    for (dialect, way, body) in
        [(wire::Dialect::Gemini, gemini, own), (wire::Dialect::Anthropic, Way::CountTokens, other)].repeat(3)
    {
        let bytes = Bytes::from_static(body.as_bytes());
        let hot = wire::hot::read(dialect, &bytes).unwrap();
        let relay = Relay {
            dialect,
            way,
            model: "a/x",
            body: &bytes,
            hot: &hot,
            request_id: "r",
            headers: &[],
            credential: None,
        };
        let (within, keep_alive) = (Duration::from_secs(3_600), Duration::from_secs(15));
        let (operation, client) = (Operation::Chat, &access::Principal::Operator);
        let asking = Asking { relay, operation, client, within, keep_alive };
        let (mut given, started) = (Given::default(), house.clock.now());
        driven(&house.clock, Box::pin(house.gateway.relay(asking, &mut given))).await.unwrap();
        let begun = given.0.unwrap();
        assert_eq!(begun.headers, [("x-impresario-estimated".to_owned(), "tokens".to_owned())]);
        // By the tree's clock, which nobody else moves.
        let waited = house.clock.now().saturating_duration_since(started);
        assert!(waited <= Duration::from_secs(60), "{waited:?}");
    }
    assert_eq!(house.trips(), 0, "who counts slowly may answer well");
}
