//! Every recorded body of Whaticket and of Meta's Cloud API has its outcome: accepted as what, or
//! refused why.

use axum::http::Request;
use kernel::Moment;
use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

fn fixture(folder: &str, name: &str) -> Value {
    let path = format!("{}/fixtures/{folder}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn names(folder: &str, start: &str) -> Vec<String> {
    let path = format!("{}/fixtures/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".json", ""))
        .filter(|name| name.starts_with(start))
        .collect();
    names.sort();
    names
}

/// Fixture, status, and what stands in the answer.
const WHATICKET: &[(&str, u16, &str)] = &[
    ("webhook_saas_raw_baileys_extended_text", 202, "queued"),
    // Our own answer, as a body: it says nothing.
    ("webhook_secretaria_202", 400, "invalid payload"),
    ("webhook_secretaria_legacy_contact", 202, "queued"),
    ("webhook_secretaria_minimal", 202, "queued"),
    ("webhook_secretaria_proto_conversation", 202, "queued"),
    ("webhook_secretaria_proto_extended_text", 202, "queued"),
];

async fn whaticket<'a>(app: &'a TestApp, slug: &str) -> TestTenant<'a> {
    let tenant = app.bare_tenant(slug).await;
    let channel = json!({ "kind": "whaticket", "domain": "chat.example.com", "base_url": app.whaticket.base_url(),
        "token": testkit::WHATICKET_TOKEN, "shared_secret": "segredo-0123456789" });
    tenant.post("/v1/channels", &channel).await.expect(201);
    tenant
}

fn signed(at: i64, body: &str) -> Request<axum::body::Body> {
    Request::post("/webhook/whaticket")
        .header("x-company-domain", "chat.example.com")
        .header("x-timestamp", at.to_string())
        .header(
            "x-signature",
            sandbox::whaticket_signature("segredo-0123456789", at, body.as_bytes()),
        )
        .body(body.to_owned().into())
        .unwrap()
}

both_engines! {
    async fn every_whaticket_webhook_fixture_has_its_outcome(on: On) {
        let app = TestApp::start(on).await;
        let tenant = whaticket(&app, "loja").await;
        let listed: Vec<&str> = WHATICKET.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names("whaticket", "webhook"), listed, "every fixture has a row");
        let at = app.clock.now().0 / 1_000_000;
        for (name, status, said) in WHATICKET {
            let body = fixture("whaticket", name).to_string();
            let answer = app.request(signed(at, &body)).await.expect(*status);
            assert!(answer.text.contains(said), "{name}: {}", answer.text);
            if *status == 202 {
                assert_eq!(answer.json(), json!({ "queued": true }), "{name}");
            }
        }
        let page = tenant.get("/v1/conversations?limit=200").await.expect(200).json();
        let mut bodies = Vec::new();
        for conversation in page["items"].as_array().unwrap() {
            let id = conversation["id"].as_str().unwrap();
            let list = tenant.get(&format!("/v1/conversations/{id}/messages")).await.json();
            for message in list["items"].as_array().unwrap() {
                bodies.push(message["body"].as_str().unwrap().to_owned());
            }
        }
        bodies.sort();
        assert_eq!(bodies, ["Isso", "Oi!\nTudo bem?", "Teste direto do Whaticket — Exemplo", "eai", "olá"]);
        // The formatted number of the older form is one that can be answered.
        let found = tenant.get("/v1/contacts?phone=5511900000003").await.expect(200).json();
        assert_eq!(found["items"][0]["name"], "Exemplo");
        // The domain may also come as the host.
        let body = json!({ "number": "5511900000009", "text": "oi" }).to_string();
        let mut by_host = signed(at, &body);
        by_host.headers_mut().remove("x-company-domain");
        by_host.headers_mut().insert("host", "CHAT.example.com:443".parse().unwrap());
        app.request(by_host).await.expect(202);
    }
}

/// Fixture, and its outcome; `messages` go to the number that the fixtures name.
const CLOUD: &[(&str, &str)] = &[
    ("webhook_account_update_disabled", "health"),
    ("webhook_account_update_restriction", "health"),
    ("webhook_account_update_violation", "health"),
    ("webhook_message_audio_voice", "stored"),
    ("webhook_message_button_template_quick_reply", "stored"),
    ("webhook_message_contacts", "stored"),
    // The same id as the voice message before: the documents use one for all their examples.
    ("webhook_message_document", "duplicate"),
    ("webhook_message_edited", "ignored"),
    ("webhook_message_image_caption", "duplicate"),
    ("webhook_message_interactive_button_reply", "stored"),
    ("webhook_message_interactive_list_reply", "stored"),
    ("webhook_message_location", "stored"),
    ("webhook_message_reaction", "duplicate"),
    ("webhook_message_reaction_removed", "duplicate"),
    ("webhook_message_system_number_change", "status"),
    // The number was given up in the line above: who writes from it now is somebody else.
    ("webhook_message_text", "stored"),
    ("webhook_message_text_context_product", "stored"),
    ("webhook_message_text_ctwa_referral", "stored"),
    ("webhook_message_text_reply", "duplicate"),
    ("webhook_message_unsupported", "stored"),
    ("webhook_phone_number_quality_update", "health"),
    ("webhook_smb_message_echo_text", "stored"),
    ("webhook_status_delivered", "ignored"),
    ("webhook_status_failed_130472", "ignored"),
    ("webhook_status_failed_131026", "ignored"),
    ("webhook_status_failed_131047", "ignored"),
    ("webhook_status_played", "ignored"),
    ("webhook_status_read", "ignored"),
    ("webhook_status_sent", "ignored"),
    ("webhook_status_sent_biz_opaque_callback_data", "ignored"),
    ("webhook_template_category_update", "health"),
    ("webhook_template_quality_update", "health"),
    ("webhook_template_status_approved", "health"),
    ("webhook_template_status_rejected", "health"),
    ("webhook_value_errors_130429", "health"),
];

/// What the message of a fixture is read as: content and text.
const READ: &[(&str, &str, &str)] = &[
    ("webhook_message_audio_voice", "audio", ""),
    ("webhook_message_button_template_quick_reply", "text", "Unsubscribe"),
    ("webhook_message_contacts", "contact", "Lucía Gómez"),
    ("webhook_message_document", "document", "caption"),
    ("webhook_message_image_caption", "image", "Taj Mahal"),
    ("webhook_message_interactive_button_reply", "text", "Cancel"),
    ("webhook_message_interactive_list_reply", "text", "Priority Mail Express"),
    ("webhook_message_location", "location", "Philz Coffee"),
    ("webhook_message_reaction", "reaction", "👍"),
    ("webhook_message_reaction_removed", "reaction", ""),
    ("webhook_message_text", "text", "Does it come in another color?"),
    ("webhook_message_text_context_product", "text", "Is this still available?"),
    ("webhook_message_text_ctwa_referral", "text", "Hello! Can I get more info on this?"),
    ("webhook_message_text_reply", "text", "replied text"),
    ("webhook_message_unsupported", "unsupported", ""),
    ("webhook_smb_message_echo_text", "text", "Test message"),
];

const PHONE_NUMBER_ID: &str = "106540352242922";
const APP_SECRET: &str = "APP-SECRET-FAKE";

async fn cloud<'a>(app: &'a TestApp, slug: &str, number: &str) -> TestTenant<'a> {
    let tenant = app.bare_tenant(slug).await;
    let channel = json!({ "kind": "whatsapp-cloud", "phone_number_id": number, "base_url": app.cloud.base_url(),
        "access_token": testkit::CLOUD_TOKEN, "app_secret": APP_SECRET, "verify_token": "VERIFY-TOKEN-FAKE" });
    tenant.post("/v1/channels", &channel).await.expect(201);
    tenant
}

async fn meta(app: &TestApp, body: &Value) -> testkit::Answer {
    let bytes = body.to_string();
    let request = Request::post("/webhook/whatsapp-cloud")
        .header("x-hub-signature-256", sandbox::cloud_signature(APP_SECRET, bytes.as_bytes()))
        .body(bytes.into())
        .unwrap();
    app.request(request).await
}

/// The account that fixtures without a number belong to, as a webhook with the number would tell.
async fn of_account(app: &TestApp, account: &str) {
    let mut hello = sandbox::cloud_status(PHONE_NUMBER_ID, "nobodys", "read", None, 1);
    hello["entry"][0]["id"] = json!(account);
    meta(app, &hello).await.expect(200);
}

both_engines! {
    async fn every_cloud_webhook_fixture_has_its_outcome(on: On) {
        let app = TestApp::start(on).await;
        app.clock.advance(std::time::Duration::from_secs(400 * 86_400));
        let tenant = cloud(&app, "loja", PHONE_NUMBER_ID).await;
        let listed: Vec<&str> = CLOUD.iter().map(|(name, _)| *name).collect();
        let all: Vec<String> =
            names("whatsapp-cloud", "webhook").into_iter().filter(|n| n != "webhook_verify_get").collect();
        assert_eq!(all, listed, "every fixture has a row");
        for (name, expected) in CLOUD {
            let body = fixture("whatsapp-cloud", name);
            if body["entry"][0]["changes"][0]["value"]["metadata"].is_null() {
                // Which number an account has is learned once, from the first body that names both.
                let account = body["entry"][0]["id"].as_str().unwrap().to_owned();
                let mut tx = app.house.db.begin(tenant.id).await.unwrap();
                let update = "UPDATE channels SET account = $1 WHERE tenant_id = $2";
                tx.execute(update, db::args![account, tenant.id]).await.unwrap();
                tx.settings_changed();
                tx.commit().await.unwrap();
            }
            let answer = meta(&app, &body).await.expect(200);
            assert_eq!(answer.json()["status"], *expected, "{name}: {}", answer.text);
        }
        let health = tenant.get(&format!("/v1/channels/{PHONE_NUMBER_ID}/health")).await.expect(200).json();
        assert_eq!(health.as_array().unwrap().len(), 9, "{health}");
        let limit = health.as_array().unwrap().iter().find(|h| h["field"] == "phone_number_quality_update").unwrap();
        assert_eq!(limit["value"], "TIER_UNLIMITED");
        let contact = tenant.get("/v1/contacts?phone=5511900000003").await.expect(200).json();
        let handles = contact["items"][0]["handles"].to_string();
        assert!(handles.contains("bsuid") && !handles.contains("5511900000001"), "moved to the new number: {handles}");
    }
}

#[test]
fn every_cloud_message_is_read_as_what_it_is() {
    for (name, content, text) in READ {
        let changes = messaging::cloud::changes(&fixture("whatsapp-cloud", name)).unwrap();
        let messaging::Inbound::Message(message) = &changes[0].items[0] else {
            panic!("{name}: {changes:?}")
        };
        let read = (message.content.name(), message.text.as_deref().unwrap_or_default());
        assert_eq!(read, (*content, *text), "{name}");
        assert!(message.at.is_some_and(|at| at > Moment(0)), "{name}");
    }
    let read = READ.iter().map(|(name, ..)| *name);
    let others = CLOUD.iter().filter(|(name, _)| name.starts_with("webhook_message_")).count();
    // The edit and the change of number are no messages; the echo is one more.
    assert_eq!(read.count(), others - 2 + 1);
}

both_engines! {
    async fn an_account_of_a_number_is_learned_from_its_first_webhook(on: On) {
        let app = TestApp::start(on).await;
        let tenant = cloud(&app, "loja", PHONE_NUMBER_ID).await;
        let body = fixture("whatsapp-cloud", "webhook_template_status_rejected");
        assert_eq!(meta(&app, &body).await.expect(200).json()["reason"], "unknown_number");
        of_account(&app, body["entry"][0]["id"].as_str().unwrap()).await;
        assert_eq!(meta(&app, &body).await.expect(200).json()["status"], "health");
        let channel = tenant.get("/v1/channels").await.expect(200).json()[0].clone();
        assert!(channel["alarm"].as_str().unwrap().contains("abandoned_cart"), "{channel}");
        assert_eq!(channel["own_number"], "551130000001");
    }
}

both_engines! {
    async fn meta_sets_the_webhook_up_by_a_challenge(on: On) {
        let app = TestApp::start(on).await;
        cloud(&app, "loja", PHONE_NUMBER_ID).await;
        let asked = fixture("whatsapp-cloud", "webhook_verify_get");
        let query = &asked["query"];
        let path = |token: &str, mode: &str| {
            let challenge = query["hub.challenge"].as_str().unwrap();
            format!("/webhook/whatsapp-cloud?hub.mode={mode}&hub.verify_token={token}&hub.challenge={challenge}")
        };
        let right = query["hub.verify_token"].as_str().unwrap();
        let answer = app.send("GET", &path(right, "subscribe"), &[], None).await.expect(200);
        assert_eq!(answer.text, asked["expected_response"]["body"].as_str().unwrap());
        assert_eq!(answer.headers["content-type"], "text/plain");
        app.send("GET", &path("wrong", "subscribe"), &[], None).await.expect(403);
        app.send("GET", &path("", "subscribe"), &[], None).await.expect(403);
        app.send("GET", &path(right, "unsubscribe"), &[], None).await.expect(403);
        app.send("GET", "/webhook/whatsapp-cloud", &[], None).await.expect(403);
    }
}

both_engines! {
    async fn one_app_serves_many_numbers_and_each_change_goes_to_its_own(on: On) {
        let app = TestApp::start(on).await;
        let (one, other) = (cloud(&app, "uma", "1001").await, cloud(&app, "outra", "1002").await);
        let change = |number: &str, phone: &str, id: &str| {
            let at = (app.clock.now().0 / 1_000_000).to_string();
            sandbox::cloud_change(number, &json!({ "messages": [{ "from": phone, "id": id, "timestamp": at,
                "type": "text", "text": { "body": number } }] }))
        };
        let body = sandbox::cloud_event("1", &[change("1001", "5511900000001", "A"),
            change("1002", "5511900000002", "B"), change("9999", "5511900000003", "C")]);
        meta(&app, &body).await.expect(200);
        for (tenant, text) in [(&one, "1001"), (&other, "1002")] {
            assert_eq!(tenant.messages().await[0]["body"], text);
        }
        // A second app's secret proves nothing of the first app's numbers.
        let third = app.bare_tenant("terceira").await;
        let channel = json!({ "kind": "whatsapp-cloud", "phone_number_id": "1003", "base_url": app.cloud.base_url(),
            "access_token": "t", "app_secret": "the-secret-of-another-app", "verify_token": "v" });
        third.post("/v1/channels", &channel).await.expect(201);
        let mixed = sandbox::cloud_event("1", &[change("1003", "5511900000004", "D"), change("1001", "5511900000005", "E")]);
        // The others' are taken; the answer makes Meta send it again, until the secret is right.
        meta(&app, &mixed).await.expect(401);
        let page = third.get("/v1/conversations").await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 0, "not under the other app's secret");
        let page = one.get("/v1/conversations").await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn metas_signature_vector_holds() {
    let vector = fixture("whatsapp-cloud", "signature_vector");
    let text = |name: &str| vector[name].as_str().unwrap();
    let (secret, body, expected) = (text("app_secret"), text("raw_body"), text("expected"));
    let holds = |secret: &str, body: &[u8]| {
        let Some(mut check) = messaging::cloud::Check::new(secret, expected) else { return false };
        body.chunks(7).for_each(|piece| check.update(piece));
        check.signer().is_some_and(|signer| signer == secret)
    };
    assert!(holds(secret, body.as_bytes()));
    assert!(!holds(secret, b"{}"));
    assert!(!holds("", body.as_bytes()));
}

#[test]
fn every_error_code_of_meta_that_is_met_has_its_words() {
    let table = fixture("whatsapp-cloud", "error_codes_table");
    let known = table
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| messaging::cloud::advice(row["code"].as_i64().unwrap()).is_some())
        .count();
    assert!(known >= 45, "{known} of {} codes", table.as_array().unwrap().len());
}
