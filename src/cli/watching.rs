//! Watching a workflow until it ends or the person has seen enough.

use units::{Seq, WorkflowId};

use super::interrupts::Interrupts;
use super::screen::Screen;
use super::story::Story;
use crate::client::Client;
use crate::http::views::ServerEvent;

/// Why nothing is watched any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// The workflow has ended.
    ToTheEnd,
    /// Somebody pressed Ctrl-C; the workflow goes on.
    Detached,
}

/// Shows a workflow's events after `after` as they come.
///
/// # Errors
/// When the server cannot be followed any more, or nobody reads.
pub(crate) async fn watch(
    screen: &mut Screen,
    client: &Client,
    id: &WorkflowId,
    after: Seq,
    interrupts: &mut Interrupts,
) -> anyhow::Result<Watched> {
    let mut story = Story::default();
    let mut events = client.follow(id, after);
    let watched = loop {
        let Some(next) = interrupts.unless(events.next()).await else { break Watched::Detached };
        let told = match next.transpose()? {
            None => break Watched::ToTheEnd,
            Some(ServerEvent::Event(numbered)) => story.event(&numbered.event),
            Some(ServerEvent::Progress(progress)) => story.progress(progress),
        };
        for told in told {
            screen.tell(told)?;
        }
    };
    screen.clear();
    Ok(watched)
}
