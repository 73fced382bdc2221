//! Which parameter a vendor's refusal is about, found in its words.
//!
//! Vendors say it in a sentence and in no agreed field. A value out of range is not meant: the person who wrote it is
//! told, and nothing is dropped behind their back.

use chat::Parameter;

/// What stands in a refusal of a parameter as such. Sources: what OpenAI ("Unsupported parameter: 'temperature' is not
/// supported with this model", "does not support 0.2 with this model. Only the default (1) value is supported"),
/// Anthropic ("`temperature` is deprecated for this model", "may only be set to 1 when thinking is enabled", "Extra
/// inputs are not permitted"), Gemini ("Unknown name") and compatible servers answer with status 400 or 422.
const REFUSALS: [&str; 12] = [
    "unsupported",
    "not support",
    "n't support",
    "only the default",
    "may only be set",
    "deprecated",
    "no longer",
    "not permitted",
    "not allowed",
    "unrecognized",
    "unknown",
    "not available",
];

/// The parameter that these words refuse.
pub fn refused_parameter(words: &str) -> Option<Parameter> {
    let words = words.to_lowercase();
    if !REFUSALS.iter().any(|refusal| words.contains(refusal)) {
        return None;
    }
    let is_named = |parameter: &Parameter| {
        let mut apart = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        apart.any(|word| word == parameter.name())
    };
    Parameter::ALL.into_iter().find(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_refusals_are_understood() {
        for words in [
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            "`temperature` is deprecated for this model.",
            "`temperature` may only be set to 1 when thinking is enabled.",
            "temperature: Extra inputs are not permitted",
            "Invalid JSON payload received. Unknown name \"temperature\": Cannot find field.",
            "Unrecognized request argument supplied: temperature",
        ] {
            assert_eq!(refused_parameter(words), Some(Parameter::Temperature), "{words}");
        }
    }

    #[test]
    fn a_value_out_of_range_and_other_complaints_are_not_taken_for_it() {
        for words in [
            "temperature: Input should be less than or equal to 1",
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
            "Unsupported parameter: 'top_p' is not supported with this model.",
            "unknown field room_temperature",
            "messages: at least one message is required",
            "",
        ] {
            assert_eq!(refused_parameter(words), None, "{words}");
        }
    }
}
