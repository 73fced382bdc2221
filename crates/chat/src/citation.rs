//! Where something in an answer's text comes from.

use serde::{Deserialize, Serialize};

/// A page that something in an answer's text comes from. It is told after the text that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Where the page is.
    pub url: String,
    /// What it is called.
    pub title: Option<String>,
    /// Its own words.
    pub quoted: Option<String>,
    /// The first character that it is about, counted from 0 in all of the answer's text joined.
    pub from: u64,
    /// The first character after that.
    pub to: u64,
}
