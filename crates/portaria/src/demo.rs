//! Placeholder.
pub(crate) async fn run(_listen: &str, _script_only: bool) -> anyhow::Result<()> { Ok(()) }
