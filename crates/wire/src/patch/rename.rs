//! Gemini's bodies may name the model that the URL names too, and the vendor wants both to be the same.

use crate::Invalid;
use crate::hot::scan::{Fault, Scan};

use super::Cuts;

/// The body with this model instead of every other one that it names; nothing where it names none.
///
/// # Errors
/// When the body is no JSON.
pub fn rename(body: &[u8], model: &str) -> Result<Option<Vec<u8>>, Invalid> {
    let mut cuts = Cuts::default();
    let mut scan = Scan::of_bytes(body)?;
    look(&mut scan, &format!("models/{model}"), &mut cuts)?;
    Ok((!cuts.is_empty()).then(|| cuts.apply(body)))
}

fn look(scan: &mut Scan<'_>, model: &str, cuts: &mut Cuts) -> Result<(), Fault> {
    scan.members_if_any(|scan, key| match scan.key_at(&key) {
        "model" if scan.peek() == b'"' => {
            let place = scan.skip()?;
            if scan.string_at(&place) != model {
                cuts.replace(place, serde_json::Value::from(model).to_string());
            }
            Ok(())
        }
        "requests" => scan.elements_if_any(|scan| look(scan, model, cuts)),
        "generateContentRequest" | "generate_content_request" => look(scan, model, cuts),
        _ => scan.skip().map(drop),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(body: &str) -> String {
        let renamed = rename(body.as_bytes(), "m-1").unwrap();
        renamed.map_or_else(|| "as it was".to_owned(), |body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn names_the_model_wherever_the_vendor_reads_one_and_nowhere_else() {
        let batch =
            r#"{ "requests":[{"model":"models/text","content":{"model":"x"}}, {"model": "models/m-1"}, 7]}"#;
        let expected =
            r#"{ "requests":[{"model":"models/m-1","content":{"model":"x"}}, {"model": "models/m-1"}, 7]}"#;
        assert_eq!(renamed(batch), expected);
        let count = r#"{"generateContentRequest":{"contents":[],"model":"models/text"}}"#;
        assert_eq!(renamed(count), r#"{"generateContentRequest":{"contents":[],"model":"models/m-1"}}"#);
        for body in [r#"{"model":7,"content":{}}"#, r#"{"model":"models\/m-1"}"#, "[]"] {
            assert_eq!(renamed(body), "as it was", "{body}");
        }
        assert!(rename(b"{", "m").is_err());
    }
}
