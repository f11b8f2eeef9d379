//! A model's text as it may be sent: without thoughts, marks of other systems and what phones do not show.

use std::sync::LazyLock;

use kernel::text::fold_words;
use regex::Regex;

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a valid expression")
}

/// Thoughts in the marks of several families of models.
static THOUGHTS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?is)<(think|thinking|thought|thoughts|reasoning|analysis)>.*?(?:</(?:think|thinking|thought|thoughts|reasoning|analysis)>|$)",
    )
});
/// Where thoughts end whose beginning the server swallowed; or where the last channel begins.
static THOUGHTS_END: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?is)^.*(?:</(?:think|thinking|thought|thoughts|reasoning|analysis)>|<\|channel\|>final<\|message\|>)",
    )
});
static ESCAPES: LazyLock<Regex> = LazyLock::new(|| expression("\u{1b}\\[[0-9;?]*[A-Za-z]|\u{1b}."));
static FENCE: LazyLock<Regex> = LazyLock::new(|| expression(r"(?m)^\s*```[\w-]*\s*$|```"));
static BOLD: LazyLock<Regex> = LazyLock::new(|| expression(r"\*\*([^*\n]+)\*\*|__([^_\n]+)__"));
static STRUCK: LazyLock<Regex> = LazyLock::new(|| expression(r"~~([^~\n]+)~~"));
static LINK: LazyLock<Regex> = LazyLock::new(|| expression(r"!?\[([^\]\n]*)\]\(([^)\s]+)[^)]*\)"));
static HEADING: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?m)^\s{0,3}#{1,6}\s+(.+?)[ \t]*#*$"));
static BULLET: LazyLock<Regex> = LazyLock::new(|| expression(r"(?m)^(\s*)[*+•]\s+"));
static RULE: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?m)^\s*(?:-{3,}|\*{3,}|_{3,}|\|?[\s:|-]*-{2,}[\s:|-]*)\s*$\n?"));
static ROW: LazyLock<Regex> = LazyLock::new(|| expression(r"(?m)^\s*\|(.+)\|\s*$"));
static CITATION: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\s?[\[【]\d{1,2}[^\]】]{0,12}[\]】]"));
static SPEAKER: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^\s*\**(?:assistente(?: virtual)?|atendente|resposta|recepcionista|assistant|answer|bot)\**\s*:\s*\**\s*",
    )
});
static BLANK: LazyLock<Regex> = LazyLock::new(|| expression(r"[ \t]+\n|\n{3,}"));

/// Characters that phones do not show, or that turn a text around.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(
            c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// What is left of a model's text once its thoughts are gone; `None` where there were nothing but thoughts.
pub(super) fn without_thoughts(text: &str) -> Option<String> {
    let text = THOUGHTS.replace_all(text, "");
    let text = THOUGHTS_END.replace(&text, "");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Text as WhatsApp shows it: one asterisk for bold, no headings, no tables, no citations, nothing hidden.
pub(super) fn for_a_phone(text: &str) -> String {
    let text = ESCAPES.replace_all(text, "");
    let text: String = text.chars().filter(|c| !is_hidden(*c)).collect();
    let text = FENCE.replace_all(&text, "");
    let text = RULE.replace_all(&text, "");
    let text = ROW.replace_all(&text, |row: &regex::Captures<'_>| {
        let cells: Vec<&str> =
            row[1].split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        cells.join(": ")
    });
    let text = LINK.replace_all(&text, "$1 ($2)");
    let text = HEADING.replace_all(&text, "*$1*");
    let text = BULLET.replace_all(&text, "$1- ");
    let text = BOLD.replace_all(&text, "*$1$2*");
    let text = STRUCK.replace_all(&text, "~$1~");
    let text = text.replace("**", "*");
    let text = CITATION.replace_all(&text, "");
    let text = SPEAKER.replace(&text, "");
    let text = BLANK.replace_all(
        &text,
        |found: &regex::Captures<'_>| {
            if found[0].contains("\n\n") { "\n\n" } else { "\n" }
        },
    );
    unquoted(text.trim()).to_owned()
}

/// Without quotation marks around the whole.
fn unquoted(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”'), ('«', '»'), ('\'', '\'')] {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.contains([open, close])) {
            return inner.trim();
        }
    }
    text
}

/// Whether a text is for a program: a call of a tool written out, JSON, code.
pub(super) fn is_for_a_program(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_lowercase();
    let json = serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|value| value.is_object() || value.is_array());
    json || [
        "<tool_call",
        "</tool_call",
        "tool_code",
        "<function",
        "<|",
        "default_api.",
        "\"arguments\"",
    ]
    .iter()
    .any(|mark| lower.contains(mark))
}

/// Whether a text says, in whatever spelling, that the evidence holds no answer.
pub(super) fn does_not_know(text: &str) -> bool {
    const WHOLE: &[&str] = &["nao sei", "naosei", "nao_sei", "i don t know", "i do not know"];
    const STARTS: &[&str] = &[
        "nao sei informar",
        "nao sei dizer",
        "nao sei responder",
        "nao tenho essa informacao",
        "nao tenho esta informacao",
        "nao tenho informacao",
        "nao tenho informacoes",
        "nao encontrei",
        "nao ha informacao",
        "nao ha informacoes",
        "essa informacao eu nao tenho",
        "as fontes nao",
        "i don t have that information",
        "i do not have that information",
        "the sources do not",
    ];
    let plain = fold_words(text);
    let plain = plain
        .trim_start_matches("desculpe ")
        .trim_start_matches("desculpa ")
        .trim_start_matches("infelizmente ")
        .trim_start_matches("sorry ");
    let short = plain.split(' ').count() <= 30;
    WHOLE.contains(&plain) || (short && STARTS.iter().any(|start| plain.starts_with(start)))
}

/// Whether the marker for "not known" stands in a text, beside other words.
pub(super) fn has_the_not_known_marker(text: &str) -> bool {
    let plain = fold_words(text);
    text.contains("NAO_SEI") || text.contains("NÃO_SEI") || plain.contains("nao_sei")
}

static SENTENCE: LazyLock<Regex> =
    LazyLock::new(|| expression(r#"(?s).+?(?:[.!?…]+["”)*_]*(?:\s+|$)|\n+|$)"#));

/// Sentences and lines of a text, each with the space that follows it.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    let mut from = 0;
    for found in SENTENCE.find_iter(text) {
        // "R$ 1.", "Dra. " and the like end no sentence.
        let end = found.as_str().trim_end();
        let last = end.rsplit(char::is_whitespace).next().unwrap_or_default();
        let abbreviated = end.ends_with('.')
            && !found.as_str().ends_with('\n')
            && found.end() < text.len()
            && matches!(
                last.to_lowercase().trim_start_matches('(').trim_end_matches('.'),
                "dr" | "dra"
                    | "sr"
                    | "sra"
                    | "av"
                    | "r"
                    | "al"
                    | "tel"
                    | "nº"
                    | "n"
                    | "ex"
                    | "prof"
                    | "profa"
                    | "pça"
            );
        if !abbreviated {
            out.push(&text[from..found.end()]);
            from = found.end();
        }
    }
    if from < text.len() {
        out.push(&text[from..]);
    }
    out
}

/// A text of at most so many characters, cut where a sentence ends.
pub(crate) fn within(text: String, longest: usize) -> String {
    let Some((cut, _)) = text.char_indices().nth(longest) else { return text };
    let kept = &text[..cut];
    let ends = kept.rmatch_indices(['.', '!', '?', '\n']).find_map(|(at, mark)| {
        let end = at + mark.len();
        kept[end..].starts_with(char::is_whitespace).then_some(end)
    });
    kept[..ends.unwrap_or(cut)].trim_end().to_owned()
}

/// Without a greeting in front, an offer of further help behind, and a sentence said twice.
pub(super) fn to_the_point(text: &str) -> String {
    const GREETINGS: &[&str] = &[
        "ola",
        "oi",
        "bom dia",
        "boa tarde",
        "boa noite",
        "tudo bem",
        "ola tudo bem",
        "oi tudo bem",
        "hello",
        "hi",
        "good morning",
        "good afternoon",
        "good evening",
        "how are you",
    ];
    const OFFERS: &[&str] = &[
        "posso ajudar em algo mais",
        "posso ajudar com algo mais",
        "posso ajudar em mais alguma coisa",
        "posso te ajudar em algo mais",
        "posso te ajudar com mais alguma coisa",
        "posso ajudar com mais alguma coisa",
        "precisa de mais alguma coisa",
        "mais alguma duvida",
        "is there anything else",
        "can i help you with anything else",
    ];
    let mut kept: Vec<&str> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for sentence in sentences(text) {
        let plain = fold_words(sentence);
        let greets = said.is_empty() && GREETINGS.contains(&plain.as_str());
        let offers = OFFERS.iter().any(|offer| plain.starts_with(offer));
        if greets || offers || (!plain.is_empty() && said.last() == Some(&plain)) {
            continue;
        }
        if !plain.is_empty() {
            said.push(plain);
        }
        kept.push(sentence);
    }
    kept.concat().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_other_systems_become_those_of_a_phone() {
        for (text, expected) in [
            ("A **limpeza** custa **R$ 180**.", "A *limpeza* custa *R$ 180*."),
            ("## Preços\n\n* Pix\n* Dinheiro", "*Preços*\n\n- Pix\n- Dinheiro"),
            (
                "| Serviço | Preço |\n|---|---|\n| Limpeza | R$ 180 |",
                "Serviço: Preço\nLimpeza: R$ 180",
            ),
            ("A limpeza\u{0} custa\u{202e} R$ 180.\u{200b}\u{1b}[31m", "A limpeza custa R$ 180."),
            ("\"Custa R$ 180.\"", "Custa R$ 180."),
            ("Assistente: custa R$ 180 [1].", "custa R$ 180."),
            ("Veja [a página](https://a.example/b).", "Veja a página (https://a.example/b)."),
        ] {
            assert_eq!(for_a_phone(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_follows_the_thoughts_is_said() {
        for (text, expected) in [
            ("<think>Hm. 180.</think>\n\nCusta R$ 180.", Some("Custa R$ 180.")),
            ("Vou responder 180.</think>Custa R$ 180.", Some("Custa R$ 180.")),
            ("<think></think>Custa.", Some("Custa.")),
            ("<thinking>sem fim", None),
        ] {
            assert_eq!(without_thoughts(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn not_knowing_has_many_spellings() {
        for text in [
            "NAO_SEI",
            "NÃO SEI",
            "nao_sei",
            "Não sei informar.",
            "Desculpe, não tenho essa informação.",
        ] {
            assert!(does_not_know(text), "{text}");
        }
        assert!(!does_not_know("Não sei se já viu, mas a limpeza custa R$ 180."));
    }

    #[test]
    fn a_sentence_is_said_once_and_nothing_around_it() {
        let text = "Olá! Tudo bem? Custa R$ 180,00. Custa R$ 180,00. Posso ajudar em algo mais?";
        assert_eq!(to_the_point(text), "Custa R$ 180,00.");
        assert_eq!(to_the_point("Com a Dra. Ana, às 9h."), "Com a Dra. Ana, às 9h.");
    }
}
