//! Files as businesses have them, and what customers ask of them. A folder each: the files, and `expect.tsv` with a line for
//! every question: its text, the words of the right answer (`-`: it is not known; `*`: anything), and words that belong to
//! another thing. `!add` is the adding itself. What customers write after one another of one business is in
//! `conversation_sequences.tsv`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use testkit::{TestApp, TestTenant, both_engines};

/// Questions whose answer differs from the line's, each with why.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("K64", "qual o preço do day use?", "a column of prices is told as money: R$ 89,90"),
    (
        "K87",
        "qual o endereço da loja?",
        "its line reads \"P: … R: …\" as if it were a question; the other address is told",
    ),
    ("K96", "quanto custa o corte?", "two cuts are listed, and both are told with their names"),
    ("Q08", "qro cancelar", "whether an order or the messages are to be cancelled is asked back"),
    ("Q11", "posso pagar com bitcoin?", "the ways to pay that are stated are told"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/file_cases")
}

fn norm(text: &str) -> String {
    text.replace('\u{a0}', " ").to_lowercase()
}

/// Adds the files of a case; what is said of them.
async fn add(tenant: &TestTenant<'_>, case: &Path) -> String {
    let mut files: Vec<PathBuf> =
        fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut said = String::new();
    for file in files.iter().filter(|file| !file.ends_with("expect.tsv")) {
        let content = base64::engine::general_purpose::STANDARD.encode(fs::read(file).unwrap());
        let name = file.file_name().unwrap().to_str().unwrap();
        let body = json!({ "name": name, "content_base64": content });
        said.push_str(&tenant.post("/v1/knowledge/documents", &body).await.text);
    }
    said
}

/// What is wrong with the answer to a question; `None` where nothing is.
fn fault(said: &Value, must: &str, must_not: &str) -> Option<String> {
    let answer = norm(said["answer"].as_str().unwrap());
    let silent = said["sources"].as_array().unwrap().is_empty();
    let other =
        must_not.split("||").filter(|words| !words.is_empty()).any(|w| answer.contains(&norm(w)));
    let right = match must {
        "-" => silent,
        "*" => true,
        words => !silent && words.split(" && ").all(|part| answer.contains(&norm(part))),
    };
    (!right || (other && !silent)).then_some(answer)
}

both_engines! {
    async fn files_of_many_shapes_answer_what_they_hold(on: On) {
        let app = TestApp::start(on).await;
        let mut cases: Vec<PathBuf> =
            fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.sort();
        assert_eq!(cases.len(), 99);
        let (mut wrong, mut different) = (Vec::new(), Vec::new());
        for case in cases {
            let name = case.file_name().unwrap().to_str().unwrap().to_owned();
            let id = name.split('-').next().unwrap().to_owned();
            let tenant = app.tenant(&format!("casa-{}", id.to_lowercase())).await;
            let added = add(&tenant, &case).await;
            for line in fs::read_to_string(case.join("expect.tsv")).unwrap().lines() {
                let [asked, must, must_not] = line.split('\t').collect::<Vec<_>>()[..] else {
                    panic!("{name}: {line}");
                };
                if asked == "!add" {
                    let (_, words) = must.split_once(": ").unwrap();
                    let said = norm(&added);
                    if !words.split('|').any(|word| said.contains(&norm(word))) {
                        wrong.push(format!("{name}: {added}"));
                    }
                    continue;
                }
                let body = json!({ "text": asked.replace("\\n", "\n") });
                let said = tenant.post("/v1/chat", &body).await.expect(200).json();
                if let Some(answer) = fault(&said, must, must_not) {
                    if DIFFERENT.iter().any(|(other, text, _)| *other == id && *text == asked) {
                        different.push((id.clone(), asked.to_owned()));
                    } else {
                        wrong.push(format!("{name}: {asked} => {answer}"));
                    }
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        let listed: Vec<(String, String)> =
            DIFFERENT.iter().map(|(id, asked, _)| ((*id).to_owned(), (*asked).to_owned())).collect();
        assert_eq!(different, listed, "what is right by now is no longer listed");
    }
}

/// Turns of the sequences that are answered with another thing, each with why.
const OTHER_TURNS: &[(&str, &str, &str)] = &[
    (
        "F02",
        "que horas?",
        "the line with the check-in's hours speaks more of hours than the one told before",
    ),
    (
        "F05",
        "é pago?",
        "the line with the ways to pay speaks more of paying than the one told before",
    ),
];
const SEQUENCES: &str = include_str!("conversation_sequences.tsv");
const INN: &str = "# Pousada Azul\n\nA diária da suíte custa R$ 450.\n\nA diária do quarto standard custa R$ 300.\n\nO café da \
    manhã está incluso e é servido das 7h às 10h.\n\nAceitamos cães de até 10 kg, com taxa de R$ 50.\n\nAceitamos Pix e cartão \
    de débito. Não aceitamos cartão de crédito.\n\nO estacionamento é gratuito.\n\nO check-in começa às 14h e o check-out vai \
    até as 12h.\n\nFicamos na Rua do Sol, 20.\n";

both_engines! {
    async fn what_follows_a_question_leans_on_it(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.tenant("pousada").await;
        let document = json!({ "name": "pousada.md", "text": INN });
        tenant.post("/v1/knowledge/documents", &document).await.expect(201);
        let (mut wrong, mut different) = (Vec::new(), 0);
        for line in SEQUENCES.lines() {
            let [name, text, must, must_not] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let phone = format!("55119876543{}", &name[1..]);
            let before = app.sent().len();
            tenant.hears(&phone, text).await;
            app.pass(Duration::from_secs(6)).await;
            let sent = app.sent();
            let answer = norm(&sent[before..].iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join("\n"));
            let right = match must {
                "" => answer.is_empty(),
                "*" => true,
                "-" => answer.contains("não tenho") || answer.contains("não sei"),
                "@hand" => answer.contains("equipe"),
                words => words.split(" && ").all(|part| answer.contains(&norm(part))),
            };
            if !right || (!must_not.is_empty() && answer.contains(&norm(must_not))) {
                if OTHER_TURNS.iter().any(|(other, asked, _)| *other == name && *asked == text) {
                    different += 1;
                } else {
                    wrong.push(format!("{name}: {text} => {answer}"));
                }
            }
            // The next thing is written a while later.
            app.pass(Duration::from_secs(30)).await;
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(different, OTHER_TURNS.len(), "what is right by now is no longer listed");
    }
}
