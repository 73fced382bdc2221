//! A script, and which of its rules answers a question.

use chat::{Part, Request};
use regex::{Regex, RegexBuilder};
use units::ModelName;

use crate::answer::Step;
use crate::error::{Error, NoRule};
use crate::rule::{Condition, Document, Fault, Rule, Written};

/// The most rules a script may have.
const MAX_RULES: usize = 1_000;
/// The most memory one compiled regex may take, in bytes.
const MAX_REGEX_BYTES: usize = 1024 * 1024;
/// The longest wait or retry hint, in seconds.
const MAX_WAIT_S: u64 = 3_600;
/// How much of a prompt an error shows, in characters.
const SHOWN_PROMPT: usize = 200;

/// Rules, checked and compiled.
#[derive(Debug)]
pub struct Script {
    name: String,
    models: Vec<ModelName>,
    rules: Vec<Compiled>,
}

/// Who asks which model for what.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The role that asks: `planner`, `editor`, `reviewer` or another.
    pub role: &'a str,
    /// The model that is asked.
    pub model: &'a ModelName,
    /// What it is asked.
    pub request: &'a Request,
}

#[derive(Debug)]
struct Compiled {
    condition: Condition,
    regex: Option<Regex>,
    answer: Written,
}

impl Script {
    /// Reads a script; `name` is its file's name, for errors.
    ///
    /// # Errors
    /// What is wrong with it and in which rule, counted from 1.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let Document { mut models, rules } = yaml::from_str::<Document>(name, text)?;
        if !(1..=MAX_RULES).contains(&rules.len()) {
            return Err(Error::RuleCount { script: name.to_owned(), found: rules.len(), limit: MAX_RULES });
        }
        if models.is_empty() {
            models.push("scripted".parse().expect("the word is a valid model name"));
        }
        let rules =
            (1..).zip(rules).map(|(number, rule)| compile(name, number, rule)).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), models, rules })
    }

    /// The models it plays: `models` of the YAML, else one that is called `scripted`.
    pub fn models(&self) -> &[ModelName] {
        &self.models
    }

    /// What happens on the stream: the steps of the first rule that matches.
    ///
    /// # Errors
    /// When no rule matches; it shows what a rule would have to match.
    pub fn answer(&self, question: &Question<'_>) -> Result<Vec<Step>, NoRule> {
        let prompt = prompt(question.request);
        let rule = self.rules.iter().find(|rule| rule.matches(question, &prompt)).ok_or_else(|| NoRule {
            script: self.name.clone(),
            role: question.role.to_owned(),
            model: question.model.clone(),
            prompt: prompt.chars().take(SHOWN_PROMPT).collect(),
        })?;
        Ok(rule.answer.steps(prompt.len()))
    }
}

impl Compiled {
    fn matches(&self, question: &Question<'_>, prompt: &str) -> bool {
        let Condition { role, model, prompt: wanted } = &self.condition;
        role.as_ref().is_none_or(|role| role == question.role)
            && model.as_ref().is_none_or(|model| model == question.model)
            && wanted.contains.iter().all(|text| prompt.contains(text.as_str()))
            && !wanted.lacks.iter().any(|text| prompt.contains(text.as_str()))
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(prompt))
    }
}

fn compile(script: &str, number: usize, rule: Rule) -> Result<Compiled, Error> {
    check(script, number, &rule.answer)?;
    let build = |pattern: &String| {
        RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).dfa_size_limit(MAX_REGEX_BYTES).build()
    };
    let regex = rule.condition.prompt.regex.as_ref().map(build).transpose().map_err(|source| {
        Error::Regex { script: script.to_owned(), rule: number, source: Box::new(source) }
    })?;
    Ok(Compiled { condition: rule.condition, regex, answer: rule.answer })
}

fn check(script: &str, rule: usize, answer: &Written) -> Result<(), Error> {
    let (status, retry_after_s) = match &answer.fault {
        Some(Fault::Status { status, retry_after_s, .. }) => (u64::from(*status), retry_after_s.unwrap_or(0)),
        Some(Fault::Cut { .. } | Fault::Hang { .. }) | None => (500, 0),
    };
    let numbers = [
        ("piece_bytes", answer.piece_bytes, 1, yaml::MAX_BYTES as u64),
        ("first_byte_ms", answer.first_byte_ms, 0, MAX_WAIT_S * 1_000),
        ("between_pieces_ms", answer.between_pieces_ms, 0, MAX_WAIT_S * 1_000),
        ("status", status, 400, 599),
        ("retry_after_s", retry_after_s, 0, MAX_WAIT_S),
    ];
    match numbers.into_iter().find(|(_, found, least, most)| !(least..=most).contains(&found)) {
        Some((key, found, least, most)) => {
            Err(Error::OutOfBounds { script: script.to_owned(), rule, key, found, least, most })
        }
        None => Ok(()),
    }
}

/// All that the model would read, as one text.
fn prompt(request: &Request) -> String {
    let parts = request.system.iter().chain(request.turns.iter().flat_map(|turn| &turn.parts));
    let texts = parts.flat_map(|part| {
        if let Part::ToolResult(result) = part { &result.content } else { std::slice::from_ref(part) }
    });
    let texts = texts.filter_map(Part::as_text);
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
