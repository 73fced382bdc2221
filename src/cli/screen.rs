//! Where news is shown: a terminal with a line for each step under way, or plain lines for a file or another program.
//!
//! All text that a person sees passes through here and is made printable.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use console::{StyledObject, Term, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printable;
use super::story::{Line, Mark, Told};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);
/// The most lines of one text that are shown, such as a diff.
const MAX_LINES: usize = 5_000;
/// How wide a step's name is made, so that what it does stands in one column.
const LABEL: usize = 22;
/// What else a live line takes, in columns: the spinner, blanks, and the `^C` that a terminal writes behind it, which
/// must not begin a new line.
const BESIDE: usize = 8;

/// The one place where news is shown.
pub(crate) struct Screen {
    out: Term,
    progress: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    live: bool,
}

impl Screen {
    /// The screen of this process. Live lines are drawn only on a terminal.
    pub(crate) fn new() -> Self {
        Self::on(Term::stdout())
    }

    fn on(out: Term) -> Self {
        let live = out.features().is_attended() && !console::is_dumb();
        let target = if live { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        Self { out, progress: MultiProgress::with_draw_target(target), bars: BTreeMap::new(), live }
    }

    /// What the log has to step aside for.
    pub(crate) fn progress(&self) -> &MultiProgress {
        &self.progress
    }

    /// Shows what is told.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn tell(&mut self, told: Told) -> io::Result<()> {
        match told {
            Told::Line(line) => self.line(&line),
            Told::Begins { step, label } if self.live => {
                let bar = self.progress.add(ProgressBar::new_spinner().with_style(spinner()));
                bar.set_prefix(printable::line(&label));
                bar.enable_steady_tick(TICK);
                self.bars.insert(step, bar);
                Ok(())
            }
            Told::Begins { step: _, label } => self.line(&Line::new(Mark::Said, format!("{label} …"))),
            Told::Notes { step, text } => {
                if let Some(bar) = self.bars.get(&step) {
                    let columns = usize::from(self.out.size().1).saturating_sub(LABEL + BESIDE);
                    bar.set_message(printable::line(&text).chars().take(columns).collect::<String>());
                }
                Ok(())
            }
            Told::Ends { step } => {
                if let Some(bar) = self.bars.remove(&step) {
                    bar.finish_and_clear();
                    self.progress.remove(&bar);
                }
                Ok(())
            }
        }
    }

    /// Shows a line and what belongs below it.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn line(&self, line: &Line) -> io::Result<()> {
        let mut text = format!("{} {}\n", mark(line.mark), printable::line(&line.text));
        for detail in &line.details {
            text.push_str(&format!("    {}\n", style(printable::line(detail)).dim()));
        }
        self.write(&text)
    }

    /// Shows a plain line.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{}\n", printable::line(text)))
    }

    /// Shows a heading with an empty line before it.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn heading(&self, text: &str) -> io::Result<()> {
        self.write(&format!("\n{}\n", style(printable::line(text)).bold()))
    }

    /// Shows a unified diff, coloured where colours are on.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn diff(&self, diff: &str) -> io::Result<()> {
        let shown: String = printable::lines(diff, MAX_LINES).into_iter().map(diff_line).collect();
        self.write(&shown)
    }

    /// Takes what is live off the screen.
    pub(crate) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.bars).into_values() {
            bar.finish_and_clear();
            self.progress.remove(&bar);
        }
    }

    /// What is live steps aside meanwhile.
    fn write(&self, text: &str) -> io::Result<()> {
        self.progress.suspend(|| {
            let mut out = &self.out;
            out.write_all(text.as_bytes())?;
            out.flush()
        })
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template(&format!("{{spinner:.cyan}} {{prefix:{LABEL}}} {{msg:.dim}}"))
        .expect("the template is a constant that the tests draw")
}

fn mark(mark: Mark) -> StyledObject<&'static str> {
    match mark {
        Mark::Said => style("·").dim(),
        Mark::Done => style("✓").green(),
        Mark::Failed => style("✗").red(),
        Mark::Undone => style("↺").yellow(),
        Mark::Attention => style("!").red().bold(),
    }
}

fn diff_line(line: String) -> String {
    let styled = match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => style(line).bold(),
        [b'+', ..] => style(line).green(),
        [b'-', ..] => style(line).red(),
        [b'@', ..] => style(line).cyan(),
        _ => style(line),
    };
    format!("{styled}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen that is a file, and what was written to it.
    fn file() -> (Screen, impl Fn() -> String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || std::fs::OpenOptions::new().read(true).append(true).open(file.path()).unwrap();
        let screen = Screen::on(Term::read_write_pair(open(), open()));
        (screen, move || std::fs::read_to_string(file.path()).unwrap())
    }

    #[test]
    fn without_a_terminal_there_are_plain_lines_whatever_a_model_writes() {
        console::set_colors_enabled(false);
        let (mut screen, written) = file();
        let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\rb\u{8}\u{9b}1A\u{202e}end";
        let (step, label) = ("edit/a/1".to_owned(), format!("edit {evil}"));
        screen.tell(Told::Begins { step: step.clone(), label }).unwrap();
        screen.tell(Told::Notes { step: step.clone(), text: "is not worth a line".to_owned() }).unwrap();
        screen.tell(Told::Ends { step }).unwrap();
        let line = Line::new(Mark::Failed, format!("no: {evil}")).with(vec![evil.to_owned()]);
        screen.tell(Told::Line(line)).unwrap();
        screen.heading(evil).unwrap();
        screen.say(evil).unwrap();
        screen.diff(&format!("+{evil}\n same\n")).unwrap();
        screen.clear();
        let written = written();
        assert_eq!(written.lines().filter(|line| line.contains("end")).count(), 6, "{written}");
        assert!(written.contains("· edit") && written.contains("✗ no: ") && written.contains("\n same\n"));
        assert!(!written.contains("worth"), "{written}");
        assert!(!written.chars().any(|c| c.is_control() && c != '\n'), "{written:?}");
    }

    #[test]
    fn the_spinner_can_be_drawn() {
        let _ = spinner();
    }

    #[test]
    fn a_diff_keeps_its_lines() {
        console::set_colors_enabled(false);
        let shown: String = ["--- a/x", "+++ b/x", "@@ -1 +1 @@", "-old", "+new", " same"]
            .into_iter()
            .map(|line| diff_line(line.to_owned()))
            .collect();
        assert_eq!(shown, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n");
    }
}
