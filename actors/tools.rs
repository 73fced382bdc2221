//! What a model may look at while it thinks. There is no tool that writes: in no mode, whatever the model says.

use chat::{Tool, ToolCall};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde_json::json;
use workspace::{RelPath, Workspace};

use crate::blocking;

/// The most bytes of one file that a model is shown.
pub(crate) const MAX_SHOWN_BYTES: usize = 64 * 1024;
/// The most names in one listing.
const MAX_LISTED: usize = 2_000;

/// A place that a model may read.
pub(crate) trait Reading {
    /// What is offered to the model.
    fn tools(&self) -> Vec<Tool>;

    /// Runs a call; what goes wrong is said to the model, which can do something about it.
    fn call<'a>(&'a self, call: &'a ToolCall) -> LocalBoxFuture<'a, Result<String, String>>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFiles {}

impl Reading for Workspace {
    fn tools(&self) -> Vec<Tool> {
        let path = json!({"type": "string", "description": "Path from the workspace's root"});
        vec![
            Tool::new(
                "list_files",
                "Lists the workspace's files, ignored ones left out.",
                json!({"type": "object", "properties": {}, "additionalProperties": false}),
            ),
            Tool::new(
                "read_file",
                "Reads one text file of the workspace.",
                json!({
                    "type": "object",
                    "properties": {"path": path},
                    "required": ["path"],
                    "additionalProperties": false,
                }),
            ),
        ]
    }

    fn call<'a>(&'a self, call: &'a ToolCall) -> LocalBoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
            let workspace = self.clone();
            match call.name.as_str() {
                "list_files" => {
                    let ListFiles {} = parse(arguments)?;
                    blocking(move || listing(&workspace)).await
                }
                "read_file" => {
                    let ReadFile { path } = parse(arguments)?;
                    let found = blocking({
                        let path = path.clone();
                        move || content(&workspace, &path)
                    });
                    found.await?.ok_or_else(|| format!("there is no file `{path}`"))
                }
                other => Err(format!(
                    "there is no tool `{other}` here: you may use list_files and read_file; nothing here writes"
                )),
            }
        })
    }
}

fn parse<T: for<'de> Deserialize<'de>>(arguments: &str) -> Result<T, String> {
    serde_json::from_str(arguments).map_err(|error| format!("the arguments do not fit the tool: {error}"))
}

/// The names of a workspace's files, one a line.
pub(crate) fn listing(workspace: &Workspace) -> Result<String, String> {
    let listing = workspace.files().map_err(|error| error.to_string())?;
    let mut names: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    let left = names.len().saturating_sub(MAX_LISTED);
    names.truncate(MAX_LISTED);
    let mut text = names.join("\n");
    if left > 0 {
        text.push_str(&format!("\n({left} more files are not listed)"));
    }
    Ok(text)
}

/// One text file as a model is shown it; `None` where there is no file.
pub(crate) fn content(workspace: &Workspace, path: &str) -> Result<Option<String>, String> {
    let path: RelPath = path.parse().map_err(|error| format!("{error}"))?;
    let bytes = workspace.read(&path).map_err(|error| error.to_string())?;
    let Some(bytes) = bytes else { return Ok(None) };
    if bytes.len() > MAX_SHOWN_BYTES {
        return Err(format!(
            "`{path}` has {} bytes, more than the {MAX_SHOWN_BYTES} that can be shown",
            bytes.len()
        ));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| format!("`{path}` is no UTF-8 text"))
}
