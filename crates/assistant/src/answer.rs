//! From a text to a reply: what it is, what the knowledge says, who words it.

use std::time::Instant;

use inbox::{Line, Reason};
use kernel::Clock;
use knowledge::Library;
use models::{Breakers, LanguageModel};
use serde_json::json;
use std::sync::Arc;

use crate::Context;
use understanding::{Act, Plain, Strength};

use crate::acts;
use crate::guard;
use crate::history::before;
use crate::hours;

use crate::parts::{self, Found};
use crate::phrases::Phrases;
use crate::questions;
use crate::reply::{QUESTION, Reply, Source, Unasked, declined, fixed, outcome};

/// Answers for every tenant.
#[derive(Clone)]
pub struct Answerer {
    pub(crate) library: Library,
    pub(crate) models: Arc<dyn LanguageModel>,
    pub(crate) breakers: Breakers,
    pub(crate) clock: Clock,
}

/// What is answered.
pub(crate) struct Turned<'a> {
    pub(crate) burst: &'a [Line],
    pub(crate) history: &'a [Line],
    /// The assistant has never answered here.
    pub(crate) first: bool,
    /// How often in a row it did not know.
    pub(crate) declines: i64,
}

/// Bytes of a text that are looked up without a model; longer ones are no questions.
const LONGEST_READ: usize = 2000;
/// Characters of a message, by WhatsApp's own limit.
const LONGEST: usize = 4096;
/// How sure a rule must be to be told while a person is called.
const RULE_CONFIDENCE: f64 = 0.6;
/// Words that ask for a fact.
const ASKING: &[&str] =
    &["onde", "quanto", "qual", "quais", "que", "quando", "horario", "endereco"];
/// Words that do so whatever else is said.
const SAYING: &[&str] = &["saber", "quanto", "qual"];

impl Answerer {
    pub fn new(
        library: Library,
        models: Arc<dyn LanguageModel>,
        breakers: Breakers,
        clock: Clock,
    ) -> Self {
        Self { library, models, breakers, clock }
    }

    pub(crate) async fn answer(
        &self,
        context: &Context,
        turned: &Turned<'_>,
    ) -> Result<Reply, db::Error> {
        let started = Instant::now();
        let mut reply = self.compose(context, turned).await?;
        reply.text = guard::within(reply.text, LONGEST);
        let elapsed = started.elapsed();
        reply.trace["ms"] = json!(elapsed.as_millis() as u64);
        metrics::histogram!("portaria_turn_seconds", "intent" => reply.intent)
            .record(elapsed.as_secs_f64());
        metrics::counter!("portaria_turns_total", "intent" => reply.intent,
            "outcome" => outcome(&reply))
        .increment(1);
        Ok(reply)
    }

    async fn compose(&self, context: &Context, turned: &Turned<'_>) -> Result<Reply, db::Error> {
        let phrases = Phrases::of(context);
        let text: Vec<&str> = turned
            .burst
            .iter()
            .map(|line| line.body.trim())
            .filter(|body| !body.is_empty())
            .collect();
        let text = text.join("\n");
        let greet = |said: String| {
            if turned.first && !said.is_empty() {
                format!("{} {said}", phrases.greeting(self.clock.now()))
            } else {
                said
            }
        };
        let plain = Plain::of(&text);
        // Whoever calls for somebody in danger hears the number to call, too.
        if turned.burst.iter().any(|line| context.rules.asks_for_person(&line.body))
            && !self.acts(&plain, &text).await?.iter().any(acts::is_danger)
        {
            let own = context.settings.reply_to(Act::Person).map(str::to_owned);
            let said = greet(own.unwrap_or_else(|| phrases.calling_a_person()));
            return Ok(fixed("person", said).handing_over(Reason::AskedForPerson));
        }
        let offered = turned.history.iter().rev().find(|line| !line.from_contact);
        if offered.is_some_and(|line| phrases.offers_a_person(&line.body)) && acts::says_yes(&plain)
        {
            let said = greet(phrases.calling_a_person());
            return Ok(fixed("person", said).handing_over(Reason::AskedForPerson));
        }
        if text.is_empty() {
            let audio = turned.burst.iter().any(|line| line.content == "audio");
            let said = greet(phrases.cannot_open_media(audio));
            return Ok(fixed("media", said).handing_over(Reason::UnreadableMedia));
        }
        if questions::announces_a_question(&text) {
            let help = phrases.how_can_i_help();
            let said = if turned.first { greet(help) } else { help };
            return Ok(fixed(Act::Greeting.name(), said));
        }
        if acts::asks_to_hear_again(&plain) {
            let mut reply = fixed("resume", phrases.hears_again());
            reply.unasked = Some(Unasked::Resume);
            return Ok(reply);
        }
        if acts::is_bare_cancel(&plain) {
            return Ok(fixed("cancel", phrases.cancel_what()));
        }
        // Who asks when it is open, and nothing else, asks for no state of an order.
        let of_hours =
            self.asks_hours(context, &text).is_some() || knowledge::asks_when_open(&text);
        let found = if of_hours { Vec::new() } else { self.acts(&plain, &text).await? };
        let found: Vec<_> = found
            .into_iter()
            .filter(|one| one.act != Act::Haggle || !acts::only_exclaims(&plain))
            .collect();
        // "Boa noite, aqui é a Cleide": only words of thanks are thanks.
        let gives_thanks = acts::gives_thanks(&plain);
        let thanks =
            gives_thanks || acts::praises(&plain) || understanding::small_talk(&plain).is_some();
        let asks = plain.words().any(|word| ASKING.contains(&word));
        let mut found: Vec<_> = found
            .into_iter()
            .filter(|one| one.act != Act::Thanks || thanks)
            // "Passando só pra agradecer: minha mãe morria de medo, e saiu rindo."
            .filter(|one| {
                let hint = one.act == Act::Harm && one.strength == Strength::Possible;
                !hint || !gives_thanks || asks || plain.asks
            })
            .collect();
        if acts::only_asks_for_days(&plain) {
            found.retain(|one| one.act != Act::Booking);
        }
        if !turned.first && !acts::asks_for_a_job(&plain) {
            found.retain(|one| one.act != Act::Applicant);
        }
        if acts::asks_for_a_quote(&plain) {
            for one in found.iter_mut().filter(|one| one.act == Act::Supplier) {
                one.act = Act::Order;
            }
        }
        // "Parabéns a todos, a de camarão nem se fala" asks for no camarão.
        let calls = |one: &understanding::Found| {
            one.strength > Strength::Possible && acts::is_for_a_person(one.act)
        };
        if acts::praises(&plain) && !questions::is_question(&text) && !found.iter().any(calls) {
            found.insert(0, understanding::Found { act: Act::Thanks, strength: Strength::Certain });
        }
        if acts::asks_for_somebody(&plain) {
            found.insert(0, understanding::Found { act: Act::Person, strength: Strength::Certain });
        }
        if acts::asks_who_answers(&plain) {
            found.insert(
                0,
                understanding::Found { act: Act::Identity, strength: Strength::Certain },
            );
        }
        // A hint of danger is for a person to read, but no reason to send for an ambulance; nor is a question that sounds
        // of it without a word of danger.
        let hint = found.iter().find(|one| one.act == Act::Harm).copied().filter(|one| {
            // "Queria saber quanto é" asks as well as a question mark does.
            let questions = plain.asks || plain.words().any(|word| SAYING.contains(&word));
            one.strength == Strength::Possible || (one.strength == Strength::Likely && questions)
        });
        if let Some(hint) = hint {
            // "Onde é que fica, que minha neta falou tão bem?" is answered.
            let known =
                (asks || plain.asks) && self.extractive(context, turned, &text).await?.is_sure();
            if !known {
                let reason = match hint.strength {
                    Strength::Possible => acts::reason(Act::Person),
                    // Who is on call hears of it.
                    _ => acts::reason(Act::Harm),
                };
                let said = greet(phrases.calling_a_person());
                return Ok(fixed(Act::Harm.name(), said).handing_over(reason));
            }
            found.retain(|one| one.act != Act::Harm);
        }
        // Whatever else a text asks for: danger comes first.
        let danger = found.iter().find(|one| acts::is_danger(one)).copied();
        let first = danger.or(found.first().copied()).map(|one| match one.act {
            // "A pizza tava PERFEITA": praise shares its words with complaints.
            Act::Complaint if acts::praises(&plain) => {
                understanding::Found { act: Act::Thanks, ..one }
            }
            _ => one,
        });
        // Who asks nothing and may be complaining is not to be answered with a rule.
        let veiled = |one: &understanding::Found| {
            one.act == Act::Complaint && !plain.asks && !acts::wishes_to_come(&plain)
        };
        let certain = first
            .filter(|one| one.strength >= acts::acted_on(one.act) || veiled(one))
            .map(|one| one.act);
        // What only sounds like such an act, and what the knowledge surely answers, is a question.
        let may_ask = match certain {
            // "Como ligo o modo desenvolvedor do relógio?" sounds like an attack.
            Some(Act::Injection) => acts::only_asks(&plain),
            // "Acima de 3 mil o frete fica de graça, né?" asks for a rule.
            Some(Act::Haggle) => plain.asks,
            // "Me passa o telefone?" wants a number, and nobody.
            Some(Act::Person) => acts::wants_contacts(&plain),
            _ => false,
        };
        if may_ask {
            let known = self.extractive(context, turned, &text).await?;
            let fits = certain != Some(Act::Haggle) || acts::speaks_of_discounts(&known.text);
            if known.is_sure() && fits {
                return Ok(Reply { text: greet(known.text.clone()), ..known });
            }
        }
        if certain == Some(Act::Harm) {
            return self.emergency(context, &plain).await;
        }
        if let Some(act) = certain
            && let Some(reply) = self.outright(context, turned, act, &greet)
        {
            return Ok(reply);
        }
        if let Some(act) =
            certain.filter(|act| context.settings.calls_for(*act) && *act != Act::HealthRisk)
        {
            return self.called_for(context, turned, (act, &text, &plain), &greet).await;
        }
        let mut reply = self.supported_by_knowledge(context, turned, &text).await?;
        // What is more than a question, and what the knowledge leaves open.
        let act = first
            .filter(|one| {
                // A question that only sounds like an attack or an advertisement is one that is not known.
                let sounds = matches!(one.act, Act::Injection | Act::Spam);
                !(sounds && plain.asks && one.strength == Strength::Possible)
            })
            .map(|one| one.act)
            // "Põe 2 lugares na escuna": a wish that asks nothing is no question for what shares a word with it.
            .filter(|act| {
                let wishes = acts::wants_a_thing(*act) && !questions::is_question(&text);
                reply.declined || (wishes && !reply.is_sure())
            })
            .filter(|act| *act != Act::Stop);
        if let Some(act) = act {
            if let Some(reply) = self.outright(context, turned, act, &greet) {
                return Ok(reply);
            }
            if context.settings.calls_for(act) {
                return self.called_for(context, turned, (act, &text, &plain), &greet).await;
            }
        }
        if reply.declined
            && turned.first
            && acts::says_who_writes(&plain)
            && let Some(greeting) = self.outright(context, turned, Act::Greeting, &greet)
        {
            return Ok(greeting);
        }
        if reply.declined && act.is_none() {
            let vector = self.library.question_vector(&text).await?;
            let vector = vector.as_ref().map(|vector| vector.as_slice());
            if understanding::is_statement(&plain, vector) {
                return Ok(fixed("statement", greet(phrases.noted())));
            }
        }
        if reply.declined {
            if turned.declines >= 1 {
                reply.text = phrases.do_not_know_again();
                reply.hand_over = Some(Reason::TwoDeclines);
            } else {
                reply.text = phrases.do_not_know();
            }
        }
        if reply.hand_over == Some(Reason::ModelHandOff) {
            reply.text = phrases.calling_a_person();
        }
        reply.text = greet(reply.text);
        Ok(reply)
    }

    /// The acts of a text. The encoder is asked unless its words leave no doubt.
    async fn acts(
        &self,
        plain: &Plain,
        text: &str,
    ) -> Result<Vec<understanding::Found>, db::Error> {
        if understanding::is_clear(plain) {
            return Ok(understanding::acts(plain, None));
        }
        let vector = self.library.question_vector(text).await?;
        Ok(understanding::acts(plain, vector.as_ref().map(|vector| vector.as_slice())))
    }

    /// What needs neither the knowledge nor a person; `None` for other acts.
    fn outright(
        &self,
        context: &Context,
        turned: &Turned<'_>,
        act: Act,
        greet: &(dyn Fn(String) -> String + Sync),
    ) -> Option<Reply> {
        let phrases = Phrases::of(context);
        let own = context.settings.reply_to(act);
        let calls = context.settings.calls_for(act);
        let said = match act {
            Act::Stop => {
                let mut reply = fixed(act.name(), context.opt_out.clone());
                reply.unasked = Some(Unasked::Stop);
                return Some(reply);
            }
            // What the tenant wrote, where nobody is called.
            _ if own.is_some() && !calls => greet(own.unwrap_or_default().to_owned()),
            // And where somebody is, that is said with it.
            _ if calls && !acts::is_for_a_person(act) => {
                let said = own.map_or_else(|| phrases.calling_a_person(), str::to_owned);
                return Some(fixed(act.name(), greet(said)).handing_over(acts::reason(act)));
            }
            // "Bom domingo" opens a conversation as well as it ends one.
            Act::Greeting | Act::Goodbye if act == Act::Greeting || turned.first => {
                let help = phrases.how_can_i_help();
                format!("{} {help}", phrases.greeting(self.clock.now()))
            }
            Act::Thanks => phrases.you_are_welcome(),
            Act::Goodbye => phrases.goodbye(),
            Act::Acknowledgement if turned.first => greet(phrases.how_can_i_help()),
            Act::Acknowledgement => String::new(),
            Act::Injection | Act::Spam => phrases.only_our_business(),
            Act::Identity => {
                if turned.first {
                    phrases.greeting(self.clock.now()) + " " + &phrases.who_am_i()
                } else {
                    phrases.who_am_i()
                }
            }
            _ => return None,
        };
        Some(fixed(act.name(), said))
    }

    /// A person is called at once, with the number to call, and what the business itself says of emergencies. A greeting would
    /// only stand in the way.
    async fn emergency(&self, context: &Context, plain: &Plain) -> Result<Reply, db::Error> {
        let phrases = Phrases::of(context);
        let number = acts::words(Act::Harm, plain, &phrases);
        let mut said: Vec<String> = Vec::new();
        said.extend(context.settings.reply_to(Act::Harm).map(str::to_owned));
        said.push(number);
        if acts::is_of_the_body(plain) {
            let index = self.library.index(context.tenant.id).await?;
            let today = context.tenant.day(self.clock.now());
            let own = index.in_an_emergency(Some(today));
            said.extend((!own.is_empty()).then(|| own.join(" ")));
        }
        let reply = fixed(Act::Harm.name(), said.join("\n\n"));
        Ok(reply.handing_over(acts::reason(Act::Harm)))
    }

    /// A person is called for an act; a rule that the knowledge has of it is told along.
    async fn called_for(
        &self,
        context: &Context,
        turned: &Turned<'_>,
        (act, text, plain): (Act, &str, &Plain),
        greet: &(dyn Fn(String) -> String + Sync),
    ) -> Result<Reply, db::Error> {
        let phrases = Phrases::of(context);
        let index = self.library.index(context.tenant.id).await?;
        // "Uma mesa para 14" may be what nobody wrote down, or another business's: a person says which.
        let unheard_of = acts::wants_a_thing(act) && index.lacks_the_thing(text);
        // What is to be brought, and what nobody here has heard of, is a matter of another house.
        if unheard_of
            && act == Act::Order
            && acts::wants_it_brought(plain)
            && context.settings.reply_to(act).is_none()
        {
            let mut reply = declined(Vec::new(), 0.0);
            reply.text = greet(phrases.another_house());
            reply.intent = act.name();
            reply.trace["intent"] = json!(act.name());
            return Ok(reply);
        }
        let words = match unheard_of {
            true => phrases.wish_unheard_of(),
            false => match context.settings.reply_to(act) {
                Some(own) => own.to_owned(),
                None => acts::words(act, plain, &phrases),
            },
        };
        let rule = if acts::tells_the_rule(act) && !unheard_of {
            let none = Turned { history: &[], ..*turned };
            Some(self.extractive(context, &none, text).await?)
        } else {
            None
        };
        let rule = rule.filter(|rule| {
            let whole = rule.trace["unanswered"].is_null();
            // Who says what was paid asks for no price.
            let priced = act == Act::Receipt && rule.text.contains("R$");
            whole
                && !priced
                && !rule.declined
                && rule.confidence >= RULE_CONFIDENCE
                && !rule.sources.is_empty()
        });
        let mut reply = fixed(act.name(), String::new()).handing_over(acts::reason(act));
        reply.text = match rule {
            // "Dá pra agendar a lavagem?" where nothing is agreed before: nobody needs to come.
            Some(rule) if act == Act::Booking && plain.asks && acts::denies_booking(&rule.text) => {
                return Ok(Reply { text: greet(rule.text.clone()), ..rule });
            }
            Some(rule) => {
                reply.trace = rule.trace;
                reply.trace["intent"] = json!(act.name());
                reply.sources = rule.sources;
                reply.confidence = rule.confidence;
                greet(format!("{}\n\n{words}", rule.text))
            }
            None => greet(words),
        };
        Ok(reply)
    }

    pub(crate) async fn extractive(
        &self,
        context: &Context,
        turned: &Turned<'_>,
        text: &str,
    ) -> Result<Reply, db::Error> {
        let phrases = Phrases::of(context);
        let index = self.library.index(context.tenant.id).await?;
        let before = before(turned.history);
        let text = &text[..text.floor_char_boundary(LONGEST_READ)];
        let today = context.tenant.day(self.clock.now());
        // What the documents say of a day of the year is an exception to the hours that were confirmed.
        let stated = |part: &str| index.states_hours_on(part, today);
        let (when, rest) = self.of_the_hours(context, text, turned.history, &stated);
        if let Some(when) = &when
            && rest.is_empty()
        {
            return Ok(when.clone());
        }
        let text = if rest.is_empty() { text } else { rest.as_str() };
        let asked = text.to_owned();
        let of_hours = self.asks_hours(context, text).is_some()
            || (self.days_alone(context, text).is_some()
                && self.asked_hours_before(context, turned.history));
        let of_a_date = knowledge::names_a_date(text);
        let tenant = context.tenant.clone();
        let now = self.clock.now();
        let asks_hours =
            move |part: &str| hours::asked(part, &tenant.name, now, &tenant.time_zone).is_some();
        let look = move |extractor: &knowledge::Extractor<'_>| {
            let before = before.as_ref().map(|(asked, told)| knowledge::Before { asked, told });
            let mut found = parts::find(extractor, &asked, before, &asks_hours);
            if of_hours && extractor.opening(&asked, before).is_none() {
                // A sentence that shares a word with the question but names no hour answers another.
                found.extracts.retain(|extract| {
                    let of_a_day = knowledge::is_of_a_day(&extract.reply);
                    let of_hours = hours::says_hours(&extract.reply);
                    if of_a_date { of_a_day || of_hours } else { of_hours && !of_a_day }
                });
                if let Some(hours) = extractor.opening_hours()
                    && (!of_a_date || found.extracts.is_empty())
                {
                    found = Found { extracts: vec![hours], unknown: Vec::new() };
                }
            }
            found
        };
        let found = self.library.with_extractor(context.tenant.id, Some(today), look).await?;
        if let (Some(when), true) = (&when, found.extracts.is_empty()) {
            let mut reply = when.clone();
            reply.text = format!(
                "{}\n\n{}",
                reply.text,
                phrases.do_not_know_these(&[rest.trim_end_matches(['?', ' ', '.', '!'])])
            );
            reply.trace["unanswered"] = json!([rest]);
            return Ok(reply);
        }
        if found.extracts.is_empty() && index.asks_of_nothing(text) {
            return Ok(fixed(QUESTION, phrases.of_what()));
        }
        if found.extracts.is_empty() {
            let asked = text.to_owned();
            let look = move |index: &knowledge::Index| index.search(&asked, 3);
            let near = knowledge::ask(&index, look).await?;
            let sources = near.iter().map(|(s, piece)| index.hit(*piece, *s).into()).collect();
            let confidence = self.library.extract(context.tenant.id, text).await?.confidence();
            return Ok(declined(sources, confidence));
        }
        let mut said: Vec<String> = Vec::new();
        let mut sources: Vec<Source> = Vec::new();
        let mut confidence: f64 = 1.0;
        if let Some(when) = when {
            said.push(when.text);
            sources.extend(when.sources);
        }
        for extract in &found.extracts {
            confidence = confidence.min(extract.confidence());
            // With or without the yes that it begins with, a sentence is told once.
            let reply = extract.reply.to_lowercase();
            if !said.iter().any(|one| one.to_lowercase().contains(&reply)) {
                said.push(extract.reply.clone());
            }
            for piece in &extract.pieces {
                let source = Source::from(index.hit(*piece, extract.score));
                if sources.iter().all(|s| s.text != source.text) {
                    sources.push(source);
                }
            }
        }
        let unknown: Vec<&str> =
            found.unknown.iter().map(|part| part.trim_end_matches(['?', ' ', '.', '!'])).collect();
        if !unknown.is_empty() {
            said.push(phrases.do_not_know_these(&unknown));
        }
        let mut trace =
            json!({ "answered_by": "knowledge", "sources": sources, "confidence": confidence });
        if !unknown.is_empty() {
            trace["unanswered"] = json!(unknown);
        }
        Ok(Reply {
            text: said.join("\n\n"),
            sources,
            confidence,
            declined: false,
            hand_over: None,
            trace,
            intent: QUESTION,
            unasked: None,
        })
    }
}
