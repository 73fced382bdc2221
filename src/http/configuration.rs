//! Which configuration is in force, since when, what was wrong with the last one that was refused, what waits.

use actix_web::web::{Data, Json};

use super::Desk;
use crate::reload::Standing;

/// `GET /admin/config`
pub(super) async fn standing(desk: Data<Desk>) -> Json<Standing> {
    Json(desk.configuration.borrow().clone())
}
