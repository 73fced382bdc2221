//! What each route needs: a closed table. A route and method without a row here are not served.
//!
//! Without a key only what neither writes nor runs is served, and to this machine alone: over TCP everybody on it may
//! look at workflows and at what was counted. Whether the server lives is told to everybody, for whoever watches it.

use access::Scope;
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::identity::Caller;
use super::{Refusal, gate};

/// What somebody needs to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// A key with one of these scopes, or to ask from this machine without a key.
    Look(&'static [Scope]),
    /// A key with this scope, from wherever.
    Key(Scope),
}

const GET: &str = "GET";
const POST: &str = "POST";
const DELETE: &str = "DELETE";
const LOOK_AT_WORKFLOWS: Need = Need::Look(&[Scope::Workflows]);
const MODELS: Need = Need::Look(&[Scope::Gateway]);
/// What a model is asked costs the operator money, and sends what is asked to somebody else.
const GATEWAY: Need = Need::Key(Scope::Gateway);
const WORKFLOWS: Need = Need::Key(Scope::Workflows);
/// Where it is told what was counted.
const METRICS: &str = "/metrics";
const ADMIN: Need = Need::Key(Scope::Admin);

/// Every route, its method, and what it needs.
pub(super) const NEEDS: &[(&str, &str, Need)] = &[
    ("/healthz", GET, Need::Nothing),
    ("/livez", GET, Need::Nothing),
    ("/readyz", GET, Need::Nothing),
    (METRICS, GET, Need::Look(&[Scope::Metrics])),
    ("/admin/config", GET, ADMIN),
    ("/admin/audit", GET, ADMIN),
    ("/admin/audit/verify", GET, ADMIN),
    ("/admin/captures", GET, ADMIN),
    ("/admin/captures/{id}", GET, ADMIN),
    ("/admin/requests", GET, ADMIN),
    ("/admin/usage", GET, ADMIN),
    ("/admin/tree", GET, ADMIN),
    ("/admin/tree/kill", POST, ADMIN),
    ("/admin/tree/terminate", POST, ADMIN),
    ("/admin/tree/restart", POST, ADMIN),
    ("/admin/tree/suspend", POST, ADMIN),
    ("/admin/tree/resume", POST, ADMIN),
    ("/admin/breakers", POST, ADMIN),
    ("/admin/purge", POST, ADMIN),
    ("/admin/models", GET, ADMIN),
    ("/admin/prompts", GET, ADMIN),
    ("/admin/keys", GET, ADMIN),
    ("/admin/keys", POST, ADMIN),
    ("/admin/keys/{id}/revoke", POST, ADMIN),
    ("/admin/keys/{id}/rotate", POST, ADMIN),
    ("/v1/messages", POST, GATEWAY),
    ("/v1/messages/count_tokens", POST, GATEWAY),
    ("/v1/chat/completions", POST, GATEWAY),
    ("/v1/responses", POST, GATEWAY),
    ("/v1/responses/input_tokens", POST, GATEWAY),
    ("/v1/responses/{id:resp_[^/]+}", GET, GATEWAY),
    ("/v1/responses/{id:resp_[^/]+}", DELETE, GATEWAY),
    ("/v1/responses/{id:resp_[^/]+}/input_items", GET, GATEWAY),
    ("/v1/embeddings", POST, GATEWAY),
    ("/v1/completions", POST, GATEWAY),
    ("/v1/moderations", POST, GATEWAY),
    ("/v1/rerank", POST, GATEWAY),
    ("/v1/audio/speech", POST, GATEWAY),
    ("/v1/audio/transcriptions", POST, GATEWAY),
    ("/v1/audio/translations", POST, GATEWAY),
    ("/v1/images/generations", POST, GATEWAY),
    ("/v1/images/edits", POST, GATEWAY),
    ("/v1/images/variations", POST, GATEWAY),
    ("/v1/files", GET, GATEWAY),
    ("/v1/files", POST, GATEWAY),
    ("/v1/files/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1/files/{id:[A-Za-z0-9_-]+}", DELETE, GATEWAY),
    ("/v1/files/{id:[A-Za-z0-9_-]+}/content", GET, GATEWAY),
    ("/v1/uploads", POST, GATEWAY),
    ("/v1/uploads/{id:[A-Za-z0-9_-]+}/parts", POST, GATEWAY),
    ("/v1/uploads/{id:[A-Za-z0-9_-]+}/complete", POST, GATEWAY),
    ("/v1/uploads/{id:[A-Za-z0-9_-]+}/cancel", POST, GATEWAY),
    ("/v1/batches", GET, GATEWAY),
    ("/v1/batches", POST, GATEWAY),
    ("/v1/batches/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1/batches/{id:[A-Za-z0-9_-]+}/cancel", POST, GATEWAY),
    ("/v1/fine_tuning/jobs", GET, GATEWAY),
    ("/v1/fine_tuning/jobs", POST, GATEWAY),
    ("/v1/fine_tuning/jobs/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1/fine_tuning/jobs/{id:[A-Za-z0-9_-]+}/cancel", POST, GATEWAY),
    ("/v1/fine_tuning/jobs/{id:[A-Za-z0-9_-]+}/events", GET, GATEWAY),
    ("/v1/messages/batches", GET, GATEWAY),
    ("/v1/messages/batches", POST, GATEWAY),
    ("/v1/messages/batches/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1/messages/batches/{id:[A-Za-z0-9_-]+}", DELETE, GATEWAY),
    ("/v1/messages/batches/{id:[A-Za-z0-9_-]+}/cancel", POST, GATEWAY),
    ("/v1/messages/batches/{id:[A-Za-z0-9_-]+}/results", GET, GATEWAY),
    ("/v1beta/files", GET, GATEWAY),
    ("/v1beta/files/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1beta/files/{id:[A-Za-z0-9_-]+}", DELETE, GATEWAY),
    ("/v1beta/cachedContents", GET, GATEWAY),
    ("/v1beta/cachedContents", POST, GATEWAY),
    ("/v1beta/cachedContents/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1beta/cachedContents/{id:[A-Za-z0-9_-]+}", DELETE, GATEWAY),
    ("/v1beta/batches/{id:[A-Za-z0-9_-]+}", GET, GATEWAY),
    ("/v1beta/batches/{id:[A-Za-z0-9_-]+}", DELETE, GATEWAY),
    ("/v1/models", GET, MODELS),
    ("/v1/models/{call:.*}", GET, MODELS),
    ("/v1/models/{call:.*}", POST, GATEWAY),
    ("/v1beta/models", GET, MODELS),
    ("/v1beta/models/{call:.*}", GET, MODELS),
    ("/v1beta/models/{call:.*}", POST, GATEWAY),
    ("/v1/providers", GET, Need::Look(&[Scope::Workflows, Scope::Gateway])),
    ("/v1/workflows", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows", POST, WORKFLOWS),
    ("/v1/workflows/{id}", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows/{id}/agents", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows/{id}/tasks", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows/{id}/diff", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows/{id}/events", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows/{id}/ws", GET, LOOK_AT_WORKFLOWS),
    ("/v1/workflows/{id}/abort", POST, WORKFLOWS),
];

/// The templates of all routes.
pub(crate) fn templates() -> impl Iterator<Item = &'static str> {
    NEEDS.iter().map(|(template, _, _)| *template)
}

/// Whether nothing is needed there: whoever watches the server asks that, again and again.
pub(super) fn is_probe(template: &str) -> bool {
    NEEDS.iter().any(|(at, _, need)| *at == template && *need == Need::Nothing)
}

/// Whether programs ask there again and again, so that a good answer is nothing to remember.
pub(super) fn is_watch(template: &str) -> bool {
    is_probe(template) || template == METRICS
}

/// The middleware of the route at `template`: passes on who has what it needs.
pub(super) async fn met(
    template: &'static str,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let caller = Caller::of(request.request());
    match judge(template, request.method().as_str(), &caller) {
        Ok(()) => next.call(request).await,
        Err(refusal) => {
            gate::of(&request).refused(&refusal);
            Ok(refusal.answer(request))
        }
    }
}

fn judge(template: &str, method: &str, caller: &Caller) -> Result<(), Refusal> {
    let row = NEEDS.iter().find(|(at, by, _)| *at == template && *by == method);
    let (_, _, need) = row.ok_or_else(|| Refusal::NoMethod { method: method.to_owned() })?;
    let principal = &caller.principal;
    let scopes: &[Scope] = match need {
        Need::Nothing => return Ok(()),
        Need::Look(scopes) => scopes,
        Need::Key(scope) => std::slice::from_ref(scope),
    };
    if scopes.iter().any(|scope| principal.has(*scope)) {
        return Ok(());
    }
    match (principal, need) {
        (access::Principal::Anonymous, Need::Look(_)) if caller.is_here() => Ok(()),
        (access::Principal::Anonymous, _) => Err(Refusal::Unauthorized),
        (access::Principal::Key { .. } | access::Principal::Operator, _) => {
            Err(Refusal::MissingScope { scope: scopes[0] })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use access::{Grant, Models, Principal};
    use units::KeyId;

    use super::*;

    fn caller(principal: Principal, address: &str) -> Caller {
        Caller { principal, address: Some(address.parse().unwrap()), account: None, is_proxied: false }
    }

    fn with(scope: Scope) -> Principal {
        Principal::of_key(Arc::new(Grant {
            id: KeyId::from_random(1),
            name: "k".to_owned(),
            scopes: [scope].into_iter().collect(),
            expires_at: None,
            models: Models::default(),
            roots: Vec::new(),
            tags: [].into(),
        }))
    }

    /// `.service(at("/path", [get().to(…), post().to(…)]))`, as http.rs writes it.
    fn served() -> BTreeSet<(String, String)> {
        let mut served = BTreeSet::new();
        for line in include_str!("../http.rs").split(".service(at(\"").skip(1) {
            let (path, rest) = line.split_once('"').unwrap();
            let rest = rest.split_once("]))").unwrap().0;
            for (word, method) in [("get()", GET), ("post()", POST)] {
                if rest.contains(word) {
                    served.insert((path.to_owned(), method.to_owned()));
                }
            }
        }
        served
    }

    #[test]
    fn every_route_has_exactly_one_row() {
        let rows: Vec<_> = NEEDS.iter().map(|(at, by, _)| ((*at).to_owned(), (*by).to_owned())).collect();
        let distinct: BTreeSet<_> = rows.iter().cloned().collect();
        assert_eq!(distinct.len(), rows.len());
        let served = served();
        assert!(served.len() >= 18, "{served:?}");
        let missing: Vec<_> = served.difference(&distinct).collect();
        assert!(missing.is_empty(), "routes without a row: {missing:?}");
    }

    #[test]
    fn nothing_that_writes_or_runs_is_served_without_a_key() {
        for (at, method, need) in NEEDS {
            // What a client had kept is its own.
            let is_kept = at.starts_with("/v1/responses/") || crate::http::passages::of(at).is_some();
            let is_closed = at.starts_with("/admin") || is_kept;
            let may_be_open = *method == GET && !is_closed;
            assert_eq!(matches!(need, Need::Nothing | Need::Look(_)), may_be_open, "{method} {at}");
        }
    }

    /// Every route, asked by everybody.
    #[test]
    fn each_kind_of_principal_is_served_what_its_row_says() {
        let here = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];
        for (at, method, need) in NEEDS {
            let status = |caller: &Caller| match judge(at, method, caller) {
                Ok(()) => 200,
                Err(Refusal::Unauthorized) => 401,
                Err(Refusal::MissingScope { .. }) => 403,
                Err(other) => panic!("{other}"),
            };
            let operator =
                Caller { principal: Principal::Operator, address: None, account: None, is_proxied: false };
            assert_eq!(status(&operator), 200, "{method} {at}");
            let (by_nobody_here, by_nobody_elsewhere, scopes) = match need {
                Need::Nothing => (200, 200, Scope::ALL.as_slice()),
                Need::Look(scopes) => (200, 401, *scopes),
                Need::Key(scope) => (401, 401, std::slice::from_ref(scope)),
            };
            for address in here {
                let nobody = caller(Principal::Anonymous, address);
                assert_eq!(status(&nobody), by_nobody_here, "{method} {at} {address}");
            }
            let nobody = caller(Principal::Anonymous, "192.0.2.1");
            assert_eq!(status(&nobody), by_nobody_elsewhere, "{method} {at}");
            let unknown =
                Caller { principal: Principal::Anonymous, address: None, account: None, is_proxied: false };
            assert_eq!(status(&unknown), by_nobody_elsewhere, "{method} {at}: from nobody knows where");
            for (scope, address) in Scope::ALL.into_iter().flat_map(|scope| here.map(|here| (scope, here))) {
                let expected = if scopes.contains(&scope) { 200 } else { 403 };
                assert_eq!(status(&caller(with(scope), address)), expected, "{method} {at} {scope}");
                assert_eq!(status(&caller(with(scope), "192.0.2.1")), expected, "{method} {at} {scope}");
            }
        }
    }

    #[test]
    fn what_has_no_row_is_not_served_to_anybody() {
        let operator =
            Caller { principal: Principal::Operator, address: None, account: None, is_proxied: false };
        for (at, method) in [("/healthz", POST), ("/healthz", "HEAD"), ("/admin", GET), ("", GET)] {
            assert!(matches!(judge(at, method, &operator), Err(Refusal::NoMethod { .. })), "{method} {at}");
        }
    }
}
