//! Asks for what a server has recorded of requests.

use reqwest::Url;
use store::{AnsweredRequest, RequestQuery};

use super::{Client, Error};
use crate::http::views::RequestPage;

impl Client {
    /// The answered requests that are wanted, the last recorded first.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn requests(&self, query: &RequestQuery) -> Result<Vec<AnsweredRequest>, Error> {
        let pairs = [
            ("since", query.since.map(|since| since.0.to_string())),
            ("principal", query.principal.clone()),
            ("route", query.route.clone()),
            ("status", query.status.map(|status| status.to_string())),
            ("before", query.before.map(|before| before.to_string())),
            ("limit", query.limit.map(|limit| limit.to_string())),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let url = Url::parse_with_params("http://impresario/admin/requests", pairs);
        let url = url.map_err(|error| Error::Setup { reason: error.to_string() })?;
        let path = format!("/admin/requests?{}", url.query().unwrap_or_default());
        let page: RequestPage = self.get(&path).await?;
        Ok(page.requests)
    }
}
