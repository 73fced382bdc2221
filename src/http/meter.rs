//! What is answered, counted by the template of its route.

use std::rc::Rc;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::{Desk, patience, template};

/// A request whose answer is awaited.
struct Awaited {
    desk: Data<Desk>,
    method: Method,
    route: Option<Rc<str>>,
    is_answered: bool,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if !self.is_answered {
            let status = patience::status_of_none();
            self.desk.doors.traffic.unanswered(self.route.as_deref(), self.method.as_str(), status);
        }
    }
}

/// The middleware that counts answers, refusals among them, and those that nobody got.
pub(crate) async fn count<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let Some(desk) = request.app_data::<Data<Desk>>().cloned() else { return next.call(request).await };
    let started = desk.clock.now();
    let (method, route) = (request.method().clone(), template::of(request.request()));
    let mut awaited = Awaited { desk, method, route, is_answered: false };
    let answered = next.call(request).await;
    awaited.is_answered = true;
    let Awaited { desk, method, route, .. } = &awaited;
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let took = desk.clock.now().saturating_duration_since(started);
    desk.doors.traffic.answered(route.as_deref(), method.as_str(), status.as_u16(), took);
    answered
}
