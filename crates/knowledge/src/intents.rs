//! What kind of answer a question wants, by its words: whether, which, of what size; and what a sentence is.

use kernel::text::fold;

use crate::split::capital;

/// Whether a text has one of these words.
fn says_any(text: &str, words: &[&str]) -> bool {
    let folded = fold(text);
    crate::split::words(&folded).any(|word| words.contains(&word))
}

/// The sizes that a text names.
pub(crate) fn sizes_of(text: &str) -> Vec<usize> {
    const SIZES: &[&[&str]] = &[
        &["pequena", "pequeno", "pequenas", "pequenos", "broto", "brotinho", "mini"],
        &["media", "medio", "medias", "medios"],
        &["grande", "grandes"],
        &["gigante", "gigantes", "familia"],
    ];
    SIZES.iter().enumerate().filter(|(_, size)| says_any(text, size)).map(|(at, _)| at).collect()
}

/// Whether a sentence names sizes, and none of those that are asked for.
pub(crate) fn of_another_size(asked: &[usize], text: &str) -> bool {
    if asked.is_empty() {
        return false;
    }
    let own = sizes_of(text);
    !own.is_empty() && !own.iter().any(|size| asked.contains(size))
}

/// Whether a text asks if something may be done, is needed, or hurts.
pub(crate) fn asks_leave(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "pode",
        "posso",
        "podem",
        "doi",
        "doer",
        "machuca",
        "dolorido",
        "perigoso",
        "mal",
        "contraindicacao",
        "proibido",
        "proibida",
        "permitido",
        "permite",
    ];
    says_any(text, WORDS)
}

/// Whether a text asks which, when, where or how much: "sim" answers none of these.
pub(crate) fn asks_which(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "qual", "quais", "quanto", "quanta", "quantos", "quantas", "qto", "qnto", "quando", "onde",
        "aonde", "quem",
    ];
    let folded = kernel::text::fold_words(text);
    folded.split(' ').any(|word| WORDS.contains(&word))
        || ["que horas", "que hora", "que dia", "que dias", "q horas", "q dia"]
            .iter()
            .any(|phrase| kernel::text::has_phrase(&folded, phrase))
}

/// A reply without the yes that it begins with.
pub(crate) fn without_yes(text: &str) -> String {
    let Some(rest) = text.strip_prefix("Sim") else { return text.to_owned() };
    let rest = rest.trim_start();
    match rest.strip_prefix([',', '.', '!', ':', ';', '–', '-']) {
        Some(rest) if !rest.trim().is_empty() => capital(rest.trim_start()),
        _ => text.to_owned(),
    }
}

/// Whether a text asks after an offer, which may be over.
pub(crate) fn asks_of_offers(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "promocao",
        "promo",
        "promocoes",
        "oferta",
        "ofertas",
        "ainda",
        "valendo",
        "vale",
        "black",
        "campanha",
        "desconto",
        "cupom",
        "anuncio",
        "insta",
        "instagram",
        "continua",
    ];
    says_any(text, WORDS)
}

/// Whether a sentence is a condition of the one beside it.
pub(crate) fn is_condition(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "mas ",
        "exceto",
        "menos ",
        "nao vale",
        "porem",
        "so ",
        "somente",
        "a partir",
        "acima",
        "gratis",
        "desconto",
        "apenas",
        "desde que",
        "salvo",
    ];
    let folded = fold(text);
    WORDS.iter().any(|word| folded.contains(word))
}

/// The place to which a text asks for delivery, as it is said.
pub(crate) fn delivered_to(text: &str) -> Option<String> {
    let folded = kernel::text::fold_words(text);
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|word| word.starts_with("entreg") || *word == "delivery")?;
    let place = words[at + 1..].join(" ");
    (!place.is_empty()).then_some(place)
}

/// "Entregam em Perdizes?", "tem delivery até o Centro?": delivery to a place, and neither its price nor how long it takes.
pub(crate) fn asks_of_delivery(text: &str) -> bool {
    const PLACES: &[&str] = &["em", "no", "na", "nos", "nas", "pro", "pra", "para", "ate", "aqui"];
    const OTHERS: &[&str] = &[
        "quanto", "qto", "qnto", "taxa", "preco", "valor", "demora", "horas", "quando", "minha",
        "meu", "pedido",
    ];
    let folded = kernel::text::fold_words(text);
    let words: Vec<&str> = folded.split(' ').collect();
    let at = words
        .iter()
        .position(|word| matches!(*word, "entrega" | "entregam" | "entregar" | "delivery"));
    at.is_some_and(|at| words.get(at + 1).is_some_and(|next| PLACES.contains(next)))
        && !words.iter().any(|word| OTHERS.contains(word))
}
