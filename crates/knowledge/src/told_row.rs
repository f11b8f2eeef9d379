//! What else the row says from which was told before: "e a garantia?", "demora muito?", "quantas sessões?".

use jiff::civil::Date;
use kernel::text::fold_words;

use crate::facts::cells::{self, Cell};
use crate::index::Index;
use crate::question::Question;
use crate::split::all_digits;
use crate::sums::FromFacts;

/// Words of such a text, and rows of which it is told, at most.
const LONGEST: usize = 9;
const ROWS: usize = 4;
/// Words that name no column.
const AROUND: &[&str] = &[
    "e", "o", "a", "os", "as", "um", "uma", "de", "do", "da", "dos", "das", "em", "no", "na",
    "pra", "para", "por", "com", "que", "qual", "quais", "quanto", "quanta", "quantos", "quantas",
    "ele", "ela", "eles", "elas", "dele", "dela", "deles", "delas", "esse", "essa", "desse",
    "dessa", "nesse", "nessa", "isso", "disso", "tem", "tens", "teria", "esta", "ta", "fica",
    "vem", "vai", "muito", "mais", "menos", "so", "ai", "la", "mesmo", "entao", "mas", "ah", "oi",
    "ok", "certo", "cada", "voces", "voce", "eu", "se", "ou", "precisa", "seria", "sao", "total",
    "ao", "todo", "toda", "tambem", "sabe", "dizer", "me", "diz",
];
/// By what word a column is asked for, and how its name may begin.
const ASKED_BY: &[(&[&str], &[&str])] = &[
    (
        &["demora", "demoram", "demorado", "dura", "duram", "tempo", "leva", "levam", "duracao"],
        &["tempo", "duracao", "prazo", "dura", "demora"],
    ),
    (&["pronto", "pronta", "prazo", "entrega", "entregam"], &["prazo", "entrega", "tempo"]),
    (&["garantia", "garantem"], &["garantia"]),
    (&["quando", "dias", "dia", "horario", "horarios", "horas"], &["dia", "horario", "quando"]),
    (&["quem"], &["profissional", "responsavel", "quem", "professor", "com quem", "medico"]),
    (&["inclui", "incluso", "incluido", "vem"], &["inclu", "o que"]),
    (&["idade"], &["idade", "faixa"]),
    (&["onde"], &["local", "onde", "sala", "unidade"]),
    (&["custa", "preco", "valor", "custo"], &["preco", "valor", "r$"]),
];

impl Index {
    /// The cells that a short text asks for of the rows that were told before.
    pub(crate) fn column_of(
        &self,
        text: &str,
        told: &str,
        today: Option<Date>,
    ) -> Option<FromFacts> {
        let line = fold_words(text);
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let named: Vec<&str> = words
            .iter()
            .copied()
            .filter(|word| !AROUND.contains(word) || matches!(*word, "vem" | "onde" | "quem"))
            .collect();
        if named.is_empty() || words.len() > LONGEST || words.iter().any(|word| all_digits(word)) {
            return None;
        }
        let told = fold_words(told);
        let rows: Vec<_> = self
            .rows(today)
            .map(|row| (row, fold_words(&self.row_name(row)).trim().to_owned()))
            .filter(|(_, name)| name.len() > 2 && told.contains(&format!("{name} ")))
            .collect();
        // Of "canal" and "canal molar" the longer one was told.
        let longer = |name: &str| {
            rows.iter().any(|(_, other)| other.len() > name.len() && other.contains(name))
        };
        let rows: Vec<_> = rows.iter().filter(|(_, name)| !longer(name)).collect();
        if rows.is_empty() || rows.len() > ROWS {
            return None;
        }
        let mut lines: Vec<String> = Vec::new();
        let mut pieces: Vec<usize> = Vec::new();
        for (row, _) in rows {
            let cells = cells::of(&self.sentences[row.sentence as usize].text)?;
            let (name, rest) = cells.split_at(cells::naming(&cells));
            let chosen = self.asked_columns(&named, rest)?;
            let name = cells::joined(name);
            lines.extend(
                chosen.iter().map(|cell| format!("{name}, {}: {}", cell.header, cell.value)),
            );
            if !pieces.contains(&row.piece) {
                pieces.push(row.piece);
            }
        }
        lines.dedup();
        Some(FromFacts { reply: lines.join("\n"), pieces })
    }

    /// The columns that these words name; `None` where one of them names something else.
    fn asked_columns<'a>(&self, named: &[&str], row: &'a [Cell]) -> Option<Vec<&'a Cell>> {
        let begins = |cell: &Cell, starts: &[&str]| {
            let header = fold_words(&cell.header);
            starts.iter().any(|start| header.split(' ').any(|word| word.starts_with(start)))
        };
        let mut best: Vec<(usize, &Cell)> = row.iter().map(|cell| (0, cell)).collect();
        for word in named {
            let question = Question::read(self, word);
            let own = self.columns(&question, None, row);
            let starts = ASKED_BY
                .iter()
                .filter(|(asked, _)| asked.contains(word))
                .flat_map(|(_, starts)| starts.iter().copied())
                .collect::<Vec<_>>();
            let mut hit = false;
            for (count, cell) in &mut best {
                // Its own name is nearer than another word for it.
                if own.iter().any(|one| std::ptr::eq(*one, *cell)) {
                    *count += 2;
                    hit = true;
                } else if begins(cell, &starts) {
                    *count += 1;
                    hit = true;
                }
            }
            if !hit {
                return None;
            }
        }
        let most = best.iter().map(|(count, _)| *count).max().filter(|most| *most > 0)?;
        Some(best.into_iter().filter(|(count, _)| *count == most).map(|(_, cell)| cell).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;

    const NOTES: &str = "# Tratamentos\n| Serviço | Preço | Sessões | Tempo | Garantia |\n|---|---|---|---|---|\n\
        | Canal molar | R$ 980 | 3 sessões | 90 min | 2 anos |\n| Limpeza simples | R$ 160 | 1 sessão | 40 min | sem garantia |\n\n\
        # Convênio\nGarantia estendida: combinar na recepção.\n";

    #[test]
    fn the_row_that_was_told_has_other_columns() {
        let index = Index::of_files(&[("tabela.md", NOTES)]).unwrap();
        let said = |text: &str, told: &str| {
            index.column_of(text, told, None).map(|told| told.reply).unwrap_or_default()
        };
        for (text, told, says) in [
            ("e a garantia dela?", "Canal molar: R$ 980", "Canal molar, Garantia: 2 anos"),
            ("demora muito?", "Limpeza simples: R$ 160", "Limpeza simples, Tempo: 40 min"),
            ("quantas sessões?", "Canal molar – Preço: R$ 980", "Canal molar, Sessões: 3 sessões"),
        ] {
            assert_eq!(said(text, told), says, "{text}");
        }
        for (text, told) in [
            ("tem estacionamento?", "Canal molar: R$ 980"),
            ("e a garantia?", "Abrimos às 8h."),
            ("demora muito pra chegar em Santos?", "Canal molar: R$ 980"),
        ] {
            assert_eq!(said(text, told), "", "{text}");
        }
    }
}
