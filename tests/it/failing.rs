//! Providers that fail, and what the supervision tree shows of it.

use clock::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use workflow::{Event, Outcome};

use crate::house::{House, LIMIT};
use crate::speech::{approve, edits, plan, replace, task};
use crate::story::{Story, count};
use crate::vendor::Says;

/// As many failures in a row as open a breaker.
const TASKS: usize = 5;

#[tokio::test]
async fn a_deployment_that_keeps_failing_is_restarted_and_the_run_goes_on_with_the_next_one() {
    let names: Vec<String> = (0..TASKS).map(|number| format!("{number}.txt")).collect();
    let mut house = House::new(move |asked| match asked.model.as_str() {
        "planner" => {
            let tasks = names.iter().enumerate().map(|(n, name)| task(&format!("t{n}"), &[], &[name]));
            plan(&tasks.collect::<Vec<_>>())
        }
        "reviewer" => approve(),
        "editor" => Says::Fails(500),
        _ => {
            let name = names.iter().find(|name| asked.text.contains(&format!("- {name}\n"))).unwrap();
            edits(&[replace(name, "", "made\n")])
        }
    });
    house.configure("[vendor/editor, vendor/spare]");
    let client = house.serve().await;
    assert_eq!(node(&client.tree().await.unwrap(), "editor").unwrap()["restarts"], json!(0));
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;
    assert_eq!(count(&heard, |event| matches!(event, Event::Committed { .. })), TASKS);

    let clock = Clock::real();
    let deadline = clock.now() + LIMIT;
    loop {
        let tree = client.tree().await.unwrap();
        assert_eq!(tree["id"], "root");
        let editor = node(&tree, "editor").expect("the deployment is in the tree").clone();
        let (planner, spare) = (node(&tree, "planner").unwrap(), node(&tree, "spare").unwrap());
        assert_eq!((&planner["restarts"], &spare["restarts"]), (&json!(0), &json!(0)));
        if editor["restarts"].as_u64().unwrap() > 0 && editor["state"] == "running" {
            assert!(!editor["last_end"].is_null(), "{editor}");
            break;
        }
        assert!(clock.now() < deadline, "{editor}");
        clock.sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_provider_without_a_fallback_that_keeps_failing_fails_the_run_and_says_so() {
    let mut house = House::new(|asked| match asked.model.as_str() {
        "planner" => Says::Fails(400),
        _ => approve(),
    });
    let before = house.files();
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let (outcome, heard) = Story::follow(&client, &id).end().await;
    let Outcome::Failed { reason, .. } = outcome else { panic!("{heard:#?}") };
    assert!(reason.contains("vendor/planner"), "{reason}");
    assert_eq!(house.files(), before);
    assert!(house.vendor.answered().is_empty());
}

/// The child of this id, wherever it is.
fn node<'a>(tree: &'a Value, id: &str) -> Option<&'a Value> {
    if tree["id"] == id {
        return Some(tree);
    }
    tree["children"].as_array()?.iter().find_map(|child| node(child, id))
}

/// The first loopback address that the server printed.
pub(crate) fn tcp_address(house: &House) -> String {
    let log = house.log_text();
    let ports = log.split("127.0.0.1:").skip(1);
    let mut ports = ports.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let port = ports.find(|port| !port.is_empty() && port != "0").expect("the server says where it listens");
    format!("127.0.0.1:{port}")
}

pub(crate) async fn get_text(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    Clock::real().timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("it answers").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}\n{body}");
    body.to_owned()
}
