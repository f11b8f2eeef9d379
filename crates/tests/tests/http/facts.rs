//! What documents state: read, corrected, summed, and what does not fit together.

use base64::Engine as _;
use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

const PRICES: &str = "Serviço;Hatch;SUV;Prazo\nPolimento;R$ 480;R$ 680;2 dias\nLavagem completa;R$ 85;R$ 120;1 hora\n\
    Higienização;R$ 320;R$ 390;1 dia\nVitrificação;R$ 900;R$ 1.200;3 dias\nEnceramento;R$ 90;R$ 130;2 horas\n";

async fn upload(tenant: &TestTenant<'_>, name: &str, text: &str) {
    let content = base64::engine::general_purpose::STANDARD.encode(text);
    let body = json!({ "name": name, "content_base64": content });
    tenant.post("/v1/knowledge/documents", &body).await.expect(201);
}

async fn facts(tenant: &TestTenant<'_>) -> Vec<Value> {
    let list = tenant.get("/v1/knowledge/facts?limit=200").await.expect(200).json();
    list["items"].as_array().unwrap().clone()
}

async fn fact(tenant: &TestTenant<'_>, subject: &str, aspect: &str) -> Value {
    let all = facts(tenant).await;
    let found = all.iter().find(|one| one["subject"] == subject && one["aspect"] == aspect);
    found.unwrap_or_else(|| panic!("{subject}, {aspect} is not in {all:#?}")).clone()
}

async fn chat(tenant: &TestTenant<'_>, text: &str) -> String {
    let said = tenant.post("/v1/chat", &json!({ "text": text })).await.expect(200).json();
    said["answer"].as_str().unwrap().to_owned()
}

fn correction(fact: &Value, value: &str) -> Value {
    json!({ "document": fact["document"], "key": fact["key"], "value": value })
}

both_engines! {
    async fn a_correction_is_told_and_survives_another_upload(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        upload(&tenant, "precos.csv", PRICES).await;
        let polish = fact(&tenant, "Polimento", "SUV").await;
        assert_eq!((&polish["kind"], &polish["value"], &polish["cents"]), (&json!("price"), &json!("R$ 680"), &json!(68000)));
        let time = fact(&tenant, "Polimento", "Prazo").await;
        assert_eq!((&time["kind"], &time["value"]), (&json!("time"), &json!("2 dias")));

        let done = tenant.put("/v1/knowledge/facts", &correction(&polish, "710")).await.expect(200).json();
        assert_eq!(done, json!({ "original": "R$ 680", "corrected": "R$ 710,00" }));
        assert!(chat(&tenant, "quanto custa o polimento de suv?").await.contains("R$ 710,00"));
        let told = fact(&tenant, "Polimento", "SUV").await;
        assert_eq!((&told["value"], &told["corrected_from"]), (&json!("R$ 710,00"), &json!("R$ 680")));

        // The same file again, and one that says something new: the correction holds.
        for text in [PRICES.to_owned(), PRICES.replace("R$ 680", "R$ 690")] {
            upload(&tenant, "precos.csv", &text).await;
            assert!(chat(&tenant, "quanto custa o polimento de suv?").await.contains("R$ 710,00"));
        }
        // Its sentence has a vector of its own after the job.
        let ran = app.run_jobs().await;
        assert!(ran.iter().any(|(kind, _)| kind == "knowledge.encode_due"), "{ran:?}");

        let undo = json!({ "document": told["document"], "key": told["key"] });
        tenant.post("/v1/knowledge/facts/undo", &undo).await.expect(204);
        assert!(chat(&tenant, "quanto custa o polimento de suv?").await.contains("R$ 690"));
        tenant.post("/v1/knowledge/facts/undo", &undo).await.expect(404);
    }
}

both_engines! {
    async fn a_correction_that_cannot_be_is_refused_with_its_reason(on: On) {
        let app = TestApp::start(on).await;
        let (tenant, other) = (app.bare_tenant("alfa").await, app.bare_tenant("beta").await);
        upload(&tenant, "precos.csv", PRICES).await;
        let polish = fact(&tenant, "Polimento", "SUV").await;
        for value in ["", "duas\nlinhas", "a combinar"] {
            let refused = tenant.put("/v1/knowledge/facts", &correction(&polish, value)).await.expect(422).json();
            assert_eq!(refused["field"], "value", "{refused}");
        }
        let unknown = json!({ "document": polish["document"], "key": "price||nada|", "value": "R$ 1" });
        let refused = tenant.put("/v1/knowledge/facts", &unknown).await.expect(404).json();
        assert_eq!(refused["code"], "unknown_fact");
        // Another business neither sees nor corrects it.
        assert_eq!(facts(&other).await, Vec::<Value>::new());
        other.put("/v1/knowledge/facts", &correction(&polish, "R$ 1")).await.expect(404);
        assert_eq!(fact(&tenant, "Polimento", "SUV").await["value"], "R$ 680");
    }
}

both_engines! {
    async fn what_does_not_fit_together_is_listed(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        upload(&tenant, "precos.csv", &PRICES.replace("R$ 90;R$ 130", "R$ 9000;R$ 130")).await;
        upload(&tenant, "recado.md", "# Novidades\n\nPolimento SUV: R$ 640\n").await;
        upload(&tenant, "oferta.md", "# Oferta de verão\n\nHigienização por R$ 250 até 31/01/2020.\n").await;
        let odd = tenant.get("/v1/knowledge/facts/problems").await.expect(200).json();
        let of = |kind: &str| -> Vec<Vec<&str>> {
            let all = odd["items"].as_array().unwrap().iter().filter(|one| one["kind"] == kind);
            all.map(|one| one["facts"].as_array().unwrap().iter().map(|fact| fact["value"].as_str().unwrap()).collect()).collect()
        };
        assert_eq!(of("contradiction"), [["R$ 680", "R$ 640"]], "{odd:#}");
        assert_eq!(of("ended"), [["R$ 250"]], "{odd:#}");
        assert_eq!(of("far_off"), [["R$ 9000"]], "{odd:#}");
    }
}

both_engines! {
    async fn a_sum_is_computed_from_what_is_known_for_certain(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let menu = "# Cardápio\n\n- Marmita média: R$ 27,00\n- Marmita grande: R$ 34,00\n- Refrigerante lata: R$ 6,50\n- Pudim: R$ 9\n\n\
            ## Entrega\n\n- Centro: R$ 5\n- Savassi: R$ 10\n";
        upload(&tenant, "cardapio.md", menu).await;
        assert_eq!(
            chat(&tenant, "quanto fica 3 marmitas média e 2 refri lata pra savassi?").await,
            "3 × Marmita média (R$ 27,00): R$ 81,00\n2 × Refrigerante lata (R$ 6,50): R$ 13,00\nSavassi: R$ 10,00\nTotal: R$ 104,00"
        );
        assert_eq!(chat(&tenant, "quanto dá 4 pudins?").await, "4 × Pudim (R$ 9,00): R$ 36,00");
        // A size that is not said, or a thing that is not sold, leaves no sum.
        for unsure in ["quanto fica 2 marmitas e 1 pudim?", "quanto fica 2 pudins e 1 suco de uva?"] {
            let said = chat(&tenant, unsure).await;
            assert!(!said.contains("Total"), "{unsure}: {said}");
        }
    }
}

both_engines! {
    async fn whether_it_is_open_today_is_told_from_the_documents(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let notes = "# Horário\n\nSegunda a sexta das 8h às 18h.\nSábado das 8h às 12h. Domingo fechado.\n\n# Serviços\n\nLavagem completa: 1h20.\n";
        upload(&tenant, "notas.md", notes).await;
        // It is Monday; of the other days nothing is told.
        for (asked, told, other) in [
            ("tá aberto hj?", "Hoje é segunda-feira: Segunda a sexta das 8h às 18h.", "Domingo"),
            ("abre domingo?", "Sábado das 8h às 12h. Domingo fechado.", "18h"),
        ] {
            let said = chat(&tenant, asked).await;
            assert!(said.contains(told) && !said.contains(other), "{asked}: {said}");
        }
        let now = chat(&tenant, "vcs estão atendendo agora?").await;
        assert!(now.contains("8h às 18h"), "{now}");
    }
}

both_engines! {
    async fn confirmed_hours_come_before_those_of_the_documents(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let notes = "# Horário\n\nSegunda a sexta das 8h às 18h.\nDia 24/12 até as 12h.\n\n# Retirada de pedidos\n\nTerça e quinta das 14h às 16h.\n";
        upload(&tenant, "notas.md", notes).await;
        let hours: Vec<_> = (1..=5)
            .map(|day| json!({ "weekday": day, "opens_minute": 9 * 60, "closes_minute": 17 * 60 }))
            .collect();
        tenant.put("/v1/opening-hours", &json!({ "hours": hours })).await.expect(200);
        for (asked, told) in [
            ("que horas vcs abrem?", "9h às 17h"),
            ("dps das 19h tem alguem ai?", "9h às 17h"),
            ("amanhã de manhã dá pra passar aí?", "9h às 17h"),
            // What the confirmed hours do not say, the documents do.
            ("dia 24/12 vcs abrem?", "até as 12h"),
            ("que dias dá pra retirar um pedido?", "14h às 16h"),
        ] {
            let said = chat(&tenant, asked).await;
            assert!(said.contains(told) && !said.contains("8h às 18h"), "{asked}: {said}");
        }
    }
}
