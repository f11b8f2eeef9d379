//! Files in: question/answer pairs or running text, from the formats businesses have.
//!
//! What is here runs in a child process with limits (crate `isolation`), so it may fail in any way; still it stops
//! by itself at what unpacks to too much.

mod blocks;
mod docx;
mod grid;
mod html;
mod layout;
mod markdown;
mod money;
mod pdf;
mod sniff;
mod table;

use isolation::{ChildError, Reporter};
use kernel::text::fold;
use serde::{Deserialize, Serialize};

use blocks::Block;

/// A file that was read: what of it is pairs, and what is text under a heading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub format: Format,
    pub items: Vec<Item>,
    /// Rows of a table that hold a question or an answer only, and were left out.
    pub half: usize,
    /// Pages that show something, and no text that can be read: pictures of text.
    #[serde(default)]
    pub unread: Vec<usize>,
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
    Xlsx,
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
            Self::Xlsx => "xlsx",
            Self::Pair => "pair",
        }
    }

    /// By the name under which it is stored.
    pub(crate) fn by_name(name: &str) -> Self {
        [Self::Markdown, Self::Pdf, Self::Docx, Self::Html, Self::Csv, Self::Xlsx, Self::Pair]
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
            "csv" | "tsv" => Ok(Self::Csv),
            "xlsx" => Ok(Self::Xlsx),
            _ => Err(ReadError::Unsupported(name.to_owned())),
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ReadError {
    #[error(
        "`{0}` is of no known kind; save it as PDF, .docx or .xlsx, or use .md, .txt, .html or .csv"
    )]
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
    #[error("`{name}` was renamed or is not what its name says: its content is {content}; {fix}")]
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
    let mut unread = Vec::new();
    let made = |blocks: Vec<Block>, plain: bool| blocks::assemble(blocks, plain);
    let read = match format {
        Format::Markdown => Ok(made(markdown::blocks(&decode(bytes)), false)),
        Format::Text | Format::Pair => Ok(made(blocks::text(&decode(bytes)), true)),
        Format::Html => html::html(&decode_page(bytes), limit).map(|read| made(read, false)),
        Format::Csv => table::csv(bytes, limit, &mut half),
        Format::Xlsx => table::xlsx(bytes, limit, &mut half, reporter),
        Format::Docx => docx::docx(bytes, limit, reporter).map(|read| made(read, true)),
        Format::Pdf => pdf::pdf(bytes, limit, reporter).map(|read| {
            unread = read.unread;
            made(read.blocks, true)
        }),
    };
    let mut items = read.map_err(|stop| match stop {
        Stop::Broken(cause) => ReadError::Broken { name: owned(), format, cause },
        Stop::Text => too_much(),
        Stop::Unpacks(limit) => ReadError::Unpacks { name: owned(), limit },
        Stop::CutOff => ReadError::CutOff(owned()),
        Stop::Locked => ReadError::Locked(owned()),
    })?;
    for item in &mut items {
        let (Item::Pair { answer: text, .. } | Item::Section { text, .. }) = item;
        *text = money::marked(text);
    }
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
    Ok(Reading { format, items, half, unread })
}

/// UTF-8, UTF-16 with its mark, or the encoding of older Windows programs; composed, and lines ended one way.
fn decode(bytes: &[u8]) -> String {
    let text = if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned()
    } else {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
        }
    };
    composed(&text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// As [`decode`], in the encoding that a page names.
fn decode_page(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).to_lowercase();
    let named = head.find("charset=").map(|at| {
        let rest = head[at + 8..].trim_start_matches(['"', '\'']);
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    // Pages say one thing and are another: what is UTF-8 is.
    match named.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes())) {
        Some(encoding) if std::str::from_utf8(bytes).is_err() => {
            composed(&encoding.decode(bytes).0)
        }
        _ => decode(bytes),
    }
}

/// Letters with their accents as one character, and without the joined forms of print.
pub(crate) fn composed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    let mut out = String::with_capacity(text.len());
    for c in text.nfc() {
        match c {
            'ﬀ' => out.push_str("ff"),
            'ﬁ' => out.push_str("fi"),
            'ﬂ' => out.push_str("fl"),
            'ﬃ' => out.push_str("ffi"),
            'ﬄ' => out.push_str("ffl"),
            'ﬅ' | 'ﬆ' => out.push_str("st"),
            '\u{ad}' | '\u{200b}' | '\u{feff}' => {}
            '\u{2010}' | '\u{2011}' => out.push('-'),
            other => out.push(other),
        }
    }
    out
}

/// Whether a hyphen at a line's end is the word's own: "segunda-" and "feira", but not "aten-" and "dimento".
fn keeps_its_hyphen(before: &str, after: &str) -> bool {
    const SECOND: &[&str] = &[
        "feira", "feiras", "chuva", "chuvas", "roupa", "roupas", "vidas", "dia", "noite", "line",
        "mail", "book", "se", "lo", "la", "los", "las", "lhe", "me", "nos", "te", "vos", "prima",
        "social", "vindo", "vindos", "estar", "in", "out", "fi",
    ];
    const FIRST: &[&str] = &[
        "segunda", "terca", "quarta", "quinta", "sexta", "guarda", "pre", "pos", "anti", "auto",
        "bem", "mal", "ex", "vice", "recem", "check", "meio", "super", "semi", "sub", "sobre",
        "porta", "arco", "e", "wi", "x", "mini", "micro", "nao", "extra",
    ];
    let first = before
        .trim_end_matches('-')
        .rsplit(|c: char| !c.is_alphanumeric())
        .next()
        .map(fold)
        .unwrap_or_default();
    let second = after.split(|c: char| !c.is_alphanumeric()).next().map(fold).unwrap_or_default();
    FIRST.contains(&first.as_str()) || SECOND.contains(&second.as_str())
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
    fn a_row_that_is_wider_than_the_first_is_read() {
        // "resposta" stands farther right than the first row reaches.
        let text = "Serviço;Valor\nPintura;R$ 10;por metro;resposta em 2 dias;à vista\n";
        let read = read("lista.csv", text.as_bytes()).unwrap();
        let Some(Item::Section { text, .. }) = read.items.first() else { panic!("{read:?}") };
        assert!(text.contains("Pintura") && text.contains("2 dias"), "{text}");
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
