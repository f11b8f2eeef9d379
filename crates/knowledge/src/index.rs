//! The search index of one tenant: exact BM25 over stems and neighbouring pairs of stems, with the
//! everyday intents of customers as extra terms.
//!
//! Rows are the truth; this is a cache built from them. It is our own because answering needs what
//! a search library keeps to itself: document frequencies per term, the terms of each sentence, and
//! weights per pair of question term and index term.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, OnceLock};

use kernel::text::fold;
use kernel::{ChunkId, DocumentId};
use regex::Regex;

use crate::facts::{Corrections, Fact, of_chunks};
use crate::lexicon::INTENTS;
use crate::ranges::{self, Range};
use crate::split::{expression, sentences, stem, terms, words};
use crate::timetable;

pub(crate) const K1: f64 = 1.2;
const B: f64 = 0.75;
const W_BIGRAM: f64 = 0.4;
const PAIR_BONUS: f64 = 0.5;

pub(crate) type Term = u32;

/// A chunk as it is stored.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub id: ChunkId,
    pub document: DocumentId,
    pub title: Arc<str>,
    pub heading: Option<String>,
    /// Of a question/answer pair.
    pub question: Option<String>,
    pub body: String,
    /// Unit length, when an embedding provider is set.
    pub vector: Option<Vec<f32>>,
}

/// One sentence, shared by the pieces that overlap in it.
#[derive(Debug)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    /// In order; of a pair, the question's first.
    pub(crate) terms: Vec<Term>,
    /// Terms and tags, sorted.
    pub(crate) set: Vec<Term>,
    pub(crate) tags: Vec<Term>,
    /// The answer of a pair: is given whole.
    pub(crate) pair: bool,
    /// Says what follows is about; never an answer by itself.
    pub(crate) heading: bool,
    /// Terms and tags of the whole line, sorted.
    pub(crate) line: Vec<Term>,
    /// Which line of its document it stands in, and that line's text.
    pub(crate) line_text: Arc<str>,
    /// Terms of what says what it is about: the title, a pair's question. Sorted.
    pub(crate) about: Vec<Term>,
    /// The tags of what it shows by itself, whatever its question asks; sorted.
    pub(crate) shown_tags: Vec<Term>,
    pub(crate) shows_number: bool,
    pub(crate) heading_text: Option<Arc<str>>,
    /// Of a document that a newer one replaces.
    pub(crate) outdated: bool,
    /// The day on which what it offers ends.
    pub(crate) ends: Option<jiff::civil::Date>,
    /// As it is encoded: with its heading or question.
    pub(crate) spoken: String,
    /// Of a row: the spans in its name, "de 10 a 25 kg".
    pub(crate) ranges: Vec<Range>,
}

impl Sentence {
    /// Whether what it offers ended before a day; `None`: as if nothing ended.
    pub(crate) fn is_over(&self, today: Option<jiff::civil::Date>) -> bool {
        self.ends.zip(today).is_some_and(|(end, today)| end < today)
    }

    /// Whether it states something that holds on a day: of no document that was replaced, of no offer that ended.
    pub(crate) fn holds_on(&self, today: Option<jiff::civil::Date>) -> bool {
        !self.heading && !self.outdated && !self.is_over(today)
    }
}

#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) sentences: Vec<u32>,
    pub(crate) terms: Vec<Term>,
    /// Terms and tags, sorted.
    pub(crate) set: Vec<Term>,
    /// Distinct terms of a pair's question.
    question: Vec<Term>,
    norm: f64,
}

impl Piece {
    /// Distinct terms of a pair's question.
    pub(crate) fn question_terms(&self) -> &[Term] {
        &self.question
    }
}

pub(crate) struct Intent {
    pub(crate) tag: &'static str,
    pub(crate) group: Vec<String>,
    evidence: Regex,
}

pub(crate) static TAGS: LazyLock<Vec<Intent>> = LazyLock::new(|| {
    INTENTS
        .iter()
        .map(|(tag, group, evidence)| Intent {
            tag,
            group: group.split_whitespace().map(stem).collect(),
            evidence: expression(evidence),
        })
        .collect()
});

/// The index of one tenant.
pub struct Index {
    pub chunks: Vec<Chunk>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) vocabulary: BTreeMap<Box<str>, Term>,
    names: Vec<Box<str>>,
    postings: Vec<Vec<(u32, u16)>>,
    bigram_postings: HashMap<(Term, Term), Vec<(u32, u16)>>,
    /// Of each sentence, where they were made.
    pub(crate) sentence_vectors: Vec<Vec<f32>>,
    corrections: Corrections,
    /// Read from the pieces when they are first wanted.
    facts: OnceLock<Vec<Fact>>,
    /// The words of the pieces by their sound, for those who write by ear.
    sounds: OnceLock<HashMap<String, Box<str>>>,
    /// The lines that name days and hours, read when they are first asked for.
    timetable: OnceLock<Vec<timetable::Line>>,
    bytes: usize,
}

/// Where a sentence stands.
struct Around<'a> {
    line: &'a str,
    heading: Option<&'a str>,
    title: &'a str,
    outdated: bool,
    /// Of the whole document.
    ends: Option<jiff::civil::Date>,
}

struct Builder {
    vocabulary: HashMap<Box<str>, Term>,
    sentences: Vec<Sentence>,
}

impl Builder {
    fn term(&mut self, text: &str) -> Term {
        if let Some(term) = self.vocabulary.get(text) {
            return *term;
        }
        let term = u32::try_from(self.vocabulary.len()).expect("fewer than 4 billion terms");
        self.vocabulary.insert(text.into(), term);
        term
    }

    fn terms(&mut self, text: &str) -> Vec<Term> {
        terms(text).iter().map(|term| self.term(term)).collect()
    }

    fn sentence(
        &mut self,
        text: &str,
        question: Option<&str>,
        heading: bool,
        around: &Around<'_>,
    ) -> u32 {
        let mut all = question.map(|q| self.terms(q)).unwrap_or_default();
        all.extend(self.terms(text));
        for day in crate::dates::days(text) {
            all.extend(self.terms(&day));
        }
        let folded = fold(text);
        let asked: Vec<String> =
            question.map(|q| words(&fold(q)).map(stem).collect()).unwrap_or_default();
        let tags: Vec<Term> = TAGS
            .iter()
            .filter(|intent| {
                intent.evidence.is_match(&folded)
                    || asked.iter().any(|word| intent.group.contains(word))
            })
            .map(|intent| intent.tag)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|tag| self.term(tag))
            .collect();
        let set = sorted(all.iter().chain(&tags).copied());
        let shown: Vec<&str> = TAGS
            .iter()
            .filter(|intent| intent.evidence.is_match(&folded))
            .map(|intent| intent.tag)
            .collect();
        let shown: Vec<Term> = shown.into_iter().map(|tag| self.term(tag)).collect();
        let line = self.terms(around.line);
        let mut about = self.terms(around.title);
        about.extend(question.map(|q| self.terms(q)).unwrap_or_default());
        let spoken = match question.or(around.heading) {
            Some(what) => format!("{what} {text}"),
            None => text.to_owned(),
        };
        self.sentences.push(Sentence {
            text: text.to_owned(),
            line: sorted(all.iter().chain(&line).chain(&tags).copied()),
            line_text: around.line.into(),
            about: sorted(about.into_iter()),
            shown_tags: sorted(shown.into_iter()),
            shows_number: crate::extract::has_number(&folded),
            spoken,
            ranges: if crate::choose::is_list_line(text) {
                ranges::ranges(&fold(&crate::named_prices::subject_of(text)))
            } else {
                // "Até 5 anos não paga, de 6 a 10 paga metade" is meant by any age within it.
                ranges::ages(&folded)
            },
            heading_text: around.heading.map(Arc::from),
            outdated: around.outdated,
            ends: crate::dates::ends(around.line).or(around.ends),
            terms: all,
            set,
            tags,
            pair: question.is_some(),
            heading,
        });
        u32::try_from(self.sentences.len() - 1).expect("fewer than 4 billion sentences")
    }
}

pub(crate) fn sorted(terms: impl Iterator<Item = Term>) -> Vec<Term> {
    let mut all: Vec<Term> = terms.collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn pairs(terms: &[Term]) -> impl Iterator<Item = (Term, Term)> + '_ {
    terms.windows(2).map(|pair| (pair[0], pair[1]))
}

impl Index {
    /// Builds the index of these chunks. Chunks of one document stand together, in order.
    pub fn build(chunks: Vec<Chunk>) -> Self {
        Self::corrected(chunks, Corrections::default())
    }

    /// Builds the index of these chunks as the owner corrected them.
    pub(crate) fn corrected(mut chunks: Vec<Chunk>, corrections: Corrections) -> Self {
        corrections.apply(&mut chunks);
        let old = crate::dates::outdated(&chunks);
        let offers = crate::dates::offers(&chunks);
        let mut builder = Builder { vocabulary: HashMap::new(), sentences: Vec::new() };
        let mut pieces = Vec::with_capacity(chunks.len());
        let mut postings: Vec<Vec<(u32, u16)>> = Vec::new();
        let mut bigram_postings: HashMap<(Term, Term), Vec<(u32, u16)>> = HashMap::new();
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut document = None;
        for (number, chunk) in chunks.iter().enumerate() {
            if document != Some(chunk.document) {
                document = Some(chunk.document);
                seen.clear();
            }
            let number = u32::try_from(number).expect("fewer than 4 billion pieces");
            let mut members: Vec<u32> = Vec::new();
            let mut all_terms: Vec<Term> = Vec::new();
            let mut bigrams: Vec<(Term, Term)> = Vec::new();
            let mut question = Vec::new();
            if let Some(asked) = &chunk.question {
                let asked_terms = builder.terms(asked);
                let answer_terms = builder.terms(&chunk.body);
                bigrams.extend(pairs(&asked_terms).chain(pairs(&answer_terms)));
                question = sorted(asked_terms.iter().copied());
                let outdated = old.contains(&chunk.document);
                let ends = offers.get(&chunk.document).copied();
                let around = Around {
                    line: &chunk.body,
                    heading: None,
                    title: &chunk.title,
                    outdated,
                    ends,
                };
                members.push(builder.sentence(&chunk.body, Some(asked), false, &around));
            } else {
                let heading = chunk.heading.as_deref().map(|text| (text, true));
                let cut = sentences(&chunk.body).into_iter();
                let line_of = |at: usize| {
                    let from = chunk.body[..at].rfind('\n').map_or(0, |from| from + 1);
                    let to = chunk.body[at..].find('\n').map_or(chunk.body.len(), |to| at + to);
                    &chunk.body[from..to]
                };
                let cut = cut.map(|(at, text)| (text, false, line_of(at)));
                let heading = heading.map(|(text, heading)| (text, heading, text));
                for (text, heading, line) in heading.into_iter().chain(cut) {
                    let id = match seen.get(text) {
                        Some(id) => *id,
                        None => {
                            let around = Around {
                                line,
                                heading: chunk.heading.as_deref(),
                                title: &chunk.title,
                                outdated: old.contains(&chunk.document),
                                ends: offers.get(&chunk.document).copied(),
                            };
                            let id = builder.sentence(text, None, heading, &around);
                            seen.insert(text.to_owned(), id);
                            id
                        }
                    };
                    bigrams.extend(pairs(&builder.sentences[id as usize].terms));
                    members.push(id);
                }
            }
            let mut tags = Vec::new();
            for id in &members {
                let sentence = &builder.sentences[*id as usize];
                all_terms.extend(&sentence.terms);
                tags.extend(&sentence.tags);
            }
            let set = sorted(all_terms.iter().chain(&tags).copied());
            postings.resize(builder.vocabulary.len(), Vec::new());
            count(&all_terms, |term, times| postings[term as usize].push((number, times)));
            for tag in sorted(tags.into_iter()) {
                // Tags do not count as length, and once is enough.
                postings[tag as usize].push((number, 1));
            }
            count(&bigrams, |pair, times| {
                bigram_postings.entry(pair).or_default().push((number, times));
            });
            pieces.push(Piece { sentences: members, terms: all_terms, set, question, norm: 0.0 });
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of terms")]
        let average =
            pieces.iter().map(|p| p.terms.len()).sum::<usize>() as f64 / pieces.len().max(1) as f64;
        for piece in &mut pieces {
            #[expect(clippy::cast_precision_loss, reason = "counts of terms")]
            let length = piece.terms.len() as f64;
            piece.norm = K1 * (1.0 - B + B * length / average.max(1e-9));
        }
        let mut names = vec![Box::<str>::default(); builder.vocabulary.len()];
        for (text, term) in &builder.vocabulary {
            names[*term as usize] = text.clone();
        }
        let mut index = Self {
            chunks,
            pieces,
            sentences: builder.sentences,
            vocabulary: builder.vocabulary.into_iter().collect(),
            names,
            postings,
            bigram_postings,
            sentence_vectors: Vec::new(),
            corrections,
            facts: OnceLock::new(),
            sounds: OnceLock::new(),
            timetable: OnceLock::new(),
            bytes: 0,
        };
        index.bytes = index.count_bytes();
        index
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the pieces state.
    pub fn facts(&self) -> &[Fact] {
        self.facts.get_or_init(|| of_chunks(&self.chunks, &self.corrections))
    }

    pub(crate) fn by_sound(&self) -> &HashMap<String, Box<str>> {
        self.sounds.get_or_init(|| {
            let mut out = HashMap::new();
            for sentence in &self.sentences {
                crate::typed::sounds(&sentence.text, &mut out);
            }
            out
        })
    }

    pub(crate) fn timetable(&self) -> &[timetable::Line] {
        self.timetable.get_or_init(|| timetable::lines(&self.chunks, &self.pieces, &self.sentences))
    }

    /// Gives the sentences their vectors, in order.
    pub fn set_vectors(&mut self, vectors: Vec<Vec<f32>>) {
        self.sentence_vectors = vectors;
        self.bytes = self.count_bytes();
    }

    /// Whether a sentence has no vector yet.
    pub(crate) fn lacks_vectors(&self) -> bool {
        self.sentence_vectors.iter().any(Vec::is_empty)
    }

    fn count_bytes(&self) -> usize {
        let chunks: usize = self
            .chunks
            .iter()
            .map(|c| 200 + c.body.len() + c.vector.as_ref().map_or(0, |v| v.len() * 4))
            .sum();
        let sentences: usize = self
            .sentences
            .iter()
            .map(|s| {
                let texts = s.text.len() + s.line_text.len() + s.spoken.len();
                let heading = s.heading_text.as_ref().map_or(0, |text| text.len());
                let terms = s.terms.len() + s.set.len() + s.line.len() + s.about.len();
                260 + texts + heading + 4 * (terms + s.tags.len() + s.shown_tags.len())
            })
            .sum();
        let vectors: usize = self.sentence_vectors.iter().map(|v| 24 + 4 * v.len()).sum();
        let pieces: usize =
            self.pieces.iter().map(|p| 140 + 4 * (p.terms.len() + p.set.len())).sum();
        let postings: usize = self.postings.iter().map(|p| 24 + 8 * p.len()).sum();
        let bigrams: usize = self.bigram_postings.values().map(|p| 56 + 8 * p.len()).sum();
        chunks + sentences + vectors + pieces + postings + bigrams + 90 * self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn df(&self, term: Term) -> usize {
        self.postings[term as usize].len()
    }

    pub(crate) fn name(&self, term: Term) -> &str {
        &self.names[term as usize]
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of pieces")]
    pub(crate) fn idf(&self, df: usize) -> f64 {
        let (n, df) = (self.pieces.len() as f64, df as f64);
        (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
    }

    /// Whether a word stands before numbers here, as a name that they tell apart: "room 1", "room 2".
    pub(crate) fn is_numbered(&self, word: Term) -> bool {
        self.bigram_postings
            .keys()
            .any(|(first, second)| *first == word && crate::split::all_digits(self.name(*second)))
    }

    pub(crate) fn bigram_df(&self, pair: (Term, Term)) -> usize {
        self.bigram_postings.get(&pair).map_or(0, Vec::len)
    }

    /// The best `limit` pieces for an analysed question, best first.
    pub(crate) fn rank(
        &self,
        question: &crate::question::Question,
        limit: usize,
    ) -> Vec<(f64, u32)> {
        let mut scores = vec![0f64; self.pieces.len()];
        let mut best = vec![0f64; self.pieces.len()];
        let mut touched: Vec<u32> = Vec::new();
        for term in &question.terms {
            let mut hit: Vec<u32> = Vec::new();
            for (variant, weight) in &term.variants {
                let df = self.df(*variant).max(term.df);
                let x = weight * self.idf(df) * term.lightness;
                for (piece, times) in &self.postings[*variant as usize] {
                    let at = *piece as usize;
                    let value = x * self.saturation(at, *times);
                    if best[at] == 0.0 {
                        hit.push(*piece);
                    }
                    best[at] = best[at].max(value);
                }
            }
            for piece in hit {
                let at = piece as usize;
                if scores[at] == 0.0 {
                    touched.push(piece);
                }
                scores[at] += best[at];
                best[at] = 0.0;
            }
        }
        for pair in &question.bigrams {
            let Some(postings) = self.bigram_postings.get(pair) else { continue };
            let x = W_BIGRAM * self.idf(postings.len());
            for (piece, times) in postings {
                let at = *piece as usize;
                if scores[at] == 0.0 {
                    touched.push(*piece);
                }
                scores[at] += x * self.saturation(at, *times);
            }
        }
        let mut ranked: Vec<(f64, u32)> = touched
            .into_iter()
            .map(|piece| {
                let asked = &self.pieces[piece as usize].question;
                let bonus = if asked.is_empty() { 0.0 } else { self.asked_for(asked, question) };
                (scores[piece as usize] * (1.0 + PAIR_BONUS * bonus), piece)
            })
            .collect();
        let order = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if ranked.len() > limit {
            ranked.select_nth_unstable_by(limit, order);
            ranked.truncate(limit);
        }
        ranked.sort_by(order);
        ranked
    }

    fn saturation(&self, piece: usize, times: u16) -> f64 {
        let times = f64::from(times);
        times * (K1 + 1.0) / (times + self.pieces[piece].norm)
    }

    /// How much of a pair's own question was asked for, by weight.
    pub(crate) fn asked_for(&self, pair: &[Term], question: &crate::question::Question) -> f64 {
        let mut all = 0.0;
        let mut met = 0.0;
        for term in pair {
            let weight = self.idf(self.df(*term));
            all += weight;
            let by_tag = || {
                TAGS.iter().any(|intent| {
                    intent.group.iter().any(|word| word == self.name(*term))
                        && self
                            .vocabulary
                            .get(intent.tag)
                            .is_some_and(|tag| question.known.binary_search(tag).is_ok())
                })
            };
            if question.known.binary_search(term).is_ok() || by_tag() {
                met += weight;
            }
        }
        if all > 0.0 { met / all } else { 0.0 }
    }
}

fn count<T: Copy + Ord>(items: &[T], mut each: impl FnMut(T, u16)) {
    let mut all = items.to_vec();
    all.sort_unstable();
    for group in all.chunk_by(|a, b| a == b) {
        each(group[0], u16::try_from(group.len()).unwrap_or(u16::MAX));
    }
}
