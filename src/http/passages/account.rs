//! Routes to what a vendor keeps for the operator's account: open only at providers whose operator says so. Whoever gets in
//! sees and changes all of it.

use actix_web::web::{ServiceConfig, delete, get, post};
use upstream::Dialect as Speaks;
use wire::Dialect;

use super::super::at;
use super::relayed;

/// Which provider is asked, where several open theirs.
pub(super) const PROVIDER_HEADER: &str = "x-impresario-provider";

/// Whose route it is.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    OpenAi,
    Anthropic,
    Gemini,
    /// Two vendors have it: the client's headers say whose it is.
    Askers,
}

/// How it may be called.
#[derive(Clone, Copy)]
enum Calls {
    Look,
    LookOrMake,
    LookOrRemove,
    Make,
}

pub(super) struct Route {
    pub(super) template: &'static str,
    whose: Whose,
    calls: Calls,
    pub(super) takes_forms: bool,
}

const fn route(template: &'static str, whose: Whose, calls: Calls) -> Route {
    Route { template, whose, calls, takes_forms: false }
}

const fn with_forms(template: &'static str, whose: Whose, calls: Calls) -> Route {
    Route { template, whose, calls, takes_forms: true }
}

use Calls::{Look, LookOrMake, LookOrRemove, Make};
use Whose::{Anthropic, Askers, Gemini, OpenAi};

pub(super) const ROUTES: [Route; 23] = [
    with_forms("/v1/files", Askers, LookOrMake),
    route("/v1/files/{id:[A-Za-z0-9_-]+}", Askers, LookOrRemove),
    route("/v1/files/{id:[A-Za-z0-9_-]+}/content", Askers, Look),
    route("/v1/uploads", OpenAi, Make),
    with_forms("/v1/uploads/{id:[A-Za-z0-9_-]+}/parts", OpenAi, Make),
    route("/v1/uploads/{id:[A-Za-z0-9_-]+}/complete", OpenAi, Make),
    route("/v1/uploads/{id:[A-Za-z0-9_-]+}/cancel", OpenAi, Make),
    route("/v1/batches", OpenAi, LookOrMake),
    route("/v1/batches/{id:[A-Za-z0-9_-]+}", OpenAi, Look),
    route("/v1/batches/{id:[A-Za-z0-9_-]+}/cancel", OpenAi, Make),
    route("/v1/fine_tuning/jobs", OpenAi, LookOrMake),
    route("/v1/fine_tuning/jobs/{id:[A-Za-z0-9_-]+}", OpenAi, Look),
    route("/v1/fine_tuning/jobs/{id:[A-Za-z0-9_-]+}/cancel", OpenAi, Make),
    route("/v1/fine_tuning/jobs/{id:[A-Za-z0-9_-]+}/events", OpenAi, Look),
    route("/v1/messages/batches", Anthropic, LookOrMake),
    route("/v1/messages/batches/{id:[A-Za-z0-9_-]+}", Anthropic, LookOrRemove),
    route("/v1/messages/batches/{id:[A-Za-z0-9_-]+}/cancel", Anthropic, Make),
    route("/v1/messages/batches/{id:[A-Za-z0-9_-]+}/results", Anthropic, Look),
    route("/v1beta/files", Gemini, Look),
    route("/v1beta/files/{id:[A-Za-z0-9_-]+}", Gemini, LookOrRemove),
    route("/v1beta/cachedContents", Gemini, LookOrMake),
    route("/v1beta/cachedContents/{id:[A-Za-z0-9_-]+}", Gemini, LookOrRemove),
    route("/v1beta/batches/{id:[A-Za-z0-9_-]+}", Gemini, LookOrRemove),
];

pub(super) fn register(config: &mut ServiceConfig) {
    for Route { template, calls, .. } in &ROUTES {
        match calls {
            Look => config.service(at(template, [get().to(relayed)])),
            LookOrMake => config.service(at(template, [get().to(relayed), post().to(relayed)])),
            LookOrRemove => config.service(at(template, [get().to(relayed), delete().to(relayed)])),
            Make => config.service(at(template, [post().to(relayed)])),
        };
    }
}

pub(super) fn find(template: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.template == template)
}

impl Route {
    /// Whose it is, where the path alone says so.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        match self.whose {
            OpenAi => Some(Dialect::OpenAiChat),
            Anthropic => Some(Dialect::Anthropic),
            Gemini => Some(Dialect::Gemini),
            Askers => None,
        }
    }
}

/// What a provider of this dialect speaks.
pub(super) fn speaks(dialect: Dialect) -> Speaks {
    match dialect {
        Dialect::Anthropic => Speaks::Anthropic,
        Dialect::OpenAiChat | Dialect::OpenAiResponses => Speaks::OpenAiChat,
        Dialect::Gemini => Speaks::Gemini,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::needs::NEEDS;

    #[test]
    fn each_has_a_row_for_each_way_to_call_it() {
        for Route { template, calls, .. } in &ROUTES {
            let methods: &[&str] = match calls {
                Look => &["GET"],
                LookOrMake => &["GET", "POST"],
                LookOrRemove => &["DELETE", "GET"],
                Make => &["POST"],
            };
            let mut rows: Vec<&str> =
                NEEDS.iter().filter(|(at, _, _)| at == template).map(|(_, method, _)| *method).collect();
            rows.sort_unstable();
            assert_eq!(rows, methods, "{template}");
        }
    }
}
