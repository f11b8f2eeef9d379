//! When the business, or one of its services, is open: the lines of the documents that say so, by what they are of and by
//! the days that they name. "Abre sábado?" is answered with Saturday's line of the shop, and not with that of a service.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Weekday};
use kernel::DocumentId;
use kernel::text::fold;
use regex::Regex;
use understanding::Plain;

use crate::dates;
use crate::index::{Chunk, Index, Piece, Sentence};
use crate::intents::without_yes;
use crate::split::{expression, stem, words};
use crate::sums::FromFacts;

mod asked;
mod week;

use asked::{AROUND, Asked, CLOCK, GENERAL_STEMS, OPENING, speaks_to_the_business};
pub use asked::{asks_for_usual_hours, asks_when_open};
pub use week::{Hours, Week};

/// Lines that are told together, at most.
const LINES: usize = 5;
/// Days that hours name at least, holidays among them, from which one that they do not name has none.
const MOST_DAYS: usize = 5;
/// Characters of a line that can be part of a timetable; longer ones are prose that mentions a day.
const LONGEST: usize = 220;

/// A day of the week from 1 for Monday, or a holiday.
const HOLIDAY: i8 = 8;

const DAY: &str = r"(?:segundas?|tercas?|quartas?|quintas?|sextas?|sabados?|domingos?|seg|ter|qua|qui|sex|sab|dom)";
static SPAN: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r"\b(?P<from>{DAY})(?:[- ]feiras?)?\.? ?(?:a|ate|à|-|–) ?(?P<to>{DAY})(?:[- ]feiras?)?\b"
    ))
});
static ONE: LazyLock<Regex> = LazyLock::new(|| expression(&format!(r"\b{DAY}\b")));
static BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r"\b{DAY}\b|\btodos os dias|\btodo dia|\bdiariamente|\bferiados?\b|\bdias uteis|\bde domingo a|\d"
    ))
});
static TO_HAVE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(vai|vao|vou|preciso|precisa|precisam|pode|podem|deve|devem|por|para|pra|sem|de|quero|queria|deveria|ira) ter\b",
    )
});
static EVERY_DAY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:todos os dias|diariamente|de domingo a domingo|todo dia|24 ?h(?:oras)? por dia)\b",
    )
});
static CLOSED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:fechad[oa]s?|fecha(?:mos)?|folga|nao (?:abr\w+|func\w+|atend\w+|tem\b|temos|ha\b|trabalh\w+|entreg\w+)|sem (?:atendimento|expediente)|so (?:de )?(?:manha|plantao))",
    )
});
static BREAK: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"almoco|intervalo|sem parar|direto|das? 1[123]h?(?:[0-5]0)? as 1[2345]")
});

/// Words of a question of days that names nothing.
const DAYS_ALONE: &[&str] = &[
    "e",
    "que",
    "quais",
    "dia",
    "dias",
    "sao",
    "esses",
    "essas",
    "da",
    "de",
    "semana",
    "seria",
    "seriam",
    "mesmo",
    "ela",
    "ele",
    "atende",
    "atendem",
    "vem",
    "em",
    "ta",
    "ai",
    "entao",
    "isso",
    "tem",
    "trabalha",
    "trabalham",
    "segunda",
    "terca",
    "quarta",
    "quinta",
    "sexta",
    "sabado",
    "domingo",
    "feira",
    "na",
    "no",
    "as",
    "aos",
    "nas",
    "nos",
    "tambem",
    "la",
    "vai",
    "esta",
];
/// What lines of hours belong to: one heading or question, and the same words before their first day.
type Block = (DocumentId, Option<Arc<str>>, Vec<String>);

/// A line that says when something is open.
#[derive(Debug)]
pub(crate) struct Line {
    /// Numbers of its sentence and of its piece.
    sentence: u32,
    piece: usize,
    block: Block,
    /// Stems of what it is of: its heading, its question, what stands before its first day.
    of: Vec<String>,
    /// Stems of all of it.
    all: Vec<String>,
    days: BTreeSet<i8>,
    dates: Vec<(i8, i8)>,
    /// It speaks of a break, or says that there is none.
    of_a_break: bool,
}

impl Line {
    /// Whether a word of a question, by its stem, is one of what it is of.
    fn is_of(&self, stem: &str) -> bool {
        self.of.iter().any(|own| same(own, stem))
    }

    fn names(&self, stem: &str) -> bool {
        self.is_of(stem) || self.all.iter().any(|own| same(own, stem))
    }

    fn is_on(&self, days: &BTreeSet<i8>) -> bool {
        !self.days.is_disjoint(days)
    }
}

impl Index {
    /// The lines that say when what a text names is open, on the days that it names; `None` where it asks for no hours, or
    /// the documents do not say. `before`: what was asked and told before it, on which it may lean.
    pub(crate) fn opening(
        &self,
        text: &str,
        before: Option<(&str, &str)>,
        today: Option<Date>,
    ) -> Option<FromFacts> {
        let (asked_before, told_before) = before.unzip();
        if let Some(days) = self.days_told(text, told_before.unwrap_or_default()) {
            return Some(days);
        }
        let mut lines = self.lines_on(today);
        let of_told = self.block_told(&lines, told_before.unwrap_or_default());
        let mut asked = Asked::read(text, today)
            .or_else(|| Asked::read(asked_before?, today)?.with_days_of(text, today))
            .or_else(|| {
                // "E no sábado?" after the hours of somebody, however those came to be told.
                of_told.is_some().then(Asked::default)?.with_days_of(text, today)
            })?;
        let nothing =
            asked.of.is_empty() && asked.perhaps.is_empty() && !speaks_to_the_business(text);
        if let Some(block) = of_told.filter(|_| asked.of_before || nothing) {
            lines.retain(|line| line.block == block);
            asked.of.clear();
        } else if asked.of_before {
            asked.of = named_before(asked_before.unwrap_or_default(), &lines);
            if asked.pronoun && asked.of.is_empty() {
                return None;
            }
        }
        let all = |line: &&Line| asked.of.iter().all(|one| line.names(one));
        let chosen = block(lines.into_iter().filter(all).collect(), &asked);
        let told = |lines: &[&Line], opening: &str| self.told_lines(lines, opening);
        if chosen.is_empty() {
            return None;
        }
        if !asked.dates.is_empty() {
            let on = |line: &&Line| line.dates.iter().any(|date| asked.dates.contains(date));
            let on: Vec<&Line> = chosen.into_iter().filter(on).collect();
            return (!on.is_empty()).then(|| told(&on, ""));
        }
        if asked.lunch {
            let on = |line: &&Line| asked.days.is_empty() || line.is_on(&asked.days);
            let of_a_break: Vec<&Line> =
                chosen.iter().copied().filter(|line| line.of_a_break).filter(on).collect();
            if !of_a_break.is_empty() {
                return Some(told(&of_a_break, ""));
            }
            if asked.days.is_empty() {
                return None;
            }
        }
        if asked.days.is_empty() {
            // Hours without the days that are exceptions would not be all of them.
            return Some(told(&chosen, ""));
        }
        let on: Vec<&Line> =
            chosen.iter().copied().filter(|line| line.is_on(&asked.days)).collect();
        if !on.is_empty() {
            let opening = asked.relative.map(|(word, day)| format!("{word} é {}: ", name(day)));
            return Some(told(&on, &opening.unwrap_or_default()));
        }
        // Hours that name most other days say that on this one there are none.
        let open: BTreeSet<i8> = chosen.iter().flat_map(|line| line.days.clone()).collect();
        let day = *asked.days.first()?;
        if open.len() < MOST_DAYS || day == HOLIDAY || asked.days.len() > 1 {
            return None;
        }
        let article = if day >= 6 { "No" } else { "Na" };
        Some(told(&chosen, &format!("{article} {} não há atendimento. ", name(day))))
    }

    /// The sentence that was told before, where it says the days that a text asks for and nothing else: "que dias são?".
    fn days_told(&self, text: &str, told: &str) -> Option<FromFacts> {
        let plain = Plain::of(text);
        let mut words = plain.words().peekable();
        words.peek()?;
        // "Ele trabalha segunda?" of what was said of him just now.
        let of_whom = plain.words().any(|word| matches!(word, "ele" | "ela"))
            && !days(plain.line.trim()).is_empty();
        let asks = plain.line.contains(" que dia") || plain.line.contains(" quais dia") || of_whom;
        if !asks || !words.all(|word| DAYS_ALONE.contains(&word)) {
            return None;
        }
        let mut saying = self.pieces.iter().enumerate().flat_map(|(number, piece)| {
            piece.sentences.iter().map(move |id| (number, &self.sentences[*id as usize]))
        });
        let (piece, sentence) = saying.find(|(_, one)| {
            // It may have been told without the yes that it begins with.
            let told_so = told.contains(&one.text) || told.contains(&without_yes(&one.text));
            !one.heading && told_so && !days(&fold(&one.text)).is_empty()
        })?;
        Some(FromFacts { reply: without_yes(&sentence.text), pieces: vec![piece] })
    }

    /// The block of the one thing whose hours were told before; `None` where those of the business were, or several.
    fn block_told(&self, lines: &[&Line], told: &str) -> Option<Block> {
        let mut blocks = lines
            .iter()
            .filter(|line| told.contains(self.sentences[line.sentence as usize].line_text.trim()))
            .filter(|line| line.of.iter().any(|stem| !GENERAL_STEMS.contains(stem)))
            .map(|line| &line.block);
        let first = blocks.next()?;
        blocks.all(|block| block == first).then(|| first.clone())
    }

    /// Whether the documents say when it is open on the days of the year that a text names.
    pub fn states_hours_on(&self, text: &str, today: Date) -> bool {
        Asked::read(text, Some(today)).is_some_and(|asked| !asked.dates.is_empty())
            && self.opening(text, None, Some(today)).is_some()
    }

    /// The lines that hold on a day, each once.
    fn lines_on(&self, today: Option<Date>) -> Vec<&Line> {
        let mut seen: HashSet<&str> = HashSet::new();
        let holds = |line: &&Line| {
            let sentence = &self.sentences[line.sentence as usize];
            sentence.holds_on(today) && seen.insert(&sentence.line_text)
        };
        self.timetable().iter().filter(holds).collect()
    }

    fn told_lines(&self, told: &[&Line], opening: &str) -> FromFacts {
        let mut lines: Vec<&str> = Vec::new();
        let mut pieces = Vec::new();
        for line in told.iter().take(LINES) {
            lines.push(self.sentences[line.sentence as usize].line_text.trim());
            if !pieces.contains(&line.piece) {
                pieces.push(line.piece);
            }
        }
        FromFacts { reply: format!("{opening}{}", lines.join("\n")), pieces }
    }
}

/// The lines of all pieces that name days, or dates, and hours.
pub(crate) fn lines(chunks: &[Chunk], pieces: &[Piece], sentences: &[Sentence]) -> Vec<Line> {
    let mut out = Vec::new();
    for (number, (chunk, piece)) in chunks.iter().zip(pieces).enumerate() {
        for id in &piece.sentences {
            let sentence = &sentences[*id as usize];
            let line = &*sentence.line_text;
            if sentence.heading || line.chars().count() > LONGEST {
                continue;
            }
            let folded = fold(line);
            let (days, dates) = (days(&folded), dates::of_the_year(&folded));
            let timed = CLOCK.is_match(&folded) || CLOSED.is_match(&folded);
            if (days.is_empty() && dates.is_empty()) || !timed {
                continue;
            }
            let first = BEGINS.find(&folded).map_or(folded.len(), |found| found.start());
            let mut of = stems(&folded[..first]);
            let lead: Vec<String> =
                of.iter().filter(|one| !GENERAL_STEMS.contains(*one)).cloned().collect();
            let question = || chunk.question.as_deref().map(Arc::from);
            let heading = sentence.heading_text.clone().or_else(question);
            of.extend(stems(heading.as_deref().unwrap_or_default()));
            out.push(Line {
                sentence: *id,
                piece: number,
                block: (chunk.document, heading, lead),
                of,
                all: stems(&folded),
                days,
                dates,
                of_a_break: BREAK.is_match(&folded),
            });
        }
    }
    out
}

/// What "que dia ela atende?" is of: the words of the text before it that some line names; the first of them, where no line
/// names all.
fn named_before(before: &str, lines: &[&Line]) -> Vec<String> {
    let mut named: Vec<String> = stems(before)
        .into_iter()
        .filter(|one| one.len() > 2 && !GENERAL_STEMS.contains(one))
        .filter(|one| !AROUND.contains(one.as_str()) && !OPENING.contains(one.as_str()))
        .filter(|one| lines.iter().any(|line| line.names(one)))
        .collect();
    if !lines.iter().any(|line| named.iter().all(|one| line.names(one))) {
        named.truncate(1);
    }
    named
}

/// The lines of one thing among these: what the question names, or else the business as a whole, whose hours are under the
/// plainest heading and name most days.
fn block<'a>(lines: Vec<&'a Line>, asked: &Asked) -> Vec<&'a Line> {
    let score = |one: &Line| {
        let block = lines.iter().filter(|line| line.block == one.block);
        let days: BTreeSet<i8> = block.flat_map(|line| line.days.iter().copied()).collect();
        let count = |stems: &[String]| stems.iter().filter(|stem| one.is_of(stem)).count();
        let plain = one.of.iter().filter(|stem| GENERAL_STEMS.contains(*stem)).count();
        let plain = if one.of.is_empty() { 2 } else { 4 * plain / one.of.len() };
        10 * count(&asked.of) + 6 * count(&asked.perhaps) + plain + days.len()
    };
    // Of equals, the first.
    let best = lines.iter().rev().max_by_key(|line| score(line));
    let block = best.map(|best| &best.block);
    lines.iter().copied().filter(|line| Some(&line.block) == block).collect()
}

/// Whether two stems are of one word: "nutri" and "nutricionist".
fn same(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    a == b || (short.len() >= 5 && long.starts_with(short))
}

/// The stems of a text that name something.
fn stems(text: &str) -> Vec<String> {
    let folded = fold(text);
    words(&folded)
        .filter(|word| word.len() > 1 && !crate::split::STOP.contains(word))
        .map(stem)
        .collect()
}

fn day_of(word: &str) -> Option<i8> {
    const STARTS: [&str; 7] = ["seg", "ter", "qua", "qui", "sex", "sab", "dom"];
    STARTS.iter().position(|start| word.starts_with(start)).and_then(|at| i8::try_from(at + 1).ok())
}

/// The days that a folded text names.
fn days(folded: &str) -> BTreeSet<i8> {
    // "Vai ter atendimento?" names no Tuesday.
    let folded = &*TO_HAVE.replace_all(folded, "$1");
    let mut days = BTreeSet::new();
    if EVERY_DAY.is_match(folded) {
        days.extend(1..=7);
    }
    let mut rest = folded.to_owned();
    for span in SPAN.captures_iter(folded) {
        let (Some(from), Some(to)) = (day_of(&span["from"]), day_of(&span["to"])) else { continue };
        let mut day = from;
        days.insert(day);
        while day != to {
            day = day % 7 + 1;
            days.insert(day);
        }
        rest = rest.replacen(&span[0], " ", 1);
    }
    days.extend(ONE.find_iter(&rest).filter_map(|found| day_of(found.as_str())));
    if folded.contains("feriado") {
        days.insert(HOLIDAY);
    }
    if folded.contains("fim de semana") || folded.contains("fins de semana") {
        days.extend([6, 7]);
    }
    if folded.contains("dias uteis") {
        days.extend(1..=5);
    }
    days
}

/// The days that a text names, each by its word, those within a span too.
pub(crate) fn days_named(text: &str) -> String {
    let words = days(&fold(text)).into_iter().filter(|day| *day != HOLIDAY).map(name);
    let short = words.map(|word| word.trim_end_matches("-feira"));
    short.collect::<Vec<_>>().join(" ")
}

fn name(day: i8) -> &'static str {
    match Weekday::from_monday_one_offset(day) {
        Ok(Weekday::Monday) => "segunda-feira",
        Ok(Weekday::Tuesday) => "terça-feira",
        Ok(Weekday::Wednesday) => "quarta-feira",
        Ok(Weekday::Thursday) => "quinta-feira",
        Ok(Weekday::Friday) => "sexta-feira",
        Ok(Weekday::Saturday) => "sábado",
        Ok(Weekday::Sunday) => "domingo",
        Err(_) => "feriado",
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use crate::Index;

    const NOTES: &str = "## Horário da loja\n- Segunda a sexta, das 8h às 12h e das 13h às 18h30 (fechamos para o almoço)\n\
        - Sábado das 9h às 13h, sem intervalo\n- Domingo fechado. Feriado: só das 9h às 12h\n- 24/12 abrimos até as 14h\n\n\
        ## Conserto na hora\n- Terça e quinta, 14h às 17h, com o Breno\n\n## Plantão\n- Domingo das 10h às 16h\n";

    /// A Thursday.
    fn said(text: &str, before: Option<&str>) -> Option<String> {
        let index = Index::of_files(&[("notas.md", NOTES)]).unwrap();
        index
            .opening(text, before.map(|asked| (asked, "")), Some(date(2026, 3, 5)))
            .map(|told| told.reply)
    }

    #[test]
    fn hours_are_told_of_what_and_when_they_are_asked() {
        for (text, told) in [
            ("abre sábado?", "Sábado das 9h às 13h, sem intervalo"),
            ("tao abertos hj?", "Hoje é quinta-feira: Segunda a sexta, das 8h às 12h"),
            ("vai ter expediente sábado?", "Sábado das 9h às 13h, sem intervalo"),
            ("domingo funciona?", "Domingo fechado. Feriado: só das 9h às 12h"),
            ("e no feriado, abre?", "Domingo fechado. Feriado: só das 9h às 12h"),
            ("fecha pro almoço?", "Segunda a sexta, das 8h às 12h e das 13h às 18h30"),
            ("que dias tem conserto na hora?", "Terça e quinta, 14h às 17h"),
            ("o plantão funciona até que horas?", "Domingo das 10h às 16h"),
            ("dia 24/12 vcs abrem?", "24/12 abrimos até as 14h"),
            ("depois das 19h tem alguém aí?", "Segunda a sexta"),
        ] {
            let reply = said(text, None).unwrap_or_default();
            assert!(reply.starts_with(told), "{text}: {reply}");
        }
        let all = said("qual o horário de vocês?", None).unwrap_or_default();
        assert!(all.contains("Sábado das 9h") && !all.contains("Breno"), "{all}");
    }

    #[test]
    fn other_questions_are_not_of_hours() {
        for text in [
            "quanto custa o conserto?",
            "quero marcar um horário amanhã",
            "que horas fica pronto o banho?",
            "ele trabalha segunda?",
            "que dias ela atende?",
            "a piscina abre domingo?",
            "quanto tempo demora?",
            "que dia é hoje?",
        ] {
            assert_eq!(said(text, None), None, "{text}");
        }
    }

    #[test]
    fn other_days_of_what_was_asked_before() {
        let reply = said("e sábado?", Some("vocês abrem na segunda?")).unwrap_or_default();
        assert_eq!(reply, "Sábado das 9h às 13h, sem intervalo");
        assert_eq!(said("e a barba?", Some("vocês abrem na segunda?")), None);
    }

    #[test]
    fn hours_of_what_was_named_before() {
        let reply = said("que dias ele atende?", Some("quem é o Breno?")).unwrap_or_default();
        assert_eq!(reply, "Terça e quinta, 14h às 17h, com o Breno");
        let reply = said("que dias?", Some("fazem conserto na hora?")).unwrap_or_default();
        assert_eq!(reply, "Terça e quinta, 14h às 17h, com o Breno");
    }

    #[test]
    fn a_day_that_no_line_names_has_no_hours() {
        let notes = "## Atendimento\n- Segunda a sexta, das 8h às 18h\n- Sábado, das 8h às 12h\n";
        let index = Index::of_files(&[("notas.md", notes)]).unwrap();
        let told = index.opening("abre domingo?", None, None).map(|told| told.reply);
        let told = told.unwrap_or_default();
        assert!(told.starts_with("No domingo não há atendimento. Segunda a sexta"), "{told}");
    }
}
