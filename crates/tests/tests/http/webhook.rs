//! What the webhook answers, and what is stored.

use serde_json::{Value, json};
use testkit::{TestApp, both_engines};

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/evolution/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every webhook fixture with what becomes of it, and of whom.
const OUTCOMES: &[(&str, &str)] = &[
    ("call_offer", "ignored"),
    ("connection_update_close_401", "connection"),
    ("connection_update_connecting", "connection"),
    ("connection_update_open", "connection"),
    ("connection_update_refused_qr_limit", "connection"),
    ("logout_instance", "connection"),
    ("messages_delete", "ignored"),
    ("messages_edited", "ignored"),
    ("messages_update_deleted", "ignored"),
    ("messages_update_delivery_ack", "ignored"),
    ("messages_update_error", "ignored"),
    ("messages_update_played", "ignored"),
    ("messages_update_read", "ignored"),
    ("messages_update_read_lid", "ignored"),
    ("messages_update_server_ack", "ignored"),
    ("messages_upsert_audio_ptt_base64_v22", "stored"),
    ("messages_upsert_buttons_response", "stored"),
    ("messages_upsert_conversation_lid_v23", "stored"),
    ("messages_upsert_conversation_pn_addressing_lid_v237", "stored"),
    ("messages_upsert_conversation_v22", "stored"),
    ("messages_upsert_document_with_caption", "stored"),
    ("messages_upsert_ephemeral_wrapper", "stored"),
    ("messages_upsert_extended_text_quoted", "stored"),
    ("messages_upsert_from_me_true", "stored"),
    ("messages_upsert_group_conversation_lid_v23", "ignored"),
    ("messages_upsert_group_conversation_v230", "ignored"),
    ("messages_upsert_image_base64_v22", "stored"),
    // The same message id as the one before, in another version's shape.
    ("messages_upsert_image_caption_v23_bytes_map", "duplicate"),
    ("messages_upsert_interactive_response", "stored"),
    ("messages_upsert_lid_without_alt_v223", "stored"),
    ("messages_upsert_list_response_v22", "stored"),
    ("messages_upsert_location", "stored"),
    ("messages_upsert_meta_channel_conversation", "stored"),
    ("messages_upsert_reaction", "stored"),
    ("messages_upsert_status_broadcast", "ignored"),
    ("messages_upsert_template_button_reply", "stored"),
    ("messages_upsert_view_once_audio", "stored"),
    ("presence_update_composing", "ignored"),
    ("qrcode_updated", "connection"),
    ("qrcode_updated_limit_reached", "connection"),
    ("send_message_text", "stored"),
    ("status_instance_closed", "connection"),
    ("v1_messages_update_read", "ignored"),
    ("v1_messages_upsert_extended_text", "duplicate"),
];

/// Texts as they must be read out of the fixtures.
const TEXTS: &[(&str, &str, &str)] = &[
    ("3A35903C2393D681D816", "audio", ""),
    ("3A00000000000000B001", "text", "Não quero receber"),
    ("ACF74C317ABADED4BE7EDC7E41BE13EE", "text", "Teste envio de mensagem"),
    ("AC37559D8001E5AD80AABD8E0BB9B006", "text", "Olá, o que vocês vendem?"),
    ("3EB0062835B784532CE8B8", "text", "gastei 25,78 com Uber"),
    ("3EB016D7881A2C29E25378", "document", "pode subir essa campanha por favor"),
    ("3A00000000000000B003", "text", "Mensagem temporária"),
    ("3A4F0B7A946F046A1AD0", "text", "Isso"),
    ("3A7F2C9D1E0B4A556677", "text", "Respondi pelo celular"),
    ("3EB0647DB9DBAB05DA6BCC", "image", ""),
    ("3A00000000000000B002", "text", "Cancelar"),
    ("3EB08C4ECC5588D6786A2E", "text", "arrojado"),
    ("3A3BD07D3529A482876A", "audio", ""),
    ("3ABBD003E80C199C7BF6", "reaction", "👍"),
    ("3AD63E6C8A79A252B0DC", "text", "Saber mais"),
];

both_engines! {
    async fn every_webhook_fixture_has_its_outcome(on: On) {
        let app = TestApp::start(on).await;
        // Later than every fixture.
        app.clock.advance(std::time::Duration::from_secs(400 * 86_400));
        let tenant = app.tenant("instancia-exemplo").await;
        let mut names: Vec<String> = std::fs::read_dir(format!("{}/fixtures/evolution", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".json", ""))
            .filter(|name| !name.starts_with("rest_"))
            .collect();
        names.sort();
        let listed: Vec<&str> = OUTCOMES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, listed, "every fixture has a row");
        for (name, expected) in OUTCOMES {
            let answer = app.webhook(&tenant.token(), &fixture(name)).await;
            assert_eq!(answer.status, 202, "{name}: {}", answer.text);
            assert_eq!(answer.json()["status"], *expected, "{name}: {}", answer.text);
        }
        let mut seen = std::collections::HashMap::new();
        let page = tenant.get("/v1/conversations?limit=200").await.expect(200).json();
        for conversation in page["items"].as_array().unwrap() {
            let id = conversation["id"].as_str().unwrap();
            let page = tenant.get(&format!("/v1/conversations/{id}/messages?limit=200")).await.json();
            for message in page["items"].as_array().unwrap() {
                let provider_id = message["provider_id"].as_str().unwrap().to_owned();
                let content = message["content"].as_str().unwrap().to_owned();
                let body = message["body"].as_str().unwrap_or_default().to_owned();
                seen.insert(provider_id, (content, body));
            }
        }
        for (id, content, body) in TEXTS {
            let expected = ((*content).to_owned(), (*body).to_owned());
            assert_eq!(seen.get(*id), Some(&expected), "{id}");
        }
        // Fixtures are months old: all of it is for a person, nothing is answered.
        app.pass(std::time::Duration::from_secs(60)).await;
        assert_eq!(app.sent(), []);
        // One customer under phone and LID is one contact.
        let contacts: std::collections::HashSet<&str> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["contact"].as_str().unwrap())
            .collect();
        assert_eq!(contacts.len(), page["items"].as_array().unwrap().len());
    }
}

both_engines! {
    async fn every_fixture_again_is_no_news(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("instancia-exemplo").await;
        for (name, first) in OUTCOMES.iter().filter(|(name, _)| name.starts_with("messages_upsert")) {
            app.webhook(&tenant.token(), &fixture(name)).await.expect(202);
            let again = app.webhook(&tenant.token(), &fixture(name)).await.expect(202).json();
            let expected: &[&str] = match *first {
                "stored" | "duplicate" => &["duplicate", "status"],
                other => &[other],
            };
            assert!(expected.contains(&again["status"].as_str().unwrap()), "{name}: {again}");
        }
    }
}

both_engines! {
    async fn refusals_say_which_and_why(on: On) {
        let app = TestApp::start_with(on, &[("PORTARIA_WEBHOOK_BODY_LIMIT", "65536")]).await;
        let tenant = app.tenant("loja").await;
        let body = sandbox::customer_message("loja", "5511987654321", "Ana", "oi", "A1", 0);
        app.webhook("wrong", &body).await.expect(401);
        app.webhook("", &body).await.expect(401);
        app.send("POST", "/webhook/evolution", &[], Some(&body)).await.expect(401);
        let mut elsewhere = body.clone();
        elsewhere["instance"] = json!("nobody");
        app.webhook(&tenant.token(), &elsewhere).await.expect(404);
        let request = axum::http::Request::post("/webhook/evolution")
            .header("x-webhook-token", tenant.token())
            .body("no json".into())
            .unwrap();
        app.request(request).await.expect(422);
        let mut large = body.clone();
        large["data"]["message"]["conversation"] = json!("x".repeat(70_000));
        app.webhook(&tenant.token(), &large).await.expect(413);
        let channels = tenant.get("/v1/channels").await.expect(200).json();
        assert!(channels[0]["alarm"].as_str().unwrap().contains("limit 65536"), "{channels}");
        // The guides' other addresses, and the token in the path.
        for (path, id) in [
            ("/webhook", "B1"),
            ("/webhook/whatsapp", "B2"),
            ("/webhook/evolution/messages-upsert", "B3"),
        ] {
            let body = sandbox::customer_message("loja", "5511987654321", "Ana", "oi", id, 0);
            let token = tenant.token();
            let answer = app.send("POST", path, &[("x-webhook-token", &token)], Some(&body)).await;
            assert_eq!(answer.expect(202).json()["status"], "stored", "{path}");
        }
        for (path, id) in [
            (format!("/webhook/evolution/in/{}", tenant.token()), "C1"),
            (format!("/webhook/evolution/in/{}/messages-upsert", tenant.token()), "C2"),
        ] {
            let body = sandbox::customer_message("loja", "5511987654321", "Ana", "oi", id, 0);
            let answer = app.send("POST", &path, &[], Some(&body)).await;
            assert_eq!(answer.expect(202).json()["status"], "stored", "{path}");
        }
    }
}

both_engines! {
    async fn what_nobody_can_read_is_kept_listed_and_replayable(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let odd = json!({ "event": "messages.upsert", "instance": "loja", "apikey": "SECRET",
            "data": { "key": { "remoteJid": "5511987654321@s.whatsapp.net" } } });
        let kept = app.webhook(&tenant.token(), &odd).await.expect(202).json();
        assert_eq!(kept["status"], "kept");
        let headless = json!({ "something": "else" });
        let kept = app.webhook(&tenant.token(), &headless).await.expect(202).json();
        assert_eq!(kept["status"], "kept");
        let list = tenant.get("/v1/raw-events").await.expect(200).json();
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), 2);
        let reasons: Vec<&str> = items.iter().map(|i| i["reason"].as_str().unwrap()).collect();
        assert!(reasons.contains(&"no key.id") && reasons.contains(&"no instance name"), "{reasons:?}");
        let id = items[0]["id"].as_str().unwrap();
        let replay = tenant.post(&format!("/v1/raw-events/{id}/replay"), &json!({})).await.expect(200);
        assert_eq!(replay.json()["outcomes"][0], "kept");
        assert!(!list.to_string().contains("SECRET"));
    }
}

both_engines! {
    async fn an_instance_name_is_one_channel_of_the_installation(on: On) {
        let app = TestApp::start(on).await;
        app.tenant("loja").await;
        let other = app.tenant("outra").await;
        let body = json!({ "kind": "evolution", "instance": "loja", "base_url": app.evolution.base_url(),
            "api_key": "k" });
        let refused = other.post("/v1/channels", &body).await.expect(409).json();
        assert_eq!(refused["code"], "instance_taken");
        assert!(refused["detail"].as_str().unwrap().contains("one channel of the whole installation"));
    }
}

both_engines! {
    async fn text_that_is_not_clean_is_mended_and_taken(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let at = app.clock.now().0 / 1_000_000;
        let body = |text: &str, id: &str| {
            let body = sandbox::customer_message("loja", "5511987654321", "Ana", "TEXTO", id, at);
            body.to_string().replace("TEXTO", text).into_bytes()
        };
        let mut broken = body("caf~", "latin");
        let at = broken.iter().position(|byte| *byte == b'~').unwrap();
        broken[at] = 0xe9;
        for (bytes, text) in [
            (body(r"oi \ud83d", "half"), "oi \u{fffd}"),
            (body(r"a\u0000b", "nul"), "ab"),
            (broken, "caf\u{fffd}"),
            (body("linha\ncrua", "raw"), "linha\ncrua"),
        ] {
            let request = axum::http::Request::post("/webhook/evolution")
                .header("x-webhook-token", tenant.token())
                .body(bytes.into())
                .unwrap();
            app.request(request).await.expect(202);
            let said = tenant.messages().await;
            assert!(said.iter().any(|message| message["body"] == text), "{text}: {said:?}");
        }
    }
}

both_engines! {
    async fn a_webhook_token_is_made_and_replaced_with_an_overlap(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("loja").await;
        let mut body = json!({ "kind": "evolution", "instance": "loja", "base_url": app.evolution.base_url(), "api_key": "k" });
        let short = json!("curto");
        body["webhook_token"] = short;
        let refused = tenant.post("/v1/channels", &body).await.expect(422).json();
        assert!(refused.to_string().contains("at least 8 characters"), "{refused}");
        body.as_object_mut().unwrap().remove("webhook_token");
        let made = tenant.post("/v1/channels", &body).await.expect(201).json();
        let first = made["webhook_token"].as_str().unwrap().to_owned();
        assert!(first.len() >= 40, "{first}");
        let list = tenant.get("/v1/channels").await.expect(200).text;
        assert!(!list.contains(&first), "it is shown once");
        let at = app.clock.now().0 / 1_000_000;
        let call = |token: String, id: String| {
            let body = sandbox::customer_message("loja", "5511987654321", "Ana", "oi", &id, at);
            let app = &app;
            async move { app.webhook(&token, &body).await.status.as_u16() }
        };
        assert_eq!(call(first.clone(), "1".to_owned()).await, 202);
        let path = "/v1/channels/loja/rotate";
        let made = tenant.post(path, &json!({ "new_webhook_token": true })).await.expect(200).json();
        let second = made["webhook_token"].as_str().unwrap().to_owned();
        assert_eq!(call(first.clone(), "2".to_owned()).await, 202, "for a day");
        assert_eq!(call(second.clone(), "3".to_owned()).await, 202);
        app.clock.advance(std::time::Duration::from_secs(25 * 3600));
        assert_eq!(call(first, "4".to_owned()).await, 401, "and no longer");
        let made = tenant.post(path, &json!({ "new_webhook_token": true, "at_once": true })).await.expect(200).json();
        assert_eq!(call(second, "5".to_owned()).await, 401, "it was given away");
        let third = made["webhook_token"].as_str().unwrap().to_owned();
        assert_eq!(call(third, "6".to_owned()).await, 202);
    }
}

both_engines! {
    async fn an_account_is_spoken_for_by_who_proves_it(on: On) {
        let app = TestApp::start(on).await;
        let (alfa, beta) = (app.bare_tenant("alfa").await, app.bare_tenant("beta").await);
        let channel = |number: &str, account: &str, secret: &str| {
            json!({ "kind": "whatsapp-cloud", "phone_number_id": number, "base_url": app.cloud.base_url(),
                "access_token": "t", "app_secret": secret, "verify_token": "verifica-0123456789",
                "business_account_id": account })
        };
        beta.post("/v1/channels", &channel("222", "WABA-B", "app-secret-of-beta")).await.expect(201);
        // Alfa says that beta's account is its own, too.
        alfa.post("/v1/channels", &channel("111", "WABA-B", "app-secret-of-alfa")).await.expect(201);
        let update = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "WABA-B", "changes": [{
            "field": "account_update",
            "value": { "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "DISABLE" } } }] }] });
        let call = |secret: &'static str| {
            let body = update.to_string();
            let request = axum::http::Request::post("/webhook/whatsapp-cloud")
                .header("x-hub-signature-256", sandbox::cloud_signature(secret, body.as_bytes()))
                .body(body.into())
                .unwrap();
            let app = &app;
            async move { app.request(request).await.status.as_u16() }
        };
        let alarm = async || beta.get("/v1/channels").await.expect(200).json()[0]["alarm"].clone();
        assert_eq!(call("app-secret-of-alfa").await, 200);
        assert_eq!(alarm().await, Value::Null, "what alfa says is of alfa only");
        assert_eq!(call("app-secret-of-beta").await, 200, "beta is not kept from what Meta tells it");
        assert_ne!(alarm().await, Value::Null);
    }
}

both_engines! {
    async fn what_nobody_can_read_is_kept_within_bounds(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let odd = |n: usize, more: &str| {
            json!({ "event": "something.new", "instance": "loja", "data": { "n": n, "more": more } })
        };
        let kept = || async {
            let mut tx = app.house.db.read(tenant.id).await.unwrap();
            let sql = "SELECT COUNT(*), CAST(COALESCE(MAX(LENGTH(body)), 0) AS BIGINT) FROM raw_events WHERE tenant_id = $1";
            let row = tx.fetch_opt(sql, db::args![tenant.id]).await.unwrap().unwrap();
            (row.get::<i64>(0).unwrap(), row.get::<i64>(1).unwrap())
        };
        app.webhook(&tenant.token(), &odd(0, &"x".repeat(300_000))).await.expect(202);
        let (count, longest) = kept().await;
        assert!(count == 1 && longest < 100, "the fact, without the body: {longest}");
        for n in 0..510 {
            app.webhook(&tenant.token(), &odd(n, "")).await.expect(202);
        }
        assert_eq!(kept().await.0, 500, "in an hour");
        app.clock.advance(std::time::Duration::from_secs(91 * 86_400));
        app.webhook(&tenant.token(), &odd(1, "")).await.expect(202);
        assert_eq!(kept().await.0, 481, "old ones go with new ones");
    }
}
