//! How a call fails, and what its caller can do about it.

use std::fmt;
use std::time::Duration;

use chat::Usage;
use units::{DeploymentId, Nanodollars};
use upstream::FailureClass;

use crate::MAX_ANSWER_BYTES;

/// How a call fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has nobody for this role: a person has to act.
    #[error(transparent)]
    NoCandidate(#[from] routing::NoCandidate),
    /// All providers of the model lack what is asked for: a person has to act.
    #[error(
        "no provider of the model `{model}` offers this, in its own dialect or in another one; ask for a model of a \
         provider that does"
    )]
    NotOffered {
        /// The model, as the client calls it.
        model: String,
    },
    /// No provider opens what it keeps for its account to whoever asks: a person has to act.
    #[error(
        "no provider of this dialect opens what it keeps for its account to this key: `account_routes` of a provider \
         does, for keys that may use all of its models"
    )]
    NoAccount,
    /// The request is at fault: it will fail again.
    #[error("{deployment} cannot answer this request: {why}; change the request")]
    Refused {
        /// Who refused.
        deployment: DeploymentId,
        /// Why.
        why: Why,
        /// The attempts before.
        attempts: Vec<Attempt>,
    },
    /// Nobody could answer: ask again later.
    #[error("{}", unavailable(role, *within, attempts, *retry_after))]
    Unavailable {
        /// Who asked.
        role: String,
        /// The time that there was.
        within: Duration,
        /// Each attempt and each candidate that was passed by, in order.
        attempts: Vec<Attempt>,
        /// When the first of them may answer again, as far as they said so.
        retry_after: Option<Duration>,
    },
    /// The answer broke off after some of it had been shown: the caller may ask again.
    #[error(transparent)]
    Interrupted(Box<Interrupted>),
    /// A routing table names a deployment that has no endpoint.
    #[error(
        "the routing table calls `{deployment}` ready, but it was not published with its endpoint and cells"
    )]
    Unpublished {
        /// Which.
        deployment: DeploymentId,
    },
}

/// An answer that broke off after some of it had been shown.
#[derive(Debug, thiserror::Error)]
#[error("{deployment} broke off its answer: {why}; what was shown is not whole, ask again")]
pub struct Interrupted {
    /// Who broke off.
    pub deployment: DeploymentId,
    /// Why.
    pub why: Why,
    /// What was used, as far as the provider had said so.
    pub usage: Usage,
    /// What that cost; `None` when the deployment is not priced.
    pub cost: Option<Nanodollars>,
    /// The attempts before.
    pub attempts: Vec<Attempt>,
}

/// An attempt that gave no answer.
#[derive(Debug)]
pub struct Attempt {
    /// Who was asked or passed by.
    pub deployment: DeploymentId,
    /// Why there is no answer.
    pub why: Why,
    /// What it used all the same, as far as the provider had said so.
    pub usage: Usage,
    /// What that cost; `None` when the deployment is not priced.
    pub cost: Option<Nanodollars>,
    /// How long it took.
    pub duration: Duration,
}

/// Why a candidate gave no answer. As text it holds no prompt.
#[derive(Debug)]
pub enum Why {
    /// Its breaker is open, or its probes are under way: it was not called.
    Open {
        /// When it may be called again, if that is known.
        retry_after: Option<Duration>,
        /// An operator holds it open.
        forced: bool,
    },
    /// It does not speak the client's dialect: it was not called.
    OtherDialect,
    /// The request cannot be handed on as it is.
    BadRequest(wire::Invalid),
    /// The call failed.
    Upstream(Box<upstream::Error>),
    /// The provider refused the client's own credential, or its account has no credit: the client's failure alone.
    Credential(Box<upstream::Error>),
    /// The stream ended in order, but the model never said that it had stopped.
    NeverStopped,
    /// The answer was larger than [`MAX_ANSWER_BYTES`].
    TooLarge,
}

impl Why {
    /// What can be done; `None` for a candidate that was not called.
    pub fn class(&self) -> Option<FailureClass> {
        match self {
            Self::Open { .. } | Self::OtherDialect => None,
            Self::Upstream(error) => Some(error.class()),
            Self::BadRequest(_) | Self::Credential(_) => Some(FailureClass::Client),
            Self::NeverStopped | Self::TooLarge => Some(FailureClass::Malformed),
        }
    }

    /// The same failure of a call that the client's own credential pays.
    pub(crate) fn of_a_client_who_pays(self) -> Self {
        if let Self::Upstream(error) = self {
            return if error.class() == FailureClass::Key {
                Self::Credential(error)
            } else {
                Self::Upstream(error)
            };
        }
        self
    }

    /// How long to leave the candidate alone, when that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open { retry_after, .. } => *retry_after,
            Self::Upstream(error) | Self::Credential(error) => error.retry_after(),
            Self::OtherDialect | Self::BadRequest(_) | Self::NeverStopped | Self::TooLarge => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { forced: true, .. } => f.write_str("passed by: its breaker is held open by hand"),
            Self::Open { retry_after: None, .. } => f.write_str("passed by after too many failures"),
            Self::Open { retry_after: Some(after), .. } => {
                write!(f, "passed by after too many failures, for another {}", seconds(*after))
            }
            Self::OtherDialect => f.write_str("passed by: it does not offer this"),
            Self::BadRequest(invalid) => write!(f, "the request cannot be handed on: {invalid}"),
            Self::Upstream(error) => {
                // Its own text shows the prompt's beginning, which is for the script's author alone.
                if let upstream::Error::NoRule(none) = error.as_ref() {
                    return write!(
                        f,
                        "{} has no rule for the role `{}` and this prompt",
                        none.script, none.role
                    );
                }
                error.fmt(f)
            }
            Self::Credential(error) => write!(f, "your own credential was refused: {error}"),
            Self::NeverStopped => f.write_str("the answer ended without its stop"),
            Self::TooLarge => write!(f, "the answer was larger than {MAX_ANSWER_BYTES} bytes"),
        }
    }
}

fn unavailable(role: &str, within: Duration, attempts: &[Attempt], retry_after: Option<Duration>) -> String {
    let mut text = format!("no model answered for the role `{role}` within {}", seconds(within));
    for Attempt { deployment, why, .. } in attempts {
        text.push_str(&format!("; {deployment}: {why}"));
    }
    text.push_str(&match retry_after {
        Some(after) => format!("; try again in {}", seconds(after)),
        None => "; try again later, or name another deployment for the role".to_owned(),
    });
    text
}

/// Rounded up, so that nobody comes back early.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_millis().div_ceil(1000))
}
