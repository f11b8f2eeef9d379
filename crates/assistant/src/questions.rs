//! The questions of a text: where one ends and the next begins, and what is none.

use understanding::Plain;

use crate::reply::asks;

/// Words that a question begins with, or that stand in one.
const ASKING: &str = "qual quais quanto quanta quantos quantas quando onde aonde quem como porque tem tens teria vende vendem faz \
    fazem aceita aceitam atende atendem abre abrem fecha fecham entrega entregam pode posso podem da dao precisa preciso consegue \
    conseguem sera existe ha serve servem trabalham trabalha oferecem aluga alugam cobra cobram cabe vale funciona quero queria \
    gostaria saber aberto aberta abertos preco valor horario endereco telefone does can what how when where is are vem inclui";

/// Words that a question of its own begins with, after another one.
const VERBS: &str = "tem aceita aceitam entregam entrega abre abrem fecha fecham quanto qual quais onde quando como posso precisa \
    fazem faz vende vendem voces vcs se quem que da demora demoram custa dura fica";

/// Questions of a text that are answered, at most.
const MOST: usize = 4;

/// "Aqui é a dona Neusa, tudo bem com vocês?": who writes, and a greeting.
fn introduces(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "bom", "boa", "dia", "tarde", "noite", "oi", "ola", "oie", "tudo", "bem", "certo", "com",
        "voce", "voces", "e", "eu", "sou", "aqui", "meu", "minha", "filho", "filha", "querida",
        "querido", "moca", "moco", "amigo", "amiga", "nome", "como", "vai", "vao", "esta", "estao",
        "por", "ai", "ne", "o", "a", "de", "do", "da", "dona", "seu", "senhor", "senhora", "quem",
        "fala", "falando", "espero", "que", "pessoal", "gente", "amor", "deus", "abencoe", "graca",
        "paz",
    ];
    let plain = Plain::of(text);
    let greets =
        ["tudo bem", "tudo bom", "bom dia", "boa tarde", "boa noite", "como vai", "tudo certo"]
            .iter()
            .any(|greeting| kernel::text::has_phrase(&plain.line, greeting));
    let named = text.split_whitespace().skip(1).filter(|word| {
        // A name has a capital letter, or follows "aqui é", "dona", "meu nome é".
        word.chars().next().is_some_and(char::is_uppercase)
    });
    let names: Vec<String> = named.map(kernel::text::fold).collect();
    let mut rest = plain.words().filter(|word| {
        !WORDS.contains(word) && !names.iter().any(|name| name.trim_matches(',') == *word)
    });
    // One more word may be the name, typed without its capital letter.
    greets && rest.next().is_none_or(|_| rest.next().is_none() && !names.is_empty())
}

/// "Queria tirar uma dúvida": a question follows, and this is none.
pub(crate) fn announces_a_question(text: &str) -> bool {
    const WORDS: &str = "queria quero gostaria preciso precisava posso pode podem poderia tirar fazer uma umas duvida duvidas \
        pergunta perguntas perguntar perguntinha informacao informacoes de me ajudar ajuda por favor aqui so com voces oi ola \
        saber coisa coisinha seguinte entao boa bom tarde dia noite e que eu tudo bem ai olha moca moco gente";
    let plain = Plain::of(text);
    let topic = plain.words().any(|word| {
        word.starts_with("duvida")
            || word.starts_with("pergunt")
            || word.starts_with("informac")
            || word.starts_with("ajud")
            || matches!(word, "coisa" | "coisinha" | "seguinte")
    });
    topic && plain.words().all(|word| WORDS.split_ascii_whitespace().any(|one| one == word))
}

pub(crate) fn is_question(text: &str) -> bool {
    let plain = Plain::of(text);
    let asks = |word: &str| ASKING.split_ascii_whitespace().any(|ask| ask == word);
    // "Do you deliver" asks; "o implante do meu pai" does not.
    text.contains('?') || plain.words().any(asks) || plain.words().take(2).eq(["do", "you"])
}

/// Whether a sentence wishes something, and asks nothing else.
fn only_wishes(text: &str) -> bool {
    const WISHES: &[&str] = &["quero", "queria", "gostaria", "preciso"];
    // "Minha filha precisa usar aparelho": whoever it is for stands before it; "precisa de documento" asks.
    const OF_OTHERS: &[&str] = &["precisa", "precisam", "quer", "querem"];
    let plain = Plain::of(text);
    let asks = |word: &str| ASKING.split_ascii_whitespace().any(|ask| ask == word);
    let wishes =
        |(at, word): (usize, &str)| WISHES.contains(&word) || (at > 0 && OF_OTHERS.contains(&word));
    !text.contains('?')
        && plain.words().enumerate().any(wishes)
        && plain.words().enumerate().all(|(at, word)| wishes((at, word)) || !asks(word))
}

/// The questions of a text, each with the statements that lead to it; small talk is none.
pub(crate) fn questions(text: &str) -> Vec<String> {
    let sentences: Vec<&str> = text
        .split_inclusive(['?', '\n', '!', ';'])
        .flat_map(|part| part.split_inclusive(". "))
        .map(str::trim)
        .filter(|part| {
            part.chars().any(char::is_alphanumeric)
                && asks(part)
                && !announces_a_question(part)
                && !introduces(part)
        })
        .collect();
    let mut out: Vec<String> = Vec::new();
    let mut led = String::new();
    for (at, sentence) in sentences.iter().copied().enumerate() {
        if !led.is_empty() {
            led.push(' ');
        }
        led.push_str(sentence);
        // "Quero colocar aparelho. Qual o valor?": of what is wished for.
        let next = sentences.get(at + 1).copied().unwrap_or_default();
        if only_wishes(sentence) && (is_bare_price(next) || is_bare_monthly_price(next)) {
            continue;
        }
        // "Grávida pode clarear? Queria pro meu chá de bebê": the wish says why.
        if !out.is_empty() && only_wishes(sentence) {
            continue;
        }
        if is_question(sentence) {
            out.extend(
                halves(&std::mem::take(&mut led))
                    .into_iter()
                    .filter(|part| !announces_a_question(part)),
            );
        }
    }
    if !led.is_empty() {
        // What is said after the last question belongs to it.
        match out.last_mut() {
            Some(last) => {
                last.push(' ');
                last.push_str(&led);
            }
            None => out.push(led),
        }
    }
    if out.is_empty() || out.len() > MOST { vec![text.to_owned()] } else { out }
}

/// Two questions that an "e" joins: "quanto custa a diária e tem café da manhã?".
fn halves(text: &str) -> Vec<String> {
    for (at, _) in text.match_indices(" e ") {
        let (first, second) = (text[..at].trim(), text[at + 3..].trim());
        let start = kernel::text::fold(second.split_whitespace().next().unwrap_or_default());
        let verb = begins_a_question(second);
        let article = matches!(start.as_str(), "o" | "a") && is_question_noun(second);
        if (verb || article)
            && (is_question(first)
                || (text.contains('?') && (asks_you(first) || is_bare_price(second))))
            && first.split_whitespace().count() >= 2
            && second.split_whitespace().count() >= 2
        {
            let mut out = commas(first);
            out.push(second.to_owned());
            return out;
        }
    }
    commas(text)
}

/// "Mexem em carro importado": a question by its verb, which speaks to the business.
fn asks_you(text: &str) -> bool {
    const NOT_VERBS: &[&str] =
        &["tambem", "ontem", "homem", "alguem", "ninguem", "porem", "contudo"];
    let plain = Plain::of(text);
    let mut words = plain.words();
    let first =
        words.find(|word| !matches!(*word, "voces" | "vcs" | "ai" | "e")).unwrap_or_default();
    first.len() >= 4
        && (first.ends_with("am") || first.ends_with("em"))
        && !NOT_VERBS.contains(&first)
}

/// "o telefone", "o preço da diária": asked for by their names.
fn is_question_noun(text: &str) -> bool {
    const NOUNS: &[&str] = &[
        "endereco", "telefone", "preco", "valor", "horario", "prazo", "taxa", "whatsapp", "site",
        "contato",
    ];
    let noun = text.split_whitespace().nth(1).map(kernel::text::fold).unwrap_or_default();
    NOUNS.contains(&noun.as_str())
}

/// Whether a text begins as a question of its own does: with a verb or a word that asks.
pub(crate) fn begins_a_question(text: &str) -> bool {
    const JOINTS: &[&str] = &["e", "mas", "ah", "ai", "entao"];
    let plain = Plain::of(text);
    let first = plain.words().find(|word| !JOINTS.contains(word)).unwrap_or_default();
    VERBS.split_ascii_whitespace().any(|verb| verb == first)
}

fn commas(text: &str) -> Vec<String> {
    match text.rsplit_once(", ") {
        Some((first, second))
            if is_question_noun(second) || (begins_a_question(second) && is_question(first)) =>
        {
            vec![first.to_owned(), second.to_owned()]
        }
        _ => vec![text.to_owned()],
    }
}

/// A text cut at its commas and at the words that join what people tell in one breath.
pub(crate) fn clauses(text: &str) -> Vec<String> {
    const JOINTS: &[&str] =
        &["e", "mas", "ai", "entao", "porque", "pq", "que", "se", "pois", "so", "tipo", "ne"];
    const QUESTION_WORDS: &[&str] =
        &["onde", "aonde", "o", "a", "quando", "como", "quem", "qual", "quanto", "de", "por"];
    let mut out: Vec<String> = Vec::new();
    let mut clause: Vec<&str> = Vec::new();
    let mut end = |clause: &mut Vec<&str>| {
        if clause.len() >= 2 {
            out.push(clause.join(" "));
        }
        clause.clear();
    };
    for word in text.split_whitespace() {
        let bare = kernel::text::fold(word.trim_matches(|c: char| !c.is_alphanumeric()));
        // "Onde que fica" is one question.
        let asks = clause
            .last()
            .is_some_and(|before| QUESTION_WORDS.contains(&kernel::text::fold(before).as_str()));
        if JOINTS.contains(&bare.as_str()) && !(bare == "que" && asks) {
            end(&mut clause);
            continue;
        }
        clause.push(word.trim_end_matches([',', ';', '.', ':']));
        if word.ends_with([',', ';', '.', '?', '!', ':']) {
            end(&mut clause);
        }
    }
    end(&mut clause);
    out
}

/// "Quanto custa", "qual o valor": a price of what was named before.
pub(crate) fn is_bare_price(text: &str) -> bool {
    let plain = Plain::of(text);
    plain.words().any(|word| matches!(word, "quanto" | "valor" | "preco"))
        && plain.words().all(|word| PRICE.contains(&word))
}

/// "Qual o valor da mensalidade?": a price that is paid each month, of what was named before.
fn is_bare_monthly_price(text: &str) -> bool {
    const MONTHLY: &[&str] = &["mensalidade", "mensal", "mes", "do", "de"];
    let plain = Plain::of(text);
    plain.words().any(|word| matches!(word, "mensalidade" | "mensal" | "mes"))
        && plain.words().all(|word| PRICE.contains(&word) || MONTHLY.contains(&word))
}

/// Words of a question of a price that name nothing.
pub(crate) const PRICE: &[&str] = &[
    "quanto",
    "qual",
    "o",
    "e",
    "custa",
    "custam",
    "cobra",
    "cobram",
    "fica",
    "ficam",
    "sai",
    "saem",
    "valor",
    "preco",
    "seria",
    "ta",
    "esta",
    "da",
    "daria",
    "por",
    "agora",
    "entao",
    "isso",
    "a",
    "mais",
    "adicional",
    "acrescimo",
    "extra",
    "mesmo",
    "favor",
    "me",
    "diz",
    "ai",
];
