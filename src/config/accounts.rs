//! Providers as they are configured, with their keys: each entry is checked and made ready to be called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clock::Clock;
use futures_util::future::join_all;
use pricing::Price;
use routing::{Readiness, Source};
use scripted::Script;
use units::{ModelName, ProviderId};
use upstream::{Dialect, Endpoint, HttpEndpoint, Key, Spoken};

use super::environment::Environment;
use super::extras::Additions;
use super::secret_source::{self, Found};
use super::settings::{BaseUrl, KeyPlaces, Kind, Provider, Providers, Speaks};
use super::{Defect, Error, layers};

/// The most providers: each is a branch of the tree.
const MAX_PROVIDERS: usize = 64;

/// A provider that could be called, were its key there and did its server run.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: ProviderId,
    pub(super) source: Source,
    pub(super) endpoint: Endpoint,
    /// Its keys; what commands say is not in the endpoint until they were asked.
    pub(super) keys: Vec<Placed>,
    /// What else goes along; what commands say is not in the endpoint either until they were asked.
    pub(super) additions: Additions,
    pub(super) readiness: Readiness,
    /// None when the server on this machine is to be asked for them.
    pub(super) models: Option<Vec<(ModelName, Option<Price>)>>,
    /// What those of them speak that do not speak as the endpoint does.
    pub(super) spoken: BTreeMap<ModelName, Spoken>,
}

/// A key that is known, or that a command says.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// The key of the configuration that names it, as `providers.a.api_key[1]`.
    setting: String,
    found: Found,
}

/// Checks all providers and looks their keys up.
pub(super) fn read(providers: &Providers, environment: &Environment) -> Result<Vec<Account>, Error> {
    read_each(providers, environment).into_iter().collect()
}

/// As [`read`], provider by provider.
pub(super) fn read_each(providers: &Providers, environment: &Environment) -> Vec<Result<Account, Error>> {
    let found = providers.iter().len();
    if found > MAX_PROVIDERS {
        return vec![Err(Error::TooMany { what: "providers", found, most: MAX_PROVIDERS })];
    }
    providers.iter().map(|(id, provider)| Entry { id, provider }.read(environment)).collect()
}

/// The accounts with the keys that commands say, all asked at the same time.
pub(super) async fn unlocked(
    accounts: &[Account],
    environment: &Environment,
    clock: &Clock,
) -> Result<Vec<Account>, Error> {
    let unlock = async |account: &Account| {
        let mut account = account.clone();
        let has_commands = account.keys.iter().any(|key| matches!(key.found, Found::Asked(_)));
        if !has_commands && !account.additions.has_commands() {
            return Ok(account);
        }
        for key in &mut account.keys {
            if let Found::Asked(command) = &key.found {
                key.found = Found::Here(secret_source::ask(command, &key.setting, environment, clock).await?);
            }
        }
        account.additions.ask(environment, clock).await?;
        if let Endpoint::Http(endpoint) = account.endpoint {
            let endpoint = HttpEndpoint { extras: account.additions.known(), ..endpoint };
            account.endpoint = Endpoint::Http(endpoint.with_keys(known(&account.keys)));
        }
        Ok(account)
    };
    join_all(accounts.iter().map(unlock)).await.into_iter().collect()
}

/// The keys that nobody has to be asked for.
fn known(keys: &[Placed]) -> Vec<Key> {
    let known = |placed: &Placed| match &placed.found {
        Found::Here(secret) => Some(Key { place: placed.setting.clone(), secret: secret.clone() }),
        Found::Nowhere | Found::Asked(_) => None,
    };
    keys.iter().filter_map(known).collect()
}

struct Entry<'a> {
    id: &'a ProviderId,
    provider: &'a Provider,
}

impl Entry<'_> {
    fn read(&self, environment: &Environment) -> Result<Account, Error> {
        self.no_model_twice()?;
        let kind = self.provider.kind.ok_or_else(|| self.defect(Defect::NoKind))?;
        match kind {
            Kind::Scripted => self.scripted(kind),
            Kind::Anthropic => self.http(
                kind,
                self.alone(kind, Dialect::Anthropic)?,
                Some("https://api.anthropic.com"),
                environment,
            ),
            Kind::OpenAi => {
                self.http(kind, self.spoken(Speaks::BOTH), Some("https://api.openai.com/v1"), environment)
            }
            Kind::Gemini => {
                let url = "https://generativelanguage.googleapis.com";
                self.http(kind, self.alone(kind, Dialect::Gemini)?, Some(url), environment)
            }
            Kind::OpenAiCompatible => self.http(kind, self.spoken(Speaks::CHAT), None, environment),
        }
    }

    /// Which of OpenAI's dialects it speaks.
    fn spoken(&self, usually: Speaks) -> Spoken {
        self.provider.speaks.unwrap_or(usually).spoken()
    }

    /// The one dialect of this kind, of which there is nothing to say.
    fn alone(&self, kind: Kind, dialect: Dialect) -> Result<Spoken, Error> {
        let says =
            self.provider.speaks.is_some() || self.provider.models.iter().any(|model| model.speaks.is_some());
        if says {
            Err(self.defect(Defect::Foreign { key: "speaks", kind }))
        } else {
            Ok(Spoken { dialect, also: None })
        }
    }

    fn scripted(&self, kind: Kind) -> Result<Account, Error> {
        let provider = self.provider;
        let said = [
            ("base_url", provider.base_url.is_some()),
            ("api_key", provider.api_key.is_some()),
            ("traceparent", provider.traceparent.is_some()),
            (
                "speaks",
                provider.speaks.is_some() || provider.models.iter().any(|model| model.speaks.is_some()),
            ),
            ("account_routes", provider.account_routes.is_some()),
            ("pass_through", provider.pass_through.is_some()),
            ("headers", !provider.headers.is_empty()),
            ("query", !provider.query.is_empty()),
        ];
        let foreign = said.into_iter().find(|(_, is)| *is);
        if let Some((key, _)) = foreign {
            return Err(self.defect(Defect::Foreign { key, kind }));
        }
        let path = self.provider.script.as_ref().ok_or_else(|| self.defect(Defect::NoScript))?;
        let text = layers::read_text(path).map_err(|source| Error::Unreadable {
            what: format!("`providers.{}.script`", self.id),
            path: path.clone(),
            source,
        })?;
        let script = Script::parse(&path.display().to_string(), &text)?;
        Ok(Account {
            id: self.id.clone(),
            source: Source::Script,
            readiness: Readiness::Ready,
            models: Some(self.played_by(&script)?),
            endpoint: Endpoint::Scripted(Arc::new(script)),
            keys: Vec::new(),
            additions: Additions::default(),
            spoken: BTreeMap::new(),
        })
    }

    /// The models of the script, with the prices of this entry.
    fn played_by(&self, script: &Script) -> Result<Vec<(ModelName, Option<Price>)>, Error> {
        let models = &self.provider.models;
        if let Some(unknown) = models.iter().find(|model| !script.models().contains(&model.name)) {
            return Err(self.defect(Defect::NotPlayed { model: unknown.name.clone() }));
        }
        let price = |name: &ModelName| models.iter().find(|model| model.name == *name)?.price;
        Ok(script.models().iter().map(|name| (name.clone(), price(name))).collect())
    }

    fn http(
        &self,
        kind: Kind,
        spoken: Spoken,
        usual_url: Option<&str>,
        environment: &Environment,
    ) -> Result<Account, Error> {
        let Provider { base_url, api_key, models, script, .. } = self.provider;
        if script.is_some() {
            return Err(self.defect(Defect::Foreign { key: "script", kind }));
        }
        if api_key.is_none() && base_url.is_none() && usual_url.is_some() {
            return Err(self.defect(Defect::NoKeyPlace));
        }
        let usual_url = || usual_url.map(|url| url.parse().expect("the vendors' URLs are none but valid"));
        let base_url: BaseUrl =
            base_url.clone().or_else(usual_url).ok_or_else(|| self.defect(Defect::NoUrl))?;
        let is_asked = models.is_empty() && kind == Kind::OpenAiCompatible && base_url.is_loopback();
        if models.is_empty() && !is_asked {
            return Err(self.defect(Defect::NoModels));
        }
        let keys = api_key.as_ref().map(|places| self.keys(places, environment)).transpose()?;
        let additions = Additions::look_up(self.id, self.provider, environment)?;
        let is_locked = keys.as_ref().is_some_and(Vec::is_empty) || additions.is_locked();
        let readiness = if is_locked { Readiness::NoKey } else { Readiness::Ready };
        let keys = keys.unwrap_or_default();
        let own = models.iter().filter_map(|model| Some((model.name.clone(), model.speaks?.spoken())));
        let own = own.filter(|(_, own)| *own != spoken).collect();
        let models = models.iter().map(|model| (model.name.clone(), model.price)).collect();
        let endpoint = HttpEndpoint {
            dialect: spoken.dialect,
            also: spoken.also,
            base_url: base_url.url().clone(),
            extras: additions.known(),
            key: None,
            keys: None,
            is_traced: self.provider.traceparent.unwrap_or(false),
            has_account_routes: self.provider.account_routes.unwrap_or(false),
            lets_through: self.provider.pass_through.unwrap_or(false),
        };
        Ok(Account {
            id: self.id.clone(),
            source: Source::Model,
            endpoint: Endpoint::Http(endpoint.with_keys(known(&keys))),
            keys,
            additions,
            readiness,
            models: (!is_asked).then_some(models),
            spoken: own,
        })
    }

    /// The keys that are there, or that a command says; the places of the others are passed by.
    fn keys(&self, places: &KeyPlaces, environment: &Environment) -> Result<Vec<Placed>, Error> {
        let mut keys = Vec::new();
        for (index, place) in places.0.iter().enumerate() {
            let setting = match places.0.len() {
                1 => format!("providers.{}.api_key", self.id),
                _ => format!("providers.{}.api_key[{index}]", self.id),
            };
            match secret_source::look(place, &setting, environment)? {
                Found::Nowhere => {}
                found @ (Found::Here(_) | Found::Asked(_)) => keys.push(Placed { setting, found }),
            }
        }
        Ok(keys)
    }

    fn no_model_twice(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        match self.provider.models.iter().find(|model| !seen.insert(&model.name)) {
            Some(model) => Err(self.defect(Defect::Twice { model: model.name.clone() })),
            None => Ok(()),
        }
    }

    fn defect(&self, defect: Defect) -> Error {
        Error::Provider { provider: self.id.clone(), defect }
    }
}

#[cfg(test)]
mod tests;
