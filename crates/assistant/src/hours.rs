//! Opening hours that the owner confirmed, said to whoever asks when the business is open.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use kernel::Moment;
use kernel::text::has_phrase;
use tenancy::{OpeningHours, day_spans};
use understanding::Plain;

/// Words that ask for hours by themselves.
const OPENING: &str = "horario horarios abre abrem aberto abertos aberta abertas abertura fecha fecham fechado \
    fechados fechada funciona funcionam funcionando funcionamento expediente open opening opens closes \
    closing closed hours";
/// Words that ask for hours when a day or an hour is named with them.
const SERVING: &str = "atende atendem atendendo serve servem servindo atendimento trabalha trabalham abrir abrirao fechar funcionar \
    close";
/// Words that such a question is made of beside these; any other word makes it another question.
const AROUND: &str = "que qual quais quando hora horas e o a os as um de do da dos das no na nos nas em ao \
    aos ate entre para pra por com voce voces vc vcs vao vai estao esta ta tao sao eh se dia dias ai hj \
    hoje amanha agora ainda ja aqui me diz dizer fala informar informa saber gostaria queria quero poderia \
    pode manha semana fim final meio loja clinica empresa nao feira esse este nesse neste proximo proxima \
    estabelecimento lugar local consultorio escritorio restaurante salao costuma costumam normalmente \
    seu sua seus tabela quadro grade fica ficam what time is are you your the do does on at when until today tomorrow now from to i \
    business shop store day days which by this we";
/// Words of politeness around it.
const POLITE: &str = "oi ola oie bom boa tarde noite tudo bem obrigado obrigada valeu favor pfv tchau ok hi \
    hello hey good morning afternoon evening please thanks thank";
/// Words of somebody who wants a place in the hours, or a deal, and not to know of them.
const WANTING: &str = "quero queria gostaria preciso";
const DAYS: &[(&str, i64)] = &[
    ("segunda", 1),
    ("segundas", 1),
    ("terca", 2),
    ("tercas", 2),
    ("quarta", 3),
    ("quartas", 3),
    ("quinta", 4),
    ("quintas", 4),
    ("sexta", 5),
    ("sextas", 5),
    ("sabado", 6),
    ("sabados", 6),
    ("domingo", 7),
    ("domingos", 7),
    ("monday", 1),
    ("mondays", 1),
    ("tuesday", 2),
    ("tuesdays", 2),
    ("wednesday", 3),
    ("wednesdays", 3),
    ("thursday", 4),
    ("thursdays", 4),
    ("friday", 5),
    ("fridays", 5),
    ("saturday", 6),
    ("saturdays", 6),
    ("sunday", 7),
    ("sundays", 7),
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

fn day_of(word: &str) -> Option<i64> {
    DAYS.iter().find(|(name, _)| *name == word).map(|(_, day)| *day)
}

fn around(word: &str) -> bool {
    any(AROUND, word)
        || any(POLITE, word)
        || day_of(word).is_some()
        || word.bytes().all(|b| b.is_ascii_digit() || b == b'h')
}

/// The days that a text names: `de segunda a sexta` names those between, too.
fn days_named(words: &[&str], now: Moment, zone: &str) -> BTreeSet<i64> {
    let at = now.timestamp().to_zoned(TimeZone::get(zone).unwrap_or(TimeZone::UTC));
    let today = i64::from(at.weekday().to_monday_one_offset());
    let mut days = BTreeSet::new();
    let mut from: Option<i64> = None;
    for (place, word) in words.iter().enumerate() {
        if let Some(day) = day_of(word) {
            let between = place > 1 && any("a ate to until through", words[place - 1]);
            if let Some(first) = from.filter(|_| between) {
                let mut next = first;
                while next != day {
                    next = next % 7 + 1;
                    days.insert(next);
                }
            }
            days.insert(day);
            from = Some(day);
        } else if any("hoje hj today", word) {
            days.insert(today);
        } else if any("amanha tomorrow", word) {
            days.insert(today % 7 + 1);
        } else if !any("a ate to until through feira", word) {
            from = None;
        }
    }
    days
}

fn words(folded: &str) -> Vec<&str> {
    folded.split(' ').filter(|word| !word.is_empty()).collect()
}

/// Whether a question is of the opening hours and of nothing else; `name` is the business's.
pub(crate) fn asked(text: &str, name: &str, now: Moment, zone: &str) -> Option<Asked> {
    let folded = Plain::of(text).line.trim().to_owned();
    // Only the whole name says nothing: one word of it may be what is asked for.
    let name = Plain::of(name).line.trim().to_owned();
    let folded = if !name.is_empty() && has_phrase(&folded, &name) {
        folded.replace(&name, " ")
    } else {
        folded
    };
    let words = words(&folded);
    let has = |list: &str| words.iter().any(|word| any(list, word));
    let known = |word: &&str| around(word) || any(OPENING, word) || any(SERVING, word);
    if words.is_empty() || !words.iter().all(known) {
        return None;
    }
    // "Quero um horário" wants an appointment, "fechado!" closes a deal.
    if (has(WANTING) && !has("saber funcionamento expediente"))
        || words.windows(2).any(|two| two == ["um", "horario"])
        || (has("fechado fechados") && words.len() <= 2 && !has("esta estao ta hoje agora"))
    {
        return None;
    }
    let days = days_named(&words, now, zone);
    let opening = has(OPENING);
    if !(opening || has(SERVING) && (!days.is_empty() || has("agora now hora horas"))) {
        return None;
    }
    let open = has(
        "aberto abertos aberta abertas open funcionando servindo atendendo fechado fechados fechada closed",
    );
    let of_time = has("que qual quais horario horarios hora horas dia dias when what which hours");
    Some(match () {
        () if !days.is_empty() && !has("agora now") => Asked::Days(days),
        () if has("agora now") || (open && !of_time && words.len() <= 5) => Asked::Now,
        () => Asked::Week,
    })
}

/// The days that a question of the hours names, or the week.
pub(crate) fn days_or_week(text: &str, now: Moment, zone: &str) -> Asked {
    let plain = Plain::of(text);
    let days = days_named(&plain.words().collect::<Vec<_>>(), now, zone);
    if days.is_empty() { Asked::Week } else { Asked::Days(days) }
}

/// Whether a text names days and nothing else, as a follow-up of a question of the hours does.
pub(crate) fn days_alone(text: &str, now: Moment, zone: &str) -> Option<Asked> {
    let folded = Plain::of(text).line.trim().to_owned();
    let words = words(&folded);
    if words.is_empty() || words.len() > 6 || !words.iter().all(|word| around(word)) {
        return None;
    }
    Some(days_named(&words, now, zone)).filter(|days| !days.is_empty()).map(Asked::Days)
}

/// The hours as they are said; `None` when none are kept.
#[derive(Clone, Copy)]
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
        let minute = if minute > 1440 { minute - 1440 } else { minute };
        let (hour, rest) = (minute / 60, minute % 60);
        match (self.english, hour, rest) {
            (true, 24, _) => "midnight".to_owned(),
            (true, _, _) => format!("{hour}:{rest:02}"),
            (false, 24, _) => "meia-noite".to_owned(),
            (false, _, 0) => format!("{hour}h"),
            (false, _, _) => format!("{hour}h{rest:02}"),
        }
    }

    /// `às 12h`, `à meia-noite`.
    fn until(&self, minute: i64) -> String {
        let joint = if self.english {
            "to"
        } else if minute == 1440 {
            "à"
        } else {
            "às"
        };
        format!("{joint} {}", self.time(minute))
    }

    /// `das 8h às 12h e das 13h30 às 18h`, or that it is closed.
    fn of(&self, weekday: i64) -> String {
        let spans = day_spans(self.hours, weekday);
        if spans.is_empty() {
            return self.t("fechado", "closed").to_owned();
        }
        if spans == [(0, 1440)] {
            return self.t("24 horas", "24 hours").to_owned();
        }
        let said: Vec<String> = spans
            .iter()
            .map(|(from, to)| {
                format!("{} {} {}", self.t("das", "from"), self.time(*from), self.until(*to))
            })
            .collect();
        said.join(self.t(" e ", " and "))
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
            if day_spans(self.hours, *day).is_empty() {
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
        let today_spans = day_spans(self.hours, today);
        // The night that began yesterday counts from yesterday's midnight.
        let yesterday = day_spans(self.hours, (today + 5) % 7 + 1);
        let running = today_spans
            .iter()
            .find(|(opens, closes)| (*opens..*closes).contains(&minute))
            .or_else(|| yesterday.iter().find(|(_, closes)| *closes > 1440 + minute));
        if let Some((opens, closes)) = running {
            if (*opens, *closes) == (0, 1440) {
                return self
                    .t("Sim, estamos abertos agora, 24 horas.", "Yes, we are open now, 24 hours.")
                    .to_owned();
            }
            let until = self.time(*closes);
            return match (self.english, *closes) {
                (true, _) => format!("Yes, we are open now, until {until}."),
                (false, 1440) => format!("Sim, estamos abertos agora, até a {until}."),
                (false, _) => format!("Sim, estamos abertos agora, até as {until}."),
            };
        }
        let later =
            today_spans.iter().find(|(opens, _)| *opens > minute).map(|span| (0, today, *span));
        let next = later.or_else(|| {
            (1..=7).find_map(|ahead| {
                let day = (today - 1 + ahead) % 7 + 1;
                day_spans(self.hours, day).first().map(|span| (ahead, day, *span))
            })
        });
        let closed = self.t("Agora estamos fechados.", "We are closed now.");
        let Some((ahead, weekday, (opens, _))) = next else { return closed.to_owned() };
        let day = match ahead {
            0 => self.t("hoje", "today"),
            1 => self.t("amanhã", "tomorrow"),
            _ => self.day(weekday),
        };
        let opens = self.time(opens);
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
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).collect();
    let number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let span = words.windows(4).any(|w| {
        w[0] == "das" && number(w[1]) && matches!(w[2], "as" | "a" | "ate") && number(w[3])
    });
    let day = words.iter().any(|word| day_of(word).is_some());
    let serves = ["atend", "funcion", "abr", "fech", "abert", "open", "close"];
    let verb = words.iter().any(|word| serves.iter().any(|stem| word.starts_with(stem)));
    hour || span
        || (day && verb)
        || [
            "abrimos",
            "fechamos",
            "fechad",
            "abert",
            "nao abre",
            "24h",
            "24 hours",
            "we open",
            "we are open",
            "closed",
        ]
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
            "Oi, tudo bem? que horas abrem",
            "gostaria de saber o horário de funcionamento",
            "Que dias estão abertos?",
            "Obrigado, que horas fecham?",
        ] {
            assert_eq!(of(text), Some(Asked::Week), "{text}");
        }
        assert_eq!(of("vocês abrem no sábado?"), days([6]));
        assert_eq!(of("atendem domingo?"), days([7]));
        assert_eq!(of("vcs abrem hoje?"), days([2]));
        assert_eq!(of("abre amanhã?"), days([3]));
        assert_eq!(of("oi tudo bem vcs abrem hoje?"), days([2]));
        assert_eq!(of("vocês ainda abrem aos sábados?"), days([6]));
        assert_eq!(of("abrem de segunda a sábado?"), days([1, 2, 3, 4, 5, 6]));
        assert_eq!(of("abrem Segunda-Feira?"), days([1]));
        assert_eq!(of("are you open on Tuesdays?"), days([2]));
        assert_eq!(of("não abrem domingo?"), days([7]));
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
            "quero um horário",
            "queria um horário para amanhã",
            "gostaria de um horário para sexta de manhã",
            "quero atendimento agora",
            "Fechado!",
            "quero fechar com vocês",
            "vocês atendem criança no sábado?",
            "a consulta dura quantas horas?",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_word_of_the_name_may_be_what_is_asked_for() {
        let of = |text| asked(text, "Pizzaria Delivery Express", NOW, ZONE);
        assert_eq!(of("qual o horário do delivery?"), None);
        assert_eq!(of("qual o horário da Pizzaria Delivery Express?"), Some(Asked::Week));
    }

    #[test]
    fn a_night_belongs_to_the_day_it_began() {
        let span = |weekday, opens_minute, closes_minute| OpeningHours {
            weekday,
            opens_minute,
            closes_minute,
        };
        let hours = [span(2, 18 * 60, 1440), span(3, 0, 120), span(4, 0, 1440)];
        let told = Told { hours: &hours, english: false, zone: ZONE, now: NOW };
        assert!(
            told.week().contains("Terça: das 18h às 2h.\nQuarta: fechado.\nQuinta: 24 horas."),
            "{}",
            told.week()
        );
        // One o'clock in the night to Wednesday, and five to midnight before it.
        for (hours_on, said) in
            [(10 * 60 + 55, "até as 2h"), (12 * 60, "até as 2h"), (13 * 60, "Abrimos amanhã às 0h")]
        {
            let now = NOW + std::time::Duration::from_secs(hours_on * 60);
            let told = Told { now, ..told };
            assert!(told.at_this_moment().contains(said), "{}", told.at_this_moment());
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
        assert!(says_hours("Atendemos de segunda a sábado."));
        assert!(says_hours("Das 8 às 18."));
        assert!(says_hours("We are open Monday to Friday."));
        assert!(!says_hours("Atendemos Amil, Bradesco e SulAmérica."));
        assert!(!says_hours("Sim, a partir dos 2 anos, com a Dra. Renata, às terças e quintas."));
    }
}
