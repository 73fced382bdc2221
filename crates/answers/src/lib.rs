//! What a model's answer is made of, whoever asked: the JSON in it, its texts and the paths that it names.
//!
//! Every refusal is worded for the model that is asked again.

mod json;
mod path;
mod text;

pub use json::{Error, MAX_BYTES, json};
pub use path::{BadPath, MAX_PATH_BYTES, check_path};
pub use text::{BadText, SHOWN_DEFECTS, brief, check_text, write_defects};
