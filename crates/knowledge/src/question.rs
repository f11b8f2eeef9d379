//! A question, read against one tenant's index.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use kernel::text::fold;

use crate::index::{Index, TAGS, Term, sorted};
use crate::lexicon;
use crate::ranges::{self, Size};
use crate::split::{AMOUNT, STOP, Words, all_digits, amount_term, set, stem, words_and_amounts};

const W_FUZZY: f64 = 0.8;
/// Of the same root, but perhaps another word: "consulta" is no "consultório".
const W_FAR: f64 = 0.78;
const W_TAG: f64 = 0.9;
/// Another word for it: less than the word itself, and more than one of its root.
pub(crate) const W_SYNONYM: f64 = 0.79;
/// The word itself, where its intent has a tag.
const W_NAMED: f64 = 0.75;
const W_WEAK: f64 = 0.6;
const W_TYPO: f64 = 0.79;
/// Light words that the index knows, and those it does not.
const W_LIGHT: f64 = 0.7;
const W_LIGHT_UNKNOWN: f64 = 0.5;
const W_VENUE: f64 = 0.2;
const W_IMPLIED: f64 = 0.5;

/// The tag of what only a named thing can have.
pub(crate) const PRICE: &str = "#price";

type Stems = HashSet<String>;

fn stems(words: &str) -> Stems {
    words.split_whitespace().map(stem).collect()
}

static LIGHT: LazyLock<Stems> = LazyLock::new(|| stems(lexicon::LIGHT));
/// By the stem that is said: the stems of other words for it.
static SYNONYMS: LazyLock<HashMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let mut out: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (said, meant) in lexicon::SYNONYMS {
        for said in said.split_whitespace().map(stem) {
            out.entry(said).or_default().extend(meant.split_whitespace().map(stem));
        }
    }
    out
});
static WISHES: LazyLock<Stems> = LazyLock::new(|| stems(lexicon::WISHES));
static REQUESTS: LazyLock<Words> = LazyLock::new(|| set(lexicon::REQUESTS));
static VENUE: LazyLock<Words> = LazyLock::new(|| set(lexicon::VENUE));
static WEAK_HOURS: LazyLock<Stems> = LazyLock::new(|| stems(lexicon::WEAK_HOURS));

/// One term of a question with what may stand for it in this index.
pub(crate) struct QuestionTerm {
    /// Index terms with their weight, the heaviest first.
    pub(crate) variants: Vec<(Term, f64)>,
    pub(crate) df: usize,
    pub(crate) light: bool,
    pub(crate) lightness: f64,
    /// What finding it is worth.
    pub(crate) weight: f64,
}

pub(crate) struct Question {
    /// It asks how much or how many.
    pub(crate) asks_number: bool,
    pub(crate) terms: Vec<QuestionTerm>,
    /// The stem of each term.
    names: Vec<String>,
    pub(crate) bigrams: Vec<(Term, Term)>,
    /// All variants, sorted.
    pub(crate) known: Vec<Term>,
    /// Weight of all terms.
    pub(crate) total: f64,
    /// Numbers and amounts that are named, each with the word before it, as far as the index knows them.
    pub(crate) numbers: Vec<Named>,
    /// All its words as they are said.
    pub(crate) said: Vec<String>,
    /// Numbers with what they measure: "12 kg".
    pub(crate) sizes: Vec<Size>,
}

/// A number that a question names: "room 12", "the one for R$ 50".
pub(crate) struct Named {
    pub(crate) number: Option<Term>,
    pub(crate) before: Option<Term>,
    /// It can only be a name or a price: an amount, or of several digits.
    pub(crate) telling: bool,
    /// Something is asked for by this as its price.
    pub(crate) priced: bool,
}

impl Question {
    pub(crate) fn read(index: &Index, text: &str) -> Self {
        let folded = fold(text);
        let written = words_and_amounts(&folded);
        let meant: Vec<(String, bool)> = written
            .iter()
            .flat_map(|(word, amount)| meant(index, word).into_iter().map(|word| (word, *amount)))
            .collect();
        let marked: Vec<(&str, bool)> =
            meant.iter().map(|(word, amount)| (word.as_str(), *amount)).collect();
        let all: Vec<&str> = marked.iter().map(|(word, _)| *word).collect();
        let line = format!(" {} ", all.join(" "));
        let (implied, verb) = implied(&line);
        // "quanto fica" asks for a price, not for a place.
        let spoken: Vec<String> = marked
            .iter()
            .enumerate()
            .filter(|(_, (word, _))| {
                !STOP.contains(word) && !REQUESTS.contains(word) && Some(*word) != verb
            })
            .map(|(at, (word, amount))| match amount {
                true => amount_asked(index, word),
                false if all_digits(word) => number_asked(index, word, marked[..at].last()),
                false => stem(word),
            })
            .collect();
        let implied: Vec<String> =
            implied.into_iter().map(stem).filter(|term| !spoken.contains(term)).collect();
        let mut names: Vec<&str> = Vec::new();
        for name in spoken.iter().chain(&implied) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        // By the whole word: "pizza" is on offer, "pizzaria" is the house.
        let (house, offer): (Vec<&str>, Vec<&str>) = all.iter().partition(|w| VENUE.contains(**w));
        let terms: Vec<QuestionTerm> = names
            .iter()
            .map(|name| {
                let from = |words: &[&str]| words.iter().any(|word| stem(word) == *name);
                let origin = if from(&house) && !from(&offer) {
                    Origin::Venue
                } else if implied.iter().any(|i| i == name) {
                    Origin::Implied
                } else {
                    Origin::Said
                };
                term(index, name, origin)
            })
            .collect();
        let mut bigrams = Vec::new();
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for pair in spoken.windows(2) {
            let key = (pair[0].as_str(), pair[1].as_str());
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            if let (Some(a), Some(b)) = (index.vocabulary.get(key.0), index.vocabulary.get(key.1))
                && index.bigram_df((*a, *b)) > 0
            {
                bigrams.push((*a, *b));
            }
        }
        let term_of = |name: &String| index.vocabulary.get(name.as_str()).copied();
        let numbers = spoken
            .iter()
            .enumerate()
            .filter(|(_, name)| name.starts_with(AMOUNT) || all_digits(name))
            .map(|(at, name)| Named {
                number: term_of(name),
                before: at.checked_sub(1).and_then(|at| term_of(&spoken[at])),
                telling: name.starts_with(AMOUNT) || name.len() > 1,
                priced: name.starts_with(AMOUNT)
                    && at.checked_sub(1).is_some_and(|at| of_price(&spoken[at])),
            })
            .collect();
        let known = sorted(terms.iter().flat_map(|t| t.variants.iter().map(|(v, _)| *v)));
        let total = terms.iter().map(|t| t.weight).sum::<f64>().max(1e-9);
        let asks_number = asks_number(&line);
        let names = names.into_iter().map(str::to_owned).collect();
        let sizes = ranges::sizes(&folded);
        let said = all.iter().map(|word| (*word).to_owned()).collect();
        Self { asks_number, terms, names, bigrams, known, total, numbers, said, sizes }
    }

    /// Whether a price is asked for: only of the very thing that is named can it be told.
    pub(crate) fn asks_price(&self, index: &Index) -> bool {
        self.terms.iter().any(|term| term.is_price(index))
    }

    /// Whether nothing is named that could have a price.
    pub(crate) fn names_nothing(&self, index: &Index) -> bool {
        !self.terms.is_empty() && self.terms.iter().all(|term| term.is_price(index))
    }

    /// Whether something is named that is no question word: of a price, an address, the hours.
    pub(crate) fn names_a_thing(&self, index: &Index) -> bool {
        self.terms.iter().any(|term| {
            term.lightness >= 1.0
                && !term.variants.is_empty()
                && term.variants.iter().all(|(variant, _)| !index.name(*variant).starts_with('#'))
        })
    }

    /// Whether something is named that neither `before` nor a set of stems names.
    pub(crate) fn names_more(&self, index: &Index, before: &Self, told: &[String]) -> bool {
        self.beyond(before).any(|(name, term)| !term.is_price(index) && !told.contains(name))
    }

    /// Whether something is named that is one of these stems and that `before` does not name.
    pub(crate) fn names_of(&self, before: &Self, told: &[String]) -> bool {
        self.beyond(before).any(|(name, _)| told.contains(name))
    }

    /// The things that are named, each by its stem, and that `before` does not name.
    fn beyond<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a String, &'a QuestionTerm)> {
        self.names.iter().zip(&self.terms).filter(|(name, term)| {
            !term.light && term.lightness >= 1.0 && !before.names.contains(name)
        })
    }

    /// The share, by weight, of the things that are named of which a set does not speak.
    pub(crate) fn lacks(&self, index: &Index, set: &[Term]) -> f64 {
        let (mut all, mut lacking) = (0.0, 0.0);
        for term in self.terms.iter().filter(|t| t.lightness >= 1.0 && !t.is_price(index)) {
            all += term.weight;
            if term.hit(set) <= W_FAR {
                lacking += term.weight;
            }
        }
        if all > 0.0 { lacking / all } else { 0.0 }
    }

    /// "Vocês lavam carro?" of whom the knowledge has cars, and nothing of washing.
    pub(crate) fn asks_for_another_service(&self) -> bool {
        let verb = match self.said.as_slice() {
            [you, verb, _, ..] if matches!(you.as_str(), "voces" | "vcs") => verb,
            _ => return false,
        };
        let name = stem(verb);
        let unknown = |(own, term): (&String, &QuestionTerm)| {
            *own == name && term.variants.is_empty() && !term.light
        };
        verb.len() >= 5
            && (verb.ends_with("am") || verb.ends_with("em"))
            && self.names.iter().zip(&self.terms).any(unknown)
    }

    /// Whether every word could stand in a question about anything.
    pub(crate) fn says_little(&self) -> bool {
        self.terms.iter().all(|term| term.light && term.variants.iter().all(|(_, w)| *w > W_TAG))
    }

    /// The share of the question's weight that a sorted set of terms covers, 0 to 1.
    pub(crate) fn coverage(&self, set: &[Term]) -> f64 {
        self.terms.iter().map(|term| term.weight * term.hit(set)).sum::<f64>() / self.total
    }
}

impl QuestionTerm {
    pub(crate) fn is_price(&self, index: &Index) -> bool {
        let tag = index.vocabulary.get(PRICE);
        tag.is_some_and(|tag| self.variants.iter().any(|(variant, _)| variant == tag))
    }

    /// The weight of the best variant in a sorted set; 0 when there is none.
    pub(crate) fn hit(&self, set: &[Term]) -> f64 {
        self.variants
            .iter()
            .find(|(variant, _)| set.binary_search(variant).is_ok())
            .map_or(0.0, |(_, weight)| *weight)
    }
}

impl Index {
    /// Whether a wish names things, and the knowledge has no word for any of them: it is another business's, or nobody
    /// has written it down.
    pub fn lacks_the_thing(&self, text: &str) -> bool {
        let plain = understanding::Plain::of(text);
        let mut named = 0;
        for word in plain.words() {
            // What is booked may be what the business offers: "uma avaliação".
            if lexicon::BOOKED.split_whitespace().any(|one| one == word)
                && !expand(self, &stem(word)).is_empty()
            {
                return false;
            }
            let wish = lexicon::WISHES.split_whitespace().any(|one| one == word);
            // "20h", "dia 5" and "2kg" name no thing.
            if wish
                || word.len() < 3
                || word.bytes().any(|b| b.is_ascii_digit())
                || STOP.contains(word)
                || REQUESTS.contains(word)
            {
                continue;
            }
            let stem = stem(word);
            if LIGHT.contains(&stem) {
                continue;
            }
            named += 1;
            if !expand(self, &stem).is_empty() {
                return false;
            }
        }
        named > 0
    }
}

/// What a typed word means, unless the knowledge itself uses it.
fn meant(index: &Index, word: &str) -> Vec<String> {
    if index.vocabulary.contains_key(stem(word).as_str()) {
        return vec![word.to_owned()];
    }
    // "4 queijos" of "Quatro queijos".
    let spelt = word.parse().ok().and_then(crate::sums::spelt_number);
    if let Some(spelt) = spelt.filter(|one| index.vocabulary.contains_key(stem(one).as_str())) {
        return vec![spelt.to_owned()];
    }
    understanding::plain_word(word).split(' ').map(str::to_owned).collect()
}

/// The term of a number that a question names. Where the knowledge has it as an amount only, that is meant if nothing
/// is named by it: "the one for 50", but not "room 50".
fn number_asked(index: &Index, number: &str, before: Option<&(&str, bool)>) -> String {
    let knows = |term: &str| index.vocabulary.contains_key(term);
    let names = before.is_some_and(|(word, _)| !STOP.contains(word) && !of_price(&stem(word)));
    let amount = amount_term(number);
    if !names && !knows(number) && knows(&amount) { amount } else { number.to_owned() }
}

/// Whether a stem is of a word that asks for a price.
fn of_price(stem: &String) -> bool {
    TAGS.iter().any(|intent| intent.tag == PRICE && intent.group.contains(stem))
}

/// Whether a word asks for a price.
pub(crate) fn asks_a_price(word: &str) -> bool {
    of_price(&stem(word))
}

/// The term of an amount that a question names. A price list without any "R$" has it as a number.
fn amount_asked(index: &Index, amount: &str) -> String {
    let own = amount_term(amount);
    let marks_amounts = starting_with(index, AMOUNT).next().is_some();
    if !marks_amounts && index.vocabulary.contains_key(amount) { amount.to_owned() } else { own }
}

/// What a turn of phrase asks for without naming it, and the verb that it used up.
fn implied(line: &str) -> (Vec<&'static str>, Option<&'static str>) {
    let said = |first: &[&str], then: &[&'static str]| {
        then.iter().copied().find(|t| first.iter().any(|f| line.contains(&format!(" {f} {t} "))))
    };
    let mut out = Vec::new();
    let costs = ["e", "custa", "custam", "fica", "sai", "ta", "esta", "cobra", "cobram", "seria"];
    let cost = said(&["quanto"], &costs);
    let costing = ["saindo", "custando", "ficando", "cobrando"];
    if said(&["quanto esta", "quanto voces estao", "quanto estao"], &costing).is_some() {
        out.push("preco");
    }
    if cost.is_some() {
        out.push("preco");
    }
    if line.contains(" quanto tempo ") {
        out.push("prazo");
    }
    let parks = ["parar o carro", "parar", "estacionar", "deixar o carro"];
    if said(&["onde", "lugar para", "lugar pra", "como", "pra", "para"], &parks).is_some() {
        out.extend(["estacionamento", "vaga"]);
    }
    let places = ["e", "que", "fica", "ficam", "esta", "estao", "voces", "vcs"];
    let turned = said(&["fica", "ficam", "esta", "estao"], &["onde", "aonde"]);
    if turned.or(said(&["onde", "aonde"], &places)).is_some() {
        out.push("endereco");
    }
    let bring = ["levar", "levo", "trazer", "trago"];
    let what = ["que", "que preciso", "que precisa", "que devo", "que tenho que", "que eu"];
    // "O que precisa pra matricular?"
    let needed = ["que precisa para", "que precisa pra", "que preciso para", "que preciso pra"];
    if needed.iter().any(|words| line.contains(&format!(" {words} "))) {
        out.extend(["documento", "trazer", "traga"]);
    }
    if said(&what, &bring).is_some() || said(&bring, &["que", "o que"]).is_some() {
        out.extend(["documento", "trazer", "traga", "leve"]);
    }
    (out, cost.filter(|verb| ["fica", "sai"].contains(verb)))
}

/// Where a question's term comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Said,
    /// Names the business, not what it offers.
    Venue,
    Implied,
}

fn term(index: &Index, name: &str, origin: Origin) -> QuestionTerm {
    let variants = expand(index, name);
    let df = index.vocabulary.get(name).map_or(0, |term| index.df(*term));
    let light = LIGHT.contains(name);
    let lightness = if origin == Origin::Venue {
        W_VENUE
    } else if origin == Origin::Implied {
        if variants.is_empty() { 0.0 } else { W_IMPLIED }
    } else if variants.is_empty() && WISHES.contains(name) {
        // For whom, when and how: no business has a word for each.
        W_LIGHT_UNKNOWN
    } else if light {
        if variants.is_empty() { W_LIGHT_UNKNOWN } else { W_LIGHT }
    } else {
        1.0
    };
    let by_other_words = variants.iter().all(|(_, weight)| *weight <= W_SYNONYM);
    let counts = variants.iter().map(|(variant, _)| index.df(*variant));
    let counted = match (df, by_other_words) {
        // Several words for one thing are as common as all of them together.
        (0, true) => counts.sum(),
        (0, false) => counts.min().unwrap_or(0),
        (df, _) => df,
    };
    let weight = index.idf(counted) * lightness;
    QuestionTerm { variants, df, light, lightness, weight }
}

/// Index terms that may stand for a question's term.
fn expand(index: &Index, name: &str) -> Vec<(Term, f64)> {
    let mut found: Vec<(Term, f64)> = Vec::new();
    if let Some(term) = index.vocabulary.get(name) {
        found.push((*term, 1.0));
    }
    let prefix: String = name.chars().take(4).collect();
    let number = name.starts_with(AMOUNT) || all_digits(name);
    for (other, term) in starting_with(index, &prefix) {
        // A shared start shorter than four letters is only the word itself.
        if other != name && !number && fuzzy(other, name) {
            let far = other.len().abs_diff(name.len()) > 2;
            found.push((term, if far { W_FAR } else { W_FUZZY }));
        }
    }
    for other in SYNONYMS.get(name).into_iter().flatten().filter(|other| *other != name) {
        if let Some(term) = index.vocabulary.get(other.as_str())
            && found.iter().all(|(known, _)| known != term)
        {
            found.push((*term, W_SYNONYM));
        }
    }
    for intent in TAGS.iter() {
        let Some(tag) = index.vocabulary.get(intent.tag) else { continue };
        if intent.group.iter().any(|word| word == name) {
            // What shows an address answers better than what only says "address".
            for (_, weight) in &mut found {
                *weight *= W_NAMED;
            }
            found.push((*tag, W_TAG));
        } else if intent.tag == "#hours" && WEAK_HOURS.contains(name) {
            found.push((*tag, W_WEAK));
        }
    }
    if found.is_empty() && name.len() >= 6 && name.bytes().all(|b| b.is_ascii_lowercase()) {
        for (other, term) in starting_with(index, &name[..1]) {
            if other.len() >= 5 && one_edit(name.as_bytes(), other.as_bytes()) {
                found.push((term, W_TYPO));
            }
        }
        // The silent letter is the one that is left out first.
        let without = name.strip_prefix('h').map_or_else(|| format!("h{name}"), str::to_owned);
        found.extend(index.vocabulary.get(without.as_str()).map(|term| (*term, W_TYPO)));
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

fn starting_with<'a>(
    index: &'a Index,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, Term)> + 'a {
    index
        .vocabulary
        .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
        .map(|(name, term)| (&**name, *term))
        .take_while(move |(name, _)| name.starts_with(prefix))
}

/// Two stems of one word that the stemmer left apart.
fn fuzzy(a: &str, b: &str) -> bool {
    let common = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    (common >= 5 && common * 100 >= 65 * long && (common == short || common >= 6))
        || (common == 4 && short == 4 && long == 5)
}

/// One insertion, deletion, substitution, or swap of neighbours apart.
pub(crate) fn one_edit(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = if a.len() > b.len() { (b, a) } else { (a, b) };
    if b.len() - a.len() > 1 {
        return false;
    }
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    if a.len() < b.len() {
        return a[same..] == b[same + 1..];
    }
    if same == a.len() {
        return true;
    }
    a[same + 1..] == b[same + 1..]
        || (same + 1 < a.len()
            && a[same] == b[same + 1]
            && a[same + 1] == b[same]
            && a[same + 2..] == b[same + 2..])
}

fn asks_number(line: &str) -> bool {
    let has = |phrases: &[&str]| phrases.iter().any(|p| line.contains(&format!(" {p} ")));
    let asks_why = has(&[
        "por que",
        "porque",
        "qual o motivo",
        "qual a razao",
        "qual motivo",
        "por qual motivo",
        "por qual razao",
    ]);
    !asks_why
        && has(&[
            "quantos",
            "quantas",
            "quanto",
            "quanta",
            "qual o valor",
            "qual valor",
            "qual o preco",
            "que horas",
            "qual o numero",
            "qual a quantidade",
        ])
}
