//! Documents that a newer one replaces, and when an offer ends.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use kernel::DocumentId;
use kernel::text::fold;
use regex::Regex;

use crate::index::Chunk;
use crate::split::{STOP, expression, stem, words};

const MONTHS: &str =
    "janeiro|fevereiro|marco|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro";

static NUMERIC: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b([0-3]?[0-9])[/.-]([01]?[0-9])[/.-](20[0-9]{2})\b"));
static BY_MONTH: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r"\b(?:([0-3]?[0-9])(?:o)? de )?({MONTHS}|jan|fev|mar|abr|mai|jun|jul|ago|set|out|nov|dez)(?: de |/|-|\s|\.)+(20[0-9]{{2}})\b"
    ))
});
static YEAR: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?:^|[^0-9])(20[2-4][0-9])(?:[^0-9]|$)"));
/// The months as they are written; [`MONTHS`] has them folded.
const WRITTEN: [&str; 12] = [
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
];
/// A day in figures, with or without its year.
pub(crate) static DAY: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b(0?[1-9]|[12][0-9]|3[01])/(0?[1-9]|1[0-2])(?:/(?:20)?[0-9]{2})?\b")
});
static WITH_MONTH: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"\b[0-9]{{1,2}}º? de (?:{})\b", WRITTEN.join("|"))));
/// An end: "ate 30/11/2026", "de 01 a 31/10/2026", "valido ate", "a 28/11/2026".
static UNTIL: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r"\b(?:ate|a|ao|e)(?: o)?(?: dia)? ([0-3]?[0-9])(?:[/.]([01]?[0-9])[/.](20[0-9]{{2}})| de ({MONTHS}) de (20[0-9]{{2}}))"
    ))
});

fn month(name: &str) -> Option<i8> {
    let at = MONTHS.split('|').position(|full| full.starts_with(&name[..name.len().min(3)]))?;
    i8::try_from(at + 1).ok()
}

fn day(y: &str, m: i8, d: &str) -> Option<Date> {
    Date::new(y.parse().ok()?, m, d.parse().ok()?).ok()
}

/// "25/12" in words.
pub(crate) fn spelt(day: &str, month: &str) -> String {
    let month = month.parse::<usize>().ok().and_then(|month| WRITTEN.get(month.wrapping_sub(1)));
    format!("{} de {}", day.trim_start_matches('0'), month.copied().unwrap_or_default())
}

/// The days that a text names in figures, in words.
pub(crate) fn days(text: &str) -> Vec<String> {
    DAY.captures_iter(text).map(|found| spelt(&found[1], &found[2])).collect()
}

/// Whether a text names a day of the year, in figures or in words: "25/12", "15 de novembro".
pub fn names_a_date(text: &str) -> bool {
    let lower = text.to_lowercase();
    DAY.is_match(&lower) || WITH_MONTH.is_match(&lower)
}

/// A year with all days.
const LEAP_YEAR: i16 = 2028;
/// Days of a span, at most.
const LONGEST_SPAN: usize = 60;
static DAY_AND_MONTH: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?P<day>[0-3]?[0-9])(?:/(?P<month>[01]?[0-9])\b| de (?P<name>jan|fev|mar|abr|mai|jun|jul|ago|set|out|nov|dez)[a-z]*)",
    )
});
/// What stands between the first and the last day of a span: a year, and "a".
static TO: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:/[0-9]{2,4})? (?:a|ate) $"));

/// The days of the year that a folded text names, as day and month; all of a span.
pub(crate) fn of_the_year(folded: &str) -> Vec<(i8, i8)> {
    let mut out: Vec<(i8, i8)> = Vec::new();
    let mut last: Option<(usize, Date)> = None;
    for found in DAY_AND_MONTH.captures_iter(folded) {
        let month = match found.name("month") {
            Some(figures) => figures.as_str().parse().ok(),
            None => month(&found["name"]),
        };
        let date = month
            .zip(found["day"].parse().ok())
            .and_then(|(month, day)| Date::new(LEAP_YEAR, month, day).ok());
        let (Some(date), Some(whole)) = (date, found.get(0)) else { continue };
        let from = last.filter(|(end, _)| TO.is_match(&folded[*end..whole.start()]));
        let between = from.into_iter().flat_map(|(_, from)| {
            // A span may go over the year's end.
            from.series(1.day()).skip(1).take(LONGEST_SPAN)
        });
        let same = |one: &Date| (one.day(), one.month()) == (date.day(), date.month());
        out.extend(between.take_while(|one| !same(one)).map(|one| (one.day(), one.month())));
        out.push((date.day(), date.month()));
        last = Some((whole.end(), date));
    }
    out
}

/// When something that a text offers ends, where it says so.
pub(crate) fn ends(text: &str) -> Option<Date> {
    let folded = fold(text);
    let found = UNTIL.captures_iter(&folded).filter_map(|found| {
        let part = |at: usize| found.get(at).map(|m| m.as_str());
        match (part(2), part(4)) {
            (Some(m), _) => day(part(3)?, m.parse().ok()?, part(1)?),
            (_, Some(name)) => day(part(5)?, month(name)?, part(1)?),
            _ => None,
        }
    });
    found.max()
}

/// Characters of a document that is one offer and nothing else, at most.
const OFFER: usize = 700;

/// When documents end that are one offer.
pub(crate) fn offers(chunks: &[Chunk]) -> HashMap<DocumentId, Date> {
    let mut out = HashMap::new();
    for group in chunks.chunk_by(|a, b| a.document == b.document) {
        let text: String = group
            .iter()
            .map(|chunk| {
                format!("{}\n{}\n", chunk.heading.as_deref().unwrap_or_default(), chunk.body)
            })
            .collect();
        let pair = group.iter().any(|chunk| chunk.question.is_some());
        if !pair
            && (is_offer(group) || !text.lines().any(is_offer_by_itself))
            && text.chars().count() <= OFFER
            && let (Some(end), Some(first)) = (only_end(&text), group.first())
        {
            out.insert(first.document, end);
        }
    }
    out
}

/// The day on which all ends that a text names; `None` where it names several.
fn only_end(text: &str) -> Option<Date> {
    let mut all: Vec<Date> = text.lines().filter_map(ends).collect();
    all.dedup();
    match all.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// Whether a line says by itself what is offered, for how much and until when: then the lines around it do not end with it.
fn is_offer_by_itself(line: &str) -> bool {
    ends(line).is_some() && (line.contains("R$") || line.contains('%') || line.contains(" reais"))
}

/// Whether a document begins as an offer does: by its name, its heading or its first line.
fn is_offer(group: &[Chunk]) -> bool {
    const WORDS: &[&str] = &[
        "promocao",
        "promocoes",
        "promo",
        "oferta",
        "ofertas",
        "campanha",
        "black",
        "liquidacao",
        "cupom",
        "desconto",
        "descontos",
        "semana",
        "saldao",
        "queima",
        "imperdivel",
        "somente ate",
        "so ate",
    ];
    let Some(first) = group.first() else { return false };
    let line = first.body.lines().next().unwrap_or_default();
    let head = format!("{} {} {line}", first.title, first.heading.as_deref().unwrap_or_default());
    let head = kernel::text::fold_words(&head.replace(['_', '.', '-'], " "));
    WORDS.iter().any(|word| kernel::text::has_phrase(&head, word))
}

/// The newest date that a document gives itself: in its name, or in its first lines.
fn of_document(name: &str, head: &str) -> Option<Date> {
    let text = format!("{} {}", fold(name).replace(['_', '.'], " "), fold(head));
    let numeric =
        NUMERIC.captures_iter(&text).filter_map(|f| day(&f[3], f[2].parse().ok()?, &f[1]));
    let by_month = BY_MONTH
        .captures_iter(&text)
        .filter_map(|f| day(&f[3], month(&f[2])?, f.get(1).map_or("1", |d| d.as_str())));
    let dated: Option<Date> = numeric.chain(by_month).max();
    // A year alone means its beginning.
    let year = YEAR.captures_iter(&text).filter_map(|f| Some(date(f[1].parse().ok()?, 1, 1))).max();
    match (dated, year) {
        (Some(dated), Some(year)) if year.year() > dated.year() => Some(year),
        (Some(dated), _) => Some(dated),
        (None, year) => year,
    }
}

/// Words that say what a document is about, by which two of them are told to be of the same thing.
fn topic(name: &str, head: &str) -> HashSet<String> {
    const GENERAL: &[&str] = &[
        "tabela",
        "preco",
        "precos",
        "valores",
        "lista",
        "novo",
        "nova",
        "aviso",
        "comunicado",
        "circular",
        "vigente",
        "atualizado",
        "atualizada",
        "txt",
        "md",
        "csv",
        "pdf",
        "docx",
        "html",
        "xlsx",
        "partir",
        "vigor",
        "reajuste",
        "informativo",
        "geral",
        "loja",
        "faq",
        "perguntas",
        "respostas",
        "duvidas",
        "informacoes",
        "valor",
        "novos",
        "novas",
        "aos",
        "data",
    ];
    let text = format!("{} {}", fold(name).replace(['_', '-', '.'], " "), fold(head));
    words(&text)
        .filter(|word| {
            word.len() > 2 && !STOP.contains(word) && !word.bytes().all(|b| b.is_ascii_digit())
        })
        .filter(|word| !GENERAL.contains(word) && month_name(word).is_none())
        .map(stem)
        .collect()
}

fn month_name(word: &str) -> Option<i8> {
    MONTHS
        .split('|')
        .any(|full| full == word || (word.len() == 3 && full.starts_with(word)))
        .then(|| month(word))
        .flatten()
}

/// How many times as many words as they share a newer document's topic may have: more are notes of everything.
const BROADEST: usize = 6;
/// What a document says that changes what another one said.
static ANNOUNCES: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:substitui|sem efeito|revoga|reajuste|reajustad\w+|nov[oa]s? (?:valor|valores|preco|precos|regra|regras|horario|tabela)|mudou|mudamos|passa(?:m)? a|em vigor|vigor desde|a partir de (?:hoje|[0-9]))\b",
    )
});

/// A document's name without its number and its date: "circular".
fn series(name: &str) -> String {
    let name = fold(name).replace(['_', '-', '.'], " ");
    let name = name.rsplit_once(' ').map_or(name.as_str(), |(name, _)| name);
    let plain = words(name)
        .filter(|word| month_name(word).is_none() && !word.bytes().any(|b| b.is_ascii_digit()));
    plain.collect::<Vec<_>>().join(" ")
}

/// How many times as many words as a newer document an older one may have that it replaces.
const BROADER: usize = 3;

/// Documents that another one, of a later date and of the same topic, replaces.
pub(crate) fn outdated(chunks: &[Chunk]) -> HashSet<DocumentId> {
    struct Told {
        id: DocumentId,
        date: Option<Date>,
        series: String,
        announces: bool,
        topic: HashSet<String>,
        words: HashSet<String>,
    }
    let mut documents: Vec<Told> = Vec::new();
    for group in chunks.chunk_by(|a, b| a.document == b.document) {
        let Some(first) = group.first() else { continue };
        if first.question.is_some() {
            continue;
        }
        let head: String = format!(
            "{} {}",
            first.heading.as_deref().unwrap_or_default(),
            first
                .body
                .lines()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(160)
                .collect::<String>()
        );
        let heading = first
            .heading
            .as_deref()
            .unwrap_or_else(|| first.body.lines().next().unwrap_or_default());
        let all: String = group.iter().map(|c| c.body.as_str()).collect::<Vec<_>>().join(" ");
        let all = fold(&all);
        documents.push(Told {
            id: first.document,
            date: of_document(&first.title, &head),
            series: series(&first.title),
            announces: ANNOUNCES.is_match(&format!("{} {all}", fold(heading))),
            topic: topic(&first.title, &heading.chars().take(80).collect::<String>()),
            words: words(&all).filter(|w| w.len() > 3 && !STOP.contains(w)).map(stem).collect(),
        });
    }
    let offers = offers(chunks);
    let mut out = HashSet::new();
    for old in &documents {
        let Some(date) = old.date else { continue };
        let replaced = documents.iter().any(|new| {
            // Notes of everything are not replaced by a note of one thing, nor by an offer that ends.
            let narrow = old.words.len() <= BROADER * new.words.len();
            if !narrow || offers.contains_key(&new.id) {
                return false;
            }
            let shared = old.topic.intersection(&new.topic).count();
            let both = old.words.intersection(&new.words).count();
            let like = both * 2 >= old.words.len().max(1);
            let of_one_topic = shared > 0
                && shared * 3 >= 2 * old.topic.len().min(new.topic.len())
                && shared * BROADEST >= new.topic.len();
            // "Circular 07" and "circular 21"; what says itself that it is new.
            let next = (!old.series.is_empty() && old.series == new.series) || new.announces;
            new.id != old.id
                && new.date.is_some_and(|other| other > date)
                && (of_one_topic || (like && (shared > 0 || next)))
        });
        if replaced {
            out.insert(old.id);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the documents that others replace.
    fn replaced(files: &[(&str, &str)]) -> Vec<String> {
        let index = crate::Index::of_files(files).unwrap();
        let old = outdated(&index.chunks);
        let mut names: Vec<String> = index
            .chunks
            .iter()
            .filter(|chunk| old.contains(&chunk.document))
            .map(|chunk| chunk.title.to_string())
            .collect();
        names.dedup();
        names
    }

    #[test]
    fn a_document_is_replaced_by_a_newer_one_of_its_topic_only() {
        let notes = "LOJA SOL POENTE - informações\n(atualizado em 12/10/2026)\n\nHORÁRIO\nsegunda a sexta 9h as 18h\n\nENDEREÇO\nRua das Laranjeiras 40, \
            centro, em frente ao mercado\n\nCONSERTO\nsolda 35 reais\ntroca de plaqueta 15 reais\nparafuso é cortesia\n\nPAGAMENTO\npix, dinheiro, débito, \
            crédito até 10x sem juros, não pegamos cheque nem carnê\n";
        // An offer of the same house is no newer version of its notes.
        let offer = "*** OUTUBRO NA SOL POENTE ***\nde 01 a 31/10/2026\nsegunda armação por R$ 1\n";
        assert!(replaced(&[("notas.txt", notes), ("outubro.txt", offer)]).is_empty());
        for (old, new) in [
            (
                ("frete-2025.txt", "FRETE (março de 2025)\nCentro R$ 20, até 5 km."),
                ("frete-2026.txt", "FRETE - novo valor desde 03/11/2026\nCentro R$ 35, até 8 km."),
            ),
            (
                (
                    "circular-07-2026.txt",
                    "CIRCULAR 07/2026 - 18 de março de 2026\nA retirada será até as 18h30. O almoço avulso custa R$ 24.",
                ),
                (
                    "circular-21-2026.txt",
                    "CIRCULAR 21/2026 - 9 de outubro de 2026\nA retirada será até as 19h. O almoço avulso custa R$ 28.",
                ),
            ),
            (
                (
                    "quilo-jan-2026.txt",
                    "PREÇO DO QUILO (janeiro de 2026)\nsegunda a sexta R$ 69,90\nsabado R$ 79,90",
                ),
                (
                    "ajuste.md",
                    "## Reajuste, em vigor desde 15/09/2026\n\n- quilo de segunda a sexta: R$ 76,90\n- quilo no sábado: R$ 86,90\n",
                ),
            ),
        ] {
            assert_eq!(replaced(&[old, new, ("notas.txt", notes)]), [old.0]);
        }
    }

    #[test]
    fn an_offers_end_is_found() {
        for (text, wanted) in [
            ("de 01 a 31/10/2026", date(2026, 10, 31)),
            ("Promoção: coloração por R$ 99 até 30/11/2023.", date(2023, 11, 30)),
            ("válido até 15 de fevereiro de 2024", date(2024, 2, 15)),
        ] {
            assert_eq!(ends(text), Some(wanted), "{text}");
        }
        assert_eq!(ends("das 8h às 12h de segunda a sexta"), None);
    }
}
