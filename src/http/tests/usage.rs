//! What clients' calls used, as it is recorded and read.

use crate::http::views::{KeyOrder, UsagePage};

use super::dialects::{ANTHROPIC, CHAT, House};

impl House {
    /// What clients' calls used, the last first, once so many calls are known.
    pub(super) async fn used(&self, query: &str, calls: usize) -> Vec<store::RecordedUsage> {
        let admin = self.stage.key("admin").await;
        loop {
            self.stage.server.doors().recorder.flushed().await;
            let (status, page) = self.stage.with(&admin, "GET", &format!("/admin/usage{query}"), "").await;
            assert_eq!(status, 200, "{page}");
            let page: UsagePage = serde_json::from_str(&page).unwrap();
            // PostgreSQL has them when the spool was drained.
            if page.usage.len() >= calls {
                return page.usage;
            }
        }
    }
}

#[actix_rt::test]
async fn what_a_client_used_stands_with_its_key_and_the_tags_that_the_key_has() {
    let house = House::open(&["text"], "").await;
    let tags = [("run", "7"), ("team", "red")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let order = KeyOrder {
        name: "tagged".to_owned(),
        scopes: vec!["gateway".parse().unwrap()],
        tags: tags.into(),
        ..KeyOrder::default()
    };
    let tagged = house.stage.client.create_key(&order).await.unwrap();
    for (way, is_streamed) in [(&ANTHROPIC, false), (&CHAT, true)] {
        let named = format!("{}/text", way.provider);
        let body = way.body(&named, is_streamed);
        assert_eq!(house.stage.with(&tagged, "POST", way.path, &body).await.0, 200);
    }
    let (status, text) = house.stage.post(ANTHROPIC.path, &ANTHROPIC.body("openai/text", false)).await;
    assert_eq!(status, 200, "{text}");

    let all = house.used("", 3).await;
    let who: Vec<_> = all.iter().map(|found| found.row.client.clone().unwrap()).collect();
    let name = format!("key/{}", tagged.view.id);
    assert_eq!(
        who.iter().filter(|client| client.principal == name && client.tags == "run=7\nteam=red\n").count(),
        2
    );
    assert!(
        who.iter().any(|client| client.principal == "operator" && client.tags.is_empty()),
        "the socket's"
    );
    let own = house.used(&format!("?principal={name}"), 2).await;
    assert_eq!(own.len(), 2);
    assert!(own.iter().all(|found| found.row.usage.output.0 > 0 && found.row.outcome == "answered"));
    let last = own[1].id;
    assert_eq!(house.used(&format!("?principal={name}&before={last}"), 0).await, []);

    let admin = house.stage.key("admin").await;
    for wrong in ["limit=0", "limit=1001", "principal=%00", "sice=1"] {
        assert_eq!(
            house.stage.with(&admin, "GET", &format!("/admin/usage?{wrong}"), "").await.0,
            400,
            "{wrong}"
        );
    }
    assert_eq!(house.stage.with(&tagged, "GET", "/admin/usage", "").await.0, 403);
    assert_eq!(house.stage.get("/admin/usage").await.0, 401);
    house.stage.close().await;
}
