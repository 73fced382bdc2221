//! `doctor`: what keeps a server from running well here, and what to do about it.

use std::io::{self, Write as _};

use clap::ValueEnum;

use super::End;
use super::screen::Screen;
use super::story::{Line, Mark};
use crate::config::Flags;
use crate::doctor::{self, Finding, Verdict};

/// How findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// Looks at everything; ends with 1 where something fails.
///
/// # Errors
/// When nobody reads any more.
pub(crate) async fn look(screen: &Screen, flags: &Flags, format: Format) -> anyhow::Result<End> {
    let launcher = std::env::current_exe()?;
    let findings = doctor::examine(flags, &launcher).await;
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&serde_json::json!({ "findings": findings }))?;
            writeln!(io::stdout(), "{text}")?;
        }
        Format::Text => {
            for finding in &findings {
                screen.line(&line(finding))?;
            }
            screen.say(&summary(&findings))?;
        }
    }
    let fails = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if fails { End::Failed } else { End::Done })
}

fn line(Finding { about, verdict, text, remedy }: &Finding) -> Line {
    let (mark, word) = match verdict {
        Verdict::Ok => (Mark::Done, "ok  "),
        Verdict::Warn => (Mark::Attention, "warn"),
        Verdict::Fail => (Mark::Failed, "fail"),
    };
    let details = remedy.iter().map(|remedy| format!("→ {remedy}")).collect();
    Line::new(mark, format!("{word} {about:<13} {text}")).with(details)
}

fn summary(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "nothing is to be done".to_owned(),
        (0, warnings) => format!("a server runs here; warnings: {warnings}"),
        (failures, warnings) => format!("failures: {failures}; warnings: {warnings}"),
    }
}
