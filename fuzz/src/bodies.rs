//! Laws of requests: what is read of them, what is changed in them, what is understood.

use serde_json::Value;
use serde_json::value::RawValue;
use wire::Dialect;
use wire::hot::{self, Hot};
use wire::patch::{self, Patch};

use super::dialects::{Words, to};

/// How much longer than a request its other words may be, and what any may be long.
const MOST: (usize, usize) = (64, 16 * 1024);
const MODEL: &str = "an\"other/ö";

pub(crate) fn what_is_read_is_what_stands_there(dialect: Dialect, body: &[u8]) {
    let unsealed = patch::unseal(body, "laws/one");
    let Ok(hot) = hot::read(dialect, body) else { return };
    serde_json::from_slice::<&RawValue>(body).expect("what was read is JSON");
    if let Some(unsealed) = unsealed.expect("what was read can be unsealed") {
        assert!(unsealed.body.len() <= body.len());
        serde_json::from_slice::<&RawValue>(&unsealed.body).expect("what was unsealed is JSON");
    }
    let unthought =
        |body: &[u8]| patch::unthink(dialect, "gemini-3", body).expect("what was read can be relayed");
    if let Some(rest) = unthought(body) {
        serde_json::from_slice::<&RawValue>(&rest).expect("what is left without thoughts is JSON");
        assert_eq!(unthought(&rest), None, "no thought is left");
    }
    for field in hot.fields.iter() {
        serde_json::from_slice::<&RawValue>(&body[field.value.clone()]).expect("a field's value is JSON");
    }
    // Numbers beyond any, and halves of characters, go past unread; there is nothing to hold them against.
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else { return };
    if dialect != Dialect::Gemini {
        assert_eq!(hot.model.as_deref(), object.get("model").and_then(Value::as_str));
        assert_eq!(hot.is_streamed, object.get("stream").and_then(Value::as_bool).unwrap_or(false));
    }
    for (name, value) in &object {
        let field = hot.fields.get(name).expect("each field is found");
        assert_eq!(serde_json::from_slice::<Value>(&body[field.value.clone()]).ok().as_ref(), Some(value));
    }
    changed(body, &hot, Value::Object(object));
}

/// A changed body differs in what was to be changed, and in nothing else.
fn changed(body: &[u8], hot: &Hot<'_>, mut expected: Value) {
    let patch = || Patch::new(body, &hot.fields).expect("what was read is UTF-8");
    let found = |patch: Patch<'_>| -> Value {
        let bytes = patch.apply().unwrap_or_else(|| body.to_vec());
        serde_json::from_slice(&bytes).expect("a changed body is JSON")
    };
    let mut removed = patch();
    removed.remove("temperature").remove("model");
    let removed = found(removed);
    let mut without = expected.clone();
    let object = without.as_object_mut().expect("it is one");
    object.shift_remove("temperature");
    object.shift_remove("model");
    assert_eq!(removed, without);

    let mut named = patch();
    named.set_text("model", MODEL);
    // Only what is too large may be refused.
    let includes = named.include_usage().is_ok();
    expected["model"] = MODEL.into();
    if includes {
        if !expected["stream_options"].is_object() {
            expected["stream_options"] = Value::Object(serde_json::Map::new());
        }
        expected["stream_options"]["include_usage"] = true.into();
    }
    assert_eq!(found(named), expected);
}

pub(crate) fn what_was_understood_can_be_said_everywhere(words: &Words, body: &[u8]) {
    let (dialect, hot) = (words.dialect, hot::read(words.dialect, body));
    let Ok(asked) = wire::request(dialect, body, "m", false) else { return };
    // Whatever comes to be understood was read by the first look before.
    let Ok(hot) = hot else { return };
    if dialect != Dialect::Gemini {
        assert_eq!(hot.model.as_deref(), Some(asked.model.as_str()));
        assert_eq!(hot.is_streamed, asked.is_streamed);
    }
    for other in Words::all() {
        let said = (other.encode)(&asked.request, &to()).body.to_string();
        let most = MOST.0 * body.len() + MOST.1;
        assert!(said.len() <= most, "{} bytes became {} of {:?}", body.len(), said.len(), other.dialect);
        hot::read(other.dialect, said.as_bytes()).expect("what is said can be read");
    }
}
