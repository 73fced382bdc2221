//! The workflow's behaviour through its public functions: tables, laws under a lawful but unlucky driver, and a
//! stored history that must stay readable.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml lets tests unwrap, but does not see that their drivers are tests too"
)]

mod abort;
mod arbitrary;
mod crew;
mod driver;
mod editing;
mod folding;
mod history;
mod laws;
mod planning;
mod reviewing;
mod run;
mod samples;
