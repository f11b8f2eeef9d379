//! Another row of the table, or line of the list, from which was told before: "e o grande?", "não, o outro, sem aro".

use std::cmp::Reverse;

use jiff::civil::Date;
use kernel::text::fold_words;

use crate::choose::is_list_line;
use crate::index::Index;
use crate::named_prices::{naming, subject_of};
use crate::question::Question;
use crate::sums::{FromFacts, as_many};

/// Words of such a text, at most, and those of them that name nothing.
const LONGEST: usize = 7;
const AROUND: &[&str] = &[
    "e", "o", "a", "os", "as", "um", "uma", "mas", "nao", "ou", "de", "do", "da", "dos", "das",
    "no", "na", "nos", "nas", "em", "pra", "para", "pro", "por", "so", "quanto", "qual", "preco",
    "valor", "fica", "custa", "sai", "ta", "esta", "entao", "se", "for", "fosse", "esse", "essa",
    "este", "esta", "aquele", "aquela", "tem", "ai", "ah", "eh", "quero", "queria", "outro",
    "outra", "seria", "tambem", "voces", "lugar",
];

/// A line of a list or a table, by the numbers of its piece and its sentence.
#[derive(Clone, Copy)]
struct Row {
    piece: usize,
    sentence: u32,
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
        if !opens || words.len() > LONGEST {
            return None;
        }
        let asked: Vec<&str> =
            words.iter().copied().filter(|word| !AROUND.contains(word)).collect();
        let asked = naming(&asked.join(" "));
        if asked.is_empty() {
            return None;
        }
        let told = fold_words(before.1);
        let rows = || self.rows(today);
        let words = |row: Row| naming(&self.row_name(row));
        let base = rows().find(|row| {
            told.contains(fold_words(&self.row_name(*row)).trim()) && !words(*row).is_empty()
        })?;
        let own = words(base);
        // The row told before may be the one that is meant.
        if holds(&own, &asked) {
            return None;
        }
        let table = |row: Row| {
            let heading = &self.sentences[row.sentence as usize].heading_text;
            (self.chunks[row.piece].document, heading)
        };
        // Those first that share most of their names with it, and have least beside.
        let mut others: Vec<(Reverse<usize>, usize, Row)> = rows()
            .filter(|row| row.sentence != base.sentence && table(*row) == table(base))
            .map(|row| (words(row), row))
            .filter(|(name, _)| holds(name, &asked))
            .map(|(name, row)| {
                let shared = name.iter().filter(|word| own.contains(word)).count();
                (Reverse(shared), name.len(), row)
            })
            .collect();
        others.sort_by_key(|(shared, length, _)| (*shared, *length));
        let (first, next) = (others.first()?, others.get(1));
        if next.is_some_and(|next| (next.0, next.1) == (first.0, first.1)) {
            return None;
        }
        let row = first.2;
        let question = Question::read(self, &format!("{} {text}", before.0));
        let mut reply = self.row(&question, None, &self.sentences[row.sentence as usize].text);
        if let Some(sum) = as_many(before.1, &reply) {
            reply.push_str(&sum);
        }
        Some(FromFacts { reply, pieces: vec![row.piece] })
    }

    /// The lines of lists and tables that hold on a day.
    fn rows(&self, today: Option<Date>) -> impl Iterator<Item = Row> + '_ {
        let all = self.pieces.iter().enumerate().flat_map(|(piece, own)| {
            own.sentences.iter().map(move |sentence| Row { piece, sentence: *sentence })
        });
        all.filter(move |row| {
            let sentence = &self.sentences[row.sentence as usize];
            let now = !sentence.outdated && !sentence.is_over(today);
            now && !sentence.heading && is_list_line(&sentence.text)
        })
    }

    fn row_name(&self, row: Row) -> String {
        subject_of(&self.sentences[row.sentence as usize].text)
    }
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
        | Violão de aço | R$ 55 |\n| Violão de nylon | R$ 45 |\n";

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
        // What was told already, what names two, what is no row, what is no such text.
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
