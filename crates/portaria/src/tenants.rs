//! Use cases that touch several rooms at once: a tenant comes, changes state, goes.

use std::collections::BTreeMap;
use std::time::Duration;

use channels::{ChannelError, NewChannel};
use domains::{DomainError, NewDomain};
use kernel::{JobId, Slug, TenantId};
use models::{ModelRef, Provider};
use queue::Lane;
use tenancy::{Backlog, NewTenant, Removed, State, Tenant, TenantError, VaultError};

use crate::config::Instance;
use crate::house::{House, migrations};

/// Why a use case refuses.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error(transparent)]
    Storage(#[from] db::Error),
    #[error("the tenant's files could not be removed: {0}")]
    Files(#[from] std::io::Error),
}

/// Creates a tenant with everything it starts with, in one transaction.
///
/// # Errors
/// When a field is not acceptable, or the slug is taken.
pub async fn create(house: &House, new: NewTenant) -> Result<Tenant, UseCaseError> {
    let now = house.clock.now();
    let (mut tx, tenant) = tenancy::create(&house.db, new, now).await?;
    inbox::seed(&mut tx).await?;
    assistant::seed(&mut tx, now).await?;
    tx.commit().await?;
    tracing::info!(event = "tenant_created", tenant_id = %tenant.id, slug = %tenant.slug);
    Ok(tenant)
}

/// Moves a tenant to another state of its life. Back from suspension, recent questions are
/// answered and older ones go to a person.
///
/// # Errors
/// When there is no such tenant.
pub async fn set_state(house: &House, slug: &str, state: State) -> Result<Tenant, UseCaseError> {
    let tenant = tenancy::by_slug(&house.db, slug).await?;
    let now = house.clock.now();
    let mut tx = house.db.begin(tenant.id).await?;
    let before = tenancy::set_state(&mut tx, state, now)
        .await?
        .ok_or_else(|| TenantError::NoSuchTenant(slug.to_owned()))?;
    let woke = before.rule().backlog == Backlog::RecentAnsweredRestToPerson && state.rule().answers;
    if woke {
        inbox::reactivate(&mut tx, now).await?;
    }
    tx.commit().await?;
    Ok(Tenant { state, ..tenant })
}

/// Removes what waits in a tenant's lane. Customers who waited for an answer are shown to a person:
/// nobody is forgotten. Returns how many jobs.
///
/// # Errors
/// When there is no such tenant, or the database refuses.
pub async fn clear_lane(house: &House, slug: &str, lane: Lane) -> Result<u64, UseCaseError> {
    let tenant = tenancy::by_slug(&house.db, slug).await?;
    let count = queue::clear(&house.db, tenant.id, lane).await?;
    if lane == Lane::Reply {
        let mut tx = house.db.begin(tenant.id).await?;
        inbox::abandon(&mut tx, house.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(count)
}

/// Removes one job. If a customer waited for it, a person is shown. `false` when there is no such job
/// or a worker has it.
///
/// # Errors
/// When the database refuses.
pub async fn remove_job(house: &House, job: JobId) -> Result<bool, UseCaseError> {
    let Some(tenant) = queue::tenant_of(&house.db, job).await? else { return Ok(false) };
    let mut tx = house.db.begin(tenant).await?;
    let Some(taken) = queue::remove(&mut tx, job).await? else { return Ok(false) };
    if taken.waited {
        inbox::abandon_job(&mut tx, &taken.kind, &taken.payload, house.clock.now()).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Rows that are removed in one transaction: a few milliseconds' worth.
const BATCH: u32 = 300;

/// Removes a tenant: rows, jobs, keys, index and files. Returns how many of each. Nothing comes in or
/// leaves from the beginning on; when it ends midway, the same call goes on as long as the tenant is there.
///
/// # Errors
/// When there is no such tenant, or something cannot be removed.
pub async fn delete(house: &House, slug: &str) -> Result<Vec<Removed>, UseCaseError> {
    let tenant = tenancy::by_slug(&house.db, slug).await?;
    if tenant.state != State::Archived {
        set_state(house, slug, State::Archived).await?;
    }
    let mut tables: BTreeMap<&'static str, u64> = migrations()
        .iter()
        .flat_map(|step| step.tenant_tables)
        .filter(|table| !["jobs", "tenants"].contains(table))
        .map(|table| (*table, 0))
        .collect();
    for (table, count) in &mut tables {
        loop {
            let mut tx = house.db.begin(tenant.id).await?;
            let some = tx.delete_some(table, BATCH.into()).await?;
            tx.commit().await?;
            *count += some;
            if some < BATCH.into() {
                break;
            }
        }
    }
    // With room for what ended just then.
    let since = house.clock.now() - Duration::from_secs(10);
    let mut jobs = queue::remove_tenant(&house.db, tenant.id, BATCH as usize).await?;
    // Before the tenant: without it nobody would look for them.
    let mut files = remove_files(house, tenant.id).await?;
    let links = identity::remove_invitations(&house.db, tenant.id).await?;
    let letters = identity::remove_letters(&house.db, tenant.id).await?;
    // What came in meanwhile goes with the tenant itself, all or nothing.
    let mut tx = house.db.begin(tenant.id).await?;
    for (table, count) in &mut tables {
        *count += tx.delete_some(table, i64::MAX).await?;
    }
    jobs += queue::remove_rest(&mut tx, since).await?;
    tables.extend([("jobs", jobs), ("tenants", tenancy::remove_tenant(&mut tx).await?)]);
    tx.commit().await?;
    house.library.forget(tenant.id);
    // Of a job that was at work still. The tenant is gone: should this fail, the caller is told that files are left.
    files += remove_files(house, tenant.id).await?;
    let mut removed: Vec<Removed> =
        tables.into_iter().map(|(what, count)| Removed { what: what.to_owned(), count }).collect();
    removed.push(links);
    removed.push(Removed { what: "letters".to_owned(), count: letters });
    removed.push(Removed { what: "files".to_owned(), count: files });
    Ok(removed)
}

async fn remove_files(house: &House, tenant: TenantId) -> Result<u64, UseCaseError> {
    let files = house.files.clone();
    let removed = tokio::task::spawn_blocking(move || files.remove_all(tenant)).await;
    Ok(removed.map_err(std::io::Error::other)??)
}

/// Makes the tenant of a dedicated instance and its channel, once, whoever comes first.
///
/// # Errors
/// When it can neither be made nor found.
pub async fn ensure_instance(
    house: &House,
    instance: &Instance,
) -> Result<Option<TenantId>, UseCaseError> {
    let made = ensure_tenant(house, instance).await?;
    if let Some(channel) = &instance.whaticket {
        ensure_channel(house, instance, channel).await?;
    }
    ensure_domains(house, instance).await?;
    Ok(made)
}

/// Gives the instance's tenant the domains of its settings that it has not.
async fn ensure_domains(house: &House, instance: &Instance) -> Result<(), UseCaseError> {
    if instance.domains.is_empty() {
        return Ok(());
    }
    let tenant = tenancy::by_slug(&house.db, instance.slug.as_str()).await?;
    for (host, purpose) in &instance.domains {
        let new = NewDomain { host: host.clone(), purpose: *purpose, upstream: None, region: None };
        let mut tx = house.db.begin(tenant.id).await?;
        match domains::add(&mut tx, &new, false, house.clock.now()).await {
            Ok(_) => tx.commit().await?,
            Err(DomainError::Taken(host)) => {
                drop(tx);
                let there = domains::list(&mut house.db.read(tenant.id).await?).await?;
                if !there.iter().any(|domain| domain.host == host) {
                    return Err(DomainError::Taken(host).into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Adds the instance's channel unless its tenant has one of that kind.
async fn ensure_channel(
    house: &House,
    instance: &Instance,
    new: &NewChannel,
) -> Result<(), UseCaseError> {
    let tenant = tenancy::by_slug(&house.db, instance.slug.as_str()).await?;
    let mut tx = house.db.begin(tenant.id).await?;
    let there = channels::list(&mut tx).await?.iter().any(|c| c.kind == new.kind.name());
    if there {
        return Ok(());
    }
    let now = house.clock.now();
    match channels::add(&mut tx, &house.vault, &house.outbound, new, now).await {
        Ok(_) => Ok(tx.commit().await?),
        Err(ChannelError::InstanceTaken(name)) => {
            // Another process may have been quicker; another tenant may have it.
            drop(tx);
            let mut tx = house.db.read(tenant.id).await?;
            let ours = channels::list(&mut tx).await?.iter().any(|c| c.instance == name);
            if ours { Ok(()) } else { Err(ChannelError::InstanceTaken(name).into()) }
        }
        Err(error) => Err(error.into()),
    }
}

async fn ensure_tenant(
    house: &House,
    instance: &Instance,
) -> Result<Option<TenantId>, UseCaseError> {
    let slug: Slug = instance.slug.clone();
    if tenancy::by_slug(&house.db, slug.as_str()).await.is_ok() {
        return Ok(None);
    }
    let new = NewTenant {
        slug: slug.clone(),
        name: instance.name.clone(),
        language: "pt-BR".to_owned(),
        time_zone: "America/Sao_Paulo".to_owned(),
        state: State::Active,
    };
    let now = house.clock.now();
    let (mut tx, tenant) = match tenancy::create(&house.db, new, now).await {
        Ok(made) => made,
        // Another process was quicker.
        Err(TenantError::SlugTaken(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    inbox::seed(&mut tx).await?;
    let mut settings = assistant::Settings::default();
    let keys = [
        (Provider::Gemini, &instance.gemini_api_key),
        (Provider::OpenAi, &instance.openai_api_key),
    ];
    let chosen = keys
        .iter()
        .filter(|(provider, _)| instance.llm_provider.is_none_or(|wanted| wanted == *provider))
        .find_map(|(provider, key)| Some((*provider, (*key).clone()?)));
    if let Some((provider, key)) = chosen {
        settings.model = Some(assistant::ModelSettings {
            provider,
            base_url: provider.base_url().to_owned(),
            model: instance
                .llm_model
                .clone()
                .unwrap_or_else(|| provider.default_model().to_owned()),
        });
        house.vault.put(&mut tx, assistant::MODEL_KEY, &key, now).await?;
        // OpenAI's key may make the vectors while Gemini answers.
        if let (Provider::Gemini, Some(openai)) = (provider, &instance.openai_api_key) {
            let model = ModelRef {
                provider: Provider::OpenAi,
                base_url: Provider::OpenAi.base_url().to_owned(),
                api_key: openai.clone(),
                model: Provider::OpenAi.default_embedding_model().to_owned(),
            };
            knowledge::set_embedding(&mut tx, &house.vault, Some(&model), now).await?;
        }
    }
    if let Some(temperature) = instance.llm_temperature {
        settings.temperature = temperature;
    }
    if let Some(tokens) = instance.llm_max_tokens {
        settings.max_tokens = tokens;
    }
    if let Some(history) = instance.context_messages {
        settings.history = history;
    }
    assistant::save(&mut tx, &settings, now).await?;
    tx.commit().await?;
    tracing::info!(event = "tenant_created", tenant_id = %tenant.id, slug = %tenant.slug);
    Ok(Some(tenant.id))
}
