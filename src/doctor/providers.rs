//! The providers: whether keys are there, and whether whoever answers with them can be reached. It asks for the list of
//! models, which costs nothing and shows a refused key.

use std::time::Duration;

use clock::Clock;
use futures_util::future::join_all;
use routing::Readiness;
use units::ProviderId;
use upstream::{Client, Endpoint, FailureClass, HttpEndpoint};

use super::Finding;
use crate::config::{Contact, Loaded};

const ABOUT: &str = "provider";
/// How long each may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

pub(super) async fn look(loaded: &Loaded, clock: &Clock) -> Vec<Finding> {
    let client = match Client::try_new(&loaded.upstream(), clock.clone()) {
        Ok(client) => client,
        Err(error) => return vec![Finding::of_error(ABOUT, error)],
    };
    let contacts = loaded.contacts();
    let mut findings = Vec::new();
    let mut can_answer = false;
    for (told, answers) in join_all(contacts.iter().map(|contact| ask(contact, &client, clock))).await {
        can_answer |= answers;
        findings.extend(told);
    }
    if !can_answer {
        findings.push(Finding::fail(
            ABOUT,
            "none can answer now",
            "set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, start Ollama, or name one in `providers`",
        ));
    }
    findings
}

/// A provider with several keys: how many of them it takes.
async fn ask_each(
    id: &ProviderId,
    keys: &[HttpEndpoint],
    client: &Client,
    clock: &Clock,
) -> (Option<Finding>, bool) {
    let origin = keys.first().map(HttpEndpoint::origin).unwrap_or_default();
    let ask = async |key| clock.timeout(ANSWER_WITHIN, client.models(key)).await;
    let answers = join_all(keys.iter().map(ask)).await;
    // One that has no such list was reached, and refused no key.
    let took = |error: &upstream::Error| error.class() == FailureClass::Client;
    let is_refused = |error: &upstream::Error| error.class() == FailureClass::Key;
    let taken = answers.iter().filter(|one| matches!(one, Ok(Ok(_))) || matches!(one, Ok(Err(e)) if took(e)));
    let refused = answers.iter().filter(|one| matches!(one, Ok(Err(error)) if is_refused(error)));
    let (taken, refused, all) = (taken.count(), refused.count(), keys.len());
    let text = format!("{id}: {origin} takes {taken} of {all} keys, and refuses {refused}");
    let finding = match (taken, refused) {
        (0, 0) => Finding::warn(ABOUT, text, "check its `base_url`, the network and a proxy"),
        (0, _) => Finding::fail(ABOUT, text, format!("check the keys at `providers.{id}.api_key`")),
        (_, 0) => Finding::ok(ABOUT, text),
        (_, _) => Finding::warn(ABOUT, text, format!("check the keys at `providers.{id}.api_key`")),
    };
    (Some(finding), taken > 0)
}

/// What is found of one, if it is worth a word, and whether it can answer.
async fn ask(contact: &Contact, client: &Client, clock: &Clock) -> (Option<Finding>, bool) {
    let id = &contact.id;
    let endpoint = match &contact.endpoint {
        Endpoint::Scripted(_) => {
            return (Some(Finding::ok(ABOUT, format!("{id}: plays a script; nothing is sent"))), true);
        }
        Endpoint::Http(_) if contact.readiness == Readiness::NoKey => {
            let missing = Finding::ok(ABOUT, format!("{id}: its key is not set; it is passed by"));
            return (Some(missing), false);
        }
        Endpoint::Http(endpoint) => endpoint,
    };
    if endpoint.keys.is_some() {
        return ask_each(id, &endpoint.each(), client, clock).await;
    }
    let origin = endpoint.origin();
    match clock.timeout(ANSWER_WITHIN, client.models(endpoint)).await {
        Ok(Ok(models)) => {
            (Some(Finding::ok(ABOUT, format!("{id}: {origin} answers, with {} models", models.len()))), true)
        }
        // One that is there by default and is not running is passed by.
        Ok(Err(_)) | Err(clock::Elapsed) if contact.is_local_guess => {
            (Some(Finding::ok(ABOUT, format!("{id}: nothing answers at {origin}; it is passed by"))), false)
        }
        Ok(Err(error)) if error.class() == FailureClass::Key => {
            let remedy = format!("check the key at `providers.{id}.api_key` and its account");
            (Some(Finding::fail(ABOUT, format!("{id}: {error}"), remedy)), false)
        }
        // It was reached, and some servers have no such list.
        Ok(Err(error)) if error.class() == FailureClass::Client => {
            (Some(Finding::ok(ABOUT, format!("{id}: {origin} answers, but does not list its models"))), true)
        }
        Ok(Err(error)) => {
            let remedy =
                format!("check `providers.{id}.base_url`, the network, a proxy, and `upstream.ca_file`");
            (Some(Finding::warn(ABOUT, format!("{id}: {error}"), remedy)), false)
        }
        Err(clock::Elapsed) => {
            let text = format!("{id}: {origin} did not answer within {} s", ANSWER_WITHIN.as_secs());
            (Some(Finding::warn(ABOUT, text, "check the network and a proxy")), false)
        }
    }
}
