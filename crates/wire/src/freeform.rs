//! Tools that take any text, where a dialect or a model knows only tools that take an object.
//!
//! In `chat`, the arguments of such a call are an object with the text as its one field, whoever made the call: so every
//! dialect can say it, and one that knows such tools writes the bare text again.

use chat::{Tool, ToolInput};
use serde_json::{Value, json};

/// The one field.
const FIELD: &str = "input";

/// What such a tool takes, as JSON Schema.
pub(crate) fn schema() -> Value {
    json!({"type": "object", "properties": {FIELD: {"type": "string"}}, "required": [FIELD], "additionalProperties": false})
}

/// What such a tool does, its grammar put in words for a model that is not held to it.
pub(crate) fn description(tool: &Tool, grammar: Option<&Value>) -> String {
    match grammar.and_then(|grammar| grammar.get("definition")).and_then(Value::as_str) {
        Some(grammar) => {
            format!("{}\n\nThe text in `{FIELD}` follows this grammar:\n{grammar}", tool.description)
        }
        None => tool.description.clone(),
    }
}

/// The text as arguments.
pub(crate) fn wrap(text: &str) -> String {
    json!({FIELD: text}).to_string()
}

/// How arguments begin when the text comes piece by piece.
pub(crate) const OPENING: &str = r#"{"input":""#;
/// How they end.
pub(crate) const CLOSING: &str = r#""}"#;

/// A piece of the text as a piece of the arguments.
pub(crate) fn escape(piece: &str) -> String {
    let quoted = Value::from(piece).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The text of such arguments; those that are in another shape are the text.
pub(crate) fn unwrap(arguments: &str) -> String {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(mut object)) if object.len() == 1 => match object.remove(FIELD) {
            Some(Value::String(text)) => text,
            Some(_) | None => arguments.to_owned(),
        },
        Ok(_) | Err(_) => arguments.to_owned(),
    }
}

/// Whether the tool of this name takes a text.
pub(crate) fn is_text(tools: &[Tool], name: &str) -> bool {
    tools.iter().any(|tool| tool.name == name && matches!(tool.input, ToolInput::Text { .. }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_survives_its_wrapping_whole_and_in_pieces(pieces in prop::collection::vec(any::<String>(), 0..5)) {
            let text = pieces.concat();
            prop_assert_eq!(unwrap(&wrap(&text)), text.clone());
            let pieces: String = pieces.iter().map(|piece| escape(piece)).collect();
            prop_assert_eq!(unwrap(&format!("{OPENING}{pieces}{CLOSING}")), text);
        }
    }

    #[test]
    fn arguments_in_another_shape_are_the_text() {
        for text in ["*** Begin Patch", "{\"path\": 1}", "{\"input\": 5}", "{\"input\": \"a\", \"b\": 1}", ""]
        {
            assert_eq!(unwrap(text), text);
        }
    }
}
