//! Which of three languages a short text is in, by its small words.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Portuguese,
    English,
    Spanish,
}

/// Small words that only one of the three has.
const WORDS: &[(Language, &str)] = &[
    (
        Language::Portuguese,
        "o os do da dos das em nos nas no na é um não você vocês são às até ao aos pelo pela mais sim com custa nosso \
         nossa também temos aceitamos fica abrimos isso essa esse eu são sem já seu sua",
    ),
    (
        Language::English,
        "the is are and of to for you we our it at from with your can costs cost be have has will yes this that on by",
    ),
    (
        Language::Spanish,
        "el la los las y en con del es usted su cuesta cuestan hay puede nuestro nuestra sí están está aceptamos \
         abrimos tenemos hasta desde lunes viernes sábados",
    ),
];

/// The language that most small words of a text speak for; `None` where none does more than the others.
pub(crate) fn of(text: &str) -> Option<Language> {
    let lower = text.to_lowercase();
    let count = |words: &str| {
        lower
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| {
                !word.is_empty() && words.split_ascii_whitespace().any(|one| one == *word)
            })
            .count()
    };
    let mut counts: Vec<(usize, Language)> =
        WORDS.iter().map(|(language, words)| (count(words), *language)).collect();
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    (counts[0].0 > counts[1].0).then_some(counts[0].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_have_a_language() {
        for (text, expected) in [
            ("A limpeza custa R$ 180,00.", Some(Language::Portuguese)),
            ("The cleaning costs R$ 180.00.", Some(Language::English)),
            ("The cleaning is R$ 180.", Some(Language::English)),
            ("La limpieza cuesta R$ 180,00.", Some(Language::Spanish)),
            ("Sim, aceitamos cartão!", Some(Language::Portuguese)),
            ("Limpeza: R$ 180", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
