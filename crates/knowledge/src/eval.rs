//! Measuring retrieval and answers on a question set in SQuAD's JSON form.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use kernel::text::fold;
use kernel::{ChunkId, DocumentId};
use serde::{Deserialize, Serialize};

use crate::{Chunk, Index, features, split};

/// A question set: paragraphs, and questions with the answers people marked.
pub struct Dataset {
    pub paragraphs: Vec<Paragraph>,
    pub questions: Vec<Question>,
}

pub struct Paragraph {
    pub title: String,
    pub text: String,
}

pub struct Question {
    pub text: String,
    /// Folded, white space as one space.
    pub gold: Vec<String>,
    pub paragraph: usize,
    pub title: String,
}

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}
#[derive(Deserialize)]
struct Article {
    title: String,
    paragraphs: Vec<Context>,
}
#[derive(Deserialize)]
struct Context {
    context: String,
    qas: Vec<Asked>,
}
#[derive(Deserialize)]
struct Asked {
    question: String,
    answers: Vec<Gold>,
}
#[derive(Deserialize)]
struct Gold {
    text: String,
}

fn normal(text: &str) -> String {
    fold(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Dataset {
    /// # Errors
    /// When the text is not of SQuAD's form or holds no question.
    pub fn parse(json: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(json).map_err(|cause| {
            format!("the data set is not in SQuAD form (data → paragraphs → qas): {cause}")
        })?;
        let (mut paragraphs, mut questions) = (Vec::new(), Vec::new());
        for article in file.data {
            for context in article.paragraphs {
                for asked in context.qas {
                    questions.push(Question {
                        text: asked.question,
                        gold: asked.answers.iter().map(|gold| normal(&gold.text)).collect(),
                        paragraph: paragraphs.len(),
                        title: article.title.clone(),
                    });
                }
                let title = article.title.clone();
                paragraphs.push(Paragraph { title, text: context.context });
            }
        }
        if questions.is_empty() {
            return Err("the data set holds no question".to_owned());
        }
        Ok(Self { paragraphs, questions })
    }

    /// Indexes some paragraphs through the product's own cutting; also the paragraph of each piece.
    pub fn index(&self, which: &[usize]) -> (Index, Vec<usize>) {
        let (mut chunks, mut origin) = (Vec::new(), Vec::new());
        for number in which {
            let document = DocumentId::generate();
            let paragraph = &self.paragraphs[*number];
            for body in split::pieces(&paragraph.text) {
                origin.push(*number);
                chunks.push(Chunk {
                    id: ChunkId::generate(),
                    document,
                    title: paragraph.title.as_str().into(),
                    heading: None,
                    question: None,
                    body,
                    vector: None,
                });
            }
        }
        (Index::build(chunks), origin)
    }
}

/// How well retrieval finds the paragraph that a question was asked about.
#[derive(Debug, Clone, Serialize)]
pub struct Retrieval {
    pub questions: usize,
    pub paragraphs: usize,
    pub pieces: usize,
    pub recall_at_1: f64,
    pub recall_at_5: f64,
    pub mrr_at_10: f64,
    /// How often the best piece itself holds a marked answer.
    pub best_piece_holds_answer: f64,
    pub query_ms_mean: f64,
    pub query_ms_p99: f64,
}

/// Asks every question of an index of all paragraphs.
pub fn retrieval(dataset: &Dataset) -> Retrieval {
    let all: Vec<usize> = (0..dataset.paragraphs.len()).collect();
    let (index, origin) = dataset.index(&all);
    let (mut at1, mut at5, mut mrr, mut holds) = (0.0, 0.0, 0.0, 0.0);
    let mut times: Vec<Duration> = Vec::new();
    for question in &dataset.questions {
        let started = Instant::now();
        let found = index.search(&question.text, 60);
        times.push(started.elapsed());
        let mut order: Vec<usize> = Vec::new();
        for (_, piece) in &found {
            if !order.contains(&origin[*piece]) {
                order.push(origin[*piece]);
            }
        }
        if let Some(rank) = order.iter().position(|p| *p == question.paragraph) {
            at1 += f64::from(rank == 0);
            at5 += f64::from(rank < 5);
            #[expect(clippy::cast_precision_loss, reason = "a rank below ten")]
            if rank < 10 {
                mrr += 1.0 / (rank as f64 + 1.0);
            }
        }
        if let Some((_, best)) = found.first() {
            let text = normal(&index.chunks[*best].body);
            holds += f64::from(question.gold.iter().any(|gold| text.contains(gold)));
        }
    }
    times.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a count of questions")]
    let n = dataset.questions.len() as f64;
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    Retrieval {
        questions: dataset.questions.len(),
        paragraphs: dataset.paragraphs.len(),
        pieces: index.chunks.len(),
        recall_at_1: at1 / n,
        recall_at_5: at5 / n,
        mrr_at_10: mrr / n,
        best_piece_holds_answer: holds / n,
        query_ms_mean: times.iter().copied().map(ms).sum::<f64>() / n,
        query_ms_p99: ms(times[(times.len() * 99 / 100).min(times.len() - 1)]),
    }
}

/// A rate over several seeds.
#[derive(Debug, Clone, Serialize)]
pub struct Rate {
    pub mean: f64,
    pub worst: f64,
}

/// How well the extractive answers answer, and know what they do not know.
#[derive(Debug, Clone, Serialize)]
pub struct Answers {
    pub questions: usize,
    /// With all paragraphs as knowledge: the reply holds a marked answer.
    pub whole_holds_answer: f64,
    pub whole_mean_length: f64,
    pub whole_longest: usize,
    /// Titles split into two tenants: each tenant's own questions.
    pub own_holds_answer: Rate,
    pub own_declined: Rate,
    /// The other tenant's questions.
    pub foreign_declined: Rate,
    /// Of the foreign questions that were answered: how many replies hold the marked answer all
    /// the same, because both tenants' knowledge says it.
    pub foreign_answered_rightly: Rate,
    /// What the plain rule declines of the same questions, cut off where it declines the same share
    /// of a tenant's own: too little of the question's stems, by inverse document frequency, in the
    /// best piece.
    pub plain_foreign_declined: Rate,
    pub plain_orphans_declined: Rate,
    /// Some paragraphs left out: questions whose paragraph is still there, and the orphans.
    pub present_declined: Rate,
    pub orphans_declined: Rate,
    pub seeds: u64,
    pub knowledge_share: f64,
}

struct Asked1 {
    declined: bool,
    right: bool,
    length: usize,
    plain: f64,
}

/// The rule to compare with: the share of the question's stems, by inverse document frequency, that
/// the best piece holds.
fn plain_coverage(index: &Index, question: &str) -> f64 {
    let Some((_, best)) = index.search(question, 1).first().copied() else { return 0.0 };
    let (mut all, mut met) = (0.0, 0.0);
    let stems: BTreeSet<String> = split::terms(question).into_iter().collect();
    for stem in stems {
        let term = index.vocabulary.get(stem.as_str()).copied();
        let weight = index.idf(term.map_or(0, |term| index.df(term)));
        all += weight;
        if term.is_some_and(|term| index.pieces[best].set.binary_search(&term).is_ok()) {
            met += weight;
        }
    }
    if all > 0.0 { met / all } else { 0.0 }
}

/// How many of `others` the plain rule declines when it declines as many of `own` as we did.
fn plain_declines(own: &[Asked1], others: &[Asked1]) -> f64 {
    let mut covered: Vec<f64> = own.iter().map(|one| one.plain).collect();
    covered.sort_by(f64::total_cmp);
    let ours = own.iter().filter(|one| one.declined).count();
    let cut = covered.get(ours).copied().unwrap_or(f64::INFINITY);
    share(others, |one| one.plain < cut)
}

/// Vectors that were made: the same sentences and questions come again with each seed.
#[derive(Default)]
struct Vectors {
    sentences: HashMap<String, Vec<f32>>,
    questions: HashMap<String, Vec<f32>>,
}

impl Vectors {
    /// Gives an index the vectors of its sentences, as a library does.
    fn give(&mut self, index: &mut Index) {
        let texts = index.to_encode();
        let vector = |text: String| {
            let made = || embedding::encoder().passage(&text);
            self.sentences.entry(text.clone()).or_insert_with(made).clone()
        };
        index.set_vectors(texts.into_iter().map(vector).collect());
    }

    fn question(&mut self, text: &str) -> &[f32] {
        let made = || embedding::encoder().question(text);
        self.questions.entry(text.to_owned()).or_insert_with(made)
    }
}

fn ask(dataset: &Dataset, index: &Index, which: &[usize], vectors: &mut Vectors) -> Vec<Asked1> {
    which
        .iter()
        .map(|number| {
            let question = &dataset.questions[*number];
            let vector = Some(vectors.question(&question.text));
            let text = &question.text;
            let extract = index.answer(&features::Asked {
                text,
                before: None,
                vector,
                both: None,
                today: None,
            });
            let reply = normal(&extract.reply);
            Asked1 {
                declined: !extract.supported(),
                right: question.gold.iter().any(|gold| reply.contains(gold)),
                length: extract.reply.chars().count(),
                plain: plain_coverage(index, &question.text),
            }
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn share(asked: &[Asked1], of: impl Fn(&Asked1) -> bool) -> f64 {
    asked.iter().filter(|one| of(one)).count() as f64 / asked.len().max(1) as f64
}

/// How many of the set's questions a tenant with quite other knowledge declines.
pub fn declined_by(dataset: &Dataset, mut index: Index) -> f64 {
    let everyone: Vec<usize> = (0..dataset.questions.len()).collect();
    let mut vectors = Vectors::default();
    vectors.give(&mut index);
    share(&ask(dataset, &index, &everyone, &mut vectors), |one| one.declined)
}

/// A small generator with a seed: splits must come out the same everywhere.
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let bound = u64::try_from(i + 1).expect("small");
            items.swap(i, usize::try_from(self.next() % bound).expect("small"));
        }
    }
}

/// Asks everything: own, foreign and orphaned questions, for some seeds.
pub fn answers(dataset: &Dataset, share_kept: f64, first_seed: u64, seeds: u64) -> Answers {
    let all: Vec<usize> = (0..dataset.paragraphs.len()).collect();
    let everyone: Vec<usize> = (0..dataset.questions.len()).collect();
    let mut vectors = Vectors::default();
    let (mut index, _) = dataset.index(&all);
    vectors.give(&mut index);
    let whole = ask(dataset, &index, &everyone, &mut vectors);
    let mut rates: [Vec<f64>; 8] = Default::default();
    for seed in first_seed..first_seed + seeds {
        let mut random = Shuffle(seed);
        let titles: BTreeSet<&str> = dataset.questions.iter().map(|q| q.title.as_str()).collect();
        let mut titles: Vec<&str> = titles.into_iter().collect();
        random.shuffle(&mut titles);
        let ours = &titles[..titles.len() / 2];
        let split = |own: bool| {
            let kept: Vec<usize> = all
                .iter()
                .copied()
                .filter(|p| ours.contains(&dataset.paragraphs[*p].title.as_str()) == own)
                .collect();
            let asked: Vec<usize> = everyone
                .iter()
                .copied()
                .filter(|q| ours.contains(&dataset.questions[*q].title.as_str()) == own)
                .collect();
            (dataset.index(&kept).0, asked)
        };
        let ((mut a, of_a), (mut b, of_b)) = (split(true), split(false));
        vectors.give(&mut a);
        vectors.give(&mut b);
        let mut own = ask(dataset, &a, &of_a, &mut vectors);
        own.extend(ask(dataset, &b, &of_b, &mut vectors));
        let mut foreign = ask(dataset, &a, &of_b, &mut vectors);
        foreign.extend(ask(dataset, &b, &of_a, &mut vectors));
        let mut order = all.clone();
        Shuffle(seed).shuffle(&mut order);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a few hundred"
        )]
        let keep = (order.len() as f64 * share_kept) as usize;
        let mut kept = order[..keep].to_vec();
        kept.sort_unstable();
        let (mut half, _) = dataset.index(&kept);
        vectors.give(&mut half);
        let (present, orphans): (Vec<usize>, Vec<usize>) = everyone
            .iter()
            .partition(|q| kept.binary_search(&dataset.questions[**q].paragraph).is_ok());
        let present = ask(dataset, &half, &present, &mut vectors);
        let orphans = ask(dataset, &half, &orphans, &mut vectors);
        let wrong_side: Vec<f64> = vec![
            share(&own, |one| one.right),
            share(&own, |one| one.declined),
            share(&foreign, |one| one.declined),
            share(&foreign, |one| !one.declined && one.right),
            share(&present, |one| one.declined),
            share(&orphans, |one| one.declined),
            plain_declines(&own, &foreign),
            plain_declines(&present, &orphans),
        ];
        for (list, rate) in rates.iter_mut().zip(wrong_side) {
            list.push(rate);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of seeds")]
    let rate = |list: &[f64], worst: fn(f64, f64) -> f64| Rate {
        mean: list.iter().sum::<f64>() / list.len().max(1) as f64,
        worst: list.iter().copied().reduce(worst).unwrap_or(0.0),
    };
    #[expect(clippy::cast_precision_loss, reason = "lengths of replies")]
    let mean_length =
        whole.iter().map(|one| one.length).sum::<usize>() as f64 / whole.len().max(1) as f64;
    Answers {
        questions: dataset.questions.len(),
        whole_holds_answer: share(&whole, |one| one.right),
        whole_mean_length: mean_length,
        whole_longest: whole.iter().map(|one| one.length).max().unwrap_or(0),
        own_holds_answer: rate(&rates[0], f64::min),
        own_declined: rate(&rates[1], f64::max),
        foreign_declined: rate(&rates[2], f64::min),
        foreign_answered_rightly: rate(&rates[3], f64::max),
        present_declined: rate(&rates[4], f64::max),
        orphans_declined: rate(&rates[5], f64::min),
        plain_foreign_declined: rate(&rates[6], f64::min),
        plain_orphans_declined: rate(&rates[7], f64::min),
        seeds,
        knowledge_share: share_kept,
    }
}
