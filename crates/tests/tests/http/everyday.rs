//! What customers of small businesses type, asked of four of them. `asked.tsv`: the tenant, the text,
//! the words of the right answer (`-` where the knowledge holds none). A `?` before the words: the
//! knowledge holds it, but we do not find it, and say so. A `!`: a wrong answer is given; there must
//! never be more of those. The pet shop and the workshop, files and questions, were written by
//! somebody who did not know the rules.

use std::collections::HashMap;

use serde_json::json;
use testkit::{TestApp, both_engines};

const ASKED: &str = include_str!("everyday/asked.tsv");
const FILES: &[(&str, &str, &str)] = &[
    ("clinica", "atendimento.md", include_str!("../../../../demo/clinica/atendimento.md")),
    ("clinica", "precos.csv", include_str!("../../../../demo/clinica/precos.csv")),
    ("pizzaria", "cardapio.md", include_str!("../../../../demo/pizzaria/cardapio.md")),
    ("petshop", "petshop.md", include_str!("everyday/petshop.md")),
    ("oficina", "oficina.csv", include_str!("everyday/oficina.csv")),
];
/// Wrong answers that are known.
const KNOWN_WRONG: usize = 1;

both_engines! {
    async fn everyday_questions_are_answered_or_honestly_declined(on: On) {
        let app = TestApp::start(on).await;
        let mut tenants = HashMap::new();
        for (slug, name, text) in FILES {
            if !tenants.contains_key(slug) {
                tenants.insert(*slug, app.tenant(slug).await);
            }
            let document = json!({ "name": name, "text": text });
            tenants[slug].post("/v1/knowledge/documents", &document).await.expect(201);
        }
        let (mut wrong, mut known) = (Vec::new(), 0);
        for line in ASKED.lines() {
            let [slug, asked, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let body = json!({ "text": asked });
            let said = tenants[slug].post("/v1/chat", &body).await.expect(200).json();
            let answer = said["answer"].as_str().unwrap().to_lowercase();
            let silent = said["sources"].as_array().unwrap().is_empty();
            known += usize::from(expected.starts_with('!'));
            let right = if expected == "-" || expected.starts_with('?') {
                silent
            } else if expected.starts_with('!') {
                true
            } else {
                !silent && expected.to_lowercase().split(" && ").all(|part| answer.contains(part))
            };
            if !right {
                wrong.push(format!("{asked} => {answer} ({})", said["confidence"]));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(known, KNOWN_WRONG);
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
            "A limpeza custa R$ 150.\n\nSobre “vcs fazem botox”, não tenho essa informação. Se quiser \
             falar com uma pessoa da equipe, responda *atendente*."
        );
        assert_eq!(
            chat("quanto custa a limpeza e o canal?").await,
            "A limpeza custa R$ 150.\n\nO canal custa R$ 800."
        );
        assert_eq!(chat("quanto custa?").await, "De qual produto ou serviço você quer saber?");
    }
}

both_engines! {
    async fn how_a_question_is_opened_and_told_at_length_takes_nothing_from_it(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("pizzaria").await;
        tenant.knows("Onde fica a pizzaria?", "Na Rua Aspicuelta, 87.").await;
        tenant.knows("Quanto custa a calabresa?", "A calabresa custa R$ 66.").await;
        tenant.knows("Qual o horário?", "De terça a domingo, das 18h às 23h30.").await;
        for (phone, text, holds) in [
            ("5511987654301", "eae quanto é a calabresa", "R$ 66"),
            (
                "5511987654302",
                "boa tarde meu filho eu queria saber onde é que fica a pizzaria de vocês porque minha neta falou que é muito boa e \
                 eu nunca fui aí",
                "Rua Aspicuelta",
            ),
            // Neither an hour nor a day is a thing that only another business has.
            (
                "5511987654303",
                "Boa tarde, gostaria de reservar uma mesa para 15 pessoas no sábado que vem, dia 5, às 20h.",
                "Já passei",
            ),
            ("5511987654304", "queria pedir pra amanhã umas 19h, dá?", "Já passei"),
            // Praise is no complaint, and nothing to be sorry for.
            ("5511987654305", "gente a pizza de ontem tava PERFEITA", "Por nada"),
        ] {
            tenant.hears(phone, text).await;
            app.pass(std::time::Duration::from_secs(5)).await;
            let said = app.sent().last().unwrap().text.clone();
            assert!(said.contains(holds), "{text}: {said}");
        }
    }
}

both_engines! {
    async fn what_is_told_is_of_what_was_asked(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("hotel").await;
        tenant.knows("Vocês aceitam animais?", "Sim, cães de até 10 kg, por mais R$ 40 a diária.").await;
        tenant.knows("Quanto custa a massagem?", "A massagem custa R$ 180 e dura uma hora.").await;
        tenant.knows("Vocês entregam marmita?", "Entregamos em até 4 km, por R$ 7.").await;
        tenant.knows("Preciso de documento?", "Traga um documento com foto e o comprovante da reserva.").await;
        tenant.knows("Vocês emitem nota?", "Emitimos nota para reembolso da empresa.").await;
        const UNKNOWN: &str = "não tenho";
        for (phone, texts, holds, lacks) in [
            // Which, when and how much are not answered with yes.
            ("5511987654301", &["quais animais vocês aceitam?"][..], "Cães de até 10 kg", "Sim"),
            // The price of a thing does not say whether it may be.
            ("5511987654302", &["grávida pode fazer massagem?"], "equipe", "R$ 180"),
            ("5511987654303", &["a massagem dói?"], UNKNOWN, "R$ 180"),
            // A place that nobody has written down is answered with where it is delivered to.
            ("5511987654304", &["entregam marmita no Jardim Aurora?"], "até 4 km", UNKNOWN),
            ("5511987654305", &["o que preciso levar no dia?"], "documento com foto", UNKNOWN),
            // The question within a story.
            (
                "5511987654306",
                &["minha sogra chega na quinta com as malas dela e eu queria saber quanto custa a massagem"],
                "R$ 180",
                UNKNOWN,
            ),
            // What is said in the answer to one part is known.
            ("5511987654307", &["tem reembolso? vocês emitem nota?"], "reembolso", UNKNOWN),
            // The price that was told is told again to who asks for it.
            ("5511987654308", &["aceitam cachorro?", "e qual o valor a mais?"], "R$ 40", "R$ 180"),
            // What nobody has heard of here may still be wanted of us: a person says whether it is.
            (
                "5511987654309",
                &["quero reservar o espaço gourmet pra 20 convidados"],
                "Não sei se temos isso por aqui. Já passei",
                "só posso ajudar",
            ),
            // Who is new does not complain, and who asks what there is to eat is in no danger.
            ("5511987654311", &["Queria marcar uma massagem, sou a Lia, é a primeira vez"], "Já passei", "Sinto muito"),
            (
                "5511987654312",
                &["oi minha filha queria saber o que tem de massagem porque minha neta tá aqui e quer uma de chocolate com pimenta sabe"],
                "",
                "192",
            ),
            // Who says who writes says no thanks; and whoever gives thanks is in no danger.
            ("5511987654314", &["Boa noite meu filho. Aqui é a Cleide da rua Harmonia"], "", "Por nada"),
            ("5511987654315", &["Passando só pra agradecer o carinho com a minha mãe ontem, ela tem 84 anos e morria de medo, saiu daí rindo"], "Por nada", "equipe"),
            // Whether it costs is no question of how to pay.
            ("5511987654313", &["vocês emitem nota? é pago?"], "não tenho", "R$"),
            ("5511987654310", &["quanto custa a massagem?", "bom domingo pra vocês!"], "Até", "Como posso ajudar"),
        ] {
            for text in texts {
                tenant.hears(phone, text).await;
                app.pass(std::time::Duration::from_secs(5)).await;
            }
            let said = app.sent().last().unwrap().text.clone();
            assert!(said.contains(holds) && !said.contains(lacks), "{texts:?}: {said}");
        }
    }
}

both_engines! {
    async fn a_thing_named_after_a_question_is_asked_the_same(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("clinica").await;
        tenant.knows("Quanto custa a limpeza?", "A limpeza custa R$ 150.").await;
        tenant.knows("Quanto custa o canal?", "O canal custa R$ 800.").await;
        tenant.knows("Como é feito o canal?", "O canal é feito em duas sessões.").await;
        tenant.knows("Vocês aceitam cartão?", "Sim, em até 3x.").await;
        for (text, answer) in [
            ("quanto custa a limpeza?", "A limpeza custa R$ 150."),
            ("e o canal?", "O canal custa R$ 800."),
            ("e aceitam cartão?", "Sim, em até 3x."),
        ] {
            tenant.hears("5511987654321", text).await;
            app.pass(std::time::Duration::from_secs(5)).await;
            assert!(app.sent().last().unwrap().text.ends_with(answer), "{text}: {:?}", app.sent());
        }
    }
}

both_engines! {
    async fn hours_rows_and_sums_are_those_that_are_asked_for(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("locadora").await;
        let text = include_str!("everyday/locadora.md");
        let document = json!({ "name": "locadora.md", "text": text });
        tenant.post("/v1/knowledge/documents", &document).await.expect(201);
        // Each conversation: what is written, and what the reply holds and holds not.
        for (phone, turns) in [
            ("5511987654301", [
                ("vcs abrem sábado?", "Sábado das 9h às 13h", "Terça"),
                ("e domingo?", "Domingo fechado", "Sábado"),
                ("que dias tem retirada?", "Terça e quinta", "8h"),
            ]),
            ("5511987654302", [
                ("quanto custa a betoneira de 400 litros?", "Betoneira, 400 litros", "R$ 70"),
                ("e a de 150?", "150 litros, Diária: R$ 70", "R$ 95"),
                ("e no pix?", "R$ 66,50", "R$ 95"),
            ]),
            ("5511987654303", [
                ("quanto é a furadeira?", "Furadeira, de impacto", "R$ 40"),
                ("pra 4 dias?", "R$ 100,00", "R$ 40"),
                ("fecha pro almoço?", "13h30", "Domingo"),
            ]),
            ("5511987654304", [
                ("3 dias da furadeira no pix, quanto fica?", "R$ 71,25", "R$ 70,00"),
                ("quanto custa a betoneira de 400 litros?", "R$ 95", "R$ 70"),
                ("e a pequena?", "150 litros, Diária: R$ 70", "R$ 95"),
            ]),
            ("5511987654305", [
                ("que dias tem retirada?", "Terça e quinta", "Sábado"),
                ("e até que horas na quinta?", "17h", "18h"),
                ("betoneira de 150 litros e a furadeira, quanto dá tudo?", "Total: R$ 95,00", "R$ 65"),
            ]),
        ] {
            for (text, right, wrong) in turns {
                tenant.hears(phone, text).await;
                app.pass(std::time::Duration::from_secs(5)).await;
                let said = app.sent().last().unwrap().text.clone();
                assert!(said.contains(right) && !said.contains(wrong), "{text}: {said}");
            }
        }
    }
}
