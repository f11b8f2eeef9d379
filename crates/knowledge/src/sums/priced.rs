//! Prices by their names.

use jiff::civil::Date;
use kernel::text::fold;

use crate::facts::amounts::Cents;
use crate::facts::{Fact, Kind, cells};
use crate::index::{Index, Term, sorted};
use crate::question::{Question, QuestionTerm};
use crate::ranges::{self, Range};
use crate::split::{stem, terms, words};

/// How near a word must be to one of a name to mean it.
pub(super) const FITS: f64 = 0.75;
/// Facts among which the parts of a sum are looked for, at most: they are read anew for each.
const MOST_FACTS: usize = 5_000;
/// How many words a price's name may have that the customer did not say.
const UNSAID: usize = 3;
/// Words by which what is paid for bringing or fetching is known.
const FEES: &[&str] =
    &["entrega", "frete", "tele", "delivery", "deslocamento", "motoboy", "taxa", "busca", "coleta"];

const HEADING_OF_FEES: &[&str] = &["entrega", "entregas", "frete", "taxa", "taxas", "deslocamento"];

/// A price with the terms of its name.
pub(super) struct Priced<'a> {
    pub(super) fact: &'a Fact,
    pub(super) cents: Cents,
    /// Of its name, its heading and its document. Sorted.
    pub(super) terms: Vec<Term>,
    /// Of its name alone, and of what tells which of several it is.
    pub(super) own: Vec<Term>,
    pub(super) which: Vec<Term>,
    /// Of its row's column alone.
    pub(super) column: Vec<Term>,
    /// Spans in its name: "de 10 a 25 kg".
    pub(super) ranges: Vec<Range>,
    /// Its name, heading, document and unit, folded.
    pub(super) around: String,
    /// It is paid for bringing or fetching.
    pub(super) fee: bool,
    /// It is for so many together, as another column of its row says.
    pub(super) lot: Option<i64>,
}

/// Words of the column that holds for whoever does not say which.
const USUAL: &[&str] = &[
    "unidade",
    "unitario",
    "unit",
    "preco",
    "precos",
    "valor",
    "valores",
    "particular",
    "avulso",
    "avulsa",
    "normal",
    "cada",
    "individual",
    "r",
    "reais",
    "un",
    "diaria",
    "1",
    "mensal",
    "mensalidade",
];

impl Priced<'_> {
    /// Whether it stands in the column that holds for whoever does not say which.
    pub(super) fn is_usual(&self) -> bool {
        let header = fold(self.fact.aspect.as_deref().unwrap_or_default());
        let header = header.rsplit(", ").next().unwrap_or_default();
        words(header).any(|word| USUAL.contains(&word))
    }

    /// Stems of all that is said of it.
    pub(super) fn stems(&self) -> Vec<String> {
        words(&self.around).map(stem).collect()
    }
}

/// How many a row's price is for: "Quantidade: 1000".
fn lot(line: &str) -> Option<i64> {
    let row = cells::of(line)?;
    let cell = row.iter().find(|cell| {
        let header = fold(&cell.header);
        ["quant", "qtd", "tiragem"].iter().any(|start| header.starts_with(start))
    })?;
    let digits: String = cell.value.chars().filter(|c| *c != '.').collect();
    digits.split_whitespace().next()?.parse().ok()
}

impl Index {
    /// The one price that a name means.
    /// `by`: only of those that are for each of a unit.
    pub(super) fn thing<'a>(
        &self,
        name: &str,
        priced: &'a [Priced<'a>],
        by: &dyn Fn(&Priced<'_>) -> bool,
    ) -> Option<&'a Priced<'a>> {
        let folded = fold(name);
        let sizes = ranges::sizes(&folded);
        let asked = Question::read(self, name);
        // "12 kg" is said by a row of "10 a 25 kg".
        let unmeasured = Question::read(self, &ranges::without_sizes(&folded));
        let of_nobody = Question::read(self, &ranges::without_measured(&folded));
        fn heavy<'q>(asked: &'q Question, index: &Index) -> Vec<&'q QuestionTerm> {
            asked.terms.iter().filter(|term| !term.is_price(index)).collect()
        }
        let (all, unmeasured) = (heavy(&asked, self), heavy(&unmeasured, self));
        let of_nobody = heavy(&of_nobody, self);
        if all.is_empty() {
            return None;
        }
        let mut fitting: Vec<((usize, usize, bool), &Priced<'_>)> = priced
            .iter()
            .filter_map(|one| {
                let within = ranges::within(&one.ranges, &sizes);
                if within == Some(false) || !by(one) {
                    return None;
                }
                let by_range = within == Some(true);
                let hits = |term: &&QuestionTerm| term.hit(&one.terms) >= FITS;
                let heavy = match by_range {
                    // "Um cachorro de 18 kg": the row need not say who weighs as much.
                    true if !unmeasured.iter().all(hits) && !of_nobody.is_empty() => &of_nobody,
                    true => &unmeasured,
                    false => &all,
                };
                // Its own name must be meant, not only what it stands under.
                let own = |term: &&QuestionTerm| {
                    term.hit(&one.own) >= FITS || term.hit(&one.which) >= FITS
                };
                if !heavy.iter().all(hits) || !(by_range || heavy.iter().any(own)) {
                    return None;
                }
                let said = |own: &Term| {
                    heavy.iter().any(|term| {
                        let is =
                            |(variant, weight): &(Term, f64)| variant == own && *weight >= FITS;
                        term.variants.iter().any(is)
                    })
                };
                let unsaid = |terms: &[Term]| {
                    let count = terms.iter().filter(|own| !said(own)).count();
                    if by_range { count.min(UNSAID) } else { count }
                };
                // Of several columns none is said: the usual one is meant.
                let columns = unsaid(&one.which);
                let usual = columns > 0 && one.is_usual();
                Some(((unsaid(&one.own), columns - usize::from(usual), !usual), one))
            })
            .collect();
        fitting.sort_by_key(|(unsaid, _)| *unsaid);
        let (unsaid, best) = fitting.first()?;
        let alike = fitting.iter().filter(|(other, _)| other == unsaid);
        let sure = alike.clone().all(|(_, one)| one.cents == best.cents);
        (unsaid.0 <= UNSAID && unsaid.1 <= UNSAID && sure).then_some(*best)
    }

    /// Whether a price's own name has every word of a name.
    pub(super) fn is_named(&self, name: &str, one: &Priced<'_>) -> bool {
        let asked = Question::read(self, name);
        let mut terms = asked.terms.iter().filter(|term| !term.is_price(self));
        terms.all(|term| term.hit(&one.own) >= FITS || term.hit(&one.which) >= FITS)
    }

    pub(super) fn priced(&self, today: Option<Date>) -> Vec<Priced<'_>> {
        let known = |text: &str| -> Vec<Term> {
            sorted(
                terms(text).iter().filter_map(|term| self.vocabulary.get(term.as_str()).copied()),
            )
        };
        self.facts()
            .iter()
            .take(MOST_FACTS)
            .filter(|fact| fact.kind == Kind::Price && !fact.outdated)
            .filter(|fact| today.is_none_or(|today| !fact.is_over(today)))
            .filter_map(|fact| {
                let cents = fact.cents.filter(|cents| *cents > 0)?;
                let heading = self.chunks[fact.piece].heading.as_deref().unwrap_or_default();
                let name = fact.name();
                let between = crate::timetable::days_named(&name);
                let around = format!("{name} {heading} {} {between}", fact.title);
                let which = known(fact.aspect.as_deref().unwrap_or_default());
                let mut own = known(&fact.subject);
                if own.is_empty() && which.is_empty() {
                    // "R$ 105 por pessoa" under "Brasa em casa" is of that.
                    own = known(heading);
                }
                let named = !(own.is_empty() && which.is_empty());
                let terms = known(&around);
                let unit = fact.unit.as_deref().unwrap_or_default();
                let around = fold(&format!("{around} {unit}"));
                // Under "Entrega" stand places; under "Delivery" also what is brought.
                let fee = words(&fold(&name)).any(|word| FEES.contains(&word))
                    || words(&fold(heading)).any(|word| HEADING_OF_FEES.contains(&word));
                let ranges = ranges::ranges(&fold(&name));
                let aspect = fact.aspect.as_deref().unwrap_or_default();
                let column = cells::of(&fact.line).and_then(|row| {
                    let header = |cell: &cells::Cell| aspect.ends_with(&cell.header);
                    row.iter().rev().find(|cell| header(cell)).map(|cell| known(&cell.header))
                });
                let column = column.unwrap_or_default();
                named.then_some(Priced {
                    fact,
                    cents,
                    terms,
                    own,
                    which,
                    column,
                    ranges,
                    around,
                    fee,
                    lot: lot(&fact.line),
                })
            })
            .collect()
    }
}
