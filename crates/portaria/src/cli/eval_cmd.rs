//! `portaria eval …`: figures anyone can check.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use knowledge::Index;
use knowledge::eval::{self, Dataset, Rate};
use serde_json::json;

use super::out::Out;
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
}

fn load(path: &Path) -> anyhow::Result<Dataset> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Dataset::parse(&text).map_err(anyhow::Error::msg)
}

fn percent(rate: &Rate) -> String {
    format!("mean {:5.1} %  worst {:5.1} %", rate.mean * 100.0, rate.worst * 100.0)
}

pub(super) fn run(command: &EvalCommand, out: &Out) -> anyhow::Result<()> {
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
                let declined = eval::declined_by(&dataset, &Index::of_files(business.files)?);
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
    }
    Ok(())
}
