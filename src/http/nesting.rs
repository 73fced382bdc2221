//! How deep JSON nests, read off its bytes before any parser recurses into it.

/// Whether brackets that are open at once never exceed `most`. It counts as JSON's grammar does, and judges nothing else:
/// what is no JSON is the parser's to refuse.
pub(super) fn is_within(json: &[u8], most: usize) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > most {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => pass_text(&mut bytes),
            _ => {}
        }
    }
    true
}

/// To behind the end of a text whose beginning was read.
fn pass_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            // What is escaped may be a quotation mark.
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            // With brackets, quotation marks and backslashes in it.
            r#"[\[\]{}"\\a-c\n]{0,12}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 64, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((r#"[{}\[\]"\\a]{0,4}"#, inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_it_counts_is_how_deep_a_parser_would_go(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            let (text, depth) = (text.unwrap(), depth(&value));
            prop_assert!(is_within(&text, depth));
            prop_assert!(depth == 0 || !is_within(&text, depth - 1));
        }

        #[test]
        fn any_bytes_at_all_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0_usize..5) {
            // What a parser accepts, however odd, is never deeper than was allowed.
            if is_within(&bytes, most) && let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
                prop_assert!(depth(&value) <= most);
            }
        }
    }

    #[test]
    fn a_hundred_thousand_brackets_are_refused_at_the_first_that_is_too_much() {
        assert!(!is_within(&vec![b'['; 100_000], 64));
        assert!(!is_within(r#"{"a":"#.repeat(100_000).as_bytes(), 64));
        assert!(is_within(format!("\"{}\"", "[".repeat(100_000)).as_bytes(), 0));
        assert!(is_within("[]".repeat(100_000).as_bytes(), 1));
        assert!(is_within(br#""never ended \"#, 0));
    }
}
