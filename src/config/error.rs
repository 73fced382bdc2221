//! What can be wrong with the configuration. Each is for a person to mend; nothing gets better by trying again.

use std::io;
use std::path::PathBuf;

use units::{ModelName, ProviderId};

use super::secret_source::Fault;
use super::settings::Kind;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file says what is not understood.
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
    /// A variable says what is not understood.
    #[error(
        "{0} (a variable names its setting as IMPRESARIO_SECTION__KEY, with two underscores between the levels; \
         IMPRESARIO_CONFIG, IMPRESARIO_STATE_DIR, IMPRESARIO_SERVER, IMPRESARIO_KEY, IMPRESARIO_CA_FILE and \
         IMPRESARIO_FAILPOINT are no settings)"
    )]
    Variable(#[source] yaml::Error),
    /// The server that a command was to ask.
    #[error(transparent)]
    Remote(#[from] super::remote::BadRemote),
    /// A setting has two names, and they say different things.
    #[error(
        "{file}:{line}: `{key}` and `{second}` (line {second_line}) are one setting and say two things: keep one"
    )]
    TwoNames {
        /// The file.
        file: String,
        /// The line of the house's own name.
        line: usize,
        /// The house's own name.
        key: String,
        /// The line of the other name.
        second_line: usize,
        /// The other name.
        second: String,
    },
    /// Two settings name one port.
    #[error("`{one}` and `{other}` are both {port}, and a port serves one of them: change one")]
    SamePort {
        /// One setting.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// The port.
        port: u64,
    },
    /// A variable does not hold headers.
    #[error(
        "the variable {name} does not hold headers, which are written name=value,other=value, {most} at most; its text \
         is not shown, for it may hold a key"
    )]
    Headers {
        /// Which variable.
        name: String,
        /// How many headers it may hold.
        most: usize,
    },
    /// A variable is no UTF-8.
    #[error("the environment variable {name} is no UTF-8 text: set it anew, or unset it")]
    VariableNotText {
        /// Which.
        name: String,
    },
    /// What a service manager left in the environment cannot be read.
    #[error(
        "the environment variable {variable} cannot be read: {source}; it is the service manager's: unset it where none started this server"
    )]
    ServiceManager {
        /// Which.
        variable: &'static str,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A file that something names cannot be read.
    #[error("{what} {} cannot be read: {source}; {}", path.display(), remedy(source))]
    Unreadable {
        /// Who names it.
        what: String,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A path has no beginning.
    #[error("{what} cannot be placed because HOME is not set: {remedy}")]
    NoHome {
        /// What needs it.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A provider's entry does not say enough, or too much.
    #[error("`providers.{provider}`: {defect}")]
    Provider {
        /// Which.
        provider: ProviderId,
        /// What is wrong with it.
        defect: Defect,
    },
    /// What is where a secret should be cannot be one.
    #[error("`{setting}`: {fault}")]
    Secret {
        /// The setting that says where.
        setting: String,
        /// What is wrong.
        fault: Fault,
    },
    /// More than a server holds.
    #[error("{found} {what} are configured, and the most is {most}: remove some")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A script cannot be played.
    #[error(transparent)]
    Script(#[from] scripted::Error),
    /// A role names what is not configured.
    #[error(
        "`{place}` is `{found}`, which is no configured provider ({known}) and no model of one: correct \
         it, or add it under `providers`"
    )]
    UnknownModel {
        /// Where it is said.
        place: String,
        /// What it names.
        found: ModelName,
        /// The names that there are.
        known: String,
    },
    /// A role names a provider whose models nobody knows.
    #[error(
        "`{place}` names the provider `{provider}`, whose models are not known: {reason}; start its \
         server, or list its models under `providers.{provider}.models`"
    )]
    ModelsNotKnown {
        /// Where it is said.
        place: String,
        /// What it names.
        provider: ProviderId,
        /// Why its models are not known.
        reason: String,
    },
    /// One of the two files of TLS is not named.
    #[error("`server.tls.{missing}` is missing: TLS wants a certificate and its key; name both, or neither")]
    HalfOfTls {
        /// Which.
        missing: &'static str,
    },
    /// A file of TLS does not hold what it should.
    #[error("`server.tls.{key}` {}: {reason}", path.display())]
    BadTls {
        /// Which.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The folder for state cannot be made or used.
    #[error("the state folder {} cannot be used: {source}; choose another with --state-dir", path.display())]
    StateFolder {
        /// Which folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may look into the state folder, or into a key file.
    #[error(
        "{} is open to other users (mode {mode:03o}): run `chmod {wanted:03o} {}`, or choose another", path.display(),
        path.display()
    )]
    OpenToOthers {
        /// Which folder or file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The permissions that it should have.
        wanted: u32,
    },
    /// No socket can stand there.
    #[error(
        "the socket's path {} has {bytes} bytes, and the system takes {}: choose a shorter folder with --state-dir",
        path.display(), super::MAX_SOCKET_PATH_BYTES
    )]
    SocketTooLong {
        /// The socket's path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// Another server runs on the same state folder.
    #[error(
        "another server{} runs on the state folder {}: reach it with `impresario --state-dir {} workflows`, stop it, \
         or choose another folder with --state-dir", process.map(|id| format!(" (process {id})")).unwrap_or_default(),
        folder.display(), folder.display()
    )]
    Running {
        /// Its process id, where it could be read.
        process: Option<u32>,
        /// The folder.
        folder: PathBuf,
    },
    /// The fail-point cannot be set.
    #[error("IMPRESARIO_FAILPOINT is `{found}`: {rule}")]
    FailPoint {
        /// What it says.
        found: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A root cannot be registered.
    #[error("`workspaces.roots` or --root: {0}")]
    Roots(#[source] workspace::Error),
    /// A role asks for what is not there.
    #[error(transparent)]
    Routing(#[from] routing::Error),
    /// No client for providers can be made.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
}

/// What to do about a file that cannot be read.
const REMEDIES: [(io::ErrorKind, &str); 5] = [
    (io::ErrorKind::NotFound, "correct its path, or create it"),
    (io::ErrorKind::NotADirectory, "correct its path, or create it"),
    (io::ErrorKind::IsADirectory, "it is a folder: name the file in it"),
    (
        io::ErrorKind::PermissionDenied,
        "give the user that runs this the right to read it and to enter its folders",
    ),
    (io::ErrorKind::InvalidData, "save it as UTF-8 text"),
];

fn remedy(source: &io::Error) -> &'static str {
    let known = REMEDIES.iter().find(|(kind, _)| *kind == source.kind());
    known.map_or("correct its path, or look at its disk", |(_, remedy)| remedy)
}

/// What is wrong with a provider's entry.
#[derive(Debug, thiserror::Error)]
pub enum Defect {
    /// Nobody knows what it speaks.
    #[error("`kind` is missing: write anthropic, openai, gemini, openai_compatible or scripted")]
    NoKind,
    /// Nobody knows where it is.
    #[error("`base_url` is missing: write where its API is, for example http://127.0.0.1:8000/v1")]
    NoUrl,
    /// The vendor's API wants a key, and nobody says where it is.
    #[error(
        "`api_key` is missing: write {{env: NAME}}, {{file: PATH}} or {{command: [PROGRAM]}}, or a `base_url` that wants no key"
    )]
    NoKeyPlace,
    /// A script is wanted.
    #[error("`script` is missing: write the path of its rules")]
    NoScript,
    /// Only local servers are asked for their models.
    #[error("`models` is missing: name at least one; only servers on this machine are asked for theirs")]
    NoModels,
    /// A key that this kind has no use for.
    #[error("`{key}` means nothing for the kind {kind}: remove it")]
    Foreign {
        /// Which key.
        key: &'static str,
        /// The kind.
        kind: Kind,
    },
    /// A model comes twice.
    #[error("the model `{model}` comes twice: keep one")]
    Twice {
        /// Which.
        model: ModelName,
    },
    /// A price for a model that the script does not play.
    #[error("the script plays no model `{model}`: name it under `models` of the script, or remove it here")]
    NotPlayed {
        /// Which.
        model: ModelName,
    },
}
