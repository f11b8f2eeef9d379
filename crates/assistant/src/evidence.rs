//! What a model reads, and what becomes of its answer.

use inbox::Reason;
use jiff::civil::Date;
use knowledge::Hit;
use serde_json::Value;

use crate::Context;
use crate::answer::{Answerer, Turned};
use crate::history::last_question;
use crate::model_turn::{self, Asked};
use crate::reply::{QUESTION, Reply, Source, declined, fixed};

/// Pieces of evidence a model reads, and facts beside them.
const EVIDENCE: usize = 6;
const FACTS: usize = 12;
/// Bytes of knowledge up to which a model reads all of it.
const WHOLE: usize = 8_000;

impl Answerer {
    /// The answer to a question: by a model where the tenant has one, else by the knowledge alone.
    pub(crate) async fn supported_by_knowledge(
        &self,
        context: &Context,
        turned: &Turned<'_>,
        text: &str,
    ) -> Result<Reply, db::Error> {
        let tenant = context.tenant.id;
        if context.models.is_empty() {
            return self.extractive(context, turned, text).await;
        }
        let today = Some(context.tenant.day(self.clock.now()));
        let mut hits = self.library.search(tenant, text, EVIDENCE, today).await?;
        if hits.len() < EVIDENCE
            && let Some(before) = last_question(turned.history)
        {
            // A follow-up says little by itself.
            let both = format!("{before} {text}");
            let more = self.library.search(tenant, &both, EVIDENCE, today).await?;
            for hit in more {
                if hits.len() < EVIDENCE && hits.iter().all(|h| h.text != hit.text) {
                    hits.push(hit);
                }
            }
        }
        let evidence = self.evidence(context, text, today, &hits).await?;
        let asked = Asked { context, turned, text, hits: &hits, evidence: &evidence };
        let (outcome, trace) = model_turn::ask(self, &asked).await;
        match outcome {
            model_turn::Outcome::Said { text } => {
                let confidence = self.library.extract(tenant, asked.text).await?.confidence();
                Ok(Reply {
                    text,
                    sources: hits.into_iter().map(Source::from).collect(),
                    confidence,
                    declined: false,
                    hand_over: None,
                    trace,
                    intent: QUESTION,
                    unasked: None,
                })
            }
            model_turn::Outcome::DoesNotKnow => {
                let nearest = hits.into_iter().map(Source::from).collect();
                let mut reply = declined(nearest, 0.0);
                reply.trace["models"] = trace["models"].clone();
                Ok(reply)
            }
            model_turn::Outcome::HandOff => {
                let reply = Reply { trace, ..fixed(QUESTION, String::new()) };
                Ok(reply.handing_over(Reason::ModelHandOff))
            }
            // The knowledge's own sentences step in.
            model_turn::Outcome::Failed => {
                let mut reply = self.extractive(context, turned, text).await?;
                if let (Value::Object(into), Value::Object(from)) = (&mut reply.trace, trace) {
                    into.extend(from);
                }
                Ok(reply)
            }
        }
    }

    /// What a model reads: all that is known where that is little, else the pieces found and the facts on what is asked.
    async fn evidence(
        &self,
        context: &Context,
        text: &str,
        today: Option<Date>,
        hits: &[Hit],
    ) -> Result<Vec<Hit>, db::Error> {
        let index = self.library.index(context.tenant.id).await?;
        let (asked, found) = (text.to_owned(), hits.to_vec());
        let look = move |index: &knowledge::Index| {
            index.whole(&found, today, WHOLE).unwrap_or_else(|| {
                let mut facts = index.facts_of(&asked, FACTS);
                // A line that stands in a piece was read already.
                facts.retain(|fact| !found.iter().any(|hit| hit.text.contains(&fact.text)));
                found.into_iter().chain(facts).collect()
            })
        };
        knowledge::ask(&index, look).await
    }
}
