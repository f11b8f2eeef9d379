//! Sums that customers ask for: so many of this, one of that, with delivery. They are computed from the
//! prices that the knowledge states, and only when every part is known for certain.

use std::sync::LazyLock;

use regex::Regex;
use understanding::Plain;

use crate::facts::amounts::{Cents, written};
use crate::facts::{Fact, Kind};
use crate::index::{Index, Term, sorted};
use crate::question::Question;
use crate::split::{Words, all_digits, capital, expression, set, terms};

/// Parts of a sum, at most.
const PARTS: usize = 8;
/// How many of a thing, at most.
const MOST: i64 = 10_000;
/// How many words a price's name may have that the customer did not say.
const UNSAID: usize = 3;

const COUNTS: &[(&str, i64)] = &[
    ("um", 1),
    ("uma", 1),
    ("dois", 2),
    ("duas", 2),
    ("tres", 3),
    ("quatro", 4),
    ("cinco", 5),
    ("seis", 6),
    ("sete", 7),
    ("oito", 8),
    ("nove", 9),
    ("dez", 10),
    ("doze", 12),
    ("quinze", 15),
    ("vinte", 20),
];

/// The number that a word stands for.
pub(crate) fn number_word(word: &str) -> Option<i64> {
    COUNTS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number)
}

/// What makes a number a size, an hour or an age, not a count.
static SIZES: LazyLock<Words> = LazyLock::new(|| {
    set(
        "l lt litro litros ml g gr gramas kg quilo quilos kilo km m cm mm h hs hora horas min minutos anos ano o a x \
         vezes por reais dias dia meses mes semanas pedacos fatias andar serie grau",
    )
});
/// Words that ask for the sum and name no part of it.
static ASKING: LazyLock<Words> = LazyLock::new(|| {
    set(
        "quanto fica ficaria ficam sai sairia saem da daria dao custa custam custaria total soma somando tudo junto \
         juntos valor preco pago pagar pagaria vou seria e qual o a os as no de do se eu levar comprar pegar fizer \
         fazer quiser pedir contratar para mim me ai entao so por favor contando incluindo cada em um uma unidade \
         unidades deu dava passa ver calcula calcular queria quero saber gostaria oi ola boa bom tarde noite voces \
         voce aqui mais com meu minha na nesse nessa esse essa dois duas ambos pra dar custo",
    )
});
/// "Quanto fica": what several things come to together.
const COMES_TO: &[&str] =
    &["fica", "sai", "da", "daria", "pago", "vou", "seria", "ficaria", "sairia", "deu", "dava"];
/// What asks for a sum by itself.
const TOTALS: &[&str] =
    &["total", "soma", "somando", "tudo", "junto", "juntos", "contando", "incluindo"];
/// Words around the kind of thing whose cheapest is asked for.
const EXTREME: &[&str] = &[
    "mais", "barato", "barata", "baratos", "baratas", "caro", "cara", "caros", "em", "conta",
    "menor", "simples", "voces", "tem", "teem", "que", "qual", "quais", "e", "o", "a", "os", "as",
    "de", "do", "da", "opcao", "quanto", "custa", "sai", "quero", "queria", "saber", "seria",
    "preco", "valor", "esta", "com", "ai",
];
/// Things of one price that are told together, at most.
const ALIKE: usize = 4;
/// What no sum answers: which of two, what each costs, what is left over.
static NOT_SUMS: LazyLock<Words> = LazyLock::new(|| {
    set(
        "ou diferenca cada qual quais barato caro tempo demora parcela parcelas parcelar vezes vale troco",
    )
});

/// Words where a part ends.
const JOINTS: &[&str] = &["e", "mais", "com", "alem", "somado", "somada", "somando"];
/// What a part carries along that is one of its own: "… para o centro", "… na savassi".
static QUALIFIERS: LazyLock<Regex> = LazyLock::new(|| {
    expression(r" (?:para o|para a|para os|para as|para|no|na|aqui no|aqui na|ate) ")
});

/// What is told of several facts, with the pieces that state them.
pub(crate) struct FromFacts {
    pub(crate) reply: String,
    pub(crate) pieces: Vec<usize>,
}

/// Something that is counted.
struct Part<'a> {
    count: i64,
    fact: &'a Priced<'a>,
}

/// A price with the terms of its name.
struct Priced<'a> {
    fact: &'a Fact,
    cents: Cents,
    /// Of its name, its heading and its document. Sorted.
    terms: Vec<Term>,
    /// Of its name alone, and of what tells which of several it is.
    own: Vec<Term>,
    which: Vec<Term>,
}

impl Index {
    /// The sum that a text asks for; `None` when it asks for none, or a part of it is not known for certain.
    pub(crate) fn sum(&self, text: &str, today: Option<jiff::civil::Date>) -> Option<FromFacts> {
        let spoken = text.replace('+', " mais ").replace(", ", " e ").replace('\n', " e ");
        let plain = Plain::of(&spoken);
        let words: Vec<&str> = plain.words().collect();
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let sums = has(TOTALS)
            || has(&["mais"])
            || words.windows(2).any(|two| two[0] == "quanto" && COMES_TO.contains(&two[1]));
        let asks = sums || Question::read(self, text).asks_price(self);
        if !asks || words.iter().any(|word| NOT_SUMS.contains(word)) {
            return None;
        }
        let priced = self.priced(today);
        if priced.is_empty() {
            return None;
        }
        let mut parts: Vec<Part<'_>> = Vec::new();
        for segment in words.split(|word| JOINTS.contains(word)) {
            self.parts(&segment.join(" "), &priced, &mut parts)?;
        }
        let counted = parts.iter().any(|part| part.count > 1);
        if parts.is_empty() || parts.len() > PARTS || !(counted || (sums && parts.len() > 1)) {
            return None;
        }
        // The same thing named twice is no sum of two.
        let same = |a: &Part<'_>, b: &Part<'_>| std::ptr::eq(a.fact, b.fact);
        if parts
            .iter()
            .enumerate()
            .any(|(at, one)| parts[..at].iter().any(|other| same(one, other)))
        {
            return None;
        }
        Some(shown(&parts))
    }

    /// The cheapest or the dearest of the things that a text names by their kind, or where it names none, of those that
    /// `before` names; `None` where it asks for neither.
    pub(crate) fn extreme(
        &self,
        text: &str,
        before: Option<&str>,
        today: Option<jiff::civil::Date>,
    ) -> Option<FromFacts> {
        let plain = Plain::of(text);
        let words: Vec<&str> = plain.words().collect();
        let cheapest = words.windows(2).any(|two| {
            two[0] == "mais"
                && matches!(two[1], "barato" | "barata" | "baratos" | "baratas" | "simples")
        }) || plain.line.contains(" mais em conta ")
            || plain.line.contains(" menor preco ")
            || plain.line.contains(" menor valor ");
        let dearest = words
            .windows(2)
            .any(|two| two[0] == "mais" && matches!(two[1], "caro" | "cara" | "caros"));
        if cheapest == dearest || words.contains(&"ou") {
            return None;
        }
        let kind: Vec<&str> =
            words.iter().copied().filter(|word| !EXTREME.contains(word)).collect();
        let heavy = |asked: &Question| -> Vec<Vec<(Term, f64)>> {
            let terms = asked.terms.iter().filter(|term| !term.is_price(self) && !term.light);
            terms.map(|term| term.variants.clone()).collect()
        };
        let hit = |variants: &Vec<(Term, f64)>, one: &Priced<'_>| {
            variants
                .iter()
                .any(|(term, weight)| *weight >= FITS && one.terms.binary_search(term).is_ok())
        };
        let named = heavy(&Question::read(self, &kind.join(" ")));
        let priced = self.priced(today);
        let fitting: Vec<&Priced<'_>> = match (named.is_empty(), before) {
            (false, None) => {
                priced.iter().filter(|one| named.iter().all(|term| hit(term, one))).collect()
            }
            (true, Some(before)) => {
                let before = heavy(&Question::read(self, before));
                priced.iter().filter(|one| before.iter().any(|term| hit(term, one))).collect()
            }
            _ => return None,
        };
        // What is named so itself comes before what only stands under such a heading.
        let by_name = |one: &&Priced<'_>| {
            let own = |variants: &Vec<(Term, f64)>| {
                variants.iter().any(|(term, weight)| {
                    *weight >= FITS && (one.own.contains(term) || one.which.contains(term))
                })
            };
            named.iter().any(own)
        };
        let own: Vec<&Priced<'_>> = fitting.iter().copied().filter(by_name).collect();
        let fitting = if own.len() > 1 { own } else { fitting };
        // Of one thing there is no cheapest.
        let best = match cheapest {
            true => fitting.iter().min_by_key(|one| one.cents),
            false => fitting.iter().max_by_key(|one| one.cents),
        };
        let best = best.filter(|_| fitting.len() > 1)?;
        let alike: Vec<Part<'_>> = fitting
            .iter()
            .filter(|one| one.cents == best.cents)
            .take(ALIKE)
            .map(|fact| Part { count: 1, fact })
            .collect();
        let lines: Vec<FromFacts> =
            alike.iter().map(|part| shown(std::slice::from_ref(part))).collect();
        let reply: Vec<&str> = lines.iter().map(|line| line.reply.as_str()).collect();
        let mut pieces: Vec<usize> = lines.iter().flat_map(|line| line.pieces.clone()).collect();
        pieces.dedup();
        Some(FromFacts { reply: reply.join("\n"), pieces })
    }

    /// The parts that a segment names: one thing, or a thing and where it goes. `None` when it names what is not known.
    fn parts<'a>(
        &self,
        segment: &str,
        priced: &'a [Priced<'a>],
        parts: &mut Vec<Part<'a>>,
    ) -> Option<()> {
        let (count, by_weight, named) = counted(segment);
        if named.is_empty() {
            return (count == 1).then_some(());
        }
        if let Some(fact) = self.thing(&named.join(" "), priced)
            // "2 kg" counts where the price is for each of them; elsewhere it is a size.
            && (!by_weight || fact.fact.unit.as_deref().is_some_and(is_weight))
        {
            parts.push(Part { count, fact });
            return Some(());
        }
        let spaced = format!(" {} ", segment.trim());
        let cut = QUALIFIERS.find(&spaced)?;
        let (thing, place) = (&spaced[..cut.start()], &spaced[cut.end()..]);
        if thing.trim().is_empty() || place.trim().is_empty() {
            return None;
        }
        self.parts(thing, priced, parts)?;
        self.parts(place, priced, parts)
    }

    /// The one price that a name means.
    fn thing<'a>(&self, name: &str, priced: &'a [Priced<'a>]) -> Option<&'a Priced<'a>> {
        let asked = Question::read(self, name);
        let heavy: Vec<_> = asked.terms.iter().filter(|term| !term.is_price(self)).collect();
        if heavy.is_empty() || heavy.iter().any(|term| term.variants.is_empty()) {
            return None;
        }
        let mut fitting: Vec<((usize, usize), &Priced<'_>)> = priced
            .iter()
            .filter(|one| heavy.iter().all(|term| term.hit(&one.terms) >= FITS))
            // Its own name must be meant, not only what it stands under.
            .filter(|one| {
                let own = |term: &&crate::question::QuestionTerm| {
                    term.hit(&one.own) >= FITS || term.hit(&one.which) >= FITS
                };
                heavy.iter().any(own)
            })
            .map(|one| {
                let said = |own: &Term| {
                    heavy.iter().any(|term| {
                        term.variants
                            .iter()
                            .any(|(variant, weight)| variant == own && *weight >= FITS)
                    })
                };
                let unsaid = |terms: &[Term]| terms.iter().filter(|own| !said(own)).count();
                ((unsaid(&one.own), unsaid(&one.which)), one)
            })
            .collect();
        fitting.sort_by_key(|(unsaid, _)| *unsaid);
        let (unsaid, best) = fitting.first()?;
        let alike = fitting.iter().filter(|(other, _)| other == unsaid);
        let sure = alike.clone().all(|(_, one)| one.cents == best.cents);
        (unsaid.0 <= UNSAID && unsaid.1 <= UNSAID && sure).then_some(*best)
    }

    fn priced(&self, today: Option<jiff::civil::Date>) -> Vec<Priced<'_>> {
        let known = |text: &str| -> Vec<Term> {
            sorted(
                terms(text).iter().filter_map(|term| self.vocabulary.get(term.as_str()).copied()),
            )
        };
        self.facts()
            .iter()
            .filter(|fact| fact.kind == Kind::Price && !fact.outdated)
            .filter(|fact| today.is_none_or(|today| !fact.is_over(today)))
            .filter_map(|fact| {
                let cents = fact.cents.filter(|cents| *cents > 0)?;
                let heading = self.chunks[fact.piece].heading.as_deref().unwrap_or_default();
                let name = fact.name();
                let around = format!("{name} {heading} {}", fact.title);
                let (own, which) =
                    (known(&fact.subject), known(fact.aspect.as_deref().unwrap_or_default()));
                let named = !(own.is_empty() && which.is_empty());
                named.then(|| Priced { fact, cents, terms: known(&around), own, which })
            })
            .collect()
    }
}

/// How near a word must be to one of a name to mean it.
const FITS: f64 = 0.78;

/// How many a segment wants, and the words that name of what.
fn counted(segment: &str) -> (i64, bool, Vec<&str>) {
    let words: Vec<&str> = segment.split_whitespace().collect();
    let mut count = 1;
    let mut named = Vec::new();
    let mut counts = true;
    let mut by_weight = false;
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let number = number_word(word)
            .or_else(|| (all_digits(word) && word.len() <= 5).then(|| word.parse().ok()).flatten());
        match number {
            // The first number counts, unless it is a size; "um" before a thing is its article.
            Some(number) if counts && named.is_empty() && !SIZES.contains(next) => {
                count = number;
                counts = false;
            }
            Some(number) if counts && named.is_empty() && is_weight(next) => {
                (count, counts, by_weight) = (number, false, true);
            }
            _ if by_weight && at > 0 && is_weight(word) => {}
            _ if ASKING.contains(*word) => {}
            _ => named.push(*word),
        }
    }
    (count.clamp(0, MOST), by_weight, named)
}

/// Whether a unit of a price is a weight that customers count.
fn is_weight(unit: &str) -> bool {
    let folded = kernel::text::fold_words(unit);
    folded
        .split(' ')
        .any(|word| matches!(word, "kg" | "kgs" | "quilo" | "quilos" | "kilo" | "kilos"))
}

fn shown(parts: &[Part<'_>]) -> FromFacts {
    let mut lines = Vec::new();
    let mut pieces = Vec::new();
    let mut total: Cents = 0;
    for part in parts {
        let cents = part.fact.cents * part.count;
        total += cents;
        let name = capital(&part.fact.fact.name());
        let unit =
            part.fact.fact.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
        lines.push(match part.count {
            1 => format!("{name}: {}{unit}", written(cents)),
            count => {
                format!("{count} × {name} ({}{unit}): {}", written(part.fact.cents), written(cents))
            }
        });
        if !pieces.contains(&part.fact.fact.piece) {
            pieces.push(part.fact.fact.piece);
        }
    }
    if parts.len() > 1 {
        lines.push(format!("Total: {}", written(total)));
    }
    FromFacts { reply: lines.join("\n"), pieces }
}
