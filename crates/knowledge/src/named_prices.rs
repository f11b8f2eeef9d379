//! Which of several prices is meant, by their names: of rows that are named nearly alike, and of a line with several.

use std::sync::LazyLock;

use regex::Regex;

use crate::facts::cells;
use crate::index::Sentence;
use crate::ranges;
use crate::split::{expression, stem};

static DECIMAL: LazyLock<Regex> = LazyLock::new(|| expression(r"\b([0-9]+)[,.]([0-9]+)"));
static GLUED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)\b([0-9v]+) ?(kgs?|m|mts?|l|lt|ml|cm|km|gb|tb)\b"));

pub(crate) fn is_priced(text: &str) -> bool {
    text.contains("R$") || text.contains(" reais")
}

/// Words of a name that say nothing of what it names.
pub(crate) fn naming(text: &str) -> Vec<String> {
    const SMALL: &[&str] =
        &["de", "da", "do", "das", "dos", "e", "o", "a", "os", "as", "com", "para", "em", ""];
    // "1,5 metro" and "1,5m" are one.
    let text = DECIMAL.replace_all(text, "${1}v$2");
    let text = GLUED.replace_all(&text, "$1 $2");
    kernel::text::fold_words(&text)
        .split(' ')
        .filter(|word| !SMALL.contains(word))
        .map(|word| match word {
            "metro" | "metros" | "mt" | "mts" => "m".to_owned(),
            "quilo" | "quilos" | "kilo" | "kilos" | "kgs" => "kg".to_owned(),
            "litro" | "litros" | "lt" => "l".to_owned(),
            _ => stem(word),
        })
        .collect()
}

/// What a priced line is of.
pub(crate) fn subject_of(text: &str) -> String {
    if let Some(cells) = cells::of(text) {
        return cells::joined(&cells[..cells::naming(&cells)]);
    }
    let prices = crate::facts::amounts::priced(text);
    let named = prices.first().map(|price| price.name.clone()).filter(|name| !name.is_empty());
    named.unwrap_or_else(|| text.split(['R', ':']).next().unwrap_or_default().to_owned())
}

/// Whether a name fits what was asked better than another: it has all of its words that were asked for and no more that
/// were not. "Diária" is better than "meia diária", "iPhone 13" than "iPhone 13 Pro", unless the rest was asked for.
pub(crate) fn fits_better(asked: &[String], one: &[String], other: &[String]) -> bool {
    let (hit, rest): (Vec<_>, Vec<_>) = one.iter().partition(|word| asked.contains(word));
    let (other_hit, other_rest): (Vec<_>, Vec<_>) =
        other.iter().partition(|word| asked.contains(word));
    if !hit.is_empty() && other_hit.is_empty() {
        // One is called by its name, the other only by another word for it.
        return true;
    }
    !hit.is_empty()
        && other_hit.iter().all(|word| hit.contains(word))
        && rest.iter().all(|word| other_rest.contains(word))
        && (hit.len() > other_hit.len() || rest.len() < other_rest.len())
}

/// Rows than which no other fits better, by their names.
pub(crate) fn best_named<'a>(asked: &str, rows: Vec<&'a Sentence>) -> Vec<&'a Sentence> {
    let asked = naming(asked);
    let names: Vec<Vec<String>> = rows.iter().map(|row| naming(&subject_of(&row.text))).collect();
    let beaten = |at: usize| names.iter().any(|name| fits_better(&asked, name, &names[at]));
    rows.iter().enumerate().filter(|(at, _)| !beaten(*at)).map(|(_, row)| *row).collect()
}

/// The one of several prices of a line whose label was asked for: "60 minutos" of "R$ 90 (30 minutos) ou R$ 150 (60
/// minutos)".
pub(crate) fn option_of(asked: &str, line: &str) -> Option<String> {
    let prices = crate::facts::amounts::priced(line);
    if prices.len() < 2 || cells::of(line).is_some_and(|cells| cells.len() > 2) {
        return None;
    }
    let words = |text: &str| -> Vec<String> {
        kernel::text::fold_words(text)
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(stem)
            .collect()
    };
    let sizes = ranges::sizes(&kernel::text::fold(asked));
    let asked = words(asked);
    let head = line
        .split_once(':')
        .map(|(head, _)| head.trim())
        .filter(|head| head.len() < prices[0].amount.at.start);
    // Each by its unit where every one has one, else by its name without what heads all of them.
    let by_unit = prices.iter().all(|price| price.unit.is_some());
    let heading = words(head.unwrap_or_default());
    let labels: Vec<Vec<String>> = prices
        .iter()
        .map(|price| match (by_unit, &price.unit) {
            (true, Some(unit)) => words(unit),
            _ => words(&price.name).into_iter().filter(|word| !heading.contains(word)).collect(),
        })
        .collect();
    // A word that stands at every price tells none apart.
    let telling = |label: &Vec<String>| {
        label
            .iter()
            .filter(|word| asked.contains(word) && !labels.iter().all(|other| other.contains(word)))
            .count()
    };
    let counts: Vec<usize> = labels.iter().map(telling).collect();
    // "150 cópias" is said by "acima de 100 cópias", and not by what is beside it.
    let within: Vec<Option<bool>> = prices
        .iter()
        .map(|price| {
            let label = format!("{} {}", price.name, price.unit.as_deref().unwrap_or_default());
            ranges::within(&ranges::ranges(&kernel::text::fold(&label)), &sizes)
        })
        .collect();
    let by_range = within.contains(&Some(true));
    let spans = within.iter().any(Option::is_some);
    let best = *counts.iter().max()?;
    let mut fitting = (0..prices.len()).filter(|at| match (by_range, spans) {
        (true, _) => within[*at] == Some(true),
        (false, true) => within[*at].is_none(),
        (false, false) => counts[*at] == best,
    });
    let (at, None) = (fitting.next()?, fitting.next()) else { return None };
    if best == 0 && !spans {
        return None;
    }
    // "E a taxa?" of "A taxa é R$ 8 até 3 km e R$ 12 até 5 km" asks for both.
    let measured = |price: &crate::facts::amounts::Priced| {
        let name = kernel::text::fold_words(&price.name);
        let first = name.split(' ').find(|word| !word.is_empty()).unwrap_or_default();
        first.is_empty() || matches!(first, "ate" | "de" | "acima" | "entre" | "mais" | "partir")
    };
    if at == 0 && !by_range && !spans && head.is_none() && prices[1..].iter().all(measured) {
        return None;
    }
    let price = &prices[at];
    let first = prices[0].name.as_str();
    let amount = &line[price.amount.at.clone()];
    let unit = price.unit.as_deref().map(|unit| format!(" ({unit})")).unwrap_or_default();
    let name = match (head, price.name.trim()) {
        (Some(head), "") => head.to_owned(),
        (Some(head), name) => {
            let own = name.rsplit_once(':').map_or(name, |(_, own)| own.trim());
            if own == head { head.to_owned() } else { format!("{head}, {own}") }
        }
        (None, "") => first.to_owned(),
        (None, name) if by_range && name != first => format!("{first}, {name}"),
        (None, name) => name.to_owned(),
    };
    let told = format!("{name}: {amount}{unit}");
    (!name.is_empty()).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::option_of;

    #[test]
    fn one_of_several_prices_is_told_by_its_label() {
        let massage = "Massagem relaxante: R$ 90 (30 minutos) ou R$ 150 (60 minutos).";
        let copies = "xerox preto e branco R$ 0,50 / acima de 100 copias R$ 0,35";
        let chips = "Porção de batata: inteira R$ 38, meia R$ 22.";
        for (asked, line, told) in [
            (
                "massagem de 60 minutos quanto fica?",
                massage,
                Some("Massagem relaxante: R$ 150 (60 minutos)"),
            ),
            ("qual o valor da massagem?", massage, None),
            ("quanto custa meia porção de batata?", chips, Some("Porção de batata, meia: R$ 22")),
            (
                "quanto é a porção inteira de batata",
                chips,
                Some("Porção de batata, inteira: R$ 38"),
            ),
            ("quanto é a batata", chips, None),
            (
                "150 cópias quanto fica?",
                copies,
                Some("xerox preto e branco, acima de 100 copias: R$ 0,35"),
            ),
            ("80 cópias quanto fica?", copies, Some("xerox preto e branco: R$ 0,50")),
        ] {
            assert_eq!(
                option_of(asked, line).as_deref(),
                told,
                "{asked}: {:?}",
                crate::facts::amounts::priced(line)
            );
        }
    }
}
