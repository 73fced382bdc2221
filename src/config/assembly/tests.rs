//! Blueprints from whole configurations, and what is said when nobody can answer.

use routing::Source;
use tempfile::TempDir;

use super::super::local_servers::tests::{TWO_MODELS, nobody, serve};
use super::super::{Flags, load_from};
use super::*;

/// Without the built-in servers: what runs on this machine must not decide a test.
const NO_SERVERS: &str = "ollama: null, vllm: null, llama_cpp: null";

fn loaded(folder: &TempDir, text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Error> {
    let file = folder.path().join("test.yaml");
    std::fs::write(&file, text).unwrap();
    let flags =
        Flags { config: Some(file), state_dir: Some(folder.path().join("state")), ..Flags::default() };
    load_from(&flags, variables.iter().copied().collect())
}

async fn plan(text: &str, variables: &[(&str, &str)]) -> Result<Blueprint, Error> {
    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(&folder, text, variables)?;
    blueprint(&loaded, Clock::real(), "impresario".into()).await
}

fn table(blueprint: &Blueprint) -> Table {
    let deployments = blueprint.providers.iter().flat_map(|spec| {
        spec.models.iter().map(|(model, _)| routing::Deployment {
            id: DeploymentId { provider: spec.id.clone(), model: model.clone() },
            source: spec.source,
            readiness: spec.readiness,
        })
    });
    Table::try_new(deployments.collect(), blueprint.roles.clone()).unwrap()
}

#[tokio::test]
async fn a_key_in_the_environment_is_all_it_takes() {
    let text = format!("providers: {{{NO_SERVERS}}}");
    let blueprint =
        plan(&text, &[("ANTHROPIC_API_KEY", "sk"), ("PATH", "/bin"), ("SECRET", "x")]).await.unwrap();
    let ready: Vec<_> = blueprint
        .providers
        .iter()
        .filter(|spec| spec.endpoint.is_some())
        .map(|spec| spec.id.as_str())
        .collect();
    assert_eq!(ready, ["anthropic"]);
    assert_eq!(blueprint.running.environment, [("PATH".into(), "/bin".into())]);
    let table = table(&blueprint);
    assert!(can_answer(&table));
    let first = &routing::candidates(&table, "planner").unwrap()[0];
    assert_eq!(first.to_string(), "anthropic/claude-sonnet-5-5");
}

#[tokio::test]
async fn without_any_provider_it_starts_and_says_three_ways() {
    let blueprint = plan(&format!("providers: {{{NO_SERVERS}}}"), &[]).await.unwrap();
    let table = table(&blueprint);
    assert!(!can_answer(&table));
    let help = no_provider_help(&table);
    for words in ["openai/gpt-6.1-sol: no key is set", "ANTHROPIC_API_KEY", "11434", "`providers`", "demo"] {
        assert!(help.contains(words), "{help}");
    }
}

#[tokio::test]
async fn a_script_that_nobody_named_is_passed_by_and_the_way_to_name_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "models: [one]\nrules:\n  - match: {role: planner}\n    answer: {text: hello}\n";
    std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let text = format!("providers: {{{NO_SERVERS}, canned: {{kind: scripted, script: rules.yaml}}}}");
    let loaded = loaded(&folder, &text, &[]).unwrap();
    let table = table(&blueprint(&loaded, Clock::real(), "impresario".into()).await.unwrap());
    assert!(!can_answer(&table));
    let help = no_provider_help(&table);
    for words in ["canned/one: a script answers only when it is named", "`--provider canned`", "`providers`"]
    {
        assert!(help.contains(words), "{help}");
    }
    let without = plan(&format!("providers: {{{NO_SERVERS}}}"), &[]).await.unwrap();
    assert!(!no_provider_help(&self::table(&without)).contains("--provider"), "there is no script to name");
}

#[tokio::test]
async fn a_local_server_that_runs_answers_and_one_that_does_not_is_absent() {
    let (here, gone) = (serve("200 OK", TWO_MODELS).await, nobody().await);
    let text = format!(
        "providers: {{{NO_SERVERS}, gone: {{kind: openai_compatible, base_url: \"{gone}\"}}, here: {{kind: openai_compatible, base_url: \"{here}\"}}}}"
    );
    let blueprint = plan(&text, &[]).await.unwrap();
    let names: Vec<_> = blueprint.providers.iter().map(|spec| spec.id.as_str()).collect();
    assert_eq!(names, ["here", "anthropic", "openai", "gemini"]);
    let first = &routing::candidates(&table(&blueprint), "editor").unwrap()[0];
    assert_eq!(first.to_string(), "here/qwen:7b");
}

#[tokio::test]
async fn a_model_that_a_role_names_at_a_silent_server_is_kept_and_told() {
    let gone = nobody().await;
    let text = format!(
        "providers: {{{NO_SERVERS}, gone: {{kind: openai_compatible, base_url: \"{gone}\"}}}}\nagents: {{editor: {{model: gone/m}}, planner: {{model: [gone/m, gone/n]}}}}"
    );
    let blueprint = plan(&text, &[("ANTHROPIC_API_KEY", "sk")]).await.unwrap();
    let table = table(&blueprint);
    let refused = routing::candidates(&table, "editor").unwrap_err();
    assert_eq!(refused.passed_by[0].reason, routing::Reason::NoServer);
    assert!(!can_answer(&table));
    assert!(no_provider_help(&table).contains("gone/m: its server did not answer"));
}

#[tokio::test]
async fn a_role_that_names_a_missing_or_silent_provider_is_refused() {
    let gone = nobody().await;
    let text = |model: &str| {
        format!(
            "providers: {{{NO_SERVERS}, gone: {{kind: openai_compatible, base_url: \"{gone}\"}}}}\nagents: {{reviewer: {{model: {model}}}}}"
        )
    };
    let refused = plan(&text("gone"), &[]).await.err().unwrap();
    assert!(
        matches!(&refused, Error::ModelsNotKnown { place, .. } if place == "agents.reviewer.model"),
        "{refused}"
    );
    let refused = plan(&text("opnai"), &[]).await.err().unwrap().to_string();
    assert!(
        refused.contains("`agents.reviewer.model` is `opnai`") && refused.contains("anthropic, openai"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_models_bare_name_is_enough_at_whichever_provider_has_it() {
    let text = format!(
        "providers: {{{NO_SERVERS}, mine: {{kind: openai, api_key: {{env: K}}, models: [{{name: gpt-6-sol}}]}}}}\n\
         agents: {{planner: {{model: gpt-6-sol}}, editor: {{model: claude-opus-5-5}}}}\n\
         routing: {{fallbackEnabled: false, maxRetries: 7}}"
    );
    let blueprint = plan(&text, &[("K", "sk"), ("OPENAI_API_KEY", "sk"), ("ANTHROPIC_API_KEY", "sk")]);
    let table = blueprint.await.unwrap().table().unwrap();
    let named = |role: &str| table.choice(role).clone();
    let chain = |ids: &[&str]| Choice::Named(ids.iter().map(|id| id.parse().unwrap()).collect());
    assert_eq!(named("planner"), chain(&["mine/gpt-6-sol", "openai/gpt-6-sol"]));
    assert_eq!(named("editor"), chain(&["anthropic/claude-opus-5-5"]));
    assert_eq!(table.policy(), routing::Policy { fallback: false, max_retries: 7 });
}

#[tokio::test]
async fn a_script_answers_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), "rules: [{answer: {text: hi}}]").unwrap();
    let text = format!("providers: {{{NO_SERVERS}, demo: {{kind: scripted, script: rules.yaml}}}}");
    let mut loaded = loaded(&folder, &text, &[]).unwrap();
    assert!(!can_answer(&table(&blueprint(&loaded, Clock::real(), "x".into()).await.unwrap())));

    loaded.settings.agents.all_use(&"demo".parse().unwrap());
    let blueprint = blueprint(&loaded, Clock::real(), "x".into()).await.unwrap();
    assert!(can_answer(&table(&blueprint)));
    assert_eq!(blueprint.providers[0].source, Source::Script);
}

#[tokio::test]
async fn a_root_that_does_not_exist_is_refused() {
    let refused = plan(&format!("workspaces: {{roots: [nowhere]}}\nproviders: {{{NO_SERVERS}}}"), &[]).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, Error::Roots(_)));
    assert!(refused.to_string().contains("nowhere"), "{refused}");
}

#[tokio::test]
async fn settings_reach_the_parts_that_they_are_for() {
    let text = format!(
        "providers: {{{NO_SERVERS}}}\nprocess: {{wall_s: 7, output_bytes: 99}}\nupstream: {{first_byte_s: 3, connect_timeout_ms: 4}}\nagents: {{editor: {{temperature: 1, max_output_tokens: 5, within_s: 6}}}}"
    );
    let blueprint = plan(&text, &[]).await.unwrap();
    assert_eq!((blueprint.running.limits.wall.as_secs(), blueprint.running.limits.output_bytes), (7, 99));
    assert_eq!(
        (blueprint.patience.first_byte.as_secs(), blueprint.upstream.connect_timeout.as_millis()),
        (3, 4)
    );
    let editor = blueprint.manners.editor;
    assert_eq!((editor.temperature, editor.max_output.0, editor.within.as_secs()), (Some(1.0), 5, 6));
    assert_eq!(blueprint.manners.planner.temperature, None);
    let beside = blueprint.journals.parent().unwrap().join("impresario.db");
    assert_eq!(blueprint.database, store::Database::Sqlite(beside));
    assert!((2..=MAX_ACTOR_THREADS).contains(&blueprint.threads));
}

#[test]
#[cfg(debug_assertions)]
fn a_fail_point_is_read_and_a_bad_one_refused() {
    let read = |value: &str| {
        let environment: Environment = [(FAIL_POINT, value)].into_iter().collect();
        fail_point(&environment).map(|point| point.map(|point| point.before_rename))
    };
    assert_eq!(read("rename:3").unwrap(), Some(3));
    assert_eq!(read("").unwrap(), None);
    for bad in ["rename:0", "rename:", "3", "write:1"] {
        assert!(read(bad).unwrap_err().to_string().contains("rename:N"), "{bad}");
    }
}

#[test]
#[cfg(not(debug_assertions))]
fn a_released_server_refuses_a_fail_point() {
    let environment: Environment = [(FAIL_POINT, "rename:1")].into_iter().collect();
    assert!(matches!(fail_point(&environment), Err(Error::FailPoint { .. })));
}

#[test]
fn the_roles_are_those_of_the_settings() {
    assert_eq!(super::super::settings::Agents::default().by_role().map(|(role, _)| role), ROLES);
}
