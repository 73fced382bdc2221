//! What a patch may change, and that it changes nothing else.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{Dialect, hot};

fn patched<'a>(body: &'a str, change: impl for<'b> FnOnce(&mut Patch<'b>)) -> String {
    let hot = hot::read(Dialect::OpenAiChat, body.as_bytes()).unwrap();
    let mut patch = Patch::new(body.as_bytes(), &hot.fields).unwrap();
    change(&mut patch);
    patch.apply().map_or_else(|| body.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_models_name_is_replaced_and_no_other_byte() {
    let body = "{ \"z\" : 1.0 ,\n\t\"model\":\"a\\u0062\", \"a\": [ 1 , {\"model\":\"x\"} ]  }\n";
    assert_eq!(
        patched(body, |patch| {
            patch.set_text("model", "c\"d");
        }),
        body.replacen("\"a\\u0062\"", "\"c\\\"d\"", 1)
    );
}

#[test]
fn nothing_to_change_gives_nothing() {
    let hot = hot::read(Dialect::OpenAiChat, b"{\"model\":\"a\"}").unwrap();
    let mut patch = Patch::new(b"{\"model\":\"a\"}", &hot.fields).unwrap();
    patch.remove("temperature");
    assert_eq!(patch.apply(), None);
}

#[test]
fn usage_is_asked_for_whatever_options_there_are() {
    for (body, expected) in [
        ("{}", "{\"stream_options\":{\"include_usage\":true}}"),
        ("{\"a\":1 }", "{\"a\":1 ,\"stream_options\":{\"include_usage\":true}}"),
        ("{\"stream_options\":null,\"a\":1}", "{\"stream_options\":{\"include_usage\":true},\"a\":1}"),
        ("{\"stream_options\":{}}", "{\"stream_options\":{\"include_usage\":true}}"),
        ("{\"stream_options\":{\"x\":1}}", "{\"stream_options\":{\"x\":1,\"include_usage\":true}}"),
        (
            "{\"stream_options\":{\"include_usage\":false,\"x\":1}}",
            "{\"stream_options\":{\"include_usage\":true,\"x\":1}}",
        ),
    ] {
        assert_eq!(
            patched(body, |patch| {
                patch.include_usage().unwrap();
            }),
            expected
        );
    }
}

#[test]
fn what_stands_there_twice_is_removed_twice() {
    let body = "{\"temperature\":1,\"model\":\"a\",\"temperature\":2}";
    assert_eq!(
        patched(body, |patch| {
            patch.remove("temperature");
        }),
        "{\"model\":\"a\"}"
    );
}

#[test]
fn fields_are_removed_with_one_comma_each() {
    let body = "{ \"a\":1, \"b\":2 ,\"c\":3 }";
    for (gone, expected) in [
        (&["a"][..], "{ \"b\":2 ,\"c\":3 }"),
        (&["b"], "{ \"a\":1, \"c\":3 }"),
        (&["c"], "{ \"a\":1, \"b\":2 }"),
        (&["a", "b"], "{ \"c\":3 }"),
        (&["b", "c"], "{ \"a\":1 }"),
        (&["a", "c"], "{ \"b\":2 }"),
        (&["a", "b", "c"], "{  }"),
    ] {
        let patched = patched(body, |patch| {
            for name in gone {
                patch.remove(name);
            }
        });
        assert_eq!(patched, expected, "{gone:?}");
    }
}

#[test]
fn a_change_of_the_whole_goes_before_one_of_a_part() {
    let body = "{\"stream_options\":{\"x\":1},\"a\":1}";
    let set = patched(body, |patch| {
        patch.set("stream_options", "null").include_usage().unwrap();
    });
    assert_eq!(set, "{\"stream_options\":null,\"a\":1}");
    let removed = patched(body, |patch| {
        patch.include_usage().unwrap().remove("stream_options");
    });
    assert_eq!(removed, "{\"a\":1}");
}

#[test]
fn the_last_word_on_a_field_counts() {
    assert_eq!(
        patched("{\"a\":1}", |patch| {
            patch.remove("a").set("a", "2");
        }),
        "{\"a\":2}"
    );
}

proptest! {
    /// Fields a to f are there or not; each is set, removed or left alone.
    #[test]
    fn all_parses_as_before_but_for_what_was_changed(
        present in proptest::collection::vec((0_usize..6, -9_i64..9), 0..6),
        wanted in proptest::collection::vec((0_usize..8, proptest::option::of(10_i64..20)), 0..6),
        pretty: bool,
    ) {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h\"\u{fc}"];
        let mut value: Map<String, Value> = present.iter().map(|(at, number)| (NAMES[*at].to_owned(), json!([number]))).collect();
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let result = patched(&body, |patch| {
            for (at, number) in &wanted {
                match number {
                    Some(number) => patch.set(NAMES[*at], number.to_string()),
                    None => patch.remove(NAMES[*at]),
                };
            }
        });
        for (at, number) in &wanted {
            match number {
                Some(number) => drop(value.insert(NAMES[*at].to_owned(), json!(number))),
                None => drop(value.shift_remove(NAMES[*at])),
            }
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&result).unwrap(), Value::Object(value), "{}", result);
        // What stays of the old body stays as it was, in its order.
        let kept = present.iter().filter(|(at, _)| wanted.iter().all(|(wanted, _)| wanted != at));
        for (at, _) in kept {
            let before = hot::read(Dialect::OpenAiChat, body.as_bytes()).unwrap();
            let after = hot::read(Dialect::OpenAiChat, result.as_bytes()).unwrap();
            let text = |body: &str, fields: &Fields<'_>| fields.get(NAMES[*at]).map(|field| body[field.start..field.value.end].to_owned());
            prop_assert_eq!(text(&body, &before.fields), text(&result, &after.fields));
        }
    }
}
