//! Blocks of a message, and what they are in the domain's words.

use chat::{Lifetime, Media, Part, Source, Thought, ToolCall, ToolResult};

use super::no_arguments;
use super::shape::{self, Block, Content, GivenSource};
use crate::reading::{Path, is_too_deep};
use crate::unread::Names;
use crate::{Invalid, seal};

/// All parts of a message, of `system` or of a tool's result.
pub(super) fn parts(content: Content<'_>, path: &Path<'_>, unsaid: &mut Names) -> Result<Vec<Part>, Invalid> {
    match content {
        Content::Text(text) => Ok(vec![Part::Text { text }]),
        Content::Other => Err(Invalid::new(path.to_string(), "must be a string or a list of blocks")),
        Content::Blocks(blocks) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for (place, mut block) in blocks.into_iter().enumerate() {
                let cache = block.cache_control.take().map(Lifetime::from);
                read(block, &path.index(place), unsaid, &mut parts)?;
                if let Some(lifetime) = cache {
                    parts.push(Part::CachePoint { lifetime });
                }
            }
            Ok(parts)
        }
    }
}

fn read(block: Block<'_>, path: &Path<'_>, unsaid: &mut Names, parts: &mut Vec<Part>) -> Result<(), Invalid> {
    let cited = block.citations.as_ref().is_some_and(|citations| citations.are_there);
    unsaid.name_if(cited, "citations");
    let part = match block.kind.as_str() {
        "text" => {
            unsaid.unread("text", &block.unread, &[]);
            Part::Text { text: path.needs("text", block.text)? }
        }
        "image" => {
            unsaid.unread("image", &block.unread, &[]);
            let source = given(block.source, path)?;
            Part::Image(media(source, None, &path.field("source"))?)
        }
        "document" => return document(block, path, unsaid, parts),
        "search_result" => search_result(block, path, unsaid)?,
        "thinking" => {
            let signature = block.signature.filter(|signature| !signature.is_empty());
            let seal = signature.map(|signature| seal::unpack(&signature, false));
            Part::Thought(Thought { text: path.needs("thinking", block.thinking)?, seal })
        }
        "redacted_thinking" => {
            let seal = Some(seal::unpack(&path.needs("data", block.data)?, true));
            Part::Thought(Thought { text: String::new(), seal })
        }
        "tool_use" => Part::ToolCall(tool_use(block, path, unsaid)?),
        "tool_result" => Part::ToolResult(tool_result(block, path, unsaid)?),
        other => {
            unsaid.name(&format!("messages.{other}"));
            return Ok(());
        }
    };
    parts.push(part);
    Ok(())
}

fn tool_use(block: Block<'_>, path: &Path<'_>, unsaid: &mut Names) -> Result<ToolCall, Invalid> {
    // `caller` says `direct` on all calls that the model made itself.
    unsaid.unread("tool_use", &block.unread, &["caller"]);
    let arguments = match block.input {
        None => no_arguments(),
        Some(input) if is_too_deep(input.get()) => {
            return Err(path.breaks("input", "must not be nested deeper than 100 levels"));
        }
        Some(input) if input.get().starts_with('{') => input.get().to_owned(),
        Some(_) => return Err(path.breaks("input", "must be an object")),
    };
    Ok(ToolCall { id: path.needs("id", block.id)?, name: path.needs("name", block.name)?, arguments })
}

fn tool_result(block: Block<'_>, path: &Path<'_>, unsaid: &mut Names) -> Result<ToolResult, Invalid> {
    unsaid.unread("tool_result", &block.unread, &[]);
    let content = match block.content {
        Some(content) => parts(content, &path.field("content"), unsaid)?,
        None => Vec::new(),
    };
    let call_id = path.needs("tool_use_id", block.tool_use_id)?;
    Ok(ToolResult { call_id, content, is_error: block.is_error.unwrap_or(false) })
}

fn given<'a>(source: Option<shape::Source<'a>>, path: &Path<'_>) -> Result<GivenSource<'a>, Invalid> {
    match path.needs("source", source)? {
        shape::Source::Given(given) => Ok(*given),
        shape::Source::Named => Err(path.breaks("source", "must be an object")),
    }
}

fn media(source: GivenSource<'_>, name: Option<String>, path: &Path<'_>) -> Result<Media, Invalid> {
    let GivenSource { kind, media_type: mime, data, url, file_id, .. } = source;
    let source = match kind.as_str() {
        "base64" => Source::Base64(path.needs("data", data)?),
        "text" => Source::Text(path.needs("data", data)?),
        "url" => Source::Url(path.needs("url", url)?),
        "file" => Source::File(path.needs("file_id", file_id)?),
        _ => return Err(path.breaks("type", "must be `base64`, `text`, `url`, `file` or `content`")),
    };
    Ok(Media { mime, source, name, detail: None })
}

/// One that holds blocks is those blocks; its frame is named as lost.
fn document(
    block: Block<'_>,
    path: &Path<'_>,
    unsaid: &mut Names,
    out: &mut Vec<Part>,
) -> Result<(), Invalid> {
    unsaid.unread("document", &block.unread, &[]);
    let mut source = given(block.source, path)?;
    let path = path.field("source");
    if source.kind == "content" {
        unsaid.name("document.source.content");
        let content = path.needs("content", source.content.take())?;
        out.extend(parts(content, &path.field("content"), unsaid)?);
        return Ok(());
    }
    out.push(Part::Document(media(source, block.title, &path)?));
    Ok(())
}

/// What a client's own search found is a document; where it was found is named as lost.
fn search_result(block: Block<'_>, path: &Path<'_>, unsaid: &mut Names) -> Result<Part, Invalid> {
    unsaid.name("search_result.source");
    let content = path.needs("content", block.content)?;
    let content = parts(content, &path.field("content"), unsaid)?;
    let text = content.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
    let mime = Some("text/plain".to_owned());
    Ok(Part::Document(Media { mime, source: Source::Text(text), name: block.title, detail: None }))
}
