//! What a text claims, held against what the evidence says: numbers with their unit and the thing they belong to,
//! yes or no, what is free, names and addresses.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use kernel::text::{fold, fold_words};
use regex::Regex;

use super::clean::sentences;
use super::numbers::{self, Number, Unit};

/// What a text says of a number: which one, and the words that say of what.
struct Claim {
    number: Number,
    /// Stems between it and its neighbours.
    near: HashSet<String>,
}

/// A line of the evidence.
pub(super) struct Line {
    claims: Vec<Claim>,
    stems: HashSet<String>,
    /// Its own words and those of its heading or question.
    about: HashSet<String>,
    clauses: Vec<Clause>,
    folded: String,
}

/// A part of a sentence that says one thing, or denies it.
struct Clause {
    stems: HashSet<String>,
    denies: bool,
}

fn stems(text: &str) -> HashSet<String> {
    knowledge::stems(text)
        .into_iter()
        .filter(|stem| stem.starts_with(|c: char| c.is_alphabetic()) && stem.len() > 1)
        .collect()
}

static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)[.;:!?\n()]+(?:\s|$)|,\s|\s[-–—]\s|\s(?:mas|por[ée]m|but|exceto|menos|except)\s",
    )
    .expect("a valid expression")
});
const DENIALS: &[&str] =
    &["nao", "nem", "nunca", "sem", "not", "never", "without", "don", "doesn", "cannot"];
const FREE: &[&str] = &[
    "gratis",
    "gratuito",
    "gratuita",
    "gratuitos",
    "gratuitas",
    "gratuitamente",
    "cortesia",
    "brinde",
    "isento",
    "isenta",
    "free",
    "de graca",
    "sem custo",
    "nao cobramos",
    "por nossa conta",
];

fn clauses(text: &str) -> Vec<Clause> {
    CLAUSE
        .split(text)
        .map(|part| Clause { stems: stems(part), denies: denies(part) })
        .filter(|clause| !clause.stems.is_empty())
        .collect()
}

fn denies(text: &str) -> bool {
    let folded = fold_words(text);
    folded.split(' ').any(|word| DENIALS.contains(&word))
}

fn is_free(text: &str) -> bool {
    let folded = format!(" {} ", fold_words(text));
    FREE.iter().any(|word| folded.contains(&format!(" {word} ")))
}

/// Numbers of a sentence, each with the words that it belongs to: those before it, or those after where a sentence
/// begins with its number.
fn claims(sentence: &str) -> Vec<Claim> {
    let folded = fold(sentence);
    let found = numbers::of(sentence);
    let Some(first) = found.first() else { return Vec::new() };
    let leads = !stems(&folded[..first.at.start]).is_empty();
    let mut out: Vec<Claim> = Vec::new();
    for (at, number) in found.iter().enumerate() {
        let (from, to) = if leads {
            (if at == 0 { 0 } else { found[at - 1].at.end }, number.at.start)
        } else {
            (number.at.end, found.get(at + 1).map_or(folded.len(), |next| next.at.start))
        };
        let mut near = stems(&folded[from..to]);
        // "Das 8h às 18h" are both of what stands before the first.
        if let Some(before) = out.last().filter(|_| near.is_empty()) {
            near.clone_from(&before.near);
        }
        out.push(Claim { number: number.clone(), near });
    }
    out
}

impl Line {
    /// `about`: its heading or question.
    pub(super) fn of(text: &str, about: &str) -> Self {
        let own = stems(text);
        // A row's first cell says what all of it is of.
        let subject = text.split(';').next().filter(|_| text.contains("; ")).unwrap_or_default();
        let mut around = stems(about);
        around.extend(stems(subject));
        let mut all = own.clone();
        all.extend(around.iter().cloned());
        let claims = sentences(text).into_iter().flat_map(claims).collect();
        Self { claims, stems: all, about: around, clauses: clauses(text), folded: fold(text) }
    }
}

/// All that an answer may draw on.
pub(super) struct Evidence {
    lines: Vec<Line>,
    /// How many lines hold a stem.
    count: HashMap<String, usize>,
    /// All words, folded, and all text in lower case.
    words: HashSet<String>,
    text: String,
}

impl Evidence {
    pub(super) fn of<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>, names: &[&str]) -> Self {
        let mut out = Self {
            lines: Vec::new(),
            count: HashMap::new(),
            words: HashSet::new(),
            text: String::new(),
        };
        for (text, about) in lines {
            for one in text.lines().filter(|one| !one.trim().is_empty()) {
                out.lines.push(Line::of(one, about));
            }
            out.add_words(text);
            out.add_words(about);
        }
        for name in names {
            out.add_words(name);
        }
        for line in &out.lines {
            for stem in &line.stems {
                *out.count.entry(stem.clone()).or_default() += 1;
            }
        }
        out
    }

    fn add_words(&mut self, text: &str) {
        let folded = fold_words(text);
        self.words.extend(folded.split(' ').map(str::to_owned));
        self.text.push_str(&text.to_lowercase());
        self.text.push('\n');
    }

    /// What a stem is worth: the fewer lines hold it, the more.
    fn worth(&self, stem: &str) -> f64 {
        let count = self.count.get(stem).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let worth = 1.0 / (1.0 + count as f64);
        worth
    }

    /// How much of `topic` a claim of a line is of.
    fn support(&self, topic: &HashSet<String>, claim: &Claim, line: &Line) -> f64 {
        topic
            .iter()
            .filter(|stem| claim.near.contains(*stem) || line.about.contains(*stem))
            .map(|stem| self.worth(stem))
            .sum()
    }

    /// The first number that the evidence does not hold of what the text says it is of. `asked`: what it answers.
    pub(super) fn wrong_number(&self, text: &str, asked: &str) -> Option<String> {
        let asked_stems = stems(asked);
        let asked_numbers = numbers::of(asked);
        let known = |stem: &String| self.count.contains_key(stem);
        for sentence in sentences(text) {
            for claim in claims(sentence) {
                let number = &claim.number;
                let counts = matches!(number.unit, Unit::Unknown | Unit::Person);
                // "Para 4 pessoas": what the customer counts may be said back; what it costs may not.
                if counts && asked_numbers.iter().any(|own| own.value == number.value) {
                    continue;
                }
                let mut topic: HashSet<String> =
                    claim.near.iter().filter(|s| known(s)).cloned().collect();
                if topic.is_empty() {
                    topic = asked_stems.iter().filter(|s| known(s)).cloned().collect();
                }
                let (mut own, mut other) = (None::<f64>, 0f64);
                for line in &self.lines {
                    for stated in &line.claims {
                        if !stated.number.unit.agrees(number.unit) {
                            continue;
                        }
                        let support = self.support(&topic, stated, line);
                        if stated.number.value == number.value {
                            own = Some(own.map_or(support, |own| own.max(support)));
                        } else if stated.number.unit == number.unit {
                            other = other.max(support);
                        }
                    }
                }
                let stands = own.is_some_and(|own| own + 1e-9 >= other);
                if !stands && !self.is_computed(number, sentence, asked) {
                    return Some(number.value.clone());
                }
            }
        }
        None
    }

    /// Whether an amount of money is computed of prices of the things that are spoken of: so many times one, a sum of
    /// some, less a share that is stated.
    fn is_computed(&self, number: &Number, sentence: &str, asked: &str) -> bool {
        if number.unit != Unit::Money {
            return false;
        }
        let Some(target) = number.hundredths() else { return false };
        let mut topic = stems(sentence);
        topic.extend(stems(asked));
        // "Custa" stands beside every price, and says of none.
        let priced = |stem: &String| {
            let lines = self
                .lines
                .iter()
                .filter(|line| line.claims.iter().any(|claim| claim.number.unit == Unit::Money));
            let (all, with) = lines.fold((0, 0), |(all, with), line| {
                (all + 1, with + usize::from(line.stems.contains(stem)))
            });
            all > 2 && with * 2 >= all
        };
        topic.retain(|stem| !priced(stem));
        let mut prices: Vec<(f64, i64)> = Vec::new();
        let mut shares: Vec<i64> = Vec::new();
        for line in &self.lines {
            for claim in &line.claims {
                let Some(value) = claim.number.hundredths() else { continue };
                match claim.number.unit {
                    Unit::Money => {
                        let support = self.support(&topic, claim, line);
                        if support > 0.0 && prices.iter().all(|(_, known)| *known != value) {
                            prices.push((support, value));
                        }
                    }
                    Unit::Percent => shares.push(value / 100),
                    _ => {}
                }
            }
        }
        prices.sort_by(|a, b| b.0.total_cmp(&a.0));
        prices.truncate(6);
        let prices: Vec<i64> = prices.into_iter().map(|(_, value)| value).collect();
        let mut counts: Vec<i64> = vec![1];
        for text in [sentence, asked] {
            for one in numbers::of(text) {
                let count =
                    one.value.parse::<i64>().ok().filter(|count| (2..=1000).contains(count));
                counts.extend(count.filter(|_| one.unit != Unit::Money));
            }
        }
        counts.dedup();
        for set in 1u32..(1 << prices.len()) {
            for count in &counts {
                let mut chosen =
                    (0..prices.len()).filter(|at| set & (1 << at) != 0).map(|at| prices[at]);
                let first = chosen.next().unwrap_or(0);
                let rest: i64 = chosen.sum();
                for sum in [first * count + rest, (first + rest) * count] {
                    let alone = set.count_ones() == 1 && *count == 1;
                    let less = shares.iter().any(|share| sum * (100 - share) == target * 100);
                    if less || (sum == target && !alone) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// The first thing that the text affirms and the evidence denies, or the other way round.
    pub(super) fn contradicted(&self, text: &str) -> Option<String> {
        for sentence in sentences(text) {
            for clause in clauses(sentence) {
                let known: Vec<&String> =
                    clause.stems.iter().filter(|stem| self.count.contains_key(*stem)).collect();
                if known.is_empty() {
                    continue;
                }
                let mut best = 0.0;
                let (mut same, mut opposite) = (false, false);
                for stated in self.lines.iter().flat_map(|line| &line.clauses) {
                    let shared: f64 = known
                        .iter()
                        .filter(|stem| stated.stems.contains(**stem))
                        .map(|stem| self.worth(stem))
                        .sum();
                    if shared <= 0.0 || shared + 1e-9 < best {
                        continue;
                    }
                    if shared > best + 1e-9 {
                        best = shared;
                        (same, opposite) = (false, false);
                    }
                    if stated.denies == clause.denies {
                        same = true;
                    } else {
                        opposite = true;
                    }
                }
                let all: f64 = clause.stems.iter().map(|stem| self.worth(stem)).sum();
                if opposite && !same && best >= all * MOSTLY {
                    return Some(sentence.trim().to_owned());
                }
            }
        }
        None
    }

    /// The first sentence that says of something that it is free, where the evidence does not.
    pub(super) fn given_away(&self, text: &str, asked: &str) -> Option<String> {
        let free: Vec<&Line> = self.lines.iter().filter(|line| is_free(&line.folded)).collect();
        for sentence in sentences(text) {
            let denied = denies(sentence) && !fold_words(sentence).contains("nao cobra");
            if !is_free(sentence) || denied {
                continue;
            }
            let free_stems = stems(&FREE.join(" "));
            let of = |text: &str| -> HashSet<String> {
                let found = stems(text);
                found
                    .into_iter()
                    .filter(|s| self.count.contains_key(s) && !free_stems.contains(s))
                    .collect()
            };
            let mut topic = of(sentence);
            if topic.is_empty() {
                topic = of(asked);
            }
            let stated = free.iter().any(|line| topic.iter().any(|stem| line.stems.contains(stem)));
            if !stated {
                return Some(sentence.trim().to_owned());
            }
        }
        None
    }

    /// The text without the sentences that share no word with the evidence, and say something.
    pub(super) fn supported(&self, text: &str) -> String {
        let kept: Vec<&str> = sentences(text)
            .into_iter()
            .filter(|sentence| {
                let own = stems(sentence);
                let numbers = !numbers::of(sentence).is_empty();
                own.is_empty() || numbers || own.iter().any(|stem| self.count.contains_key(stem))
            })
            .collect();
        kept.concat().trim().to_owned()
    }

    /// Whether a text says anything by itself: "Sim!" does not.
    pub(super) fn says_something(&self, text: &str) -> bool {
        !stems(text).is_empty() || !numbers::of(text).is_empty()
    }

    /// The first name of a person, a place or a product that the evidence does not know.
    pub(super) fn unknown_name(&self, text: &str) -> Option<String> {
        for sentence in sentences(text) {
            let mut begins = true;
            for word in sentence.split_whitespace() {
                let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
                let title = ["dr", "dra", "sr", "sra"].contains(&fold(bare).as_str());
                let capital = bare.chars().next().is_some_and(char::is_uppercase);
                let mixed = bare.chars().skip(1).any(char::is_lowercase);
                let folded = fold_words(bare);
                if capital
                    && mixed
                    && !begins
                    && !title
                    && bare.chars().count() > 2
                    && !EVERYBODYS.contains(&folded.as_str())
                    && folded.split(' ').any(|part| !self.words.contains(part))
                {
                    return Some(bare.to_owned());
                }
                // After a mark, or a bullet, the next word begins a sentence or a line of its own.
                begins = !title
                    && (word.ends_with([':', '.', '!', '?', '*', '-', '–', '(', '"', '“'])
                        || bare.is_empty());
            }
        }
        None
    }

    /// The first address of a page or of a mailbox that the evidence does not hold.
    pub(super) fn unknown_address(&self, text: &str) -> Option<String> {
        ADDRESS
            .find_iter(&text.to_lowercase())
            .map(|found| found.as_str().trim_end_matches(['.', ',', ')', '/']).to_owned())
            .find(|address| !self.text.contains(address.as_str()))
    }
}

/// Share of a clause's weight from which another clause speaks of the same.
const MOSTLY: f64 = 0.6;

/// Names that everybody may say.
const EVERYBODYS: &[&str] = &[
    "whatsapp",
    "segunda",
    "terca",
    "quarta",
    "quinta",
    "sexta",
    "sabado",
    "domingo",
    "janeiro",
    "fevereiro",
    "marco",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
    "natal",
    "ano",
    "brasil",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "christmas",
];

/// Addresses of pages, with or without their scheme, and of mailboxes.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|",
        r"\b[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|br|net|org|app|io|me|shop|store|online|site|link|ly|co|xyz|info|biz|",
        r"dev|ai|tech|click|page|gg|tv|cc|top|club|gov|edu|pt|es|us|uk|art|bio|blog|cloud|digital|live|ru|cn|pro)\b(?:/\S*)?",
    ))
    .expect("a valid expression")
});

/// Acts that only the business can do: said as if done, or promised.
static ACTED: LazyLock<Regex> = LazyLock::new(|| {
    let done = "marquei|agendei|reservei|confirmei|cancelei|anotei|enviei|mandei|encaminhei|solicitei|registrei|\
                remarquei|transferi|avisei|chamei|separei|incluí|inclui|adicionei|gerei|emiti|troquei|alterei|\
                reagendei|desmarquei|apliquei|liberei|estornei|providenciei";
    let state = "marcad[oa]|agendad[oa]|reservad[oa]|confirmad[oa]|cancelad[oa]|registrad[oa]|enviad[oa]|\
                 anotad[oa]|remarcad[oa]|reagendad[oa]|estornad[oa]|aprovad[oa]";
    Regex::new(&format!(
        r"(?i)\b(?:{done})\b|\b(?:est[áa]|ficou|fica|foi|já)\s+(?:já\s+)?(?:{state})\b|\b(?:seu|sua)s?\s[\p{{L}} ]{{2,30}}\b(?:{state})\b|\b(?:vou|irei|vamos)\s+(?:te\s+|lhe\s+|já\s+)?(?:pesquisar|verificar|consultar|checar|marcar|agendar|reservar|cancelar|avisar|encaminhar|transferir|chamar|passar|enviar|mandar|ligar|confirmar|anotar|registrar)\b|\bI(?:'ve|’ve| have| just)?\s+(?:booked|scheduled|reserved|cancelled|canceled|confirmed|sent|ordered|registered)\b|\bI(?:'ll|’ll| will)\s+(?:book|schedule|check|call|send|cancel|confirm|transfer)\b|\b(?:is|has been)\s+(?:booked|scheduled|reserved|cancelled|confirmed)\b"
    ))
    .expect("a valid expression")
});

/// What the text says was done, which nobody did.
pub(super) fn act_claimed(text: &str) -> Option<String> {
    sentences(text)
        .into_iter()
        .filter(|sentence| !denies(sentence))
        .find_map(|sentence| ACTED.find(sentence).map(|found| found.as_str().to_owned()))
}
