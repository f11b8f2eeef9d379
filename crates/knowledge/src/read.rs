//! Files in: question/answer pairs or running text, from the formats businesses have.
//!
//! What is here runs in a child process with limits (crate `isolation`), so it may fail in any way; still it stops
//! by itself at what unpacks to too much.

mod docx;
mod html;
mod pdf;
mod sniff;
mod table;

use isolation::{ChildError, Reporter};
use kernel::text::fold;
use serde::{Deserialize, Serialize};

/// A file that was read: what of it is pairs, and what is text under a heading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub format: Format,
    pub items: Vec<Item>,
    /// Rows of a table that hold a question or an answer only, and were left out.
    pub half: usize,
}

/// One thing a file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    Pair { question: String, answer: String, category: Option<String> },
    Section { heading: Option<String>, text: String },
}

impl Item {
    /// Bytes of its texts.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Pair { question, answer, category } => {
                question.len() + answer.len() + category.as_ref().map_or(0, String::len)
            }
            Self::Section { heading, text } => heading.as_ref().map_or(0, String::len) + text.len(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Markdown,
    Text,
    Pdf,
    Docx,
    Html,
    Csv,
    /// Typed in as a question and its answer.
    Pair,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Html => "html",
            Self::Csv => "csv",
            Self::Pair => "pair",
        }
    }

    /// By the name under which it is stored.
    pub(crate) fn by_name(name: &str) -> Self {
        [Self::Markdown, Self::Pdf, Self::Docx, Self::Html, Self::Csv, Self::Pair]
            .into_iter()
            .find(|format| format.name() == name)
            .unwrap_or(Self::Text)
    }

    /// By the end of the file's name.
    ///
    /// # Errors
    /// [`ReadError::Unsupported`] with the list of what is.
    pub fn of(name: &str) -> Result<Self, ReadError> {
        let end = name.rsplit('.').next().unwrap_or_default().to_lowercase();
        match end.as_str() {
            "md" | "markdown" => Ok(Self::Markdown),
            "txt" | "text" => Ok(Self::Text),
            "pdf" => Ok(Self::Pdf),
            "docx" => Ok(Self::Docx),
            "html" | "htm" => Ok(Self::Html),
            "csv" => Ok(Self::Csv),
            _ => Err(ReadError::Unsupported(name.to_owned())),
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ReadError {
    #[error("`{0}` is of no known kind; save it as PDF or .docx, or use .md, .txt, .html or .csv")]
    Unsupported(String),
    #[error("`{0}` is empty: it holds no text; save it again and send it once more")]
    Empty(String),
    #[error("`{0}` has no text that can be read (a scanned PDF needs its text recognised first)")]
    NoText(String),
    #[error(
        "`{0}` has no text that can be read: what people see on this page is menus only, or made by scripts; copy \
         the text into a .txt or .docx file"
    )]
    NoPageText(String),
    #[error("`{0}` has a row of headings and no rows below it; fill in at least one row")]
    HeaderOnly(String),
    #[error("`{0}` is no text: it holds bytes that no text has (a file of another kind, renamed?)")]
    Binary(String),
    #[error("`{name}` is not what its name says: its content is {content}; {fix}")]
    Misnamed { name: String, content: String, fix: String },
    #[error("`{0}` is cut off: its end is missing; send the file once more")]
    CutOff(String),
    #[error("`{0}` is protected by a password; save it without one and send it once more")]
    Locked(String),
    #[error(
        "`{name}` has {half} rows with a question or an answer only, and none with both; fill both \
         columns"
    )]
    HalfPairs { name: String, half: usize },
    #[error("`{name}` unpacks to more than {limit} MiB; divide it into smaller files")]
    Unpacks { name: String, limit: usize },
    #[error("`{name}` holds more text than {limit} MiB; divide it into smaller files")]
    TooMuchText { name: String, limit: usize },
    #[error("`{name}` cannot be read as {format}: {cause}")]
    Broken { name: String, format: Format, cause: String },
    /// The process that read it came to a limit, or could not begin.
    #[error("`{name}` was not read: {cause}")]
    #[serde(skip)]
    Child { name: String, cause: ChildError },
}

impl ReadError {
    /// What is wrong in a word, for logs: names of files are their owner's.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "unsupported",
            Self::Empty(_) => "empty",
            Self::NoText(_) | Self::NoPageText(_) | Self::HeaderOnly(_) => "no_text",
            Self::Binary(_) => "binary",
            Self::Misnamed { .. } => "misnamed",
            Self::CutOff(_) => "cut_off",
            Self::Locked(_) => "locked",
            Self::HalfPairs { .. } => "half_pairs",
            Self::Unpacks { .. } => "unpacks",
            Self::TooMuchText { .. } => "too_much_text",
            Self::Broken { .. } => "broken",
            Self::Child { cause, .. } => match cause {
                ChildError::Busy => "busy",
                ChildError::Memory(_) => "memory",
                ChildError::Time(_) => "time",
                ChildError::Depth => "depth",
                ChildError::Crash => "crash",
                ChildError::Output(_) => "output",
                ChildError::Stopping => "stopping",
                ChildError::NotConfined(_) => "not_confined",
                ChildError::Start(_) => "not_started",
            },
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a format's reader stops; the file's name is added where it is known.
pub(crate) enum Stop {
    Broken(String),
    /// More comes out than is taken.
    Text,
    /// An archive unpacks to more than this many MiB.
    Unpacks(usize),
    CutOff,
    Locked,
}

impl From<String> for Stop {
    fn from(cause: String) -> Self {
        Self::Broken(cause)
    }
}

/// Text that is collected up to a limit.
pub(crate) struct Collected {
    pub(crate) text: String,
    limit: usize,
}

impl Collected {
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    pub(crate) fn push(&mut self, more: &str) -> Result<(), Stop> {
        if self.text.len() + more.len() > self.limit {
            return Err(Stop::Text);
        }
        self.text.push_str(more);
        Ok(())
    }
}

/// Bytes of text that a file read without a child may hold: files that come with the program, and tests.
const OWN_TEXT: usize = 16 << 20;

/// Reads a file that comes from no stranger, within this process.
///
/// # Errors
/// When it is of no known kind, broken, or without text.
pub fn read(name: &str, bytes: &[u8]) -> Result<Reading, ReadError> {
    read_within(name, bytes, OWN_TEXT, &mut Reporter::silent())
}

/// Reads a file, of which at most `limit` bytes of text are taken.
pub(crate) fn read_within(
    name: &str,
    bytes: &[u8],
    limit: usize,
    reporter: &mut Reporter,
) -> Result<Reading, ReadError> {
    let format = Format::of(name)?;
    let owned = || name.to_owned();
    if bytes.is_empty() || bytes == b"\xef\xbb\xbf" {
        return Err(ReadError::Empty(owned()));
    }
    if let Some((content, fix)) = sniff::mismatch(format, bytes) {
        let (content, fix) = (content.to_owned(), fix.to_owned());
        return Err(ReadError::Misnamed { name: owned(), content, fix });
    }
    let textual = matches!(
        format,
        Format::Markdown | Format::Text | Format::Html | Format::Csv | Format::Pair
    );
    if textual && sniff::is_binary(bytes) {
        return Err(ReadError::Binary(owned()));
    }
    let too_much = || ReadError::TooMuchText { name: name.to_owned(), limit: limit >> 20 };
    if textual && format != Format::Html && bytes.len() > limit {
        return Err(too_much());
    }
    let mut half = 0;
    let read = match format {
        Format::Markdown => Ok(markdown(&decode(bytes))),
        Format::Text | Format::Pair => Ok(plain(&decode(bytes))),
        Format::Html => html::html(&decode(bytes), limit).map(|text| markdown(&text)),
        Format::Csv => table::csv(bytes, limit, &mut half),
        Format::Docx => docx::docx(bytes, limit, reporter).map(|text| markdown(&text)),
        Format::Pdf => pdf::pdf(bytes, limit, reporter).map(|text| plain(&unwrap_lines(&text))),
    };
    let items = read.map_err(|stop| match stop {
        Stop::Broken(cause) => ReadError::Broken { name: owned(), format, cause },
        Stop::Text => too_much(),
        Stop::Unpacks(limit) => ReadError::Unpacks { name: owned(), limit },
        Stop::CutOff => ReadError::CutOff(owned()),
        Stop::Locked => ReadError::Locked(owned()),
    })?;
    let has_text = items.iter().any(|item| match item {
        Item::Pair { answer, .. } => !answer.is_empty(),
        Item::Section { text, .. } => !text.trim().is_empty(),
    });
    if !has_text {
        return Err(match format {
            _ if half > 0 => ReadError::HalfPairs { name: owned(), half },
            Format::Csv => ReadError::HeaderOnly(owned()),
            Format::Html => ReadError::NoPageText(owned()),
            _ => ReadError::NoText(owned()),
        });
    }
    if items.iter().map(Item::size).sum::<usize>() > limit {
        return Err(too_much());
    }
    Ok(Reading { format, items, half })
}

/// UTF-8, or the Latin-1 that older office programs write.
fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace("\r\n", "\n"),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect::<String>().replace("\r\n", "\n"),
    }
}

/// Sections by heading; a heading that asks, with a short text, is a pair.
fn markdown(text: &str) -> Vec<Item> {
    let mut out = Vec::new();
    let mut heading: Option<String> = None;
    let mut body = String::new();
    let mut close = |heading: &Option<String>, body: &mut String| {
        let text = std::mem::take(body);
        if text.trim().is_empty() {
            return;
        }
        match heading {
            Some(asked) if asked.ends_with('?') && text.chars().count() <= 600 => {
                let answer = text.split_whitespace().collect::<Vec<_>>().join(" ");
                out.push(Item::Pair { question: asked.clone(), answer, category: None });
            }
            _ => out.extend(plain(&text).into_iter().map(|item| match item {
                Item::Section { text, .. } => Item::Section { heading: heading.clone(), text },
                pair @ Item::Pair { .. } => pair,
            })),
        }
    };
    for line in text.lines() {
        let trimmed = line.trim();
        let level = trimmed.bytes().take_while(|b| *b == b'#').count();
        if (1..=6).contains(&level) && trimmed[level..].starts_with(' ') {
            close(&heading, &mut body);
            heading = Some(clean(&trimmed[level..]));
            continue;
        }
        body.push_str(&clean(trimmed));
        body.push('\n');
    }
    close(&heading, &mut body);
    out
}

/// Text without Markdown's marks; list items stay lines of their own.
fn clean(line: &str) -> String {
    let line = line.trim_start_matches(['>', ' ']);
    let line = ["- ", "* ", "+ "].iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line);
    if line.starts_with("|--") || line.starts_with("|:-") || line.starts_with("---") {
        return String::new();
    }
    let line = if line.starts_with('|') {
        line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(": ")
    } else {
        line.to_owned()
    };
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    // Links keep their text and address.
    while let Some(open) = rest.find('[') {
        let Some(mid) = rest[open..].find("](").map(|at| open + at) else { break };
        let Some(end) = rest[mid..].find(')').map(|at| mid + at) else { break };
        out.push_str(&rest[..open]);
        out.push_str(&rest[open + 1..mid]);
        out.push_str(" (");
        out.push_str(&rest[mid + 2..end]);
        out.push(')');
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out.replace("**", "").replace("__", "").replace('`', "").trim().to_owned()
}

/// Running text, in which `Pergunta:`/`Resposta:` (or `P:`/`R:`, `Q:`/`A:`) lines are pairs.
fn plain(text: &str) -> Vec<Item> {
    const ASKS: &[&str] = &["pergunta:", "p:", "q:", "question:"];
    const ANSWERS: &[&str] = &["resposta:", "r:", "a:", "answer:"];
    let marked = |line: &str, marks: &[&str]| {
        let folded = fold(line);
        marks.iter().find(|mark| folded.starts_with(**mark)).map(|mark| {
            // Folding keeps the number of characters, not of bytes.
            line.chars().skip(mark.chars().count()).collect::<String>().trim().to_owned()
        })
    };
    let mut out = Vec::new();
    let mut prose = String::new();
    let mut pair: Option<(String, Option<String>)> = None;
    let mut finish = |pair: &mut Option<(String, Option<String>)>| match pair.take() {
        Some((question, Some(answer))) if !answer.is_empty() => {
            out.push(Item::Pair { question, answer, category: None });
            None
        }
        Some((question, _)) => Some(question),
        None => None,
    };
    for line in text.lines() {
        let line = line.trim();
        if let Some(asked) = marked(line, ASKS) {
            prose.extend(finish(&mut pair).map(|left| left + "\n"));
            pair = Some((asked, None));
        } else if let (Some(answer), Some((_, slot))) = (marked(line, ANSWERS), pair.as_mut()) {
            *slot = Some(answer);
        } else if let Some((_, Some(answer))) = pair.as_mut() {
            if line.is_empty() {
                prose.extend(finish(&mut pair).map(|left| left + "\n"));
            } else {
                answer.push(' ');
                answer.push_str(line);
            }
        } else {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose.extend(finish(&mut pair).map(|left| left + "\n"));
    if !prose.trim().is_empty() {
        out.push(Item::Section { heading: None, text: squeeze(&prose) });
    }
    out
}

/// Blank lines end a paragraph; lines within one that do not end a sentence were only wrapped.
fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
    out.trim().to_owned()
}

/// PDF lines are lines of print: those that do not end a sentence go on in the next.
fn unwrap_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            out.push('\n');
        } else if out.is_empty() || out.ends_with('\n') {
            out.push_str(line);
        } else if out.ends_with('-') && line.starts_with(char::is_lowercase) {
            out.pop();
            out.push_str(line);
        } else {
            out.push(' ');
            out.push_str(line);
        }
        if line.ends_with(['.', '!', '?', ':', ';']) {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(question: &str, answer: &str) -> Item {
        Item::Pair { question: question.into(), answer: answer.into(), category: None }
    }

    #[test]
    fn markdown_headings_that_ask_are_pairs_and_others_head_their_text() {
        let text = "# Clínica\n\nAtendemos **crianças**.\n\n## Aceitam cartão?\nSim, em até 3x.\n\n## Preços\n- Limpeza: R$ 150\n- Canal: R$ 800\n";
        let read = read("a.md", text.as_bytes()).unwrap();
        assert_eq!(
            read.items,
            [
                Item::Section {
                    heading: Some("Clínica".into()),
                    text: "Atendemos crianças.".into()
                },
                pair("Aceitam cartão?", "Sim, em até 3x."),
                Item::Section {
                    heading: Some("Preços".into()),
                    text: "Limpeza: R$ 150\nCanal: R$ 800".into()
                },
            ]
        );
    }

    #[test]
    fn marked_lines_and_tables_are_pairs() {
        let text = "Pergunta: Abre sábado?\nResposta: Sim,\ndas 9h às 13h.\n\nTexto livre.";
        assert_eq!(
            read("a.txt", text.as_bytes()).unwrap().items,
            [
                pair("Abre sábado?", "Sim, das 9h às 13h."),
                Item::Section { heading: None, text: "Texto livre.".into() },
            ]
        );
        let unquoted =
            "Pergunta;Resposta;Tema\nFaz entrega?;Sim por R$ 5; grátis acima de R$ 50.;Loja\n";
        assert_eq!(
            read("a.csv", unquoted.as_bytes()).unwrap().items,
            [Item::Pair {
                question: "Faz entrega?".into(),
                answer: "Sim por R$ 5; grátis acima de R$ 50.".into(),
                category: Some("Loja".into())
            }]
        );
        let table = "Pergunta;Resposta;Categoria\nTem wifi?;Tem;Loja\n";
        assert_eq!(
            read("a.csv", table.as_bytes()).unwrap().items,
            [Item::Pair {
                question: "Tem wifi?".into(),
                answer: "Tem".into(),
                category: Some("Loja".into())
            }]
        );
        assert_eq!(
            read("a.csv", b"Pergunta\tResposta\nTem wifi?\tTem, na loja\n").unwrap().items,
            [pair("Tem wifi?", "Tem, na loja")]
        );
        let prices = "Serviço,Preço\nCorte,R$ 50\n";
        assert_eq!(
            read("a.csv", prices.as_bytes()).unwrap().items,
            [Item::Section { heading: None, text: "Serviço: Corte; Preço: R$ 50.".into() }]
        );
    }

    #[test]
    fn html_keeps_what_people_read() {
        let page = "<html><head><title>x</title></head><body><script>bad()</script><h2>Horário</h2><p>Das <b>8h</b> às 18h.</p></body></html>";
        assert_eq!(
            read("a.html", page.as_bytes()).unwrap().items,
            [Item::Section { heading: Some("Horário".into()), text: "Das 8h às 18h.".into() }]
        );
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let noise: Vec<u8> = (0..=255).cycle().take(2000).collect();
        assert!(matches!(read("a.txt", &noise), Err(ReadError::Binary(_))));
        let half = "Pergunta;Resposta\nTem wifi?;\n;Sim\n";
        assert!(matches!(
            read("a.csv", half.as_bytes()),
            Err(ReadError::HalfPairs { half: 2, .. })
        ));
        assert!(matches!(read("a.exe", b"x"), Err(ReadError::Unsupported(_))));
        assert!(matches!(read("a.txt", b"  \n"), Err(ReadError::NoText(_))));
        assert!(matches!(read("a.txt", b""), Err(ReadError::Empty(_))));
        assert!(matches!(read("a.csv", b"Pergunta;Resposta\n"), Err(ReadError::HeaderOnly(_))));
        assert!(matches!(read("a.html", b"<nav>Menu</nav>"), Err(ReadError::NoPageText(_))));
        assert!(matches!(read("a.pdf", b"<html>oi</html>"), Err(ReadError::Misnamed { .. })));
        assert!(matches!(read("a.docx", b"{\\rtf1 oi}"), Err(ReadError::Misnamed { .. })));
        assert!(matches!(read("a.docx", b"no zip"), Err(ReadError::Misnamed { .. })));
        assert!(matches!(read("a.pdf", b"no pdf"), Err(ReadError::Misnamed { .. })));
        assert!(matches!(read("a.pdf", b"%PDF-1.7\n1 0 obj"), Err(ReadError::CutOff(_))));
    }
}
