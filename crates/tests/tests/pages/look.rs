//! How pages present themselves: white label, both languages, size.

use std::time::Duration;

use identity::Role;
use testkit::{TestApp, Visitor, both_engines};

const PAGES: &[&str] = &[
    "",
    "/conversas",
    "/conhecimento",
    "/conhecimento/sem-resposta",
    "/conhecimento/o-que-entendi",
    "/assistente",
    "/assistente/pedidos",
    "/canais",
    "/canais/novo/evolution",
    "/canais/novo/whaticket",
    "/canais/novo/whatsapp-cloud",
    "/equipe",
    "/marca",
    "/chaves",
    "/auditoria",
    "/ajustes",
];

async fn all_pages(visitor: &Visitor<'_>, slug: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for page in PAGES {
        let path = format!("/painel/t/{slug}{page}");
        out.push((path.clone(), visitor.get(&path).await.expect(200).text));
    }
    out.push(("/painel/conta".to_owned(), visitor.get("/painel/conta").await.expect(200).text));
    out
}

both_engines! {
    async fn a_branded_tenants_pages_do_not_name_us(on: On) {
        let app = TestApp::start_with(on, &[("PORTARIA_INSTANCE_NAME", "Agência Lua"), ("PORTARIA_SMTP_URL", "smtp://127.0.0.1:1"), ("PORTARIA_SMTP_FROM", "casa@casa.example")]).await;
        let clinic = app.tenant("clinica").await;
        clinic.hears("5511987654321", "Oi").await;
        let dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        // The house's name is the instance's client's.
        assert!(app.visitor().get("/painel").await.expect(200).text.contains("Agência Lua"));
        let save = "/painel/t/clinica/marca";
        dona.upload(save, &[("accent", "vermelho")], &[]).await.expect(422);
        dona.upload(save, &[("name", "Sorriso"), ("support_url", "javascript:alert(1)")], &[]).await.expect(422);
        dona.upload(save, &[("name", "Sorriso")], &[("logo", "logo.svg", "<svg/>")]).await.expect(422);
        let fields = [("name", "Sorriso Aberto"), ("accent", "#ffee00"), ("welcome", "Bem-vinda de volta"), ("support_url", "https://ajuda.example"), ("sender_name", "Equipe Sorriso")];
        dona.upload(save, &fields, &[]).await.expect(303);
        let mut pages = all_pages(&dona, "clinica").await;
        let front = app.visitor();
        let sign_in = front.get("/painel/entrar?t=clinica").await.expect(200).text;
        assert!(sign_in.contains("Sorriso Aberto") && sign_in.contains("Bem-vinda de volta") && sign_in.contains("https://ajuda.example"));
        pages.push(("sign-in".to_owned(), sign_in));
        pages.push(("error".to_owned(), dona.get("/painel/t/clinica/conversas/nada").await.expect(404).text));
        for name in ["panel.js", "panel.css"] {
            pages.push((name.to_owned(), front.get(&format!("/painel/assets/0/{name}")).await.expect(200).text));
        }
        dona.post("/painel/t/clinica/equipe/convites", &[("email", "bia@clinica.example"), ("role", "viewer")]).await.expect(200);
        let mut tx = app.house.db.read_system().await.unwrap();
        let mail = identity::mailbox(&mut tx, 1).await.unwrap().remove(0);
        drop(tx);
        assert_eq!(mail.sender_name, "Equipe Sorriso");
        pages.push(("letter".to_owned(), format!("{} {}", mail.subject, mail.body)));
        for (path, text) in &pages {
            let text = text.to_lowercase().replace("portaria-", "");
            assert!(!text.contains("portaria"), "{path} names us: …{}…", &text[text.find("portaria").unwrap().saturating_sub(60)..]);
        }
        let home = &pages[0].1;
        assert!(home.contains("Sorriso Aberto"));
        // Yellow cannot be read on white: it is darkened from the first paint.
        let at = home.find("/painel/marca/cores.css").unwrap();
        let css = front.get(&home[at..].split('"').next().unwrap().replace("&amp;", "&")).await.expect(200);
        let accent: ui::Colour = css.text[css.text.find("--accent:").unwrap() + 9..][..7].parse().unwrap();
        assert!(accent.contrast(ui::Colour::WHITE) >= 4.5);
    }
}

both_engines! {
    async fn every_page_speaks_english_too_and_stays_small(on: On) {
        let app = TestApp::start(on).await;
        let clinic = app.tenant("clinica").await;
        clinic.hears("5511987654321", "Oi").await;
        app.pass(Duration::from_secs(5)).await;
        let mut dona = app.signed_in("dona@clinica.example", &[(clinic.id, Role::Owner)]).await;
        dona.language = "en-US,en;q=0.9";
        // What only Portuguese says, and no data of this test.
        let words = ["Conversas", "Conhecimento", "Salvar", "Nenhum", "Ainda", "Equipe", "Ajustes", "Início", " de ", "não", "Remover", "você"];
        for (path, text) in all_pages(&dona, "clinica").await {
            assert!(text.contains("lang=\"en\""), "{path}");
            let shown = strip(&text);
            for word in words {
                assert!(!shown.contains(word), "{path} says {word}: {}", around(&shown, word));
            }
            assert!(text.len() < 100_000, "{path} has {} bytes before compression", text.len());
        }
        let packed = dona.send("GET", "/painel/t/clinica/equipe", &[("accept-encoding", "gzip")], String::new()).await.expect(200);
        assert_eq!(packed.headers["content-encoding"], "gzip");
    }
}

fn around(text: &str, word: &str) -> String {
    let at = text.find(word).unwrap_or(0);
    let from = text.floor_char_boundary(at.saturating_sub(40));
    let to = text.floor_char_boundary((at + 60).min(text.len()));
    text[from..to].to_owned()
}

/// What people read of a page: without tags, and without what the tenant wrote in its own language.
fn strip(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let tag = &rest[at..];
        let end = tag.find('>').map_or(tag.len(), |e| e + 1);
        // The phrases that call a person, and bubbles, are the business's and its contacts'.
        let skip = [
            ("<textarea", "</textarea>"),
            ("<div class=\"bubble", "</div>"),
            ("<span class=\"last", "</span>"),
        ];
        match skip.iter().find(|(open, _)| tag.starts_with(open)) {
            Some((_, close)) => {
                let close_at = tag.find(close).map_or(tag.len(), |c| c + close.len());
                rest = &tag[close_at..];
            }
            None => rest = &tag[end..],
        }
        out.push(' ');
    }
    out.push_str(rest);
    out
}
