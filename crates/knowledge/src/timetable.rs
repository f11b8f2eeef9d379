//! When the business, or one of its services, is open: the lines of the documents that say so, by what they are of and by
//! the days that they name. "Abre sábado?" is answered with Saturday's line of the shop, and not with that of a service.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Weekday};
use kernel::DocumentId;
use kernel::text::fold;
use regex::Regex;
use understanding::Plain;

use crate::index::{Index, Sentence};
use crate::split::{Words, expression, set, stem, words};
use crate::sums::FromFacts;

/// Lines that are told together, at most.
const LINES: usize = 5;
/// Characters of a line that can be part of a timetable; longer ones are prose that mentions a day.
const LONGEST: usize = 220;

/// A year with all days.
const LEAP_YEAR: i16 = 2028;
/// Days of a span, at most.
const LONGEST_SPAN: usize = 60;
/// What stands between the first and the last day of a span: a year, and "a".
static SPANS: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:/[0-9]{2,4})? (?:a|ate) $"));

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
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?P<day>[0-3]?[0-9])(?:/(?P<month>[01]?[0-9])\b| de (?P<name>jan|fev|mar|abr|mai|jun|jul|ago|set|out|nov|dez)[a-z]*)",
    )
});
static EVERY_DAY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:todos os dias|diariamente|de domingo a domingo|todo dia|24 ?h(?:oras)? por dia)\b",
    )
});
static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b[0-2]?[0-9] ?(?:hs?|horas|hrs)(?:[0-5][0-9])?\b|\b[0-2]?[0-9]:[0-5][0-9]\b|\bd[ae]s? [0-2]?[0-9] as [0-2]?[0-9]\b|\b[0-2]?[0-9] as [0-2]?[0-9]\b|\bmeio[- ]dia\b|\b24 ?horas\b",
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

/// Words that ask when something is open.
static OPENING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "horario horarios abre abrem abrir aberto abertos aberta abertas abertura fecha fecham fechado fechados fechada \
         fechar funciona funcionam funcionando funcionamento funcionar expediente",
    )
});
/// Words that do so where a day or an hour is asked for with them.
static SERVING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "atende atendem atendendo atendimento trabalha trabalham serve servem entrega entregam comeca comecam termina terminam acaba \
         tem ha fica ficam alguem retirar retira buscar passar deixar devolver visitar conhecer chegar chego liga ligam",
    )
});
/// Words of such a question that name nothing.
static AROUND: LazyLock<Words> = LazyLock::new(|| {
    set(
        "que qual quais quando hora horas e o a os as um uma de do da dos das no na nos nas em ao aos ate entre para pra pro por com \
         voce voces vao vai estao esta ta tao sao eh se dia dias ai hoje amanha agora ainda ja aqui la me diz dizer fala informar \
         informa saber gostaria queria quero poderia pode manha tarde noite semana fim final meio loja empresa nao feira esse este \
         nesse neste proximo proxima estabelecimento lugar local costuma costumam normalmente seu sua seus tabela quadro grade ficam \
         partir desde depois antes segunda terca quarta quinta sexta sabado domingo feriado feriados segundas tercas quartas quintas \
         sextas sabados domingos almoco durante oi ola oie bom boa tudo bem obrigado obrigada valeu favor mesmo tambem direto para \
         cedo tarde mas so todo todos toda util uteis gente pessoal e essa isso ele ela isso atual certo qualquer dar chegar ir da \
         passar aparecer ter posso consigo",
    )
});
/// Words that a heading of the business's own hours has.
static GENERAL: LazyLock<Words> = LazyLock::new(|| {
    set(
        "horario horarios funcionamento atendimento atendemos expediente loja clinica balcao recepcao secretaria escritorio geral \
         aberto abrimos abre funciona funcionamos atende nosso nossa nossos quando dias hora horas onde fica endereco contato \
         localizacao unidade matriz restaurante salao cozinha estudio studio escola oficina informacoes empresa consultorio padaria \
         academia hotel pousada ficamos a o de do da e em que voces voce qual sao estamos estao dia",
    )
});
/// Words of a wish.
const WANTING: &[&str] = &["quero", "queria", "gostaria", "preciso", "precisava"];
/// Words that make it another question.
static OTHER: LazyLock<Words> = LazyLock::new(|| {
    set(
        "quanto quantos quantas custa custam preco precos valor valores dura duram demora prazo marcar agendar marco agendo remarcar \
         reservar reserva vaga vagas encaixe parcela desconto promocao",
    )
});

/// A line of a timetable.
struct Entry<'a> {
    sentence: &'a Sentence,
    piece: usize,
    /// Lines of one thing: of one heading, with the same words before their first day.
    block: (DocumentId, Option<&'a str>, Vec<String>),
    /// Stems of what it is of: its heading, its question, what stands before its first day.
    of: Vec<String>,
    days: BTreeSet<i8>,
    dates: Vec<(i8, i8)>,
}

/// What a question asks of a timetable.
struct Asked {
    /// Stems of the thing, which may be missing.
    of: Vec<String>,
    /// Stems of words that may name it, or part of the business: "na loja", "retirar".
    perhaps: Vec<String>,
    days: BTreeSet<i8>,
    dates: Vec<(i8, i8)>,
    /// The day that is called today or tomorrow.
    relative: Option<(&'static str, i8)>,
    lunch: bool,
    /// It may be of what was named before, as "que horas?" is; or it must be, as "ela atende sábado?".
    of_before: bool,
    pronoun: bool,
}

/// Whether a text asks when the business is open, and of nothing else.
pub fn asks_when_open(text: &str) -> bool {
    // Whatever today is: "amanhã" names a day.
    Asked::read(text, Some(Date::ZERO)).is_some_and(|asked| asked.of.is_empty() && !asked.of_before)
}

impl Index {
    /// The lines that say when what a text names is open, on the days that it names; `None` where it asks for no hours, or
    /// the documents do not say. `before`: what was asked before it, on which it may lean.
    pub(crate) fn opening(
        &self,
        text: &str,
        before: Option<&str>,
        today: Option<Date>,
    ) -> Option<FromFacts> {
        let mut asked = Asked::read(text, today)
            .or_else(|| Asked::read(before?, today)?.with_days_of(text, today))?;
        let entries = self.entries(today);
        if asked.of_before {
            // "Que dia ela atende?" is of what was named before, where that has hours of its own.
            let topic = before.map(stems).unwrap_or_default();
            let named = |entry: &Entry<'_>, one: &String| {
                let line = stems(&entry.sentence.line_text);
                entry.of.iter().chain(&line).any(|own| same(own, one))
            };
            asked.of = topic
                .into_iter()
                .filter(|one| one.len() > 2 && !GENERAL_STEMS.contains(one))
                .filter(|one| !AROUND.contains(one.as_str()) && !OPENING.contains(one.as_str()))
                .filter(|one| entries.iter().any(|entry| named(entry, one)))
                .collect();
            // Of several words that are known, not all must stand in one line.
            if asked.pronoun && asked.of.is_empty() {
                return None;
            }
            if !entries.iter().any(|entry| asked.of.iter().all(|one| named(entry, one))) {
                asked.of.truncate(1);
            }
        }
        let named: Vec<&Entry<'_>> = entries
            .iter()
            .filter(|entry| {
                let line = stems(&entry.sentence.line_text);
                let has = |one: &String| entry.of.iter().chain(&line).any(|own| same(own, one));
                asked.of.iter().all(has)
            })
            .collect();
        let chosen = block(named, &asked);
        if chosen.is_empty() {
            return None;
        }
        if !asked.dates.is_empty() {
            let on = |entry: &&Entry<'_>| entry.dates.iter().any(|date| asked.dates.contains(date));
            let told: Vec<&Entry<'_>> = chosen.iter().copied().filter(on).collect();
            return (!told.is_empty()).then(|| shown("", &told));
        }
        if asked.lunch {
            let told: Vec<&Entry<'_>> = chosen
                .iter()
                .filter(|entry| BREAK.is_match(&fold(&entry.sentence.line_text)))
                .filter(|entry| asked.days.is_empty() || !asked.days.is_disjoint(&entry.days))
                .copied()
                .collect();
            if told.is_empty() && asked.days.is_empty() {
                return None;
            }
            if !told.is_empty() {
                return Some(shown("", &told));
            }
        }
        if asked.days.is_empty() {
            // Hours without the days that are exceptions would not be all of them.
            return Some(shown("", &chosen));
        }
        let on: Vec<&Entry<'_>> =
            chosen.iter().filter(|entry| !asked.days.is_disjoint(&entry.days)).copied().collect();
        let opening = match asked.relative {
            Some((word, day)) => format!("{word} é {}: ", name(day)),
            None => String::new(),
        };
        if !on.is_empty() {
            return Some(shown(&opening, &on));
        }
        // Hours that name most other days say that on this one there are none.
        let named: BTreeSet<i8> = chosen.iter().flat_map(|entry| entry.days.clone()).collect();
        let day = *asked.days.first()?;
        if named.len() < 5 || day == HOLIDAY || asked.days.len() > 1 {
            return None;
        }
        let article = if day >= 6 { "No" } else { "Na" };
        Some(shown(&format!("{article} {} não há atendimento. ", name(day)), &chosen))
    }

    fn entries(&self, today: Option<Date>) -> Vec<Entry<'_>> {
        let mut seen: Vec<&Arc<str>> = Vec::new();
        let mut out = Vec::new();
        for (number, piece) in self.pieces.iter().enumerate() {
            let chunk = &self.chunks[number];
            for sentence in piece.sentences.iter().map(|id| &self.sentences[*id as usize]) {
                let ended = sentence.ends.zip(today).is_some_and(|(end, today)| end < today);
                let line = &sentence.line_text;
                let known = sentence.heading || seen.contains(&line);
                if known || sentence.outdated || ended || line.chars().count() > LONGEST {
                    continue;
                }
                let folded = fold(line);
                let (days, dates) = (days(&folded), dates(&folded));
                let timed = CLOCK.is_match(&folded) || CLOSED.is_match(&folded);
                if (days.is_empty() && dates.is_empty()) || !timed {
                    continue;
                }
                seen.push(line);
                let first = BEGINS.find(&folded).map_or(folded.len(), |found| found.start());
                let lead: Vec<String> = stems(&folded[..first])
                    .into_iter()
                    .filter(|one| !GENERAL_STEMS.contains(one))
                    .collect();
                let heading = sentence.heading_text.as_deref().or(chunk.question.as_deref());
                let mut of = stems(&folded[..first]);
                of.extend(stems(heading.unwrap_or_default()));
                let block = (chunk.document, heading, lead);
                out.push(Entry { sentence, piece: number, block, of, days, dates });
            }
        }
        out
    }
}

/// The lines of one thing among these: what the question names, or else the business as a whole, whose hours are under the
/// plainest heading and name most days.
fn block<'a>(entries: Vec<&'a Entry<'a>>, asked: &Asked) -> Vec<&'a Entry<'a>> {
    let score = |one: &Entry<'_>| {
        let days: BTreeSet<i8> = entries
            .iter()
            .filter(|entry| entry.block == one.block)
            .flat_map(|entry| entry.days.iter().copied())
            .collect();
        let count = |stems: &[String]| {
            let named = stems.iter().filter(|stem| one.of.iter().any(|own| same(own, stem)));
            named.count()
        };
        let plain = one.of.iter().filter(|stem| GENERAL_STEMS.contains(*stem)).count();
        let plain = if one.of.is_empty() { 2 } else { 4 * plain / one.of.len() };
        10 * count(&asked.of) + 6 * count(&asked.perhaps) + plain + days.len()
    };
    let mut best: Option<(usize, &Entry<'_>)> = None;
    for entry in &entries {
        let score = score(entry);
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, entry));
        }
    }
    let Some((_, best)) = best else { return Vec::new() };
    let same = |entry: &&'a Entry<'a>| entry.block == best.block;
    entries.iter().copied().filter(same).collect()
}

/// Whether two stems are of one word: "nutri" and "nutricionist".
fn same(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    a == b || (short.len() >= 5 && long.starts_with(short))
}

fn shown(opening: &str, entries: &[&Entry<'_>]) -> FromFacts {
    let mut lines: Vec<&str> = Vec::new();
    let mut pieces = Vec::new();
    for entry in entries.iter().take(LINES) {
        lines.push(entry.sentence.line_text.trim());
        if !pieces.contains(&entry.piece) {
            pieces.push(entry.piece);
        }
    }
    FromFacts { reply: format!("{opening}{}", lines.join("\n")), pieces }
}

impl Asked {
    fn read(text: &str, today: Option<Date>) -> Option<Self> {
        let plain = Plain::of(text);
        let said: Vec<&str> = plain.words().collect();
        let has = |list: &Words| said.iter().any(|word| list.contains(word));
        if has(&OTHER) {
            return None;
        }
        let line = said.join(" ");
        let (days, relative) = days_asked(&line, today);
        let lunch = line.contains("almoco");
        let of_hours = said.windows(2).any(|two| {
            matches!(two[0], "que" | "quais" | "qual" | "ate")
                && matches!(two[1], "hora" | "horas" | "dia" | "dias" | "horario" | "horarios")
        });
        let hour = CLOCK.is_match(&line);
        let timed = of_hours || hour || !days.is_empty() || lunch || !dates(text).is_empty();
        if !(has(&OPENING) || has(&SERVING) && timed || of_hours) {
            return None;
        }
        // "Ele trabalha segunda?" is of somebody who was named before.
        let pronoun =
            !has(&OPENING) && said.iter().any(|word| matches!(*word, "ele" | "ela" | "eles"));
        // "Que dia é hoje?" asks the calendar.
        if relative.is_some() && !has(&OPENING) && !has(&SERVING) {
            return None;
        }
        // "Quero passar aí" is a wish; "dá pra passar aí?" asks whether somebody is there.
        if !has(&OPENING) && said.iter().any(|word| WANTING.contains(word)) {
            return None;
        }
        let named = said
            .iter()
            .filter(|word| !AROUND.contains(*word) && !OPENING.contains(*word))
            .filter(|word| !SERVING.contains(*word) || **word == "entrega" || **word == "entregam")
            .filter(|word| !word.bytes().all(|b| b.is_ascii_digit() || b == b'h'))
            .map(|word| stem(word));
        let mut of: Vec<String> = named.filter(|one| !GENERAL_STEMS.contains(one)).collect();
        of.sort_unstable();
        of.dedup();
        let perhaps = said
            .iter()
            .filter(|word| SERVING.contains(*word) || GENERAL.contains(*word))
            .filter(|word| !AROUND.contains(*word) && !OPENING.contains(*word))
            .map(|word| stem(word))
            .collect();
        let bare = !has(&OPENING) && !has(&SERVING) && days.is_empty();
        let of_before = of.is_empty() && (pronoun || bare);
        let dates = dates(text);
        Some(Self { of, perhaps, days, dates, relative, lunch, of_before, pronoun })
    }

    /// The same question of other days: "e no sábado?"; `None` where a text names none, or anything else.
    fn with_days_of(mut self, text: &str, today: Option<Date>) -> Option<Self> {
        let plain = Plain::of(text);
        let line: Vec<&str> = plain.words().collect();
        if !line.iter().all(|word| AROUND.contains(word)) {
            return None;
        }
        let (days, relative) = days_asked(&line.join(" "), today);
        let lunch = line.contains(&"almoco");
        if days.is_empty() && !lunch {
            return None;
        }
        (self.days, self.dates, self.relative, self.lunch) = (days, Vec::new(), relative, lunch);
        Some(self)
    }
}

static GENERAL_STEMS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| GENERAL.iter().map(|word| stem(word)).collect());

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

/// The days of the year that a text names, as day and month; all of a span.
fn dates(text: &str) -> Vec<(i8, i8)> {
    const MONTHS: [&str; 12] =
        ["jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"];
    let folded = fold(text);
    let mut out: Vec<(i8, i8)> = Vec::new();
    let mut last_end = None;
    for found in DATE.captures_iter(&folded) {
        let whole = found.get(0).map_or(0..0, |all| all.range());
        let day = found["day"].parse().unwrap_or(0);
        let month = match (found.name("month"), found.name("name")) {
            (Some(month), _) => month.as_str().parse().unwrap_or(0),
            (_, Some(name)) => {
                let at = MONTHS.iter().position(|month| *month == name.as_str());
                at.and_then(|at| i8::try_from(at + 1).ok()).unwrap_or(0)
            }
            _ => 0,
        };
        let Ok(date) = Date::new(LEAP_YEAR, month, day) else { continue };
        let between = last_end.map(|end: usize| folded[end..whole.start].to_owned());
        let joint = between.is_some_and(|text| SPANS.is_match(&text));
        if let Some((day, month)) = out.last().copied().filter(|_| joint) {
            let mut next = Date::new(LEAP_YEAR, month, day).unwrap_or(date);
            for _ in 0..LONGEST_SPAN {
                next = next.tomorrow().unwrap_or(date);
                if (next.day(), next.month()) == (date.day(), date.month()) {
                    break;
                }
                out.push((next.day(), next.month()));
            }
        }
        out.push((day, month));
        last_end = Some(whole.end);
    }
    out
}

/// The days that a question names, and the one that it calls today or tomorrow.
fn days_asked(line: &str, today: Option<Date>) -> (BTreeSet<i8>, Option<(&'static str, i8)>) {
    let mut days = days(line);
    if line.contains("durante a semana") || line.contains("dia de semana") {
        days.extend(1..=5);
    }
    let has = |word: &str| line.split(' ').any(|one| one == word);
    let day = |date: Date| date.weekday().to_monday_one_offset();
    let relative = today.and_then(|today| {
        if has("hoje") || has("agora") {
            Some(("Hoje", day(today)))
        } else if has("amanha") {
            Some(("Amanhã", day(today.tomorrow().ok()?)))
        } else {
            None
        }
    });
    // "Segunda de manhã" names its day itself.
    let relative = relative.filter(|_| days.is_empty());
    days.extend(relative.map(|(_, day)| day));
    (days, relative)
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
        index.opening(text, before, Some(date(2026, 3, 5))).map(|told| told.reply)
    }

    #[test]
    fn hours_are_told_of_what_and_when_they_are_asked() {
        for (text, told) in [
            ("abre sábado?", "Sábado das 9h às 13h, sem intervalo"),
            ("tao abertos hj?", "Hoje é quinta-feira: Segunda a sexta, das 8h às 12h"),
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
