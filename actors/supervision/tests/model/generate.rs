//! From a seed to a plan: a random tree and random faults, chosen so that rules decide what follows and no race does.

use crate::dice::Dice;
use crate::model::{Model, Phase, Target};
use crate::plan::{
    AutoShutdown, Birth, Body, Bound, Branch, Letter, Patience, Plan, Request, Restart, Sprout, Step,
    Strategy, Worker,
};

/// Supervisors above one another, the root among them.
const DEPTH: u64 = 3;
/// Children that the tree begins with.
const CHILDREN: u64 = 9;
/// Tries to find a step that is no race; then the plan ends.
const TRIES: usize = 12;

/// The plan of a seed.
pub(crate) fn plan(seed: u64) -> Plan {
    let mut dice = Dice::new(seed);
    let mut plan = std::iter::repeat_with(|| tree(&mut dice)).find(is_decided).expect("most trees start");
    let (mut model, _) = Model::start(&plan);
    let most = dice.between(5, 24);
    for _ in 0..most {
        let Some((step, after)) = next(&mut dice, &model) else { break };
        plan.steps.push(step);
        model = after;
    }
    // Time passes until the tree can be stopped in one way alone.
    while let (false, Some(at)) = (can_stop(&model), model.next_timer()) {
        let step = Step::Advance { by: at - model.now() };
        if !model.apply(&step).races.is_empty() {
            plan.steps.clear();
            break;
        }
        plan.steps.push(step);
    }
    plan
}

fn tree(dice: &mut Dice) -> Plan {
    let mut left = dice.between(1, CHILDREN);
    let root = branch(dice, DEPTH, &mut left);
    Plan { root, threads: usize::from(dice.percent(50)) + 1, steps: Vec::new() }
}

/// Whether the rules alone decide what the plan leads to.
pub(crate) fn is_decided(plan: &Plan) -> bool {
    let (mut model, expected) = Model::start(plan);
    expected.races.is_empty()
        && plan.steps.iter().all(|step| model.apply(step).races.is_empty())
        && can_stop(&model)
}

fn can_stop(model: &Model) -> bool {
    model.end().is_some() || model.clone().stop().races.is_empty()
}

fn next(dice: &mut Dice, model: &Model) -> Option<(Step, Model)> {
    if model.end().is_some() {
        return None;
    }
    for _ in 0..TRIES {
        let Some(step) = step(dice, model) else { continue };
        let mut after = model.clone();
        if after.apply(&step).races.is_empty() {
            return Some((step, after));
        }
    }
    None
}

// === Trees ===

fn branch(dice: &mut Dice, depth: u64, left: &mut u64) -> Branch {
    use Strategy::{Dynamic, OneForAll, OneForOne, RestForOne};
    let strategy = dice.weighted(&[(3, OneForOne), (3, OneForAll), (3, RestForOne), (2, Dynamic)]);
    let restarts = usize::try_from(dice.below(5)).expect("a small number");
    let limit = if dice.percent(60) { Bound::Shared(restarts) } else { Bound::PerChild(restarts) };
    let auto_shutdown = dice.weighted(&[
        (5, AutoShutdown::Never),
        (2, AutoShutdown::AnySignificant),
        (3, AutoShutdown::AllSignificant),
    ]);
    let max_children = if dice.percent(25) { 4 } else { 50 };
    let mut branch = Branch { strategy, limit, auto_shutdown, max_children, children: Vec::new() };
    for number in 0..dice.between(1, 4) {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let id = char::from(b'a' + u8::try_from(number).expect("a small number")).to_string();
        let child = sprout(dice, id, auto_shutdown, depth - 1, left);
        branch.children.push(child);
    }
    branch
}

fn sprout(dice: &mut Dice, id: String, auto: AutoShutdown, depth: u64, left: &mut u64) -> Sprout {
    let restart = dice.weighted(&[(5, Restart::Permanent), (3, Restart::Transient), (2, Restart::Temporary)]);
    let may_be_significant = auto != AutoShutdown::Never && restart != Restart::Permanent;
    let significant = may_be_significant && dice.percent(70);
    let backoff = if dice.percent(50) { 0 } else { dice.between(10, 2_500) };
    let compensates = dice.percent(20).then(|| usize::try_from(dice.below(3)).expect("a small number"));
    let is_supervisor = depth > 0 && *left > 0 && dice.percent(35);
    let (patience, births, body) = if is_supervisor {
        let patience = if dice.percent(15) { Patience::None } else { Patience::Endless };
        (patience, Vec::new(), Body::Supervisor(branch(dice, depth, left)))
    } else {
        let timeout = Patience::Millis(dice.between(100, 3_000));
        let patience = dice.weighted(&[(1, Patience::None), (6, timeout), (1, Patience::Endless)]);
        let stubborn = matches!(patience, Patience::Millis(_)) && dice.percent(15);
        let capacity = if dice.percent(20) { 2 } else { 20 };
        let births = if dice.percent(3) { vec![birth(dice)] } else { Vec::new() };
        (patience, births, Body::Worker(Worker { capacity, refuses: dice.percent(30), stubborn }))
    };
    Sprout { id, restart, significant, patience, backoff, compensates, births, body }
}

fn birth(dice: &mut Dice) -> Birth {
    dice.weighted(&[
        (3, Birth::Fails),
        (2, Birth::PanicsInFactory),
        (2, Birth::PanicsInStarted),
        (2, Birth::Ignores),
    ])
}

// === Steps ===

fn step(dice: &mut Dice, model: &Model) -> Option<Step> {
    #[derive(Clone, Copy)]
    enum Sort {
        Fault,
        Mail,
        Rig,
        Time,
        Change,
        Question,
    }
    let sort = dice.weighted(&[
        (30, Sort::Fault),
        (12, Sort::Mail),
        (10, Sort::Rig),
        (22, Sort::Time),
        (26, Sort::Change),
        (6, Sort::Question),
    ]);
    match sort {
        Sort::Fault if dice.percent(25) => {
            let target = any(dice, model.targets().into_iter().filter(lives).collect())?;
            let (supervisor, id) = target.path.rsplit_once('/')?;
            Some(Step::Ask { supervisor: supervisor.to_owned(), request: Request::Kill(id.to_owned()) })
        }
        Sort::Fault => {
            let target = worker(dice, model)?;
            let letters = vec![fatal(dice, &target)];
            Some(Step::Send { path: target.path, letters })
        }
        Sort::Mail => {
            let target = worker(dice, model)?;
            let letter = |dice: &mut Dice| if dice.percent(25) { fatal(dice, &target) } else { Letter::Note };
            let letters = (0..dice.between(1, 4)).map(|_| letter(dice)).collect();
            Some(Step::Send { path: target.path, letters })
        }
        Sort::Rig => {
            let target = worker(dice, model)?;
            let births = (0..dice.between(1, 3)).map(|_| birth(dice)).collect();
            Some(Step::Rig { path: target.path, births })
        }
        Sort::Time => Some(Step::Advance { by: time(dice, model) }),
        Sort::Change => change(dice, model),
        Sort::Question => question(dice, model),
    }
}

fn time(dice: &mut Dice, model: &Model) -> u64 {
    match model.next_timer() {
        Some(at) if dice.percent(75) => at - model.now(),
        Some(at) => dice.between(1, (at - model.now()).max(2) - 1),
        None => dice.between(1, 7_000),
    }
}

fn fatal(dice: &mut Dice, target: &Target) -> Letter {
    let stops = if target.is_stubborn { 0 } else { 3 };
    dice.weighted(&[
        (5, Letter::Panic),
        (2, Letter::PanicInTask),
        (4, Letter::Fail),
        (3, Letter::Finish),
        (stops, Letter::Stop),
        (stops, Letter::Passivate),
    ])
}

fn change(dice: &mut Dice, model: &Model) -> Option<Step> {
    let (supervisor, _) = any(dice, model.families())?;
    let request = match dice.below(9) {
        0 | 1 => Request::Start(Box::new(newcomer(dice, model, &supervisor))),
        2 | 3 => Request::Terminate(known(dice, model, &supervisor)),
        4 | 5 => Request::Restart(known(dice, model, &supervisor)),
        6 => Request::Delete(known(dice, model, &supervisor)),
        7 => Request::Suspend(known(dice, model, &supervisor)),
        _ => {
            let suspended = model.targets().into_iter().filter(|target| target.is_suspended).collect();
            match any(dice, suspended) {
                Some(Target { path, .. }) => {
                    let (supervisor, id) = path.rsplit_once('/')?;
                    let request = Request::Resume(id.to_owned());
                    return Some(Step::Ask { supervisor: supervisor.to_owned(), request });
                }
                None => Request::Resume(known(dice, model, &supervisor)),
            }
        }
    };
    Some(Step::Ask { supervisor, request })
}

fn question(dice: &mut Dice, model: &Model) -> Option<Step> {
    let (supervisor, _) = any(dice, model.families())?;
    let request = match dice.below(4) {
        0 => Request::Describe(known(dice, model, &supervisor)),
        1 => Request::Count,
        _ => Request::Which,
    };
    Some(Step::Ask { supervisor, request })
}

fn newcomer(dice: &mut Dice, model: &Model, supervisor: &str) -> Sprout {
    let auto = model.branch(supervisor).map_or(AutoShutdown::Never, |branch| branch.auto_shutdown);
    let id = if dice.percent(20) {
        known(dice, model, supervisor)
    } else {
        dice.one_of(&["x", "y", "z"]).to_string()
    };
    // Supervisors come as guests only where the tree stays shallow enough.
    let depth = (DEPTH - 1).saturating_sub(supervisor.matches('/').count() as u64);
    let mut left = 3;
    let mut sprout = sprout(dice, id, auto, depth, &mut left);
    if dice.percent(8) {
        sprout.significant = true;
    }
    if let (Body::Worker(_), true) = (&sprout.body, dice.percent(12)) {
        sprout.births = vec![birth(dice)];
    }
    sprout
}

/// The id of a child of that supervisor, or of nobody.
fn known(dice: &mut Dice, model: &Model, supervisor: &str) -> String {
    let below = |target: &Target| match target.path.rsplit_once('/') {
        Some((parent, _)) => parent == supervisor && target.phase.is_some(),
        None => false,
    };
    let children: Vec<_> = model.targets().into_iter().filter(below).collect();
    match any(dice, children) {
        Some(child) if !dice.percent(4) => child.path.rsplit('/').next().unwrap_or("nobody").to_owned(),
        _ => "nobody".to_owned(),
    }
}

/// Most often an actor that lives, or else one that did.
fn worker(dice: &mut Dice, model: &Model) -> Option<Target> {
    let workers = || model.targets().into_iter().filter(|target| !target.is_supervisor);
    let living: Vec<_> = workers().filter(lives).collect();
    if living.is_empty() || dice.percent(20) { any(dice, workers().collect()) } else { any(dice, living) }
}

fn lives(target: &Target) -> bool {
    target.phase == Some(Phase::Running)
}

fn any<T: Clone>(dice: &mut Dice, of: Vec<T>) -> Option<T> {
    (!of.is_empty()).then(|| dice.one_of(&of).clone())
}
