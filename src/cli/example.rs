//! The example project and the script of its models, as every binary carries them.

use std::path::Path;

/// The project's files, by their path beneath its folder.
pub(crate) const FILES: &[(&str, &str)] = &[
    (".gitignore", include_str!("../../examples/unitwise/.gitignore")),
    ("Cargo.lock", include_str!("../../examples/unitwise/Cargo.lock")),
    ("Cargo.toml", include_str!("../../examples/unitwise/Cargo.toml")),
    ("README.md", include_str!("../../examples/unitwise/README.md")),
    ("src/duration.rs", include_str!("../../examples/unitwise/src/duration.rs")),
    ("src/error.rs", include_str!("../../examples/unitwise/src/error.rs")),
    ("src/lib.rs", include_str!("../../examples/unitwise/src/lib.rs")),
    ("src/scan.rs", include_str!("../../examples/unitwise/src/scan.rs")),
    ("src/size.rs", include_str!("../../examples/unitwise/src/size.rs")),
    ("tests/refusals.rs", include_str!("../../examples/unitwise/tests/refusals.rs")),
];

/// What the demo's models answer.
pub(crate) const SCRIPT: &str = include_str!("../../examples/demo.yaml");

/// Writes the project into `folder`, which is made.
///
/// # Errors
/// When a file or folder cannot be written.
pub(crate) fn unpack(folder: &Path) -> std::io::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
