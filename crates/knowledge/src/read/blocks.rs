//! What every format is read into first: headings, lines and tables; and how those become pairs and sections.

use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

use super::{Item, grid};
use crate::split::expression;

/// A part of a document in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// With its level: 1 is the highest.
    Heading(u8, String),
    Line(String),
    /// Between paragraphs.
    Blank,
    Table(Vec<Vec<String>>),
}

/// An amount of money, alone on its line.
static AMOUNT_ALONE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^(?:(?i:por|a partir de|de|apenas|só|valor|preço):? )?R\$ ?[0-9][0-9.,]*(?: ?(?:/|por|cada|o|a|à|reais).{0,20})?$",
    )
});
static AMOUNT: LazyLock<Regex> = LazyLock::new(|| expression(r"R\$ ?[0-9]|[0-9] reais\b"));
static AMOUNT_AT_END: LazyLock<Regex> = LazyLock::new(|| expression(r"R\$ ?[0-9][0-9.,]*\)?\.?$"));
/// Dots, lines or wide gaps that lead from a name to its price.
static LEADER: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\s*(?:\.{3,}|…{1,}\.*|_{3,}|-{3,}|(?: \.){3,})\s*"));
/// A gap between columns.
static GAP: LazyLock<Regex> = LazyLock::new(|| expression(r"(?:\t\s*| {3,})"));
static ARROW: LazyLock<Regex> = LazyLock::new(|| expression(r"\s*(?:➡️?|→|⇒|=>|-+>|👉🏻?|»)\s*"));
/// Who said it when, in an exported chat.
static SAID: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^\u{200e}?\[?[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4},? ?(?:às )?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?: ?[AaPp][Mm])?\]?(?: -| –)? ([^:]{1,40}): ?",
    )
});
static SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^\u{200e}?\[?[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4},? ?(?:às )?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?\]?(?: -| –)? [^:]*$",
    )
});
/// A short label with its amount: a size, a unit.
static LABELLED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^[\p{L}0-9][\p{L}0-9 .ºª/()-]{0,24}: ?R?\$? ?[0-9][0-9.,]*$"));
static BARE_NUMBER_AT_END: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^(.*[:\s-]\s*)([0-9]{1,3}(?:\.[0-9]{3})*(?:,[0-9]{2})?|[0-9]+(?:[.,][0-9]{1,2})?)$",
    )
});

const ASKS: &[&str] = &["pergunta:", "question:", "duvida:", "p:", "q:"];
const ANSWERS: &[&str] = &["resposta:", "answer:", "r:", "a:"];
/// Words that a question begins with, where it lacks its mark.
const OPENERS: &str = "qual quais quanto quanta quantos quantas quando onde como quem que o posso pode podem voces vocês tem \
    aceita aceitam fazem faz vendem entregam abre abrem preciso precisa da dá existe ha há trabalham atendem what when where \
    how do does can is are";

/// The text after a mark such as `Pergunta:`, and whether the mark is a word.
fn marked(line: &str, marks: &[&str]) -> Option<(String, bool)> {
    let folded = fold(line);
    let mark = marks.iter().find(|mark| folded.starts_with(**mark))?;
    // Folding keeps the number of characters, not of bytes.
    let rest = line.chars().skip(mark.chars().count()).collect::<String>().trim().to_owned();
    Some((rest, mark.len() > 2))
}

fn asks(text: &str) -> bool {
    if text.ends_with('?') {
        return true;
    }
    let first = text.split_whitespace().next().map(fold).unwrap_or_default();
    OPENERS.split_ascii_whitespace().any(|one| one == first)
}

/// Lists' marks, decorations and emphasis, none of which is said.
pub(super) fn plain_line(line: &str) -> String {
    let line = line.trim();
    let line = line.trim_start_matches(|c: char| {
        matches!(
            c,
            '•' | '▪'
                | '▫'
                | '◦'
                | '●'
                | '○'
                | '■'
                | '□'
                | '►'
                | '▸'
                | '➤'
                | '✓'
                | '✔'
                | '✅'
                | '☑'
                | '★'
                | '☆'
                | '·'
                | '\u{fe0f}'
                | '»'
                | '‣'
                | '⁃'
                | '\u{f0b7}'
                | '\u{f0a7}'
        ) || c.is_whitespace()
    });
    let line = ["- ", "* ", "+ ", "– ", "— "]
        .iter()
        .find_map(|m| line.strip_prefix(m))
        .unwrap_or(line)
        .trim();
    let line = ARROW.replace_all(line, ": ");
    // A leader joins a name to what follows it.
    let line = LEADER.replace_all(line.trim_matches(|c: char| c == '\t' || c == ' '), ": ");
    let line = GAP.replace_all(&line, |found: &regex::Captures<'_>| {
        let at = found.get(0).map_or(0, |gap| gap.end());
        let rest = &line[at..];
        if rest.starts_with("R$") || rest.starts_with(|c: char| c.is_ascii_digit()) {
            ": "
        } else {
            ", "
        }
    });
    let line = line.replace("**", "").replace("__", "");
    let line = strip_stars(&line);
    let mut out = line.trim().trim_start_matches([':', ' ']).trim().to_owned();
    while out.contains(":: ") || out.contains(": : ") {
        out = out.replace(":: ", ": ").replace(": : ", ": ");
    }
    out
}

/// `*bold*` and `_italic_` of WhatsApp without their marks.
fn strip_stars(text: &str) -> String {
    static STARRED: LazyLock<Regex> =
        LazyLock::new(|| expression(r"(^|[\s(:])[*_~]([^*_~\n]+)[*_~]([\s.,;:!?)]|$)"));
    STARRED.replace_all(text, "$1$2$3").into_owned()
}

/// Whether a line can only head what follows: short, without a sentence's end, a number or an amount.
fn heads(line: &str, in_capitals_only: bool) -> bool {
    let words = line.split_whitespace().count();
    let letters: Vec<char> = line.chars().filter(|c| c.is_alphabetic()).collect();
    if words == 0
        || words > 8
        || line.chars().count() > 60
        || letters.len() < 3
        || AMOUNT.is_match(line)
    {
        return false;
    }
    if letters.iter().all(|c| c.is_uppercase()) && !line.contains(':') {
        return true;
    }
    if line.ends_with(':') && words <= 6 {
        return true;
    }
    !in_capitals_only
        && words <= 5
        && !line.ends_with(['.', '!', '?', ';', ','])
        && !line.contains([',', ':', ';'])
        && !line.contains(|c: char| c.is_ascii_digit())
}

/// Whether the first line of a text names all of it: "LEVA E TRAZ - novo valor a partir de 03/11/2026".
fn entitles(line: &str) -> bool {
    let capitals = line
        .split_whitespace()
        .take_while(|word| {
            word.chars().any(char::is_alphabetic) && !word.chars().any(char::is_lowercase)
        })
        .map(|word| word.chars().filter(|c| c.is_alphabetic()).count())
        .sum::<usize>();
    capitals >= 5
        && line.chars().count() <= 80
        && !AMOUNT.is_match(line)
        && !line.trim_end().ends_with(['.', '!', '?', ';', ','])
}

/// The text of exported chats without who said it when.
fn without_chat(blocks: Vec<Block>) -> Vec<Block> {
    let said = |block: &Block| matches!(block, Block::Line(line) if SAID.is_match(line));
    let (chat, all) = (
        blocks.iter().filter(|b| said(b)).count(),
        blocks.iter().filter(|b| matches!(b, Block::Line(_))).count(),
    );
    if chat < 3 || chat * 3 < all {
        return blocks;
    }
    let mut out = Vec::new();
    for block in blocks {
        match block {
            Block::Line(line) if SAID.is_match(&line) => {
                // Each message stands by itself.
                out.push(Block::Blank);
                out.push(Block::Line(SAID.replace(&line, "").trim().to_owned()));
            }
            Block::Line(line) if SYSTEM.is_match(&line) => {}
            other => out.push(other),
        }
    }
    out
}

/// Pairs and sections of a document. `plain`: its headings are not marked, so short lines may be some.
pub(super) fn assemble(blocks: Vec<Block>, plain: bool) -> Vec<Item> {
    let blocks = joined(nested(without_chat(blocks)));
    let mut out = Collector::default();
    let mut at = 0;
    let paragraphs = blocks.contains(&Block::Blank);
    while at < blocks.len() {
        match &blocks[at] {
            Block::Heading(level, text) => {
                out.heading(*level, text);
                if text.ends_with('?') {
                    let end = blocks[at + 1..]
                        .iter()
                        .position(|b| matches!(b, Block::Heading(..) | Block::Table(_)))
                        .map_or(blocks.len(), |end| at + 1 + end);
                    let answer = lines_of(&blocks[at + 1..end]).join(" ");
                    if !answer.is_empty() && answer.chars().count() <= 600 {
                        out.pair(text, &answer);
                        at = end;
                        continue;
                    }
                }
            }
            Block::Table(rows) => out.table(rows),
            Block::Blank => {}
            Block::Line(line) => {
                if let Some((question, answer, end)) = pair_at(&blocks, at, paragraphs) {
                    out.pair(&question, &answer);
                    at = end;
                    continue;
                }
                let opens = at == 0 || matches!(blocks[at - 1], Block::Blank | Block::Heading(..));
                let next = blocks.get(at + 1);
                let followed = matches!(next, Some(Block::Line(next)) if !heads(next, true));
                let labels = blocks[at + 1..]
                    .iter()
                    .take_while(|b| matches!(b, Block::Line(next) if LABELLED.is_match(next)))
                    .count();
                if (plain && at == 0 && followed && entitles(line))
                    || (plain && opens && followed && heads(line, false))
                    || (heads(line, true) && (followed || matches!(next, Some(Block::Blank))))
                    || (labels >= 2
                        && !AMOUNT.is_match(line)
                        && line.split_whitespace().count() <= 6)
                {
                    out.heading(7, line.trim_end_matches(':').trim());
                } else {
                    out.line(line);
                }
            }
        }
        at += 1;
    }
    out.finish()
}

/// A question with the lines that answer it, and where they end.
fn pair_at(blocks: &[Block], at: usize, paragraphs: bool) -> Option<(String, String, usize)> {
    let Block::Line(line) = &blocks[at] else { return None };
    let explicit = marked(line, ASKS).filter(|(rest, word)| *word || asks(rest));
    let question = match &explicit {
        Some((rest, _)) => rest.clone(),
        None if line.ends_with('?') && line.chars().count() <= 200 => line.clone(),
        None => return None,
    };
    if question.is_empty() {
        return None;
    }
    let mut answer: Vec<String> = Vec::new();
    let mut end = at + 1;
    let mut blank = false;
    while let Some(block) = blocks.get(end) {
        match block {
            Block::Blank if answer.is_empty() => {}
            Block::Blank => blank = true,
            Block::Line(next) => {
                let replied = marked(next, ANSWERS).filter(|(_, word)| *word || explicit.is_some());
                let another =
                    next.ends_with('?') || marked(next, ASKS).is_some_and(|(r, w)| w || asks(&r));
                // Where paragraphs stand apart, an answer is one; else it goes on to the next question.
                if another
                    || (blank && (paragraphs && !answer.is_empty()))
                    || (answer.is_empty() && replied.is_none() && heads(next, true))
                {
                    break;
                }
                if explicit.is_some() && answer.is_empty() && replied.is_none() {
                    return None;
                }
                answer.push(replied.map_or_else(|| next.clone(), |(rest, _)| rest));
            }
            Block::Heading(..) | Block::Table(_) => break,
        }
        end += 1;
    }
    let answer = answer.join(" ").trim().to_owned();
    if answer.is_empty() || answer.chars().count() > 1200 {
        return None;
    }
    Some((question, answer, end))
}

fn lines_of(blocks: &[Block]) -> Vec<String> {
    blocks
        .iter()
        .filter_map(|b| match b {
            Block::Line(line) => Some(line.clone()),
            _ => None,
        })
        .collect()
}

static ENTRY: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^([ \t]*)(?:[-*+•▪◦○●]|[0-9]{1,2}[.)])[ \t]+(.+)$"));
/// Characters of the entries under another one that are told in one line with it.
const UNDER: usize = 280;

/// A list's entry: how far it is set in, and its text.
fn entry(block: Option<&Block>) -> Option<(usize, &str)> {
    let Some(Block::Line(line)) = block else { return None };
    let found = ENTRY.captures(line)?;
    let inset = found.get(1).map_or("", |inset| inset.as_str());
    let wide: usize = inset.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum();
    Some((wide, found.get(2)?.as_str().trim()))
}

/// Entries that stand under another one say with it what they are of: "Aluno" with its documents, "Pizza" with its sorts.
fn nested(blocks: Vec<Block>) -> Vec<Block> {
    let mut out = Vec::with_capacity(blocks.len());
    let mut at = 0;
    while at < blocks.len() {
        let own = entry(blocks.get(at));
        let under: Vec<&str> = match own {
            Some((depth, _)) => (at + 1..blocks.len())
                .map_while(|next| entry(blocks.get(next)).filter(|(inset, _)| *inset > depth))
                .map(|(_, text)| text)
                .collect(),
            None => Vec::new(),
        };
        let heads = own.filter(|(_, text)| {
            text.split_whitespace().count() <= 6
                && !AMOUNT.is_match(text)
                && !text.ends_with(['.', '?', '!'])
        });
        let Some((_, head)) = heads.filter(|_| !under.is_empty()) else {
            out.push(blocks[at].clone());
            at += 1;
            continue;
        };
        let head = head.trim_end_matches(':');
        let long = under.iter().map(|text| text.chars().count()).sum::<usize>() > UNDER;
        if long || under.iter().any(|text| AMOUNT.is_match(text) || text.ends_with('.')) {
            out.extend(under.iter().map(|text| Block::Line(format!("{head} – {text}"))));
        } else {
            out.push(Block::Line(format!("{head}: {}", under.join(", "))));
        }
        at += 1 + under.len();
    }
    out
}

/// Lines that belong together as one: a price under its name, a description under its dish.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let Block::Line(line) = &block else {
            out.push(block);
            continue;
        };
        let line = plain_line(line);
        if line.is_empty() {
            continue;
        }
        let last = out.iter().rposition(|b| *b != Block::Blank);
        if let Some(last) = last
            && out.len() - last <= 1
            && let Block::Line(before) = &out[last]
        {
            let named = !AMOUNT.is_match(before)
                && before.chars().count() <= 80
                && !before.ends_with(['.', '?', '!']);
            if AMOUNT_ALONE.is_match(&line) && named {
                out[last] = Block::Line(format!("{}: {line}", before.trim_end_matches(':')));
                continue;
            }
            let describes = AMOUNT_AT_END.is_match(before)
                && !AMOUNT.is_match(&line)
                && line.split_whitespace().count() >= 3
                && !line.contains([':', '?'])
                && !heads(&line, true)
                && (line.contains(',')
                    || ["com ", "servido", "servida", "acompanha", "inclui"]
                        .iter()
                        .any(|w| fold(&line).starts_with(w)));
            if describes {
                out[last] = Block::Line(format!("{before} ({})", line.trim_end_matches('.')));
                continue;
            }
        }
        out.push(Block::Line(line));
    }
    out
}

/// Puts items together.
#[derive(Default)]
struct Collector {
    items: Vec<Item>,
    path: Vec<(u8, String)>,
    text: String,
}

impl Collector {
    /// The headings over a text, without the document's own title where others stand under it.
    fn place(&self) -> Option<String> {
        let below = if self.path.len() > 1 && self.path[0].0 == 1 {
            &self.path[1..]
        } else {
            &self.path[..]
        };
        let names: Vec<&str> = below.iter().map(|(_, text)| text.as_str()).collect();
        (!names.is_empty()).then(|| names.join(" – "))
    }

    fn close(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            let heading = self.place();
            self.items.push(Item::Section { heading, text: text.trim().to_owned() });
        }
    }

    fn heading(&mut self, level: u8, text: &str) {
        self.close();
        self.path.retain(|(own, _)| *own < level);
        let text = plain_line(text);
        if !text.is_empty() {
            self.path.push((level, text));
        }
    }

    fn line(&mut self, line: &str) {
        let line = match self.path.last() {
            Some((_, heading)) if heading.contains("R$") => with_currency(line),
            _ => line.to_owned(),
        };
        self.text.push_str(&line);
        self.text.push('\n');
    }

    fn pair(&mut self, question: &str, answer: &str) {
        self.close();
        self.items.push(Item::Pair {
            question: question.to_owned(),
            answer: answer.to_owned(),
            category: None,
        });
    }

    fn table(&mut self, rows: &[Vec<String>]) {
        let read = grid::read(rows);
        for part in read.parts {
            self.close();
            let heading =
                [self.place(), part.heading].into_iter().flatten().collect::<Vec<_>>().join(" – ");
            let text = part.lines.join("\n");
            if !text.is_empty() {
                let heading = (!heading.is_empty()).then_some(heading);
                self.items.push(Item::Section { heading, text });
            }
        }
        self.items.extend(read.pairs);
    }

    fn finish(mut self) -> Vec<Item> {
        self.close();
        self.items
    }
}

/// A line that ends in a bare number, under a heading that says it is money.
fn with_currency(line: &str) -> String {
    if line.contains("R$") {
        return line.to_owned();
    }
    BARE_NUMBER_AT_END.replace(line, "${1}R$$ ${2}").into_owned()
}

/// Blocks of plain text.
pub(super) fn text(text: &str) -> Vec<Block> {
    text.lines()
        .map(
            |line| if line.trim().is_empty() { Block::Blank } else { Block::Line(line.to_owned()) },
        )
        .collect()
}
