//! Memory of a server between clients and providers: bounded at its peak, and not growing. And its providers' key found nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clock::Clock;
use standin::{KEY, Standin};

use crate::doors::status_of;
use crate::house::{House, LIMIT};
use crate::keys::{ask, made};
use crate::vendor::Says;

/// What is held of an answer at its most is 32 MB, twice while that grows; all of the line, while it grew, would be more than this.
const MOST_KB: u64 = 160 * 1024;

/// What a server may need more after another 400 calls.
const GROWS_BY_KB: u64 = 24 * 1024;

fn peak_kb(house: &House) -> u64 {
    status_of(house, "VmHWM").trim_end_matches(" kB").parse().unwrap()
}

fn configure(house: &House, url: &str) {
    let key = house.path("vendor.key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let provider = |kind: &str, path: &str| {
        format!(
            "{{kind: {kind}, base_url: \"{url}{path}\", api_key: {{file: vendor.key}}, models: [{{name: text}}, {{name: huge-line}}, {{name: error-401}}]}}"
        )
    };
    let text = format!(
        "providers:\n  ollama: null\n  vllm: null\n  llama_cpp: null\n  anthropic: {}\n  openai: {}\n  gemini: {}\n\
         routing: {{max_retries: 0}}\ntelemetry: {{capture: {{routes: [/v1/messages, /v1/chat/completions, /v1/responses]}}}}\n",
        provider("anthropic", ""),
        provider("openai", "/v1"),
        provider("gemini", ""),
    );
    fs::write(house.config(), text).unwrap();
}

/// Every file beneath a folder that holds the key.
fn holding(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            holding(&entry.path(), found);
        } else if kind.is_file()
            && fs::read(entry.path())
                .unwrap_or_default()
                .windows(KEY.len())
                .any(|bytes| bytes == KEY.as_bytes())
        {
            found.push(entry.path().display().to_string());
        }
    }
}

#[tokio::test]
async fn streams_and_translations_leave_no_memory_behind_pain_1() {
    let standin = Standin::start().await.unwrap();
    let mut house = House::new(|_| Says::Fails(500));
    configure(&house, &standin.url());
    house.serve().await;
    let key = made(&house, &["keys", "create", "--name", "c", "--scope", "gateway"]).await;
    let padding = "word ".repeat(20_000);
    let ask_often = async |times: usize| {
        for (vendor, is_streamed) in
            [("anthropic", true), ("openai", true), ("gemini", false), ("openai", false)]
        {
            let body = format!(
                "{{\"model\":\"{vendor}/text\",\"max_tokens\":9,\"stream\":{is_streamed},\"messages\":[{{\"role\":\"user\",\"content\":\"{padding}\"}}]}}"
            );
            for _ in 0..times {
                assert_eq!(ask(&house, &key, "POST", "/v1/messages", &body).await.0, 200);
            }
        }
    };
    ask_often(50).await;
    let before = peak_kb(&house);
    ask_often(100).await;
    // The kernel counts by threads and adds up now and then, so that a peak may even seem to fall.
    let grown = peak_kb(&house).saturating_sub(before);
    // 400 prompts of 100 KB were 40 MB, had they stayed.
    assert!(grown < GROWS_BY_KB, "the peak grew by {grown} KB");
    assert!(house.stop().await.success());
}

#[tokio::test]
async fn a_line_of_100_mb_is_refused_in_bounded_memory_and_the_key_is_found_nowhere() {
    let standin = Standin::start().await.unwrap();
    let mut house = House::new(|_| Says::Fails(500));
    configure(&house, &standin.url());
    house.serve().await;
    let key = made(&house, &["keys", "create", "--name", "c", "--scope", "gateway"]).await;
    let ways = |model: &str, is_streamed: bool| {
        let method = if is_streamed { "streamGenerateContent?alt=sse" } else { "generateContent" };
        let turns = r#"[{"role":"user","content":"hi"}]"#;
        let asked = |provider: &str, rest: &str| {
            format!(r#"{{"model":"{provider}/{model}","stream":{is_streamed},{rest}}}"#)
        };
        let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#.to_owned();
        [
            (
                "/v1/messages".to_owned(),
                asked("anthropic", &format!("\"max_tokens\":9,\"messages\":{turns}")),
            ),
            ("/v1/messages".to_owned(), asked("openai", &format!("\"max_tokens\":9,\"messages\":{turns}"))),
            ("/v1/chat/completions".to_owned(), asked("openai", &format!("\"messages\":{turns}"))),
            ("/v1/responses".to_owned(), asked("openai", "\"input\":\"hi\"")),
            (format!("/v1beta/models/gemini%2F{model}:{method}"), gemini),
        ]
    };
    for (path, body) in ways("text", true) {
        assert_eq!(ask(&house, &key, "POST", &path, &body).await.0, 200, "{path}");
    }
    let before = peak_kb(&house);
    for model in ["huge-line", "error-401"] {
        for is_streamed in [false, true] {
            for (path, body) in ways(model, is_streamed) {
                let (status, text) = ask(&house, &key, "POST", &path, &body).await;
                assert!((500..600).contains(&status), "{path} {model} {status}: {text:.300}");
                assert!(text.len() < 4_096 && !text.contains(KEY), "{path} {model}: {text:.300}");
            }
        }
    }
    // The kernel counts by threads and adds up now and then, so that a peak may even seem to fall.
    let grown = peak_kb(&house).saturating_sub(before);
    assert!(grown < MOST_KB, "the peak grew by {grown} KB");
    let clock = Clock::real();
    let quiet = async {
        while standin.counts().in_flight > 0 {
            clock.sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    clock.timeout(LIMIT, quiet).await.expect("no call outlives its refusal");
    assert!(house.stop().await.success());
    let mut found = Vec::new();
    holding(&house.state(), &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert!(!house.log_text().contains(KEY));
}
