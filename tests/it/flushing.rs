//! What waits to be recorded when a server is told to stop.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::commands::words;
use crate::house::House;
use crate::runs::ordinary_house;

/// Fewer than a batch, which would not wait.
const ASKED: usize = 100;

/// The requests of a route, as the command line tells of them, with or without a server.
async fn recorded(house: &House) -> Vec<String> {
    let shown =
        house.run(&["requests", "--route", "/v1/providers", "--limit", "1000", "--format", "json"]).await;
    assert!(shown.status.success(), "{}", words(&shown));
    let lines = String::from_utf8(shown.stdout).unwrap();
    let id = |line: &str| -> String {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&row["status"], &row["door"], &row["principal"]),
            (&200.into(), &"socket".into(), &"operator".into())
        );
        row["request_id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

#[tokio::test]
async fn all_that_waits_is_in_the_database_after_a_stop_each_row_once() {
    let mut house = ordinary_house();
    let config = fs::read_to_string(house.config()).unwrap();
    // For a minute nothing is written by itself.
    fs::write(house.config(), format!("{config}records: {{window_ms: 60000}}\n")).unwrap();
    house.serve().await;
    let asked: Vec<String> = (0..ASKED).map(|number| format!("asked-{number}")).collect();
    for id in &asked {
        let mut stream = UnixStream::connect(house.state().join("impresario.sock")).unwrap();
        let head = "GET /v1/providers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        write!(stream, "{head}X-Request-Id: {id}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(id), "{answer}");
    }
    assert_eq!(recorded(&house).await, [""; 0], "they wait");
    assert!(house.stop().await.success(), "{}", house.log_text());

    assert_eq!(recorded(&house).await, asked);
    let shown = house.run(&["audit", "show", "--who", "server"]).await;
    let told = words(&shown);
    assert!(told.contains("server.start") && told.contains("server.stop"), "{told}");
    let text =
        words(&house.run(&["requests", "--limit", "1", "--status", "200", "--principal", "operator"]).await);
    assert!(
        text.contains("operator  socket  GET /admin/requests  200") || text.contains("GET /v1/providers"),
        "{text}"
    );

    // Nothing of it comes a second time with the next start.
    house.serve().await;
    assert_eq!(recorded(&house).await, asked);
    assert!(house.stop().await.success());
    assert_eq!(recorded(&house).await, asked);
}
