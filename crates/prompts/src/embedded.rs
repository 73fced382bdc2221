//! The templates that every binary carries.

/// Path beneath the templates' folder, and text.
pub const FILES: &[(&str, &str)] = &[
    ("editing/search-replace.yaml", include_str!("../../../templates/editing/search-replace.yaml")),
    ("general/ask.yaml", include_str!("../../../templates/general/ask.yaml")),
    ("planning/task-graph.yaml", include_str!("../../../templates/planning/task-graph.yaml")),
    ("review/diff.yaml", include_str!("../../../templates/review/diff.yaml")),
];
