//! Finding the acts of a text.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::patterns::{GROUPS, NOT, PATTERNS};
use crate::{Act, Plain, classifier};

/// How surely an act is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Only where the knowledge has no answer to it as a question.
    Possible,
    /// If the knowledge answers it well as a question, it is one.
    Likely,
    Certain,
}

/// An act that a text performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub act: Act,
    pub strength: Strength,
}

/// Words of an optional run: `{3}` in a pattern.
fn gaps(pattern: &str) -> String {
    static GAP: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\( \{([0-9])\}\)\?|\{([0-9])\}").expect("an expression"));
    GAP.replace_all(pattern, |found: &regex::Captures<'_>| {
        let most = found.get(1).or(found.get(2)).map_or("0", |m| m.as_str());
        format!("(?: [a-z0-9]+){{0,{most}}}")
    })
    .into_owned()
}

/// A pattern as a regular expression of the library.
fn expression(pattern: &str) -> String {
    let mut text = gaps(pattern).replace("^ ", "^").replace(r"\w", "[a-z0-9]");
    for (name, group) in GROUPS {
        text = text.replace(&format!("{{{name}}}"), group);
    }
    format!(r"(?-u:\b)(?:{text})")
}

/// The patterns of an act, and those of what only looks like it.
struct Net {
    shows: RegexSet,
    not: Vec<Regex>,
}

/// Bytes that the patterns of an act compile to, at most.
const SIZE: usize = 64 << 20;

static NETS: LazyLock<HashMap<Act, Net>> = LazyLock::new(|| {
    let net = |(act, patterns): &(Act, &[&str])| {
        let compiled: Vec<String> = patterns.iter().map(|pattern| expression(pattern)).collect();
        let shows = RegexSetBuilder::new(compiled).size_limit(SIZE).build();
        let not = NOT.iter().filter(|(of, _)| of == act).flat_map(|(_, patterns)| *patterns);
        let not = not.map(|pattern| {
            let built = RegexBuilder::new(&expression(pattern)).size_limit(SIZE).build();
            built.expect("patterns are valid expressions")
        });
        (*act, Net { shows: shows.expect("patterns are valid expressions"), not: not.collect() })
    };
    PATTERNS.iter().map(net).collect()
});

impl Net {
    fn holds(&self, line: &str) -> bool {
        if !self.shows.is_match(line) {
            return false;
        }
        let mut rest = line.to_owned();
        for pattern in &self.not {
            rest = pattern.replace_all(&rest, "# ").into_owned();
        }
        rest == line || self.shows.is_match(&rest)
    }
}

/// Words up to which "e um cafezinho?" goes on with what was said; "É a segunda vez que …" begins with the same letter.
const SHORT: usize = 7;
/// Share of the classifier that must agree with a pattern: people do say "I am dying of hunger".
const AGREES: f32 = 0.05;
/// Shares of the classifier from which an act is certain, likely or possible.
const CERTAIN: f32 = 0.62;
const LIKELY: f32 = 0.4;
const POSSIBLE: f32 = 0.2;

/// The acts of a text, the most likely first; none: it asks or states something. `vector`: of the text, where it was
/// made.
pub fn acts(plain: &Plain, vector: Option<&[f32]>) -> Vec<Found> {
    if let Some(act) = small_talk(plain) {
        return vec![Found { act, strength: Strength::Certain }];
    }
    let Some(classifier) = classifier() else { return Vec::new() };
    of_shares(plain, &classifier.shares(plain, vector))
}

/// Share of the classifier from which a text is a question by its words alone.
const PLAINLY: f32 = 0.97;

/// Whether the words of a text leave no doubt of what it is: small talk, or a question and nothing else. Then its meaning
/// need not be looked at.
pub fn is_clear(plain: &Plain) -> bool {
    if small_talk(plain).is_some() {
        return true;
    }
    let Some(classifier) = classifier() else { return false };
    let shares = classifier.shares(plain, None);
    let question = crate::CLASSES.iter().position(|class| *class == "question");
    let line = plain.line.trim_start();
    question.is_some_and(|at| shares[at] >= PLAINLY) && !NETS.values().any(|net| net.holds(line))
}

/// Whether a text tells something and wants nothing: "moro aqui perto", "vou pensar".
pub fn is_statement(plain: &Plain, vector: Option<&[f32]>) -> bool {
    let Some(classifier) = classifier() else { return false };
    let shares = classifier.shares(plain, vector);
    let of = |name: &str| {
        crate::CLASSES
            .iter()
            .zip(&shares)
            .find(|(class, _)| **class == name)
            .map_or(0.0, |(_, s)| *s)
    };
    !plain.asks && of("statement") >= 0.5
}

fn of_shares(plain: &Plain, shares: &[f32]) -> Vec<Found> {
    let line = plain.line.trim_start();
    let mut found: Vec<(Found, f32)> = Vec::new();
    for (name, share) in crate::CLASSES.iter().zip(shares) {
        let Some(act) = Act::by_name(name) else { continue };
        let caught = *share >= AGREES && NETS.get(&act).is_some_and(|net| net.holds(line));
        // "E de tarde?" goes on with a question, and "nem pra tirar peça?" asks one: only by its words is that a greeting, or
        // the wish to hear no more.
        let goes_on = ["e ", "ou ", "mas ", "nem "].iter().any(|start| line.starts_with(start));
        let hardly = match act {
            Act::Greeting => goes_on,
            // "Me liga nesse número?" asks for something.
            Act::Stop => plain.asks,
            Act::Complaint => goes_on && !plain.angry && plain.words().count() <= SHORT,
            _ => false,
        };
        if hardly && !caught {
            continue;
        }
        // "Ele pode ir sozinho? trabalho o dia todo" only sounds of danger: no word of it says so.
        let sounds = act == Act::Harm && !caught && plain.asks;
        let strength = match *share {
            share if caught || (share >= CERTAIN && !sounds) => Strength::Certain,
            share if share >= LIKELY => Strength::Likely,
            share if share >= POSSIBLE => Strength::Possible,
            _ => continue,
        };
        found.push((Found { act, strength }, if caught { share + 1.0 } else { *share }));
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.into_iter().map(|(found, _)| found).collect()
}

const GREETINGS: &[&str] = &[
    "oi",
    "ola",
    "opa",
    "e ai",
    "eai",
    "ei",
    "bom dia",
    "boa tarde",
    "boa noite",
    "tudo bem",
    "tudo bom",
    "como vai",
    "como voce esta",
    "como voces estao",
    "tudo certo",
    "oie",
    "alo",
    "salve",
    "fala",
    "coe",
    "hello",
    "hi",
    "hey",
    "good morning",
    "good afternoon",
    "good evening",
    "hola",
    "buenas",
    "buenos dias",
    "beleza",
    "tudo joia",
    "tudo tranquilo",
    "bao",
    "tudo",
    "boas",
];
const THANKS: &[&str] = &[
    "obrigado",
    "obrigada",
    "muito obrigado",
    "muito obrigada",
    "valeu",
    "agradeco",
    "agradecido",
    "agradecida",
    "grato",
    "grata",
    "thanks",
    "thank you",
    "gracias",
    "gratidao",
    "deus abencoe",
    "deus te abencoe",
    "tmj",
    "tamo junto",
    "era so isso",
    "so isso",
    "so isso mesmo",
    "era isso",
    "era so",
    "e so isso",
    "nada mais",
];
const GOODBYES: &[&str] = &[
    "tchau",
    "tchauzinho",
    "ate mais",
    "ate logo",
    "ate amanha",
    "ate",
    "ate breve",
    "falou",
    "fui",
    "bye",
    "goodbye",
    "abracos",
    "abraco",
    "beijos",
    "beijo",
    "bom descanso",
    "boa semana",
    "bom trabalho",
    "xau",
    "ate la",
    "bom fim de semana",
    "bom final de semana",
    "bom feriado",
    "bom domingo",
    "bom sabado",
    "boa segunda",
    "boa sexta",
    "boa sexta feira",
    "bom final de domingo",
    "bom resto de dia",
    "boa continuacao",
    "boas festas",
    "feliz natal",
    "feliz ano novo",
];
const ACKNOWLEDGEMENTS: &[&str] = &[
    "ok",
    "okay",
    "okey",
    "certo",
    "entendi",
    "beleza",
    "esta bom",
    "esta bem",
    "esta ok",
    "esta certo",
    "tudo certo",
    "perfeito",
    "otimo",
    "show",
    "joia",
    "sim",
    "nao",
    "legal",
    "combinado",
    "isso",
    "isso mesmo",
    "got it",
    "maravilha",
    "fechou",
    "fechado",
    "top",
    "massa",
    "bacana",
    "ah",
    "aham",
    "uhum",
    "hum",
    "hm",
    "hmm",
    "entendido",
    "ciente",
    "tranquilo",
    "suave",
    "de boa",
    "pode ser",
    "sem problemas",
    "sem problema",
    "imagina",
    "nao precisa",
    "ah sim",
    "ah ta",
    "ah ok",
    "saquei",
    "excelente",
    "show de bola",
    "boa",
    "bom",
    "vou ver",
    "vou pensar",
    "vou ver aqui",
    "depois eu vejo",
    "depois te falo",
    "qualquer coisa eu chamo",
    "qualquer coisa chamo",
    "ops",
    "espera",
    "pera",
    "um minuto",
    "um momento",
    "ja volto",
    "desculpa",
    "desculpe",
    "foi mal",
    "foi engano",
];
const FILLERS: &[&str] = &[
    "e",
    "ai",
    "gente",
    "pessoal",
    "moca",
    "moco",
    "muito",
    "bem",
    "por",
    "tudo",
    "demais",
    "viu",
    "entao",
    "mesmo",
    "amigo",
    "amiga",
    "querida",
    "querido",
    "amor",
    "linda",
    "flor",
    "ta",
    "esta",
    "com",
    "voce",
    "voces",
    "a",
    "o",
    "todos",
    "todas",
    "que",
    "tenha",
    "tenham",
    "um",
    "uma",
    "senhor",
    "senhora",
    "ne",
    "pela",
    "pelo",
    "atencao",
    "informacao",
    "informacoes",
    "ajuda",
    "retorno",
    "resposta",
    "mais",
    "la",
    "meu",
    "minha",
    "irmao",
    "mana",
    "mano",
    "cara",
    "parceiro",
    "de",
    "nada",
    "so",
    "agora",
    "ja",
    "ah",
    "eu",
    "isso",
    "por",
    "enquanto",
    "dia",
    "noite",
    "tarde",
    "bom",
    "boa",
    "para",
    "obrigadao",
    "mto",
    "hein",
    "aqui",
    "agradeco",
    "super",
    "bjs",
    "te",
    "seu",
    "sua",
    "no",
    "na",
    "do",
    "da",
    "ate",
    "tambem",
    "otima",
    "otimo",
    "semana",
    "sim",
    "amanha",
    "hoje",
];

/// Whether a text is laughter, or a mere sound.
fn is_laughter(word: &str) -> bool {
    let only = |letters: &[char]| !word.is_empty() && word.chars().all(|c| letters.contains(&c));
    only(&['k'])
        || (word.len() >= 2
            && (only(&['h', 'a'])
                || only(&['r', 's'])
                || only(&['h', 'e'])
                || only(&['h', 'u', 'a'])))
}

/// What a text is that asks nothing: greetings, thanks, laughter.
pub fn small_talk(plain: &Plain) -> Option<Act> {
    let words: Vec<&str> = plain.words().filter(|word| !is_laughter(word)).collect();
    if words.is_empty() {
        // Emoji, punctuation and laughter.
        return Some(Act::Acknowledgement);
    }
    let line = format!(" {} ", words.join(" "));
    let has = |list: &[&str]| list.iter().any(|phrase| line.contains(&format!(" {phrase} ")));
    if consists_of(&words, &[GREETINGS]) {
        return Some(Act::Greeting);
    }
    if consists_of(&words, &[THANKS, GOODBYES, ACKNOWLEDGEMENTS, GREETINGS]) {
        return Some(match () {
            () if has(THANKS) => Act::Thanks,
            () if has(GOODBYES) => Act::Goodbye,
            () if has(GREETINGS) && !has(ACKNOWLEDGEMENTS) => Act::Greeting,
            () => Act::Acknowledgement,
        });
    }
    None
}

/// Whether the words are nothing but phrases of these lists, and fillers.
fn consists_of(words: &[&str], lists: &[&[&str]]) -> bool {
    if words.len() > 14 {
        return false;
    }
    let mut at = 0;
    let mut met = false;
    while at < words.len() {
        let longest = (1..=4.min(words.len() - at)).rev().find(|len| {
            let phrase = words[at..at + len].join(" ");
            lists.iter().any(|list| list.contains(&phrase.as_str()))
        });
        match longest {
            Some(len) => {
                met = true;
                at += len;
            }
            None if FILLERS.contains(&words[at]) => at += 1,
            None => return false,
        }
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_a_question_is_hardly_ever_taken_for_one_by_its_words() {
        let held = include_str!("../../../evaluation/acts/held.tsv");
        let (mut clear, mut questions, mut missed, mut others) = (0, 0, Vec::new(), 0);
        for line in held.lines() {
            let (act, text) = line.split_once('\t').expect("an act and a text");
            let text = text.replace("\\n", "\n");
            let plain = Plain::of(&text);
            let taken = small_talk(&plain).is_none() && is_clear(&plain);
            if act == "question" {
                questions += 1;
                clear += usize::from(taken);
            } else {
                others += 1;
                if taken {
                    missed.push(format!("{act}: {text}"));
                }
            }
        }
        eprintln!("{clear} of {questions} questions are clear; missed of {others}: {missed:#?}");
        assert!(!missed.iter().any(|one| one.starts_with("harm") || one.starts_with("stop")));
        assert!(missed.len() * 50 <= others, "at most one in fifty: {missed:#?}");
        assert!(clear * 4 >= questions, "a quarter of the questions at least: {clear}");
    }
}
