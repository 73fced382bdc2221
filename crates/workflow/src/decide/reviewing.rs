//! What becomes of the reviewer's answer.

use review::{Review, Verdict};

use super::{out_of_turn, said_before, stale};
use crate::bounds::{self, MAX_ANSWER_BYTES, REVIEW_ATTEMPTS};
use crate::event::Event;
use crate::refused::Refused;
use crate::settings::Settings;
use crate::state::{Phase, State};
use crate::step::Step;

pub(super) fn answered(
    state: &State,
    settings: Settings,
    round: u32,
    attempt: u32,
    text: &str,
) -> Result<Vec<Event>, Refused> {
    check_turn(state, round, attempt).map_err(said_before)?;
    match parse(text) {
        Ok(review) => Ok(reviewed(settings, round, review)),
        Err(reason) => Ok(rejected(round, attempt, &reason)),
    }
}

fn reviewed(settings: Settings, round: u32, review: Review) -> Vec<Event> {
    let last_straw = match review.verdict {
        Verdict::RequestChanges if round >= settings.review_rounds => {
            let summary = &review.summary;
            Some(Event::gave_up(&format!(
                "not approved after {round} rounds of review; the last one: {summary}"
            )))
        }
        Verdict::RequestChanges | Verdict::Approve => None,
    };
    [Event::Reviewed { round, review }].into_iter().chain(last_straw).collect()
}

fn rejected(round: u32, attempt: u32, reason: &str) -> Vec<Event> {
    let last_straw = (attempt >= REVIEW_ATTEMPTS)
        .then(|| Event::gave_up(&format!("no review after {attempt} attempts; the last time: {reason}")));
    let rejected = Event::ReviewRejected { round, attempt, reason: bounds::reason(reason) };
    [rejected].into_iter().chain(last_straw).collect()
}

fn parse(text: &str) -> Result<Review, String> {
    if text.len() > MAX_ANSWER_BYTES {
        return Err(format!("the answer has {} bytes, at most {MAX_ANSWER_BYTES} are read", text.len()));
    }
    Review::parse(text).map_err(|error| error.to_string())
}

pub(super) fn check_turn(state: &State, round: u32, attempt: u32) -> Result<(), Refused> {
    let step = format!("`{}`", Step::Review { round, attempt });
    let (this_round, this_attempt) = (state.round(), state.reviewing.attempt());
    if (round, attempt) < (this_round, this_attempt) && round > 0 && attempt > 0 {
        return Err(stale(step));
    }
    if state.ending.is_some() {
        return Err(Refused::Ending);
    }
    if (round, attempt) != (this_round, this_attempt) || state.phase() != Phase::Reviewing {
        return Err(out_of_turn(step));
    }
    Ok(())
}
