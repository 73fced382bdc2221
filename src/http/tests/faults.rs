//! Bad input, and providers that break every rule: what a client is told in its own dialect, and that nothing is left behind.

use actix_web::web::Bytes;
use futures_util::StreamExt;
use serde_json::Value;
use standin::KEY;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::dialects::{ANTHROPIC, CHAT, House, WAYS, Way};
use super::metrics::series;
use crate::http::views::Control;

const WITHIN: std::time::Duration = std::time::Duration::from_secs(120);
/// Fewer than the connections that one client may have.
const AT_ONCE: usize = 24;
const HOLDS: &str = "it happens as soon as it can";

struct Answer {
    status: u16,
    head: String,
    text: String,
}

async fn sent(request: reqwest::RequestBuilder, body: impl Into<reqwest::Body>) -> Answer {
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    let (status, head) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
    let text = String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap();
    Answer { status, head, text }
}

/// Whether a body is an error as clients of this dialect read it.
fn is_refusal(way: &Way, status: u16, text: &str) -> bool {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return false };
    let error = &body["error"];
    let is_kind = match way.provider {
        "anthropic" => body["type"] == "error" && error["type"].is_string(),
        "gemini" => error["code"] == status && error["status"].is_string(),
        _ => error["type"].is_string() && error.get("code").is_some() && error.get("param").is_some(),
    };
    is_kind && error["message"].as_str().is_some_and(|message| !message.is_empty())
}

/// Whether a stream ends with an error of this dialect.
fn is_broken(way: &Way, text: &str) -> bool {
    let last = text.rsplit("data: ").next().unwrap_or_default();
    let bare = text.rsplit("\n").find(|line| !line.trim().is_empty()).unwrap_or_default();
    [last, bare].into_iter().any(|end| {
        let Ok(body) = serde_json::from_str::<Value>(end.trim()) else { return false };
        body["type"] == "error"
            || body["type"] == "response.failed"
            || (way.provider != "anthropic" && body["error"]["message"].is_string())
    })
}

/// Whether a stream has the end that its dialect gives to a whole answer.
fn has_end(way: &Way, text: &str) -> bool {
    let ends: &[&str] = match (way.provider, way.path) {
        ("anthropic", _) => &["event: message_stop"],
        ("gemini", _) => &["\"finishReason\""],
        (_, "/v1/responses") => &["event: response.completed", "event: response.incomplete"],
        _ => &["data: [DONE]"],
    };
    ends.iter().any(|end| text.contains(end))
}

impl House {
    /// Waits until nobody is asked any more, and nothing is held for whoever was.
    async fn is_quiet(&self) {
        let clock = clock::Clock::real();
        let routes = self.stage.server.doors().routes.load_full();
        let quiet = async {
            while self.standin.counts().in_flight > 0
                || routes.deployments().any(|deployment| deployment.load.in_flight() > 0)
            {
                clock.sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        clock.timeout(WITHIN, quiet).await.expect(HOLDS);
    }

    async fn never_breaks(&self, models: &[&str]) {
        for provider in ["anthropic", "openai", "gemini"] {
            for model in models {
                let id = format!("{provider}/{model}").parse().unwrap();
                self.stage.client.set_breaker(&id, Control::Disabled).await.unwrap();
            }
        }
    }
}

#[actix_rt::test]
async fn bad_input_is_refused_in_the_dialect_of_whoever_sent_it() {
    let house = House::open(&["text"], "gateway: {body_bytes: 65536}").await;
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for way in WAYS {
        let named = format!("{}/text", way.provider);
        let good = way.body(&named, false);
        let turns = match way.provider {
            "gemini" => "contents",
            _ if way.path == "/v1/responses" => "input",
            _ => "messages",
        };
        let within = |json: &str| format!("{{\"model\":\"{named}\",\"{turns}\":{json}}}").into_bytes();
        let mut bad: Vec<(&str, Vec<u8>)> = vec![
            ("no JSON", b"{\"model\":".to_vec()),
            ("nothing", Vec::new()),
            ("more than JSON", format!("{good} x").into_bytes()),
            ("a number for a list", within("7")),
            ("nested", within(&deep)),
            ("nested and never closed", within(&"[{\"a\":".repeat(10_000))),
            ("said twice", format!("{{\"{turns}\":[],{}", &good.trim()[1..]).into_bytes()),
            ("no UTF-8", [&within("[]")[..10], b"\xff\xfe", &within("[]")[10..]].concat()),
            ("half a character", [good.trim_end_matches('}').as_bytes(), b",\"x\":\"\xc3\"}"].concat()),
        ];
        if way.provider != "gemini" {
            bad.push(("a number for a name", br#"{"model":5}"#.to_vec()));
            bad.push((
                "a word for a flag",
                format!("{{\"stream\":\"yes\",\"model\":\"{named}\"}}").into_bytes(),
            ));
            bad.push(("no name", br#"{"model":""}"#.to_vec()));
        }
        for (name, body) in bad {
            let Answer { status, text, .. } = sent(house.post(&way.path(&named, false)), body).await;
            assert_eq!(status, 400, "{} {name}: {text}", way.path);
            assert!(is_refusal(way, status, &text), "{} {name}: {text}", way.path);
        }
        let large = format!("{}{}", " ".repeat(65_536), good);
        let Answer { status, text, .. } = sent(house.post(&way.path(&named, false)), large).await;
        assert_eq!(status, 413, "{text}");
        assert!(is_refusal(way, status, &text), "{text}");
    }
    assert_eq!(house.standin.counts().requests, 0, "nobody was asked");
    house.is_quiet().await;
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_body_that_never_comes_is_not_waited_for_and_half_a_socket_gets_its_answer() {
    let house = House::open(&["text"], "server: {limits: {body_s: 1}}").await;
    let address = house.stage.server.addresses().tcp;
    for way in WAYS {
        let named = format!("{}/text", way.provider);
        let (path, body) = (way.path(&named, false), way.body(&named, false));
        let head = |length: usize| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n",
                house.key
            )
        };
        let slow = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("{}{{", head(body.len())).as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 408"), "{answer}");
            assert!(is_refusal(way, 408, body), "{answer}");
        };
        clock::Clock::real().timeout(WITHIN, slow).await.expect(HOLDS);
        let half = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            // Whether it is answered or left, the connection ends.
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("{}{{", head(body.len())).as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        clock::Clock::real().timeout(WITHIN, half).await.expect(HOLDS);
    }
    house.is_quiet().await;
    house.stage.close().await;
}

#[actix_rt::test]
async fn whatever_a_provider_does_its_client_is_told_in_its_own_words_and_nothing_is_left_behind() {
    let models = [
        "hangs",
        "hangs-mid-stream",
        "dribbles",
        "dies",
        "dies-hard",
        "dies-first",
        "cut",
        "html",
        "lies-about-length",
        "redirect",
        "error-in-200",
        "error-mid-stream",
        "error-500",
    ];
    let more =
        "upstream: {first_byte_s: 1, between_bytes_s: 1}\nrouting: {max_retries: 0}\ngateway: {within_s: 20}";
    let house = House::open(&models, more).await;
    house.never_breaks(&models).await;
    let mut calls = Vec::new();
    for way in WAYS {
        for vendor in ["anthropic", "openai", "gemini"] {
            for model in models {
                for is_streamed in [false, true] {
                    let named = format!("{vendor}/{model}");
                    let request = house.post(&way.path(&named, is_streamed));
                    let body = way.body(&named, is_streamed);
                    calls.push(async move { (way, named, is_streamed, sent(request, body).await) });
                }
            }
        }
    }
    // Side by side, because several of them wait for a provider that never says anything.
    let mut answers = futures_util::stream::iter(calls).buffer_unordered(AT_ONCE);
    while let Some((way, named, is_streamed, Answer { status, head, text })) = answers.next().await {
        let place = format!("{} -> {named}, streamed: {is_streamed}, {status}: {text}", way.path);
        for said in [&head, &text] {
            assert!(!said.contains(KEY), "{place}");
        }
        let is = |model: &str| named.ends_with(&format!("/{model}"));
        let is_told = match status {
            200 if is_streamed => {
                // Whole or broken, and never both. Who only lied about the length has said all there was.
                let (is_whole, is_broken) = (has_end(way, &text), is_broken(way, &text));
                is_whole != is_broken && (is("lies-about-length") || is_whole == is("dribbles"))
            }
            // What breaks a stream off leaves an answer that comes whole as it is.
            200 => serde_json::from_str::<Value>(&text)
                .is_ok_and(|body| body.get("error").is_none_or(Value::is_null)),
            _ => is_refusal(way, status, &text),
        };
        assert!(is_told, "{place}");
        let is_shut = ["hangs", "dies-first", "html", "redirect", "error-in-200", "error-500"];
        if is_shut.into_iter().any(is) {
            assert!((500..600).contains(&status), "{place}");
        }
    }
    assert_eq!(house.standin.counts().redirected, 0, "nobody goes where a provider points");
    drop(answers);
    house.is_quiet().await;
    house.stage.close().await;
}

/// Answers each connection with these bytes, once its question has come.
async fn raw(answer: &'static [u8]) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = actix_rt::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = Vec::new();
            while !question.windows(4).any(|end| end == b"\r\n\r\n") {
                if stream.read_buf(&mut question).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let _ = stream.write_all(answer).await;
        }
    });
    (address, serving)
}

#[actix_rt::test]
async fn an_answer_that_is_longer_than_it_says_or_no_http_at_all_is_a_providers_fault() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"id\":\"msg\",\"type\":\"message\"}"[..],
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ] {
        let (address, serving) = raw(answer).await;
        let provider = format!(
            "providers: {{ollama: null, vllm: null, llama_cpp: null, demo: {{kind: scripted, script: rules.yaml}}, \
             anthropic: {{kind: anthropic, base_url: \"http://{address}\", models: [{{name: x}}], api_key: {{file: vendor.key}}}}}}\n\
             routing: {{max_retries: 0}}\n"
        );
        let house = House::configured(&provider).await;
        for is_streamed in [false, true] {
            let body = ANTHROPIC.body("anthropic/x", is_streamed);
            let Answer { status, text, .. } = sent(house.post(ANTHROPIC.path), body).await;
            assert!((500..600).contains(&status), "{status}: {text}");
            assert!(is_refusal(&ANTHROPIC, status, &text), "{text}");
        }
        house.is_quiet().await;
        house.stage.close().await;
        serving.abort();
    }
}

#[actix_rt::test]
async fn no_client_chooses_where_the_server_goes() {
    let house = House::open(&["text", "redirect"], "routing: {max_retries: 0}").await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let address = house.stage.server.addresses().tcp;
    for model in [
        format!("http://{target}/v1"),
        format!("anthropic/http://{target}"),
        format!("//{target}/x"),
        format!("anthropic@{target}/text"),
        "anthropic/../../_standin/redirected".to_owned(),
        "anthropic/text?x=y".to_owned(),
        "anthropic/text#x".to_owned(),
        "text\r\nHost: evil".to_owned(),
    ] {
        for way in WAYS {
            let escaped = Value::from(model.as_str()).to_string();
            let body = way.body(&escaped[1..escaped.len() - 1], false);
            let encoded: String = model.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let Answer { status, text, .. } = sent(house.post(&way.path(&encoded, false)), body).await;
            assert!((400..500).contains(&status), "{model:?}: {status} {text}");
        }
    }
    for header in ["x-forwarded-host", "forwarded", "x-original-url", "x-base-url", "x-upstream-url", "via"] {
        let request = house.post(ANTHROPIC.path).header(header, format!("http://{target}"));
        let answer = sent(request, ANTHROPIC.body("anthropic/text", false)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let before = house.standin.counts().requests;
    for line in [format!("POST http://{target}/v1/messages"), format!("CONNECT {target}")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = ANTHROPIC.body("anthropic/text", false);
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {target}\r\nx-api-key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            house.key,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert_eq!(house.standin.counts().requests, before);
    let answer = sent(house.post(ANTHROPIC.path), ANTHROPIC.body("anthropic/redirect", false)).await;
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert_eq!(house.standin.counts().redirected, 0);
    let accepted = futures_util::poll!(Box::pin(elsewhere.accept()));
    assert!(accepted.is_pending(), "somebody went where a client pointed");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_scanner_adds_no_series() {
    let house = House::open(&["text"], "").await;
    let scan = async |round: usize| {
        let method = reqwest::Method::from_bytes(format!("SCAN{round}").as_bytes()).unwrap();
        for (method, path, body) in [
            (reqwest::Method::GET, format!("/wp-admin/{round}.php?x={round}"), String::new()),
            (method, format!("/v1/messages/{round}"), String::new()),
            (reqwest::Method::POST, format!("/v1beta/models/m{round}:generateContent"), "{}".to_owned()),
            (reqwest::Method::POST, format!("/v1beta/models/text:do{round}"), "{}".to_owned()),
            (reqwest::Method::POST, CHAT.path.to_owned(), CHAT.body(&format!("nobody{round}"), false)),
            (
                reqwest::Method::POST,
                ANTHROPIC.path.to_owned(),
                ANTHROPIC.body(&format!("p{round}/text"), true),
            ),
            (reqwest::Method::GET, format!("/v1/workflows/{round}"), String::new()),
        ] {
            let request = house.http.request(method, house.url(&path)).bearer_auth(&house.key);
            let request = request.header("user-agent", format!("scanner/{round}"));
            sent(request.header("x-request-id", format!("scan-{round}")), Bytes::from(body)).await;
        }
        let host = house.http.get(house.url("/livez")).header("host", format!("h{round}.example"));
        sent(host, "").await;
        let stranger = house.http.post(house.url(CHAT.path)).bearer_auth(format!("sk-{round}"));
        sent(stranger, CHAT.body("openai/text", false)).await;
    };
    scan(0).await;
    let before = series(&house.stage.get("/metrics").await.1);
    for round in 1..250 {
        scan(round).await;
    }
    let after = series(&house.stage.get("/metrics").await.1);
    let new: Vec<&String> = after.difference(&before).collect();
    // What the tree does meanwhile is its own; a client's words are in none of it.
    assert!(new.len() < 20, "{new:?}");
    let has_words =
        |name: &&String| ["scan", "wp-admin", "nobody", "example"].iter().any(|word| name.contains(word));
    assert_eq!(after.iter().find(has_words), None);
    house.stage.close().await;
}

#[actix_rt::test]
async fn large_prompts_and_counts_without_end_stop_no_health_check_pain_2() {
    let house = House::open(&["text", "hangs"], "").await;
    let words = "word ".repeat(200_000);
    let large = |model: &str| {
        format!(
            "{{\"model\":\"anthropic/{model}\",\"max_tokens\":9,\"messages\":[{{\"role\":\"user\",\"content\":\"{words}\"}}]}}"
        )
    };
    let hanging =
        futures_util::future::join_all((0..8).map(|_| sent(house.post(ANTHROPIC.path), large("hangs"))));
    let counting = async {
        for _ in 0..16 {
            let counted = sent(house.post("/v1/messages/count_tokens"), large("text")).await;
            assert_eq!(counted.status, 200, "{}", counted.text);
            let lives = house.http.get(house.url("/livez")).send().await.unwrap();
            assert_eq!(lives.status().as_u16(), 200);
        }
    };
    // Those whose provider hangs are still waited for when all else has been answered.
    tokio::select! {
        answers = hanging => panic!("a provider that hangs has answered: {}", answers[0].text),
        () = counting => {}
    }
    house.is_quiet().await;
    house.stage.close().await;
}

#[actix_rt::test]
async fn calls_at_once_wait_for_their_providers_and_not_for_each_other_pain_3() {
    let house = House::open(&["hangs-mid-stream"], "").await;
    let mut open = Vec::new();
    for (place, way) in WAYS.iter().cycle().take(AT_ONCE).enumerate() {
        let named = format!("{}/hangs-mid-stream", way.provider);
        let request = house.post(&way.path(&named, true)).header("content-type", "application/json");
        let mut answer = request.body(way.body(&named, true)).send().await.unwrap();
        assert!(answer.chunk().await.unwrap().is_some(), "{} of {AT_ONCE}", place + 1);
        open.push(answer);
    }
    assert_eq!(house.standin.counts().in_flight, AT_ONCE as u64);
    drop(open);
    house.is_quiet().await;
    house.stage.close().await;
}
