//! Sums that customers ask for: so many of this, one of that, with delivery, in instalments. They are computed from the
//! prices and the rules that the knowledge states, and only when every part is known for certain.

mod comes_to;
mod extreme;
mod parts;
mod priced;
mod rules;
mod told;
mod wanted;

use jiff::civil::Date;
use understanding::Plain;

use crate::facts::amounts::{Cents, written};
use crate::index::Index;
use crate::question::Question;
use crate::split::capital;
use priced::Priced;
use wanted::Wanted;

pub(crate) use comes_to::as_many;

/// Words of a text that may ask for a sum, and in which parts are looked for that no price is named by, at most.
const MOST_WORDS: usize = 60;
const LONGEST: usize = 30;
/// Parts of a sum, at most.
const PARTS: usize = 8;

const COUNTS: &[(&str, i64)] = &[
    ("um", 1),
    ("uma", 1),
    ("dois", 2),
    ("duas", 2),
    ("tres", 3),
    ("quatro", 4),
    ("cinco", 5),
    ("seis", 6),
    ("sete", 7),
    ("oito", 8),
    ("nove", 9),
    ("dez", 10),
    ("doze", 12),
    ("quinze", 15),
    ("vinte", 20),
    ("trinta", 30),
    ("cinquenta", 50),
    ("cem", 100),
    ("mil", 1000),
];

/// The number that a word stands for.
pub(crate) fn number_word(word: &str) -> Option<i64> {
    COUNTS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number)
}

/// "Quanto fica": what several things come to together.
const COMES_TO: &[&str] = &[
    "fica", "sai", "da", "daria", "pago", "vou", "seria", "ficaria", "sairia", "deu", "dava",
    "dao", "dariam", "ficam", "saem", "seriam", "ficariam", "sairiam", "pagaria", "pagar",
];
/// What asks for a sum by itself.
const TOTALS: &[&str] =
    &["total", "soma", "somando", "tudo", "junto", "juntos", "contando", "incluindo", "mais"];
/// What no sum answers: which of two, what is the difference, how long.
const NOT_SUMS: &[&str] =
    &["ou", "diferenca", "qual", "quais", "barato", "caro", "tempo", "demora"];

/// What is told of several facts, with the pieces that state them.
pub(crate) struct FromFacts {
    pub(crate) reply: String,
    pub(crate) pieces: Vec<usize>,
}

/// Something that is counted.
#[derive(Clone, Copy)]
struct Part<'a> {
    count: i64,
    fact: &'a Priced<'a>,
}

/// The price that the knowledge tells for a thing which it does not name in these words: the amount, and where it stands.
pub(crate) type Told = (Cents, Vec<usize>);

impl Index {
    /// The sum that a text asks for; `None` when it asks for none, or a part of it is not known for certain.
    /// `priced`: the price of a thing, for words that no price is named by.
    pub(crate) fn sum(
        &self,
        text: &str,
        today: Option<Date>,
        priced: &dyn Fn(&str) -> Option<Told>,
    ) -> Option<FromFacts> {
        let spoken = text.replace('+', " mais ").replace(", ", " e ").replace('\n', " e ");
        let plain = Plain::of(&spoken);
        if plain.words().count() > MOST_WORDS {
            return None;
        }
        let wanted = Wanted::read(plain.line.trim());
        let words: Vec<&str> = plain.words().collect();
        let has_any = |list: &[&str]| plain.words().any(|word| list.contains(&word));
        let comes_to = words.windows(2).any(|two| match two {
            ["quanto", verb] | [verb, "quanto"] => COMES_TO.contains(verb),
            _ => false,
        }) || words.windows(3).any(|three| match three {
            [verb, "por" | "em" | "a", "quanto"] => COMES_TO.contains(verb),
            _ => false,
        });
        let words: Vec<&str> = wanted.rest.split_whitespace().collect();
        let asks = comes_to
            || (wanted.asks()
                && has_any(&["quanto", "parcela", "troco", "quantos", "quantas", "diferenca"]))
            || has_any(&["total", "soma"])
            || Question::read(self, text).asks_price(self);
        let sums =
            plain.words().count() <= LONGEST && (comes_to || wanted.asks() || has_any(TOTALS));
        let compares = plain.line.contains(" a mais ") || plain.line.contains(" em vez ");
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        if !asks || compares || (has(NOT_SUMS) && !wanted.difference) {
            return None;
        }
        let stated = self.priced(today);
        if stated.is_empty() {
            return None;
        }
        let mut parts = self.parts(&wanted, &stated, sums, priced)?;
        let free = self.delivered(&mut parts, today)?;
        let counted = parts.iter().any(|part| part.count > 1);
        let settled = self.settled(&parts, &wanted, today);
        let bought = parts.len() == 1 && !settled.is_empty();
        if parts.is_empty()
            || parts.len() > PARTS
            || !(counted || bought || !free.is_empty() || (sums && parts.len() > 1))
            || (wanted.difference && parts.len() != 2)
        {
            return None;
        }
        let mut told = if wanted.difference { listed(&parts) } else { shown(&parts) };
        told.reply.push_str(&free);
        told.reply.push_str(&settled);
        Some(told)
    }
}

fn total(parts: &[Part<'_>]) -> Cents {
    parts.iter().map(|part| part.fact.cents * part.count).sum()
}

/// The parts of a sum, and what they come to.
fn shown(parts: &[Part<'_>]) -> FromFacts {
    let mut told = listed(parts);
    if parts.len() > 1 {
        told.reply.push_str("\nTotal: ");
        told.reply.push_str(&written(total(parts)));
    }
    told
}

/// Prices, one a line.
fn listed(parts: &[Part<'_>]) -> FromFacts {
    let mut lines = Vec::new();
    let mut pieces = Vec::new();
    for part in parts {
        let cents = part.fact.cents * part.count;
        let name = capital(&part.fact.fact.name());
        let unit =
            part.fact.fact.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
        lines.push(match part.count {
            1 => format!("{name}: {}{unit}", written(cents)),
            count => {
                format!("{count} × {name} ({}{unit}): {}", written(part.fact.cents), written(cents))
            }
        });
        if !pieces.contains(&part.fact.fact.piece) {
            pieces.push(part.fact.fact.piece);
        }
    }
    FromFacts { reply: lines.join("\n"), pieces }
}
