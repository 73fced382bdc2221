//! The block of settings that users of the forerunner know, word for word: second names of the house's own keys.
//!
//! They are translated before layers are laid over one another, so that each setting has one name from then on.
//! `agents.<role>.model` and `.temperature` are called the same in both.

use yaml::Document;

use super::Error;

/// The section, the second name, and the house's own.
const NAMES: [[&str; 3]; 5] = [
    ["routing", "fallbackEnabled", "fallback_enabled"],
    ["routing", "maxRetries", "max_retries"],
    ["mcp", "contextPort", "context_port"],
    ["mcp", "modelPort", "model_port"],
    ["mcp", "maxConnections", "max_connections"],
];

/// What a translation found.
#[derive(Debug, Default)]
pub(super) struct Translated {
    /// Settings with two names that say different things.
    pub(super) contradictions: Vec<Error>,
    /// Whether a setting is there under both names.
    pub(super) twofold: bool,
}

/// Gives each setting of a document its own name.
pub(super) fn translate(file: &str, document: &mut Document) -> Translated {
    let mut translated = Translated::default();
    for [section, second, own] in NAMES {
        let Some(found) = document.value.get(&[section, second]) else { continue };
        let Some(known) = document.value.get(&[section, own]) else {
            document.rename(&[section, second], &[section, own]);
            continue;
        };
        translated.twofold = true;
        if found != known {
            let line = |key: &str| document.line(&[section.to_owned(), key.to_owned()]).unwrap_or_default();
            translated.contradictions.push(Error::TwoNames {
                file: file.to_owned(),
                line: line(own),
                key: format!("{section}.{own}"),
                second_line: line(second),
                second: format!("{section}.{second}"),
            });
        }
        document.value.remove(&[section, second]);
    }
    translated
}
