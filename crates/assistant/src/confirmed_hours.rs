//! Questions of the opening hours, and what the hours that the owner confirmed say to them.

use inbox::Line;
use serde_json::json;

use crate::Context;
use crate::answer::Answerer;
use crate::hours;
use crate::reply::{QUESTION, Reply, Source, asks, fixed};

impl Answerer {
    pub(crate) fn asks_hours(&self, context: &Context, text: &str) -> Option<hours::Asked> {
        let tenant = &context.tenant;
        hours::asked(text, &tenant.name, self.clock.now(), &tenant.time_zone)
    }

    /// Whether the last question that named more than days was of the hours: "e no sábado?" goes on with it.
    pub(crate) fn asked_hours_before(&self, context: &Context, history: &[Line]) -> bool {
        history
            .iter()
            .rev()
            .filter(|line| line.from_contact)
            .map(|line| line.body.as_str())
            .find(|body| self.days_alone(context, body).is_none() && asks(body))
            .is_some_and(|body| self.asks_hours(context, body).is_some())
    }

    /// What "depois das 19h tem alguém aí?" asks of the confirmed hours.
    fn usual_hours(&self, context: &Context, text: &str) -> Option<hours::Asked> {
        let zone = &context.tenant.time_zone;
        knowledge::asks_for_usual_hours(text)
            .then(|| hours::days_or_week(text, self.clock.now(), zone))
    }

    pub(crate) fn days_alone(&self, context: &Context, text: &str) -> Option<hours::Asked> {
        hours::days_alone(text, self.clock.now(), &context.tenant.time_zone)
    }

    /// What the confirmed hours say to those questions of a text that are of them alone, and the rest. `stated`: whether the
    /// documents say otherwise of the day of the year that a question names.
    pub(crate) fn of_the_hours(
        &self,
        context: &Context,
        text: &str,
        history: &[Line],
        stated: &dyn Fn(&str) -> bool,
    ) -> (Option<Reply>, String) {
        let confirmed = context.hours.as_deref().filter(|hours| !hours.is_empty());
        let Some(confirmed) = confirmed else { return (None, text.to_owned()) };
        let told = hours::Told {
            hours: confirmed,
            english: context.tenant.language.starts_with("en"),
            zone: &context.tenant.time_zone,
            now: self.clock.now(),
        };
        let mut said: Vec<String> = Vec::new();
        let mut rest: Vec<&str> = Vec::new();
        let mut of_hours = self.asked_hours_before(context, history);
        for part in text.split_inclusive(['?', '\n']).map(str::trim).filter(|p| !p.is_empty()) {
            let asked = self
                .asks_hours(context, part)
                .or_else(|| self.days_alone(context, part).filter(|_| of_hours))
                .or_else(|| self.usual_hours(context, part));
            match asked.filter(|_| !stated(part)) {
                Some(asked) => {
                    of_hours = true;
                    said.push(told.answer(&asked));
                }
                None if asks(part) => {
                    of_hours = false;
                    rest.push(part);
                }
                None => {}
            }
        }
        if said.is_empty() {
            return (None, text.to_owned());
        }
        said.dedup();
        let title = if told.english { "Opening hours" } else { "Horário de funcionamento" };
        let sources = vec![Source { title: title.to_owned(), heading: None, text: told.week() }];
        let mut reply = fixed(QUESTION, said.join("\n"));
        reply.trace = json!({ "answered_by": "knowledge", "sources": sources, "confidence": 1.0 });
        reply.sources = sources;
        (Some(reply), rest.join("\n"))
    }
}
