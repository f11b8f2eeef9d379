//! The inbox: what is shown, who takes a conversation, and that two do not answer at once.

use std::time::Duration;

use identity::Role;
use serde_json::json;
use testkit::{TestApp, TestTenant, Visitor, both_engines};

async fn conversation(tenant: &TestTenant<'_>) -> String {
    tenant.conversation().await["id"].as_str().unwrap().to_owned()
}

async fn reply(visitor: &Visitor<'_>, path: &str, text: &str, once: &str) -> testkit::Answer {
    visitor
        .upload(
            &format!("{path}/responder"),
            &[("text", text), ("once", once), ("mode", "reply")],
            &[],
        )
        .await
}

both_engines! {
    async fn a_person_takes_over_replies_and_gives_back(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        let bia = app.signed_in("bia@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "Quanto custa a limpeza?").await;
        app.pass(Duration::from_secs(5)).await;
        clinic.hears("5511987654321", "Quero falar com um atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let id = conversation(&clinic).await;
        let path = format!("/painel/t/clinica/conversas/{id}");

        let list = ana.get("/painel/t/clinica/conversas?ver=esperando").await.expect(200).text;
        assert!(list.contains("Ana") && list.contains(&id), "{list}");
        let page = ana.get(&path).await.expect(200).text;
        for part in ["A limpeza custa R$ 180.", "Fontes (1)", "O contato pediu uma pessoa", "Assumir conversa", "Esperando uma pessoa"] {
            assert!(page.contains(part), "{part} in {page}");
        }
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        let page = ana.get(&path).await.expect(200).text;
        assert!(page.contains("Com você") && page.contains("ana assumiu a conversa"), "{page}");
        assert!(bia.get(&path).await.expect(200).text.contains("Com ana"));

        // Somebody else does not answer at the same time; nothing is lost by the refusal.
        let sent = app.sent().len();
        let refused = reply(&bia, &path, "Oi, sou a Bia", "b1").await.expect(409);
        assert!(refused.text.contains("Outra pessoa está atendendo"), "{}", refused.text);
        // A form that is sent twice makes one message.
        reply(&ana, &path, "Oi, aqui é a Ana", "a1").await.expect(303);
        reply(&ana, &path, "Oi, aqui é a Ana", "a1").await.expect(303);
        app.run_jobs().await;
        let texts: Vec<String> = app.sent()[sent..].iter().map(|s| s.text.clone()).collect();
        assert_eq!(texts, ["Oi, aqui é a Ana"]);
        // The assistant keeps quiet meanwhile.
        clinic.hears("5511987654321", "Quanto custa a limpeza?").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), sent + 1);
        bia.post(&format!("{path}/assumir"), &[]).await.expect(303);
        reply(&bia, &path, "Agora é a Bia", "b2").await.expect(303);
        reply(&ana, &path, "Ainda eu", "a2").await.expect(409);

        // A note is the team's; the contact never sees it.
        let with_file = [("file", "foto.png", "x")];
        bia.upload(&format!("{path}/responder"), &[("text", "Cliente antigo"), ("mode", "note")], &with_file).await.expect(422);
        bia.upload(&format!("{path}/responder"), &[("text", "Cliente antigo"), ("mode", "note")], &[]).await.expect(303);
        app.run_jobs().await;
        assert!(bia.get(&path).await.expect(200).text.contains("Cliente antigo"));
        assert!(app.sent().iter().all(|s| s.text != "Cliente antigo"));

        bia.post(&format!("{path}/devolver"), &[]).await.expect(303);
        assert!(bia.get(&path).await.expect(200).text.contains("Com a assistente"));
        clinic.hears("5511987654321", "quanto custa a limpeza").await;
        app.pass(Duration::from_secs(5)).await;
        assert!(app.sent().last().unwrap().text.contains("R$ 180"));
    }
}

both_engines! {
    async fn resolved_conversations_leave_the_list_until_the_contact_writes(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "Quero falar com um atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let id = conversation(&clinic).await;
        let path = format!("/painel/t/clinica/conversas/{id}");
        let listed = async |query: &str| {
            ana.get(&format!("/painel/t/clinica/conversas{query}")).await.expect(200).text.contains(&id)
        };
        assert!(listed("").await && listed("?ver=novas").await);
        ana.get(&path).await.expect(200);
        assert!(!listed("?ver=novas").await, "it was looked at");
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        assert!(listed("?ver=minhas").await);
        ana.post(&format!("{path}/resolver"), &[]).await.expect(303);
        assert!(!listed("").await && !listed("?ver=minhas").await && listed("?ver=resolvidas").await);
        ana.post(&format!("{path}/reabrir"), &[]).await.expect(303);
        assert!(listed("").await && listed("?ver=minhas").await);
        ana.post(&format!("{path}/resolver"), &[]).await.expect(303);
        app.clock.advance(Duration::from_secs(1));
        clinic.hears("5511987654321", "mais uma coisa").await;
        assert!(listed("").await && !listed("?ver=resolvidas").await);
        // Providers tell whole seconds: what was written before, by their clock, came after by ours.
        app.clock.advance(Duration::from_millis(700));
        ana.post(&format!("{path}/resolver"), &[]).await.expect(303);
        app.clock.advance(Duration::from_millis(100));
        clinic.hears("5511987654321", "e o estacionamento?").await;
        assert!(listed("").await && !listed("?ver=resolvidas").await);
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        ana.get(&path).await.expect(200);
        assert!(!listed("?ver=novas").await, "it was looked at");
        app.clock.advance(Duration::from_millis(100));
        clinic.hears("5511987654321", "oi?").await;
        assert!(listed("?ver=novas").await, "within the same second");
        ana.get(&path).await.expect(200);
        assert!(!listed("?ver=novas").await, "it was looked at again");
    }
}

both_engines! {
    async fn a_day_later_nobody_is_said_to_attend(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "Oi").await;
        let path = format!("/painel/t/clinica/conversas/{}", conversation(&clinic).await);
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        app.clock.advance(Duration::from_secs(25 * 3600));
        let bia = app.signed_in("bia@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "quanto custa a limpeza?").await;
        app.pass(Duration::from_secs(5)).await;
        assert!(bia.get(&path).await.expect(200).text.contains("Com a assistente"));
        // Whoever comes first attends; it is not the other one's of yesterday.
        reply(&bia, &path, "Posso ajudar?", "c1").await.expect(303);
        assert!(bia.get(&path).await.expect(200).text.contains("Com você"));
    }
}

both_engines! {
    async fn search_finds_names_phones_and_words_whatever_the_accents(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Viewer)]).await;
        clinic.hears("5511987654321", "Tem promoção de clareamento?").await;
        clinic.hears("5511911112222", "Bom dia").await;
        let count = async |q: &str| {
            let text = ana.get(&format!("/painel/t/clinica/conversas?q={q}")).await.expect(200).text;
            text.matches("data-row").count()
        };
        for (q, found) in [
            ("promocao", 1), ("PROMO%C3%87%C3%83O", 1), ("clareamento", 1), ("87654", 1), ("%2B55%2011%2091111", 1),
            ("ana", 2), ("inexistente", 0), ("%25", 0), ("bom%20dia", 1),
        ] {
            assert_eq!(count(q).await, found, "{q}");
        }
    }
}

both_engines! {
    async fn labels_assignment_and_filters_hold_together(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let bakery = app.tenant("padaria").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "Oi").await;
        let id = conversation(&clinic).await;
        let path = format!("/painel/t/clinica/conversas/{id}");
        ana.post("/painel/t/clinica/ajustes/etiquetas", &[("name", "Urgente")]).await.expect(303);
        ana.post("/painel/t/clinica/ajustes/etiquetas", &[("name", "Urgente")]).await.expect(422);
        let mut tx = app.house.db.read(clinic.id).await.unwrap();
        let label = inbox::labels(&mut tx).await.unwrap()[0].id.to_string();
        drop(tx);
        ana.post(&format!("{path}/etiqueta"), &[("label", &label)]).await.expect(303);
        let listed = async |query: &str| {
            ana.get(&format!("/painel/t/clinica/conversas{query}")).await.expect(200).text.contains(&format!("conversas/{id}"))
        };
        assert!(listed(&format!("?etiqueta={label}")).await);
        ana.post(&format!("{path}/etiqueta"), &[("label", &label)]).await.expect(303);
        assert!(!listed(&format!("?etiqueta={label}")).await);
        // Only the team attends.
        let outside = app.signed_in("eva@padaria.example", &[(bakery.id, Role::Owner)]).await;
        let mut tx = app.house.db.read_system().await.unwrap();
        let eva = identity::person_by_email(&mut tx, "eva@padaria.example").await.unwrap().unwrap().id.to_string();
        drop(tx);
        ana.post(&format!("{path}/atribuir"), &[("person", &eva)]).await.expect(404);
        outside.get(&path.replace("/clinica/", "/padaria/")).await.expect(404);
        ana.post("/painel/t/clinica/ajustes/respostas", &[("shortcut", "/Pix"), ("body", "A chave é 123.")]).await.expect(303);
        assert!(ana.get(&path).await.expect(200).text.contains("data-text=\"A chave é 123.\""));
    }
}

both_engines! {
    async fn a_page_that_shows_the_newest_is_told_so_without_a_body(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "Quero falar com um atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let id = conversation(&clinic).await;
        let version = |text: &str| {
            let at = text.find("name=\"v\" value=\"").unwrap() + 16;
            text[at..at + 16].to_owned()
        };
        for path in ["/painel/t/clinica/conversas-lista?x=1".to_owned(), format!("/painel/t/clinica/conversas/{id}/fio?x=1")] {
            let shown = ana.get(&path).await.expect(200);
            let path = format!("{path}&v={}", version(&shown.text));
            assert_eq!(ana.get(&path).await.status, 204, "{path}");
            // That time passes replaces nothing under a reader's hands.
            app.clock.advance(Duration::from_secs(61));
            assert_eq!(ana.get(&path).await.status, 204, "{path}, a minute later");
            clinic.hears("5511987654321", "mais").await;
            ana.get(&path).await.expect(200);
        }
    }
}

both_engines! {
    async fn what_contacts_write_is_shown_as_text(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Owner)]).await;
        clinic.hears("5511987654321", "<script>alert(1)</script><img src=x onerror=alert(1)>").await;
        let id = conversation(&clinic).await;
        for path in ["/painel/t/clinica/conversas".to_owned(), format!("/painel/t/clinica/conversas/{id}")] {
            let text = ana.get(&path).await.expect(200).text;
            assert!(text.contains("&lt;script&gt;") && !text.contains("<script>alert") && !text.contains("<img src=x"));
        }
    }
}

both_engines! {
    async fn a_resolution_taken_back_leaves_the_conversation_as_it_was(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        clinic.hears("5511987654321", "Quanto custa a limpeza?").await;
        app.pass(Duration::from_secs(5)).await;
        let id = conversation(&clinic).await;
        let path = format!("/painel/t/clinica/conversas/{id}");
        let back = async || {
            ana.post(&format!("{path}/resolver"), &[]).await.expect(303);
            app.clock.advance(Duration::from_secs(2));
            ana.post(&format!("{path}/reabrir"), &[]).await.expect(303);
            ana.get(&path).await.expect(200).text
        };
        // The assistant's stays the assistant's, which goes on answering.
        let page = back().await;
        assert!(page.contains("Com a assistente") && !page.contains("ana assumiu a conversa"), "{page}");
        let sent = app.sent().len();
        clinic.hears("5511987654321", "e quanto custa a limpeza?").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.sent().len(), sent + 1);
        // Who waited waits.
        clinic.hears("5511987654321", "Quero falar com um atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let page = back().await;
        assert!(page.contains("Esperando uma pessoa") && page.contains("O contato pediu uma pessoa"), "{page}");
        let waiting = ana.get("/painel/t/clinica/conversas?ver=esperando").await.expect(200).text;
        assert!(waiting.contains(&id));
        // A person's is theirs.
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        assert!(back().await.contains("Com você"));
        // What a colleague did in between is not undone; and who took it from whom is seen.
        let bia = app.signed_in("bia@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        app.clock.advance(Duration::from_secs(1));
        bia.post(&format!("{path}/assumir"), &[]).await.expect(303);
        ana.post(&format!("{path}/devolver"), &[("undo", "1")]).await.expect(409);
        let page = bia.get(&path).await.expect(200).text;
        for line in ["Com você", "bia assumiu a conversa", "ana resolveu a conversa", "ana reabriu a conversa"] {
            assert!(page.contains(line), "{line}: {page}");
        }
    }
}

both_engines! {
    async fn whom_somebody_attended_waits_again_when_they_leave(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let person = app.person("bia@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        let bia = app.session_of(person).await;
        clinic.hears("5511987654321", "Quero falar com um atendente").await;
        app.pass(Duration::from_secs(5)).await;
        let id = conversation(&clinic).await;
        let path = format!("/painel/t/clinica/conversas/{id}");
        bia.post(&format!("{path}/assumir"), &[]).await.expect(303);
        let waiting = async || {
            let list = dona.get("/painel/t/clinica/conversas?ver=esperando").await.expect(200).text;
            list.contains(&id)
        };
        assert!(!waiting().await);
        dona.post(&format!("/painel/t/clinica/equipe/{person}/remover"), &[]).await.expect(303);
        assert!(waiting().await);
        let home = dona.get("/painel/t/clinica").await.expect(200).text;
        assert!(home.contains("1 esperando você") && home.contains("Quem atendia saiu da equipe"), "{home}");
        bia.get(&path).await.expect(404);
        let page = dona.get(&path).await.expect(200).text;
        assert!(page.contains("bia assumiu a conversa") && page.contains("bia saiu da equipe"), "{page}");
    }
}

both_engines! {
    async fn when_the_window_is_shut_only_a_template_leaves(on: On) {
        const SECRET: &str = "app-secret-of-the-tests";
        let app = TestApp::start(on).await;
        let clinic = app.bare_tenant("clinica").await;
        let channel = json!({ "kind": "whatsapp-cloud", "phone_number_id": "1001", "base_url": app.cloud.base_url(),
            "access_token": testkit::CLOUD_TOKEN, "app_secret": SECRET, "verify_token": "verify-token-of-the-tests" });
        clinic.post("/v1/channels", &channel).await.expect(201);
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        let now = app.clock.now().0 / 1_000_000;
        let body = sandbox::cloud_message("1001", "5511987654321", "Ana", "Quero falar com um atendente", "WA1", now).to_string();
        let request = axum::http::Request::post("/webhook/whatsapp-cloud")
            .header("x-hub-signature-256", sandbox::cloud_signature(SECRET, body.as_bytes()))
            .body(body.into())
            .unwrap();
        app.request(request).await.expect(200);
        app.pass(Duration::from_secs(5)).await;
        let path = format!("/painel/t/clinica/conversas/{}", conversation(&clinic).await);
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        let page = ana.get(&path).await.expect(200).text;
        assert!(page.contains("texto livre por mais") && page.contains("data-window=\"open\""), "a countdown: {page}");

        app.clock.advance(Duration::from_secs(25 * 3600));
        let ana = app.signed_in("bia@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        ana.post(&format!("{path}/assumir"), &[]).await.expect(303);
        let page = ana.get(&path).await.expect(200).text;
        assert!(page.contains("A janela de 24 horas fechou.") && page.contains("data-window=\"shut\""), "{page}");
        let refused = reply(&ana, &path, "Oi, tudo bem?", "w1").await.expect(409);
        assert!(refused.text.contains("mais de 24 horas"), "{}", refused.text);
        let template = [("name", "retorno"), ("language", "pt_BR"), ("variables", "Ana\nterça às 15h"), ("once", "w2")];
        ana.post(&format!("{path}/modelo"), &template).await.expect(303);
        ana.post(&format!("{path}/modelo"), &template).await.expect(303);
        app.run_jobs().await;
        let sent: Vec<_> = app.cloud.bodies().into_iter().filter(|body| body["type"] == "template").collect();
        assert_eq!(sent.len(), 1, "sent twice, it leaves once");
        assert_eq!(sent[0]["template"]["name"], "retorno");
        assert_eq!(sent[0]["template"]["components"][0]["parameters"][1]["text"], "terça às 15h");
    }
}
