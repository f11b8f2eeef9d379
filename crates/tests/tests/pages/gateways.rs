//! The operator's page of the gateways, on what nodes report.

use serde_json::{Value, json};
use testkit::{TestApp, both_engines};
use traffic::{Desk, Said, Used};

fn report() -> Value {
    json!({
        "status": { "state": "serving", "version": 3, "connections": 12, "requests": 2, "routes": 4 },
        "cluster": { "file": "f1" },
        "pools": [{ "name": "web", "health_ignored": false, "upstreams": [
            { "address": "10.0.0.1:80", "weight": 1, "state": "serving", "last_check": "", "requests_open": 1, "requests": 900, "errors": 2, "latency_ms": 12.345 },
            { "address": "10.0.0.2:80", "weight": 5, "state": "ejected", "last_check": "status 500", "requests_open": 0, "requests": 12, "errors": 9, "latency_ms": 900.0 },
        ] }],
        "certificates": [
            { "names": ["loja.example"], "not_after": "2020-01-01T00:00:00Z" },
            { "names": ["casa.example"], "not_after": "2099-01-01T00:00:00Z" },
        ],
    })
}

fn outlook() -> Value {
    json!({ "until": "2026-01-01T00:00:00Z", "step_seconds": 300, "tenants": [
        { "tenant": "clinica", "requests_per_second": 12.5, "failed_share": 0.021, "mean_ms": 41.5,
          "forecast": { "basis": "days", "days": 7, "expected_per_second": [10.0, 14.0], "low_per_second": [8.0, 9.0], "high_per_second": [13.0, 19.5] },
          "advice": { "kind": "add", "expected_per_second": 19.5, "servers": 2, "needed": 3, "reason": "…" },
          "anomalies": [{ "about": "requests", "direction": "more", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:30:00Z", "now": true, "unit": "per_second", "seen": 30.0, "expected": 11.0, "deviations": 9.0 }] },
        { "tenant": "padaria", "requests_per_second": 0.2, "failed_share": null, "mean_ms": null, "forecast": null, "forecast_in_minutes": 55, "advice": null, "anomalies": [] },
    ] })
}

/// A node that answers what it is asked, and remembers it.
fn node(desk: Desk, answers: fn(&str) -> (u16, Value)) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            for ask in desk.take_asked("n1").await.unwrap() {
                let (status, body) = answers(&format!("{} {} {}", ask.method, ask.path, ask.body));
                desk.answer(&ask.id, &Said { status, body: body.to_string() }).await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
}

both_engines! {
    async fn gateways_are_seen_and_servers_changed(on: On) {
        let app = TestApp::start(on).await;
        app.tenant("clinica").await;
        let desk = Desk { db: app.house.db.clone(), clock: app.clock.clone() };
        let operator = app.signed_in_operator("ana@casa.example").await;
        let page = "/painel/operador/gateway";
        assert!(operator.get(page).await.expect(200).text.contains("Nenhum gateway ligado"));
        // Nobody but operators sees it.
        let owner = app.signed_in("dona@clinica.example", &[]).await;
        assert_ne!(owner.get(page).await.status, 200);

        desk.report("n1", &report().to_string()).await.unwrap();
        assert!(operator.get(page).await.expect(200).text.contains("Ainda não há cinco minutos contados."));
        assert!(desk.claim(10).await.unwrap());
        desk.foresee(10, &outlook().to_string()).await.unwrap();
        let text = operator.get(page).await.expect(200).text;
        for seen in [
            "n1", "10.0.0.1:80", "afastado", "status 500", "12,3", "vencido", "clinica", "12,5", "2,1 %", "19,5/s",
            "mais servidores", "3 em vez de 2", "agora", "30,0/s em vez de 11,0/s", "em 55 min",
        ] {
            assert!(text.contains(seen), "{seen}: {text}");
        }
assert_eq!(text.matches("vencido").count(), 1, "what ends late needs no word: {text}");

        let answering = node(desk.clone(), |asked| match asked {
            asked if asked.starts_with("PATCH") && asked.contains("10%2E0%2E0%2E9") => {
                (404, json!({ "detail": "the pool has no upstream at this address" }))
            }
            "PATCH /v1/gateway/pools/web/upstreams/10%2E0%2E0%2E1%3A80 {\"draining\":true}" => (200, json!({ "version": 4 })),
            "GET /v1/gateway/explain?host=loja%2Eexample&path=%2Fa " => {
                (200, json!({ "pool": "web", "why": ["route loja.example/ (line 4) is the most exact one"], "upstreams": [
                    { "address": "10.0.0.1:80", "may_be_chosen": true, "latency_ms": 12.0 },
                ] }))
            }
            other => (500, json!({ "detail": other })),
        });
        let fields = [("node", "n1"), ("pool", "web"), ("address", "10.0.0.1:80")];
        let with = |more: (&'static str, &'static str)| [&fields[..], &[more]].concat();
        operator.post(&format!("{page}/servidor"), &with(("draining", "true"))).await.expect(303);
        operator.post(&format!("{page}/servidor"), &with(("weight", "20000"))).await.expect(422);
        let wrong = [("node", "n1"), ("pool", "web"), ("address", "10.0.0.9:80"), ("weight", "2")];
        let refused = operator.post(&format!("{page}/servidor"), &wrong).await.expect(409).text;
        assert!(refused.contains("no upstream at this address"), "{refused}");
        let trail = operator.get("/painel/operador/auditoria").await.expect(200).text;
        assert!(trail.contains("mudou um servidor do gateway") && trail.contains("web 10.0.0.1:80"), "{trail}");
        assert!(!trail.contains("10.0.0.9"), "what was refused changed nothing");
        let why = operator.get(&format!("{page}?host=loja.example&caminho=/a")).await.expect(200).text;
        assert!(why.contains("is the most exact one") && why.contains("pode ser escolhido"), "{why}");
        answering.abort();

        // A node that is not heard of is not there.
        app.clock.advance(std::time::Duration::from_secs(21));
        assert!(operator.get(page).await.expect(200).text.contains("Nenhum gateway ligado"));
    }
}

both_engines! {
    async fn traffic_is_added_up_and_one_node_looks_at_it(on: On) {
        let app = TestApp::start(on).await;
        let desk = Desk { db: app.house.db.clone(), clock: app.clock.clone() };
        let now = app.clock.now().0 / 1_000_000 / 300;
        let used = |tenant: &str, step, requests| Used { tenant: tenant.to_owned(), step, requests, failures: 1, micros: 10 };
        desk.add(&[used("loja", now, 5), used("", now, 2)]).await.unwrap();
        desk.add(&[used("loja", now, 7)]).await.unwrap();
        desk.add(&[used("loja", now - 16 * 288, 7)]).await.unwrap();
        let mut all = desk.used(now).await.unwrap();
        all.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        assert_eq!(all, [used("", now, 2), Used { failures: 2, micros: 20, ..used("loja", now, 12) }]);
        assert_eq!(desk.used(0).await.unwrap().len(), 3);
        desk.prune().await.unwrap();
        assert_eq!(desk.used(0).await.unwrap().len(), 2, "what is older than fifteen days goes");
        assert!(desk.claim(now).await.unwrap());
        assert!(!desk.claim(now).await.unwrap(), "one of all");
        desk.foresee(now, "{\"a\":1}").await.unwrap();
        assert!(desk.claim(now + 1).await.unwrap());
        desk.foresee(now, "{\"a\":2}").await.unwrap();
        assert_eq!(desk.outlook().await.unwrap(), json!({ "a": 1 }), "who comes too late changes nothing");
    }
}
