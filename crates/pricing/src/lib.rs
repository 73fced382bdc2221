//! What models cost: prices per million tokens, exact to the nanodollar, and the cost of a usage.
//!
//! Money is integers all the way: a price is read from its decimal text, and a cost is rounded once per component.

mod price;
mod rate;
mod table;

pub use price::{Price, cost, shown};
pub use rate::NanodollarsPerMillion;
pub use table::Table;

use units::DeploymentId;

/// A price that cannot be taken as it stands; the person who wrote it has to change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No plain decimal number.
    #[error("`{found}` is no price: write dollars per million tokens as a decimal, for example 3.00")]
    NotDecimal {
        /// The beginning of what was written.
        found: String,
    },
    /// Below zero.
    #[error("the price `{found}` is negative: write 0 for what costs nothing")]
    Negative {
        /// The beginning of what was written.
        found: String,
    },
    /// Finer than a nanodollar per million tokens.
    #[error("the price `{found}` has more than 9 decimals: round it")]
    TooFine {
        /// The beginning of what was written.
        found: String,
    },
    /// A million dollars or more per million tokens.
    #[error("the price `{found}` is a million dollars or more per million tokens: check its unit")]
    TooHigh {
        /// The beginning of what was written.
        found: String,
    },
    /// One deployment, two prices.
    #[error("`{deployment}` has two prices: keep one")]
    Twice {
        /// The deployment.
        deployment: DeploymentId,
    },
}
