//! Numbers of a text, in digits or in words, each with its unit.

use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Money,
    Percent,
    Hour,
    Minute,
    Day,
    Week,
    Month,
    Year,
    /// Instalments: "3x", "em 3 vezes".
    Times,
    Person,
    Length,
    Weight,
    Volume,
    Unknown,
}

impl Unit {
    /// Whether two numbers may be the same one.
    pub(super) fn agrees(self, other: Self) -> bool {
        self == other || self == Self::Unknown || other == Self::Unknown
    }

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "reais" | "real" | "conto" | "contos" | "centavos" => Self::Money,
            "percent" => Self::Percent,
            "h" | "hs" | "hora" | "horas" | "hr" | "hrs" | "hour" | "hours" | "am" | "pm" => {
                Self::Hour
            }
            "min" | "mins" | "minuto" | "minutos" | "minute" | "minutes" => Self::Minute,
            "dia" | "dias" | "day" | "days" => Self::Day,
            "semana" | "semanas" | "week" | "weeks" => Self::Week,
            "mes" | "meses" | "month" | "months" => Self::Month,
            "ano" | "anos" | "aninhos" | "year" | "years" => Self::Year,
            "x" | "vez" | "vezes" | "parcela" | "parcelas" | "instalments" | "installments"
            | "times" => Self::Times,
            "pessoa" | "pessoas" | "people" | "person" | "persons" => Self::Person,
            "m" | "cm" | "mm" | "km" | "metro" | "metros" | "quilometro" | "quilometros" => {
                Self::Length
            }
            "g" | "kg" | "mg" | "quilo" | "quilos" | "grama" | "gramas" | "kilo" | "kilos" => {
                Self::Weight
            }
            "l" | "ml" | "litro" | "litros" => Self::Volume,
            _ => return None,
        })
    }
}

/// A number as it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// Without separators of thousands and leading zeros: "150", "37.50".
    pub(super) value: String,
    pub(super) unit: Unit,
    /// Where it begins and ends, in bytes of the folded text.
    pub(super) at: std::ops::Range<usize>,
}

impl Number {
    /// In hundredths; `None` for what is no plain number.
    pub(super) fn hundredths(&self) -> Option<i64> {
        let (whole, fraction) = self.value.split_once('.').unwrap_or((&self.value, ""));
        if fraction.len() > 2 {
            return None;
        }
        format!("{whole}{fraction:0<2}").parse().ok().filter(|cents| *cents < 100_000_000_000)
    }
}

/// Words of a text: runs of digits with their inner marks, or of letters; and signs that are units.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"r\$|[0-9]+(?:[.,][0-9]+)*|[a-z]+|%|[:$]").expect("a valid expression")
});

const WORDS: &[(&str, u32)] = &[
    ("dois", 2),
    ("duas", 2),
    ("tres", 3),
    ("quatro", 4),
    ("cinco", 5),
    ("seis", 6),
    ("sete", 7),
    ("oito", 8),
    ("nove", 9),
    ("dez", 10),
    ("onze", 11),
    ("doze", 12),
    ("treze", 13),
    ("quatorze", 14),
    ("catorze", 14),
    ("quinze", 15),
    ("dezesseis", 16),
    ("dezessete", 17),
    ("dezoito", 18),
    ("dezenove", 19),
    ("vinte", 20),
    ("trinta", 30),
    ("quarenta", 40),
    ("cinquenta", 50),
    ("sessenta", 60),
    ("setenta", 70),
    ("oitenta", 80),
    ("noventa", 90),
    ("cem", 100),
    ("cento", 100),
    ("duzentos", 200),
    ("duzentas", 200),
    ("trezentos", 300),
    ("trezentas", 300),
    ("quatrocentos", 400),
    ("quatrocentas", 400),
    ("quinhentos", 500),
    ("quinhentas", 500),
    ("seiscentos", 600),
    ("seiscentas", 600),
    ("setecentos", 700),
    ("setecentas", 700),
    ("oitocentos", 800),
    ("oitocentas", 800),
    ("novecentos", 900),
    ("novecentas", 900),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("fifteen", 15),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];

fn word_value(word: &str) -> Option<u32> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// All numbers of a text. "um" and "uma" are articles and count for nothing.
pub(super) fn of(text: &str) -> Vec<Number> {
    let folded = fold(text);
    let tokens: Vec<regex::Match<'_>> = TOKEN.find_iter(&folded).collect();
    let word = |at: usize| tokens.get(at).map_or("", |token| token.as_str());
    let mut out: Vec<Number> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let first = at;
        let token = word(at);
        let value = if token.starts_with(|c: char| c.is_ascii_digit()) {
            at += 1;
            let mut value = canonical(token);
            if word(at) == "mil" {
                value = thousands(token).unwrap_or(value);
                at += 1;
            }
            value
        } else if word_value(token).is_some() || token == "mil" {
            let percent = token == "cento" && at > 0 && word(at - 1) == "por";
            let (value, next) = spoken(&|at| word(at), at);
            at = next;
            if percent {
                continue;
            }
            value.to_string()
        } else {
            at += 1;
            continue;
        };
        let before = if first > 0 { word(first - 1) } else { "" };
        let clock = (word(at) == ":" || word(at) == "h")
            && word(at + 1).len() == 2
            && word(at + 1).starts_with(|c: char| c.is_ascii_digit())
            && tokens[at + 1].start() == tokens[at].end()
            && tokens[at].start() == tokens[at - 1].end();
        let unit = if matches!(before, "r$" | "$") {
            Unit::Money
        } else if clock {
            Unit::Hour
        } else if word(at) == "%" || (word(at) == "por" && word(at + 1) == "cento") {
            Unit::Percent
        } else {
            let named = Unit::named(word(at));
            let after_preposition =
                || if word(at) == "de" { Unit::named(word(at + 1)) } else { None };
            named.or_else(after_preposition).unwrap_or(Unit::Unknown)
        };
        let end = tokens[at - 1].end();
        out.push(Number { value, unit, at: tokens[first].start()..end });
        if clock {
            let minutes = canonical(word(at + 1));
            if minutes != "0" {
                let at = tokens[at + 1].range();
                out.push(Number { value: minutes, unit: Unit::Hour, at });
            }
            at += 2;
        }
    }
    // "Das 8 às 18h": what a span ends in is what it begins in.
    for first in (1..out.len()).rev() {
        let between = &folded[out[first - 1].at.end..out[first].at.start];
        let span = matches!(between.trim(), "as" | "a" | "ate" | "e" | "-" | "–" | "ou" | "to");
        if span && out[first - 1].unit == Unit::Unknown {
            out[first - 1].unit = out[first].unit;
        }
    }
    out
}

/// A number in words from a place on, and the place after it.
fn spoken<'a>(word: &dyn Fn(usize) -> &'a str, from: usize) -> (u32, usize) {
    let (mut whole, mut part) = (0u32, 0u32);
    let mut at = from;
    loop {
        if word(at) == "mil" {
            whole = whole.saturating_add(part.max(1).saturating_mul(1000));
            part = 0;
            at += 1;
        } else if let Some(value) = word_value(word(at)) {
            // "Dois, três" are two numbers; "trinta e cinco" is one.
            let fits =
                part == 0 || (part % 100 == 0 && value < 100) || (part % 10 == 0 && value < 10);
            if !fits {
                break;
            }
            part += value;
            at += 1;
        } else if word(at) == "e"
            && word_value(word(at + 1)).is_some_and(|next| {
                (part % 100 == 0 && part > 0 && next < 100)
                    || (part % 10 == 0 && part > 10 && next < 10)
                    || (part == 0 && whole > 0)
            })
        {
            at += 1;
        } else {
            break;
        }
    }
    (whole.saturating_add(part), at.max(from + 1))
}

/// "2,5" of "2,5 mil".
fn thousands(number: &str) -> Option<String> {
    let (whole, fraction) = number.split_once(',').unwrap_or((number, ""));
    let whole: u32 = whole.replace('.', "").parse().ok()?;
    let fraction: u32 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(whole.checked_mul(1000)?.checked_add(fraction)?.to_string())
}

/// "150", "150,00" and "0150" are one number; so are "1.200" and "1200".
fn canonical(number: &str) -> String {
    let number = number.replace(',', ".");
    let mut parts: Vec<&str> = number.split('.').collect();
    if parts.len() > 1 && parts.last().is_some_and(|cents| *cents == "00") {
        parts.pop();
    }
    let joined = match parts.as_slice() {
        [rest @ .., cents] if !rest.is_empty() && cents.len() != 3 => {
            format!("{}.{cents:0<2}", rest.concat())
        }
        all => all.concat(),
    };
    let trimmed = joined.trim_start_matches('0');
    if trimmed.is_empty() || trimmed.starts_with('.') {
        format!("0{trimmed}")
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(String, Unit)> {
        of(text).into_iter().map(|number| (number.value, number.unit)).collect()
    }

    #[test]
    fn numbers_are_read_in_digits_and_in_words() {
        for (text, expected) in [
            ("R$ 1.200,00", vec![("1200", Unit::Money)]),
            ("custa 37,5 reais", vec![("37.50", Unit::Money)]),
            ("duzentos e cinquenta reais", vec![("250", Unit::Money)]),
            ("mil e duzentos reais", vec![("1200", Unit::Money)]),
            ("2,5 mil reais", vec![("2500", Unit::Money)]),
            ("das 8 às 18h30", vec![("8", Unit::Hour), ("18", Unit::Hour), ("30", Unit::Hour)]),
            ("das 08:00 às 12:00", vec![("8", Unit::Hour), ("12", Unit::Hour)]),
            ("em até três vezes", vec![("3", Unit::Times)]),
            ("dez por cento", vec![("10", Unit::Percent)]),
            ("uma sessão de 40 minutos", vec![("40", Unit::Minute)]),
            (
                "dois, três ou quatro",
                vec![("2", Unit::Unknown), ("3", Unit::Unknown), ("4", Unit::Unknown)],
            ),
        ] {
            let expected: Vec<(String, Unit)> =
                expected.into_iter().map(|(value, unit)| (value.to_owned(), unit)).collect();
            assert_eq!(said(text), expected, "{text}");
        }
    }
}
