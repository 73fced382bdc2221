//! What comes through the doors, counted: every answer by the template of its route, every connection while it is open.

use std::any::Any;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actors::metrics::{Connected, Door, Traffic};
use tokio::net::{TcpStream, UnixStream};

use super::Desk;

/// Counts connections.
#[derive(Clone)]
pub(crate) struct Meter(Traffic);

/// A connection's place in the count; it goes with the connection.
struct Counted(#[expect(dead_code, reason = "it counts by being held")] Connected);

impl Meter {
    pub(crate) fn new(desk: &Desk) -> Self {
        Self(desk.doors.traffic.clone())
    }

    /// Counts a connection until it is closed.
    pub(crate) fn connected(&self, connection: &dyn Any, extensions: &mut Extensions) {
        let door = if connection.is::<TcpStream>() {
            Door::Tcp
        } else if connection.is::<UnixStream>() {
            Door::Socket
        } else {
            return;
        };
        extensions.insert(Counted(self.0.connected(door)));
    }
}

/// The middleware that counts answers, refusals among them.
pub(crate) async fn count<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let desk = request.app_data::<Data<Desk>>().cloned();
    let started = desk.as_ref().map(|desk| desk.clock.now());
    let (method, route) = (request.method().clone(), request.match_pattern());
    let answered = next.call(request).await;
    if let (Some(desk), Some(started)) = (desk, started) {
        let status = match &answered {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let took = desk.clock.now().saturating_duration_since(started);
        desk.doors.traffic.answered(route.as_deref(), method.as_str(), status.as_u16(), took);
    }
    answered
}
