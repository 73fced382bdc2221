//! Pages that an answer's text comes from, as each dialect names them: OpenAI's annotations, Anthropic's citations and
//! Gemini's grounding.
//!
//! They are read leniently: one that cannot be understood is no reason to lose the answer.

use chat::{Citation, Event};
use serde_json::{Value, json};

use crate::seal;

/// The most that are read of one list.
pub(crate) const MAX_CITATIONS: usize = 1_024;

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// How many characters there are.
pub(crate) fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}

/// Those about a text that stands so many characters behind the answer's beginning; the next text stands after it.
pub(crate) fn within<'c>(
    citations: &'c [Citation],
    at: &mut u64,
    text: &str,
) -> impl Iterator<Item = &'c Citation> {
    let place = *at..at.saturating_add(characters(text));
    *at = place.end;
    citations.iter().filter(move |citation| place.contains(&citation.from))
}

/// OpenAI's, in either of its dialects; `base` characters of the answer's text stand before theirs.
pub(crate) fn of_openai(annotations: Option<Value>, base: u64) -> Vec<Event> {
    let Some(Value::Array(list)) = annotations else { return Vec::new() };
    let read = |annotation: &Value| {
        let page =
            if annotation["url_citation"].is_object() { &annotation["url_citation"] } else { annotation };
        let at = |name: &str| page[name].as_u64().unwrap_or(0).saturating_add(base);
        let (from, to) = (at("start_index"), at("end_index"));
        let citation =
            Citation { url: text(page, "url")?, title: text(page, "title"), quoted: None, from, to };
        Some(Event::Cited(citation))
    };
    list.iter().take(MAX_CITATIONS).filter_map(read).collect()
}

/// Anthropic's, which are about all of a block's text.
pub(crate) fn of_anthropic(citation: &Value, from: u64, to: u64) -> Option<Event> {
    let url = text(citation, "url").or_else(|| text(citation, "source"))?;
    let (title, quoted) = (text(citation, "title"), text(citation, "cited_text"));
    Some(Event::Cited(Citation { url, title, quoted, from, to }))
}

/// Gemini's, whose places are bytes of `said`, the answer's text.
pub(crate) fn of_gemini(grounding: &Value, said: &str) -> Vec<Event> {
    let empty = Vec::new();
    let list = |name: &str| grounding[name].as_array().unwrap_or(&empty).clone();
    let pages = list("groundingChunks");
    let mut events = Vec::new();
    for support in list("groundingSupports") {
        let at = |name: &str, other: usize| {
            let byte = support["segment"][name].as_u64().and_then(|byte| usize::try_from(byte).ok());
            characters(said.get(..byte.unwrap_or(other)).unwrap_or(said))
        };
        let (from, to) = (at("startIndex", 0), at("endIndex", said.len()));
        for page in support["groundingChunkIndices"].as_array().unwrap_or(&empty) {
            let page = page.as_u64().and_then(|page| pages.get(usize::try_from(page).ok()?));
            let Some(url) = page.and_then(|page| text(&page["web"], "uri")) else { continue };
            let title = page.and_then(|page| text(&page["web"], "title"));
            events.push(Event::Cited(Citation { url, title, quoted: None, from, to }));
            if events.len() == MAX_CITATIONS {
                return events;
            }
        }
    }
    events
}

/// For a client of Chat Completions.
pub(crate) fn for_chat(citation: &Citation) -> Value {
    let Citation { url, title, from, to, .. } = citation;
    let title = title.as_deref().unwrap_or_default();
    json!({"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": from, "end_index": to}})
}

/// For a client of Responses; `base` characters of the answer's text stand before the piece.
pub(crate) fn for_responses(citation: &Citation, base: u64) -> Value {
    let Citation { url, title, from, to, .. } = citation;
    let (from, to) = (from.saturating_sub(base), to.saturating_sub(base));
    let title = title.as_deref().unwrap_or_default();
    json!({"type": "url_citation", "url": url, "title": title, "start_index": from, "end_index": to})
}

/// For a client of Anthropic's. Its mark is none of Anthropic's: it is taken out before the block goes there.
pub(crate) fn for_anthropic(citation: &Citation) -> Value {
    let Citation { url, title, quoted, .. } = citation;
    let quoted = quoted.as_deref().unwrap_or_default();
    let mark = seal::mark();
    json!({"type": "web_search_result_location", "url": url, "title": title, "cited_text": quoted, "encrypted_index": mark})
}

/// For a client of Gemini's: what grounds the answer's text.
pub(crate) fn for_gemini(citations: &[Citation], said: &str) -> Value {
    let byte = |place: u64| {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        said.char_indices().nth(place).map_or(said.len(), |(byte, _)| byte)
    };
    let (mut pages, mut supports) = (Vec::new(), Vec::new());
    for (index, Citation { url, title, from, to, .. }) in citations.iter().enumerate() {
        let title = title.as_deref().unwrap_or_default();
        pages.push(json!({"web": {"uri": url, "title": title}}));
        let (from, to) = (byte(*from), byte(*to));
        let segment =
            json!({"startIndex": from, "endIndex": to, "text": said.get(from..to).unwrap_or_default()});
        supports.push(json!({"segment": segment, "groundingChunkIndices": [index]}));
    }
    json!({"groundingChunks": pages, "groundingSupports": supports})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_understood_is_passed_by() {
        for list in [
            json!(null),
            json!("x"),
            json!([]),
            json!([7, null, {}, {"type": "file_citation", "file_id": "f"}]),
        ] {
            assert_eq!(of_openai(Some(list), 0), []);
        }
        assert_eq!(of_anthropic(&json!({"type": "char_location", "document_index": 0}), 0, 1), None);
        let page = json!({"web": {"uri": "u"}});
        for grounding in [
            json!(null),
            json!({"groundingChunks": 1, "groundingSupports": [7, {"groundingChunkIndices": [9, -1, "x"]}]}),
            json!({"groundingChunks": [{}], "groundingSupports": [{"groundingChunkIndices": [0]}]}),
        ] {
            assert_eq!(of_gemini(&grounding, "hi"), []);
        }
        // A place beyond the text, or within a character, is about all of it.
        for end in [json!(u64::MAX), json!(1), json!("x"), json!(null)] {
            let support = json!({"segment": {"endIndex": end}, "groundingChunkIndices": [0]});
            let grounding = json!({"groundingChunks": [page], "groundingSupports": [support]});
            let [Event::Cited(Citation { from: 0, to: 1, .. })] = &of_gemini(&grounding, "ü")[..] else {
                panic!("{grounding}")
            };
        }
    }

    #[test]
    fn there_are_no_more_than_can_be_counted() {
        let list = vec![json!({"url": "u"}); MAX_CITATIONS + 1];
        assert_eq!(of_openai(Some(Value::Array(list)), 0).len(), MAX_CITATIONS);
        let support = json!({"groundingChunkIndices": vec![0; MAX_CITATIONS + 1]});
        let grounding = json!({"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [support]});
        assert_eq!(of_gemini(&grounding, "").len(), MAX_CITATIONS);
    }

    #[test]
    fn a_citation_of_anthropics_own_search_is_read() {
        let citation = json!({"type": "search_result_location", "source": "https://a/", "title": null, "cited_text": "so"});
        let expected = Citation {
            url: "https://a/".to_owned(),
            title: None,
            quoted: Some("so".to_owned()),
            from: 3,
            to: 9,
        };
        assert_eq!(of_anthropic(&citation, 3, 9), Some(Event::Cited(expected)));
    }
}
