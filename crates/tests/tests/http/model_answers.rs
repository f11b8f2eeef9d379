//! What models say, and what of it leaves to a customer. `answers.json`: bodies of two providers' answers, as they were
//! seen or as their APIs allow them.

use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

const ANSWERS: &str = include_str!("model_answers/answers.json");
const KNOWLEDGE: &str = "# Clínica Sorriso\n\nA limpeza custa R$ 180,00.\n\nO canal custa R$ 800,00.\n\nA entrega do \
    aparelho leva 5 dias.\n\nParcelamos em até 3 vezes.\n\nNão aceitamos cartão de crédito.\n\nAbrimos das 8h às 18h.\n";
const OWN: &str = "A limpeza custa R$ 180,00.";

/// What may leave.
enum May {
    /// These words, whoever found them.
    Say(&'static str),
    /// The knowledge's own sentence, or that it is not known: never the model's.
    OwnOrNothing,
    /// That it is not known, counted as such.
    Decline,
    /// A person is called.
    CallPerson,
}

/// The question, and what may leave, of each answer; all others: the price, asked for and told.
fn expected(provider: &str, name: &str) -> (&'static str, May) {
    let price = "quanto custa a limpeza?";
    let book = "como agendo?";
    match (provider, name) {
        (_, "invent-one-digit") => {
            ("em quantas vezes parcela?", May::Say("Parcelamos em até 3 vezes."))
        }
        (_, "negate") => {
            ("aceita cartão de crédito?", May::Say("Não aceitamos cartão de crédito."))
        }
        (_, "wrong-date") => ("que horas fecha?", May::Say("Abrimos das 8h às 18h.")),
        (_, "bare-domain" | "www" | "email") => (book, May::OwnOrNothing),
        (_, "action-claimed") => ("quero marcar uma consulta amanhã", May::CallPerson),
        (_, "echo-user-number") => {
            ("meu amigo pagou R$ 57,00 na limpeza, faz esse preço?", May::OwnOrNothing)
        }
        (_, "nao-sei" | "nao-sei-space" | "nao-sei-lower" | "nao-sei-sentence") => {
            (price, May::Decline)
        }
        (_, "tool-hand-off" | "hand-off" | "tool-as-text" | "tool-as-tag" | "tool-code-text") => {
            (price, May::CallPerson)
        }
        (_, "markdown-bold") => (price, May::Say("A *limpeza* custa *R$ 180,00*.")),
        _ => (price, May::Say(OWN)),
    }
}

async fn ask(tenant: &TestTenant<'_>, text: &str) -> Value {
    tenant.post("/v1/chat", &json!({ "text": text })).await.expect(200).json()
}

async fn every_answer(app: &TestApp, provider: &str, base_url: String) {
    let all: Value = serde_json::from_str(ANSWERS).unwrap();
    let mut wrong = Vec::new();
    for (at, (name, body)) in all[provider].as_object().unwrap().iter().enumerate() {
        let tenant = app.tenant(&format!("{provider}-{at}")).await;
        let document = json!({ "name": "clinica.md", "text": KNOWLEDGE });
        tenant.post("/v1/knowledge/documents", &document).await.expect(201);
        let model = json!({ "provider": provider, "base_url": base_url, "model": "test" });
        let body_of = json!({ "model": model, "model_api_key": "key" });
        tenant.put("/v1/assistant", &body_of).await.expect(200);
        let mut body = body.clone();
        if name == "long" {
            body["choices"][0]["message"]["content"] =
                json!("A limpeza custa R$ 180,00. ".repeat(900));
        }
        app.model.always_answers(body);
        let (asked, may) = expected(provider, name);
        let said = ask(&tenant, asked).await;
        let answer = said["answer"].as_str().unwrap();
        let by = said["answered_by"].as_str().unwrap();
        let right = match may {
            May::Say(text) => answer == text,
            May::OwnOrNothing => {
                by == "declined"
                    || by == "fixed"
                    || (by == "knowledge" && KNOWLEDGE.contains(answer))
            }
            May::Decline => by == "declined" && said["sources"] == json!([]),
            May::CallPerson => said["handed_over"] == json!(true),
        };
        if !right {
            wrong.push(format!("{name}: {by}: {answer}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

both_engines! {
    async fn only_what_the_evidence_holds_leaves_of_an_openai_answer(on: On) {
        let app = TestApp::start(on).await;
        let base_url = app.model.base_url();
        every_answer(&app, "openai", base_url).await;
    }
}

both_engines! {
    async fn only_what_the_evidence_holds_leaves_of_a_gemini_answer(on: On) {
        let app = TestApp::start(on).await;
        let base_url = app.model.gemini_url();
        every_answer(&app, "gemini", base_url).await;
    }
}

both_engines! {
    async fn a_refused_answer_is_asked_for_once_more_with_the_reason(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("clinica").await;
        tenant.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180,00.").await;
        tenant.uses_model().await;
        app.model.will_say("A limpeza custa R$ 150,00.");
        app.model.will_say("A limpeza sai por R$ 180,00.");
        let said = ask(&tenant, "quanto custa a limpeza?").await;
        assert_eq!(said["answer"], "A limpeza sai por R$ 180,00.");
        assert_eq!(said["answered_by"], "test");
        assert_eq!(said["models_failed"], json!([{ "model": "test", "outcome": "not_in_evidence" }]));
        let again = &app.model.asked()[1]["messages"];
        let last = again.as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
        assert!(last.contains("as fontes não dizem 150"), "{last}");
    }
}

both_engines! {
    async fn a_model_reads_all_of_a_small_knowledge_but_not_what_is_over(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("clinica").await;
        let text = format!("{KNOWLEDGE}\nPromoção: clareamento por R$ 99 até 31/12/2025.\n");
        let document = json!({ "name": "clinica.md", "text": text });
        tenant.post("/v1/knowledge/documents", &document).await.expect(201);
        tenant.uses_model().await;
        app.model.will_say("NAO_SEI");
        ask(&tenant, "o aparelho demora?").await;
        let asked = app.model.asked();
        let system = asked[0]["messages"][0]["content"].as_str().unwrap();
        for line in ["A limpeza custa R$ 180,00.", "Abrimos das 8h às 18h.", "Parcelamos em até 3 vezes."] {
            assert!(system.contains(line), "{system}");
        }
        assert!(!system.contains("R$ 99"), "{system}");
    }
}

both_engines! {
    async fn confirmed_hours_may_be_told_word_by_word(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("clinica").await;
        tenant.knows("Quanto custa a limpeza?", "A limpeza custa R$ 180,00.").await;
        let spans: Vec<Value> = (1..=5)
            .map(|weekday| json!({ "weekday": weekday, "opens_minute": 480, "closes_minute": 1080 }))
            .collect();
        tenant.put("/v1/opening-hours", &json!({ "hours": spans })).await.expect(200);
        tenant.uses_model().await;
        let text = "Segunda: 08:00 às 18:00, terça: 08:00 às 18:00.";
        app.model.will_say(text);
        let said = ask(&tenant, "vocês abrem cedo na segunda e na terça para tomar café?").await;
        assert_eq!((&said["answer"], &said["answered_by"]), (&json!(text), &json!("test")), "{said}");
    }
}
