//! Builds the crate anew when a migration is added: the embedding macro sees only the files that it already knows.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
