//! What a client over HTTP is told of a call that failed.

use std::time::Duration;

use routing::Reason;
use upstream::{FailureClass, Refusal, Wait};

use crate::{Error, Why};

/// A failure as HTTP says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<'a> {
    /// The status; 529 is Anthropic's word for a provider without room, and stays what it is.
    pub status: u16,
    /// What happened, from a closed set.
    pub code: &'static str,
    /// How long to wait before asking again.
    pub retry_after: Option<Duration>,
    /// The provider's own words, for a client who speaks its dialect; they come with this status.
    pub refusal: Option<&'a Refusal>,
}

impl Told<'_> {
    fn new(status: u16, code: &'static str) -> Self {
        Self { status, code, retry_after: None, refusal: None }
    }
}

impl Error {
    /// What a client over HTTP is told.
    pub fn told(&self) -> Told<'_> {
        match self {
            Self::NoCandidate(none) if none.is_unknown => Told::new(404, "model_not_found"),
            Self::NoCandidate(none) => {
                let mut reasons = none.passed_by.iter().map(|passed| passed.reason);
                let is_forbidden = !none.passed_by.is_empty() && reasons.all(|why| why == Reason::NotAllowed);
                if is_forbidden {
                    Told::new(403, "model_not_allowed")
                } else {
                    Told::new(503, "no_model_ready")
                }
            }
            Self::NotOffered { .. } | Self::NoAccount => Told::new(404, "not_offered"),
            Self::Unpublished { .. } => Told::new(500, "internal_error"),
            Self::Refused { why, .. } => self::why(why),
            Self::Interrupted(interrupted) => self::why(&interrupted.why),
            Self::Unavailable { attempts, retry_after, .. } => {
                // Whoever was called says more than whoever was passed by.
                let called = attempts.iter().rev().find(|attempt| attempt.why.class().is_some());
                let last = called.or(attempts.last());
                let mut told = last.map_or(Told::new(504, "timed_out"), |attempt| self::why(&attempt.why));
                told.retry_after = retry_after.or(told.retry_after);
                told
            }
        }
    }
}

/// What a client is told of one candidate's failure.
pub(crate) fn why(why: &Why) -> Told<'_> {
    let mut told = match why {
        Why::Open { .. } => Told::new(503, "provider_set_aside"),
        Why::OtherDialect => Told::new(404, "not_offered"),
        Why::BadRequest(_) => Told::new(400, "invalid_request"),
        Why::NeverStopped => Told::new(502, "answer_cut"),
        Why::TooLarge => Told::new(502, "answer_too_large"),
        Why::Upstream(error) => upstream(error),
        Why::Credential(error) => credential(error),
    };
    told.retry_after = why.retry_after();
    told
}

/// The client's own account is spoken of: the words are the client's, with the status that they came with.
fn credential(error: &upstream::Error) -> Told<'_> {
    if let upstream::Error::Status { status, refusal, .. } = error {
        return Told { refusal: refusal.as_deref(), ..Told::new(*status, "credential_refused") };
    }
    Told::new(401, "credential_refused")
}

fn upstream(error: &upstream::Error) -> Told<'_> {
    use upstream::Error::{
        BadEndpoint, BadKey, CaFile, Cut, Malformed, Network, NoRoots, NoRule, Redirected, Reported, Setup,
        Status, Timeout, TooLarge, WrongContent,
    };
    match error {
        Status { refusal: Some(refusal), status, .. } if error.class() != FailureClass::Key => {
            Told { refusal: Some(refusal), ..of_status(*status, error.class()) }
        }
        Status { status, .. } => of_status(*status, error.class()),
        Reported { status, .. } => of_status(*status, error.class()),
        Timeout { waited_for: Wait::Total, .. } => Told::new(504, "timed_out"),
        Timeout { waited_for: Wait::FirstEvent | Wait::MoreBytes, .. } => {
            Told::new(504, "provider_timed_out")
        }
        Cut { .. } => Told::new(502, "answer_cut"),
        TooLarge { .. } => Told::new(502, "answer_too_large"),
        NoRoots { .. } | Network { .. } => Told::new(502, "provider_unreachable"),
        Redirected { .. } | WrongContent { .. } | Malformed { .. } => Told::new(502, "provider_malformed"),
        BadKey { .. } => Told::new(502, "provider_key_refused"),
        CaFile { .. } | Setup { .. } | BadEndpoint { .. } | NoRule(_) => Told::new(500, "internal_error"),
    }
}

/// The key at the provider is the operator's: its refusal is no fault of the client's key, and its words are not the
/// client's business.
fn of_status<'a>(status: u16, class: FailureClass) -> Told<'a> {
    match class {
        FailureClass::Key => Told::new(502, "provider_key_refused"),
        FailureClass::Limited => Told::new(status, "provider_limited"),
        FailureClass::Overloaded => Told::new(status, "provider_overloaded"),
        FailureClass::Timeout => Told::new(504, "provider_timed_out"),
        FailureClass::Client => Told::new(status, "invalid_request"),
        FailureClass::Server | FailureClass::Network | FailureClass::Malformed if status >= 500 => {
            Told::new(status, "provider_failed")
        }
        FailureClass::Server | FailureClass::Network | FailureClass::Malformed => {
            Told::new(502, "provider_failed")
        }
    }
}

#[cfg(test)]
mod tests {
    use routing::{NoCandidate, PassedBy};
    use units::DeploymentId;

    use super::*;
    use crate::Attempt;

    fn id() -> DeploymentId {
        "a/x".parse().unwrap()
    }

    fn status(status: u16, retry_after: Option<Duration>, refusal: Option<Refusal>) -> Why {
        let (origin, message) = ("http://127.0.0.1".to_owned(), "no".to_owned());
        let refusal = refusal.map(Box::new);
        Why::Upstream(Box::new(upstream::Error::Status {
            origin,
            status,
            retry_after,
            is_spent: false,
            message,
            refusal,
        }))
    }

    fn unavailable(whys: Vec<Why>) -> Error {
        let attempt = |why| Attempt {
            deployment: id(),
            why,
            usage: chat::Usage::default(),
            cost: None,
            duration: Duration::ZERO,
        };
        let attempts = whys.into_iter().map(attempt).collect();
        let within = Duration::from_secs(1);
        Error::Unavailable { role: "client".to_owned(), within, attempts, retry_after: None }
    }

    #[test]
    fn statuses_that_sdks_act_on_stay_what_they_are() {
        for (found, told) in
            [(429, 429), (529, 529), (503, 503), (500, 500), (400, 400), (404, 404), (413, 413)]
        {
            assert_eq!(unavailable(vec![status(found, None, None)]).told().status, told, "{found}");
        }
    }

    #[test]
    fn the_operators_key_is_not_the_clients() {
        let words = Refusal { content_type: String::new(), headers: Vec::new(), body: b"{}".to_vec() };
        for found in [401, 402, 403] {
            let error = unavailable(vec![status(found, None, Some(words.clone()))]);
            let told = error.told();
            assert_eq!((told.status, told.code), (502, "provider_key_refused"), "{found}");
            assert_eq!(told.refusal, None, "whose words they are: the operator's account is spoken of");
        }
    }

    #[test]
    fn the_providers_words_and_its_wish_to_be_left_alone_are_handed_on() {
        let words = Refusal { content_type: String::new(), headers: Vec::new(), body: b"{}".to_vec() };
        let wait = Some(Duration::from_secs(3));
        let error = unavailable(vec![Why::NeverStopped, status(429, wait, Some(words.clone()))]);
        let told = error.told();
        assert_eq!((told.retry_after, told.refusal), (wait, Some(&words)));
    }

    #[test]
    fn who_was_called_says_more_than_who_was_passed_by() {
        let open = || Why::Open { retry_after: Some(Duration::from_secs(9)), forced: false };
        assert_eq!(unavailable(vec![status(529, None, None), open()]).told().status, 529);
        let told = unavailable(vec![open()]);
        let told = told.told();
        assert_eq!((told.status, told.code), (503, "provider_set_aside"));
        assert_eq!(unavailable(Vec::new()).told().code, "timed_out");
    }

    #[test]
    fn a_name_that_leads_nowhere_a_forbidden_one_and_one_that_is_not_ready_are_told_apart() {
        let none = |is_unknown, reasons: &[Reason]| {
            let passed_by = reasons.iter().map(|reason| PassedBy { deployment: id(), reason: *reason });
            let wanted = "the model `x`".to_owned();
            Error::NoCandidate(NoCandidate { wanted, is_unknown, passed_by: passed_by.collect() }).told().code
        };
        assert_eq!(none(true, &[]), "model_not_found");
        assert_eq!(none(false, &[Reason::NotAllowed]), "model_not_allowed");
        assert_eq!(none(false, &[Reason::NotAllowed, Reason::NoKey]), "no_model_ready");
        assert_eq!(none(false, &[]), "no_model_ready");
    }
}
