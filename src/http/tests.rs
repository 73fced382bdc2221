//! The doors of a real server with a scripted provider: what they refuse, and what they show.

mod accounts;
mod administration;
mod asides;
mod attacks;
mod audit;
mod captures;
mod changes;
mod dialects;
mod doors;
mod faults;
mod kept;
mod keys;
mod metrics;
mod outbound;
mod pages;
mod pass_through;
mod passages;
mod refusals;
mod requests;
mod responses;
mod retrieved;
mod stage;
mod streams;
mod thoughtless;
mod unanswered;
mod usage;
mod websockets;

use std::os::unix::fs::PermissionsExt;

use units::Seq;
use workflow::{Event, Mode};

use super::views::{CheckFrom, NewWorkflow, Readiness, Source, Started};
use crate::client::{Client, Error};
use crate::server::{self, Server};
use stage::{PLANNED, SLOW, Stage, launcher};

#[actix_rt::test]
async fn a_plan_is_made_shown_and_listed() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    let events = stage.events(&id).await;
    assert!(matches!(events.first(), Some((Seq(1), Event::Started { .. }))));
    assert!(matches!(events.last(), Some((_, Event::Finished { .. }))));

    let view = stage.client.workflow(&id).await.unwrap();
    assert_eq!((view.phase.as_str(), view.line.status.as_str()), ("finished", "planned"));
    assert_eq!(view.line.last_seq, Seq(events.len() as u64));
    assert_eq!(view.plan.unwrap().tasks[0].id.as_str(), "greet");
    assert_eq!((view.totals[0].calls, view.totals[0].unpriced_calls), (1, 1));
    assert_eq!(view.totals[0].deployment.to_string(), "demo/one");
    assert_eq!(stage.client.workflows().await.unwrap()[0].id, id);
    assert_eq!(stage.client.diff(&id).await.unwrap(), "");

    let refused = stage.client.abort(&id, "me").await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 409, .. }), "{refused:?}");
    stage.close().await;
}

#[actix_rt::test]
async fn an_abort_ends_a_run_that_waits_for_a_model() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    stage.client.abort(&id, "the tester").await.unwrap();
    let events = stage.events(&id).await;
    let asked = Event::AbortRequested { by: "the tester".to_owned() };
    assert!(events.iter().any(|(_, event)| *event == asked), "{events:?}");
    assert_eq!(stage.client.workflow(&id).await.unwrap().line.status, "aborted");
    stage.close().await;
}

#[actix_rt::test]
async fn the_check_command_is_detected_unless_it_is_named() {
    let stage = Stage::open().await;
    let started = async |new: &NewWorkflow| -> Started {
        let (status, body) = stage.post("/v1/workflows", &serde_json::to_string(new).unwrap()).await;
        assert_eq!(status, 201, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let order = NewWorkflow { check: None, ..stage.order(PLANNED) };
    assert_eq!(started(&order).await.check_from, CheckFrom::Nowhere);

    std::fs::write(stage.workspace().join("go.mod"), "module x\n").unwrap();
    let detected = started(&order).await;
    assert_eq!(detected.check_from, CheckFrom::Detected { file: "go.mod".to_owned() });
    assert_eq!(detected.check.join(" "), "go test ./...");

    let named = started(&NewWorkflow { check: Some(vec!["make".to_owned()]), ..order }).await;
    assert_eq!((named.check_from, named.check), (CheckFrom::Request, vec!["make".to_owned()]));
    stage.close().await;
}

#[actix_rt::test]
async fn tells_who_lives_in_it_and_which_models_it_knows() {
    let stage = Stage::open().await;
    let tree = stage.client.tree().await.unwrap();
    assert_eq!(tree["id"], "root");
    let children = tree["children"].as_array().unwrap();
    assert!(children.iter().any(|child| child["id"] == "workflows" && child["state"] == "running"), "{tree}");

    let providers = stage.client.providers().await.unwrap();
    let demo = providers.iter().find(|known| known.deployment.to_string() == "demo/one").unwrap();
    assert_eq!((demo.source, demo.readiness, demo.priced), (Source::Script, Readiness::Ready, false));
    stage.close().await;
}

#[actix_rt::test]
async fn the_socket_is_its_users_alone_and_goes_with_the_server() {
    let stage = Stage::open().await;
    let socket = stage.server.addresses().socket.clone();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    let folder = stage.close().await;
    assert!(!socket.exists());
    let gone = Client::connect(&socket).await.unwrap_err();
    assert!(matches!(gone, Error::NotRunning { .. }), "{gone:?}");
    drop(folder);
}

#[actix_rt::test]
async fn a_socket_that_a_dead_server_left_is_replaced_and_anything_else_is_not() {
    let folder = Stage::prepare();
    let state = folder.path().join("state");
    let loaded = || Stage::load(&folder, "127.0.0.1:0");
    loaded().state.make().unwrap();
    drop(std::os::unix::net::UnixListener::bind(state.join("impresario.sock")).unwrap());
    let server = Server::start_with(loaded(), clock::Clock::real(), launcher()).await.unwrap();
    server.stop().await;

    std::fs::write(state.join("impresario.sock"), "precious").unwrap();
    let refused = Server::start_with(loaded(), clock::Clock::real(), launcher()).await.err().unwrap();
    assert!(matches!(refused, server::Error::Socket { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(state.join("impresario.sock")).unwrap(), "precious");
}

#[actix_rt::test]
async fn a_second_server_on_one_state_folder_is_refused_and_leaves_the_first_alone() {
    let stage = Stage::open().await;
    let loaded = Stage::load(&stage.folder, "127.0.0.1:0");
    let refused = Server::start_with(loaded, clock::Clock::real(), launcher()).await.err().unwrap();
    assert!(matches!(refused, server::Error::Config(crate::config::Error::Running { .. })), "{refused}");
    Client::connect(&stage.server.addresses().socket).await.unwrap();
    stage.close().await;
}

#[actix_rt::test]
async fn what_a_stopped_server_left_goes_on_in_the_next() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let folder = stage.close().await;
    let stage = Stage::open_in(folder).await;
    let view = stage.client.workflow(&id).await.unwrap();
    assert_eq!((view.phase.as_str(), view.mode), ("planning", Some(Mode::PlanOnly)));
    stage.client.abort(&id, "me").await.unwrap();
    assert!(matches!(stage.events(&id).await.last(), Some((_, Event::Finished { .. }))));
    stage.close().await;
}
