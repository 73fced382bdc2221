//! Which vendor's which route a request means.

use crate::counts::Received;
use crate::{KEY, refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Vendor {
    Anthropic,
    OpenAi,
    Gemini,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    Messages,
    Chat,
    Responses,
    Generate,
    /// Without `alt=sse` it is a list.
    StreamGenerate {
        is_list: bool,
    },
    CountTokens,
    Embeddings,
    Embed,
    EmbedBatch,
    Models,
    Pictures,
    Speech,
    Transcription,
    Predict,
    /// What is kept for an account: files, batches.
    Account,
}

#[derive(Debug)]
pub(crate) struct Route<'a> {
    pub(crate) vendor: Vendor,
    pub(crate) task: Task,
    /// The model, where the path names it.
    pub(crate) model: Option<&'a str>,
}

/// The route, or nothing where no vendor has one.
pub(crate) fn route<'a>(method: &str, received: &'a Received) -> Option<Route<'a>> {
    let (path, query) = received.target.split_once('?').unwrap_or((&received.target, ""));
    let at = |vendor, task| Some(Route { vendor, task, model: None });
    match (method, path) {
        ("POST", "/v1/messages") => at(Vendor::Anthropic, Task::Messages),
        ("POST", "/v1/messages/count_tokens") => at(Vendor::Anthropic, Task::CountTokens),
        ("POST", "/v1/chat/completions") => at(Vendor::OpenAi, Task::Chat),
        ("POST", "/v1/responses") => at(Vendor::OpenAi, Task::Responses),
        ("POST", "/v1/responses/input_tokens") => at(Vendor::OpenAi, Task::CountTokens),
        ("POST", "/v1/embeddings") => at(Vendor::OpenAi, Task::Embeddings),
        ("POST", "/v1/images/generations") => at(Vendor::OpenAi, Task::Pictures),
        ("POST", "/v1/audio/speech") => at(Vendor::OpenAi, Task::Speech),
        ("POST", "/v1/audio/transcriptions") => at(Vendor::OpenAi, Task::Transcription),
        ("GET" | "POST" | "DELETE", _) if keeps(path) => {
            let is_anthropics = received.header("anthropic-version").is_some();
            let vendor = match path.starts_with("/v1beta/") {
                true => Vendor::Gemini,
                false if is_anthropics => Vendor::Anthropic,
                false => Vendor::OpenAi,
            };
            at(vendor, Task::Account)
        }
        ("GET", "/v1/models") if received.header("anthropic-version").is_some() => {
            at(Vendor::Anthropic, Task::Models)
        }
        ("GET", "/v1/models") if received.header("x-goog-api-key").is_some() => {
            at(Vendor::Gemini, Task::Models)
        }
        ("GET", "/v1/models") => at(Vendor::OpenAi, Task::Models),
        ("GET", "/v1beta/models") => at(Vendor::Gemini, Task::Models),
        ("POST", _) => {
            // google-genai 3 calls `v1` where it is not told otherwise.
            let named = path.strip_prefix("/v1beta/models/").or(path.strip_prefix("/v1/models/"))?;
            let (model, action) = named.rsplit_once(':')?;
            let task = match action {
                "generateContent" => Task::Generate,
                "streamGenerateContent" => {
                    Task::StreamGenerate { is_list: !query.split('&').any(|pair| pair == "alt=sse") }
                }
                "countTokens" => Task::CountTokens,
                "predict" => Task::Predict,
                "embedContent" => Task::Embed,
                "batchEmbedContents" => Task::EmbedBatch,
                _ => return None,
            };
            Some(Route { vendor: Vendor::Gemini, task, model: Some(model) })
        }
        _ => None,
    }
}

fn keeps(path: &str) -> bool {
    let beginnings =
        ["/v1/files", "/v1/batches", "/v1/messages/batches", "/v1beta/files", "/v1beta/cachedContents"];
    beginnings.iter().any(|beginning| path.starts_with(beginning))
}

/// What is wrong with how the request shows who sends it.
pub(crate) fn unauthorized(vendor: Vendor, received: &Received) -> Option<refusal::Refusal> {
    let bearer = received.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let query = received.target.split_once('?').map_or("", |(_, query)| query);
    let given = match vendor {
        Vendor::Anthropic => received.header("x-api-key").or(bearer),
        Vendor::OpenAi => bearer,
        Vendor::Gemini => received
            .header("x-goog-api-key")
            .or_else(|| query.split('&').find_map(|pair| pair.strip_prefix("key="))),
    };
    if given != Some(KEY) {
        return Some(refusal::Refusal { status: 401, message: "the key is missing or wrong" });
    }
    let lacks_version = vendor == Vendor::Anthropic && received.header("anthropic-version").is_none();
    lacks_version
        .then_some(refusal::Refusal { status: 400, message: "anthropic-version: header is required" })
}
