//! One text, several questions: each is answered by itself, and what is not known is said.

use knowledge::{Before, Extract, Extractor};
use understanding::Plain;

use crate::questions::{PRICE, begins_a_question, clauses, is_bare_price, is_question, questions};

/// Words that a topic, or a part of one, begins with.
const OPENERS: &[&str] = &[
    "o", "a", "os", "as", "um", "uma", "de", "do", "da", "dos", "das", "no", "na", "nos", "nas",
    "em", "para", "com", "sem", "the", "for", "on", "at", "e", "mas", "se", "ou", "nao", "essa",
    "esse", "isso", "ela", "ele", "qual", "quanto", "tem", "ai", "so",
];
/// Words of a text that may lean on what was asked before it, at most.
const LEANING: usize = 8;
/// Log-odds from which a clause has an answer of its own: it is taken out of what it was said with.
const CLAUSE: f64 = 1.2;
/// Words of a part from which one clause of it may be the question, and the rest its story.
const LONG_PART: usize = 9;
/// Words that may make a story the condition of its question.
const DENIALS: &[&str] =
    &["nao", "sem", "nunca", "nem", "menos", "exceto", "alergia", "alergico", "alergica"];
/// Log-odds that an answer needs where it may be of another thing: after what nothing is known of, or to "é pago?".
const FIRM: f64 = 1.0;

/// What the knowledge says to a text.
pub(crate) struct Found {
    pub(crate) extracts: Vec<Extract>,
    /// The questions that it does not answer, when it answers others.
    pub(crate) unknown: Vec<String>,
}

impl Found {
    /// Adds an answer, unless it is there already.
    fn tell(&mut self, extract: Extract) {
        if self.extracts.iter().all(|other| other.reply != extract.reply) {
            self.extracts.push(extract);
        }
    }
}

/// Looks each question of a text up; `before` is what the contact asked last, and was told. `of_hours`: whether a question is
/// of the opening hours alone.
pub(crate) fn find(
    extractor: &Extractor<'_>,
    text: &str,
    before: Option<Before<'_>>,
    of_hours: &dyn Fn(&str) -> bool,
) -> Found {
    if let Some(list) = extractor.listed(text) {
        let noted = extractor.answer(text, None);
        let best = if noted.as_noted { noted } else { list };
        return Found { extracts: vec![best], unknown: Vec::new() };
    }
    if let Some(sum) = extractor.sum(text) {
        return Found { extracts: vec![sum], unknown: Vec::new() };
    }
    let mut found = Found { extracts: Vec::new(), unknown: Vec::new() };
    let parts = together(extractor, questions(text));
    let several = parts.len() > 1;
    let mut last: Option<(String, String)> =
        before.map(|before| (before.asked.to_owned(), before.told.to_owned()));
    let mut unknown_before: Option<&str> = None;
    for part in &parts {
        // "Fazem canal? Qual o valor?": the price of what is not known is not known either.
        if let Some(before) = unknown_before
            && extractor.index.asks_of_nothing(part)
            && !extractor.index.names_a_thing(before)
        {
            continue;
        }
        if several
            && of_hours(part)
            && let Some(hours) = extractor.opening_hours()
        {
            last = Some((part.clone(), hours.reply.clone()));
            found.extracts.push(hours);
            continue;
        }
        let before = last.as_ref().map(|(asked, told)| Before { asked, told });
        // "E sábado vocês abrem? durante a semana não consigo": what follows the question only says why.
        let question =
            part.find('?').map(|end| &part[..=end]).filter(|first| first.len() < part.len());
        let hours =
            extractor.opening(part, before).or_else(|| extractor.opening(question?, before));
        if let Some(hours) = hours
            && extractor.noted(part).is_none()
        {
            last = Some((part.clone(), hours.reply.clone()));
            found.tell(hours);
            continue;
        }
        if let Some((asked, told)) = &last
            && let Some(more) = carried_on(extractor, part, Before { asked, told })
        {
            last = Some((format!("{asked} {part}"), more.reply.clone()));
            found.extracts.push(more);
            continue;
        }
        // "4 fica qto" after the price of one.
        if let Some((asked, _)) = &last
            && let Some(counted) = counted(part, asked)
        {
            match extractor.sum(&counted) {
                Some(sum) => found.extracts.push(sum),
                None => found.unknown.push(part.clone()),
            }
            continue;
        }
        // "E quanto custa?" after what was told without a price.
        if let Some((asked, told)) = &last
            && is_bare_price(part)
            && !told.contains("R$")
        {
            let priced = extractor.answer(&format!("quanto custa {asked}"), None);
            if priced.supported() && priced.reply.contains("R$") {
                last = Some((format!("{asked} {part}"), priced.reply.clone()));
                found.extracts.push(priced);
                continue;
            }
        }
        // "E qual o valor a mais?" after a sentence that says it: what was told of prices is told again, and nothing else.
        if let Some((asked, told)) = &last
            && is_bare_price(part)
            && let Some(again) = priced_again(extractor, asked, told)
        {
            found.extracts.push(again);
            continue;
        }
        // "É pago?" is of what was spoken of, and no question of how to pay.
        if let Some((asked, _)) = &last
            && asks_if_it_costs(part)
        {
            let priced = extractor.answer(&format!("quanto custa {asked}"), None);
            let told = kernel::text::fold(&priced.reply);
            let says = ["r$", "grat", "cortesia", "sem custo", "incluso", "inclusa", "cobra"];
            match priced.score >= FIRM && says.iter().any(|word| told.contains(word)) {
                true => found.extracts.push(priced),
                false => found.unknown.push(part.clone()),
            }
            continue;
        }
        let of_all = extractor.extreme_of_all(part).filter(|_| last.is_none());
        if let Some(price) = extractor.measured(part).or(of_all) {
            last = Some((part.clone(), price.reply.clone()));
            found.tell(price);
            continue;
        }
        let leans = last.as_ref().filter(|_| leans(part));
        let leans = leans.map(|(asked, told)| Before { asked, told });
        let alone = extractor.answer(part, None);
        let best = match leans {
            Some(before) => {
                let with = extractor.answer(part, Some(before));
                // What was told just now is no answer to what was not named before.
                let repeats = !with.reply.is_empty()
                    && before.told.contains(&with.reply)
                    // Unless it is asked of something that was told with it, or of what its rule for all others covers.
                    && (extractor.index.asks_price(part)
                        || !extractor.index.asks_of_told(part, before.asked, &with.reply))
                    && !covers_others(&with.reply)
                    && (extractor.index.names_more(part, before.asked, &with.reply)
                        || extractor.index.says_little(part));
                // "Que horas?" names nothing: it is of what was spoken of.
                let open = alone.of_nothing || !extractor.index.names_a_thing(part);
                if !repeats && (with.score > alone.score || (open && with.supported())) {
                    with
                } else {
                    alone
                }
            }
            None => alone,
        };
        let mut told = String::new();
        let best = price_within(extractor, part, &best).unwrap_or(best);
        let sure = unknown_before.is_none() || best.score >= FIRM;
        if best.supported() && sure && !(best.of_nothing && leans.is_none()) {
            let mut best = best;
            if let Some(sum) = extractor.calculated(part, &best.reply) {
                best.reply.push_str(&sum);
            }
            told.clone_from(&best.reply);
            found.tell(best);
        } else if let Some(priced) = extractor.price_of_named(part) {
            told.clone_from(&priced.reply);
            found.tell(priced);
        } else if let Some(area) = extractor.delivers_to(part) {
            told.clone_from(&area.reply);
            found.extracts.push(area);
        } else if let Some(more) = within(extractor, part) {
            told = more.extracts.last().map(|last| last.reply.clone()).unwrap_or_default();
            more.extracts.into_iter().for_each(|extract| found.tell(extract));
            found.unknown.extend(more.unknown);
        } else if is_asked(part, several) {
            found.unknown.push(part.clone());
        }
        unknown_before = (found.unknown.last() == Some(part)).then_some(part.as_str());
        last = Some((part.clone(), told));
    }
    // What was told to another part may be of this one, too: "dá pra pedir reembolso? vocês dão nota?".
    let all_told: Vec<&str> = found.extracts.iter().map(|one| one.reply.as_str()).collect();
    let all_told = all_told.join(" ");
    found.unknown.retain(|part| found.extracts.is_empty() || !asks_of_the_same(part));
    found.unknown.retain(|part| {
        !extractor.index.names_a_thing(part) || extractor.index.names_more(part, "", &all_told)
    });
    if found.extracts.is_empty() && several {
        let whole = extractor.answer(text, before.filter(|_| leans(text)));
        if whole.supported() {
            return Found { extracts: vec![whole], unknown: Vec::new() };
        }
    }
    found
}

/// What is asked within a long part that has no answer as a whole: "perdi um dente faz dois anos e tô vendo preço de
/// implante". `None` where nothing of it is known.
fn within(extractor: &Extractor<'_>, part: &str) -> Option<Found> {
    let clauses = clauses(part);
    if clauses.len() < 2 || part.split_whitespace().count() < LONG_PART {
        return None;
    }
    // What a story denies may be the condition of the question: "ele não pode com lactose".
    let denies = |text: &str| Plain::of(text).words().any(|word| DENIALS.contains(&word));
    if clauses.iter().any(|clause| !is_question(clause) && denies(clause)) {
        return None;
    }
    let mut found = Found { extracts: Vec::new(), unknown: Vec::new() };
    for clause in clauses.iter().filter(|clause| is_question(clause)) {
        let extract = extractor.answer(clause, None);
        if extract.score >= CLAUSE && !extract.of_nothing && !extract.reply.is_empty() {
            found.tell(extract);
        } else if begins_a_question(clause) {
            found.unknown.push(clause.clone());
        }
    }
    (!found.extracts.is_empty()).then_some(found)
}

/// The price of the thing that a story names, where it asks for one and its own answer has none.
fn price_within(extractor: &Extractor<'_>, part: &str, whole: &Extract) -> Option<Extract> {
    let priced = whole.supported() && whole.reply.contains("R$");
    if priced || whole.as_noted || part.split_whitespace().count() < LONG_PART {
        return None;
    }
    const HOW_MUCH: &[&str] = &[
        "quanto",
        "qual o valor",
        "qual valor",
        "qual o preco",
        "qual preco",
        "saber o valor",
        "saber o preco",
    ];
    let line = Plain::of(part).line;
    if !HOW_MUCH.iter().any(|asked| kernel::text::has_phrase(&line, asked)) {
        return None;
    }
    extractor.price_of_named(part).or_else(|| price_of_a_clause(extractor, part))
}

/// The price of what a clause of a story names: "vocês fazem implante aí eu queria saber quanto fica".
fn price_of_a_clause(extractor: &Extractor<'_>, part: &str) -> Option<Extract> {
    let clauses = clauses(part);
    let named = clauses.iter().filter(|clause| extractor.index.names_a_thing(clause));
    named
        .map(|clause| extractor.answer(&format!("quanto custa {clause}"), None))
        .filter(|priced| priced.score >= FIRM && priced.reply.contains("R$"))
        .max_by(|one, other| one.score.total_cmp(&other.score))
}

/// What a text asks of what was told just now.
fn carried_on(extractor: &Extractor<'_>, part: &str, before: Before<'_>) -> Option<Extract> {
    let Before { asked, told } = before;
    // "E o 4/4?" after the price of the 3/4; "e a garantia?"; "e o mais barato?"; "se pagar no pix", "e com a entrega?".
    extractor
        .column_of(part, told)
        .or_else(|| extractor.other_of(part, asked, told))
        .or_else(|| extractor.extreme_of(part, asked))
        .or_else(|| extractor.comes_to(part, told))
        .or_else(|| leans(part).then(|| extractor.option_told(part, told)).flatten())
}

/// A price that is asked for by itself belongs to what is named next: "quanto custa / a limpeza?". And the price of two
/// things is two questions.
fn together(extractor: &Extractor<'_>, parts: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut waiting = String::new();
    let last = parts.len().saturating_sub(1);
    for (at, part) in parts.iter().enumerate() {
        if at < last && extractor.index.asks_of_nothing(part) {
            let next = &parts[at + 1];
            if !begins_a_question(next) {
                waiting = part.trim_end_matches('?').to_owned();
                continue;
            }
            // "Quanto custa e quanto demora abrir uma empresa?": the thing is named once, for both.
            if extractor.index.names_a_thing(next) {
                out.push(format!("{} {next}", part.trim_end_matches('?')));
                continue;
            }
        }
        let part = if waiting.is_empty() {
            part.clone()
        } else {
            format!("{} {part}", std::mem::take(&mut waiting))
        };
        match two_things(extractor, &part) {
            Some(two) => out.extend(two),
            None => out.push(part),
        }
    }
    out
}

/// "quanto custa a limpeza e o canal?" as two questions, where each has an answer of its own.
fn two_things(extractor: &Extractor<'_>, text: &str) -> Option<[String; 2]> {
    const ARTICLES: &[&str] = &["o", "a", "os", "as", "um", "uma"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let asks = words.first().map(|word| kernel::text::fold(word))?;
    if !matches!(asks.as_str(), "quanto" | "qto" | "qual" | "preco" | "valor") {
        return None;
    }
    let (first, second) = text.split_once(" e ")?;
    let article = |word: &str| ARTICLES.contains(&kernel::text::fold(word).as_str());
    if !second.split_whitespace().next().is_some_and(article) {
        return None;
    }
    let at = first.split_whitespace().position(article)?;
    let opening: Vec<&str> = first.split_whitespace().take(at).collect();
    let two = [first.to_owned(), format!("{} {second}", opening.join(" "))];
    let [one, other] = [&two[0], &two[1]].map(|text| extractor.answer(text, None));
    // Of one that is known and one that is not, each is said.
    let apart = one.reply != other.reply || one.supported() != other.supported();
    ((one.supported() || other.supported()) && apart).then_some(two)
}

/// What is asked in a text that leans on what was asked before it: both, so that the topic is not lost on the way.
pub(crate) fn topic(earlier: Option<&str>, last: &str) -> String {
    match earlier.filter(|_| leans(last)) {
        Some(earlier) => format!("{earlier} {last}"),
        None => last.to_owned(),
    }
}

/// Whether a text is so short that it may only mean something after the one before it.
fn leans(text: &str) -> bool {
    let plain = Plain::of(text);
    let words: Vec<&str> = plain.words().collect();
    let opens = words.first().is_some_and(|first| OPENERS.contains(first));
    words.len() <= LEANING && (opens || words.len() <= 5)
}

/// A number alone, asked for the price of so many of what was asked for before: "4 fica qto", "e 3?".
fn counted(text: &str, before: &str) -> Option<String> {
    const AROUND: &[&str] = &[
        "se", "eu", "levar", "pegar", "comprar", "levando", "unidades", "dessas", "desses", "para",
        "por",
    ];
    let plain = Plain::of(text);
    let is_count = |word: &str| {
        word.bytes().all(|b| b.is_ascii_digit())
            || matches!(word, "duas" | "dois" | "tres" | "quatro" | "cinco" | "seis" | "dez")
    };
    let counts: Vec<&str> = plain.words().filter(|word| is_count(word)).collect();
    let [count] = counts.as_slice() else { return None };
    let mut rest = plain.words().filter(|word| !is_count(word));
    if !rest.all(|word| PRICE.contains(&word) || AROUND.contains(&word)) {
        return None;
    }
    let before = Plain::of(before);
    let thing: Vec<&str> =
        before.words().filter(|word| !PRICE.contains(word) && !is_count(word)).collect();
    (!thing.is_empty()).then(|| format!("quanto fica {count} {}", thing.join(" ")))
}

/// "É pago?", "cobram por isso?", "é de graça?"
fn asks_if_it_costs(text: &str) -> bool {
    const COSTS: &[&str] =
        &["pago", "paga", "gratis", "gratuito", "gratuita", "graca", "cobra", "cobram", "cobrado"];
    const AROUND: &[&str] = &[
        "e", "eh", "o", "a", "de", "por", "isso", "ou", "nao", "tem", "voces", "esta", "tambem",
        "la", "ele", "ela", "so", "ai",
    ];
    let plain = Plain::of(text);
    plain.words().any(|word| COSTS.contains(&word))
        && plain.words().all(|word| COSTS.contains(&word) || AROUND.contains(&word))
}

/// The sentence with the one price of what was told before.
fn priced_again(extractor: &Extractor<'_>, asked: &str, told: &str) -> Option<Extract> {
    let sentences = told.split_inclusive(['.', '\n']).filter(|sentence| sentence.contains("R$"));
    let priced: Vec<&str> = sentences.map(str::trim).collect();
    let [one] = priced.as_slice() else { return None };
    let mut again = extractor.answer(asked, None);
    again.supported().then(|| {
        again.reply = (*one).to_owned();
        again
    })
}

/// Whether a sentence has a rule for what it does not name: "para outros convênios, …".
fn covers_others(told: &str) -> bool {
    let folded = kernel::text::fold_words(told);
    ["outros", "outras", "demais", "qualquer outro", "qualquer outra"]
        .iter()
        .any(|word| kernel::text::has_phrase(&folded, word))
}

/// "Tem problema?", "pode?": of what was just answered.
fn asks_of_the_same(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "tem",
        "ha",
        "problema",
        "problemas",
        "faz",
        "mal",
        "algum",
        "alguma",
        "pode",
        "posso",
        "da",
        "certo",
        "tudo",
        "bem",
        "sera",
        "nao",
        "e",
        "ok",
        "ne",
        "isso",
        "ta",
        "ou",
        "sim",
        "que",
        "como",
        "funciona",
    ];
    Plain::of(text).words().all(|word| WORDS.contains(&word))
}

/// Whether it need be said that a part is not known: beside others only of what is clearly asked.
fn is_asked(part: &str, several: bool) -> bool {
    !several || part.contains('?') || begins_a_question(part)
}
