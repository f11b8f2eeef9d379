//! Asking the knowledge questions without a model, with the program's own encoder at hand.

use std::sync::Arc;

use jiff::civil::Date;
use kernel::TenantId;

use crate::encoding::Encoding;
use crate::extract::Extract;
use crate::facts::{Fact, Kind, amounts};
use crate::features::{Asked, Before};
use crate::intents::asks_of_delivery;
use crate::sums::FromFacts;
use crate::{Index, Library};

/// How the opening hours are asked for, where a customer asks whether it is open now.
const OPENING_HOURS: &str = "Qual é o horário de funcionamento, que dias e horas vocês abrem?";
/// How the delivery area is asked for, where a customer names a place of their own.
const DELIVERY_AREA: &str = "Vocês entregam? Em quais bairros, até quantos km?";
/// Lines of hours that are told together, at most; and how sure it is that they are the business's.
const HOURS_LINES: usize = 4;
const HOURS: f64 = 2.0;
/// Log-odds that what is made of facts answers: a sum of which every part was found, the cheapest of a kind, a list.
const FACTS: f64 = 2.5;
/// Log-odds from which a price is that of a part of a sum.
const PRICED: f64 = 1.0;

/// Extracts answers from an index.
pub struct Extractor<'a> {
    pub index: &'a Index,
    encoder: Encoding,
    today: Option<Date>,
}

impl Extractor<'_> {
    /// What the business offers, with its prices, where a text asks for all of it.
    pub fn listed(&self, text: &str) -> Option<Extract> {
        self.index.listed(text, self.today).map(of_facts)
    }

    /// The sum that a text asks for, where every part of it is known.
    pub fn sum(&self, text: &str) -> Option<Extract> {
        let cheapest = self.index.extreme(text, None, false, self.today);
        let priced = |thing: &str| {
            let extract = self.answer(&format!("quanto custa {thing}"), None);
            let amounts = amounts::all(&extract.reply);
            let ([one], true) = (amounts.as_slice(), extract.score >= PRICED) else { return None };
            Some((one.cents, extract.pieces))
        };
        Some(of_facts(cheapest.or_else(|| self.index.sum(text, self.today, &priced))?))
    }

    /// The cheapest, or the dearest, of the things that were asked for before: "e o mais barato?".
    pub fn extreme_of(&self, text: &str, before: &str) -> Option<Extract> {
        self.index.extreme(text, Some(before), false, self.today).map(of_facts)
    }

    /// The cheapest, or the dearest, of what the house has most of: "qual a mais barata?".
    pub fn extreme_of_all(&self, text: &str) -> Option<Extract> {
        self.index.extreme(text, None, true, self.today).map(of_facts)
    }

    /// When the thing that a text names, or the business, is open on the days that it names. `before`: what was asked and
    /// told before.
    pub fn opening(&self, text: &str, before: Option<Before<'_>>) -> Option<Extract> {
        let before = before.map(|before| (before.asked, before.told));
        self.index.opening(text, before, self.today).map(of_facts)
    }

    /// Another row of the table from which was told before: "e o grande?".
    pub fn other_of(&self, text: &str, asked: &str, told: &str) -> Option<Extract> {
        self.index.other_of(text, (asked, told), self.today).map(of_facts)
    }

    /// The price of a thing by a measure that a text names: "banho de um cachorro de 18 kg".
    pub fn measured(&self, text: &str) -> Option<Extract> {
        self.index.measured(text, self.today).map(of_facts)
    }

    /// The price of the one thing with a price that a long text names: "quero colocar aparelho no meu filho, qual o valor?".
    pub fn price_of_named(&self, text: &str) -> Option<Extract> {
        let text = self.index.as_written(text);
        let thing = self.index.one_thing_named(&text, self.today)?;
        let priced = self.answer(&format!("quanto custa {thing}"), None);
        (priced.score >= PRICED && !amounts::all(&priced.reply).is_empty()).then_some(priced)
    }

    /// The one of several prices of the line told before that a text names: "e na escola?".
    pub fn option_told(&self, text: &str, told: &str) -> Option<Extract> {
        let mut lines = told.lines().filter(|line| line.contains("R$") || line.contains(" reais"));
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        let reply = crate::named_prices::option_of(text, line)?;
        Some(of_facts(FromFacts { reply, pieces: Vec::new() }))
    }

    /// What an answer with one price comes to as a text asks for it, to be told after it.
    pub fn calculated(&self, text: &str, told: &str) -> Option<String> {
        self.index.calculated(text, told, self.today)
    }

    /// Another cell of the row from which was told before: "e a garantia?".
    pub fn column_of(&self, text: &str, told: &str) -> Option<Extract> {
        self.index.column_of(text, told, self.today).map(of_facts)
    }

    /// What a price or a sum that was told before comes to: "e no pix?", "pra dois?", "e com a entrega no centro?".
    pub fn comes_to(&self, text: &str, told: &str) -> Option<Extract> {
        self.index.comes_to(text, told, self.today).map(of_facts)
    }

    /// The answer of a question that is noted in the words of a text.
    pub fn noted(&self, text: &str) -> Option<Extract> {
        let asked = Asked { text, before: None, vector: None, both: None, today: self.today };
        Some(self.index.answer(&asked)).filter(|extract| extract.as_noted)
    }

    /// When the business is open, as its documents say: the lines that belong together.
    pub fn opening_hours(&self) -> Option<Extract> {
        let best = self.answer(OPENING_HOURS, None);
        let stated: Vec<&Fact> = self
            .index
            .facts()
            .iter()
            .filter(|fact| fact.kind == Kind::Hours && !fact.outdated && !is_of_a_day(&fact.line))
            .collect();
        let chosen = stated.iter().find(|fact| {
            best.reply.contains(fact.line.trim()) || fact.line.contains(best.reply.trim())
        })?;
        let together = stated
            .iter()
            .filter(|fact| fact.document == chosen.document && fact.subject == chosen.subject);
        let mut lines: Vec<&str> = Vec::new();
        let mut pieces = Vec::new();
        for fact in together.take(HOURS_LINES) {
            if !lines.contains(&fact.line.trim()) {
                lines.push(fact.line.trim());
                pieces.push(fact.piece);
            }
        }
        pieces.dedup();
        let score = best.score.max(HOURS);
        Some(Extract { reply: lines.join("\n"), score, pieces, of_nothing: false, as_noted: false })
    }

    /// Where the business delivers, to who names a place that the knowledge has no word for: "entregam em Perdizes?".
    pub fn delivers_to(&self, text: &str) -> Option<Extract> {
        if !asks_of_delivery(text) {
            return None;
        }
        if let Some(line) = crate::intents::delivered_to(text)
            .and_then(|place| self.index.delivery_to(&place, self.today))
        {
            return Some(of_facts(line));
        }
        let area = self.answer(DELIVERY_AREA, None);
        let folded = kernel::text::fold_words(&area.reply);
        let of_delivery = folded.split(' ').any(|word| word.starts_with("entreg"));
        (area.score >= PRICED && of_delivery).then_some(area)
    }

    /// Answers a question; `before`: what it leans on.
    pub fn answer(&self, text: &str, before: Option<Before<'_>>) -> Extract {
        let text = &*self.index.as_written(text);
        if before.is_none() {
            let by_words = self.index.answer(&Asked {
                text,
                before: None,
                vector: None,
                both: None,
                today: self.today,
            });
            // What is asked as it is noted needs no second look.
            if by_words.as_noted {
                return by_words;
            }
        }
        let vector = self.encoder.vector(text);
        let both =
            before.and_then(|before| self.encoder.vector(&format!("{} {text}", before.asked)));
        self.index.answer(&Asked {
            text,
            before,
            vector: vector.as_deref().map(Vec::as_slice),
            both: both.as_deref().map(Vec::as_slice),
            today: self.today,
        })
    }
}

/// Whether a line of hours is of one day of the year alone: "no feriado de 15 de novembro abrimos até as 12h".
pub fn is_of_a_day(line: &str) -> bool {
    let folded = kernel::text::fold_words(line);
    let weekday =
        ["segunda", "terca", "quarta", "quinta", "sexta", "sabado", "diariamente", "todos os dias"]
            .iter()
            .any(|day| kernel::text::has_phrase(&folded, day));
    !weekday && (crate::dates::names_a_date(line) || folded.contains("feriado"))
}

fn of_facts(told: FromFacts) -> Extract {
    Extract {
        reply: told.reply,
        score: FACTS,
        pieces: told.pieces,
        of_nothing: false,
        as_noted: false,
    }
}

impl Library {
    /// The week of the business as its documents state it; `None` where they do not.
    ///
    /// # Errors
    /// When the rows cannot be read, or the thread breaks down.
    pub async fn stated_week(
        &self,
        tenant: TenantId,
        today: Date,
    ) -> Result<Option<crate::Week>, db::Error> {
        self.with_extractor(tenant, Some(today), move |extractor| {
            extractor.index.stated_week(Some(today))
        })
        .await
    }

    /// The vector of a question by the program's own encoder; `None` when it is off.
    ///
    /// # Errors
    /// When the thread that makes it breaks down.
    pub async fn question_vector(
        &self,
        question: &str,
    ) -> Result<Option<Arc<Vec<f32>>>, db::Error> {
        self.encoder.question(question).await
    }

    /// Asks a tenant's knowledge several questions, beside the threads that serve everybody. `today`: the tenant's own
    /// day, before which offers may have ended.
    ///
    /// # Errors
    /// When the rows cannot be read, or the thread breaks down.
    pub async fn with_extractor<T: Send + 'static>(
        &self,
        tenant: TenantId,
        today: Option<Date>,
        ask: impl FnOnce(&Extractor<'_>) -> T + Send + 'static,
    ) -> Result<T, db::Error> {
        let index = self.index(tenant).await?;
        let encoder = self.encoder.clone();
        self.encoder.run(move || ask(&Extractor { index: &index, encoder, today })).await
    }

    /// What the knowledge alone, without a model, says to a question.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn extract(&self, tenant: TenantId, question: &str) -> Result<Extract, db::Error> {
        let asked = question.to_owned();
        self.with_extractor(tenant, None, move |extractor| extractor.answer(&asked, None)).await
    }
}
