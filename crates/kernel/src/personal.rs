//! What names a person in a text, taken out of it.

/// Digits from which a run of them is the number of a person, a card or an account, and none of a price or a date.
const LONG: usize = 8;

/// A text without e-mail addresses and long numbers (telephones, documents, cards), however these are divided:
/// "meu cpf é 123.456.789-09" is "meu cpf é …". Amounts and dates stay.
pub fn without_personal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '@') {
        if rest[start..].starts_with('@') {
            let from = rest[..start].rfind(char::is_whitespace).map_or(0, |at| at + 1);
            let to = rest[start..].find(char::is_whitespace).map_or(rest.len(), |at| start + at);
            // A lone "@" is none, and neither is a name in a social network.
            if from < start && rest[start..to].contains('.') {
                out.push_str(&rest[..from]);
                out.push('…');
            } else {
                out.push_str(&rest[..to]);
            }
            rest = &rest[to..];
            continue;
        }
        let run = number_at(&rest[start..]);
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let mail = rest[start + run.len()..].starts_with('@');
        if digits < LONG || is_amount(&rest[..start], run) || is_date(run) || mail {
            // What may be the name of an e-mail address is looked at with that.
            let to = start + if mail { 0 } else { run.len() };
            if mail {
                let end =
                    rest[start..].find(char::is_whitespace).map_or(rest.len(), |at| start + at);
                let from = rest[..start].rfind(char::is_whitespace).map_or(0, |at| at + 1);
                out.push_str(&rest[..from]);
                out.push('…');
                rest = &rest[end..];
                continue;
            }
            out.push_str(&rest[..to]);
            rest = &rest[to..];
            continue;
        }
        out.push_str(&rest[..start]);
        out.push('…');
        rest = &rest[start + run.len()..];
    }
    out.push_str(rest);
    out
}

/// The digits that a text begins with, and those that one sign or a blank divides from them.
fn number_at(text: &str) -> &str {
    let mut end = 0;
    let mut signs = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
            signs = 0;
        } else if matches!(c, '.' | '-' | '/' | ' ' | '(' | ')' | ',') && signs < 2 {
            signs += 1;
        } else {
            break;
        }
    }
    &text[..end]
}

/// "R$ 1.250.000,00", or any number with cents.
fn is_amount(before: &str, run: &str) -> bool {
    before.trim_end().ends_with('$')
        || run.rsplit_once(',').is_some_and(|(_, cents)| cents.len() == 2)
}

/// "29/11/2026" alone.
fn is_date(run: &str) -> bool {
    let parts: Vec<usize> = run.split('/').map(str::len).collect();
    matches!(parts.as_slice(), [1..=2, 1..=2, 4])
        && run.bytes().all(|b| b.is_ascii_digit() || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::without_personal;

    #[test]
    fn numbers_of_people_go_and_what_is_asked_stays() {
        for (text, shown) in [
            ("meu cpf é 123.456.789-09, tem boleto?", "meu cpf é …, tem boleto?"),
            ("me liga no (11) 98765-4321 pfv", "me liga no (… pfv"),
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
