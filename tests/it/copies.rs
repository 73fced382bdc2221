//! `backup` beside a running server and `restore` into a fresh one, as an operator does it.

use std::fs;

use crate::commands::{assert_refused, words};
use crate::runs::ordinary_house;

#[tokio::test]
async fn a_copy_that_was_made_beside_a_running_server_is_put_back_into_a_fresh_one() {
    let mut house = ordinary_house();
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let mut following = client.follow(&id, units::Seq(0));
    while let Some(next) = following.next().await {
        next.unwrap();
    }
    let before = client.workflow(&id).await.unwrap();
    let agents = client.agents(&id).await.unwrap();
    let copy = house.path("copy.db");
    let name = copy.to_str().unwrap();

    let made = house.run(&["backup", name]).await;
    assert!(made.status.success(), "{}", words(&made));
    assert!(words(&made).contains("workflows: 1 rows"), "{}", words(&made));
    assert_refused(&house.run(&["backup", name]).await, &["there already"]);
    assert_refused(&house.run(&["restore", name]).await, &["no server runs", &house.pid().to_string()]);
    house.stop().await;
    assert_refused(&house.run(&["restore", name]).await, &["not empty", "workflows"]);

    if house.state().join("impresario.db").exists() {
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(house.state().join(format!("impresario.db{ending}")));
        }
        let restored = house.run(&["restore", name]).await;
        assert!(restored.status.success(), "{}", words(&restored));
        let client = house.serve().await;
        assert_eq!(client.workflow(&id).await.unwrap(), before);
        assert_eq!(client.agents(&id).await.unwrap(), agents);
    }
}

#[tokio::test]
async fn what_is_no_copy_is_refused_and_nothing_is_made_of_it() {
    let house = ordinary_house();
    let file = house.path("letter.db");
    fs::write(&file, "Dear Sir or Madam").unwrap();
    assert_refused(&house.run(&["restore", file.to_str().unwrap()]).await, &["letter.db"]);
    assert_refused(&house.run(&["restore", house.path("none.db").to_str().unwrap()]).await, &["none.db"]);
    assert!(!house.state().join("impresario.db").exists());
}
