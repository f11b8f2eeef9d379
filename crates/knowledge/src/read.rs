//! Files in: question/answer pairs or running text, from the formats businesses have.

use std::cmp::Ordering;
use std::io::{Cursor, Read as _};

use kernel::text::fold;

/// A file that was read: what of it is pairs, and what is text under a heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub format: Format,
    pub items: Vec<Item>,
    /// Rows of a table that hold a question or an answer only, and were left out.
    pub half: usize,
}

/// One thing a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Pair { question: String, answer: String, category: Option<String> },
    Section { heading: Option<String>, text: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("`{0}` is of no known kind; use .md, .txt, .pdf, .docx, .html or .csv")]
    Unsupported(String),
    #[error("`{0}` has no text that can be read (a scanned PDF needs its text recognised first)")]
    Empty(String),
    #[error("`{0}` is no text: it holds bytes that no text has (a file of another kind, renamed?)")]
    Binary(String),
    #[error(
        "`{name}` has {half} rows with a question or an answer only, and none with both; fill both \
         columns"
    )]
    HalfPairs { name: String, half: usize },
    #[error("`{name}` cannot be read as {format}: {cause}")]
    Broken { name: String, format: &'static str, cause: String },
}

/// Reads a file.
///
/// # Errors
/// When it is of no known kind, broken, or without text.
pub fn read(name: &str, bytes: &[u8]) -> Result<Reading, ReadError> {
    let format = Format::of(name)?;
    let broken =
        |cause: String| ReadError::Broken { name: name.to_owned(), format: format.name(), cause };
    let textual = matches!(
        format,
        Format::Markdown | Format::Text | Format::Html | Format::Csv | Format::Pair
    );
    if textual && is_binary(bytes) {
        return Err(ReadError::Binary(name.to_owned()));
    }
    let mut half = 0;
    let items = match format {
        Format::Markdown => markdown(&decode(bytes)),
        Format::Text | Format::Pair => plain(&decode(bytes)),
        Format::Html => markdown(&html(&decode(bytes))),
        Format::Csv => csv(bytes, &mut half).map_err(broken)?,
        Format::Docx => markdown(&docx(bytes).map_err(broken)?),
        Format::Pdf => {
            // The library panics on some broken files.
            let read = std::panic::catch_unwind(|| pdf_extract::extract_text_from_mem(bytes));
            let text = read
                .map_err(|_| broken("the file is damaged".to_owned()))?
                .map_err(|cause| broken(cause.to_string()))?;
            plain(&unwrap_lines(&text))
        }
    };
    let has_text = items.iter().any(|item| match item {
        Item::Pair { answer, .. } => !answer.is_empty(),
        Item::Section { text, .. } => !text.trim().is_empty(),
    });
    if !has_text && half > 0 {
        return Err(ReadError::HalfPairs { name: name.to_owned(), half });
    }
    if !has_text {
        return Err(ReadError::Empty(name.to_owned()));
    }
    Ok(Reading { format, items, half })
}

/// Texts of any encoding that people use hold hardly a control character.
fn is_binary(bytes: &[u8]) -> bool {
    let control = |b: &&u8| b.is_ascii_control() && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c);
    bytes.contains(&0) || bytes.iter().filter(control).count() * 100 > bytes.len()
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

/// HTML as Markdown: headings, lists and paragraphs; no scripts, styles or navigation.
fn html(text: &str) -> String {
    use scraper::{ElementRef, Html, Node};
    /// Pages of people nest a few dozen deep; more would only exhaust the stack.
    const DEEPEST: usize = 200;
    fn walk(parent: ElementRef<'_>, depth: usize, out: &mut String) {
        if depth > DEEPEST {
            return;
        }
        for child in parent.children() {
            if let Node::Text(text) = child.value() {
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                if !text.is_empty() {
                    if !out.ends_with(['\n', ' ']) {
                        out.push(' ');
                    }
                    out.push_str(&text);
                }
            }
            let Some(element) = ElementRef::wrap(child) else { continue };
            let name = element.value().name();
            if matches!(name, "script" | "style" | "noscript" | "nav" | "svg" | "template" | "head")
            {
                continue;
            }
            let block = matches!(
                name,
                "p" | "div"
                    | "li"
                    | "ul"
                    | "ol"
                    | "br"
                    | "tr"
                    | "section"
                    | "article"
                    | "table"
                    | "h1"
                    | "h2"
                    | "h3"
                    | "h4"
                    | "h5"
                    | "h6"
                    | "dt"
                    | "dd"
                    | "main"
                    | "footer"
            );
            if block && !out.ends_with('\n') {
                out.push('\n');
            }
            if matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6") {
                out.push_str("# ");
            }
            walk(element, depth + 1, out);
            if block && !out.ends_with('\n') {
                out.push('\n');
            }
        }
    }
    let page = Html::parse_document(text);
    let mut out = String::new();
    walk(page.root_element(), 0, &mut out);
    out
}

/// The paragraphs of a Word file, headings marked.
fn docx(bytes: &[u8]) -> Result<String, String> {
    use quick_xml::events::Event;
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let file = archive.by_name("word/document.xml").map_err(|e| e.to_string())?;
    let mut xml = String::new();
    // A small file may unpack to gigabytes.
    file.take(64 * 1024 * 1024).read_to_string(&mut xml).map_err(|e| e.to_string())?;
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut out = String::new();
    let mut in_text = false;
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Eof => return Ok(out),
            Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                "w:t" => in_text = true,
                "w:tab" | "w:br" => out.push(' '),
                "w:pStyle" => {
                    let style = tag
                        .try_get_attribute("w:val")
                        .ok()
                        .flatten()
                        .map(|value| value.value.to_lowercase())
                        .unwrap_or_default();
                    if style.starts_with("heading")
                        || style.starts_with("ttulo")
                        || style == "title"
                    {
                        out.push_str("# ");
                    }
                }
                _ => {}
            },
            Event::End(tag) => match tag.name().as_ref() {
                "w:t" => in_text = false,
                "w:p" => out.push('\n'),
                "w:tc" => out.push(' '),
                _ => {}
            },
            Event::Text(text) if in_text => {
                out.push_str(&text.xml10_content());
            }
            Event::GeneralRef(name) if in_text => {
                out.push_str(match &*name.xml10_content() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "",
                });
            }
            _ => {}
        }
    }
}

/// Columns named question and answer make pairs (`half` counts the rows that lack one of them); any
/// other table makes a line per row.
fn csv(bytes: &[u8], half: &mut usize) -> Result<Vec<Item>, String> {
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
        } else {
            *half += usize::from(cell(question).is_some() || cell(answer).is_some());
        }
    }
    if !lines.trim().is_empty() {
        out.push(Item::Section { heading: None, text: lines.trim().to_owned() });
    }
    Ok(out)
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
        assert!(matches!(read("a.txt", b"  \n"), Err(ReadError::Empty(_))));
        assert!(matches!(read("a.docx", b"no zip"), Err(ReadError::Broken { .. })));
        assert!(matches!(read("a.pdf", b"no pdf"), Err(ReadError::Broken { .. })));
    }
}
