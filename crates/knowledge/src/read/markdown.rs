//! Markdown as blocks.

use std::sync::LazyLock;

use regex::Regex;

use super::blocks::Block;
use crate::split::expression;

/// Blocks of Markdown.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut lines = text.lines().peekable();
    let mut out = Vec::new();
    // What stands between two lines of dashes at the very top is for a website's builder.
    if text.trim_start().starts_with("---")
        && text.trim_start().lines().skip(1).any(|l| l.trim() == "---")
    {
        let mut fences = 0;
        while fences < 2 {
            match lines.next() {
                Some(line) if line.trim() == "---" => fences += 1,
                Some(_) => {}
                None => break,
            }
        }
    }
    let mut fenced = false;
    let mut table: Vec<Vec<String>> = Vec::new();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        let rule =
            trimmed.len() >= 3 && trimmed.chars().all(|c| matches!(c, '-' | '=' | '*' | '_' | ' '));
        let is_row = !fenced
            && (trimmed.starts_with('|')
                || (trimmed.contains('|')
                    && (!table.is_empty() || lines.peek().is_some_and(|next| is_separator(next)))));
        if is_row {
            if !is_separator(trimmed) {
                let inner = trimmed.strip_prefix('|').unwrap_or(trimmed);
                let inner = inner.strip_suffix('|').unwrap_or(inner);
                table.push(inner.split('|').map(|cell| inline(cell.trim())).collect());
            }
            continue;
        }
        if !table.is_empty() {
            out.push(Block::Table(std::mem::take(&mut table)));
        }
        let level = trimmed.bytes().take_while(|b| *b == b'#').count();
        if fenced {
            out.push(Block::Line(trimmed.to_owned()));
        } else if (1..=6).contains(&level) && trimmed[level..].starts_with(' ') {
            let text = trimmed[level..].trim().trim_end_matches('#').trim();
            out.push(Block::Heading(u8::try_from(level).unwrap_or(6), inline(text)));
        } else if trimmed.is_empty() {
            out.push(Block::Blank);
        } else if rule {
            // Under a line, it makes that a heading.
            let setext = trimmed.chars().all(|c| c == '=') || trimmed.chars().all(|c| c == '-');
            match out.pop() {
                Some(Block::Line(above)) if setext && above.chars().count() <= 80 => {
                    let level = if trimmed.starts_with('=') { 1 } else { 2 };
                    out.push(Block::Heading(level, above));
                }
                Some(other) => {
                    out.push(other);
                    out.push(Block::Blank);
                }
                None => {}
            }
        } else {
            let line = trimmed.trim_start_matches(['>', ' ']);
            out.push(Block::Line(inline(line)));
        }
    }
    if !table.is_empty() {
        out.push(Block::Table(table));
    }
    out
}

fn is_separator(line: &str) -> bool {
    let line = line.trim();
    line.contains('-')
        && line.contains(['|', ':'])
        && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// Markdown within a line: links keep their text and address, struck text is gone.
fn inline(line: &str) -> String {
    static STRUCK: LazyLock<Regex> = LazyLock::new(|| expression(r"~~[^~]*~~\s*"));
    let line = STRUCK.replace_all(line, "");
    let mut out = String::with_capacity(line.len());
    let mut rest: &str = &line;
    while let Some(open) = rest.find('[') {
        let Some(mid) = rest[open..].find("](").map(|at| open + at) else { break };
        let Some(end) = rest[mid..].find(')').map(|at| mid + at) else { break };
        out.push_str(rest[..open].trim_end_matches('!'));
        out.push_str(&rest[open + 1..mid]);
        out.push_str(" (");
        out.push_str(&rest[mid + 2..end]);
        out.push(')');
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out.replace("**", "").replace("__", "").replace('`', "").replace("\\*", "*").trim().to_owned()
}
