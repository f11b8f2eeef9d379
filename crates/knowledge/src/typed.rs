//! What customers type, written as a business's own knowledge writes it: words that sound alike or miss a letter, dates in
//! figures, weekdays by number. What it knows already stays as it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use kernel::text::fold;
use regex::{Captures, Regex, Replacer};

use crate::dates;
use crate::index::Index;
use crate::lexicon;
use crate::question::Question;
use crate::split::{STOP, Words, expression, set, stem};

/// Letters of a word in capitals from which it is taken for shouting, and for no abbreviation.
const LOUD: usize = 4;
/// Letters of a word from which a missing or wrong one is mended; shorter ones are other words.
const ONE_WRONG: usize = 7;
/// Letters from which a word that only sounds like another one is taken for it.
const SOUNDS: usize = 4;
/// Words that are known without any knowledge: what customers ask with.
static COMMON: LazyLock<Words> = LazyLock::new(|| {
    let intents = lexicon::INTENTS.iter().map(|(_, group, _)| *group);
    [lexicon::LIGHT, lexicon::REQUESTS, lexicon::WISHES, lexicon::VENUE, lexicon::EVERYDAY]
        .into_iter()
        .chain(intents)
        .flat_map(set)
        .collect()
});
/// The same, with their accents where sound needs them.
static BY_SOUND: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let plain = COMMON.iter().map(|word| (sound(word), *word));
    let accented = lexicon::ACCENTED.split_whitespace().map(|word| (sound(word), word));
    plain.chain(accented).collect()
});

static WEEKDAY: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?i)\b([2-6]) ?[ªaº] ?(?:feira)?\b|\b([2-6])[ªa]?-?feira\b"));
static TIMES: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)\b([0-9]{1,2}) ?x\b"));
/// "Quanto que fica", "onde é que vocês ficam".
static ASKING_THAT: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(quanto|quantos|quantas|onde|aonde|quando|como|quem|qual)\s+(?:[ée]h?\s+)?(?:que|q)\s+",
    )
});
/// "Manda a localização": what is asked for by its name.
static REQUESTED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^\s*(?:(?:pode|podem|poderia|consegue)\s+)?(?:me\s+)?(?:mand[ae]r?|pass[ae]r?|envi[ae]r?|inform[ae]r?)\s+(?:(?:me|a[ií]|pra mim)\s+)?((?:o|a|os|as)\s)",
    )
});
/// The charge for service, as guests call it.
static TENTH: LazyLock<Regex> = LazyLock::new(|| {
    expression(r"(?i)\b(?:os|dos|aqueles|esses|nos) (?:10|dez) ?(?:%|por ?cento\b)")
});
static STROKE: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)\b([pcs])/(\s|\b)"));
static WORD: LazyLock<Regex> = LazyLock::new(|| expression(r"[\p{L}]+"));
/// What comes before the question itself: who somebody is, where they saw the business.
static PREAMBLE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^.{0,160}?\b(?:queria|quero|gostaria(?: de)?|gostaríamos de|preciso(?: de)?|poderia me|pode me|podem me|vim)\s+(?:de\s+)?(?:saber|perguntar|tirar uma d[uú]vida|informar|dizer)\b(?:\s+(?:sobre|se|uma coisa|é))?[\s,:]*",
    )
});

/// What is said before a question and asks for nothing.
static GREETED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^\s*(?:(?:oi+e?|ol[aá]|opa|e a[ií]|eae|e ae|eai|iae|iai|salve|fala(?: a[ií])?|hey|hello|hola|bom dia|boa tarde|boa noite|blz|beleza|ok|certo|entendi|tudo bem|td bem|ent[aã]o|show|perfeito|ata|ah|hm+|legal|valeu|obrigad[oa])(?:[\s,.!:;-]+|$))+",
    )
});

/// What people put into a question and could leave out.
static FILLERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:no total|ao todo|mais ou menos|por favor|por acaso|no caso|tipo assim|s[oó] pra saber|me diz uma coisa|viu|n[eé]|mo[cç]a|mo[cç]o|gente|pessoal|querida|amig[ao]|certinho|direitinho|a[ií])\b",
    )
});
/// Words of everyday Portuguese with their accents, each of which means nothing else without them: the encoder was made of
/// texts that have them, and people type without.
static ACCENTS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    include_str!("accents.txt").split_whitespace().map(|word| (fold(word), word)).collect()
});

/// A text as it is written with care: abbreviations in full, accents, no shouting. The encoder tells "EXAME DE VISTA" from
/// "exame de vista".
pub(crate) fn carefully(text: &str) -> String {
    let written = WORD.replace_all(text, |found: &Captures<'_>| {
        let word = &found[0];
        let loud = word.chars().count() >= LOUD && !word.chars().any(char::is_lowercase);
        let word = if loud { word.to_lowercase() } else { word.to_owned() };
        let plain = understanding::plain_word(&fold(&word));
        let word = if plain == fold(&word) { word } else { plain };
        all_with_accents(&word)
    });
    written.into_owned()
}

/// Words as they are written with care.
fn all_with_accents(words: &str) -> String {
    words.split(' ').map(with_accents).collect::<Vec<_>>().join(" ")
}

fn with_accents(word: &str) -> &str {
    if word.is_ascii() { ACCENTS.get(&word.to_lowercase()).copied().unwrap_or(word) } else { word }
}

const DAYS: [&str; 5] = ["segunda", "terça", "quarta", "quinta", "sexta"];
/// Days that everybody knows by their names.
const FEASTS: &[(&str, &str)] = &[
    ("natal", "25 de dezembro"),
    ("ano novo", "1 de janeiro"),
    ("reveillon", "31 de dezembro"),
    ("vespera de natal", "24 de dezembro"),
    ("finados", "2 de novembro"),
    ("tiradentes", "21 de abril"),
    ("dia do trabalho", "1 de maio"),
    ("dia do trabalhador", "1 de maio"),
    ("independencia", "7 de setembro"),
    ("aparecida", "12 de outubro"),
    ("dia das criancas", "12 de outubro"),
    ("proclamacao da republica", "15 de novembro"),
    ("consciencia negra", "20 de novembro"),
];

/// Turns of phrase for which there is a word.
const TURNS: &[(&str, &str)] = &[
    ("dinheiro de volta", "reembolso"),
    ("devolvem o dinheiro", "reembolso"),
    ("deixar o carro", "estacionamento"),
    ("parar o carro", "estacionamento"),
    ("estacionar o carro", "estacionamento"),
    ("plano de saude", "convenio"),
    ("planos de saude", "convenios"),
    ("nota fiscal", "nf"),
    ("hora de saida", "horario de saida"),
    ("hora de entrada", "horario de entrada"),
];

/// A word as it sounds in Portuguese, roughly: what is mixed up in writing is one.
fn sound(word: &str) -> String {
    let word = fold(&word.to_lowercase().replace('ç', "ss"));
    let letters: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(letters.len());
    for (at, c) in letters.iter().copied().enumerate() {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let soft = matches!(next, 'e' | 'i');
        let sounds = match c {
            'c' if next == 'h' => 'x',
            'c' if soft => 's',
            'c' | 'k' | 'q' => 'k',
            'z' | 'x' => 's',
            'g' if soft => 'j',
            'w' => 'v',
            'y' => 'i',
            'n' if matches!(next, 'p' | 'b') => 'm',
            'h' => continue,
            'u' if at > 0 && matches!(letters[at - 1], 'q' | 'g') && soft => continue,
            's' if next == 'c' && matches!(letters.get(at + 2), Some('e' | 'i')) => continue,
            other => other,
        };
        if !out.ends_with(sounds) {
            out.push(sounds);
        }
    }
    out
}

/// A text with what a rule finds replaced.
fn replaced<'a>(text: Cow<'a, str>, rule: &Regex, by: impl Replacer) -> Cow<'a, str> {
    let new = match rule.replace_all(&text, by) {
        Cow::Owned(new) => Some(new),
        Cow::Borrowed(_) => None,
    };
    new.map_or(text, Cow::Owned)
}

impl Index {
    /// A question as the knowledge would put it.
    pub fn as_written<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let out = self.written(text, true);
        // "Meu cunhado disse que vocês fazem implante, queria saber quanto fica": the thing stands in the story.
        match Question::read(self, &out).names_nothing(self) {
            true => self.written(text, false),
            false => out,
        }
    }

    /// `apart`: without what is said before the question itself.
    fn written<'a>(&self, text: &'a str, apart: bool) -> Cow<'a, str> {
        let asks = |rest: &str, words: usize| {
            rest.chars().any(char::is_alphanumeric) && rest.split_whitespace().count() >= words
        };
        let mut out = Cow::Borrowed(text);
        let said_before = [(&*GREETED, 1), (&*PREAMBLE, 2)];
        for (before, words) in said_before.into_iter().take(if apart { 2 } else { 1 }) {
            let rest = replaced(out.clone(), before, "");
            if asks(&rest, words) {
                out = rest;
            }
        }
        out = replaced(out, &dates::DAY, |found: &Captures<'_>| dates::spelt(&found[1], &found[2]));
        out = replaced(out, &WEEKDAY, |found: &Captures<'_>| {
            let digit = found.get(1).or(found.get(2)).map_or("2", |digit| digit.as_str());
            let day = digit.parse::<usize>().ok().and_then(|digit| DAYS.get(digit - 2));
            format!("{} ", day.copied().unwrap_or("segunda"))
        });
        out = replaced(out, &TIMES, |found: &Captures<'_>| {
            // A column of its own may be called so: "3x por semana".
            let named = self.vocabulary.contains_key(format!("{}x", &found[1]).as_str());
            if named { found[0].to_owned() } else { format!("{} vezes", &found[1]) }
        });
        out = replaced(out, &TENTH, " taxa de serviço");
        out = replaced(out, &ASKING_THAT, "$1 ");
        out = replaced(out, &REQUESTED, "qual é $1");
        out = replaced(out, &STROKE, |found: &Captures<'_>| match &found[1] {
            "c" | "C" => "com ",
            "s" | "S" => "sem ",
            _ => "para ",
        });
        let folded = kernel::text::fold_words(&out);
        for (feast, day) in FEASTS {
            let known = stem(feast.rsplit(' ').next().unwrap_or(feast));
            let month = stem(&fold(day.rsplit(' ').next().unwrap_or_default()));
            if kernel::text::has_phrase(&folded, feast)
                && !self.vocabulary.contains_key(known.as_str())
                && self.vocabulary.contains_key(month.as_str())
            {
                out = Cow::Owned(format!("{out} {day}"));
            }
        }
        let plain = understanding::Plain::of(&out).line;
        for (said, meant) in TURNS {
            let last = stem(said.rsplit(' ').next().unwrap_or(said));
            let lacks = !self.vocabulary.contains_key(last.as_str());
            if kernel::text::has_phrase(&plain, said) && (lacks || said.starts_with("hora ")) {
                out = Cow::Owned(plain.trim().replace(said, meant));
            }
        }
        let out = replaced(out, &WORD, |found: &Captures<'_>| {
            let word = &found[0];
            let meant = self.mended(word).or_else(|| self.written_out(word));
            all_with_accents(meant.as_deref().unwrap_or(word))
        });
        let short = replaced(out.clone(), &FILLERS, |found: &Captures<'_>| {
            // "Departamento pessoal" is a thing where the knowledge says so.
            let last = found[0].rsplit(' ').next().map(fold).unwrap_or_default();
            let known = self.vocabulary.contains_key(stem(&last).as_str());
            if known { found[0].to_owned() } else { " ".to_owned() }
        });
        if asks(&short, 1) { short } else { out }
    }

    /// An abbreviation in full: "vcs", "tb". `None` where there is nothing to write out.
    fn written_out(&self, word: &str) -> Option<String> {
        let folded = fold(word);
        let plain = understanding::plain_word(&folded);
        // "iPhone 13 Pro" is not for anybody.
        if plain == folded
            || folded == "pro"
            || self.vocabulary.contains_key(stem(&folded).as_str())
        {
            return None;
        }
        Some(plain)
    }

    /// What a word that nobody knows is meant to be.
    fn mended(&self, word: &str) -> Option<String> {
        let folded = fold(word);
        let letters = folded.len();
        if letters < SOUNDS
            || !folded.bytes().all(|b| b.is_ascii_lowercase())
            || STOP.contains(folded.as_str())
            || COMMON.contains(folded.as_str())
            || self.vocabulary.contains_key(stem(&folded).as_str())
            || understanding::plain_word(&folded) != folded
        {
            return None;
        }
        // "Breja" where the knowledge says "cerveja".
        if let Some(meant) =
            lexicon::other_word(&folded, |other| self.vocabulary.contains_key(stem(other).as_str()))
        {
            return Some(meant.to_owned());
        }
        // "Clarear" where the knowledge says "clareamento".
        if let Some(noun) = self.noun_of(&folded) {
            return Some(noun);
        }
        let own = sound(word);
        if let Some(alike) = self.by_sound().get(&own) {
            return Some(alike.to_string());
        }
        if let Some(alike) = BY_SOUND.get(&own) {
            return Some((*alike).to_owned());
        }
        if letters < ONE_WRONG {
            return None;
        }
        let near = |other: &str| {
            other.len() >= ONE_WRONG - 1
                && other.as_bytes()[0] == folded.as_bytes()[0]
                && crate::question::one_edit(folded.as_bytes(), other.as_bytes())
        };
        // The first by the alphabet, so that it is the same one every time.
        let own_word = self.by_sound().values().filter(|other| near(other)).min();
        own_word.map(|word| word.to_string()).or_else(|| {
            COMMON.iter().filter(|other| near(other)).min().map(|other| (*other).to_owned())
        })
    }
}

/// Letters of a verb, without its last one, by which its noun is known; and how that goes on.
const THEME: usize = 5;
const NOUNS: &[&str] =
    &["mento", "mentos", "cao", "coes", "gem", "gens", "dor", "dora", "da", "do"];

impl Index {
    /// The noun of a verb, where the knowledge has that.
    fn noun_of(&self, verb: &str) -> Option<String> {
        let theme = verb.strip_suffix('r').filter(|theme| theme.len() >= THEME)?;
        let nouns = NOUNS.iter().map(|end| format!("{theme}{end}"));
        let known = |noun: &String| self.vocabulary.contains_key(stem(noun).as_str());
        nouns.into_iter().find(known)
    }
}

/// The words of a text by their sound, for those who write by ear.
pub(crate) fn sounds(text: &str, into: &mut HashMap<String, Box<str>>) {
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() >= SOUNDS) {
        into.entry(sound(word)).or_insert_with(|| fold(word).into());
    }
}

#[cfg(test)]
mod tests {
    use crate::Index;

    #[test]
    fn what_is_typed_is_written_as_the_knowledge_writes_it() {
        let text = "# Clínica\n\nO horário de funcionamento é das 9h às 18h.\n\nTemos estacionamento.\n\nAceitamos cartão.\n\n\
                    Fazemos entrega.\n\nO endereço é Rua Treze de Maio, 900.\n\nFechamos em 25 de dezembro.\n";
        let index = Index::of_files(&[("a.md", text)]).unwrap();
        for (typed, meant) in [
            ("qual o horario de funcionameto?", "qual o horário de funcionamento?"),
            ("tem estacionameto", "tem estacionamento"),
            ("aseita cartao?", "aceita cartão?"),
            ("voces fasem entrega", "vocês fazem entrega"),
            ("qual o enderesso", "qual o endereço"),
            ("abre 25/12?", "abre 25 de dezembro?"),
            ("da p pagar em 12x?", "da p pagar em 12 vezes?"),
            ("oi, vi vocês no insta e queria saber o preço da festa", "o preço da festa"),
            ("vocês fazem botox?", "vocês fazem botox?"),
            ("quero harmonização", "quero harmonização"),
        ] {
            assert_eq!(index.as_written(typed), meant, "{typed}");
        }
    }
}
