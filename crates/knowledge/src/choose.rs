//! Answers without a model: the sentence whose features speak for it most, said as it helps the person who asks.
//!
//! Scores stand against that of "none of them", which is 0. How sure an answer is follows from the best one alone: the sum
//! over all sentences would grow with the size of the knowledge.

use std::cmp::Ordering;
use std::sync::Arc;

use kernel::text::fold;

use crate::extract::Extract;
use crate::facts::cells::{self, Cell};
use crate::facts::is_price_header;
use crate::features::{Asked, FEATURES, Featured, Weights};
use crate::index::{Index, Sentence, Term, sorted};
use crate::intents::{
    asks_leave, asks_of_offers, asks_which, is_condition, of_another_size, sizes_of, without_yes,
};
use crate::named_prices::{best_named, fits_better, is_priced, naming, option_of, subject_of};
use crate::penalties::{ANOTHER, OTHER_NUMBER, OTHER_PRICE, OTHER_THING};
use crate::question::{Question, W_SYNONYM};
use crate::ranges;
use crate::split::{all_digits, capital, stem};
use crate::weights::{ALONE, LEANING};

/// Rows of a list that are told together, at most.
const ROWS: usize = 6;
/// How much less a further row may be asked for than the best one.
const ALIKE: f64 = 0.03;

/// A sentence with what speaks for it.
struct Scored {
    featured: Featured,
    score: f64,
    /// It answers a question that was noted in these words.
    noted: bool,
}

impl Scored {
    /// The best first; of equals, what stands first.
    fn order(&self, other: &Self) -> Ordering {
        let by_place = || self.featured.sentence.cmp(&other.featured.sentence);
        other.score.total_cmp(&self.score).then_with(by_place)
    }
}

/// Puts one in the first place, as sure as the one that stood there.
fn to_the_front(scored: &mut Vec<Scored>, at: usize) {
    let mut one = scored.remove(at);
    one.score = scored[0].score;
    scored.insert(0, one);
}

fn score(weights: &Weights, features: &[f64; FEATURES]) -> f64 {
    let of = features.iter().zip(&weights.of).map(|(feature, weight)| feature * weight);
    weights.bias + of.sum::<f64>()
}

impl Index {
    /// Answers a question, or says how little the knowledge supports one.
    pub fn answer(&self, asked: &Asked<'_>) -> Extract {
        let (text, denied) = self.without_denied(asked.text);
        let asked = &Asked { text: &text, ..*asked };
        let question = Question::read(self, asked.text);
        let of_nothing = question.names_nothing(self) && asked.before.is_none();
        let nothing = Extract {
            reply: String::new(),
            score: -9.0,
            pieces: Vec::new(),
            of_nothing,
            as_noted: false,
        };
        // "Qto" by itself names nothing that could be found.
        if question.terms.is_empty() && asked.before.is_none() {
            return nothing;
        }
        let ended = |sentence: &Sentence| sentence.is_over(asked.today);
        let mut scored = self.scored(asked, &question);
        if !denied.is_empty() {
            // "O anual sem piscina" is not the one with it.
            for one in &mut scored {
                let text = &self.sentences[one.featured.sentence as usize].text;
                let name = naming(&subject_of(text));
                if is_list_line(text) && denied.iter().any(|word| name.contains(word)) {
                    one.score -= OTHER_THING;
                }
            }
            scored.sort_by(Scored::order);
        }
        // Of two prices that are asked for nearly alike, that of the very thing comes first.
        if question.asks_price(self) && scored.len() > 1 {
            let named = naming(asked.text);
            let name = |one: &Scored| {
                naming(&subject_of(&self.sentences[one.featured.sentence as usize].text))
            };
            let first = name(&scored[0]);
            let better = (1..scored.len())
                .take_while(|at| scored[0].score - scored[*at].score < NEARLY)
                .find(|at| {
                    let text = &self.sentences[scored[*at].featured.sentence as usize].text;
                    is_priced(text) && fits_better(&named, &name(&scored[*at]), &first)
                });
            if let Some(at) = better {
                to_the_front(&mut scored, at);
            }
            self.prefer_the_thing(&question, &mut scored);
        }
        let Some(best) = scored.first() else { return nothing };
        let support = best.score;
        let next = scored.get(1).map_or(-9.0, |next| next.score);
        let as_noted = best.noted && support >= SURE && support - next >= AHEAD;
        let before = asked.before.map(|before| Question::read(self, before.asked));
        let home = best.featured.piece as usize;
        let first = &self.sentences[best.featured.sentence as usize];
        let told = match first.ends.filter(|_| ended(first)) {
            // What is over is told as such, beside what holds now.
            Some(end) => {
                let over = format!(
                    "Essa oferta valeu até {:02}/{:02}/{} e já terminou.",
                    end.day(),
                    end.month(),
                    end.year()
                );
                scored.retain(|one| !ended(&self.sentences[one.featured.sentence as usize]));
                match scored.first().filter(|next| next.score > STILL_HOLDS) {
                    Some(_) => {
                        let now = self.told(asked.text, &question, before.as_ref(), &scored);
                        Told { text: format!("{over}\n\n{}", now.text), also: now.also }
                    }
                    None => Told { text: over, also: Vec::new() },
                }
            }
            None => self.told(asked.text, &question, before.as_ref(), &scored),
        };
        let mut pieces = vec![home];
        for one in told.also {
            if !pieces.contains(&one) {
                pieces.push(one);
            }
        }
        // A yes to another question would be one to this.
        let lacks = || {
            let named = sorted(first.about.iter().chain(&first.line).copied());
            question.lacks(self, &named) > ANOTHER
        };
        // "Sim, a partir dos 2 anos" is no answer to who has one of 1.
        let other_number = question.numbers.iter().any(|named| {
            !named.priced
                && named.number.is_none_or(|number| first.set.binary_search(&number).is_err())
        });
        let of_another = asks_which(asked.text)
            || (other_number && first.shows_number)
            || (!as_noted && lacks());
        let reply = if of_another { without_yes(&told.text) } else { told.text };
        Extract { reply, score: support, pieces, of_nothing, as_noted }
    }

    /// "Quanto custa o guarda-roupa?" is not of its delivery or its assembly, where it has a price of its own.
    fn prefer_the_thing(&self, question: &Question, scored: &mut Vec<Scored>) {
        let service = |one: &Scored| {
            let heading = self.sentences[one.featured.sentence as usize].heading_text.as_deref();
            let heading = kernel::text::fold_words(heading.unwrap_or_default());
            heading.split(' ').any(|word| {
                SERVICES.iter().any(|service| word.starts_with(service))
                    && !question
                        .said
                        .iter()
                        .any(|said| said.starts_with(&word[..4.min(word.len())]))
            })
        };
        let first = &scored[0];
        if !service(first) {
            return;
        }
        let own = first.featured.features[0];
        let thing = (1..scored.len())
            .take_while(|at| first.score - scored[*at].score < NEARLY_SERVED)
            .find(|at| {
                let one = &scored[*at];
                let text = &self.sentences[one.featured.sentence as usize].text;
                is_priced(text) && !service(one) && one.featured.features[0] >= own - ALIKE_OWN
            });
        if let Some(at) = thing {
            to_the_front(scored, at);
        }
    }

    /// The sentence that speaks most for itself as an answer, and its log-odds.
    pub fn best(&self, asked: &Asked<'_>) -> Option<(u32, f64)> {
        let scored = self.scored(asked, &Question::read(self, asked.text));
        scored.first().map(|one| (one.featured.sentence, one.score))
    }

    /// All sentences by words and vectors, the best first.
    fn scored(&self, asked: &Asked<'_>, question: &Question) -> Vec<Scored> {
        // A question that leans on another is weighed otherwise: of both together, the meaning tells most.
        let (weights, caution) =
            if asked.before.is_some() { (&LEANING, 0.0) } else { (&ALONE, CAUTION) };
        let of_offers = asks_of_offers(asked.text);
        let unknown: Vec<f64> = question
            .numbers
            .iter()
            .map(|named| {
                let of_things = named.before.is_some_and(|word| self.is_numbered(word));
                match named.number {
                    Some(_) => 0.0,
                    None if named.priced => OTHER_PRICE,
                    None if of_things => OTHER_NUMBER,
                    None => 0.0,
                }
            })
            .collect();
        let told = asked.before.map(|before| self.told_before(before.told)).unwrap_or_default();
        // "Que horas?" names nothing: what was told goes on, where it can be of that.
        let goes_on =
            if asked.before.is_some() && !question.names_a_thing(self) { GOES_ON } else { 1.0 };
        // "O que vocês fazem?" shares its verb with any sentence and asks for none of them.
        let vague = asked.before.is_none() && question.says_little();
        let intent = asks_leave(asked.text) && !question.asks_price(self);
        let urgent = crate::emergency::is_urgent(asked.text);
        let unheard_of = if question.asks_for_another_service() { UNHEARD_OF } else { 0.0 };
        let sizes = sizes_of(asked.text);
        let names_nothing = question.names_nothing(self);
        let mut scored: Vec<Scored> = self
            .features(asked)
            .into_iter()
            .map(|featured| {
                let sentence = &self.sentences[featured.sentence as usize];
                let over = sentence.is_over(asked.today) && !of_offers;
                let penalty = if sentence.outdated || over { OUTDATED } else { 0.0 };
                let piece = &self.pieces[featured.piece as usize];
                // What is asked as it is noted has its answer, whatever else is near.
                let other_intent = self.other_intent((intent, urgent), sentence);
                let noted = sentence.pair
                    && other_intent == 0.0
                    && !names_nothing
                    && self.asked_for(piece.question_terms(), question) >= NOTED
                    && question.coverage(&sentence.about) >= NOTED;
                let bonus = if noted { AS_NOTED } else { 0.0 } + goes_on * told.favour(sentence);
                let penalty = penalty
                    + caution
                    + other_intent
                    + if vague && !noted { VAGUE } else { 0.0 }
                    + if noted { 0.0 } else { unheard_of }
                    + self.other_number(question, sentence, &unknown)
                    + self.other_thing(question, sentence)
                    + if of_another_size(&sizes, &sentence.text) { OTHER_SIZE } else { 0.0 };
                // Short questions are rare where the weights were fitted: one that is said in full is no guess.
                let in_full = if featured.features[SAID_IN_FULL] > 0.0 { IN_FULL } else { 0.0 };
                let score = score(weights, &featured.features) + bonus + in_full - penalty;
                Scored { score, featured, noted }
            })
            .collect();
        scored.sort_by(Scored::order);
        scored
    }

    /// What was told before, as far as it was taken from here.
    fn told_before(&self, told: &str) -> ToldBefore {
        let mut before = ToldBefore::default();
        if told.is_empty() {
            return before;
        }
        for sentence in self.sentences.iter().filter(|one| !one.heading) {
            let subject = cells::of(&sentence.text).map(|row| row[0].value.clone());
            let own = subject.as_deref().unwrap_or(&sentence.text);
            if own.chars().count() >= TELLING && told.contains(own) {
                before.lines.push(sentence.line_text.clone());
                before.headings.extend(sentence.heading_text.clone());
            }
        }
        before
    }

    fn told(
        &self,
        asked: &str,
        question: &Question,
        before: Option<&Question>,
        scored: &[Scored],
    ) -> Told {
        let best = &scored[0];
        let sentence = &self.sentences[best.featured.sentence as usize];
        if sentence.pair {
            return Told { text: self.trim(question, &sentence.text), also: Vec::new() };
        }
        if question.asks_price(self)
            && let Some(option) = option_of(asked, &sentence.text)
        {
            return Told { text: option, also: Vec::new() };
        }
        let own = |sentence: &Sentence| {
            question.coverage(&sentence.set)
                + before.map_or(0.0, |b| 0.5 * b.coverage(&sentence.set))
        };
        let best_own = own(sentence);
        let piece = &self.pieces[best.featured.piece as usize];
        // Rows that are asked for alike are told together: three sizes, three plans.
        if is_list_line(&sentence.text) {
            let alike: Vec<&Sentence> = piece
                .sentences
                .iter()
                .map(|id| &self.sentences[*id as usize])
                .filter(|other| !other.heading && is_list_line(&other.text))
                .filter(|other| (own(other) - best_own).abs() <= ALIKE)
                .filter(|other| other.shown_tags == sentence.shown_tags)
                .filter(|other| ranges::within(&other.ranges, &question.sizes) != Some(false))
                .collect();
            let alike = best_named(asked, alike);
            // A row of a timetable with a dash says nothing of the day that is asked for.
            let says = |one: &&&Sentence| {
                let Some(cells) = cells::of(&one.text) else { return true };
                let (_, rest) = cells.split_at(cells::naming(&cells));
                let wanted = self.columns(question, before, rest);
                wanted.is_empty() || wanted.iter().any(|cell| !is_dash(&cell.value))
            };
            let saying: Vec<&Sentence> = alike.iter().filter(says).copied().collect();
            let alike = if saying.is_empty() { alike } else { saying };
            let names_more = question.names_things();
            if alike.len() > 1 && alike.len() <= ROWS && names_more {
                let lines: Vec<String> =
                    alike.iter().map(|one| self.row(question, before, &one.text)).collect();
                return Told { text: lines.join("\n"), also: Vec::new() };
            }
            return Told { text: self.row(question, before, &sentence.text), also: Vec::new() };
        }
        Told { text: self.trim(question, &self.with_line(question, sentence)), also: Vec::new() }
    }

    /// A sentence with the rest of its line, which holds its exceptions; without it where that names other amounts.
    fn with_line(&self, question: &Question, sentence: &Sentence) -> String {
        let line = &*sentence.line_text;
        if line.chars().count() > 300 || !line.contains(&sentence.text) {
            return self.under_heading(sentence, sentence.text.clone());
        }
        let line = &*self.belonging(question, sentence, line);
        let others = line.replace(&sentence.text, "");
        let numbers = |text: &str| crate::extract::has_number(&fold(text));
        let conditional = is_condition(&others);
        let other_amounts =
            question.asks_number && numbers(&others) && numbers(&sentence.text) && !conditional;
        if other_amounts {
            return self.under_heading(sentence, sentence.text.clone());
        }
        self.under_heading(sentence, line.to_owned())
    }

    /// A line without the sentences that deny another thing than what is asked for, or affirm another where this is denied.
    fn belonging(&self, question: &Question, sentence: &Sentence, line: &str) -> String {
        let denies = |text: &str| {
            let folded = kernel::text::fold_words(text);
            folded.starts_with("nao ") || folded.starts_with("nem ") || folded.starts_with("sem ")
        };
        let own = denies(&sentence.text);
        let mut kept = line.to_owned();
        for (_, other) in crate::split::sentences(line) {
            if other == sentence.text || is_condition(other) || denies(other) == own {
                continue;
            }
            let set = sorted(
                crate::split::terms(other)
                    .iter()
                    .filter_map(|t| self.vocabulary.get(t.as_str()).copied()),
            );
            let named =
                question.terms.iter().any(|term| !term.light && term.hit(&set) >= SAME_WORD);
            if !named {
                kept = kept.replace(other, "");
            }
        }
        kept.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A fragment says what it is about only with its heading.
    fn under_heading(&self, sentence: &Sentence, text: String) -> String {
        let Some(heading) = sentence.heading_text.as_deref() else { return text };
        let folded = fold(heading);
        let negative = folded.starts_with("nao ") || folded.starts_with("sem ");
        let fragment = text.split_whitespace().count() <= 7 && !text.ends_with('.');
        if negative || fragment {
            let heading = heading.rsplit(" – ").next().unwrap_or(heading);
            let heading = if heading.chars().any(char::is_lowercase) {
                heading.to_owned()
            } else {
                sentence_case(heading)
            };
            return format!("{}: {text}", heading.trim_end_matches(':'));
        }
        text
    }

    /// The columns of a row that are asked for; of those that were asked for before only where none is asked for now.
    pub(crate) fn columns<'a>(
        &self,
        question: &Question,
        before: Option<&Question>,
        cells: &'a [Cell],
    ) -> Vec<&'a Cell> {
        // The words of a column's name that are asked for, and how many are not.
        let asked = |question: &Question, header: &str| -> (Vec<String>, usize) {
            let folded = fold(header);
            let (said, unsaid): (Vec<&str>, Vec<&str>) = crate::split::words(&folded)
                .filter(|word| word.len() > 1 || all_digits(word))
                .partition(|word| {
                    let term = self.vocabulary.get(stem(word).as_str());
                    // Another word for it is no column's name: "curso" does not ask for the column "Aulas".
                    let is = |(variant, weight): &(Term, f64)| {
                        Some(variant) == term && *weight >= 0.75 && *weight != W_SYNONYM
                    };
                    let hit = question
                        .terms
                        .iter()
                        .any(|one| !one.is_price(self) && one.variants.iter().any(is));
                    hit || (crate::split::STOP.contains(*word)
                        && question.said.iter().any(|one| one == word))
                });
            (said.into_iter().map(str::to_owned).collect(), unsaid.len())
        };
        let of = |question: &Question| -> Vec<&'a Cell> {
            let columns: Vec<(&Cell, (Vec<String>, usize))> = cells
                .iter()
                .map(|cell| (cell, asked(question, &cell.header)))
                .filter(|(_, (said, _))| {
                    said.iter().any(|word| !crate::split::STOP.contains(word.as_str()))
                })
                .collect();
            // "2x por semana" is asked for more than "1x por semana", and "semana" less by "fim de semana".
            let outdone = |(said, unsaid): &(Vec<String>, usize)| {
                columns.iter().any(|(_, (other, other_unsaid))| {
                    said.iter().all(|word| other.contains(word))
                        && (other.len() > said.len()
                            || (other.len() == said.len() && other_unsaid < unsaid))
                })
            };
            columns.iter().filter(|(_, own)| !outdone(own)).map(|(cell, _)| *cell).collect()
        };
        let now = of(question);
        match before {
            Some(before) if now.is_empty() => of(before),
            _ => now,
        }
    }

    /// A row of a table as it is told: the columns that are asked for, or all of them.
    pub(crate) fn row(&self, question: &Question, before: Option<&Question>, text: &str) -> String {
        let Some(cells) = cells::of(text) else { return text.to_owned() };
        let (name, rest) = cells.split_at(cells::naming(&cells));
        if rest.is_empty() {
            return text.to_owned();
        }
        let subject = cells::joined(name);
        let wanted = self.columns(question, before, rest);
        let mut amounts: Vec<&Cell> =
            rest.iter().filter(|cell| cell.value.contains("R$")).collect();
        if amounts.iter().filter(|cell| is_price_header(&cell.header)).count() == 1 {
            amounts.retain(|cell| is_price_header(&cell.header));
        }
        // "Quanto sai cada aula?" names a column, and asks for the price.
        let priced = question.asks_price(self)
            && !amounts.is_empty()
            && !wanted.iter().any(|cell| cell.value.contains("R$"));
        let told: Vec<&Cell> = if !wanted.is_empty() && wanted.len() < rest.len() {
            if priced { wanted.into_iter().chain(amounts).collect() } else { wanted }
        } else if question.asks_price(self) && amounts.len() == 1 {
            // A remark may be the condition of the price.
            let remark = rest.iter().find(|cell| {
                fold(&cell.header).starts_with("obs") && cell.value.chars().count() <= REMARK
            });
            if let Some(remark) = remark.filter(|cell| !cell.value.trim().is_empty()) {
                return format!("{subject}: {} ({})", amounts[0].value, remark.value);
            }
            amounts
        } else {
            rest.iter().collect()
        };
        match told.as_slice() {
            [Cell { header, value, .. }] if is_price_header(header) => {
                format!("{subject}: {value}")
            }
            [Cell { header, value, .. }] => format!("{subject}, {header}: {value}"),
            several => {
                let parts: Vec<String> = several
                    .iter()
                    .map(|Cell { header, value, .. }| {
                        if is_price_header(header) && value.contains("R$") {
                            value.clone()
                        } else {
                            format!("{header}: {value}")
                        }
                    })
                    .collect();
                format!("{subject} – {}", parts.join("; "))
            }
        }
    }
}

/// Characters of a remark that is told with its price.
const REMARK: usize = 100;
/// Share of both questions, by weight, from which one is as the other is noted; and the log-odds that this is worth.
const NOTED: f64 = 0.7;
const AS_NOTED: f64 = 3.0;
/// The feature that says so, and what it is worth beyond its weight.
const SAID_IN_FULL: usize = 22;
const IN_FULL: f64 = 1.2;
/// Log-odds from which, and lead by which, what is asked as it is noted is answered by words alone.
const SURE: f64 = 3.0;
const AHEAD: f64 = 2.0;
/// How near a word of a sentence must be to one of the question to be it.
const SAME_WORD: f64 = 0.7;
/// Lead in log-odds up to which another price may still be the one that was asked for.
const NEARLY: f64 = 1.5;
/// What is done with a thing, at a price of its own; the lead of such a price up to which the thing's may be meant, and by
/// how much less that may be named.
const SERVICES: &[&str] =
    &["montage", "desmontage", "instalac", "entreg", "frete", "conserto", "manutenc", "higieniz"];
const NEARLY_SERVED: f64 = 3.0;
const ALIKE_OWN: f64 = 0.2;
/// What it costs to speak of the large one where the small one is asked for.
const OTHER_SIZE: f64 = 3.0;
/// What it costs to answer anything: customers ask more of what is not noted than those did on whose questions the weights
/// were fitted.
const CAUTION: f64 = 0.3;
/// What it costs to answer a question whose every word could stand in any other.
const VAGUE: f64 = 4.0;
/// What it costs where it is asked whether something is done that the knowledge has no word for.
const UNHEARD_OF: f64 = 0.5;
/// Log-odds that a newer document, or an offer's end, costs.
const OUTDATED: f64 = 3.0;

/// Characters from which what was told is known again.
const TELLING: usize = 5;
/// Log-odds that the line, or the heading, of what was told before is worth to a question that leans on it.
const SAME_LINE: f64 = 0.5;
/// How many times as much, to a question that names nothing by itself.
const GOES_ON: f64 = 4.0;
const SAME_HEADING: f64 = 0.5;

/// From here on a sentence is told beside an offer that is over.
const STILL_HOLDS: f64 = 0.3;

/// Lines and headings of what was told before: a short question goes on with them.
#[derive(Default)]
struct ToldBefore {
    lines: Vec<Arc<str>>,
    headings: Vec<Arc<str>>,
}

impl ToldBefore {
    fn favour(&self, sentence: &Sentence) -> f64 {
        if self.lines.contains(&sentence.line_text) {
            SAME_LINE
        } else if sentence.heading_text.as_ref().is_some_and(|own| self.headings.contains(own)) {
            SAME_HEADING
        } else {
            0.0
        }
    }
}

struct Told {
    text: String,
    also: Vec<usize>,
}

fn sentence_case(text: &str) -> String {
    capital(&text.to_lowercase())
}

/// Whether a cell says that there is nothing.
fn is_dash(value: &str) -> bool {
    !value.chars().any(char::is_alphanumeric) || matches!(value.trim(), "x" | "X")
}

/// A line of a list or of a table: a name with what belongs to it.
pub(crate) fn is_list_line(text: &str) -> bool {
    cells::of(text).is_some()
        || (text.chars().count() <= 90
            && (text.contains("R$") || text.contains(" reais"))
            && text.split_whitespace().count() <= 14
            && !text.contains(". "))
}

impl Question {
    /// Whether it names something, beside asking for a price.
    fn names_things(&self) -> bool {
        self.terms.iter().any(|term| !term.light && !term.variants.is_empty())
    }
}
