//! The API's manners: who may, repeats, pages, health.

use serde_json::{Value, json};
use testkit::{TestApp, both_engines, test_variable};

both_engines! {
    async fn every_route_is_shut_to_strangers(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let weak = tenant.post("/v1/api-keys", &json!({ "name": "w", "scopes": "tenant:read" })).await.expect(201).json();
        let weak = format!("Bearer {}", weak["secret"].as_str().unwrap());
        let document = portaria::openapi(&app.house);
        assert_eq!(document["openapi"], "3.1.0");
        let served = app.send("GET", "/openapi.json", &[], None).await.expect(200).json();
        assert_eq!(served, document);
        let id = "00000000-0000-7000-8000-000000000000";
        let mut routes = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            let path = path.replace("{id}", id).replace("{slug}", "loja").replace("{lane}", "bulk");
            for (method, operation) in methods.as_object().unwrap() {
                routes += 1;
                let method = method.to_uppercase();
                let body = operation.get("requestBody").map(|_| json!({}));
                let anonymous = app.send(&method, &path, &[], body.as_ref()).await;
                assert_eq!(anonymous.status, 401, "{method} {path}");
                let wrong = app.send(&method, &path, &[("authorization", "Bearer nonsense")], body.as_ref()).await;
                assert_eq!(wrong.status, 401, "{method} {path}");
                let scope = operation["security"][0]["apiKey"][0].as_str();
                if scope != Some("tenant:read") {
                    let weak = app.send(&method, &path, &[("authorization", &weak)], body.as_ref()).await;
                    assert_eq!(weak.status, 403, "{method} {path}: {}", weak.text);
                }
            }
        }
        assert!(routes >= 35, "{routes}");
    }
}

both_engines! {
    async fn a_repeated_write_has_one_effect(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let key = format!("Bearer {}", tenant.key);
        let body = json!({ "question": "Que horas?", "answer": "8h" });
        let headers = [("authorization", key.as_str()), ("idempotency-key", "abc")];
        let first = app.send("POST", "/v1/knowledge/pairs", &headers, Some(&body)).await.expect(201);
        let again = app.send("POST", "/v1/knowledge/pairs", &headers, Some(&body)).await.expect(201);
        assert_eq!(first.text, again.text);
        assert_eq!(again.headers["idempotent-replayed"], "true");
        let other = json!({ "question": "Que dias?", "answer": "Todos" });
        let reused = app.send("POST", "/v1/knowledge/pairs", &headers, Some(&other)).await.expect(409);
        assert_eq!(reused.json()["code"], "idempotency_key_reused");
        let headers = [("authorization", key.as_str()), ("idempotency-key", "key")];
        let made = app.send("POST", "/v1/api-keys", &headers, Some(&json!({ "name": "k" }))).await.expect(201);
        assert!(made.json()["secret"].as_str().unwrap().starts_with("pk_"));
        let again = app.send("POST", "/v1/api-keys", &headers, Some(&json!({ "name": "k" }))).await.expect(409);
        assert!(!again.text.contains("pk_"));
    }
}

both_engines! {
    async fn problems_name_the_field_and_the_reason(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let bad = app.operator("POST", "/v1/tenants", Some(&json!({ "slug": "LojaABC", "name": "x" }))).await.expect(422);
        assert_eq!(bad.headers["content-type"], "application/problem+json");
        assert_eq!((&bad.json()["field"], &bad.json()["code"]), (&json!("slug"), &json!("invalid_field")));
        assert!(bad.json()["detail"].as_str().unwrap().contains("lojaabc"));
        let unknown = tenant.post("/v1/chat", &json!({ "text": "oi", "txet": 1 })).await.expect(422);
        assert!(unknown.json()["detail"].as_str().unwrap().contains("txet"), "{}", unknown.text);
        tenant.get("/v1/conversations?limit=0").await.expect(422);
        tenant.get("/v1/conversations?cursor=x").await.expect(422);
        tenant.get("/v1/nowhere").await.expect(404);
        app.send("DELETE", "/healthz", &[], None).await.expect(405);
        let acting = app.send("GET", "/v1/tenant", &[("authorization", &format!("Bearer {}", testkit::ADMIN))], None).await;
        assert_eq!(acting.expect(400).json()["code"], "tenant_missing");
    }
}

both_engines! {
    async fn lists_come_in_pages(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        for number in 0..5 {
            tenant.hears(&format!("551198765000{number}"), "oi").await;
            app.clock.advance(std::time::Duration::from_secs(1));
        }
        let mut seen: Vec<Value> = Vec::new();
        let mut path = "/v1/conversations?limit=2".to_owned();
        loop {
            let page = tenant.get(&path).await.expect(200).json();
            seen.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/conversations?limit=2&cursor={next}"),
                None => break,
            }
        }
        let ids: std::collections::HashSet<&str> = seen.iter().map(|c| c["id"].as_str().unwrap()).collect();
        assert_eq!((seen.len(), ids.len()), (5, 5));
    }
}

both_engines! {
    async fn health_tells_each_dependency(on: On) {
        let redis = test_variable("TEST_REDIS");
        let app = TestApp::start_with(on, &[("REDIS_URL", &redis)]).await;
        app.send("GET", "/livez", &[], None).await.expect(200);
        app.send("GET", "/readyz", &[], None).await.expect(200);
        let health = app.send("GET", "/healthz", &[], None).await.expect(503).json();
        assert_eq!((&health["status"], &health["dependencies"]["worker"]["status"]), (&json!("degraded"), &json!("down")));
        assert_eq!(health["dependencies"]["database"]["status"], "ok");
        assert_eq!(health["dependencies"]["redis"]["status"], "ok");
        assert_eq!(health["timestamp"], "2026-01-05T12:00:00Z");
        // A worker shows itself.
        let stop = app.house.queue(&[]);
        let token = tokio_stop();
        let running = tokio::spawn({ let token = token.clone(); async move { stop.run(token).await } });
        for _ in 0..200 {
            if queue::heartbeat_age(&app.house.db, app.clock.now()).await.unwrap().is_some() {
                break;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let health = app.send("GET", "/healthz", &[], None).await.expect(200).json();
        assert_eq!(health["status"], "ok");
        token.cancel();
        running.abort();
    }
}

fn tokio_stop() -> tokio_util::sync::CancellationToken {
    tokio_util::sync::CancellationToken::new()
}

both_engines! {
    async fn browsers_may_call_only_from_listed_origins(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        let key = format!("Bearer {}", tenant.key);
        let from = |origin: &'static str| [("authorization", key.clone()), ("origin", origin.to_owned())];
        let call = async |origin| {
            let headers = from(origin);
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            app.send("GET", "/v1/tenant", &headers, None).await.expect(200)
        };
        assert!(call("https://www.loja.com").await.headers.get("access-control-allow-origin").is_none());
        tenant.put("/v1/tenant/cors", &json!({ "origins": ["https://www.loja.com"] })).await.expect(200);
        assert_eq!(call("https://www.loja.com").await.headers["access-control-allow-origin"], "https://www.loja.com");
        assert!(call("https://evil.com").await.headers.get("access-control-allow-origin").is_none());
        tenant.put("/v1/tenant/cors", &json!({ "origins": ["loja.com"] })).await.expect(422);
    }
}

both_engines! {
    async fn a_model_that_does_not_answer_is_seen_and_a_key_goes_to_its_own_server_only(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("loja").await;
        tenant.knows("Quanto custa a limpeza?", "A limpeza custa R$ 150.").await;
        tenant.uses_model().await;
        app.model.faults().always(Some(sandbox::Fault::Status(500)));
        let asked = json!({ "text": "Quanto custa a limpeza?" });
        let said = tenant.post("/v1/chat", &asked).await.expect(200).json();
        assert_eq!((&said["answer"], &said["answered_by"]), (&json!("A limpeza custa R$ 150."), &json!("knowledge")));
        assert_eq!(said["models_failed"][0]["model"], "test");
        app.model.faults().always(None);
        app.model.will_say("São R$ 150.");
        let said = tenant.post("/v1/chat", &asked).await.expect(200).json();
        assert_eq!((&said["answered_by"], &said["models_failed"]), (&json!("test"), &json!([])));

        let read = tenant.get("/v1/assistant").await.expect(200).json();
        assert_eq!(read["model_key_set"], true);
        assert_eq!(tenant.put("/v1/assistant", &read).await.expect(200).json(), read, "as it was read");
        let refused = tenant.put("/v1/assistant", &json!({ "model_api_kye": "k" })).await.expect(422);
        assert!(refused.json()["detail"].as_str().unwrap().contains("unknown field `model_api_kye`"));
        let moved = json!({ "model": { "provider": "openai", "base_url": format!("{}/other", app.model.base_url()), "model": "test" } });
        assert_eq!(tenant.put("/v1/assistant", &moved).await.expect(200).json()["model_key_set"], false);
        let mut misspelled = moved.clone();
        misspelled["model"]["modle"] = json!("x");
        tenant.put("/v1/assistant", &misspelled).await.expect(422);
        let keyless = json!({ "model": { "provider": "gemini", "base_url": "https://generativelanguage.googleapis.com/v1beta", "model": "m" } });
        let refused = tenant.put("/v1/assistant", &keyless).await.expect(422).json();
        assert_eq!(refused["field"], "model_api_key");
        let mut blank = moved;
        blank["model_api_key"] = json!(" ");
        assert_eq!(tenant.put("/v1/assistant", &blank).await.expect(422).json()["field"], "model_api_key");
    }
}
