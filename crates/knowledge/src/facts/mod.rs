//! Facts: what the lines of the documents state of prices, times, opening hours, contacts, payment and delivery. They are
//! read from the lines themselves whenever they are wanted; only what the owner corrects is kept.

use std::collections::HashMap;
use std::ops::Range;

use jiff::civil::Date;
use kernel::text::fold;
use kernel::{DocumentId, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::index::Chunk;
use crate::split::{STOP, stem, words};

pub(crate) mod amounts;
pub(crate) mod api;
pub(crate) mod cells;
mod find;
mod library;
mod problems;
mod store;

pub(crate) use find::is_price_header;
pub use library::Corrected;
pub use problems::{Problem, problems};
pub use store::CorrectionError;
pub(crate) use store::all as corrections;

/// What kind of thing a fact states.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Price,
    /// How long something takes, or is valid.
    Time,
    Hours,
    Contact,
    Payment,
    Delivery,
    /// Any other column of a table.
    Detail,
}

impl Kind {
    /// Whether a fact of this kind is known by what it is of; others are whole lines and addresses.
    fn is_named(self) -> bool {
        matches!(self, Self::Price | Self::Time | Self::Detail)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Time => "time",
            Self::Hours => "hours",
            Self::Contact => "contact",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Detail => "detail",
        }
    }
}

/// Something that a line of a document states.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Fact {
    pub kind: Kind,
    /// What it is of; empty where the line does not say.
    pub subject: String,
    /// Which of several: a column, a size.
    pub aspect: Option<String>,
    /// As it is told.
    pub value: String,
    /// Of a price that is one amount, in cents.
    pub cents: Option<i64>,
    /// What a price is for each of: "por mês".
    pub unit: Option<String>,
    /// The line it stands in, with corrections in place.
    pub line: String,
    pub document: DocumentId,
    /// The document's name.
    pub title: String,
    /// Names it within its document.
    pub key: String,
    /// What the document says, where the owner corrected it.
    pub corrected_from: Option<String>,
    /// When what the line offers ends.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "Option<String>")]
    pub ends: Option<Date>,
    /// Of a document that a newer one replaces.
    pub outdated: bool,
    /// Number of the piece it stands in.
    #[serde(skip)]
    pub piece: usize,
}

/// A day as `2026-11-30`.
fn as_text<S: serde::Serializer>(day: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
    day.map(|day| day.to_string()).serialize(to)
}

impl Fact {
    /// Whether what its line offers ended before a day.
    pub fn is_over(&self, today: Date) -> bool {
        self.ends.is_some_and(|end| end < today)
    }

    /// What it is of, and which: "Polimento, SUV".
    pub fn name(&self) -> String {
        match &self.aspect {
            Some(aspect) if self.subject.is_empty() => aspect.clone(),
            Some(aspect) => format!("{}, {aspect}", self.subject),
            None => self.subject.clone(),
        }
    }
}

/// What the owner said is right instead.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Correction {
    /// Name of the document.
    pub document: String,
    pub key: String,
    /// What the document said when it was corrected.
    pub original: String,
    pub corrected: String,
    pub updated_at: Moment,
}

/// Stems of what a text names, sorted: by them two texts are told to name the same.
pub(crate) fn stems(text: &str) -> Vec<String> {
    let folded = fold(text);
    let mut all: Vec<String> =
        words(&folded).filter(|word| !STOP.contains(word)).map(stem).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn key(heading: Option<&str>, found: &find::Found, line: &str) -> String {
    let part = |text: &str| fold(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let own = if found.kind.is_named() {
        let aspect = found.aspect.as_deref().unwrap_or_default();
        format!("{}|{}", part(&found.subject), part(aspect))
    } else {
        part(&line[found.at.clone()])
    };
    let key = format!("{}|{}|{own}", found.kind.name(), part(heading.unwrap_or_default()));
    key.chars().take(400).collect()
}

/// The facts of these pieces, in order, each once.
pub(crate) fn of_chunks(chunks: &[Chunk], corrections: &Corrections) -> Vec<Fact> {
    let outdated = crate::dates::outdated(chunks);
    let offers = crate::dates::offers(chunks);
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    for (piece, chunk) in chunks.iter().enumerate() {
        for line in chunk.body.lines().filter(|line| !line.trim().is_empty()) {
            for found in find::of_line(chunk.heading.as_deref(), chunk.question.as_deref(), line) {
                let key = key(chunk.heading.as_deref(), &found, line);
                let value = line[found.at.clone()].to_owned();
                if !seen.insert((chunk.document, key.clone(), value.clone())) {
                    continue;
                }
                let corrected = corrections.told(&chunk.title, &found, &key, &value);
                out.push(Fact {
                    kind: found.kind,
                    subject: found.subject,
                    aspect: found.aspect,
                    cents: found.cents,
                    unit: found.unit,
                    line: line.to_owned(),
                    document: chunk.document,
                    title: chunk.title.to_string(),
                    key: corrected.map_or(key, |one| one.key.clone()),
                    corrected_from: corrected.map(|one| one.original.clone()),
                    ends: offers.get(&chunk.document).copied().or_else(|| crate::dates::ends(line)),
                    outdated: outdated.contains(&chunk.document),
                    value,
                    piece,
                });
            }
        }
    }
    out
}

/// A tenant's corrections by the document they are of.
#[derive(Debug, Default)]
pub(crate) struct Corrections {
    by_document: HashMap<String, Vec<Correction>>,
}

impl Corrections {
    pub(crate) fn new(all: Vec<Correction>) -> Self {
        let mut by_document: HashMap<String, Vec<Correction>> = HashMap::new();
        for one in all {
            by_document.entry(one.document.clone()).or_default().push(one);
        }
        Self { by_document }
    }

    /// Puts what the owner corrected in place of what the documents say.
    pub(crate) fn apply(&self, chunks: &mut [Chunk]) {
        for chunk in chunks {
            let Some(own) = self.by_document.get(&*chunk.title) else { continue };
            let lines: Vec<String> = chunk
                .body
                .split('\n')
                .map(|line| {
                    let heading = chunk.heading.as_deref();
                    corrected(own, heading, chunk.question.as_deref(), line)
                })
                .collect();
            chunk.body = lines.join("\n");
        }
    }

    /// The correction by which a value came to stand where it stands.
    fn told(
        &self,
        title: &str,
        found: &find::Found,
        key: &str,
        value: &str,
    ) -> Option<&Correction> {
        self.by_document.get(title)?.iter().find(|one| {
            one.corrected == value
                && (one.key == key
                    || (!found.kind.is_named() && one.key.starts_with(found.kind.name())))
        })
    }
}

fn corrected(
    corrections: &[Correction],
    heading: Option<&str>,
    question: Option<&str>,
    line: &str,
) -> String {
    let mut changes: Vec<(Range<usize>, &str)> = Vec::new();
    for found in find::of_line(heading, question, line) {
        let key = key(heading, &found, line);
        if let Some(one) = corrections.iter().find(|one| one.key == key) {
            changes.push((found.at, &one.corrected));
        }
    }
    changes.sort_by_key(|(at, _)| at.start);
    let mut out = String::with_capacity(line.len());
    let mut from = 0;
    for (at, text) in changes {
        // Of two that overlap, the first holds.
        if at.start >= from {
            out.push_str(&line[from..at.start]);
            out.push_str(text);
            from = at.end;
        }
    }
    out.push_str(&line[from..]);
    out
}
