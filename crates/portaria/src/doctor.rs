//! `doctor`: is this installation sound, and does it keep tenants apart?

mod machine;

use anyhow::{Context as _, bail};
use serde::Serialize;
use tenancy::{NewTenant, State};

use crate::house::House;
use crate::{redis, tenants};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) ok: bool,
    pub(crate) found: String,
}

fn check(what: &str, ok: bool, found: impl Into<String>) -> Check {
    Check { what: what.to_owned(), ok, found: found.into() }
}

/// Looks at everything a running installation needs.
pub(crate) async fn general(house: &House) -> Vec<Check> {
    let mut out = Vec::new();
    match house.db.ping().await {
        Ok(took) => out.push(check(
            "database",
            true,
            format!("{} answers in {:.1} ms", house.db.engine().name(), took.as_secs_f64() * 1e3),
        )),
        Err(error) => out.push(check("database", false, error.to_string())),
    }
    if let Some(address) = &house.config.redis_url {
        let pong = redis::ping(address).await;
        out.push(check("redis", pong.is_ok(), pong.err().unwrap_or_else(|| "answers".to_owned())));
    }
    let age = queue::heartbeat_age(&house.db, house.clock.now()).await.ok().flatten();
    out.push(match age {
        Some(age) if age.as_secs() < 60 => {
            check("worker", true, format!("seen {} s ago", age.as_secs()))
        }
        Some(age) => check(
            "worker",
            false,
            format!("silent for {} s: start `portaria serve`", age.as_secs()),
        ),
        None => check("worker", false, "none runs: start `portaria serve`"),
    });
    let dead = queue::dead(&house.db, None, 1000).await.map_or(0, |list| list.len());
    let found =
        if dead == 0 { "none".to_owned() } else { format!("{dead}: see `portaria queue dead`") };
    out.push(check("dead letters", dead == 0, found));
    out.push(match queue::retrying(&house.db).await {
        Ok(None) => check("retries", true, "none"),
        Ok(Some((count, cause))) => check(
            "retries",
            false,
            format!("{count} jobs failed and are tried again; the latest: {cause}"),
        ),
        Err(error) => check("retries", false, error.to_string()),
    });
    match channels::alarms(&house.db).await {
        Ok(list) if list.is_empty() => out.push(check("channels", true, "no alarms")),
        Ok(list) => {
            for (slug, instance, alarm) in list {
                out.push(check(&format!("channel {instance} of {slug}"), false, alarm));
            }
        }
        Err(error) => out.push(check("channels", false, error.to_string())),
    }
    match channels::short_tokens(&house.db, &house.vault).await {
        Ok(list) => out.extend(list.into_iter().map(|(slug, instance)| {
            let fault = format!(
                "its webhook token has fewer than {} characters; `portaria channel rotate --tenant {slug} \
                 {instance} --new-webhook-token` makes another, and the old one holds a day more",
                channels::WEBHOOK_TOKEN
            );
            check(&format!("channel {instance} of {slug}"), false, fault)
        })),
        Err(error) => out.push(check("webhook tokens", false, error.to_string())),
    }
    out.push(match house.library.reader().probe().await {
        Ok(()) => check("reading of files", true, "in a process of its own, with limits"),
        Err(cause) => check(
            "reading of files",
            false,
            format!("{cause}; where the kernel filters no system calls, files.unfiltered = true goes without"),
        ),
    });
    out.push(match house.files.disk().space() {
        None => check("disk", false, "cannot be asked how much room it has"),
        Some(space) => check(
            "disk",
            !space.is_low(),
            format!(
                "{} MiB free; below {} MiB no file is taken, texts are",
                space.free >> 20,
                space.reserve >> 20
            ),
        ),
    });
    out.extend(machine::look(house).await);
    let token = house.config.admin_token.is_some();
    out.push(check(
        "operator's token",
        true,
        if token {
            "set"
        } else {
            "not set: /v1/tenants and /v1/queue stay shut (PORTARIA_ADMIN_TOKEN)"
        },
    ));
    out.push(check(
        "names of the five systems",
        true,
        format!("{} rows, see `portaria config names`", crate::names::NAMES.len()),
    ));
    out
}

const KNOWS_X: &[(&str, &str)] = &[
    ("Quanto custa o produto?", "O produto X custa R$ 100 e é azul."),
    ("Qual a garantia do produto?", "O produto X tem garantia de 1 ano."),
];
const KNOWS_Y: &[(&str, &str)] = &[
    ("Quanto custa o produto?", "O produto Y custa R$ 200 e é vermelho."),
    ("Qual a garantia do produto?", "O produto Y tem garantia de 2 anos."),
];

/// Whether people can sign in at the identity provider, as far as that shows without a browser.
pub(crate) async fn oidc(house: &House) -> Vec<Check> {
    let Some(provider) = &house.oidc else {
        return vec![check(
            "oidc",
            false,
            "not configured: set oidc.enabled and the provider's keys, see `portaria config example`",
        )];
    };
    let mut out: Vec<Check> = provider
        .check()
        .await
        .into_iter()
        .map(|(what, found)| match found {
            Ok(text) => check(what, true, text),
            Err(text) => check(what, false, text),
        })
        .collect();
    let base = crate::pages::base_url(house);
    let set = house.config.public_url.is_some();
    let found = format!("{base}/painel/oidc/volta must be allowed at the provider");
    out.push(check(
        "redirect address",
        set,
        if set { found } else { format!("{found}; set server.public_url") },
    ));
    out
}

/// Proves on the running system that two tenants never see each other's facts: makes two
/// throw-away tenants with contradicting knowledge, asks both, looks across, and removes them.
pub(crate) async fn isolation(house: &House) -> anyhow::Result<Vec<Check>> {
    let mark = kernel::JobId::generate().to_string();
    let mark = &mark[mark.len() - 8..];
    let slugs = [format!("doctor-x-{mark}"), format!("doctor-y-{mark}")];
    let outcome = prove(house, &slugs).await;
    for slug in &slugs {
        // Removed even when the proof broke off half-way.
        if tenancy::by_slug(&house.db, slug).await.is_ok() {
            tenants::delete(house, slug).await.context("removing a throw-away tenant")?;
        }
    }
    outcome
}

async fn prove(house: &House, slugs: &[String; 2]) -> anyhow::Result<Vec<Check>> {
    let mut tenants_made = Vec::new();
    for (slug, knows) in slugs.iter().zip([KNOWS_X, KNOWS_Y]) {
        let new = NewTenant {
            slug: slug.parse()?,
            name: slug.clone(),
            language: "pt-BR".to_owned(),
            time_zone: "America/Sao_Paulo".to_owned(),
            state: State::Active,
        };
        let tenant = tenants::create(house, new).await?;
        for (question, answer) in knows {
            let pair = house.library.pair(tenant.id, question, answer, None).await?;
            let mut tx = house.db.begin(tenant.id).await?;
            house.library.add(&mut tx, &pair).await?;
            tx.commit().await?;
        }
        tenants_made.push(tenant);
    }
    let [x, y] = tenants_made.as_slice() else { bail!("two tenants were not made") };
    let mut out = Vec::new();
    for (tenant, own, other) in [(x, "produto X", "produto Y"), (y, "produto Y", "produto X")] {
        for (question, _) in KNOWS_X {
            let hits = house.library.search(tenant.id, question, 10, None).await?;
            let text: Vec<&str> = hits.iter().map(|hit| hit.text.as_str()).collect();
            let text = text.join(" ");
            out.push(check(
                &format!("search by {}: {question}", tenant.slug),
                text.contains(own) && !text.contains(other),
                text,
            ));
            let context = house.contexts.get(tenant.id).await?.context("a tenant that exists")?;
            let reply = house.answerer.chat(&house.db, &context, question, false).await?;
            out.push(check(
                &format!("answer of {}: {question}", tenant.slug),
                reply.text.contains(own) && !reply.text.contains(other),
                reply.text,
            ));
        }
    }
    // The other tenant's document, by its id.
    let mut tx = house.db.read(y.id).await?;
    let documents = knowledge::list(&mut tx, "", 10).await?;
    drop(tx);
    let mut tx = house.db.read(x.id).await?;
    let mut seen = 0;
    for document in &documents {
        seen += usize::from(knowledge::find(&mut tx, document.id).await?.is_some());
    }
    drop(tx);
    out.push(check(
        "documents of one, asked for by the other",
        seen == 0 && !documents.is_empty(),
        format!("{seen} of {} visible", documents.len()),
    ));
    if house.db.engine() == db::Engine::Postgres {
        let mut tx = house.db.read(x.id).await?;
        // On purpose without a filter: row-level security has to hold alone.
        let rows = tx.fetch_all("SELECT DISTINCT tenant_id FROM chunks", Vec::new()).await?;
        out.push(check(
            "a query that forgot its filter",
            rows.len() == 1,
            format!("rows of {} tenant(s)", rows.len()),
        ));
    }
    Ok(out)
}
