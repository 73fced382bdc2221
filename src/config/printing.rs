//! The effective settings as text, each with where it comes from: YAML that reads back as the same settings, or JSON.

use std::fmt::Write;

use serde_json::json;
use yaml::Value;

use super::environment::Environment;
use super::state_folder::StateFolder;
use super::{Error, Flags, layers};

/// As YAML with comments.
pub(super) fn print(flags: &Flags, environment: &Environment) -> Result<String, Error> {
    let effective = layers::read(flags, environment)?;
    let mut text = String::from("# Each over the one before:\n");
    for layer in &effective.layers {
        comment(&mut text, layer);
    }
    match &effective.file {
        Some(file) if !file.exists() => comment(&mut text, &format!("(there is no {})", file.display())),
        Some(_) | None => {}
    }
    if let Ok(state) = StateFolder::find(flags.state_dir.as_deref(), environment) {
        comment(&mut text, &format!("(the state folder is {})", state.path().display()));
    }
    let settings = Value::parse("the settings", &yaml::to_string(&effective.settings)?)?;
    let origin = |path: &[String]| Some(effective.origins.of(path).to_string());
    text.push_str(&yaml::annotated(&settings, origin)?);
    Ok(text)
}

/// As JSON: the layers, and by the path of each setting its value and origin.
pub(super) fn print_json(flags: &Flags, environment: &Environment) -> Result<String, Error> {
    let effective = layers::read(flags, environment)?;
    let settings = Value::parse("the settings", &yaml::to_string(&effective.settings)?)?;
    let mut stated = serde_json::Map::new();
    for path in settings.leaves() {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let (value, origin) = (settings.get(&keys), effective.origins.of(&path).to_string());
        stated.insert(path.join("."), json!({"value": value, "origin": origin}));
    }
    let state = StateFolder::find(flags.state_dir.as_deref(), environment).ok();
    let all = json!({
        "layers": effective.layers,
        "file": effective.file,
        "state_folder": state.as_ref().map(StateFolder::path),
        "settings": stated,
    });
    Ok(format!("{all:#}\n"))
}

/// One line, whatever a path holds: a line break in it must not end the comment.
fn comment(text: &mut String, line: &str) {
    let line: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    writeln!(text, "#   {line}").expect("a String takes all text");
}
