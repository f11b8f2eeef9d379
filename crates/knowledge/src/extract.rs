//! What an extracted answer is, and how a long sentence is shortened to one.

use crate::index::{Index, sorted};
use crate::question::Question;
use crate::split::{NUMBERS, terms, words};

/// Characters of a reply at most; longer ones are not read on a phone.
pub const LONGEST: usize = 400;
/// Below this, the honest answer is that we do not know.
pub const DECLINE_BELOW: f64 = -0.1;

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
    /// A question and answer is noted that asks just this, and nothing else comes near it.
    pub as_noted: bool,
}

/// Confidence from which an answer is sure: enough to leave an open question to it, or to answer what only sounds like
/// something else.
pub const SURELY: f64 = 0.8;

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

    /// Whether a text asks for a price.
    pub fn asks_price(&self, text: &str) -> bool {
        Question::read(self, &self.as_written(text)).asks_price(self)
    }

    /// Whether a text names a thing that the knowledge has a word for, beside what it asks of it.
    pub fn names_a_thing(&self, text: &str) -> bool {
        Question::read(self, text).names_a_thing(self)
    }

    /// Whether every word of a text could stand in a question about anything.
    pub fn says_little(&self, text: &str) -> bool {
        Question::read(self, text).says_little()
    }

    /// Whether a text names a thing that neither the question before it nor what was told names.
    pub fn names_more(&self, text: &str, before: &str, told: &str) -> bool {
        Question::read(self, text).names_more(self, &Question::read(self, before), &terms(told))
    }

    /// Whether a text names something that was told, and that had not been asked for: "a manutenção é à parte?"
    pub fn asks_of_told(&self, text: &str, before: &str, told: &str) -> bool {
        Question::read(self, text).names_of(&Question::read(self, before), &terms(told))
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

pub(crate) fn has_number(folded: &str) -> bool {
    folded.contains(|c: char| c.is_ascii_digit()) || words(folded).any(|w| NUMBERS.contains(w))
}
