//! What customers of small businesses type, asked of the demo's two: the answer's words, or `-`
//! where the knowledge holds none.

use serde_json::json;
use testkit::{TestApp, both_engines};

const ASKED: &str = include_str!("everyday.tsv");
const FILES: &[(&str, &str, &str)] = &[
    ("clinica", "atendimento.md", include_str!("../../../../demo/clinica/atendimento.md")),
    ("clinica", "precos.csv", include_str!("../../../../demo/clinica/precos.csv")),
    ("pizzaria", "cardapio.md", include_str!("../../../../demo/pizzaria/cardapio.md")),
];
/// Answers that the knowledge holds and that are not found: each is declined, none is wrong.
const NOT_FOUND: &[&str] = &[
    "se eu faltar tem multa?",
    "o implante dói e quanto custa?",
    "vcs entregam na lapa?",
    "qual pizza é mais barata?",
    "fica perto do metro?",
];

both_engines! {
    async fn everyday_questions_are_answered_or_honestly_declined(on: On) {
        let app = TestApp::start(on).await;
        let tenants = [app.tenant("clinica").await, app.tenant("pizzaria").await];
        let of = |slug: &str| &tenants[usize::from(slug == "pizzaria")];
        for (slug, name, text) in FILES {
            let document = json!({ "name": name, "text": text });
            of(slug).post("/v1/knowledge/documents", &document).await.expect(201);
        }
        let mut wrong = Vec::new();
        for line in ASKED.lines() {
            let [slug, asked, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let said = of(slug).post("/v1/chat", &json!({ "text": asked })).await.expect(200).json();
            let answer = said["answer"].as_str().unwrap().to_lowercase();
            let silent = said["sources"].as_array().unwrap().is_empty();
            let right = if expected == "-" || NOT_FOUND.contains(&asked) {
                silent
            } else {
                !silent && expected.to_lowercase().split(" && ").all(|part| answer.contains(part))
            };
            if !right {
                wrong.push(format!("{asked} => {answer}"));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }
}

both_engines! {
    async fn what_is_not_known_is_said_beside_what_is(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("clinica").await;
        tenant.knows("Quanto custa a limpeza?", "A limpeza custa R$ 150.").await;
        tenant.knows("Quanto custa o canal?", "O canal custa R$ 800.").await;
        let chat = async |text: &str| {
            let said = tenant.post("/v1/chat", &json!({ "text": text })).await.expect(200).json();
            said["answer"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            chat("Oi, bom dia!\nquanto custa a limpeza?\nvcs fazem botox?").await,
            "A limpeza custa R$ 150.\n\nSobre “vcs fazem botox”, não tenho essa informação. Para falar \
             com uma pessoa da equipe, responda *atendente*."
        );
        assert_eq!(
            chat("quanto custa a limpeza e o canal?").await,
            "A limpeza custa R$ 150.\n\nO canal custa R$ 800."
        );
        assert_eq!(chat("quanto custa?").await, "De qual produto ou serviço você quer saber o preço?");
    }
}
