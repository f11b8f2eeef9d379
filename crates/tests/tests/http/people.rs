//! One person under several addresses.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

const PHONE: &str = "5511987654321";

/// A message of Evolution with these addresses.
fn from(slug: &str, jid: &str, alt: Option<&str>, text: &str, id: &str, at: i64) -> Value {
    let mut body = sandbox::customer_message(slug, PHONE, "Ana", text, id, at);
    body["data"]["key"]["remoteJid"] = json!(jid);
    if let Some(alt) = alt {
        body["data"]["key"]["remoteJidAlt"] = json!(alt);
    }
    body
}

async fn contacts(tenant: &TestTenant<'_>) -> Vec<Value> {
    let page = tenant.get("/v1/contacts").await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

both_engines! {
    async fn two_addresses_of_one_person_become_one_contact_and_can_be_parted(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let now = app.clock.now().0 / 1_000_000;
        let token = tenant.token();
        let by_phone = from("loja", &format!("{PHONE}@s.whatsapp.net"), None, "oi", "A", now);
        let by_lid = from("loja", "777000@lid", None, "oi de novo", "B", now);
        app.webhook(&token, &by_phone).await.expect(202);
        app.webhook(&token, &by_lid).await.expect(202);
        assert_eq!(contacts(&tenant).await.len(), 2, "nothing says that they are one");
        app.pass(Duration::from_secs(5)).await;
        // One event names both.
        let both = from("loja", "777000@lid", Some(&format!("{PHONE}@s.whatsapp.net")), "sou eu", "C", now);
        app.webhook(&token, &both).await.expect(202);
        let one = contacts(&tenant).await;
        assert_eq!(one.len(), 1);
        assert_eq!(one[0]["handles"].as_array().unwrap().len(), 2);
        // All that was said is in one conversation.
        let said: Vec<String> = tenant.messages().await.iter().filter(|m| m["direction"] == "in")
            .map(|m| m["body"].as_str().unwrap().to_owned()).collect();
        assert_eq!(said, ["oi", "oi de novo", "sou eu"]);
        let merges = tenant.get("/v1/contact-merges").await.expect(200).json();
        assert_eq!(merges["items"][0]["cause"], "handles");
        let id = merges["items"][0]["id"].as_str().unwrap();
        tenant.post(&format!("/v1/contact-merges/{id}/undo"), &json!({})).await.expect(200);
        assert_eq!(contacts(&tenant).await.len(), 2, "as before");
        tenant.post(&format!("/v1/contact-merges/{id}/undo"), &json!({})).await.expect(409);
        // Whoever parted them is not overruled by the next event.
        let again = from("loja", "777000@lid", Some(&format!("{PHONE}@s.whatsapp.net")), "ainda eu", "D", now);
        app.webhook(&token, &again).await.expect(202);
        assert_eq!(contacts(&tenant).await.len(), 2);
    }
}

both_engines! {
    async fn people_merge_contacts_by_hand_within_the_tenant_only(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let other = app.tenant("outra").await;
        tenant.hears(PHONE, "oi").await;
        tenant.hears("5521998887766", "oi").await;
        other.hears(PHONE, "oi").await;
        let list = contacts(&tenant).await;
        let id = |n: usize| list[n]["id"].as_str().unwrap().to_owned();
        let strangers = contacts(&other).await[0]["id"].clone();
        let path = format!("/v1/contacts/{}/merge", id(0));
        tenant.post(&path, &json!({ "other": strangers })).await.expect(404);
        tenant.post(&path, &json!({ "other": id(0) })).await.expect(422);
        let merge = tenant.post(&path, &json!({ "other": id(1) })).await.expect(200).json();
        tenant.post(&path, &json!({ "other": id(1) })).await.expect(409);
        // New words of the merged address come into the kept conversation.
        app.clock.advance(Duration::from_secs(1));
        tenant.hears(PHONE, "ainda aqui").await;
        tenant.hears("5521998887766", "e aqui").await;
        assert_eq!(tenant.messages().await.len(), 4);
        let undo = format!("/v1/contact-merges/{}/undo", merge["merge"].as_str().unwrap());
        other.post(&undo, &json!({})).await.expect(404);
        tenant.post(&undo, &json!({})).await.expect(200);
        let page = tenant.get("/v1/conversations").await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
    }
}

both_engines! {
    async fn a_lid_is_learned_from_a_status_of_our_message(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.hears(PHONE, "atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let sent = app.sent()[0].clone();
        let mut status = sandbox::evolution_status("loja", &sent.provider_id, "DELIVERY_ACK");
        status["data"]["remoteJid"] = json!("777000@lid");
        app.webhook(&tenant.token(), &status).await.expect(202);
        let handles = contacts(&tenant).await[0]["handles"].clone();
        assert_eq!(handles, json!([{ "kind": "lid", "value": "777000" }, { "kind": "phone", "value": PHONE }]));
    }
}

both_engines! {
    async fn the_channels_own_number_is_learned_shown_and_checked(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let connection = |wuid: &str| json!({ "event": "connection.update", "instance": "loja",
            "data": { "instance": "loja", "state": "open", "statusReason": 200, "wuid": wuid } });
        app.webhook(&tenant.token(), &connection("5511900000099@s.whatsapp.net")).await.expect(202);
        let channel = || async { tenant.get("/v1/channels").await.expect(200).json()[0].clone() };
        assert_eq!(channel().await["own_number"], "5511900000099");
        assert_eq!((&channel().await["state"], &channel().await["alarm"]), (&json!("CONNECTED"), &Value::Null));
        app.webhook(&tenant.token(), &connection("5511900000098:3@s.whatsapp.net")).await.expect(202);
        assert_eq!(channel().await["own_number"], "5511900000098");
        assert!(channel().await["alarm"].as_str().unwrap().contains("another number"));
    }
}

both_engines! {
    async fn a_renamed_instance_is_found_by_its_own_number_and_never_by_the_contacts(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        // Its envelope names 5511900000099 as the owner.
        tenant.hears(PHONE, "oi").await;
        let now = app.clock.now().0 / 1_000_000;
        let renamed = sandbox::customer_message("loja-nova", PHONE, "Ana", "de novo", "B", now);
        app.webhook(&tenant.token(), &renamed).await.expect(202);
        assert_eq!(tenant.messages().await.len(), 2);
        app.webhook("wrong", &renamed).await.expect(401);
        // The contact's number is somebody's channel: that says nothing.
        let mut other = renamed.clone();
        other["data"]["key"]["remoteJid"] = json!("5511900000099@s.whatsapp.net");
        other["sender"] = json!("5511911111111@s.whatsapp.net");
        app.webhook(&tenant.token(), &other).await.expect(404);
        // Two channels with one token and one owner: neither.
        let second = app.bare_tenant("segunda").await;
        let channel = json!({ "kind": "evolution", "instance": "segunda", "base_url": app.evolution.base_url(),
            "api_key": testkit::EVOLUTION_KEY, "webhook_token": tenant.token() });
        second.post("/v1/channels", &channel).await.expect(201);
        let body = sandbox::customer_message("segunda", PHONE, "Ana", "oi", "S", now);
        app.webhook(&tenant.token(), &body).await.expect(202);
        let mut third = renamed.clone();
        third["data"]["key"]["id"] = json!("C");
        app.webhook(&tenant.token(), &third).await.expect(404);
    }
}
