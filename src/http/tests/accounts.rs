//! What vendors keep for the operator's account: open where the operator says so, and nowhere else.

use serde_json::{Value, json};
use standin::Standin;

use super::dialects::House;

const FORM: &str = "multipart/form-data; boundary=xYz";

/// Two providers of OpenAI's dialect, of which one is open, and one of each other that is open.
async fn house() -> House {
    let standin = Standin::start().await.unwrap();
    let url = standin.url();
    let provider = |kind: &str, path: &str, is_open: bool| json!({"kind": kind, "base_url": format!("{url}{path}"), "api_key": {"file": "vendor.key"}, "account_routes": is_open, "models": [{"name": "text"}]});
    let providers = json!({
        "demo": {"kind": "scripted", "script": "rules.yaml"},
        "closed": provider("openai", "/v1", false),
        "openai": provider("openai", "/v1", true),
        "anthropic": provider("anthropic", "", true),
        "gemini": provider("gemini", "", true),
        "ollama": null, "vllm": null, "llama_cpp": null,
    });
    let mut house = House::configured(&format!("providers: {providers}\n")).await;
    house.standin = standin;
    house
}

async fn asked(house: &House, key: &str, line: &str, header: (&'static str, &str)) -> (u16, Value, String) {
    let (method, path) = line.split_once(' ').unwrap();
    let request = house.http.request(method.parse().unwrap(), house.url(path)).bearer_auth(key);
    let request = match method {
        "POST" => request.header("content-type", "application/json").body("{\"zeta\":1, \"a\":2}"),
        _ => request,
    };
    let answer = request.header(header.0, header.1).send().await.unwrap();
    let status = answer.status().as_u16();
    let deployment = answer.headers().get("x-impresario-deployment");
    let by = deployment.map(|by| by.to_str().unwrap().to_owned()).unwrap_or_default();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null), by)
}

#[actix_rt::test]
async fn what_is_kept_is_asked_of_the_provider_that_opens_it_at_the_same_place() {
    let house = house().await;
    let (openai, anthropic) = (("accept", "*/*"), ("anthropic-version", "2023-06-01"));
    for (line, header, vendor, by) in [
        ("GET /v1/files?purpose=batch&limit=2", openai, "OpenAi", "openai/text"),
        ("GET /v1/files?limit=2", anthropic, "Anthropic", "anthropic/text"),
        ("DELETE /v1/files/file-abc_1", openai, "OpenAi", "openai/text"),
        ("GET /v1/files/file-abc/content", anthropic, "Anthropic", "anthropic/text"),
        ("POST /v1/batches", openai, "OpenAi", "openai/text"),
        ("POST /v1/batches/b-1/cancel", openai, "OpenAi", "openai/text"),
        ("GET /v1/messages/batches", openai, "Anthropic", "anthropic/text"),
        ("POST /v1/messages/batches", openai, "Anthropic", "anthropic/text"),
        ("DELETE /v1/messages/batches/b_1", anthropic, "Anthropic", "anthropic/text"),
        ("GET /v1beta/files?pageToken=x", openai, "Gemini", "gemini/text"),
        ("POST /v1beta/cachedContents", openai, "Gemini", "gemini/text"),
        ("DELETE /v1beta/cachedContents/c1", openai, "Gemini", "gemini/text"),
    ] {
        let (status, told, found) = asked(&house, &house.key, line, header).await;
        assert_eq!((status, &told["kept_by"], found.as_str()), (200, &json!(vendor), by), "{line}: {told}");
        let last = house.standin.last().unwrap();
        assert_eq!(last.target, line.split_once(' ').unwrap().1);
        let body: &[u8] = if line.starts_with("POST") { b"{\"zeta\":1, \"a\":2}" } else { b"" };
        assert_eq!(last.body, body, "{line}");
    }
    // What a form says of a model there is its vendor's affair.
    let form = "--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nb\r\n--xYz--\r\n";
    let answer = house.post("/v1/files").header("content-type", FORM).body(form).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(house.standin.last().unwrap().body, form.as_bytes());
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_nobody_opened_and_what_a_keys_models_leave_out_is_not_there() {
    let house = house().await;
    let named = |name: &'static str| ("x-impresario-provider", name);
    for name in ["closed", "anthropic", "nobody"] {
        let (status, told, _) = asked(&house, &house.key, "GET /v1/files", named(name)).await;
        assert_eq!((status, &told["error"]["code"]), (404, &json!("not_offered")), "{name}: {told}");
    }
    assert_eq!(asked(&house, &house.key, "GET /v1/files", named("openai")).await.0, 200);
    let before = house.standin.counts();
    for (rule, status) in [("openai/text", 404), ("anthropic", 404), ("openai", 200)] {
        let order = crate::http::views::KeyOrder {
            name: rule.to_owned(),
            scopes: ["gateway"].into_iter().map(|scope| scope.parse().unwrap()).collect(),
            models: access::Models(vec![rule.parse().unwrap()]),
            ..Default::default()
        };
        let key = house.stage.client.create_key(&order).await.unwrap().key.0;
        assert_eq!(asked(&house, &key, "GET /v1/files", ("accept", "*/*")).await.0, status, "{rule}");
    }
    assert_eq!(house.standin.counts().requests, before.requests + 1);
    for line in [
        "GET /v1/conversations",
        "GET /v1/files/..%2Fmodels",
        "GET /v1/files/%2e%2e",
        "GET /v1/files/a/b/content",
        "POST /v1/responses/resp_1/cancel",
        "GET /v1/organization/usage",
    ] {
        assert_eq!(asked(&house, &house.key, line, ("accept", "*/*")).await.0, 404, "{line}");
    }
    assert_eq!(house.standin.counts().requests, before.requests + 1, "nobody else is asked");
    house.stage.close().await;
}

#[actix_rt::test]
async fn nothing_is_open_as_it_comes() {
    let house = House::open(&["text"], "").await;
    for line in ["GET /v1/files", "POST /v1/batches", "GET /v1/messages/batches", "GET /v1beta/files"] {
        let (status, told, _) = asked(&house, &house.key, line, ("accept", "*/*")).await;
        assert_eq!(status, 404, "{line}: {told}");
    }
    assert!(house.standin.last().is_none(), "nobody is asked");
    house.stage.close().await;
}
