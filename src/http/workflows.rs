//! Workflows over HTTP: start one, look at it, see what it changed, stop it.

use access::{Models, Principal};
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use actors::reviewer;
use actors::workflows::Order;
use serde::Deserialize;
use serde_json::json;
use units::{Seq, WorkflowId};
use workflow::{Event, Mode, State};

use super::auditing::Who;
use super::changes::{Subject, carried_out};
use super::identity::{Caller, Confinement};
use super::views::{Abort, CheckFrom, NewWorkflow, Started, WorkflowList};
use super::{Desk, Refusal, blocking, projection};
use crate::detect;

/// The workflows of one page, unless the request says otherwise.
const PAGE: usize = 50;
/// The most workflows of one page.
const MAX_PAGE: usize = 200;
/// Events read from the store at once.
const EVENTS: usize = 256;
/// The most bytes of a diff.
const MAX_DIFF_BYTES: usize = 32 * 1024 * 1024;

/// The query of `GET /v1/workflows`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    before: Option<WorkflowId>,
}

/// `GET /v1/workflows`
pub(super) async fn list(
    page: Query<Page>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<Json<WorkflowList>, Refusal> {
    let Page { limit, before } = page.into_inner();
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::BadRequest(format!("`limit` is {limit}: choose 1 to {MAX_PAGE}")));
    }
    let (readers, caller) = (desk.doors.readers.clone(), Caller::of(&request));
    let rows = blocking(move || {
        Ok(match caller.confinement().folders() {
            None => readers.workflows(limit, before.as_ref())?,
            Some(folders) => readers.workflows_beneath(&folders, limit, before.as_ref())?,
        })
    })
    .await?;
    Ok(Json(WorkflowList { workflows: rows.into_iter().map(projection::line).collect() }))
}

/// `POST /v1/workflows`
pub(super) async fn start(
    who: Who,
    new: Json<NewWorkflow>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<impl Responder, Refusal> {
    let new = new.into_inner();
    let subject = Subject::Made {
        wanted: new.workspace.display().to_string(),
        made: |made: &Started| made.id.to_string(),
    };
    let (caller, own) = (Caller::of(&request), Desk::clone(&desk));
    let start = async move { begin(new, caller, &own).await };
    let started = carried_out(&desk, who, "workflow.start", subject, start).await?;
    let location = format!("/v1/workflows/{}", started.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(started))
}

async fn begin(new: NewWorkflow, caller: Caller, desk: &Desk) -> Result<Started, Refusal> {
    if !new.workspace.is_absolute() {
        let message = "`workspace` is a path from the root of the file system: begin it with `/`";
        return Err(Refusal::Unprocessable(message.to_owned()));
    }
    can_be_stored(desk).await?;
    let settings = limits(desk, &new);
    can_be_answered(desk, settings.mode, caller.principal.models())?;
    let (asking, asked_for) = (caller.clone(), new.workspace);
    let root = blocking(move || asking.confinement().enter(asked_for)).await?;
    let (workbench, looked_at) = (desk.doors.workbench.clone(), root.clone());
    let (check, check_from) = match new.check {
        Some(check) => (check, CheckFrom::Request),
        None => {
            let detected = blocking(move || Ok(detect::check(&workbench.open(&looked_at)?)?)).await?;
            detected.map_or((Vec::new(), CheckFrom::Nowhere), |found| {
                (found.command, CheckFrom::Detected { file: found.file.to_owned() })
            })
        }
    };
    let requester = caller.principal.requester();
    let order = Order { goal: new.goal, root, check: check.clone(), settings, requester };
    let id = desk.doors.workflows.start(order).await?;
    Ok(Started { id, check, check_from })
}

/// `GET /v1/workflows/{id}`
pub(super) async fn show(
    id: Path<WorkflowId>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<impl Responder, Refusal> {
    let (readers, id, caller) = (desk.doors.readers.clone(), id.into_inner(), Caller::of(&request));
    let view = blocking(move || {
        let id = visible(&readers, id, &caller.confinement())?.id;
        let state = history(&readers, &id)?;
        let totals = readers.usage_by_model(&id)?;
        let row = readers.workflow(&id)?.ok_or(Refusal::NoWorkflow(id))?;
        Ok(projection::view(row, &state, totals))
    });
    Ok(Json(view.await?))
}

/// `GET /v1/workflows/{id}/diff`
pub(super) async fn diff(
    id: Path<WorkflowId>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<impl Responder, Refusal> {
    let (doors, id, caller) = (desk.doors.clone(), id.into_inner(), Caller::of(&request));
    let diff = blocking(move || {
        let row = visible(&doors.readers, id, &caller.confinement())?;
        let state = history(&doors.readers, &row.id)?;
        let standing = state.commits().iter().filter(|commit| !commit.compensated);
        let standing: Vec<String> = standing.map(|commit| commit.transaction.clone()).collect();
        if standing.is_empty() {
            return Ok(String::new());
        }
        let workspace = doors.workbench.open(row.root.as_ref())?;
        let diff = reviewer::diff(&doors.workbench, &workspace, &standing)?;
        if diff.len() > MAX_DIFF_BYTES {
            let message =
                format!("the diff has more than {MAX_DIFF_BYTES} bytes: look at the workspace itself");
            return Err(Refusal::Unprocessable(message));
        }
        Ok(diff)
    });
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/x-diff; charset=utf-8")).body(diff.await?))
}

/// `POST /v1/workflows/{id}/abort`
pub(super) async fn abort(
    who: Who,
    id: Path<WorkflowId>,
    body: Json<Abort>,
    request: HttpRequest,
    desk: Data<Desk>,
) -> Result<impl Responder, Refusal> {
    let caller = Caller::of(&request);
    let by = aborter(&caller, body.into_inner().by);
    let (own, id) = (Desk::clone(&desk), id.into_inner());
    let subject = id.to_string();
    let abort = async move {
        can_be_stored(&own).await?;
        if caller.principal.grant().is_some_and(|grant| !grant.roots.is_empty()) {
            let (readers, asked_for) = (own.doors.readers.clone(), id.clone());
            blocking(move || visible(&readers, asked_for, &caller.confinement())).await?;
        }
        Ok(own.doors.workflows.abort(&id, &by).await?)
    };
    carried_out(&desk, who, "workflow.abort", subject, abort).await?;
    Ok(HttpResponse::Accepted().json(json!({})))
}

fn limits(desk: &Desk, new: &NewWorkflow) -> workflow::Settings {
    let usual = desk.limits;
    workflow::Settings {
        mode: new.mode.unwrap_or(usual.mode),
        plan_attempts: new.plan_attempts.unwrap_or(usual.plan_attempts),
        edit_attempts: new.edit_attempts.unwrap_or(usual.edit_attempts),
        review_rounds: new.review_rounds.unwrap_or(usual.review_rounds),
        parallel_editors: new.parallel_editors.unwrap_or(usual.parallel_editors),
        step_failures: new.step_failures.unwrap_or(usual.step_failures),
    }
}

/// Who it is that stops a workflow: what he says of himself is believed of the operator alone.
fn aborter(caller: &Caller, said: Option<String>) -> String {
    match (&caller.principal, said) {
        (Principal::Operator, Some(by)) => by,
        (Principal::Operator, None) => "somebody with access to the socket".to_owned(),
        (principal @ (Principal::Key { .. } | Principal::Anonymous), None) => principal.name().to_owned(),
        (principal @ (Principal::Key { .. } | Principal::Anonymous), Some(by)) => {
            format!("{} ({by})", principal.name())
        }
    }
}

/// A workflow that the caller may see. One in a folder that is not his is not there. Blocks.
pub(super) fn visible(
    readers: &store::Readers,
    id: WorkflowId,
    confinement: &Confinement,
) -> Result<store::WorkflowRow, Refusal> {
    let row = readers.workflow(&id)?.filter(|row| confinement.covers(row.root.as_ref()));
    row.ok_or(Refusal::NoWorkflow(id))
}

/// What has to be durable before it is answered is refused at once while the database is away, rather than tried.
async fn can_be_stored(desk: &Desk) -> Result<(), Refusal> {
    let away = || Refusal::Busy("the store cannot be reached now".to_owned());
    if desk.probe.answers().await { Ok(()) } else { Err(away()) }
}

/// A run that nobody could answer would fail slowly; it is better refused.
fn can_be_answered(desk: &Desk, mode: Mode, models: &Models) -> Result<(), Refusal> {
    let roles: &[workflow::Role] = match mode {
        Mode::PlanOnly => &[workflow::Role::Planner],
        Mode::Run => &[workflow::Role::Planner, workflow::Role::Editor, workflow::Role::Reviewer],
    };
    let routes = desk.doors.routes.load_full();
    for role in roles {
        routing::candidates_among(routes.table(), role.name(), models).map_err(Refusal::NoProvider)?;
    }
    Ok(())
}

/// A workflow's whole history, folded. Blocks.
fn history(readers: &store::Readers, id: &WorkflowId) -> Result<State, Refusal> {
    let mut state = State::default();
    let mut seq = Seq(0);
    loop {
        let rows = readers.events_after(id, seq, EVENTS)?;
        let Some(last) = rows.last() else { return Ok(state) };
        seq = last.seq;
        for row in rows {
            let event = Event::decode(&row.payload).map_err(Refusal::internal)?;
            state = workflow::apply(state, &event);
        }
    }
}
