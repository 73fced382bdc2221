//! Keys, asked of a running server.

use units::KeyId;

use super::{Client, Error};
use crate::http::views::{KeyList, KeyOrder, KeyView, MadeKey, RotateOrder};

impl Client {
    /// Makes a key; its text is in this answer alone.
    ///
    /// # Errors
    /// [`Error::Refused`] when no key may grant this.
    pub async fn create_key(&self, order: &KeyOrder) -> Result<MadeKey, Error> {
        self.post("/admin/keys", order).await
    }

    /// All keys, the newest first.
    ///
    /// # Errors
    /// As for [`Client::start`].
    pub async fn keys(&self) -> Result<Vec<KeyView>, Error> {
        let list: KeyList = self.get("/admin/keys").await?;
        Ok(list.keys)
    }

    /// Takes a key back; from then on it opens nothing.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of that id.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<KeyView, Error> {
        self.post(&format!("/admin/keys/{id}/revoke"), &serde_json::json!({})).await
    }

    /// Puts a new key in the place of another, which goes on for `overlap_s` seconds.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none of that id, or it opens nothing any more.
    pub async fn rotate_key(&self, id: &KeyId, overlap_s: u64) -> Result<MadeKey, Error> {
        self.post(&format!("/admin/keys/{id}/rotate"), &RotateOrder { overlap_s }).await
    }
}
