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

#[cfg(test)]
mod tests {
    use super::*;

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
