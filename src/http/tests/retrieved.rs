//! One model by its name, and what is not there, in the dialect of whoever asks.

use serde_json::Value;

use super::dialects::House;

const OPENAI: (&str, &str) = ("accept", "*/*");
const ANTHROPIC: (&str, &str) = ("anthropic-version", "2023-06-01");

const ALIASES: &str = "gateway: {aliases: {fast: openai/text, \"claude-*\": anthropic/text}}";

/// Status and body of a request with this key and this header.
async fn asked(house: &House, key: &str, line: &str, header: (&'static str, &str)) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let request = house.http.request(method.parse().unwrap(), house.url(path)).header(header.0, header.1);
    let request = if header.0 == "x-goog-api-key" { request } else { request.bearer_auth(key) };
    let request = match method {
        "POST" => request.header("content-type", "application/json").body("{}"),
        _ => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

/// What only this dialect's errors look like.
fn assert_is_an_error_of(dialect: &str, (status, body): &(u16, Value), expected: u16, line: &str) {
    assert_eq!(*status, expected, "{line}: {body}");
    let is_its_own = match dialect {
        "anthropic" => body["type"] == "error" && body["error"]["type"].is_string(),
        "gemini" => body["error"]["code"] == expected && body["error"]["status"].is_string(),
        _ => {
            body["type"].is_null()
                && body["error"]["type"].is_string()
                && body["error"]["message"].is_string()
        }
    };
    assert!(is_its_own, "{dialect} {line}: {body}");
}

#[actix_rt::test]
async fn tells_of_one_model_in_the_dialect_of_whoever_asks_names_with_slashes_too() {
    let house = House::open(&["text", "team/llama"], ALIASES).await;
    let names = ["fast", "text", "openai/text", "openai/team/llama", "claude-of-any-day", "openai%2Ftext"];
    for name in names {
        let said = name.replace("%2F", "/");
        let line = format!("GET /v1/models/{name}");
        let (status, body) = asked(&house, &house.key, &line, OPENAI).await;
        assert_eq!((status, &body["id"], &body["object"]), (200, &said.as_str().into(), &"model".into()));
        let (status, body) = asked(&house, &house.key, &line, ANTHROPIC).await;
        assert_eq!((status, &body["id"], &body["type"]), (200, &said.as_str().into(), &"model".into()));
        let line = format!("GET /v1beta/models/{name}");
        let (status, body) = asked(&house, &house.key, &line, OPENAI).await;
        assert_eq!((status, &body["name"]), (200, &format!("models/{said}").into()));
    }
    assert!(house.standin.last().is_none(), "nobody else is asked");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_model_that_a_key_leaves_out_is_as_if_it_were_not_there() {
    let house = House::open(&["text"], ALIASES).await;
    let order = crate::http::views::KeyOrder {
        name: "k".to_owned(),
        scopes: ["gateway"].into_iter().map(|scope| scope.parse().unwrap()).collect(),
        models: access::Models(vec!["openai".parse().unwrap()]),
        ..Default::default()
    };
    let key = house.stage.client.create_key(&order).await.unwrap().key.0;
    assert_eq!(asked(&house, &key, "GET /v1/models/openai/text", OPENAI).await.0, 200);
    let left_out = asked(&house, &key, "GET /v1/models/anthropic/text", ANTHROPIC).await;
    let never_was = asked(&house, &key, "GET /v1/models/anthropic/never", ANTHROPIC).await;
    assert_is_an_error_of("anthropic", &left_out, 404, "left out");
    assert_eq!(left_out.1["error"], never_was.1["error"]);
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_not_there_is_refused_in_the_dialect_of_whoever_asks() {
    let house = House::open(&["text"], "").await;
    let google = ("x-goog-api-key", house.key.as_str());
    for (dialect, status, line, header) in [
        ("openai", 404, "GET /v1/models/never", OPENAI),
        ("anthropic", 404, "GET /v1/models/never", ANTHROPIC),
        ("gemini", 404, "GET /v1/models/never", google),
        ("gemini", 404, "GET /v1beta/models/never", google),
        ("openai", 404, "POST /v1/audio/nothing", OPENAI),
        ("anthropic", 404, "POST /v1/messages/nothing", ANTHROPIC),
        ("gemini", 404, "POST /v1beta/nothing", google),
        ("gemini", 404, "POST /v1beta/models/text:doNothing", google),
        ("openai", 405, "GET /v1/chat/completions", OPENAI),
        ("anthropic", 405, "GET /v1/messages", OPENAI),
        ("openai", 405, "DELETE /v1/models/text", OPENAI),
        ("anthropic", 405, "DELETE /v1/models/text", ANTHROPIC),
        ("gemini", 405, "DELETE /v1beta/models/text", google),
    ] {
        let answer = asked(&house, &house.key, line, header).await;
        assert_is_an_error_of(dialect, &answer, status, line);
    }
    let (status, ours) = asked(&house, &house.key, "GET /v1/workflows/x/nothing", ANTHROPIC).await;
    assert_eq!(status, 404);
    assert!(ours["type"] != "error", "our own paths keep our own shape: {ours}");
    house.stage.close().await;
}
