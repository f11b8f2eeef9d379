//! What a line of a document states: prices by row and column, times, opening hours, how to reach the business, how to
//! pay, where it delivers.

use std::ops::Range;
use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

use super::{Kind, amounts, cells};
use crate::split::expression;

/// A fact with the place of its value in the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    /// What it is of: the name of a product, a unit, a district. May be empty.
    pub(crate) subject: String,
    /// Which of several: the name of a column, a size.
    pub(crate) aspect: Option<String>,
    pub(crate) at: Range<usize>,
    /// Of a price that is one amount.
    pub(crate) cents: Option<amounts::Cents>,
    /// "por mês", "cada".
    pub(crate) unit: Option<String>,
}

static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?:\+?55 ?)?\(?\b[1-9][0-9]\)? ?9?[0-9]{4}[- .]?[0-9]{4}\b|\b0800[- ]?[0-9]{3}[- ]?[0-9]{4}\b|\b9[0-9]{4}-[0-9]{4}\b",
    )
});
static MAIL: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)\b[a-z0-9._+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4}\b")
});
static SITE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:https?://|www\.)[^\s,;)]{3,120}|\b[a-z0-9-]{2,63}\.(?:com|net|org|app|bio|site|store)(?:\.br)?(?:/[^\s,;)]{0,80})?\b|(?:^|\s)@[a-z0-9._]{3,30}\b",
    )
});
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:rua|r\.|avenida|av\.?|alameda|al\.|travessa|tv\.|praça|praca|rodovia|rod\.|estrada|largo)\s[\p{L}0-9][^;\n]{3,80}?,?\s(?:n[ºo°.]*\s?)?(?:[0-9]{1,3}\.[0-9]{3}|[0-9]{1,5})\b",
    )
});
static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b[0-2]?[0-9]\s?(?:h(?:oras|rs)?\b|h[0-5][0-9]|:[0-5][0-9])|\bd[ae]s? [0-2]?[0-9] [àa]s [0-2]?[0-9]\b",
    )
});
static DAY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:segunda|terca|quarta|quinta|sexta|sabado|domingo|feriado|seg|ter|qua|qui|sex|sab|dom|todos os dias|diariamente|24 ?h(?:oras)? por dia)s?\b",
    )
});
static PAYS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"\b(?:pix|boleto|cartao|cartoes|dinheiro|debito|credito|vale[- ]refeicao|parcel\w*)\b",
    )
});
static DELIVERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"\b(?:entreg(?:a|as|amos)|frete|delivery|taxa de entrega|motoboy)\b")
});
static SPAN: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^(?:ate |de |em |cerca de )?[0-9]+(?:[,h][0-9]+)?(?: (?:a|ou|e) [0-9]+)? ?(?:min\w*|h|hs|horas?|dias?(?: uteis)?|semanas?|mes|meses|anos?)$",
    )
});

const TIME_HEADERS: &[&str] =
    &["prazo", "duracao", "tempo", "validade", "entrega", "demora", "quanto dura", "tempo medio"];
const PRICE_HEADERS: &[&str] =
    &["preco", "precos", "valor", "valores", "preco (r$)", "valor (r$)", "r$", "custo", "taxa"];

pub(crate) fn is_price_header(header: &str) -> bool {
    PRICE_HEADERS.contains(&fold(header).trim())
}

/// The facts of a line. `heading`: what it stands under; `question`: of a pair, whose answer the line is.
pub(crate) fn of_line(heading: Option<&str>, question: Option<&str>, line: &str) -> Vec<Found> {
    match cells::of(line) {
        Some(row) => of_row(heading, &row),
        None => of_text(heading, question, line),
    }
}

fn of_row(heading: Option<&str>, row: &[cells::Cell]) -> Vec<Found> {
    let Some(first) = row.first() else { return Vec::new() };
    // A row whose first cell is an amount has no name; its heading is one.
    let nameless = amounts::of_cell(&first.value, is_price_header(&first.header)).is_some();
    // What the name has beside its first cell tells which of several it is.
    let (subject, which, rest) = if nameless {
        (heading.unwrap_or_default().to_owned(), &row[..0], row)
    } else {
        let (name, rest) = row.split_at(cells::naming(row));
        (first.value.clone(), &name[1..], rest)
    };
    rest.iter()
        .filter(|cell| cell.value.chars().any(char::is_alphanumeric))
        .map(|cell| {
            let header = fold(&cell.header);
            let cents = amounts::of_cell(&cell.value, is_price_header(&cell.header));
            let kind = if cents.is_some() || !amounts::all(&cell.value).is_empty() {
                Kind::Price
            } else if TIME_HEADERS.contains(&header.trim()) || SPAN.is_match(&fold(&cell.value)) {
                Kind::Time
            } else {
                Kind::Detail
            };
            let plain = kind == Kind::Price && is_price_header(&cell.header);
            Found {
                kind,
                subject: subject.clone(),
                aspect: match (which.is_empty(), plain) {
                    (true, true) => None,
                    (true, false) => Some(cell.header.clone()),
                    (false, true) => Some(cells::joined(which)),
                    (false, false) => Some(format!("{}, {}", cells::joined(which), cell.header)),
                },
                at: cell.at.clone(),
                cents,
                unit: None,
            }
        })
        .collect()
}

fn of_text(heading: Option<&str>, question: Option<&str>, line: &str) -> Vec<Found> {
    let mut out = Vec::new();
    let about = heading.or(question).unwrap_or_default();
    let about = about.rsplit(" – ").next().unwrap_or(about).trim_end_matches([':', '?', ' ']);
    let priced = amounts::priced(line);
    // "Lavagem: hatch R$ 60, sedan R$ 70": the first says for all of what they are.
    let shared = priced
        .first()
        .and_then(|first| first.name.split_once(": "))
        .filter(|_| priced.len() > 1)
        .map(|(shared, _)| shared.trim().to_owned());
    let sizes = priced.len() > 1
        && heading.is_some()
        && priced.iter().all(|one| (1..=3).contains(&one.name.split_whitespace().count()));
    for one in &priced {
        let own = one.name.split_once(": ").map_or(one.name.as_str(), |(_, own)| own);
        let (subject, aspect) = match &shared {
            Some(shared) => (shared.clone(), Some(own.to_owned())),
            None if one.name.is_empty() => (about.to_owned(), None),
            None if sizes => (about.to_owned(), Some(one.name.clone())),
            None => (one.name.clone(), None),
        };
        let end = match one.to {
            Some(_) => amounts::all(line)
                .into_iter()
                .find(|amount| amount.at.start >= one.amount.at.end)
                .map_or(one.amount.at.end, |amount| amount.at.end),
            None => one.amount.at.end,
        };
        out.push(Found {
            kind: Kind::Price,
            subject,
            aspect: aspect.filter(|aspect| !aspect.is_empty()),
            at: one.amount.at.start..end,
            cents: (one.to.is_none() && !one.from).then_some(one.amount.cents),
            unit: one.unit.clone(),
        });
    }
    let folded = fold(line);
    let whole = 0..line.len();
    let mut line_of = |kind: Kind| {
        out.push(Found {
            kind,
            subject: about.to_owned(),
            aspect: None,
            at: whole.clone(),
            cents: None,
            unit: None,
        });
    };
    if CLOCK.is_match(line) && DAY.is_match(&folded) {
        line_of(Kind::Hours);
    } else if priced.is_empty() && PAYS.is_match(&folded) {
        line_of(Kind::Payment);
    } else if priced.is_empty() && DELIVERS.is_match(&folded) {
        line_of(Kind::Delivery);
    }
    for expression in [&*PHONE, &*MAIL, &*SITE, &*ADDRESS] {
        for found in expression.find_iter(line) {
            let overlaps = out.iter().any(|other: &Found| {
                other.kind == Kind::Contact
                    && other.at.start < found.end()
                    && found.start() < other.at.end
            });
            let word = found.as_str().trim();
            // "R$ 9.999-9999" is no telephone, and neither is part of a longer number.
            let inside = line[..found.start()].ends_with(|c: char| c.is_ascii_digit());
            if overlaps || inside || word.is_empty() {
                continue;
            }
            let start = found.start() + (found.len() - found.as_str().trim_start().len());
            out.push(Found {
                kind: Kind::Contact,
                subject: about.to_owned(),
                aspect: None,
                at: start..found.end(),
                cents: None,
                unit: None,
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(heading: Option<&str>, line: &str) -> Vec<String> {
        of_line(heading, None, line)
            .into_iter()
            .map(|one| {
                let aspect = one.aspect.map(|aspect| format!(" / {aspect}")).unwrap_or_default();
                format!("{} {}{aspect} = {}", one.kind.name(), one.subject, &line[one.at])
            })
            .collect()
    }

    #[test]
    fn a_long_number_of_a_house_is_whole_and_notice_is_no_opening_hour() {
        assert_eq!(
            shown(None, "Na Rua Domingos de Morais, 1.250, perto do metrô"),
            ["contact  = Rua Domingos de Morais, 1.250"]
        );
        assert_eq!(shown(None, "Avise com 24 horas de antecedência."), Vec::<String>::new());
        assert_eq!(shown(None, "Guincho 24 horas por dia"), ["hours  = Guincho 24 horas por dia"]);
    }

    #[test]
    fn a_row_gives_a_fact_for_each_cell() {
        assert_eq!(
            shown(None, "Serviço: Polimento; Hatch: R$ 480; SUV: R$ 680; Prazo: 2 dias."),
            [
                "price Polimento / Hatch = R$ 480",
                "price Polimento / SUV = R$ 680",
                "time Polimento / Prazo = 2 dias",
            ]
        );
        assert_eq!(
            shown(None, "Item: Corte; Preço: 40,00; Obs: com hora marcada"),
            ["price Corte = 40,00", "detail Corte / Obs = com hora marcada"]
        );
    }

    #[test]
    fn a_line_of_text_gives_prices_hours_and_contacts() {
        assert_eq!(
            shown(Some("Vitrificação"), "Hatch R$ 1.390 - Sedan R$ 1.490 Prazo: 2 dias"),
            ["price Vitrificação / Hatch = R$ 1.390", "price Vitrificação / Sedan = R$ 1.490"]
        );
        assert_eq!(
            shown(None, "Seg a sex das 8h às 18h, sábado até 12h"),
            ["hours  = Seg a sex das 8h às 18h, sábado até 12h"]
        );
        assert_eq!(
            shown(Some("Unidade Centro"), "Rua Olegário Maciel, 740. Tel. (34) 99812-4406"),
            [
                "contact Unidade Centro = (34) 99812-4406",
                "contact Unidade Centro = Rua Olegário Maciel, 740",
            ]
        );
        assert_eq!(
            shown(None, "Pix, dinheiro e cartão em 3x"),
            ["payment  = Pix, dinheiro e cartão em 3x"]
        );
    }
}
