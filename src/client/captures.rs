//! Captured bodies, asked of a running server.

use actors::captures::{Capture, CaptureId, Summary};

use super::{Client, Error};
use crate::http::views::CaptureList;

impl Client {
    /// What is known of the newest captures, the newest first.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn captures(&self, limit: u16) -> Result<Vec<Summary>, Error> {
        let list: CaptureList = self.get(&format!("/admin/captures?limit={limit}")).await?;
        Ok(list.captures)
    }

    /// A capture with its bodies. That somebody reads it is written into the audit log.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of that id any more.
    pub async fn capture(&self, id: &CaptureId) -> Result<Capture, Error> {
        self.get(&format!("/admin/captures/{id}")).await
    }
}
