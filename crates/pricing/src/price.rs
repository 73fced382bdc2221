//! A model's price, and the cost of what was used.

use std::fmt;

use chat::Usage;
use serde::{Deserialize, Serialize};
use units::{Nanodollars, TokenCount};

use crate::NanodollarsPerMillion;

const TOKENS_PER_PRICE: i128 = 1_000_000;

/// What a model charges, per million tokens of each kind. All four are said: none is guessed from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input read at the full price.
    pub input: NanodollarsPerMillion,
    /// Input read from the provider's cache.
    pub cached_input: NanodollarsPerMillion,
    /// Input written to the provider's cache.
    pub cache_written: NanodollarsPerMillion,
    /// Output, reasoning among it.
    pub output: NanodollarsPerMillion,
}

/// The cost of `usage`: each kind of token rounded half up to the nanodollar, once; at most what `Nanodollars` holds.
pub fn cost(price: &Price, usage: &Usage) -> Nanodollars {
    let components = [
        (price.input, usage.input),
        (price.cached_input, usage.cached_input),
        (price.cache_written, usage.cache_written),
        (price.output, usage.output),
    ];
    let sum: i128 = components.into_iter().map(|(rate, tokens)| component(rate, tokens)).sum();
    Nanodollars(i64::try_from(sum).unwrap_or(i64::MAX))
}

/// A cost for people to read: an amount, or that there is no price to reckon one from.
pub fn shown(cost: Option<Nanodollars>) -> impl fmt::Display {
    Shown(cost)
}

struct Shown(Option<Nanodollars>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(cost) => cost.fmt(f),
            None => f.pad("not priced"),
        }
    }
}

fn component(rate: NanodollarsPerMillion, tokens: TokenCount) -> i128 {
    // Two factors below 2^64 can leave i128; what is above its largest is above the largest cost by far.
    let product = i128::from(rate.0).checked_mul(i128::from(tokens.0)).unwrap_or(i128::MAX / 8);
    (product + TOKENS_PER_PRICE / 2) / TOKENS_PER_PRICE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(rates: [u64; 4]) -> Price {
        let [input, cached_input, cache_written, output] = rates.map(NanodollarsPerMillion);
        Price { input, cached_input, cache_written, output }
    }

    fn usage(counts: [u64; 4]) -> Usage {
        let [input, cached_input, cache_written, output] = counts.map(TokenCount);
        Usage { input, cached_input, cache_written, output, reasoning: TokenCount(0) }
    }

    #[test]
    fn each_kind_of_token_has_its_own_price() {
        let price = price([3_000_000_000, 300_000_000, 3_750_000_000, 15_000_000_000]);
        assert_eq!(cost(&price, &usage([1_000_000, 0, 0, 0])), Nanodollars(3_000_000_000));
        assert_eq!(cost(&price, &usage([0, 1_000_000, 0, 0])), Nanodollars(300_000_000));
        assert_eq!(cost(&price, &usage([0, 0, 1_000_000, 0])), Nanodollars(3_750_000_000));
        assert_eq!(cost(&price, &usage([0, 0, 0, 1_000_000])), Nanodollars(15_000_000_000));
        assert_eq!(
            cost(&price, &usage([100, 1_000, 10, 20])),
            Nanodollars(300_000 + 300_000 + 37_500 + 300_000)
        );
    }

    #[test]
    fn reasoning_is_paid_once_as_output() {
        let mut used = usage([0, 0, 0, 10]);
        used.reasoning = TokenCount(7);
        let price = price([1, 1, 1, 1_000_000]);
        assert_eq!(cost(&price, &used), Nanodollars(10));
    }

    #[test]
    fn a_fraction_of_a_nanodollar_is_kept_until_the_sum_of_its_component() {
        // 0.0036 dollars per million tokens are 3.6 nanodollars a token.
        let price = price(["0.0036".parse::<NanodollarsPerMillion>().unwrap().0, 0, 0, 0]);
        let costs = [1, 2, 5, 1000].map(|tokens| cost(&price, &usage([tokens, 0, 0, 0])).0);
        assert_eq!(costs, [4, 7, 18, 3600]);
    }

    #[test]
    fn a_half_is_rounded_up() {
        let price = price([500_000, 499_999, 0, 500_001]);
        assert_eq!(cost(&price, &usage([1, 0, 0, 0])), Nanodollars(1));
        assert_eq!(cost(&price, &usage([0, 1, 0, 0])), Nanodollars(0));
        assert_eq!(cost(&price, &usage([0, 0, 0, 1])), Nanodollars(1));
    }

    #[test]
    fn the_largest_usage_at_the_largest_price_stops_at_the_largest_amount() {
        let all = [u64::MAX; 4];
        assert_eq!(cost(&price(all), &usage(all)), Nanodollars(i64::MAX));
    }

    #[test]
    fn what_has_no_price_is_said_to_have_none() {
        assert_eq!(shown(None).to_string(), "not priced");
        assert_eq!(shown(Some(Nanodollars(0))).to_string(), "$0.000000");
    }

    #[test]
    fn a_price_in_yaml_names_all_four_kinds_and_no_other() {
        let whole = "input: 3.00\ncached_input: 0.30\ncache_written: 3.75\noutput: 15.00\n";
        let read: Price = yaml::from_str("models.yaml", whole).unwrap();
        assert_eq!(read, price([3_000_000_000, 300_000_000, 3_750_000_000, 15_000_000_000]));
        let short = "input: 3.00\noutput: 15.00\n";
        assert!(yaml::from_str::<Price>("models.yaml", short).is_err());
        let long = format!("{whole}reasoning: 1.00\n");
        assert!(yaml::from_str::<Price>("models.yaml", &long).is_err());
    }

    proptest! {
        #[test]
        fn more_tokens_never_cost_less(
            rates in any::<[u64; 4]>(), counts in any::<[u64; 4]>(), more in any::<[u64; 4]>(),
        ) {
            let larger = std::array::from_fn(|kind| counts[kind].saturating_add(more[kind]));
            prop_assert!(cost(&price(rates), &usage(counts)) <= cost(&price(rates), &usage(larger)));
        }

        #[test]
        fn two_calls_cost_what_one_of_both_costs_up_to_rounding(
            rates in prop::array::uniform4(0..1_000_000_000_000_u64),
            first in prop::array::uniform4(0..1_000_000_u64),
            second in prop::array::uniform4(0..1_000_000_u64),
        ) {
            let both = std::array::from_fn(|kind| first[kind] + second[kind]);
            let price = price(rates);
            let apart = cost(&price, &usage(first)).0 + cost(&price, &usage(second)).0;
            let together = cost(&price, &usage(both)).0;
            prop_assert!((apart - together).abs() <= 4, "{} and {}", apart, together);
        }
    }
}
