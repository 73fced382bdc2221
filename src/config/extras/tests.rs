//! What may be added, where its secrets come from, and that none is ever printed.

use secrets::Secret;
use upstream::Endpoint;

use super::*;
use crate::config::accounts;
use crate::config::settings::{Providers, Settings};
use routing::Readiness;

const AZURE: &str = "
azure:
  kind: openai_compatible
  base_url: https://example.openai.azure.com/openai/deployments/gpt
  headers: {Api-Key: {env: AZURE_OPENAI_API_KEY}, X-Title: Impresario}
  query: {api-version: '2024-10-21', code: {command: [printf, from-a-command]}}
  models: [{name: gpt}]
";

fn entry(extras: &str) -> String {
    format!("a: {{kind: openai_compatible, base_url: 'http://h/v1', models: [{{name: m}}], {extras}}}")
}

fn read(text: &str) -> Result<Providers, yaml::Error> {
    yaml::from_str("test.yaml", text)
}

fn extras(account: &accounts::Account) -> Extras {
    let Endpoint::Http(endpoint) = &account.endpoint else { panic!("it is called over HTTP") };
    endpoint.extras.as_deref().cloned().unwrap_or_default()
}

fn secret(text: &str) -> Extra {
    Extra::Secret(Secret::try_new(text).unwrap())
}

#[tokio::test]
async fn secrets_come_from_their_places_and_texts_as_they_are() {
    let providers = read(AZURE).unwrap();
    let set: Environment =
        [("PATH", "/usr/bin:/bin"), ("AZURE_OPENAI_API_KEY", "sesame")].into_iter().collect();
    let accounts = accounts::read(&providers, &set).unwrap();
    let before = extras(&accounts[0]);
    assert_eq!(before.headers["api-key"], secret("sesame"));
    assert_eq!(before.headers["x-title"], Extra::Plain("Impresario".to_owned()));
    assert_eq!(before.query.keys().collect::<Vec<_>>(), ["api-version"], "no command is run by reading");
    let unlocked = accounts::unlocked(&accounts, &set, &Clock::real()).await.unwrap();
    assert_eq!(extras(&unlocked[0]).query["code"], secret("from-a-command"));
    assert_eq!(unlocked[0].readiness, Readiness::Ready);
}

#[test]
fn a_provider_without_one_of_its_secrets_is_passed_by_as_one_without_a_key() {
    let account = accounts::read(&read(AZURE).unwrap(), &Environment::default()).unwrap().remove(0);
    assert_eq!(account.readiness, Readiness::NoKey);
}

#[test]
fn what_is_printed_reads_back_and_names_places_and_no_secret() {
    let settings = Settings { providers: read(AZURE).unwrap(), ..Settings::default() };
    let printed = serde_json::to_string(&settings).unwrap();
    assert!(printed.contains(r#""Api-Key":{"env":"AZURE_OPENAI_API_KEY"}"#), "{printed}");
    assert!(printed.contains(r#""X-Title":"Impresario""#), "{printed}");
    let back: Settings = serde_json::from_str(&printed).unwrap();
    assert_eq!(back.providers, settings.providers);
}

#[test]
fn names_that_calls_set_themselves_and_what_looks_like_a_secret_are_refused_without_being_shown() {
    let cases = [
        ("headers: {Authorization: Bearer hunter2}", "use `api_key`"),
        ("headers: {Host: hunter2}", "calls set it themselves"),
        ("headers: {content-length: 'hunter2'}", "calls set it themselves"),
        ("headers: {Transfer-Encoding: hunter2}", "calls set it themselves"),
        ("headers: {api-key: hunter2}", "{env: NAME}"),
        ("headers: {x-note: sk-ant-api03-hunter2hunter2hunter2hunter2}", "{env: NAME}"),
        ("query: {api_key: hunter2}", "{env: NAME}"),
        ("query: {alt: hunter2}", "calls set it themselves"),
        ("headers: {x-a: 1}", "put it into quotes"),
        ("headers: {x-a: \"hunter2\\r\\nx-b: c\"}", "on one line"),
        ("headers: {X-A: hunter2, x-a: hunter2}", "comes twice"),
        ("headers: {'x a': hunter2}", "no name of a header"),
    ];
    for (extras, words) in cases {
        let refused = read(&entry(extras)).unwrap_err().to_string();
        assert!(refused.contains(words) && !refused.contains("hunter2"), "{extras}\n{refused}");
    }
    let many: Vec<String> = (0..=MAX_EXTRAS).map(|n| format!("x-{n}: y")).collect();
    let refused = read(&entry(&format!("headers: {{{}}}", many.join(", ")))).unwrap_err().to_string();
    assert!(refused.contains("16 are the most"), "{refused}");
}

#[test]
fn rules_in_a_file_are_sent_nowhere_and_have_none() {
    let scripted = read("a: {kind: scripted, script: x, query: {a: b}}").unwrap();
    let refused = accounts::read(&scripted, &Environment::default()).unwrap_err().to_string();
    assert!(refused.contains("`query` means nothing"), "{refused}");
}

/// The examples of docs/providers.md.
fn examples() -> Vec<String> {
    let page = include_str!("../../../docs/providers.md");
    page.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn every_example_of_the_page_loads_and_is_ready_once_its_keys_are_there() {
    let names = ["AZURE_OPENAI", "OPENROUTER", "DEEPSEEK", "GROQ", "MISTRAL", "XAI", "VLLM"];
    let keys = names.map(|name| (format!("{name}_API_KEY"), format!("key-of-{name}")));
    let environment: Environment = keys.into_iter().collect();
    let mut seen = Vec::new();
    for example in examples() {
        let settings: Settings = yaml::from_str("docs/providers.md", &example).unwrap();
        for account in accounts::read(&settings.providers, &environment).unwrap() {
            assert_eq!(account.readiness, Readiness::Ready, "{example}");
            seen.push(account.id.to_string());
        }
    }
    let all = [
        "azure",
        "azure-classic",
        "openrouter",
        "deepseek",
        "groq",
        "mistral",
        "xai",
        "ollama",
        "vllm",
        "llama_cpp",
    ];
    assert_eq!(seen, all);
}

#[test]
fn the_examples_for_azure_show_the_key_in_its_header_and_the_version_in_the_query() {
    let environment: Environment = [("AZURE_OPENAI_API_KEY", "sesame")].into_iter().collect();
    let read = |example: &str| {
        let settings: Settings = yaml::from_str("docs/providers.md", example).unwrap();
        extras(&accounts::read(&settings.providers, &environment).unwrap()[0])
    };
    let [newer, older] = [0, 1].map(|index| read(&examples()[index]));
    assert_eq!(newer.headers["api-key"], secret("sesame"));
    assert_eq!(older.headers["api-key"], secret("sesame"));
    assert_eq!(older.query["api-version"], Extra::Plain("2024-10-21".to_owned()));
}
