//! Answers that are kept here, before stand-ins for the vendors: what a vendor is told of them, and what a client finds.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::dialects::House;
use super::stage::Stage;
use crate::http::views::KeyOrder;

const PATH: &str = "/v1/responses";
const VENDORS: [&str; 3] = ["anthropic", "openai", "gemini"];

impl House {
    /// All vendors, with these models each, and answers kept as `responses` says.
    async fn keeping(models: &[&str], responses: &str) -> Self {
        Self::open(models, &format!("gateway: {{responses: {responses}}}")).await
    }

    /// Asks, and reads the answer; of a stream the one in its last event.
    async fn respond(&self, body: Value) -> (u16, Value) {
        let (status, text) = self.said(&self.key, &body).await;
        (status, answer_of(&text))
    }

    async fn said(&self, key: &str, body: &Value) -> (u16, String) {
        let request = self.http.post(self.url(PATH)).bearer_auth(key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn get(&self, key: &str, path: &str) -> (u16, Value) {
        let answer = self.http.get(self.url(path)).bearer_auth(key).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn delete(&self, key: &str, path: &str) -> (u16, Value) {
        let answer = self.http.delete(self.url(path)).bearer_auth(key).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn another_key(&self) -> String {
        let scopes = ["gateway".parse().unwrap()].into_iter().collect();
        let order = KeyOrder { name: "another's".to_owned(), scopes, ..KeyOrder::default() };
        self.stage.client.create_key(&order).await.unwrap().key.0
    }

    /// The database, where it is a file.
    fn file(&self) -> Option<PathBuf> {
        match Stage::load(&self.stage.folder, "127.0.0.1:0").database {
            store::Database::Sqlite(file) => Some(file),
            store::Database::Postgres(_) => None,
        }
    }

    /// What the vendor was told last.
    fn told(&self) -> String {
        String::from_utf8(self.standin.last().unwrap().body.to_vec()).unwrap()
    }
}

fn answer_of(text: &str) -> Value {
    if let Ok(answer) = serde_json::from_str(text) {
        return answer;
    }
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data: "));
    let last: Value = serde_json::from_str(data.unwrap()).unwrap();
    last.get("response").cloned().unwrap_or(last)
}

fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn ask(model: &str, input: &str, previous: Option<&str>, is_streamed: bool) -> Value {
    let mut body = json!({"model": model, "input": input, "stream": is_streamed});
    if let Some(previous) = previous {
        body["previous_response_id"] = json!(previous);
    }
    body
}

/// All of these stand there, in this order.
fn holds(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let (_, after) =
            rest.split_once(word).unwrap_or_else(|| panic!("no {word} where it should be: {text}"));
        rest = after;
    }
}

#[actix_rt::test]
async fn a_conversation_goes_on_at_any_vendor_and_no_vendor_keeps_it() {
    let house = House::keeping(&["text", "tools"], "{store: true}").await;
    for is_streamed in [false, true] {
        let mut previous: Option<String> = None;
        let mut words = Vec::new();
        // Each turn is another vendor's, and the last two are the same one's.
        for vendor in ["openai", "anthropic", "gemini", "openai", "openai"] {
            let word = format!("word-{}", words.len());
            let body = ask(&format!("{vendor}/text"), &word, previous.as_deref(), is_streamed);
            let (status, answer) = house.respond(body).await;
            assert_eq!((status, &answer["status"]), (200, &json!("completed")), "{vendor}: {answer}");
            assert_eq!(answer["store"], true, "{vendor}: {answer}");
            assert_eq!(answer["previous_response_id"], json!(previous), "{vendor}: {answer}");
            words.push(word);
            let told = house.told();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            holds(&told, &words);
            if vendor == "openai" {
                let told: Value = serde_json::from_str(&told).unwrap();
                assert_eq!(told["store"], false);
                assert_eq!(told["input"].as_array().unwrap().len(), 2 * words.len() - 1, "answers among it");
                assert!(told.get("previous_response_id").is_none());
            }
            previous = Some(id(&answer).to_owned());
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn three_turns_with_a_tool_among_them_at_each_vendor_and_a_branch_from_the_middle() {
    let house = House::keeping(&["text", "tools"], "{store: true}").await;
    for vendor in VENDORS {
        let body = ask(&format!("{vendor}/tools"), "one", None, false);
        let (_, first) = house.respond(body).await;
        let calls = first["output"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call");
        let results: Vec<Value> = calls
            .map(
                |call| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}),
            )
            .collect();
        assert!(!results.is_empty(), "{first}");
        let second = json!({"model": format!("{vendor}/text"), "input": results, "previous_response_id": first["id"], "stream": true});
        let (status, second) = house.respond(second).await;
        assert_eq!(status, 200, "{vendor}: {second}");
        holds(&house.told(), &["one", "get_weather", "sunny"]);
        let body = ask(&format!("{vendor}/text"), "three", Some(id(&second)), false);
        let (status, third) = house.respond(body).await;
        assert_eq!(status, 200, "{vendor}: {third}");
        holds(&house.told(), &["one", "get_weather", "sunny", "three"]);

        let body = ask(&format!("{vendor}/text"), "another three", Some(id(&second)), false);
        let (status, branch) = house.respond(body).await;
        assert_eq!(status, 200, "{vendor}: {branch}");
        let told = house.told();
        holds(&told, &["one", "sunny", "another three"]);
        assert!(!told.contains("\"three\""), "what was said on the other branch: {told}");
        assert_ne!(id(&third), id(&branch));
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_conversation_goes_on_after_a_restart() {
    let house = House::keeping(&["text"], "{store: true}").await;
    let (_, first) = house.respond(ask("openai/text", "one", None, true)).await;
    let House { standin, stage, http, key } = house;
    let stage = Stage::open_in(stage.close().await).await;
    let house = House { standin, stage, http, key };
    let (status, second) = house.respond(ask("anthropic/text", "two", Some(id(&first)), false)).await;
    assert_eq!(status, 200, "{second}");
    holds(&house.told(), &["one", "two"]);
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_kept_is_told_to_its_owner_as_it_was_given_until_he_deletes_it() {
    let house = House::keeping(&["text"], "{store: true}").await;
    let (_, first) = house.respond(ask("gemini/text", "one", None, false)).await;
    let (_, second) = house.respond(ask("openai/text", "two", Some(id(&first)), true)).await;
    let path = format!("{PATH}/{}", id(&second));
    assert_eq!(house.get(&house.key, &path).await, (200, second.clone()));
    let (status, items) = house.get(&house.key, &format!("{path}/input_items?order=asc&limit=2")).await;
    assert_eq!(
        (status, &items["object"], &items["has_more"]),
        (200, &json!("list"), &json!(true)),
        "{items}"
    );
    assert_eq!(items["data"][0]["content"], "one", "{items}");
    assert_eq!(items["data"][1]["role"], "assistant", "{items}");

    let another = house.another_key().await;
    for (key, path) in [(&another, path.as_str()), (&house.key, "/v1/responses/resp_none")] {
        for ending in ["", "/input_items"] {
            let (status, error) = house.get(key, &format!("{path}{ending}")).await;
            assert_eq!((status, &error["error"]["type"]), (404, &json!("invalid_request_error")), "{error}");
        }
        assert_eq!(house.delete(key, path).await.0, 404);
    }
    let (status, error) = house.said(&another, &ask("openai/text", "x", Some(id(&second)), false)).await;
    assert_eq!((status, &answer_of(&error)["error"]["code"]), (400, &json!("previous_response_not_found")));
    // The socket's account is an owner too, and not this one.
    let (status, error) =
        house.stage.post(PATH, &ask("openai/text", "x", Some(id(&second)), false).to_string()).await;
    assert_eq!(status, 400, "{error}");

    let gone = json!({"id": id(&second), "object": "response", "deleted": true});
    assert_eq!(house.delete(&house.key, &path).await, (200, gone));
    assert_eq!(house.get(&house.key, &path).await.0, 404);
    let (status, error) = house.respond(ask("openai/text", "three", Some(id(&second)), true)).await;
    assert_eq!(status, 400, "{error}");
    assert_eq!(error["error"]["code"], "previous_response_not_found");
    assert_eq!(error["error"]["param"], "previous_response_id");
    // Each answer has its whole conversation: the one before is still there to go on from.
    assert_eq!(house.respond(ask("openai/text", "three", Some(id(&first)), true)).await.0, 200);
    let nobody = house.http.get(house.url(&path)).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    house.stage.close().await;
}

#[actix_rt::test]
async fn the_socket_has_conversations_of_its_own() {
    let house = House::keeping(&["text"], "{store: true}").await;
    let (_, first) = house.stage.post(PATH, &ask("openai/text", "one", None, false).to_string()).await;
    let first = answer_of(&first);
    let body = ask("openai/text", "two", Some(id(&first)), false);
    assert_eq!(house.stage.post(PATH, &body.to_string()).await.0, 200);
    assert_eq!(house.respond(body).await.0, 400);
    house.stage.close().await;
}

#[actix_rt::test]
async fn nothing_is_kept_unless_it_is_configured_and_wanted() {
    let house = House::open(&["text"], "").await;
    for vendor in VENDORS {
        let mut body = ask(&format!("{vendor}/text"), "one", None, false);
        body["store"] = json!(true);
        let request = house.post(PATH).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["x-impresario-unsaid"], "store", "{vendor}");
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_ne!(answer["store"], true, "{vendor}: {answer}");
        let (status, error) =
            house.respond(ask(&format!("{vendor}/text"), "x", Some(id(&answer)), false)).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (400, &json!("previous_response_not_found")),
            "{error}"
        );
        let (status, _) = house.get(&house.key, &format!("{PATH}/resp_standin")).await;
        assert_eq!(status, 404);
    }
    house.stage.close().await;

    let house = House::keeping(&["text"], "{store: true}").await;
    let (_, kept) = house.respond(ask("openai/text", "one", None, false)).await;
    for previous in [None, Some(id(&kept))] {
        for is_streamed in [false, true] {
            let mut body = ask("openai/text", "two", previous, is_streamed);
            body["store"] = json!(false);
            let (status, answer) = house.respond(body).await;
            assert_eq!(status, 200, "{answer}");
            assert_ne!(answer["store"], true, "{answer}");
            let (status, _) = house.get(&house.key, &format!("{PATH}/{}", id(&answer))).await;
            assert_eq!(status, 404, "{answer}");
        }
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn the_oldest_go_where_an_owner_has_as_many_as_he_may() {
    let house = House::keeping(&["text"], "{store: true, per_owner: 2}").await;
    let mut ids = Vec::new();
    let mut previous = None;
    for number in 0..4 {
        let body = ask("openai/text", &format!("word-{number}"), previous.as_deref(), number % 2 == 0);
        let (status, answer) = house.respond(body).await;
        assert_eq!(status, 200, "{answer}");
        ids.push(id(&answer).to_owned());
        previous = ids.last().cloned();
    }
    let mut found = Vec::new();
    for id in &ids {
        found.push(house.get(&house.key, &format!("{PATH}/{id}")).await.0);
    }
    assert_eq!(found, [404, 404, 200, 200]);
    holds(&house.told(), &["word-0", "word-1", "word-2", "word-3"]);
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_conversation_is_only_so_large() {
    let house = House::keeping(&["text"], "{store: true, owner_mb: 1}").await;
    let asked = house.standin.counts().requests;
    let (status, error) = house.respond(ask("openai/text", &"x".repeat(1 << 20), None, false)).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("input")), "{error}");
    let (_, first) = house.respond(ask("openai/text", &"x".repeat(600_000), None, false)).await;
    let (status, error) =
        house.respond(ask("openai/text", &"x".repeat(600_000), Some(id(&first)), false)).await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("previous_response_id")), "{error}");
    assert_eq!(house.standin.counts().requests, asked + 1);
    house.stage.close().await;
}

/// Whoever goes on from an answer has to find it: where it cannot be kept, its client is not told that it is whole.
#[actix_rt::test]
async fn while_nothing_can_be_written_an_answer_has_no_end_and_what_is_not_kept_goes_on() {
    let house = House::keeping(&["text"], "{store: true}").await;
    house.stage.server.doors().registry.supervisor("root").unwrap().terminate_child("writer").await.unwrap();
    let (status, error) = house.respond(ask("openai/text", "one", None, false)).await;
    assert_eq!((status, &error["error"]["code"]), (503, &json!("busy")), "{error}");
    for vendor in VENDORS {
        let (status, text) = house.said(&house.key, &ask(&format!("{vendor}/text"), "one", None, true)).await;
        assert_eq!(status, 200, "{text}");
        assert!(!text.contains("response.completed"), "{vendor}: {text}");
        holds(
            &text,
            &["response.output_text.delta", "event: error\ndata: ", "\"code\":\"busy\"", "sequence_number"],
        );
        let mut body = ask(&format!("{vendor}/text"), "one", None, true);
        body["store"] = json!(false);
        let (status, text) = house.said(&house.key, &body).await;
        assert_eq!(status, 200, "{text}");
        holds(&text, &["response.completed"]);
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn while_the_store_cannot_be_read_nobody_is_asked_for_what_could_not_be_kept() {
    let house = House::keeping(&["text"], "{store: true}").await;
    let Some(file) = house.file() else { return drop(house.stage.close().await) };
    rusqlite::Connection::open(file).unwrap().execute_batch("ALTER TABLE responses RENAME TO away").unwrap();
    let asked = house.standin.counts().requests;
    for previous in [None, Some("resp_1")] {
        let (status, error) = house.respond(ask("openai/text", "one", previous, true)).await;
        assert_eq!((status, &error["error"]["code"]), (503, &json!("busy")), "{error}");
    }
    assert_eq!(house.standin.counts().requests, asked, "nobody was asked");
    let mut body = ask("openai/text", "one", None, true);
    body["store"] = json!(false);
    assert_eq!(house.respond(body).await.0, 200);
    house.stage.close().await;
}

#[actix_rt::test]
async fn an_answer_that_has_had_its_time_is_not_there_though_its_row_is() {
    let house = House::keeping(&["text"], "{store: true}").await;
    let Some(file) = house.file() else { return drop(house.stage.close().await) };
    let (_, first) = house.respond(ask("openai/text", "one", None, false)).await;
    let rows =
        rusqlite::Connection::open(file).unwrap().execute("UPDATE responses SET at = 1000", []).unwrap();
    assert_eq!(rows, 1);
    assert_eq!(house.get(&house.key, &format!("{PATH}/{}", id(&first))).await.0, 404);
    let (status, error) = house.respond(ask("openai/text", "two", Some(id(&first)), false)).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("previous_response_not_found")), "{error}");
    house.stage.close().await;
}

#[actix_rt::test]
async fn an_answer_that_breaks_off_or_fails_is_not_kept() {
    let house = House::keeping(&["dies", "error-500"], "{store: true}").await;
    for vendor in VENDORS {
        let (status, text) = house.said(&house.key, &ask(&format!("{vendor}/dies"), "one", None, true)).await;
        assert_eq!(status, 200, "{text}");
        assert!(!text.contains("response.completed"), "{vendor}: {text}");
        let (status, _) = house.respond(ask(&format!("{vendor}/error-500"), "one", None, false)).await;
        assert!(status >= 500, "{vendor}");
    }
    if let Some(file) = house.file() {
        let count = "SELECT COUNT(*) FROM responses";
        let rows: i64 =
            rusqlite::Connection::open(file).unwrap().query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }
    house.stage.close().await;
}

/// A vendor that did not sign its thoughts would not know them again; one that did gets them back, and nobody else.
#[actix_rt::test]
async fn thoughts_go_back_to_who_signed_them() {
    let house = House::keeping(&["thinking", "text"], "{store: true}").await;
    for vendor in VENDORS {
        let (_, first) = house.respond(ask(&format!("{vendor}/thinking"), "one", None, false)).await;
        let body = ask(&format!("{vendor}/thinking"), "two", Some(id(&first)), false);
        let (status, second) = house.respond(body).await;
        assert_eq!(status, 200, "{second}");
        let own = house.told();
        let sign = standin_seal(vendor, &first);
        assert!(own.contains(&sign), "{vendor}: {own}");
        let other = if vendor == "openai" { "anthropic" } else { "openai" };
        let body = ask(&format!("{other}/text"), "two", Some(id(&first)), false);
        assert_eq!(house.respond(body).await.0, 200);
        let told = house.told();
        assert!(!told.contains(&sign), "{vendor} to {other}: {told}");
    }
    house.stage.close().await;
}

/// The seal as its issuer wrote it.
fn standin_seal(vendor: &str, answer: &Value) -> String {
    let mut seals =
        answer["output"].as_array().unwrap().iter().filter_map(|item| item["encrypted_content"].as_str());
    let packed = seals.next().unwrap_or_else(|| panic!("{answer}"));
    let seal = wire::seal::unpack(packed, true);
    assert_eq!(seal.issuer.is_none(), vendor == "openai", "{packed}");
    seal.value
}
