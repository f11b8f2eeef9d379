//! Opening hours that the owner confirmed, said to whoever asks when the business is open.

use std::collections::BTreeSet;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use kernel::Moment;
use kernel::text::fold_words;
use tenancy::OpeningHours;

/// Words that ask for hours by themselves.
const OPENING: &str = "horario horarios abre abrem abrir aberto abertos aberta abertas abertura fecha \
    fecham fechar fechado fechados fechada funciona funcionam funcionar funcionando funcionamento \
    expediente open opening opens close closes closing closed hours";
/// Words that ask for hours when a day or an hour is named with them.
const SERVING: &str = "atende atendem atendendo atendimento trabalha trabalham";
/// Words that such a question is made of beside these; any other word makes it another question.
const AROUND: &str = "que qual quais quando hora horas e o a os as um de do da dos das no na nos nas em ao \
    aos ate entre para pra por com voce voces vc vcs vao vai estao esta ta tao sao eh se dia dias ai hj \
    hoje amanha agora ainda ja aqui me diz dizer fala informar informa saber gostaria queria quero poderia \
    pode favor por oi ola bom boa tarde noite manha semana fim final meio loja clinica empresa \
    estabelecimento lugar local consultorio escritorio restaurante salao costuma costumam normalmente \
    seu sua seus what time is are you your the do does on at when until today tomorrow now from to i \
    please business shop store day days which";
const DAYS: [(&str, Weekday); 19] = [
    ("segunda", Weekday::Monday),
    ("segundas", Weekday::Monday),
    ("terca", Weekday::Tuesday),
    ("tercas", Weekday::Tuesday),
    ("quarta", Weekday::Wednesday),
    ("quartas", Weekday::Wednesday),
    ("quinta", Weekday::Thursday),
    ("quintas", Weekday::Thursday),
    ("sexta", Weekday::Friday),
    ("sextas", Weekday::Friday),
    ("sabado", Weekday::Saturday),
    ("sabados", Weekday::Saturday),
    ("domingo", Weekday::Sunday),
    ("domingos", Weekday::Sunday),
    ("monday", Weekday::Monday),
    ("wednesday", Weekday::Wednesday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// What is asked of the hours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Of all of the week.
    Week,
    Days(BTreeSet<i64>),
    /// Whether it is open at this moment.
    Now,
}

fn any(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// Whether a question is of the opening hours and of nothing else; `names` are the business's own.
pub(crate) fn asked(text: &str, names: &str, now: Moment, zone: &str) -> Option<Asked> {
    let folded = fold_words(&text.replace("-feira", " "));
    let names = fold_words(names);
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let day = |word: &str| DAYS.iter().find(|(name, _)| *name == word).map(|(_, day)| *day);
    let known = |word: &&str| {
        any(OPENING, word)
            || any(SERVING, word)
            || any(AROUND, word)
            || any(&names, word)
            || day(word).is_some()
            || word.bytes().all(|b| b.is_ascii_digit() || b == b'h')
    };
    if words.is_empty() || !words.iter().all(known) {
        return None;
    }
    let at = now.timestamp().to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC));
    let today = i64::from(at.weekday().to_monday_one_offset());
    let mut days: BTreeSet<i64> = words
        .iter()
        .filter_map(|word| day(word))
        .map(|day| i64::from(day.to_monday_one_offset()))
        .collect();
    if words.iter().any(|word| any("hoje hj today", word)) {
        days.insert(today);
    }
    if words.iter().any(|word| any("amanha tomorrow", word)) && !folded.contains("da amanha") {
        days.insert(today % 7 + 1);
    }
    let current = words.iter().any(|word| any("agora now ainda", word));
    let named = !days.is_empty() || current || words.iter().any(|w| any("hora horas", w));
    let opening = words.iter().any(|word| any(OPENING, word));
    let serving = words.iter().any(|word| any(SERVING, word));
    if !(opening || serving && named) {
        return None;
    }
    let open = words.iter().any(|w| any("aberto abertos aberta abertas open funcionando", w));
    Some(match () {
        () if current || (open && days.is_empty() && words.len() <= 4) => Asked::Now,
        () if !days.is_empty() => Asked::Days(days),
        () => Asked::Week,
    })
}

/// The hours as they are said; `None` when none are kept.
pub(crate) struct Told<'a> {
    pub(crate) hours: &'a [OpeningHours],
    pub(crate) english: bool,
    pub(crate) zone: &'a str,
    pub(crate) now: Moment,
}

impl Told<'_> {
    fn t<'t>(&self, pt: &'t str, en: &'t str) -> &'t str {
        if self.english { en } else { pt }
    }

    fn day(&self, weekday: i64) -> &'static str {
        const PT: [&str; 7] =
            ["segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"];
        const EN: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let names = if self.english { EN } else { PT };
        usize::try_from(weekday - 1).ok().and_then(|d| names.get(d)).copied().unwrap_or_default()
    }

    fn time(&self, minute: i64) -> String {
        let (hour, rest) = (minute / 60, minute % 60);
        match (self.english, rest) {
            (true, _) => format!("{hour}:{rest:02}"),
            (false, 0) => format!("{hour}h"),
            (false, _) => format!("{hour}h{rest:02}"),
        }
    }

    fn spans(&self, weekday: i64) -> Vec<OpeningHours> {
        let mut spans: Vec<OpeningHours> =
            self.hours.iter().filter(|span| span.weekday == weekday).copied().collect();
        spans.sort_by_key(|span| span.opens_minute);
        spans
    }

    /// `das 8h às 12h e das 13h30 às 18h`, or that it is closed.
    fn of(&self, weekday: i64) -> String {
        let spans: Vec<String> = self
            .spans(weekday)
            .iter()
            .map(|span| {
                let (from, to) = (self.time(span.opens_minute), self.time(span.closes_minute));
                format!("{} {from} {} {to}", self.t("das", "from"), self.t("às", "to"))
            })
            .collect();
        if spans.is_empty() {
            return self.t("fechado", "closed").to_owned();
        }
        spans.join(self.t(" e ", " and "))
    }

    /// A line for each run of days that are alike.
    pub(crate) fn week(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut from = 1;
        while from <= 7 {
            let said = self.of(from);
            let mut to = from;
            while to < 7 && self.of(to + 1) == said {
                to += 1;
            }
            let days = match to - from {
                0 => self.day(from).to_owned(),
                1 => format!("{} {} {}", self.day(from), self.t("e", "and"), self.day(to)),
                _ => format!("{} {} {}", self.day(from), self.t("a", "to"), self.day(to)),
            };
            let mut letters = days.chars();
            let capital = letters.next().map(|c| c.to_uppercase().collect::<String>());
            lines.push(format!("{}{}: {said}.", capital.unwrap_or_default(), letters.as_str()));
            from = to + 1;
        }
        lines.join("\n")
    }

    fn days(&self, days: &BTreeSet<i64>) -> String {
        let lines = days.iter().map(|day| {
            let (name, said) = (self.day(*day), self.of(*day));
            if self.spans(*day).is_empty() {
                return match (self.english, day) {
                    (true, _) => format!("On {name} we are closed."),
                    (false, 6 | 7) => format!("No {name} não abrimos."),
                    (false, _) => format!("Na {name} não abrimos."),
                };
            }
            match (self.english, day) {
                (true, _) => format!("On {name} we are open {said}."),
                (false, 6 | 7) => format!("No {name} abrimos {said}."),
                (false, _) => format!("Na {name} abrimos {said}."),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn at_this_moment(&self) -> String {
        let zone = TimeZone::get(self.zone).unwrap_or(TimeZone::UTC);
        let at = self.now.timestamp().to_zoned(zone);
        let today = i64::from(at.weekday().to_monday_one_offset());
        let minute = i64::from(at.hour()) * 60 + i64::from(at.minute());
        let spans = self.spans(today);
        if let Some(span) =
            spans.iter().find(|s| (s.opens_minute..s.closes_minute).contains(&minute))
        {
            let until = self.time(span.closes_minute);
            return if self.english {
                format!("Yes, we are open now, until {until}.")
            } else {
                format!("Sim, estamos abertos agora, até as {until}.")
            };
        }
        let later = spans.iter().find(|span| span.opens_minute > minute).map(|span| (0, *span));
        let next = later.or_else(|| {
            (1..=7).find_map(|ahead| {
                let day = (today - 1 + ahead) % 7 + 1;
                self.spans(day).first().map(|span| (ahead, *span))
            })
        });
        let closed = self.t("Agora estamos fechados.", "We are closed now.");
        let Some((ahead, span)) = next else { return closed.to_owned() };
        let day = match ahead {
            0 => self.t("hoje", "today"),
            1 => self.t("amanhã", "tomorrow"),
            _ => self.day(span.weekday),
        };
        let opens = self.time(span.opens_minute);
        if self.english {
            format!("{closed} We open {day} at {opens}.")
        } else {
            format!("{closed} Abrimos {day} às {opens}.")
        }
    }

    pub(crate) fn answer(&self, asked: &Asked) -> String {
        match asked {
            Asked::Week => self.week(),
            Asked::Days(days) => self.days(days),
            Asked::Now => self.at_this_moment(),
        }
    }
}

/// Whether a text says when something is open: an hour, a span, or that it is shut.
pub(crate) fn says_hours(text: &str) -> bool {
    let folded = kernel::text::fold(text);
    let hour = folded.match_indices(|c: char| c.is_ascii_digit()).any(|(at, _)| {
        let rest = folded[at..].trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let after_h = rest.strip_prefix('h').map(|r| r.chars().next());
        after_h.is_some_and(|c| c.is_none_or(|c| !c.is_alphabetic()))
            || rest.starts_with("horas")
            || rest.starts_with(':')
            || rest.starts_with("am")
            || rest.starts_with("pm")
    });
    hour || ["abrimos", "fechamos", "fechad", "abert", "nao abre", "24h", "we open", "closed"]
        .iter()
        .any(|word| folded.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 13:00 in São Paulo, a Tuesday.
    const NOW: Moment = Moment(1_795_536_000_000_000);
    const ZONE: &str = "America/Sao_Paulo";

    fn of(text: &str) -> Option<Asked> {
        asked(text, "Clínica Sorriso", NOW, ZONE)
    }

    fn days<const N: usize>(days: [i64; N]) -> Option<Asked> {
        Some(Asked::Days(BTreeSet::from(days)))
    }

    #[test]
    fn questions_of_the_hours_alone_are_told_from_others() {
        for text in [
            "qual o horário?",
            "Que horas vocês abrem?",
            "qual o horário de funcionamento da clínica?",
            "vocês fecham que horas?",
            "que dia vocês abrem",
            "what time do you open?",
            "até que horas atendem?",
        ] {
            assert_eq!(of(text), Some(Asked::Week), "{text}");
        }
        assert_eq!(of("vocês abrem no sábado?"), days([6]));
        assert_eq!(of("atendem domingo?"), days([7]));
        assert_eq!(of("vcs abrem hoje?"), days([2]));
        assert_eq!(of("abre amanhã?"), days([3]));
        assert_eq!(of("estão abertos agora?"), Some(Asked::Now));
        assert_eq!(of("tá aberto?"), Some(Asked::Now));
        for text in [
            "qual o horário da entrega?",
            "vocês atendem convênio?",
            "abrem no feriado?",
            "quanto custa a limpeza?",
            "tem clareamento?",
            // Of a free place for an appointment, not of the business's day.
            "tem horário amanhã?",
            "vocês atendem criança no sábado?",
            "a consulta dura quantas horas?",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn hours_are_said_by_runs_of_days() {
        let span = |weekday, opens_minute, closes_minute| OpeningHours {
            weekday,
            opens_minute,
            closes_minute,
        };
        let mut hours: Vec<OpeningHours> = Vec::new();
        for day in 1..=5 {
            hours.push(span(day, 8 * 60, 12 * 60));
            hours.push(span(day, 13 * 60 + 30, 18 * 60));
        }
        hours.push(span(6, 9 * 60, 13 * 60));
        let told = Told { hours: &hours, english: false, zone: ZONE, now: NOW };
        assert_eq!(
            told.week(),
            "Segunda a sexta: das 8h às 12h e das 13h30 às 18h.\nSábado: das 9h às 13h.\nDomingo: fechado."
        );
        assert_eq!(
            told.days(&BTreeSet::from([6, 7])),
            "No sábado abrimos das 9h às 13h.\nNo domingo não abrimos."
        );
        // Thirteen o'clock, between the two spans.
        assert_eq!(told.at_this_moment(), "Agora estamos fechados. Abrimos hoje às 13h30.");
        let english = Told { english: true, ..told };
        assert!(english.week().starts_with("Monday to Friday: from 8:00 to 12:00 and from 13:30"));
    }

    #[test]
    fn a_text_says_hours_or_not() {
        assert!(says_hours("De segunda a sexta, das 8h às 19h."));
        assert!(says_hours("Não abrimos aos domingos."));
        assert!(says_hours("De 9:00 a 18:00"));
        assert!(!says_hours("Atendemos Amil, Bradesco e SulAmérica."));
        assert!(!says_hours("Sim, a partir dos 2 anos, com a Dra. Renata, às terças e quintas."));
    }
}
