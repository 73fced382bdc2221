//! Which server a command asks where it is not the one on the state folder, and with which key.
//!
//! The key comes from a variable alone: what stands on a command line is seen by everybody on the machine.

use std::path::PathBuf;

use reqwest::Url;
use secrets::Secret;

use super::Error;
use super::environment::{CA_FILE, Environment, KEY, SERVER};
use crate::http::is_loopback;

/// What the command line says of it; the default says nothing.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// The server's address, in place of the variable's.
    pub server: Option<String>,
    /// CA certificates that are trusted beside the machine's own, in place of the variable's.
    pub ca_file: Option<PathBuf>,
    /// How a key may travel.
    pub way: Way,
}

/// How a key may travel to another machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Over TLS alone.
    #[default]
    Encrypted,
    /// As it is too: something else encrypts, or nobody listens.
    Plaintext,
}

/// A server that is asked over TCP.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Scheme, host and port; no `/` at the end.
    pub origin: String,
    /// What opens it.
    pub key: Option<Secret>,
    /// CA certificates that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// Why a server cannot be asked; an address is not repeated where it might hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BadRemote {
    /// No address of a server.
    #[error(
        "the server's address (`--server`, or the variable {SERVER}) is none: {reason}; write https://NAME:PORT"
    )]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// Everybody between here and there could take the key.
    #[error(
        "nothing encrypts the way to {origin}, and the key in the variable {KEY} would cross the network as it is: write \
         https://, or say `--plaintext` where something else encrypts"
    )]
    Plaintext {
        /// Where it would go.
        origin: String,
    },
    /// No text of a key.
    #[error("the variable {KEY} holds no key: it begins with imp_ and has no spaces (its text is not shown)")]
    Key,
}

/// The server that flags or variables name, if they do.
pub(super) fn find(flags: &Elsewhere, environment: &Environment) -> Result<Option<Remote>, Error> {
    let Some(text) =
        flags.server.as_deref().map_or_else(|| environment.text(SERVER), |text| Ok(Some(text)))?
    else {
        return Ok(None);
    };
    let url = address(text).map_err(|reason| BadRemote::Address { reason })?;
    let origin = url.origin().ascii_serialization();
    let key = environment.text(KEY)?.map(key).transpose()?;
    let is_safe = url.scheme() == "https" || is_here(&url) || flags.way == Way::Plaintext;
    if key.is_some() && !is_safe {
        return Err(BadRemote::Plaintext { origin }.into());
    }
    let ca_file = flags.ca_file.clone().or_else(|| environment.get(CA_FILE).map(PathBuf::from));
    Ok(Some(Remote { origin, key, ca_file }))
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it begins neither with https:// nor with http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("it holds a name or a password; a key goes into the variable {KEY}"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("something follows the port".to_owned());
    }
    Ok(url)
}

/// Whether what is sent there stays on this machine; a name other than `localhost` may lead anywhere.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(is_loopback)
}

fn key(text: &str) -> Result<Secret, BadRemote> {
    let secret = Secret::try_new(text).map_err(|_| BadRemote::Key)?;
    let is_key =
        secret.expose().starts_with("imp_") && secret.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if is_key { Ok(secret) } else { Err(BadRemote::Key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "imp_0123456789ab_secret";

    fn found(server: &str, key: &str, way: Way) -> Result<Option<Remote>, Error> {
        let environment: Environment = [(SERVER, server), (KEY, key)].into_iter().collect();
        find(&Elsewhere { way, ..Elsewhere::default() }, &environment)
    }

    #[test]
    fn a_flag_goes_before_a_variable_and_nothing_names_none() {
        assert!(found("", SECRET, Way::Encrypted).unwrap().is_none());
        let environment: Environment =
            [(SERVER, "https://a.example"), (CA_FILE, "a.pem")].into_iter().collect();
        let of = |flags: &Elsewhere| find(flags, &environment).unwrap().unwrap();
        let remote = of(&Elsewhere::default());
        assert_eq!((remote.origin.as_str(), remote.ca_file), ("https://a.example", Some("a.pem".into())));
        let flags = Elsewhere {
            server: Some("https://b.example:7300/".to_owned()),
            ca_file: Some("b.pem".into()),
            ..Elsewhere::default()
        };
        let remote = of(&flags);
        assert_eq!(
            (remote.origin.as_str(), remote.ca_file),
            ("https://b.example:7300", Some("b.pem".into()))
        );
    }

    #[test]
    fn a_key_goes_to_other_machines_over_tls_alone_unless_it_is_meant() {
        for (server, goes) in [
            ("https://build.example", true),
            ("http://127.0.0.1:7300", true),
            ("http://[::1]:7300", true),
            ("http://localhost:7300", true),
            ("http://build.example:7300", false),
            ("http://localhost.example", false),
            ("http://192.0.2.1", false),
        ] {
            let encrypted = found(server, SECRET, Way::Encrypted);
            assert_eq!(encrypted.is_ok(), goes, "{server}");
            if let Err(error) = encrypted {
                assert!(error.to_string().contains("--plaintext") && !error.to_string().contains(SECRET));
            }
            assert!(found(server, SECRET, Way::Plaintext).is_ok(), "{server}");
            assert!(found(server, "", Way::Encrypted).is_ok(), "{server} without a key");
        }
    }

    #[test]
    fn what_is_no_address_or_no_key_is_told_without_its_text() {
        for (server, words) in [
            ("build.example:7300", "neither"),
            ("ftp://build.example", "neither"),
            ("https://me:hush@build.example", "IMPRESARIO_KEY"),
            ("https://build.example/v1", "follows"),
            ("https://", "empty host"),
        ] {
            let told = found(server, "", Way::Encrypted).unwrap_err().to_string();
            assert!(told.contains(words) && !told.contains("hush"), "{told}");
        }
        let told = found("https://a.example", "hush hush", Way::Encrypted).unwrap_err().to_string();
        assert!(told.contains("holds no key") && !told.contains("hush"), "{told}");
        let remote = found("https://a.example", SECRET, Way::Encrypted).unwrap();
        assert!(!format!("{remote:?}").contains("secret\""), "{remote:?}");
    }
}
