//! What routing has to know of a request that is relayed as it is: a few fields, and where they stand.
//!
//! The whole body is read once and found to be JSON, but nothing of it is copied: 400 KB take a fraction of a
//! millisecond. What is not looked at here is for the provider to judge.

pub(crate) mod scan;

use std::borrow::Cow;
use std::ops::Range;

use units::TokenCount;

use crate::{Dialect, Invalid};
use scan::{Fault, Scan};

/// The most fields of a request's outermost object, and of each object that is changed in it.
pub const MAX_FIELDS: usize = 256;

/// The few fields that routing looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hot<'a> {
    /// The model, as the client calls it. Gemini has it in the URL.
    pub model: Option<Cow<'a, str>>,
    /// Whether the answer is to come piece by piece. Gemini has it in the URL.
    pub is_streamed: bool,
    /// Whether the client is told at a stream's end what was used; only Chat Completions lets it choose.
    pub wants_usage: bool,
    /// The most that the model may say.
    pub max_output: Option<TokenCount>,
    /// Whether tools are offered.
    pub has_tools: bool,
    /// Whether there are pictures, documents or sounds among what is said.
    pub has_media: bool,
    /// Whether the model is asked to think first.
    pub has_thinking: bool,
    /// Which answer before this one it goes on from (Responses).
    pub previous: Option<Cow<'a, str>>,
    /// Whether the answer is to be kept (Responses).
    pub store: Option<bool>,
    /// All fields of the outermost object.
    pub fields: Fields<'a>,
}

/// The fields of one object, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'a> {
    list: Vec<Field<'a>>,
}

/// A field and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Where the name begins, its quote included.
    pub start: usize,
    /// Where its value stands.
    pub value: Range<usize>,
}

impl<'a> Fields<'a> {
    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.list.iter()
    }

    /// The field of this name; the last one, if it stands there twice.
    pub fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.list.iter().rev().find(|field| field.name == name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The fields of the object that stands at a place of a valid body; none where there is no object.
    pub(crate) fn at(body: &'a str, place: &Range<usize>) -> Result<Self, Invalid> {
        let mut list = Vec::new();
        let mut too_many = false;
        let text = &body[..place.end];
        let mut scan = Scan::from(text, place.start);
        if scan.peek() == b'{' {
            scan.members(|scan, key| {
                let name = scan.string_at(&key);
                let value = scan.skip()?;
                too_many |= list.len() == MAX_FIELDS;
                if !too_many {
                    list.push(Field { name, start: key.start, value });
                }
                Ok(())
            })?;
        }
        if too_many { Err(too_many_fields()) } else { Ok(Self { list }) }
    }
}

fn too_many_fields() -> Invalid {
    Invalid::new("body", format!("must have at most {MAX_FIELDS} fields"))
}

/// Reads what routing has to know.
///
/// # Errors
/// When the body is no JSON object, is nested too deeply, holds a field that is read here twice, or holds it with
/// another type than its dialect has.
pub fn read(dialect: Dialect, body: &[u8]) -> Result<Hot<'_>, Invalid> {
    let mut scan = Scan::of_bytes(body)?;
    if scan.peek() != b'{' {
        // A text that is no JSON at all is told so.
        scan.skip().and_then(|_| scan.end())?;
        return Err(Invalid::new("body", "must be an object"));
    }
    let mut reader = Reader { dialect, hot: Hot::default(), fault: None };
    reader.hot.wants_usage = dialect != Dialect::OpenAiChat;
    scan.members(|scan, key| reader.field(scan, key))?;
    scan.end()?;
    match reader.fault {
        Some(fault) => Err(fault),
        None => Ok(reader.hot),
    }
}

/// Collects the fields; what is wrong with one is told only when all of the body proved to be JSON.
struct Reader<'a> {
    dialect: Dialect,
    hot: Hot<'a>,
    fault: Option<Invalid>,
}

/// What a field means, whatever its dialect calls it.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Model,
    Streamed,
    StreamOptions,
    MaxOutput,
    Tools,
    Conversation,
    Input,
    Thinking,
    /// A word for how much to think.
    Effort,
    /// Gemini's object of parameters.
    Parameters,
    Previous,
    Store,
}

fn meaning(dialect: Dialect, name: &str) -> Option<Meaning> {
    use Meaning as M;
    Some(match (dialect, name) {
        (Dialect::Gemini, "contents") => M::Conversation,
        (Dialect::Gemini, "tools") => M::Tools,
        (Dialect::Gemini, "generationConfig" | "generation_config") => M::Parameters,
        (Dialect::Gemini, _) => return None,
        (_, "model") => M::Model,
        (_, "stream") => M::Streamed,
        (_, "tools") => M::Tools,
        (Dialect::Anthropic | Dialect::OpenAiChat, "messages") => M::Conversation,
        (Dialect::Anthropic | Dialect::OpenAiChat, "max_tokens") => M::MaxOutput,
        (Dialect::Anthropic, "thinking") => M::Thinking,
        (Dialect::OpenAiChat, "max_completion_tokens") => M::MaxOutput,
        (Dialect::OpenAiChat, "stream_options") => M::StreamOptions,
        (Dialect::OpenAiChat, "functions") => M::Tools,
        (Dialect::OpenAiChat, "reasoning_effort") => M::Effort,
        (Dialect::OpenAiResponses, "input") => M::Input,
        (Dialect::OpenAiResponses, "max_output_tokens") => M::MaxOutput,
        (Dialect::OpenAiResponses, "reasoning") => M::Thinking,
        (Dialect::OpenAiResponses, "previous_response_id") => M::Previous,
        (Dialect::OpenAiResponses, "store") => M::Store,
        (Dialect::Anthropic | Dialect::OpenAiChat | Dialect::OpenAiResponses, _) => return None,
    })
}

impl<'a> Reader<'a> {
    fn field(&mut self, scan: &mut Scan<'a>, key: Range<usize>) -> Result<(), Fault> {
        let name = scan.string_at(&key);
        let meaning = meaning(self.dialect, &name);
        if meaning.is_some() && self.hot.fields.get(&name).is_some() {
            self.refuse(&name, "must stand there only once");
        }
        scan.peek();
        let start = scan.place();
        match meaning {
            Some(meaning) => self.take(scan, meaning, &name)?,
            None => {
                scan.skip()?;
            }
        }
        if self.hot.fields.len() == MAX_FIELDS {
            self.fault.get_or_insert_with(too_many_fields);
        } else {
            self.hot.fields.list.push(Field { name, start: key.start, value: start..scan.place() });
        }
        Ok(())
    }

    fn take(&mut self, scan: &mut Scan<'a>, meaning: Meaning, name: &str) -> Result<(), Fault> {
        if scan.peek() == b'n' {
            return scan.skip().map(drop);
        }
        match meaning {
            Meaning::Model => self.hot.model = self.text(scan, name)?,
            Meaning::Previous => self.hot.previous = self.text(scan, name)?,
            Meaning::Streamed => self.hot.is_streamed = self.flag(scan, name)?.unwrap_or(false),
            Meaning::Store => self.hot.store = self.flag(scan, name)?,
            Meaning::MaxOutput => {
                // Of two words for it, the newer one counts.
                let count = self.count(scan, name)?;
                if self.hot.max_output.is_none() || name == "max_completion_tokens" {
                    self.hot.max_output = count;
                }
            }
            Meaning::StreamOptions => self.stream_options(scan, name)?,
            Meaning::Tools => {
                self.expect(scan, b'[', name, "must be a list");
                scan.elements_if_any(|scan| {
                    self.hot.has_tools = true;
                    scan.skip().map(drop)
                })?;
            }
            Meaning::Conversation => {
                self.expect(scan, b'[', name, "must be a list");
                self.conversation(scan)?;
            }
            Meaning::Input => {
                if !matches!(scan.peek(), b'[' | b'"') {
                    self.refuse(name, "must be a text or a list");
                }
                self.conversation(scan)?;
            }
            Meaning::Thinking => self.hot.has_thinking |= thinks(scan)?,
            Meaning::Effort => self.hot.has_thinking |= scan.raw()? != "\"none\"",
            Meaning::Parameters => {
                self.expect(scan, b'{', name, "must be an object");
                self.parameters(scan)?;
            }
        }
        Ok(())
    }

    fn refuse(&mut self, field: &str, rule: &str) {
        self.fault.get_or_insert_with(|| Invalid::new(field, rule));
    }

    fn expect(&mut self, scan: &mut Scan<'a>, first: u8, field: &str, rule: &str) {
        if scan.peek() != first {
            self.refuse(field, rule);
        }
    }

    fn text(&mut self, scan: &mut Scan<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.expect(scan, b'"', name, "must be a text");
        let is_text = scan.peek() == b'"';
        let place = scan.skip()?;
        Ok(is_text.then(|| scan.string_at(&place)))
    }

    fn flag(&mut self, scan: &mut Scan<'a>, name: &str) -> Result<Option<bool>, Fault> {
        Ok(match scan.raw()? {
            "true" => Some(true),
            "false" => Some(false),
            "null" => None,
            _ => {
                self.refuse(name, "must be true or false");
                None
            }
        })
    }

    fn count(&mut self, scan: &mut Scan<'a>, name: &str) -> Result<Option<TokenCount>, Fault> {
        let raw = scan.raw()?;
        let count = raw.parse().ok().map(TokenCount);
        if count.is_none() && raw != "null" {
            self.refuse(name, "must be a whole number of tokens");
        }
        Ok(count)
    }

    fn stream_options(&mut self, scan: &mut Scan<'a>, name: &str) -> Result<(), Fault> {
        self.expect(scan, b'{', name, "must be an object");
        let mut seen = false;
        scan.members_if_any(|scan, key| {
            if scan.string_at(&key) != "include_usage" {
                return scan.skip().map(drop);
            }
            if std::mem::replace(&mut seen, true) {
                self.refuse("stream_options.include_usage", "must stand there only once");
            }
            self.hot.wants_usage = self.flag(scan, "stream_options.include_usage")?.unwrap_or(false);
            Ok(())
        })
    }

    /// Gemini's parameters, two of which matter.
    fn parameters(&mut self, scan: &mut Scan<'a>) -> Result<(), Fault> {
        scan.members_if_any(|scan, key| match &*scan.string_at(&key) {
            "maxOutputTokens" | "max_output_tokens" => {
                if self.hot.max_output.is_some() {
                    self.refuse("generationConfig.maxOutputTokens", "must stand there only once");
                }
                self.hot.max_output = self.count(scan, "generationConfig.maxOutputTokens")?;
                Ok(())
            }
            "thinkingConfig" | "thinking_config" => {
                self.hot.has_thinking |= scan.peek() == b'{';
                scan.members_if_any(|scan, key| {
                    let is_budget = matches!(&*scan.string_at(&key), "thinkingBudget" | "thinking_budget");
                    let is_none = scan.raw()? == "0";
                    self.hot.has_thinking &= !(is_budget && is_none);
                    Ok(())
                })
            }
            _ => scan.skip().map(drop),
        })
    }

    /// Turns or items, and what they hold.
    fn conversation(&mut self, scan: &mut Scan<'a>) -> Result<(), Fault> {
        let has_media = &mut self.hot.has_media;
        scan.elements_if_any(|scan| look(scan, has_media))
    }
}

/// Looks for media in a turn, an item or a part, whichever dialect's; what a turn holds is under one of four names.
fn look(scan: &mut Scan<'_>, has_media: &mut bool) -> Result<(), Fault> {
    scan.members_if_any(|scan, key| match scan.key_at(&key) {
        "content" | "parts" | "output" | "functionResponse" => match scan.peek() {
            b'[' => scan.elements(|scan| look(scan, has_media)),
            b'{' => look(scan, has_media),
            _ => scan.skip().map(drop),
        },
        "inlineData" | "inline_data" | "fileData" | "file_data" => {
            *has_media |= scan.peek() == b'{';
            scan.skip().map(drop)
        }
        "type" => {
            *has_media |= matches!(
                scan.raw()?,
                "\"image\""
                    | "\"document\""
                    | "\"image_url\""
                    | "\"input_audio\""
                    | "\"file\""
                    | "\"input_image\""
                    | "\"input_file\""
            );
            Ok(())
        }
        _ => scan.skip().map(drop),
    })
}

/// Whether an object of Anthropic's or Responses' asks for thoughts.
fn thinks(scan: &mut Scan<'_>) -> Result<bool, Fault> {
    let mut thinks = scan.peek() == b'{';
    scan.members_if_any(|scan, key| {
        let is_kind = matches!(scan.key_at(&key), "type" | "effort");
        let is_off = matches!(scan.raw()?, "\"disabled\"" | "\"none\"" | "null");
        thinks &= !(is_kind && is_off);
        Ok(())
    })?;
    Ok(thinks)
}

#[cfg(test)]
mod tests;
