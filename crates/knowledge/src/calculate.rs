//! What a price comes to as it is asked for: so many of them, with the discount of a way to pay, in instalments, each of a
//! pack, the change for a banknote. Computed from the one amount that is told, by rules that the documents state.

use std::fmt::Write as _;
use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;
use understanding::Plain;

use crate::facts::amounts::{self, Cents, written};
use crate::index::{Index, Sentence};
use crate::split::{Words, expression, set, stem};
use crate::sums::{FromFacts, number_word};

/// How many of a thing, and into how many instalments, at most.
const MOST: i64 = 1000;
const MOST_INSTALMENTS: i64 = 24;
/// Characters of a rule that is told beside a sum.
const RULE: usize = 200;

static INSTALMENTS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b(?:em|de|ate|no|por)? ?([0-9]{1,2}) ?(?:x|vezes|parcelas)\b"));
static NOT_INSTALMENTS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b[0-9] ?(?:x|vezes) (?:por|na|ao|a cada|no|mensal|semanal)"));
static PAID: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:notas? de|cedulas? de|troco (?:pra|para|de|p)|levo|levar|pag\w+ com|dou|tenho)(?: uma?)?(?: notas? de)?(?: r\$)? ?([0-9]{1,4})\b",
    )
});
static PER_CENT: LazyLock<Regex> = LazyLock::new(|| expression(r"\b([0-9]{1,2}) ?%"));
static LIMIT: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b([0-9]{1,2}) ?(?:x|vezes|parcelas)\b(?: [a-z]+){0,3}? ?(sem juros|com juros)?")
});
static FROM: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?:acima de|a partir de|minim[ao] de|maior(?:es)? que|mais de)[^0-9]{0,12}")
});
/// Units that a number measures and does not count.
static SIZES: LazyLock<Words> = LazyLock::new(|| {
    set(
        "l lt litro litros ml g gr kg quilo quilos km m cm mm min minutos anos ano x vezes reais h polegadas gb tb mb",
    )
});
/// What makes a rule hold for some things only.
const ONLY: &[&str] = &[
    " so ",
    "somente",
    "apenas",
    "menos",
    "exceto",
    "nao vale",
    "nao da",
    "salvo",
    "nao entra",
    "nao acumula",
    "em servico",
    "na mensalidade",
];

/// Words of a text that only does something with a price.
static AROUND: LazyLock<Words> = LazyLock::new(|| {
    set(
        "e se eu for fosse no na em a o os as com pra para pros pras por pagar pagando pago pix vista dinheiro cartao credito \
         parcela parcelado parcelando parcelar parcelas dividir dividindo vezes x cada vez um uma unidade quanto fica ficaria sai \
         sairia da daria seria entao levar levando pegar pessoas pessoa juntos total troco nota notas de tudo qual valor fazer vou \
         mas sao somos nos gente meses mes todos todas",
    )
});
/// The greatest number that is read of a word.
const MOST_IN_WORDS: i64 = 12;

/// A number of several things, by its word.
fn several(word: &str) -> Option<i64> {
    number_word(word).filter(|number| (2..=MOST_IN_WORDS).contains(number))
}

/// Whether a text only asks what a price comes to that was told before: "se pagar no pix", "pra dois cachorros?".
fn only_calculates(text: &str) -> bool {
    let plain = Plain::of(text);
    let words: Vec<&str> = plain.words().collect();
    let number = |word: &str| {
        word.trim_end_matches('x').bytes().all(|b| b.is_ascii_digit()) || several(word).is_some()
    };
    words.len() <= 9
        && words.iter().enumerate().all(|(at, word)| {
            AROUND.contains(*word) || number(word) || (at > 0 && number(words[at - 1]))
        })
}

impl Index {
    /// What a price that was told before comes to, where a text asks that and nothing else.
    pub(crate) fn comes_to(&self, text: &str, told: &str) -> Option<FromFacts> {
        let sum = only_calculates(text).then(|| self.calculated(text, told)).flatten()?;
        Some(FromFacts { reply: sum.trim().to_owned(), pieces: Vec::new() })
    }

    /// What an answer with one price comes to, as a text asks for it; `None` where it asks for no more than the price, or no
    /// rule says what that is.
    pub fn calculated(&self, text: &str, told: &str) -> Option<String> {
        let plain = Plain::of(text);
        let asked = plain.line.trim().to_owned();
        let price = price_of(told)?;
        let mut total = price;
        let mut said = String::new();
        if let Some(count) = self.count(&asked, told, price) {
            total = price * count;
            let _ = write!(said, "\n{count} × {} = {}", written(price), written(total));
        }
        // Who pays with a banknote asks for the change, and not for a discount.
        let discount = if asked.contains("troco") { None } else { self.discount(&asked) };
        if let Some((share, way, rule)) = discount {
            // Whether a rule with exceptions holds for this thing, people see.
            if ONLY.iter().any(|word| fold(&rule).contains(word)) {
                let _ = write!(said, "\n{rule}");
                return Some(said);
            }
            total -= (total * share + 50) / 100;
            let _ = write!(said, "\n{way}, com {share}% de desconto: {}", written(total));
        }
        if asked.contains("troco") {
            let paid = PAID.captures(&asked)?[1].parse::<i64>().ok()? * 100;
            (paid >= total).then_some(())?;
            let _ = write!(said, "\nTroco para {}: {}", written(paid), written(paid - total));
        } else if let Some(parts) = self.instalments(&asked, total) {
            let _ = write!(said, "\nEm {parts}x: {} cada parcela", written(part(total, parts)));
        } else if let Some(parts) = self.each(&asked, told, price) {
            let _ = write!(said, "\nCada: {}", written(part(total, parts)));
        }
        (!said.is_empty()).then_some(said)
    }

    /// The lines that state an amount, in lower case.
    fn lines_with(&self, price: Cents) -> impl Iterator<Item = String> + '_ {
        self.facts().iter().filter(move |fact| fact.cents == Some(price)).map(|fact| {
            fold(&format!("{} {}", fact.line, fact.unit.as_deref().unwrap_or_default()))
        })
    }

    /// How many of what is told a text wants: "2 banners", "pra 3 pessoas", "os dois".
    fn count(&self, asked: &str, told: &str, price: Cents) -> Option<i64> {
        let words: Vec<&str> = asked.split(' ').collect();
        let lines: Vec<String> = self.lines_with(price).collect();
        let around = fold(told) + " " + &lines.join(" ");
        let stems: Vec<String> = crate::split::words(&around).map(stem).collect();
        for (at, word) in words.iter().enumerate() {
            let number = several(word);
            let Some(count) = number.or_else(|| word.parse().ok()) else { continue };
            let (last, next) = (at.checked_sub(1).map(|at| words[at]), words.get(at + 1).copied());
            let sized = next.is_some_and(|next| SIZES.contains(next));
            let of =
                matches!(last, Some("de" | "com" | "nota" | "notas" | "em" | "r$" | "a" | "as"));
            // A number that is part of its name, or of its row, is already in the price.
            let own = stems.iter().any(|stem| stem == word);
            if !(2..=MOST).contains(&count) || sized || of || own {
                continue;
            }
            let counted = next.is_some_and(|next| stems.contains(&stem(next)));
            let each = around.contains("por pessoa")
                || around.contains("cada")
                || around.contains("por aluno")
                || matches!(last, Some("pra" | "para" | "pros" | "pras" | "os"));
            if counted || (each && (next.is_some() || number.is_some())) {
                return Some(count);
            }
        }
        None
    }

    /// The share that a way to pay takes off, in per cent; how it is called; and the line that says so.
    fn discount(&self, asked: &str) -> Option<(i64, &'static str, String)> {
        const WAYS: &[(&str, &str)] =
            &[("pix", "No Pix"), ("a vista", "À vista"), ("dinheiro", "Em dinheiro")];
        let (word, way) = WAYS.iter().find(|(word, _)| asked.contains(word))?;
        let mut rules: Vec<(i64, String)> = Vec::new();
        let stated = |one: &&Sentence| !one.outdated && !one.heading && one.text.contains('%');
        for sentence in self.sentences.iter().filter(stated) {
            let folded = fold(&sentence.text);
            let Some(found) = PER_CENT.captures(&folded).filter(|_| folded.contains(word)) else {
                continue;
            };
            let off =
                folded.contains("desconto") || folded.contains("menos") || folded.contains("off");
            let share = found[1].parse().unwrap_or(0);
            let known = rules.iter().any(|(other, _)| *other == share);
            if off && (1..=50).contains(&share) && !known {
                let line = &sentence.line_text;
                let rule = if line.chars().count() <= RULE { &**line } else { &sentence.text };
                rules.push((share, rule.to_owned()));
            }
        }
        // Of two discounts nobody says which holds.
        let [(share, rule)] = rules.as_slice() else { return None };
        Some((*share, way, rule.clone()))
    }

    /// Into how many instalments a text wants an amount, where the documents allow so many without interest.
    fn instalments(&self, asked: &str, total: Cents) -> Option<i64> {
        if NOT_INSTALMENTS.is_match(asked) {
            return None;
        }
        let parts: i64 = INSTALMENTS.captures(asked)?[1].parse().ok()?;
        let wanted = asked.contains("parcela")
            || asked.contains("cada")
            || asked.contains("divid")
            || asked.contains("cartao")
            || asked.contains("fica");
        (wanted && (2..=MOST_INSTALMENTS).contains(&parts)).then_some(())?;
        let allowed =
            self.sentences.iter().filter(|one| !one.outdated && one.shows_number).any(|sentence| {
                let folded = fold(&sentence.text);
                let money =
                    ["cart", "juros", "parcel", "credito"].iter().any(|w| folded.contains(w));
                let least = FROM.find(&folded).and_then(|from| {
                    amounts::all(&folded)
                        .into_iter()
                        .find(|amount| amount.at.start + 4 >= from.end())
                });
                let most = LIMIT.captures_iter(&folded).filter_map(|found| {
                    let interest = found.get(2).is_some_and(|word| word.as_str() == "com juros");
                    found[1].parse::<i64>().ok().filter(|_| !interest)
                });
                money
                    && most.max().is_some_and(|most| parts <= most)
                    && least.is_none_or(|least| total >= least.cents)
            });
        allowed.then_some(parts)
    }

    /// How many there are in a pack, where a text asks for the price of each.
    fn each(&self, asked: &str, told: &str, price: Cents) -> Option<i64> {
        let each = ["cada um", "cada uma", "cada ", "por unidade", "a unidade"]
            .iter()
            .any(|words| asked.contains(words));
        if !each || fold(told).contains("cada") {
            return None;
        }
        let numbers = |text: &str| -> Vec<i64> {
            crate::split::words(text).filter_map(|word| word.parse().ok()).collect()
        };
        let asked = numbers(asked);
        let mut packs: Vec<i64> = self
            .lines_with(price)
            .flat_map(|line| numbers(&line))
            .filter(|number| (2..=MOST).contains(number) && asked.contains(number))
            .collect();
        packs.dedup();
        (packs.len() == 1).then(|| packs[0])
    }
}

/// One of equal parts, rounded to the cent.
fn part(total: Cents, parts: i64) -> Cents {
    (total * 2 + parts) / (parts * 2)
}

/// The one price of an answer: its total, or the only amount in it.
fn price_of(told: &str) -> Option<Cents> {
    let told = told.rsplit_once("Total: ").map_or(told, |(_, total)| total);
    if fold(told).contains("a partir de") {
        return None;
    }
    let mut all: Vec<Cents> = amounts::all(told).into_iter().map(|amount| amount.cents).collect();
    all.dedup();
    match all.as_slice() {
        [price] if *price > 0 => Some(*price),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::only_calculates;
    use crate::Index;

    const NOTES: &str = "# Tabela\n- Instalação de chuveiro: R$ 90\n- Pacote de 10 visitas: R$ 700\n- Visita: R$ 80 por pessoa\n\n\
        # Pagamento\n- 5% de desconto no pix.\n- Cartão em até 3x sem juros, acima de R$ 200.\n";

    fn sum(text: &str, told: &str) -> String {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        index.calculated(text, told).unwrap_or_default()
    }

    #[test]
    fn a_price_comes_to_what_is_asked_of_it() {
        for (text, told, comes_to) in [
            (
                "2 chuveiros, quanto dá?",
                "Instalação de chuveiro: R$ 90",
                "2 × R$ 90,00 = R$ 180,00",
            ),
            ("somos 3 pessoas", "Visita: R$ 80 por pessoa", "3 × R$ 80,00 = R$ 240,00"),
            (
                "pagando no pix",
                "Pacote de 10 visitas: R$ 700",
                "No Pix, com 5% de desconto: R$ 665,00",
            ),
            (
                "o pacote em 3x, quanto fica cada parcela?",
                "Pacote de 10 visitas: R$ 700",
                "Em 3x: R$ 233,33",
            ),
            (
                "no pacote de 10 sai quanto cada uma?",
                "Pacote de 10 visitas: R$ 700",
                "Cada: R$ 70,00",
            ),
            (
                "levo uma nota de 100, quanto de troco?",
                "Visita: R$ 80 por pessoa",
                "Troco para R$ 100,00: R$ 20,00",
            ),
            (
                "pra dois chuveiros no pix?",
                "Total: R$ 180,00",
                "No Pix, com 5% de desconto: R$ 342,00",
            ),
        ] {
            let said = sum(text, told);
            assert!(said.contains(comes_to), "{text}: {said}");
        }
    }

    #[test]
    fn nothing_is_computed_that_no_rule_allows() {
        for (text, told) in [
            // What is in the price already, more instalments than there are, too small a sum for them.
            ("o pacote de 10 visitas quanto é?", "Pacote de 10 visitas: R$ 700"),
            ("dá pra fazer em 6x? quanto cada parcela?", "Pacote de 10 visitas: R$ 700"),
            ("em 2x fica quanto cada parcela?", "Instalação de chuveiro: R$ 90"),
            ("quanto é o chuveiro?", "Instalação de chuveiro: R$ 90"),
            ("2 vezes por semana, quanto é?", "Visita: R$ 80 por pessoa"),
            ("no pix", "Visitas a partir de R$ 80"),
        ] {
            assert_eq!(sum(text, told), "", "{text}");
        }
    }

    #[test]
    fn what_goes_on_with_a_price_is_known() {
        for text in
            ["e no pix?", "pra dois cachorros?", "e em 3x", "se eu levar 4", "e qto fica cada vez"]
        {
            assert!(only_calculates(text), "{text}");
        }
        for text in ["tem estacionamento?", "e o grande?", "aceita pix na loja do centro?"] {
            assert!(!only_calculates(text), "{text}");
        }
    }
}
