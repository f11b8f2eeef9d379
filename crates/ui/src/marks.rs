//! Marks that WhatsApp shows as letters of another kind: *bold*, _italic_, ~struck~.

use maud::{Markup, PreEscaped, html};

/// A message's text as WhatsApp shows it. Everything in it is text: only the marks become markup.
pub fn chat_text(text: &str) -> Markup {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['*', '_', '~']) {
        let mark = &rest[at..=at];
        let before = rest[..at].chars().next_back();
        let after = &rest[at + 1..];
        // A mark stands at a word's border, its pair too, and something is between them on one line.
        let opens = before.is_none_or(|c| !c.is_alphanumeric());
        let close = after.find(mark).filter(|end| {
            let inner = &after[..*end];
            let next = after[end + 1..].chars().next();
            !inner.is_empty()
                && !inner.contains('\n')
                && !inner.starts_with(' ')
                && !inner.ends_with(' ')
                && next.is_none_or(|c| !c.is_alphanumeric())
        });
        out.push_str(&escaped(&rest[..at]));
        match close.filter(|_| opens) {
            Some(end) => {
                let tag = match mark {
                    "*" => "strong",
                    "_" => "em",
                    _ => "s",
                };
                out.push_str(&format!("<{tag}>{}</{tag}>", escaped(&after[..end])));
                rest = &after[end + 1..];
            }
            None => {
                out.push_str(mark);
                rest = after;
            }
        }
    }
    out.push_str(&escaped(rest));
    PreEscaped(out)
}

fn escaped(text: &str) -> String {
    html! { (text) }.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_letters_and_nothing_else_becomes_markup() {
        let shown = |text: &str| chat_text(text).into_string();
        assert_eq!(shown("responda *atendente*."), "responda <strong>atendente</strong>.");
        assert_eq!(shown("_sim_ e ~não~"), "<em>sim</em> e <s>não</s>");
        assert_eq!(shown("2 * 3 * 4"), "2 * 3 * 4");
        assert_eq!(shown("nome_de_arquivo"), "nome_de_arquivo");
        assert_eq!(shown("*<b>*"), "<strong>&lt;b&gt;</strong>");
        assert_eq!(shown("<script>"), "&lt;script&gt;");
        assert_eq!(shown("*só um"), "*só um");
    }
}
