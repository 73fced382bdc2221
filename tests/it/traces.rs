//! Traces reach a collector, belong together from a request to the provider's door, and hold nothing that was said.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use access::Scope;
use clock::Clock;
use impresario::http::views::KeyOrder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::failing::{get_text, tcp_address};
use crate::house::{House, LIMIT};
use crate::runs::{CALLS, ordinary_house};
use crate::story::Story;
use crate::vendor::{INPUT_TOKENS, OUTPUT_TOKENS};

const LOOK_EVERY: Duration = Duration::from_millis(20);
const THEIR_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const THEIR_SPAN: &str = "b7ad6b7169203331";
const KEY: &str = "planted-collector-key";

/// Takes what is exported, as a collector does.
struct Collector {
    endpoint: String,
    taken: Arc<Mutex<Vec<Taken>>>,
}

/// One export: its head, and its body as it came.
#[derive(Clone)]
struct Taken {
    head: String,
    body: Vec<u8>,
}

impl Collector {
    fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = taken.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sink = sink.clone();
                thread::spawn(move || while take(&stream, &sink).is_some() {});
            }
        });
        Self { endpoint, taken }
    }

    fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<Span> {
        let requests =
            self.taken().into_iter().map(|taken| ExportTraceServiceRequest::decode(&*taken.body).unwrap());
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|of| of.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// Reads one export and says that it was taken; `None` when there is none any more.
fn take(mut stream: &TcpStream, sink: &Mutex<Vec<Taken>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    sink.lock().unwrap().push(Taken { head, body });
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        .ok()
}

/// Says that the provider is the operator's own.
fn trust_provider(house: &House) {
    let text = fs::read_to_string(house.config()).unwrap();
    let trusting =
        text.replace("kind: openai_compatible\n", "kind: openai_compatible\n    traceparent: true\n");
    assert_ne!(trusting, text);
    fs::write(house.config(), trusting).unwrap();
}

fn export_to(house: &House, endpoint: &str) {
    let mut text = fs::read_to_string(house.config()).unwrap();
    // What is captured goes nowhere else.
    text.push_str(&format!(
        "telemetry: {{otlp: {{endpoint: \"{endpoint}\"}}, capture: {{routes: [/v1/workflows]}}}}\n"
    ));
    fs::write(house.config(), text).unwrap();
}

/// Starts a workflow over the socket as a part of a trace of ours; its id.
async fn start_traced(house: &House) -> String {
    let order = serde_json::to_string(&house.order()).unwrap();
    let mut stream = UnixStream::connect(house.state().join("impresario.sock")).await.unwrap();
    let request = format!(
        "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         traceparent: 00-{THEIR_TRACE}-{THEIR_SPAN}-01\r\nConnection: close\r\n\r\n{order}",
        order.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    Clock::real().timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 201 "), "{answer}");
    let started: serde_json::Value = serde_json::from_str(body).unwrap();
    started["id"].as_str().unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(span: &Span, key: &str) -> Option<String> {
    if let Value::StringValue(text) = attribute(span, key)? { Some(text) } else { None }
}

fn number(span: &Span, key: &str) -> Option<i64> {
    if let Value::IntValue(number) = attribute(span, key)? { Some(number) } else { None }
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    span.attributes.iter().find(|one| one.key == key)?.value.clone()?.value
}

#[tokio::test]
async fn a_run_is_one_trace_from_the_request_to_the_providers_door() {
    let collector = Collector::open();
    let mut house = ordinary_house();
    trust_provider(&house);
    export_to(&house, &collector.endpoint);
    let header = format!("api-key={KEY}");
    let client = house.serve_with(&[("OTEL_EXPORTER_OTLP_HEADERS", &header)]).await;
    let id = start_traced(&house).await;
    Story::follow(&client, &id.parse().unwrap()).done().await;
    let goal = house.order().goal;
    drop(client);
    assert!(house.stop().await.success(), "{}", house.log_text());

    // The stop has sent what waited.
    let spans = collector.spans();
    let ours = |span: &&Span| hex(&span.trace_id) == THEIR_TRACE;
    let parent = |span: &Span| {
        spans
            .iter()
            .find(|other| other.span_id == span.parent_span_id)
            .unwrap_or_else(|| panic!("no parent: {span:?}"))
    };
    let named =
        |name: &str| -> Vec<&Span> { spans.iter().filter(ours).filter(|span| span.name == name).collect() };
    let [request] = named("POST /v1/workflows")[..] else { panic!("{spans:#?}") };
    assert_eq!(hex(&request.parent_span_id), THEIR_SPAN);
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(text(request, "http.route").as_deref(), Some("/v1/workflows"));
    assert_eq!(number(request, "http.response.status_code"), Some(201));
    assert!(text(request, "request.id").is_some());
    let [workflow] = named("invoke_workflow")[..] else { panic!("{spans:#?}") };
    assert_eq!(workflow.parent_span_id, request.span_id);
    assert_eq!(text(workflow, "workflow.id").as_ref(), Some(&id));

    let calls: Vec<&Span> =
        spans.iter().filter(|span| text(span, "gen_ai.request.model").is_some()).collect();
    assert_eq!(calls.len(), CALLS);
    for call in &calls {
        assert!(ours(call));
        let model = text(call, "gen_ai.request.model").unwrap();
        assert_eq!((call.name.as_str(), call.kind()), (format!("chat {model}").as_str(), SpanKind::Client));
        assert_eq!(text(call, "gen_ai.operation.name").as_deref(), Some("chat"));
        assert_eq!(text(call, "gen_ai.provider.name").as_deref(), Some("vendor"));
        assert_eq!(number(call, "gen_ai.usage.input_tokens"), Some(INPUT_TOKENS as i64));
        assert_eq!(number(call, "gen_ai.usage.output_tokens"), Some(OUTPUT_TOKENS as i64));
        let agent = parent(call);
        assert_eq!(
            (agent.name.as_str(), text(agent, "gen_ai.agent.name").unwrap()),
            (format!("invoke_agent {model}").as_str(), model)
        );
        assert_eq!(agent.parent_span_id, workflow.span_id);
    }
    for asked in house.vendor.asked() {
        let told = asked.traceparent.expect("each call says which trace it belongs to");
        let call = calls.iter().find(|call| told == format!("00-{THEIR_TRACE}-{}-01", hex(&call.span_id)));
        assert_eq!(text(call.expect("and which span"), "gen_ai.request.model"), Some(asked.model));
    }
    for taken in collector.taken() {
        let head = taken.head.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces ") && head.contains(&format!("api-key: {KEY}")), "{head}");
        let body = String::from_utf8_lossy(&taken.body);
        for secret in [KEY, &goal, "does what was asked", "SEARCH"] {
            assert!(!body.contains(secret), "`{secret}` went out");
        }
    }
    assert!(!house.log_text().contains(KEY), "{}", house.log_text());
}

#[tokio::test]
async fn a_strangers_trace_is_pointed_at_and_not_continued() {
    let collector = Collector::open();
    let mut house = ordinary_house();
    export_to(&house, &collector.endpoint);
    drop(house.serve().await);
    let address = tcp_address(&house);
    // The path is written as it is: more of the head can follow in it.
    let with = |header: &str| format!("/healthz HTTP/1.0\r\ntraceparent: {header}\r\nX-Rest:");
    get_text(&address, &with(&format!("00-{THEIR_TRACE}-{THEIR_SPAN}-01"))).await;
    get_text(&address, &with("00-zz")).await;
    assert!(house.stop().await.success());

    let spans = collector.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) != THEIR_TRACE), "{spans:#?}");
    let linked: Vec<&Span> = spans.iter().filter(|span| !span.links.is_empty()).collect();
    let [span] = linked[..] else { panic!("{spans:#?}") };
    assert_eq!(span.name, "GET /healthz");
    assert!(span.parent_span_id.is_empty());
    assert_eq!(
        (hex(&span.links[0].trace_id), hex(&span.links[0].span_id)),
        (THEIR_TRACE.into(), THEIR_SPAN.into())
    );
}

#[tokio::test]
async fn the_trace_of_a_caller_with_a_key_is_continued_and_a_vendor_is_told_nothing_of_it() {
    let collector = Collector::open();
    let mut house = ordinary_house();
    export_to(&house, &collector.endpoint);
    let client = house.serve().await;
    let order = KeyOrder { name: "ci".to_owned(), scopes: vec![Scope::Workflows], ..KeyOrder::default() };
    let key = client.create_key(&order).await.unwrap().key.0;
    let body = serde_json::to_string(&house.order()).unwrap();
    let address = tcp_address(&house);
    let post = async |span: &str, authorization: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "POST /v1/workflows HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             traceparent: 00-{THEIR_TRACE}-{span}-01\r\n{authorization}Connection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        Clock::real().timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    };
    const SPANS: [&str; 3] = ["a000000000000001", "a000000000000002", "a000000000000003"];
    let nobody = post(SPANS[0], "").await;
    assert!(nobody.contains(" 401 "), "{nobody}");
    let (good, bad) = key.split_at(key.len() - 1);
    let bad = if bad == "0" { "1" } else { "0" };
    let guesser = post(SPANS[1], &format!("Authorization: Bearer {good}{bad}\r\n")).await;
    assert!(guesser.contains(" 401 "), "{guesser}");
    let known = post(SPANS[2], &format!("Authorization: Bearer {key}\r\n")).await;
    let (_, started) = known.split_once("\r\n\r\n").unwrap();
    let started: serde_json::Value = serde_json::from_str(started).unwrap();
    let id = started["id"].as_str().unwrap().to_owned();
    Story::follow(&client, &id.parse().unwrap()).done().await;
    drop(client);
    assert!(house.stop().await.success(), "{}", house.log_text());

    let spans = collector.spans();
    let requests: Vec<&Span> = spans.iter().filter(|span| span.name == "POST /v1/workflows").collect();
    assert_eq!(requests.len(), 3, "{requests:#?}");
    let continued: Vec<&&Span> = requests.iter().filter(|span| hex(&span.trace_id) == THEIR_TRACE).collect();
    let [request] = continued[..] else { panic!("{requests:#?}") };
    assert_eq!(hex(&request.parent_span_id), SPANS[2]);
    for span in requests.iter().filter(|span| hex(&span.trace_id) != THEIR_TRACE) {
        assert!(span.parent_span_id.is_empty());
        assert_eq!(hex(&span.links[0].trace_id), THEIR_TRACE);
    }
    let workflow = spans.iter().find(|span| span.name == "invoke_workflow").unwrap();
    assert_eq!(
        (hex(&workflow.trace_id), &workflow.parent_span_id),
        (THEIR_TRACE.to_owned(), &request.span_id)
    );
    let asked = house.vendor.asked();
    assert_eq!(asked.len(), CALLS);
    assert!(asked.iter().all(|asked| asked.traceparent.is_none()), "nobody said that the vendor is ours");
}

#[tokio::test]
async fn a_call_that_fails_says_so_and_what_is_not_sampled_stays_here() {
    let collector = Collector::open();
    let mut house = House::new(|_| crate::vendor::Says::Fails(401));
    let text_of = fs::read_to_string(house.config()).unwrap();
    export_to(&house, &collector.endpoint);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    Story::follow(&client, &id).end().await;
    drop(client);
    assert!(house.stop().await.success());
    let spans = collector.spans();
    let call = spans.iter().find(|span| span.name == "chat planner").unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(text(call, "error.type").as_deref(), Some("key"));
    assert_eq!(call.status.as_ref().unwrap().code(), StatusCode::Error);

    let before = collector.taken().len();
    let otlp = format!("telemetry: {{otlp: {{endpoint: \"{}\", sample: 0}}}}\n", collector.endpoint);
    fs::write(house.config(), format!("{text_of}{otlp}")).unwrap();
    drop(house.serve().await);
    assert!(house.stop().await.success());
    assert_eq!(collector.taken().len(), before);
}

#[tokio::test]
async fn without_its_collector_a_run_goes_on_and_the_loss_is_counted_and_said_once() {
    let mut house = ordinary_house();
    // Nobody serves the discard port.
    export_to(&house, "http://127.0.0.1:9");
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    Story::follow(&client, &id).done().await;
    let (address, clock) = (tcp_address(&house), Clock::real());
    let deadline = clock.now() + LIMIT;
    loop {
        let metrics = get_text(&address, "/metrics").await;
        let dropped = metrics
            .lines()
            .find_map(|line| line.strip_prefix("impresario_trace_spans_total{outcome=\"dropped\"} "));
        if dropped.is_some_and(|count| count != "0") {
            break;
        }
        assert!(clock.now() < deadline, "{}\n{metrics}", house.log_text());
        clock.sleep(LOOK_EVERY).await;
    }
    drop(client);
    assert!(house.stop().await.success());
    assert_eq!(house.log_text().matches("do not reach their collector").count(), 1, "{}", house.log_text());
}
