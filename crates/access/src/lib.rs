//! Who may do what: scopes, keys, what a key grants, and who asks.
//!
//! A key's secret is known to its holder alone; what is kept is its SHA-256. It has 160 random bits, so that nobody can
//! try them out, and a slow hash would only slow each request down. Nothing here reads a clock, draws a random number or
//! keeps a secret for longer than a call.

mod error;
mod grant;
mod key;
mod keyring;
mod models;
mod principal;
mod scope;

pub use error::Error;
pub use grant::{Grant, MAX_MODELS, MAX_NAME_BYTES, MAX_ROOT_BYTES, MAX_ROOTS, MAX_TAG_BYTES, MAX_TAGS};
pub use key::{Digest, Key, Presented, SECRET_BYTES, looks_like_a_key};
pub use keyring::{Invalid, Keyring, MAX_KEYS, Record, USED_EVERY_MS};
pub use models::{ModelRule, Models};
pub use principal::{Principal, Requester};
pub use scope::{Scope, Scopes};
