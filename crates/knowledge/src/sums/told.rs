//! What was told before as the parts of a sum, so that the next text can add to it, change how many, or pay it otherwise.

use kernel::text::fold;

use super::Part;
use super::priced::Priced;
use crate::facts::amounts::{self, written};
use crate::facts::cells;
use crate::split::capital;

/// Characters from which a name is known again in what was told.
const TELLING: usize = 4;

/// The name under which a price is told: that of its row, or its own.
fn head(one: &Priced<'_>) -> String {
    match cells::of(&one.fact.line) {
        Some(row) => cells::joined(&row[..cells::naming(&row)]),
        None => one.fact.name(),
    }
}

/// The parts that a reply tells, in its order; `None` where it tells no price that is known again.
pub(super) fn parts<'a>(reply: &str, priced: &'a [Priced<'a>]) -> Option<Vec<Part<'a>>> {
    let named: Vec<(String, &Priced<'_>)> =
        priced.iter().map(|one| (fold(&head(one)), one)).collect();
    let mut out: Vec<Part<'a>> = Vec::new();
    for line in reply.lines() {
        let folded = fold(line);
        if folded.starts_with("total:") {
            continue;
        }
        let all: Vec<i64> = amounts::all(line).into_iter().map(|one| one.cents).collect();
        let longest = named
            .iter()
            .filter(|(head, one)| {
                head.chars().count() >= TELLING
                    && folded.contains(head.as_str())
                    && (all.contains(&one.cents) || one.fact.line == line)
            })
            .map(|(head, _)| head.len())
            .max();
        let Some(longest) = longest else { continue };
        let here: Vec<&Priced<'a>> = named
            .iter()
            .filter(|(head, one)| {
                head.len() == longest && folded.contains(head.as_str()) && all.contains(&one.cents)
            })
            .map(|(_, one)| *one)
            .collect();
        let counted = |one: &&&Priced<'_>| {
            let price = format!("({}", written(one.cents));
            line.contains(&price) && line.contains(&capital(&one.fact.name()))
        };
        let part = if let Some(fact) = here.iter().find(counted) {
            let count = line
                .split(" × ")
                .next()
                .and_then(|before| before.rsplit(' ').next())
                .and_then(|count| count.parse().ok());
            Part { count: count?, fact }
        } else {
            // Of a row with several columns it is the one for everybody.
            let mut usual = here.iter().filter(|one| one.is_usual());
            let fact = match (here.as_slice(), usual.next(), usual.next()) {
                ([one], ..) => one,
                (_, Some(one), None) => one,
                _ => return None,
            };
            Part { count: 1, fact }
        };
        if out.iter().all(|other| !std::ptr::eq(other.fact, part.fact)) {
            out.push(part);
        }
    }
    // Several prices without their sum are a list to choose from.
    let summed = out.len() == 1 || reply.lines().any(|line| line.starts_with("Total: "));
    (!out.is_empty() && summed).then_some(out)
}
