//! CSV of any delimiter that spreadsheets write, and spreadsheets themselves.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use isolation::Reporter;

use super::{Item, Stop, decode, grid};

/// Rows and columns of one sheet that are read.
const ROWS: usize = 50_000;
const COLUMNS: usize = 100;

/// Columns named question and answer make pairs (`half` counts the rows that lack one of them); any
/// other table makes a line per row.
pub(super) fn csv(bytes: &[u8], limit: usize, half: &mut usize) -> Result<Vec<Item>, Stop> {
    let text = decode(bytes);
    let first = text.lines().next().unwrap_or_default().trim();
    let named = first.strip_prefix("sep=").and_then(|mark| mark.bytes().next());
    let body =
        if named.is_some() { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    let delimiter = named.unwrap_or_else(|| delimiter(body));
    let rows = rows(body, delimiter)?;
    items(&rows, limit, half)
}

/// The mark by which the first rows have most columns, as many in each.
fn delimiter(text: &str) -> u8 {
    let score = |mark: u8| {
        let Ok(rows) = rows(&text.lines().take(30).collect::<Vec<_>>().join("\n"), mark) else {
            return (0, 0);
        };
        let widths: Vec<usize> = rows.iter().map(Vec::len).filter(|w| *w > 1).collect();
        let usual =
            widths.iter().copied().max_by_key(|w| widths.iter().filter(|x| *x == w).count());
        let usual = usual.unwrap_or(0);
        let alike = widths.iter().filter(|w| **w == usual).count();
        // A comma also stands within amounts and sentences: it is believed last.
        (alike * 2 + usize::from(mark != b','), usual)
    };
    [b';', b'\t', b'|', b','].into_iter().max_by_key(|mark| score(*mark)).unwrap_or(b',')
}

fn rows(text: &str, delimiter: u8) -> Result<Vec<Vec<String>>, Stop> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut out: Vec<Vec<String>> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| e.to_string())?;
        out.push(row.iter().map(str::to_owned).collect());
    }
    // A delimiter inside an unquoted cell makes cells too many: the last one takes the surplus back.
    let width = out
        .iter()
        .find(|row| row.iter().filter(|c| !c.trim().is_empty()).count() > 1)
        .map_or(0, |row| {
            row.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1)
        });
    let answer = out.iter().find_map(|row| {
        row.iter().position(|cell| kernel::text::fold(cell.trim()).starts_with("resposta"))
    });
    for row in &mut out {
        while row.len() > width.max(1) && row.last().is_some_and(|cell| cell.trim().is_empty()) {
            row.pop();
        }
        if width > 1 && row.len() > width {
            let surplus = row.len() - width;
            let wide = answer.filter(|at| *at < width).unwrap_or(width - 1);
            let joined = row[wide..=wide + surplus].join(&char::from(delimiter).to_string());
            row.splice(wide..=wide + surplus, [joined]);
        }
    }
    Ok(out)
}

fn items(rows: &[Vec<String>], limit: usize, half: &mut usize) -> Result<Vec<Item>, Stop> {
    let read = grid::read(rows);
    *half += read.half;
    let mut out = read.pairs;
    let mut size = 0;
    for part in read.parts {
        let text = part.lines.join("\n");
        // Headings are repeated on every line: a small file may say much.
        size += text.len();
        if size > limit {
            return Err(Stop::Text);
        }
        out.push(Item::Section { heading: part.heading, text });
    }
    Ok(out)
}

/// The sheets of an Excel file.
pub(super) fn xlsx(
    bytes: &[u8],
    limit: usize,
    half: &mut usize,
    reporter: &mut Reporter,
) -> Result<Vec<Item>, Stop> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|cause| match cause {
        calamine::XlsxError::Password => Stop::Locked,
        other => Stop::Broken(other.to_string()),
    })?;
    let mut out = Vec::new();
    let mut left = limit;
    for name in book.sheet_names() {
        reporter.step();
        let Ok(range) = book.worksheet_range(&name) else { continue };
        let rows: Vec<Vec<String>> = range
            .rows()
            .take(ROWS)
            .map(|row| row.iter().take(COLUMNS).map(cell).collect())
            .collect();
        let sheet = items(&rows, left, half)?;
        left = left.saturating_sub(sheet.iter().map(Item::size).sum());
        let usual = ["planilha", "sheet", "plan", "tabela", "pasta"];
        let named = !usual.iter().any(|word| kernel::text::fold(&name).starts_with(word));
        out.extend(sheet.into_iter().map(|item| match item {
            Item::Section { heading: None, text } if named => {
                Item::Section { heading: Some(name.clone()), text }
            }
            other => other,
        }));
    }
    Ok(out)
}

/// A cell as people see it.
fn cell(data: &Data) -> String {
    match data {
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number:.0}")
        }
        Data::Float(number) => format!("{number:.2}").replace('.', ","),
        Data::DateTime(when) => moment(when.as_f64()),
        Data::Bool(true) => "sim".to_owned(),
        Data::Bool(false) => "não".to_owned(),
        Data::Error(_) | Data::Empty => String::new(),
        other => other.to_string(),
    }
}

/// A date, or a time of day, from the days that a spreadsheet counts.
#[expect(clippy::cast_possible_truncation, reason = "days and minutes of people")]
fn moment(days: f64) -> String {
    let minutes = (days.fract() * 1440.0).round() as i64;
    if days < 1.0 {
        return format!("{:02}:{:02}", minutes / 60, minutes % 60);
    }
    let first = jiff::civil::date(1899, 12, 30);
    let whole = jiff::Span::new().try_days(days.trunc() as i64);
    match whole.and_then(|span| first.checked_add(span)) {
        Ok(date) => format!("{:02}/{:02}/{}", date.day(), date.month(), date.year()),
        Err(_) => String::new(),
    }
}
