//! A tool call's arguments, where a wire takes an object and not a text.

use serde_json::{Map, Value, json};

/// The arguments as an object; those that are none are shown to the model as what they are.
pub(crate) fn object(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str::<Map<String, Value>>(arguments) {
        Ok(object) => Value::Object(object),
        Err(_) => json!({"arguments_that_are_no_json_object": arguments}),
    }
}
