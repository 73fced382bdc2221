//! Parts of a turn, and what they are in the domain's words.

use chat::{Media, Part, Seal, Source, Thought, ToolCall, ToolResult};
use serde_json::Value;

use super::shape::{Blob, FileData, FunctionCall, FunctionResponse, PartConfig};
use crate::reading::{Path, is_too_deep};
use crate::unread::Names;
use crate::{Invalid, seal};

/// What the vendor takes for a signature on calls that it did not make; no seal of anybody's.
pub(crate) const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// An older one.
const OLD_NO_SIGNATURE: &str = "context_engineering_is_the_way_to_go";

/// The calls so far. Clients need not name them: then a call is named by its place in the conversation, and a result
/// answers the first call of its function that is still open.
#[derive(Default)]
pub(super) struct Calls {
    all: Vec<Call>,
}

struct Call {
    id: String,
    name: String,
    is_answered: bool,
}

impl Calls {
    fn ask(&mut self, id: Option<String>, name: &str) -> String {
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{}", self.all.len()));
        self.all.push(Call { id: id.clone(), name: name.to_owned(), is_answered: false });
        id
    }

    fn answer(&mut self, id: Option<String>, name: &str) -> String {
        let id = id.filter(|id| !id.is_empty());
        let is_meant = |call: &&mut Call| match &id {
            Some(id) => call.id == *id,
            None => !call.is_answered && call.name == name,
        };
        match self.all.iter_mut().find(is_meant) {
            Some(call) => {
                call.is_answered = true;
                call.id.clone()
            }
            None => id.unwrap_or_else(|| format!("call_of_{name}")),
        }
    }
}

/// All parts of a turn, of the instructions or of a result.
pub(super) fn parts(
    configs: Vec<PartConfig<'_>>,
    path: &Path<'_>,
    calls: &mut Calls,
    unsaid: &mut Names,
) -> Result<Vec<Part>, Invalid> {
    let list = path.field("parts");
    let mut parts = Vec::with_capacity(configs.len());
    for (place, config) in configs.into_iter().enumerate() {
        read(config, &list.index(place), calls, unsaid, &mut parts)?;
    }
    Ok(parts)
}

fn read(
    config: PartConfig<'_>,
    path: &Path<'_>,
    calls: &mut Calls,
    unsaid: &mut Names,
    parts: &mut Vec<Part>,
) -> Result<(), Invalid> {
    unsaid.unread("parts", &config.unread, &["partMetadata"]);
    let is_thought = config.thought == Some(true);
    if let Some(signature) = config.thought_signature.filter(|signature| is_signature(signature)) {
        // The vendor's own clients read it as bytes and write it in the other alphabet. Its own seals stay as they came.
        let is_packed = signature.starts_with(seal::PREFIX);
        let new = seal::unpack(&if is_packed { standard(signature) } else { signature }, false);
        match config.text {
            Some(text) if is_thought => {
                parts.push(Part::Thought(Thought { text, seal: Some(new) }));
                return Ok(());
            }
            _ => seal_what_follows(new, parts),
        }
    }
    if let Some(text) = config.text {
        if is_thought {
            parts.push(Part::Thought(Thought { text, seal: None }));
        } else if !text.is_empty() {
            parts.push(Part::Text { text });
        }
    }
    parts.extend(config.inline_data.map(|blob| inline(blob, path)).transpose()?);
    parts.extend(config.file_data.map(|file| file_part(file, path)).transpose()?);
    if let Some(call) = config.function_call {
        parts.push(Part::ToolCall(tool_call(call, &path.field("functionCall"), calls)?));
    }
    if let Some(response) = config.function_response {
        let path = path.field("functionResponse");
        parts.push(Part::ToolResult(tool_result(*response, &path, calls, unsaid)?));
    }
    Ok(())
}

fn is_signature(text: &str) -> bool {
    !text.is_empty() && text != NO_SIGNATURE && text != OLD_NO_SIGNATURE
}

/// The thought before it, if there is one without a seal, is what was thought before this part.
fn seal_what_follows(new: Seal, parts: &mut Vec<Part>) {
    join(Part::Thought(Thought { text: String::new(), seal: Some(new) }), parts);
}

/// Adds a part of an answer; a text goes on with the text before it, and a thought with one that is not sealed yet.
pub(super) fn join(part: Part, parts: &mut Vec<Part>) {
    match (parts.last_mut(), part) {
        (Some(Part::Text { text: before }), Part::Text { text }) => before.push_str(&text),
        (Some(Part::Thought(before)), Part::Thought(more)) if before.seal.is_none() => {
            before.text.push_str(&more.text);
            before.seal = more.seal;
        }
        (_, part) => parts.push(part),
    }
}

fn inline(blob: Blob, path: &Path<'_>) -> Result<Part, Invalid> {
    let path = path.field("inlineData");
    let mime = path.needs("mimeType", blob.mime_type)?;
    let source = Source::Base64(standard(path.needs("data", blob.data)?));
    Ok(media(mime, source, blob.display_name))
}

/// Base64 in the standard alphabet and with its padding: this vendor's clients write the one for addresses.
fn standard(base64: String) -> String {
    let mut base64 =
        if base64.contains(['-', '_']) { base64.replace('-', "+").replace('_', "/") } else { base64 };
    while base64.len() % 4 != 0 {
        base64.push('=');
    }
    base64
}

/// What is at the vendor, and what is anywhere else.
fn file_part(file: FileData, path: &Path<'_>) -> Result<Part, Invalid> {
    let path = path.field("fileData");
    let uri = path.needs("fileUri", file.file_uri)?;
    let is_own = uri.contains("generativelanguage.googleapis.com/") || !uri.starts_with("http");
    let source = if is_own { Source::File(uri) } else { Source::Url(uri) };
    Ok(media(file.mime_type.unwrap_or_default(), source, file.display_name))
}

fn media(mime: String, source: Source, name: Option<String>) -> Part {
    let kind = if mime.starts_with("image/") {
        Part::Image
    } else if mime.starts_with("audio/") {
        Part::Audio
    } else {
        Part::Document
    };
    kind(Media { mime: Some(mime).filter(|mime| !mime.is_empty()), source, name, detail: None })
}

fn tool_call(call: FunctionCall<'_>, path: &Path<'_>, calls: &mut Calls) -> Result<ToolCall, Invalid> {
    let name = path.needs("name", call.name)?;
    let arguments = match call.args {
        None => "{}".to_owned(),
        Some(args) if is_too_deep(args.get()) => {
            return Err(path.breaks("args", "must not be nested deeper than 100 levels"));
        }
        Some(args) if args.get().starts_with('{') => args.get().to_owned(),
        Some(_) => return Err(path.breaks("args", "must be an object")),
    };
    Ok(ToolCall { id: calls.ask(call.id, &name), name, arguments })
}

fn tool_result(
    response: FunctionResponse<'_>,
    path: &Path<'_>,
    calls: &mut Calls,
    unsaid: &mut Names,
) -> Result<ToolResult, Invalid> {
    unsaid.unread("functionResponse", &response.unread, &[]);
    let name = path.needs("name", response.name)?;
    let (text, is_error) = match response.response {
        None => (String::new(), false),
        Some(Value::Object(fields)) => said(fields),
        Some(_) => return Err(path.breaks("response", "must be an object")),
    };
    let mut content = Vec::new();
    if !text.is_empty() {
        content.push(Part::Text { text });
    }
    content.extend(parts(response.parts.0, path, &mut Calls::default(), unsaid)?);
    Ok(ToolResult { call_id: calls.answer(response.id, &name), content, is_error })
}

/// The API's own names for what a function said and why it failed; an object of other fields is itself what it said.
fn said(fields: serde_json::Map<String, Value>) -> (String, bool) {
    if fields.len() == 1
        && let Some((name, value)) = fields.iter().next()
        && let "output" | "result" | "error" = name.as_str()
    {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return (text, name == "error");
    }
    if fields.is_empty() { (String::new(), false) } else { (Value::Object(fields).to_string(), false) }
}
