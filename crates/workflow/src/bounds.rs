//! How large what comes from people, models and the world may be, and how it is cut.

/// The longest goal, in bytes; a longer one is refused.
pub const MAX_GOAL_BYTES: usize = 32 * 1024;
/// The most bytes of a workspace's check command, all words together.
pub const MAX_CHECK_BYTES: usize = 8 * 1024;
/// The longest path of a workspace's root, in bytes; a longer one is refused.
pub(crate) const MAX_ROOT_BYTES: usize = 4096;
/// The longest transaction id, in bytes; a longer one is refused.
pub(crate) const MAX_TRANSACTION_BYTES: usize = 128;
/// The longest name of who aborts, in bytes; a longer one is cut.
pub(crate) const MAX_NAME_BYTES: usize = 256;
/// The longest reason, in bytes; a longer one is cut at its end.
pub const MAX_REASON_BYTES: usize = 8 * 1024;
/// The longest output of a validation, in bytes; a longer one is cut in its middle.
pub const MAX_OUTPUT_BYTES: usize = 16 * 1024;
/// The largest answer of a model, in bytes. JSON escapes a byte by six at most, so that it fits into an event.
pub const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// The largest event as JSON, in bytes.
pub const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;
/// The most turns of one attempt's conversation.
pub const MAX_TURNS: u32 = 100;
/// The most that a setting may allow.
pub const MAX_LIMIT: u32 = 100;
/// How often a reviewer is asked in one round until the answer is a review.
pub const REVIEW_ATTEMPTS: u32 = 3;
/// The most paths that a rejection or a conflict names.
pub(crate) const MAX_PATHS: usize = 200;
/// The longest path, in bytes.
pub(crate) const MAX_PATH_BYTES: usize = 1024;

const NOTE: &str = "\n[cut here: it was too long]\n";

/// The beginning of `text`, `max` bytes at most, its note included.
pub(crate) fn cut_end(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(max.saturating_sub(NOTE.len()));
    format!("{}{NOTE}", &text[..head])
}

/// The beginning and the end of `text`: build tools say what matters at either.
pub(crate) fn cut_middle(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let half = max.saturating_sub(NOTE.len()) / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}{NOTE}{}", &text[..head], &text[tail..])
}

/// A reason, cut.
pub(crate) fn reason(text: &str) -> String {
    cut_end(text, MAX_REASON_BYTES)
}

/// Paths, each cut; where there are too many, the last says how many were left out.
pub(crate) fn paths(mut paths: Vec<String>) -> Vec<String> {
    let left_out = paths.len().saturating_sub(MAX_PATHS);
    if left_out > 0 {
        paths.truncate(MAX_PATHS - 1);
        paths.push(format!("[{} more]", left_out + 1));
    }
    for path in &mut paths {
        *path = cut_end(path, MAX_PATH_BYTES);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_keeps_its_bound_and_says_so() {
        let long = "ä".repeat(5_000);
        let end = cut_end(&long, 101);
        assert!(end.len() <= 101 && end.starts_with('ä') && end.ends_with(NOTE), "{end}");

        let long = format!("first{}last", "ä".repeat(5_000));
        let middle = cut_middle(&long, 101);
        assert!(middle.len() <= 101 && middle.starts_with("first") && middle.ends_with("last"), "{middle}");
        assert!(middle.contains(NOTE));
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(cut_end("abc", 3), "abc");
        assert_eq!(cut_middle("abc", 3), "abc");
    }

    #[test]
    fn too_many_paths_say_how_many_are_missing() {
        let cut = paths((0..MAX_PATHS + 5).map(|n| format!("f{n}")).collect());
        assert_eq!(cut.len(), MAX_PATHS);
        assert_eq!(cut.last().unwrap(), "[6 more]");
        assert_eq!(paths(vec!["a".to_owned()]), ["a"]);
    }
}
