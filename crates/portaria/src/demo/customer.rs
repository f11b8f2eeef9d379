//! Who the demo's panel is for: a stand-in customer who writes, and people who sign in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use identity::{NewPerson, Role};
use kernel::ChannelId;
use messaging::LinkState;
use panel::{App, Customer};
use sandbox::EvolutionSandbox;
use tenancy::Tenant;
use web::Problem;

use super::{BUSINESSES, write_as_customer};
use crate::cli::create_operator;
use crate::house::House;
use crate::pages;

pub(super) const PASSWORD: &str = "portaria da vila 1987";
pub(super) const OWNER: &str = "dona@demo.example";
pub(super) const ATTENDANT: &str = "atendente@demo.example";
pub(super) const OPERATOR: &str = "operador@demo.example";

/// Makes the people of the demo.
pub(super) async fn people(house: &House) -> anyhow::Result<()> {
    create_operator(house, OPERATOR, "Otávio Operador", PASSWORD).await?;
    let hash = identity::hash_password(PASSWORD).await;
    let now = house.clock.now();
    let mut tx = house.db.begin_system().await?;
    for (email, name, role) in
        [(OWNER, "Diana Dona", Role::Owner), (ATTENDANT, "Artur Atendente", Role::Attendant)]
    {
        let new = NewPerson { email, name, password_hash: Some(&hash), operator: false };
        let person = identity::create_person(&mut tx, &new, now).await?;
        for business in &BUSINESSES {
            let tenant = tenancy::by_slug(&house.db, business.slug).await?;
            identity::join(&mut tx, tenant.id, person, (role, identity::Source::Team), now).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Puts labels and ready replies on the clinic's desk, and a label on who waits there.
pub(super) async fn desk(house: &House) -> anyhow::Result<()> {
    let tenant = tenancy::by_slug(&house.db, BUSINESSES[0].slug).await?;
    let mut tx = house.db.begin(tenant.id).await?;
    let urgent = inbox::add_label(&mut tx, "Urgente").await??;
    inbox::add_label(&mut tx, "Orçamento").await??;
    let body = "A chave Pix é o nosso CNPJ. Assim que pagar, envie o comprovante por aqui.";
    inbox::set_canned(&mut tx, "pix", body).await??;
    let narrow = inbox::Narrow { show: inbox::Show::Waiting, ..inbox::Narrow::default() };
    for row in inbox::desk_list(&mut tx, &narrow, 10).await? {
        inbox::toggle_label(&mut tx, row.id, urgent).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Writes by the way of every customer: the webhook that Evolution would post.
struct StandIn {
    house: House,
    evolution: Arc<EvolutionSandbox>,
}

#[async_trait]
impl Customer for StandIn {
    async fn write(
        &self,
        tenant: &Tenant,
        phone: &str,
        name: &str,
        text: &str,
    ) -> Result<(), Problem> {
        let client = self.house.outbound.client();
        let listen = &self.house.config.listen;
        write_as_customer(client, listen, tenant.slug.as_str(), phone, name, text)
            .await
            .map_err(|cause| Problem::internal(&cause))
    }

    fn hints(&self, tenant: &Tenant) -> Vec<String> {
        let known = BUSINESSES.iter().find(|business| tenant.slug.as_str() == business.slug);
        known.map(|b| b.hints.iter().map(|hint| (*hint).to_owned()).collect()).unwrap_or_default()
    }

    fn accounts(&self) -> (Vec<String>, String) {
        ([OWNER, ATTENDANT, OPERATOR].map(str::to_owned).to_vec(), PASSWORD.to_owned())
    }

    fn evolution(&self) -> (String, String) {
        (self.evolution.base_url(), super::KEY.to_owned())
    }
}

/// The panel with a customer to try it with, and a front page that signs the visitor in.
pub(super) fn routes(
    house: &House,
    evolution: Arc<EvolutionSandbox>,
) -> (Router, Vec<panel::PageRoute>) {
    let customer: Arc<dyn Customer> = Arc::new(StandIn { house: house.clone(), evolution });
    let (pages, list) = pages::routes(house, Some(customer.clone()));
    let front = Router::new().route("/", get(front)).with_state(pages::app(house, Some(customer)));
    (front.merge(pages), list)
}

/// Scans the codes that the panel shows, as somebody with the business's phone would: each after a
/// while in which it can be looked at.
pub(super) async fn scan(house: House, evolution: Arc<EvolutionSandbox>) {
    const LOOK: Duration = Duration::from_secs(5);
    let mut shown: HashMap<ChannelId, u8> = HashMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = scan_once(&house, &evolution, &mut shown).await {
            tracing::warn!(event = "demo_scan_failed", cause = %error);
        }
    }
}

async fn scan_once(
    house: &House,
    evolution: &EvolutionSandbox,
    shown: &mut HashMap<ChannelId, u8>,
) -> anyhow::Result<()> {
    for (tenant, _) in tenancy::ids(&house.db).await? {
        let mut tx = house.db.read(tenant).await?;
        let channels = channels::list(&mut tx).await?;
        drop(tx);
        let waits = |channel: &&channels::Channel| {
            channel.state == LinkState::Pending && channel.base_url == evolution.base_url()
        };
        for channel in channels.iter().filter(waits) {
            let looks = shown.entry(channel.id).or_insert(0);
            *looks += 1;
            if *looks > 2 {
                shown.remove(&channel.id);
                evolution.pair(&channel.instance);
                house.manage.status(tenant, &channel.id.to_string()).await?;
            }
        }
    }
    Ok(())
}

async fn front(State(app): State<App>, headers: HeaderMap) -> Response {
    panel::sign_in_as(&app, &headers, OWNER, "/painel/simulador").await
}
