//! The template of the route that a request found: looked up once, for whoever counts, traces, judges or records it.

use std::rc::Rc;

use actix_web::{HttpMessage, HttpRequest};

/// What was found, kept with the request.
#[derive(Clone)]
struct Found(Option<Rc<str>>);

/// The template; `None` where no route is.
pub(super) fn of(request: &HttpRequest) -> Option<Rc<str>> {
    if let Some(Found(template)) = request.extensions().get::<Found>() {
        return template.clone();
    }
    // All routes' patterns are tried in their order: not for each who asks.
    let template = request.match_pattern().map(Rc::from);
    request.extensions_mut().insert(Found(template.clone()));
    template
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, HttpResponse, test, web};

    use super::*;

    #[actix_rt::test]
    async fn is_the_routes_own_however_often_somebody_asks() {
        let told = async |request: HttpRequest| {
            let first = of(&request).unwrap_or_else(|| Rc::from("none"));
            assert_eq!(of(&request).unwrap_or_else(|| Rc::from("none")), first);
            HttpResponse::Ok().body(first.to_string())
        };
        let app = App::new().route("/things/{id}", web::get().to(told)).default_service(web::to(told));
        let service = init_service(app).await;
        for (path, expected) in
            [("/things/1", "/things/{id}"), ("/things/2", "/things/{id}"), ("/none", "none")]
        {
            let request = TestRequest::get().uri(path).to_request();
            assert_eq!(test::call_and_read_body(&service, request).await, expected);
        }
    }
}
