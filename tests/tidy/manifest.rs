//! Reads as much of a Cargo.toml as the rules need.

use crate::tree::File;

/// A key and its value, as they stand in the file.
pub(crate) struct Entry<'a> {
    pub(crate) line: usize,
    pub(crate) section: &'a str,
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// A package that another one depends on.
pub(crate) struct Dependency<'a> {
    pub(crate) line: usize,
    pub(crate) name: &'a str,
    pub(crate) for_tests: bool,
    pub(crate) from_workspace: bool,
}

/// The entries of a manifest; the lines of an array that goes on are no entries.
pub(crate) fn entries(manifest: &File) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut open_brackets = 0_isize;
    let mut entries = Vec::new();
    for (index, line) in manifest.text.lines().enumerate() {
        let line = line.split_once(" #").map_or(line, |(before, _)| before).trim();
        let goes_on = open_brackets > 0;
        if !goes_on && line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        open_brackets += line.matches('[').count() as isize - line.matches(']').count() as isize;
        if let Some((key, value)) = line.split_once('=').filter(|_| !goes_on && !line.starts_with('#')) {
            entries.push(Entry { line: index + 1, section, key: key.trim(), value: value.trim() });
        }
    }
    entries
}

/// What a package depends on, whichever way it is written.
pub(crate) fn dependencies(manifest: &File) -> Vec<Dependency<'_>> {
    let of_packages = entries(manifest).into_iter().filter(|entry| !entry.section.starts_with("workspace"));
    of_packages
        .filter_map(|entry| {
            let (table, rest) = entry.section.split_once("dependencies")?;
            let in_section = rest.strip_prefix('.');
            let (name, field) = match in_section {
                Some(name) => (name, entry.key),
                None => entry.key.split_once('.').unwrap_or((entry.key, "")),
            };
            let inherits = entry.value.replace(' ', "").contains("workspace=true");
            let says_so = inherits || (field == "workspace" && entry.value == "true");
            // In a section of its own, only the keys that choose a version matter.
            let is_extra = in_section.is_some() && !matches!(field, "workspace" | "version" | "git" | "path");
            (!is_extra).then_some(Dependency {
                line: entry.line,
                name,
                for_tests: table.ends_with("dev-"),
                from_workspace: says_so,
            })
        })
        .collect()
}

/// What the package's manifest says of its floor: `thinks` or `touches`.
pub(crate) fn floor_kind(manifest: &File) -> Option<&str> {
    let entry = entries(manifest).into_iter().find(|entry| match entry.section {
        "package.metadata.floor" => entry.key == "kind",
        "package.metadata" => entry.key == "floor.kind",
        _ => false,
    })?;
    Some(entry.value.trim_matches('"'))
}

#[test]
fn reads_dependencies_in_every_form() {
    let text = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\n  \"x = 1\",\n] }\nc = \"1\" # why\n\n[dev-dependencies]\nd = { version = \"2\" }\n\n[dependencies.e]\nversion = \"3\"\nfeatures = []\n\n[target.'cfg(loom)'.dependencies]\nf.workspace = true\n\n[workspace.dependencies]\ng = \"1\"\n";
    let tree = crate::tree::Tree::of_sample(&[("crates/a/Cargo.toml", text)]);
    let found: Vec<(usize, &str, bool, bool)> = tree
        .manifests()
        .flat_map(dependencies)
        .map(|found| (found.line, found.name, found.for_tests, found.from_workspace))
        .collect();
    assert_eq!(
        found,
        [
            (2, "a", false, true),
            (3, "b", false, true),
            (6, "c", false, false),
            (9, "d", true, false),
            (12, "e", false, false),
            (16, "f", false, true),
        ]
    );
}
