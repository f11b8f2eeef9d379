//! What names a person in a text, taken out of it.

/// Digits from which a run of them is the number of a person, a card or an account, and none of a price or a date.
const LONG: usize = 8;

/// A text without e-mail addresses and long numbers (telephones, documents, cards), however these are divided:
/// "meu cpf é 123.456.789-09" is "meu cpf é …". Amounts, dates and years stay.
pub fn without_personal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for token in text.split_inclusive(char::is_whitespace) {
        let word = token.trim_end();
        let mail =
            word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        out.push_str(if mail { "…" } else { word });
        out.push_str(&token[word.len()..]);
    }
    without_numbers(&out)
}

fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..start]);
        let from = &rest[start..];
        let kept = amount(&rest[..start], from).or_else(|| date(from)).or_else(|| years(from));
        let run = number_at(from);
        let taken = match kept {
            Some(kept) => {
                out.push_str(kept);
                kept
            }
            None if run.bytes().filter(u8::is_ascii_digit).count() >= LONG => {
                out.push('…');
                run
            }
            None => {
                let digits = digits(from);
                out.push_str(digits);
                digits
            }
        };
        rest = &from[taken.len()..];
    }
    out.push_str(rest);
    out
}

/// The digits that a text begins with.
fn digits(text: &str) -> &str {
    &text[..text.bytes().take_while(u8::is_ascii_digit).count()]
}

/// The digits that a text begins with, and those that at most two signs or blanks divide from them.
fn number_at(text: &str) -> &str {
    let mut end = 0;
    let mut signs = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
            signs = 0;
        } else if matches!(c, '.' | '-' | '/' | ' ' | '(' | ')') && signs < 2 {
            signs += 1;
        } else {
            break;
        }
    }
    &text[..end]
}

/// "1.250.000,00", or whatever stands after "R$".
fn amount<'a>(before: &str, text: &'a str) -> Option<&'a str> {
    let end =
        text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let number = text[..end].trim_end_matches(['.', ',']);
    let cents = number.rsplit_once(',').is_some_and(|(_, cents)| cents.len() == 2);
    (before.trim_end().ends_with('$') || cents).then_some(number)
}

/// "29/11", "29/11/2026".
fn date(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '/').unwrap_or(text.len());
    let parts: Vec<usize> = text[..end].split('/').map(str::len).collect();
    matches!(parts.as_slice(), [1..=2, 1..=2] | [1..=2, 1..=2, 2 | 4]).then(|| &text[..end])
}

/// "2025-2026".
fn years(text: &str) -> Option<&str> {
    let both = text.get(..9)?;
    let (from, to) = both.split_once('-')?;
    let year = |part: &str| {
        part.len() == 4
            && (part.starts_with("19") || part.starts_with("20"))
            && digits(part) == part
    };
    let ends = !text[9..].starts_with(|c: char| c.is_ascii_digit() || c == '-');
    (year(from) && year(to) && ends).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::without_personal;

    #[test]
    fn numbers_of_people_go_and_what_is_asked_stays() {
        for (text, shown) in [
            ("meu cpf é 123.456.789-09, tem boleto?", "meu cpf é …, tem boleto?"),
            ("me liga no (11) 98765-4321 pfv", "me liga no (… pfv"),
            ("cnpj 12.345.678/0001-90", "cnpj …"),
            ("pix de R$ 50 11987654321", "pix de R$ 50 …"),
            ("meu email é\u{a0}ana@mail.example", "meu email é\u{a0}…"),
            ("é joao85silva@mail.example\u{3000}ok", "é …\u{3000}ok"),
            ("dia 29/11/2026 10:30, ou 30/11", "dia 29/11/2026 10:30, ou 30/11"),
            ("calendário 2025-2026", "calendário 2025-2026"),
            ("liga 11987654321", "liga …"),
            ("cartão 4111 1111 1111 1111 foi recusado", "cartão … foi recusado"),
            ("manda pra ana.souza@mail.example", "manda pra …"),
            ("manda pra ana1990@mail.example hoje", "manda pra … hoje"),
            (
                "segue o @sorriso, custa R$ 1.250.000,00?",
                "segue o @sorriso, custa R$ 1.250.000,00?",
            ),
            ("dia 29/11/2026 às 10h30", "dia 29/11/2026 às 10h30"),
            ("tem 12 de 350 ml, 6 de 500?", "tem 12 de 350 ml, 6 de 500?"),
            ("", ""),
        ] {
            assert_eq!(without_personal(text), shown);
        }
    }
}
