//! Order among tasks, without recursion: a plan's chain may be as long as the plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use units::TaskId;

use crate::Task;

/// For each task, the tasks that it waits for, by their places in the plan.
type Waits = Vec<Vec<usize>>;

/// Which tasks must come before a task, in all: one bit each.
#[derive(Clone, PartialEq, Eq)]
struct Before(Vec<u64>);

impl Before {
    fn nothing(tasks: usize) -> Self {
        Self(vec![0; tasks.div_ceil(64)])
    }

    fn has(&self, task: usize) -> bool {
        self.0[task / 64] >> (task % 64) & 1 == 1
    }

    fn add(&mut self, task: usize) {
        self.0[task / 64] |= 1 << (task % 64);
    }

    fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// See [`crate::Plan::groups`].
pub(crate) fn groups(tasks: &[Task]) -> Vec<Vec<TaskId>> {
    let mut waits = dependencies(tasks);
    let mut before = ancestors(&mut waits);
    for (earlier, later) in overlaps(tasks) {
        if !before[later].has(earlier) && !before[earlier].has(later) {
            waits[later].push(earlier);
            put_before(&mut before, earlier, later);
        }
    }
    // What comes before a task has itself less before it: counting sorts the graph.
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|&task| before[task].count());
    let mut levels = vec![0; tasks.len()];
    for task in order {
        levels[task] = waits[task].iter().map(|&earlier| levels[earlier] + 1).max().unwrap_or(0);
    }
    let mut groups = vec![Vec::new(); levels.iter().max().map_or(0, |deepest| deepest + 1)];
    for (task, level) in tasks.iter().zip(levels) {
        groups[level].push(task.id.clone());
    }
    groups
}

/// The declared dependencies, each once; unknown ones and those on oneself are passed over.
fn dependencies(tasks: &[Task]) -> Waits {
    let places: HashMap<&TaskId, usize> =
        tasks.iter().enumerate().rev().map(|(place, task)| (&task.id, place)).collect();
    let known = |(place, task): (usize, &Task)| {
        let known = task.depends_on.iter().filter_map(|id| places.get(id).copied());
        let others: BTreeSet<usize> = known.filter(|&other| other != place).collect();
        others.into_iter().collect()
    };
    tasks.iter().enumerate().map(known).collect()
}

/// All that comes before each task. Cuts cycles in `waits` on the way.
fn ancestors(waits: &mut Waits) -> Vec<Before> {
    let mut before = vec![Before::nothing(waits.len()); waits.len()];
    let mut done = vec![false; waits.len()];
    for task in linear(waits).order {
        waits[task].retain(|&earlier| done[earlier]);
        done[task] = true;
        let mut all = Before::nothing(waits.len());
        for &earlier in &waits[task] {
            all.add(earlier);
            all.add_all(&before[earlier]);
        }
        before[task] = all;
    }
    before
}

/// The tasks in a row, and the cycles that had to be cut for it.
struct Linear {
    order: Vec<usize>,
    cycles: Vec<Vec<usize>>,
}

/// Puts every task after what it waits for. Where only cycles are left, one is cut before its first declared task.
fn linear(waits: &Waits) -> Linear {
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    let mut waiting = vec![Vec::new(); waits.len()];
    for (task, earlier) in waits.iter().enumerate() {
        earlier.iter().for_each(|&earlier| waiting[earlier].push(task));
    }
    let mut rest: BTreeSet<usize> = (0..waits.len()).collect();
    let mut ready: BTreeSet<usize> = rest.iter().copied().filter(|&task| open[task] == 0).collect();
    let mut linear = Linear { order: Vec::with_capacity(waits.len()), cycles: Vec::new() };
    while let Some(&first) = rest.first() {
        let task = ready.pop_first().unwrap_or_else(|| {
            let cycle = cycle_from(first, waits, &rest);
            let cut = cycle[0];
            linear.cycles.push(cycle);
            cut
        });
        rest.remove(&task);
        linear.order.push(task);
        for &later in &waiting[task] {
            open[later] -= 1;
            if open[later] == 0 && rest.contains(&later) {
                ready.insert(later);
            }
        }
    }
    linear
}

/// The cycle that is met on the way from `start`, its first declared task first. Each of `rest` waits for another
/// of `rest`, so that the way never ends before it meets itself.
fn cycle_from(start: usize, waits: &Waits, rest: &BTreeSet<usize>) -> Vec<usize> {
    let mut way = Vec::new();
    let mut met = HashMap::new();
    let mut task = start;
    while let std::collections::hash_map::Entry::Vacant(entry) = met.entry(task) {
        entry.insert(way.len());
        way.push(task);
        let next = waits[task].iter().copied().find(|earlier| rest.contains(earlier));
        task = next.expect("a task that waits for none of the rest would have been ready");
    }
    let mut cycle = way.split_off(met[&task]);
    let first = (0..cycle.len()).min_by_key(|&place| cycle[place]).unwrap_or(0);
    cycle.rotate_left(first);
    cycle
}

/// Pairs of places, the earlier declared first, where one task writes what the other reads or writes. Sorted by
/// the later one, its nearest neighbour first, so that a row of overlaps becomes a chain.
fn overlaps(tasks: &[Task]) -> Vec<(usize, usize)> {
    let mut claims: BTreeMap<&str, BTreeMap<usize, bool>> = BTreeMap::new();
    for (place, task) in tasks.iter().enumerate() {
        let reads = task.reads.iter().map(|path| (path, false));
        for (path, writes) in reads.chain(task.writes.iter().map(|path| (path, true))) {
            *claims.entry(path).or_default().entry(place).or_default() |= writes;
        }
    }
    let mut pairs = BTreeSet::new();
    for claimants in claims.values() {
        for (&later, &later_writes) in claimants {
            let earlier = claimants.range(..later).filter(|&(_, &writes)| writes || later_writes);
            pairs.extend(earlier.map(|(&earlier, _)| (later, std::cmp::Reverse(earlier))));
        }
    }
    pairs.into_iter().map(|(later, earlier)| (earlier.0, later)).collect()
}

fn put_before(before: &mut [Before], earlier: usize, later: usize) {
    let mut more = before[earlier].clone();
    more.add(earlier);
    for (task, all) in before.iter_mut().enumerate() {
        if task == later || all.has(later) {
            all.add_all(&more);
        }
    }
}

/// Cycles of dependencies, each as the places of tasks of which every one depends on the next; whatever cycle there
/// is shares a task with one of these.
pub(crate) fn cycles(tasks: &[Task]) -> Vec<Vec<usize>> {
    linear(&dependencies(tasks)).cycles
}
