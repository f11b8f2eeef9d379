//! `portaria eval …`: figures anyone can check.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use knowledge::Index;
use knowledge::eval::{self, Dataset, Rate};
use outlook::{Expected, Found};
use serde_json::json;

use super::out::Out;
use crate::conversations;
use crate::demo::BUSINESSES;

#[derive(Debug, Subcommand)]
pub(super) enum EvalCommand {
    /// How often the right paragraph is found.
    Retrieval {
        /// A question set in SQuAD's JSON form.
        #[arg(long)]
        dataset: PathBuf,
    },
    /// How often the answer holds what people marked, and what is declined.
    Answers {
        #[arg(long)]
        dataset: PathBuf,
        /// Share of the paragraphs that stay when some are left out.
        #[arg(long, default_value_t = 0.5)]
        knowledge_share: f64,
        /// First seed of the splits.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[arg(long, default_value_t = 5)]
        seeds: u64,
    },
    /// What a receptionist makes of labelled conversations with businesses, through the real inbox.
    Conversations {
        /// Folder with a folder for each business: its files, `business.json`, `questions.jsonl`.
        folder: PathBuf,
        /// Only these businesses.
        #[arg(long, value_delimiter = ',')]
        business: Vec<String>,
        /// Confirm each business's opening hours first.
        #[arg(long)]
        hours: bool,
        /// The day on which everything is asked, such as 2026-11-29; today when absent.
        #[arg(long)]
        today: Option<jiff::civil::Date>,
        /// Print the rows of these classes, such as `harmful,wrong`.
        #[arg(long, value_delimiter = ',')]
        show: Vec<String>,
        /// Fail below this share of good rows, in per cent.
        #[arg(long, default_value_t = 0.0)]
        min_good: f64,
        /// Fail above this share of harmful rows.
        #[arg(long, default_value_t = 100.0)]
        max_harmful: f64,
        /// Fail above this share of wrong rows.
        #[arg(long, default_value_t = 100.0)]
        max_wrong: f64,
        /// Fail above this share of rows that are declined although the files have the answer.
        #[arg(long, default_value_t = 100.0)]
        max_declined_wrongly: f64,
    },
    /// How well the gateway's outlook does: on made series with known anomalies, and on recorded ones.
    Outlook {
        /// A folder of the Numenta Anomaly Benchmark (its `data` and `labels`).
        #[arg(long)]
        dataset: Option<PathBuf>,
        /// Which of its groups of series.
        #[arg(long, default_value = "realTweets")]
        group: String,
    },
}

fn load(path: &Path) -> anyhow::Result<Dataset> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Dataset::parse(&text).map_err(anyhow::Error::msg)
}

fn percent(rate: &Rate) -> String {
    format!("mean {:5.1} %  worst {:5.1} %", rate.mean * 100.0, rate.worst * 100.0)
}

pub(super) async fn run(command: &EvalCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        EvalCommand::Retrieval { dataset } => {
            let r = eval::retrieval(&load(dataset)?);
            let text = format!(
                "{} questions, {} paragraphs, {} pieces\nrecall@1 {:.3}  recall@5 {:.3}  MRR@10 {:.3}\n\
                 best piece holds the answer {:.3}\nquery mean {:.2} ms, p99 {:.2} ms",
                r.questions,
                r.paragraphs,
                r.pieces,
                r.recall_at_1,
                r.recall_at_5,
                r.mrr_at_10,
                r.best_piece_holds_answer,
                r.query_ms_mean,
                r.query_ms_p99
            );
            out.done(&r, &text);
        }
        EvalCommand::Answers { dataset, knowledge_share, seed, seeds } => {
            if !(0.05..=0.95).contains(knowledge_share) || !(1..=50).contains(seeds) {
                bail!("--knowledge-share is 0.05 to 0.95, --seeds 1 to 50");
            }
            let dataset = load(dataset)?;
            let a = eval::answers(&dataset, *knowledge_share, *seed, *seeds);
            // Tenants of another trade: the businesses of the demo.
            let mut trades = serde_json::Map::new();
            for business in &BUSINESSES {
                let declined = eval::declined_by(&dataset, Index::of_files(business.files)?);
                trades.insert(business.slug.to_owned(), json!(declined));
            }
            let others: Vec<String> = trades
                .iter()
                .map(|(slug, share)| {
                    format!("{slug} {:.1} %", share.as_f64().unwrap_or(0.0) * 100.0)
                })
                .collect();
            let text = format!(
                "{} questions, {} seeds\n\
                 all paragraphs known: reply holds the answer {:.1} %, mean length {:.0}, longest {}\n\
                 own titles: holds the answer   {}\n\
                 own titles: declined           {}\n\
                 foreign titles: declined       {}\n\
                 foreign titles: declined by plain coverage, as many own declined  {}\n\
                 foreign titles: answered, and rightly so  {}\n\
                 asked of tenants of another trade: declined by {}\n\
                 {:.0} % of paragraphs kept: present declined  {}\n\
                 {:.0} % of paragraphs kept: orphans declined  {}\n\
                 {:.0} % of paragraphs kept: orphans declined by plain coverage  {}",
                a.questions,
                a.seeds,
                a.whole_holds_answer * 100.0,
                a.whole_mean_length,
                a.whole_longest,
                percent(&a.own_holds_answer),
                percent(&a.own_declined),
                percent(&a.foreign_declined),
                percent(&a.plain_foreign_declined),
                percent(&a.foreign_answered_rightly),
                others.join(", "),
                a.knowledge_share * 100.0,
                percent(&a.present_declined),
                a.knowledge_share * 100.0,
                percent(&a.orphans_declined),
                a.knowledge_share * 100.0,
                percent(&a.plain_orphans_declined),
            );
            let mut value = serde_json::to_value(&a)?;
            value["another_trade_declined"] = trades.into();
            out.done(&value, &text);
        }
        EvalCommand::Conversations {
            folder,
            business,
            hours,
            today,
            show,
            min_good,
            max_harmful,
            max_wrong,
            max_declined_wrongly,
        } => {
            let now = kernel::Clock::System.now().timestamp();
            let today = today.unwrap_or_else(|| now.to_zoned(jiff::tz::TimeZone::system()).date());
            let asking = conversations::Asking { only: business, hours: *hours, today };
            let report = conversations::run(folder, &asking).await?;
            out.done(&report.value(), &report.text(show));
            let limits = conversations::Limits {
                min_good: *min_good,
                max_harmful: *max_harmful,
                max_wrong: *max_wrong,
                max_declined_wrongly: *max_declined_wrongly,
            };
            let missed = report.missed(&limits);
            if !missed.is_empty() {
                bail!("{}", missed.join("; "));
            }
        }
        EvalCommand::Outlook { dataset, group } => {
            let (found, expected) = outlook::on_made();
            let mut text = format!("made series\n{}", outlook_text(&found, Some(&expected)));
            let mut value = json!({ "made": outlook_value(&found, Some(&expected)) });
            if let Some(folder) = dataset {
                let (found, expected) = recorded(folder, group)?;
                text.push_str(&format!("\n{group}\n{}", outlook_text(&found, expected.as_ref())));
                value[group] = outlook_value(&found, expected.as_ref());
            }
            out.done(&value, &text);
        }
    }
    Ok(())
}

fn outlook_text(found: &Found, expected: Option<&Expected>) -> String {
    let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| format!("{rate:.2}"));
    let mut text = format!(
        "anomalies: {} known, {} found; {} reported, {} of them right: precision {}, recall {}, {} wrong a week and series",
        found.known,
        found.hit,
        found.reported,
        found.right,
        rate(found.precision()),
        rate(found.recall()),
        rate(found.wrong_a_week()),
    );
    if let Some(e) = expected {
        text.push_str(&format!(
            "\nnext hours: {} forecasts, mean error {:.1} % (the hour before {:.1} %, the same hour of the day before {:.1} %), {:.1} % of points within bounds of 95 %",
            e.hours,
            e.error * 100.0,
            e.error_of_last * 100.0,
            e.error_of_yesterday * 100.0,
            e.within * 100.0,
        ));
    }
    text
}

fn outlook_value(found: &Found, expected: Option<&Expected>) -> serde_json::Value {
    json!({
        "known": found.known,
        "found": found.hit,
        "reported": found.reported,
        "right": found.right,
        "precision": found.precision(),
        "recall": found.recall(),
        "wrong_a_week": found.wrong_a_week(),
        "forecasts": expected.map(|e| json!({
            "hours": e.hours,
            "error": e.error,
            "error_of_the_hour_before": e.error_of_last,
            "error_of_the_day_before": e.error_of_yesterday,
            "within_95": e.within,
        })),
    })
}

/// Series of five minutes with marked stretches, as the benchmark writes them: `timestamp,value` in UTC.
fn recorded(folder: &Path, group: &str) -> anyhow::Result<(Found, Option<Expected>)> {
    let labels = folder.join("labels/combined_windows.json");
    let labels = std::fs::read_to_string(&labels)
        .with_context(|| format!("reading {}", labels.display()))?;
    let labels: HashMap<String, Vec<(String, String)>> = serde_json::from_str(&labels)?;
    let mut series: Vec<_> =
        labels.iter().filter(|(name, _)| name.starts_with(&format!("{group}/"))).collect();
    series.sort();
    let mut found = Found::default();
    let mut expected: Vec<Expected> = Vec::new();
    for (name, windows) in series {
        let path = folder.join("data").join(name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let rows: Vec<(i64, f64)> = text
            .lines()
            .skip(1)
            .filter_map(|line| {
                let (at, value) = line.split_once(',')?;
                Some((step(at)?, value.trim().parse().ok()?))
            })
            .collect();
        let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { continue };
        if rows.get(1).is_none_or(|(second, _)| second - first != 1) {
            continue;
        }
        let mut values = vec![f64::NAN; (last - first + 1) as usize];
        for (at, value) in &rows {
            values[(at - first) as usize] = *value;
        }
        let known: Vec<std::ops::Range<usize>> = windows
            .iter()
            .filter_map(|(from, to)| {
                Some((step(from)? - first) as usize..(step(to)? - first + 1) as usize)
            })
            .collect();
        found += outlook::judge(&values, &known);
        expected.push(outlook::forecasts(&values));
    }
    Ok((found, Expected::mean(&expected)))
}

/// The five minutes of a time such as `2015-02-26 21:42:53`.
fn step(text: &str) -> Option<i64> {
    let at: jiff::civil::DateTime = text.split('.').next()?.parse().ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second().div_euclid(300))
}
