//! The doors for vendors' clients, before a stand-in for the vendors: what goes through as it is, and how it ends.

use serde_json::{Value, json};
use standin::{KEY, Standin};

use super::stage::Stage;

/// A client's way to its vendor, and to us.
pub(super) struct Way {
    pub(super) provider: &'static str,
    /// Where the vendor has it, beneath its base.
    pub(super) path: &'static str,
    /// The client's body; `MODEL` stands for the model.
    pub(super) body: &'static str,
}

pub(super) const ANTHROPIC: Way = Way {
    provider: "anthropic",
    path: "/v1/messages",
    body: r#"{ "messages":[{"role":"user","content":"héllo"}],
  "max_tokens" :64, "model":"MODEL","metadata":{"user_id":"u"}, "stream":STREAM }"#,
};
pub(super) const CHAT: Way = Way {
    provider: "openai",
    path: "/v1/chat/completions",
    body: r#"{"stream":STREAM,"stream_options":{"include_usage":true},"zeta":1,"model":"MODEL","messages":[{"role":"user","content":"hi"}]}"#,
};
const RESPONSES: Way = Way {
    provider: "openai",
    path: "/v1/responses",
    body: r#"{"input":"hi","model":"MODEL","stream":STREAM}"#,
};
const GEMINI: Way = Way {
    provider: "gemini",
    path: "/v1beta/models/MODEL:METHOD",
    body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
};
pub(super) const WAYS: [&Way; 4] = [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI];

pub(super) struct House {
    pub(super) standin: Standin,
    pub(super) stage: Stage,
    pub(super) http: reqwest::Client,
    pub(super) key: String,
}

impl Way {
    pub(super) fn path(&self, model: &str, is_streamed: bool) -> String {
        let method = if is_streamed { "streamGenerateContent?alt=sse" } else { "generateContent" };
        self.path.replace("MODEL", model).replace("METHOD", method)
    }

    pub(super) fn body(&self, model: &str, is_streamed: bool) -> String {
        let body = self.body.replace("MODEL", model).replace("STREAM", &is_streamed.to_string());
        // The one model that wants to be asked for it.
        if model.rsplit('/').next() == Some("json") { self.in_format(&body) } else { body }
    }

    /// Asks for an object with a city.
    fn in_format(&self, body: &str) -> String {
        let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"#;
        let format = match (self.provider, self.path) {
            ("anthropic", _) => r#""output_config":{"format":{"type":"json_schema","schema":SCHEMA}}"#,
            ("gemini", _) => {
                r#""generationConfig":{"responseMimeType":"application/json","responseJsonSchema":SCHEMA}"#
            }
            (_, "/v1/responses") => {
                r#""text":{"format":{"type":"json_schema","name":"city","strict":true,"schema":SCHEMA}}"#
            }
            _ => {
                r#""response_format":{"type":"json_schema","json_schema":{"name":"city","strict":true,"schema":SCHEMA}}"#
            }
        };
        format!("{{{},{}", format.replace("SCHEMA", schema), &body.trim_start()[1..])
    }
}

impl House {
    /// All vendors, with these models each.
    pub(super) async fn open(models: &[&str], more: &str) -> Self {
        let standin = Standin::start().await.unwrap();
        let url = standin.url();
        let models: Vec<Value> = models.iter().map(|name| json!({ "name": name })).collect();
        let provider = |kind: &str, path: &str| json!({"kind": kind, "base_url": format!("{url}{path}"), "api_key": {"file": "vendor.key"}, "models": models});
        let providers = json!({
            "demo": {"kind": "scripted", "script": "rules.yaml"},
            "anthropic": provider("anthropic", ""),
            "openai": provider("openai", "/v1"),
            "gemini": provider("gemini", ""),
            "ollama": null, "vllm": null, "llama_cpp": null,
        });
        Self::beside(standin, &format!("providers: {providers}\n{more}\n")).await
    }

    /// With this configuration.
    pub(super) async fn configured(text: &str) -> Self {
        Self::beside(Standin::start().await.unwrap(), text).await
    }

    pub(super) async fn beside(standin: Standin, text: &str) -> Self {
        let folder = Stage::prepare();
        std::fs::write(folder.path().join("vendor.key"), KEY).unwrap();
        private(&folder.path().join("vendor.key"));
        std::fs::write(folder.path().join("impresario.yaml"), text).unwrap();
        let stage = Stage::open_in(folder).await;
        let scopes = ["gateway"].into_iter().map(|scope| scope.parse().unwrap()).collect();
        let order =
            crate::http::views::KeyOrder { name: "the client's".to_owned(), scopes, ..Default::default() };
        let key = stage.client.create_key(&order).await.unwrap().key.0;
        Self { standin, stage, http: plain_client(), key }
    }

    /// Asks the vendor itself.
    async fn straight(&self, way: &Way, model: &str, is_streamed: bool) -> (u16, String) {
        let request = self.http.post(format!("{}{}", self.standin.url(), way.path(model, is_streamed)));
        let request = match way.provider {
            "anthropic" => request.header("x-api-key", KEY).header("anthropic-version", "2023-06-01"),
            "gemini" => request.header("x-goog-api-key", KEY),
            _ => request.bearer_auth(KEY),
        };
        answered(request, way.body(model, is_streamed)).await
    }

    /// Asks through the doors, for this provider's model.
    async fn through(&self, way: &Way, model: &str, is_streamed: bool) -> (u16, String) {
        let named = format!("{}/{model}", way.provider);
        self.ask(&way.path(&named, is_streamed), way.body(&named, is_streamed)).await
    }

    async fn ask(&self, path: &str, body: String) -> (u16, String) {
        answered(self.post(path), body).await
    }

    pub(super) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(self.url(path)).bearer_auth(&self.key)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.stage.server.addresses().tcp)
    }
}

fn plain_client() -> reqwest::Client {
    let options = upstream::Options::default();
    upstream::Client::try_new(&options, clock::Clock::real()).unwrap().into_http()
}

async fn answered(request: reqwest::RequestBuilder, body: String) -> (u16, String) {
    let request = request.header("content-type", "application/json").body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap())
}

fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[actix_rt::test]
async fn what_a_vendor_says_reaches_its_own_client_byte_for_byte() {
    let models = ["text", "tools", "thinking", "json", "truncated", "split-7"];
    let house = House::open(&models, "").await;
    for way in WAYS {
        for model in models {
            for is_streamed in [false, true] {
                let straight = house.straight(way, model, is_streamed).await;
                let through = house.through(way, model, is_streamed).await;
                assert_eq!(through, straight, "{} {model} streamed: {is_streamed}", way.path);
                let sent = house.standin.last().unwrap().body;
                let sent = String::from_utf8(sent.to_vec()).unwrap();
                let mut expected = way.body(model, is_streamed);
                if dialect_of(way) == wire::Dialect::OpenAiResponses {
                    expected.truncate(expected.len() - 1);
                    expected.push_str(r#","store":false}"#);
                }
                assert_eq!(sent, expected, "only the model's name may change, and that nothing is kept");
            }
        }
    }
    assert_eq!(house.standin.counts().keyless, 0);
    house.stage.close().await;
}

/// All clients ask with the operator's one key: what the vendor kept for one of them, the others could go on from.
#[actix_rt::test]
async fn a_vendor_of_responses_keeps_nothing_and_goes_on_from_nothing() {
    let house = House::open(&["text"], "").await;
    for (store, unsaid) in [
        ("", None),
        (r#","store":null"#, None),
        (r#","store":false"#, None),
        (r#","store":true"#, Some("store")),
    ] {
        let body = format!(r#"{{"model":"openai/text","input":"hi"{store}}}"#);
        let request = house.post(RESPONSES.path).header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{store}");
        let named = answer.headers().get("x-impresario-unsaid").map(|names| names.to_str().unwrap());
        assert_eq!(named, unsaid, "{store}");
        let sent: Value = serde_json::from_slice(&house.standin.last().unwrap().body).unwrap();
        assert_eq!(sent["store"], false, "{store}");
    }
    let asked = house.standin.counts().requests;
    for vendor in ["openai", "anthropic"] {
        for (field, value) in [("previous_response_id", "resp_standin"), ("conversation", "conv_1")] {
            let body = format!(r#"{{"model":"{vendor}/text","input":"hi","{field}":"{value}"}}"#);
            let (status, text) = house.ask(RESPONSES.path, body).await;
            assert_eq!(status, 400, "{vendor}: {text}");
            assert!(text.contains(field), "{vendor}: {text}");
        }
    }
    assert_eq!(house.standin.counts().requests, asked, "nobody was asked");
    house.stage.close().await;
}

#[actix_rt::test]
async fn usage_that_a_chat_client_did_not_ask_for_is_asked_for_and_kept_from_it() {
    let house = House::open(&["text"], "").await;
    let body = |options: &str| {
        format!(
            r#"{{"model":"openai/text","stream":true{options},"messages":[{{"role":"user","content":"hi"}}]}}"#
        )
    };
    let (_, told) = house.ask(CHAT.path, body(r#","stream_options":{"include_usage":true}"#)).await;
    let (_, untold) = house.ask(CHAT.path, body("")).await;
    assert!(told.contains("\"prompt_tokens\""), "{told}");
    assert!(!untold.contains("\"prompt_tokens\""), "{untold}");
    assert!(untold.ends_with("data: [DONE]\n\n"), "{untold}");
    let sent: Value = serde_json::from_slice(&house.standin.last().unwrap().body).unwrap();
    assert_eq!(sent["stream_options"]["include_usage"], true);
    house.stage.close().await;
}

#[actix_rt::test]
async fn an_error_before_the_first_output_goes_to_the_next_and_no_client_sees_it() {
    let broken = ["error-500", "error-529", "error-in-200", "dies-first", "html"];
    let aliases: Vec<String> =
        broken.iter().map(|model| format!("\"{model}\": [anthropic/{model}, anthropic/text]")).collect();
    let models: Vec<&str> = broken.iter().copied().chain(["text"]).collect();
    let house = House::open(&models, &format!("gateway: {{aliases: {{{}}}}}", aliases.join(", "))).await;
    for is_streamed in [false, true] {
        let (_, whole) = house.straight(&ANTHROPIC, "text", is_streamed).await;
        for model in broken {
            let answer = house.ask(ANTHROPIC.path, ANTHROPIC.body(model, is_streamed)).await;
            assert_eq!(answer, (200, whole.clone()), "{model} streamed: {is_streamed}");
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_stream_that_breaks_off_ends_in_the_clients_dialect_and_never_as_if_it_were_whole() {
    let models = ["dies", "cut", "error-mid-stream"];
    let house = House::open(&models, "").await;
    for model in models {
        for (way, sign, end) in [
            (&ANTHROPIC, "event: error\ndata: {\"type\":\"error\"", "message_stop"),
            (&CHAT, "data: {\"error\":{", "[DONE]"),
            (&RESPONSES, "event: error\n", "response.completed"),
            (&GEMINI, "\"error\"", "\"finishReason\""),
        ] {
            let (status, text) = house.through(way, model, true).await;
            assert_eq!(status, 200, "{text}");
            assert!(text.contains(sign), "{} {model}: {text}", way.path);
            assert!(!text.contains(end), "{} {model}: {text}", way.path);
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn refusals_keep_their_status_their_words_and_their_hints() {
    let house = House::open(&["error-429", "error-400"], "").await;
    for way in WAYS {
        let (straight, theirs) = house.straight(way, "error-400", false).await;
        let (through, ours) = house.through(way, "error-400", false).await;
        assert_eq!((through, &ours), (straight, &theirs), "{}", way.path);
    }
    let named = "anthropic/error-429";
    let request = house.post(ANTHROPIC.path).header("content-type", "application/json");
    let answer = request.body(ANTHROPIC.body(named, false)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["retry-after"], "3");
    assert!(answer.headers().contains_key("x-request-id"));
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_wrong_with_a_request_is_told_in_its_dialect() {
    let house = House::open(&["text"], "").await;
    for way in WAYS {
        let (status, text) = house.through(way, "nobody", false).await;
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(status, 404, "{text}");
        let kind = match way.provider {
            "anthropic" => &error["error"]["type"],
            "gemini" => &error["error"]["status"],
            _ => &error["error"]["code"],
        };
        let expected = match way.provider {
            "anthropic" => "not_found_error",
            "gemini" => "NOT_FOUND",
            _ => "model_not_found",
        };
        assert_eq!(kind, expected, "{text}");
        let broken = ["{", "[]", "{\"stream\":1,\"model\":\"x\"", "nothing", "\u{1}"];
        for body in broken {
            let (status, text) = house.ask(&way.path("openai/text", false), body.to_owned()).await;
            assert_eq!(status, 400, "{body}: {text}");
            assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string(), "{text}");
        }
    }
    let deep = format!(r#"{{"model":"x","messages":{}"#, "[".repeat(10_000));
    let (status, text) = house.ask(CHAT.path, deep).await;
    assert_eq!(status, 400, "{text}");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_prompt_is_as_large_as_the_configuration_says_and_no_larger() {
    let house = House::open(&["text"], "gateway: {body_bytes: 600000}").await;
    let words =
        |bytes: usize| CHAT.body("text", false).replace("\"hi\"", &format!("\"{}\"", "x".repeat(bytes)));
    // What reads a body for a handler has a bound of its own, of 256 KiB.
    let (status, text) = house.ask(CHAT.path, words(400_000)).await;
    assert_eq!(status, 200, "{text}");
    let (status, text) = house.ask(CHAT.path, words(600_001)).await;
    assert_eq!(status, 413, "{text}");
    assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string(), "{text}");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_key_opens_these_doors_with_its_scope_and_for_its_models_alone() {
    let house = House::open(&["text"], "").await;
    let key = |scopes: &str| {
        let scopes = scopes.split(',').map(|scope| scope.parse().unwrap()).collect();
        let models = access::Models(vec!["openai".parse().unwrap()]);
        crate::http::views::KeyOrder { name: "k".to_owned(), scopes, models, ..Default::default() }
    };
    let gateway = house.stage.client.create_key(&key("gateway")).await.unwrap().key.0;
    let other = house.stage.client.create_key(&key("metrics")).await.unwrap().key.0;
    let ask = |way: &'static Way, key: &str| {
        let named = format!("{}/text", way.provider);
        let request = house.http.post(house.url(&way.path(&named, false)));
        let request = match way.provider {
            "anthropic" => request.header("x-api-key", key),
            "gemini" => request.header("x-goog-api-key", key),
            _ => request.bearer_auth(key),
        };
        answered(request, way.body(&named, false))
    };
    assert_eq!(ask(&CHAT, &gateway).await.0, 200);
    let (status, text) = ask(&ANTHROPIC, &gateway).await;
    assert_eq!(status, 403, "{text}");
    for way in WAYS {
        let (status, text) = ask(way, &other).await;
        assert_eq!(status, 403, "{text}");
        assert!(text.contains("gateway"), "{text}");
        let (status, text) = ask(way, "wrong").await;
        assert_eq!(status, 401, "{text}");
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string(), "{text}");
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_client_that_hangs_up_takes_its_call_along() {
    let house = House::open(&["hangs-mid-stream"], "").await;
    let named = "anthropic/hangs-mid-stream";
    let request = house.post(ANTHROPIC.path).header("content-type", "application/json");
    let mut answer = request.body(ANTHROPIC.body(named, true)).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    assert_eq!(house.standin.counts().in_flight, 1);
    drop(answer);
    let clock = clock::Clock::real();
    let gone = async {
        while house.standin.counts().aborted == 0 {
            clock.sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    clock.timeout(std::time::Duration::from_secs(20), gone).await.expect("the call ends with its client");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_call_that_drains_goes_on_without_its_client() {
    let model = "stream-20-paced-5";
    let house = House::open(&[model], "gateway: {on_hang_up: drain}").await;
    let named = format!("anthropic/{model}");
    let request = house.post(ANTHROPIC.path).header("content-type", "application/json");
    let mut answer = request.body(ANTHROPIC.body(&named, true)).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    drop(answer);
    let clock = clock::Clock::real();
    let over = async {
        while house.standin.counts().in_flight > 0 {
            clock.sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    clock.timeout(std::time::Duration::from_secs(20), over).await.expect("the call comes to its end");
    assert_eq!(house.standin.counts().aborted, 0);
    house.stage.close().await;
}

#[actix_rt::test]
async fn lists_the_models_in_the_dialect_of_whoever_asks() {
    let house =
        House::open(&["text"], "gateway: {aliases: {fast: openai/text, \"claude-*\": anthropic/text}}").await;
    let list = async |path: &str, header: (&'static str, &'static str)| -> Value {
        let answer = house.http.get(house.url(path)).header(header.0, header.1).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let openais = list("/v1/models", ("accept", "*/*")).await;
    assert_eq!(openais["object"], "list");
    let names: Vec<&str> =
        openais["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["fast", "text"], "{names:?}");
    assert!(names.contains(&"gemini/text") && !names.contains(&"claude-*"), "{names:?}");
    let anthropics = list("/v1/models", ("anthropic-version", "2023-06-01")).await;
    assert_eq!(anthropics["data"][0]["type"], "model");
    let geminis = list("/v1beta/models", ("accept", "*/*")).await;
    assert_eq!(geminis["models"][0]["name"], "models/fast");
    house.stage.close().await;
}

/// What a client of this dialect makes of an answer.
fn understood(way: &Way, is_streamed: bool, text: &str) -> chat::Answer {
    let dialect = dialect_of(way);
    let mut assembler = chat::Assembler::default();
    if !is_streamed {
        let events = match dialect {
            wire::Dialect::Anthropic => wire::anthropic::answer(text.as_bytes()),
            wire::Dialect::OpenAiChat => wire::openai_chat::answer(text.as_bytes()),
            wire::Dialect::OpenAiResponses => wire::openai_responses::answer(text.as_bytes()),
            wire::Dialect::Gemini => wire::gemini::answer(text.as_bytes()),
        };
        events
            .unwrap_or_else(|error| panic!("{error}: {text}"))
            .iter()
            .for_each(|event| assembler.push(event));
        return assembler.finish().unwrap();
    }
    let mut decoder: Box<dyn wire::Decode> = match dialect {
        wire::Dialect::Anthropic => Box::new(wire::anthropic::Decoder::default()),
        wire::Dialect::OpenAiChat => Box::new(wire::openai_chat::Decoder::default()),
        wire::Dialect::OpenAiResponses => Box::new(wire::openai_responses::Decoder::default()),
        wire::Dialect::Gemini => Box::new(wire::gemini::Decoder::default()),
    };
    let frames = wire::sse::Decoder::default().push(text.as_bytes()).unwrap();
    let events =
        frames.iter().flat_map(|frame| decoder.push(frame).unwrap_or_else(|error| panic!("{error}: {text}")));
    events.collect::<Vec<_>>().iter().for_each(|event| assembler.push(event));
    let last = decoder.finish().unwrap_or_else(|error| panic!("{error}: {text}"));
    last.iter().for_each(|event| assembler.push(event));
    assembler.finish().unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn dialect_of(way: &Way) -> wire::Dialect {
    match (way.provider, way.path) {
        ("anthropic", _) => wire::Dialect::Anthropic,
        ("gemini", _) => wire::Dialect::Gemini,
        (_, "/v1/responses") => wire::Dialect::OpenAiResponses,
        _ => wire::Dialect::OpenAiChat,
    }
}

/// Text, and the tools' names with their arguments.
fn told(answer: &chat::Answer) -> (String, Vec<(String, Value)>) {
    let calls = answer.tool_calls.iter();
    let calls = calls.map(|call| (call.name.clone(), serde_json::from_str(&call.arguments).unwrap()));
    (answer.text.clone(), calls.collect())
}

#[actix_rt::test]
async fn any_client_speaks_to_any_vendor() {
    let models = ["text", "tools", "thinking", "json", "split-3"];
    let house = House::open(&models, "").await;
    for vendor in [&ANTHROPIC, &CHAT, &GEMINI] {
        for model in models {
            let (_, straight) = house.straight(vendor, model, true).await;
            let expected = understood(vendor, true, &straight);
            for way in WAYS {
                for is_streamed in [false, true] {
                    let named = format!("{}/{model}", vendor.provider);
                    let (status, text) =
                        house.ask(&way.path(&named, is_streamed), way.body(&named, is_streamed)).await;
                    let place = format!("{} -> {named}, streamed: {is_streamed}: {text}", way.path);
                    assert_eq!(status, 200, "{place}");
                    let found = understood(way, is_streamed, &text);
                    assert_eq!(told(&found), told(&expected), "{place}");
                    assert_eq!(found.stop, expected.stop, "{place}");
                    assert_eq!(found.usage.output, expected.usage.output, "{place}");
                    let input =
                        |usage: &chat::Usage| usage.input.0 + usage.cached_input.0 + usage.cache_written.0;
                    assert_eq!(input(&found.usage), input(&expected.usage), "{place}");
                }
            }
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_stream_in_other_words_that_breaks_off_ends_in_the_clients_dialect() {
    let house = House::open(&["dies", "error-mid-stream"], "").await;
    for vendor in [&ANTHROPIC, &CHAT, &GEMINI] {
        for model in ["dies", "error-mid-stream"] {
            for (way, sign, end) in [
                (&ANTHROPIC, "event: error\ndata: {\"type\":\"error\"", "message_stop"),
                (&CHAT, "\"error\":{", "[DONE]"),
                (&RESPONSES, "response.failed", "response.completed"),
                (&GEMINI, "\"error\"", "\"finishReason\":\"STOP\""),
            ] {
                if dialect_of(way) == dialect_of(vendor) {
                    continue;
                }
                let named = format!("{}/{model}", vendor.provider);
                // Responses reach OpenAI as they came.
                if way.provider == vendor.provider {
                    continue;
                }
                let (status, text) = house.ask(&way.path(&named, true), way.body(&named, true)).await;
                assert_eq!(status, 200, "{} -> {named}: {text}", way.path);
                assert!(text.contains(sign), "{} -> {named}: {text}", way.path);
                assert!(!text.contains(end), "{} -> {named}: {text}", way.path);
            }
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_could_not_be_said_is_named_in_a_header() {
    let house = House::open(&["text"], "").await;
    let body = r#"{"model":"gemini/text","logit_bias":{"1":2},"messages":[{"role":"user","content":"hi"}]}"#;
    let request = house.post(CHAT.path).header("content-type", "application/json").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-impresario-deployment"], "gemini/text");
    assert_eq!(answer.headers()["x-impresario-unsaid"], "logit_bias");
    house.stage.close().await;
}

/// The tokens that are told, and whether they were counted or estimated.
async fn counted(house: &House, path: &str, body: &str) -> (Value, bool) {
    let request = house.post(path).header("content-type", "application/json").body(body.to_owned());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}: {body}");
    let is_estimated = answer.headers().contains_key("x-impresario-estimated");
    (serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(), is_estimated)
}

#[actix_rt::test]
async fn tokens_are_counted_by_a_provider_of_the_dialect_and_estimated_where_there_is_none() {
    let mut house = House::open(&["text"], "routing: {max_retries: 0}").await;
    let messages = |model: &str| {
        format!(
            r#"{{"model":"{model}","messages":[{{"role":"user","content":"How many are these?"}}],"tools":[{{"name":"t","input_schema":{{"type":"object"}}}}]}}"#
        )
    };
    let (told, is_estimated) =
        counted(&house, "/v1/messages/count_tokens", &messages("anthropic/text")).await;
    assert_eq!((&told["input_tokens"], is_estimated), (&json!(12), false));
    let before = house.standin.counts();
    for model in ["openai/text", "gemini/text"] {
        let (told, is_estimated) = counted(&house, "/v1/messages/count_tokens", &messages(model)).await;
        assert!(is_estimated && told["input_tokens"].as_u64().unwrap() > 300, "{told}");
    }
    let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"How many are these?"}]}]}"#;
    let path = |model: &str| format!("/v1beta/models/{model}:countTokens");
    let (told, is_estimated) = counted(&house, &path("anthropic/text"), gemini).await;
    assert!(is_estimated && told["totalTokens"].as_u64().unwrap() > 5, "{told}");
    assert_eq!(house.standin.counts(), before, "nobody is asked");
    // Whoever could count is not to be had: that is no reason for a client to stop.
    drop(std::mem::replace(&mut house.standin, Standin::start().await.unwrap()));
    let (_, is_estimated) = counted(&house, "/v1/messages/count_tokens", &messages("anthropic/text")).await;
    assert!(is_estimated);
    let (status, text) =
        house.ask("/v1/messages/count_tokens", r#"{"model":"openai/text","messages":7}"#.to_owned()).await;
    assert_eq!(status, 400, "{text}");
    house.stage.close().await;
}
