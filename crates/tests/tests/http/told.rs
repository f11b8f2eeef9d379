//! Who is told of what: integrators by webhook, people by e-mail and by a stream.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sandbox::MailSandbox;
use serde_json::{Value, json};
use testkit::{On, TestApp, TestTenant, both_engines};
use tokio::net::TcpListener;

/// An integrator's server: keeps what it is told, and answers what it is told to.
#[derive(Clone, Default)]
struct Integrator {
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

async fn take(State(this): State<Integrator>, headers: HeaderMap, body: Bytes) -> StatusCode {
    this.got.lock().push((headers, String::from_utf8_lossy(&body).into_owned()));
    let mut answers = this.answers.lock();
    let status = if answers.is_empty() { 200 } else { answers.remove(0) };
    StatusCode::from_u16(status).unwrap()
}

impl Integrator {
    async fn start() -> (Self, String) {
        let this = Self::default();
        let router = Router::new().fallback(take).with_state(this.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (this, url)
    }

    fn will(&self, answers: &[u16]) {
        self.answers.lock().extend_from_slice(answers);
    }

    fn kinds(&self) -> Vec<String> {
        let read = |body: &str| {
            serde_json::from_str::<Value>(body).unwrap()["type"].as_str().unwrap().to_owned()
        };
        self.got.lock().iter().map(|(_, body)| read(body)).collect()
    }
}

async fn endpoint(tenant: &TestTenant<'_>, url: &str, events: &[&str]) -> (String, String) {
    let added = tenant
        .post("/v1/webhook-endpoints", &json!({ "url": url, "events": events }))
        .await
        .expect(201)
        .json();
    (added["id"].as_str().unwrap().to_owned(), added["secret"].as_str().unwrap().to_owned())
}

both_engines! {
    async fn integrators_are_told_and_can_prove_who_told_them(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let other = app.tenant("outra").await;
        tenant.knows("Que horas abrem?", "Às 8h.").await;
        let (server, url) = Integrator::start().await;
        let (_, secret) = endpoint(&tenant, &url, &[]).await;
        other.hears("5511987654321", "oi").await;
        tenant.hears("5511987654321", "Que horas abrem?").await;
        app.pass(Duration::from_secs(5)).await;
        tenant.hears("5511987654321", "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let mut kinds = server.kinds();
        kinds.sort();
        assert_eq!(kinds, ["conversation.handed_off", "message.answered", "message.answered", "message.received", "message.received"]);
        // By the specification's own rule, with the secret as it was shown.
        let key = base64::engine::general_purpose::STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        for (headers, body) in server.got.lock().iter() {
            let text = |name: &str| headers[name].to_str().unwrap().to_owned();
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
            mac.update(format!("{}.{}.{body}", text("webhook-id"), text("webhook-timestamp")).as_bytes());
            let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
            assert_eq!(text("webhook-signature"), format!("v1,{expected}"));
        }
        let list = tenant.get("/v1/webhook-endpoints").await.expect(200).text;
        assert!(!list.contains(&secret), "shown once");
        let log = tenant.get("/v1/webhook-deliveries").await.expect(200).json();
        assert!(log["items"].as_array().unwrap().iter().all(|d| d["state"] == "delivered"), "{log}");
        assert_eq!(other.get("/v1/webhook-deliveries").await.json()["items"].as_array().unwrap().len(), 0);
    }
}

both_engines! {
    async fn a_delivery_is_tried_eight_times_over_a_day_and_can_be_replayed(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let (server, url) = Integrator::start().await;
        let (id, _) = endpoint(&tenant, &url, &["webhook.test"]).await;
        server.will(&[500; 8]);
        tenant.post(&format!("/v1/webhook-endpoints/{id}/test"), &json!({})).await.expect(202);
        let mut hours = 0.0;
        while server.got.lock().len() < 8 && hours < 40.0 {
            app.pass(Duration::from_secs(900)).await;
            hours += 0.25;
        }
        assert_eq!(server.got.lock().len(), 8);
        assert!((20.0..27.0).contains(&hours), "{hours} hours");
        let ids: std::collections::HashSet<String> =
            server.got.lock().iter().map(|(h, _)| h["webhook-id"].to_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1, "the same id each time: receivers can tell a repeat");
        let log = tenant.get("/v1/webhook-deliveries").await.expect(200).json();
        assert_eq!(log["items"][0]["state"], "failed", "{log}");
        let delivery = log["items"][0]["id"].as_str().unwrap();
        app.pass(Duration::from_secs(7200)).await;
        tenant.post(&format!("/v1/webhook-deliveries/{delivery}/replay"), &json!({})).await.expect(202);
        app.pass(Duration::from_secs(3700)).await;
        assert_eq!(server.got.lock().len(), 9);
        let log = tenant.get("/v1/webhook-deliveries").await.expect(200).json();
        assert_eq!(log["items"][0]["state"], "delivered", "{log}");
    }
}

both_engines! {
    async fn an_endpoint_that_keeps_failing_is_left_alone_and_a_gone_one_is_turned_off(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let (server, url) = Integrator::start().await;
        let (id, _) = endpoint(&tenant, &url, &[]).await;
        server.will(&[500; 5]);
        for _ in 0..5 {
            tenant.post(&format!("/v1/webhook-endpoints/{id}/test"), &json!({})).await.expect(202);
        }
        app.run_jobs().await;
        assert_eq!(server.got.lock().len(), 5);
        let shown = tenant.get("/v1/webhook-endpoints").await.expect(200).json()[0].clone();
        assert_eq!(shown["failures"], 5);
        assert!(shown["paused_until"].is_string(), "{shown}");
        app.pass(Duration::from_secs(30)).await;
        assert_eq!(server.got.lock().len(), 5, "left alone for a minute");
        app.pass(Duration::from_secs(40)).await;
        assert!(server.got.lock().len() > 5);
        let shown = tenant.get("/v1/webhook-endpoints").await.expect(200).json()[0].clone();
        assert_eq!(shown["failures"], 0, "it works again");
        server.will(&[410]);
        tenant.post(&format!("/v1/webhook-endpoints/{id}/test"), &json!({})).await.expect(202);
        app.run_jobs().await;
        let shown = tenant.get("/v1/webhook-endpoints").await.expect(200).json()[0].clone();
        assert_eq!(shown["state"], "disabled");
        let before = server.got.lock().len();
        tenant.hears("5511987654321", "oi").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(server.got.lock().len(), before);
    }
}

both_engines! {
    async fn addresses_and_events_are_checked(on: On) {
        let app = TestApp::start_with(on, &[("PORTARIA_ALLOW_PRIVATE_UPSTREAMS", "0")]).await;
        let tenant = app.bare_tenant("loja").await;
        for url in ["http://127.0.0.1/x", "http://10.0.0.1/", "ftp://example.com", "https://user:pw@example.com", "x"] {
            let refused = tenant.post("/v1/webhook-endpoints", &json!({ "url": url })).await.expect(422).json();
            assert_eq!(refused["field"], "url", "{url}");
        }
        let body = json!({ "url": "https://example.com/x", "events": ["message.recieved"] });
        let refused = tenant.post("/v1/webhook-endpoints", &body).await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("message.received"), "{refused}");
    }
}

/// An installation with a mail server.
async fn with_mail(on: On, more: &[(&str, &str)]) -> (TestApp, MailSandbox) {
    let server = MailSandbox::start().await.unwrap();
    let url = server.url();
    let from = "Portaria <aviso@example.com>";
    let mut settings = vec![("PORTARIA_SMTP_URL", url.as_str()), ("PORTARIA_SMTP_FROM", from)];
    settings.extend(more);
    (TestApp::start_with(on, &settings).await, server)
}

/// Reads a stream of `/v1/waiting/events`, opened with the tenant's key.
async fn waiting(app: &TestApp, tenant: &TestTenant<'_>) -> axum::body::BodyDataStream {
    use tower::ServiceExt as _;
    let request = axum::http::Request::get("/v1/waiting/events")
        .header("authorization", format!("Bearer {}", tenant.key))
        .body(axum::body::Body::empty())
        .unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

both_engines! {
    async fn people_are_told_by_e_mail_when_a_contact_waits(on: On) {
        let (app, server) = with_mail(on, &[]).await;
        let tenant = app.tenant("loja").await;
        tenant.put("/v1/notices", &json!({ "emails": ["no address"] })).await.expect(422);
        tenant.put("/v1/notices", &json!({ "emails": ["bia@example.com"] })).await.expect(200);
        tenant.hears("5511987654321", "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        assert!(portaria::pages::carry_letter(&app.house).await.unwrap());
        assert!(!portaria::pages::carry_letter(&app.house).await.unwrap(), "one letter");
        let mails = server.letters();
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("To: bia@example.com"), "{}", mails[0]);
        assert!(!mails[0].contains("5511987654321"), "no number in it");
    }
}

both_engines! {
    async fn what_is_answered_and_who_is_told_is_the_tenants_to_say(on: On) {
        let (app, server) = with_mail(on, &[]).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Quanto custa o corte?", "O corte custa R$ 40.").await;
        let refused = tenant.put("/v1/notices", &json!({ "emails": [], "on_call": ["nobody"] })).await;
        assert_eq!(refused.expect(422).json()["field"], "on_call");
        let notices = json!({
            "emails": ["bia@example.com"],
            "on_call": ["plantao@example.com"],
            "acts": { "complaint": { "emails": ["chefe@example.com"], "urgent": true } },
        });
        assert_eq!(tenant.put("/v1/notices", &notices).await.expect(200).json()["on_call"][0], "plantao@example.com");
        // Who only knows of addresses takes nothing else away.
        let kept = tenant.put("/v1/notices", &json!({ "emails": ["bia@example.com"] })).await.expect(200).json();
        assert_eq!(kept["acts"]["complaint"]["urgent"], true, "{kept}");
        let mut settings = tenant.get("/v1/assistant").await.expect(200).json();
        settings["acts"] = json!({ "person": { "calls": false } });
        tenant.put("/v1/assistant", &settings).await.expect(422);
        settings["acts"] = json!({ "harm": { "calls": false } });
        let refused = tenant.put("/v1/assistant", &settings).await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("always called"), "{refused}");
        settings["acts"] = json!({
            "booking": { "reply": "Marque pelo site loja.example/agenda.", "calls": false },
            "complaint": { "reply": "A Chefe responde hoje ainda." },
            "harm": { "reply": "Estamos indo até você." },
        });
        tenant.put("/v1/assistant", &settings).await.expect(200);
        let told = async |phone: &str, text: &str| {
            tenant.hears(phone, text).await;
            app.pass(Duration::from_secs(5)).await;
            while portaria::pages::carry_letter(&app.house).await.unwrap() {}
            app.sent().last().unwrap().text.clone()
        };
        let letters = |to: &str| {
            let to = format!("To: {to}@example.com");
            server.letters().into_iter().filter(|mail| mail.contains(&to)).collect::<Vec<_>>()
        };
        // What the tenant wrote is said, and nobody is called where it says so.
        assert!(told("5511987654301", "quero marcar um corte amanhã às 10h").await.ends_with("loja.example/agenda."));
        assert_eq!(server.letters().len(), 0);
        assert!(told("5511987654302", "isso é um absurdo, o corte ficou horrível, quero reclamar").await.contains("A Chefe responde"));
        assert_eq!((letters("chefe").len(), letters("bia").len()), (1, 0));
        assert!(letters("chefe")[0].contains("URGENTE"), "{:?}", letters("chefe"));
        // An emergency has its number whatever is written, and reaches who is on call until somebody comes.
        let said = told("5511987654303", "socorro, meu filho desmaiou aqui na loja").await;
        assert!(said.starts_with("Estamos indo") && said.contains("192"), "{said}");
        assert_eq!((letters("bia").len(), letters("plantao").len()), (1, 1));
        // Whoever else is asked for or spoken to in the same breath: danger comes first.
        for (phone, text) in [
            ("5511987654304", "a dra esta ai? meu filho ta sangrando muito"),
            ("5511987654305", "quero falar com um atendente, meu filho desmaiou aqui"),
        ] {
            let said = told(phone, text).await;
            assert!(said.contains("192"), "{text}: {said}");
        }
        let before = letters("plantao").len();
        assert_eq!(before, 3, "each reaches who is on call");
        for _ in 0..4 {
            app.pass(Duration::from_secs(301)).await;
            while portaria::pages::carry_letter(&app.house).await.unwrap() {}
        }
        assert_eq!(letters("plantao").len(), 3 * before, "three times each, and no more");
    }
}

both_engines! {
    async fn a_page_can_watch_who_waits(on: On) {
        use futures_util::StreamExt as _;
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let mut stream = waiting(&app, &tenant).await;
        let next = async |stream: &mut axum::body::BodyDataStream| {
            let chunk = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.unwrap();
            String::from_utf8(chunk.unwrap().unwrap().to_vec()).unwrap()
        };
        let first = next(&mut stream).await;
        assert!(first.starts_with("event: waiting") && first.contains("\"count\":0"), "{first}");
        tenant.hears("5511987654321", "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let second = next(&mut stream).await;
        assert!(second.contains("\"count\":1") && second.contains("asked_for_person"), "{second}");
        app.send("GET", "/v1/waiting/events", &[], None).await.expect(401);
    }
}

both_engines! {
    async fn a_name_with_a_line_break_stops_no_letter(on: On) {
        let (app, server) = with_mail(on, &[]).await;
        let (alfa, beta) = (app.tenant("alfa").await, app.tenant("beta").await);
        for (tenant, to) in [(&alfa, "ana@example.com"), (&beta, "bia@example.com")] {
            tenant.put("/v1/notices", &json!({ "emails": [to] })).await.expect(200);
        }
        // At the door it is refused.
        let body = json!({ "slug": "gama", "name": "Gama\nBcc: eva@example.com" });
        let refused = app.operator("POST", "/v1/tenants", Some(&body)).await.expect(422).json();
        assert_eq!(refused["field"], "name", "{refused}");
        // One that came in before there was a door.
        let mut tx = app.house.db.begin_system().await.unwrap();
        let sql = "UPDATE tenants SET name = $1 WHERE id = $2";
        tx.execute(sql, db::args!["Alfa\r\nBcc: eva@example.com", alfa.id]).await.unwrap();
        tx.commit().await.unwrap();
        alfa.hears("5511987654321", "atendente").await;
        beta.hears("5511987654321", "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        while portaria::pages::carry_letter(&app.house).await.unwrap() {}
        let mails = server.letters();
        assert_eq!(mails.len(), 2, "{mails:?}");
        assert!(mails.iter().any(|mail| mail.contains("To: ana@example.com")), "{mails:?}");
        assert!(mails.iter().any(|mail| mail.contains("To: bia@example.com")), "{mails:?}");
        assert!(mails.iter().all(|mail| !mail.contains("\nBcc:")), "{mails:?}");
    }
}

both_engines! {
    async fn a_customers_name_is_quoted_and_leads_no_letter(on: On) {
        let (app, server) = with_mail(on, &[]).await;
        let tenant = app.tenant("loja").await;
        tenant.put("/v1/notices", &json!({ "emails": ["bia@example.com"] })).await.expect(200);
        let name = "Ana\n\nSUPORTE: sua senha expirou. Entre em http://evil.example/painel";
        let at = app.clock.now().0 / 1_000_000;
        let body = sandbox::customer_message("loja", "5511987654321", name, "atendente", "A1", at);
        app.webhook(&tenant.token(), &body).await.expect(202);
        app.pass(Duration::from_secs(5)).await;
        while portaria::pages::carry_letter(&app.house).await.unwrap() {}
        let mails = server.letters();
        let text = mails[0].split_once("\n\n").unwrap().1;
        assert!(!text.starts_with("Ana") && !text.starts_with("SUPORTE"), "{text}");
        assert!(!text.contains("http://evil.example"), "no link of a stranger: {text}");
        assert!(!text.contains("\nSUPORTE"), "no paragraph of a stranger: {text}");
    }
}

both_engines! {
    async fn one_business_and_one_recipient_get_so_many_letters_an_hour(on: On) {
        let limits =
            [("PORTARIA_SMTP_HOURLY_PER_RECIPIENT", "3"), ("PORTARIA_SMTP_HOURLY_PER_TENANT", "5")];
        let (app, server) = with_mail(on, &limits).await;
        let (alfa, beta) = (app.tenant("alfa").await, app.tenant("beta").await);
        alfa.put("/v1/notices", &json!({ "emails": ["bia@example.com", "ana@example.com"] })).await.expect(200);
        beta.put("/v1/notices", &json!({ "emails": ["bia@example.com"] })).await.expect(200);
        let storm = async |tenant: &TestTenant<'_>, from: u32| {
            for n in from..from + 6 {
                tenant.hears(&format!("551198765{n:04}"), "atendente").await;
            }
            app.pass(Duration::from_secs(5)).await;
            while portaria::pages::carry_letter(&app.house).await.unwrap() {}
        };
        let to = |name: &str| {
            let to = format!("To: {name}@example.com");
            server.letters().iter().filter(|mail| mail.contains(&to)).count()
        };
        storm(&alfa, 0).await;
        assert_eq!((to("bia"), to("ana")), (3, 2), "three to one address, five in all");
        storm(&beta, 100).await;
        assert_eq!(to("bia"), 6, "another business is counted apart");
        app.pass(Duration::from_secs(3600)).await;
        storm(&alfa, 200).await;
        assert_eq!((to("bia"), to("ana")), (9, 4));
    }
}

both_engines! {
    async fn a_stream_ends_with_the_key_that_opened_it(on: On) {
        use futures_util::StreamExt as _;
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let mut stream = waiting(&app, &tenant).await;
        stream.next().await.unwrap().unwrap();
        let mut tx = app.house.db.begin(tenant.id).await.unwrap();
        let keys = tenancy::list_keys(&mut tx).await.unwrap();
        tenancy::revoke_key(&mut tx, keys[0].id, app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let rest = tokio::time::timeout(Duration::from_secs(20), stream.collect::<Vec<_>>()).await;
        rest.expect("the stream ends");
    }
}
