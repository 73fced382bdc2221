//! Layers, where each value comes from, what is refused and in which words, and what is never shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::settings::{DEFAULTS, DEFAULTS_NAME, Kind};
use super::*;

const KEY: &str = "sk-key-that-nobody-may-see";

/// A made-up home folder and the environment that goes with it.
struct Home {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let variables = vec![("HOME".to_owned(), folder.path().display().to_string())];
        Self { folder, variables }
    }

    /// Writes the usual configuration file.
    fn file(self, text: &str) -> Self {
        let folder = self.folder.path().join(".config/impresario");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("impresario.yaml"), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn environment(&self) -> Environment {
        self.variables.iter().cloned().collect()
    }

    fn load(&self, flags: &Flags) -> Result<Loaded, Error> {
        load_from(flags, self.environment())
    }

    fn settings(&self) -> Settings {
        self.load(&Flags::default()).unwrap().settings
    }

    fn refusal(&self) -> String {
        self.load(&Flags::default()).unwrap_err().to_string()
    }

    fn printed(&self) -> String {
        printing::print(&Flags::default(), &self.environment()).unwrap()
    }
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.providers.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn the_defaults_file_says_what_the_code_does() {
    let documented: Settings = yaml::from_str(DEFAULTS_NAME, DEFAULTS).unwrap();
    let providers = documented.providers.clone();
    assert_eq!(documented, Settings { providers, ..Settings::default() });
}

#[test]
fn the_defaults_file_names_every_key_and_no_other() {
    // What is not a setting would have been refused when the file was read; what is missing is seen here.
    let stated = without_comments(DEFAULTS);
    let every = yaml::to_string(&Settings::default()).unwrap();
    let keys = |text: &str| -> Vec<String> {
        let mapping = |line: &str| line.split_once(':').map(|(key, _)| key.to_owned());
        text.lines().filter_map(mapping).filter(|key| !key.contains('{')).collect()
    };
    let stated = keys(&stated);
    for key in keys(&every) {
        assert!(stated.contains(&key), "config/impresario.yaml lacks `{}`", key.trim());
    }
    for key in ["kind", "base_url", "api_key", "models", "name", "price", "speaks", "script"] {
        let documented = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key}  "));
        assert!(DEFAULTS.lines().any(documented), "config/impresario.yaml does not explain `{key}`");
    }
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_built_in_providers_are_known_without_a_file() {
    let settings = Home::new().settings();
    assert_eq!(names(&settings), ["anthropic", "openai", "gemini", "ollama", "vllm", "llama_cpp"]);
    let priced = |provider: &settings::Provider| provider.models.iter().all(|model| model.price.is_some());
    assert!(settings.providers.iter().all(|(_, provider)| priced(provider)));
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let home = Home::new();
    assert_eq!(home.settings().server.workers.get(), 2);
    let home = home.file("server: {workers: 3, listen: \"127.0.0.1:1\"}\nlog: {level: debug}");
    assert_eq!(home.settings().server.workers.get(), 3);
    let home =
        home.variable("IMPRESARIO_SERVER__WORKERS", "4").variable("IMPRESARIO_SERVER__LISTEN", "127.0.0.1:2");
    assert_eq!(home.settings().server.workers.get(), 4);
    assert_eq!(home.settings().server.listen.port(), 2);
    assert_eq!(home.settings().log.level, Some(settings::Level::Debug));
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), ..Flags::default() };
    assert_eq!(home.load(&flags).unwrap().settings.server.listen.port(), 3);
}

#[test]
fn an_empty_variable_changes_nothing() {
    let home = Home::new().variable("IMPRESARIO_SERVER__WORKERS", "").variable("ANTHROPIC_API_KEY", "");
    assert_eq!(home.settings(), Home::new().settings());
}

#[test]
fn a_file_that_is_named_must_be_there_and_the_usual_one_need_not() {
    let home = Home::new();
    assert!(home.load(&Flags::default()).is_ok());
    let missing = home.path("none.yaml");
    let flags = Flags { config: Some(missing.clone()), ..Flags::default() };
    let refused = home.load(&flags).unwrap_err();
    assert!(matches!(&refused, Error::Unreadable { path, .. } if *path == missing), "{refused}");
    let home = home.variable("IMPRESARIO_CONFIG", missing.to_str().unwrap());
    assert!(home.refusal().contains("none.yaml"), "{}", home.refusal());
}

#[test]
fn a_section_whose_keys_are_all_comments_changes_nothing() {
    let home =
        Home::new().file("server:\n  # workers: 3\nagents:\n  planner:\nproviders:\nlog: {level: warn}\n");
    assert_eq!(home.settings().server, Settings::default().server);
    assert_eq!(home.settings().agents, Settings::default().agents);
    assert_eq!(names(&home.settings()), names(&Home::new().settings()));
    assert_eq!(home.settings().log.level, Some(settings::Level::Warn));
}

#[test]
fn the_flag_names_the_file_before_the_variable_and_that_before_the_base_folder() {
    let home = Home::new().file("server: {workers: 5}");
    for (name, workers) in [("flag.yaml", 6), ("variable.yaml", 7), ("impresario/impresario.yaml", 8)] {
        std::fs::create_dir_all(home.path("impresario")).unwrap();
        std::fs::write(home.path(name), format!("server: {{workers: {workers}}}")).unwrap();
    }
    let base = home.folder.path().to_str().unwrap().to_owned();
    let home = home.variable("XDG_CONFIG_HOME", &base);
    assert_eq!(home.settings().server.workers.get(), 8);
    let home = home.variable("IMPRESARIO_CONFIG", &format!("{base}/variable.yaml"));
    assert_eq!(home.settings().server.workers.get(), 7);
    let flags = Flags { config: Some(home.path("flag.yaml")), ..Flags::default() };
    assert_eq!(home.load(&flags).unwrap().settings.server.workers.get(), 6);
}

#[test]
fn an_unknown_key_of_a_file_is_named_with_its_line_and_its_neighbour() {
    let home = Home::new().file("log:\n  format: json\nserver:\n  listne: 127.0.0.1:1\n");
    let refused = home.refusal();
    assert!(refused.contains("impresario.yaml:4:3: unknown key `listne` in `server`"), "{refused}");
    assert!(refused.contains("did you mean `listen`?"), "{refused}");
}

#[test]
fn an_unknown_variable_is_named_with_its_neighbour_and_the_reserved_ones() {
    let refused = Home::new().variable("IMPRESARIO_SERVER__LISTNE", "127.0.0.1:1").refusal();
    assert!(refused.starts_with("IMPRESARIO_SERVER__LISTNE: unknown key `listne` in `server`"), "{refused}");
    assert!(refused.contains("did you mean `listen`?"), "{refused}");
    assert!(refused.contains("IMPRESARIO_STATE_DIR") && refused.contains("IMPRESARIO_CONFIG"), "{refused}");
    let refused = Home::new().variable("IMPRESARIO_LISTEN", "127.0.0.1:1").refusal();
    assert!(refused.contains("two underscores"), "{refused}");
}

#[test]
fn a_bad_value_is_refused_where_it_stands_with_what_is_allowed() {
    let cases = [
        ("server:\n  workers: 0", "2:12", "a whole number from 1 to 64"),
        ("server:\n  workers: many", "2:12", "a whole number from 1 to 64"),
        ("server:\n  listen: here", "2:11", "socket address"),
        ("log:\n  level: loud", "2:10", "unknown value `loud`"),
        ("log:\n  targets: {supervision: loud}", "2:26", "unknown value `loud`"),
        ("log:\n  targets: {\"a b\": info}", "2:12", "its crate or module"),
        ("log:\n  targets: 3", "2:12", "{supervision: debug}"),
        ("telemetry:\n  otlp: {sample: 1.5}", "2:18", "a number from 0 to 1"),
        ("telemetry:\n  otlp: {endpoint: \"grpc://h\"}", "2:20", "http or https"),
        ("agents:\n  editor:\n    temperature: 2.5", "3:18", "a number from 0 to 2"),
        ("agents:\n  editor:\n    model: [a, b]", "3:12", "provider/model"),
        ("agents:\n  editor:\n    model: []", "3:12", "an empty list"),
        ("workflow:\n  review_rounds: 101", "2:18", "from 1 to 100"),
        ("process:\n  wall_s: 86401", "2:11", "from 1 to 86400"),
        ("providers:\n  Big:\n    kind: openai", "2:3", "provider name"),
        ("providers:\n  a:\n    models: [x]", "3:14", "{name: some-model}"),
        ("providers:\n  a:\n    base_url: \"ftp://h\"", "3:15", "http or https"),
        ("workspaces:\n  roots: [\"\"]", "2:10", "has no name"),
    ];
    for (text, place, words) in cases {
        let refused = Home::new().file(text).refusal();
        assert!(refused.contains(&format!("impresario.yaml:{place}: ")), "{text}\n{refused}");
        assert!(refused.contains(words), "{text}\n{refused}");
    }
    let refused = Home::new().variable("IMPRESARIO_WORKFLOW__EDIT_ATTEMPTS", "0").refusal();
    assert!(
        refused.contains("IMPRESARIO_WORKFLOW__EDIT_ATTEMPTS") && refused.contains("from 1 to 100"),
        "{refused}"
    );
}

#[test]
fn a_broken_or_too_large_file_is_refused() {
    let refused = Home::new().file("server: [").refusal();
    assert!(refused.contains("impresario.yaml:"), "{refused}");
    let refused = Home::new().file(&"#".repeat(yaml::MAX_BYTES + 5)).refusal();
    assert!(refused.contains("split the file"), "{refused}");
    let home = Home::new();
    std::fs::create_dir_all(home.path(".config/impresario/impresario.yaml")).unwrap();
    assert!(home.refusal().contains("cannot be read"), "{}", home.refusal());
}

#[test]
fn a_key_in_the_wrong_place_is_refused_without_being_shown() {
    let texts = [
        format!("providers: {{a: {{kind: openai, api_key: {KEY}}}}}"),
        format!("providers: {{a: {{kind: openai, api_key: {{env: {KEY}}}}}}}"),
        format!("providers: {{a: {{kind: openai, api_key: {{env: [OTHER, {KEY}]}}}}}}"),
        format!("providers: {{a: {{base_url: \"https://me:{KEY}@h/v1\"}}}}"),
        format!("providers: {{a: {{base_url: \"https://h/v1?key={KEY}\"}}}}"),
    ];
    for text in texts {
        let error = Home::new().file(&text).load(&Flags::default()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        assert!(error.to_string().contains("impresario.yaml:1:"), "{error}");
    }
    let error = Home::new().variable("IMPRESARIO_PROVIDERS__A__API_KEY", KEY).load(&Flags::default());
    let error = error.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    assert!(error.to_string().contains("{env: NAME}, {file: PATH} or {command: "), "{error}");
}

#[test]
fn nothing_that_is_shown_holds_a_key() {
    let home = Home::new();
    let file = home.path("key");
    std::fs::write(&file, KEY).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let home = home
        .file("providers: {mine: {kind: openai, api_key: {file: ~/key}, models: [{name: m}]}}")
        .variable("ANTHROPIC_API_KEY", KEY);
    let loaded = home.load(&Flags::default()).unwrap();
    let exposed =
        |account: &Account| matches!(&account.endpoint, upstream::Endpoint::Http(http) if http.key.is_some());
    assert_eq!(loaded.accounts.iter().filter(|account| exposed(account)).count(), 2);
    assert!(!format!("{loaded:?}").contains(KEY));
    assert!(!home.printed().contains(KEY));
}

#[test]
fn files_in_a_list_of_keys_begin_at_the_file_that_names_them() {
    let mut home = Home::new();
    for name in ["one", "two"] {
        std::fs::write(home.path(name), name).unwrap();
        std::fs::set_permissions(home.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (list, expected) in [("[{file: ~/one}, {file: ~/two}]", 2), ("[{file: ~/two}]", 1)] {
        let text = format!("providers: {{mine: {{kind: openai, api_key: {list}, models: [{{name: m}}]}}}}");
        home = home.file(&text);
        let loaded = home.load(&Flags::default()).unwrap();
        let mine = loaded.accounts.iter().find(|account| account.id.as_str() == "mine").unwrap();
        let upstream::Endpoint::Http(endpoint) = &mine.endpoint else { panic!("it is no script") };
        assert_eq!(endpoint.secrets().len(), expected);
    }
}

#[test]
fn files_that_requests_carry_begin_at_the_file_that_names_them() {
    let home = Home::new();
    std::fs::write(home.path("one"), "sesame").unwrap();
    std::fs::set_permissions(home.path("one"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let home = home.file("providers: {mine: {kind: openai, base_url: \"http://h/v1\", headers: {Api-Key: {file: ~/one}}, query: {code: {file: ../../one}}, models: [{name: m}]}}");
    let loaded = home.load(&Flags::default()).unwrap();
    let mine = loaded.accounts.iter().find(|account| account.id.as_str() == "mine").unwrap();
    let upstream::Endpoint::Http(endpoint) = &mine.endpoint else { panic!("it is no script") };
    assert_eq!(endpoint.secrets().iter().map(secrets::Secret::expose).collect::<Vec<_>>(), ["sesame"; 2]);
    assert!(!home.printed().contains("sesame"));
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let home = Home::new()
        .file("agents: {editor: {model: [openai/gpt-6-sol, anthropic/claude-opus-5-5], temperature: 0.3}}\nproviders: {mine: {kind: openai_compatible, base_url: \"http://127.0.0.1:9/v1\", speaks: [responses, chat], models: [{name: m, speaks: chat, price: {input: 0.0036, cached_input: 0, cache_written: 1, output: 2.5}}]}, vllm: null}\nworkspaces: {roots: [~/code, rel]}")
        .variable("IMPRESARIO_AGENTS__PLANNER__MODEL", "mine")
        .variable("IMPRESARIO_LOG__FORMAT", "json");
    let printed = home.printed();
    let read: Settings = yaml::from_str("printed", &printed).unwrap();
    assert_eq!(read, home.settings());
    let layers: Vec<&str> = printed.lines().take_while(|line| line.starts_with('#')).collect();
    assert_eq!(layers.len(), 6, "{layers:?}");
    assert!(layers[2].ends_with("/.config/impresario/impresario.yaml"), "{layers:?}");
    assert!(layers[3].ends_with("IMPRESARIO_AGENTS__PLANNER__MODEL"), "{layers:?}");
    assert!(layers[5].contains("/.local/state/impresario"), "{layers:?}");
    assert_eq!(Home::new().file(&printed).settings(), read);
    let origins = [
        "    temperature: 0.3  # FILE:1",
        "    model: mine  # IMPRESARIO_AGENTS__PLANNER__MODEL",
        "  format: json  # IMPRESARIO_LOG__FORMAT",
        "  vllm: null  # FILE:2",
        "  roots:  # FILE:3",
        "  workers: 2  # default",
        "    base_url: http://127.0.0.1:9/v1  # FILE:2",
    ];
    let file = home.path(".config/impresario/impresario.yaml").display().to_string();
    for origin in origins {
        let line = origin.replace("FILE", &file);
        assert!(printed.lines().any(|found| found == line), "no `{line}` in\n{printed}");
    }
}

#[test]
fn printing_wants_no_home_folder() {
    let printed = printing::print(&Flags::default(), &Environment::default()).unwrap();
    let read: Settings = yaml::from_str("printed", &printed).unwrap();
    assert_eq!(read, Home::new().settings());
    let error = load_from(&Flags::default(), Environment::default()).unwrap_err();
    assert!(matches!(error, Error::NoHome { .. }), "{error}");
    assert!(error.to_string().contains("--state-dir"), "{error}");
}

#[test]
fn a_path_counts_from_the_file_that_it_stands_in() {
    let home = Home::new();
    std::fs::create_dir(home.path("etc")).unwrap();
    std::fs::write(home.path("rules.yaml"), "rules: [{answer: {text: hi}}]").unwrap();
    let text = "upstream: {ca_file: ./ca.pem}\nworkspaces: {roots: [a, /b, ~/c]}\nproviders: {demo: {kind: scripted, script: ../rules.yaml}}";
    std::fs::write(home.path("etc/other.yaml"), text).unwrap();
    let flags = Flags { config: Some(home.path("etc/other.yaml")), ..Flags::default() };
    let loaded = home.load(&flags).unwrap();
    let expected = [home.path("etc/a"), PathBuf::from("/b"), home.path("c")];
    assert_eq!(loaded.settings.workspaces.roots.0, expected);
    assert_eq!(loaded.settings.upstream.ca_file, Some(home.path("etc/ca.pem")));
    let demo = loaded.accounts.iter().find(|account| account.id.as_str() == "demo").unwrap();
    assert_eq!(demo.source, routing::Source::Script);
}

#[test]
fn the_home_folder_is_not_guessed() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("x.yaml");
    std::fs::write(&file, "workspaces: {roots: [~/code]}").unwrap();
    let flags = Flags { config: Some(file), state_dir: Some("/s".into()), ..Flags::default() };
    let refused = load_from(&flags, Environment::default()).unwrap_err().to_string();
    assert!(refused.contains("~/code") && refused.contains("HOME is not set"), "{refused}");
}

#[test]
fn roots_of_flags_are_added_and_those_of_a_variable_replace() {
    let home = Home::new().file("workspaces: {roots: [/a]}");
    let flags = Flags { roots: vec!["/x".into(), "here".into()], ..Flags::default() };
    let roots = home.load(&flags).unwrap().settings.workspaces.roots.0;
    assert_eq!(roots[..2], ["/a", "/x"].map(PathBuf::from));
    assert!(roots[2].is_absolute() && roots[2].ends_with("here"));
    let home = home.variable("IMPRESARIO_WORKSPACES__ROOTS", "/b:/c");
    assert_eq!(home.settings().workspaces.roots.0, ["/b", "/c"].map(PathBuf::from));
}

#[test]
fn what_the_file_names_is_preferred_in_its_order() {
    let text = "providers:\n  mine: {kind: openai_compatible, base_url: \"http://127.0.0.1:9/v1\"}\n  gemini: {models: [{name: other}]}\n  vllm: ~";
    let settings = Home::new().file(text).settings();
    assert_eq!(names(&settings), ["mine", "gemini", "anthropic", "openai", "ollama", "llama_cpp"]);
    let (_, gemini) = settings.providers.iter().nth(1).unwrap();
    assert_eq!(gemini.kind, Some(Kind::Gemini));
    assert_eq!(gemini.models.len(), 1);
}

#[test]
fn a_vendors_variable_moves_its_url_and_the_file_comes_before_it() {
    let url = |home: &Home, place: usize| {
        let settings = home.settings();
        let (_, provider) = settings.providers.iter().nth(place).unwrap();
        provider.base_url.clone().unwrap().url().to_string()
    };
    let home = Home::new()
        .variable("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
        .variable("OPENAI_BASE_URL", "http://127.0.0.1:2/v1");
    assert_eq!(url(&home, 0), "http://127.0.0.1:1/");
    assert_eq!(url(&home, 1), "http://127.0.0.1:2/v1");
    let home = home.file("providers: {anthropic: {base_url: \"http://127.0.0.1:3\"}}");
    assert_eq!(url(&home, 0), "http://127.0.0.1:3/");
    let refused = Home::new().variable("OPENAI_BASE_URL", "nowhere").refusal();
    assert!(refused.contains("OPENAI_BASE_URL"), "{refused}");
}

#[test]
fn one_flag_gives_all_roles_to_one_provider() {
    let flags = Flags { provider: Some("openai".parse().unwrap()), ..Flags::default() };
    let settings = Home::new().file("agents: {editor: {model: anthropic/x}}").load(&flags).unwrap().settings;
    for (role, agent) in settings.agents.by_role() {
        assert_eq!(agent.model, settings::Wanted::Word("openai".parse().unwrap()), "{role}");
    }
}

#[test]
fn reading_leaves_no_trace() {
    let home = Home::new();
    home.load(&Flags::default()).unwrap();
    let left: Vec<_> = std::fs::read_dir(Path::new(home.folder.path())).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The block as users of the forerunner have it.
const FORERUNNERS: &str = "\
agents:
  planner:
    model: claude-opus-5-5
    temperature: 0.2
  editor:
    model: claude-sonnet-5-5
    temperature: 0.1
  reviewer:
    model: gpt-6-sol
    temperature: 0.3
routing:
  strategy: priority
  fallbackEnabled: false
  maxRetries: 5
mcp:
  contextPort: 3001
  modelPort: 3002
  maxConnections: 100
";

#[test]
fn the_forerunners_block_is_read_word_for_word() {
    let home = Home::new().file(FORERUNNERS);
    let settings = home.settings();
    assert_eq!(settings.agents.planner.temperature.map(|degree| degree.get()), Some(0.2));
    assert_eq!(settings.routing.policy(), routing::Policy { fallback: false, max_retries: 5 });
    assert_eq!(settings.mcp.context_port.map(|port| port.get()), Some(3001));
    assert_eq!(settings.mcp.max_connections.map(|number| number.get()), Some(100));
    let printed = home.printed();
    assert!(printed.contains("  max_retries: 5  # ") && printed.contains(":14\n"), "{printed}");
    assert_eq!(Home::new().file(&printed).settings(), settings);
    let home = home.variable("IMPRESARIO_ROUTING__MAX_RETRIES", "7");
    assert_eq!(home.settings().routing.policy().max_retries, 7);
}

#[test]
fn one_setting_under_two_names_must_say_one_thing() {
    let same = "routing:\n  maxRetries: 4\n  max_retries: 4\n";
    assert_eq!(Home::new().file(same).settings().routing.policy().max_retries, 4);
    let refused = Home::new().file("routing:\n  maxRetries: 4\n\n  max_retries: 5\n").refusal();
    assert!(
        refused.contains("impresario.yaml:4: `routing.max_retries` and `routing.maxRetries` (line 2)"),
        "{refused}"
    );
    let refused = Home::new().file("routing: {maxRetries: many}").refusal();
    assert!(refused.contains("impresario.yaml:1:23: ") && refused.contains("from 0 to 10"), "{refused}");
    let refused = Home::new().file("routing: {maxRetreis: 3}").refusal();
    assert!(
        refused.contains("unknown key `maxRetreis` in `routing`; did you mean `maxRetries`?"),
        "{refused}"
    );
    let refused = Home::new().file("routing: {strategy: roundRobin}").refusal();
    assert!(
        refused.contains("impresario.yaml:1:21: ") && refused.contains("what works is `preference`"),
        "{refused}"
    );
}

#[test]
fn two_servers_on_one_port_are_refused() {
    let refused = Home::new().file("mcp: {contextPort: 3001, modelPort: 3001}").refusal();
    assert!(refused.contains("`mcp.context_port` and `mcp.model_port` are both 3001"), "{refused}");
    let refused = Home::new().file("mcp: {modelPort: 7300}").refusal();
    assert!(refused.contains("`server.listen` and `mcp.model_port` are both 7300"), "{refused}");
    let refused = Home::new().file("mcp: {modelPort: 0}").refusal();
    assert!(refused.contains("from 1 to 65535"), "{refused}");
}

#[test]
fn the_database_is_a_file_unless_a_url_is_named_and_its_password_comes_from_a_variable() {
    let home = Home::new();
    let loaded = home.load(&Flags::default()).unwrap();
    assert_eq!(loaded.database, store::Database::Sqlite(loaded.state.database()));

    let home = home
        .file("store: {url: \"postgres://u@db.example/d?schema=team\", password_env: [NOT_SET, MY_PASSWORD]}")
        .variable("MY_PASSWORD", KEY);
    let loaded = home.load(&Flags::default()).unwrap();
    let url: store::PostgresUrl = "postgres://u@db.example/d?schema=team".parse().unwrap();
    let password = secrets::Secret::try_new(KEY).unwrap();
    assert_eq!(loaded.database, store::Database::Postgres(url.with_password(&password)));
    assert!(!format!("{loaded:?} {}", loaded.database).contains(KEY));
    let printed = home.printed();
    assert!(printed.contains("postgres://u@db.example/d?schema=team") && !printed.contains(KEY), "{printed}");
    let read: Settings = yaml::from_str("printed", &printed).unwrap();
    assert_eq!(read, home.settings());

    let home = Home::new().variable("IMPRESARIO_STORE__URL", "postgres://u@127.0.0.1/d");
    assert!(matches!(home.load(&Flags::default()).unwrap().database, store::Database::Postgres(_)));
}

#[test]
fn a_password_in_the_url_of_the_database_is_refused_without_being_shown() {
    for url in [format!("postgres://u:{KEY}@h/d"), format!("postgres://u@h/d?password={KEY}")] {
        let refusal = Home::new().file(&format!("store: {{url: \"{url}\"}}")).refusal();
        assert!(refusal.contains("password_env") && refusal.contains("store"), "{refusal}");
        assert!(!refusal.contains(KEY), "{refusal}");
    }
    let refusal = Home::new().file("store: {url: \"postgres://u@h/d?sslmode=prefer\"}").refusal();
    assert!(refusal.contains("verify-full"), "{refusal}");
}
