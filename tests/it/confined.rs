//! What a workspace's own command may not do: drive the server that runs it.

use workflow::{Event, Outcome, Rejection};

use crate::runs::ordinary_house;
use crate::story::Story;

#[tokio::test]
async fn a_check_that_asks_the_server_for_its_workflows_is_refused_at_the_socket() {
    let mut house = ordinary_house();
    let before = house.files();
    let client = house.serve().await;
    let mut order = house.order();
    let state = house.state().to_string_lossy().into_owned();
    let binary = env!("CARGO_BIN_EXE_impresario");
    order.check = Some([binary, "--state-dir", &state, "workflows"].map(str::to_owned).into());

    let id = client.start(&order).await.unwrap();
    let (outcome, heard) = Story::follow(&client, &id).end().await;

    let said: Vec<&str> = heard
        .iter()
        .filter_map(|numbered| {
            let Event::EditRejected { reason: Rejection::ValidationFailed { output }, .. } = &numbered.event
            else {
                return None;
            };
            Some(output.as_str())
        })
        .collect();
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(!said.is_empty(), "the check was run");
    // In a process namespace of its own the server refuses it; without one it gets no socket at all.
    let refused = |text: &&str| text.contains("process namespace") || text.contains("not permitted");
    assert!(said.iter().all(refused), "{said:#?}");
    assert_eq!(house.files(), before);
    // A person at the same socket is served.
    client.workflow(&id).await.unwrap();
}
