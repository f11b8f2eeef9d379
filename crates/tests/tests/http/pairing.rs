//! Connecting a number, and finding what webhooks missed.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{TestApp, both_engines};

const ANA: &str = "5511987654321";

both_engines! {
    async fn a_number_is_paired_from_nothing_by_a_qr_code(on: On) {
        let app = TestApp::start_with(on, &[("PORTARIA_PUBLIC_URL", "https://portaria.example.com/")]).await;
        app.evolution.only_instances(&[("somebody-elses", "open")]);
        let tenant = app.tenant("loja").await;
        let path = |what: &str| format!("/v1/channels/loja/{what}");
        let paired = tenant.post(&path("connect"), &json!({})).await.expect(200).json();
        assert_eq!(paired["state"], "PENDING");
        assert!(paired["qr"].as_str().unwrap().starts_with("data:image/png"));
        assert_eq!((&paired["text"], &paired["webhook_set"]), (&json!("2@sandbox-code-of-loja"), &json!(true)));
        let webhook = app.evolution.webhook_of("loja").unwrap();
        assert_eq!(webhook["url"], "https://portaria.example.com/webhook/evolution");
        assert_eq!(webhook["headers"]["X-Webhook-Token"], tenant.token());
        assert!(webhook["events"].as_array().unwrap().contains(&json!("MESSAGES_UPSERT")));
        // A code to type instead, for a number; a new code by webhook replaces the one before.
        let typed = tenant.post(&path("connect"), &json!({ "number": "+55 11 98765-4321" })).await.expect(200).json();
        assert_eq!(typed["code"], "WZYEH1YY");
        tenant.post(&path("connect"), &json!({ "number": "abc" })).await.expect(422);
        let update = json!({ "event": "qrcode.updated", "instance": "loja",
            "data": { "qrcode": { "instance": "loja", "pairingCode": null, "code": "2@newer", "base64": "data:image/png;base64,AA==" } } });
        app.webhook(&tenant.token(), &update).await.expect(202);
        let shown = tenant.get(&path("pairing")).await.expect(200).json();
        assert_eq!((&shown["text"], &shown["state"]), (&json!("2@newer"), &json!("PENDING")));
        app.evolution.pair("loja");
        let status = tenant.post(&path("status"), &json!({})).await.expect(200).json();
        assert_eq!((&status["channel"]["state"], &status["channel"]["own_number"]), (&json!("CONNECTED"), &json!("5511900000099")));
        let again = tenant.post(&path("connect"), &json!({})).await.expect(200).json();
        assert_eq!(again["state"], "CONNECTED");
        assert_eq!(tenant.get(&path("pairing")).await.expect(200).json()["qr"], Value::Null, "no code is left lying about");
        let out = tenant.post(&path("logout"), &json!({})).await.expect(200).json();
        assert_eq!(out["state"], "DISCONNECTED");
        tenant.post(&path("logout"), &json!({})).await.expect(200);
        // A server that refuses with status 200.
        app.evolution.faults().push(sandbox::Fault::Garbage);
        let refused = tenant.post(&path("connect"), &json!({})).await.expect(502).json();
        assert_eq!(refused["code"], "refused_by_provider");
    }
}

both_engines! {
    async fn states_of_a_connection_have_plain_reasons(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        for (state, reason, expected, words) in [
            ("open", 200, "CONNECTED", ""),
            ("connecting", 200, "PENDING", ""),
            ("close", 401, "DISCONNECTED", "logged out"),
            ("close", 403, "ERROR", "blocked"),
            ("refused", 428, "ERROR", "QR code ran out"),
            ("close", 406, "ERROR", "update the Evolution server"),
        ] {
            let body = json!({ "event": "connection.update", "instance": "loja",
                "data": { "instance": "loja", "state": state, "statusReason": reason } });
            app.webhook(&tenant.token(), &body).await.expect(202);
            let channel = tenant.get("/v1/channels").await.expect(200).json()[0].clone();
            assert_eq!(channel["state"], expected);
            assert!(channel["alarm"].as_str().unwrap_or_default().contains(words), "{channel}");
        }
    }
}

/// A message that WhatsApp brought and no webhook reported.
fn missed(app: &TestApp, id: &str, text: &str) -> Value {
    let now = app.clock.now().0 / 1_000_000;
    let body = sandbox::customer_message("loja", ANA, "Ana", text, id, now);
    app.evolution.remember(&body);
    body
}

both_engines! {
    async fn messages_that_no_webhook_brought_are_found_when_the_connection_is_back(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Que horas abrem?", "Às 8h.").await;
        let connection = |state: &str, reason: i64| json!({ "event": "connection.update", "instance": "loja",
            "data": { "instance": "loja", "state": state, "statusReason": reason } });
        app.webhook(&tenant.token(), &connection("close", 428)).await.expect(202);
        let body = missed(&app, "MISSED", "Que horas abrem?");
        app.clock.advance(Duration::from_secs(60));
        app.webhook(&tenant.token(), &connection("open", 200)).await.expect(202);
        app.run_jobs().await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), 1, "found and answered");
        app.webhook(&tenant.token(), &body).await.expect(202);
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(tenant.messages().await.len(), 2, "the webhook that comes after all is no news");
        let channel = tenant.get("/v1/channels").await.expect(200).json()[0].clone();
        assert!(channel["caught_up_at"].is_string() && channel["catch_up"].is_null(), "{channel}");
    }
}

both_engines! {
    async fn a_channel_that_cannot_be_looked_through_says_so(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        channels::schedule(&app.house.db, app.clock.now()).await.unwrap();
        app.evolution.only_instances(&[("other", "open")]);
        app.run_jobs().await;
        let channel = tenant.get("/v1/channels").await.expect(200).json()[0].clone();
        assert!(channel["catch_up"].as_str().unwrap().contains("does not exist"), "{channel}");
        // The regular look goes on, and works once the server does.
        app.evolution.only_instances(&[]);
        missed(&app, "LATER", "oi");
        app.pass(Duration::from_secs(16 * 60)).await;
        let channel = tenant.get("/v1/channels").await.expect(200).json()[0].clone();
        assert!(channel["catch_up"].is_null(), "{channel}");
        assert_eq!(tenant.messages().await.len(), 1);
    }
}

both_engines! {
    async fn the_nightly_look_names_what_has_no_end(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.evolution.stores(false);
        app.evolution.faults().push(sandbox::Fault::DoneButSilent);
        tenant.hears(ANA, "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        channels::schedule(&app.house.db, app.clock.now()).await.unwrap();
        let ran = app.pass(Duration::from_secs(24 * 3600)).await;
        assert!(ran.iter().any(|(kind, _)| kind == "channels.reconcile_due"), "{ran:?}");
        let channel = tenant.get("/v1/channels").await.expect(200).json()[0].clone();
        assert!(channel["alarm"].as_str().unwrap().contains("1 messages have no final state"), "{channel}");
        let ran = app.pass(Duration::from_secs(24 * 3600)).await;
        assert!(ran.iter().any(|(kind, _)| kind == "channels.reconcile_due"), "every night");
    }
}

both_engines! {
    async fn a_send_that_did_not_leave_is_not_sent_after_ten_minutes(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        // Something of ours is stored there: the server does write down.
        tenant.hears(ANA, "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        app.evolution.faults().push(sandbox::Fault::Silent);
        let posted = tenant.post("/v1/messages", &json!({ "to": ANA, "text": "aviso" })).await.expect(202).json();
        app.run_jobs().await;
        // The look-up comes when the server was away for long.
        app.evolution.faults().clear();
        app.pass(Duration::from_secs(20 * 60)).await;
        assert_eq!(app.sent().len(), 1, "what is old is for a person to decide");
        let id = posted["message"].as_str().unwrap();
        let message = tenant.get(&format!("/v1/messages/{id}")).await.expect(200).json();
        assert_eq!(message["state"], "failed", "{message}");
    }
}

both_engines! {
    async fn a_login_is_used_cached_and_renewed_where_a_server_takes_it(on: On) {
        let app = TestApp::start(on).await;
        app.whaticket.takes_login("agente@example.com", "senha");
        let tenant = app.bare_tenant("loja").await;
        let channel = json!({ "kind": "whaticket", "domain": "chat.example.com", "base_url": format!("{}/api/messages/send", app.whaticket.base_url()),
            "shared_secret": "segredo-0123456789", "login": { "email": "agente@example.com", "password": "senha" } });
        tenant.post("/v1/channels", &channel).await.expect(201);
        let before = app.whaticket.logins();
        for n in 0..3 {
            tenant.post("/v1/messages", &json!({ "to": ANA, "text": format!("{n}") })).await.expect(202);
        }
        app.run_jobs().await;
        assert_eq!((app.whaticket.sent().len(), app.whaticket.logins() - before), (3, 1), "one login for all");
        app.whaticket.end_session();
        tenant.post("/v1/messages", &json!({ "to": ANA, "text": "mais uma" })).await.expect(202);
        app.run_jobs().await;
        assert_eq!((app.whaticket.sent().len(), app.whaticket.logins() - before), (4, 2), "dropped on refusal, asked anew");
        let wrong = json!({ "kind": "whaticket", "domain": "b.example.com", "base_url": app.whaticket.base_url(),
            "shared_secret": "segredo-0123456789", "login": { "email": "agente@example.com", "password": "errada" } });
        let refused = tenant.post("/v1/channels", &wrong).await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("e-mail and password"), "{refused}");
    }
}
