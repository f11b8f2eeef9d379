//! Amounts of money in a text, each with the words that say of what.

use std::ops::Range;
use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

use crate::split::expression;

/// An amount of money, in cents.
pub(crate) type Cents = i64;

static AMOUNT: LazyLock<Regex> = LazyLock::new(|| {
    let whole = r"([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,9})";
    expression(&format!(
        r"(?i)R\$\s?{whole}(?:[,.]([0-9]{{1,2}}))?(\s?mil\b)?|\b{whole}(?:,([0-9]{{1,2}}))?(\s?mil)?\s?reais\b"
    ))
});
/// A bare number, as a column of prices has it.
static BARE: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"^(?:R\$\s?)?([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,9})(?:[,.]([0-9]{1,2}))?$")
});
/// What an amount is for each of, after it.
static UNIT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^\s?(?:/\s?[\p{L}]{1,12}|(?i:por|ao?|cada|o|a|à)\s(?:[\p{L}]{2,14})|(?i:cada|mensais|mensal|reais)|\([^)]{2,30}\))",
    )
});
/// What stands before an amount that is a bound or a share, and no price.
const BOUNDS: &[&str] = &[
    "acima de",
    "acima dos",
    "abaixo de",
    "mais de",
    "menos de",
    "minimo de",
    "minima de",
    "minimo",
    "minima",
    "maximo de",
    "maximo",
    "ate",
    "passar de",
    "passa de",
    "superior a",
    "superiores a",
    "entre",
    "sobre",
    "desconto de",
    "credito de",
    "cashback de",
    "multa de",
];
/// Verbs and small words between a name and its price, and before a name.
const BEFORE_PRICE: &[&str] = &[
    "custa", "custam", "sai", "saem", "fica", "ficam", "por", "e", "eh", "sao", "a", "em", "de",
    "vale", "esta", "ta", "cobramos", "cobra", "paga", "pagam", "apenas", "so", "partir", "valor",
    "preco", "do", "da", "cada", "vendemos", "temos", "no",
];
const BEFORE_NAME: &[&str] = &[
    "o", "a", "os", "as", "e", "ja", "mais", "ou", "um", "uma", "sim", "nao", "temos", "fazemos",
    "vendemos", "cobramos", "mas", "com", "de",
];

/// An amount of money as it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Where it stands, in bytes.
    pub(crate) at: Range<usize>,
    pub(crate) cents: Cents,
}

/// An amount with what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Priced {
    /// The words that name it; empty where only the text's surroundings say of what it is.
    pub(crate) name: String,
    pub(crate) amount: Amount,
    /// Of a span of prices: the higher end.
    pub(crate) to: Option<Cents>,
    /// "a partir de": it may be more.
    pub(crate) from: bool,
    /// "por mês", "cada".
    pub(crate) unit: Option<String>,
}

fn cents(whole: &str, fraction: &str, thousands: bool) -> Option<Cents> {
    let whole = whole.replace('.', "");
    if thousands {
        return format!("{whole}{fraction:0<3}").parse::<Cents>().ok()?.checked_mul(100);
    }
    format!("{whole}{fraction:0<2}").parse().ok()
}

/// All amounts of a text, in order.
pub(crate) fn all(text: &str) -> Vec<Amount> {
    AMOUNT
        .captures_iter(text)
        .filter_map(|found| {
            let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
            let first = if found.get(1).is_some() { 1 } else { 4 };
            let cents = cents(part(first), part(first + 1), !part(first + 2).is_empty())?;
            Some(Amount { at: found.get(0)?.range(), cents })
        })
        .collect()
}

/// The one amount that a cell holds, also without its mark where `bare`.
pub(crate) fn of_cell(value: &str, bare: bool) -> Option<Cents> {
    let found = all(value);
    match found.as_slice() {
        [one] => Some(one.cents),
        [] if bare => {
            let found = BARE.captures(value.trim())?;
            cents(&found[1], found.get(2).map_or("", |part| part.as_str()), false)
        }
        _ => None,
    }
}

/// As it is written: "R$ 1.234,50".
pub(crate) fn written(cents: Cents) -> String {
    let (whole, rest) = (cents / 100, (cents % 100).abs());
    let digits = whole.abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push('.');
        }
        out.push(digit);
    }
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}R$ {out},{rest:02}")
}

/// The prices of a text that is no row of a table. Bounds ("acima de R$ 100") are none.
pub(crate) fn priced(text: &str) -> Vec<Priced> {
    let found = all(text);
    let mut out: Vec<Priced> = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < found.len() {
        let amount = found[at].clone();
        let before = &text[from..amount.at.start];
        // What an earlier sentence, or part of one, says is of something else.
        let cut = before
            .rfind([';', '\n', '|', '•'])
            .into_iter()
            .chain(before.match_indices(". ").map(|(at, _)| at))
            .chain(before.match_indices(" + ").map(|(at, _)| at + 1))
            .max()
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let label = &before[cut..];
        let mut end = amount.at.end;
        let mut to = None;
        // "de R$ 130 a R$ 180": one price with two ends.
        if let Some(next) = found.get(at + 1) {
            let between = fold(text[amount.at.end..next.at.start].trim());
            if matches!(between.as_str(), "a" | "ate" | "-" | "–" | "e")
                && (between != "e" || fold(label).trim_end().ends_with("entre"))
                && next.cents > amount.cents
            {
                to = Some(next.cents);
                end = next.at.end;
                at += 1;
            }
        }
        // "R$ 0,50 / acima de 100 R$ 0,35": the next price begins there, and no unit.
        let bounds = ["acima", "ate", "abaixo", "mais", "menos", "de", "so", "a"];
        let next = found.get(at + 1).map_or(text.len(), |next| next.at.start);
        let unit = UNIT.find(&text[end..]).map(|unit| unit.as_str()).filter(|unit| {
            // "R$ 40 (R$ 35 à vista)": the other amount is one of its own.
            if end + unit.len() > next {
                return false;
            }
            // "almoço R$ 74,90 / jantar R$ 86,90": the name of the next.
            let named = unit.trim_start().starts_with('/');
            if named && next < text.len() && text[end + unit.len()..next].trim().is_empty() {
                return false;
            }
            let word = fold(unit.trim());
            !word.strip_prefix('/').is_some_and(|word| bounds.contains(&word.trim()))
        });
        let after = end + unit.map_or(0, str::len);
        let folded = fold(label);
        let bare = folded.trim_end_matches([' ', ':']);
        let bound = to.is_none()
            && BOUNDS.iter().any(|bound| {
                bare.strip_suffix(bound).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
            });
        if !bound {
            out.push(Priced {
                name: name(label),
                to,
                from: bare.ends_with("a partir de"),
                unit: unit
                    .map(|unit| {
                        unit.trim()
                            .trim_matches(['(', ')'])
                            .trim_start_matches("reais")
                            .trim()
                            .to_owned()
                    })
                    .filter(|unit| !unit.is_empty()),
                amount,
            });
        }
        from = after;
        at += 1;
    }
    out
}

/// The words of a label without the verbs and marks around them.
fn name(label: &str) -> String {
    let mut words: Vec<&str> = label.split_whitespace().collect();
    let plain = |word: &str| fold(word.trim_matches(|c: char| !c.is_alphanumeric()));
    while let Some(last) = words.last() {
        let bare = plain(last);
        // A number before a price belongs to the name: "Coca 2", but a mark does not.
        if bare.is_empty() || BEFORE_PRICE.contains(&bare.as_str()) {
            words.pop();
        } else {
            break;
        }
    }
    while let Some(first) = words.first() {
        let bare = plain(first);
        if bare.is_empty() || BEFORE_NAME.contains(&bare.as_str()) {
            words.remove(0);
        } else {
            break;
        }
    }
    let open = |c: char| c == '(' || c == '“';
    words
        .join(" ")
        .trim_matches(|c: char| !c.is_alphanumeric() && !open(c) && c != ')' && c != '"')
        .trim_start_matches(')')
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_however_it_is_written() {
        for (text, wanted) in [
            ("R$ 40", vec![4000]),
            ("R$40,5", vec![4050]),
            ("R$ 1.234,50 e 30 reais", vec![123_450, 3000]),
            ("R$ 2,5 mil", vec![250_000]),
            ("2 mil reais", vec![200_000]),
            ("1/2 litro, sala 300", vec![]),
        ] {
            let found: Vec<Cents> = all(text).iter().map(|amount| amount.cents).collect();
            assert_eq!(found, wanted, "{text}");
        }
        assert_eq!(of_cell("40,00", true), Some(4000));
        assert_eq!(of_cell("40,00", false), None);
        assert_eq!(written(123_450), "R$ 1.234,50");
        assert_eq!(written(5), "R$ 0,05");
    }

    #[test]
    fn each_price_has_its_name() {
        let named = |text: &str| -> Vec<(String, Cents)> {
            priced(text).into_iter().map(|one| (one.name, one.amount.cents)).collect()
        };
        let pair = |name: &str, cents: Cents| (name.to_owned(), cents);
        assert_eq!(
            named("Hatch R$ 390 - Sedan R$ 420 - SUV R$ 510"),
            [pair("Hatch", 39_000), pair("Sedan", 42_000), pair("SUV", 51_000)]
        );
        assert_eq!(
            named("O corte custa R$ 40 e a barba sai por R$ 25."),
            [pair("corte", 4000), pair("barba", 2500)]
        );
        assert_eq!(named("suco de laranja 400 ml R$ 11"), [pair("suco de laranja 400 ml", 1100)]);
        assert_eq!(named("Frete grátis acima de R$ 150"), []);
        assert_eq!(named("R$ 150"), [pair("", 15_000)]);
        assert_eq!(named("Corte R$ 40 (R$ 35 à vista)"), [pair("Corte", 4000), pair("", 3500)]);
        assert_eq!(
            named("almoço R$ 74,90 / jantar R$ 86,90"),
            [pair("almoço", 7490), pair("jantar", 8690)]
        );
        let month = &priced("Mensalidade: R$ 120 por mês")[0];
        assert_eq!((month.name.as_str(), month.unit.as_deref()), ("Mensalidade", Some("por mês")));
        let span = &priced("Judô, balé e futsal, de R$ 130 a R$ 180 por mês")[0];
        assert_eq!((span.amount.cents, span.to), (13_000, Some(18_000)));
    }
}
