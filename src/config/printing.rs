//! The effective settings as text: YAML that reads back as the same settings, and where they came from.

use std::fmt::Write;

use super::environment::Environment;
use super::state_folder::StateFolder;
use super::{Error, Flags, layers};

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
    text.push_str(&yaml::to_string(&effective.settings)?);
    Ok(text)
}

/// One line, whatever a path holds: a line break in it must not end the comment.
fn comment(text: &mut String, line: &str) {
    let line: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    writeln!(text, "#   {line}").expect("a String takes all text");
}
