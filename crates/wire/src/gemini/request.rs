//! What a client asks in Gemini's words: `generateContent`, `streamGenerateContent` and `countTokens`. The model and
//! whether to stream stand in the URL.

mod part;
mod shape;

use chat::{Effort, Format, Request, Role, Thinking, Tool, ToolChoice, ToolInput, Turn};
use serde::Deserialize;
use serde_json::value::RawValue;
use units::TokenCount;

use self::part::Calls;
pub(crate) use self::part::NO_SIGNATURE;
use self::shape::{Body, CallingConfig, Content, GenerationConfig, ThinkingConfig, ToolConfig, ToolsConfig};
use super::schema::from_subset;
use crate::reading::{Path, read};
use crate::unread::Names;
use crate::{Asked, Invalid};

/// Fields that do not change the answer.
const HARMLESS: [&str; 4] = ["labels", "model", "serviceTier", "store"];
const GENERATION: &str = "generationConfig";

/// Understands a client's request to `model`.
///
/// # Errors
/// When it is not what the dialect has there; the error names the field.
pub fn request(body: &[u8], model: &str, is_streamed: bool) -> Result<Asked, Invalid> {
    let body: Body<'_> = read(body)?;
    let mut unsaid = Names::default();
    unsaid.unread("", &body.unread, &HARMLESS);
    let mut calls = Calls::default();
    let system = match body.system_instruction {
        Some(content) => {
            part::parts(content.parts.0, &Path::of("systemInstruction"), &mut calls, &mut unsaid)?
        }
        None => Vec::new(),
    };
    let turns = turns(body.contents.0, &mut calls, &mut unsaid)?;
    let config = body.generation_config.unwrap_or_default();
    unsaid.unread(GENERATION, &config.unread, &[]);
    let several = config.candidate_count.is_some_and(|count| count > 1);
    unsaid.name_if(several, "generationConfig.candidateCount");
    let modalities = config.response_modalities.iter().flat_map(|list| &list.0);
    let is_more = modalities.into_iter().any(|modality| !modality.eq_ignore_ascii_case("text"));
    unsaid.name_if(is_more, "generationConfig.responseModalities");
    let request = Request {
        system,
        turns,
        tools: tools(body.tools.unwrap_or_default().0, &mut unsaid)?,
        tool_choice: tool_choice(body.tool_config, &mut unsaid)?,
        max_output: config.max_output_tokens.map(TokenCount),
        temperature: config.temperature,
        top_p: config.top_p,
        top_k: top_k(config.top_k)?,
        frequency_penalty: config.frequency_penalty,
        presence_penalty: config.presence_penalty,
        seed: config.seed,
        thinking: thinking(config.thinking_config.as_ref(), &mut unsaid)?,
        show_thoughts: config.thinking_config.as_ref().and_then(|config| config.include_thoughts),
        format: format(&config, &mut unsaid)?,
        stop: config.stop_sequences.unwrap_or_default().0,
        ..Request::default()
    };
    Ok(Asked {
        model: model.to_owned(),
        is_streamed,
        wants_usage: true,
        request,
        unsaid: unsaid.into_names(),
    })
}

/// Understands a request that only wants to be counted: the turns alone, or a whole request within.
///
/// # Errors
/// As of [`request`].
pub fn count_request(body: &[u8], model: &str) -> Result<Asked, Invalid> {
    #[derive(Deserialize)]
    struct Counted<'a> {
        #[serde(borrow, rename = "generateContentRequest", alias = "generate_content_request")]
        whole: Option<&'a RawValue>,
    }
    let counted: Counted<'_> = read(body)?;
    let whole = counted.whole.map_or(body, |whole| whole.get().as_bytes());
    request(whole, model, false)
}

/// A client that keeps a stream's chunks sends an answer back in as many pieces: they are one turn, and texts are joined.
fn turns(contents: Vec<Content<'_>>, calls: &mut Calls, unsaid: &mut Names) -> Result<Vec<Turn>, Invalid> {
    let list = Path::of("contents");
    let mut turns = Vec::with_capacity(contents.len());
    for (place, content) in contents.into_iter().enumerate() {
        let path = list.index(place);
        let role = match content.role.as_deref() {
            None | Some("user" | "function" | "tool" | "") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(path.breaks("role", "must be `user` or `model`")),
        };
        let parts = part::parts(content.parts.0, &path, calls, unsaid)?;
        if role == Role::User {
            turns.push(Turn { role, parts });
            continue;
        }
        if turns.last().is_none_or(|turn: &Turn| turn.role != role) {
            turns.push(Turn { role, parts: Vec::with_capacity(parts.len()) });
        }
        if let Some(turn) = turns.last_mut() {
            parts.into_iter().for_each(|part| part::join(part, &mut turn.parts));
        }
    }
    Ok(turns)
}

fn tools(configs: Vec<ToolConfig>, unsaid: &mut Names) -> Result<Vec<Tool>, Invalid> {
    let list = Path::of("tools");
    let mut tools = Vec::new();
    for (place, config) in configs.into_iter().enumerate() {
        let path = list.index(place);
        // All but functions are tools of the vendor's own.
        unsaid.unread("tools", &config.unread, &[]);
        let functions = path.field("functionDeclarations");
        for (place, function) in config.function_declarations.unwrap_or_default().into_iter().enumerate() {
            unsaid.unread("functionDeclarations", &function.unread, &["behavior"]);
            let schema = function.parameters_json_schema.or_else(|| function.parameters.map(from_subset));
            tools.push(Tool {
                name: functions.index(place).needs("name", function.name)?,
                description: function.description.unwrap_or_default(),
                input: schema.map_or_else(ToolInput::default, ToolInput::Json),
                ..Tool::default()
            });
        }
    }
    Ok(tools)
}

fn tool_choice(config: Option<ToolsConfig>, unsaid: &mut Names) -> Result<ToolChoice, Invalid> {
    let Some(config) = config else { return Ok(ToolChoice::Auto) };
    unsaid.unread("toolConfig", &config.unread, &[]);
    let Some(CallingConfig { mode, allowed_function_names, unread }) = config.function_calling_config else {
        return Ok(ToolChoice::Auto);
    };
    unsaid.unread("functionCallingConfig", &unread, &["streamFunctionCallArguments"]);
    let mut names = allowed_function_names.unwrap_or_default().0;
    Ok(match mode.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("AUTO" | "MODE_UNSPECIFIED" | "VALIDATED") if names.is_empty() => ToolChoice::Auto,
        None | Some("AUTO" | "MODE_UNSPECIFIED" | "VALIDATED") => ToolChoice::Among(names),
        Some("NONE") => ToolChoice::None,
        Some("ANY") if names.is_empty() => ToolChoice::Required,
        Some("ANY") if names.len() == 1 => ToolChoice::Named(names.remove(0)),
        Some("ANY") => ToolChoice::RequiredAmong(names),
        Some(_) => {
            let path = Path::of("toolConfig");
            let path = path.field("functionCallingConfig");
            return Err(path.breaks("mode", "must be `AUTO`, `ANY`, `NONE` or `VALIDATED`"));
        }
    })
}

/// It comes as a number with a point from some clients.
fn top_k(number: Option<f64>) -> Result<Option<u32>, Invalid> {
    let Some(number) = number else { return Ok(None) };
    let whole = format!("{number:.0}").parse().ok().filter(|_| number.fract() == 0.0);
    whole
        .map(Some)
        .ok_or_else(|| Path::of(GENERATION).breaks("topK", "must be a whole number that is not negative"))
}

/// A budget is more than a word, though the API takes only one of them.
fn thinking(config: Option<&ThinkingConfig>, unsaid: &mut Names) -> Result<Option<Thinking>, Invalid> {
    let Some(config) = config else { return Ok(None) };
    unsaid.unread("thinkingConfig", &config.unread, &[]);
    let generation = Path::of(GENERATION);
    let path = generation.field("thinkingConfig");
    match (config.thinking_budget, config.thinking_level.as_deref()) {
        (Some(0), _) => Ok(Some(Thinking::Off)),
        (Some(-1), _) => Ok(Some(Thinking::Adaptive)),
        (Some(budget), _) => match u64::try_from(budget) {
            Ok(budget) => Ok(Some(Thinking::Budget(TokenCount(budget)))),
            Err(_) => Err(path.breaks("thinkingBudget", "must be -1, 0 or more")),
        },
        (None, Some(word)) => Ok(Some(Thinking::Effort(match word.to_ascii_uppercase().as_str() {
            "THINKING_LEVEL_UNSPECIFIED" => return Ok(None),
            "MINIMAL" => Effort::Minimal,
            "LOW" => Effort::Low,
            "MEDIUM" => Effort::Medium,
            "HIGH" => Effort::High,
            "XHIGH" => Effort::Higher,
            _ => {
                return Err(
                    path.breaks("thinkingLevel", "must be `MINIMAL`, `LOW`, `MEDIUM`, `HIGH` or `XHIGH`")
                );
            }
        }))),
        (None, None) => Ok(None),
    }
}

fn format(config: &GenerationConfig, unsaid: &mut Names) -> Result<Format, Invalid> {
    let schema = match (&config.response_json_schema, &config.response_schema) {
        (Some(schema), _) => Some(schema.clone()),
        (None, Some(schema)) => Some(from_subset(schema.clone())),
        (None, None) => None,
    };
    match (config.response_mime_type.as_deref(), schema) {
        (Some("application/json"), None) => Ok(Format::Json),
        (Some("application/json" | "text/x.enum"), Some(schema)) => {
            unsaid.name_if(config.response_mime_type.as_deref() == Some("text/x.enum"), "text/x.enum");
            Ok(Format::Schema { name: None, description: None, schema, strict: None })
        }
        (None | Some("text/plain" | ""), None) => Ok(Format::Text),
        (_, Some(_)) => Err(Path::of(GENERATION)
            .breaks("responseMimeType", "must be `application/json` where there is a schema")),
        (Some(_), None) => {
            unsaid.name("generationConfig.responseMimeType");
            Ok(Format::Text)
        }
    }
}

#[cfg(test)]
mod tests;
