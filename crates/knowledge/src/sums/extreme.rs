//! The cheapest and the dearest of a kind.

use jiff::civil::Date;
use understanding::Plain;

use super::priced::{FITS, Priced};
use super::{FromFacts, Part, listed};
use crate::index::{Index, Term};
use crate::question::Question;

/// Words around the kind of thing whose cheapest is asked for.
const EXTREME: &[&str] = &[
    "mais",
    "barato",
    "barata",
    "baratos",
    "baratas",
    "baratinho",
    "baratinha",
    "caro",
    "cara",
    "caros",
    "em",
    "conta",
    "menor",
    "simples",
    "voces",
    "tem",
    "teem",
    "que",
    "qual",
    "quais",
    "e",
    "o",
    "a",
    "os",
    "as",
    "de",
    "do",
    "da",
    "opcao",
    "quanto",
    "custa",
    "sai",
    "quero",
    "queria",
    "saber",
    "seria",
    "preco",
    "valor",
    "esta",
    "com",
    "ai",
    "oi",
    "oie",
    "ola",
    "opa",
    "eai",
    "eae",
    "salve",
    "slv",
    "fala",
    "mano",
    "mana",
    "moca",
    "moco",
    "gente",
    "bom",
    "boa",
    "dia",
    "tarde",
    "noite",
    "tudo",
    "bem",
    "blz",
    "beleza",
    "por",
    "favor",
];
/// Things of one price that are told together, at most.
const ALIKE: usize = 4;

/// Words of a text that asks for the cheapest of all, at most; and prices of a list of which that is meant.
const LONGEST: usize = 9;
const LIST: usize = 4;

/// The prices of the longest list under one heading, each row by its usual price.
fn longest<'a, 'p>(priced: &'p [Priced<'a>]) -> Vec<&'p Priced<'a>> {
    let of = |one: &Priced<'_>| (one.fact.document, one.fact.piece);
    let count = |one: &Priced<'_>| priced.iter().filter(|other| of(other) == of(one)).count();
    let best = priced.iter().rev().max_by_key(|one| count(one));
    best.filter(|best| count(best) >= LIST)
        .map(|best| priced.iter().filter(|one| of(one) == of(best) && !one.fee).collect())
        .unwrap_or_default()
}

impl Index {
    /// The cheapest or the dearest of the things that a text names by their kind, or where it names none, of those that
    /// `before` names, or with `of_all` of all; `None` where it asks for neither.
    pub(crate) fn extreme(
        &self,
        text: &str,
        before: Option<&str>,
        of_all: bool,
        today: Option<Date>,
    ) -> Option<FromFacts> {
        let plain = Plain::of(text);
        let words: Vec<&str> = plain.words().collect();
        let cheapest = words
            .windows(2)
            .any(|two| two[0] == "mais" && (two[1].starts_with("barat") || two[1] == "simples"))
            || plain.line.contains(" mais em conta ")
            || plain.line.contains(" menor preco ")
            || plain.line.contains(" menor valor ");
        let dearest = words
            .windows(2)
            .any(|two| two[0] == "mais" && matches!(two[1], "caro" | "cara" | "caros"));
        if cheapest == dearest || words.contains(&"ou") {
            return None;
        }
        let kind: Vec<&str> =
            words.iter().copied().filter(|word| !EXTREME.contains(word)).collect();
        let heavy = |asked: &Question| -> Vec<Vec<(Term, f64)>> {
            let terms = asked.terms.iter().filter(|term| !term.is_price(self) && !term.light);
            terms.map(|term| term.variants.clone()).collect()
        };
        let hit = |variants: &Vec<(Term, f64)>, one: &Priced<'_>| {
            variants
                .iter()
                .any(|(term, weight)| *weight >= FITS && one.terms.binary_search(term).is_ok())
        };
        let named = heavy(&Question::read(self, &kind.join(" ")));
        let priced = self.priced(today);
        let fitting: Vec<&Priced<'_>> = match (named.is_empty(), before) {
            (false, None) => {
                priced.iter().filter(|one| named.iter().all(|term| hit(term, one))).collect()
            }
            (true, Some(before)) => {
                let before = heavy(&Question::read(self, before));
                priced.iter().filter(|one| before.iter().any(|term| hit(term, one))).collect()
            }
            // "Qual a mais barata?" is of what the longest list of the house has.
            (true, None) if of_all && words.len() <= LONGEST => longest(&priced),
            _ => return None,
        };
        // What is named so itself comes before what only stands under such a heading.
        let by_name = |one: &&Priced<'_>| {
            let own = |variants: &Vec<(Term, f64)>| {
                variants.iter().any(|(term, weight)| {
                    *weight >= FITS && (one.own.contains(term) || one.which.contains(term))
                })
            };
            named.iter().any(own)
        };
        let own: Vec<&Priced<'_>> = fitting.iter().copied().filter(by_name).collect();
        let fitting = if own.len() > 1 { own } else { fitting };
        // Of one thing there is no cheapest.
        let best = match cheapest {
            true => fitting.iter().min_by_key(|one| one.cents),
            false => fitting.iter().max_by_key(|one| one.cents),
        };
        let best = best.filter(|_| fitting.len() > 1)?;
        let alike: Vec<Part<'_>> = fitting
            .iter()
            .filter(|one| one.cents == best.cents)
            .take(ALIKE)
            .map(|fact| Part { count: 1, fact })
            .collect();
        Some(listed(&alike))
    }
}
