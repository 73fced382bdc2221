//! Secrets that a command says: providers' keys, and the database's password.
//!
//! They are here and not beside the code because they start processes, and one that is just being started holds for an
//! instant what the tests of locks have open.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clock::Clock;
use impresario::config::{Flags, Loaded, blueprint, load_from};
use tempfile::TempDir;

/// Without the built-in servers: what runs on this machine must not decide a test.
const NO_SERVERS: &str = "ollama: null, vllm: null, llama_cpp: null";
const VARIABLES: [(&str, &str); 3] =
    [("PATH", "/usr/bin:/bin"), ("TOKEN", "from-variable"), ("PGPASSWORD", "from-variable")];

fn load(folder: &TempDir, text: &str) -> Result<Loaded, String> {
    let file = folder.path().join("test.yaml");
    fs::write(&file, text).unwrap();
    let state_dir = Some(folder.path().join("state"));
    let flags = Flags { config: Some(file), state_dir, ..Flags::default() };
    load_from(&flags, VARIABLES.into_iter().collect()).map_err(|error| error.to_string())
}

/// The configuration with a provider `a` whose key this command says.
fn with_command(folder: &TempDir, command: &[&str]) -> Loaded {
    let command = serde_json::to_string(command).unwrap();
    let entry =
        format!("a: {{kind: openai, models: [{{name: m}}], api_key: {{command: {command}, env: TOKEN}}}}");
    load(folder, &format!("providers: {{{NO_SERVERS}, {entry}}}")).unwrap()
}

/// The key with which the provider `a` would be called.
async fn key(loaded: &Loaded, clock: Clock) -> Result<String, String> {
    let blueprint = blueprint(loaded, clock, "impresario".into()).await.map_err(|error| error.to_string())?;
    let found = blueprint.providers.iter().find(|spec| spec.id.as_str() == "a").unwrap();
    let Some(upstream::Endpoint::Http(http)) = &found.endpoint else { panic!("it is ready") };
    assert!(format!("{http:?}").contains("[redacted]"), "{http:?}");
    Ok(http.key.as_ref().unwrap().expose().to_owned())
}

async fn said(script: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    key(&with_command(&folder, &["sh", "-c", script]), Clock::real()).await
}

#[tokio::test]
async fn a_command_says_the_key_and_sees_the_environment_and_no_terminal() {
    assert_eq!(said("echo FROM-COMMAND | tr A-Z a-z").await.unwrap(), "from-command");
    assert_eq!(said("printf %s \"$TOKEN\"").await.unwrap(), "from-variable");
    assert_eq!(said("cat; echo READ | tr A-Z a-z").await.unwrap(), "read");
}

#[tokio::test]
async fn a_command_that_fails_is_named_and_what_it_wrote_is_not_told() {
    for (script, words) in [
        ("echo SK-H | tr A-Z a-z; echo SK-H | tr A-Z a-z >&2; exit 3", "failed (exit status: 3)"),
        ("true", "empty"),
        ("kill -9 $$", "failed (signal: 9"),
        ("printf 'sk-h\\377'", "no text"),
        ("yes sk-h", "at most 16384 bytes"),
    ] {
        let refused = said(script).await.unwrap_err();
        assert!(refused.contains(words) && refused.contains("`providers.a.api_key`"), "{script}: {refused}");
        assert!(!refused.contains("sk-h"), "{refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    let refused = key(&with_command(&folder, &["/nowhere/at/all"]), Clock::real()).await.unwrap_err();
    assert!(refused.contains("the program `/nowhere/at/all` does not start"), "{refused}");
}

#[tokio::test]
async fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", note.display());
    let loaded = with_command(&folder, &["sh", "-c", &script]);
    let clock = Clock::manual();
    let noted = || fs::read_to_string(&note).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let moved = async {
        while noted().is_none() {
            tokio::task::yield_now().await;
        }
        clock.advance(std::time::Duration::from_secs(30));
    };
    let (asked, ()) = tokio::join!(key(&loaded, clock.clone()), moved);
    assert!(asked.unwrap_err().contains("did not end within 30 s"));
    let stat = format!("/proc/{}/stat", noted().unwrap());
    // Whoever inherits it may take its time to reap it.
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_command_runs_when_its_secret_is_used_and_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let (file, trace) = (folder.path().join("key"), folder.path().join("ran"));
    let script = format!("touch {}; cat {}", trace.display(), file.display());
    let loaded = with_command(&folder, &["sh", "-c", &script]);
    let flags = Flags { config: Some(folder.path().join("test.yaml")), ..Flags::default() };
    let variables = VARIABLES.into_iter().chain([("HOME", "/nowhere")]);
    let checked = impresario::config::check_from(&flags, &variables.collect());
    assert_eq!((checked.faults, trace.exists()), (Vec::new(), false), "checking runs nothing");
    for text in ["one", "two"] {
        fs::write(&file, text).unwrap();
        assert_eq!(key(&loaded, Clock::real()).await.unwrap(), text);
    }
    fs::remove_file(&file).unwrap();
    assert!(key(&loaded, Clock::real()).await.unwrap_err().contains("`sh` failed"));
}

#[tokio::test]
async fn the_password_of_the_database_comes_from_where_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let write = |text: &str, mode: u32| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let url: store::PostgresUrl = "postgres://u@db.example/d".parse().unwrap();
    let with = |password: &str| {
        let password = secrets::Secret::try_new(password).unwrap();
        store::Database::Postgres(url.clone().with_password(&password))
    };
    let of = |place: &str| {
        load(&folder, &format!("store: {{url: \"postgres://u@db.example/d\", password: {place}}}"))
    };
    write("one\n", 0o600);
    assert_eq!(of("{file: password}").unwrap().database, with("one"));
    assert_eq!(of("{env: NOT_SET}").unwrap().database, with("from-variable"));
    let asked = of(&command("/nowhere".as_ref())).unwrap();
    assert_eq!(asked.database, store::Database::Postgres(url.clone()), "nobody has been asked yet");
    let refused = asked.unlocked_database(&Clock::real()).await.unwrap_err().to_string();
    assert!(refused.contains("`store.password`: `cat` failed"), "{refused}");

    let asked = of(&command(&file)).unwrap();
    for password in ["one", "two"] {
        write(password, 0o600);
        assert_eq!(asked.unlocked_database(&Clock::real()).await.unwrap(), with(password));
    }
    write("three", 0o644);
    let refused = of("{file: password}").unwrap_err();
    assert!(refused.contains("chmod 600"), "{refused}");
    for bad in ["three", "{command: []}", "{command: \"cat x\"}", "{}"] {
        let refused = of(bad).unwrap_err();
        assert!(refused.contains("password") && !refused.contains("three"), "{bad}: {refused}");
    }
}

fn command(file: &Path) -> String {
    format!("{{command: [cat, \"{}\"]}}", file.display())
}
