//! JSON Schema, and the subset of OpenAPI's that this vendor had before it. Source: the type `Schema` of its SDK.

use serde_json::{Map, Value, json};

/// The most levels that are written out; references that go in circles end there.
const MAX_DEPTH: usize = 32;
/// The most that is written, in values and bytes of texts: each reference may hold many of itself.
const MAX_WEIGHT: usize = 1024 * 1024;
/// What a schema weighs by itself.
const SCHEMA_WEIGHT: usize = 256;
/// The fields that the subset has and JSON Schema has under the same name.
const SAME: [&str; 15] = [
    "anyOf",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
];
/// Numbers that may come as texts, as Protocol Buffers write 64 bits in JSON.
const COUNTS: [&str; 6] =
    ["maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"];

/// The same schema as JSON Schema.
pub(super) fn from_subset(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => from_fields(fields),
        Value::Array(entries) => entries.into_iter().map(from_subset).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema,
    }
}

fn from_fields(fields: Map<String, Value>) -> Value {
    let is_nullable = fields.get("nullable") == Some(&Value::Bool(true));
    let mut schema = Map::new();
    for (name, value) in fields {
        let (name, value) = match (name.as_str(), value) {
            ("nullable" | "propertyOrdering" | "property_ordering" | "example", _) => continue,
            ("format", value) if value == "enum" => continue,
            ("type", Value::String(word)) => {
                let word = word.to_ascii_lowercase();
                ("type".to_owned(), if is_nullable { json!([word, "null"]) } else { json!(word) })
            }
            ("properties" | "defs", Value::Object(inner)) => {
                let inner = inner.into_iter().map(|(name, schema)| (name, from_subset(schema))).collect();
                (if name == "defs" { "$defs".to_owned() } else { name }, Value::Object(inner))
            }
            ("items" | "anyOf" | "additionalProperties", value) => (name, from_subset(value)),
            ("any_of", value) => ("anyOf".to_owned(), from_subset(value)),
            ("ref", Value::String(place)) => ("$ref".to_owned(), json!(place.replace("#/defs/", "#/$defs/"))),
            (count, Value::String(number)) if COUNTS.contains(&count) => {
                let number = number.parse::<u64>().map_or(Value::String(number), Value::from);
                (name, number)
            }
            (_, value) => (name, value),
        };
        schema.insert(name, value);
    }
    Value::Object(schema)
}

/// As much of the schema as the subset can say: references are written out, and what it has no word for is left out.
pub(super) fn to_subset(schema: &Value) -> Value {
    Subset { root: schema, room: MAX_WEIGHT }.write(schema, 0)
}

struct Subset<'a> {
    root: &'a Value,
    /// How much may still be written, as of [`weight`].
    room: usize,
}

impl Subset<'_> {
    fn write(&mut self, schema: &Value, depth: usize) -> Value {
        let room = self.room.checked_sub(SCHEMA_WEIGHT).filter(|_| depth < MAX_DEPTH);
        let (Some(fields), Some(room)) = (schema.as_object(), room) else { return json!({}) };
        self.room = room;
        if let Some(place) = fields.get("$ref").and_then(Value::as_str) {
            let place = place.strip_prefix('#').and_then(|place| self.root.pointer(place));
            return place.map_or_else(|| json!({}), |schema| self.write(schema, depth + 1));
        }
        let mut written = Map::new();
        for name in SAME {
            let Some(value) = fields.get(name) else { continue };
            let value = match (name, value) {
                ("items", value) => self.write(value, depth + 1),
                ("anyOf", Value::Array(kinds)) => self.all(kinds, depth),
                ("properties", Value::Object(inner)) => {
                    let inner = inner.iter().map(|(name, kind)| (name.clone(), self.write(kind, depth + 1)));
                    Value::Object(inner.collect())
                }
                (_, value) => match self.room.checked_sub(weight(value)) {
                    Some(room) => {
                        self.room = room;
                        value.clone()
                    }
                    None => continue,
                },
            };
            written.insert(name.to_owned(), value);
        }
        if let Some(Value::Array(kinds)) = fields.get("oneOf") {
            written.insert("anyOf".to_owned(), self.all(kinds, depth));
        }
        if let Some(only) = fields.get("const").filter(|only| only.is_string()) {
            written.insert("enum".to_owned(), json!([only]));
        }
        kind(fields.get("type"), &mut written);
        Value::Object(written)
    }

    fn all(&mut self, kinds: &[Value], depth: usize) -> Value {
        kinds.iter().map(|kind| self.write(kind, depth + 1)).collect()
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => text.len(),
        Value::Array(entries) => entries.iter().map(|entry| 1 + weight(entry)).sum(),
        Value::Object(fields) => fields.iter().map(|(name, field)| 1 + name.len() + weight(field)).sum(),
    }
}

fn kind(kind: Option<&Value>, written: &mut Map<String, Value>) {
    match kind {
        Some(Value::String(word)) => {
            written.insert("type".to_owned(), json!(word.to_ascii_uppercase()));
        }
        Some(Value::Array(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            if words.contains(&"null") {
                written.insert("nullable".to_owned(), json!(true));
            }
            if let Some(word) = words.into_iter().find(|word| *word != "null") {
                written.insert("type".to_owned(), json!(word.to_ascii_uppercase()));
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_becomes_json_schema() {
        let subset = json!({
            "type": "OBJECT", "propertyOrdering": ["a"], "required": ["a"],
            "properties": {"a": {"type": "ARRAY", "minItems": "1", "items": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": true}}},
            "additionalProperties": false,
        });
        let schema = json!({
            "type": "object", "required": ["a"],
            "properties": {"a": {"type": "array", "minItems": 1, "items": {"type": ["string", "null"], "enum": ["x"]}}},
            "additionalProperties": false,
        });
        assert_eq!(from_subset(subset), schema);
    }

    #[test]
    fn case_14_references_and_lists_of_types_are_written_out_for_the_subset() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "$schema": "x", "required": ["a"],
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"const": "k"}, "c": {"oneOf": [{"type": "integer"}]}},
            "$defs": {"A": {"type": ["string", "null"]}},
        });
        let subset = json!({
            "type": "OBJECT", "required": ["a"],
            "properties": {"a": {"type": "STRING", "nullable": true}, "b": {"enum": ["k"]}, "c": {"anyOf": [{"type": "INTEGER"}]}},
        });
        assert_eq!(to_subset(&schema), subset);
    }

    #[test]
    fn references_in_circles_end() {
        let many: Map<String, Value> =
            (0..10).map(|number| (number.to_string(), json!({"$ref": "#/$defs/A"}))).collect();
        let kind = json!({"properties": many, "description": "x".repeat(10_000)});
        let wide = json!({"$defs": {"A": kind}, "$ref": "#/$defs/A"});
        assert!(to_subset(&wide).to_string().len() < 2 * MAX_WEIGHT);
        let schema =
            json!({"$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}, "$ref": "#/$defs/A"});
        assert!(to_subset(&schema).to_string().len() < 2_000);
    }
}
