//! Which entries are refused, where keys come from, and what a script's models cost.

use std::os::unix::fs::PermissionsExt;

use secrets::Secret;
use tempfile::TempDir;

use super::*;
use crate::config::Fault;

fn providers(text: &str) -> Providers {
    yaml::from_str("test.yaml", text).unwrap()
}

fn read_one(text: &str, variables: &[(&str, &str)]) -> Result<Account, Error> {
    let environment: Environment = variables.iter().copied().collect();
    Ok(read(&providers(text), &environment)?.remove(0))
}

fn key(account: &Account) -> Option<&str> {
    match &account.endpoint {
        Endpoint::Http(endpoint) => endpoint.key.as_ref().map(Secret::expose),
        Endpoint::Scripted(_) => None,
    }
}

fn key_file(text: &str, mode: u32) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let entry = format!(
        "a: {{kind: openai, models: [{{name: m}}], api_key: {{env: A_KEY, file: \"{}\"}}}}",
        path.display()
    );
    (folder, entry)
}

#[test]
fn an_entry_that_says_too_little_or_too_much_is_refused() {
    let cases = [
        ("a: {models: [{name: m}]}", "`kind` is missing"),
        ("a: {kind: openai_compatible, models: [{name: m}]}", "`base_url` is missing"),
        ("a: {kind: anthropic, models: [{name: m}]}", "`api_key` is missing"),
        ("a: {kind: anthropic, base_url: \"http://127.0.0.1:1\"}", "`models` is missing"),
        ("a: {kind: openai_compatible, base_url: \"https://h/v1\"}", "`models` is missing"),
        ("a: {kind: openai_compatible, base_url: \"http://h/v1\", script: x}", "`script` means nothing"),
        ("a: {kind: scripted}", "`script` is missing"),
        ("a: {kind: scripted, script: x, base_url: \"http://h\"}", "`base_url` means nothing"),
        ("a: {kind: scripted, script: x, account_routes: true}", "`account_routes` means nothing"),
        ("a: {kind: scripted, script: x, api_key: {env: K}}", "`api_key` means nothing"),
        ("a: {kind: scripted, script: x, pass_through: true}", "`pass_through` means nothing"),
        ("a: {kind: openai, api_key: {env: K}, models: [{name: m}, {name: m}]}", "comes twice"),
        ("a: {kind: gemini, api_key: {env: K}, models: [{name: m}], speaks: chat}", "`speaks` means nothing"),
        (
            "a: {kind: anthropic, api_key: {env: K}, models: [{name: m, speaks: chat}]}",
            "`speaks` means nothing",
        ),
        ("a: {kind: scripted, script: x, speaks: chat}", "`speaks` means nothing"),
    ];
    for (text, words) in cases {
        let refused = read_one(text, &[]).unwrap_err().to_string();
        assert!(refused.starts_with("`providers.a`: ") && refused.contains(words), "{text}\n{refused}");
    }
}

#[test]
fn a_clients_credential_goes_through_only_where_that_is_said_and_no_key_is_needed_there() {
    for (said, expected) in [("", false), (", pass_through: false", false), (", pass_through: true", true)] {
        let text = format!("a: {{kind: anthropic, base_url: \"http://h\", models: [{{name: m}}]{said}}}");
        let account = read_one(&text, &[]).unwrap();
        let Endpoint::Http(endpoint) = &account.endpoint else { panic!("it is no script") };
        assert_eq!((endpoint.lets_through, account.readiness), (expected, Readiness::Ready), "{text}");
        let printed = yaml::to_string(&providers(&text)).unwrap();
        assert_eq!(printed.contains("pass_through"), !said.is_empty(), "{printed}");
    }
}

#[test]
fn more_providers_than_a_tree_holds_are_refused() {
    let many: String = (0..=MAX_PROVIDERS)
        .map(|n| {
            format!("p{n}: {{kind: openai_compatible, base_url: \"http://h\", models: [{{name: m}}]}}\n")
        })
        .collect();
    assert!(matches!(read(&providers(&many), &Environment::default()), Err(Error::TooMany { .. })));
}

#[test]
fn the_first_variable_that_is_set_holds_the_key() {
    let text = "a: {kind: gemini, models: [{name: m}], api_key: {env: [FIRST, SECOND]}}";
    let read = |variables: &[(&str, &str)]| read_one(text, variables).unwrap();
    assert_eq!(key(&read(&[("FIRST", "one"), ("SECOND", "two")])), Some("one"));
    assert_eq!(key(&read(&[("FIRST", ""), ("SECOND", "two")])), Some("two"));
    let none = read(&[]);
    assert_eq!((key(&none), none.readiness), (None, Readiness::NoKey));
    let refused = read_one(text, &[("FIRST", "  ")]).unwrap_err().to_string();
    assert!(refused.contains("`providers.a.api_key`") && refused.contains("empty"), "{refused}");
}

#[test]
fn a_server_that_asks_for_no_key_is_ready_without_one() {
    let text = "a: {kind: anthropic, base_url: \"http://127.0.0.1:1\", models: [{name: m}]}";
    let account = read_one(text, &[("ANTHROPIC_API_KEY", "sk")]).unwrap();
    assert_eq!((key(&account), account.readiness), (None, Readiness::Ready));
}

#[test]
fn which_of_openais_dialects_is_spoken_is_said_for_a_provider_and_for_each_of_its_models() {
    use Dialect::{OpenAiChat as Chat, OpenAiResponses as Responses};
    let models = "models: [{name: m}, {name: new, speaks: responses}, {name: old, speaks: chat}]";
    let read = |kind: &str, more: &str| {
        let account = read_one(
            &format!("a: {{kind: {kind}, base_url: \"http://127.0.0.1:1/v1\", {models}{more}}}"),
            &[],
        )
        .unwrap();
        let own = |name: &str| account.spoken.get(&name.parse().unwrap()).copied();
        let said = |own: Option<Spoken>| match account.endpoint.clone() {
            Endpoint::Http(endpoint) => {
                own.unwrap_or(Spoken { dialect: endpoint.dialect, also: endpoint.also })
            }
            Endpoint::Scripted(_) => unreachable!("it has a base URL"),
        };
        [None, own("new"), own("old")].map(said).map(|spoken| (spoken.dialect, spoken.also))
    };
    let (new, old) = ((Responses, None), (Chat, None));
    assert_eq!(read("openai", ""), [(Chat, Some(Responses)), new, old]);
    assert_eq!(read("openai_compatible", ""), [old, new, old]);
    assert_eq!(read("openai_compatible", ", speaks: responses"), [new, new, old]);
    assert_eq!(read("openai", ", speaks: [responses, chat]"), [(Responses, Some(Chat)), new, old]);
}

#[test]
fn what_a_vendor_keeps_is_open_where_its_operator_says_so_and_nowhere_else() {
    for (said, is_open) in [("", false), (", account_routes: false", false), (", account_routes: true", true)]
    {
        let text =
            format!("a: {{kind: openai_compatible, base_url: \"http://h/v1\", models: [{{name: m}}]{said}}}");
        let Endpoint::Http(endpoint) = read_one(&text, &[]).unwrap().endpoint else { panic!("{text}") };
        assert_eq!(endpoint.has_account_routes, is_open, "{text}");
    }
}

#[test]
fn a_key_file_comes_before_the_variable() {
    let (_folder, entry) = key_file("from-file\n", 0o600);
    let account = read_one(&entry, &[("A_KEY", "from-variable")]).unwrap();
    assert_eq!(key(&account), Some("from-file"));
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    for mode in [0o640, 0o604] {
        let (_folder, entry) = key_file("from-file", mode);
        let refused = read_one(&entry, &[]).unwrap_err();
        assert!(matches!(refused, Error::OpenToOthers { .. }));
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
}

#[test]
fn a_key_file_that_is_missing_empty_or_huge_is_refused() {
    let (folder, entry) = key_file("x", 0o600);
    std::fs::remove_file(folder.path().join("key")).unwrap();
    let refused = read_one(&entry, &[("A_KEY", "set")]).unwrap_err().to_string();
    assert!(refused.contains("`providers.a.api_key.file`"), "{refused}");

    let (_folder, entry) = key_file(" \n", 0o600);
    assert!(read_one(&entry, &[]).unwrap_err().to_string().contains("empty"));

    let (_folder, entry) =
        key_file(&"k".repeat(usize::try_from(secret_source::MAX_SECRET_BYTES).unwrap() + 1), 0o600);
    let refused = read_one(&entry, &[]).unwrap_err();
    let is_too_large = matches!(refused, Error::Secret { fault: Fault::FileTooLarge { .. }, .. });
    assert!(is_too_large, "{refused}");
}

#[test]
fn only_a_server_on_this_machine_is_asked_for_its_models() {
    for host in ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9"] {
        let text = format!("a: {{kind: openai_compatible, base_url: \"http://{host}/v1\"}}");
        assert!(read_one(&text, &[]).unwrap().models.is_none(), "{host}");
    }
    for host in ["10.0.0.1", "localhost.example.com", "0.0.0.0", "[::2]"] {
        let text = format!("a: {{kind: openai_compatible, base_url: \"http://{host}/v1\"}}");
        assert!(read_one(&text, &[]).is_err(), "{host}");
    }
}

#[test]
fn a_script_plays_its_models_at_the_prices_of_the_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    let entry =
        |models: &str| format!("a: {{kind: scripted, script: \"{}\", models: [{models}]}}", path.display());
    let missing = read_one(&entry(""), &[]).unwrap_err().to_string();
    assert!(missing.contains("`providers.a.script`") && missing.contains("rules.yaml"), "{missing}");

    std::fs::write(&path, "models: [small, large]\nrules: [{answer: {text: hi}}]").unwrap();
    let price = "{name: large, price: {input: 1, cached_input: 1, cache_written: 1, output: 2}}";
    let account = read_one(&entry(price), &[]).unwrap();
    let models = account.models.unwrap();
    let priced: Vec<_> = models.iter().map(|(name, price)| (name.as_str(), price.is_some())).collect();
    assert_eq!(priced, [("small", false), ("large", true)]);
    assert!(matches!(
        read_one(&entry("{name: other}"), &[]),
        Err(Error::Provider { defect: Defect::NotPlayed { .. }, .. })
    ));

    std::fs::write(&path, "rules: []").unwrap();
    assert!(matches!(read_one(&entry(""), &[]), Err(Error::Script(_))));
}

#[test]
fn a_list_of_places_is_as_many_keys_and_those_that_are_not_set_are_passed_by() {
    let text =
        "a: {kind: openai, models: [{name: m}], api_key: [{env: ONE}, {env: [NONE, TWO]}, {env: THREE}]}";
    let account = read_one(text, &[("ONE", "1"), ("THREE", "3")]).unwrap();
    let Endpoint::Http(endpoint) = &account.endpoint else { panic!("it is no script") };
    let keys = endpoint.keys.as_ref().unwrap();
    let found: Vec<_> = keys.all().map(|key| (key.place.as_str(), key.secret.expose())).collect();
    assert_eq!(found, [("providers.a.api_key[0]", "1"), ("providers.a.api_key[2]", "3")]);
    assert_eq!(account.readiness, Readiness::Ready);
    assert!(!format!("{account:?}").contains("\"1\""));
    let none = read_one(text, &[]).unwrap();
    assert_eq!((key(&none), none.readiness), (None, Readiness::NoKey));
    let one = read_one(text, &[("TWO", "2")]).unwrap();
    assert_eq!(key(&one), Some("2"));
}

#[test]
fn a_list_without_places_or_with_too_many_is_refused_and_repeats_no_key() {
    let many = ["{env: K}"; upstream::MAX_KEYS + 1].join(", ");
    let cases =
        [("[]", "an empty list"), (many.as_str(), "more than 8"), ("[sk-live]", "a key does not belong")];
    for (list, words) in cases {
        let list = if list.starts_with('[') { list.to_owned() } else { format!("[{list}]") };
        let text = format!("a: {{kind: openai, models: [{{name: m}}], api_key: {list}}}");
        let refused = yaml::from_str::<Providers>("test.yaml", &text).unwrap_err().to_string();
        assert!(refused.contains(words) && !refused.contains("sk-live"), "{refused}");
    }
}
