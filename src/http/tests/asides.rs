//! Vectors and counts: asked of a provider in its own dialect, told in the client's, and counted for what they are.

use serde_json::{Value, json};
use standin::Standin;

use super::dialects::House;

const COUNTS: [(&str, &str, &str); 3] = [
    (
        "/v1/messages/count_tokens",
        "/input_tokens",
        r#"{"model":"MODEL","messages":[{"role":"user","content":"How many are these?"}],"tools":[{"name":"t","input_schema":{"type":"object"}}]}"#,
    ),
    (
        "/v1/responses/input_tokens",
        "/input_tokens",
        r#"{"model":"MODEL","input":"How many are these?","store":true,"tools":[{"type":"function","name":"t","parameters":{"type":"object"}}]}"#,
    ),
    (
        "/v1beta/models/MODEL:countTokens",
        "/totalTokens",
        r#"{"generateContentRequest":{"model":"models/MODEL","contents":[{"role":"user","parts":[{"text":"How many are these?"}]}]}}"#,
    ),
];
const VECTOR: [f64; 4] = [0.5, -0.5, 0.25, -0.25];
const PACKED: &str = "AAAAPwAAAL8AAIA+AACAvg==";

/// What is answered, and whether it was estimated.
async fn told(house: &House, path: &str, body: &str) -> (u16, Value, bool) {
    let request = house.post(path).header("content-type", "application/json").body(body.to_owned());
    let answer = request.send().await.unwrap();
    let (status, is_estimated) =
        (answer.status().as_u16(), answer.headers().contains_key("x-impresario-estimated"));
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(), is_estimated)
}

fn last(house: &House) -> Value {
    serde_json::from_slice(&house.standin.last().unwrap().body).unwrap()
}

/// Waits until so much was counted.
async fn scraped(house: &House, sample: &str) -> String {
    loop {
        let text = house.stage.get("/metrics").await.1;
        if text.lines().any(|line| line == sample) {
            return text;
        }
    }
}

#[actix_rt::test]
async fn every_vendor_that_can_count_is_asked_in_its_own_dialect_and_nobody_pays() {
    let house = House::open(&["text"], "").await;
    for vendor in ["anthropic", "openai", "gemini"] {
        for (path, pointer, body) in COUNTS {
            let model = format!("{vendor}/text");
            let (path, body) = (path.replace("MODEL", &model), body.replace("MODEL", &model));
            let (status, told, is_estimated) = told(&house, &path, &body).await;
            assert_eq!((status, is_estimated), (200, false), "{vendor} {path}: {told}");
            assert_eq!(told.pointer(pointer), Some(&json!(12)), "{vendor} {path}: {told}");
            let (asked, body) = (house.standin.last().unwrap().target, last(&house));
            match vendor {
                "anthropic" => {
                    assert_eq!(asked, "/v1/messages/count_tokens");
                    assert_eq!(body["model"], "text");
                    assert_eq!(body.get("max_tokens"), None, "{body}");
                }
                "openai" => {
                    assert_eq!(asked, "/v1/responses/input_tokens");
                    assert_eq!(body["model"], "text");
                    assert!(body.get("store").is_none() && body.get("stream").is_none(), "{body}");
                }
                _ => {
                    assert_eq!(asked, "/v1beta/models/text:countTokens");
                    assert_eq!(body["generateContentRequest"]["model"], "models/text", "{body}");
                }
            }
        }
    }
    let text = scraped(&house, r#"impresario_calls_total{fault="none",operation="chat"} 9"#).await;
    let mut tokens = text.lines().filter(|line| line.starts_with("impresario_model_tokens_total{"));
    assert!(tokens.all(|line| line.ends_with(" 0")), "{text}");
    house.stage.close().await;
}

#[actix_rt::test]
async fn who_cannot_count_or_refuses_to_is_no_reason_for_a_client_to_stop() {
    let standin = Standin::start().await.unwrap();
    let mut house = House::configured(&format!(
        r#"providers: {{demo: {{kind: scripted, script: rules.yaml}}, ollama: null, vllm: null, llama_cpp: null,
  plain: {{kind: openai_compatible, base_url: "{0}/v1", models: [{{name: text}}]}},
  lacks: {{kind: anthropic, base_url: "{0}/nowhere", api_key: {{file: vendor.key}}, models: [{{name: text}}]}},
  gone: {{kind: gemini, base_url: "http://127.0.0.1:9", api_key: {{file: vendor.key}}, models: [{{name: text}}]}}}}
routing: {{max_retries: 0}}
"#,
        standin.url()
    ))
    .await;
    for model in ["plain/text", "lacks/text", "gone/text"] {
        for (path, pointer, body) in COUNTS {
            let (path, body) = (path.replace("MODEL", model), body.replace("MODEL", model));
            let (status, told, is_estimated) = told(&house, &path, &body).await;
            assert_eq!((status, is_estimated), (200, true), "{path} {model}: {told}");
            assert!(told.pointer(pointer).and_then(Value::as_u64) > Some(5), "{path} {model}: {told}");
        }
    }
    assert_eq!(standin.counts().requests, 3, "only who lacks the route was asked");
    let (status, told, _) =
        told(&house, "/v1/messages/count_tokens", r#"{"model":"plain/text","messages":7}"#).await;
    assert_eq!((status, &told["error"]["type"]), (400, &json!("invalid_request_error")), "{told}");
    house.standin = standin;
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_count_goes_on_from_a_kept_answer_and_keeps_nothing() {
    let house = House::open(&["text"], "gateway: {responses: {store: true}}").await;
    let (_, first, _) = told(&house, "/v1/responses", r#"{"model":"openai/text","input":"one"}"#).await;
    let id = first["id"].as_str().unwrap();
    let body = format!(r#"{{"model":"openai/text","input":"two","previous_response_id":"{id}"}}"#);
    let (status, counted, _) = told(&house, "/v1/responses/input_tokens", &body).await;
    assert_eq!((status, &counted["input_tokens"]), (200, &json!(12)), "{counted}");
    let said = last(&house);
    assert_eq!(said["input"].as_array().map(Vec::len), Some(3), "{said}");
    assert!(said.get("previous_response_id").is_none() && said.get("store").is_none(), "{said}");
    let body = body.replace(id, "resp_nobodys");
    let (status, refused, _) = told(&house, "/v1/responses/input_tokens", &body).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("previous_response_not_found")));
    house.stage.close().await;
}

#[actix_rt::test]
async fn clients_of_openai_get_vectors_of_either_vendor_in_the_form_that_they_ask_for() {
    let house = House::open(&["text"], "").await;
    for vendor in ["openai", "gemini"] {
        let body = format!(
            r#"{{"model":"{vendor}/text","input":["a","b"],"dimensions":4,"encoding_format":"base64"}}"#
        );
        let (status, told, _) = self::told(&house, "/v1/embeddings", &body).await;
        assert_eq!((status, told["data"].as_array().map(Vec::len)), (200, Some(2)), "{vendor}: {told}");
        assert_eq!((&told["data"][1]["embedding"], &told["data"][1]["index"]), (&json!(PACKED), &json!(1)));
        let body = format!(r#"{{"model":"{vendor}/text","input":"a"}}"#);
        let (_, told, _) = self::told(&house, "/v1/embeddings", &body).await;
        assert_eq!(told["data"][0]["embedding"], json!(VECTOR), "{vendor}");
    }
    let asked = house.standin.last().unwrap();
    assert_eq!(asked.target, "/v1beta/models/text:batchEmbedContents");
    assert_eq!(last(&house)["requests"][0]["model"], "models/text");
    house.stage.close().await;
}

#[actix_rt::test]
async fn clients_of_gemini_get_vectors_of_either_vendor_one_or_many() {
    let house = House::open(&["text"], "gateway: {aliases: {vectors: gemini/text}}").await;
    let content = r#"{"parts":[{"text":"a"}]}"#;
    for model in ["gemini/text", "openai/text", "vectors"] {
        let one = format!(r#"{{"model":"models/{model}","content":{content},"outputDimensionality":4}}"#);
        let path = format!("/v1beta/models/{model}:embedContent");
        let (status, told, _) = self::told(&house, &path, &one).await;
        assert_eq!((status, &told["embedding"]["values"]), (200, &json!(VECTOR)), "{model}: {told}");
        let many = format!(r#"{{"requests":[{one},{{"model":"models/{model}","content":{content}}}]}}"#);
        let path = format!("/v1beta/models/{model}:batchEmbedContents");
        let (status, told, _) = self::told(&house, &path, &many).await;
        assert_eq!((status, &told["embeddings"][1]["values"]), (200, &json!(VECTOR)), "{model}: {told}");
        let said = last(&house);
        match model {
            // The vendor wants the name in the body to be the one in the URL.
            "openai/text" => {
                assert_eq!(said, json!({"model": "text", "input": ["a", "a"], "dimensions": 4}));
            }
            _ => assert_eq!(said["requests"][1]["model"], "models/text", "{said}"),
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn tokens_and_vendors_without_vectors_are_refused_by_name() {
    let house = House::open(&["text"], "").await;
    let tokens = |vendor: &str| format!(r#"{{"model":"{vendor}/text","input":[1,2,3]}}"#);
    let (status, told, _) = self::told(&house, "/v1/embeddings", &tokens("gemini")).await;
    let message = told["error"]["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("input") && message.contains("no tokens"), "{told}");
    // They mean something to the vendor whose they are.
    assert_eq!(self::told(&house, "/v1/embeddings", &tokens("openai")).await.0, 200);
    let before = house.standin.counts();
    let body = r#"{"model":"anthropic/text","input":"a"}"#;
    let (status, told, _) = self::told(&house, "/v1/embeddings", body).await;
    assert_eq!((status, &told["error"]["code"]), (404, &json!("not_offered")), "{told}");
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("anthropic/text") && message.contains("a provider that does"), "{told}");
    let path = "/v1beta/models/anthropic/text:embedContent";
    let (status, told, _) = self::told(&house, path, r#"{"content":{"parts":[{"text":"a"}]}}"#).await;
    assert_eq!((status, &told["error"]["status"]), (404, &json!("NOT_FOUND")), "{told}");
    assert_eq!(house.standin.counts(), before, "nobody is asked");
    house.stage.close().await;
}

#[actix_rt::test]
async fn vectors_are_counted_as_what_they_are_and_paid_by_what_was_read() {
    let house = House::open(&["text"], "").await;
    for model in ["openai/text", "gemini/text"] {
        let body = format!(r#"{{"model":"{model}","input":"a"}}"#);
        assert_eq!(self::told(&house, "/v1/embeddings", &body).await.0, 200);
    }
    let gemini = r#"{"content":{"parts":[{"text":"a"}]}}"#;
    assert_eq!(self::told(&house, "/v1beta/models/openai/text:embedContent", gemini).await.0, 200);
    let text = scraped(&house, r#"impresario_calls_total{fault="none",operation="embed"} 3"#).await;
    for sample in [
        r#"impresario_model_calls_total{end="answered",fault="none",model="text",operation="embed",provider="openai"} 2"#,
        r#"impresario_model_calls_total{end="answered",fault="none",model="text",operation="embed",provider="gemini"} 1"#,
        r#"impresario_model_tokens_total{kind="input",model="text",operation="embed",provider="openai"} 24"#,
    ] {
        assert!(text.lines().any(|line| line == sample), "no {sample} in\n{text}");
    }
    house.stage.close().await;
}
