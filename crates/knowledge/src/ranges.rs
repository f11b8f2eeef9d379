//! Numbers with what they measure, and spans of them: "até 10 kg", "de 3 a 5 anos", "acima de 100 cópias". A row of such a
//! span is meant by any number within it.

use std::sync::LazyLock;

use regex::Regex;

use crate::split::expression;
use crate::sums::number_word;

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Kilograms,
    /// Ages and terms, in months.
    Months,
    Days,
    Hours,
    Kilometres,
    Metres,
    SquareMetres,
    Centimetres,
    Litres,
    People,
    Pieces,
}

/// Names of what is measured, and how many of the measure one is.
const UNITS: &[(&str, Measure, f64)] = &[
    ("kg", Measure::Kilograms, 1.0),
    ("kgs", Measure::Kilograms, 1.0),
    ("quilo", Measure::Kilograms, 1.0),
    ("quilos", Measure::Kilograms, 1.0),
    ("kilos", Measure::Kilograms, 1.0),
    ("ano", Measure::Months, 12.0),
    ("anos", Measure::Months, 12.0),
    ("aninhos", Measure::Months, 12.0),
    ("mes", Measure::Months, 1.0),
    ("meses", Measure::Months, 1.0),
    ("dia", Measure::Days, 1.0),
    ("dias", Measure::Days, 1.0),
    ("h", Measure::Hours, 1.0),
    ("hs", Measure::Hours, 1.0),
    ("hora", Measure::Hours, 1.0),
    ("horas", Measure::Hours, 1.0),
    ("km", Measure::Kilometres, 1.0),
    ("kms", Measure::Kilometres, 1.0),
    ("quilometros", Measure::Kilometres, 1.0),
    ("m", Measure::Metres, 1.0),
    ("metro", Measure::Metres, 1.0),
    ("metros", Measure::Metres, 1.0),
    ("m2", Measure::SquareMetres, 1.0),
    ("cm", Measure::Centimetres, 1.0),
    ("l", Measure::Litres, 1.0),
    ("litros", Measure::Litres, 1.0),
    ("pessoas", Measure::People, 1.0),
    ("pessoa", Measure::People, 1.0),
    ("convidados", Measure::People, 1.0),
    ("criancas", Measure::People, 1.0),
    ("copias", Measure::Pieces, 1.0),
    ("copia", Measure::Pieces, 1.0),
    ("paginas", Measure::Pieces, 1.0),
    ("folhas", Measure::Pieces, 1.0),
    ("unidades", Measure::Pieces, 1.0),
    ("unidade", Measure::Pieces, 1.0),
    ("pecas", Measure::Pieces, 1.0),
    ("funcionarios", Measure::Pieces, 1.0),
];

/// So many of a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) measure: Measure,
    pub(crate) amount: f64,
}

/// From so many to so many of a measure, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    measure: Measure,
    least: f64,
    most: f64,
}

const NUMBER: &str = r"([0-9]{1,6}(?:,[0-9]{1,2})?)";
/// The longer names first: of "m2", "m" is no unit.
static UNIT: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<&str> = UNITS.iter().map(|(name, ..)| *name).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    format!("({})", names.join("|"))
});
static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
    let unit = &*UNIT;
    expression(&format!(r"\b{NUMBER} ?{unit}? ?(?:a|ate|e|ao|aos|-|–) ?{NUMBER} ?{unit}\b"))
});
static BOUND: LazyLock<Regex> = LazyLock::new(|| {
    let unit = &*UNIT;
    expression(&format!(
        r"\b(ate|abaixo de|menos de|menor(?:es)? (?:de|que)|maxim[ao] (?:de )?|acima de|acima dos|mais de|maior(?:es)? (?:de|que)|a partir d[eo]s?|desde) ?(?:os |as )?{NUMBER} ?{unit}\b"
    ))
});
static AND_MORE: LazyLock<Regex> = LazyLock::new(|| {
    let unit = &*UNIT;
    expression(&format!(r"\b{NUMBER} ?{unit} (?:ou mais|para cima|pra cima|em diante|acima)\b"))
});
static AGES: LazyLock<Regex> = LazyLock::new(|| expression(r"\b[0-9]{1,2} anos\b"));
static BARE_BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\bde ([0-9]{1,2}) (?:a|ate) ([0-9]{1,2})( (?:nao|paga|pagam|meia|metade|tem|e|so|:)|[:,;]|$)",
    )
});
static BARE_AND_MORE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:de |dos |a partir dos |a partir de |acima de |acima dos )?([0-9]{1,2}) (?:ou mais|para cima|pra cima|em diante)\b",
    )
});
static BARE: LazyLock<Regex> = LazyLock::new(|| expression(r"\b[0-9]{1,4}(?:,[0-9]{1,2})?\b"));
static SIZE: LazyLock<Regex> = LazyLock::new(|| {
    let unit = &*UNIT;
    expression(&format!(r"(?:\b{NUMBER}|\b([a-z]{{2,8}}) )\s?{unit}\b"))
});

static MEASURED: LazyLock<Regex> = LazyLock::new(|| {
    let unit = &*UNIT;
    expression(&format!(
        r"\b(?:(?:um|uma|meu|minha|o|a|do|da|de|para|pra|pro|no|na) )*[a-z]{{3,}} (?:q |que )?(?:de|com|tem|pesa|pesando|ta com|esta com) (?:uns |umas |quase |so )?{NUMBER} ?{unit}\b"
    ))
});

fn unit(name: &str) -> Option<(Measure, f64)> {
    UNITS.iter().find(|(own, ..)| *own == name).map(|(_, measure, times)| (*measure, *times))
}

fn number(text: &str) -> Option<f64> {
    text.replace(',', ".").parse().ok()
}

/// The spans that folded text names.
pub(crate) fn ranges(folded: &str) -> Vec<Range> {
    let folded = &in_full(&folded.replace('²', "2"));
    let mut out = Vec::new();
    let mut rest = folded.clone();
    for found in BETWEEN.captures_iter(folded) {
        let Some((measure, times)) = unit(&found[4]) else { continue };
        // "De 6 meses a 2 anos": each end has its own.
        let first = found.get(2).and_then(|own| unit(own.as_str())).map_or(times, |own| own.1);
        // "Acima de 5 até 10 kg" leaves the 5 to the row before.
        let start = found.get(0).map_or(0, |all| all.start());
        let above = ["acima de ", "mais de ", "maior que "]
            .iter()
            .any(|word| folded[..start].ends_with(word));
        let open = if above { 0.01 } else { 0.0 };
        if let (Some(least), Some(most)) = (number(&found[1]), number(&found[3]))
            && least * first < most * times
        {
            out.push(Range { measure, least: least * first + open, most: most * times });
            rest = rest.replace(&found[0], " ");
        }
    }
    for found in AND_MORE.captures_iter(&rest) {
        if let (Some((measure, times)), Some(least)) = (unit(&found[2]), number(&found[1])) {
            out.push(Range { measure, least: least * times, most: f64::INFINITY });
        }
    }
    for found in BOUND.captures_iter(&rest) {
        let (Some((measure, times)), Some(bound)) = (unit(&found[3]), number(&found[2])) else {
            continue;
        };
        let bound = bound * times;
        let word = found[1].split(' ').next().unwrap_or_default();
        let (least, most) = match word {
            "ate" | "maximo" | "maxima" => (0.0, bound),
            "abaixo" | "menos" | "menor" | "menores" => (0.0, bound - 0.01),
            "acima" | "mais" | "maior" | "maiores" => (bound + 0.01, f64::INFINITY),
            _ => (bound, f64::INFINITY),
        };
        out.push(Range { measure, least, most });
    }
    out
}

/// Ages with their unit where it is said once: "até 5 anos não paga, de 6 a 10 paga metade, de 11 pra cima inteiro".
fn in_full(folded: &str) -> String {
    if !AGES.is_match(folded) {
        return folded.to_owned();
    }
    let between = BARE_BETWEEN.replace_all(folded, "de $1 a $2 anos$3");
    BARE_AND_MORE.replace_all(&between, "$1 anos ou mais").into_owned()
}

/// What folded text measures: "12 kg", "dois anos". Bounds are none.
pub(crate) fn sizes(folded: &str) -> Vec<Size> {
    let folded = folded.replace('²', "2");
    SIZE.captures_iter(&folded)
        .filter_map(|found| {
            let (measure, times) = unit(&found[3])?;
            let amount = match found.get(1) {
                Some(digits) => number(digits.as_str())?,
                #[expect(clippy::cast_precision_loss, reason = "number words are small")]
                None => number_word(found.get(2)?.as_str())? as f64,
            };
            Some(Size { measure, amount: amount * times })
        })
        .collect()
}

/// The spans of ages alone.
pub(crate) fn ages(folded: &str) -> Vec<Range> {
    let mut all = ranges(folded);
    all.retain(|range| range.measure == Measure::Months && AGES.is_match(folded));
    all
}

/// The number that folded text names, in the measure of spans: "e o de 8?" after an age is one of years.
pub(crate) fn bare(ranges: &[Range], folded: &str) -> Option<Size> {
    let measure = ranges.first()?.measure;
    let named = sizes(folded);
    if let Some(size) = named.iter().find(|size| size.measure == measure) {
        return Some(*size);
    }
    let mut numbers = BARE.find_iter(folded);
    let (one, None) = (numbers.next()?, numbers.next()) else { return None };
    let amount = number(one.as_str()).filter(|_| named.is_empty())?;
    let times = if measure == Measure::Months { 12.0 } else { 1.0 };
    Some(Size { measure, amount: amount * times })
}

/// Folded text without what it measures.
pub(crate) fn without_sizes(folded: &str) -> String {
    SIZE.replace_all(&folded.replace('²', "2"), " ").into_owned()
}

/// Folded text without what it measures and of whom: "banho de um cachorro de 18 kg" is of a bath.
pub(crate) fn without_measured(folded: &str) -> String {
    MEASURED.replace_all(&folded.replace('²', "2"), " ").into_owned()
}

impl Range {
    pub(crate) fn holds(&self, size: &Size) -> bool {
        self.measure == size.measure && (self.least..=self.most).contains(&size.amount)
    }
}

/// Whether one of the sizes lies within one of the spans; `None` where none measures the same.
pub(crate) fn within(ranges: &[Range], sizes: &[Size]) -> Option<bool> {
    let same = |size: &&Size| ranges.iter().any(|range| range.measure == size.measure);
    let mut measured = sizes.iter().filter(same).peekable();
    measured.peek()?;
    Some(measured.any(|size| ranges.iter().any(|range| range.holds(size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_span_is_meant_by_a_number_within_it() {
        for (row, text, is) in [
            ("castracao macho ate 10 kg", "meu cachorro tem 8kg", Some(true)),
            ("castracao macho ate 10 kg", "ele pesa 12,5 kg", Some(false)),
            ("macho de 10 a 25 kg", "ele pesa 12,5 kg", Some(true)),
            ("grande (acima de 18 kg)", "18 kg", Some(false)),
            ("medio, acima de 10 ate 20 kg", "10 kg", Some(false)),
            ("pequeno, acima de 5 ate 10 kg", "10 kg", Some(true)),
            ("bebe 2: 19 a 36 meses", "meu filho tem 2 anos", Some(true)),
            ("de 6 meses a 2 anos", "ele tem dois anos", Some(true)),
            ("infantil: 3 a 5 anos", "minha filha de 6 anos", Some(false)),
            ("acima de 100 copias", "150 copias", Some(true)),
            ("adulto: 15 anos ou mais", "tenho 30 anos", Some(true)),
            ("adulto: 15 anos ou mais", "ele tem 12 anos", Some(false)),
            ("limpeza ate 60 m²", "apto de 55 m2", Some(true)),
            ("menores de 12 anos", "12 anos", Some(false)),
            (
                "ate 5 anos nao paga, de 6 a 10 paga metade do quilo",
                "crianca de 7 anos",
                Some(true),
            ),
            ("ate 10 kg", "tenho 2 gatos", None),
            ("corte", "12 anos", None),
        ] {
            assert_eq!(within(&ranges(row), &sizes(text)), is, "{row}: {text}");
        }
    }
}
