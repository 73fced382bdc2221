//! `tree kill PATH` and its siblings: something is done to one place of the running server's tree, and what became of
//! it is told.

use std::time::Duration;

use clap::{Args, Subcommand};
use clock::Clock;
use serde_json::Value;

use super::reach::Reach;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, Global, refuse, tree};
use crate::client::Client;
use crate::http::views::{Act, Acted};

/// How often the tree is looked at until a killed one has been started again, and how long between two looks.
const LOOKS: u32 = 40;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What can be done to a place.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// End a life at once, as a crash would.
    ///
    /// What follows is the rule of the place. Most are started again by their
    /// supervisor, without what they knew and with the messages that waited; an
    /// agent's attempt is begun again by its workflow. It counts as a crash: killed
    /// too often in a short time, the supervisor itself gives up.
    #[command(verbatim_doc_comment)]
    Kill(Place),
    /// Stop somebody in good order, until `restart`.
    ///
    /// A workflow, and an agent of one, is forgotten when it is stopped: what is
    /// unfinished goes on when the server starts anew.
    #[command(verbatim_doc_comment)]
    Terminate(Place),
    /// Start somebody who does not live: who was terminated, or was parked.
    Restart(Place),
    /// Let an actor live on but handle nothing, until `resume`.
    ///
    /// It stays so over its restarts. Its messages wait, up to the bound of its
    /// queue; who sends more is told that it is busy.
    #[command(verbatim_doc_comment)]
    Suspend(Place),
    /// Let a suspended actor handle its messages again.
    Resume(Place),
}

/// Whom it is done to.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The path from the root, with the names that `impresario tree` draws: root/providers/vendor/model.
    #[arg(value_name = "PATH")]
    path: String,
}

impl Order {
    fn parts(self) -> (Act, String) {
        match self {
            Self::Kill(Place { path }) => (Act::Kill, path),
            Self::Terminate(Place { path }) => (Act::Terminate, path),
            Self::Restart(Place { path }) => (Act::Restart, path),
            Self::Suspend(Place { path }) => (Act::Suspend, path),
            Self::Resume(Place { path }) => (Act::Resume, path),
        }
    }
}

/// Does it, and tells what became of the place.
///
/// # Errors
/// Refused ones: no server runs, nobody is there, or its supervisor does not do it.
pub(crate) async fn act(screen: &Screen, global: &Global, order: Order) -> anyhow::Result<End> {
    let reach = Reach::of_running(screen, &global.flags()).await?;
    let (act, path) = order.parts();
    let acted = reach.client.act(act, &path).await.map_err(refuse)?;
    let now = settled(&reach.client, act, &acted).await?;
    screen.line(&told(act, &acted, now.as_ref(), &global.again("tree")))?;
    Ok(End::Done)
}

/// The place once it has come to rest, or as it is after a while; `None` when nobody is there any more.
async fn settled(client: &Client, act: Act, acted: &Acted) -> anyhow::Result<Option<Value>> {
    let clock = Clock::real();
    let mut looks = 1;
    loop {
        let mut now = tree::at(client.tree().await?, &acted.path);
        if looks == LOOKS || now.as_ref().is_none_or(|now| is_settled(act, acted, now)) {
            return Ok(now.take());
        }
        clock.sleep(LOOK_EVERY).await;
        looks += 1;
    }
}

fn is_settled(act: Act, acted: &Acted, now: &Value) -> bool {
    let state = now["state"].as_str().unwrap_or_default();
    let is_newer = now["generation"].as_u64().is_some_and(|generation| generation > acted.generation);
    match act {
        Act::Kill => (is_newer && state == "running") || matches!(state, "parked" | "ended"),
        Act::Terminate | Act::Restart | Act::Suspend | Act::Resume => true,
    }
}

fn told(act: Act, acted: &Acted, now: Option<&Value>, look: &str) -> Line {
    let done = match act {
        Act::Kill => "killed in",
        Act::Terminate => "stopped in",
        Act::Restart => "started again after",
        Act::Suspend => "suspended in",
        Act::Resume => "resumed in",
    };
    let state = now.map_or_else(
        || "nobody has this place any more".to_owned(),
        |now| format!("now: {}", tree::facts(now)),
    );
    let text = format!("{} {done} generation {}", acted.path, acted.generation);
    Line::new(Mark::Done, text).with(vec![state, format!("look at all: {look}")])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn acted() -> Acted {
        Acted { path: "root/writer".to_owned(), generation: 3 }
    }

    fn node(state: &str, generation: u64) -> Value {
        json!({"id": "writer", "state": state, "generation": generation, "restarts": generation - 1})
    }

    #[test]
    fn a_kill_has_come_to_rest_when_the_next_life_runs_or_none_comes() {
        for (state, generation, settled) in [
            ("running", 3, false),
            ("backing_off", 3, false),
            ("starting", 4, false),
            ("running", 4, true),
            ("parked", 3, true),
            ("ended", 3, true),
        ] {
            assert_eq!(is_settled(Act::Kill, &acted(), &node(state, generation)), settled, "{state}");
        }
        for act in [Act::Terminate, Act::Restart, Act::Suspend, Act::Resume] {
            assert!(is_settled(act, &acted(), &node("ended", 3)));
        }
    }

    #[test]
    fn what_became_of_a_place_is_told() {
        let line = told(Act::Kill, &acted(), Some(&node("running", 4)), "impresario tree");
        assert_eq!(line.text, "root/writer killed in generation 3");
        assert_eq!(line.details[0], "now: running, generation 4, 3 restarts");
        let line = told(Act::Terminate, &acted(), None, "impresario tree");
        assert_eq!(line.details[0], "nobody has this place any more");
    }
}
