//! Marks of what is worth keeping in the cache, as many and in the order that the API takes.

use serde_json::{Map, Value};

use crate::unsaid::Unsaid;

/// More, and the API refuses the request.
const MAX_MARKS: usize = 4;
const MARK: &str = "cache_control";

/// Leaves the last four: a later mark keeps all that stands before it, too. One for an hour that follows one for five
/// minutes becomes one for five minutes, because the API wants the longer ones first. Source: the vendor's page on prompt
/// caching; hard limits of 4 and the order are errors of status 400.
pub(super) fn limit(body: &mut Value, left: &mut Unsaid) {
    let mut marked = Vec::new();
    // What is cached begins with the tools, then come the system's instructions, then the messages: as in the body.
    for (field, value) in body.as_object_mut().into_iter().flatten() {
        match field.as_str() {
            "tools" | "system" => find(value, &mut marked),
            "messages" => {
                let messages = value.as_array_mut().into_iter().flatten();
                messages
                    .filter_map(|message| message.get_mut("content"))
                    .for_each(|content| find(content, &mut marked));
            }
            _ => {}
        }
    }
    let surplus = marked.len().saturating_sub(MAX_MARKS);
    if surplus > 0 {
        left.note("cache_point");
    }
    let mut is_short = false;
    for (place, block) in marked.into_iter().enumerate() {
        if place < surplus {
            block.shift_remove(MARK);
            continue;
        }
        let Some(mark) = block.get_mut(MARK).and_then(Value::as_object_mut) else { continue };
        let is_hour = mark.get("ttl").is_some_and(|ttl| ttl == "1h");
        if is_hour && is_short {
            mark.shift_remove("ttl");
            left.note("cache_lifetime");
        }
        is_short |= !is_hour;
    }
}

/// Blocks and tools with a mark, in their order.
fn find<'a>(list: &'a mut Value, marked: &mut Vec<&'a mut Map<String, Value>>) {
    let blocks = list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
    marked.extend(blocks.filter(|block| block.contains_key(MARK)));
}
