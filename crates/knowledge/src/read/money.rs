//! Amounts that are written without their mark: "Centro 12,00", "a meia por 32,00".

use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

use crate::split::expression;

static CENTS: LazyLock<Regex> =
    LazyLock::new(|| expression(r"\b[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]{2}\b"));
/// What a number with two digits after its comma may be of, that is no money.
static MEASURE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^\s?(?:%|°|º|x|×|/\s?[0-9]|(?:kg|g|mg|m|m2|m²|m³|cm|mm|km|l|lt|ml|litros?|metros?|quilos?|gramas?|graus?|dpt|h|horas?|min|pontos?|estrelas?|ha|v|w|kw|kwh|hp|cv|polegadas?|reais)\b)",
    )
});
static BEFORE_MEASURE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?:[$€£+x×]\s?|[0-9]:|[0-9/.,*-]|\b(?:notas?|medias?|graus?|esferico|cilindrico|dioptrias?|versao|fator|juros|nivel|ph|indice)(?: (?:de|e|minim[ao]|igual a|ate|acima de|abaixo de|a))?\s)$",
    )
});

/// Bytes around an amount that are looked at.
const NEAR: usize = 60;

/// A text in which such amounts have their mark: with two digits after a comma a number is money, unless it measures.
pub(super) fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for found in CENTS.find_iter(text) {
        let line = text[..found.start()].rfind('\n').map_or(0, |at| at + 1);
        let near = text.floor_char_boundary(found.start().saturating_sub(NEAR)).max(line);
        let before = fold(&text[near..found.start()]);
        let far = text.floor_char_boundary((found.end() + NEAR).min(text.len()));
        let after = fold(text[found.end()..far].lines().next().unwrap_or_default());
        let longer = after.starts_with([',', '.', '-'])
            && after[1..].starts_with(|c: char| c.is_ascii_digit());
        let measures = longer || MEASURE.is_match(&after);
        if measures || BEFORE_MEASURE.is_match(&before) {
            continue;
        }
        out.push_str(&text[from..found.start()]);
        out.push_str("R$ ");
        from = found.start();
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::marked;

    #[test]
    fn an_amount_has_its_mark_and_a_measure_none() {
        for (text, told) in [
            ("Centro 12,00\nMorro Alto 1.022,00", "Centro R$ 12,00\nMorro Alto R$ 1.022,00"),
            ("Vendemos a meia por 32,00.", "Vendemos a meia por R$ 32,00."),
            ("Frete: 8,00 (só centro)", "Frete: R$ 8,00 (só centro)"),
            ("Diária - 120,00", "Diária - R$ 120,00"),
            ("pote 15 (29,00 cada)", "pote 15 (R$ 29,00 cada)"),
            ("adulto 85,00, dupla 150,00", "adulto R$ 85,00, dupla R$ 150,00"),
        ] {
            assert_eq!(marked(text), told);
        }
        for text in [
            "R$ 12,00 e R$12,50",
            "12,00 reais",
            "mesa de 1,50 x 2,00 m",
            "grau até -4,00",
            "média mínima 6,00",
            "2,50% ao mês",
            "caixa de 1,25 kg",
            "US$ 10,00",
            "(11) 4002,8922",
        ] {
            assert_eq!(marked(text), text);
        }
    }
}
