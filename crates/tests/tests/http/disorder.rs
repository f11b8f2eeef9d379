//! What providers tell late, twice, in another order, or of somebody who is known by another name.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

const ANA: &str = "5511987654321";
const QUIET: Duration = Duration::from_secs(5);

/// A message from the business's own number, at this second.
fn echo(text: &str, id: &str, by_api: bool, at: i64) -> Value {
    let mut body = sandbox::customer_message("loja", ANA, "Ana", text, id, at);
    body["data"]["key"]["fromMe"] = json!(true);
    if by_api {
        body["event"] = json!("send.message");
    } else {
        body["data"]["source"] = json!("android");
    }
    body
}

fn seconds(app: &TestApp) -> i64 {
    app.clock.now().0 / 1_000_000
}

async fn take_over(tenant: &TestTenant<'_>, conversation: &Value) {
    let id = conversation["id"].as_str().unwrap();
    tenant.post(&format!("/v1/conversations/{id}/take-over"), &json!({})).await.expect(200);
}

both_engines! {
    async fn an_echo_between_two_tries_spares_the_second(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.evolution.stores(false);
        app.evolution.faults().push(sandbox::Fault::DoneButStatus(500));
        tenant.hears(ANA, "atendente").await;
        app.pass(QUIET).await;
        let sent = app.sent();
        assert_eq!(sent.len(), 1);
        let ours = || async { tenant.messages().await.into_iter().find(|m| m["direction"] == "out").unwrap() };
        assert_eq!(ours().await["state"], "queued", "an error: it will be tried again");
        let back = echo(&sent[0].text, &sent[0].provider_id, true, seconds(&app));
        app.webhook(&tenant.token(), &back).await.expect(202);
        assert_eq!(ours().await["state"], "sent");
        app.pass(Duration::from_secs(3600)).await;
        assert_eq!(app.sent().len(), 1, "it left once");
        assert_eq!(tenant.messages().await.len(), 2);
    }
}

both_engines! {
    async fn an_earlier_try_is_found_in_the_past_before_the_next(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.evolution.faults().push(sandbox::Fault::DoneButStatus(500));
        tenant.hears(ANA, "atendente").await;
        app.pass(QUIET).await;
        app.pass(Duration::from_secs(3600)).await;
        assert_eq!(app.sent().len(), 1, "it left once");
        assert_eq!(tenant.messages().await[1]["state"], "sent");
    }
}

both_engines! {
    async fn what_was_typed_before_a_question_does_not_answer_it(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let now = seconds(&app);
        // Both come late, the newer first, as a provider lists its past.
        let question = sandbox::customer_message("loja", ANA, "Ana", "e amanhã?", "Q", now - 1800);
        app.webhook(&tenant.token(), &question).await.expect(202);
        assert_eq!(tenant.conversation().await["needs_person"], true);
        app.webhook(&tenant.token(), &echo("Até já!", "E1", false, now - 3600)).await.expect(202);
        let shown = tenant.conversation().await;
        assert_eq!((&shown["owner"], &shown["needs_person"]), (&json!("human"), &json!(true)), "{shown}");
        app.webhook(&tenant.token(), &echo("Amanhã também.", "E2", false, now - 60)).await.expect(202);
        assert_eq!(tenant.conversation().await["needs_person"], false, "that answered it");
    }
}

both_engines! {
    async fn who_waits_for_a_person_waits_until_one_comes(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.hears(ANA, "atendente").await;
        app.pass(QUIET).await;
        app.clock.advance(Duration::from_secs(25 * 3600));
        // Another program says something meanwhile, by us and past us.
        tenant.post("/v1/messages", &json!({ "to": ANA, "text": "Pedido enviado" })).await.expect(202);
        app.webhook(&tenant.token(), &echo("Saiu para entrega", "E", true, seconds(&app))).await.expect(202);
        app.run_jobs().await;
        let shown = tenant.conversation().await;
        assert_eq!((&shown["owner"], &shown["needs_person"]), (&json!("nobody"), &json!(true)), "{shown}");
        // The assistant answers again a day later, and the person is still waited for.
        tenant.hears(ANA, "oi?").await;
        let shown = tenant.conversation().await;
        assert_eq!((&shown["owner"], &shown["needs_person"]), (&json!("bot"), &json!(true)), "{shown}");
    }
}

both_engines! {
    async fn a_person_keeps_what_turns_out_to_be_one_conversation(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let by_lid = |alt: Option<&str>, text: &str, id: &str| {
            let mut body = sandbox::customer_message("loja", ANA, "Ana", text, id, seconds(&app));
            body["data"]["key"]["remoteJid"] = json!("777000@lid");
            if let Some(alt) = alt {
                body["data"]["key"]["remoteJidAlt"] = json!(alt);
            }
            body
        };
        app.webhook(&tenant.token(), &by_lid(None, "bom dia", "A")).await.expect(202);
        app.pass(QUIET).await;
        let answered = app.sent()[0].clone();
        take_over(&tenant, &tenant.conversation().await).await;
        tenant.hears(ANA, "oi").await;
        app.pass(QUIET).await;
        let before = app.sent().len();
        // One event names both addresses: the assistant does not answer into the person's talk.
        let jid = format!("{ANA}@s.whatsapp.net");
        app.webhook(&tenant.token(), &by_lid(Some(&jid), "sou eu", "C")).await.expect(202);
        app.pass(QUIET).await;
        let shown = tenant.conversation().await;
        assert_eq!(shown["owner"], "human", "{shown}");
        assert_eq!(app.sent().len(), before);
        // A status of what was said under the other address teaches the same person one address more.
        let mut status = sandbox::evolution_status("loja", &answered.provider_id, "READ");
        status["data"]["remoteJid"] = json!("888000@lid");
        status["data"]["remoteJidAlt"] = json!(jid);
        app.webhook(&tenant.token(), &status).await.expect(202);
        let page = tenant.get("/v1/contacts").await.expect(200).json();
        let contacts = page["items"].as_array().unwrap();
        assert_eq!(contacts.len(), 1, "{page}");
        assert_eq!(contacts[0]["handles"].as_array().unwrap().len(), 3, "{page}");
        assert_eq!(tenant.conversation().await["id"], shown["id"]);
    }
}

/// A customer's message, with its sender under WhatsApp's own id when there is no number.
fn written(who: &str, text: &str, id: &str, at: i64) -> Value {
    let mut body = sandbox::customer_message("loja", ANA, "Cliente", text, id, at);
    let jid = if who.contains('@') { who.to_owned() } else { format!("{who}@s.whatsapp.net") };
    body["data"]["key"]["remoteJid"] = json!(jid);
    body
}

fn change(event: &str, who: &str, id: &str, text: &str) -> Value {
    let key = json!({ "remoteJid": format!("{who}@s.whatsapp.net"), "fromMe": false, "id": id });
    let data = match event {
        "messages.delete" => key,
        _ => json!({ "key": key, "editedMessage": { "conversation": text } }),
    };
    json!({ "event": event, "instance": "loja", "data": data })
}

/// Messages of all conversations.
async fn all_messages(tenant: &TestTenant<'_>) -> Vec<Value> {
    let page = tenant.get("/v1/conversations").await.expect(200).json();
    let mut all = Vec::new();
    for conversation in page["items"].as_array().unwrap() {
        let path = format!("/v1/conversations/{}/messages", conversation["id"].as_str().unwrap());
        let page = tenant.get(&path).await.expect(200).json();
        all.extend(page["items"].as_array().unwrap().clone());
    }
    all
}

both_engines! {
    async fn an_id_that_another_chat_has_is_another_message(on: On) {
        const BIA: &str = "5511987650002";
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let now = seconds(&app);
        let inbound = || async {
            let all = all_messages(&tenant).await;
            let mut said: Vec<String> = all
                .iter()
                .filter(|message| message["direction"] == "in")
                .map(|message| message["body"].as_str().unwrap().to_owned())
                .collect();
            said.sort();
            said
        };
        let hears = async |body: Value, status: &str| {
            let told = app.webhook(&tenant.token(), &body).await.expect(202).json();
            assert_eq!(told["status"], status, "{body}");
        };
        hears(written(ANA, "Que horas abrem?", "SAME", now), "stored").await;
        hears(written(BIA, "Que horas abrem?", "SAME", now), "stored").await;
        hears(written(BIA, "Que horas abrem?", "SAME", now), "duplicate").await;
        hears(written(ANA, "Que horas abrem?", "SAME", now), "duplicate").await;
        assert_eq!(inbound().await.len(), 2, "one of each person");
        // Nobody knows yet that this is a person with a number: the words tell.
        hears(written("777@lid", "Tem vaga?", "LID", now), "stored").await;
        hears(written("5511987650003", "Tem vaga?", "LID", now), "duplicate").await;
        hears(written("5511987650003", "Outra coisa", "LID", now), "stored").await;
        // A change reaches the chat where it was made.
        hears(change("messages.edited", BIA, "SAME", "Vocês entregam?"), "stored").await;
        assert_eq!(
            inbound().await,
            ["Outra coisa", "Que horas abrem?", "Tem vaga?", "Vocês entregam?"]
        );
        hears(written(ANA, "Até amanhã", "ANAS", now), "stored").await;
        hears(change("messages.edited", BIA, "ANAS", "Cancele tudo"), "ignored").await;
        hears(change("messages.delete", BIA, "ANAS", ""), "ignored").await;
        assert!(inbound().await.contains(&"Até amanhã".to_owned()));
        // The same on the phone's side: an echo to somebody else is no repetition.
        let mut to_ana = echo("Já respondo", "PHONE", false, now);
        hears(to_ana.clone(), "stored").await;
        hears(to_ana.clone(), "status").await;
        to_ana["data"]["key"]["remoteJid"] = json!(format!("{BIA}@s.whatsapp.net"));
        hears(to_ana, "stored").await;
    }
}

both_engines! {
    async fn an_echo_of_ours_under_whatsapps_own_id_is_ours(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Que horas vocês abrem?", "Das 8h às 18h.").await;
        tenant.hears(ANA, "Que horas vocês abrem?").await;
        app.pass(QUIET).await;
        let sent = app.sent();
        let mut back = echo(&sent[0].text, &sent[0].provider_id, true, seconds(&app));
        back["data"]["key"]["remoteJid"] = json!("777@lid");
        let told = app.webhook(&tenant.token(), &back).await.expect(202).json();
        assert_eq!(told["status"], "status");
        assert_eq!(tenant.messages().await.len(), 2, "and no second conversation");
        assert_eq!(tenant.conversation().await["owner"], "bot");
    }
}

both_engines! {
    async fn what_left_from_here_is_changed_by_nobody(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Quanto custa a visita?", "Custa R$ 300.").await;
        tenant.hears(ANA, "Quanto custa a visita?").await;
        app.pass(QUIET).await;
        app.webhook(&tenant.token(), &echo("Ligue antes", "PHONE", false, seconds(&app))).await.expect(202);
        let edits = [(app.sent()[0].provider_id.clone(), "ignored"), ("PHONE".to_owned(), "stored")];
        for (id, status) in edits {
            let edit = change("messages.edited", ANA, &id, "Custa R$ 3.");
            let told = app.webhook(&tenant.token(), &edit).await.expect(202).json();
            assert_eq!(told["status"], status, "{id}");
        }
        let all = tenant.messages().await;
        assert!(all[1]["body"].as_str().unwrap().ends_with("Custa R$ 300."), "{all:?}");
        assert_eq!(all[2]["body"], "Custa R$ 3.");
    }
}

both_engines! {
    async fn a_customer_who_takes_our_id_confuses_nobody(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        app.evolution.faults().push(sandbox::Fault::DoneButSilent);
        tenant.hears(ANA, "atendente").await;
        app.pass(QUIET).await;
        let sent = app.sent();
        assert_eq!(sent.len(), 1, "it left, and nobody here knows");
        // Whoever got it knows its id, and may write under it.
        let theirs = written(ANA, "Oi", &sent[0].provider_id, seconds(&app));
        app.webhook(&tenant.token(), &theirs).await.expect(202);
        let back = echo(&sent[0].text, &sent[0].provider_id, true, seconds(&app));
        let told = app.webhook(&tenant.token(), &back).await.expect(202).json();
        assert_eq!(told["status"], "status");
        app.pass(Duration::from_secs(3600)).await;
        assert_eq!(app.sent().len(), 1, "it is not sent again");
        let states: Vec<(String, String)> = tenant
            .messages()
            .await
            .iter()
            .map(|m| (m["direction"].to_string(), m["state"].to_string()))
            .collect();
        let wanted = [("in", "stored"), ("out", "sent"), ("in", "stored")];
        assert_eq!(states, wanted.map(|(way, state)| (format!("\"{way}\""), format!("\"{state}\""))));
    }
}

both_engines! {
    async fn files_of_one_id_in_two_chats_are_two_files(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let now = seconds(&app);
        let picture = |who: &str, bytes: &str| {
            let mut body = written(who, "", "PIC", now);
            body["data"]["messageType"] = json!("imageMessage");
            body["data"]["message"] = json!({
                "imageMessage": { "mimetype": "image/png" }, "base64": bytes,
            });
            body
        };
        // Of one size, so that only what they hold tells them apart.
        for (who, bytes) in [(ANA, "iVBORw0KGgoAAAAA"), ("5511987650002", "iVBORw0KGgoBBBBB")] {
            app.webhook(&tenant.token(), &picture(who, bytes)).await.expect(202);
        }
        let mut files = Vec::new();
        for message in all_messages(&tenant).await {
            let path = format!("/v1/messages/{}/media", message["id"].as_str().unwrap());
            let answer = tenant.get(&path).await.expect(200);
            files.push(answer.text);
        }
        files.sort();
        files.dedup();
        assert_eq!(files.len(), 2, "each sees its own");
    }
}
