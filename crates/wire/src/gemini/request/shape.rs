//! The shapes of a request's JSON. Source: the types of Google's SDK for Python, 3.4. Fields may be spelled in either of
//! the two ways that Protocol Buffers allow in JSON.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::reading::List;
use crate::unread::Unread;

/// The most turns.
const MAX_CONTENTS: usize = 100_000;
/// The most parts of one turn or result.
const MAX_PARTS: usize = 10_000;
/// The most tools, and names of tools.
pub(super) const MAX_TOOLS: usize = 4_096;
/// The most sequences that end an answer.
const MAX_STOPS: usize = 1_024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) contents: List<Content<'a>, MAX_CONTENTS>,
    #[serde(alias = "system_instruction")]
    pub(super) system_instruction: Option<Content<'a>>,
    pub(super) tools: Option<List<ToolConfig, MAX_TOOLS>>,
    #[serde(alias = "tool_config")]
    pub(super) tool_config: Option<ToolsConfig>,
    #[serde(alias = "generation_config")]
    pub(super) generation_config: Option<GenerationConfig>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
pub(super) struct Content<'a> {
    pub(super) role: Option<String>,
    #[serde(borrow, default)]
    pub(super) parts: List<PartConfig<'a>, MAX_PARTS>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartConfig<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    #[serde(alias = "thought_signature")]
    pub(super) thought_signature: Option<String>,
    #[serde(alias = "inline_data")]
    pub(super) inline_data: Option<Blob>,
    #[serde(alias = "file_data")]
    pub(super) file_data: Option<FileData>,
    #[serde(borrow, alias = "function_call")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, alias = "function_response")]
    pub(super) function_response: Option<Box<FunctionResponse<'a>>>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    #[serde(alias = "mime_type")]
    pub(super) mime_type: Option<String>,
    pub(super) data: Option<String>,
    #[serde(alias = "display_name")]
    pub(super) display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData {
    #[serde(alias = "mime_type")]
    pub(super) mime_type: Option<String>,
    #[serde(alias = "file_uri")]
    pub(super) file_uri: Option<String>,
    #[serde(alias = "display_name")]
    pub(super) display_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct FunctionCall<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    /// As the client wrote it: it becomes the call's arguments.
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct FunctionResponse<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) response: Option<Value>,
    #[serde(borrow, default)]
    pub(super) parts: List<PartConfig<'a>, MAX_PARTS>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig {
    #[serde(alias = "function_declarations")]
    pub(super) function_declarations: Option<List<FunctionDeclaration, MAX_TOOLS>>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionDeclaration {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) parameters: Option<Value>,
    #[serde(alias = "parameters_json_schema")]
    pub(super) parameters_json_schema: Option<Value>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolsConfig {
    #[serde(alias = "function_calling_config")]
    pub(super) function_calling_config: Option<CallingConfig>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallingConfig {
    pub(super) mode: Option<String>,
    #[serde(alias = "allowed_function_names")]
    pub(super) allowed_function_names: Option<List<String, MAX_TOOLS>>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig {
    #[serde(alias = "max_output_tokens")]
    pub(super) max_output_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    #[serde(alias = "top_p")]
    pub(super) top_p: Option<f64>,
    #[serde(alias = "top_k")]
    pub(super) top_k: Option<f64>,
    #[serde(alias = "candidate_count")]
    pub(super) candidate_count: Option<u64>,
    #[serde(alias = "stop_sequences")]
    pub(super) stop_sequences: Option<List<String, MAX_STOPS>>,
    #[serde(alias = "presence_penalty")]
    pub(super) presence_penalty: Option<f64>,
    #[serde(alias = "frequency_penalty")]
    pub(super) frequency_penalty: Option<f64>,
    pub(super) seed: Option<i64>,
    #[serde(alias = "response_mime_type")]
    pub(super) response_mime_type: Option<String>,
    #[serde(alias = "response_schema")]
    pub(super) response_schema: Option<Value>,
    #[serde(alias = "response_json_schema", alias = "_responseJsonSchema")]
    pub(super) response_json_schema: Option<Value>,
    #[serde(alias = "thinking_config")]
    pub(super) thinking_config: Option<ThinkingConfig>,
    #[serde(alias = "response_modalities")]
    pub(super) response_modalities: Option<List<String, MAX_STOPS>>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(alias = "include_thoughts")]
    pub(super) include_thoughts: Option<bool>,
    #[serde(alias = "thinking_budget")]
    pub(super) thinking_budget: Option<i64>,
    #[serde(alias = "thinking_level")]
    pub(super) thinking_level: Option<String>,
    #[serde(flatten)]
    pub(super) unread: Unread,
}
