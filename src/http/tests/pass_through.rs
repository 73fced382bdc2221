//! A client that brings its own credential: where it goes, where it never goes, and who pays.

use serde_json::json;
use standin::{KEY, Received, Standin};
use units::Nanodollars;

use super::dialects::{ANTHROPIC, CHAT, House, WAYS, Way};

/// What the stand-in refuses, whoever brings it.
const OWN: &str = "sk-ant-oat01-of-the-client";

/// Vendors that let credentials through, a second one of Anthropic's dialect that does not, and all asked for one name.
async fn house() -> House {
    let standin = Standin::start().await.unwrap();
    let url = standin.url();
    let models: Vec<_> =
        ["text", "error-500", "error-429", "redirect"].iter().map(|name| json!({ "name": name })).collect();
    let provider = |kind: &str, path: &str, pass_through: bool| json!({"kind": kind, "base_url": format!("{url}{path}"), "api_key": {"file": "vendor.key"}, "pass_through": pass_through, "models": models});
    let providers = json!({
        "demo": {"kind": "scripted", "script": "rules.yaml"},
        "anthropic": provider("anthropic", "", true),
        "openai": provider("openai", "/v1", true),
        "gemini": provider("gemini", "", true),
        "closed": provider("anthropic", "", false),
        "ollama": null, "vllm": null, "llama_cpp": null,
    });
    let aliases = json!({
        "open-first": ["anthropic/text", "closed/text", "openai/text"],
        "open-first-full": ["anthropic/error-429", "closed/text"],
        "open-first-broken": ["anthropic/error-500", "closed/text", "openai/text"],
        "closed-first": ["closed/error-500", "anthropic/text"],
    });
    let more = json!({"aliases": aliases});
    let captured = "telemetry: {capture: {routes: [/v1/messages]}}";
    let text = format!("providers: {providers}\ngateway: {more}\nrouting: {{max_retries: 0}}\n{captured}\n");
    House::beside(standin, &text).await
}

impl House {
    /// Asks with these headers; Impresario's key stands in its own.
    async fn ask_with(&self, way: &Way, model: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request =
            self.http.post(self.url(&way.path(model, false))).header("x-impresario-key", &self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/json").body(way.body(model, false));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn bears(sent: &Received, text: &str) -> bool {
    sent.target.contains(text)
        || sent.headers.iter().any(|(_, value)| value.contains(text))
        || String::from_utf8_lossy(&sent.body).contains(text)
}

#[actix_rt::test]
async fn a_client_pays_with_its_own_credential_where_the_operator_lets_it() {
    let house = house().await;
    let bearer = format!("Bearer {KEY}");
    let own = [("authorization", bearer.as_str()), ("anthropic-beta", "oauth-2025-04-20")];
    let (status, text) = house.ask_with(&ANTHROPIC, "anthropic/text", &own).await;
    assert_eq!(status, 200, "{text}");
    let sent = house.standin.last().unwrap();
    assert_eq!(sent.header("authorization"), Some(bearer.as_str()));
    assert_eq!(sent.header("anthropic-beta"), Some("oauth-2025-04-20"));
    assert_eq!(
        (sent.header("x-api-key"), sent.header("x-impresario-key")),
        (None, None),
        "never the operator's too"
    );

    let own = [("authorization", bearer.as_str()), ("openai-organization", "org-1")];
    assert_eq!(house.ask_with(&CHAT, "openai/text", &own).await.0, 200);
    assert_eq!(house.standin.last().unwrap().header("openai-organization"), Some("org-1"));
    // Nothing of the client's: the operator pays.
    assert_eq!(house.ask_with(&ANTHROPIC, "anthropic/text", &[]).await.0, 200);
    assert_eq!(house.standin.last().unwrap().header("x-api-key"), Some(KEY));

    let used = house.used("", 3).await;
    let pays: Vec<bool> = used.iter().map(|found| found.row.client.as_ref().unwrap().pays).collect();
    assert_eq!(pays, [false, true, true], "the last first");
    assert!(used.iter().all(|found| found.row.usage.output.0 > 0));
    assert_eq!([used[1].row.cost, used[2].row.cost], [Some(Nanodollars::ZERO); 2]);
    house.stage.close().await;
}

#[actix_rt::test]
async fn at_the_socket_nobody_has_to_say_who_asks() {
    let house = house().await;
    let body = ANTHROPIC.body("anthropic/text", false);
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         x-api-key: {OWN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let socket = &house.stage.server.addresses().socket;
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (status, _, text) = super::stage::exchange(stream, &head).await;
    assert_eq!(status, 401, "{text}");
    assert_eq!(house.standin.last().unwrap().header("x-api-key"), Some(OWN));
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_refused_credential_is_the_clients_failure_and_nobody_else_pays() {
    let house = house().await;
    for (asked, (model, expected)) in
        [("open-first", 401), ("open-first-full", 401), ("open-first-broken", 401)].into_iter().enumerate()
    {
        let (status, text) = house.ask_with(&ANTHROPIC, model, &[("x-api-key", OWN)]).await;
        assert_eq!(status, expected, "{text}");
        assert!(
            text.contains("authentication_error") && !text.contains(OWN),
            "the vendor's own words: {text}"
        );
        assert_eq!(house.standin.counts().requests, asked as u64 + 1, "nobody else was asked");
        assert!(bears(&house.standin.last().unwrap(), OWN));
    }
    // Captures are written behind the answers.
    let captures = loop {
        let captures = house.stage.client.captures(10).await.unwrap();
        if captures.len() == 3 {
            break captures;
        }
    };
    for summary in captures {
        let capture = house.stage.client.capture(&summary.id).await.unwrap();
        let shown = serde_json::to_string(&capture).unwrap();
        assert!(shown.contains("authentication_error") && !shown.contains(OWN), "{shown}");
        assert!(!shown.contains(&house.key), "{shown}");
    }
    let (_, metrics) = house.stage.get("/metrics").await;
    let calls = metrics.lines().filter(|line| line.starts_with("impresario_model_calls_total{"));
    let calls: Vec<_> = calls.filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    let is_the_clients =
        |line: &&str| line.contains(r#"end="failed",fault="caller""#) && line.ends_with(" 1");
    assert!(calls.iter().all(is_the_clients), "{calls:?}");
    // The operator's key is as good as it was.
    assert_eq!(house.ask_with(&ANTHROPIC, "anthropic/text", &[]).await.0, 200);
    assert!(house.used("", 1).await.iter().all(|found| !found.row.client.as_ref().unwrap().pays));
    house.stage.close().await;
}

#[actix_rt::test]
async fn no_failure_of_a_call_that_the_client_pays_makes_the_operator_pay() {
    let house = house().await;
    for (model, expected) in [("open-first-full", 429), ("open-first-broken", 500)] {
        let before = house.standin.counts().requests;
        let (status, text) = house.ask_with(&ANTHROPIC, model, &[("x-api-key", KEY)]).await;
        assert_eq!(status, expected, "{text}");
        assert_eq!(house.standin.counts().requests, before + 1, "{model}");
        // The operator's own calls go on with the next one.
        assert_eq!(house.ask_with(&ANTHROPIC, model, &[]).await.0, 200, "{model}");
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_credential_reaches_no_provider_of_another_dialect_none_without_the_flag_and_follows_no_redirect() {
    let house = house().await;
    // All headers that any dialect has, with all that a client could say.
    let own = [
        ("authorization", &*format!("Bearer {OWN}")),
        ("x-api-key", OWN),
        ("x-goog-api-key", OWN),
        ("openai-organization", OWN),
        ("chatgpt-account-id", OWN),
    ];
    for way in WAYS {
        for provider in ["anthropic", "openai", "gemini", "closed"] {
            let is_its_own = way.provider == provider;
            let (status, text) = house.ask_with(way, &format!("{provider}/text"), &own).await;
            let place = format!("{} -> {provider}: {text}", way.path);
            assert_eq!(status, if is_its_own { 401 } else { 200 }, "{place}");
            assert_eq!(bears(&house.standin.last().unwrap(), OWN), is_its_own, "{place}");
            assert_eq!(bears(&house.standin.last().unwrap(), KEY), !is_its_own, "{place}");
            assert!(!text.contains(OWN) && !text.contains(KEY), "{place}");
        }
    }
    // The first of several says who pays: here it is the operator, also where one comes later that would let it through.
    assert_eq!(house.ask_with(&ANTHROPIC, "closed-first", &own).await.0, 200);
    assert!(!bears(&house.standin.last().unwrap(), OWN));

    let (status, _) = house.ask_with(&ANTHROPIC, "anthropic/redirect", &[("x-api-key", KEY)]).await;
    assert_eq!((status, house.standin.counts().redirected), (502, 0));
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_no_credential_goes_nowhere() {
    let house = house().await;
    let key = house.key.clone();
    for own in [key.as_str(), "imp_of-somebody-else", "dummy", "", &"x".repeat(8_193)] {
        let (status, text) = house.ask_with(&ANTHROPIC, "anthropic/text", &[("x-api-key", own)]).await;
        assert_eq!(status, 200, "{text}");
        let sent = house.standin.last().unwrap();
        assert_eq!(sent.header("x-api-key"), Some(KEY), "the operator's");
        assert!(!bears(&sent, &key));
    }
    // Without a header of its own, a vendor's header holds our key or nothing.
    let request = house.http.post(house.url("/v1/messages")).header("x-api-key", OWN);
    let answer = request.body(ANTHROPIC.body("anthropic/text", false)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let request =
        house.post("/v1/messages").header("x-impresario-key", "imp_no-key").header("x-api-key", OWN);
    let answer = request.body(ANTHROPIC.body("anthropic/text", false)).send().await.unwrap();
    assert_eq!(answer.status(), 401, "who asks is said in one place");
    assert!(!bears(&house.standin.last().unwrap(), OWN));
    house.stage.close().await;
}
