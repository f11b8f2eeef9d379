//! HTML as people read it.

use scraper::{ElementRef, Html, Node};

use super::Stop;
use super::blocks::Block;

/// Pages of people nest a few dozen deep; more would only exhaust the stack.
const DEEPEST: usize = 200;

/// Elements that people do not read as text of the page, or not at all.
const SKIPPED: &[&str] = &[
    "script", "style", "noscript", "nav", "svg", "template", "head", "iframe", "object", "canvas",
    "select", "button", "del", "s", "strike", "audio", "video", "map", "dialog",
];
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "section",
    "article",
    "main",
    "footer",
    "header",
    "aside",
    "dd",
    "dl",
    "form",
    "fieldset",
    "address",
    "blockquote",
    "figure",
    "figcaption",
    "pre",
    "hr",
    "body",
    "html",
    "details",
];

struct Page {
    blocks: Vec<Block>,
    line: String,
    limit: usize,
    size: usize,
}

/// The blocks of a page: no scripts, styles, navigation, nor what is hidden or struck.
pub(super) fn html(text: &str, limit: usize) -> Result<Vec<Block>, Stop> {
    let parsed = Html::parse_document(text);
    let mut page = Page { blocks: Vec::new(), line: String::new(), limit, size: 0 };
    walk(parsed.root_element(), 0, &mut page)?;
    page.close()?;
    Ok(page.blocks)
}

impl Page {
    /// Adds text as it stands in the source: white space is one space, and no border of a tag is one.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() && c != '\u{a0}' {
                if !self.line.is_empty() && !self.line.ends_with(' ') {
                    self.line.push(' ');
                }
            } else {
                self.line.push(if c == '\u{a0}' { ' ' } else { c });
            }
        }
    }

    fn close(&mut self) -> Result<(), Stop> {
        let line = std::mem::take(&mut self.line);
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        self.size += line.len();
        if self.size > self.limit {
            return Err(Stop::Text);
        }
        self.blocks.push(Block::Line(line.to_owned()));
        Ok(())
    }
}

fn is_hidden(element: &scraper::node::Element) -> bool {
    let style = element.attr("style").unwrap_or_default().replace(' ', "").to_lowercase();
    let names = format!(
        "{} {}",
        element.attr("class").unwrap_or_default(),
        element.attr("id").unwrap_or_default()
    )
    .to_lowercase();
    element.attr("hidden").is_some()
        || element.attr("aria-hidden") == Some("true")
        || style.contains("display:none")
        || style.contains("visibility:hidden")
        || [
            "cookie",
            "breadcrumb",
            "menu-principal",
            "navbar",
            "skip-link",
            "sr-only",
            "visually-hidden",
            "lgpd-banner",
        ]
        .iter()
        .any(|word| names.contains(word))
        || matches!(element.attr("role"), Some("navigation" | "banner" | "search" | "menu"))
}

fn walk(parent: ElementRef<'_>, depth: usize, page: &mut Page) -> Result<(), Stop> {
    if depth > DEEPEST {
        return Ok(());
    }
    for child in parent.children() {
        if let Node::Text(text) = child.value() {
            page.text(text);
        }
        let Some(element) = ElementRef::wrap(child) else { continue };
        let name = element.value().name();
        if SKIPPED.contains(&name) || is_hidden(element.value()) {
            continue;
        }
        match name {
            "br" => page.close()?,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                page.close()?;
                let level = name.as_bytes()[1] - b'0';
                let text = words(element);
                if !text.is_empty() {
                    page.blocks.push(Block::Heading(level, text));
                }
            }
            // A question with what it opens.
            "summary" | "dt" => {
                page.close()?;
                page.blocks.push(Block::Blank);
                page.text(&words(element));
                page.close()?;
            }
            "table" => {
                page.close()?;
                let rows = rows(element);
                page.size += rows.iter().flatten().map(String::len).sum::<usize>();
                if page.size > page.limit {
                    return Err(Stop::Text);
                }
                let wide =
                    rows.iter().any(|row| row.iter().filter(|cell| !cell.is_empty()).count() > 1);
                // A table of one column only places things on the page.
                if wide
                    && rows.len() > 1
                    && element.select(&selector("table table")).next().is_none()
                {
                    page.blocks.push(Block::Table(rows));
                } else {
                    walk(element, depth + 1, page)?;
                    page.close()?;
                }
            }
            "tr" | "td" | "th" => {
                walk(element, depth + 1, page)?;
                page.close()?;
            }
            name if BLOCKS.contains(&name) => {
                page.close()?;
                walk(element, depth + 1, page)?;
                page.close()?;
                if matches!(name, "section" | "article" | "details" | "dl" | "ul" | "ol")
                    || (name == "div" && has_blocks(element))
                {
                    page.blocks.push(Block::Blank);
                }
            }
            _ => walk(element, depth + 1, page)?,
        }
    }
    Ok(())
}

fn has_blocks(element: ElementRef<'_>) -> bool {
    element
        .children()
        .filter_map(ElementRef::wrap)
        .any(|child| BLOCKS.contains(&child.value().name()))
}

fn selector(text: &str) -> scraper::Selector {
    scraper::Selector::parse(text).expect("a valid selector")
}

/// The text of an element on one line.
fn words(element: ElementRef<'_>) -> String {
    let mut page = Page { blocks: Vec::new(), line: String::new(), limit: 1 << 20, size: 0 };
    if walk(element, 0, &mut page).is_err() || page.close().is_err() {
        return String::new();
    }
    let lines: Vec<String> = page
        .blocks
        .into_iter()
        .filter_map(|block| match block {
            Block::Line(line) | Block::Heading(_, line) => Some(line),
            _ => None,
        })
        .collect();
    lines.join(" ")
}

fn rows(table: ElementRef<'_>) -> Vec<Vec<String>> {
    // What a cell of several rows says, for the rows below it.
    let mut down: Vec<(usize, String)> = Vec::new();
    let mut out = Vec::new();
    for row in table.select(&selector("tr")) {
        let mut cells: Vec<String> = Vec::new();
        let fill = |cells: &mut Vec<String>, down: &mut Vec<(usize, String)>| {
            while let Some((left, text)) = down.get_mut(cells.len()).filter(|(left, _)| *left > 0) {
                *left -= 1;
                cells.push(text.clone());
            }
        };
        for cell in row.children().filter_map(ElementRef::wrap) {
            if !matches!(cell.value().name(), "td" | "th") || is_hidden(cell.value()) {
                continue;
            }
            fill(&mut cells, &mut down);
            let number = |name: &str| {
                cell.value()
                    .attr(name)
                    .and_then(|n| n.parse::<usize>().ok())
                    .unwrap_or(1)
                    .clamp(1, 64)
            };
            let text = words(cell);
            for _ in 0..number("colspan") {
                let at = cells.len();
                if down.len() <= at {
                    down.resize(at + 1, (0, String::new()));
                }
                down[at] = (number("rowspan") - 1, text.clone());
                cells.push(text.clone());
            }
        }
        fill(&mut cells, &mut down);
        match cells.split_first() {
            Some((first, rest))
                if !rest.is_empty()
                    && !first.is_empty()
                    && rest.iter().all(|cell| cell == first) =>
            {
                out.push(vec![first.clone()]);
            }
            Some(_) => out.push(cells),
            None => {}
        }
    }
    out
}
