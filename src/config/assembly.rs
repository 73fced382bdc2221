//! From the configuration to the blueprint of the tree, and what to say when nobody can answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use actors::tree::{Blueprint, Observed, ProviderSpec};
use actors::workbench::{EndBeforeRename, Running};
use clock::Clock;
use routing::{Alias, Choice, MAX_CHAIN, PassedBy, Readiness, Reason, Table};
use secrets::Secret;
use units::{DeploymentId, ModelName, ProviderId};
use upstream::Endpoint;

use super::accounts::{self, Account};
use super::environment::{Environment, FAIL_POINT};
use super::local_servers::{self, Known};
use super::secret_source::{self, Found};
use super::settings::{Settings, Store, Wanted};
use super::{Error, Loaded, StateFolder};

/// The roles that ask models, in the order of a run.
pub const ROLES: [&str; 3] = ["planner", "editor", "reviewer"];

/// The most threads that carry actors; handlers are short, and what takes long runs elsewhere.
const MAX_ACTOR_THREADS: usize = 8;

/// Where to end the process, in tests of debug builds.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailPoint {
    before_rename: usize,
}

/// What the tree is built from. Asks the servers on this machine whether they run; that nobody can answer is no error.
///
/// # Errors
/// When a role names a provider that is not there, a root does not exist, or the CA file cannot be used.
pub async fn blueprint(loaded: &Loaded, clock: Clock, launcher: PathBuf) -> Result<Blueprint, Error> {
    let settings = &loaded.settings;
    let upstream = settings.upstream.options();
    let accounts = accounts::unlocked(&loaded.accounts, &loaded.environment, &clock).await?;
    let known = local_servers::ask(&accounts, &upstream, &clock).await?;
    let wishes = Wishes::of(settings);
    let roles = wishes.roles(&known)?;
    let aliases = wishes.aliases(&known)?;
    let secrets = secrets(loaded, &known)?;
    let end_before_rename =
        loaded.fail_point.map(|point| EndBeforeRename { nth: point.before_rename, end: end_now });
    Ok(Blueprint {
        database: loaded.unlocked_database(&clock).await?,
        providers: known.into_iter().filter_map(|known| spec(known, &wishes)).collect(),
        roles,
        aliases,
        policy: settings.routing.policy(),
        upstream,
        patience: settings.upstream.patience(),
        roots: workspace::Roots::try_new(settings.workspaces.roots.0.clone()).map_err(Error::Roots)?,
        overlays: loaded.state.overlays(),
        journals: loaded.state.journals(),
        running: Running {
            runner: Arc::new(process::Runner::new(launcher, clock.clone())),
            environment: loaded.environment.only(process::inherited_names()),
            limits: settings.process.limits(),
        },
        manners: settings.agents.manners(),
        records: settings.records.options(&loaded.state),
        end_before_rename,
        manager: loaded.manager.clone(),
        min_free_bytes: settings.disk.min_free_bytes(),
        rules: settings.retention.rules(),
        captures: settings.telemetry.capture.options(&loaded.state, secrets),
        threads: std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, MAX_ACTOR_THREADS),
        observed: Observed::default(),
        clock,
    })
}

/// What is known to be secret: whatever of it stands in a body is found.
fn secrets(loaded: &Loaded, known: &[Known]) -> Result<Vec<Secret>, Error> {
    let keys = known.iter().flat_map(|known| match &known.account.endpoint {
        Endpoint::Http(endpoint) => endpoint.secrets(),
        Endpoint::Scripted(_) => Vec::new(),
    });
    let headers = super::telemetry::headers(loaded)?.into_iter().map(|header| header.value);
    Ok(keys.chain(headers).collect())
}

/// The URL with its password, or with the command that says it; else the file in the state folder.
pub(super) fn database(
    settings: &Store,
    state: &StateFolder,
    environment: &Environment,
) -> Result<(store::Database, Option<Vec<String>>), Error> {
    let Some(url) = &settings.url else { return Ok((store::Database::Sqlite(state.database()), None)) };
    let mut url = url.url().clone();
    if let Some(place) = &settings.password {
        match secret_source::look(place, "store.password", environment)? {
            Found::Asked(command) => return Ok((store::Database::Postgres(url), Some(command))),
            Found::Here(password) => {
                return Ok((store::Database::Postgres(url.with_password(&password)), None));
            }
            Found::Nowhere => {}
        }
    }
    for name in &settings.password_env.0 {
        let password = environment.text(name)?.and_then(|text| secrets::Secret::try_new(text).ok());
        if let Some(password) = password {
            url = url.with_password(&password);
            break;
        }
    }
    Ok((store::Database::Postgres(url), None))
}

/// Everybody whom the configuration lets choose models.
pub(super) struct Wishes<'a> {
    roles: [(&'static str, &'a Wanted); 3],
    aliases: &'a BTreeMap<Alias, Wanted>,
}

impl<'a> Wishes<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        let roles = settings.agents.by_role().map(|(role, agent)| (role, &agent.model));
        Self { roles, aliases: &settings.gateway.aliases.0 }
    }

    /// What each role wants, or what is wrong with that in the words of the configuration.
    fn roles(&self, known: &[Known]) -> Result<BTreeMap<String, Choice>, Error> {
        let choices = self.roles.iter();
        choices
            .map(|(role, wanted)| Ok(((*role).to_owned(), choice(&of_role(role), wanted, known)?)))
            .collect()
    }

    /// What each alias means, or what is wrong with that in the words of the configuration.
    fn aliases(&self, known: &[Known]) -> Result<BTreeMap<Alias, Choice>, Error> {
        let choices = self.aliases.iter();
        choices.map(|(alias, wanted)| Ok((alias.clone(), choice(&of_alias(alias), wanted, known)?))).collect()
    }

    /// Who is named at a provider.
    fn named_at(&self, provider: &ProviderId) -> BTreeSet<DeploymentId> {
        let wanted = self.roles.iter().map(|(_, wanted)| *wanted).chain(self.aliases.values());
        let chains = wanted.filter_map(|wanted| match wanted {
            Wanted::Chain(chain) => Some(chain),
            Wanted::Auto | Wanted::Word(_) => None,
        });
        chains.flatten().filter(|id| id.provider == *provider).cloned().collect()
    }
}

fn of_role(role: &str) -> String {
    format!("agents.{role}.model")
}

fn of_alias(alias: &Alias) -> String {
    format!("gateway.aliases.{alias}")
}

fn choice(place: &str, wanted: &Wanted, known: &[Known]) -> Result<Choice, Error> {
    let word = match wanted {
        Wanted::Auto => return Ok(Choice::Auto),
        Wanted::Chain(chain) => return Ok(Choice::Named(chain.clone())),
        Wanted::Word(word) => word,
    };
    let place = || place.to_owned();
    let Some(named) = known.iter().find(|known| known.account.id.as_str() == word.as_str()) else {
        let mut chain = called(word, known);
        if chain.is_empty() {
            let names: Vec<&str> = known.iter().map(|known| known.account.id.as_str()).collect();
            let known = names.join(", ");
            return Err(Error::UnknownModel { place: place(), found: word.clone(), known });
        }
        chain.truncate(MAX_CHAIN);
        return Ok(Choice::Named(chain));
    };
    let provider = named.account.id.clone();
    match named.silent.clone() {
        None => Ok(Choice::Provider(provider)),
        Some(reason) => Err(Error::ModelsNotKnown { place: place(), provider, reason }),
    }
}

/// The models of this name, the one at the most preferred provider first.
fn called(model: &ModelName, known: &[Known]) -> Vec<DeploymentId> {
    let has = |known: &&Known| known.account.models.iter().flatten().any(|(name, _)| name == model);
    let at = |known: &Known| DeploymentId { provider: known.account.id.clone(), model: model.clone() };
    known.iter().filter(has).map(at).collect()
}

/// What can be said of who asks whom without asking the servers on this machine.
pub(super) struct Doubts {
    pub(super) faults: Vec<Error>,
    pub(super) notes: Vec<String>,
}

pub(super) fn doubts(accounts: Vec<Account>, settings: &Settings) -> Doubts {
    let wishes = Wishes::of(settings);
    let known: Vec<Known> = accounts.into_iter().map(|account| Known { account, silent: None }).collect();
    let unasked = known.iter().any(|known| known.account.models.is_none());
    let mut doubts = Doubts { faults: Vec::new(), notes: Vec::new() };
    let roles = wishes.roles.iter().map(|(role, wanted)| (of_role(role), *wanted));
    let aliases = wishes.aliases.iter().map(|(alias, wanted)| (of_alias(alias), wanted));
    let mut chains = Vec::new();
    for (place, wanted) in roles.chain(aliases) {
        match choice(&place, wanted, &known) {
            Ok(named @ Choice::Named(_)) => chains.push((place, named)),
            // A provider whose models have not been asked for has none here.
            Ok(Choice::Auto | Choice::Provider(_)) => {}
            Err(error @ Error::UnknownModel { .. }) if unasked => doubts.notes.push(format!(
                "{error}; or it is a model of a server on this machine: those are asked when Impresario starts"
            )),
            Err(error) => doubts.faults.push(error),
        }
    }
    let specs: Vec<ProviderSpec> = known.into_iter().filter_map(|known| spec(known, &wishes)).collect();
    let deployments: Vec<_> = specs.iter().flat_map(ProviderSpec::deployments).collect();
    let contradiction = |chain| Table::try_new(deployments.clone(), BTreeMap::from([chain])).err();
    doubts.faults.extend(chains.into_iter().filter_map(contradiction).map(Error::Routing));
    doubts
}

/// None for a server that is only supposed and does not run; what roles name there is kept, so that it can be told.
fn spec(known: Known, wishes: &Wishes<'_>) -> Option<ProviderSpec> {
    let Known { account, silent } = known;
    let readiness = if silent.is_some() { Readiness::NoServer } else { account.readiness };
    let models = match account.models {
        Some(models) => models,
        None => {
            let named = wishes.named_at(&account.id);
            named.into_iter().map(|id| (id.model, None)).collect()
        }
    };
    let endpoint = (readiness == Readiness::Ready).then_some(account.endpoint);
    (!models.is_empty()).then_some(ProviderSpec {
        id: account.id,
        endpoint,
        source: account.source,
        readiness,
        models,
        spoken: account.spoken,
    })
}

/// Whether somebody can answer each role.
pub fn can_answer(table: &Table) -> bool {
    ROLES.iter().all(|role| routing::candidates(table, role).is_ok())
}

/// What to tell a person when somebody is missing: who it is, what was seen, and the three ways to mend it.
pub fn no_provider_help(table: &Table) -> String {
    let mut text = String::from("no model can answer");
    let refused = ROLES.iter().find_map(|role| Some((role, routing::candidates(table, role).err()?)));
    if let Some((role, refused)) = refused {
        write!(text, " for the {role}").expect("a String takes all text");
        for passed in &refused.passed_by {
            write!(text, "\n  {}: {}", passed.deployment, passed.reason).expect("a String takes all text");
        }
        let is_script = |passed: &&PassedBy| passed.reason == Reason::ScriptNotNamed;
        if let Some(script) = refused.passed_by.iter().find(is_script) {
            let provider = &script.deployment.provider;
            write!(
                text,
                "\nTo have the script answer, name it: add `--provider {provider}` to the command that starts the \
                 server, which is `run` when none runs"
            )
            .expect("a String takes all text");
        }
    }
    text.push_str(
        "\nThere are three ways to have one:\n\
         \x20 1. a vendor's key in the environment: ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY or \
         GOOGLE_API_KEY\n\
         \x20 2. a server on this machine, found when Impresario starts: Ollama (port 11434), vLLM (port 8000) or \
         llama.cpp (port 8080)\n\
         \x20 3. an entry under `providers` in the configuration file; `impresario config print` shows which file \
         that is and what it may say\n\
         To see a run without any: `impresario demo`",
    );
    text
}

/// Reads the fail-point.
#[cfg(debug_assertions)]
pub(super) fn fail_point(environment: &Environment) -> Result<Option<FailPoint>, Error> {
    let Some(found) = environment.text(FAIL_POINT)? else { return Ok(None) };
    let nth = found.strip_prefix("rename:").and_then(|nth| nth.parse().ok()).filter(|nth| *nth > 0);
    let refuse = || Error::FailPoint { found: found.to_owned(), rule: "write rename:N, with N from 1" };
    nth.map(|before_rename| Some(FailPoint { before_rename })).ok_or_else(refuse)
}

/// Refuses a fail-point: a released server has none.
#[cfg(not(debug_assertions))]
pub(super) fn fail_point(environment: &Environment) -> Result<Option<FailPoint>, Error> {
    match environment.text(FAIL_POINT)? {
        None => Ok(None),
        Some(found) => Err(Error::FailPoint {
            found: found.to_owned(),
            rule: "fail-points exist in debug builds only; unset it",
        }),
    }
}

/// As a power cut would: no destructor runs.
fn end_now() {
    let sent = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    sent.expect("a process may always end itself");
}

#[cfg(test)]
mod tests;
