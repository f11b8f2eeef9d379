//! HTML as people read it.

use super::Stop;

/// HTML as Markdown: headings, lists and paragraphs; no scripts, styles or navigation.
pub(super) fn html(text: &str, limit: usize) -> Result<String, Stop> {
    use scraper::{ElementRef, Html, Node};
    /// Pages of people nest a few dozen deep; more would only exhaust the stack.
    const DEEPEST: usize = 200;
    fn walk(parent: ElementRef<'_>, depth: usize, out: &mut String, limit: usize) {
        if depth > DEEPEST || out.len() > limit {
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
            walk(element, depth + 1, out, limit);
            if block && !out.ends_with('\n') {
                out.push('\n');
            }
        }
    }
    let page = Html::parse_document(text);
    let mut out = String::new();
    walk(page.root_element(), 0, &mut out, limit);
    if out.len() > limit { Err(Stop::Text) } else { Ok(out) }
}
