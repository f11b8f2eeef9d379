//! Making a delivery, as a job.

use std::time::Duration;

use async_trait::async_trait;
use db::Db;
use kernel::Moment;
use messaging::http::Outbound;
use queue::{Done, Handler, JobCx, JobError};
use tenancy::Vault;

use crate::store::{self, Open, Tried};
use crate::{DeliveryDue, sign};

/// An endpoint may take this long.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Waits between the tries: eight over a day.
const WAITS: [u64; 7] = [5, 300, 1_500, 5_400, 14_400, 21_600, 43_200];
/// Failures in a row after which an endpoint is left alone.
const BREAKER: i64 = 5;
/// How long at first; doubles up to an hour.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A delivery that waited for its endpoint this long is given up.
const LIFE: Duration = Duration::from_secs(26 * 3600);

/// Runs [`DeliveryDue`].
pub struct Deliver {
    pub db: Db,
    pub vault: Vault,
    pub outbound: Outbound,
}

enum Answer {
    Well(i64),
    /// 410: the endpoint wants nothing any more.
    Gone,
    Failed {
        status: Option<i64>,
        cause: String,
    },
}

#[async_trait]
impl Handler<DeliveryDue> for Deliver {
    async fn run(&self, due: DeliveryDue, cx: &JobCx) -> Result<Done, JobError> {
        let now = cx.clock.now();
        let mut tx = self.db.read(cx.tenant).await?;
        let Some(open) = store::open(&mut tx, due.delivery).await? else {
            return Ok(Done::Finish);
        };
        let secret = self.vault.get(&mut tx, &store::secret_name(open.endpoint)).await;
        drop(tx);
        let secret =
            secret.map_err(|error| JobError::Retry { after: None, cause: error.to_string() })?;
        let Some(secret) = secret.filter(|_| open.active) else {
            let tried = Tried { state: "failed", status: None, error: Some("the endpoint is off") };
            return self.end(&due, cx, &tried).await;
        };
        if open.paused_until > now {
            if now.since(open.created_at) > LIFE {
                let error = Some("the endpoint failed for a day");
                return self.end(&due, cx, &Tried { state: "failed", status: None, error }).await;
            }
            return Err(JobError::Hold { until: open.paused_until });
        }
        let answer = self.post(&open, &secret, &due.delivery.to_string(), now).await;
        metrics::counter!("portaria_hook_deliveries_total", "outcome" => match &answer {
            Answer::Well(_) => "delivered",
            Answer::Gone => "gone",
            Answer::Failed { .. } => "failed",
        })
        .increment(1);
        match answer {
            Answer::Well(status) => {
                let mut tx = self.db.begin(cx.tenant).await?;
                let tried = Tried { state: "delivered", status: Some(status), error: None };
                store::tried(&mut tx, due.delivery, &tried, now).await?;
                store::well(&mut tx, open.endpoint).await?;
                cx.finish(&mut tx).await?;
                tx.commit().await?;
                Ok(Done::Finished)
            }
            Answer::Gone => {
                let mut tx = self.db.begin(cx.tenant).await?;
                store::disable(&mut tx, open.endpoint, "the endpoint answered 410 Gone").await?;
                let tried = Tried { state: "failed", status: Some(410), error: Some("gone") };
                store::tried(&mut tx, due.delivery, &tried, now).await?;
                cx.finish(&mut tx).await?;
                tx.commit().await?;
                tracing::warn!(event = "hook_disabled", tenant_id = %cx.tenant, reason = "gone");
                Ok(Done::Finished)
            }
            Answer::Failed { status, cause } => {
                let mut tx = self.db.begin(cx.tenant).await?;
                let tried = Tried { state: "waiting", status, error: Some(&cause) };
                store::tried(&mut tx, due.delivery, &tried, now).await?;
                store::failing(&mut tx, open.endpoint, pause(open.failures + 1, now)).await?;
                tx.commit().await?;
                let wait = WAITS.get(cx.attempt.saturating_sub(1) as usize).copied();
                let after = Some(Duration::from_secs(wait.unwrap_or(0)));
                Err(JobError::Retry { after, cause })
            }
        }
    }

    async fn gave_up(&self, due: DeliveryDue, cx: &JobCx, _: &str) {
        let fail = async {
            let mut tx = self.db.begin(cx.tenant).await?;
            if store::open(&mut tx, due.delivery).await?.is_some() {
                let error =
                    Some("eight tries over a day failed; replay it when the endpoint works");
                let tried = Tried { state: "failed", status: None, error };
                store::tried(&mut tx, due.delivery, &tried, cx.clock.now()).await?;
            }
            tx.commit().await
        };
        if let Err(error) = fail.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}

/// Until when an endpoint with so many failures in a row is left alone.
fn pause(failures: i64, now: Moment) -> Moment {
    let over = failures - BREAKER;
    if over < 0 {
        return Moment(0);
    }
    let doubled = PAUSE.saturating_mul(1 << u32::try_from(over).unwrap_or(6).min(6));
    now + doubled.min(LONGEST_PAUSE)
}

impl Deliver {
    async fn end(
        &self,
        due: &DeliveryDue,
        cx: &JobCx,
        tried: &Tried<'_>,
    ) -> Result<Done, JobError> {
        let mut tx = self.db.begin(cx.tenant).await?;
        store::tried(&mut tx, due.delivery, tried, cx.clock.now()).await?;
        cx.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finished)
    }

    async fn post(&self, open: &Open, secret: &str, id: &str, now: Moment) -> Answer {
        let failed = |status, cause: &str| Answer::Failed { status, cause: cause.to_owned() };
        let Ok(url) = self.outbound.check(&open.url) else {
            return failed(None, "the address is not allowed");
        };
        let seconds = now.0.div_euclid(1_000_000);
        let Some(signature) = sign::sign(secret, id, seconds, &open.body) else {
            return failed(None, "the secret cannot sign");
        };
        let sent = self
            .outbound
            .client()
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .header("x-portaria-event", &open.event)
            .body(open.body.clone())
            .timeout(TIMEOUT)
            .send()
            .await;
        match sent {
            Ok(response) if response.status().is_success() => {
                Answer::Well(response.status().as_u16().into())
            }
            Ok(response) if response.status().as_u16() == 410 => Answer::Gone,
            Ok(response) => {
                let status = response.status().as_u16();
                failed(Some(status.into()), &format!("the endpoint answered {status}"))
            }
            Err(error) if error.is_timeout() => failed(None, "no answer in 15 seconds"),
            Err(error) if error.is_connect() => failed(None, "connection failed"),
            Err(_) => failed(None, "the connection broke"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_tries_span_a_day() {
        let day: u64 = WAITS.iter().sum();
        assert!((23 * 3600..25 * 3600).contains(&day), "{day}");
    }

    #[test]
    fn the_breaker_opens_at_the_fifth_failure_and_doubles() {
        let now = Moment(0);
        assert_eq!(pause(4, now), Moment(0));
        assert_eq!(pause(5, now), now + PAUSE);
        assert_eq!(pause(6, now), now + PAUSE * 2);
        assert_eq!(pause(50, now), now + LONGEST_PAUSE);
    }
}
