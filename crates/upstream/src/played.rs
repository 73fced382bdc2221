//! A script's answer, played by the clock.

use std::collections::VecDeque;

use chat::Event;
use clock::Clock;
use scripted::{Fault, Question, Script, Step};

use crate::deadlines::Deadlines;
use crate::{Call, Error, EventStream};

/// What errors call a scripted provider.
const ORIGIN: &str = "the scripted provider";

#[derive(Debug)]
pub(crate) struct Played {
    steps: VecDeque<Step>,
    deadlines: Deadlines,
}

/// As over HTTP, a provider that refuses does so before there is a stream.
pub(crate) async fn call(clock: &Clock, script: &Script, call: &Call<'_>) -> Result<EventStream, Error> {
    let question = Question { role: call.role, model: call.model, request: call.request };
    let steps = script.answer(&question)?.into();
    let mut played = Played { steps, deadlines: Deadlines::start(clock, ORIGIN.to_owned(), call.waits) };
    played.open().await?;
    Ok(EventStream::played(played))
}

impl Played {
    async fn open(&mut self) -> Result<(), Error> {
        while let Some(Step::Wait(_) | Step::Fail(Fault::Status { .. })) = self.steps.front() {
            self.step().await?;
        }
        Ok(())
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        while !self.steps.is_empty() {
            if let Some(event) = self.step().await? {
                self.deadlines.begin();
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Option<Event>, Error> {
        match self.steps.pop_front() {
            None => Ok(None),
            Some(Step::Emit(event)) => Ok(Some(event)),
            Some(Step::Wait(duration)) => {
                let clock = self.deadlines.clock().clone();
                self.deadlines.watch(clock.sleep(duration)).await?;
                Ok(None)
            }
            Some(Step::Fail(Fault::Hang)) => {
                self.deadlines.watch(std::future::pending::<()>()).await?;
                Ok(None)
            }
            Some(Step::Fail(Fault::Cut)) => Err(Error::Cut { origin: ORIGIN.to_owned() }),
            Some(Step::Fail(Fault::Status { status, retry_after, message })) => Err(Error::Status {
                origin: ORIGIN.to_owned(),
                status,
                retry_after,
                is_spent: false,
                message,
                refusal: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
