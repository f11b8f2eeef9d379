//! What models may cost in a month, and what they did.

use db::{Error, TenantTx, args};
use jiff::tz::TimeZone;
use kernel::Moment;
use serde_json::Value;

use crate::Context;

/// The month of an instant in a zone, as `2026-11`.
pub(crate) fn month(at: Moment, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    at.timestamp().to_zoned(zone).strftime("%Y-%m").to_string()
}

/// What the models of an answer cost, in the owner's currency.
pub(crate) fn cost_of(trace: &Value) -> f64 {
    trace["models"].as_array().into_iter().flatten().filter_map(|one| one["cost"].as_f64()).sum()
}

/// Millionths of the owner's currency spent in a month.
///
/// # Errors
/// When the database cannot be read.
pub async fn spent(tx: &mut TenantTx, month: &str) -> Result<i64, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT micros FROM model_spend WHERE tenant_id = $1 AND month = $2",
            args![tenant, month],
        )
        .await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// Spent in the month of this instant, in the owner's currency.
///
/// # Errors
/// When the database cannot be read.
pub async fn spent_this_month(tx: &mut TenantTx, now: Moment, zone: &str) -> Result<f64, Error> {
    #[expect(clippy::cast_precision_loss, reason = "an amount for people")]
    Ok(spent(tx, &month(now, zone)).await? as f64 / 1e6)
}

/// Whether this month's budget is spent: no model is asked until the next.
pub(crate) async fn is_spent(
    tx: &mut TenantTx,
    context: &Context,
    now: Moment,
) -> Result<bool, Error> {
    let Some(budget) = context.settings.monthly_budget else { return Ok(false) };
    Ok(spent_this_month(tx, now, &context.tenant.time_zone).await? >= budget)
}

/// Adds what an answer cost.
pub(crate) async fn add(tx: &mut TenantTx, month: &str, cost: f64) -> Result<(), Error> {
    #[expect(clippy::cast_possible_truncation, reason = "an amount in millionths fits")]
    let micros = (cost * 1e6).round() as i64;
    if micros <= 0 {
        return Ok(());
    }
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO model_spend (tenant_id, month, micros) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id, month) DO UPDATE SET micros = model_spend.micros + excluded.micros",
        args![tenant, month, micros],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_month_is_the_tenants_own() {
        // 2026-02-01 01:00 UTC is January in São Paulo.
        let at = Moment::from_seconds(1_769_907_600);
        assert_eq!(month(at, "America/Sao_Paulo"), "2026-01");
        assert_eq!(month(at, "UTC"), "2026-02");
    }

    #[test]
    fn every_model_that_was_asked_costs() {
        let trace =
            json!({ "models": [{ "cost": 0.5 }, { "outcome": "timeout" }, { "cost": 0.25 }] });
        assert!((cost_of(&trace) - 0.75).abs() < 1e-9);
    }
}
