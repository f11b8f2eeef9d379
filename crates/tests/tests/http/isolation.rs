//! One tenant never sees another's facts, whichever door is tried.

use std::collections::HashSet;
use std::time::Duration;

use db::args;
use serde_json::json;
use testkit::{On, TestApp, both_engines};

both_engines! {
    async fn contradicting_knowledge_never_crosses(on: On) {
        let app = TestApp::start(on).await;
        let x = app.tenant("xis").await;
        let y = app.tenant("ypsilon").await;
        x.knows("Quanto custa o produto?", "O produto X custa R$ 100 e é azul.").await;
        y.knows("Quanto custa o produto?", "O produto Y custa R$ 200 e é vermelho.").await;
        for (tenant, own, other) in [(&x, "produto X", "produto Y"), (&y, "produto Y", "produto X")] {
            let chat = tenant.post("/v1/chat", &json!({ "text": "Quanto custa o produto?" })).await.expect(200);
            assert!(chat.text.contains(own) && !chat.text.contains(other), "{}", chat.text);
            let found = tenant.post("/v1/knowledge/search", &json!({ "question": "produto" })).await.expect(200);
            assert!(found.text.contains(own) && !found.text.contains(other), "{}", found.text);
        }
        // The same person writes to both at once.
        for round in 0..20 {
            let phone = format!("551198765{round:04}");
            x.hears(&phone, "Quanto custa o produto?").await;
            y.hears(&phone, "Quanto custa o produto?").await;
        }
        app.pass(Duration::from_secs(5)).await;
        let sent = app.sent();
        assert_eq!(sent.len(), 40);
        for one in sent {
            let (own, other) = if one.instance == "xis" { ("produto X", "produto Y") } else { ("produto Y", "produto X") };
            assert!(one.text.contains(own) && !one.text.contains(other), "{one:?}");
        }
    }
}

both_engines! {
    async fn another_tenants_ids_are_not_found(on: On) {
        let app = TestApp::start(on).await;
        let mine = app.tenant("minha").await;
        let other = app.tenant("outra").await;
        mine.knows("Que horas?", "8h").await;
        mine.hears("5511987654321", "oi").await;
        app.pass(Duration::from_secs(5)).await;
        let conversation = mine.conversation().await["id"].as_str().unwrap().to_owned();
        let message = mine.messages().await[0]["id"].as_str().unwrap().to_owned();
        let document = mine.get("/v1/knowledge/documents").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let channel = mine.get("/v1/channels").await.json()[0]["id"].as_str().unwrap().to_owned();
        let key = mine.get("/v1/api-keys").await.json()[0]["id"].as_str().unwrap().to_owned();
        for path in [
            format!("/v1/conversations/{conversation}"),
            format!("/v1/conversations/{conversation}/messages"),
            format!("/v1/messages/{message}"),
            format!("/v1/knowledge/documents/{document}"),
        ] {
            mine.get(&path).await.expect(200);
            other.get(&path).await.expect(404);
        }
        other.post(&format!("/v1/conversations/{conversation}/messages"), &json!({ "text": "oi" })).await.expect(404);
        other.post(&format!("/v1/conversations/{conversation}/take-over"), &json!({})).await.expect(404);
        other.delete(&format!("/v1/knowledge/documents/{document}")).await.expect(404);
        other.delete(&format!("/v1/channels/{channel}")).await.expect(404);
        other.delete(&format!("/v1/api-keys/{key}")).await.expect(404);
        other.post(&format!("/v1/api-keys/{key}/rotate"), &json!({})).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_holds_alone() {
    let app = TestApp::start(On::Postgres).await;
    let x = app.tenant("xis").await;
    let y = app.tenant("ypsilon").await;
    for tenant in [&x, &y] {
        tenant.knows("Que horas?", "8h").await;
        tenant.hears("5511987654321", "oi").await;
    }
    app.pass(Duration::from_secs(5)).await;
    let mut tx = app.house.db.begin(x.id).await.unwrap();
    for table in portaria::house::migrations().iter().flat_map(|step| step.tenant_tables) {
        let key = if *table == "tenants" { "id" } else { "tenant_id" };
        // On purpose without a filter.
        let rows =
            tx.fetch_all(&format!("SELECT DISTINCT {key} FROM {table}"), args![]).await.unwrap();
        let seen: HashSet<String> = rows.iter().map(|row| row.get(0).unwrap()).collect();
        assert!(seen.iter().all(|id| *id == x.id.to_string()), "{table}: {seen:?}");
    }
    let moved = tx.execute("UPDATE messages SET body = 'x'", args![]).await.unwrap();
    drop(tx);
    assert!(moved > 0);
    let other = y.messages().await;
    assert!(other.iter().all(|m| m["body"] != "x"));
    // A row of somebody else cannot be written either.
    let mut tx = app.house.db.begin(x.id).await.unwrap();
    let forged = tx
        .execute(
            "INSERT INTO assistants (tenant_id, settings, updated_at) VALUES ($1, '{}', 0)",
            args![y.id],
        )
        .await;
    assert!(forged.is_err(), "row-level security checks what is written");
}

both_engines! {
    async fn a_tenants_transaction_reaches_no_table_of_the_house(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        for table in [
            "people", "sessions", "links", "mails", "recovery_codes", "machine_tokens", "passkeys",
            "master_key_check", "certificates", "acme_accounts", "acme_proofs", "heartbeats",
            "queue_clocks", "gateway_nodes", "gateway_traffic", "write_probe",
        ] {
            let mut tx = app.house.db.begin(tenant.id).await.unwrap();
            // SQLite has no roles; there the type of the transaction and the tidy list do it.
            let read = tx.fetch_all(&format!("SELECT * FROM {table}"), Vec::new()).await;
            assert_eq!(read.is_err(), tx.is_postgres(), "{table}");
        }
    }
}

both_engines! {
    async fn of_a_tenant_that_is_removed_no_row_is_left_and_of_others_all(on: On) {
        let app = TestApp::start(on).await;
        let (going, staying) = (app.tenant("loja").await, app.tenant("clinica").await);
        for tenant in [&going, &staying] {
            tenant.knows("Que horas abrem?", "Das 8h às 18h.").await;
            tenant.hears("5511987654321", "Que horas abrem?").await;
        }
        app.pass(std::time::Duration::from_secs(5)).await;
        // More than one batch takes.
        let mut tx = app.house.db.begin(going.id).await.unwrap();
        for n in 0..1000_i64 {
            let sql = "INSERT INTO message_events (tenant_id, message_id, at, state) VALUES ($1, $2, $3, 'x')";
            tx.execute(sql, db::args![going.id, "m", n]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let rows = async |tenant: &testkit::TestTenant<'_>| {
            let mut tx = app.house.db.read(tenant.id).await.unwrap();
            let mut all = 0;
            for table in portaria::house::migrations().iter().flat_map(|step| step.tenant_tables) {
                let key = if *table == "tenants" { "id" } else { "tenant_id" };
                let sql = format!("SELECT COUNT(*) FROM {table} WHERE {key} = $1");
                let row = tx.fetch_opt(&sql, db::args![tenant.id]).await.unwrap().unwrap();
                all += row.get::<i64>(0).unwrap();
            }
            all
        };
        let before = rows(&staying).await;
        assert!(rows(&going).await > 1000 && before > 10, "{before}");
        let removed = app.operator("DELETE", "/v1/tenants/loja", None).await.expect(200).json();
        let events = removed.as_array().unwrap().iter();
        let events = events.filter(|line| line["what"] == "message_events");
        assert!(events.map(|line| line["count"].as_u64().unwrap()).sum::<u64>() > 1000, "{removed}");
        assert_eq!((rows(&going).await, rows(&staying).await), (0, before));
    }
}
