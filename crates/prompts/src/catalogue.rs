//! Templates as files, and all of them by name.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::render::{self, Rendered};

/// The folders that hold templates.
pub const FAMILIES: [&str; 4] = ["planning", "editing", "review", "general"];

/// The most templates of one catalogue.
pub const MAX_TEMPLATES: usize = 1000;

/// How many known names are told to who asks for an unknown one.
const SHOWN_NAMES: usize = 5;

/// The likeness (Jaro-Winkler, 0 to 1) from which a known name is near.
const NEAR: f64 = 0.7;

/// A prompt with holes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// `family/name`, like its file.
    pub name: String,
    /// Raised with every change of meaning.
    pub version: NonZeroU32,
    /// What it is for, in a sentence.
    pub description: String,
    /// What its texts may use; nothing else is known to them.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// What the model is told about its role.
    pub system: String,
    /// What it is asked.
    pub user: String,
}

/// What a template is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in the texts.
    pub name: String,
    /// What it holds, and in which shape.
    pub description: String,
    /// Without a required one nothing is rendered; an optional one is empty when it is not given.
    pub required: bool,
}

/// All templates by name. Cheap to share, never changed.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    template: Template,
    hash: String,
}

impl Catalogue {
    /// Reads templates from files: each a path beneath the templates' folder, such as `review/diff.yaml`, and its text.
    ///
    /// # Errors
    /// On the first file that is no template of its name and family, repeats one, or does not fit its own inputs.
    pub fn parse<P, T>(files: impl IntoIterator<Item = (P, T)>) -> Result<Self, Error>
    where
        P: AsRef<str>,
        T: AsRef<str>,
    {
        let mut entries = BTreeMap::new();
        for (path, text) in files {
            let template = read(path.as_ref(), text.as_ref())?;
            let name = template.name.clone();
            let hash = blake3::hash(text.as_ref().as_bytes()).to_hex().to_string();
            if entries.insert(name.clone(), Entry { template, hash }).is_some() {
                return Err(Error::Duplicate { name });
            }
            if entries.len() > MAX_TEMPLATES {
                return Err(Error::TooMany { limit: MAX_TEMPLATES });
            }
        }
        Ok(Self { entries })
    }

    /// The templates that every binary carries.
    pub fn embedded() -> Self {
        Self::parse(crate::FILES.iter().copied()).expect("the embedded templates are read in a test")
    }

    /// All templates, by name.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.entries.values().map(|entry| &entry.template)
    }

    /// All templates, each with the hash of its file, by name.
    pub fn hashed(&self) -> impl Iterator<Item = (&Template, &str)> {
        self.entries.values().map(|entry| (&entry.template, entry.hash.as_str()))
    }

    /// Fills a template's holes.
    ///
    /// # Errors
    /// When there is no such template, an input is missing, unknown or of a wrong shape, or the text grows too long.
    pub fn render(&self, name: &str, inputs: &Map<String, Value>) -> Result<Rendered, Error> {
        let entry = self.entries.get(name).ok_or_else(|| self.unknown(name))?;
        let (system, user) = render::texts(&entry.template, inputs)?;
        let Template { name, version, .. } = &entry.template;
        Ok(Rendered { system, user, name: name.clone(), version: *version, hash: entry.hash.clone() })
    }

    fn unknown(&self, name: &str) -> Error {
        let mut scored: Vec<(f64, &String)> =
            self.entries.keys().map(|known| (strsim::jaro_winkler(known, name), known)).collect();
        scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let nearest = scored.first().map_or(0.0, |(score, _)| *score);
        let near = scored.into_iter().filter(|(score, _)| nearest < NEAR || *score >= NEAR).take(SHOWN_NAMES);
        let near_names = near.map(|(_, known)| known.clone()).collect();
        Error::UnknownTemplate { name: name.chars().take(200).collect(), near_names }
    }
}

fn read(path: &str, text: &str) -> Result<Template, Error> {
    let template: Template = yaml::from_str(path, text)?;
    let family = path.split_once('/').map(|(family, _)| family);
    if !family.is_some_and(|family| FAMILIES.contains(&family)) {
        return Err(Error::UnknownFamily { path: path.to_owned() });
    }
    if path.strip_suffix(".yaml") != Some(&template.name) {
        return Err(Error::Misnamed { path: path.to_owned(), name: template.name });
    }
    let used = render::names(&template)?;
    let mut declared = HashSet::new();
    for Input { name: input, .. } in &template.inputs {
        if !declared.insert(input.as_str()) || !used.contains(input) {
            return Err(Error::Idle { name: template.name.clone(), input: input.clone() });
        }
    }
    if let Some(input) = used.iter().find(|input| !declared.contains(input.as_str())) {
        return Err(Error::Undeclared { name: template.name.clone(), input: input.clone() });
    }
    Ok(template)
}
