//! Labelled conversations as they are written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use fancy_regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// A business with its files and what its customers write.
pub(crate) struct Business {
    pub(crate) slug: String,
    pub(crate) name: String,
    /// Folded texts that only this business's files have: in another's reply they are a leak.
    pub(crate) marks: Vec<String>,
    /// The body of `PUT /v1/opening-hours`.
    pub(crate) hours: Option<Value>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Written {
    name: String,
    #[serde(default)]
    marks: Vec<String>,
    hours: Option<Value>,
    /// Folder of the files, as seen from the working folder; without it they lie beside the questions.
    knowledge: Option<String>,
}

/// What a good receptionist does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    Answer,
    Decline,
    Handover,
    AskBack,
    Greet,
    Thanks,
    Stop,
    Silent,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    One(String),
    Burst(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenPattern {
    Expression(String),
    Price { price: f64, label: Option<String> },
}

/// What a reply must hold, or must not.
pub(crate) enum Pattern {
    Expression(Box<Regex>),
    /// An amount in cents, beside its label where several amounts are told.
    Price {
        cents: i64,
        label: Option<String>,
    },
}

#[derive(Deserialize)]
struct WrittenRow {
    id: String,
    conv: String,
    text: Text,
    category: String,
    act: Deed,
    #[serde(default)]
    also: Vec<Deed>,
    #[serde(default)]
    must: Vec<WrittenPattern>,
    #[serde(default)]
    must_not: Vec<WrittenPattern>,
    #[serde(default)]
    misleading: Vec<WrittenPattern>,
    #[serde(default)]
    partial: Vec<WrittenPattern>,
    #[serde(default)]
    tells: Vec<WrittenPattern>,
    /// By the day of the week, instead of `must`.
    today: Option<BTreeMap<String, WrittenPattern>>,
    #[serde(default)]
    offset: i64,
}

/// A message, or a burst, with its labels.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) conversation: String,
    pub(crate) texts: Vec<String>,
    pub(crate) category: String,
    pub(crate) act: Deed,
    pub(crate) also: Vec<Deed>,
    pub(crate) must: Vec<Pattern>,
    pub(crate) must_not: Vec<Pattern>,
    pub(crate) misleading: Vec<Pattern>,
    pub(crate) partial: Vec<Pattern>,
    pub(crate) tells: Vec<Pattern>,
    /// Monday first, and how many days from today are meant.
    pub(crate) by_day: Option<(Vec<Pattern>, i64)>,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const QUESTIONS: &str = "questions.jsonl";
const BUSINESS: &str = "business.json";

/// The businesses of a folder, or those of them that are named.
pub(super) fn load(folder: &Path, only: &[String]) -> anyhow::Result<Vec<Business>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|path| path.join(QUESTIONS).is_file());
    folders.sort();
    let named = |path: &PathBuf| {
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    for wanted in only {
        ensure!(
            folders.iter().any(|path| named(path) == *wanted),
            "no business `{wanted}` in {}; it is a folder with a {QUESTIONS}",
            folder.display()
        );
    }
    folders.retain(|path| only.is_empty() || only.contains(&named(path)));
    if folders.is_empty() {
        bail!("no business in {}: each is a folder with a {QUESTIONS}", folder.display());
    }
    folders.iter().map(|path| business(path, named(path))).collect()
}

fn business(folder: &Path, slug: String) -> anyhow::Result<Business> {
    let path = folder.join(BUSINESS);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let written: Written =
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let home = written.knowledge.as_ref().map_or_else(|| folder.to_owned(), PathBuf::from);
    let entries = fs::read_dir(&home).with_context(|| format!("reading {}", home.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        path.is_file()
            && name
                .is_some_and(|name| name != QUESTIONS && name != BUSINESS && !name.starts_with('.'))
    });
    files.sort();
    let path = folder.join(QUESTIONS);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = || format!("{}, line {}", path.display(), number + 1);
        let written: WrittenRow = serde_json::from_str(line).with_context(at)?;
        rows.push(row(written).with_context(at)?);
    }
    let marks = written.marks.iter().map(|mark| kernel::text::fold(mark)).collect();
    Ok(Business { slug, name: written.name, marks, hours: written.hours, files, rows })
}

fn row(written: WrittenRow) -> anyhow::Result<Row> {
    let by_day = match written.today {
        None => None,
        Some(mut days) => {
            let days = DAYS.iter().map(|day| {
                let pattern = days.remove(*day).with_context(|| format!("`today` lacks {day}"))?;
                pattern_of(pattern)
            });
            Some((days.collect::<anyhow::Result<_>>()?, written.offset))
        }
    };
    let all = |list: Vec<WrittenPattern>| {
        list.into_iter().map(pattern_of).collect::<anyhow::Result<Vec<_>>>()
    };
    Ok(Row {
        id: written.id,
        conversation: written.conv,
        texts: match written.text {
            Text::One(text) => vec![text],
            Text::Burst(texts) => texts,
        },
        category: written.category,
        act: written.act,
        also: written.also,
        must: all(written.must)?,
        must_not: all(written.must_not)?,
        misleading: all(written.misleading)?,
        partial: all(written.partial)?,
        tells: all(written.tells)?,
        by_day,
    })
}

fn pattern_of(written: WrittenPattern) -> anyhow::Result<Pattern> {
    Ok(match written {
        WrittenPattern::Expression(text) => Pattern::Expression(Box::new(
            Regex::new(&text).with_context(|| format!("the pattern `{text}`"))?,
        )),
        WrittenPattern::Price { price, label } => {
            #[expect(clippy::cast_possible_truncation, reason = "an amount of money")]
            let cents = (price * 100.0).round() as i64;
            Pattern::Price { cents, label }
        }
    })
}
