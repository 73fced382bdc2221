//! A provider with two keys, one of them refused: nobody who asks notices, people who look do, and a reload brings it back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use standin::{KEY, Standin};

use crate::commands::words;
use crate::house::House;
use crate::keys::{ask, made};
use crate::reload::{hang_up, shown};
use crate::vendor::Says;

fn write_key(house: &House, name: &str, key: &str) {
    fs::write(house.path(name), key).unwrap();
    fs::set_permissions(house.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

async fn keys_are(house: &House, in_force: u32, set_aside: u32) {
    let line = |state: &str, count: u32| {
        format!("impresario_provider_keys{{provider=\"openai\",state=\"{state}\"}} {count}\n")
    };
    let (in_force, set_aside) = (line("in_force", in_force), line("set_aside", set_aside));
    shown(house, "/metrics", |text| text.contains(&in_force) && text.contains(&set_aside)).await;
}

#[tokio::test]
async fn a_refused_key_is_counted_told_and_brought_back_by_a_reload() {
    let standin = Standin::start().await.unwrap();
    let mut house = House::new(|_| Says::Fails(500));
    write_key(&house, "one.key", "one-that-was-revoked");
    write_key(&house, "two.key", KEY);
    let url = standin.url();
    let text = format!(
        "providers:\n  ollama: null\n  vllm: null\n  llama_cpp: null\n  openai:\n    kind: openai\n    base_url: {url}/v1\n    \
         api_key: [{{file: one.key}}, {{file: two.key}}]\n    models: [{{name: text}}]\n"
    );
    fs::write(house.config(), text).unwrap();
    let told = words(&house.run(&["doctor"]).await);
    assert!(told.contains(&format!("openai: {url} takes 1 of 2 keys, and refuses 1")), "{told}");

    house.serve().await;
    keys_are(&house, 2, 0).await;
    let key = made(&house, &["keys", "create", "--name", "c", "--scope", "gateway"]).await;
    let body = r#"{"model":"openai/text","messages":[{"role":"user","content":"hi"}]}"#;
    let ask = async || ask(&house, &key, "POST", "/v1/chat/completions", body).await.0;
    assert_eq!([ask().await, ask().await], [200, 200], "no client sees it");
    keys_are(&house, 1, 1).await;

    write_key(&house, "one.key", KEY);
    hang_up(&house);
    keys_are(&house, 2, 0).await;
    assert_eq!([ask().await, ask().await], [200, 200]);
    keys_are(&house, 2, 0).await;
    assert!(!house.log_text().contains("one-that-was-revoked"));
    assert!(house.stop().await.success());
}
