//! Fills the holes of a template: strictly, boundedly, and without a second pass over what was filled in.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroU32;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use crate::catalogue::Template;
use crate::error::{Error, Part};
use crate::fence::fenced;

/// The most instructions that one text may take.
pub const FUEL: u64 = 500_000;

/// The longest text that is rendered, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;

/// A prompt, and which template of which version it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What the model is told about its role.
    pub system: String,
    /// What it is asked.
    pub user: String,
    /// The template.
    pub name: String,
    /// Its version, as its author counts.
    pub version: NonZeroU32,
    /// BLAKE3 of the template's file, in hex: tells apart what the version should have.
    pub hash: String,
}

/// The system and the user text.
pub(crate) fn texts(template: &Template, inputs: &Map<String, Value>) -> Result<(String, String), Error> {
    let context = context(template, inputs)?;
    let environment = environment();
    let system = text(&environment, template, (Part::System, &template.system), &context, MAX_OUTPUT_BYTES)?;
    let left = MAX_OUTPUT_BYTES - system.len();
    let user = text(&environment, template, (Part::User, &template.user), &context, left)?;
    Ok((system, user))
}

/// What the texts use from outside of themselves.
pub(crate) fn names(template: &Template) -> Result<BTreeSet<String>, Error> {
    let environment = environment();
    let mut names = BTreeSet::new();
    for (part, source) in [(Part::System, &template.system), (Part::User, &template.user)] {
        let compiled = environment.template_from_str(source).map_err(|error| Error::Syntax {
            name: template.name.clone(),
            part,
            line: error.line().unwrap_or(1),
            message: error.to_string(),
        })?;
        names.extend(compiled.undeclared_variables(false));
    }
    let globals: BTreeSet<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    Ok(&names - &globals)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("fenced", |text: String, label: String| fenced(&text, &label));
    environment
}

/// The inputs, with empty text for optional ones that were not given: `{% if feedback %}` must not need `is defined`.
fn context(template: &Template, inputs: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let name = || template.name.clone();
    let known = || template.inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>();
    if let Some(input) = inputs.keys().find(|given| template.inputs.iter().all(|input| input.name != **given))
    {
        return Err(Error::ExtraInput { name: name(), input: input.clone(), known: known() });
    }
    let mut context = Map::new();
    for input in &template.inputs {
        let value = match inputs.get(&input.name).filter(|value| !value.is_null()) {
            Some(value) => value.clone(),
            None if input.required => {
                return Err(Error::MissingInput { name: name(), input: input.name.clone() });
            }
            None => Value::String(String::new()),
        };
        context.insert(input.name.clone(), value);
    }
    Ok(context)
}

fn text(
    environment: &Environment<'_>,
    template: &Template,
    (part, source): (Part, &str),
    context: &Map<String, Value>,
    limit: usize,
) -> Result<String, Error> {
    let mut page = Page { bytes: Vec::new(), limit, full: false };
    let compiled = environment.template_from_str(source);
    let rendered = compiled.and_then(|compiled| compiled.render_captured_to(context, &mut page).map(drop));
    if page.full {
        return Err(Error::TooLarge { name: template.name.clone(), limit: MAX_OUTPUT_BYTES });
    }
    rendered.map_err(|error| Error::Render {
        name: template.name.clone(),
        part,
        line: error.line().unwrap_or(1),
        message: error.to_string(),
    })?;
    Ok(String::from_utf8(page.bytes).expect("a template writes whole strings"))
}

/// Takes what a template writes until there is too much of it.
struct Page {
    bytes: Vec<u8>,
    limit: usize,
    full: bool,
}

impl io::Write for Page {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.limit {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
