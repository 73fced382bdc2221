//! Prompt templates: read from YAML, checked when they are read, rendered with named inputs.
//!
//! Values are never compiled as templates, and what is not to be trusted stands between tags that do not occur in it.

mod catalogue;
mod embedded;
mod error;
mod fence;
mod render;

pub use catalogue::{Catalogue, FAMILIES, Input, MAX_TEMPLATES, Template};
pub use embedded::FILES;
pub use error::{Error, Part};
pub use render::{FUEL, MAX_OUTPUT_BYTES, Rendered};

#[cfg(test)]
mod tests;
