//! Providers and models that are asked in OpenAI's Responses: whoever asks, and however it ends.

use serde_json::{Value, json};
use standin::Standin;

use super::dialects::{ANTHROPIC, CHAT, GEMINI, House, RESPONSES, WAYS, Way, told, understood};

/// Clients of other dialects.
const OTHERS: [&Way; 3] = [&ANTHROPIC, &CHAT, &GEMINI];

/// `newer` knows Responses alone, `both` prefers it, and of `older` one model knows nothing else. `anthropic` is another.
async fn house(models: &[&str], more: &str) -> House {
    let standin = Standin::start().await.unwrap();
    let url = standin.url();
    let names: Vec<Value> = models.iter().map(|name| json!({ "name": name })).collect();
    let provider = |kind: &str, path: &str, speaks: Value, models: Value| json!({"kind": kind, "base_url": format!("{url}{path}"), "api_key": {"file": "vendor.key"}, "models": models, "speaks": speaks});
    let providers = json!({
        "demo": {"kind": "scripted", "script": "rules.yaml"},
        "newer": provider("openai_compatible", "/v1", json!("responses"), json!(names)),
        "both": provider("openai", "/v1", json!(["responses", "chat"]), json!(names)),
        "older": provider("openai_compatible", "/v1", json!("chat"), json!([{"name": "text"}, {"name": "tools", "speaks": "responses"}])),
        "anthropic": {"kind": "anthropic", "base_url": url, "api_key": {"file": "vendor.key"}, "models": names},
        "openai": null, "gemini": null, "ollama": null, "vllm": null, "llama_cpp": null,
    });
    House::beside(standin, &format!("providers: {providers}\nrouting: {{max_retries: 0}}\n{more}\n")).await
}

impl House {
    /// Where the last question went, and what it was.
    fn last(&self) -> (String, Value) {
        let last = self.standin.last().unwrap();
        (last.target, serde_json::from_slice(&last.body).unwrap())
    }
}

#[actix_rt::test]
async fn any_client_reaches_a_provider_that_knows_responses_alone() {
    let models = ["text", "tools", "thinking", "json", "truncated", "refusal", "split-3"];
    let house = house(&models, "").await;
    for model in models {
        let (_, straight) = house.straight(&RESPONSES, model, true).await;
        for way in WAYS {
            for is_streamed in [false, true] {
                let named = format!("newer/{model}");
                let path = way.path(&named, is_streamed);
                let (status, text) = house.ask(&path, way.body(&named, is_streamed)).await;
                let place = format!("{} -> {named}, streamed: {is_streamed}: {text}", way.path);
                assert_eq!(status, 200, "{place}");
                let (target, sent) = house.last();
                assert_eq!(target, "/v1/responses", "{place}");
                assert_eq!((&sent["model"], &sent["store"]), (&json!(model), &json!(false)), "{place}");
                assert_eq!(sent["stream"] == json!(true), is_streamed, "whole is asked whole: {place}");
                // Cut arguments are no JSON, and some dialects have none but whole ones.
                if model == "truncated" {
                    continue;
                }
                let (found, expected) =
                    (understood(way, is_streamed, &text), understood(&RESPONSES, true, &straight));
                assert_eq!(told(&found), told(&expected), "{place}");
                assert_eq!(found.usage.output, expected.usage.output, "{place}");
                if model != "refusal" {
                    assert_eq!(found.stop, expected.stop, "{place}");
                }
            }
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn which_dialect_a_model_is_asked_in_is_the_configurations_to_say() {
    let house = house(&["text"], "").await;
    let (chat, responses) = ("/v1/chat/completions", "/v1/responses");
    for (model, way, target) in [
        ("both/text", &ANTHROPIC, responses),
        ("both/text", &GEMINI, responses),
        ("both/text", &RESPONSES, responses),
        ("both/text", &CHAT, chat),
        ("older/text", &ANTHROPIC, chat),
        ("older/text", &RESPONSES, chat),
        ("older/tools", &ANTHROPIC, responses),
        ("older/tools", &CHAT, responses),
    ] {
        let (status, text) = house.ask(&way.path(model, true), way.body(model, true)).await;
        assert_eq!(status, 200, "{text}");
        assert_eq!(house.last().0, target, "{} -> {model}", way.path);
    }
    // Its own client's words stay what they are.
    let body = CHAT.body("both/text", false);
    house.ask(CHAT.path, body.clone()).await;
    let sent = String::from_utf8(house.standin.last().unwrap().body.to_vec()).unwrap();
    assert_eq!(sent, body.replace("both/text", "text"));
    house.stage.close().await;
}

/// A conversation that goes on from an answer, in the client's own words.
fn next(way: &Way, model: &str, answer: &Value) -> Value {
    match way.path {
        "/v1/messages" => json!({"model": model, "max_tokens": 64, "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": "and then?"},
        ]}),
        "/v1/chat/completions" => json!({"model": model, "messages": [
            {"role": "user", "content": "hi"}, answer["choices"][0]["message"], {"role": "user", "content": "and then?"},
        ]}),
        _ => json!({"contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            answer["candidates"][0]["content"],
            {"role": "user", "parts": [{"text": "and then?"}]},
        ]}),
    }
}

#[actix_rt::test]
async fn its_thoughts_reach_every_client_and_go_back_to_it_alone() {
    let house = house(&["thinking"], "").await;
    let model = "newer/thinking";
    for way in OTHERS {
        let (status, text) = house.ask(&way.path(model, false), way.body(model, false)).await;
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(text.contains("First I think"), "{text}");
        // The stand-in refuses a seal that is not its own.
        let (status, text) = house.ask(&way.path(model, false), next(way, model, &answer).to_string()).await;
        assert_eq!(status, 200, "{} {text}", way.path);
        let (_, sent) = house.last();
        let thought = sent["input"].as_array().unwrap().iter().find(|item| item["type"] == "reasoning");
        let seal = thought.unwrap_or_else(|| panic!("{sent}"))["encrypted_content"].as_str().unwrap();
        assert!(!seal.starts_with(wire::seal::PREFIX), "{seal}");

        let other = "anthropic/thinking";
        let request = house.post(&way.path(other, false)).header("content-type", "application/json");
        let answer = request.body(next(way, other, &answer).to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{}", way.path);
        assert_eq!(answer.headers()["x-impresario-unsaid"], "thoughts", "{}", way.path);
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn its_errors_before_the_first_byte_keep_their_status_and_go_to_the_next() {
    let broken = ["error-500", "error-529", "error-429", "error-in-200", "dies-first", "html"];
    let aliases: Vec<String> =
        broken.iter().map(|model| format!("\"{model}\": [newer/{model}, newer/text]")).collect();
    let models: Vec<&str> = broken.iter().copied().chain(["text", "error-400"]).collect();
    let house = house(&models, &format!("gateway: {{aliases: {{{}}}}}", aliases.join(", "))).await;
    for way in OTHERS {
        for is_streamed in [false, true] {
            for (model, expected) in [("error-400", 400), ("error-429", 429)] {
                let named = format!("newer/{model}");
                let (status, text) =
                    house.ask(&way.path(&named, is_streamed), way.body(&named, is_streamed)).await;
                assert_eq!(status, expected, "{} {text}", way.path);
                assert!(
                    serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string(),
                    "{text}"
                );
            }
            for model in broken {
                let (status, text) =
                    house.ask(&way.path(model, is_streamed), way.body(model, is_streamed)).await;
                assert_eq!(status, 200, "{} {model} streamed: {is_streamed}: {text}", way.path);
                assert!(understood(way, is_streamed, &text).text.starts_with("Hello"), "{text}");
            }
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_fails_dies_or_is_not_whole_ends_so_in_the_clients_dialect() {
    let house = house(&["dies", "cut", "error-mid-stream", "truncated"], "").await;
    for (way, sign, end, cut) in [
        (
            &ANTHROPIC,
            "event: error\ndata: {\"type\":\"error\"",
            "message_stop",
            "\"stop_reason\":\"max_tokens\"",
        ),
        (&CHAT, "\"error\":{", "[DONE]", "\"finish_reason\":\"length\""),
        (&GEMINI, "\"error\"", "\"finishReason\":\"STOP\"", "\"finishReason\":\"MAX_TOKENS\""),
    ] {
        for model in ["newer/dies", "newer/cut", "newer/error-mid-stream"] {
            let (status, text) = house.ask(&way.path(model, true), way.body(model, true)).await;
            assert_eq!(status, 200, "{} -> {model}: {text}", way.path);
            assert!(text.contains(sign) && !text.contains(end), "{} -> {model}: {text}", way.path);
        }
        for is_streamed in [false, true] {
            let model = "newer/truncated";
            let (status, text) = house.ask(&way.path(model, is_streamed), way.body(model, is_streamed)).await;
            assert_eq!(status, 200, "{text}");
            assert!(
                text.replace("\": ", "\":").contains(cut),
                "{} streamed: {is_streamed}: {text}",
                way.path
            );
        }
    }
    house.stage.close().await;
}
