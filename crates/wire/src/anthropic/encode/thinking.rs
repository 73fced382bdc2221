//! How much the model is told to think, and what that leaves for the answer.

use chat::{Effort, Part, Request, Role, Thinking, ToolChoice};
use serde_json::{Value, json};
use units::TokenCount;

use super::turns::is_honoured;
use crate::anthropic::EFFORTS;
use crate::anthropic::model::{Manner, Model};
use crate::unsaid::Unsaid;

/// The limit where the client named none, thinking aside: this dialect has to be told one.
const USUAL_MAX_TOKENS: u64 = 4_096;
/// The limit that is set for a client is no more than what every model since Opus 4 grants.
const MOST_MAX_TOKENS: u64 = 32_000;
/// The least budget that the API takes.
const LEAST_BUDGET: u64 = 1_024;
/// What a model that chooses for itself may want.
const ADAPTIVE_BUDGET: u64 = 8_192;

/// What is asked.
pub(super) struct Ask {
    pub(super) max_tokens: u64,
    pub(super) thinking: Option<Value>,
    pub(super) effort: Option<&'static str>,
}

impl Ask {
    /// Whether the model is told to think.
    pub(super) fn is_on(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled")
    }
}

/// What to ask this model for.
pub(super) fn ask(request: &Request, model: Model, issuer: &str, left: &mut Unsaid) -> Ask {
    let wanted = request.thinking;
    let max_tokens = request.max_output.map_or_else(|| usual(wanted), |limit| limit.0);
    let nothing = Ask { max_tokens, thinking: None, effort: None };
    let Some(wanted) = wanted else { return nothing };
    let manner = model.manner();
    if wanted == Thinking::Off {
        let thinking = (manner != Manner::Never).then(|| json!({"type": "disabled"}));
        return Ask { thinking, ..nothing };
    }
    // The API lets no model think that is forced to call a tool.
    let is_forced = !request.tools.is_empty()
        && matches!(
            request.tool_choice,
            ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::RequiredAmong(_)
        );
    if manner == Manner::Never || is_forced {
        left.note("thinking");
        return nothing;
    }
    let by_word = match (manner, wanted) {
        (Manner::Word, _) | (Manner::Either, Thinking::Adaptive | Thinking::Effort(_)) => true,
        (Manner::Never | Manner::Budget, _) | (Manner::Either, Thinking::Off | Thinking::Budget(_)) => false,
    };
    let mut ask = if by_word {
        Ask { thinking: Some(json!({"type": "adaptive"})), effort: word(wanted, model), ..nothing }
    } else {
        let budget = budget(wanted, max_tokens).filter(|_| may_think(request, issuer));
        if budget.is_none() {
            left.note("thinking");
        }
        Ask { thinking: budget.map(|budget| json!({"type": "enabled", "budget_tokens": budget})), ..nothing }
    };
    if let (Some(thinking), Some(show)) = (&mut ask.thinking, request.show_thoughts) {
        thinking["display"] = json!(if show { "summarized" } else { "omitted" });
    }
    ask
}

fn usual(thinking: Option<Thinking>) -> u64 {
    let thinks = match thinking {
        None | Some(Thinking::Off) => 0,
        Some(Thinking::Adaptive) => ADAPTIVE_BUDGET,
        Some(Thinking::Budget(budget)) => budget.0,
        Some(Thinking::Effort(effort)) => effort.budget().0,
    };
    USUAL_MAX_TOKENS.saturating_add(thinks).min(MOST_MAX_TOKENS)
}

/// The least word is `low`; none says more than `max`.
fn word(thinking: Thinking, model: Model) -> Option<&'static str> {
    let effort = match thinking {
        Thinking::Off | Thinking::Adaptive => return None,
        Thinking::Budget(budget) => Effort::of(budget),
        Thinking::Effort(effort) => effort,
    };
    let effort = match effort {
        Effort::Minimal => Effort::Low,
        Effort::Higher if !model.knows_xhigh() => Effort::High,
        Effort::Low | Effort::Medium | Effort::High | Effort::Higher | Effort::Max => effort,
    };
    EFFORTS.iter().find(|(_, known)| *known == effort).map(|(word, _)| *word)
}

/// What of the limit is for thinking: less than all of it, or nothing if there is not room for the least.
fn budget(thinking: Thinking, max_tokens: u64) -> Option<u64> {
    let TokenCount(wanted) = match thinking {
        Thinking::Off => return None,
        Thinking::Adaptive => TokenCount(ADAPTIVE_BUDGET),
        Thinking::Budget(budget) => budget,
        Thinking::Effort(effort) => effort.budget(),
    };
    let wanted = wanted.max(LEAST_BUDGET);
    let granted = if wanted < max_tokens { wanted } else { max_tokens - max_tokens / 4 };
    (LEAST_BUDGET..max_tokens).contains(&granted).then_some(granted)
}

/// Whether a model may think by a budget: where it waits for results, the API wants to see the thoughts that led to the
/// calls, sealed by itself.
fn may_think(request: &Request, issuer: &str) -> bool {
    let asked = request.turns.iter().rposition(|turn| turn.role == Role::Assistant);
    let Some((answer, after)) = asked.and_then(|place| request.turns[place..].split_first()) else {
        return true;
    };
    if !after.iter().flat_map(|turn| &turn.parts).any(|part| matches!(part, Part::ToolResult(_))) {
        return true;
    }
    match answer.parts.first() {
        Some(Part::Thought(thought)) => is_honoured(thought, issuer),
        Some(_) | None => false,
    }
}
