//! The assistant: who it is, how it speaks, when it calls a person, which model it asks; with a chat
//! beside the form that tries what is not saved yet.

use std::collections::HashMap;
use std::time::Duration;

use assistant::{FALLBACK_KEY, MODEL_KEY, ModelSettings, Settings, Tone};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use identity::{Entry, Filter, Permission as P};
use inbox::Rules;
use maud::{Markup, html};
use models::{ModelRef, Provider};
use serde_json::{Value, json};
use tenancy::OpeningHours;
use ui::{Field, Lang, badge, notice, page_head};
use web::permission::{AssistantRead, AssistantWrite};
use web::{Permission, Problem};

use crate::door::At;
use crate::failure::Failure;
use crate::form::Form;
use crate::hours;
use crate::registry::Pages;
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    pages.tenant_page::<AssistantRead, _, _>("/painel/t/{slug}/assistente", show);
    pages.tenant_action::<AssistantWrite, _, _>("/painel/t/{slug}/assistente", save);
    pages.tenant_action::<AssistantRead, _, _>("/painel/t/{slug}/assistente/testar", try_draft);
}

pub(crate) type Fields = HashMap<String, String>;

/// What a field of the form is refused for.
struct Wrong {
    field: String,
    text: String,
}

fn wrong(field: &str, text: &str) -> Wrong {
    Wrong { field: field.to_owned(), text: text.to_owned() }
}

/// The assistant as a form has it.
struct Draft {
    settings: Settings,
    rules: Rules,
    model_key: Option<String>,
}

pub(crate) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str).trim()
}

/// A number as people write it: with a comma, or not at all.
fn number(lang: Lang, fields: &Fields, name: &str) -> Result<Option<f64>, Wrong> {
    let given = text(fields, name).replace(',', ".");
    if given.is_empty() {
        return Ok(None);
    }
    let parsed: Option<f64> = given.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
    parsed.map(Some).ok_or_else(|| {
        wrong(name, lang.t("Escreva um número, como 0,5.", "Write a number, such as 0.5."))
    })
}

/// Every field of the form that should hold a number and holds none, in the form's order.
fn no_numbers(lang: Lang, fields: &Fields) -> Vec<(String, String)> {
    ["quiet", "longest", "price_in", "price_out", "monthly_budget", "temperature"]
        .into_iter()
        .filter_map(|name| number(lang, fields, name).err())
        .map(|wrong| (wrong.field, wrong.text))
        .collect()
}

/// Reads the form over what is set now.
fn read(lang: Lang, fields: &Fields, before: &Settings, rules: &Rules) -> Result<Draft, Wrong> {
    let mut settings = before.clone();
    let long = |name: &str| text(fields, name).replace("\r\n", "\n");
    settings.name = long("name");
    settings.tone = text(fields, "tone").parse().unwrap_or(before.tone);
    settings.greeting = long("greeting");
    settings.rules = long("rules");
    settings.split = text(fields, "split") == "1";
    let provider = match text(fields, "provider") {
        "openai" => Some(Provider::OpenAi),
        "gemini" => Some(Provider::Gemini),
        _ => None,
    };
    settings.model = provider.map(|provider| {
        let or = |name: &str, default: &str| {
            let given = text(fields, name);
            if given.is_empty() { default.to_owned() } else { given.to_owned() }
        };
        ModelSettings {
            provider,
            base_url: or("base_url", provider.base_url()),
            model: or("model", provider.default_model()),
        }
    });
    if let Some(temperature) = number(lang, fields, "temperature")? {
        settings.temperature = temperature;
    }
    settings.currency = text(fields, "currency").to_ascii_uppercase();
    settings.price_in = number(lang, fields, "price_in")?;
    settings.price_out = number(lang, fields, "price_out")?;
    settings.monthly_budget = number(lang, fields, "monthly_budget")?;
    settings
        .check()
        .map_err(|bad| wrong(bad.field, &setting_text(lang, bad.field, &bad.reason)))?;
    let seconds = |name: &str, default: Duration| {
        Ok::<_, Wrong>(
            number(lang, fields, name)?.map_or(default, |n| Duration::from_secs_f64(n.min(1e6))),
        )
    };
    let quiet = seconds("quiet", rules.quiet)?;
    let longest = seconds("longest", rules.longest_wait)?;
    if quiet > Duration::from_secs(300) {
        return Err(wrong("quiet", lang.t("De 0 a 300 segundos.", "0 to 300 seconds.")));
    }
    if longest < quiet || longest > Duration::from_secs(300) {
        return Err(wrong(
            "longest",
            lang.t(
                "Não menos que o silêncio, e até 300 segundos.",
                "No less than the silence, and up to 300 seconds.",
            ),
        ));
    }
    let rules = Rules {
        quiet,
        longest_wait: longest,
        handoff_words: long("handoff_words")
            .lines()
            .map(kernel::text::fold_words)
            .filter(|line| !line.is_empty())
            .collect(),
        store_groups: text(fields, "store_groups") == "1",
    };
    let model_key = Some(text(fields, "model_key").to_owned()).filter(|key| !key.is_empty());
    Ok(Draft { settings, rules, model_key })
}

fn setting_text(lang: Lang, field: &str, reason: &str) -> String {
    let pt = match field {
        "name" => "No máximo 60 letras.",
        "greeting" => "No máximo 500 letras.",
        "rules" => "No máximo 4.000 letras.",
        "temperature" => "De 0 a 2.",
        "currency" => "Três letras maiúsculas, como BRL ou USD.",
        "price_in" => "Os preços não podem ser negativos.",
        "monthly_budget" => {
            "Diga também os preços de entrada e saída: sem eles não se sabe o que foi gasto."
        }
        FALLBACK_KEY | MODEL_KEY => "Este provedor não responde sem uma chave: informe-a.",
        _ => reason,
    };
    lang.t(pt, reason).to_owned()
}

/// What the page shows beside the form.
struct Shown {
    settings: Settings,
    rules: Rules,
    key_set: bool,
    hours: Vec<OpeningHours>,
    confirmed: bool,
    /// The week as the documents state it.
    stated: Option<knowledge::Week>,
    spent: f64,
    changes: Vec<Entry>,
}

async fn shown<Q: Permission>(at: &At<Q>) -> Result<Shown, Failure> {
    let mut tx = at.read().await?;
    let settings = assistant::load(&mut tx).await?;
    let rules = inbox::rules(&mut tx).await?;
    let key_set = at.app.vault.has(&mut tx, MODEL_KEY).await?;
    let (hours, confirmed) = tenancy::opening_hours(&mut tx).await?;
    let spent = assistant::spent_this_month(&mut tx, at.now(), at.zone()).await?;
    let changes = if at.may(P::AuditRead) {
        let filter = Filter { action: "assistant".to_owned(), ..Filter::default() };
        identity::entries(&mut tx, &filter, 5).await?
    } else {
        Vec::new()
    };
    drop(tx);
    let today = at.tenant.day(at.now());
    let stated = at.app.library.stated_week(at.tenant.id, today).await?;
    Ok(Shown { settings, rules, key_set, hours, confirmed, stated, spent, changes })
}

async fn show(at: At<AssistantRead>) -> Result<Response, Failure> {
    let shown = shown(&at).await?;
    Ok(page(&at, &shown, None, None))
}

fn page<Q: Permission>(
    at: &At<Q>,
    shown: &Shown,
    wrong: Option<&Wrong>,
    typed: Option<&Fields>,
) -> Response {
    let lang = at.lang();
    let writes = at.may(P::AssistantWrite);
    let body = html! {
        (page_head(lang.t("Assistente", "Assistant"), lang.t(
            "Como ela se apresenta, como fala e quando chama uma pessoa. Teste ao lado antes de salvar.",
            "How it presents itself, how it speaks and when it calls a person. Try it beside before you save."), None))
        @if let Some(wrong) = wrong { (notice(ui::Tone::Bad, &format!("{} {}", lang.t("Nada foi salvo.", "Nothing was saved."), wrong.text))) }
        div.columns {
            div.stack {
                (form(at, shown, wrong, typed, writes))
                (hours::form(at, (&shown.hours, shown.confirmed), shown.stated.as_ref(), writes))
            }
            div.aside.stack {
                (chat(at))
                @if !shown.changes.is_empty() {
                    section.panel {
                        h2 { (lang.t("Últimas mudanças", "Latest changes")) }
                        ul { @for entry in &shown.changes { li.small {
                            strong { (entry.actor) } " " (words::deed(lang, &entry.action)) " " span.muted { (ui::ago(entry.at, at.now(), lang)) }
                            @if let Some(fields) = changed_fields(lang, entry) { ": " (fields) }
                        } } }
                    }
                }
            }
        }
    };
    let mut response = at.page(lang.t("Assistente", "Assistant"), &body);
    if wrong.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

fn changed_fields(lang: Lang, entry: &Entry) -> Option<String> {
    let map = entry.after.as_ref()?.as_object()?;
    let names: Vec<String> = map.keys().map(|name| words::field(lang, name)).collect();
    Some(names.join(", ")).filter(|names| !names.is_empty())
}

fn form<Q: Permission>(
    at: &At<Q>,
    shown: &Shown,
    wrong: Option<&Wrong>,
    typed: Option<&Fields>,
    writes: bool,
) -> Markup {
    let lang = at.lang();
    let settings = &shown.settings;
    let error = |field: &str| wrong.filter(|w| w.field == field).map(|w| w.text.as_str());
    // What was typed is not lost by a refusal.
    let value = |name: &str, set: String| typed.map_or(set, |fields| text(fields, name).to_owned());
    let amount = |set: Option<f64>| {
        set.map_or(String::new(), |n| n.to_string().replace('.', lang.t(",", ".")))
    };
    let tones = [
        ("casual".to_owned(), lang.t("Próximo e simples", "Close and simple").to_owned()),
        ("formal".to_owned(), lang.t("Formal e cortês", "Formal and courteous").to_owned()),
        ("technical".to_owned(), lang.t("Técnico e preciso", "Technical and precise").to_owned()),
    ];
    let tone = match settings.tone {
        Tone::Casual => "casual",
        Tone::Formal => "formal",
        Tone::Technical => "technical",
    };
    let providers = [
        (
            String::new(),
            lang.t(
                "Nenhum: responde com as frases do conhecimento",
                "None: answers with the knowledge's own sentences",
            )
            .to_owned(),
        ),
        (
            "openai".to_owned(),
            lang.t("OpenAI, ou servidor compatível", "OpenAI, or a compatible server").to_owned(),
        ),
        ("gemini".to_owned(), "Google Gemini".to_owned()),
    ];
    let model = settings.model.as_ref();
    let provider = model.map_or("", |m| m.provider.name());
    let base = model
        .filter(|m| m.base_url != m.provider.base_url())
        .map_or(String::new(), |m| m.base_url.clone());
    let seconds = |d: Duration| d.as_secs_f64().to_string().replace('.', lang.t(",", "."));
    html! {
        form.stack #assistant-form method="post" action=(at.url("/assistente")) {
            (ui::csrf_field(at.csrf()))
            fieldset {
                legend { (lang.t("Quem ela é", "Who it is")) }
                div.pair {
                    (Field::input("name", lang.t("Nome", "Name"), "text").value(&value("name", settings.name.clone())).most(60)
                        .hint(lang.t("Vazio: “assistente virtual”.", "Empty: “assistente virtual”.")).error(error("name")))
                    (Field::select("tone", lang.t("Jeito de falar", "Way of speaking"), &tones).value(&value("tone", tone.to_owned())))
                }
                (Field::area("greeting", lang.t("Saudação", "Greeting"), 2).value(&value("greeting", settings.greeting.clone())).most(500)
                    .hint(lang.t("Primeiras palavras da primeira resposta. Vazio: bom dia, nome e empresa.", "First words of the first answer. Empty: made of hour, name and business.")).error(error("greeting")))
                (Field::area("rules", lang.t("Orientações", "Guidance"), 5).value(&value("rules", settings.rules.clone())).most(4000)
                    .hint(lang.t("O que ela deve e não deve fazer. Vale quando há um modelo.", "What it must and must not do. Counts when there is a model.")).error(error("rules")))
                (Field::switch("split", lang.t("Enviar parágrafos como mensagens separadas", "Send paragraphs as messages of their own"))
                    .value(if value("split", if settings.split { "1" } else { "" }.to_owned()) == "1" { "1" } else { "" }))
            }
            fieldset {
                legend { (lang.t("Quando responde, e quando chama uma pessoa", "When it answers, and when it calls a person")) }
                div.pair {
                    (Field::input("quiet", lang.t("Espera este silêncio (segundos)", "Waits for this silence (seconds)"), "text").value(&value("quiet", seconds(shown.rules.quiet)))
                        .hint(lang.t("Quem escreve em várias mensagens recebe uma resposta só.", "Who writes in several messages gets one answer.")).error(error("quiet")))
                    (Field::input("longest", lang.t("Mas não mais que (segundos)", "But no longer than (seconds)"), "text").value(&value("longest", seconds(shown.rules.longest_wait))).error(error("longest")))
                }
                (Field::area("handoff_words", lang.t("Frases que chamam uma pessoa, uma por linha", "Phrases that call a person, one a line"), 6)
                    .value(&value("handoff_words", shown.rules.handoff_words.join("\n"))))
                p { a href=(at.url("/assistente/pedidos")) { (lang.t("Reclamações, pedidos, emergências: o que ela responde e quem é avisado", "Complaints, orders, emergencies: what it answers and who is told")) } }
                (Field::switch("store_groups", lang.t("Guardar mensagens de grupos (nunca são respondidas)", "Keep messages of groups (they are never answered)"))
                    .value(if value("store_groups", if shown.rules.store_groups { "1" } else { "" }.to_owned()) == "1" { "1" } else { "" }))
            }
            fieldset {
                legend { (lang.t("Modelo de linguagem", "Language model")) }
                (Field::select("provider", lang.t("Provedor", "Provider"), &providers).value(&value("provider", provider.to_owned())))
                div.pair {
                    (Field::input("model", lang.t("Modelo", "Model"), "text").value(&value("model", model.map_or(String::new(), |m| m.model.clone()))).most(100)
                        .hint(lang.t("Vazio: o padrão do provedor.", "Empty: the provider's default.")))
                    (Field::input("base_url", lang.t("Endereço", "Address"), "url").value(&value("base_url", base)).most(300)
                        .hint(lang.t("Vazio: o do provedor.", "Empty: the provider's own.")).error(error("base_url").or(error("model"))))
                }
                (Field::input("model_key", lang.t("Chave", "Key"), "password").complete("off").most(400)
                    .hint(if shown.key_set { lang.t("Há uma chave guardada; ela nunca é mostrada. Escreva só para trocá-la.", "A key is kept; it is never shown. Write only to replace it.") }
                        else { lang.t("Nenhuma chave guardada.", "No key is kept.") }).error(error(MODEL_KEY)))
                (Field::input("currency", lang.t("Moeda dos preços", "Currency of the prices"), "text").value(&value("currency", settings.currency.clone())).most(3)
                    .hint(lang.t("Como está na tabela do provedor: USD, BRL…", "As in the provider's list: USD, BRL…")).error(error("currency")))
                div.pair {
                    (Field::input("price_in", lang.t("Preço por milhão de tokens de entrada", "Price of a million tokens in"), "text").value(&value("price_in", amount(settings.price_in))).error(error("price_in")))
                    (Field::input("price_out", lang.t("Preço por milhão de saída", "Price of a million out"), "text").value(&value("price_out", amount(settings.price_out))).error(error("price_out")))
                }
                div.pair {
                    (Field::input("monthly_budget", lang.t("Orçamento do mês", "Budget of the month"), "text").value(&value("monthly_budget", amount(settings.monthly_budget)))
                        .hint(&format!("{} {}. {}", lang.t("Gasto neste mês:", "Spent this month:"), ui::money(shown.spent, &settings.currency, lang),
                            lang.t("Acabado o orçamento, o conhecimento responde sozinho.", "Once it is spent, the knowledge answers alone."))).error(error("monthly_budget")))
                    (Field::input("temperature", lang.t("Temperatura (0 a 2)", "Temperature (0 to 2)"), "text").value(&value("temperature", amount(Some(settings.temperature)))).error(error("temperature")))
                }
            }
            @if writes { div.row { (ui::submit(lang.t("Salvar assistente", "Save assistant"))) } }
        }
    }
}

/// Whether the next words are the first of the conversation, which is greeted.
fn first_words(first: bool, again: bool) -> Markup {
    html! { input #first type="hidden" name="first" value=(if first { "1" } else { "" }) hx-swap-oob=[again.then_some("true")]; }
}

fn chat<Q: Permission>(at: &At<Q>) -> Markup {
    let lang = at.lang();
    html! {
        form.panel.stack method="post" action=(at.url("/assistente/testar")) hx-post=(at.url("/assistente/testar"))
            hx-include="#assistant-form" hx-target="#teste" hx-swap="beforeend" data-again {
            h2 { (lang.t("Testar o rascunho", "Try the draft")) }
            p.small.muted { (lang.t("Usa o formulário como está agora, salvo ou não. Nada é enviado a ninguém.", "Uses the form as it is now, saved or not. Nothing is sent to anybody.")) }
            div.thread #teste role="log" aria-live="polite" tabindex="0" aria-label=(lang.t("Conversa de teste", "Test conversation")) {}
            (ui::csrf_field(at.csrf()))
            (first_words(true, false))
            (Field::input("question", lang.t("Mensagem de cliente", "A customer's message"), "text").required().most(1000).complete("off"))
            div.row { button type="submit" { (lang.t("Enviar teste", "Send test")) } }
        }
    }
}

async fn save(at: At<AssistantWrite>, Form(fields): Form<Fields>) -> Result<Response, Failure> {
    let lang = at.lang();
    let before = shown(&at).await?;
    let refuse = |wrong: &Wrong| {
        if at.scripted() {
            let mut all = no_numbers(lang, &fields);
            if all.iter().any(|(field, _)| *field == wrong.field) {
                return Err(Failure::Fields(all));
            }
            // The vault's name of the key is not the form's.
            let field = if wrong.field == MODEL_KEY { "model_key" } else { &wrong.field };
            all.push((field.to_owned(), wrong.text.clone()));
            return Err(Failure::Fields(all));
        }
        Ok(page(&at, &before, Some(wrong), Some(&fields)))
    };
    let mut draft = match read(lang, &fields, &before.settings, &before.rules) {
        Ok(draft) => draft,
        Err(wrong) => return refuse(&wrong),
    };
    if let Some(model) = &mut draft.settings.model {
        match at.app.outbound.check(&model.base_url) {
            Ok(url) => model.base_url = url,
            Err(bad) => {
                return refuse(&wrong("base_url", &crate::causes::cause(lang, &bad.to_string())));
            }
        }
    }
    let now = at.now();
    let mut tx = at.begin().await?;
    assistant::save(&mut tx, &draft.settings, now).await?;
    inbox::set_rules(&mut tx, &draft.rules).await?;
    let new_key = draft.model_key.is_some();
    let models = (before.settings.model.as_ref(), draft.settings.model.as_ref());
    match assistant::keep_key(&mut tx, &at.app.vault, MODEL_KEY, draft.model_key, models, now).await
    {
        Ok(_) => {}
        Err(assistant::KeyError::Settings(bad)) => {
            drop(tx);
            return refuse(&wrong(MODEL_KEY, &setting_text(lang, MODEL_KEY, &bad.reason)));
        }
        Err(assistant::KeyError::Vault(error)) => return Err(error.into()),
    }
    let json = |settings: &Settings, rules: &Rules, key: bool| {
        let mut value = serde_json::to_value(settings).unwrap_or_default();
        value["quiet_seconds"] = json!(rules.quiet.as_secs_f64());
        value["longest_wait_seconds"] = json!(rules.longest_wait.as_secs_f64());
        value["handoff_words"] = json!(rules.handoff_words);
        value["store_groups"] = json!(rules.store_groups);
        if key {
            value["model_api_key"] = json!("new");
        }
        value
    };
    let change = (
        Some(json(&before.settings, &before.rules, false)),
        Some(json(&draft.settings, &draft.rules, new_key)),
    );
    at.note(&mut tx, "assistant.changed", "", change).await?;
    tx.commit().await?;
    Ok(at.done("/assistente", "salvo"))
}

/// Answers a question as the form would have it.
async fn try_draft(at: At<AssistantRead>, Form(fields): Form<Fields>) -> Result<Response, Failure> {
    let lang = at.lang();
    let question = text(&fields, "question");
    let first = text(&fields, "first") == "1";
    if question.is_empty() || question.chars().count() > 1000 {
        return Err(Problem::field(
            "question",
            lang.t("Escreva de 1 a 1.000 letras.", "Write 1 to 1,000 letters."),
        )
        .into());
    }
    let held = at.app.contexts.get(at.tenant.id).await?.ok_or_else(Failure::not_found)?;
    let mut context = (*held).clone();
    // Without the form, as a plain request, the saved one is tried.
    if fields.contains_key("handoff_words") {
        let draft = match read(lang, &fields, &context.settings, &context.rules) {
            Ok(draft) => draft,
            Err(wrong) => return Err(Problem::field(wrong.field, wrong.text).into()),
        };
        context.models = drafted_models(&at, &context.models, &held.settings, &draft)?;
        context.settings = draft.settings;
        context.rules = draft.rules;
    }
    let reply = at.app.answerer.chat(&at.app.db, &context, question, first).await?;
    crate::home::note_tried(&at, &reply).await?;
    let trace = &reply.trace;
    let sources: Vec<Value> = trace["sources"].as_array().cloned().unwrap_or_default();
    let trouble: Vec<String> = trace["models"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["outcome"] != "said")
        .map(|one| {
            let outcome = one["outcome"].as_str().unwrap_or_default();
            format!(
                "{}: {}",
                one["model"].as_str().unwrap_or_default(),
                crate::causes::model_outcome(lang, outcome)
            )
        })
        .collect();
    let said = html! {
        div.bubble.in { p { (question) } }
        div.bubble.out {
            p { (ui::chat_text(if reply.text.is_empty() { lang.t("(nenhuma resposta é necessária)", "(no answer is needed)") } else { reply.text.as_str() })) }
            @if let Some(reason) = reply.hand_over { p.foot { (badge(ui::Tone::Warn, words::event(lang, reason.name()))) } }
            @if !sources.is_empty() {
                details.sources {
                    summary { (lang.t("Fontes", "Sources")) " (" (sources.len()) ") · " (format!("{:.0}%", reply.confidence * 100.0)) }
                    @for source in &sources { (crate::conversation::source_view(source)) }
                }
            }
            @for line in trouble { p.small.failed { (line) } }
        }
    };
    if at.me.visitor.headers.contains_key("hx-request") {
        return Ok(html! { (said) (first_words(false, true)) }.into_response());
    }
    let body = html! {
        (page_head(lang.t("Testar o rascunho", "Try the draft"), "", None))
        div.panel.thread { (said) }
        p { a.button href=(at.url("/assistente")) { (lang.t("Voltar", "Back")) } }
    };
    Ok(at.page(lang.t("Testar o rascunho", "Try the draft"), &body))
}

/// The models of a draft. The key that is kept goes only to the server it was given for.
fn drafted_models(
    at: &At<AssistantRead>,
    held: &[ModelRef],
    before: &Settings,
    draft: &Draft,
) -> Result<Vec<ModelRef>, Failure> {
    let Some(model) = &draft.settings.model else { return Ok(Vec::new()) };
    let base_url = at
        .app
        .outbound
        .check(&model.base_url)
        .map_err(|bad| Problem::field("base_url", bad.to_string()))?;
    let same = before
        .model
        .as_ref()
        .is_some_and(|b| b.provider == model.provider && b.base_url == base_url);
    // Somebody who may not change the assistant sends nothing to other servers.
    if !same && !at.may(P::AssistantWrite) {
        return Err(Failure::forbidden());
    }
    let kept = held.first().filter(|_| same).map(|m| m.api_key.clone());
    let api_key = draft.model_key.clone().or(kept).unwrap_or_default();
    let mut models =
        vec![ModelRef { provider: model.provider, base_url, api_key, model: model.model.clone() }];
    models.extend(held.iter().skip(1).cloned());
    Ok(models)
}
