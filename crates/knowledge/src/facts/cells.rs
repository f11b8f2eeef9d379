//! Rows of tables as they are kept in text: "Name: value; Name: value."

use std::ops::Range;

/// Characters of a column's name, at most.
const HEADER: usize = 60;

/// A cell of a row, under the name of its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) header: String,
    pub(crate) value: String,
    /// Where the value stands in the row's text, in bytes.
    pub(crate) at: Range<usize>,
}

/// The cells of a row that was read from a table; `None` of other text.
pub(crate) fn of(text: &str) -> Option<Vec<Cell>> {
    let from = text.len() - text.trim_start().len();
    let row = text.trim().trim_end_matches('.');
    let mut start = from;
    let parts: Vec<&str> = row.split("; ").collect();
    if parts.len() < 2 {
        return None;
    }
    let mut cells = Vec::with_capacity(parts.len());
    for part in parts {
        let (header, value) = part.split_once(": ")?;
        if header.chars().count() > HEADER {
            return None;
        }
        let at = start + header.len() + 2 + (value.len() - value.trim_start().len());
        let value = value.trim();
        cells.push(Cell {
            header: header.trim().to_owned(),
            value: value.to_owned(),
            at: at..at + value.len(),
        });
        start += part.len() + 2;
    }
    Some(cells)
}

/// What the columns say of a thing that are no part of its name, by the beginnings of their names.
const TELLING: &[&str] = &[
    "obs",
    "descri",
    "inclu",
    "ingred",
    "compos",
    "dura",
    "tempo",
    "prazo",
    "valid",
    "entrega",
    "garant",
    "profiss",
    "respons",
    "dia",
    "hora",
    "quando",
    "preparo",
    "contem",
    "estoque",
    "parcel",
    "pagamento",
    "condi",
    "minim",
    "period",
    "area",
    "regra",
    "ate quando",
    "vigen",
    "o que",
    "nota",
];
/// Cells that name a thing together with the first, at most, and the characters of one.
const MORE: usize = 2;
const SHORT: usize = 32;

/// How many cells of a row, from the first on, say what it is of. Before its first amount, short cells of a kind belong to
/// the name: "Galaxy A54" and "Troca de tela", "Suculenta" and "pote 11".
pub(crate) fn naming(row: &[Cell]) -> usize {
    let amount = |cell: &Cell| {
        super::amounts::of_cell(&cell.value, super::is_price_header(&cell.header)).is_some()
            || !super::amounts::all(&cell.value).is_empty()
    };
    let Some((first, rest)) = row.split_first() else { return 0 };
    if amount(first) || !rest.iter().any(amount) {
        return 1;
    }
    let names = |cell: &&Cell| {
        let header = kernel::text::fold(&cell.header);
        !amount(cell)
            && !denies(&cell.value)
            && cell.value.chars().count() <= SHORT
            && cell.value.chars().any(char::is_alphabetic)
            && !TELLING.iter().any(|start| header.starts_with(start))
    };
    1 + rest.iter().take(MORE).take_while(names).count()
}

/// Whether a cell says that there is none.
fn denies(value: &str) -> bool {
    let folded = kernel::text::fold_words(value);
    ["nao", "sem", "indisponivel", "esgotado", "consulte", "sob"]
        .iter()
        .any(|word| folded.split(' ').find(|own| !own.is_empty()) == Some(word))
}

/// Cells as one name: "Suculenta, pote 11".
pub(crate) fn joined(cells: &[Cell]) -> String {
    let values: Vec<&str> = cells.iter().map(|cell| cell.value.as_str()).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_all_cells_that_tell_it_from_others() {
        let name = |row: &str| {
            let row = of(row).unwrap();
            joined(&row[..naming(&row)])
        };
        assert_eq!(
            name("Aparelho: A54; Serviço: Troca de tela com aro; Prazo: 2 horas; Preço: 520,00"),
            "A54, Troca de tela com aro"
        );
        assert_eq!(name("Lente: Digital; Simples: não fazemos; Antirreflexo: R$ 980"), "Digital");
        assert_eq!(name("Item: Corte; Obs: com hora marcada; Preço: 40,00"), "Corte");
        assert_eq!(name("Serviço: Corte; Preço: 40,00; Tamanho: curto"), "Corte");
        assert_eq!(name("Setor: Caixa; Ramal: 12"), "Caixa");
    }

    #[test]
    fn cells_know_where_their_values_stand() {
        let row = " Serviço: Corte; Preço: R$ 40,00; Duração: 30 min.";
        let cells = of(row).unwrap();
        let shown: Vec<(&str, &str)> =
            cells.iter().map(|cell| (cell.header.as_str(), &row[cell.at.clone()])).collect();
        assert_eq!(shown, [("Serviço", "Corte"), ("Preço", "R$ 40,00"), ("Duração", "30 min")]);
        assert!(of("Abrimos às 8h; fechamos às 18h").is_none());
        assert!(of("Endereço: Rua das Flores, 10").is_none());
    }
}
