//! The features of a sentence as an answer to a question: words in common, of itself, of its line and of its heading;
//! nearness of meaning; what kind of answer is asked for and shown. What each is worth (`weights.rs`), to a question by itself
//! and to one that leans on another, was fitted by `cargo xtask fit-evidence` on the businesses of `evaluation/pairs/weights`.

use crate::index::{Index, Term, sorted};
use crate::question::Question;

/// Features of a sentence for a question.
pub const FEATURES: usize = 25;

/// From this share of a question's weight on, a sentence is taken to speak of all of it.
const COVERED: f64 = 0.95;

/// What a question leans on.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// What the contact asked.
    pub asked: &'a str,
    /// What they were told; empty where nothing was.
    pub told: &'a str,
}

/// A question as it is asked of the evidence.
pub struct Asked<'a> {
    pub text: &'a str,
    /// What came before, where the text leans on it.
    pub before: Option<Before<'a>>,
    /// Of the text, and of both together.
    pub vector: Option<&'a [f32]>,
    pub both: Option<&'a [f32]>,
    /// The tenant's own day: offers that ended before it are told as such. `None`: as if nothing ended.
    pub today: Option<jiff::civil::Date>,
}

/// What each feature adds to the log-odds of a sentence as an answer.
pub(crate) struct Weights {
    pub(crate) bias: f64,
    pub(crate) of: [f64; FEATURES],
}

/// A sentence with its features.
pub struct Featured {
    /// Number of the sentence.
    pub sentence: u32,
    pub piece: u32,
    pub features: [f64; FEATURES],
}

/// What a question asks for, or a sentence shows.
struct Shown {
    price: bool,
    hours: bool,
    place: bool,
    phone: bool,
    span: bool,
}

impl Shown {
    fn nothing(&self) -> bool {
        !(self.price || self.hours || self.place || self.phone || self.span)
    }
}

impl Index {
    /// The features of every sentence that could be an answer.
    pub fn features(&self, asked: &Asked<'_>) -> Vec<Featured> {
        let question = Question::read(self, asked.text);
        let before = asked.before.map(|before| Question::read(self, before.asked));
        let ranked = self.rank(&question, self.pieces.len());
        let mut bm25 = vec![0f64; self.pieces.len()];
        for (score, piece) in &ranked {
            bm25[*piece as usize] = *score;
        }
        let top = ranked.first().map_or(1.0, |(score, _)| score.max(1e-9));
        let mut asks = self.shown(&question.known);
        if let Some(before) = before.as_ref().filter(|_| asks.nothing()) {
            // "E a barba?" asks for what was asked of the hair.
            asks = self.shown(&before.known);
        }
        let cosines: Vec<f64> = self.nearness(asked.vector);
        let both: Vec<f64> = match asked.both {
            Some(vector) => self.nearness(Some(vector)),
            None => cosines.clone(),
        };
        let nearest = cosines.iter().copied().fold(-1.0, f64::max);
        let nearest_both = both.iter().copied().fold(-1.0, f64::max);
        let mut out = Vec::new();
        let mut seen = vec![false; self.sentences.len()];
        for (number, piece) in self.pieces.iter().enumerate() {
            let first = piece.sentences.first().map(|id| &self.sentences[*id as usize]);
            let heading: &[Term] =
                first.filter(|first| first.heading).map_or(&[], |first| first.set.as_slice());
            for id in &piece.sentences {
                let sentence = &self.sentences[*id as usize];
                if sentence.heading || std::mem::replace(&mut seen[*id as usize], true) {
                    continue;
                }
                let own = question.coverage(&sentence.set);
                let line = question.coverage(&sentence.line);
                let with_heading: Vec<Term> =
                    sorted(sentence.line.iter().chain(heading).chain(&sentence.about).copied());
                let all = question.coverage(&with_heading);
                let missing = question
                    .terms
                    .iter()
                    .filter(|term| !term.light && term.hit(&with_heading) == 0.0)
                    .map(|term| term.weight / question.total)
                    .fold(0.0, f64::max);
                let missing_known = question
                    .terms
                    .iter()
                    .filter(|term| !term.light && term.df > 0 && term.hit(&with_heading) == 0.0)
                    .map(|term| term.weight / question.total)
                    .fold(0.0, f64::max);
                let shows = self.shown(&sentence.shown_tags);
                let cos = cosines.get(*id as usize).copied().unwrap_or(0.0);
                let cos_both = both.get(*id as usize).copied().unwrap_or(0.0);
                let flag = |yes: bool| f64::from(u8::from(yes));
                let leans = before.is_some();
                let of_before = before.as_ref().map_or(0.0, |b| b.coverage(&with_heading));
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let size = (sentence.terms.len() as f64).min(60.0);
                let features = [
                    own,
                    line - own,
                    all - line,
                    own * own,
                    bm25[number] / top,
                    (cos - 0.82) * 10.0,
                    (cos - nearest) * 10.0,
                    missing,
                    missing_known,
                    flag(asks.price && shows.price),
                    flag(asks.price && !shows.price),
                    flag(asks.hours && shows.hours) - flag(asks.hours && !shows.hours),
                    flag(asks.place && shows.place) + flag(asks.phone && shows.phone)
                        - flag(asks.place && !shows.place)
                        - flag(asks.phone && !shows.phone),
                    flag(asks.span && shows.span) - flag(asks.span && !shows.span),
                    if sentence.pair { question.coverage(&sentence.about) } else { 0.0 },
                    flag(sentence.pair),
                    size / 30.0,
                    flag(sentence.terms.len() <= 2),
                    if leans { of_before } else { 0.0 },
                    if leans { (cos_both - nearest_both) * 10.0 } else { 0.0 },
                    flag(question.asks_number && sentence.shows_number)
                        - flag(question.asks_number && !sentence.shows_number),
                    flag(question.says_little()),
                    flag(all >= COVERED),
                    if leans { 0.0 } else { question.lacks(self, &with_heading) },
                    if leans { (cos_both - 0.82) * 10.0 } else { 0.0 },
                ];
                let piece = u32::try_from(number).unwrap_or(0);
                out.push(Featured { sentence: *id, piece, features });
            }
        }
        out
    }

    /// The text of a sentence, as it is told.
    pub fn sentence_text(&self, sentence: u32) -> &str {
        &self.sentences[sentence as usize].text
    }

    /// What to encode of each sentence, in order: what it is about, and itself.
    pub fn to_encode(&self) -> Vec<String> {
        let spoken = self.sentences.iter().map(|sentence| sentence.spoken.as_str());
        spoken.map(crate::typed::carefully).collect()
    }

    fn nearness(&self, vector: Option<&[f32]>) -> Vec<f64> {
        let Some(vector) = vector else { return vec![0.82; self.sentences.len()] };
        self.sentence_vectors
            .iter()
            .map(|own| {
                if own.len() == vector.len() {
                    f64::from(embedding::dot(own, vector))
                } else {
                    0.82
                }
            })
            .collect()
    }

    fn shown(&self, set: &[Term]) -> Shown {
        let has = |tag: &str| {
            self.vocabulary.get(tag).is_some_and(|term| set.binary_search(term).is_ok())
        };
        Shown {
            price: has("#price"),
            hours: has("#hours"),
            place: has("#place"),
            phone: has("#phone"),
            span: has("#span"),
        }
    }
}
