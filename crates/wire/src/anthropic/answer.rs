//! A provider's whole answer, which was not streamed, as the events of one that was.

use chat::Event;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{DIALECT, Reported, Usage, stop_reason};
use crate::decode::{next_tool_call, parse};
use crate::{Error, citing, seal};

#[derive(Deserialize)]
struct Body<'a> {
    error: Option<Reported>,
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    usage: Option<Usage>,
}

/// One flat structure for all types of blocks; those that are not known have none of these fields.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    pub(super) r#type: String,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) data: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    pub(super) citations: Option<Value>,
}

/// The events of a whole answer.
///
/// # Errors
/// When it is not of the dialect, when it reports an error, or when it does not say why it ends.
pub fn answer(body: &[u8]) -> Result<Vec<Event>, Error> {
    let body: Body<'_> = parse(DIALECT, "an answer", body)?;
    if let Some(error) = body.error {
        return Err(error.into());
    }
    let mut events = vec![Event::Began { id: body.id, model: body.model }];
    let (mut calls, mut at) = (0, 0);
    for block in body.content {
        take(block, &mut calls, &mut at, &mut events)?;
    }
    if let Some(usage) = body.usage {
        let mut whole = chat::Usage::default();
        usage.put_into(&mut whole);
        events.push(Event::Usage(whole));
    }
    let word = body.stop_reason.ok_or(Error::Cut { dialect: DIALECT })?;
    events.push(Event::Stopped { reason: stop_reason(word, body.stop_sequence) });
    Ok(events)
}

fn take(block: Block<'_>, calls: &mut usize, at: &mut u64, events: &mut Vec<Event>) -> Result<(), Error> {
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    match block.r#type.as_str() {
        "text" => {
            let from = *at;
            *at += block.text.as_deref().map_or(0, citing::characters);
            events.extend(present(block.text).map(|text| Event::Text { text }));
            let cited = block.citations.as_ref().and_then(Value::as_array).into_iter().flatten();
            events.extend(cited.filter_map(|citation| citing::of_anthropic(citation, from, *at)));
        }
        "thinking" => {
            events.extend(present(block.thinking).map(|text| Event::Thought { text }));
            let seal = present(block.signature).map(|signature| seal::unpack(&signature, false));
            events.extend(seal.map(Event::Sealed));
        }
        "redacted_thinking" => {
            events.extend(present(block.data).map(|data| Event::Sealed(seal::unpack(&data, true))));
        }
        "tool_use" => {
            let (Some(id), Some(name)) = (block.id, block.name) else {
                return Err(Error::Malformed {
                    dialect: DIALECT,
                    what: "an answer",
                    column: 0,
                    rule: "a tool call must have an id and a name",
                });
            };
            let index = next_tool_call(*calls)?;
            *calls += 1;
            events.push(Event::ToolCallStarted { index, id, name });
            let json = block.input.map_or("{}", RawValue::get).to_owned();
            events.push(Event::ToolCallArguments { index, json });
        }
        // The documentation asks to pass by what is unknown.
        _ => {}
    }
    Ok(())
}
