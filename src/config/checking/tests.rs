//! All errors at once, each with its place, and nothing called wrong that is not.

use tempfile::TempDir;

use super::super::local_servers::tests::nobody;
use super::*;

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, text: &str) -> &Self {
        std::fs::write(self.path("x.yaml"), text).unwrap();
        self
    }

    fn check(&self, variables: &[(&str, &str)]) -> Checked {
        let state_dir = Some(self.path("state"));
        let flags = Flags { config: Some(self.path("x.yaml")), state_dir, ..Flags::default() };
        check(&flags, &variables.iter().copied().collect())
    }

    /// The faults, with the file's folder left out.
    fn faults(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        self.check(variables).faults.iter().map(|fault| fault.replace(&folder, "")).collect()
    }
}

#[track_caller]
fn assert_told(faults: &[String], expected: &[&str]) {
    for words in expected {
        assert!(faults.iter().any(|fault| fault.contains(words)), "no `{words}` in {faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn a_good_configuration_has_no_faults_and_says_what_was_checked() {
    let desk = Desk::new();
    let checked = desk.file("log: {level: info}\n").check(&[("IMPRESARIO_SERVER__WORKERS", "3")]);
    assert_eq!(checked.faults, Vec::<String>::new());
    assert_eq!(checked.notes, Vec::<String>::new());
    assert_eq!(checked.layers.len(), 3, "{checked:?}");
    assert!(!desk.path("state").exists());
}

#[test]
fn every_error_of_a_file_and_of_each_variable_is_told_at_once() {
    let desk = Desk::new();
    desk.file(
        "servr: {listen: x}\nlog:\n  level: loud\nagents:\n  editor:\n    temperature: 3\n    modle: auto\n",
    );
    let variables = [
        ("IMPRESARIO_SERVER__WORKERS", "many"),
        ("IMPRESARIO_WORKFLOW__PLAN_ATEMPTS", "2"),
        ("OPENAI_BASE_URL", "nowhere"),
        ("IMPRESARIO_FAILPOINT", "nonsense"),
    ];
    let faults = desk.faults(&variables);
    assert_told(
        &faults,
        &[
            "OPENAI_BASE_URL",
            "x.yaml:1:1: unknown key `servr`; did you mean `server`?",
            "x.yaml:3:3: unknown value `loud` of `log.level`",
            "x.yaml:6:5: agents.editor.temperature: invalid value",
            "x.yaml:7:5: unknown key `modle` in `agents.editor`; did you mean `model`?",
            "IMPRESARIO_SERVER__WORKERS: server.workers",
            "did you mean `plan_attempts`?",
            "IMPRESARIO_FAILPOINT is `nonsense`",
        ],
    );
    assert!(desk.check(&variables).notes[0].contains("check once more"));
}

#[test]
fn what_the_values_say_together_is_checked_too() {
    let desk = Desk::new();
    let text = "server: {listen: \"0.0.0.0:7300\"}\nworkspaces: {roots: [missing, other]}\nupstream: {ca_file: none.pem}\n\
                providers:\n  a: {base_url: \"http://127.0.0.1:1/v1\"}\n  b: {kind: scripted}\n  \
                c: {kind: openai, api_key: {file: key}, models: [{name: m}]}\n";
    let faults = desk.file(text).faults(&[]);
    assert_told(
        &faults,
        &["127.0.0.1 or [::1]", "missing", "other", "none.pem", "`providers.a`", "`script`", "api_key.file"],
    );
}

#[test]
fn roles_that_ask_for_nobody_are_told_each() {
    let desk = Desk::new();
    let text = "providers: {ollama: null, vllm: null, llama_cpp: null}\nagents:\n  planner: {model: opnai}\n  editor: {model: openai/none}\n  \
                reviewer: {model: [anthropic/claude-opus-5-5, anthropic/claude-opus-5-5]}\n";
    assert_told(
        &desk.file(text).faults(&[]),
        &[
            "`agents.planner.model` is `opnai`, which is no",
            "`openai/none`, which is not configured",
            "twice",
        ],
    );
}

#[tokio::test]
async fn servers_on_this_machine_are_not_asked_and_their_models_not_doubted() {
    let desk = Desk::new();
    let gone = nobody().await;
    let text = format!(
        "providers: {{mine: {{kind: openai_compatible, base_url: \"{gone}\"}}}}\n\
         agents: {{planner: {{model: mine}}, editor: {{model: mine/any}}}}\n"
    );
    assert_eq!(desk.file(&text).faults(&[]), Vec::<String>::new());
}

#[test]
fn what_may_not_be_meant_is_noted() {
    let desk = Desk::new();
    assert!(desk.file("\n").check(&[]).notes[0].contains("is empty"));
    let text = "providers: {mine: {kind: openai, api_key: {env: MY_KEY}, models: [{name: m}]}}\n";
    let notes = desk.file(text).check(&[]).notes;
    assert!(notes.len() == 1 && notes[0].contains("`providers.mine` is passed by"), "{notes:?}");
    assert_eq!(desk.check(&[("MY_KEY", "sk")]).notes, Vec::<String>::new());
    let home = desk.path("home");
    let nothing = check(&Flags::default(), &[("HOME", home.to_str().unwrap())].into_iter().collect());
    assert!(nothing.faults.is_empty() && nothing.notes[0].contains("there is no"), "{nothing:?}");
}

#[test]
fn a_file_that_is_none_is_told_by_what_it_is() {
    let desk = Desk::new();
    assert_told(&desk.faults(&[]), &["correct its path, or create it"]);
    std::fs::create_dir(desk.path("x.yaml")).unwrap();
    assert_told(&desk.faults(&[]), &["it is a folder"]);
    std::fs::remove_dir(desk.path("x.yaml")).unwrap();
    std::fs::write(desk.path("x.yaml"), [0xff, 0xfe]).unwrap();
    assert_told(&desk.faults(&[]), &["save it as UTF-8"]);
    desk.file(&format!("# {}\n", "x".repeat(10 << 20)));
    assert_told(&desk.faults(&[]), &["split the file"]);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_told(&desk.file(&bomb).faults(&[]), &["aliases"]);
}

#[test]
fn what_is_not_used_yet_is_said_rather_than_ignored() {
    let desk = Desk::new();
    let checked = desk.file("mcp: {contextPort: 3001, modelPort: 3002, maxConnections: 9}\n").check(&[]);
    assert!(checked.faults.is_empty(), "{checked:?}");
    assert!(checked.notes.len() == 1 && checked.notes[0].contains("not used yet"), "{checked:?}");
    let text = "routing:\n  maxRetries: 4\n  max_retries: 5\n  strategy: magic\nlog: {levl: info}\n";
    let faults = desk.file(text).faults(&[]);
    assert_told(
        &faults,
        &[
            "x.yaml:3: `routing.max_retries` and",
            "x.yaml:4:3: routing.strategy: `magic` is no strategy",
            "unknown key `levl`",
        ],
    );
}

#[test]
fn a_word_that_may_be_a_local_servers_model_is_doubted_and_not_refused() {
    let checked = Desk::new().file("agents: {planner: {model: llama3}}\n").check(&[]);
    assert!(checked.faults.is_empty(), "{checked:?}");
    assert!(checked.notes[0].contains("`llama3`") && checked.notes[0].contains("asked when"), "{checked:?}");
}

#[test]
fn what_a_reload_follows_does_not_wait_for_a_restart_and_what_it_does_not_follow_does() {
    let desk = Desk::new();
    let settings = |text: &str| {
        desk.file(text);
        let flags = Flags { config: Some(desk.path("x.yaml")), ..Flags::default() };
        layers::read_all(&flags, &Environment::default()).unwrap().settings
    };
    let started = settings("");
    let aliases = settings("gateway: {aliases: {fast: openai/gpt-5}}\n");
    assert_eq!(wait_for_restart(&started, &aliases), Vec::<String>::new());
    let more = settings("gateway: {aliases: {fast: openai/gpt-5}, within_s: 7}\nlog: {level: warn}\n");
    // In the order of the settings.
    assert_eq!(wait_for_restart(&aliases, &more), ["log.level", "gateway.within_s"]);
    let forms = settings("gateway: {aliases: {fast: openai/gpt-5}, upload_bytes: 1024}\n");
    assert_eq!(wait_for_restart(&aliases, &forms), ["gateway.upload_bytes"]);
}
