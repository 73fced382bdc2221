//! `config`: the settings as they are in force, and what is wrong with them.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::screen::Screen;
use super::{End, printable, refuse, standing};
use crate::config::{self, Checked, Flags};

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Order {
    /// Print the effective values, each with where it comes from; never a key.
    Print {
        /// YAML can be saved as a configuration file.
        #[arg(long, value_enum, default_value_t = Format::Yaml)]
        format: Format,
    },
    /// Show which configuration the running server has in force, why the last reload failed, and what waits for a restart.
    Status,
    /// Check the configuration and tell everything that is wrong with it; exit code 0 when nothing is, else 2.
    Check {
        /// The configuration file, in place of the usual one.
        file: Option<PathBuf>,
    },
}

/// How values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// YAML, with comments.
    Yaml,
    /// One JSON object.
    Json,
}

/// Looks at the configuration; starts nothing.
///
/// # Errors
/// When it cannot be printed.
pub(crate) async fn look(screen: &Screen, flags: Flags, order: Order) -> anyhow::Result<End> {
    match order {
        Order::Status => standing::show(screen, &flags).await,
        Order::Print { format } => {
            let values = match format {
                Format::Yaml => config::print(&flags),
                Format::Json => config::print_json(&flags),
            };
            io::stdout().write_all(values.map_err(refuse)?.as_bytes())?;
            Ok(End::Done)
        }
        Order::Check { file } => {
            let config = file.or_else(|| flags.config.clone());
            let checked = config::check(&Flags { config, ..flags });
            io::stdout().write_all(told(&checked).as_bytes())?;
            Ok(if checked.faults.is_empty() { End::Done } else { End::Refused })
        }
    }
}

fn told(Checked { layers, faults, notes }: &Checked) -> String {
    let mut text = String::new();
    let mut line = |begin: &str, words: &str| {
        writeln!(text, "{begin}{}", printable::line(words)).expect("a String takes all text");
    };
    for fault in faults {
        line("error: ", fault);
    }
    for note in notes {
        line("note: ", note);
    }
    match faults.len() {
        0 => line("", &format!("the configuration is good; checked: {}", layers.join(", "))),
        1 => line("", "1 error"),
        more => line("", &format!("{more} errors")),
    }
    text
}
