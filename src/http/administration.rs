//! The running tree, acted on from outside: whoever has a place in it is killed, stopped or suspended through its
//! supervisor; a breaker is held open or closed.
//!
//! It wants the scope `admin`, which the Unix socket has. What follows from an end is the tree's own rule.

use std::time::Duration;

use actix_web::web::{Data, Json};
use supervision::{Node, State};
use tracing::info;
use units::DeploymentId;

use super::admin::shown;
use super::auditing::Who;
use super::changes::carried_out;
use super::views::{Act, Acted, At, BreakerOrder, BreakerSet, Control};
use super::{Desk, Refusal};

/// The most bytes of a path in the tree; none that lives is half as long.
const MAX_PATH_BYTES: usize = 512;
/// How long a supervisor may take to do it; a child that stops may need its time.
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// How alike two names are, from 0 to 1, for one to be meant by the other.
const NEAR: f64 = 0.75;

/// `POST /admin/tree/kill`
pub(super) async fn kill(who: Who, at: Json<At>, desk: Data<Desk>) -> Result<Json<Acted>, Refusal> {
    recorded(Act::Kill, who, at.into_inner(), &desk).await
}

/// `POST /admin/tree/terminate`
pub(super) async fn terminate(who: Who, at: Json<At>, desk: Data<Desk>) -> Result<Json<Acted>, Refusal> {
    recorded(Act::Terminate, who, at.into_inner(), &desk).await
}

/// `POST /admin/tree/restart`
pub(super) async fn restart(who: Who, at: Json<At>, desk: Data<Desk>) -> Result<Json<Acted>, Refusal> {
    recorded(Act::Restart, who, at.into_inner(), &desk).await
}

/// `POST /admin/tree/suspend`
pub(super) async fn suspend(who: Who, at: Json<At>, desk: Data<Desk>) -> Result<Json<Acted>, Refusal> {
    recorded(Act::Suspend, who, at.into_inner(), &desk).await
}

/// `POST /admin/tree/resume`
pub(super) async fn resume(who: Who, at: Json<At>, desk: Data<Desk>) -> Result<Json<Acted>, Refusal> {
    recorded(Act::Resume, who, at.into_inner(), &desk).await
}

/// `POST /admin/breakers`
pub(super) async fn breaker(
    who: Who,
    order: Json<BreakerOrder>,
    desk: Data<Desk>,
) -> Result<Json<BreakerSet>, Refusal> {
    let BreakerOrder { deployment, control } = order.into_inner();
    let action = match control {
        Control::ForceOpen => "breaker.open",
        Control::ForceClosed => "breaker.close",
        Control::Disabled => "breaker.disable",
        Control::Automatic => "breaker.release",
    };
    let (own, subject) = (Desk::clone(&desk), deployment.to_string());
    let set = async move { set(deployment, control, &own) };
    carried_out(&desk, who, action, subject, set).await.map(Json)
}

fn set(deployment: DeploymentId, control: Control, desk: &Desk) -> Result<BreakerSet, Refusal> {
    let routes = desk.doors.routes.load_full();
    let known = routes.table().deployments();
    if !known.iter().any(|known| known.id == deployment) {
        let written = deployment.to_string();
        let scored = known.iter().map(|known| (alike(&known.id.to_string(), &written), &known.id));
        let best =
            scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).filter(|(score, _)| *score >= NEAR);
        return Err(Refusal::NoDeployment { deployment: written, meant: best.map(|(_, id)| id.clone()) });
    }
    let not_ready = || {
        let why = "its provider has no key, or its server did not answer when this one started";
        Refusal::Conflict(format!("`{deployment}` is not called at all, and so has no breaker: {why}"))
    };
    let breaker = &routes.deployment(&deployment).ok_or_else(not_ready)?.breaker;
    info!(%deployment, ?control, "its breaker is set from outside");
    match control {
        Control::ForceOpen => breaker.force_open(),
        Control::ForceClosed => breaker.force_closed(),
        Control::Disabled => breaker.disable(),
        Control::Automatic => breaker.release(),
    }
    Ok(BreakerSet { breaker: shown(breaker), deployment })
}

async fn recorded(kind: Act, who: Who, at: At, desk: &Desk) -> Result<Json<Acted>, Refusal> {
    let (action, subject) = (format!("tree.{}", kind.word()), at.path.clone());
    let own = desk.clone();
    let act = async move { act(kind, at, &own).await };
    carried_out(desk, who, action, subject, act).await.map(Json)
}

async fn act(act: Act, At { path }: At, desk: &Desk) -> Result<Acted, Refusal> {
    if path.len() > MAX_PATH_BYTES {
        let message = format!("a path in the tree has no more than {MAX_PATH_BYTES} bytes");
        return Err(Refusal::Unprocessable(message));
    }
    let tree = (desk.doors.view)();
    let Some(node) = find(&tree, &path) else {
        let meant = nearest(&tree, &path);
        return Err(Refusal::NobodyThere { path, meant });
    };
    let Some((parent, id)) = path.rsplit_once('/') else { return Err(Refusal::IsRoot) };
    allowed(act, &path, node.state)?;
    let nobody = || Refusal::NobodyThere { path: path.clone(), meant: None };
    let supervisor = desk.doors.registry.supervisor(parent).ok_or_else(nobody)?;
    info!(child.path = path, act = act.word(), generation = node.generation, "asked for from outside");
    let done = async {
        match act {
            Act::Kill => supervisor.kill_child(id).await,
            Act::Terminate => supervisor.terminate_child(id).await,
            Act::Restart => supervisor.restart_child(id).await.map(|_| ()),
            Act::Suspend => supervisor.suspend_child(id).await,
            Act::Resume => supervisor.resume_child(id).await,
        }
    };
    let silent = |_| Refusal::Busy(format!("the supervisor `{parent}` has not answered yet"));
    let done = desk.clock.timeout(DONE_WITHIN, done).await.map_err(silent)?;
    done.map_err(|error| Refusal::of_child(&path, error))?;
    Ok(Acted { generation: node.generation, path })
}

/// What is refused here because the supervisor would do nothing and not say so.
fn allowed(act: Act, path: &str, state: State) -> Result<(), Refusal> {
    let lives = matches!(state, State::Starting | State::Running | State::Stopping);
    if act == Act::Kill && !lives {
        let message = format!("nobody lives at `{path}` who could be killed: see `impresario tree`");
        return Err(Refusal::Conflict(message));
    }
    Ok(())
}

fn find<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    let mut ids = path.split('/');
    let first = ids.next();
    let root = (first == Some(root.id.as_str())).then_some(root)?;
    ids.try_fold(root, |node, id| node.children.iter().find(|child| child.id == id))
}

/// The place that was probably meant: whose path ends so, or whose every name is like the one that was written.
fn nearest(root: &Node, path: &str) -> Option<String> {
    let end = format!("/{path}");
    let ends_so = root.walk().into_iter().map(|(found, _)| found).find(|found| found.ends_with(&end));
    ends_so.or_else(|| {
        let beneath = path.split_once('/').filter(|(first, _)| alike(&root.id, first) >= NEAR);
        let ids = beneath.map_or(path, |(_, rest)| rest);
        let mut found = root.id.clone();
        let mut node = root;
        for id in ids.split('/') {
            node = most_alike(node, id)?;
            found = format!("{found}/{}", node.id);
        }
        Some(found)
    })
}

fn most_alike<'a>(node: &'a Node, id: &str) -> Option<&'a Node> {
    let scored = node.children.iter().map(|child| (alike(&child.id, id), child));
    let (score, child) = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (score >= NEAR).then_some(child)
}

fn alike(known: &str, written: &str) -> f64 {
    strsim::jaro_winkler(known, written)
}

#[cfg(test)]
mod tests {
    use supervision::Kind;

    use super::*;

    fn node(id: &str, children: Vec<Node>) -> Node {
        Node {
            id: id.to_owned(),
            kind: if children.is_empty() { Kind::Actor } else { Kind::Supervisor },
            state: State::Running,
            suspended: false,
            generation: 1,
            restarts: 0,
            queued: 0,
            capacity: 1,
            last_end: None,
            children,
        }
    }

    fn tree() -> Node {
        let models = ["account", "gpt-large", "gpt-small"].map(|id| node(id, Vec::new())).to_vec();
        let vendors = vec![node("vendor", models), node("other", vec![node("account", Vec::new())])];
        node("root", vec![node("writer", Vec::new()), node("providers", vendors), node("router", Vec::new())])
    }

    #[test]
    fn finds_whom_a_path_names_and_nobody_else() {
        let tree = tree();
        assert_eq!(find(&tree, "root").unwrap().id, "root");
        assert_eq!(find(&tree, "root/providers/vendor/gpt-small").unwrap().id, "gpt-small");
        for path in
            ["", "/", "writer", "root/", "/root", "root//writer", "root/writer/x", "root/gpt-small", "Root"]
        {
            assert!(find(&tree, path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_understood_and_nonsense_is_not() {
        let tree = tree();
        for (written, meant) in [
            ("root/writr", Some("root/writer")),
            ("writer", Some("root/writer")),
            ("vendor/gpt-small", Some("root/providers/vendor/gpt-small")),
            ("root/provider/vendr/gpt-larg", Some("root/providers/vendor/gpt-large")),
            ("rot/router", Some("root/router")),
            ("root/zzz", None),
            ("root/writer/x", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(nearest(&tree, written).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn only_who_lives_can_be_killed() {
        for state in [State::Starting, State::Running, State::Stopping] {
            assert!(allowed(Act::Kill, "root/x", state).is_ok());
        }
        for state in [State::BackingOff, State::Asleep, State::Parked, State::Ignored, State::Ended] {
            assert!(matches!(allowed(Act::Kill, "root/x", state), Err(Refusal::Conflict(_))));
            assert!(allowed(Act::Terminate, "root/x", state).is_ok());
        }
    }
}
