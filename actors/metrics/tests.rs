//! What is counted outlives the actor that shows it, and what is unknown is not shown as none.

use std::time::Duration;

use chat::Usage;
use clock::Clock;
use gateway::{End, Fault, Operation, Outcome};
use supervision::{Intensity, Limit, Pool, State, SupervisorSpec, Tree};
use units::{Nanodollars, TokenCount};

use super::*;

fn answered(deployment: &DeploymentId) -> Outcome {
    Outcome {
        deployment: deployment.clone(),
        role: "planner".to_owned(),
        operation: Operation::Plan,
        end: End::Answered,
        fault: None,
        usage: Usage { input: TokenCount(7), ..Usage::default() },
        cost: Some(Nanodollars(11)),
        client: None,
        payer: gateway::Payer::Operator,
        first_output: None,
        duration: Duration::from_millis(700),
    }
}

fn at_this_moment(tree: Node) -> GetText {
    GetText { tree, routes: Arc::default(), stuck_threads: 0, store_bytes: None, records: Default::default() }
}

fn family(id: &str, child: ChildSpec) -> SupervisorSpec {
    let limit = Limit::Shared(Intensity::default());
    SupervisorSpec { limit, children: vec![child], ..SupervisorSpec::new(id) }
}

#[actix_rt::test]
async fn a_crash_loses_no_count_and_shows_among_the_restarts() {
    let clock = Clock::real();
    let families = Families::new(&Spans::new());
    let deployment: DeploymentId = "demo/one".parse().unwrap();
    families.meter(&deployment, true).count(&answered(&deployment));
    let (child, mailbox) = Metrics::child(&families, &clock);
    let child = families.restarts().watch(child);
    let (house, supervisor) = family("house", child).into_child();
    let tree = Tree::start(family("root", house), clock, Pool::new(1)).await.unwrap();
    let view = tree.viewer();
    let scrape = async || mailbox.ask(at_this_moment(view()), Duration::from_secs(20)).await.unwrap();
    assert!(scrape().await.contains("impresario_actor_restarts_total{kind=\"other\"} 0\n"));

    supervisor.kill_child("metrics").await.unwrap();
    while !view().walk().iter().any(|(_, node)| node.generation == 2 && node.state == State::Running) {
        tokio::task::yield_now().await;
    }
    families.meter(&deployment, true).count(&answered(&deployment));

    let text = scrape().await;
    for sample in [
        r#"impresario_model_calls_total{end="answered",fault="none",model="one",operation="plan",provider="demo"} 2"#,
        r#"impresario_model_tokens_total{kind="input",model="one",operation="plan",provider="demo"} 14"#,
        r#"impresario_model_cost_nanodollars_total{model="one",operation="plan",provider="demo"} 22"#,
        r#"impresario_model_call_seconds_bucket{model="one",operation="plan",provider="demo",le="0.5"} 0"#,
        r#"impresario_model_call_seconds_bucket{model="one",operation="plan",provider="demo",le="1"} 2"#,
        r#"impresario_workflows_finished_total{outcome="needs_attention"} 0"#,
        r#"impresario_actors{kind="root",state="running"} 1"#,
        r#"impresario_actors{kind="other",state="running"} 2"#,
        r#"impresario_actor_restarts_total{kind="other"} 1"#,
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} is not in\n{text}");
    }
    tree.stop().await;
}

#[test]
fn what_has_no_price_has_no_cost_rather_than_none() {
    let families = Families::new(&Spans::new());
    let deployment: DeploymentId = "demo/one".parse().unwrap();
    families.meter(&deployment, false).count(&Outcome { cost: None, ..answered(&deployment) });
    let names: Vec<String> = families.shelf.gather().iter().map(|family| family.name().to_owned()).collect();
    assert!(names.iter().any(|name| name == "impresario_model_tokens_total"), "{names:?}");
    assert!(names.iter().all(|name| name != "impresario_model_cost_nanodollars_total"), "{names:?}");
}

#[test]
fn a_call_hit_a_cache_where_some_of_its_input_came_from_there() {
    let families = Families::new(&Spans::new());
    let deployment: DeploymentId = "demo/one".parse().unwrap();
    let meter = families.meter(&deployment, true);
    let sample = |times: u32| {
        let sample =
            format!(r#"impresario_cache_hits_total{{cache="provider",model="one",provider="demo"}} {times}"#);
        let text = TextEncoder::new().encode_to_string(&families.shelf.gather()).unwrap();
        assert!(text.lines().any(|line| line == sample), "{sample} is not in\n{text}");
    };
    meter.count(&answered(&deployment));
    sample(0);
    let usage = Usage { cached_input: TokenCount(5), ..answered(&deployment).usage };
    meter.count(&Outcome { usage, ..answered(&deployment) });
    sample(1);
}

#[test]
fn each_operation_and_each_fault_is_counted_by_itself() {
    let families = Families::new(&Spans::new());
    let deployment: DeploymentId = "demo/one".parse().unwrap();
    let meter = families.meter(&deployment, true);
    let class = upstream::FailureClass::Server;
    for operation in Operation::ALL {
        for fault in Fault::ALL {
            let failed =
                Outcome { operation, end: End::Failed(class), fault: Some(fault), ..answered(&deployment) };
            meter.count(&failed);
            meter.count(&Outcome { end: End::Interrupted(class), ..failed });
            families.concluded(Concluded { operation, fault: Some(fault), duration: Duration::from_secs(3) });
        }
    }
    let text = TextEncoder::new().encode_to_string(&families.shelf.gather()).unwrap();
    let ones =
        |family: &str| text.lines().filter(|line| line.starts_with(family) && line.ends_with(" 1")).count();
    let expected = Operation::ALL.len() * Fault::ALL.len();
    assert_eq!(ones("impresario_model_calls_total{"), 2 * expected, "{text}");
    assert_eq!(ones("impresario_calls_total{"), expected, "{text}");
}

#[test]
fn whoever_asks_chooses_no_label() {
    let families = Families::new(&Spans::new());
    let traffic = families.traffic();
    let count = || families.shelf.gather().iter().map(|family| family.get_metric().len()).sum::<usize>();
    traffic.answered(None, "BREW", 404, Duration::ZERO);
    let known = count();
    for number in 0..1000_u16 {
        traffic.answered(None, &format!("BREW{number}"), 400 + number % 100, Duration::ZERO);
    }
    assert_eq!(count(), known);
}
