//! `config status`: the configuration of the server that runs, as it stands.

use clock::Clock;
use units::UnixMillis;

use super::listing::age;
use super::screen::Screen;
use super::story::{Line, Mark};
use super::{End, reach, refuse};
use crate::client::Client;
use crate::config::{self, Flags};
use crate::reload::Standing;

/// Shows it. It ends with 1 where the newest configuration was refused, which may be the one that this command would
/// read: it only looks for the state folder.
///
/// # Errors
/// When no server runs, or it does not answer.
pub(crate) async fn show(screen: &Screen, flags: &Flags) -> anyhow::Result<End> {
    let client = match reach::named(flags).await? {
        Some(client) => client,
        None => {
            let socket = config::state_folder(flags).map_err(refuse)?.socket();
            Client::connect(&socket).await.map_err(refuse)?
        }
    };
    let standing = client.configuration().await.map_err(refuse)?;
    for line in told(&standing, Clock::real().wall()) {
        screen.line(&line)?;
    }
    Ok(if standing.is_refused() { End::Failed } else { End::Done })
}

fn told(standing: &Standing, now: UnixMillis) -> Vec<Line> {
    let ago = |at: UnixMillis| age(now.0.saturating_sub(at.0));
    let text = format!("configuration {} is in force since {} ago", standing.revision, ago(standing.since));
    let mut lines = vec![Line::new(Mark::Done, text)];
    if let Some(refused) = &standing.refused {
        let (mark, then) =
            if standing.is_refused() { (Mark::Failed, "") } else { (Mark::Said, "; it is mended since") };
        let text = format!("a newer one was refused {} ago{then}", ago(refused.at));
        lines.push(Line::new(mark, text).with(refused.faults.clone()));
    }
    if !standing.waiting.is_empty() {
        let text = "these settings wait for a restart";
        lines.push(Line::new(Mark::Attention, text).with(standing.waiting.clone()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::Refused;

    #[test]
    fn tells_what_is_in_force_what_was_refused_and_what_waits() {
        let refused = Refused { at: UnixMillis(60_000), kept: 4, faults: vec!["routing: no".to_owned()] };
        let standing = Standing {
            revision: 4,
            since: UnixMillis(0),
            refused: Some(refused),
            waiting: vec!["server.workers".to_owned()],
        };
        let told = told(&standing, UnixMillis(120_000));
        let texts: Vec<&str> = told.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "configuration 4 is in force since 2 min ago",
                "a newer one was refused 1 min ago",
                "these settings wait for a restart"
            ]
        );
        assert_eq!(told[1].details, ["routing: no"]);
    }

    #[test]
    fn a_refusal_before_the_one_in_force_is_past() {
        let refused = Refused { at: UnixMillis(10), kept: 1, faults: Vec::new() };
        let standing =
            Standing { revision: 2, since: UnixMillis(20), refused: Some(refused), waiting: Vec::new() };
        assert!(!standing.is_refused());
        assert!(told(&standing, UnixMillis(30))[1].text.ends_with("mended since"));
    }
}
