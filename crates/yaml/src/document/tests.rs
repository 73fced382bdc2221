//! Places of keys, all faults at once, and comments that stand behind what they speak of.

use serde::Deserialize;

use super::*;
use crate::MAX_BYTES;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    name: String,
    server: Server,
    list: Vec<Entry>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    port: u16,
    hosts: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: u8,
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(ToOwned::to_owned).collect()
}

fn lines(text: &str, paths: &[&str]) -> Vec<Option<usize>> {
    let document = Document::parse("x", text).unwrap();
    paths.iter().map(|key| document.line(&path(key))).collect()
}

fn told(text: &str) -> Vec<String> {
    let document = Document::parse("x", text).unwrap();
    document.faults::<Config>().into_iter().map(|fault| fault.error.to_string()).collect()
}

#[test]
fn keys_are_found_in_block_and_flow_style_and_behind_comments() {
    let text =
        "name: a\n# words\nserver:\n  port: 1\n\n  'hosts': [a,\n    b]\nlist: [{id: 1},\n  {id: 2}]\n";
    let found = lines(text, &["name", "server", "server.port", "server.hosts", "list", "list.[1].id"]);
    assert_eq!(found, [1, 3, 4, 6, 8, 9].map(Some));
    // What has no place of its own has that of the key above it.
    assert_eq!(lines(text, &["server.port.more", "nothing"]), [Some(4), None]);
    assert_eq!(
        lines("{server: {port: 1,\n  hosts: []}}", &["server.port", "server.hosts"]),
        [Some(1), Some(2)]
    );
}

#[test]
fn a_key_of_any_kind_has_a_place_and_a_list_as_a_key_none() {
    let text = "1: a\ntrue: b\n~: c\n2.5: d\n? [x, y]\n: e\nlast: |\n  many\n  lines\nend: 1\n";
    assert_eq!(lines(text, &["1", "true", "null", "last", "end"]), [1, 2, 3, 7, 10].map(Some));
}

#[test]
fn an_aliased_setting_stands_where_it_was_written() {
    let text = "a: &a\n  x: 1\nb: *a\n";
    assert_eq!(lines(text, &["a.x", "b", "b.x"]), [Some(2), Some(3), Some(2)]);
}

#[test]
fn all_faults_are_told_each_at_its_key() {
    let text = "nam: a\nserver:\n  port: many\n  hots: []\n  hosts: [a, {b: c}]\nlist:\n  - id: 1\n  - id: 1000\n  - {}\n";
    let told = told(text);
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(told[0].starts_with("x:1:1: unknown key `nam`"), "{told:#?}");
    assert!(told[1].starts_with("x:3:3: server.port: invalid type"), "{told:#?}");
    assert!(told[2].starts_with("x:4:3: unknown key `hots` in `server`; did you mean `hosts`?"), "{told:#?}");
    assert!(told[3].starts_with("x:5:3: server.hosts[1]: invalid type"), "{told:#?}");
}

#[test]
fn a_fault_within_a_list_is_told_where_it_is() {
    let told = told("list:\n  - id: 1\n  - id: 1000\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("x:3:5: list[1].id: invalid value"), "{told:#?}");
}

#[test]
fn an_unknown_mapping_is_one_fault_however_much_it_holds() {
    let told = told("servr:\n  a: 1\n  b: 2\n  c: {d: 3}\nname: x\n");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("x:1:1: unknown key `servr`; did you mean `server`?"), "{told:#?}");
}

#[test]
fn a_document_without_faults_has_none_and_a_list_is_one() {
    assert_eq!(told("name: a\nserver: {port: 1, hosts: [b]}\n"), Vec::<String>::new());
    assert_eq!(told(""), Vec::<String>::new());
    assert_eq!(told("- a\n- b\n").len(), 1);
}

#[test]
fn no_more_faults_are_told_than_anybody_reads() {
    let text: String = (0..MAX_FAULTS + 20).map(|number| format!("unknown{number}: 1\n")).collect();
    assert_eq!(told(&text).len(), MAX_FAULTS);
}

#[test]
fn a_large_document_has_places_up_to_their_bound() {
    let text: String = (0..crate::MAX_LEAVES + 10).map(|number| format!("k{number}: 1\n")).collect();
    assert!(text.len() < MAX_BYTES);
    let document = Document::parse("x", &text).unwrap();
    assert_eq!(document.line(&path("k5")), Some(6));
    assert_eq!(document.line(&path(&format!("k{}", crate::MAX_LEAVES + 5))), None);
    assert_eq!(document.value.leaves().len(), crate::MAX_LEAVES);
}

#[test]
fn a_renamed_setting_keeps_its_place() {
    let mut document = Document::parse("x", "server:\n  thePort: 5\n").unwrap();
    document.rename(&["server", "thePort"], &["server", "port"]);
    document.rename(&["server", "nothing"], &["server", "hosts"]);
    assert_eq!(document.line(&path("server.port")), Some(2));
    assert_eq!(document.value.leaves(), [path("server.port")]);
    assert!(document.faults::<Config>().is_empty());
}

#[test]
fn comments_stand_behind_their_settings_and_the_text_reads_back() {
    let text = "name: 'a # b'\nserver: {port: 1, hosts: [\"x: y\", \"two\\nlines\"]}\nlist: []\nlong: \"a\\nb\\n\"\n";
    let value = Value::parse("x", text).unwrap();
    let remark = |path: &[String]| (path != ["list"]).then(|| format!("about {}\nand more", path.join(".")));
    let annotated = annotated(&value, remark).unwrap();
    assert_eq!(Value::parse("annotated", &annotated).unwrap(), value, "{annotated}");
    assert!(annotated.contains("  port: 1  # about server.port\u{fffd}and more\n"), "{annotated}");
    assert!(annotated.contains("list: []\n"), "{annotated}");
    assert_eq!(annotated.matches("  # about ").count(), 4, "{annotated}");
}
