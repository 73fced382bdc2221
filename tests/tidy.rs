//! The house rules as tests: every rule of STYLE.md and every invariant of ARCHITECTURE.md that text can show.
//!
//! A rule is a row in a table: what it says, what to do about it, how it is checked, and samples that it must accept
//! and refuse. The samples are run too, so that no rule is one that cannot fail.

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/manifest.rs"]
mod manifest;
#[path = "tidy/owners.rs"]
mod owners;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/rule.rs"]
mod rule;
#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/tree.rs"]
mod tree;

use std::path::Path;

use rule::Rule;
use tree::Tree;

const TABLES: [&[Rule]; 6] =
    [shape::RULES, floors::RULES, owners::RULES, habits::RULES, packages::RULES, papers::RULES];

fn assert_kept(rules: &[Rule]) {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let broken: Vec<String> = rules.iter().flat_map(|rule| rule.broken_in(&tree)).collect();
    assert!(broken.is_empty(), "{} places break a house rule:\n\n{}\n", broken.len(), broken.join("\n"));
}

#[test]
fn files_have_the_shape_and_the_names_of_the_house() {
    assert_kept(shape::RULES);
}

#[test]
fn no_floor_names_what_stands_above_it() {
    assert_kept(floors::RULES);
}

#[test]
fn what_has_one_owner_is_named_by_no_other() {
    assert_kept(owners::RULES);
}

#[test]
fn code_keeps_the_habits_of_the_house() {
    assert_kept(habits::RULES);
}

#[test]
fn packages_inherit_from_the_workspace() {
    assert_kept(packages::RULES);
}

#[test]
fn documents_and_data_match_the_tree() {
    assert_kept(papers::RULES);
}

#[test]
fn every_rule_accepts_its_good_samples_and_refuses_its_bad_ones() {
    let faults: Vec<String> =
        TABLES.into_iter().flatten().flat_map(|rule| rule.faults_of_its_samples()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_whole_tree_is_read() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    for path in
        ["Cargo.toml", "src/lib.rs", "actors/lib.rs", "crates/units/src/lib.rs", ".ci/run", "tests/tidy.rs"]
    {
        assert!(tree.file(path).is_some(), "the walk missed {path}");
    }
}
