//! Pages of workflows, whole for whoever may see only some of them.

use super::refusals::code;
use super::stage::{PLANNED, Stage};
use crate::http::views::{KeyOrder, WorkflowList};

#[actix_rt::test]
async fn a_confined_keys_pages_are_full_of_what_it_may_see_and_tell_nothing_of_the_rest() {
    let stage = Stage::open().await;
    let mut ids = Vec::new();
    // What is only called alike lies elsewhere.
    for folder in ["other", "mine", "mine0", "mine", "mine-too", "mine/deep", "other"] {
        let workspace = stage.workspace().join(folder);
        std::fs::create_dir_all(&workspace).unwrap();
        let mut order = stage.order(PLANNED);
        order.workspace = workspace;
        let id = stage.client.start(&order).await.unwrap();
        stage.events(&id).await;
        ids.push((folder, id));
    }
    let mine: Vec<_> = ids
        .iter()
        .rev()
        .filter(|(folder, _)| folder.split('/').next() == Some("mine"))
        .map(|(_, id)| id)
        .collect();
    let order = KeyOrder {
        name: "confined".to_owned(),
        scopes: vec!["workflows".parse().unwrap()],
        roots: vec![stage.workspace().join("mine"), stage.workspace().join("gone")],
        ..KeyOrder::default()
    };
    let key = stage.client.create_key(&order).await.unwrap();
    let mut read = Vec::new();
    let mut query = "limit=1".to_owned();
    loop {
        let (status, body) = stage.with(&key, "GET", &format!("/v1/workflows?{query}"), "").await;
        assert_eq!(status, 200, "{body}");
        let page: WorkflowList = serde_json::from_str(&body).unwrap();
        let Some(line) = page.workflows.first() else { break };
        assert_eq!(page.workflows.len(), 1);
        query = format!("limit=1&before={}", line.id);
        read.push(line.id.clone());
    }
    assert_eq!(read.iter().collect::<Vec<_>>(), mine);

    let foreign = &ids.last().unwrap().1;
    let unknown: String = foreign.as_str().chars().rev().collect();
    let mut answers = Vec::new();
    for id in [foreign.as_str(), unknown.as_str()] {
        let (status, body) = stage.with(&key, "GET", &format!("/v1/workflows?before={id}"), "").await;
        assert_eq!((status, code(&body).as_str()), (404, "not_found"), "{id}");
        answers.push(body.replace(id, "ID"));
    }
    assert_eq!(answers[0], answers[1], "the one that exists is not told from the one that does not");
    stage.close().await;
}
