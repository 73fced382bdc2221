//! `breaker PROVIDER/MODEL open`: an operator's word on a model's circuit breaker.

use clap::ValueEnum;
use units::DeploymentId;

use super::reach::Reach;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, Global, refuse};
use crate::http::views::{Breaker, Control};

/// What a breaker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Word {
    /// Call the model no more; another one answers in its place.
    Open,
    /// Call it however often it fails; its failures count, and open nothing.
    Closed,
    /// Call it as if it had no breaker; nothing counts.
    Disabled,
    /// Let the breaker decide by itself again.
    Auto,
}

/// Says the word to the running server, and tells what the breaker does from now on.
///
/// # Errors
/// Refused ones: no server runs, there is no such model, or it is not called at all.
pub(crate) async fn set(
    screen: &Screen,
    global: &Global,
    deployment: &DeploymentId,
    word: Word,
) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, &global.flags()).await?;
    let control = match word {
        Word::Open => Control::ForceOpen,
        Word::Closed => Control::ForceClosed,
        Word::Disabled => Control::Disabled,
        Word::Auto => Control::Automatic,
    };
    let breaker = reach.client.set_breaker(deployment, control).await.map_err(refuse)?;
    let back = global.again(&format!("breaker {deployment} auto"));
    screen.line(&told(deployment, breaker, &back))?;
    Ok(End::Done)
}

fn told(deployment: &DeploymentId, breaker: Breaker, back: &str) -> Line {
    let (state, is_held) = match breaker {
        Breaker::ForcedOpen => ("is held open: nobody calls it", true),
        Breaker::ForcedClosed => ("is held closed: it is called, however often it fails", true),
        Breaker::Disabled => ("has no breaker for now: it is called, and nothing counts", true),
        Breaker::Closed => ("decides by itself: closed, it is called", false),
        Breaker::Open => ("decides by itself: open, it is left alone for a while", false),
        Breaker::HalfOpen => ("decides by itself: half-open, it is tried with a few calls", false),
    };
    let line = Line::new(Mark::Done, format!("{deployment} {state}"));
    if is_held { line.with(vec![format!("take it back: {back}")]) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_says_how_to_take_it_back() {
        let deployment: DeploymentId = "vendor/model".parse().unwrap();
        let line = |breaker| told(&deployment, breaker, "impresario breaker vendor/model auto");
        for held in [Breaker::ForcedOpen, Breaker::ForcedClosed, Breaker::Disabled] {
            assert!(line(held).details[0].ends_with("impresario breaker vendor/model auto"), "{held:?}");
        }
        for free in [Breaker::Closed, Breaker::Open, Breaker::HalfOpen] {
            assert!(line(free).details.is_empty() && line(free).text.contains("by itself"), "{free:?}");
        }
    }
}
