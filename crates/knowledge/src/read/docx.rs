//! Word files: paragraphs, tables, text boxes, headers, footers and notes; not what was struck or hidden.

use std::io::{BufReader, Cursor, Read as _};

use isolation::Reporter;
use quick_xml::events::{BytesStart, Event};

use super::blocks::{Block, plain_line};
use super::{Collected, Stop, sniff};

/// Bytes that a part of the file may unpack to.
const UNPACKED: u64 = 64 << 20;
/// Events between two steps of progress.
const STEP: usize = 10_000;
/// Tables within tables that are followed; deeper ones are read as text.
const DEEPEST: usize = 4;

type Archive<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

/// The blocks of a Word file. At most `limit` bytes of text are taken.
pub(super) fn docx(
    bytes: &[u8],
    limit: usize,
    reporter: &mut Reporter,
) -> Result<Vec<Block>, Stop> {
    if !sniff::has_zip_end(bytes) {
        return Err(Stop::CutOff);
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let names: Vec<String> =
        archive.file_names().flatten().map(std::borrow::Cow::into_owned).collect();
    let of = |start: &str| {
        let mut found: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with(&format!("word/{start}")) && name.ends_with(".xml"))
            .cloned()
            .collect();
        found.sort();
        found
    };
    let mut taken = Collected::new(limit);
    let mut out = Vec::new();
    let mut part =
        |archive: &mut Archive<'_>, name: &str| part(archive, name, &mut taken, reporter);
    // The same line heads every kind of page: said once.
    let mut said: Vec<Block> = Vec::new();
    for name in of("header") {
        for block in part(&mut archive, &name)? {
            if !said.contains(&block) {
                said.push(block);
            }
        }
    }
    out.append(&mut said);
    if !out.is_empty() {
        out.push(Block::Blank);
    }
    out.extend(part(&mut archive, "word/document.xml")?);
    for name in of("footnotes").into_iter().chain(of("endnotes")).chain(of("footer")) {
        let more = part(&mut archive, &name)?;
        out.push(Block::Blank);
        for block in more {
            if block == Block::Blank || !out.contains(&block) {
                out.push(block);
            }
        }
    }
    Ok(out)
}

/// A paragraph while it is read.
#[derive(Default)]
struct Paragraph {
    text: String,
    level: Option<u8>,
    /// All of its letters are bold.
    bold: Option<bool>,
    /// How deep it stands in a list, from 0.
    depth: Option<usize>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    row: Vec<String>,
    /// Of the cell: its text, how many columns it spans, and whether it goes on from the row above.
    cell: String,
    span: usize,
    continues: bool,
}

fn value(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.attributes().flatten().find_map(|attribute| {
        let key = attribute.key.as_ref();
        let local = key.rsplit(':').next().unwrap_or(key);
        (local == name).then(|| attribute.value.to_string())
    })
}

fn part(
    archive: &mut Archive<'_>,
    name: &str,
    taken: &mut Collected,
    reporter: &mut Reporter,
) -> Result<Vec<Block>, Stop> {
    let file = archive.by_name(name).map_err(|e| e.to_string())?;
    let unpacks = || Stop::Unpacks(usize::try_from(UNPACKED >> 20).unwrap_or(usize::MAX));
    // What the archive says of itself is no promise: the reading stops there as well.
    if file.size() > UNPACKED {
        return Err(unpacks());
    }
    let mut reader = quick_xml::Reader::from_reader(BufReader::new(file.take(UNPACKED + 1)));
    let mut out: Vec<Block> = Vec::new();
    let mut buffer = Vec::new();
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let mut tables: Vec<Table> = Vec::new();
    let (mut in_text, mut hidden, mut bold) = (false, false, false);
    // Elements whose content is not shown: struck changes, a drawing's second form.
    let mut skipped = 0usize;
    let mut open = 0usize;
    let mut in_run_properties = false;
    for count in 1usize.. {
        if count.is_multiple_of(STEP) {
            reporter.step();
        }
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|e| e.to_string());
        if reader.buffer_position() > UNPACKED {
            return Err(unpacks());
        }
        let event = event?;
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(_) => open += 1,
            Event::End(_) => open = open.saturating_sub(1),
            _ => {}
        }
        match event {
            Event::Eof if open > 0 => {
                return Err(Stop::Broken("it ends before all that it opens is closed".to_owned()));
            }
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.name().as_ref().to_owned();
                let local = name.rsplit(':').next().unwrap_or(&name);
                if skipped > 0 {
                    skipped += usize::from(!empty);
                    continue;
                }
                if matches!(local, "del" | "moveFrom" | "Fallback" | "delText" | "instrText") {
                    skipped += usize::from(!empty);
                    continue;
                }
                match local {
                    "p" if !empty => paragraphs.push(Paragraph::default()),
                    "r" => (hidden, bold) = (false, false),
                    "rPr" => in_run_properties = !empty,
                    "vanish" | "strike" | "dstrike" if in_run_properties => {
                        hidden = value(&tag, "val").is_none_or(|v| v != "0" && v != "false");
                    }
                    "b" if in_run_properties => {
                        bold = value(&tag, "val").is_none_or(|v| v != "0" && v != "false");
                    }
                    "t" => in_text = !empty && !hidden,
                    "tab" | "ptab"
                        if !in_run_properties
                            && !paragraphs.is_empty()
                            && value(&tag, "pos").is_none() =>
                    {
                        push(&mut paragraphs, "\t");
                    }
                    "br" | "cr" => push(&mut paragraphs, "\n"),
                    "noBreakHyphen" => push(&mut paragraphs, "-"),
                    "pStyle" => {
                        if let (Some(style), Some(paragraph)) =
                            (value(&tag, "val"), paragraphs.last_mut())
                        {
                            paragraph.level = level(&style);
                            paragraph.depth = list_depth(&style).or(paragraph.depth);
                        }
                    }
                    "ilvl" => {
                        let depth = value(&tag, "val").and_then(|v| v.parse::<usize>().ok());
                        if let (Some(depth), Some(paragraph)) =
                            (depth.filter(|depth| *depth < 9), paragraphs.last_mut())
                        {
                            paragraph.depth = Some(depth);
                        }
                    }
                    "outlineLvl" => {
                        let level = value(&tag, "val").and_then(|v| v.parse::<u8>().ok());
                        if let (Some(level), Some(paragraph)) =
                            (level.filter(|l| *l < 9), paragraphs.last_mut())
                        {
                            paragraph.level = Some(level + 1);
                        }
                    }
                    "tbl" if !empty && tables.len() < DEEPEST => tables.push(Table::default()),
                    "tc" => {
                        if let Some(table) = tables.last_mut() {
                            (table.cell, table.span, table.continues) = (String::new(), 1, false);
                        }
                    }
                    "gridSpan" => {
                        if let (Some(table), Some(span)) = (tables.last_mut(), value(&tag, "val")) {
                            table.span = span.parse().unwrap_or(1).clamp(1, 64);
                        }
                    }
                    "vMerge" => {
                        if let Some(table) = tables.last_mut() {
                            table.continues = value(&tag, "val").is_none_or(|v| v != "restart");
                        }
                    }
                    _ => {}
                }
            }
            Event::End(tag) => {
                if skipped > 0 {
                    skipped -= 1;
                    continue;
                }
                let name = tag.name().as_ref().to_owned();
                match name.rsplit(':').next().unwrap_or(&name) {
                    "t" => in_text = false,
                    "rPr" => in_run_properties = false,
                    "p" => {
                        let Some(paragraph) = paragraphs.pop() else { continue };
                        taken.push(&paragraph.text)?;
                        match tables.last_mut() {
                            Some(table) => {
                                if !table.cell.is_empty() && !paragraph.text.trim().is_empty() {
                                    table.cell.push(' ');
                                }
                                table.cell.push_str(paragraph.text.trim());
                            }
                            None => close(&mut out, &paragraph),
                        }
                    }
                    "tc" => {
                        if let Some(table) = tables.last_mut() {
                            let column = table.row.len();
                            let above =
                                || table.rows.last().and_then(|row| row.get(column)).cloned();
                            let cell = if table.continues {
                                above().unwrap_or_default()
                            } else {
                                std::mem::take(&mut table.cell)
                            };
                            // A cell over several columns names or says the same for each.
                            for _ in 0..table.span.max(1) {
                                table.row.push(cell.clone());
                            }
                        }
                    }
                    "tr" => {
                        if let Some(table) = tables.last_mut() {
                            let row = std::mem::take(&mut table.row);
                            table.rows.push(spread(row));
                        }
                    }
                    "tbl" => {
                        if let Some(table) = tables.pop() {
                            match tables.last_mut() {
                                Some(outer) => {
                                    let text: Vec<String> =
                                        table.rows.iter().map(|row| row.join(" ")).collect();
                                    outer.cell.push_str(&text.join(". "));
                                }
                                None => out.push(Block::Table(table.rows)),
                            }
                        }
                    }
                    _ => {}
                }
            }
            Event::Text(text) if in_text && skipped == 0 => {
                let text = text.xml10_content();
                run(&mut paragraphs, &text, bold);
            }
            Event::GeneralRef(name) if in_text && skipped == 0 => {
                let text = match &*name.xml10_content() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "",
                };
                run(&mut paragraphs, text, bold);
            }
            _ => {}
        }
    }
    Ok(out)
}

/// A title over the whole table, which spans all of its columns, is one cell.
fn spread(row: Vec<String>) -> Vec<String> {
    match row.split_first() {
        Some((first, rest))
            if !rest.is_empty() && !first.is_empty() && rest.iter().all(|cell| cell == first) =>
        {
            vec![first.clone()]
        }
        _ => row,
    }
}

fn push(paragraphs: &mut [Paragraph], text: &str) {
    if let Some(paragraph) = paragraphs.last_mut() {
        paragraph.text.push_str(text);
    }
}

fn run(paragraphs: &mut [Paragraph], text: &str, bold: bool) {
    if let Some(paragraph) = paragraphs.last_mut() {
        if text.chars().any(char::is_alphabetic) {
            paragraph.bold = Some(paragraph.bold.unwrap_or(true) && bold);
        }
        paragraph.text.push_str(text);
    }
}

/// The level of a paragraph's style, where it is a heading's.
fn level(style: &str) -> Option<u8> {
    let style = kernel::text::fold(style);
    let digit =
        style.chars().last().and_then(|c| c.to_digit(10)).and_then(|d| u8::try_from(d).ok());
    if style == "title" || style == "titulo" || style == "ttulo" {
        Some(1)
    } else if ["heading", "ttulo", "titulo", "berschrift"]
        .iter()
        .any(|name| style.starts_with(name))
    {
        Some(digit.unwrap_or(1).clamp(1, 9))
    } else if style == "subtitle" || style == "subttulo" || style == "subtitulo" {
        Some(2)
    } else {
        None
    }
}

fn close(out: &mut Vec<Block>, paragraph: &Paragraph) {
    let text = paragraph.text.trim();
    if text.is_empty() {
        out.push(Block::Blank);
        return;
    }
    if let Some(level) = paragraph.level {
        out.push(Block::Heading(level, plain_line(&text.replace('\n', " "))));
        return;
    }
    // A short bold line is a heading that somebody made by hand.
    let by_hand = paragraph.bold == Some(true)
        && text.chars().count() <= 60
        && !text.ends_with(['.', '!', ';'])
        && !text.contains("R$")
        && !text.contains('\n');
    if by_hand {
        out.push(Block::Heading(8, plain_line(text)));
        return;
    }
    let mark = paragraph.depth.map_or(String::new(), |depth| format!("{}- ", "  ".repeat(depth)));
    out.extend(text.lines().map(|line| Block::Line(format!("{mark}{line}"))));
}

/// How deep a style of a list stands, from 0: "ListBullet2" is 1.
fn list_depth(style: &str) -> Option<usize> {
    let style = kernel::text::fold(style);
    let rest = ["listbullet", "listnumber", "commarcadores", "listacommarcadores", "numerada"]
        .iter()
        .find_map(|name| style.strip_prefix(name))?;
    if rest.is_empty() {
        Some(0)
    } else {
        rest.parse::<usize>().ok()?.checked_sub(1).filter(|d| *d < 9)
    }
}
