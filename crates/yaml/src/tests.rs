//! What any YAML library behind this crate must do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    server: Server,
    log: Log,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    host: String,
    port: u16,
}

impl Default for Server {
    fn default() -> Self {
        Self { host: "localhost".to_owned(), port: 8080 }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Log {
    #[default]
    Quiet,
    Verbose,
}

fn refusal(text: &str) -> String {
    from_str::<Config>("config/x.yaml", text).unwrap_err().to_string()
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_its_neighbour() {
    assert_eq!(
        refusal("# one\nserver:\n  host: a\n  portt: 1\n"),
        "config/x.yaml:4:3: unknown key `portt` in `server`; did you mean `port`?"
    );
    assert_eq!(
        refusal("log: verbos"),
        "config/x.yaml:1:6: unknown value `verbos` of `log`; did you mean `verbose`?"
    );
}

#[test]
fn where_nothing_is_near_the_known_keys_are_listed() {
    assert_eq!(refusal("quux: 1"), "config/x.yaml:1:1: unknown key `quux`; known here: `server`, `log`");
}

#[test]
fn a_wrong_type_is_named_with_its_path() {
    assert_eq!(
        refusal("server:\n  port: many\n"),
        "config/x.yaml:2:9: server.port: invalid type: string \"many\", expected u16"
    );
}

#[test]
fn an_empty_document_is_an_empty_mapping() {
    for text in ["", "\n", "# only words\n", "---\n", "null", "~", "{}", "---\n...\n"] {
        assert_eq!(from_str::<Config>("x", text), Ok(Config::default()), "{text:?}");
    }
    #[derive(Debug, Deserialize)]
    struct Strict {
        #[expect(dead_code, reason = "only its absence matters")]
        needed: u8,
    }
    assert!(from_str::<Strict>("x", "").unwrap_err().message.contains("missing field `needed`"));
}

#[test]
fn refuses_a_repeated_key_even_where_the_type_would_take_it() {
    let refused = from_str::<BTreeMap<String, u8>>("x", "a: 1\nb: 2\na: 3\n").unwrap_err();
    assert!(refused.message.contains("duplicate entry"), "{refused}");
}

#[test]
fn refuses_a_second_document() {
    assert!(refusal("log: quiet\n---\nlog: quiet\n").contains("more than one document"));
}

#[test]
fn refuses_broken_syntax_with_its_line() {
    let refused = from_str::<Config>("x", "server:\n  host: [a\nlog: quiet\n").unwrap_err();
    assert!(refused.line.is_some_and(|line| line >= 2), "{refused}");
}

#[test]
fn refuses_what_is_larger_than_the_cap() {
    let large = format!("# {}\n", "x".repeat(MAX_BYTES));
    assert!(refusal(&large).contains("split the file"));
    let fits = format!("#{}\n", "x".repeat(MAX_BYTES - 2));
    assert_eq!(from_str::<Config>("x", &fits), Ok(Config::default()));
}

#[test]
fn refuses_a_tower_of_brackets() {
    let tower = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(Value::parse("x", &tower).unwrap_err().message.contains("nested too deeply"));
    assert!(Value::parse("x", &"[".repeat(MAX_BRACKETS + 1)).unwrap_err().message.contains("block style"));
    assert!(Value::parse("x", &"{a: ".repeat(MAX_BRACKETS + 1)).unwrap_err().message.contains("block style"));
}

#[test]
fn refuses_a_tower_of_indentation() {
    let tower: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(Value::parse("x", &tower).unwrap_err().message.contains("nested too deeply"));
    let dashes = format!("{}1", "- ".repeat(300));
    assert!(Value::parse("x", &dashes).unwrap_err().message.contains("nested too deeply"));
}

#[test]
fn refuses_a_billion_laughs() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(Value::parse("x", &bomb).unwrap_err().message.contains("aliases"));
}

#[test]
fn refuses_many_aliases_of_one_long_text() {
    let bomb = format!("a: &a {}\nb:\n{}", "x".repeat(MAX_BYTES / 2), "- *a\n".repeat(50_000));
    assert!(Value::parse("x", &bomb).unwrap_err().message.contains("aliases"));
}

#[test]
fn an_honest_alias_is_read() {
    let read: BTreeMap<String, Server> = from_str("x", "one: &it {host: a, port: 1}\ntwo: *it\n").unwrap();
    assert_eq!(read["one"], read["two"]);
}

#[test]
fn layers_lie_over_one_another_key_by_key() {
    let defaults = Value::parse("d", "server: {host: a, port: 1}\nlist: [1, 2]\n").unwrap();
    let file = Value::parse("f", "server: {port: 2}\nlist: [3]\nnew: yes\n").unwrap();
    let mut merged = defaults.merge(file);
    merged.set(&["server", "port"], "3");
    let expected = Value::parse("e", "server: {host: a, port: 3}\nlist: [3]\nnew: yes\n").unwrap();
    assert_eq!(merged, expected);
}

#[test]
fn a_set_scalar_has_the_type_that_its_key_wants() {
    let mut layer = Value::default();
    layer.set(&["server", "port"], "81");
    layer.set(&["server", "host"], "10");
    let config: Config = layer.into_typed("flags").unwrap();
    assert_eq!(config.server, Server { host: "10".to_owned(), port: 81 });
}

#[test]
fn a_set_text_stays_as_it_is_written() {
    for text in
        ["1.10", "007", "0x10", "[::1]:80", "a: b", "# no comment", "~", "", " 8", "*x", "!!str 1", "No"]
    {
        let mut layer = Value::default();
        layer.set(&["server", "host"], text);
        let config: Config = layer.into_typed("flags").unwrap();
        assert_eq!(config.server.host, text);
    }
}

#[test]
fn a_refusal_of_merged_layers_names_the_key_but_no_line() {
    let mut layer = Value::default();
    layer.set(&["server", "port"], "many");
    let refused = layer.into_typed::<Config>("IMPRESARIO_SERVER_PORT").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "IMPRESARIO_SERVER_PORT: server.port: invalid type: string \"many\", expected u16"
    );
}

#[test]
fn a_scalar_in_the_way_of_a_path_is_refused_by_its_type() {
    let mut layer = Value::parse("x", "log: quiet").unwrap();
    layer.set(&["log", "level"], "1");
    assert!(layer.into_typed::<Config>("x").is_err());
}

#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
enum Tree {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

fn map_of(inner: impl Strategy<Value = Tree> + 'static) -> BoxedStrategy<Tree> {
    prop::collection::btree_map("[a-e]{1,2}", inner, 0..5).prop_map(Tree::Map).boxed()
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Number),
        ".{0,20}".prop_map(Tree::Text),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::List), map_of(inner)]
    })
}

fn mapping() -> impl Strategy<Value = Value> {
    map_of(tree()).prop_map(|tree| Value::parse("generated", &to_string(&tree).unwrap()).unwrap())
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in mapping()) {
        let text = to_string(&value).unwrap();
        prop_assert_eq!(Value::parse("again", &text).unwrap(), value);
    }

    #[test]
    fn the_layer_above_wins_and_laying_it_twice_changes_nothing(below in mapping(), above in mapping()) {
        prop_assert_eq!(below.clone().merge(Value::default()), below.clone());
        prop_assert_eq!(Value::default().merge(above.clone()), above.clone());
        let once = below.merge(above.clone());
        prop_assert_eq!(once.clone().merge(above.clone()), once.clone());
        prop_assert_eq!(above.merge(once.clone()), once);
    }

    #[test]
    fn never_panics(text in "([a-z~:#&*{}\\[\\], \n'\"|>-]|name: |server:\n|  port: |\\PC){0,60}") {
        let _ = from_str::<Config>("x", &text);
        if let Ok(document) = Document::parse("x", &text) {
            let told = document.faults::<Config>();
            prop_assert!(told.is_empty() || document.value.clone().into_typed::<Config>("x").is_err(), "{:?}", told);
            let annotated = annotated(&document.value, |path| Some(path.join("."))).unwrap();
            prop_assert_eq!(Value::parse("annotated", &annotated).unwrap(), document.value);
        }
    }
}
