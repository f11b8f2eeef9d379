//! The operator's pages: businesses with their state and volume, support access, who runs the house,
//! and, in the demo, the mailbox.

use std::time::Duration;

use axum::extract::{Query, RawPathParams};
use axum::http::StatusCode;
use axum::response::Response;
use identity::{Change, PersonError, Role};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tenancy::{NewTenant, State, Tenant};
use ui::{Field, Icon, NavItem, Tone, badge, notice, page_head};
use web::Problem;

use crate::address::redirect;
use crate::app::Work;
use crate::door::{Operator, PageId, Visitor};
use crate::failure::Failure;
use crate::form::Form;
use crate::letters;
use crate::registry::{PageAccess, Pages};
use crate::words;

pub(crate) fn pages(pages: &mut Pages) {
    let operator = PageAccess::Operator;
    pages.page("/painel/operador", operator, show);
    pages.action("/painel/operador/empresas", operator, create);
    pages.page("/painel/operador/empresas/{slug}", operator, one);
    pages.action("/painel/operador/empresas/{slug}/estado", operator, set_state);
    pages.action("/painel/operador/empresas/{slug}/convidar", operator, invite_owner);
    pages.action("/painel/operador/empresas/{slug}/convites/{id}/retirar", operator, withdraw);
    pages.action("/painel/operador/empresas/{slug}/suporte", operator, start_support);
    pages.action("/painel/operador/empresas/{slug}/sair", operator, end_support);
    pages.page("/painel/caixa", PageAccess::Demo, mailbox);
}

/// The navigation of the operator's pages.
pub(crate) fn nav(lang: ui::Lang, here: &str) -> Vec<NavItem> {
    [
        ("/painel/operador", Icon::Building, lang.t("Empresas", "Businesses")),
        ("/painel/operador/equipe", Icon::People, lang.t("Operadores", "Operators")),
        ("/painel/operador/chaves", Icon::Key, lang.t("Chaves", "Keys")),
        ("/painel/operador/gateway", Icon::Plug, "Gateways"),
        ("/painel/operador/marca", Icon::Palette, lang.t("Marca", "Brand")),
        ("/painel/operador/auditoria", Icon::Scroll, lang.t("Auditoria", "Audit trail")),
    ]
    .into_iter()
    .map(|(href, icon, text)| NavItem {
        current: here.split('?').next() == Some(href)
            || (href == "/painel/operador" && here.starts_with("/painel/operador/empresas/")),
        href: href.to_owned(),
        icon,
        text: text.to_owned(),
        count: None,
        // The bar of phones has room for four, and the menu for all.
        thumb: !matches!(href, "/painel/operador/marca" | "/painel/operador/auditoria"),
    })
    .collect()
}

const DAY: Duration = Duration::from_secs(86_400);
/// Businesses of a page.
const ROWS: usize = 100;

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    depois: String,
}

async fn show(Operator(me): Operator, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let mut tenants = tenancy::list(&app.db, &wanted.depois, ROWS + 1).await?;
    let more = tenants.len() > ROWS;
    tenants.truncate(ROWS);
    let now = app.clock.now();
    let queues = app.operations.queues().await?;
    let mut rows = Vec::new();
    for tenant in &tenants {
        let mut tx = app.db.read(tenant.id).await?;
        let figures = inbox::figures(&mut tx, now - DAY).await?;
        let channels = channels::list(&mut tx).await?;
        let cost = cost(&mut tx, tenant, now, lang).await?;
        drop(tx);
        let queue = work(&queues, tenant);
        let alarms = channels.iter().filter(|c| c.alarm.is_some()).count();
        rows.push((tenant, figures, alarms, queue, cost));
    }
    let body = html! {
        (page_head(lang.t("Empresas", "Businesses"), "", None))
        @if tenants.is_empty() {
            (ui::empty(Icon::Building, lang.t("Nenhuma empresa ainda", "No business yet"), lang.t("Crie a primeira abaixo: leva um segundo.", "Make the first one below: it takes a second."), None))
        } @else {
            div.scroll tabindex="0" role="region" aria-label=(lang.t("Tabela", "Table")) { table {
                thead { tr {
                    th scope="col" { (lang.t("Empresa", "Business")) } th scope="col" { (lang.t("Estado", "State")) }
                    th.num scope="col" { (lang.t("Conversas, 24 h", "Conversations, 24 h")) } th.num scope="col" { (lang.t("Esperando", "Waiting")) }
                    th.num scope="col" { (lang.t("Fila", "Queue")) } th.num scope="col" { (lang.t("Falhas", "Failures")) } th.num scope="col" { (lang.t("Custo no mês", "Cost this month")) }
                } }
                tbody { @for (tenant, figures, alarms, queue, cost) in &rows { tr {
                    th scope="row" { a href=(format!("/painel/operador/empresas/{}", tenant.slug)) { (tenant.name) } p.small.muted { (tenant.slug) } }
                    td { @let (text, tone) = words::tenant_state(lang, tenant.state); (badge(tone, text)) }
                    td.num { (ui::count(figures.conversations, lang)) }
                    td.num { (ui::count(figures.waiting, lang)) }
                    td.num { (ui::count(queue.waiting, lang)) }
                    td.num { @if *alarms > 0 || queue.dead > 0 { (badge(Tone::Bad, &format!("{}", *alarms as i64 + queue.dead))) } @else { "0" } }
                    td.num { (cost) }
                } } }
            } }
            @if more { @if let Some(last) = tenants.last() { p { a.button href=(format!("/painel/operador?depois={}", last.slug)) { (lang.t("Mais", "More")) } } } }
        }
        section {
            form.panel.stack method="post" action="/painel/operador/empresas" {
                (ui::csrf_field(&me.visitor.csrf))
                h2 { (lang.t("Nova empresa", "New business")) }
                div.pair {
                    (Field::input("name", lang.t("Nome", "Name"), "text").required().most(120))
                    (Field::input("slug", lang.t("Identificador no endereço (slug)", "Identifier in addresses (slug)"), "text").required().most(40).hint(lang.t("Letras minúsculas, números e -, como clinica-sol.", "Lower-case letters, digits and -, such as clinica-sol.")))
                }
                div.pair {
                    (Field::select("language", lang.t("Idioma da assistente", "Language of the assistant"), &crate::settings::languages()).value("pt-BR"))
                    (Field::input("time_zone", lang.t("Fuso horário", "Time zone"), "text").value("America/Sao_Paulo").required().most(60))
                }
                (Field::input("owner", lang.t("E-mail de quem será dono (opcional)", "E-mail of its owner (optional)"), "email").hint(lang.t("Recebe o convite por e-mail.", "Gets the invitation by e-mail.")))
                div.row { (ui::submit(lang.t("Criar empresa", "Make business"))) }
            }
        }
    };
    Ok(me.page(lang.t("Empresas", "Businesses"), &body))
}

fn work(queues: &[(kernel::TenantId, Work)], tenant: &Tenant) -> Work {
    queues.iter().find(|(id, _)| *id == tenant.id).map(|(_, work)| *work).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
struct NewBusiness {
    name: String,
    slug: String,
    #[serde(default)]
    owner: String,
    #[serde(default = "portuguese")]
    language: String,
    #[serde(default = "sao_paulo")]
    time_zone: String,
}

fn portuguese() -> String {
    "pt-BR".to_owned()
}

fn sao_paulo() -> String {
    "America/Sao_Paulo".to_owned()
}

async fn create(
    Operator(me): Operator,
    Form(form): Form<NewBusiness>,
) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let slug = form
        .slug
        .trim()
        .parse()
        .map_err(|bad: kernel::slug::BadSlug| Problem::field("slug", bad.to_string()))?;
    let new = NewTenant {
        slug,
        name: form.name.trim().to_owned(),
        language: form.language,
        time_zone: form.time_zone.trim().to_owned(),
        state: State::Active,
    };
    let owner = form.owner.trim();
    if !owner.is_empty() {
        // Looked at before the business is made: what is refused makes nothing.
        own_address(&mut app.db.read_system().await?, owner, lang).await?;
    }
    let tenant = app.operations.create_tenant(new).await?;
    let now = app.clock.now();
    let mut tx = app.db.begin_system().await?;
    note(&me, &mut tx, Some(&tenant), "tenant.created", tenant.slug.as_str(), None).await?;
    let mut link = None;
    if !owner.is_empty() {
        let by = (Some(me.person.id), me.person.name.as_str(), now);
        let made =
            letters::post_invitation(app, &mut tx, owner, Some((&tenant, Role::Owner)), by, lang)
                .await?;
        link = Some(made.map_err(|refused| Problem::field("owner", refused.to_string()))?);
    }
    tx.commit().await?;
    match link {
        Some(url) => tenant_page(&me, &tenant, Some(invited(app, lang, &url))).await,
        None => Ok(redirect(&format!("/painel/operador/empresas/{}", tenant.slug))),
    }
}

/// What is said of an invitation. The link itself is shown only where no letter carries it: who opens
/// it proves that the address is theirs.
pub(crate) fn invited(app: &crate::app::App, lang: ui::Lang, url: &str) -> Markup {
    if app.options.mails {
        return html! { div.notice.good role="status" { div { p { (lang.t("O convite está a caminho. O link vale por 7 dias.", "The invitation is on its way. Its link works for 7 days.")) } } } };
    }
    html! {
        div.notice.good role="status" { div {
            p { (lang.t("Sem servidor de e-mail (smtp.url), entregue este link só a quem foi convidado. Ele não será mostrado de novo:", "Without a mail server (smtp.url), hand this link to the person who is invited only. It is not shown again:")) }
            div data-once { (ui::copyable(lang.t("Link do convite", "Link of the invitation"), url, lang.t("Copiar", "Copy"))) }
        } }
    }
}

pub(crate) async fn note(
    me: &crate::door::Me,
    tx: &mut db::SystemTx,
    tenant: Option<&Tenant>,
    action: &'static str,
    target: &str,
    after: Option<serde_json::Value>,
) -> Result<(), Failure> {
    let change = Change {
        actor: &me.actor(),
        action,
        target: target.to_owned(),
        before: None,
        after,
        address: &me.visitor.address,
    };
    let now = me.visitor.app.clock.now();
    identity::house_audit(tx, tenant.map(|t| t.id), &change, now).await?;
    Ok(())
}

async fn tenant(me: &crate::door::Me, params: &RawPathParams) -> Result<Tenant, Failure> {
    let slug = params.iter().find(|(name, _)| *name == "slug").map_or("", |(_, value)| value);
    match tenancy::by_slug(&me.visitor.app.db, slug).await {
        Ok(tenant) => Ok(tenant),
        Err(tenancy::TenantError::NoSuchTenant(_)) => Err(Failure::not_found()),
        Err(other) => Err(Problem::from(other).into()),
    }
}

async fn one(Operator(me): Operator, params: RawPathParams) -> Result<Response, Failure> {
    let tenant = tenant(&me, &params).await?;
    tenant_page(&me, &tenant, None).await
}

/// What models cost a business this month; a dash when nobody said what they cost.
async fn cost(
    tx: &mut db::TenantTx,
    tenant: &Tenant,
    now: kernel::Moment,
    lang: ui::Lang,
) -> Result<String, db::Error> {
    let settings = assistant::load(tx).await?;
    let spent = assistant::spent_this_month(tx, now, &tenant.time_zone).await?;
    let known = spent > 0.0 || (settings.price_in.is_some() && settings.price_out.is_some());
    Ok(if known { ui::money(spent, &settings.currency, lang) } else { "–".to_owned() })
}

async fn tenant_page(
    me: &crate::door::Me,
    tenant: &Tenant,
    said: Option<Markup>,
) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let now = app.clock.now();
    let mut tx = app.db.read(tenant.id).await?;
    let figures = inbox::figures(&mut tx, now - 7 * DAY).await?;
    let channels = channels::list(&mut tx).await?;
    let cost = cost(&mut tx, tenant, now, lang).await?;
    drop(tx);
    let queue = work(&app.operations.queues().await?, tenant);
    let mut tx = app.db.read_system().await?;
    let members = identity::members(&mut tx, tenant.id).await?;
    let grants = identity::grants(&mut tx, tenant.id).await?;
    let stay = identity::grant_for(&mut tx, tenant.id, me.person.id, now).await?;
    let invitations = identity::invitations(&mut tx, tenant.id, now).await?;
    drop(tx);
    let ownerless = !members.iter().any(|member| member.role == Role::Owner);
    let csrf = &me.visitor.csrf;
    let act = |path: &str| format!("/painel/operador/empresas/{}/{path}", tenant.slug);
    let states: Vec<(String, String)> = State::ALL
        .into_iter()
        .map(|s| (s.name().to_owned(), words::tenant_state(lang, s).0.to_owned()))
        .collect();
    let hours: Vec<(String, String)> =
        [1, 2, 4].into_iter().map(|h| (h.to_string(), format!("{h} h"))).collect();
    let (text, tone) = words::tenant_state(lang, tenant.state);
    let body = html! {
        (page_head(&tenant.name, tenant.slug.as_str(), Some(html! { (badge(tone, text)) (ui::link_button("/painel/operador", lang.t("Voltar", "Back"))) })))
        @if let Some(said) = said { (said) }
        div.numbers {
            (ui::number_card(&ui::count(figures.conversations, lang), lang.t("conversas em 7 dias", "conversations in 7 days"), None))
            (ui::number_card(&ui::percent(figures.by_assistant, figures.conversations), lang.t("só com a assistente", "by the assistant alone"), None))
            (ui::number_card(&ui::percent(figures.unanswered, figures.conversations), lang.t("com pergunta sem resposta", "with a question unanswered"), None))
            (ui::number_card(&ui::count(figures.waiting, lang), lang.t("esperando agora", "waiting now"), None))
            (ui::number_card(&ui::count(queue.waiting, lang), lang.t("na fila", "in the queue"), None))
            (ui::number_card(&ui::count(queue.dead, lang), lang.t("falhas a ver", "failures to look at"), None))
            (ui::number_card(&cost, lang.t("custo de modelos no mês", "cost of models this month"), None))
        }
        section.columns {
            div.stack {
                div.panel {
                    h2 { (lang.t("Canais", "Channels")) }
                    @if channels.is_empty() { p.muted { (lang.t("Nenhum.", "None.")) } }
                    ul { @for channel in &channels { li.row.between {
                        span { (channel.instance) " " span.small.muted { (words::kind(&channel.kind)) } }
                        @let (text, tone) = words::link_state(lang, channel.state);
                        (badge(tone, text))
                    } } }
                }
                div.panel {
                    h2 { (lang.t("Equipe", "Team")) }
                    @for open in invitations.iter().filter(|_| ownerless) { div.row.between {
                        span { (open.email) " " span.small.muted { (lang.t("convite aberto até ", "invitation open until ")) (ui::date(open.expires_at, &tenant.time_zone, lang)) } }
                        form method="post" action=(act(&format!("convites/{}/retirar", open.id))) { (ui::csrf_field(csrf)) button.quiet type="submit" { (lang.t("Retirar", "Withdraw")) } }
                    } }
                    @if members.is_empty() && invitations.is_empty() { p.muted { (lang.t("Ninguém ainda: convide quem será dono.", "Nobody yet: invite its owner.")) } }
                    ul { @for member in &members { li.row.between { span { (member.name) " " span.small.muted { (member.email) } } (badge(Tone::Neutral, words::role(lang, member.role))) } } }
                    @if ownerless {
                        form.stack method="post" action=(act("convidar")) {
                            (ui::csrf_field(csrf))
                            (Field::input("email", lang.t("Convidar como dono", "Invite as owner"), "email").required())
                            div.row { button type="submit" { (lang.t("Enviar convite", "Send invitation")) } }
                        }
                    }
                }
            }
            div.stack {
                div.panel.stack {
                    h2 { (lang.t("Acesso de suporte", "Support access")) }
                    p.muted { (lang.t("Entra na empresa como administração, por tempo limitado. A empresa vê o motivo, e fica na auditoria dela.", "Enters the business as an administrator, for a limited time. The business sees the reason, and it is in its audit trail.")) }
                    @match &stay {
                        Some(stay) => {
                            (notice(Tone::Warn, &format!("{} {}", lang.t("Aberto até", "Open until"), ui::clock_time(stay.expires_at, &tenant.time_zone))))
                            div.row {
                                a.button.primary href=(format!("/painel/t/{}", tenant.slug)) { (lang.t("Entrar", "Enter")) }
                                form method="post" action=(act("sair")) { (ui::csrf_field(csrf)) button type="submit" { (lang.t("Encerrar acesso", "End access")) } }
                            }
                        }
                        None => form.stack method="post" action=(act("suporte")) {
                            (ui::csrf_field(csrf))
                            (Field::input("reason", lang.t("Motivo", "Reason"), "text").required().most(200))
                            (Field::select("hours", lang.t("Por quanto tempo", "For how long"), &hours).value("1"))
                            div.row { button type="submit" { (lang.t("Pedir acesso", "Get access")) } }
                        },
                    }
                    @if !grants.is_empty() {
                        details { summary { (lang.t("Acessos anteriores", "Earlier stays")) }
                            ul { @for grant in &grants { li.small { (ui::date_time(grant.created_at, &tenant.time_zone, lang)) ": " (grant.reason) } } } }
                    }
                }
                form.panel.stack method="post" action=(act("estado")) {
                    (ui::csrf_field(csrf))
                    (Field::select("state", lang.t("Estado da empresa", "State of the business"), &states).value(tenant.state.name())
                        .hint(lang.t("Suspensa: o que chega é guardado, nada sai. Arquivada: nada entra nem sai.", "Suspended: what comes is stored, nothing leaves. Archived: nothing comes in or leaves.")))
                    div.row { button type="submit" { (lang.t("Mudar estado", "Change state")) } }
                }
            }
        }
    };
    Ok(me.page(&tenant.name, &body))
}

#[derive(Debug, Deserialize)]
struct NewState {
    state: String,
}

async fn set_state(
    Operator(me): Operator,
    params: RawPathParams,
    Form(form): Form<NewState>,
) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let before = tenant(&me, &params).await?;
    let state: State = form
        .state
        .parse()
        .map_err(|bad: tenancy::UnknownState| Problem::field("state", bad.to_string()))?;
    app.operations.set_state(before.slug.as_str(), state).await?;
    let mut tx = app.db.begin_system().await?;
    let after = Some(json!({ "before": before.state, "after": state }));
    note(&me, &mut tx, Some(&before), "tenant.state_changed", before.slug.as_str(), after).await?;
    tx.commit().await?;
    Ok(redirect(&format!("/painel/operador/empresas/{}", before.slug)))
}

#[derive(Debug, Deserialize)]
struct Address {
    email: String,
}

/// A business that has an owner is theirs: the house enters it by support access only.
async fn ownerless(tx: &mut db::SystemTx, tenant: &Tenant, lang: ui::Lang) -> Result<(), Failure> {
    let members = identity::members(tx, tenant.id).await?;
    if members.iter().any(|member| member.role == Role::Owner) {
        let why = lang.t(
            "A empresa já tem quem é dono: essa pessoa convida as outras.",
            "The business has an owner already, who invites the others.",
        );
        return Err(Problem::field("email", why).into());
    }
    Ok(())
}

/// Whoever runs the house enters a business by support access, not as its owner.
async fn own_address(tx: &mut db::SystemTx, email: &str, lang: ui::Lang) -> Result<(), Failure> {
    let person = identity::person_by_email(tx, email).await?;
    if person.is_some_and(|person| person.operator) {
        let why = lang.t(
            "Este é o e-mail de um operador. Operadores entram pelo acesso de suporte.",
            "This is an operator's address. Operators enter by support access.",
        );
        return Err(Problem::field("email", why).into());
    }
    Ok(())
}

/// Takes an invitation back, while the business has no owner who would.
async fn withdraw(
    Operator(me): Operator,
    params: RawPathParams,
    PageId(id): PageId<kernel::id::LinkKind>,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let tenant = tenant(&me, &params).await?;
    let mut tx = app.db.begin_system().await?;
    ownerless(&mut tx, &tenant, me.lang()).await?;
    let email = identity::withdraw(&mut tx, tenant.id, id, app.clock.now())
        .await?
        .ok_or_else(Failure::not_found)?;
    note(&me, &mut tx, Some(&tenant), "invitation.withdrawn", &email, None).await?;
    tx.commit().await?;
    Ok(redirect(&format!("/painel/operador/empresas/{}", tenant.slug)))
}

async fn invite_owner(
    Operator(me): Operator,
    params: RawPathParams,
    Form(form): Form<Address>,
) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let tenant = tenant(&me, &params).await?;
    let mut tx = app.db.begin_system().await?;
    ownerless(&mut tx, &tenant, lang).await?;
    own_address(&mut tx, &form.email, lang).await?;
    let by = (Some(me.person.id), me.person.name.as_str(), app.clock.now());
    let made =
        letters::post_invitation(app, &mut tx, &form.email, Some((&tenant, Role::Owner)), by, lang)
            .await?;
    let url = made.map_err(|refused: PersonError| Problem::field("email", refused.to_string()))?;
    note(
        &me,
        &mut tx,
        Some(&tenant),
        "member.invited",
        form.email.trim(),
        Some(json!({ "role": Role::Owner })),
    )
    .await?;
    tx.commit().await?;
    tenant_page(&me, &tenant, Some(invited(app, lang, &url))).await
}

#[derive(Debug, Deserialize)]
struct Stay {
    reason: String,
    hours: u64,
}

async fn start_support(
    Operator(me): Operator,
    params: RawPathParams,
    Form(form): Form<Stay>,
) -> Result<Response, Failure> {
    let (app, lang) = (&me.visitor.app, me.lang());
    let tenant = tenant(&me, &params).await?;
    let reason = form.reason.trim();
    if reason.chars().count() < 5 || reason.parse::<kernel::line::Line<200>>().is_err() {
        return Err(Problem::field(
            "reason",
            lang.t("Diga o motivo, com 5 a 200 letras.", "Give the reason, in 5 to 200 letters."),
        )
        .into());
    }
    let hours = form.hours.clamp(1, 4);
    let mut tx = app.db.begin_system().await?;
    let lasts = (Duration::from_secs(hours * 3600), app.clock.now());
    identity::grant(&mut tx, tenant.id, me.person.id, reason, lasts).await?;
    letters::post_support(app, &mut tx, &tenant, (reason, lasts.1 + lasts.0)).await?;
    note(
        &me,
        &mut tx,
        Some(&tenant),
        "support.started",
        tenant.slug.as_str(),
        Some(json!({ "reason": reason, "hours": hours })),
    )
    .await?;
    tx.commit().await?;
    Ok(redirect(&format!("/painel/t/{}", tenant.slug)))
}

#[derive(Debug, Deserialize)]
struct Nothing {}

async fn end_support(
    Operator(me): Operator,
    params: RawPathParams,
    Form(_): Form<Nothing>,
) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let tenant = tenant(&me, &params).await?;
    let mut tx = app.db.begin_system().await?;
    identity::end_grant(&mut tx, tenant.id, Some(me.person.id), app.clock.now()).await?;
    note(&me, &mut tx, Some(&tenant), "support.ended", tenant.slug.as_str(), None).await?;
    tx.commit().await?;
    Ok(redirect(&format!("/painel/operador/empresas/{}", tenant.slug)))
}

/// Letters of the demo, which has no mail server.
async fn mailbox(visitor: Visitor) -> Result<Response, Failure> {
    let lang = visitor.lang;
    if !visitor.app.options.mailbox {
        return Err(Failure::not_found());
    }
    let mut tx = visitor.app.db.read_system().await?;
    let mails = identity::mailbox(&mut tx, 50).await?;
    drop(tx);
    let body = html! {
        h1 { (lang.t("Caixa de correio da demonstração", "Mailbox of the demo")) }
        @if mails.is_empty() { p.muted { (lang.t("Nenhum e-mail ainda.", "No e-mail yet.")) } }
        @for mail in &mails {
            article.panel {
                p { strong { (mail.subject) } }
                p.small.muted { (mail.sender_name) " → " (mail.to) }
                @for line in mail.body.lines() {
                    @if line.starts_with("http://") || line.starts_with("https://") { p { a href=(line) { (lang.t("Abrir o link", "Open the link")) } } }
                    @else { p { (line) } }
                }
            }
        }
    };
    Ok(visitor.bare(StatusCode::OK, lang.t("Caixa de correio", "Mailbox"), &body))
}
