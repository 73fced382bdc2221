//! Whose failure it was: what an operator asks first.

use upstream::Wait;

use crate::{Error, Why};

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever asked: the request is wrong, the time that it granted ran out, or it went away.
    Caller,
    /// A rule that the operator or this server sets: a breaker held open by hand, a bound.
    Policy,
    /// The provider: broken, full, silent, or not speaking its dialect.
    Provider,
    /// This server or its configuration: a key, a certificate, a URL, a route that leads nowhere.
    Own,
}

impl Fault {
    /// All of them; each stands at the place of its [`Fault::index`].
    pub const ALL: [Self; 4] = [Self::Caller, Self::Policy, Self::Provider, Self::Own];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Policy => "policy",
            Self::Provider => "provider",
            Self::Own => "self",
        }
    }

    /// Its place in [`Fault::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Policy => 1,
            Self::Provider => 2,
            Self::Own => 3,
        }
    }
}

impl Error {
    /// Whose failure it was; where several candidates failed, that of the last.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoCandidate(_) | Self::Unpublished { .. } => Fault::Own,
            Self::NotOffered { .. } | Self::NoAccount => Fault::Policy,
            Self::Refused { why, .. } => why.fault(),
            Self::Interrupted(interrupted) => interrupted.why.fault(),
            // Without an attempt there was no time for any.
            Self::Unavailable { attempts, .. } => {
                attempts.last().map_or(Fault::Caller, |attempt| attempt.why.fault())
            }
        }
    }
}

impl Why {
    /// Whose failure it was.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Open { forced: true, .. } | Self::TooLarge | Self::OtherDialect => Fault::Policy,
            Self::Open { forced: false, .. } | Self::NeverStopped => Fault::Provider,
            Self::BadRequest(_) | Self::Credential(_) => Fault::Caller,
            Self::Upstream(error) => of_upstream(error),
        }
    }
}

fn of_upstream(error: &upstream::Error) -> Fault {
    use upstream::Error::{
        BadEndpoint, BadKey, CaFile, Cut, Malformed, Network, NoRoots, NoRule, Redirected, Reported, Setup,
        Status, Timeout, TooLarge, WrongContent,
    };
    match error {
        CaFile { .. }
        | Setup { .. }
        | NoRoots { .. }
        | BadEndpoint { .. }
        | BadKey { .. }
        | Redirected { .. }
        | NoRule(_)
        | Status { is_spent: true, .. } => Fault::Own,
        Status { status, .. } | Reported { status, .. } => of_status(*status),
        Timeout { waited_for: Wait::Total, .. } => Fault::Caller,
        Timeout { waited_for: Wait::FirstEvent | Wait::MoreBytes, .. }
        | Network { .. }
        | Cut { .. }
        | WrongContent { .. }
        | Malformed { .. } => Fault::Provider,
        TooLarge { .. } => Fault::Policy,
    }
}

/// A key, its permissions and its credit are the operator's; a name that the provider does not know is too.
fn of_status(status: u16) -> Fault {
    match status {
        401..=404 => Fault::Own,
        408 | 429 => Fault::Provider,
        400..=499 => Fault::Caller,
        _ => Fault::Provider,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(status: u16) -> Why {
        let (origin, message) = ("http://127.0.0.1".to_owned(), "no".to_owned());
        Why::Upstream(Box::new(upstream::Error::Status {
            origin,
            status,
            retry_after: None,
            is_spent: false,
            message,
            refusal: None,
        }))
    }

    fn timeout(waited_for: Wait) -> Why {
        let (origin, limit) = ("http://127.0.0.1".to_owned(), Duration::from_secs(1));
        Why::Upstream(Box::new(upstream::Error::Timeout { origin, waited_for, limit }))
    }

    #[test]
    fn each_stands_at_its_place() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault.index(), place);
        }
    }

    #[test]
    fn says_who_has_to_do_something() {
        for (why, fault) in [
            (status(400), Fault::Caller),
            (status(401), Fault::Own),
            (status(404), Fault::Own),
            (status(422), Fault::Caller),
            (status(429), Fault::Provider),
            (status(529), Fault::Provider),
            (timeout(Wait::Total), Fault::Caller),
            (timeout(Wait::FirstEvent), Fault::Provider),
            (Why::Open { retry_after: None, forced: true }, Fault::Policy),
            (Why::Open { retry_after: None, forced: false }, Fault::Provider),
            (Why::TooLarge, Fault::Policy),
            (Why::NeverStopped, Fault::Provider),
        ] {
            assert_eq!(why.fault(), fault, "{why}");
        }
    }

    #[test]
    fn the_last_candidate_speaks_for_all_and_no_time_is_the_callers_fault() {
        let unavailable = |attempts| Error::Unavailable {
            role: "planner".to_owned(),
            within: Duration::ZERO,
            attempts,
            retry_after: None,
        };
        assert_eq!(unavailable(Vec::new()).fault(), Fault::Caller);
        let attempt = |why| crate::Attempt {
            deployment: "demo/one".parse().unwrap(),
            why,
            usage: chat::Usage::default(),
            cost: None,
            duration: Duration::ZERO,
        };
        assert_eq!(unavailable(vec![attempt(status(401)), attempt(status(503))]).fault(), Fault::Provider);
        let nobody = routing::NoCandidate {
            wanted: "the role `planner`".to_owned(),
            is_unknown: false,
            passed_by: Vec::new(),
        };
        assert_eq!(Error::from(nobody).fault(), Fault::Own);
    }
}
