//! Home: every number is counted from what happened, and says nothing else.

use std::time::Duration;

use identity::Role;
use testkit::{TestApp, both_engines};

fn card(page: &str, value: &str, label: &str) -> bool {
    page.contains(&format!("<strong>{value}</strong><span>{label}</span>"))
}

both_engines! {
    async fn the_day_is_counted_from_what_happened(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let home = async || dona.get("/painel/t/clinica").await.expect(200).text;
        let empty = home().await;
        assert!(empty.contains("Nenhuma conversa hoje ainda.") && empty.contains("O gráfico começa com a primeira mensagem."));
        assert!(card(&empty, "–", "tempo mediano de resposta"), "no number is made up: {empty}");

        // One by the assistant alone, one whom a person served, one who waits, and one who was told that it is not known.
        clinic.hears("5511987650001", "Quanto custa a limpeza?").await;
        clinic.hears("5511987650002", "Quero falar com um atendente").await;
        clinic.hears("5511987650003", "Quero falar com uma pessoa").await;
        clinic.hears("5511987650004", "Vocês fazem botox?").await;
        app.pass(Duration::from_secs(5)).await;
        let found = dona.get("/painel/t/clinica/conversas?q=5511987650002").await.expect(200).text;
        let at = found.find("/painel/t/clinica/conversas/").unwrap();
        let path = found[at..].split(['"', '?']).next().unwrap().to_owned();
        dona.post(&format!("{path}/assumir"), &[]).await.expect(303);
        let reply = [("text", "Oi, aqui é a dona"), ("once", "1"), ("mode", "reply")];
        dona.upload(&format!("{path}/responder"), &reply, &[]).await.expect(303);
        app.run_jobs().await;
        app.clock.advance(Duration::from_secs(1));

        let page = home().await;
        assert!(page.contains("Hoje: 4 conversas, 1 atendida só pela assistente, 1 esperando você."), "{page}");
        for (value, label) in [("4", "conversas"), ("1", "só com a assistente"), ("1", "com pergunta sem resposta"), ("1", "com pessoas"), ("1", "esperando agora")] {
            assert!(card(&page, value, label), "{value} {label}: {page}");
        }
        assert!(!card(&page, "–", "tempo mediano de resposta"));
        // The chart's numbers stand in a table too: contacts, assistant, people.
        assert!(page.contains("<td class=\"num\">4</td><td class=\"num\">4</td><td class=\"num\">1</td>"), "{page}");
        let mut english = app.signed_in("boss@clinica.example", &[(clinic.id, Role::Owner)]).await;
        english.language = "en-US";
        let english = english.get("/painel/t/clinica").await.expect(200).text;
        assert!(english.contains("Today: 4 conversations, 1 served by the assistant alone, 1 waiting for you."), "{english}");

        // Tomorrow the day begins anew; who waits still waits.
        app.clock.advance(Duration::from_secs(86_400));
        let next = app.signed_in("manha@clinica.example", &[(clinic.id, Role::Viewer)]).await;
        let page = next.get("/painel/t/clinica").await.expect(200).text;
        assert!(card(&page, "0", "conversas") && card(&page, "1", "esperando agora"), "{page}");

        // The house sees the same, and never what was said.
        let operator = app.signed_in_operator("op@house.example").await;
        let table = operator.get("/painel/operador").await.expect(200).text;
        assert!(table.contains("clinica") && table.contains(">Ativa<") && !table.contains("limpeza"), "{table}");
    }
}

both_engines! {
    async fn a_channel_that_is_down_and_a_suspended_business_are_said(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let operator = app.signed_in_operator("op@house.example").await;
        let home = async || dona.get("/painel/t/clinica").await.expect(200).text;
        assert!(!home().await.contains("desconectado"));
        let list = dona.get("/painel/t/clinica/canais").await.expect(200).text;
        let at = list.find("/painel/t/clinica/canais/").unwrap();
        let channel = list[at..].split('"').next().unwrap().to_owned();
        dona.post(&format!("{channel}/desconectar"), &[]).await.expect(303);
        let page = home().await;
        assert!(page.contains("O celular foi desconectado por aqui") && page.contains(&channel), "{page}");
        operator.post("/painel/operador/empresas/clinica/estado", &[("state", "suspended")]).await.expect(303);
        assert!(home().await.contains("Empresa suspensa"));
    }
}
