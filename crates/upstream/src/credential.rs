//! A client's own credential at a vendor: a key, or the token of a subscription.
//!
//! It goes to an endpoint that lets it through and nowhere else, in the place of the operator's keys, which then stay here.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrets::Secret;

use crate::{Dialect, Error, HttpEndpoint};

/// What a client shows to its vendor.
#[derive(Clone, Debug)]
pub struct Credential {
    /// How it is shown.
    pub bearing: Bearing,
    /// What is shown.
    pub secret: Secret,
    /// Headers that say whose account it is, by their names in lower case; they go with the credential alone.
    pub along: Vec<(&'static str, String)>,
}

/// How a credential is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// In the header that the dialect has for keys.
    Key,
    /// In `authorization`, as `Bearer`.
    Bearer,
}

impl HttpEndpoint {
    /// The endpoint with the credential in the place of its keys and all else that is secret; `None` where it lets none through.
    pub(crate) fn paid_with(&self, credential: &Credential) -> Option<Self> {
        let key = Some(credential.secret.clone());
        self.lets_through.then(|| Self { key, keys: None, ..self.clone().with_plain_extras() })
    }
}

impl Credential {
    /// Adds what the vendor wants to see, to the headers of an endpoint that has the credential for its key.
    ///
    /// # Errors
    /// [`Error::BadKey`] where no header can hold it.
    pub(crate) fn show(&self, headers: &mut HeaderMap, endpoint: &HttpEndpoint) -> Result<(), Error> {
        if self.bearing == Bearing::Bearer {
            let of_the_dialect = match endpoint.dialect {
                Dialect::Anthropic => HeaderName::from_static("x-api-key"),
                Dialect::OpenAiChat | Dialect::OpenAiResponses => AUTHORIZATION,
                Dialect::Gemini => HeaderName::from_static("x-goog-api-key"),
            };
            headers.remove(of_the_dialect);
            let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret.expose()))
                .map_err(|_| Error::BadKey { origin: endpoint.origin() })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        for (name, value) in &self.along {
            // A value that no header can hold came in through one, so that this cannot happen.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(())
    }
}
