//! Running a turn as a job.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use db::Db;
use inbox::{Answer, Gathered, Reason, TurnDue};
use kernel::{ChannelId, TenantId};
use queue::{Done, Handler, JobCx, JobError};
use serde_json::json;

use crate::answer::{Answerer, Turned};
use crate::phrases::Phrases;
use crate::reply::{Reply, Unasked};
use crate::{Context, Contexts, budget};

/// Shows "typing…" on a channel. What goes wrong is its own business.
#[async_trait]
pub trait Typing: Send + Sync {
    async fn show(&self, tenant: TenantId, channel: ChannelId, to: &str, last: Option<&str>);
}

/// Runs [`TurnDue`].
pub struct Turn {
    pub db: Db,
    pub contexts: Contexts,
    pub answerer: Answerer,
    pub typing: Arc<dyn Typing>,
}

#[async_trait]
impl Handler<TurnDue> for Turn {
    async fn run(&self, due: TurnDue, cx: &JobCx) -> Result<Done, JobError> {
        let retry = |cause: String| JobError::Retry { after: None, cause };
        let context =
            self.contexts.get(cx.tenant).await.map_err(|error| retry(error.to_string()))?;
        let Some(mut context) = context else { return Ok(Done::Finish) };
        let mut tx = self.db.read(cx.tenant).await?;
        // Read now: what is held may be older than the activation that scheduled this turn.
        let tenant = tenancy::own(&mut tx).await?;
        if !tenant.is_some_and(|tenant| tenant.state.rule().answers) {
            // Activation schedules what is still fresh.
            return Ok(Done::Finish);
        }
        let history = context.settings.history;
        let gathered = inbox::gather(&mut tx, due.conversation, history, cx.clock.now()).await?;
        if budget::is_spent(&mut tx, &context, cx.clock.now()).await? {
            Arc::make_mut(&mut context).models.clear();
        }
        drop(tx);
        let Some(gathered) = gathered else { return Ok(Done::Finish) };
        if let Some(until) = gathered.media_until {
            // A voice message is being written down; that sets the turn again when it is done.
            return Err(JobError::Hold { until });
        }
        let reply = self.reply(&context, &gathered).await?;
        self.store(&context, &gathered, reply, cx).await
    }

    async fn gave_up(&self, due: TurnDue, cx: &JobCx, _: &str) {
        let show = async {
            let mut tx = self.db.begin(cx.tenant).await?;
            let now = cx.clock.now();
            inbox::needs_person(&mut tx, due.conversation, Reason::TurnFailed, now).await?;
            tx.commit().await
        };
        if let Err(error) = show.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}

impl Turn {
    async fn reply(
        &self,
        context: &Context,
        gathered: &Gathered,
    ) -> Result<Option<Reply>, JobError> {
        if gathered.looping {
            return Ok(None);
        }
        let turned = Turned {
            burst: &gathered.burst,
            history: &gathered.history,
            first: gathered.first,
            declines: gathered.declines,
        };
        let mut answering = pin!(self.answerer.answer(context, &turned));
        if context.models.is_empty() {
            return Ok(Some(answering.await?));
        }
        // A model takes seconds: the contact sees that somebody is writing.
        let last = gathered.last_provider_id.as_deref();
        let mut typing =
            pin!(self.typing.show(context.tenant.id, gathered.channel, &gathered.address, last));
        let mut shown = false;
        loop {
            tokio::select! {
                reply = &mut answering => return Ok(Some(reply?)),
                () = &mut typing, if !shown => shown = true,
            }
        }
    }

    async fn store(
        &self,
        context: &Context,
        gathered: &Gathered,
        reply: Option<Reply>,
        cx: &JobCx,
    ) -> Result<Done, JobError> {
        let now = cx.clock.now();
        // Asked is paid for, whether or not the answer leaves.
        let cost = reply.as_ref().map_or(0.0, |reply| budget::cost_of(&reply.trace));
        let unasked = reply.as_ref().and_then(|reply| reply.unasked);
        let answer = match reply {
            // Two programs talking, or somebody in a hurry: it ends with this line, for a person has the
            // conversation from here.
            None => Answer {
                parts: parts(context, &Phrases::of(context).calling_a_person()),
                trace: json!({ "answered_by": "fixed", "intent": "too_many_answers" }).to_string(),
                declined: false,
                hand_over: Some(Reason::TooManyAnswers),
            },
            Some(reply) => Answer {
                parts: parts(context, &reply.text),
                trace: reply.trace.to_string(),
                declined: reply.declined,
                hand_over: reply.hand_over,
            },
        };
        let mut tx = self.db.begin(cx.tenant).await?;
        if cost > 0.0 {
            let month = budget::month(now, &context.tenant.time_zone);
            budget::add(&mut tx, &month, cost).await?;
        }
        let mut answer = answer;
        if let Some(word) = unasked {
            let since = (word == Unasked::Stop).then_some(now);
            let changed = inbox::set_opted_out(&mut tx, gathered.conversation, since).await?;
            if !changed && word == Unasked::Stop {
                // It was confirmed once.
                answer.parts.clear();
            }
        }
        // Superseded or not ours: the turn that the change set, or a person, goes on from here.
        inbox::store_answer(&mut tx, gathered, &answer, now).await?;
        cx.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finished)
    }
}

/// Messages that one answer is split into, at most: more than these are a nuisance.
const MOST_PARTS: usize = 4;

/// One message, unless the tenant wants paragraphs apart.
fn parts(context: &Context, text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    if !context.settings.split {
        return vec![text.to_owned()];
    }
    text.splitn(MOST_PARTS, "\n\n")
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect()
}
