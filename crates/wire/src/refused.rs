//! What a vendor's refusal is about, found in its words: a parameter, or thoughts that it does not take for its own.
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

/// What stands together in a refusal of thoughts, each with the words that may follow. Sources: Anthropic ("Invalid
/// `signature` in `thinking` block", "Invalid `data` in `redacted_thinking` block", "`thinking` or `redacted_thinking`
/// blocks in the latest assistant message cannot be modified"), Gemini ("Corrupted thought signature.", "Thought
/// signature is not valid") and OpenAI ("The encrypted content gAAA... could not be verified.", "could not be decrypted or
/// parsed") answer with status 400.
const UNPROVEN: [(&str, &[&str]); 5] = [
    ("signature in thinking", &["invalid"]),
    ("data in redacted_thinking", &["invalid"]),
    ("redacted_thinking blocks", &["cannot be modified"]),
    ("thought signature", &["corrupt", "not valid", "invalid"]),
    ("encrypted content", &["not be verified", "not be decrypted", "did not match"]),
];

/// Whether these words refuse thoughts because they are not proven to be the vendor's own.
pub fn refuses_thoughts(words: &str) -> bool {
    let words =
        words.to_lowercase().replace(['`', '\'', '"'], "").replace("thought_signature", "thought signature");
    let words = words.replace("encrypted_content", "encrypted content");
    UNPROVEN
        .iter()
        .any(|(about, faults)| words.contains(about) && faults.iter().any(|fault| words.contains(fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_refusals_of_thoughts_are_understood() {
        for words in [
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            "messages.3.content.0: Invalid `data` in `redacted_thinking` block",
            "messages.3.content.8: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain as they were in the original response.",
            "Corrupted thought signature.",
            "Thought signature is not valid",
            "Provider returned error: Invalid thought_signature.",
            "The encrypted content gAAA...DQ== could not be verified.",
            "The encrypted content for item rs_0a could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
        ] {
            assert!(refuses_thoughts(words), "{words}");
        }
    }

    #[test]
    fn what_only_speaks_of_thoughts_is_not_taken_for_it() {
        for words in [
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly",
            "messages.129.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, a final `assistant` message must start with a thinking block",
            "Encrypted content is not supported with this model.",
            "thinking.budget_tokens: Input should be greater than or equal to 1024",
            "Invalid value: 'x' in the signature of the tool",
            "",
        ] {
            assert!(!refuses_thoughts(words), "{words}");
        }
    }

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
