//! What is kept beside the histories, as a client sees it; what goes when it is told to; a disk that runs low.

use serde_json::{Value, json};

use super::stage::{PLANNED, Stage, launcher};
use crate::http::views::kept::PurgeOrder;
use crate::server::Server;

/// A purge of everything that has finished.
fn everything(dry_run: bool) -> PurgeOrder {
    PurgeOrder { older_than_days: Some(0), table: None, dry_run }
}

#[actix_rt::test]
async fn a_workflow_tells_its_tasks_and_agents_and_these_name_prompts_that_can_be_read() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;

    let agents = stage.client.agents(&id).await.unwrap();
    assert_eq!(agents.len(), 1);
    let planner = &agents[0];
    assert_eq!((planner.step.as_str(), planner.outcome.as_deref()), ("plan/1", Some("accepted")));
    assert_eq!(planner.deployment.as_ref().unwrap().to_string(), "demo/one");
    let tasks = stage.client.tasks(&id).await.unwrap();
    assert_eq!((tasks[0].id.as_str(), tasks[0].status.as_str()), ("greet", "waiting"));
    assert_eq!(tasks[0].writes, ["hello.txt"]);

    let template = planner.template.clone().unwrap();
    let versions = loop {
        // The catalogue stores them beside the first request, not before it.
        match stage.client.prompts(Some(&template)).await {
            Ok(versions) => break versions,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let named = versions.iter().find(|one| Some(&one.version) == planner.template_version.as_ref()).unwrap();
    assert!(named.system.is_some() && named.user.as_ref().unwrap().contains("{{"));
    assert!(stage.client.prompts(None).await.unwrap().iter().all(|prompt| prompt.system.is_none()));

    // It reads over TCP too.
    let (status, body) = stage.get(&format!("/v1/workflows/{id}/tasks")).await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&body).unwrap()["tasks"][0]["group"].clone()),
        (200, json!(1))
    );
    for path in ["/v1/workflows/000000000000/tasks", "/v1/workflows/000000000000/agents"] {
        assert_eq!(stage.get(path).await.0, 404, "{path}");
    }
    let key = stage.key("admin").await;
    assert_eq!(stage.with(&key, "GET", "/admin/prompts?name=no/such", "").await.0, 422);
    stage.close().await;
}

#[actix_rt::test]
async fn models_tell_their_percentiles_over_a_restart() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;
    let stage = Stage::open_in(stage.close().await).await;
    let models = stage.client.models(24).await.unwrap();
    assert_eq!(models.len(), 1);
    let one = &models[0];
    assert_eq!((one.deployment.to_string().as_str(), one.calls, one.answered), ("demo/one", 1, 1));
    assert_eq!(one.unpriced_calls, 1, "the script has no price");
    assert!(one.latency.p50_ms.is_some() && one.latency.p50_ms <= one.latency.p99_ms);
    let key = stage.key("admin").await;
    for hours in [0, 100_000] {
        assert_eq!(stage.with(&key, "GET", &format!("/admin/models?hours={hours}"), "").await.0, 400);
    }
    stage.close().await;
}

#[actix_rt::test]
async fn a_purge_takes_what_has_finished_and_is_no_read() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    stage.events(&id).await;
    let would = stage.client.purge(&everything(true)).await.unwrap();
    let of = |purged: &crate::http::views::kept::Purged, name: &str| {
        purged.tables.iter().find(|table| table.table == name).map(|table| table.count)
    };
    assert_eq!((would.dry_run, of(&would, "workflows")), (true, Some(1)));
    assert_eq!(stage.client.workflows().await.unwrap().len(), 1);
    let refused = stage.post("/admin/purge", r#"{"table":"workflow_events"}"#).await;
    assert_eq!(refused.0, 422);
    assert!(refused.1.contains("model_usage"), "{}", refused.1);
    let only = PurgeOrder { table: Some("model_metrics".to_owned()), ..everything(false) };
    assert_eq!(stage.client.purge(&only).await.unwrap().tables.len(), 1);
    assert_eq!(stage.client.workflows().await.unwrap().len(), 1);

    let went = stage.client.purge(&everything(false)).await.unwrap();
    assert_eq!(of(&went, "workflows"), Some(1));
    assert!(stage.client.workflows().await.unwrap().is_empty());
    assert_eq!(stage.get(&format!("/v1/workflows/{id}")).await.0, 404);
    let told = super::audit::entries(&stage, "retention", 1).await;
    assert!(told.iter().any(|row| row.entry.subject == "workflows"), "{told:?}");
    stage.close().await;
}

#[actix_rt::test]
async fn a_disk_that_runs_low_is_told_as_such_before_anything_starts() {
    let folder = Stage::prepare();
    let mut loaded = Stage::load(&folder, "127.0.0.1:0");
    loaded.settings.disk = serde_json::from_value(json!({"min_free_mb": 1 << 30})).unwrap();
    let server = Server::start_with(loaded, clock::Clock::real(), launcher()).await.unwrap();
    let client = crate::client::Client::connect(&server.addresses().socket).await.unwrap();
    let stage = Stage { server, client, folder };
    let body = json!({"goal": PLANNED, "workspace": stage.workspace()}).to_string();
    let (status, answer) = stage.post("/v1/workflows", &body).await;
    assert_eq!(status, 507, "{answer}");
    let error = &serde_json::from_str::<Value>(&answer).unwrap()["error"];
    assert_eq!(error["code"], "disk_low");
    let message = error["message"].as_str().unwrap();
    for word in ["1073741824 MB", "disk.min_free_mb", "impresario purge"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(!message.contains(&stage.folder.path().display().to_string()), "{message}");
    assert!(stage.client.workflows().await.unwrap().is_empty());
    stage.close().await;
}
