//! The providers, for somebody who wants to know whether they can be reached, and not to call them.

use routing::Readiness;
use units::ProviderId;
use upstream::Endpoint;

use super::Loaded;

/// One provider, and how it would be called.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its name.
    pub id: ProviderId,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Whether its key is there.
    pub readiness: Readiness,
    /// It is a server that may or may not run on this machine: no key and no models are configured.
    pub is_local_guess: bool,
}

impl Loaded {
    /// All providers, the most preferred first.
    pub fn contacts(&self) -> Vec<Contact> {
        let has_key = |id: &ProviderId| {
            let found = self.settings.providers.iter().find(|(known, _)| *known == id);
            found.is_some_and(|(_, provider)| provider.api_key.is_some())
        };
        let contact = |account: &super::accounts::Account| Contact {
            is_local_guess: account.models.is_none() && !has_key(&account.id),
            id: account.id.clone(),
            endpoint: account.endpoint.clone(),
            readiness: account.readiness,
        };
        self.accounts.iter().map(contact).collect()
    }

    /// How connections to them are made.
    pub fn upstream(&self) -> upstream::Options {
        self.settings.upstream.options()
    }
}
