//! The layers and their order, and which paths count from where.
//!
//! A path in the configuration file counts from the file's folder, one in a variable or a flag from the working folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use routing::Choice;
use serde::Serialize;
use units::ProviderId;
use yaml::Value;

use super::environment::{CONFIG, Environment};
use super::settings::{DEFAULTS, DEFAULTS_NAME, Folders, Settings};
use super::{Error, Flags};

/// Variables that the vendors' own tools read, and whose base URL they are.
const VENDORS_URLS: [(&str, &str); 2] = [("ANTHROPIC_BASE_URL", "anthropic"), ("OPENAI_BASE_URL", "openai")];
/// The configuration file beneath a folder for configuration.
const USUAL_FILE: &str = "impresario/impresario.yaml";

/// The effective settings and where they come from.
pub(super) struct Effective {
    pub(super) settings: Settings,
    /// What each layer is called, the lowest first.
    pub(super) layers: Vec<String>,
    /// The configuration file that was looked for.
    pub(super) file: Option<PathBuf>,
}

/// Lays all layers over one another.
pub(super) fn read(flags: &Flags, environment: &Environment) -> Result<Effective, Error> {
    let mut stack = Stack {
        value: Value::parse(DEFAULTS_NAME, DEFAULTS)?,
        layers: vec!["the defaults".to_owned()],
        home: environment.home(),
    };
    let working_folder = absolute(Path::new("."))?;
    for (name, provider) in VENDORS_URLS {
        if let Some(url) = environment.text(name)? {
            stack.set(name, &["providers", provider, "base_url"], url, &working_folder)?;
        }
    }
    let (file, preferred) = stack.lay_file(flags, environment)?;
    for (name, path, text) in environment.settings()? {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        stack.set(&name, &path, &text, &working_folder)?;
    }
    let Stack { value, mut layers, .. } = stack;
    let mut settings: Settings = value.into_typed("the layers of configuration together")?;
    settings.providers.prefer(&preferred.providers);
    lay_flags(flags, &mut settings, &mut layers)?;
    Ok(Effective { settings, layers, file })
}

struct Stack {
    value: Value,
    layers: Vec<String>,
    home: Option<PathBuf>,
}

impl Stack {
    /// Lays the configuration file; tells where it would be, and what it says by itself.
    fn lay_file(
        &mut self,
        flags: &Flags,
        environment: &Environment,
    ) -> Result<(Option<PathBuf>, Settings), Error> {
        let named = flags.config.clone().or_else(|| environment.get(CONFIG).map(PathBuf::from));
        let usual = || environment.xdg("XDG_CONFIG_HOME", ".config").map(|folder| folder.join(USUAL_FILE));
        let Some(path) = named.clone().or_else(usual) else { return Ok((None, Settings::default())) };
        let text = match read_text(&path) {
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Some(path), Settings::default()));
            }
            read => read.map_err(|source| Error::Unreadable {
                what: "the configuration file".to_owned(),
                path: path.clone(),
                source,
            })?,
        };
        let name = path.display().to_string();
        let settings: Settings = yaml::from_str(&name, &text)?;
        let path = absolute(&path)?;
        let folder = path.parent().expect("a file that was read has a folder");
        self.lay(Value::parse(&name, &text)?, &settings, folder, name)?;
        Ok((Some(path), settings))
    }

    fn set(&mut self, name: &str, path: &[&str], text: &str, folder: &Path) -> Result<(), Error> {
        let mut value = Value::default();
        value.set(path, text);
        let settings = value.clone().into_typed(name).map_err(Error::Variable)?;
        self.lay(value, &settings, folder, name.to_owned())
    }

    /// Lays one layer; `settings` is what it says by itself.
    fn lay(&mut self, layer: Value, settings: &Settings, folder: &Path, name: String) -> Result<(), Error> {
        let anchor = Anchor { folder, home: self.home.as_deref(), layer: &name };
        let paths = Value::parse(&name, &yaml::to_string(&anchor.paths(settings)?)?)?;
        self.value = std::mem::take(&mut self.value).merge(layer).merge(paths);
        self.layers.push(name);
        Ok(())
    }
}

fn lay_flags(flags: &Flags, settings: &mut Settings, layers: &mut Vec<String>) -> Result<(), Error> {
    if let Some(listen) = flags.listen {
        settings.server.listen = listen;
        layers.push("--listen".to_owned());
    }
    for root in &flags.roots {
        settings.workspaces.roots.0.push(absolute(root)?);
        layers.push("--root".to_owned());
    }
    if let Some(provider) = &flags.provider {
        settings.agents.all_use(&Choice::Provider(provider.clone()));
        layers.push("--provider".to_owned());
    }
    Ok(())
}

/// The paths that a layer names, made absolute; laid over it, they take the place of what was written.
#[derive(Serialize)]
struct Paths {
    #[serde(skip_serializing_if = "Option::is_none")]
    workspaces: Option<RootPaths>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamPaths>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    providers: BTreeMap<ProviderId, ProviderPaths>,
}

#[derive(Serialize)]
struct RootPaths {
    roots: Folders,
}

#[derive(Serialize)]
struct UpstreamPaths {
    ca_file: PathBuf,
}

#[derive(Serialize)]
struct ProviderPaths {
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<KeyPath>,
}

#[derive(Serialize)]
struct KeyPath {
    file: PathBuf,
}

/// Where a layer's relative paths begin.
struct Anchor<'a> {
    folder: &'a Path,
    home: Option<&'a Path>,
    layer: &'a str,
}

impl Anchor<'_> {
    fn paths(&self, settings: &Settings) -> Result<Paths, Error> {
        let roots: Vec<PathBuf> =
            settings.workspaces.roots.0.iter().map(|root| self.place(root)).collect::<Result<_, _>>()?;
        let ca_file = settings.upstream.ca_file.as_ref().map(|path| self.place(path)).transpose()?;
        let mut providers = BTreeMap::new();
        for (id, provider) in settings.providers.iter() {
            let key_file = provider.api_key.as_ref().and_then(|place| place.file.as_ref());
            let script = provider.script.as_ref().map(|path| self.place(path)).transpose()?;
            let key_file = key_file.map(|path| self.place(path)).transpose()?;
            if script.is_some() || key_file.is_some() {
                let api_key = key_file.map(|file| KeyPath { file });
                providers.insert(id.clone(), ProviderPaths { script, api_key });
            }
        }
        Ok(Paths {
            workspaces: (!roots.is_empty()).then_some(RootPaths { roots: Folders(roots) }),
            upstream: ca_file.map(|ca_file| UpstreamPaths { ca_file }),
            providers,
        })
    }

    fn place(&self, path: &Path) -> Result<PathBuf, Error> {
        let Ok(rest) = path.strip_prefix("~") else { return Ok(tidied(&self.folder.join(path))) };
        let home = self.home.ok_or_else(|| Error::NoHome {
            what: format!("`{}` in {}", path.display(), self.layer),
            remedy: "write the whole path in place of `~`",
        })?;
        Ok(home.join(rest))
    }
}

/// The path without `.`; `..` stays, because what is before it may be a link.
fn tidied(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map(|path| tidied(&path)).map_err(|source| Error::Unreadable {
        what: "the working folder, from which relative paths count, for".to_owned(),
        path: path.to_owned(),
        source,
    })
}

/// A file's text, as far as it is worth refusing: what is larger than the YAML reader takes is cut just past that.
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(yaml::MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
