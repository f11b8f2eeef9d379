//! The panel, wired: what its pages use, what only this room can do for them, and the postman.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use identity::{Outbox, Throttle};
use kernel::TenantId;
use kernel::line::Line;
use panel::{App, Customer, Operations, Options, PageRoute, Work};
use tenancy::{NewTenant, State, Tenant};
use tokio_util::sync::CancellationToken;
use web::Problem;

use crate::house::House;
use crate::tenants;

struct Wired(House);

#[async_trait]
impl Operations for Wired {
    async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, Problem> {
        Ok(tenants::create(&self.0, new).await?)
    }

    async fn set_state(&self, slug: &str, state: State) -> Result<(), Problem> {
        tenants::set_state(&self.0, slug, state).await?;
        Ok(())
    }

    async fn queues(&self) -> Result<Vec<(TenantId, Work)>, Problem> {
        let mut work: HashMap<TenantId, Work> = HashMap::new();
        for lane in queue::depth(&self.0.db).await? {
            let entry = work.entry(lane.tenant).or_default();
            entry.waiting += lane.ready + lane.leased;
            entry.dead += lane.dead;
        }
        Ok(work.into_iter().collect())
    }
}

/// Where browsers reach this server, as far as is known.
pub(crate) fn base_url(house: &House) -> String {
    let config = &house.config;
    config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen))
}

/// What the panel's pages use.
pub fn app(house: &House, customer: Option<Arc<dyn Customer>>) -> App {
    let config = &house.config;
    App {
        db: house.db.clone(),
        clock: house.clock.clone(),
        vault: house.vault.clone(),
        library: house.library.clone(),
        contexts: house.contexts.clone(),
        answerer: house.answerer.clone(),
        outbound: house.outbound.clone(),
        manage: house.manage.clone(),
        sender: house.sender.clone(),
        messengers: house.messengers.clone(),
        throttle: Throttle::new(house.clock.clone()),
        operations: Arc::new(Wired(house.clone())),
        customer,
        oidc: house.oidc.clone(),
        options: Arc::new(Options {
            public_url: config.public_url.clone(),
            base_url: base_url(house),
            proxies: config.proxies.clone(),
            idle: config.panel_idle,
            life: config.panel_session,
            house_name: config.house_name.clone(),
            mailbox: config.demo,
            mails: config.mails().is_some(),
            mail_name: config.mailer.as_ref().and_then(|mailer| mailer.name()).map(str::to_owned),
            // What knowledge takes of a file.
            upload_limit: 20 * 1024 * 1024,
        }),
    }
}

/// The pages and the list of them.
pub fn routes(house: &House, customer: Option<Arc<dyn Customer>>) -> (Router, Vec<PageRoute>) {
    // The demo's front page is its simulator.
    let front = customer.is_none();
    let (mut router, list) = panel::routes(app(house, customer));
    if front {
        router = router.route("/", get(async || Redirect::to("/painel")));
    }
    (router, list)
}

/// Removes letters that are too old to be of use.
pub(crate) async fn prune_mail(house: &House) -> Result<u64, db::Error> {
    Outbox { db: house.db.clone(), clock: house.clock.clone() }.prune().await
}

/// Carries one letter to the mail server. `false` when none is due, or no server is set.
///
/// # Errors
/// When the database cannot be read.
pub async fn carry_letter(house: &House) -> Result<bool, db::Error> {
    let Some(mailer) = &house.config.mailer else { return Ok(false) };
    let outbox = Outbox { db: house.db.clone(), clock: house.clock.clone() };
    let Some(mail) = outbox.take().await? else { return Ok(false) };
    let (mailer, id) = (mailer.clone(), mail.id);
    // A letter that cannot be written is its own end, not that of the others.
    let carrying = tokio::spawn(async move {
        let subject = Line::shown(&mail.subject).or_else(|| Line::shown("Portaria"));
        let Some(subject) = subject else { return Ok(()) };
        let sender = Line::shown(&mail.sender_name);
        mailer.deliver(sender.as_ref(), &mail.to, &subject, mail.body).await
    });
    let sent = carrying.await.unwrap_or_else(|_| {
        let cause = "the letter cannot be written".to_owned();
        Err(notices::NotSent { cause, for_good: true })
    });
    let kept = match sent {
        Ok(()) => outbox.sent(id).await,
        Err(not) => {
            tracing::warn!(event = "mail_failed", cause = %not, for_good = not.for_good);
            outbox.not_sent(id, &not.cause, not.for_good).await
        }
    };
    if let Err(error) = kept {
        tracing::error!(event = "mail_failed", cause = %error, for_good = false);
    }
    Ok(true)
}

/// Carries letters to the mail server until the process stops.
pub(crate) async fn postman(house: House, stop: CancellationToken) {
    // Without a server nobody writes letters.
    if house.config.mailer.is_none() {
        return;
    }
    loop {
        if !carry_letter(&house).await.unwrap_or(false) {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(2)) => {}
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}
