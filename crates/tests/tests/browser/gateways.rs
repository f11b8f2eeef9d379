//! The operator's page of the gateways, in front of a real one.

use identity::NewPerson;
use serde_json::json;
use testkit::{PASSWORD, free_port};
use traffic::Desk;

use crate::driver::{Browser, Window};
use crate::world::World;

const OPERATOR: &str = "ana@casa.example";

/// What some days of traffic come to.
fn outlook() -> String {
    let hour = |from: f64| (0..12).map(|at| from + f64::from(at) * 0.4).collect::<Vec<_>>();
    json!({ "until": "2026-01-01T00:00:00Z", "step_seconds": 300, "tenants": [
        { "tenant": "clinica", "requests_per_second": 12.5, "failed_share": 0.021, "mean_ms": 41.5,
          "forecast": { "basis": "days", "days": 7, "expected_per_second": hour(10.0), "low_per_second": hour(7.0), "high_per_second": hour(14.0) },
          "advice": { "kind": "add", "expected_per_second": 18.4, "servers": 2, "needed": 3, "reason": "" },
          "anomalies": [{ "about": "requests", "direction": "more", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:30:00Z", "now": true, "unit": "per_second", "seen": 30.0, "expected": 11.0, "deviations": 9.0 }] },
        { "tenant": "padaria", "requests_per_second": 0.2, "failed_share": null, "mean_ms": null, "forecast": null, "forecast_in_minutes": 55, "advice": null, "anomalies": [] },
        { "tenant": "", "requests_per_second": 3.0, "failed_share": 0.0, "mean_ms": 5.0,
          "forecast": { "basis": "level", "days": 0, "expected_per_second": hour(3.0), "low_per_second": hour(1.0), "high_per_second": hour(5.0) },
          "advice": { "kind": "hold", "expected_per_second": 9.4, "carried_per_second": 11.0, "reason": "" }, "anomalies": [] },
    ] })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_looks_after_a_gateway() {
    let (bind, folder) = (free_port(), tempfile::tempdir().unwrap());
    let file = folder.path().join("gateway.yaml");
    let text = format!(
        "global:\n  bind_address: \"127.0.0.1:{bind}\"\npools:\n  - {{name: web, backends: [{{address: \"127.0.0.1:9\"}}, {{address: \"127.0.0.1:10\"}}]}}\nroutes:\n  - {{host: loja.example, pool: web, tenant_id: padaria}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let settings = [("PORTARIA_GATEWAY_CONFIG", file.to_str().unwrap())];
    let world = World::start_at(free_port(), "padaria", &settings).await;
    let hash = identity::hash_password(PASSWORD).await;
    let clock = kernel::Clock::System;
    let mut tx = world.db.begin_system().await.unwrap();
    let new =
        NewPerson { email: OPERATOR, name: "Ana", password_hash: Some(&hash), operator: true };
    identity::create_person(&mut tx, &new, clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let desk = Desk { db: world.db.clone(), clock };
    let step = 1_000_000_000;
    assert!(desk.claim(step).await.unwrap());
    desk.foresee(step, &outlook()).await.unwrap();
    for (width, height, language) in [(1440, 900, "pt-BR"), (390, 844, "en-US")] {
        let browser = Browser::open(Window { width, height, language }).await;
        let word = |pt: &'static str, en: &'static str| if language == "pt-BR" { pt } else { en };
        browser.go(&format!("{}/painel", world.url)).await;
        browser.type_into("[name=email]", OPERATOR).await;
        browser.type_into("[name=password]", PASSWORD).await;
        browser.click("button.primary").await;
        browser.arrives("/painel/operador").await;
        browser.go(&format!("{}/painel/operador/gateway", world.url)).await;
        browser.says("127.0.0.1:10").await;
        browser.is_sound(&format!("gateways, {width}")).await;
        browser.screenshot(&format!("gateways-{width}")).await;
        browser.click("form:has([name=draining]) button").await;
        browser.says(word("Usar de novo", "Use again")).await;
        browser.click("form:has([name=draining]) button").await;
        browser.until("return !document.querySelector('[name=draining][value=false]')").await;
        browser.type_into("[name=host]", "loja.example").await;
        browser.click("form[method=get] button").await;
        browser.says("is the most exact one").await;
        browser.is_sound(&format!("an explanation, {width}")).await;
        browser.screenshot(&format!("gateways-explained-{width}")).await;
    }
    world.stop().await;
}
