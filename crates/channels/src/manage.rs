//! Connecting a channel to its phone, asking how it stands, ending it: calls to the provider with
//! what they change here.

use db::Db;
use kernel::{ChannelId, Clock, TenantId};
use messaging::http::Outbound;
use messaging::{Capabilities, Connection, Kind, Link, LinkState, Messengers, SendError, Webhook};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tenancy::Vault;

use crate::store::{self, Channel, ChannelError, NewChannel, token_name};
use crate::{Directory, Entry};

/// Steers channels at their providers.
#[derive(Clone)]
pub struct Manage {
    pub db: Db,
    pub clock: Clock,
    pub vault: Vault,
    pub outbound: Outbound,
    pub directory: Directory,
    pub messengers: Messengers,
    /// Where providers reach this server; without it webhooks are set by hand.
    pub public_url: Option<String>,
}

/// How a channel stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    pub channel: Channel,
    /// What this kind of sender can do.
    pub can: serde_json::Value,
    /// The provider could not be asked: what is shown is what was known.
    pub not_reached: Option<String>,
}

/// What a phone needs to be paired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Paired {
    pub state: LinkState,
    /// A picture as a `data:` address.
    pub qr: Option<String>,
    /// The text of the picture, for terminals.
    pub text: Option<String>,
    /// What is typed on the phone instead.
    pub code: Option<String>,
    /// Whether the provider was told where to send its events.
    pub webhook_set: bool,
}

impl Manage {
    /// Adds a channel after asking its server whether the token holds, where that can be asked.
    ///
    /// # Errors
    /// When a field or the token is not acceptable.
    pub async fn add(
        &self,
        tenant: TenantId,
        new: &NewChannel,
        probe: bool,
    ) -> Result<Channel, ChannelError> {
        let new = store::check(&self.outbound, new)?;
        let mut unchecked = None;
        if probe && new.kind == Kind::Whaticket {
            let endpoint = messaging::Endpoint {
                channel: ChannelId::generate(),
                base_url: new.base_url.clone(),
                instance: new.instance.clone(),
                api_key: new.api_key.clone(),
                login: new.login.as_ref().map(|login| messaging::Login {
                    email: login.email.clone(),
                    password: login.password.clone(),
                }),
                account: new.account.clone(),
            };
            match self.messengers.whaticket().probe(&endpoint).await {
                Ok(()) => {}
                Err(SendError::Refused { reason, .. }) => return Err(ChannelError::Probe(reason)),
                // Away is no refusal: the token is looked at by `channel status` later.
                Err(other) => {
                    unchecked = Some(format!(
                        "the token was not checked when the channel was added: {other}"
                    ));
                }
            }
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(tenant).await?;
        let mut channel = store::add(&mut tx, &self.vault, &self.outbound, &new, now).await?;
        if let Some(alarm) = unchecked {
            store::set_alarm(&mut tx, channel.id, &alarm, now).await?;
            (channel.alarm, channel.alarm_at) = (Some(alarm), Some(now));
        }
        tx.commit().await?;
        Ok(channel)
    }

    async fn entry(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<std::sync::Arc<Entry>, ChannelError> {
        let mut tx = self.db.read(tenant).await?;
        let channel = store::find(&mut tx, name).await?;
        drop(tx);
        self.directory.by_id(tenant, channel.id).await?.ok_or(ChannelError::NoSuchChannel)
    }

    async fn write(&self, entry: &Entry, link: &Link) -> Result<Channel, ChannelError> {
        let mut tx = self.db.begin(entry.tenant).await?;
        store::set_link(&mut tx, entry.id, link, self.clock.now()).await?;
        let channel = store::find(&mut tx, &entry.id.to_string()).await?;
        tx.commit().await?;
        Ok(channel)
    }

    /// Asks the provider how the channel stands, and writes that down.
    ///
    /// # Errors
    /// When there is no such channel.
    pub async fn status(&self, tenant: TenantId, name: &str) -> Result<Status, ChannelError> {
        let entry = self.entry(tenant, name).await?;
        let messenger = self.messengers.of(entry.kind);
        let can: Capabilities = messenger.capabilities();
        let (channel, not_reached) = match messenger.link(&entry.endpoint).await {
            Ok(link) => (self.write(&entry, &link).await?, None),
            Err(SendError::Refused { reason, .. }) => {
                let link = Link { state: LinkState::Error, reason: Some(reason), owner: None };
                (self.write(&entry, &link).await?, None)
            }
            Err(error) => {
                let mut tx = self.db.read(tenant).await?;
                (store::find(&mut tx, &entry.id.to_string()).await?, Some(error.to_string()))
            }
        };
        Ok(Status { channel, can: json!(can), not_reached })
    }

    /// Makes what must exist at the provider, tells it where to send events, and asks for a code to
    /// pair the phone with.
    ///
    /// # Errors
    /// When there is no such channel; the inner result carries the provider's refusal.
    pub async fn connect(
        &self,
        tenant: TenantId,
        name: &str,
        number: Option<&str>,
    ) -> Result<Result<Paired, SendError>, ChannelError> {
        let entry = self.entry(tenant, name).await?;
        let messenger = self.messengers.of(entry.kind);
        if !messenger.capabilities().pairing {
            // Nothing to pair: whether the token holds is all there is to know.
            let link = match messenger.link(&entry.endpoint).await {
                Ok(link) => link,
                Err(error) => return Ok(Err(error)),
            };
            let channel = self.write(&entry, &link).await?;
            let paired = Paired {
                state: channel.state,
                qr: None,
                text: None,
                code: None,
                webhook_set: false,
            };
            return Ok(Ok(paired));
        }
        let mut tx = self.db.read(tenant).await?;
        let token = self.vault.get(&mut tx, &token_name(entry.id)).await?;
        drop(tx);
        let url = self.public_url.as_deref().map(|base| format!("{base}/webhook/evolution"));
        let webhook = match (&url, &token) {
            (Some(url), Some(token)) => Some(Webhook {
                url,
                header: ("X-Webhook-Token", token),
                events: messaging::evolution::EVENTS,
            }),
            _ => None,
        };
        let connection = match messenger.connect(&entry.endpoint, number, webhook.as_ref()).await {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error)),
        };
        let webhook_set = webhook.is_some();
        let now = self.clock.now();
        let paired = match connection {
            Connection::Open => {
                let link = messenger.link(&entry.endpoint).await.unwrap_or(Link {
                    state: LinkState::Connected,
                    reason: None,
                    owner: None,
                });
                let channel = self.write(&entry, &link).await?;
                Paired { state: channel.state, qr: None, text: None, code: None, webhook_set }
            }
            Connection::Pairing { qr, text, code } => {
                let mut tx = self.db.begin(tenant).await?;
                let pairing = json!({ "qr": qr, "text": text, "code": code });
                store::set_pairing(&mut tx, entry.id, &pairing, now).await?;
                tx.commit().await?;
                Paired { state: LinkState::Pending, qr, text, code, webhook_set }
            }
        };
        Ok(Ok(paired))
    }

    /// Ends the pairing with the phone.
    ///
    /// # Errors
    /// When there is no such channel; the inner result carries the provider's refusal.
    pub async fn logout(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> Result<Result<Channel, SendError>, ChannelError> {
        let entry = self.entry(tenant, name).await?;
        if let Err(error) = self.messengers.of(entry.kind).logout(&entry.endpoint).await {
            return Ok(Err(error));
        }
        let reason = Some("logged out here: connect the channel again".to_owned());
        let link = Link { state: LinkState::Disconnected, reason, owner: None };
        Ok(Ok(self.write(&entry, &link).await?))
    }
}
