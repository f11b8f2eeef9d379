//! Programs of the house and of tenants: tokens, what they may do, and what the trail says of them.

use identity::Role;
use serde_json::json;
use std::time::Duration;
use testkit::{Answer, TestApp, both_engines};

/// The secret that a page shows once.
fn shown(page: &Answer, prefix: &str) -> String {
    let at = page.text.find(prefix).unwrap_or_else(|| panic!("no {prefix} in {}", page.text));
    let rest = &page.text[at..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    rest[..end.unwrap_or(rest.len())].to_owned()
}

both_engines! {
    async fn a_machine_token_does_what_it_is_for_and_nothing_else(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let operator = app.signed_in_operator("ana@casa.example").await;
        let page = "/painel/operador/chaves";
        operator.post(page, &[("name", ""), ("scope", "tenants:read")]).await.expect(422);
        operator.post(page, &[("name", "Cobrança")]).await.expect(422);
        operator.post(page, &[("name", "Cobrança"), ("scope", "inbox:read")]).await.expect(422);
        let made = operator
            .post(page, &[("name", "Cobrança"), ("scope", "tenants:read"), ("scope", "tenants:write"), ("days", "30")])
            .await
            .expect(200);
        let secret = shown(&made, "pmt_");
        let again = operator.get(page).await.expect(200);
        assert!(!again.text.contains(&secret) && again.text.contains(&secret[..8]), "shown once");
        let bearer = format!("Bearer {secret}");
        let call = async |method: &str, path: &str, body: Option<serde_json::Value>| {
            let headers = [("authorization", bearer.as_str()), ("x-portaria-tenant", "clinica")];
            app.send(method, path, &headers, body.as_ref()).await
        };
        call("POST", "/v1/tenants", Some(json!({ "slug": "nova", "name": "Nova" }))).await.expect(201);
        let state = call("PUT", "/v1/tenants/clinica/state", Some(json!({ "state": "suspended" }))).await.expect(200);
        assert_eq!(state.json()["state"], "suspended");
        // What it was not made for, it may not: other scopes, and everything within a tenant.
        let lacks = call("GET", "/v1/queue", None).await.expect(403);
        assert!(lacks.json()["detail"].as_str().unwrap().contains("queue:read"), "{}", lacks.text);
        let within = call("GET", "/v1/conversations", None).await.expect(403);
        assert!(within.json()["detail"].as_str().unwrap().contains("API key of the tenant"), "{}", within.text);
        // The trail names it: the new business in the house's, the state where the business sees it.
        let trail = operator.get("/painel/operador/auditoria").await.expect(200);
        assert!(trail.text.contains("POST /v1/tenants") && trail.text.contains("criou uma chave da instalação"), "{}", trail.text);
        let owner = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let own = owner.get("/painel/t/clinica/auditoria").await.expect(200);
        assert!(own.text.contains("PUT /v1/tenants/clinica/state") && own.text.contains("Cobrança"), "{}", own.text);
        // It ends by itself, or at once.
        app.clock.advance(Duration::from_secs(31 * 86_400));
        call("GET", "/v1/tenants", None).await.expect(401);
        let operator = app.signed_in_operator("bia@casa.example").await;
        let made = operator.post(page, &[("name", "Fila"), ("scope", "queue:read")]).await.expect(200);
        let second = format!("Bearer {}", shown(&made, "pmt_"));
        app.send("GET", "/v1/queue", &[("authorization", &second)], None).await.expect(200);
        let start = made.text.find("/painel/operador/chaves/").unwrap();
        let path: String = made.text[start..].chars().take_while(|c| *c != '"').collect();
        operator.post(&path, &[]).await.expect(303);
        app.send("GET", "/v1/queue", &[("authorization", &second)], None).await.expect(401);
        operator.post(&path, &[]).await.expect(404);
    }
}

both_engines! {
    async fn what_a_key_changes_is_in_the_trail_without_its_secrets(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let settings = json!({ "persona": "Bia", "model": { "provider": "openai", "name": "gpt-x", "api_key": "sk-muito-secreta" } });
        let put = clinic.put("/v1/assistant", &settings).await;
        assert!(put.status.is_success() || put.status == 422, "{}", put.text);
        clinic.post("/v1/knowledge/pairs", &json!({ "question": "Que horas?", "answer": "8h" })).await.expect(201);
        // Refused, so not done.
        clinic.post("/v1/knowledge/pairs", &json!({ "question": "" })).await.expect(422);
        clinic.hears("5511987654321", "oi").await;
        let owner = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let trail = owner.get("/painel/t/clinica/auditoria?acao=api").await.expect(200);
        assert_eq!(trail.text.matches("POST /v1/knowledge/pairs").count(), 1, "{}", trail.text);
        assert!(trail.text.contains("Que horas?"), "{}", trail.text);
        assert!(!trail.text.contains("sk-muito-secreta"));
    }
}
