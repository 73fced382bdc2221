//! Which deployment has which price.

use std::collections::BTreeMap;

use chat::Usage;
use units::{DeploymentId, Nanodollars};

use crate::{Error, Price};

/// The prices in force. What is not in it is not priced: its cost is unknown, not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<DeploymentId, Price>);

impl Table {
    /// The table of these prices.
    ///
    /// # Errors
    /// [`Error::Twice`] when a deployment comes twice.
    pub fn try_new(prices: impl IntoIterator<Item = (DeploymentId, Price)>) -> Result<Self, Error> {
        let mut table = BTreeMap::new();
        for (deployment, price) in prices {
            if table.insert(deployment.clone(), price).is_some() {
                return Err(Error::Twice { deployment });
            }
        }
        Ok(Self(table))
    }

    /// The price of a deployment; `None` when it is not priced.
    pub fn price(&self, deployment: &DeploymentId) -> Option<&Price> {
        self.0.get(deployment)
    }

    /// The cost of `usage` at a deployment; `None` when it is not priced.
    pub fn cost(&self, deployment: &DeploymentId, usage: &Usage) -> Option<Nanodollars> {
        self.price(deployment).map(|price| crate::cost(price, usage))
    }
}

#[cfg(test)]
mod tests {
    use units::TokenCount;

    use super::*;
    use crate::NanodollarsPerMillion;

    fn price(rate: u64) -> Price {
        let rate = NanodollarsPerMillion(rate);
        Price { input: rate, cached_input: rate, cache_written: rate, output: rate }
    }

    #[test]
    fn a_deployment_without_a_price_costs_an_unknown_amount() {
        let known: DeploymentId = "a/known".parse().unwrap();
        let unknown: DeploymentId = "a/unknown".parse().unwrap();
        let table = Table::try_new([(known.clone(), price(1_000_000))]).unwrap();
        let usage = Usage { output: TokenCount(5), ..Usage::default() };
        assert_eq!(table.cost(&known, &usage), Some(Nanodollars(5)));
        assert_eq!(table.cost(&unknown, &usage), None);
    }

    #[test]
    fn refuses_two_prices_for_one_deployment() {
        let deployment: DeploymentId = "a/b".parse().unwrap();
        let twice = [(deployment.clone(), price(1)), (deployment.clone(), price(2))];
        assert_eq!(Table::try_new(twice), Err(Error::Twice { deployment }));
    }
}
