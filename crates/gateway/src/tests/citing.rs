//! Pages that a provider of one dialect names, in a stream of another.

use tokio::io::AsyncWriteExt;

use super::silent::{FIRST, HEAD, LAST, MESSAGES, heard};

#[tokio::test]
async fn a_page_that_a_provider_names_reaches_a_client_of_another_dialect() {
    let page = r#"{"type":"url_citation","url_citation":{"url":"https://one.example/","title":"One","start_index":0,"end_index":3}}"#;
    let named = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"annotations\":[{page}]}}}}]}}\n\n");
    let ended = heard(wire::Dialect::Anthropic, MESSAGES, async |mut socket, _, given| {
        socket.write_all(format!("{HEAD}{FIRST}{named}{LAST}").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut all = String::new();
        while !all.contains("message_stop") {
            all.push_str(&given.recv().await.unwrap());
        }
        let (before, after) = all.split_once("citations_delta").unwrap();
        assert!(before.contains("text_delta") && !before.contains("content_block_stop"), "{all}");
        assert!(after.contains("https://one.example/") && after.contains("content_block_stop"), "{all}");
    })
    .await;
    ended.unwrap();
}
