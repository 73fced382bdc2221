//! The shapes of keys that are known, wherever they stand.

use crate::REDACTED;

/// How vendors' keys begin, and how many characters follow at least.
const PREFIXES: [(&str, usize); 44] = [
    ("imp_", 12),
    ("sk-", 12),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("rk_live_", 8),
    ("pk_live_", 8),
    ("whsec_", 8),
    ("AIza", 30),
    ("ya29.", 12),
    ("GOCSPX-", 12),
    ("AKIA", 14),
    ("ASIA", 14),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 12),
    ("gldt-", 12),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxe-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 8),
    ("hf_", 16),
    ("gsk_", 16),
    ("xai-", 16),
    ("nvapi-", 16),
    ("pplx-", 16),
    ("r8_", 16),
    ("tgp_v1_", 12),
    ("fw_", 16),
    ("csk-", 16),
    ("npm_", 16),
    ("pypi-", 16),
    ("dop_v1_", 16),
    ("SG.", 16),
    ("shpat_", 16),
    ("lin_api_", 12),
    ("AGE-SECRET-KEY-", 12),
    (TOKEN, 24),
];
/// How a JSON Web Token begins.
const TOKEN: &str = "eyJ";
const PEM_BEGINS: &str = "-----BEGIN ";
const PEM_ENDS: &str = "-----END ";
const DASHES: &str = "-----";
const BEARER: &str = "bearer ";
/// The fewest characters behind `Bearer` that are no word.
const SHORTEST_BEARER: usize = 8;

/// The text without what has such a shape.
pub(super) fn blot(text: &str) -> String {
    userinfo(&bearers(&prefixed(&pems(text))))
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.~+/=".contains(c)
}

/// Private keys in PEM form, to their end or that of the text.
fn pems(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(begin) = rest.find(PEM_BEGINS) {
        let (before, block) = rest.split_at(begin);
        out.push_str(before);
        let label = &block[PEM_BEGINS.len()..];
        let label = &label[..label.find(DASHES).unwrap_or(label.len())];
        if !label.contains("PRIVATE KEY") {
            out.push_str(PEM_BEGINS);
            rest = &block[PEM_BEGINS.len()..];
            continue;
        }
        out.push_str(REDACTED);
        rest = block.find(PEM_ENDS).map_or("", |end| {
            let end = &block[end + PEM_ENDS.len()..];
            end.find(DASHES).map_or("", |dashes| &end[dashes + DASHES.len()..])
        });
    }
    out + rest
}

fn prefixed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied, mut before) = (0, 0, ' ');
    while let Some(c) = text[at..].chars().next() {
        let is_begin = !before.is_ascii_alphanumeric();
        // Tokens are long, and each is looked at once.
        let is_inside = before.is_ascii_alphanumeric() || "_-.".contains(before);
        match is_begin.then(|| key_length(&text[at..], is_inside)).flatten() {
            Some(length) => {
                out.push_str(&text[copied..at]);
                out.push_str(REDACTED);
                at += length;
                (copied, before) = (at, ' ');
            }
            None => {
                at += c.len_utf8();
                before = c;
            }
        }
    }
    out.push_str(&text[copied..]);
    out
}

/// The length of the key that the text begins with.
fn key_length(text: &str, is_inside: bool) -> Option<usize> {
    let (prefix, least) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix))?;
    if *prefix == TOKEN && is_inside {
        return None;
    }
    let tail = &text[prefix.len()..];
    let has_dots = matches!(*prefix, TOKEN | "SG." | "ya29." | "sk-");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || (has_dots && c == '.');
    let length = tail.find(|c| !is_part(c)).unwrap_or(tail.len());
    // A JSON Web Token has three parts; what else begins so is looked at as base64.
    let is_whole = *prefix != TOKEN || tail[..length].matches('.').count() >= 2;
    (length >= *least && is_whole).then_some(prefix.len() + length)
}

/// `Bearer` and what follows, unless that is a word.
fn bearers(text: &str) -> String {
    let small = text.to_ascii_lowercase();
    let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
    while let Some(found) = small[copied..].find(BEARER) {
        let begin = copied + found + BEARER.len();
        let begin = begin + text[begin..].bytes().take_while(|byte| *byte == b' ').count();
        let length = text[begin..].find(|c| !is_token(c)).unwrap_or(text.len() - begin);
        let token = &text[begin..begin + length];
        out.push_str(&text[copied..begin]);
        copied = begin;
        if length >= SHORTEST_BEARER && token.contains(|c: char| !c.is_ascii_lowercase()) {
            out.push_str(REDACTED);
            copied += length;
        }
    }
    out.push_str(&text[copied..]);
    out
}

/// `user:password@` of a URL.
fn userinfo(text: &str) -> String {
    let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
    while let Some(found) = text[copied..].find("://") {
        let begin = copied + found + 3;
        let ends = |c: char| c.is_whitespace() || "/?#\"'<>\\".contains(c);
        let authority = &text[begin..];
        let authority = &authority[..authority.find(ends).unwrap_or(authority.len())];
        out.push_str(&text[copied..begin]);
        copied = begin;
        if let Some(at) = authority.rfind('@').filter(|at| authority[..*at].contains(':')) {
            out.push_str(REDACTED);
            copied += at;
        }
    }
    out.push_str(&text[copied..]);
    out
}
