//! What an owner should look at before a customer meets it: facts that contradict each other, offers that are over, and
//! prices far from their neighbours'.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Fact, Kind, stems};

/// Prices of a column from which their middle says something.
const ENOUGH: usize = 5;
/// How many times the middle of its column a price is, or a fraction of it, that is far off.
const FAR: i64 = 8;

/// Something that is not right, or may not be, by the numbers of the facts in their list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Of the same thing, with different values. The first is what customers are told.
    Contradiction(Vec<usize>),
    /// Of an offer that ended before today.
    Ended(usize),
    FarOff(usize),
}

/// The problems of these facts.
pub fn problems(facts: &[Fact], today: Date) -> Vec<Problem> {
    let mut out = contradictions(facts, today);
    let mut lines = std::collections::HashSet::new();
    out.extend(
        facts
            .iter()
            .enumerate()
            .filter(|(_, fact)| fact.is_over(today) && lines.insert((&fact.title, &fact.line)))
            .map(|(at, _)| Problem::Ended(at)),
    );
    out.extend(far_off(facts));
    out
}

fn contradictions(facts: &[Fact], today: Date) -> Vec<Problem> {
    let mut of_the_same: BTreeMap<(Kind, Vec<String>), Vec<usize>> = BTreeMap::new();
    for (at, fact) in facts.iter().enumerate() {
        if !matches!(fact.kind, Kind::Price | Kind::Time) || fact.is_over(today) {
            continue;
        }
        let name = stems(&fact.name());
        if !name.is_empty() {
            of_the_same.entry((fact.kind, name)).or_default().push(at);
        }
    }
    let said = |at: &usize| {
        facts[*at]
            .cents
            .map_or_else(|| kernel::text::fold(&facts[*at].value), |cents| cents.to_string())
    };
    let mut out = Vec::new();
    for mut group in of_the_same.into_values() {
        let first = said(&group[0]);
        let differ = group.iter().any(|at| said(at) != first);
        // Within one document, the same name under two headings may be two things.
        let apart = group.iter().any(|at| facts[*at].document != facts[group[0]].document);
        if differ && apart {
            group.sort_by_key(|at| facts[*at].outdated);
            out.push(Problem::Contradiction(group));
        }
    }
    out.sort_by_key(|problem| match problem {
        Problem::Contradiction(group) => group.iter().min().copied(),
        _ => None,
    });
    out
}

fn far_off(facts: &[Fact]) -> Vec<Problem> {
    // By document and column: the numbers of the facts, with their amounts.
    let mut columns: BTreeMap<_, Vec<(usize, i64)>> = BTreeMap::new();
    for (at, fact) in facts.iter().enumerate() {
        if let (Kind::Price, Some(cents)) = (fact.kind, fact.cents) {
            let column = (fact.document.to_string(), fact.aspect.as_deref());
            columns.entry(column).or_default().push((at, cents));
        }
    }
    let mut out = Vec::new();
    for column in columns.into_values().filter(|column| column.len() >= ENOUGH) {
        let mut sorted: Vec<i64> = column.iter().map(|(_, cents)| *cents).collect();
        sorted.sort_unstable();
        let middle = sorted[sorted.len() / 2];
        // A list whose prices lie far apart anyway says nothing of one of them.
        let (low, high) = (sorted[sorted.len() / 4], sorted[sorted.len() * 3 / 4]);
        if low == 0 || high / low >= FAR / 2 {
            continue;
        }
        let far =
            |cents: i64| cents >= middle.saturating_mul(FAR) || cents.saturating_mul(FAR) <= middle;
        out.extend(
            column.iter().filter(|(_, cents)| far(*cents)).map(|(at, _)| Problem::FarOff(*at)),
        );
    }
    out
}
