//! A request in Gemini's words.

mod turns;

use chat::{Format, Request, Thinking, Tool, ToolChoice, ToolInput};
use serde_json::{Map, Value, json};

use super::model::{Manner, Model};
use super::schema::to_subset;
use crate::number::decimal;
use crate::unsaid::Unsaid;
use crate::{Encoded, To, freeform};

/// The least budget of a model that cannot be told not to think.
const LEAST_BUDGET: u64 = 128;

/// The body of `generateContent` and `streamGenerateContent`; the model and whether to stream stand in the URL.
pub fn encode(request: &Request, to: &To<'_>) -> Encoded {
    let mut left = Unsaid::default();
    let model = Model::of(to.model);
    let turns::Written { system, contents } = turns::write(request, model, to.issuer, &mut left);
    let mut body = Map::new();
    if let Some(system) = system {
        body.insert("systemInstruction".to_owned(), system);
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(|tool| function(tool, model, &mut left)).collect();
        body.insert("tools".to_owned(), json!([{"functionDeclarations": tools}]));
        if let Some(choice) = choice(&request.tool_choice) {
            body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": choice}));
        }
    }
    body.insert("contents".to_owned(), contents);
    let config = generation(request, model, &mut left);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    if request.parallel_tools == Some(false) {
        left.note("parallel_tools");
    }
    if request.user.is_some() {
        left.note("user");
    }
    if request.cache_key.is_some() {
        left.note("cache_key");
    }
    Encoded { body: Value::Object(body), unsaid: left.names() }
}

fn generation(request: &Request, model: Model, left: &mut Unsaid) -> Map<String, Value> {
    let mut config = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    put("maxOutputTokens", request.max_output.map(|limit| json!(limit)));
    put("temperature", request.temperature.map(decimal));
    put("topP", request.top_p.map(decimal));
    put("topK", request.top_k.map(Value::from));
    put("frequencyPenalty", request.frequency_penalty.map(decimal));
    put("presencePenalty", request.presence_penalty.map(decimal));
    put("seed", request.seed.map(Value::from));
    put("stopSequences", (!request.stop.is_empty()).then(|| json!(request.stop)));
    put("thinkingConfig", thinking(request, model, left));
    match &request.format {
        Format::Text => {}
        Format::Json => put("responseMimeType", Some(json!("application/json"))),
        Format::Schema { schema, .. } => {
            put("responseMimeType", Some(json!("application/json")));
            if model.takes_json_schema() {
                put("responseJsonSchema", Some(schema.clone()));
            } else {
                put("responseSchema", Some(to_subset(schema)));
            }
        }
    }
    config
}

/// Thoughts are shown unless the client asked not to see them, if it asked for any.
fn thinking(request: &Request, model: Model, left: &mut Unsaid) -> Option<Value> {
    let wanted = request.thinking;
    let mut config = match (model.manner(), wanted) {
        (_, None) => json!({}),
        (Manner::Never, Some(Thinking::Off)) => return None,
        (Manner::Never, Some(_)) => {
            left.note("thinking");
            return None;
        }
        (Manner::Budget { can_rest: true, .. }, Some(Thinking::Off)) => json!({"thinkingBudget": 0}),
        (Manner::Budget { can_rest: false, .. }, Some(Thinking::Off)) => {
            left.note("thinking");
            json!({"thinkingBudget": LEAST_BUDGET})
        }
        (Manner::Budget { .. }, Some(Thinking::Adaptive)) => json!({"thinkingBudget": -1}),
        (Manner::Budget { most, .. }, Some(Thinking::Budget(budget))) => {
            json!({"thinkingBudget": budget.0.min(most)})
        }
        (Manner::Budget { most, .. }, Some(Thinking::Effort(effort))) => {
            json!({"thinkingBudget": effort.budget().0.min(most)})
        }
        (Manner::Word, Some(Thinking::Off)) => {
            left.note("thinking");
            json!({"thinkingLevel": model.word(chat::Effort::Minimal)})
        }
        // It chooses for itself unless it is told.
        (Manner::Word, Some(Thinking::Adaptive)) => json!({}),
        (Manner::Word, Some(Thinking::Budget(budget))) => json!({"thinkingBudget": budget}),
        (Manner::Word, Some(Thinking::Effort(effort))) => json!({"thinkingLevel": model.word(effort)}),
    };
    let show = match (request.show_thoughts, wanted) {
        (Some(show), _) => Some(show),
        (None, None | Some(Thinking::Off)) => None,
        (None, Some(_)) => Some(true),
    };
    if let Some(show) = show.filter(|_| model.manner() != Manner::Never) {
        config["includeThoughts"] = json!(show);
    }
    config.as_object().is_some_and(|config| !config.is_empty()).then_some(config)
}

/// `VALIDATED` is the one mode in which the model may choose among some and may choose none.
fn choice(choice: &ToolChoice) -> Option<Value> {
    Some(match choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        ToolChoice::Among(names) => json!({"mode": "VALIDATED", "allowedFunctionNames": names}),
        ToolChoice::RequiredAmong(names) => json!({"mode": "ANY", "allowedFunctionNames": names}),
    })
}

/// `parametersJsonSchema` takes JSON Schema; `parameters` takes a subset of OpenAPI's.
fn function(tool: &Tool, model: Model, left: &mut Unsaid) -> Value {
    if tool.strict == Some(true) {
        left.note("strict");
    }
    if tool.cache.is_some() {
        left.note("cache_point");
    }
    let (description, schema) = match &tool.input {
        ToolInput::Json(schema) => (tool.description.clone(), schema.clone()),
        ToolInput::Text { grammar } => (freeform::description(tool, grammar.as_ref()), freeform::schema()),
    };
    let mut function = json!({"name": tool.name, "description": description});
    if model.takes_json_schema() {
        function["parametersJsonSchema"] = schema;
    } else {
        function["parameters"] = to_subset(&schema);
    }
    function
}

#[cfg(test)]
mod tests;
