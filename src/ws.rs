//! A workflow's events over a WebSocket: the thin pump, and the only file that names `actix_web_actors`.
//!
//! Frames are JSON texts: a stored event is `{"seq","at","event"}` as over SSE, progress is `{"progress":{…}}`, the
//! end is `{"end":{"seq"}}` and a normal close; a server that stops before it says `{"stopping":{"seq"}}`; whose key opens
//! nothing any more is closed with 1008. The pump decides nothing and keeps nothing: where the reader is, and when it has
//! been quiet for long, `Following` knows. It lives as long as its connection, and stands still while the
//! socket takes nothing: then it asks for nothing either. Mailbox: nobody writes to it.

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::ws::{self, CloseCode, CloseReason, Message, ProtocolError, WebsocketContext};
use futures_util::stream;
use units::WorkflowId;

use crate::http::{Desk, Following, Refusal, Shown, event_json};

/// The largest frame that a client may send; it has nothing to say but control frames, which are far smaller.
const MAX_FRAME_BYTES: usize = 4096;

struct Pump {
    following: Option<Following>,
    /// The workflow's end was shown.
    ended: bool,
}

/// `GET /v1/workflows/{id}/ws`
pub(crate) async fn events(
    request: HttpRequest,
    id: Path<WorkflowId>,
    desk: Data<Desk>,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    ws::handshake(&request).map_err(|error| Refusal::BadRequest(format!("no WebSocket: {error}")))?;
    let following = Following::open(&desk, id.into_inner(), &request).await?;
    let pump = Pump { following: Some(following), ended: false };
    let response = ws::WsResponseBuilder::new(pump, &request, payload).frame_size(MAX_FRAME_BYTES).start();
    response.map_err(Refusal::internal)
}

impl Actor for Pump {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let shown = stream::unfold(self.following.take(), async |following| {
            let mut following = following?;
            let shown = following.next().await?;
            Some((shown, Some(following)))
        });
        context.add_stream(shown);
    }
}

/// What is to be written.
impl StreamHandler<Shown> for Pump {
    fn handle(&mut self, shown: Shown, context: &mut Self::Context) {
        match shown {
            Shown::Event(row) => context.text(event_json(&row)),
            Shown::Progress(progress) => {
                context.text(serde_json::json!({ "progress": progress }).to_string());
            }
            Shown::Quiet => context.ping(b""),
            Shown::End(seq) => {
                context.text(serde_json::json!({ "end": { "seq": seq } }).to_string());
                self.ended = true;
            }
            Shown::Unwelcome => close(context, CloseCode::Policy),
            Shown::Stopping(seq) => {
                context.text(serde_json::json!({ "stopping": { "seq": seq } }).to_string());
            }
        }
    }

    /// Without the workflow's end, the server stops or the store cannot be read: the client may come again.
    fn finished(&mut self, context: &mut Self::Context) {
        close(context, if self.ended { CloseCode::Normal } else { CloseCode::Restart });
    }
}

/// What the client says.
impl StreamHandler<Result<Message, ProtocolError>> for Pump {
    fn handle(&mut self, message: Result<Message, ProtocolError>, context: &mut Self::Context) {
        match message {
            Ok(Message::Ping(text)) => context.pong(&text),
            Ok(Message::Pong(_) | Message::Nop) => {}
            Ok(Message::Close(_)) => close(context, CloseCode::Normal),
            Ok(Message::Text(_) | Message::Binary(_) | Message::Continuation(_)) => {
                close(context, CloseCode::Policy);
            }
            Err(ProtocolError::Overflow) => close(context, CloseCode::Size),
            Err(_) => close(context, CloseCode::Protocol),
        }
    }
}

fn close(context: &mut WebsocketContext<Pump>, code: CloseCode) {
    context.close(Some(CloseReason::from(code)));
    context.stop();
}
