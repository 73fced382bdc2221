//! A request that goes on from an answer which is kept here, made one that says the whole conversation itself.
//!
//! What was said before is put before what is new, as items of the dialect; so whoever answers, in whichever dialect, is
//! asked as by a client that keeps its conversation itself, and nothing is to be kept by a vendor.

use serde_json::{Map, Value};

use crate::hot::Hot;
use crate::hot::scan::Scan;
use crate::patch::Patch;
use crate::{Invalid, seal};

/// The most items of a conversation.
pub const MAX_ITEMS: usize = 10_000;
/// What an item of an answer says that only whoever kept it would know, or that says nothing to a model.
const OWN_FIELDS: [&str; 2] = ["id", "status"];

/// An answer that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// All that the model was given, as a list of items.
    pub given: &'a str,
    /// The answer as its client has it.
    pub answer: &'a str,
    /// Who gave it.
    pub issuer: &'a str,
}

/// A request that says all by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its body; what is not changed is as it was, byte for byte.
    pub body: Vec<u8>,
    /// Its input, as a list of items.
    pub given: String,
    /// Whether thoughts of the answer before are left out: without a signature nobody takes them back.
    pub lost_thoughts: bool,
}

/// Puts the conversation before the input of a request, and has nothing kept of it by whoever answers. `hot` is what was
/// read of the body.
///
/// # Errors
/// When the conversation has more than [`MAX_ITEMS`].
pub fn go_on(body: &[u8], hot: &Hot<'_>, before: Option<Before<'_>>) -> Result<Whole, Invalid> {
    let (mut items, mut lost_thoughts) = (Vec::new(), false);
    if let Some(Before { given, answer, issuer }) = before {
        items.push(inside(given).to_owned());
        items.extend(said(answer, issuer, &mut lost_thoughts)?);
    }
    let input = hot.fields.get("input").map(|field| &body[field.value.clone()]);
    let input =
        std::str::from_utf8(input.unwrap_or_default()).map_err(|_| Invalid::new("body", "must be UTF-8"))?;
    items.push(match input.as_bytes().first() {
        Some(b'"') => format!(r#"{{"type":"message","role":"user","content":{input}}}"#),
        Some(b'[') => inside(input).to_owned(),
        Some(_) | None => String::new(),
    });
    items.retain(|item| !item.is_empty());
    let given = format!("[{}]", items.join(","));
    if count(&given)? > MAX_ITEMS {
        let field = if before.is_some() { "previous_response_id" } else { "input" };
        return Err(Invalid::new(field, format!("must be of a conversation of at most {MAX_ITEMS} items")));
    }
    let mut patch = Patch::new(body, &hot.fields)?;
    patch.set("input", given.as_str()).set("store", "false").remove("previous_response_id");
    let body = patch.apply().unwrap_or_else(|| body.to_vec());
    Ok(Whole { body, given, lost_thoughts })
}

/// What stands between the brackets of a list.
fn inside(list: &str) -> &str {
    let list = list.trim();
    list.strip_prefix('[').and_then(|list| list.strip_suffix(']')).map_or("", str::trim)
}

fn count(list: &str) -> Result<usize, Invalid> {
    let mut number = 0;
    Scan::new(list).elements(|scan| {
        number += 1;
        scan.skip().map(drop)
    })?;
    Ok(number)
}

/// The items of an answer, as they are told again.
fn said(answer: &str, issuer: &str, lost_thoughts: &mut bool) -> Result<Vec<String>, Invalid> {
    let damaged = |_| Invalid::new("previous_response_id", "must be of an answer that can be read");
    let answer: Value = serde_json::from_str(answer).map_err(damaged)?;
    let mut items = Vec::new();
    for item in answer["output"].as_array().into_iter().flatten() {
        let Some(mut item) = item.as_object().cloned() else { continue };
        let is_thought = item.get("type").and_then(Value::as_str) == Some("reasoning");
        if is_thought && !seal_thought(&mut item, issuer) {
            *lost_thoughts = true;
            continue;
        }
        if is_known(&item) {
            OWN_FIELDS.iter().for_each(|name| drop(item.shift_remove(*name)));
        }
        items.push(Value::Object(item).to_string());
    }
    Ok(items)
}

/// Whether an item is told in full: others are only known by their ids.
fn is_known(item: &Map<String, Value>) -> bool {
    let kind = item.get("type").and_then(Value::as_str);
    matches!(kind, Some("message" | "reasoning" | "function_call" | "custom_tool_call"))
}

/// Names who signed a thought, so that it goes back to nobody else; `false` where nobody signed it.
fn seal_thought(thought: &mut Map<String, Value>, issuer: &str) -> bool {
    let Some(Value::String(value)) = thought.get_mut("encrypted_content") else { return false };
    if value.is_empty() {
        return false;
    }
    let mut sealed = seal::unpack(value, true);
    sealed.issuer.get_or_insert_with(|| issuer.to_owned());
    *value = seal::pack(&sealed);
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Dialect, hot};

    fn whole(body: &str, before: Option<Before<'_>>) -> Result<Whole, Invalid> {
        go_on(body.as_bytes(), &hot::read(Dialect::OpenAiResponses, body.as_bytes()).unwrap(), before)
    }

    #[test]
    fn a_text_becomes_an_item_and_a_list_stays_as_it_is() {
        let of = |body: &str| whole(body, None).unwrap();
        let text = of(r#"{"zeta":1, "input":"h\u00e9", "store" : true}"#);
        assert_eq!(text.given, r#"[{"type":"message","role":"user","content":"h\u00e9"}]"#);
        let body = format!(r#"{{"zeta":1, "input":{}, "store" : false}}"#, text.given);
        assert_eq!(String::from_utf8(text.body).unwrap(), body);
        let list = of(r#"{"input":[ {"b":1,"a":2} ,{} ]}"#);
        assert_eq!(list.given, r#"[{"b":1,"a":2} ,{}]"#);
        assert_eq!(of(r#"{"input":[]}"#).given, "[]");
        assert_eq!(of("{}").given, "[]");
    }

    #[test]
    fn what_was_said_before_comes_first_and_thoughts_go_back_to_who_signed_them() {
        let output = json!({"output": [
            {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "raw"},
            {"id": "rs_2", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": []},
            {"id": "ws_1", "type": "web_search_call", "status": "completed"},
        ]});
        let answer = output.to_string();
        let before = Before { given: r#"[{"role":"user","content":"one"}]"#, answer: &answer, issuer: "o/m" };
        let body = r#"{"previous_response_id":"resp_1","input":"two","model":"x"}"#;
        let whole = whole(body, Some(before)).unwrap();
        assert!(whole.lost_thoughts);
        let said: Value = serde_json::from_slice(&whole.body).unwrap();
        assert_eq!(said["input"].to_string(), whole.given);
        assert!(said.get("previous_response_id").is_none());
        assert_eq!(said["store"], false);
        let items = said["input"].as_array().unwrap();
        assert_eq!(items.len(), 5);
        assert_eq!(items[0]["content"], "one");
        let sealed = seal::unpack(items[1]["encrypted_content"].as_str().unwrap(), true);
        assert_eq!((sealed.issuer.as_deref(), sealed.value.as_str()), (Some("o/m"), "raw"));
        assert_eq!(items[2], json!({"type": "message", "role": "assistant", "content": []}));
        assert_eq!(items[3]["id"], "ws_1");
        assert_eq!(items[4]["content"], "two");
    }

    #[test]
    fn a_conversation_has_an_end() {
        let given = format!("[{}]", vec!["{}"; MAX_ITEMS].join(","));
        let before = Before { given: &given, answer: "{}", issuer: "o/m" };
        assert!(whole(r#"{"input":[]}"#, Some(before)).is_ok());
        assert_eq!(whole(r#"{"input":"x"}"#, Some(before)).unwrap_err().field, "previous_response_id");
    }
}
