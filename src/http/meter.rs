//! What is answered, counted by the template of its route.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::Desk;

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
