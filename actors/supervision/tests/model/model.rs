//! The reference: supervision as a plain, synchronous function over plain structs, readable as its specification.
//!
//! It is written from OTP's documentation and the house's architecture, not from the implementation. Where more than one
//! outcome is allowed it says so (`races`), and the plans go round it.

mod administration;
mod family;
mod member;
mod scene;

use std::collections::BTreeMap;

pub(crate) use self::administration::{Answer, Described};
use self::family::{Family, Manner};
use self::member::Member;
pub(crate) use self::member::Phase;
use self::scene::Scene;
pub(crate) use self::scene::{End, Fate, Wait};
use crate::ledger::Order;
use crate::plan::{Letter, Plan, Request, Step};

/// The path of the whole tree's supervisor.
pub(crate) const ROOT: &str = "root";

/// A tree as it ought to be.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    root: Family,
    scene: Scene,
    /// How the root ended, once it has.
    end: Option<End>,
}

/// What one step ought to bring about.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) answer: Option<Answer>,
    pub(crate) ledger: Vec<Order>,
    pub(crate) waits: Vec<Wait>,
    /// What may turn out in more than one way: a plan with any of it is no test.
    pub(crate) races: Vec<&'static str>,
}

/// What anyone can see of a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) state: &'static str,
    pub(crate) generation: u64,
    pub(crate) last_end: Option<String>,
    pub(crate) suspended: bool,
    pub(crate) queued: usize,
}

/// A place that a step may aim at.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) path: String,
    pub(crate) phase: Option<Phase>,
    pub(crate) is_supervisor: bool,
    pub(crate) is_stubborn: bool,
    pub(crate) is_suspended: bool,
}

impl Model {
    /// The tree after its start, or how the root ended instead.
    pub(crate) fn start(plan: &Plan) -> (Self, Expected) {
        let mut scene = Scene::default();
        let mut root = Family::new(ROOT, &plan.root);
        scene.plant(ROOT, &plan.root);
        scene.place(ROOT).generation = 1;
        let end = root.rise(&mut scene).err();
        if !scene.waits.is_empty() {
            scene.race("nobody can look at a tree that does not come to a start, and see whom it waits for");
        }
        let mut model = Self { root, scene, end };
        model.close_if_over();
        let expected = model.expected(None);
        (model, expected)
    }

    /// What a step brings about, up to the rest that follows it.
    pub(crate) fn apply(&mut self, step: &Step) -> Expected {
        self.scene.settle();
        let mut answer = None;
        let before = self.timers();
        match step {
            _ if self.end.is_some() => self.scene.race("the tree is over"),
            Step::Rig { path, births } => match self.scene.places.get_mut(path) {
                Some(place) => place.rigged.extend(births),
                None => self.scene.race("there is no such place"),
            },
            Step::Send { path, letters } => self.send(path, letters),
            Step::Advance { by } => self.advance(*by),
            Step::Ask { supervisor, request } => answer = self.ask(supervisor, request),
        }
        self.drain();
        self.wait_for_no_other(before);
        self.close_if_over();
        self.expected(answer)
    }

    /// The whole tree is stopped.
    pub(crate) fn stop(&mut self) -> Expected {
        self.scene.settle();
        let before = self.timers();
        self.root.fall(Manner::Orderly, &mut self.scene);
        self.end = Some(End::Shutdown);
        self.wait_for_no_other(before);
        self.close_if_over();
        self.expected(None)
    }

    /// How the root ended, once it has.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    pub(crate) fn now(&self) -> u64 {
        self.scene.now
    }

    /// When something happens by itself next.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers().into_iter().min()
    }

    /// What became of each message, in the order in which they were sent.
    pub(crate) fn fates(&self) -> &[Fate] {
        &self.scene.fates
    }

    /// Every place as it ought to look; of a tree that is over nothing is said.
    pub(crate) fn sights(&self) -> BTreeMap<String, Sight> {
        let mut sights = BTreeMap::new();
        if self.end.is_none() {
            sights.insert(ROOT.to_owned(), self.sight(ROOT, "running"));
            self.look(&self.root, &mut sights);
        }
        sights
    }

    /// Every place there ever was, living or not.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let places = self.scene.places.iter();
        places
            .map(|(path, place)| {
                let (parent, id) = path.rsplit_once('/').unwrap_or(("", path));
                let member = self.family(parent).and_then(|family| find(family, id));
                Target {
                    path: path.clone(),
                    phase: member.map(|member| member.phase),
                    is_supervisor: place.worker.is_none(),
                    is_stubborn: place.worker.is_some_and(|worker| worker.stubborn),
                    is_suspended: place.suspended,
                }
            })
            .collect()
    }

    /// How many children each living supervisor knows.
    pub(crate) fn families(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut open = if self.end.is_none() { vec![&self.root] } else { Vec::new() };
        while let Some(family) = open.pop() {
            found.push((family.path.clone(), family.members.len()));
            open.extend(family.members.iter().filter_map(|member| member.family.as_ref()));
        }
        found
    }

    /// How a living supervisor describes itself.
    pub(crate) fn branch(&self, path: &str) -> Option<&crate::plan::Branch> {
        self.family(path).map(|family| &family.branch)
    }

    fn expected(&mut self, answer: Option<Answer>) -> Expected {
        Expected {
            answer,
            ledger: std::mem::take(&mut self.scene.ledger),
            waits: std::mem::take(&mut self.scene.waits),
            races: std::mem::take(&mut self.scene.races),
        }
    }

    fn timers(&self) -> Vec<u64> {
        if self.end.is_some() { Vec::new() } else { self.root.timers() }
    }

    /// While a child that does not stop was waited for, nothing else may have been due.
    fn wait_for_no_other(&mut self, before: Vec<u64>) {
        let last = self.scene.waits.iter().map(|wait| wait.until).max();
        if last.is_some_and(|last| before.into_iter().chain(self.timers()).any(|at| at <= last)) {
            self.scene.race("something else was due while a child was waited for");
        }
    }

    fn close_if_over(&mut self) {
        if self.end.is_some() {
            for path in self.scene.places.keys().cloned().collect::<Vec<_>>() {
                self.scene.close(&path);
            }
        }
    }

    // === Messages ===

    fn send(&mut self, path: &str, letters: &[Letter]) {
        if self.scene.places.get(path).is_none_or(|place| place.worker.is_none()) {
            return self.scene.race("there is no such actor");
        }
        let (parent, id) = split(path);
        let is_asleep =
            self.family(parent).and_then(|family| find(family, id)).is_some_and(Member::is_asleep);
        if is_asleep && letters.len() > 1 {
            self.scene
                .race("whether a sleeper that is woken by one message takes it before the next one comes");
        }
        for letter in letters {
            self.scene.post(path, *letter);
        }
    }

    /// Everybody handles what waits, until nobody can.
    fn drain(&mut self) {
        while self.end.is_none() {
            let ready = self.ready(&self.root);
            let Some((path, phase)) = ready.first().cloned() else { return };
            let is_fatal =
                |path: &str| self.scene.places[path].queue.iter().any(|(_, letter)| letter.is_fatal());
            if ready.len() > 1 && ready.iter().any(|(path, phase)| *phase == Phase::Asleep || is_fatal(path))
            {
                self.scene.race("several who have mail may change each other's lives");
            }
            self.scene.settle();
            let (parent, id) = split(&path);
            if phase == Phase::Asleep {
                self.react(parent, |family, scene| family.wake(id, scene));
            } else {
                self.handle(&path);
            }
        }
    }

    /// Who could act on a message that waits.
    fn ready(&self, family: &Family) -> Vec<(String, Phase)> {
        let mut ready = Vec::new();
        for member in &family.members {
            let path = family.path_of(&member.sprout.id);
            let place = &self.scene.places[&path];
            let can_act = match member.phase {
                Phase::Running => !place.suspended,
                Phase::Asleep => true,
                Phase::Waiting { .. }
                | Phase::Awaited
                | Phase::Held
                | Phase::Parked
                | Phase::Ignored
                | Phase::Ended => false,
            };
            if can_act && !place.queue.is_empty() {
                ready.push((path, member.phase));
            }
            ready.extend(member.family.iter().flat_map(|family| self.ready(family)));
        }
        ready
    }

    /// An actor handles its next message, and perhaps ends by it.
    fn handle(&mut self, path: &str) {
        let place = self.scene.place(path);
        let (number, letter) = place.queue.pop_front().expect("who is ready has mail");
        let generation = place.generation;
        let is_alone = place.queue.is_empty();
        let is_stubborn = place.worker.is_some_and(|worker| worker.stubborn);
        if letter.ends_later() && !is_alone {
            self.scene.race("what waits behind it may be handled before the end or after");
        }
        self.scene.fates[number] = match letter {
            Letter::Panic => Fate::Panicked,
            Letter::Note
            | Letter::PanicInTask
            | Letter::Fail
            | Letter::Finish
            | Letter::Stop
            | Letter::Passivate => Fate::Answered { generation },
        };
        let end = match letter {
            Letter::Note => return,
            // It does not let itself be stopped.
            Letter::Stop | Letter::Passivate if is_stubborn => return,
            Letter::Panic | Letter::PanicInTask => End::Panicked,
            Letter::Fail => End::Failed,
            Letter::Finish | Letter::Stop => End::Normal,
            Letter::Passivate => End::Passivated,
        };
        self.scene.gone(path);
        let (parent, id) = split(path);
        self.react(parent, |family, scene| family.ended(id, &end, scene));
    }

    // === Reactions ===

    /// Something happens in the family at `path`; should it end by that, its own parent reacts, and so on up.
    fn react(&mut self, path: &str, act: impl FnOnce(&mut Family, &mut Scene) -> Option<End>) {
        let Some(family) = family_at(&mut self.root, path) else { return self.scene.race("no such family") };
        let mut end = act(family, &mut self.scene);
        let mut path = path;
        while let Some(ended) = end {
            let Some((parent, id)) = path.rsplit_once('/') else {
                self.end = Some(ended);
                return;
            };
            let family = family_at(&mut self.root, parent).expect("the parent of who lived lives");
            end = family.ended(id, &ended, &mut self.scene);
            path = parent;
        }
    }

    fn advance(&mut self, by: u64) {
        self.scene.now += by;
        let due = self.timers().into_iter().filter(|at| *at <= self.scene.now).count();
        if due > 1 {
            self.scene.race("more than one thing is due");
        }
        if due > 0 {
            self.end = self.root.tick(&mut self.scene);
        }
    }

    fn ask(&mut self, supervisor: &str, request: &Request) -> Option<Answer> {
        let mut answer = None;
        if family_at(&mut self.root, supervisor).is_none() {
            self.scene.race("that supervisor does not live");
            return None;
        }
        self.react(supervisor, |family, scene| {
            let (said, end) = family.serve(request, scene);
            answer = Some(said);
            end
        });
        answer
    }

    // === Looking ===

    fn family(&self, path: &str) -> Option<&Family> {
        let mut family = (self.end.is_none() && path.starts_with(ROOT)).then_some(&self.root)?;
        for id in path.split('/').skip(1) {
            family = find(family, id)?.family.as_ref()?;
        }
        Some(family)
    }

    fn look(&self, family: &Family, sights: &mut BTreeMap<String, Sight>) {
        for member in &family.members {
            let path = family.path_of(&member.sprout.id);
            sights.insert(path.clone(), self.sight(&path, member.phase.name()));
            if let Some(family) = &member.family {
                self.look(family, sights);
            }
        }
    }

    fn sight(&self, path: &str, state: &'static str) -> Sight {
        let place = &self.scene.places[path];
        Sight {
            state,
            generation: place.generation,
            last_end: place.last_end.as_ref().map(End::name),
            suspended: place.suspended,
            queued: place.queue.len(),
        }
    }
}

fn family_at<'a>(root: &'a mut Family, path: &str) -> Option<&'a mut Family> {
    let mut family = root;
    for id in path.split('/').skip(1) {
        family = family.members.iter_mut().find(|member| member.sprout.id == id)?.family.as_mut()?;
    }
    Some(family)
}

fn find<'a>(family: &'a Family, id: &str) -> Option<&'a Member> {
    family.members.iter().find(|member| member.sprout.id == id)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').expect("who is below the root has a parent")
}
