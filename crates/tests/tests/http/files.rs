//! Files of strangers: small ones that cost much, ones that are not what they say, and room for them all.

use std::time::Duration;

use base64::Engine as _;
use db::args;
use sandbox::hostile::{
    TEXT, docx, draws_a_billion, draws_itself, maps_every_character, page, pages_of,
    parents_in_a_circle, stream, unpacks_to_a_gigabyte, unpacks_to_more,
};
use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

async fn add(tenant: &TestTenant<'_>, name: &str, bytes: &[u8]) -> testkit::Answer {
    let content = base64::engine::general_purpose::STANDARD.encode(bytes);
    let body = json!({ "name": name, "content_base64": content });
    tenant.post("/v1/knowledge/documents", &body).await
}

async fn documents(tenant: &TestTenant<'_>) -> Vec<Value> {
    let list = tenant.get("/v1/knowledge/documents").await.expect(200).json();
    list["items"].as_array().unwrap().clone()
}

both_engines! {
    async fn a_file_that_costs_much_is_refused_with_its_reason(on: On) {
        let app = TestApp::start(on).await;
        let (attacker, other) = (app.bare_tenant("alfa").await, app.bare_tenant("beta").await);
        other.knows("Que horas abrem?", "Às oito.").await;
        let files: Vec<(&str, Vec<u8>, &[&str])> = vec![
            ("desenho.pdf", draws_itself(), &["nested too deeply", "no text"]),
            ("bilhao.pdf", draws_a_billion(), &["takes too long"]),
            ("bomba.pdf", unpacks_to_a_gigabyte(), &["memory", "more text", "too long"]),
            ("bomba.docx", unpacks_to_more(), &["unpacks to more than 64 MiB"]),
            ("fundo.docx", docx(&b"<w:t>a".repeat(5_000_000)), &["more text", "cannot be read", "memory", "too long"]),
            ("longo.txt", b"palavra ".repeat(700_000), &["more text than 4 MiB"]),
        ];
        for (name, bytes, reasons) in files {
            let answer = add(&attacker, name, &bytes).await.expect(422);
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(reasons.iter().any(|reason| detail.contains(reason)), "{name}: {detail}");
            assert!(detail.contains(name), "the file is named: {detail}");
        }
        assert_eq!(documents(&attacker).await, Vec::<Value>::new(), "nothing of them is kept");
        let found = other.post("/v1/knowledge/search", &json!({ "question": "que horas abrem?" })).await;
        assert_eq!(found.expect(200).json()["extract"], "Às oito.");
        // Pages that are each other's parents, and a map of every character, cost this reader nothing.
        for (name, bytes) in [("pais.pdf", parents_in_a_circle()), ("mapa.pdf", maps_every_character())] {
            add(&attacker, name, &bytes).await.expect(201);
        }
        add(&attacker, "boa.pdf", &page(stream(TEXT, ""), "", Vec::new())).await.expect(201);
    }
}

both_engines! {
    async fn what_is_not_as_its_name_says_is_named(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let word = docx(b"<w:p><w:r><w:t>Abrimos \xc3\xa0s oito.</w:t></w:r></w:p>");
        let old: Vec<u8> = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), vec![0; 2000]].concat();
        for (name, bytes, reason) in [
            ("vazio.pdf", &b""[..], "is empty"),
            ("vazio.txt", b"\xef\xbb\xbf", "is empty"),
            ("so-titulos.csv", b"pergunta,resposta\n", "no rows below"),
            ("pagina.pdf", b"<html><body>Oi</body></html>", "a web page (HTML)"),
            ("menu.html", b"<html><nav>Menu</nav></html>", "menus only"),
            ("antigo.doc", &old, "is of no known kind"),
            ("antigo.docx", &old, "an old Office file"),
            ("rico.docx", b"{\\rtf1 Oi}", "rich text"),
            ("cortado.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog", "is cut off"),
            ("cortado.docx", &word[..word.len() / 2], "is cut off"),
            ("texto.pdf", "Abrimos às oito.\n".as_bytes(), "plain text; name it .txt"),
            ("texto.docx", b"Abrimos \xe0s oito.\n", "plain text; name it .txt"),
        ] {
            let detail = add(&tenant, name, bytes).await.expect(422).json()["detail"].to_string();
            assert!(detail.contains(reason), "{name}: {detail}");
        }
    }
}

both_engines! {
    async fn a_large_document_is_written_in_pieces_and_seen_whole(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let table = |answer: &str| {
            let rows = (0..1100).map(|at| format!("Quanto custa a vaga {at}?,{answer} {at}\n"));
            format!("pergunta,resposta\n{}", rows.collect::<String>())
        };
        let made = add(&tenant, "vagas.csv", table("Custa").as_bytes()).await.expect(201).json();
        assert_eq!(made["chunks"], 1100);
        let ask = || async {
            let question = json!({ "question": "Quanto custa a vaga 777?" });
            tenant.post("/v1/knowledge/search", &question).await.expect(200).json()["extract"].clone()
        };
        assert_eq!(ask().await, "Custa 777");
        // In its place: the old pieces are gone from every answer at once, and from the table by a job.
        let again = add(&tenant, "vagas.csv", table("Agora custa").as_bytes()).await.expect(201);
        assert_eq!(again.json()["id"], made["id"]);
        assert_eq!(ask().await, "Agora custa 777");
        app.run_jobs().await;
        assert_eq!(pieces(&app, &tenant).await, 1100, "the replaced pieces are swept");
        let done = tenant.post("/v1/knowledge/reindex", &json!({})).await.expect(200).json();
        assert_eq!((&done["documents"], &done["chunks"]), (&json!(1), &json!(1100)));
        let progress = tenant.get("/v1/knowledge/reindex").await.expect(200).json();
        assert_eq!((&progress["running"], &progress["documents"]), (&json!(false), &json!(1)));
        assert_eq!(ask().await, "Agora custa 777");
        app.run_jobs().await;
        assert_eq!(pieces(&app, &tenant).await, 1100);
        let gone = tenant.delete("/v1/knowledge").await.expect(200).json();
        assert_eq!((&gone["documents"], &gone["chunks"]), (&json!(1), &json!(1100)));
        assert_eq!(ask().await, Value::Null);
        app.run_jobs().await;
        assert_eq!(pieces(&app, &tenant).await, 0);
    }
}

async fn pieces(app: &TestApp, tenant: &TestTenant<'_>) -> i64 {
    let mut tx = app.house.db.read(tenant.id).await.unwrap();
    let sql = "SELECT COUNT(*) FROM chunks WHERE tenant_id = $1";
    let row = tx.fetch_opt(sql, db::args![tenant.id]).await.unwrap().unwrap();
    row.get(0).unwrap()
}

both_engines! {
    async fn originals_are_kept_read_again_and_removed_with_the_last_that_names_them(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let folder = app.data().join("files").join(tenant.id.to_string());
        let kept = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
        let file = page(stream(TEXT, ""), "", Vec::new());
        let made = add(&tenant, "ola.pdf", &file).await.expect(201).json();
        assert_eq!(kept(), 1);
        add(&tenant, "outra.pdf", &file).await.expect(201);
        assert_eq!(kept(), 1, "the same content is kept once");
        let done = tenant.post("/v1/knowledge/reindex?reread=true", &json!({})).await.expect(200);
        assert_eq!(done.json()["documents"], 2);
        let used = |app: &TestApp| {
            let db = app.house.db.clone();
            async move { files::usage(&mut db.read(tenant.id).await.unwrap()).await.unwrap().bytes }
        };
        assert_eq!(used(&app).await, file.len() as u64);
        let path = format!("/v1/knowledge/documents/{}", made["id"].as_str().unwrap());
        tenant.delete(&path).await.expect(204);
        app.run_jobs().await;
        assert_eq!(kept(), 1, "another document and a version name it");
        tenant.delete("/v1/knowledge").await.expect(200);
        app.run_jobs().await;
        assert_eq!(kept(), 0);
        assert_eq!(used(&app).await, 0);
    }
}

both_engines! {
    async fn what_an_earlier_version_read_is_read_again_or_asked_for(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("alfa").await;
        let table = "pergunta,resposta\nQuanto custa o canal?,O canal custa R$ 900.\n";
        let made = add(&tenant, "precos.csv", table.as_bytes()).await.expect(201).json();
        let path = format!("/v1/knowledge/documents/{}", made["id"].as_str().unwrap());
        let asked = async || {
            let said = tenant.post("/v1/chat", &json!({ "text": "quanto custa o canal?" })).await;
            said.expect(200).json()["answer"].as_str().unwrap().to_owned()
        };
        assert!(asked().await.contains("R$ 900"));
        // As an earlier version left it: it found nothing of use in the file.
        let earlier = async |original: bool| {
            let mut tx = app.house.db.begin(tenant.id).await.unwrap();
            let forgets = if original { "" } else { ", original = NULL" };
            let sql = format!("UPDATE documents SET reader = 0, body = '[]'{forgets} WHERE tenant_id = $1");
            tx.execute(&sql, args![tenant.id]).await.unwrap();
            tx.execute("DELETE FROM chunks WHERE tenant_id = $1", args![tenant.id]).await.unwrap();
            tenancy::bump_knowledge(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
        };
        earlier(true).await;
        assert!(!asked().await.contains("R$ 900"));
        knowledge::schedule_rereading(&app.house.db, &[tenant.id], app.clock.now()).await.unwrap();
        app.run_jobs().await;
        assert!(asked().await.contains("R$ 900"));
        // Once is enough.
        knowledge::schedule_rereading(&app.house.db, &[tenant.id], app.clock.now()).await.unwrap();
        let before = tenant.get(&path).await.expect(200).json();
        app.run_jobs().await;
        assert_eq!(tenant.get(&path).await.expect(200).json(), before);
        assert_eq!(before["send_again"], false);
        // What was not kept can only be sent again.
        earlier(false).await;
        knowledge::schedule_rereading(&app.house.db, &[tenant.id], app.clock.now()).await.unwrap();
        app.run_jobs().await;
        assert_eq!(tenant.get(&path).await.expect(200).json()["send_again"], true);
        add(&tenant, "precos.csv", table.as_bytes()).await.expect(201);
        assert_eq!(tenant.get(&path).await.expect(200).json()["send_again"], false);
        assert!(asked().await.contains("R$ 900"));
    }
}

both_engines! {
    async fn a_business_has_no_more_than_its_share(on: On) {
        let settings = [
            ("PORTARIA_KNOWLEDGE_DOCUMENT_PIECES", "10"),
            ("PORTARIA_KNOWLEDGE_TENANT_PIECES", "12"),
            ("PORTARIA_KNOWLEDGE_TENANT_DOCUMENTS", "3"),
        ];
        let app = TestApp::start_with(on, &settings).await;
        let tenant = app.bare_tenant("alfa").await;
        let table = |rows: usize| {
            let rows: String = (0..rows).map(|at| format!("Pergunta {at}?,Resposta {at}\n")).collect();
            format!("pergunta,resposta\n{rows}").into_bytes()
        };
        let detail = add(&tenant, "a.csv", &table(11)).await.expect(422).json();
        assert!(detail["detail"].as_str().unwrap().contains("11 pieces"), "{detail}");
        add(&tenant, "a.csv", &table(10)).await.expect(201);
        let full = add(&tenant, "b.csv", &table(5)).await.expect(409).json();
        assert_eq!(full["code"], "knowledge_full");
        tenant.knows("Abrem hoje?", "Sim.").await;
        tenant.knows("Abrem amanhã?", "Não.").await;
        let pair = json!({ "question": "E depois?", "answer": "Sim." });
        let full = tenant.post("/v1/knowledge/pairs", &pair).await.expect(409).json();
        assert!(full["detail"].as_str().unwrap().contains("3 documents"), "{full}");
        // One of the same name takes no more room than it had.
        tenant.knows("Abrem hoje?", "Não.").await;
    }
}

both_engines! {
    async fn a_message_is_stored_without_its_file_when_there_is_no_room(on: On) {
        let settings = [
            ("PORTARIA_FILES_TENANT_MEGABYTES", "3"),
            ("PORTARIA_FILES_SENDER_MEGABYTES_A_DAY", "2"),
        ];
        let app = TestApp::start_with(on, &settings).await;
        let tenant = app.tenant("alfa").await;
        let picture = base64::engine::general_purpose::STANDARD.encode(vec![7u8; 900 << 10]);
        let send = |phone: &'static str, id: &'static str| {
            let mut body = sandbox::customer_message("alfa", phone, "Ana", "", id, app.clock.now().0 / 1_000_000);
            body["data"]["message"] =
                json!({ "imageMessage": { "mimetype": "image/png", "caption": id }, "base64": picture });
            let (app, token) = (&app, tenant.token());
            async move { app.webhook(&token, &body).await.expect(202) }
        };
        let state = |id: &'static str| {
            let tenant = &tenant;
            async move {
                let all = tenant.get("/v1/conversations").await.expect(200).json();
                for conversation in all["items"].as_array().unwrap() {
                    let path = format!("/v1/conversations/{}/messages", conversation["id"].as_str().unwrap());
                    let messages = tenant.get(&path).await.expect(200).json();
                    let found = messages["items"].as_array().unwrap().iter().find(|m| m["body"] == id).cloned();
                    if let Some(found) = found {
                        return (
                            found["media"]["state"].as_str().unwrap().to_owned(),
                            found["media"]["reason"].as_str().unwrap_or_default().to_owned(),
                        );
                    }
                }
                panic!("{id} was not stored");
            }
        };
        send("5511988870001", "A1").await;
        send("5511988870001", "A1").await;
        send("5511988870001", "A2").await;
        assert_eq!(state("A1").await.0, "stored");
        assert_eq!(state("A2").await.0, "stored");
        send("5511988870001", "A3").await;
        let (stored, reason) = state("A3").await;
        assert_eq!(stored, "refused");
        assert!(reason.contains("this sender's files of today"), "{reason}");
        send("5511988870002", "B1").await;
        assert_eq!(state("B1").await.0, "stored", "another sender has room");
        send("5511988870003", "C1").await;
        let (stored, reason) = state("C1").await;
        assert_eq!(stored, "refused");
        assert!(reason.contains("over its quota of 3 MiB"), "{reason}");
        let channels = tenant.get("/v1/channels").await.expect(200).json();
        assert!(channels[0]["alarm"].as_str().unwrap().contains("quota"), "{channels}");
        // The next day is another.
        app.pass(Duration::from_secs(86_400)).await;
    }
}

both_engines! {
    async fn what_stands_on_two_pages_is_two_sentences(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let lines: Vec<String> =
            (0..60).map(|n| format!("Artigo {n}. A vaga numero {n} custa R$ {} por mes.", n + 23)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        add(&tenant, "vagas.pdf", &pages_of(&lines)).await.expect(201);
        // The number of one is the price of another: only who says "reais" means the price.
        for (question, right, wrong) in [
            ("quanto custa a vaga numero 37?", "R$ 60", ["R$ 59", "R$ 61", "R$ 37"]),
            ("qual vaga custa 37 reais?", "vaga numero 14", ["vaga numero 13", "vaga numero 15", "vaga numero 37"]),
        ] {
            let said = extract(&tenant, question).await.unwrap();
            assert!(said.contains(right) && wrong.iter().all(|w| !said.contains(w)), "{question}: {said}");
        }
        // A place that is not there, whose number is a price; and a price that nothing has.
        for question in ["quanto custa a vaga numero 75?", "qual vaga custa 11 reais?"] {
            assert_eq!(extract(&tenant, question).await, None, "{question}");
        }
    }
}

both_engines! {
    async fn an_amount_is_known_however_it_is_written(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("alfa").await;
        let plans = "O plano ouro custa R$\u{a0}1.500,00 por mês. O plano prata custa R$ 500 por mês.";
        add(&tenant, "planos.txt", plans.as_bytes()).await.expect(201);
        for (question, right, wrong) in [
            ("qual plano custa 1500 reais?", "ouro", "prata"),
            ("qual plano custa 500 reais?", "prata", "ouro"),
        ] {
            let said = extract(&tenant, question).await.unwrap();
            assert!(said.contains(right) && !said.contains(wrong), "{question}: {said}");
        }
    }
}

async fn extract(tenant: &TestTenant<'_>, question: &str) -> Option<String> {
    let found = tenant.post("/v1/knowledge/search", &json!({ "question": question })).await;
    found.expect(200).json()["extract"].as_str().map(str::to_owned)
}
