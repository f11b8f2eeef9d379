//! Answers without a model: the best-supported sentences of the tenant's own knowledge, or an
//! honest "I do not know".
//!
//! Weights were fitted on one half of the titles of a public Portuguese question set and checked
//! on the other half; `portaria eval answers` prints the figures.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use kernel::text::fold;
use regex::Regex;

use crate::index::{Index, Piece, Sentence, Term, sorted};
use crate::lexicon;
use crate::question::{Kind, PRICE, Question, QuestionTerm};
use crate::split::{DEFINING, NUMBERS, stem, terms, words};

/// Pieces whose sentences are looked at.
const TOP: usize = 5;
/// Characters of a reply at most; longer ones are not read on a phone.
pub const LONGEST: usize = 400;
const SENTENCES: usize = 3;
/// How close a further sentence must come to the best one to be added.
const ADD: f64 = 0.18;
/// Share of the things asked about that a price must not lack, to be theirs.
const ANOTHER: f64 = 0.35;
/// Log-odds that the price of something else costs.
const OTHER_THING: f64 = 2.5;
/// Below this, the honest answer is that we do not know.
pub const DECLINE_BELOW: f64 = 1.1;

/// What the knowledge says to a question.
#[derive(Debug, Clone)]
pub struct Extract {
    pub reply: String,
    /// Log-odds that the reply answers the question; decline below [`DECLINE_BELOW`].
    pub score: f64,
    /// Numbers of the pieces the reply was taken from, best first.
    pub pieces: Vec<usize>,
    /// A price was asked for, without saying of what.
    pub of_nothing: bool,
}

impl Extract {
    /// Whether the knowledge supports an answer at all.
    pub fn supported(&self) -> bool {
        self.score >= DECLINE_BELOW && !self.reply.is_empty()
    }

    /// 0 to 1.
    pub fn confidence(&self) -> f64 {
        1.0 / (1.0 + (-self.score).exp())
    }
}

struct Candidate {
    sentence: u32,
    piece: u32,
    position: usize,
    coverage: f64,
    number: bool,
    when: bool,
    score: f64,
}

static WHEN: LazyLock<Regex> = LazyLock::new(|| expression(lexicon::WHEN));
static WHY: LazyLock<Regex> = LazyLock::new(|| expression(lexicon::WHY));
static GOAL: LazyLock<Regex> = LazyLock::new(|| expression(lexicon::GOAL));

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a valid expression")
}

impl Index {
    /// Ranks pieces for a question: `(score, piece number)`, best first.
    pub fn search(&self, question: &str, limit: usize) -> Vec<(f64, usize)> {
        let question = Question::read(self, question);
        self.rank(&question, limit).into_iter().map(|(s, piece)| (s, piece as usize)).collect()
    }

    /// Whether a text asks for a price without saying of what.
    pub fn asks_of_nothing(&self, text: &str) -> bool {
        Question::read(self, text).names_nothing(self)
    }

    /// Whether the knowledge has no word for anything that a text speaks of.
    pub fn has_no_word_of(&self, text: &str) -> bool {
        let question = Question::read(self, text);
        !question.terms.is_empty() && question.terms.iter().all(|term| term.variants.is_empty())
    }

    /// Answers a question from the pieces, or says how little they support one.
    pub fn extract(&self, text: &str) -> Extract {
        let question = Question::read(self, text);
        let of_nothing = question.names_nothing(self);
        let ranked = self.rank(&question, TOP);
        let candidates = self.candidates(&question, &ranked);
        let best = (0..candidates.len())
            .reduce(|a, b| if candidates[b].score > candidates[a].score { b } else { a });
        let Some(best) = best.filter(|_| !question.says_little()) else {
            return Extract { reply: String::new(), score: -9.0, pieces: Vec::new(), of_nothing };
        };
        let (reply, pieces) = self.assemble(&question, &candidates, best);
        let score = self.confidence(&question, &candidates[best]);
        Extract { reply, score, pieces, of_nothing }
    }

    fn candidates(&self, question: &Question, ranked: &[(f64, u32)]) -> Vec<Candidate> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let top = ranked.first().map_or(1.0, |(score, _)| *score);
        let idf0 = self.idf(0);
        for (piece_score, number) in ranked {
            let piece = &self.pieces[*number as usize];
            let whole = question.coverage(&piece.set);
            for (position, id) in piece.sentences.iter().enumerate() {
                let sentence = &self.sentences[*id as usize];
                if sentence.heading || !seen.insert(*id) {
                    continue;
                }
                let folded = fold(&sentence.text);
                let own = self.with_heading(piece, sentence);
                let coverage = question.coverage(&own);
                let previous = match position {
                    0 => 0.0,
                    _ => {
                        let before = &self.sentences[piece.sentences[position - 1] as usize];
                        let both = sorted(before.set.iter().chain(&sentence.set).copied());
                        question.coverage(&both) - coverage
                    }
                };
                let novel = sentence
                    .set
                    .iter()
                    .filter(|term| question.own.binary_search(term).is_err())
                    .count()
                    .min(6);
                let missing = question
                    .terms
                    .iter()
                    .filter(|term| term.hit(&sentence.set) == 0.0)
                    .map(|term| term.weight)
                    .fold(0.0, f64::max);
                let number_seen = question.kind == Kind::Number && has_number(&folded);
                let when = question.kind == Kind::When && WHEN.is_match(&folded);
                let why = question.kind == Kind::Why && WHY.is_match(&folded);
                let goal = question.kind == Kind::Goal && GOAL.is_match(&folded);
                let flag = f64::from;
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let score = 4.0 * piece_score / top
                    + 5.5 * coverage
                    + 2.5 * (whole - coverage)
                    + 3.0 * previous
                    + 1.5 * novel as f64 / 6.0
                    - missing / idf0
                    + 3.0 * coverage * (20.0 / (20.0 + sentence.terms.len() as f64)).sqrt()
                    + 3.0 * flag(number_seen)
                    + 2.0 * flag(when)
                    + 4.0 * flag(why)
                    + 2.0 * flag(goal)
                    + 1.5 * self.definition(question, &folded)
                    + 2.0 * flag(self.counts(question, &folded));
                out.push(Candidate {
                    sentence: *id,
                    piece: *number,
                    position,
                    coverage,
                    number: number_seen,
                    when,
                    score,
                });
            }
        }
        out
    }

    /// A sentence's terms with those of its heading, which says what the lines under it are about.
    fn with_heading<'a>(&self, piece: &Piece, sentence: &'a Sentence) -> Cow<'a, [Term]> {
        let first = piece.sentences.first().map(|first| &self.sentences[*first as usize]);
        match first.filter(|first| first.heading) {
            Some(heading) => sorted(heading.set.iter().chain(&sentence.set).copied()).into(),
            None => Cow::Borrowed(&sentence.set),
        }
    }

    /// What it costs to name another thing's price, or none at all.
    fn beside_the_thing(&self, question: &Question, piece: &Piece, sentence: &Sentence) -> f64 {
        if question.kind != Kind::Number || !question.asks_price(self) {
            return 0.0;
        }
        let own = self.with_heading(piece, sentence);
        let other = question.lacks(self, &own) > ANOTHER;
        let shown = self.vocabulary.get(PRICE).is_some_and(|t| own.binary_search(t).is_ok());
        3.2 * f64::from(!shown) + OTHER_THING * f64::from(other)
    }

    /// How much a sentence opens like a definition of what was asked.
    fn definition(&self, question: &Question, folded: &str) -> f64 {
        let need: Vec<_> = question.terms.iter().filter(|term| !term.light).collect();
        if question.kind != Kind::Definition || need.is_empty() {
            return 0.0;
        }
        let mut got = vec![false; need.len()];
        for (k, word) in words(folded).take(22).enumerate() {
            if DEFINING.contains(word) && got.iter().all(|g| *g) {
                return if k <= 2 * need.len() + 8 { 1.0 } else { 0.5 };
            }
            let Some(term) = self.vocabulary.get(stem(word).as_str()) else { continue };
            for (slot, wanted) in got.iter_mut().zip(&need) {
                *slot |= wanted.variants.iter().any(|(variant, _)| variant == term);
            }
        }
        0.0
    }

    /// Whether a number stands close before what is counted.
    fn counts(&self, question: &Question, folded: &str) -> bool {
        let Some(noun) = &question.counted else { return false };
        let all: Vec<&str> = words(folded).collect();
        all.iter().enumerate().any(|(at, word)| {
            let is_noun = self
                .vocabulary
                .get(stem(word).as_str())
                .is_some_and(|term| noun.iter().any(|(variant, _)| variant == term));
            is_noun && all[at.saturating_sub(4)..at].iter().any(|w| says_a_number(w))
        })
    }

    fn confidence(&self, question: &Question, best: &Candidate) -> f64 {
        let piece = &self.pieces[best.piece as usize];
        let sentence = &self.sentences[best.sentence as usize];
        let whole = question.coverage(&piece.set);
        let together = if question.bigram_weight > 0.0 {
            question
                .bigrams
                .iter()
                .zip(&question.bigram_weights)
                .filter(|(pair, _)| piece.bigrams.binary_search(pair).is_ok())
                .map(|(_, weight)| weight)
                .sum::<f64>()
                / question.bigram_weight
        } else {
            best.coverage
        };
        let tight = (0..piece.terms.len().max(1))
            .map(|from| {
                let to = (from + 12).min(piece.terms.len());
                let window: Vec<Term> =
                    sorted(piece.terms[from..to].iter().chain(&sentence.tags).copied());
                question.coverage(&window)
            })
            .fold(0.0, f64::max);
        let lacks =
            |kind: Kind, shown: bool| f64::from(question.kind == kind && !sentence.pair && !shown);
        // The knowledge speaks of it, but not here: the wrong place.
        let missing = question
            .terms
            .iter()
            .filter(|t| t.df > 0 && !t.light && t.hit(&piece.set) == 0.0)
            .map(|t| t.weight / question.total)
            .fold(0.0, f64::max);
        -5.08 - 1.5 * missing + 3.75 * whole + 1.65 * best.coverage + 2.7 * tight + 1.6 * together
            - 1.7 * lacks(Kind::Number, best.number)
            - 1.2 * lacks(Kind::When, best.when)
            - self.beside_the_thing(question, piece, sentence)
    }

    fn assemble(
        &self,
        question: &Question,
        candidates: &[Candidate],
        best: usize,
    ) -> (String, Vec<usize>) {
        let text = |at: usize| self.sentences[candidates[at].sentence as usize].text.as_str();
        let pair = |at: usize| self.sentences[candidates[at].sentence as usize].pair;
        let set = |at: usize| &self.sentences[candidates[at].sentence as usize].set;
        let price = self.vocabulary.get(PRICE);
        let priced = |at: usize| price.is_some_and(|price| set(at).binary_search(price).is_ok());
        // Who asks for the price of two things wants both.
        let names_more = |at: usize| {
            let only_here = |term: &QuestionTerm| {
                !term.light && term.hit(set(at)) > 0.0 && term.hit(set(best)) == 0.0
            };
            question.terms.iter().any(only_here)
        };
        let mut parts = vec![(best, self.trim(question, text(best)))];
        let mut length = parts[0].1.chars().count();
        if !pair(best) {
            let mut order: Vec<usize> = (0..candidates.len()).collect();
            order.sort_by(|a, b| {
                candidates[*b].score.total_cmp(&candidates[*a].score).then(a.cmp(b))
            });
            for at in order.into_iter().skip(1).take(5) {
                if parts.len() >= SENTENCES {
                    break;
                }
                let size = text(at).chars().count();
                #[expect(clippy::cast_precision_loss, reason = "a length in characters")]
                let worth = (candidates[at].score - candidates[best].score).exp()
                    * (120.0 / (size.max(60) as f64)).sqrt();
                // The neighbours of a row in a list, or of a price, are other things at other prices.
                let beside = (is_row(text(best))
                    || (priced(best) && priced(at) && !names_more(at)))
                    && candidates[at].coverage < candidates[best].coverage;
                if pair(at) || beside || worth < ADD || length + 1 + size > LONGEST {
                    continue;
                }
                parts.push((at, text(at).to_owned()));
                length += 1 + size;
            }
        }
        let home = candidates[best].piece;
        parts.sort_by_key(|(at, _)| {
            let c = &candidates[*at];
            (c.piece != home, c.piece, c.position)
        });
        let mut pieces: Vec<usize> = vec![home as usize];
        for (at, _) in &parts {
            let piece = candidates[*at].piece as usize;
            if !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
        let mut reply = String::new();
        for (_, text) in &parts {
            if !reply.is_empty() {
                reply.push(if is_row(&reply) || is_row(text) { '\n' } else { ' ' });
            }
            reply.push_str(text);
        }
        (reply, pieces)
    }

    /// The run of clauses of a long sentence that covers the question best.
    pub(crate) fn trim(&self, question: &Question, text: &str) -> String {
        if text.chars().count() <= LONGEST {
            return text.to_owned();
        }
        let clauses = clauses(text, LONGEST - 2);
        let size: Vec<usize> = clauses.iter().map(|c| c.chars().count()).collect();
        let mut best: Option<(f64, usize, usize)> = None;
        for from in 0..clauses.len() {
            let mut to = from;
            let mut used = 0;
            while to < clauses.len() && used + size[to] <= LONGEST - 2 {
                used += size[to];
                to += 1;
            }
            let run = clauses[from..to].concat();
            let set = sorted(
                terms(&run).iter().filter_map(|term| self.vocabulary.get(term.as_str()).copied()),
            );
            #[expect(clippy::cast_precision_loss, reason = "a length in characters")]
            let score = question.coverage(&set)
                + if from == 0 { 0.08 } else { 0.0 }
                + 0.1 * used as f64 / LONGEST as f64;
            if best.is_none_or(|(top, ..)| score > top + 1e-9) {
                best = Some((score, from, to));
            }
        }
        let Some((_, from, to)) = best else { return text.chars().take(LONGEST).collect() };
        let head = if from > 0 { "…" } else { "" };
        let tail = if to < clauses.len() { "…" } else { "" };
        format!("{head}{}{tail}", clauses[from..to].concat().trim())
    }
}

/// Cuts after commas, semicolons and colons; clauses over the limit at a space.
fn clauses(text: &str, limit: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    let mut after_mark = false;
    for c in text.chars() {
        let mark = matches!(c, ',' | ';' | ':');
        if after_mark && !mark && !c.is_whitespace() {
            out.push(std::mem::take(&mut current));
            after_mark = false;
        }
        after_mark |= mark;
        current.push(c);
    }
    out.push(current);
    out.into_iter().flat_map(|clause| hard_cut(&clause, limit)).collect()
}

fn hard_cut(clause: &str, limit: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest: Vec<char> = clause.chars().collect();
    while rest.len() > limit {
        let cut = rest[..limit].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let tail = rest.split_off(cut.unwrap_or(limit - 1) + 1);
        out.push(rest.into_iter().collect());
        rest = tail;
    }
    out.push(rest.into_iter().collect());
    out
}

/// A line of a list or table: no sentence ends it.
fn is_row(text: &str) -> bool {
    !text.ends_with(['.', '!', '?', '…', ':', ';', '"', '”'])
}

fn says_a_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || NUMBERS.contains(word)
}

pub(crate) fn has_number(folded: &str) -> bool {
    folded.contains(|c: char| c.is_ascii_digit()) || words(folded).any(|w| NUMBERS.contains(w))
}
