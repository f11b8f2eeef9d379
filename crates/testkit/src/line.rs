//! A channel of any kind under test: one way to write in, to look at what left, and to misbehave.

use axum::body::Body;
use axum::http::Request;
use messaging::Kind;
use sandbox::{
    Faults, Sent, cloud_change, cloud_event, cloud_message, cloud_signature, cloud_status,
    customer_message, evolution_status, whaticket_message, whaticket_signature,
};
use serde_json::{Value, json};

use crate::{Answer, CLOUD_TOKEN, EVOLUTION_KEY, TestApp, TestTenant, WHATICKET_TOKEN};

/// A tenant whose only channel is of one kind.
pub struct Line<'a> {
    pub app: &'a TestApp,
    pub kind: Kind,
    pub tenant: TestTenant<'a>,
    /// The provider's name of the channel.
    pub name: String,
    /// What its webhooks are proved with: token, shared secret, app secret.
    pub secret: String,
    /// What left by the shared Whaticket stand-in before.
    skip: usize,
}

impl<'a> Line<'a> {
    /// A tenant of this slug with a channel of this kind. `number` keeps phone number ids apart.
    pub async fn open(app: &'a TestApp, kind: Kind, slug: &str, number: u64) -> Self {
        let tenant = app.bare_tenant(slug).await;
        let secret = format!("secret-of-{slug}-0123456789");
        let (name, channel) = match kind {
            Kind::Evolution => (
                slug.to_owned(),
                json!({ "kind": "evolution", "instance": slug, "base_url": app.evolution.base_url(),
                    "api_key": EVOLUTION_KEY, "webhook_token": secret }),
            ),
            Kind::Whaticket => {
                let domain = format!("{slug}.example.com");
                let body = json!({ "kind": "whaticket", "domain": domain, "token": WHATICKET_TOKEN,
                    "base_url": app.whaticket.base_url(), "shared_secret": secret });
                (domain, body)
            }
            Kind::WhatsAppCloud => {
                let id = (106_540_352_242_000 + number).to_string();
                let body = json!({ "kind": "whatsapp-cloud", "phone_number_id": id,
                    "base_url": app.cloud.base_url(), "access_token": CLOUD_TOKEN,
                    "app_secret": secret, "verify_token": format!("verify-{slug}") });
                (id, body)
            }
        };
        tenant.post("/v1/channels", &channel).await.expect(201);
        let skip = app.whaticket.sent().len();
        Self { app, kind, tenant, name, secret, skip }
    }

    /// The provider's clock: seconds since 1970.
    pub fn now(&self) -> i64 {
        self.app.clock.now().0.div_euclid(1_000_000)
    }

    /// The body by which the provider reports a customer's text.
    pub fn text_body(&self, phone: &str, text: &str, id: &str, at: i64) -> Value {
        match self.kind {
            Kind::Evolution => customer_message(&self.name, phone, "Ana", text, id, at),
            Kind::Whaticket => whaticket_message(phone, "Ana", text, id, at),
            Kind::WhatsAppCloud => cloud_message(&self.name, phone, "Ana", text, id, at),
        }
    }

    /// A message of another type: Baileys' form for unofficial senders, Meta's own for its.
    pub fn body_of(&self, phone: &str, id: &str, baileys: &Value, meta: &Value) -> Value {
        let at = self.now();
        if self.kind == Kind::WhatsAppCloud {
            let mut message = meta.clone();
            message["from"] = json!(phone);
            message["id"] = json!(id);
            message["timestamp"] = json!(at.to_string());
            let value = json!({ "contacts": [{ "profile": { "name": "Ana" }, "wa_id": phone }],
                "messages": [message] });
            return cloud_event("102290129340398", &[cloud_change(&self.name, &value)]);
        }
        let mut body = self.text_body(phone, "", id, at);
        let message = if self.kind == Kind::Evolution { &mut body["data"] } else { &mut body };
        message["message"] = baileys.clone();
        body
    }

    /// A message that a person typed on the business's phone.
    pub fn echo_body(&self, phone: &str, text: &str, id: &str) -> Value {
        let at = self.now();
        match self.kind {
            Kind::WhatsAppCloud => {
                let value = json!({ "message_echoes": [{ "from": "551130000001", "to": phone, "id": id,
                    "timestamp": at.to_string(), "type": "text", "text": { "body": text } }] });
                let mut change = cloud_change(&self.name, &value);
                change["field"] = json!("smb_message_echoes");
                cloud_event("102290129340398", &[change])
            }
            kind => {
                let mut body = self.text_body(phone, text, id, at);
                let message = if kind == Kind::Evolution { &mut body["data"] } else { &mut body };
                message["key"]["fromMe"] = json!(true);
                body
            }
        }
    }

    /// Posts a body with a proof made of this secret.
    pub async fn post_with(&self, body: &[u8], secret: &str) -> Answer {
        self.post_at(body, secret, self.now()).await
    }

    /// The same, signed at another time.
    pub async fn post_at(&self, body: &[u8], secret: &str, at: i64) -> Answer {
        let request = match self.kind {
            Kind::Evolution => {
                Request::post("/webhook/evolution").header("x-webhook-token", secret)
            }
            Kind::Whaticket => Request::post("/webhook/whaticket")
                .header("x-company-domain", &self.name)
                .header("x-timestamp", at.to_string())
                .header("x-signature", whaticket_signature(secret, at, body)),
            Kind::WhatsAppCloud => Request::post("/webhook/whatsapp-cloud")
                .header("x-hub-signature-256", cloud_signature(secret, body)),
        };
        let request = request.header("content-type", "application/json");
        self.app.request(request.body(Body::from(body.to_vec())).expect("a valid request")).await
    }

    /// Posts a body as the provider does.
    pub async fn post(&self, body: &Value) -> Answer {
        self.post_with(body.to_string().as_bytes(), &self.secret).await
    }

    /// The status by which a webhook is acknowledged.
    pub fn ack(&self) -> u16 {
        if self.kind == Kind::WhatsAppCloud { 200 } else { 202 }
    }

    /// A customer writes now; the webhook is acknowledged.
    pub async fn hears(&self, phone: &str, text: &str) -> Answer {
        let id = format!("IN{}", kernel::JobId::generate().to_string().replace('-', ""));
        self.hears_as(phone, text, &id).await
    }

    /// The same with a message id.
    pub async fn hears_as(&self, phone: &str, text: &str, id: &str) -> Answer {
        self.post(&self.text_body(phone, text, id, self.now())).await.expect(self.ack())
    }

    /// What left by this channel since it was opened, in order. Whaticket's stand-in does not tell
    /// channels apart.
    pub fn sent(&self) -> Vec<Sent> {
        match self.kind {
            Kind::Evolution => {
                self.app.evolution.sent().into_iter().filter(|s| s.instance == self.name).collect()
            }
            Kind::Whaticket => self.app.whaticket.sent().split_off(self.skip),
            Kind::WhatsAppCloud => {
                self.app.cloud.sent().into_iter().filter(|s| s.instance == self.name).collect()
            }
        }
    }

    pub fn faults(&self) -> &Faults {
        match self.kind {
            Kind::Evolution => self.app.evolution.faults(),
            Kind::Whaticket => self.app.whaticket.faults(),
            Kind::WhatsAppCloud => self.app.cloud.faults(),
        }
    }

    /// The provider reports how far a message of ours is: `sent`, `delivered`, `read`, `failed`.
    /// `None` where the provider reports nothing.
    pub async fn report(
        &self,
        provider_id: &str,
        state: &str,
        key: Option<&str>,
    ) -> Option<Answer> {
        let body = match self.kind {
            Kind::Evolution => {
                let status = match state {
                    "sent" => "SERVER_ACK",
                    "delivered" => "DELIVERY_ACK",
                    "read" => "READ",
                    _ => "ERROR",
                };
                evolution_status(&self.name, provider_id, status)
            }
            Kind::Whaticket => return None,
            Kind::WhatsAppCloud => {
                let mut body = cloud_status(&self.name, provider_id, state, key, self.now());
                if state == "failed" {
                    body["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"] =
                        json!([{ "code": 131_026, "title": "Message undeliverable" }]);
                }
                body
            }
        };
        Some(self.post(&body).await)
    }

    /// Sends a message through `/v1/messages`; the answer's body.
    pub async fn send(&self, body: &Value) -> Value {
        self.tenant.post("/v1/messages", body).await.expect(202).json()
    }

    /// A message as the API shows it.
    pub async fn message(&self, id: &Value) -> Value {
        let id = id.as_str().expect("an id");
        self.tenant.get(&format!("/v1/messages/{id}")).await.expect(200).json()
    }

    /// The states of a message's journey, in order.
    pub async fn steps(&self, id: &Value) -> Vec<String> {
        let id = id.as_str().expect("an id");
        let journey =
            self.tenant.get(&format!("/v1/messages/{id}/journey")).await.expect(200).json();
        let steps = journey["steps"].as_array().expect("a list");
        steps.iter().map(|s| s["state"].as_str().expect("a state").to_owned()).collect()
    }

    /// The tenant's one channel as the API shows it.
    pub async fn channel(&self) -> Value {
        self.tenant.get("/v1/channels").await.expect(200).json()[0].clone()
    }
}
