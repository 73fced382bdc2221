//! What the fuzz targets found, and what they began with, held against the same laws.

#[path = "../../../fuzz/src/lib.rs"]
pub mod laws;

use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

#[test]
fn every_input_of_every_corpus_keeps_the_laws() {
    for (target, holds) in laws::TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let mut inputs: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            let data = std::fs::read(&input).unwrap();
            let kept = std::panic::catch_unwind(|| holds(&data));
            assert!(kept.is_ok(), "{} breaks a law", input.display());
        }
    }
}

#[test]
fn every_corpus_has_laws_and_a_program() {
    for folder in std::fs::read_dir(fuzz().join("corpus")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(laws::TARGETS.iter().any(|(target, _)| name == *target), "{name} has no laws");
        assert!(fuzz().join(format!("fuzz_targets/{name}.rs")).is_file(), "{name} has no program");
    }
}
