//! Sums that customers ask for: so many of this, one of that, with delivery, in instalments. They are computed from the
//! prices and the rules that the knowledge states, and only when every part is known for certain.

mod comes_to;
mod extreme;
mod halves;
mod parts;
mod priced;
mod rules;
mod share;
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
/// Words that may follow a thing which is named in full.
const ALONE: &[&str] = &[
    "quanto", "qual", "custa", "fica", "sai", "valor", "preco", "ai", "voces", "por", "queria",
    "quero", "gostaria",
];
/// Letters of a stem from which the first word of a name tells it.
const HEAD: usize = 3;
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

/// The word for a number from two to ten.
pub(crate) fn spelt_number(number: i64) -> Option<&'static str> {
    let small = COUNTS.iter().filter(|(_, own)| (2..=10).contains(own));
    small.rev().find(|(_, own)| *own == number).map(|(name, _)| *name)
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
        if let Some(halves) = self.halves(text, today) {
            return Some(halves);
        }
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

impl Index {
    /// The price of a thing by a measure that a text names and the row of a table spans: "banho de um cachorro de 18 kg".
    pub(crate) fn measured(&self, text: &str, today: Option<Date>) -> Option<FromFacts> {
        let plain = Plain::of(text);
        let sizes = crate::ranges::sizes(plain.line.trim());
        if sizes.is_empty() || !Question::read(self, text).asks_price(self) {
            return None;
        }
        let wanted = Wanted::read(plain.line.trim());
        let priced = self.priced(today);
        let spans = |one: &Priced<'_>| crate::ranges::within(&one.ranges, &sizes) == Some(true);
        let fact = self.thing(&wanted.rest, &priced, &spans)?;
        let part = Part { count: 1, fact };
        let mut told = listed(&[part]);
        told.reply.push_str(&self.settled(&[part], &wanted, today));
        Some(told)
    }

    /// The name of the one thing among those with a price of which a text that asks for a price has the first word; `None`
    /// where it has those of several.
    pub(crate) fn one_thing_named(&self, text: &str, today: Option<Date>) -> Option<String> {
        let question = Question::read(self, text);
        if !question.asks_price(self) {
            return None;
        }
        let plain = Plain::of(text);
        let words: Vec<&str> = plain.words().collect();
        // "Lente escleral" and "imposto de herança" are not just a lens and a tax.
        let alone = |at: usize| {
            words.get(at + 1).is_none_or(|next| {
                !matches!(*next, "de" | "da" | "do" | "das" | "dos")
                    && (crate::split::STOP.contains(*next) || ALONE.contains(next))
            })
        };
        let said: Vec<String> = words
            .iter()
            .enumerate()
            .filter(|(at, word)| {
                let names =
                    !crate::split::STOP.contains(**word) && !crate::question::asks_a_price(word);
                names && alone(*at)
            })
            .map(|(_, word)| crate::split::stem(word))
            .collect();
        let mut heads: Vec<(String, String)> = Vec::new();
        for one in self.priced(today).iter().filter(|one| !one.fee) {
            let name = crate::named_prices::naming(&one.fact.subject);
            let Some(head) = name.into_iter().find(|word| word.len() > HEAD) else { continue };
            if said.contains(&head) && heads.iter().all(|(known, _)| *known != head) {
                heads.push((head, one.fact.subject.clone()));
            }
        }
        let [(head, subject)] = heads.as_slice() else { return None };
        // As it is written: "aparelho" of "O aparelho fixo".
        let word = subject.split_whitespace().find(|word| {
            crate::split::stem(&kernel::text::fold(
                word.trim_matches(|c: char| !c.is_alphanumeric()),
            )) == *head
        })?;
        Some(word.to_owned())
    }

    /// The line that says what a delivery to a place costs.
    pub(crate) fn delivery_to(&self, place: &str, today: Option<Date>) -> Option<FromFacts> {
        let priced = self.priced(today);
        let fee = self.thing(place, &priced, &|one| one.fee)?;
        Some(FromFacts { reply: fee.fact.line.clone(), pieces: vec![fee.fact.piece] })
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

#[cfg(test)]
mod tests {
    use crate::Index;

    const NOTES: &str = "# Tabela\n| Porte | Peso | Diária | Banho |\n|---|---|---|---|\n| Pequeno | acima de 5 até 10 kg | R$ 80 | R$ 62 |\n\
        | Médio | acima de 10 até 20 kg | R$ 94 | R$ 75 |\n\n# Entrega\n- Tibery: taxa R$ 10, mínimo R$ 60\n- Centro: taxa R$ 8, mínimo R$ 50\n\n\
        # Ortodontia\n- Aparelho fixo: R$ 220 por mês\n- Lente de resina: R$ 300\n";

    #[test]
    fn a_row_is_meant_by_whoever_measures_so_much() {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        let said =
            |text: &str| index.measured(text, None).map(|told| told.reply).unwrap_or_default();
        assert!(said("quanto é o banho de um cachorro de 18 kg?").contains("R$ 75,00"));
        // Ten are in "até 10", and not in "acima de 10".
        assert!(said("quanto é o banho de um cachorro de 10 kg?").contains("R$ 62,00"));
        assert_eq!(said("quanto é a tosa de um cachorro de 18 kg?"), "");
        assert_eq!(said("aceita cachorro de 18 kg?"), "");
    }

    #[test]
    fn a_delivery_is_told_of_the_place_that_is_named() {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        let told = index.delivery_to("no tibery", None).map(|told| told.reply).unwrap_or_default();
        assert!(told.contains("Tibery: taxa R$ 10"), "{told}");
        assert!(index.delivery_to("em apucarana", None).is_none());
    }

    #[test]
    fn a_story_has_the_one_thing_that_it_names() {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        let named = |text: &str| index.one_thing_named(text, None).map(|name| name.to_lowercase());
        let story = "quero colocar aparelho no meu filho, qual o valor?";
        assert_eq!(named(story).as_deref(), Some("aparelho"));
        // Another lens, several things, no price.
        assert_eq!(named("quanto sai uma lente escleral?"), None);
        assert_eq!(named("quanto custa aparelho e lente?"), None);
        assert_eq!(named("meu aparelho quebrou"), None);
    }
}
