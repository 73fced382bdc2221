//! A vendor's other routes: what goes through as it is, in pieces, and what is refused.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::dialects::House;

const ALIASES: &str = "gateway: {upload_bytes: 2097152, aliases: {painter: openai/text}}";
const FORM: &str = "multipart/form-data; boundary=xYz";

fn form(parts: &[(&str, &str)]) -> String {
    let part = |(head, body): &(&str, &str)| {
        format!("--xYz\r\nContent-Disposition: form-data; name={head}\r\n\r\n{body}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--xYz--\r\n"
}

async fn sent(house: &House, path: &str, kind: &str, body: String) -> (u16, Value) {
    let answer = house.post(path).header("content-type", kind).body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

async fn scraped(house: &House, sample: &str) -> String {
    loop {
        let text = house.stage.get("/metrics").await.1;
        if text.lines().any(|line| line == sample) {
            return text;
        }
    }
}

/// With a provider of OpenAI's dialect that a test plays itself.
async fn played(listener: &TcpListener) -> House {
    House::configured(&format!(
        r#"providers: {{demo: {{kind: scripted, script: rules.yaml}}, ollama: null, vllm: null, llama_cpp: null,
  openai: {{kind: openai, base_url: "http://{}/v1", api_key: {{file: vendor.key}}, models: [{{name: text}}]}}}}
routing: {{max_retries: 0}}
"#,
        listener.local_addr().unwrap()
    ))
    .await
}

/// Reads until this has come.
async fn until(socket: &mut TcpStream, seen: &mut String, word: &str) {
    while !seen.contains(word) {
        let mut bytes = [0; 4_096];
        let read = socket.read(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "no {word} in {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

#[actix_rt::test]
async fn a_request_goes_through_as_it_is_but_for_the_models_name_and_keys_in_its_query() {
    let house = House::open(&["text"], ALIASES).await;
    let body = r#"{ "prompt":"h\u00e9llo", "zeta" : 1,"model":"painter","n":1 }"#;
    let path = "/v1/images/generations?a=b%26c&key=secret&API_KEY=x";
    let request = house.post(path).header("content-type", "application/json").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["x-impresario-deployment"], "openai/text");
    assert_eq!(answer.headers()["x-upstream-request-id"], "req_standin");
    let told: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(told["data"][0]["b64_json"], "iVBORw0KGgo=");
    let last = house.standin.last().unwrap();
    assert_eq!(last.target, "/v1/images/generations?a=b%26c");
    assert_eq!(last.body, body.replace("painter", "text").as_bytes());
    let text = scraped(&house, r#"impresario_calls_total{fault="none",operation="relay"} 1"#).await;
    for (kind, tokens) in [("input", 12), ("output", 272)] {
        let sample = format!(
            r#"impresario_model_tokens_total{{kind="{kind}",model="text",operation="relay",provider="openai"}} {tokens}"#
        );
        assert!(text.lines().any(|line| line == sample), "no {sample} in\n{text}");
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_no_json_comes_back_as_it_is_and_is_read_by_nobody() {
    let house = House::open(&["text"], "").await;
    let body = r#"{"model":"openai/text","input":"hi","voice":"alloy"}"#;
    let request = house.post("/v1/audio/speech").header("content-type", "application/json").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"audio/mpeg".parse().unwrap())
    );
    assert_eq!(&answer.bytes().await.unwrap()[..], b"ID3\x04\xff\xfb\x00\"usage\":{");
    let (status, told) = sent(
        &house,
        "/v1beta/models/gemini/text:predict",
        "application/json",
        r#"{"instances":[]}"#.to_owned(),
    )
    .await;
    assert_eq!((status, &told["predictions"][0]["mimeType"]), (200, &json!("image/png")));
    assert_eq!(house.standin.last().unwrap().target, "/v1beta/models/text:predict");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_form_goes_through_with_the_providers_name_for_the_model_wherever_that_stands() {
    let house = House::open(&["text"], ALIASES).await;
    let (file, model) = (("\"file\"; filename=\"a.wav\"", "\0\r\n--xY\r\nsound"), ("\"model\"", "painter"));
    for parts in [[model, file], [file, model]] {
        let body = form(&parts);
        let (status, told) = sent(&house, "/v1/audio/transcriptions", FORM, body.clone()).await;
        assert_eq!((status, &told["text"]), (200, &json!("Hello there.")), "{told}");
        let last = house.standin.last().unwrap();
        assert_eq!(last.body, body.replace("painter", "text").as_bytes());
        assert_eq!(last.header("content-type"), Some(FORM));
    }
    // A file of more than may be held stands before the model: the header names it.
    let long = "x".repeat(1_500_000);
    let body = form(&[("\"file\"; filename=\"a\"", &long), model]);
    let request = house.post("/v1/audio/transcriptions").header("content-type", FORM);
    let answer = request.header("x-impresario-model", "painter").body(body.clone()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(house.standin.last().unwrap().body, body.replace("painter", "text").as_bytes());
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_form_is_handed_on_while_it_comes_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = played(&listener).await;
    let mut client = TcpStream::connect(house.stage.server.addresses().tcp).await.unwrap();
    let body = form(&[("\"model\"", "openai/text"), ("\"file\"; filename=\"a\"", &"sound".repeat(1_000))]);
    let (first, rest) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /v1/audio/translations HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{first}",
        house.stage.server.addresses().tcp,
        house.key,
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut provider, _) = listener.accept().await.unwrap();
    let mut seen = String::new();
    // Half of it is there before the other half was written.
    until(&mut provider, &mut seen, "soundsound").await;
    assert!(
        seen.starts_with("POST /v1/audio/translations HTTP/1.1\r\n") && !seen.contains("--xYz--"),
        "{seen}"
    );
    client.write_all(rest.as_bytes()).await.unwrap();
    until(&mut provider, &mut seen, "\r\n0\r\n\r\n").await;
    assert!(seen.contains("--xYz--"), "{seen}");
    // So is the answer.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\none";
    provider.write_all(head.as_bytes()).await.unwrap();
    let mut told = String::new();
    until(&mut client, &mut told, "one").await;
    provider.write_all(b"two").await.unwrap();
    until(&mut client, &mut told, "two").await;
    drop((client, provider));
    house.stage.close().await;
}

#[actix_rt::test]
async fn an_answer_that_breaks_off_does_not_pass_for_a_whole_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = played(&listener).await;
    let body = r#"{"model":"openai/text","input":"hi"}"#;
    let request = house.post("/v1/audio/speech").header("content-type", "application/json").body(body);
    let provide = async {
        let (mut provider, _) = listener.accept().await.unwrap();
        until(&mut provider, &mut String::new(), "\"hi\"").await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 9\r\n\r\nhalf";
        provider.write_all(head.as_bytes()).await.unwrap();
    };
    let (answer, ()) = futures_util::future::join(request.send(), provide).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.bytes().await.unwrap_err();
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_cannot_be_relayed_is_refused_in_openais_words_and_reaches_nobody() {
    let house = House::open(&["text"], ALIASES).await;
    let model = ("\"model\"", "painter");
    let long = "x".repeat(1_200_000);
    let too_long = "x".repeat(2_200_000);
    let late = [("\"file\"; filename=\"a\"", long.as_str()), model];
    let of = |model: &str| form(&[("\"model\"", model)]);
    let audio = "/v1/audio/transcriptions";
    for (path, kind, body, status, code) in [
        (audio, FORM, form(&late), 400, "invalid_request"),
        (audio, FORM, form(&[model, model]), 400, "invalid_request"),
        (audio, FORM, form(&[("\"file\"; filename=\"a\"", "x")]), 400, "invalid_request"),
        (audio, FORM, of("painter").replace("--xYz--", ""), 400, "invalid_request"),
        (audio, FORM, of("nobody"), 404, "model_not_found"),
        (audio, FORM, of("anthropic/text"), 404, "not_offered"),
        (audio, FORM, form(&[model, ("\"file\"; filename=\"a\"", &too_long)]), 413, "body_too_large"),
        (audio, "multipart/form-data", of("painter"), 400, "invalid_request"),
        ("/v1/images/generations", FORM, of("painter"), 415, "not_json"),
        (audio, "text/plain", of("painter"), 415, "not_json"),
        ("/v1/moderations", "application/json", "{\"input\":\"x\"}".to_owned(), 400, "invalid_request"),
        ("/v1/moderations", "application/json", "{\"model\":7}".to_owned(), 400, "invalid_request"),
        ("/v1/moderations", "application/json", "{\"model\":\"gemini/text\"}".to_owned(), 404, "not_offered"),
    ] {
        let (found, told) = sent(&house, path, kind, body).await;
        assert_eq!((found, &told["error"]["code"]), (status, &json!(code)), "{path} {kind}: {told}");
    }
    assert!(house.standin.last().is_none(), "nobody is asked");
    // What the vendor does not have is its own 404.
    let body = "{\"model\":\"openai/text\"}".to_owned();
    let (status, told) = sent(&house, "/v1/rerank", "application/json", body).await;
    assert_eq!((status, &told["error"]["message"]), (404, &json!("there is no such route")), "{told}");
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_form_asks_for_no_model_that_its_key_leaves_out() {
    let house = House::open(&["text"], ALIASES).await;
    let order = crate::http::views::KeyOrder {
        name: "k".to_owned(),
        scopes: ["gateway"].into_iter().map(|scope| scope.parse().unwrap()).collect(),
        models: access::Models(vec!["anthropic".parse().unwrap()]),
        ..Default::default()
    };
    let key = house.stage.client.create_key(&order).await.unwrap().key.0;
    for named in [None, Some("painter"), Some("anthropic/text")] {
        let request = house.http.post(house.url("/v1/audio/transcriptions")).bearer_auth(&key);
        let request = request.header("content-type", FORM).body(form(&[("\"model\"", "openai/text")]));
        let request = match named {
            Some(name) => request.header("x-impresario-model", name),
            None => request,
        };
        let status = request.send().await.unwrap().status().as_u16();
        assert!(matches!(status, 403 | 404), "{named:?}: {status}");
    }
    assert!(house.standin.last().is_none(), "nobody is asked");
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_left_of_a_refused_form_is_not_the_next_request() {
    let house = House::open(&["text"], ALIASES).await;
    let mut client = TcpStream::connect(house.stage.server.addresses().tcp).await.unwrap();
    let first = form(&[("\"model\"", "nobody")]).replace("--xYz--\r\n", "--xYz\r\n");
    let smuggled = "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = format!(
        "POST /v1/images/edits HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {FORM}\r\nContent-Length: 1000000\r\n\r\n{first}",
        house.stage.server.addresses().tcp,
        house.key,
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut told = String::new();
    until(&mut client, &mut told, "model_not_found").await;
    // The connection may be gone already, which is as well.
    client.write_all(smuggled.as_bytes()).await.ok();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.ok();
    told.push_str(&String::from_utf8_lossy(&rest));
    assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    assert!(told.to_ascii_lowercase().contains("connection: close"), "{told}");
    house.stage.close().await;
}
