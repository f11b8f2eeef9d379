//! Shares of a price that are asked for by themselves: the deposit, a charge for service that a text names, half of it, and
//! what each of the parts costs that its row counts.

use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;

use super::FromFacts;
use super::comes_to::{part, price_of};
use super::rules::PER_CENT;
use crate::facts::amounts::{Cents, written};
use crate::facts::cells;
use crate::index::{Index, Sentence};
use crate::split::{expression, stem, words};

/// What is paid before, by its names.
static DEPOSIT: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b(?:sinal|entrada|adiantad[oa]|adiantamento|caucao)\b"));
/// How much it is.
static HOW_MUCH: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b(?:quanto|qto|qnto|qual|valor|de quanto)\b"));
/// What is put on a price without being called a surcharge.
static SERVICE: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b(?:servico|gorjeta|taxa de servico|garcom)\b"));
static OFF: LazyLock<Regex> = LazyLock::new(|| expression(r"\b(?:desconto|descontos|off)\b"));
/// A share that a text names, and what it comes to with it.
static WITH: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b(?:com|mais|incluindo|contando|somando) (?:os |o |mais )?([0-9]{1,2}) ?%")
});
static HALF: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b(?:mei[ao]|metade d[aeo]s?|1/2) ([a-z]{3,})"));
/// Of what each is asked.
static EACH_OF: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b(?:cada|por|cada um[a]? d[ao]s?) (?:um[a]? )?([a-z]{3,})"));
/// How many of something a cell counts.
static COUNTED: LazyLock<Regex> = LazyLock::new(|| expression(r"^([0-9]{1,3})(?: ([a-z]{3,}))?$"));
/// Characters of a rule that is told with what it comes to.
const RULE: usize = 160;

impl Index {
    /// What a price that was told comes to by a share that a text names: "de sinal pago quanto?", "com os 10%?".
    pub(super) fn shared(&self, text: &str, told: &str, today: Option<Date>) -> Option<FromFacts> {
        let folded = fold(text);
        let price = price_of(told)?;
        if DEPOSIT.is_match(&folded) && HOW_MUCH.is_match(&folded) {
            let (share, rule, piece) = self.deposit(told, today)?;
            let comes_to = written((price * share + 50) / 100);
            return Some(FromFacts {
                reply: format!("{share}% de {}: {comes_to}\n{rule}", written(price)),
                pieces: vec![piece],
            });
        }
        let share: i64 = WITH.captures(&folded)?[1].parse().ok()?;
        let mut signs: Vec<(i64, String, usize)> = self
            .with_per_cent(today)
            .filter(|(_, _, own)| *own == share)
            .filter_map(|(sentence, piece, _)| {
                let folded = fold(&sentence.text);
                let sign = match (OFF.is_match(&folded), SERVICE.is_match(&folded)) {
                    (true, false) => -1,
                    (false, true) => 1,
                    _ => return None,
                };
                Some((sign, sentence.text.clone(), piece))
            })
            .collect();
        signs.dedup_by_key(|(sign, ..)| *sign);
        let [(sign, rule, piece)] = signs.as_slice() else { return None };
        let comes_to = price + (price * share * sign + 50 * sign) / 100;
        Some(FromFacts {
            reply: format!("Com {share}%: {}\n{rule}", written(comes_to)),
            pieces: vec![*piece],
        })
    }

    /// The share of a deposit, the rule that says it, and its piece. Of several, the one that stands nearest to what was
    /// told.
    fn deposit(&self, told: &str, today: Option<Date>) -> Option<(i64, String, usize)> {
        let rules: Vec<(&Sentence, usize, i64)> = self
            .with_per_cent(today)
            .filter(|(sentence, ..)| DEPOSIT.is_match(&fold(&sentence.text)))
            .collect();
        let told = fold(told);
        let of_told = || {
            self.facts().iter().filter(|fact| {
                let subject = fold(&fact.subject);
                subject.len() > 2 && told.contains(subject.as_str())
            })
        };
        let heading = |piece: usize| &self.chunks[piece].heading;
        let near = |(_, piece, _): &&(&Sentence, usize, i64)| {
            of_told().any(|fact| {
                self.chunks[fact.piece].document == self.chunks[*piece].document
                    && heading(fact.piece) == heading(*piece)
            })
        };
        let nearest: Vec<_> = rules.iter().filter(near).collect();
        let of_these = if nearest.is_empty() { rules.iter().collect() } else { nearest };
        let (sentence, piece, share) = **of_these.first()?;
        if of_these.iter().any(|other| other.2 != share) {
            return None;
        }
        let line = &sentence.line_text;
        let rule = if line.chars().count() <= RULE { &**line } else { &sentence.text };
        Some((share, rule.to_owned(), piece))
    }

    /// Sentences that state one share, each with its piece.
    fn with_per_cent(&self, today: Option<Date>) -> impl Iterator<Item = (&Sentence, usize, i64)> {
        let all = self.pieces.iter().enumerate().flat_map(move |(piece, own)| {
            own.sentences.iter().map(move |id| (&self.sentences[*id as usize], piece))
        });
        all.filter(move |(sentence, _)| {
            !sentence.heading && sentence.text.contains('%') && sentence.holds_on(today)
        })
        .filter_map(|(sentence, piece)| {
            let mut shares = PER_CENT.captures_iter(&sentence.text);
            let (share, None) = (shares.next()?, shares.next()) else { return None };
            Some((sentence, piece, share[1].parse().ok()?))
        })
    }

    /// Half of a price, where a text asks for half of what it is of. `stems`: of all that is told of it.
    pub(super) fn half(asked: &str, stems: &[String], price: Cents) -> Option<Cents> {
        let of = HALF.captures(asked)?;
        let own = |word: &str| stems.contains(&stem(word));
        // "Meia porção" has a price of its own, and "meia hora" is a time.
        let halved = own(&of[1]) && !own("meia") && !own("meio");
        (halved && !matches!(&of[1], "hora" | "horas" | "noite" | "dia")).then(|| part(price, 2))
    }

    /// How many of what a text asks for each of stand in the row of a price: "quanto sai cada aula?" of "Aulas: 10".
    pub(super) fn counted_in_row(&self, asked: &str, told: &str, price: Cents) -> Option<i64> {
        let units: Vec<String> =
            EACH_OF.captures_iter(asked).map(|found| stem(&found[1])).collect();
        let told = fold(told);
        let rows = self.facts().iter().filter(|fact| {
            let subject = fold(&fact.subject);
            fact.cents == Some(price) && subject.len() > 2 && told.contains(subject.as_str())
        });
        let mut counts: Vec<i64> = rows
            .filter_map(|fact| cells::of(&fact.line))
            .flat_map(|row| {
                let count = |cell: &cells::Cell| {
                    let value = fold(&cell.value);
                    let found = COUNTED.captures(value.trim())?;
                    let header = fold(&cell.header);
                    let named = match found.get(2) {
                        Some(unit) => units.contains(&stem(unit.as_str())),
                        None => words(&header).any(|word| units.contains(&stem(word))),
                    };
                    found[1].parse::<i64>().ok().filter(|count| named && *count > 1)
                };
                row.iter().filter_map(count).collect::<Vec<i64>>()
            })
            .collect();
        counts.dedup();
        let [count] = counts.as_slice() else { return None };
        Some(*count)
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;

    const NOTES: &str = "# Cursos\n| Curso | Aulas | Preço |\n|---|---|---|\n| Filhote educado | 6 | R$ 540 |\n| Passeio | 4 | R$ 520 |\n\n\
        # Kits\n| Kit | Serve | Preço |\n|---|---|---|\n| Turma | 10 pessoas | R$ 449 |\n\n# Hotel\n- Diária: R$ 116\n- Sinal de 30% na reserva.\n\n\
        # Salão\n- serviço 10%, opcional\n\n# Pix\n- pix: 5% em curso. Hotel não tem desconto no pix.\n";

    fn index() -> Index {
        Index::of_files(&[("notas.md", NOTES)]).unwrap()
    }

    #[test]
    fn a_share_of_what_was_told_is_computed_by_the_rule_that_states_it() {
        let index = index();
        let said = |text: &str, told: &str| {
            index.comes_to(text, told, None).map(|told| told.reply).unwrap_or_default()
        };
        let told = said("de sinal pago quanto?", "Diária: R$ 116");
        assert!(told.contains("30% de R$ 116,00: R$ 34,80"), "{told}");
        let told = said("com os 10% vai pra quanto?", "Total: R$ 200,00");
        assert!(told.contains("R$ 220,00"), "{told}");
        // Of a share that nobody states, nothing is computed.
        assert!(!said("com os 15% vai pra quanto?", "Total: R$ 200,00").contains("230"));
    }

    #[test]
    fn each_of_what_a_row_counts_has_its_price() {
        let index = index();
        let said = |text: &str, told: &str| index.calculated(text, told, None).unwrap_or_default();
        let told = said("quanto sai cada aula?", "Filhote educado: R$ 540");
        assert!(told.contains("R$ 90,00"), "{told}");
        let told = said("sai a quanto por pessoa?", "Turma, 10 pessoas: R$ 449");
        assert!(told.contains("R$ 44,90"), "{told}");
        assert!(said("meia diária da quanto?", "Diária: R$ 116").contains("R$ 58,00"));
        assert!(said("quanto é a diária?", "Diária: R$ 116").is_empty());
    }

    #[test]
    fn a_way_to_pay_with_a_share_is_a_discount_where_it_holds() {
        let index = index();
        let told = index.calculated("no pix quanto fica?", "Cursos, Passeio: R$ 520", None);
        assert!(told.unwrap_or_default().contains("R$ 494,00"));
    }
}
