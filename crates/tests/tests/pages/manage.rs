//! Running a business's assistant: knowledge, settings, channels, keys, support, the trail.

use std::time::Duration;

use identity::Role;
use serde_json::json;
use testkit::{EVOLUTION_KEY, On, TestApp, both_engines};

both_engines! {
    async fn a_file_is_uploaded_asked_edited_and_restored(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let base = "/painel/t/clinica/conhecimento";
        let bad = dona.upload(&format!("{base}/arquivos"), &[], &[("file", "a.exe", "MZ")]).await.expect(422);
        assert!(bad.text.contains("a.exe"), "{}", bad.text);
        dona.upload(&format!("{base}/arquivos"), &[], &[("file", "precos.md", "# Limpeza\n\nA limpeza custa R$ 180.\n")]).await.expect(303);
        let list = dona.get(base).await.expect(200).text;
        assert!(list.contains("precos.md") && list.contains("pronto"));
        let answer = dona.post(&format!("{base}/testar"), &[("q", "quanto custa a limpeza")]).await.expect(200).text;
        assert!(answer.contains("R$ 180") && answer.contains("Trechos encontrados") && answer.contains("confiança"));
        let at = list.find(&format!("{base}/0")).unwrap();
        let document = list[at..].split('"').next().unwrap().to_owned();
        let page = dona.get(&document).await.expect(200).text;
        assert!(page.contains("A limpeza custa R$ 180."));
        dona.post(&document, &[("content", "## Limpeza\r\n\r\nA limpeza custa R$ 210.")]).await.expect(303);
        let answer = dona.post(&format!("{base}/testar"), &[("q", "quanto custa a limpeza")]).await.expect(200).text;
        assert!(answer.contains("R$ 210") && !answer.contains("R$ 180"));
        let page = dona.get(&document).await.expect(200).text;
        let at = page.find("/conhecimento/versoes/").unwrap();
        let restore = format!("/painel/t/clinica{}", page[at..].split('"').next().unwrap());
        dona.post(&restore, &[]).await.expect(303);
        let answer = dona.post(&format!("{base}/testar"), &[("q", "quanto custa a limpeza")]).await.expect(200).text;
        assert!(answer.contains("R$ 180"), "{answer}");
        dona.post(&format!("{document}/remover"), &[]).await.expect(303);
        let list = dona.get(base).await.expect(200).text;
        assert!(list.contains("Removidos há pouco"));
        let at = list.find("/conhecimento/versoes/").unwrap();
        let restore = format!("/painel/t/clinica{}", list[at..].split('"').next().unwrap());
        dona.post(&restore, &[]).await.expect(303);
        let answer = dona.post(&format!("{base}/testar"), &[("q", "quanto custa a limpeza")]).await.expect(200).text;
        assert!(answer.contains("R$ 180"));
    }
}

both_engines! {
    async fn what_nobody_could_answer_is_taught_in_one_step(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/conhecimento/sem-resposta";
        assert!(dona.get(page).await.expect(200).text.contains("Nada sem resposta"));
        clinic.hears("5511987654321", "Vocês fazem implante dentário?").await;
        app.pass(Duration::from_secs(5)).await;
        let list = dona.get(page).await.expect(200).text;
        assert!(list.contains("Vocês fazem implante dentário?"), "{list}");
        let at = list.find("/sem-resposta/").unwrap();
        let action = format!("/painel/t/clinica/conhecimento{}", list[at..].split('"').next().unwrap());
        dona.post(&action, &[("question", "Vocês fazem implante dentário?"), ("answer", "Sim, implantes a partir de R$ 2.500.")]).await.expect(303);
        assert!(dona.get(page).await.expect(200).text.contains("Nada sem resposta"));
        clinic.hears("5511911112222", "fazem implante dentario?").await;
        app.pass(Duration::from_secs(5)).await;
        assert!(app.sent().last().unwrap().text.contains("R$ 2.500"));
    }
}

both_engines! {
    async fn questions_of_one_meaning_are_one_and_close_with_what_answers_them(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/conhecimento/sem-resposta";
        for (phone, text) in [
            ("5511987654301", "quanto custa o canal?"),
            ("5511987654302", "qto custa o canal"),
            ("5511987654303", "canal dói?"),
            ("5511987654304", "meu zap é 11 98765-4321, tem wifi na sala?"),
        ] {
            clinic.hears(phone, text).await;
            app.pass(Duration::from_secs(5)).await;
        }
        let list = dona.get(page).await.expect(200).text;
        assert!(list.contains("2×") && list.contains("Também perguntado assim"), "{list}");
        assert!(list.contains("wifi") && !list.contains("98765"), "{list}");
        // What was asked most stands first.
        assert!(list.find("custa o canal").unwrap() < list.find("canal dói").unwrap());
        let of = |text: &str| {
            let from = list.find(text).unwrap();
            let at = from + list[from..].find("/sem-resposta/").unwrap();
            format!("/painel/t/clinica/conhecimento{}", list[at..].split('"').next().unwrap())
        };
        let taught = [("question", "Quanto custa o canal?"), ("answer", "O canal custa R$ 900.")];
        dona.post(&of("custa o canal"), &taught).await.expect(303);
        let list = dona.get(page).await.expect(200).text;
        assert!(!list.contains("custa o canal"), "both are answered by it: {list}");
        assert!(list.contains("canal dói?"), "a price does not say whether it hurts: {list}");
    }
}

both_engines! {
    async fn a_file_that_was_not_kept_is_asked_for_once(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.post("/v1/knowledge/documents", &json!({ "name": "precos.md", "text": "O canal custa R$ 900." })).await.expect(201);
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/conhecimento";
        assert!(!dona.get(page).await.expect(200).text.contains("envie o arquivo de novo"));
        let mut tx = app.house.db.begin(clinic.id).await.unwrap();
        let sql = "UPDATE documents SET reader = 0, original = NULL WHERE tenant_id = $1";
        tx.execute(sql, db::args![clinic.id]).await.unwrap();
        tx.commit().await.unwrap();
        let list = dona.get(page).await.expect(200).text;
        assert!(list.contains("envie o arquivo de novo"));
        let keep = list.split('"').find(|part| part.ends_with("/manter")).unwrap().to_owned();
        dona.post(&keep, &[]).await.expect(303);
        assert!(!dona.get(page).await.expect(200).text.contains("envie o arquivo de novo"));
    }
}

both_engines! {
    async fn what_is_done_with_requests_is_a_table_of_the_owner(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/assistente/pedidos";
        let rows = [
            ("complaint-reply", "A Chefe responde hoje."),
            ("complaint-emails", "chefe@clinica.example, socia@clinica.example"),
            ("complaint-urgent", "1"),
            ("booking-calls", "no"),
            ("booking-reply", "Marque em clinica.example."),
        ];
        dona.post(page, &rows).await.expect(303);
        let saved = clinic.get("/v1/notices").await.expect(200).json();
        assert_eq!(saved["acts"]["complaint"]["emails"][1], "socia@clinica.example");
        let shown = dona.get(page).await.expect(200).text;
        assert!(shown.contains("A Chefe responde hoje.") && shown.contains("socia@clinica.example"));
        assert_eq!(clinic.get("/v1/assistant").await.expect(200).json()["acts"]["booking"]["calls"], false);
        let long = "a".repeat(301);
        dona.post(page, &[("order-reply", long.as_str())]).await.expect(422);
        dona.post(page, &[("order-emails", "ninguem")]).await.expect(422);
        assert!(dona.get(page).await.expect(200).text.contains("A Chefe responde hoje."), "nothing was lost");
        // The addresses of Settings stay what they are, and the table with them.
        let settings = [("emails", "bia@clinica.example"), ("on_call", "plantao@clinica.example")];
        dona.post("/painel/t/clinica/ajustes/avisos", &settings).await.expect(303);
        let saved = clinic.get("/v1/notices").await.expect(200).json();
        assert_eq!(saved["on_call"][0], "plantao@clinica.example");
        assert_eq!(saved["acts"]["complaint"]["urgent"], true);
    }
}

both_engines! {
    async fn hours_begin_with_the_documents_and_are_held_against_them(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.bare_tenant("clinica").await;
        let text = "## Horário de funcionamento\nDe segunda a sexta, das 8h às 19h. Aos sábados, das 9h às 13h. Não abrimos aos domingos.";
        clinic.post("/v1/knowledge/documents", &json!({ "name": "horario.md", "text": text })).await.expect(201);
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/assistente";
        let shown = dona.get(page).await.expect(200).text;
        assert!(shown.contains("Preenchido com o que os documentos dizem") && shown.contains("value=\"09:00-13:00\""), "{shown}");
        let week = [
            ("day1", "08:00-19:00"), ("day2", "08:00-19:00"), ("day3", "08:00-19:00"), ("day4", "08:00-19:00"),
            ("day5", "08:00-19:00"), ("day6", "09:00-12:00"), ("day7", ""),
        ];
        dona.post("/painel/t/clinica/assistente/horario", &week).await.expect(303);
        let shown = dona.get(page).await.expect(200).text;
        assert!(shown.contains("Os documentos dizem outra coisa") && shown.contains("aqui 09:00-12:00, nos documentos 09:00-13:00"), "{shown}");
        assert!(!shown.contains("aqui 08:00-19:00"), "only what differs");
    }
}

both_engines! {
    async fn the_draft_is_tried_before_it_is_saved(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/assistente";
        let draft = [("name", "Sol"), ("tone", "formal"), ("handoff_words", "chama a chefe"), ("quiet", "2,5"), ("longest", "30")];
        let asked = |question| { let mut all = draft.to_vec(); all.push(("question", question)); all };
        let tried = dona.post(&format!("{page}/testar"), &asked("por favor, chama a chefe")).await.expect(200).text;
        assert!(tried.contains("O contato pediu uma pessoa"), "{tried}");
        let tried = dona.post(&format!("{page}/testar"), &asked("quanto custa a limpeza")).await.expect(200).text;
        assert!(tried.contains("R$ 180") && tried.contains("Fontes (1)"));
        assert!(!dona.get(page).await.expect(200).text.contains("value=\"Sol\""), "nothing is saved by trying");
        // A refusal names the field and loses nothing.
        let mut bad = draft.to_vec();
        bad.push(("temperature", "9"));
        let refused = dona.post(page, &bad).await.expect(422).text;
        assert!(refused.contains("De 0 a 2.") && refused.contains("value=\"Sol\"") && refused.contains("Nada foi salvo"));
        dona.post(page, &draft).await.expect(303);
        let saved = dona.get(page).await.expect(200).text;
        assert!(saved.contains("value=\"Sol\"") && saved.contains("value=\"2,5\"") && saved.contains("Últimas mudanças"));
        // A key is written and never shown.
        let base = app.model.base_url();
        let mut with_model = draft.to_vec();
        with_model.extend([("provider", "openai"), ("base_url", base.as_str()), ("model", "test"), ("model_key", "sk-very-secret")]);
        dona.post(page, &with_model).await.expect(303);
        let saved = dona.get(page).await.expect(200).text;
        assert!(saved.contains("Há uma chave guardada") && !saved.contains("sk-very-secret"));
        let trail = dona.get("/painel/t/clinica/auditoria").await.expect(200).text;
        assert!(trail.contains("mudou a assistente") && !trail.contains("sk-very-secret"), "{trail}");
        dona.post(&format!("{page}/horario"), &[("day1", "8h-18h"), ("day6", "amanhã")]).await.expect(422);
        dona.post(&format!("{page}/horario"), &[("day1", "08:00-12:00, 13:30-18:00")]).await.expect(303);
        assert!(dona.get(page).await.expect(200).text.contains("08:00-12:00, 13:30-18:00"));
    }
}

both_engines! {
    async fn a_spent_budget_leaves_the_knowledge_to_answer(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let body = serde_json::json!({
            "model": { "provider": "openai", "base_url": app.model.base_url(), "model": "test" },
            "model_api_key": "model-key", "price_in": 1_000_000.0, "price_out": 1_000_000.0, "monthly_budget": 1.0,
        });
        clinic.put("/v1/assistant", &body).await.expect(200);
        for (phone, asked) in [("5511987654321", 1), ("5511911112222", 1)] {
            clinic.hears(phone, "Quanto custa a limpeza?").await;
            app.pass(Duration::from_secs(5)).await;
            assert_eq!(app.model.asked().len(), asked, "after the first answer the budget is spent");
        }
        assert!(app.sent().last().unwrap().text.contains("R$ 180"));
        app.clock.advance(Duration::from_secs(32 * 86_400));
        clinic.hears("5511933334444", "Quanto custa a limpeza?").await;
        app.pass(Duration::from_secs(5)).await;
        assert_eq!(app.model.asked().len(), 2, "a new month has a new budget");
    }
}

both_engines! {
    async fn a_phone_is_connected_by_a_code_that_refreshes(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.bare_tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let new = "/painel/t/clinica/canais/novo/evolution";
        let base = app.evolution.base_url();
        let fields = [("base_url", "nada"), ("instance", "clinica"), ("api_key", EVOLUTION_KEY)];
        assert!(dona.post(new, &fields).await.expect(422).text.contains("value=\"nada\""));
        let fields = [("base_url", base.as_str()), ("instance", "clinica"), ("api_key", EVOLUTION_KEY)];
        let added = dona.post(new, &fields).await.expect(303);
        let page = added.location().split('?').next().unwrap().to_owned();
        let shown = dona.get(&page).await.expect(200).text;
        assert!(shown.contains("id=\"codigo\"") && !shown.contains(EVOLUTION_KEY), "{shown}");
        dona.get(&format!("{page}/codigo")).await.expect(200);
        app.evolution.pair("clinica");
        dona.post(&format!("{page}/estado"), &[]).await.expect(200);
        let done = dona.get(&format!("{page}/codigo")).await.expect(200);
        assert!(done.headers.contains_key("hx-refresh") && done.text.contains("Celular conectado"));
        assert!(dona.get(&page).await.expect(200).text.contains("Desconectar celular"));
        dona.post(&format!("{page}/remover"), &[]).await.expect(303);
        dona.get(&page).await.expect(404);
    }
}

both_engines! {
    async fn support_is_for_a_reason_for_a_time_and_in_sight(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let operator = app.signed_in_operator("op@house.example").await;
        let tenant = "/painel/operador/empresas/clinica";
        operator.get("/painel/t/clinica/conversas").await.expect(404);
        operator.post(&format!("{tenant}/suporte"), &[("reason", "oi"), ("hours", "1")]).await.expect(422);
        operator.post(&format!("{tenant}/suporte"), &[("reason", "Canal não conecta, chamado 12"), ("hours", "1")]).await.expect(303);
        let page = operator.get("/painel/t/clinica/conversas").await.expect(200).text;
        assert!(page.contains("Acesso de suporte até") && page.contains("chamado 12"));
        operator.get("/painel/t/clinica/chaves").await.expect(403);
        operator.post("/painel/t/clinica/equipe/convites", &[("email", "x@x.example"), ("role", "admin")]).await.expect(403);
        operator.post("/painel/t/clinica/assistente", &[("name", "Sol")]).await.expect(303);
        let trail = dona.get("/painel/t/clinica/auditoria").await.expect(200).text;
        assert!(trail.contains("entrou como suporte") && trail.contains("chamado 12") && trail.contains(">suporte<"), "{trail}");
        assert!(dona.get("/painel/t/clinica/equipe").await.expect(200).text.contains("chamado 12"));
        dona.post("/painel/t/clinica/equipe/suporte/encerrar", &[]).await.expect(303);
        operator.get("/painel/t/clinica/conversas").await.expect(404);
        operator.post(&format!("{tenant}/suporte"), &[("reason", "Mais uma vez"), ("hours", "1")]).await.expect(303);
        app.clock.advance(Duration::from_secs(3601));
        operator.get("/painel/t/clinica/conversas").await.expect(404);
    }
}

both_engines! {
    async fn the_trail_is_only_added_to_and_can_be_exported(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        dona.post("/painel/t/clinica/ajustes/etiquetas", &[("name", "=1+1")]).await.expect(303);
        dona.post("/painel/t/clinica/ajustes/avisos", &[("emails", "a@b.example")]).await.expect(303);
        let all = dona.get("/painel/t/clinica/auditoria").await.expect(200).text;
        assert!(all.contains("criou uma etiqueta") && all.contains("mudou os avisos"));
        let some = dona.get("/painel/t/clinica/auditoria?acao=label").await.expect(200).text;
        assert!(some.contains("criou uma etiqueta") && !some.contains("<td>mudou os avisos"));
        let csv = dona.get("/painel/t/clinica/auditoria.csv").await.expect(200);
        assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
        let lines = csv.text.lines().filter(|line| line.contains(",person,")).count();
        assert!(lines == 2 && csv.text.contains("'=1+1"), "no cell is a formula: {}", csv.text);
        if on == On::Postgres {
            let mut tx = app.house.db.begin(clinic.id).await.unwrap();
            let changed = tx.execute("UPDATE audit_trail SET actor = 'x' WHERE tenant_id = $1", vec![clinic.id.into()]).await;
            assert!(changed.is_err(), "the database itself refuses");
        }
    }
}

both_engines! {
    async fn a_key_is_shown_once_and_works_until_it_is_ended(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let page = "/painel/t/clinica/chaves";
        dona.post(page, &[("name", "site")]).await.expect(422);
        let made = dona.post(page, &[("name", "site"), ("scope", "inbox:read"), ("scope", "tenant:read"), ("days", "30")]).await.expect(200).text;
        let at = made.find("data-copy=\"").unwrap() + 11;
        let key = format!("Bearer {}", made[at..].split('"').next().unwrap());
        let headers = [("authorization", key.as_str())];
        app.send("GET", "/v1/conversations", &headers, None).await.expect(200);
        app.send("GET", "/v1/channels", &headers, None).await.expect(403);
        let list = dona.get(page).await.expect(200).text;
        assert!(!list.contains(key.trim_start_matches("Bearer ")));
        let row = &list[list.find("<strong>site</strong>").unwrap()..];
        let at = row.find("/chaves/").unwrap();
        let action = format!("/painel/t/clinica{}", row[at..].split('"').next().unwrap());
        dona.post(&action, &[]).await.expect(303);
        app.send("GET", "/v1/conversations", &headers, None).await.expect(401);
    }
}

both_engines! {
    async fn an_operator_makes_a_business_and_its_owner_starts_from_nothing(on: On) {
        let app = TestApp::start(on).await;
        let operator = app.signed_in_operator("op@house.example").await;
        operator.post("/painel/operador/empresas", &[("name", "Padaria Sol"), ("slug", "Padaria Sol")]).await.expect(422);
        let made = operator.post("/painel/operador/empresas", &[("name", "Padaria Sol"), ("slug", "padaria"), ("owner", "sol@padaria.example")]).await.expect(200).text;
        let at = made.find("/painel/convite/").unwrap();
        let path = made[at..].split(['"', '<']).next().unwrap().replace("&amp;", "&");
        let sol = app.visitor();
        sol.get(&path).await.expect(200);
        let joined = sol.post(&path, &[("name", "Sol"), ("password", "cinco girafas lendo")]).await.expect(303);
        let home = sol.get(joined.location()).await.expect(200).text;
        for step in ["Primeiros passos", "Ensine o que a empresa sabe", "Conecte o WhatsApp", "Nenhuma conversa hoje ainda"] {
            assert!(home.contains(step), "{step}");
        }
        let list = operator.get("/painel/operador").await.expect(200).text;
        assert!(list.contains("Padaria Sol") && list.contains("Ativa"));
        operator.post("/painel/operador/empresas/padaria/estado", &[("state", "suspended")]).await.expect(303);
        assert!(operator.get("/painel/operador").await.expect(200).text.contains("Suspensa"));
    }
}

both_engines! {
    async fn hours_that_were_confirmed_are_told_and_others_are_not_made_up(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.knows("Vocês atendem convênio?", "Atendemos Amil, Bradesco e SulAmérica.").await;
        clinic.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180.").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let asks = async |question: &str| {
            let fields = [("question", question)];
            dona.post("/painel/t/clinica/assistente/testar", &fields).await.expect(200).text
        };
        for question in ["vocês abrem no sábado?", "qual o horário?", "estão abertos agora?"] {
            let said = asks(question).await;
            assert!(said.contains("não tenho") && !said.contains("Amil"), "{question}: {said}");
        }
        assert!(asks("vocês atendem convênio?").await.contains("Amil"));
        let week = [("day1", "08:00-12:00, 13:30-18:00"), ("day6", "9h às 13h")];
        dona.post("/painel/t/clinica/assistente/horario", &week).await.expect(303);
        assert!(asks("vocês abrem no sábado?").await.contains("No sábado abrimos das 9h às 13h."));
        assert!(asks("abrem domingo?").await.contains("No domingo não abrimos."));
        let week = asks("qual o horário de funcionamento?").await;
        assert!(week.contains("Segunda: das 8h às 12h e das 13h30 às 18h."), "{week}");
        let both = asks("quanto custa a limpeza?\nque horas vocês abrem?").await;
        assert!(both.contains("R$ 180") && both.contains("Sábado: das 9h às 13h."), "{both}");
        let on = asks("que horas vocês abrem?\nE no sábado?").await;
        assert!(on.contains("No sábado abrimos das 9h às 13h.") && !on.contains("não tenho"), "{on}");
        // A night goes on into the next day, unless that one began meanwhile.
        let night = [("day5", "18:00-02:00"), ("day6", "01:00-13:00")];
        dona.post("/painel/t/clinica/assistente/horario", &night).await.expect(422);
        let night = [("day5", "18:00-02:00"), ("day6", "9h-13h")];
        dona.post("/painel/t/clinica/assistente/horario", &night).await.expect(303);
        assert!(asks("qual o horário?").await.contains("Sexta: das 18h às 2h."));
        assert!(dona.get("/painel/t/clinica/assistente").await.expect(200).text.contains("18:00-02:00"));
        // Two spans that overlap are a slip.
        let slip = [("day1", "08:00-12:00, 11:00-14:00")];
        dona.post("/painel/t/clinica/assistente/horario", &slip).await.expect(422);
    }
}

both_engines! {
    async fn a_person_is_offered_by_words_that_call_one(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let asks = async |words: &str, question: &str| {
            let fields = [("handoff_words", words), ("question", question)];
            dona.post("/painel/t/clinica/assistente/testar", &fields).await.expect(200).text
        };
        let said = asks("chama a chefe", "vocês fazem botox?").await;
        assert!(said.contains("responda <strong>chama a chefe</strong>"), "{said}");
        assert!(asks("chama a chefe", "chama a chefe").await.contains("O contato pediu uma pessoa"));
        let said = asks("", "vocês fazem botox?").await;
        assert!(said.contains("não tenho aqui") && !said.contains("responda"), "{said}");
    }
}

both_engines! {
    async fn a_server_that_is_not_there_makes_no_channel(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.bare_tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let new = "/painel/t/clinica/canais/novo/evolution";
        let away = format!("http://127.0.0.1:{}", testkit::free_port());
        let base = app.evolution.base_url();
        let fields = [("base_url", away.as_str()), ("instance", "clinica"), ("api_key", EVOLUTION_KEY)];
        let page = dona.post(new, &fields).await.expect(422).text;
        assert!(page.contains("Nada responde no endereço do servidor") && page.contains(&away), "{page}");
        let key = [("base_url", base.as_str()), ("instance", "clinica"), ("api_key", "wrong")];
        assert!(dona.post(new, &key).await.expect(422).text.contains("A chave não foi aceita"));
        let fields = [("base_url", base.as_str()), ("instance", "clinica"), ("api_key", "wrong")];
        dona.post(new, &fields).await.expect(422);
        assert!(dona.get("/painel/t/clinica/canais").await.expect(200).text.contains("Nenhum canal ainda"));
        // The name is free: nothing has to be removed first.
        let fields = [("base_url", base.as_str()), ("instance", "clinica"), ("api_key", EVOLUTION_KEY)];
        dona.post(new, &fields).await.expect(303);
    }
}

both_engines! {
    async fn what_a_business_is_called_and_its_clock_can_be_changed(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let ana = app.signed_in("ana@clinica.example", &[(clinic.id, Role::Attendant)]).await;
        let page = "/painel/t/clinica/ajustes";
        let set = [("name", "Clínica Nova"), ("language", "en"), ("time_zone", "America/Manaus")];
        ana.post(&format!("{page}/empresa"), &set).await.expect(403);
        ana.post(&format!("{page}/avisos"), &[("emails", "ana@privado.example")]).await.expect(403);
        assert!(!ana.get(page).await.expect(200).text.contains("Avisos por e-mail"));
        let bad = [("name", "Clínica Nova"), ("language", "en"), ("time_zone", "Marte/Base")];
        dona.post(&format!("{page}/empresa"), &bad).await.expect(422);
        dona.post(&format!("{page}/empresa"), &set).await.expect(303);
        let shown = dona.get(page).await.expect(200).text;
        assert!(shown.contains("value=\"Clínica Nova\"") && shown.contains("America/Manaus"));
        // A ready reply that is there is changed in its place, not by a slip.
        let pix = [("shortcut", "pix"), ("body", "A chave é o CNPJ.")];
        dona.post(&format!("{page}/respostas"), &pix).await.expect(303);
        dona.post(&format!("{page}/respostas"), &pix).await.expect(422);
        let changed = [("shortcut", "pix"), ("body", "A chave é o e-mail."), ("known", "1")];
        dona.post(&format!("{page}/respostas"), &changed).await.expect(303);
        assert!(dona.get(page).await.expect(200).text.contains("A chave é o e-mail."));
    }
}

both_engines! {
    async fn a_form_sent_by_script_is_told_what_was_refused_and_where_to_go(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        let path = "/painel/t/clinica/assistente/horario";
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let send = async |visitor: &testkit::Visitor<'_>, csrf: &str, body: &str| {
            let headers = [kind, ("x-form", "1"), ("x-csrf-token", csrf)];
            visitor.send("POST", path, &headers, body.to_owned()).await
        };
        let csrf = dona.csrf();
        let refused = send(&dona, &csrf, "day3=cedo&day4=8h-18h&day5=tarde").await.expect(422).json();
        let fields: Vec<_> = refused["fields"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
        assert_eq!(fields, ["day3", "day5"], "every wrong field, in their order");
        assert!(refused["text"].as_str().unwrap().contains("não é um horário"), "{refused}");
        let done = send(&dona, &csrf, "day3=8h-18h").await.expect(200).json();
        assert!(done["go"].as_str().unwrap().starts_with("/painel/t/clinica/assistente?ok=salvo"), "{done}");
        let stale = send(&dona, "another", "day3=8h-18h").await.expect(403).json();
        assert_eq!(stale["stale"], true);
        let gone = send(&app.visitor(), "", "day3=8h-18h").await.expect(401).json();
        assert_eq!(gone["sign_in"], "/painel/entrar");
        assert!(gone["text"].as_str().unwrap().contains("Nada do que você escreveu se perdeu"));
    }
}
