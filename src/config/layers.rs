//! The layers and their order, and which paths count from where.
//!
//! A path in the configuration file counts from the file's folder, one in a variable or a flag from the working folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use units::ProviderId;
use yaml::{Document, Value};

use super::assembly::ROLES;
use super::environment::{CONFIG, Environment};
use super::forerunner::{self, Translated};
use super::origins::{Origin, Origins};
use super::settings::{Added, DEFAULTS, DEFAULTS_NAME, Folders, KeyPlace, KeyPlaces, Settings};
use super::{Error, Flags};

/// Variables that the vendors' own tools read, and whose base URL they are.
const VENDORS_URLS: [(&str, &str); 2] = [("ANTHROPIC_BASE_URL", "anthropic"), ("OPENAI_BASE_URL", "openai")];
const ROOTS: [&str; 2] = ["workspaces", "roots"];
/// The configuration file beneath a folder for configuration.
const USUAL_FILE: &str = "impresario/impresario.yaml";

/// The effective settings and where they come from.
pub(super) struct Effective {
    pub(super) settings: Settings,
    /// Where each value comes from.
    pub(super) origins: Origins,
    /// What each layer is called, the lowest first.
    pub(super) layers: Vec<String>,
    /// The configuration file that was looked for.
    pub(super) file: Option<PathBuf>,
}

/// Lays all layers over one another.
pub(super) fn read(flags: &Flags, environment: &Environment) -> Result<Effective, Error> {
    read_all(flags, environment).map_err(|mut errors| errors.swap_remove(0))
}

/// As [`read`], but goes on after an error, so that all of them can be told; there is one at least.
pub(super) fn read_all(flags: &Flags, environment: &Environment) -> Result<Effective, Vec<Error>> {
    let mut errors = Vec::new();
    let mut stack = Stack {
        value: Value::parse(DEFAULTS_NAME, DEFAULTS).map_err(|error| vec![error.into()])?,
        origins: Origins::default(),
        layers: vec!["the defaults".to_owned()],
        home: environment.home(),
        working_folder: absolute(Path::new(".")).map_err(|error| vec![error])?,
    };
    for (name, provider) in VENDORS_URLS {
        let set = environment.text(name).and_then(|text| match text {
            Some(url) => stack.set(name, &["providers", provider, "base_url"], url),
            None => Ok(()),
        });
        errors.extend(set.err());
    }
    let (file, preferred) = stack.lay_file(flags, environment).unwrap_or_else(|found| {
        errors.extend(found);
        (None, Settings::default())
    });
    match environment.settings() {
        Ok(variables) => {
            for (name, path, text) in variables {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                errors.extend(stack.set(&name, &path, &text).err());
            }
        }
        Err(error) => errors.push(error),
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let Stack { value, origins, layers, .. } = stack;
    let read = value.into_typed("the layers of configuration together");
    let settings: Settings = read.map_err(|error| vec![Error::Yaml(error)])?;
    let mut effective = Effective { settings, origins, layers, file };
    effective.settings.providers.prefer(&preferred.providers);
    effective.lay_flags(flags).map_err(|error| vec![error])?;
    Ok(effective)
}

struct Stack {
    value: Value,
    origins: Origins,
    layers: Vec<String>,
    home: Option<PathBuf>,
    working_folder: PathBuf,
}

impl Stack {
    /// Lays the configuration file; tells where it would be, and what it says by itself.
    fn lay_file(
        &mut self,
        flags: &Flags,
        environment: &Environment,
    ) -> Result<(Option<PathBuf>, Settings), Vec<Error>> {
        let named = flags.config.clone().or_else(|| environment.get(CONFIG).map(PathBuf::from));
        let usual = || environment.xdg("XDG_CONFIG_HOME", ".config").map(|folder| folder.join(USUAL_FILE));
        let Some(path) = named.clone().or_else(usual) else { return Ok((None, Settings::default())) };
        let text = match read_text(&path) {
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Some(path), Settings::default()));
            }
            read => read.map_err(|source| {
                let what = "the configuration file".to_owned();
                vec![Error::Unreadable { what, path: path.clone(), source }]
            })?,
        };
        let name = path.display().to_string();
        let (mut document, settings) = read_document(&name, &text)?;
        self.leave_empty_sections(&mut document);
        let path = absolute(&path).map_err(|error| vec![error])?;
        let folder = path.parent().expect("a file that was read has a folder");
        for setting in document.value.leaves() {
            let line = document.line(&setting);
            self.origins.set(&setting, Origin::File { name: name.clone(), line });
        }
        self.lay(document.value, &settings, folder, name).map_err(|error| vec![error])?;
        Ok((Some(path), settings))
    }

    /// A section without a key, such as one whose keys are all comments, says nothing; a provider without one is left out.
    fn leave_empty_sections(&self, document: &mut Document) {
        for path in document.value.leaves() {
            let keys: Vec<&str> = path.iter().map(String::as_str).collect();
            let is_null = document.value.get(&keys).is_some_and(|value| value.is_null());
            let is_section = self.value.get(&keys).is_some_and(|value| value.is_mapping());
            if is_null && is_section && !matches!(keys[..], ["providers", _]) {
                document.value.remove(&keys);
            }
        }
    }

    fn set(&mut self, name: &str, path: &[&str], text: &str) -> Result<(), Error> {
        let mut value = Value::default();
        value.set(path, text);
        let settings = value.clone().into_typed(name).map_err(Error::Variable)?;
        for setting in value.leaves() {
            self.origins.set(&setting, Origin::Variable(name.to_owned()));
        }
        let folder = self.working_folder.clone();
        self.lay(value, &settings, &folder, name.to_owned())
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

/// Reads a configuration file by itself; there is one error at least, and the first is that of the first place.
fn read_document(name: &str, text: &str) -> Result<(Document, Settings), Vec<Error>> {
    let mut document = Document::parse(name, text).map_err(|error| vec![error.into()])?;
    let written = document.clone();
    let Translated { contradictions: mut errors, twofold } = forerunner::translate(name, &mut document);
    // An error of the text has its exact place; but what is there under two names cannot be read from it.
    let read = if twofold { document.value.clone().into_typed(name) } else { yaml::from_str(name, text) };
    match read {
        Ok(settings) if errors.is_empty() => return Ok((document, settings)),
        Ok(_) => {}
        Err(first) => {
            let mut faults: Vec<yaml::Error> =
                written.faults::<Settings>().into_iter().map(|fault| fault.error).collect();
            // Both tell of the first one; the reader's place is the more exact one, where it has one.
            match faults.iter().position(|fault| fault.message == first.message) {
                Some(_) if first.line.is_none() => {}
                Some(same) => faults[same] = first,
                None => faults.insert(0, first),
            }
            errors.extend(faults.into_iter().map(Error::Yaml));
        }
    }
    Err(errors)
}

impl Effective {
    fn lay_flags(&mut self, flags: &Flags) -> Result<(), Error> {
        if let Some(listen) = flags.listen {
            self.settings.server.listen = listen;
            self.flag("--listen", &["server", "listen"], None);
            self.layers.push("--listen".to_owned());
        }
        if !flags.roots.is_empty() {
            let named: Result<Vec<PathBuf>, Error> = flags.roots.iter().map(|root| absolute(root)).collect();
            let roots = &mut self.settings.workspaces.roots.0;
            let beside = (!roots.is_empty()).then(|| Box::new(self.origins.of(&owned(&ROOTS))));
            roots.extend(named?);
            self.flag("--root", &ROOTS, beside);
            self.layers.push("--root".to_owned());
        }
        if let Some(provider) = &flags.provider {
            self.settings.agents.all_use(provider);
            for role in ROLES {
                self.flag("--provider", &["agents", role, "model"], None);
            }
            self.layers.push("--provider".to_owned());
        }
        Ok(())
    }

    /// Notes that a flag says what stands at `path`, beside what it came from where the flag only adds.
    fn flag(&mut self, name: &'static str, path: &[&str], beside: Option<Box<Origin>>) {
        self.origins.set(&owned(path), Origin::Flag { name, beside });
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|key| (*key).to_owned()).collect()
}

/// The paths that a layer names, made absolute; laid over it, they take the place of what was written.
#[derive(Serialize)]
struct Paths {
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerPaths>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspaces: Option<RootPaths>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StorePaths>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamPaths>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    providers: BTreeMap<ProviderId, ProviderPaths>,
}

#[derive(Serialize)]
struct ServerPaths {
    tls: TlsPaths,
}

#[derive(Serialize)]
struct TlsPaths {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
}

#[derive(Serialize)]
struct RootPaths {
    roots: Folders,
}

#[derive(Serialize)]
struct StorePaths {
    password: KeyPath,
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
    api_key: Option<KeyPlaces>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, KeyPath>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, KeyPath>,
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
        let password = settings.store.password.as_ref().and_then(|place| place.file.as_ref());
        let password = password.map(|path| self.place(path)).transpose()?;
        let placed = |path: &Option<PathBuf>| path.as_ref().map(|path| self.place(path)).transpose();
        let tls = &settings.server.tls;
        let tls = TlsPaths { certificate: placed(&tls.certificate)?, key: placed(&tls.key)? };
        let ca_file = placed(&settings.upstream.ca_file)?;
        let mut providers = BTreeMap::new();
        for (id, provider) in settings.providers.iter() {
            let script = placed(&provider.script)?;
            let api_key = provider.api_key.as_ref().map(|places| self.keys(places)).transpose()?.flatten();
            let (headers, query) = (self.added(&provider.headers)?, self.added(&provider.query)?);
            if script.is_some() || api_key.is_some() || !headers.is_empty() || !query.is_empty() {
                providers.insert(id.clone(), ProviderPaths { script, api_key, headers, query });
            }
        }
        let has_tls = tls.certificate.is_some() || tls.key.is_some();
        Ok(Paths {
            server: has_tls.then_some(ServerPaths { tls }),
            workspaces: (!roots.is_empty()).then_some(RootPaths { roots: Folders(roots) }),
            store: password.map(|file| StorePaths { password: KeyPath { file } }),
            upstream: ca_file.map(|ca_file| UpstreamPaths { ca_file }),
            providers,
        })
    }

    /// All places of a provider's keys: a list takes another one's place as a whole.
    fn keys(&self, places: &KeyPlaces) -> Result<Option<KeyPlaces>, Error> {
        let placed = |place: &KeyPlace| {
            let file = place.file.as_ref().map(|path| self.place(path)).transpose()?;
            Ok(KeyPlace { file, ..place.clone() })
        };
        let placed: Vec<KeyPlace> = places.0.iter().map(placed).collect::<Result<_, Error>>()?;
        Ok(placed.iter().any(|place| place.file.is_some()).then_some(KeyPlaces(placed)))
    }

    /// The files among what a provider's requests carry.
    fn added(&self, added: &BTreeMap<String, Added>) -> Result<BTreeMap<String, KeyPath>, Error> {
        let mut files = BTreeMap::new();
        for (name, added) in added {
            if let Added::Secret(KeyPlace { file: Some(file), .. }) = added {
                files.insert(name.clone(), KeyPath { file: self.place(file)? });
            }
        }
        Ok(files)
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
