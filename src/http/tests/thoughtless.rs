//! Thoughts that a provider does not take for its own: it is asked once more without them, and the client is told.

use serde_json::Value;

use super::dialects::{ANTHROPIC, CHAT, GEMINI, House, RESPONSES, Way};

/// A turn in each dialect with a thought under this seal, as its own vendor would have it.
fn conversation(way: &Way, model: &str, seal: &str) -> String {
    let body = match way.path {
        "/v1/messages" => {
            r#"{"model":"MODEL","max_tokens":64,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"SEAL"},{"type":"text","text":"ho"}]},{"role":"user","content":"and?"}]}"#
        }
        "/v1/responses" => {
            r#"{"model":"MODEL","input":[{"role":"user","content":"hi"},{"type":"reasoning","summary":[],"encrypted_content":"SEAL"},{"role":"assistant","content":"ho"},{"role":"user","content":"and?"}],"store":false}"#
        }
        "/v1/chat/completions" => {
            r#"{"model":"MODEL","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"SEAL"}]},{"role":"user","content":"and?"}]}"#
        }
        _ => {
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"ho","thoughtSignature":"SEAL"}]},{"role":"user","parts":[{"text":"and?"}]}]}"#
        }
    };
    body.replace("MODEL", model).replace("SEAL", seal)
}

/// The conversation as if nobody had thought, as a vendor's own client would send it.
fn unthought(way: &Way, model: &str) -> String {
    let body = conversation(way, model, "SEAL");
    let without = [
        r#"{"type":"thinking","thinking":"hm","signature":"SEAL"},"#,
        r#"{"type":"reasoning","summary":[],"encrypted_content":"SEAL"},"#,
        r#","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"SEAL"}]"#,
        r#","thoughtSignature":"SEAL""#,
    ];
    without.iter().fold(body, |body, thought| body.replace(thought, ""))
}

struct Answered {
    status: u16,
    unsaid: Option<String>,
    text: String,
}

impl House {
    async fn tell(&self, path: &str, body: String) -> Answered {
        let answer =
            self.post(path).header("content-type", "application/json").body(body).send().await.unwrap();
        let unsaid = answer.headers().get("x-impresario-unsaid");
        Answered {
            status: answer.status().as_u16(),
            unsaid: unsaid.map(|names| names.to_str().unwrap().to_owned()),
            text: answer.text().await.unwrap(),
        }
    }

    fn sent(&self) -> String {
        String::from_utf8(self.standin.last().unwrap().body.to_vec()).unwrap()
    }
}

#[actix_rt::test]
async fn a_seal_that_its_vendor_refuses_is_left_out_with_its_thought_and_nothing_else_is() {
    let house = House::open(&["text"], "").await;
    for way in [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI] {
        let named = format!("{}/text", way.provider);
        let before = house.standin.counts().requests;
        let answer = house.tell(&way.path(&named, false), conversation(way, &named, "forged")).await;
        assert_eq!(answer.status, 200, "{} {}", way.path, answer.text);
        assert_eq!(answer.unsaid.as_deref(), Some("thoughts"), "{}", way.path);
        assert_eq!(house.standin.counts().requests - before, 2, "{}: once with them, once without", way.path);
        assert_eq!(house.sent(), unthought(way, "text"), "every other byte is as it was");

        // Another conversation's thoughts may be good ones: nothing is remembered.
        let before = house.standin.counts().requests;
        let answer = house.tell(&way.path(&named, false), conversation(way, &named, "forged")).await;
        assert_eq!((answer.status, house.standin.counts().requests - before), (200, 2), "{}", way.path);
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn a_stream_in_other_words_goes_on_without_thoughts_too() {
    let house = House::open(&["text"], "").await;
    for (way, model) in [
        (&ANTHROPIC, "gemini/text"),
        (&CHAT, "anthropic/text"),
        (&RESPONSES, "anthropic/text"),
        (&GEMINI, "anthropic/text"),
    ] {
        let seal = chat::Seal { issuer: Some(model.to_owned()), value: "forged".to_owned(), whole: false };
        let body = conversation(way, model, &wire::seal::pack(&seal));
        let body = if way.path == GEMINI.path { body } else { format!(r#"{{"stream":true,{}"#, &body[1..]) };
        let before = house.standin.counts().requests;
        let answer = house.tell(&way.path(model, true), body).await;
        assert_eq!(answer.status, 200, "{} {}", way.path, answer.text);
        assert_eq!(answer.unsaid.as_deref(), Some("thoughts"), "{}", way.path);
        assert_eq!(house.standin.counts().requests - before, 2, "{}", way.path);
        assert!(!house.sent().contains("forged"), "{}", house.sent());
    }
    house.stage.close().await;
}

#[actix_rt::test]
async fn what_is_refused_for_another_reason_is_asked_once_and_told_as_it_was() {
    let house = House::open(&["error-400"], "").await;
    for way in [&ANTHROPIC, &CHAT, &RESPONSES, &GEMINI] {
        let named = format!("{}/error-400", way.provider);
        let before = house.standin.counts().requests;
        let answer = house.tell(&way.path(&named, false), unthought(way, &named)).await;
        assert_eq!((answer.status, house.standin.counts().requests - before), (400, 1), "{}", answer.text);
        assert!(serde_json::from_str::<Value>(&answer.text).is_ok());
    }
    house.stage.close().await;
}
