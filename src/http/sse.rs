//! A workflow's events as server-sent events: from any number on, each with its number as the `id`.
//!
//! Stored events are `event: event`; what is only under way is `event: progress` and has no id, so that a reader that
//! connects again asks on from the last stored one. After the workflow's last event comes `event: end`; when the server
//! stops before that, `event: stopping` is the last, and the workflow goes on at the server's next start.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use units::WorkflowId;

use super::following::{Following, Shown, event_json};
use super::{Desk, Refusal};

/// `GET /v1/workflows/{id}/events`
pub(super) async fn events(
    request: HttpRequest,
    id: Path<WorkflowId>,
    desk: Data<Desk>,
) -> Result<HttpResponse, Refusal> {
    let following = Following::open(&desk, id.into_inner(), &request).await?;
    let frames = stream::unfold(following, async |mut following| {
        let shown = following.next().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(frame(&shown))), following))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(frames))
}

fn frame(shown: &Shown) -> String {
    match shown {
        Shown::Event(row) => format!("id: {}\nevent: event\ndata: {}\n\n", row.seq.0, event_json(row)),
        Shown::Progress(progress) => {
            let json = serde_json::to_string(progress).expect("progress is names and texts");
            format!("event: progress\ndata: {json}\n\n")
        }
        Shown::Quiet => ": still here\n\n".to_owned(),
        Shown::Unwelcome => ": the key opens nothing any more\n\n".to_owned(),
        Shown::End(seq) => format!("event: end\ndata: {{\"seq\":{}}}\n\n", seq.0),
        Shown::Stopping(seq) => format!("event: stopping\ndata: {{\"seq\":{}}}\n\n", seq.0),
    }
}
