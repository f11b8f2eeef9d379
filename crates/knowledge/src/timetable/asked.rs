//! What a question asks of a timetable: whose hours, on which days.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use kernel::text::fold;
use regex::Regex;
use understanding::Plain;

use super::{HOLIDAY, days};
use crate::dates;
use crate::split::{Words, expression, set, stem};

pub(super) static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b[0-2]?[0-9] ?(?:hs?|horas|hrs)(?:[0-5][0-9])?\b|\b[0-2]?[0-9]:[0-5][0-9]\b|\bd[ae]s? [0-2]?[0-9] as [0-2]?[0-9]\b|\b[0-2]?[0-9] as [0-2]?[0-9]\b|\bmeio[- ]dia\b|\b24 ?horas\b",
    )
});

/// Words that ask when something is open.
pub(super) static OPENING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "horario horarios abre abrem abrir aberto abertos aberta abertas abertura fecha fecham fechado fechados fechada \
         fechar funciona funcionam funcionando funcionamento funcionar expediente",
    )
});
/// Words that do so where a day or an hour is asked for with them.
pub(super) static SERVING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "atende atendem atendendo atendimento trabalha trabalham serve servem entrega entregam comeca comecam termina terminam acaba \
         tem ha fica ficam alguem retirar retira buscar passar deixar devolver visitar conhecer chegar chego liga ligam vem embora",
    )
});
/// Words of such a question that name nothing.
pub(super) static AROUND: LazyLock<Words> = LazyLock::new(|| {
    set(
        "que qual quais quando hora horas e o a os as um uma de do da dos das no na nos nas em ao aos ate entre para pra pro \
         por com voce voces vao vai estao esta ta tao sao eh se dia dias ai hoje amanha agora ainda ja aqui la me diz dizer \
         fala informar informa saber gostaria queria quero poderia pode manha tarde noite semana fim final meio loja empresa \
         nao feira esse este nesse neste proximo proxima estabelecimento lugar local costuma costumam normalmente seu sua seus \
         tabela quadro grade ficam partir desde depois antes segunda terca quarta quinta sexta sabado domingo feriado feriados \
         segundas tercas quartas quintas sextas sabados domingos almoco durante oi ola oie bom boa tudo bem obrigado obrigada \
         valeu favor mesmo tambem direto cedo mas so todo todos toda util uteis gente pessoal essa isso ele ela atual certo \
         qualquer dar chegar ir passar aparecer ter posso consigo",
    )
});
/// Words that a heading of the business's own hours has.
pub(super) static GENERAL: LazyLock<Words> = LazyLock::new(|| {
    set(
        "horario horarios funcionamento atendimento atendemos expediente loja clinica balcao recepcao secretaria escritorio \
         geral aberto abrimos abre funciona funcionamos atende nosso nossa nossos quando dias hora horas onde fica endereco \
         contato localizacao unidade matriz restaurante salao cozinha estudio studio escola oficina informacoes empresa \
         consultorio padaria academia hotel pousada ficamos a o de do da e em que voces voce qual sao estamos estao dia",
    )
});
/// Verbs for what may have hours of its own.
pub(super) const FETCHING: &[&str] =
    &["retirar", "retira", "buscar", "deixar", "devolver", "entrega", "entregam", "liga", "ligam"];
/// Words of a wish.
pub(super) const WANTING: &[&str] = &["quero", "queria", "gostaria", "preciso", "precisava"];
/// Words that make it another question.
pub(super) static OTHER: LazyLock<Words> = LazyLock::new(|| {
    set(
        "quanto quantos quantas custa custam preco precos valor valores dura duram demora prazo marcar agendar marco agendo remarcar \
         reservar reserva vaga vagas encaixe parcela desconto promocao",
    )
});

pub(super) static GENERAL_STEMS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| GENERAL.iter().map(|word| stem(word)).collect());

/// What a question asks of a timetable.
#[derive(Default)]
pub(super) struct Asked {
    /// Stems of the thing, which may be missing.
    pub(super) of: Vec<String>,
    /// Stems of words that may name it, or part of the business: "na loja", "retirar".
    pub(super) perhaps: Vec<String>,
    pub(super) days: BTreeSet<i8>,
    pub(super) dates: Vec<(i8, i8)>,
    /// The day that is called today or tomorrow.
    pub(super) relative: Option<(&'static str, i8)>,
    pub(super) lunch: bool,
    /// It may be of what was named before, as "que horas?" is; or it must be, as "ela atende sábado?".
    pub(super) of_before: bool,
    pub(super) pronoun: bool,
    /// It may be of what has hours of its own.
    pub(super) fetches: bool,
}

/// Whether a text asks when the business is open, and of nothing else.
pub fn asks_when_open(text: &str) -> bool {
    of_the_business(text).is_some()
}

/// Whether a text asks for the business's hours of ordinary days, which its owner may have confirmed: not for a date, a
/// holiday, or when something can be fetched.
pub fn asks_for_usual_hours(text: &str) -> bool {
    of_the_business(text).is_some_and(|asked| {
        asked.dates.is_empty() && !asked.days.contains(&HOLIDAY) && !asked.fetches
    })
}

/// "Vocês abrem?", "a loja fecha que horas?": not of what was told before.
pub(super) fn speaks_to_the_business(text: &str) -> bool {
    let plain = Plain::of(text);
    let mut words = plain.words();
    words.any(|word| {
        word == "voces"
            || GENERAL.contains(word) && !AROUND.contains(word) && !OPENING.contains(word)
    })
}

fn of_the_business(text: &str) -> Option<Asked> {
    // Whatever today is: "amanhã" names a day.
    let asked = Asked::read(text, Some(Date::ZERO))?;
    (asked.of.is_empty() && !asked.of_before).then_some(asked)
}

impl Asked {
    pub(super) fn read(text: &str, today: Option<Date>) -> Option<Self> {
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
        let dates = dates::of_the_year(&fold(text));
        let timed = of_hours || hour || !days.is_empty() || lunch || !dates.is_empty();
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
        let fetches = said.iter().any(|word| FETCHING.contains(word));
        Some(Self { of, perhaps, days, dates, relative, lunch, of_before, pronoun, fetches })
    }

    /// The same question of other days: "e no sábado?"; `None` where a text names none, or anything else.
    pub(super) fn with_days_of(mut self, text: &str, today: Option<Date>) -> Option<Self> {
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
