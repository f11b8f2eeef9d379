//! `portaria eval conversations`: what customers of labelled businesses write takes the real way through the inbox, burst by
//! burst and turn by turn, and every reply is judged by what the labels ask for.
//!
//! The form of such a set is described in `docs/evaluation.md`.

mod judge;
mod report;
mod set;
mod talk;

use std::path::Path;

use jiff::civil::Date;

pub(crate) use report::{Limits, Report};

/// How a set is asked.
pub(crate) struct Asking<'a> {
    /// Businesses by the names of their folders; all when empty.
    pub(crate) only: &'a [String],
    /// Confirms each business's opening hours first, as its owner would.
    pub(crate) hours: bool,
    /// The day on which everything is asked.
    pub(crate) today: Date,
}

/// Asks a set and judges the replies.
///
/// # Errors
/// When the set is not of its form, a file of a business cannot be read, or the program does not answer.
pub(crate) async fn run(folder: &Path, asking: &Asking<'_>) -> anyhow::Result<Report> {
    let businesses = set::load(folder, asking.only)?;
    let asked = talk::all(&businesses, asking).await?;
    Ok(Report::of(&businesses, asked, asking.today))
}
