//! What a scrape reads over TCP: text that a parser takes, what docs/metrics.md says and nothing else, and nothing in its
//! labels that is nobody's business.

use std::collections::{BTreeMap, BTreeSet};

use units::WorkflowId;

use super::stage::{PLANNED, Stage};
use crate::http::views::Control;

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");
/// What a histogram adds to its family's name, and the label of its buckets.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];
const BUCKET: &str = "le";

/// A family as it is served or documented: its type and the names of its labels.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

/// One sample.
struct Sample<'a> {
    family: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// `None` when the line is no sample.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, value) = line.rsplit_once(' ')?;
    let (family, pairs) = match name.split_once('{') {
        None => (name, ""),
        Some((family, pairs)) => (family, pairs.strip_suffix('}')?),
    };
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let mut labels = Vec::new();
    for pair in pairs.split("\",").filter(|pair| !pair.is_empty()) {
        let (key, quoted) = pair.split_once("=\"")?;
        let value = quoted.strip_suffix('"').unwrap_or(quoted);
        if !is_word(key) || value.contains(['"', '\\']) {
            return None;
        }
        labels.push((key, value));
    }
    is_word(family).then_some(Sample { family, labels, value: value.parse().ok()? })
}

/// The samples of a text, and the types of its families.
fn read(text: &str) -> (Vec<Sample<'_>>, BTreeMap<&str, &str>) {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let lines = text.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE "));
    (lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"))).collect(), types)
}

/// Every series, by its name and labels.
pub(super) fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name.to_owned()).collect()
}

fn families(text: &str) -> Families {
    let (samples, types) = read(text);
    let mut families = Families::new();
    for Sample { family, labels, .. } in samples {
        let stem = OF_HISTOGRAMS
            .iter()
            .find_map(|end| family.strip_suffix(end).filter(|stem| types.contains_key(stem)));
        let family = stem.unwrap_or(family);
        let known = families.entry(family.to_owned()).or_default();
        known.0 = types[family].to_owned();
        known.1.extend(labels.iter().filter(|(key, _)| *key != BUCKET).map(|(key, _)| (*key).to_owned()));
    }
    families
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The rows of the tables of a section, as cells.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let text = DOCUMENT.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")).skip(1);
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

fn documented() -> Families {
    let of = |row: Vec<&str>| {
        let labels = quoted(row[2]).into_iter().map(str::to_owned).collect();
        (quoted(row[0])[0].to_owned(), (row[1].to_owned(), labels))
    };
    rows("Families").into_iter().map(of).collect()
}

/// Whether the document knows this value of a label of this family.
fn may_have(family: &str, label: &str, value: &str) -> bool {
    let stem = |family: &str| {
        OF_HISTOGRAMS.iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family).to_owned()
    };
    rows("Labels").iter().any(|row| {
        let families = quoted(row[1]);
        let is_of =
            families.is_empty() || families.contains(&family) || families.contains(&stem(family).as_str());
        quoted(row[0]) == [label] && is_of && (row[2].starts_with("any ") || quoted(row[2]).contains(&value))
    })
}

/// A server that has a price, has run something and has streamed it.
async fn busy() -> Stage {
    let folder = Stage::prepare();
    let price = "{input: 1.0, cached_input: 0.1, cache_written: 1.0, output: 2.0}";
    let config = format!(
        "providers: {{demo: {{kind: scripted, script: rules.yaml, models: [{{name: one, price: {price}}}]}}}}\n"
    );
    std::fs::write(folder.path().join("impresario.yaml"), config).unwrap();
    let stage = Stage::open_in(folder).await;
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;
    stage.get("/metrics").await;
    let refused = stage.ask_whole("GET /metrics HTTP/1.1\r\nHost: elsewhere\r\n").await;
    assert_eq!(refused.0, 403);
    stage
}

/// The first scrape that counts the end of a workflow, which is counted just after it is shown.
async fn scrape(stage: &Stage) -> String {
    loop {
        let text = stage.get("/metrics").await.1;
        if text.contains("impresario_workflows_finished_total{outcome=\"planned\"} 1\n") {
            return text;
        }
    }
}

#[actix_rt::test]
async fn what_is_served_is_documented_and_what_is_documented_is_served() {
    let stage = busy().await;
    let text = scrape(&stage).await;
    assert_eq!(families(&text), documented());
    for Sample { family, labels, .. } in read(&text).0 {
        for (label, value) in labels.into_iter().filter(|(label, _)| *label != BUCKET) {
            assert!(
                may_have(family, label, value),
                "{family}: {label}=\"{value}\" is not in docs/metrics.md"
            );
        }
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_scrape_over_tcp_is_text_that_parses_and_tells_no_secret() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;

    let port = stage.server.addresses().tcp.port();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    let (status, head, _) = stage.ask_whole(&request).await;
    assert_eq!(status, 200);
    assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4\r\n"), "{head}");
    let text = scrape(&stage).await;

    let folder = stage.folder.path().to_string_lossy().into_owned();
    for Sample { family, value, .. } in read(&text).0 {
        assert!(value >= 0.0, "{family} is {value}");
    }
    for secret in [PLANNED, "Say hello", "hello.txt", id.as_str(), &folder] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    for sample in [
        r#"impresario_model_calls_total{end="answered",fault="none",model="one",operation="plan",provider="demo"} 1"#,
        r#"impresario_calls_total{fault="none",operation="plan"} 1"#,
        r#"impresario_breaker_state{model="one",provider="demo",state="closed"} 1"#,
        r#"impresario_breaker_state{model="one",provider="demo",state="open"} 0"#,
        r#"impresario_http_requests_total{method="POST",route="/v1/workflows",status="2xx"} 1"#,
        r#"impresario_http_connections{door="tcp"} 1"#,
        "impresario_store_inbox_capacity_writes 1024",
    ] {
        assert!(text.lines().any(|line| line == sample), "no {sample} in\n{text}");
    }
    let of = |family: &str| {
        let samples = read(&text).0;
        samples.iter().find(|sample| sample.family == family).unwrap_or_else(|| panic!("no {family}")).value
    };
    for positive in ["impresario_store_size_bytes", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(of(positive) > 0.0, "{positive}");
    }
    assert!(of("impresario_store_commit_seconds_count") > 0.0);
    assert!(!text.contains("impresario_model_cost_nanodollars_total"), "nothing here has a price: {text}");
    stage.close().await;
}

#[actix_rt::test]
async fn whoever_asks_makes_no_series() {
    let stage = busy().await;
    let port = stage.server.addresses().tcp.port();
    let hostile = async |round: usize| {
        for method in ["GET", "POST", "BREW", "get", "PROPFIND"] {
            for path in
                ["/", "/admin/tree/x", "/v1/workflows/%2e%2e", "/metrics/x", "/wp-login.php", "//metrics"]
            {
                let (path, host) = (format!("{path}{round}?q={round}"), format!("127.0.0.1:{port}"));
                stage
                    .ask(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {round}\r\n"))
                    .await;
                stage.ask(&format!("{method} {path} HTTP/1.1\r\nHost: evil{round}.example\r\n")).await;
            }
        }
        stage.client.workflow(&WorkflowId::from_random(round as u64)).await.unwrap_err();
        read(&scrape(&stage).await).0.len()
    };
    let after_the_first = hostile(0).await;
    for round in 1..4 {
        assert_eq!(hostile(round).await, after_the_first);
    }
    let text = scrape(&stage).await;
    for chosen in ["wp-login", "BREW", "evil", "PROPFIND"] {
        assert!(!text.contains(chosen), "{chosen} is in\n{text}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_breaker_that_is_held_open_is_shown_so() {
    let stage = Stage::open().await;
    stage.client.set_breaker(&"demo/one".parse().unwrap(), Control::ForceOpen).await.unwrap();
    let text = stage.get("/metrics").await.1;
    for sample in [
        r#"impresario_breaker_state{model="one",provider="demo",state="closed"} 0"#,
        r#"impresario_breaker_state{model="one",provider="demo",state="open"} 1"#,
        r#"impresario_breaker_override{model="one",override="forced_open",provider="demo"} 1"#,
    ] {
        assert!(text.lines().any(|line| line == sample), "no {sample} in\n{text}");
    }
    stage.close().await;
}
