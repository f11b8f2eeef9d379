//! Tables of any format: what each row says, with the names of its columns.

use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

use super::Item;
use crate::split::expression;

/// What a table says.
#[derive(Default)]
pub(super) struct Grid {
    pub(super) parts: Vec<Part>,
    pub(super) pairs: Vec<Item>,
    /// Rows that hold a question or an answer only.
    pub(super) half: usize,
    /// It names its columns.
    pub(super) has_header: bool,
}

/// Rows under a heading of their own.
#[derive(Default)]
pub(super) struct Part {
    pub(super) heading: Option<String>,
    pub(super) lines: Vec<String>,
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^(?:R\$ ?)?[0-9]{1,3}(?:\.[0-9]{3})*(?:,[0-9]{1,2})?$|^(?:R\$ ?)?[0-9]+(?:[.,][0-9]{1,2})?$",
    )
});

fn clean(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_value(cell: &str) -> bool {
    cell.contains(|c: char| c.is_ascii_digit())
}

/// Whether a row names the columns below it.
fn is_header(row: &[String], next: Option<&Vec<String>>) -> bool {
    let filled: Vec<&String> = row.iter().filter(|cell| !cell.is_empty()).collect();
    if filled.len() < 2 || filled.iter().any(|cell| cell.chars().count() > 60) {
        return false;
    }
    let named = filled
        .iter()
        .filter(|cell| !is_value(cell) || cell.contains("R$ )") || column_words(cell))
        .count();
    // Names of sizes or years are headers too ("500 ml", "2026"), if most of the row are words, or prices stand below.
    let prices = |cells: &[String]| {
        cells.iter().filter(|cell| cell.contains("R$") || NUMBER.is_match(cell)).count()
    };
    if filled.iter().any(|cell| cell.contains("R$") && is_value(cell)) {
        return false;
    }
    named * 2 > filled.len() || (next.is_some_and(|next| prices(next) > 0) && prices(row) == 0)
}

fn column_words(cell: &str) -> bool {
    const WORDS: &[&str] = &[
        "preco",
        "valor",
        "valores",
        "servico",
        "servicos",
        "produto",
        "item",
        "itens",
        "descricao",
        "nome",
        "tamanho",
        "duracao",
        "tempo",
        "prazo",
        "bairro",
        "taxa",
        "horario",
        "dia",
        "dias",
        "turno",
        "plano",
        "exame",
        "convenio",
        "categoria",
        "tipo",
        "pergunta",
        "resposta",
        "peso",
        "unidade",
        "quantidade",
        "telefone",
        "endereco",
        "profissional",
    ];
    let folded = fold(cell);
    folded.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.contains(&word))
}

fn of_money(header: &str) -> bool {
    let folded = fold(header);
    header.contains("R$")
        || folded.split(|c: char| !c.is_alphanumeric()).any(|w| {
            [
                "preco",
                "precos",
                "valor",
                "valores",
                "reais",
                "custo",
                "mensalidade",
                "diaria",
                "taxa",
            ]
            .contains(&w)
        })
}

/// A bare number in a column of money, as money.
fn amount(header: &str, cell: &str) -> String {
    static CENTS: LazyLock<Regex> =
        LazyLock::new(|| expression(r"^[0-9]{1,3}(?:\.?[0-9]{3})*,[0-9]{2}$"));
    if CENTS.is_match(cell) {
        // With two digits after a comma it is money, whatever the column is called.
        return format!("R$ {cell}");
    }
    if !of_money(header) || cell.contains("R$") || !NUMBER.is_match(cell) {
        return cell.to_owned();
    }
    let folded = fold(header);
    if folded.contains('%') || folded.contains("quant") {
        return cell.to_owned();
    }
    // "89.9" is how programs write it.
    let cell = match cell.split_once('.') {
        Some((whole, cents)) if cents.len() <= 2 && !cell.contains(',') => {
            format!("{whole},{cents:0<2}")
        }
        _ => cell.to_owned(),
    };
    format!("R$ {cell}")
}

/// Column names of question and answer.
fn pair_columns(header: &[String]) -> Option<(usize, usize, Option<usize>)> {
    let starts = |names: &[&str]| {
        header.iter().position(|cell| {
            let folded = fold(cell);
            names.iter().any(|name| {
                folded == *name
                    || folded.starts_with(&format!("{name} "))
                    || folded.starts_with(&format!("{name}s"))
            })
        })
    };
    let question = starts(&["pergunta", "question", "duvida", "p", "faq"])?;
    let answer = starts(&["resposta", "answer", "r", "solucao", "retorno"])?;
    let category = starts(&["categoria", "category", "tema", "assunto"]);
    Some((question, answer, category))
}

/// Reads a table. Rows may differ in length.
pub(super) fn read(rows: &[Vec<String>]) -> Grid {
    let empty = |row: &[String]| row.iter().all(String::is_empty);
    let all: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    // Rows that follow an empty one, with which another table may begin.
    let apart: Vec<bool> = (0..all.len())
        .filter(|at| !empty(&all[*at]))
        .map(|at| at > 0 && empty(&all[at - 1]))
        .collect();
    let rows: Vec<Vec<String>> = all.into_iter().filter(|row| !empty(row)).collect();
    let mut grid = Grid::default();
    let mut part = Part::default();
    let mut header: Option<Vec<String>> = None;
    let filled = |row: &[String]| row.iter().filter(|cell| !cell.is_empty()).count();
    let width = rows.iter().map(|row| filled(row)).max().unwrap_or(0);
    // The subject of rows whose first cell is empty: merged cells.
    let mut subject = String::new();
    for (at, row) in rows.iter().enumerate() {
        let next = rows.get(at + 1);
        let of_pairs = header.as_deref().is_some_and(|header| pair_columns(header).is_some());
        if filled(row) == 1 && width > 1 && !of_pairs {
            // A title over the table, or the name of a part of it; beside a header, a note.
            let text = row.iter().find(|cell| !cell.is_empty()).cloned().unwrap_or_default();
            if is_value(&text) && text.contains("R$") || text.chars().count() > 60 {
                part.lines.push(text);
            } else {
                if !part.lines.is_empty() {
                    grid.parts.push(std::mem::take(&mut part));
                }
                part.heading = Some(text);
            }
            continue;
        }
        if header.as_ref() == Some(row) {
            continue;
        }
        if header.is_none() && pair_columns(row).is_some() {
            header = Some(row.clone());
            grid.has_header = true;
            continue;
        }
        // Below an empty row, or where its first column is named again, a table begins with columns of its own.
        let begins = header.is_none()
            || (!of_pairs
                && (apart[at] || header.as_ref().is_some_and(|header| header[0] == row[0])));
        if begins && next.is_some() && is_header(row, next) {
            subject.clear();
            header = Some(row.clone());
            grid.has_header = true;
            continue;
        }
        if let Some((question, answer, category)) = header.as_deref().and_then(pair_columns) {
            let cell = |at: usize| row.get(at).filter(|cell| !cell.is_empty()).cloned();
            match (cell(question), cell(answer)) {
                (Some(question), Some(answer)) => grid.pairs.push(Item::Pair {
                    question,
                    answer,
                    category: category.and_then(cell),
                }),
                (None, None) => {}
                _ => grid.half += 1,
            }
            continue;
        }
        let mut row = row.clone();
        match row.first() {
            Some(first) if first.is_empty() && !subject.is_empty() => row[0] = subject.clone(),
            Some(first) => subject = first.clone(),
            None => {}
        }
        part.lines.push(line(header.as_deref(), &row));
    }
    if !part.lines.is_empty() {
        grid.parts.push(part);
    }
    grid
}

/// A row as a line: each cell with the name of its column.
fn line(header: Option<&[String]>, row: &[String]) -> String {
    let Some(header) = header else {
        let cells: Vec<&str> =
            row.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
        return match cells.split_first() {
            Some((first, [])) => (*first).to_owned(),
            Some((first, rest)) => format!("{first}: {}", rest.join("; ")),
            None => String::new(),
        };
    };
    let cells: Vec<String> = row
        .iter()
        .enumerate()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(at, cell)| match header.get(at).filter(|name| !name.is_empty()) {
            Some(name) => format!(
                "{}: {}",
                name.trim_end_matches(':').replace(';', ","),
                amount(name, cell).replace("; ", ", ")
            ),
            None => cell.replace("; ", ", "),
        })
        .collect();
    cells.join("; ") + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_below_an_empty_row_has_columns_of_its_own() {
        let rows = [
            "Item,Meio quilo,1 kg",
            "Picanha,R$ 84,R$ 159",
            ",,",
            "Item,Pequena,Grande",
            "Arroz,R$ 13,R$ 22",
        ];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.split(',').map(str::to_owned).collect()).collect();
        let lines: Vec<String> =
            read(&rows).parts.into_iter().flat_map(|part| part.lines).collect();
        assert_eq!(
            lines,
            [
                "Item: Picanha; Meio quilo: R$ 84; 1 kg: R$ 159.",
                "Item: Arroz; Pequena: R$ 13; Grande: R$ 22."
            ]
        );
    }
}
