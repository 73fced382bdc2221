//! What a run counts is the same that it stores.

use std::collections::BTreeMap;

use actors::tree::House;
use workflow::Mode;

use crate::house::{Place, end_of};

/// One task; the usage of its calls is as odd as the prices.
const SCRIPT: &str = r#"
rules:
  - match: {role: planner}
    answer:
      usage: {input: 101, cached_input: 11, output: 31}
      text: '{"summary": "s", "tasks": [{"id": "a", "title": "t", "detail": "change one", "writes": ["one.txt"]}]}'
  - match: {role: editor}
    answer:
      usage: {input: 211, output: 41}
      text: "one.txt\n<<<<<<< SEARCH\none\n=======\nuno\n>>>>>>> REPLACE\n"
  - match: {role: reviewer}
    answer: {text: '{"verdict": "approve", "summary": "good", "findings": []}'}
"#;

/// Every sample, by its name with its labels.
type Samples = BTreeMap<String, f64>;

async fn scrape(house: &House) -> Samples {
    let text = house.doors().metrics().await.unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    samples.map(sample).collect()
}

/// The sum of a family's samples that have all of these labels.
fn sum(samples: &Samples, family: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |name: &str| labels.iter().all(|(label, value)| name.contains(&format!("{label}=\"{value}\"")));
    let of_family = |name: &str| name.split('{').next() == Some(family);
    samples.iter().filter(|(name, _)| of_family(name) && has(name)).map(|(_, value)| value).sum()
}

/// The first scrape that counts this workflow's end, which is counted just after it is shown.
async fn scrape_after(house: &House, outcome: &str) -> Samples {
    loop {
        let samples = scrape(house).await;
        if sum(&samples, "impresario_workflows_finished_total", &[("outcome", outcome)]) > 0.0 {
            return samples;
        }
    }
}

#[actix_rt::test]
async fn a_run_counts_what_its_usage_rows_say() {
    let place = Place::new(&[("one.txt", "one\n")], SCRIPT);
    let house = place.open().await;
    let fresh = scrape(&house).await;
    assert_eq!(
        sum(&fresh, "impresario_model_calls_total", &[]),
        0.0,
        "a series is there before its first call"
    );
    assert!(fresh.keys().any(|name| name.starts_with("impresario_model_calls_total{")));

    let id = house.doors().workflows.start(place.order(Mode::Run)).await.unwrap();
    end_of(&house, &id).await;
    let counted = scrape_after(&house, "done").await;

    let rows = house.doors().readers.usage_of(&id).unwrap();
    let total = |of: &dyn Fn(&store::UsageRow) -> u64| rows.iter().map(of).sum::<u64>() as f64;
    let demo = [("provider", "demo"), ("model", "scripted")];
    let tokens = |kind| sum(&counted, "impresario_model_tokens_total", &[demo[0], demo[1], ("kind", kind)]);
    assert_eq!(rows.len(), 3);
    assert_eq!(sum(&counted, "impresario_model_calls_total", &[demo[0], demo[1], ("end", "answered")]), 3.0);
    assert_eq!(sum(&counted, "impresario_model_calls_total", &[]), 3.0, "and none ended otherwise");
    assert_eq!(tokens("input"), total(&|row| row.usage.input.0));
    assert_eq!(tokens("cached_input"), total(&|row| row.usage.cached_input.0));
    assert_eq!(tokens("cache_written"), total(&|row| row.usage.cache_written.0));
    assert_eq!(tokens("output"), total(&|row| row.usage.output.0));
    assert_eq!(tokens("reasoning"), total(&|row| row.usage.reasoning.0));
    let cost = total(&|row| row.cost.unwrap().0.unsigned_abs());
    assert!(cost > 0.0);
    assert_eq!(sum(&counted, "impresario_model_cost_nanodollars_total", &demo), cost);
    for histogram in ["impresario_model_first_output_seconds_count", "impresario_model_call_seconds_count"] {
        assert_eq!(sum(&counted, histogram, &demo), 3.0, "{histogram}");
    }
    for operation in ["plan", "edit", "review"] {
        let of = |family| sum(&counted, family, &[("operation", operation)]);
        assert_eq!(of("impresario_model_calls_total"), 1.0, "{operation}");
        assert_eq!(of("impresario_calls_total"), 1.0, "{operation}");
        assert_eq!(of("impresario_call_seconds_count"), 1.0, "{operation}");
    }
    assert_eq!(sum(&counted, "impresario_workflows_finished_total", &[]), 1.0, "it ended once");
    assert_eq!(
        sum(&counted, "impresario_actors", &[("kind", "other")]),
        0.0,
        "somebody of no known kind: {counted:?}"
    );
    let committed = sum(&counted, "impresario_store_transactions_total", &[("outcome", "committed")]);
    assert!(committed > 0.0);
    assert_eq!(sum(&counted, "impresario_store_transaction_writes_count", &[]), committed);
    house.stop().await;
}

#[actix_rt::test]
async fn a_call_that_comes_to_nothing_is_counted_by_its_end() {
    let broken = r#"
rules:
  - match: {role: planner}
    answer: {text: "half of it", fault: {kind: cut, after_bytes: 4}}
"#;
    let place = Place::new(&[], broken);
    let house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::PlanOnly)).await.unwrap();
    end_of(&house, &id).await;
    let counted = scrape_after(&house, "failed").await;
    let calls = |end| sum(&counted, "impresario_model_calls_total", &[("end", end)]);
    assert!(calls("interrupted") > 0.0, "{counted:?}");
    assert_eq!(calls("answered"), 0.0);
    let of_provider = [("end", "interrupted"), ("fault", "provider")];
    assert_eq!(sum(&counted, "impresario_model_calls_total", &of_provider), calls("interrupted"));
    house.stop().await;
}

#[actix_rt::test]
async fn what_a_model_calls_tools_for_is_an_operation_of_its_own() {
    let looks = r#"
rules:
  - match: {role: planner, prompt: {lacks: ["what it holds"]}}
    answer:
      tool_calls:
        - {name: read_file, arguments: {path: one.txt}}
        - {name: read_file, arguments: {path: none.txt}}
  - match: {role: planner}
    answer:
      text: '{"summary": "s", "tasks": [{"id": "a", "title": "t", "detail": "d", "writes": ["one.txt"]}]}'
"#;
    let place = Place::new(&[("one.txt", "what it holds\n")], looks);
    let house = place.open().await;
    let id = house.doors().workflows.start(place.order(Mode::PlanOnly)).await.unwrap();
    end_of(&house, &id).await;
    let counted = scrape_after(&house, "planned").await;
    let tools = |fault| sum(&counted, "impresario_calls_total", &[("operation", "tool"), ("fault", fault)]);
    assert_eq!((tools("none"), tools("caller")), (1.0, 1.0), "{counted:?}");
    assert_eq!(sum(&counted, "impresario_call_seconds_count", &[("operation", "tool")]), 2.0);
    assert_eq!(
        sum(&counted, "impresario_model_calls_total", &[("operation", "tool")]),
        0.0,
        "no model is asked"
    );
    house.stop().await;
}
