//! `portaria knowledge …`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tenancy::Tenant;

use super::out::Out;
use super::tenant_cmd;
use crate::house::House;

#[derive(Debug, Subcommand)]
pub(super) enum KnowledgeCommand {
    /// Add files (.md .txt .pdf .docx .html .csv) or one question with its answer.
    Add {
        #[arg(long)]
        tenant: String,
        files: Vec<PathBuf>,
        #[arg(long, requires = "answer")]
        question: Option<String>,
        #[arg(long, requires = "question")]
        answer: Option<String>,
        #[arg(long)]
        category: Option<String>,
    },
    /// List documents.
    List {
        #[arg(long)]
        tenant: String,
    },
    /// Remove a document by name or id.
    Remove {
        #[arg(long)]
        tenant: String,
        document: String,
    },
    /// Remove all knowledge of a tenant.
    Clear {
        #[arg(long)]
        tenant: String,
        #[arg(long)]
        yes: bool,
    },
    /// Cut all documents anew, after an upgrade.
    Reindex {
        #[arg(long)]
        tenant: String,
        /// Read the uploaded files that are kept again, too.
        #[arg(long)]
        reread: bool,
    },
}

/// What a child that reads one file is told.
#[derive(Debug, clap::Args)]
pub(super) struct ReadArgs {
    /// The file's name; its ending says the format.
    #[arg(long)]
    name: String,
    /// Bytes of text at most.
    #[arg(long, default_value = "4194304")]
    text: usize,
    /// Bytes of memory at most.
    #[arg(long, default_value = "536870912")]
    memory: u64,
    /// Seconds of processor time at most.
    #[arg(long, default_value = "60")]
    cpu: u64,
    /// Seconds of processor time without getting further.
    #[arg(long, default_value = "3")]
    stall: u64,
    /// Bytes of the file at most.
    #[arg(long, default_value = "20971520")]
    input: u64,
    #[arg(long)]
    unfiltered: bool,
    /// Only prove that the limits hold.
    #[arg(long)]
    probe: bool,
}

impl From<ReadArgs> for knowledge::Task {
    fn from(args: ReadArgs) -> Self {
        let ReadArgs { name, text, memory, cpu, stall, input, unfiltered, probe } = args;
        let allowance = isolation::Allowance { memory, cpu, stall, input, unfiltered };
        Self { name, text, allowance, probe }
    }
}

fn progress(out: &Out, length: usize) -> ProgressBar {
    let target = if out.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}

async fn add_file(
    house: &House,
    tenant: &Tenant,
    path: &Path,
    category: Option<&str>,
) -> anyhow::Result<knowledge::Added> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{} has no file name", path.display()))?;
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let file = house.library.prepare(tenant.id, name, bytes, category).await?;
    let mut tx = house.db.begin(tenant.id).await?;
    let one = house.library.add(&mut tx, &file).await?;
    tx.commit().await?;
    Ok(one)
}

pub(super) async fn run(house: &House, command: KnowledgeCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        KnowledgeCommand::Add { tenant, files, question, answer, category } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let category = category.as_deref();
            let mut added = Vec::new();
            if files.is_empty() && question.is_none() {
                bail!("nothing to add: give files, or --question with --answer");
            }
            if let (Some(question), Some(answer)) = (question, answer) {
                let pair = house.library.pair(tenant.id, &question, &answer, category).await?;
                let mut tx = house.db.begin(tenant.id).await?;
                let one = house.library.add(&mut tx, &pair).await?;
                tx.commit().await?;
                added.push(one);
            }
            let bar = progress(out, files.len());
            let mut refused = Vec::new();
            for path in &files {
                bar.set_message(path.display().to_string());
                // One that cannot be read keeps no other out.
                match add_file(house, &tenant, path, category).await {
                    Ok(one) => added.push(one),
                    Err(why) => refused.push(format!("{why:#}")),
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
            for a in added.iter().filter(|a| !a.pages_unread.is_empty()) {
                let pages: Vec<String> = a.pages_unread.iter().map(ToString::to_string).collect();
                out.note(&format!(
                    "portaria: no text could be read on page {} of `{}`: it is a picture of text; \
                     type it in, or have it recognised",
                    pages.join(", "),
                    a.name
                ));
            }
            for a in added.iter().filter(|a| a.rows_left_out > 0) {
                out.note(&format!(
                    "portaria: {} rows of {} hold a question or an answer only and were left out",
                    a.rows_left_out, a.name
                ));
            }
            let lines: Vec<String> = added
                .iter()
                .map(|a| format!("Added {} ({}, {} pieces)", a.name, a.format, a.chunks))
                .collect();
            if !added.is_empty() || refused.is_empty() {
                out.done(&json!({ "added": added, "refused": refused }), &lines.join("\n"));
            }
            match refused.as_slice() {
                [] => {}
                [only] => bail!("{only}"),
                several => bail!("{} files were not added:\n{}", several.len(), several.join("\n")),
            }
        }
        KnowledgeCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read(tenant.id).await?;
            let list = knowledge::list(&mut tx, "", 100_000).await?;
            let lines: Vec<String> = list
                .iter()
                .map(|d| {
                    format!("{}  {}  {} pieces  {} bytes", d.name, d.format, d.chunks, d.bytes)
                })
                .collect();
            out.done(&list, &lines.join("\n"));
        }
        KnowledgeCommand::Remove { tenant, document } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            if !knowledge::remove(&mut tx, &document, house.clock.now()).await? {
                bail!("no document `{document}`; see portaria knowledge list");
            }
            tx.commit().await?;
            out.done(&json!({ "removed": document }), &format!("Removed {document}."));
        }
        KnowledgeCommand::Clear { tenant, yes } => {
            if !yes {
                bail!("this removes all knowledge of {tenant}; repeat with --yes");
            }
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let list = house.library.clear(tenant.id).await?;
            out.done(&json!({ "removed": list }), &tenant_cmd::removed(&list));
        }
        KnowledgeCommand::Reindex { tenant, reread } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let bar = progress(out, 0);
            let step = |at: knowledge::Progress| {
                bar.set_length(at.documents_in_all as u64);
                bar.set_position(at.documents as u64);
            };
            let done = house.library.reindex(tenant.id, reread, step).await?;
            bar.finish_and_clear();
            let (documents, chunks) = (done.documents, done.chunks);
            out.done(
                &json!({ "documents": documents, "chunks": chunks }),
                &format!("Cut {documents} documents into {chunks} pieces."),
            );
        }
    }
    Ok(())
}
