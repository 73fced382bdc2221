//! From a reviewer's answer to a review, or to all that is wrong with it.

use serde::Deserialize;
use serde_json::Value;

use crate::{Defect, Error, Finding, Review, Severity, Verdict};

/// The most findings of a review.
pub const MAX_FINDINGS: usize = 100;
/// The longest summary, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 4 * 1024;
/// The longest title of a finding, in bytes.
pub const MAX_TITLE_BYTES: usize = 300;
/// The longest detail of a finding, in bytes.
pub const MAX_DETAIL_BYTES: usize = 8 * 1024;

/// The outermost object; verdict and findings stay unread, so that one bad part does not hide the others' defects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    verdict: Value,
    summary: String,
    #[serde(default)]
    findings: Vec<Value>,
}

pub(crate) fn review(answer: &str) -> Result<Review, Error> {
    let only = |defect| Error { defects: vec![defect] };
    let json = answers::json(answer).map_err(|error| only(error.into()))?;
    let raw: Raw = serde_json::from_value(json).map_err(|error| {
        only(Defect::Shape { place: "the review".to_owned(), message: answers::brief(&error) })
    })?;
    if raw.findings.len() > MAX_FINDINGS {
        return Err(only(Defect::TooManyFindings { found: raw.findings.len(), limit: MAX_FINDINGS }));
    }
    let mut defects = Vec::new();
    let verdict: Option<Verdict> = read(&mut defects, "`verdict`".to_owned(), raw.verdict);
    check_text(&mut defects, "`summary`".to_owned(), &raw.summary, MAX_SUMMARY_BYTES);
    let requested = raw.findings.len();
    let mut findings = Vec::with_capacity(requested);
    for (index, value) in raw.findings.into_iter().enumerate() {
        let place = format!("findings[{index}]");
        if let Some(finding) = read::<Finding>(&mut defects, place.clone(), value) {
            check(&mut defects, &place, &finding);
            if verdict == Some(Verdict::Approve) && finding.severity == Severity::Error {
                defects.push(Defect::ApprovedError { place });
            }
            findings.push(finding);
        }
    }
    if verdict == Some(Verdict::RequestChanges) && requested == 0 {
        defects.push(Defect::NothingToActOn);
    }
    match verdict {
        Some(verdict) if defects.is_empty() => Ok(Review { verdict, summary: raw.summary, findings }),
        Some(_) | None => Err(Error { defects }),
    }
}

fn read<T: serde::de::DeserializeOwned>(defects: &mut Vec<Defect>, place: String, value: Value) -> Option<T> {
    match serde_json::from_value(value) {
        Ok(read) => Some(read),
        Err(error) => {
            defects.push(Defect::Shape { place, message: answers::brief(&error) });
            None
        }
    }
}

fn check(defects: &mut Vec<Defect>, place: &str, finding: &Finding) {
    if let Err(fault) = answers::check_path(&finding.path) {
        defects.push(Defect::BadPath { place: place.to_owned(), fault });
    }
    if finding.line == Some(0) {
        defects.push(Defect::LineZero { place: place.to_owned() });
    }
    check_text(defects, format!("{place}, `title`"), &finding.title, MAX_TITLE_BYTES);
    check_text(defects, format!("{place}, `detail`"), &finding.detail, MAX_DETAIL_BYTES);
}

fn check_text(defects: &mut Vec<Defect>, place: String, text: &str, limit: usize) {
    if let Err(fault) = answers::check_text(text, limit) {
        defects.push(Defect::BadText { place, fault });
    }
}
