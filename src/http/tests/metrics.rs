//! What a scrape reads over TCP: text that a parser takes, and nothing in its labels that is nobody's business.

use super::stage::{PLANNED, Stage};

type Labels<'a> = Vec<(&'a str, &'a str)>;

/// A sample's family, its labels and its value; `None` when the line is none.
fn sample(line: &str) -> Option<(&str, Labels<'_>, f64)> {
    let (name, value) = line.rsplit_once(' ')?;
    let (family, labels) = match name.split_once('{') {
        None => (name, ""),
        Some((family, labels)) => (family, labels.strip_suffix('}')?),
    };
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let mut pairs = Vec::new();
    for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
        let (key, quoted) = pair.split_once('=')?;
        let value = quoted.strip_prefix('"')?.strip_suffix('"')?;
        if !is_word(key) || value.contains(['"', '\\']) {
            return None;
        }
        pairs.push((key, value));
    }
    is_word(family).then_some((family, pairs, value.parse().ok()?))
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
    // The end of a workflow is counted just after it is shown.
    let text = loop {
        let text = stage.get("/metrics").await.1;
        if text.contains("impresario_workflows_finished_total{outcome=\"planned\"} 1\n") {
            break text;
        }
    };

    let folder = stage.folder.path().to_string_lossy().into_owned();
    for line in text.lines() {
        if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
            continue;
        }
        let (family, labels, value) = sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"));
        assert!(family.starts_with("impresario_") && value >= 0.0, "{line}");
        for (label, value) in labels {
            let known =
                ["provider", "model", "parameter", "end", "kind", "outcome", "state", "le", "door", "reason"];
            assert!(known.contains(&label), "{line}");
            assert!(!value.contains(['/', ' ']), "{line}");
        }
    }
    for secret in [PLANNED, "Say hello", "hello.txt", id.as_str(), &folder] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    let calls = r#"impresario_model_calls_total{end="answered",model="one",provider="demo"} 1"#;
    assert!(text.lines().any(|line| line == calls), "{text}");
    assert!(!text.contains("impresario_model_cost_nanodollars_total"), "nothing here has a price: {text}");
    stage.close().await;
}
