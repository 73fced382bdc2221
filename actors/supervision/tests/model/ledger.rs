//! What happened, entry by entry, and the order that is promised of it.

use std::collections::BTreeMap;

/// Something that an observer of the tree can see happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// An actor began a life.
    Started { path: String, generation: u64, role: &'static str },
    /// An actor's life is over: nothing of it is left.
    Gone { path: String, generation: u64 },
    /// A child's monitor heard how a life ended and what follows.
    Heard { path: String, generation: u64, end: String, follows: String },
}

/// Entries in the order that is promised: one after the other, or side by side in any order.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    One(Entry),
    Beside(Vec<Vec<Order>>),
}

/// Why `log` is not what `promised` allows, if it is not.
pub(crate) fn contradiction(promised: &[Order], log: &[Entry]) -> Option<String> {
    let (mut expected, mut actual) = (entries(promised), log.to_vec());
    expected.sort();
    actual.sort();
    if expected != actual {
        let only_in = |here: &[Entry], there: &[Entry]| -> String {
            let missing: Vec<_> = here.iter().filter(|entry| !there.contains(entry)).collect();
            format!("{missing:#?}")
        };
        let (missing, extra) = (only_in(&expected, &actual), only_in(&actual, &expected));
        return Some(format!("missing in the ledger: {missing}\nnot foreseen there: {extra}"));
    }
    let places: BTreeMap<&Entry, usize> =
        log.iter().enumerate().map(|(place, entry)| (entry, place)).collect();
    span(promised, &places).err()
}

/// Whether as many entries are there as are promised.
pub(crate) fn is_complete(promised: &[Order], length: usize) -> bool {
    entries(promised).len() == length
}

fn entries(promised: &[Order]) -> Vec<Entry> {
    let of = |order: &Order| match order {
        Order::One(entry) => vec![entry.clone()],
        Order::Beside(branches) => branches.iter().flat_map(|branch| entries(branch)).collect(),
    };
    promised.iter().flat_map(of).collect()
}

/// From where to where in the log the entries stand; an error when one stands before another that it follows.
fn span(promised: &[Order], places: &BTreeMap<&Entry, usize>) -> Result<Option<(usize, usize)>, String> {
    let mut whole: Option<(usize, usize)> = None;
    for order in promised {
        let part = match order {
            Order::One(entry) => Some((places[entry], places[entry])),
            Order::Beside(branches) => {
                let mut widest: Option<(usize, usize)> = None;
                for (first, last) in branches
                    .iter()
                    .map(|branch| span(branch, places))
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .flatten()
                {
                    let (from, to) = widest.unwrap_or((first, last));
                    widest = Some((from.min(first), to.max(last)));
                }
                widest
            }
        };
        let Some((first, last)) = part else { continue };
        if let Some((_, end)) = whole
            && first < end
        {
            return Err(format!("too early in the ledger: {order:?}"));
        }
        whole = Some((whole.map_or(first, |(start, _)| start), last));
    }
    Ok(whole)
}
