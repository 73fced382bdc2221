//! What a rule is: a sentence, a remedy, a check on a tree, and samples of both kinds.

use crate::tree::Tree;

/// Files of a small tree: path and text.
pub(crate) type Sample = &'static [(&'static str, &'static str)];

/// One house rule.
pub(crate) struct Rule {
    pub(crate) says: &'static str,
    pub(crate) remedy: &'static str,
    pub(crate) check: fn(&Tree) -> Vec<Finding>,
    pub(crate) good: &'static [Sample],
    /// Where the sample breaks the rule first (`path:line`), and the sample.
    pub(crate) bad: &'static [(&'static str, Sample)],
}

/// A place that breaks a rule.
pub(crate) struct Finding {
    path: String,
    line: usize,
    found: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, found: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, found: found.into() }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }
}

impl Rule {
    /// Every place in the tree that breaks this rule, as text for a person.
    pub(crate) fn broken_in(&self, tree: &Tree) -> Vec<String> {
        let broken = (self.check)(tree);
        broken
            .iter()
            .map(|finding| {
                format!(
                    "{}: {}\n  rule: {}\n  do:   {}",
                    finding.place(),
                    finding.found,
                    self.says,
                    self.remedy
                )
            })
            .collect()
    }

    /// What is wrong with the rule itself, shown by its samples.
    pub(crate) fn faults_of_its_samples(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.good.is_empty() || self.bad.is_empty() {
            faults.push(format!("`{}` needs a good and a bad sample", self.says));
        }
        for sample in self.good {
            let found = (self.check)(&Tree::of_sample(sample));
            faults.extend(found.iter().map(|finding| {
                format!("`{}` refuses a good sample at {}: {}", self.says, finding.place(), finding.found)
            }));
        }
        for (place, sample) in self.bad {
            let first = (self.check)(&Tree::of_sample(sample)).first().map(Finding::place);
            if first.as_deref() != Some(*place) {
                faults.push(format!("`{}` should refuse {place}, but found {first:?}", self.says));
            }
        }
        faults
    }
}
