//! Another row of the table, or line of the list, from which was told before: "e o grande?", "não, o outro, sem aro".

use std::cmp::Reverse;

use jiff::civil::Date;
use kernel::text::{fold, fold_words};

use crate::choose::is_list_line;
use crate::index::Index;
use crate::named_prices::{naming, subject_of};
use crate::question::Question;
use crate::ranges;
use crate::split::stem;
use crate::sums::{FromFacts, as_many};

/// Words of such a text, at most, and those of them that name nothing.
const LONGEST: usize = 7;
const AROUND: &[&str] = &[
    "e", "o", "a", "os", "as", "um", "uma", "mas", "nao", "ou", "de", "do", "da", "dos", "das",
    "no", "na", "nos", "nas", "em", "pra", "para", "pro", "por", "so", "quanto", "qual", "preco",
    "valor", "fica", "custa", "sai", "ta", "esta", "entao", "se", "for", "fosse", "esse", "essa",
    "este", "aquele", "aquela", "tem", "ai", "ah", "eh", "quero", "queria", "outro", "outra",
    "seria", "tambem", "voces", "lugar",
];

/// Stems of words for the one of several that has no name of its own.
const USUAL: &[&str] = &["normal", "comum", "tradicional", "simpl", "basic"];

/// The words of a name that are asked for, and those that it must lack: "sem o frango", where no name says "sem".
fn without(asked: &[String], text: &str) -> (Vec<String>, Vec<String>) {
    let line = fold_words(text);
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let lacks: Vec<String> = words
        .iter()
        .enumerate()
        .filter(|(at, word)| {
            **word == "sem"
                && words.get(at + 1).is_some_and(|next| matches!(*next, "o" | "a" | "os" | "as"))
        })
        .filter_map(|(at, _)| words.get(at + 2).map(|word| stem(word)))
        .collect();
    let asked = asked
        .iter()
        .filter(|word| !lacks.contains(word) && (lacks.is_empty() || *word != "sem"))
        .cloned()
        .collect();
    (asked, lacks)
}

/// A line of a list or a table, by the numbers of its piece and its sentence.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) piece: usize,
    pub(crate) sentence: u32,
}

impl Index {
    /// What the row says that a short text names by what tells it from the row told before. `before`: what was asked and told.
    pub(crate) fn other_of(
        &self,
        text: &str,
        before: (&str, &str),
        today: Option<Date>,
    ) -> Option<FromFacts> {
        let line = fold_words(text);
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let opens = matches!(words.first(), Some(&("e" | "mas" | "nao" | "ou")));
        // "Vai meu sobrinho de 14 junto" after the price of another age.
        let aged = words.windows(2).any(|two| {
            matches!(two[0], "de" | "tem" | "com")
                && two[1].parse::<u8>().is_ok_and(|age| age < 100)
        });
        if !(opens || aged) || words.len() > LONGEST {
            return None;
        }
        let asked: Vec<&str> =
            words.iter().copied().filter(|word| !AROUND.contains(word)).collect();
        let of_an_age = aged && !opens;
        let asked = naming(&asked.join(" "));
        if asked.is_empty() {
            return None;
        }
        let said = fold(text);
        // "Só de legumes, sem o frango": a row that lacks a word.
        let (asked, lacks) = without(&asked, &said);
        let told = fold_words(before.1);
        let rows = || self.rows(today);
        let words = |row: Row| naming(&self.row_name(row));
        let base = rows().find(|row| {
            told.contains(fold_words(&self.row_name(*row)).trim()) && !words(*row).is_empty()
        })?;
        let own = words(base);
        // The row told before may be the one that is meant.
        let plain = matches!(asked.as_slice(), [one] if USUAL.contains(&one.as_str()));
        if holds(&own, &asked) && lacks.iter().all(|word| !own.contains(word)) {
            return None;
        }
        let table = |row: Row| {
            let heading = &self.sentences[row.sentence as usize].heading_text;
            (self.chunks[row.piece].document, heading)
        };
        // Those first that share most of their names with it, and have least beside.
        let beside =
            || rows().filter(|row| row.sentence != base.sentence && table(*row) == table(base));
        // "E o de 8?" after "3 a 6 anos", "e o pequeno?" after "400 litros".
        let measured = self.of_span(&said, base, &mut beside()).or_else(|| {
            let kind = own.first()?;
            of_size(
                &asked,
                &own,
                beside()
                    .map(|row| (words(row), row))
                    .filter(|(name, _)| name.first() == Some(kind)),
            )
        });
        let mut others: Vec<(Reverse<usize>, usize, Row)> = beside()
            .map(|row| (words(row), row))
            .filter(|(name, _)| {
                // "A normal" has nothing beside the name that all of them share.
                let fits = if plain {
                    name.len() < own.len() && name.iter().all(|word| own.contains(word))
                } else {
                    holds(name, &asked)
                };
                fits && lacks.iter().all(|word| !name.contains(word))
            })
            .map(|(name, row)| {
                let shared = name.iter().filter(|word| own.contains(word)).count();
                (Reverse(shared), name.len(), row)
            })
            .collect();
        others.sort_by_key(|(shared, length, _)| (*shared, *length));
        let row = match measured {
            Some(row) => row,
            None if of_an_age => return None,
            None => {
                let (first, next) = (others.first()?, others.get(1));
                if next.is_some_and(|next| (next.0, next.1) == (first.0, first.1)) {
                    return None;
                }
                first.2
            }
        };
        let question = Question::read(self, &format!("{} {text}", before.0));
        let mut reply = self.row(&question, None, &self.sentences[row.sentence as usize].text);
        if let Some(sum) = as_many(before.1, &reply) {
            reply.push_str(&sum);
        }
        Some(FromFacts { reply, pieces: vec![row.piece] })
    }

    /// The one row in whose span the number of a text lies, read in the measure of the row told before.
    fn of_span(&self, text: &str, base: Row, rows: &mut dyn Iterator<Item = Row>) -> Option<Row> {
        let ranges = |row: Row| &self.sentences[row.sentence as usize].ranges;
        let size = ranges::bare(ranges(base), text)?;
        // The row told before may be the one that is meant.
        if ranges::within(ranges(base), &[size]) == Some(true) {
            return None;
        }
        let mut fitting = rows.filter(|row| ranges::within(ranges(*row), &[size]) == Some(true));
        let row = fitting.next()?;
        fitting.next().is_none().then_some(row)
    }

    /// The lines of lists and tables that hold on a day.
    pub(crate) fn rows(&self, today: Option<Date>) -> impl Iterator<Item = Row> + '_ {
        let all = self.pieces.iter().enumerate().flat_map(|(piece, own)| {
            own.sentences.iter().map(move |sentence| Row { piece, sentence: *sentence })
        });
        all.filter(move |row| {
            let sentence = &self.sentences[row.sentence as usize];
            sentence.holds_on(today) && is_list_line(&sentence.text)
        })
    }

    pub(crate) fn row_name(&self, row: Row) -> String {
        subject_of(&self.sentences[row.sentence as usize].text)
    }
}

/// The smallest or the greatest of things that are told apart by a number: "a pequena" of "150 litros" and "400 litros".
fn of_size(
    asked: &[String],
    own: &[String],
    rows: impl Iterator<Item = (Vec<String>, Row)>,
) -> Option<Row> {
    let [word] = asked else { return None };
    let greatest = match word.as_str() {
        "grand" | "mai" | "maior" => true,
        "pequen" | "men" | "menor" | "pequenin" => false,
        _ => return None,
    };
    let number = |name: &[String]| -> Option<f64> {
        name.iter().find_map(|word| word.replace('v', ".").parse().ok())
    };
    let base = number(own)?;
    let mut sized: Vec<(f64, Row)> =
        rows.filter_map(|(name, row)| Some((number(&name)?, row))).collect();
    sized.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (size, row) = if greatest { sized.last()? } else { sized.first()? };
    (if greatest { *size > base } else { *size < base }).then_some(*row)
}

/// Whether a name has all these words, each as often.
fn holds(name: &[String], asked: &[String]) -> bool {
    let count = |all: &[String], word: &String| all.iter().filter(|one| *one == word).count();
    asked.iter().all(|word| count(name, word) >= count(asked, word))
}

#[cfg(test)]
mod tests {
    use crate::Index;

    const NOTES: &str = "# Aluguel\n| Instrumento | Por mês |\n|---|---|\n| Violino 3/4 | R$ 65 |\n| Violino 4/4 | R$ 75 |\n\
        | Violão de aço | R$ 55 |\n| Violão de nylon | R$ 45 |\n\n# Consulta\n| Idade | Valor |\n|---|---|\n| 3 a 6 anos | R$ 70 |\n\
        | 7 a 12 anos | R$ 90 |\n\n# Máquinas\n| Máquina | Diária |\n|---|---|\n| Betoneira 150 litros | R$ 48 |\n\
        | Betoneira 400 litros | R$ 70 |\n| Sopa de legumes com frango | R$ 20 |\n| Sopa de legumes | R$ 16 |\n| Piso 1 m | R$ 11 |\n| Piso 1,5 m | R$ 16 |\n";

    #[test]
    fn another_row_is_known_by_what_tells_it_apart() {
        let index = Index::of_files(&[("tabela.md", NOTES)]).unwrap();
        let said = |text: &str, told: &str| {
            let before = ("quanto custa o aluguel?", told);
            index.other_of(text, before, None).map(|told| told.reply).unwrap_or_default()
        };
        let told = said("e o 4/4?", "Violino 3/4: R$ 65");
        assert!(told.contains("Violino 4/4") && told.contains("75"), "{told}");
        let told = said("não, o de nylon", "Violão de aço: R$ 55");
        assert!(told.contains("nylon") && told.contains("45"), "{told}");
        let told = said("e o de 8?", "3 a 6 anos: R$ 70");
        assert!(told.contains("7 a 12 anos") && told.contains("90"), "{told}");
        let told = said("e a pequena?", "Betoneira 400 litros: R$ 70");
        assert!(told.contains("150 litros") && told.contains("48"), "{told}");
        let told = said("e o de 1 metro?", "Piso 1,5 m: R$ 16");
        assert!(told.contains("Piso 1 m") && told.contains("11"), "{told}");
        // What was told already, what names two, what is no row, what is no such text.
        let told = said("e a normal?", "Sopa de legumes com frango: R$ 20");
        assert!(told.contains("R$ 16") && !told.contains("frango"), "{told}");
        let told = said("não, só de legumes, sem o frango", "Sopa de legumes com frango: R$ 20");
        assert!(told.contains("R$ 16") && !told.contains("frango"), "{told}");
        for (text, told) in [
            ("e o 3/4?", "Violino 3/4: R$ 65"),
            ("e violão?", "Violino 3/4: R$ 65"),
            ("e a bateria?", "Violino 3/4: R$ 65"),
            ("tem o violino 4/4?", "Violino 3/4: R$ 65"),
        ] {
            assert_eq!(said(text, told), "", "{text}");
        }
    }
}
