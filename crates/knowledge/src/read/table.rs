//! Tables: CSV of any delimiter that spreadsheets write.

use std::cmp::Ordering;

use kernel::text::fold;

use super::{Item, Stop, decode};

/// Columns named question and answer make pairs (`half` counts the rows that lack one of them); any
/// other table makes a line per row.
pub(super) fn csv(bytes: &[u8], limit: usize, half: &mut usize) -> Result<Vec<Item>, Stop> {
    let text = decode(bytes);
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t']
        .into_iter()
        .rev()
        .max_by_key(|mark| first.bytes().filter(|byte| byte == mark).count())
        .unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(csv::Trim::Headers)
        .from_reader(text.as_bytes());
    let headers: Vec<String> =
        reader.headers().map_err(|e| e.to_string())?.iter().map(str::to_owned).collect();
    let column =
        |names: &[&str]| headers.iter().position(|header| names.contains(&fold(header).as_str()));
    let question = column(&["pergunta", "perguntas", "question", "duvida"]);
    let answer = column(&["resposta", "respostas", "answer"]);
    let category = column(&["categoria", "category", "tema", "assunto"]);
    let mut out = Vec::new();
    let mut lines = String::new();
    for row in reader.records() {
        let row = row.map_err(|e| e.to_string())?;
        // A delimiter inside an unquoted cell makes one cell too many: the answer, or else the last
        // cell, takes the surplus back, so that no text is cut short.
        let surplus = row.len().saturating_sub(headers.len());
        let wide = answer.unwrap_or(headers.len().saturating_sub(1));
        let row: Vec<String> = (0..row.len() - surplus)
            .map(|at| {
                let (from, to) = match at.cmp(&wide) {
                    Ordering::Less => (at, at),
                    Ordering::Equal => (at, at + surplus),
                    Ordering::Greater => (at + surplus, at + surplus),
                };
                let cells: Vec<&str> = (from..=to).filter_map(|at| row.get(at)).collect();
                cells.join(&char::from(delimiter).to_string()).trim().to_owned()
            })
            .collect();
        let cell =
            |at: Option<usize>| at.and_then(|at| row.get(at)).filter(|c| !c.is_empty()).cloned();
        if let (Some(question), Some(answer)) = (cell(question), cell(answer)) {
            out.push(Item::Pair { question, answer, category: cell(category) });
        } else if question.is_none() || answer.is_none() {
            let cells: Vec<String> = headers
                .iter()
                .zip(row.iter())
                .filter(|(_, value)| !value.is_empty())
                .map(|(header, value)| format!("{header}: {value}"))
                .collect();
            lines.push_str(&cells.join("; "));
            lines.push_str(".\n");
            // Headings are repeated on every line: a small file may say much.
            if lines.len() > limit {
                return Err(Stop::Text);
            }
        } else {
            *half += usize::from(cell(question).is_some() || cell(answer).is_some());
        }
    }
    if !lines.trim().is_empty() {
        out.push(Item::Section { heading: None, text: lines.trim().to_owned() });
    }
    Ok(out)
}
