//! Planted secrets in many shapes and dresses, and what has to stay as it is.

use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "correct-horse-battery";
const OPENAI: &str = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4";
const OWN: &str = "imp_abcdefghijkl_0123456789abcdefghijklmnopqrstuv";

fn redacted(text: &str) -> String {
    Redactor::default().redact(text)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out + &"=".repeat((3 - bytes.len() % 3) % 3)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn escaped(text: &str) -> String {
    text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()
}

#[test]
fn values_of_telling_names_go_whatever_they_are() {
    for value in [
        format!("\"{PASSWORD}\""),
        format!("[\"{PASSWORD}\", 1]"),
        format!("{{\"deep\": [{{\"er\": \"{PASSWORD}\"}}]}}"),
        format!("\"\\\"{PASSWORD}\\\\\""),
    ] {
        for name in ["password", "API_KEY", "x-api-key", "clientSecret", "p\\u0061ssword", "key", "token"] {
            let text = format!("{{\"a\": 1, \"{name}\" : {value} , \"b\": \"kept\"}}");
            let shown = redacted(&text);
            assert!(!shown.contains("horse"), "{text} -> {shown}");
            assert!(shown.ends_with(" , \"b\": \"kept\"}"), "{text} -> {shown}");
        }
    }
    assert_eq!(redacted(r#"{"pin":1234,"x":true}"#), r#"{"pin":"[redacted]","x":true}"#);
}

#[test]
fn what_is_no_secret_stays_to_the_byte() {
    for text in [
        r#"{"model":"one","max_tokens":1000,"messages":[{"role":"user","content":"Hello, \"you\" \u00e9"}]}"#,
        r#"{"usage":{"prompt_tokens":12,"prompt_tokens_details":{"cached_tokens":0}}}"#,
        "event: message\ndata: {\"type\":\"delta\",\"text\":\"5\\\" long\"}\n\nid: 7\n",
        "fn key(key: &str, author: &str) -> Session { let key = find(key); }",
        "https://example.org/a/b?page=2&size=10#top internationalization-and-more",
        "The basic understanding of a bearer instrument is 20 % done",
        "",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn keys_of_known_shapes_go_wherever_they_stand() {
    let jwt =
        format!("{}.{}.c2lnbmF0dXJl", base64(br#"{"alg":"HS256","typ":"JWT"}"#), base64(br#"{"sub":"1"}"#));
    let jwt = jwt.replace('=', "");
    let google = format!("AIza{}", "Sy0123456789abcdefghijklmnopqrstuvw");
    let aws = "AKIAIOSFODNN7EXAMPLE";
    let github = format!("ghp_{}", "a1B2".repeat(9));
    for key in
        [OPENAI, OWN, &jwt, &google, aws, &github, "xoxb-123456789-abcdef", "sk-ant-api03-abcDEF0123456789"]
    {
        for text in [
            key.to_owned(),
            format!("say {key}, and go on"),
            format!("{{\"text\":\"it is {key}.\"}}"),
            format!("/v1/models/{key}?x=1"),
            format!("a={key}&b=2"),
            format!("data: {{\"delta\":{{\"text\":\"{key}\"}}}}\n\n"),
            format!("Authorization: Bearer {key}"),
            format!("curl -H \"x: {key}\""),
        ] {
            let shown = redacted(&text);
            assert!(
                !shown.contains(&key[..key.len() - 2]) && shown.contains("[redacted]"),
                "{text} -> {shown}"
            );
        }
    }
}

#[test]
fn encodings_hide_nothing() {
    let inner = format!("{{\"password\":\"{PASSWORD}\"}}");
    let texts = [OPENAI.to_owned(), OWN.to_owned(), inner, format!("user=x&password={PASSWORD}")];
    for text in texts {
        let twice = base64(base64(text.as_bytes()).as_bytes());
        let url = base64(text.as_bytes()).replace('+', "-").replace('/', "_").replace('=', "");
        let string = format!("\"{}\"", text.replace('"', "\\\""));
        let in_string = format!("\"{}\"", string.replace('\\', "\\\\").replace('"', "\\\""));
        for coded in [base64(text.as_bytes()), twice, url, hex(&text), percent(&text)] {
            for around in
                [format!("{{\"blob\":\"{coded}\"}}"), format!("/files/{coded}"), format!("x={coded}&y=1")]
            {
                let shown = redacted(&around);
                assert!(!shown.contains(&coded) && shown.contains("[redacted]"), "{around} -> {shown}");
            }
        }
        for coded in [escaped(&text), text.replace('"', "\\\""), in_string.clone()] {
            let around = format!("{{\"arguments\":\"{coded}\"}}");
            let around = if coded == in_string { format!("{{\"arguments\":{coded}}}") } else { around };
            let shown = redacted(&around);
            assert!(shown.contains("[redacted]") && !shown.contains("horse"), "{around} -> {shown}");
            assert!(!shown.contains("aB3dE6") && !shown.contains(&escaped("horse")), "{around} -> {shown}");
        }
    }
}

#[test]
fn assignments_of_any_kind_go() {
    for text in [
        format!("PASSWORD={PASSWORD}\n"),
        format!("export DB_PASSWORD='{PASSWORD}'"),
        format!("  password: {PASSWORD} and more\nnext: 1"),
        format!("x: {{password: {PASSWORD}, a: b}}"),
        format!("--api-key={PASSWORD} --verbose"),
        format!("secret => \"{PASSWORD}\""),
        format!("?key={PASSWORD}&page=1"),
        format!("it's 5\" long {{\"password\":\"{PASSWORD}\"}}"),
        format!("{{'token': '{PASSWORD}'}}"),
        format!("postgres://me:{PASSWORD}@db.example/x"),
        format!("Cookie: a=1; session={PASSWORD}"),
        format!("curl -H 'Authorization: Basic {PASSWORD}' http://x"),
        format!("she sent Authorization: Token {PASSWORD}"),
        format!("curl -H 'Cookie: a=1; b={PASSWORD}, c=2'"),
        format!("proxy-authorization: ApiKey x {PASSWORD}"),
        format!("-----BEGIN RSA PRIVATE KEY-----\\n{PASSWORD}\\n-----END RSA PRIVATE KEY-----"),
        format!("{{\"pem\":\"-----BEGIN PRIVATE KEY-----\\n{PASSWORD}\\n\"}}"),
    ] {
        let shown = redacted(&text);
        assert!(!shown.contains("horse") && shown.contains("[redacted]"), "{text} -> {shown}");
    }
}

#[test]
fn what_is_known_by_heart_goes_in_every_dress() {
    let redactor =
        Redactor::new([PASSWORD, "correct-horse", "tiny"].map(|text| Secret::try_new(text).unwrap()));
    for text in [
        format!("the word is {PASSWORD}!"),
        base64(PASSWORD.as_bytes()),
        base64(format!("user:{PASSWORD}").as_bytes()),
        hex(PASSWORD),
        percent(PASSWORD),
        format!("\"{}\"", escaped(PASSWORD)),
    ] {
        let shown = redactor.redact(&text);
        assert!(shown.contains("[redacted]") && !shown.contains("battery"), "{text} -> {shown}");
    }
    assert_eq!(redactor.redact("a tiny thing"), "a tiny thing");
}

#[test]
fn a_secret_that_is_cut_through_does_not_show_its_beginning() {
    let text = format!("{{\"note\":\"{}\",\"password\":\"{PASSWORD}\",\"a\":\"{OPENAI}\"}}", "x ".repeat(20));
    for end in 0..=text.len() {
        let shown = Redactor::new([Secret::try_new(PASSWORD).unwrap()]).redact_cut(&text[..end]);
        for part in ["corr", "sk-p"] {
            assert!(!shown.contains(part), "{} -> {shown}", &text[..end]);
        }
    }
    let long = "y".repeat(3 * LONGEST_CUT_WORD);
    assert_eq!(Redactor::default().redact_cut(&long).len(), 2 * LONGEST_CUT_WORD);
}

/// Each of these takes minutes where a look begins again at every place.
#[test]
fn no_text_is_looked_through_again_and_again() {
    const BYTES: usize = 1 << 17;
    for part in [
        "key: ",
        "key:",
        "key=",
        "cookie: a; ",
        "tokens:'",
        "\\\"",
        "\"\\\"",
        "eyJ-",
        "\"tokens\":{",
        "{\"a\":",
        "bearer a",
        "://a:",
        "-----BEGIN ",
        "key=\"\\\"",
        "password: \"",
        "a'b`c\"",
        "%25",
        "sk-.",
        "\"key\":[\"",
        "YWFhYWFhYWFhYWFhYWFh",
    ] {
        redacted(&part.repeat(BYTES / part.len()));
        redacted(&format!("{}\n", part.repeat(BYTES / part.len())));
    }
}

#[test]
fn what_is_nested_too_deeply_is_left_out() {
    let mut text = format!("{{\"password\":\"{PASSWORD}\"}}");
    for _ in 0..=MAX_DEPTH {
        text = format!("{{\"x\":\"{}\"}}", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    assert!(!redacted(&text).contains("horse"));
}

proptest! {
    /// Any text comes through, and a secret in it does not.
    #[test]
    fn no_text_brings_it_down(before in "\\PC{0,60}|[\"\\\\{}\\[\\]:=, a-z%\n]{0,80}", after in "\\PC{0,60}|[\"\\\\{}:=%]{0,40}") {
        let redactor = Redactor::default();
        let text = format!("{before} {OPENAI} {after}");
        prop_assert!(!redactor.redact(&text).contains("aB3dE6"));
        let field = format!("{before}\n{{\"password\":\"{PASSWORD}\"}}\n{after}");
        let shown = redactor.redact(&field);
        prop_assert!(!shown.contains("horse"), "{}", shown);
        let mut end = text.len() / 2;
        while !text.is_char_boundary(end) { end -= 1; }
        redactor.redact_cut(&text[..end]);
    }
}
