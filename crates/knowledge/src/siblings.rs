//! Another row of the table, or line of the list, from which was told before: "e o grande?", "não, o outro, sem aro".

use jiff::civil::Date;
use kernel::text::fold_words;

use crate::choose::is_list_line;
use crate::index::Index;
use crate::named_prices::{naming, subject_of};
use crate::question::Question;
use crate::sums::FromFacts;

/// Words of such a text, at most, and those of them that name nothing.
const LONGEST: usize = 7;
const AROUND: &[&str] = &[
    "e", "o", "a", "os", "as", "um", "uma", "mas", "nao", "ou", "de", "do", "da", "dos", "das",
    "no", "na", "nos", "nas", "em", "pra", "para", "pro", "por", "so", "quanto", "qual", "preco",
    "valor", "fica", "custa", "sai", "ta", "esta", "entao", "se", "for", "fosse", "esse", "essa",
    "este", "esta", "aquele", "aquela", "tem", "ai", "ah", "eh", "quero", "queria", "outro",
    "outra", "seria", "tambem", "voces", "lugar",
];

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
        let rows: Vec<(usize, u32, Vec<String>)> = self.rows(today);
        let named = |id: u32| fold_words(&subject_of(&self.sentences[id as usize].text));
        let base = rows
            .iter()
            .find(|(_, id, name)| !name.is_empty() && told.contains(named(*id).trim()))?;
        let heading = &self.sentences[base.1 as usize].heading_text;
        let document = self.chunks[base.0].document;
        let mut others: Vec<(usize, usize, usize, u32)> = rows
            .iter()
            .filter(|(piece, id, _)| {
                self.chunks[*piece].document == document
                    && self.sentences[*id as usize].heading_text == *heading
            })
            .filter(|(_, id, name)| *id != base.1 && holds(name, &asked))
            .map(|(piece, id, name)| {
                let shared = name.iter().filter(|word| base.2.contains(word)).count();
                (usize::MAX - shared, name.len(), *piece, *id)
            })
            .collect();
        others.sort_unstable();
        // The row told before may be the one that is meant.
        let (first, next) = (others.first()?, others.get(1));
        if holds(&base.2, &asked) || next.is_some_and(|next| (next.0, next.1) == (first.0, first.1))
        {
            return None;
        }
        let question = Question::read(self, &format!("{} {text}", before.0));
        let row = self.row(&question, None, &self.sentences[first.3 as usize].text);
        Some(FromFacts { reply: row, pieces: vec![first.2] })
    }

    /// The lines of lists and tables that hold on a day: their piece, themselves, and the words of their names.
    fn rows(&self, today: Option<Date>) -> Vec<(usize, u32, Vec<String>)> {
        let mut out = Vec::new();
        for (number, piece) in self.pieces.iter().enumerate() {
            for id in &piece.sentences {
                let sentence = &self.sentences[*id as usize];
                let ended = sentence.ends.zip(today).is_some_and(|(end, today)| end < today);
                if !sentence.heading && !sentence.outdated && !ended && is_list_line(&sentence.text)
                {
                    out.push((number, *id, naming(&subject_of(&sentence.text))));
                }
            }
        }
        out
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
