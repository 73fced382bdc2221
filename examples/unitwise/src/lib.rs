//! Reads durations and sizes as people write them: `1h 30min`, `64 KiB`.

mod duration;
mod error;
mod scan;
mod size;

pub use duration::parse_duration;
pub use error::Error;
pub use size::parse_size;
