//! Every page, looked at.

use crate::driver::{Browser, Window};
use crate::world::Demo;

/// Pages of an owner, as the name of the screenshot and the path.
const OWNERS: &[(&str, &str)] = &[
    ("home", "/painel/t/clinica"),
    ("inbox", "/painel/t/clinica/conversas?ver=todas"),
    ("knowledge", "/painel/t/clinica/conhecimento"),
    ("unanswered", "/painel/t/clinica/conhecimento/sem-resposta"),
    ("understood", "/painel/t/clinica/conhecimento/o-que-entendi"),
    ("assistant", "/painel/t/clinica/assistente"),
    ("requests", "/painel/t/clinica/assistente/pedidos"),
    ("channels", "/painel/t/clinica/canais"),
    ("channel-new-evolution", "/painel/t/clinica/canais/novo/evolution"),
    ("channel-new-cloud", "/painel/t/clinica/canais/novo/whatsapp-cloud"),
    ("channel-new-whaticket", "/painel/t/clinica/canais/novo/whaticket"),
    ("simulator", "/painel/t/clinica/simulador"),
    ("team", "/painel/t/clinica/equipe"),
    ("brand", "/painel/t/clinica/marca"),
    ("api-keys", "/painel/t/clinica/chaves"),
    ("audit", "/painel/t/clinica/auditoria"),
    ("settings", "/painel/t/clinica/ajustes"),
    ("account", "/painel/conta"),
    ("account-confirm", "/painel/conta/confirmar"),
    ("not-found", "/painel/t/clinica/nada"),
];

const OPERATORS: &[(&str, &str)] = &[
    ("operator-businesses", "/painel/operador"),
    ("operator-business", "/painel/operador/empresas/clinica"),
    ("operator-team", "/painel/operador/equipe"),
    ("operator-keys", "/painel/operador/chaves"),
    ("operator-gateways", "/painel/operador/gateway"),
    ("operator-brand", "/painel/operador/marca"),
    ("operator-audit", "/painel/operador/auditoria"),
];

const STRANGERS: &[(&str, &str)] = &[
    ("sign-in", "/painel"),
    ("forgotten", "/painel/senha"),
    ("link-used", "/painel/convite/nada"),
    ("mailbox", "/painel/caixa"),
    ("components", "/painel/_components"),
];

async fn look(demo: &Demo, browser: &Browser, pages: &[(&str, &str)], mark: &str, shoot: bool) {
    for (name, path) in pages {
        browser.go(&format!("{}{path}", demo.url)).await;
        // A page that is not found says so in the console, as it should.
        if matches!(*name, "not-found" | "link-used") {
            let _ = browser.console_errors().await;
        }
        browser.is_sound(&format!("{name}, {mark}")).await;
        if shoot {
            browser.screenshot(&format!("{name}-{mark}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_sound_in_both_languages_and_widths() {
    let demo = Demo::start();
    for language in ["pt-BR", "en-US"] {
        for (width, height) in [(1440, 900), (390, 844)] {
            let mark = format!("{width}");
            let shoot = language == "pt-BR";
            let browser = Browser::open(Window { width, height, language }).await;
            look(&demo, &browser, STRANGERS, &mark, shoot).await;
            browser.go(&format!("{}/painel", demo.url)).await;
            let word = if shoot { "Entrar" } else { "Sign in" };
            assert!(browser.text().await.contains(word), "{language}");
            demo.signed_in(&browser, "dona@demo.example").await;
            look(&demo, &browser, OWNERS, &mark, shoot).await;
            // A conversation and a document are opened as people do: by the list.
            browser.go(&format!("{}/painel/t/clinica/conversas?ver=todas", demo.url)).await;
            browser.click(".threads a:has(.badge.bad)").await;
            browser.shows("#composer").await;
            browser.run("document.querySelector('.sources')?.setAttribute('open', '')").await;
            browser.is_sound(&format!("conversation, {mark}")).await;
            if shoot {
                browser.screenshot(&format!("conversation-{mark}")).await;
            }
            browser.click("a[href$='/percurso']").await;
            browser.shows("table").await;
            browser.is_sound(&format!("a journey, {mark}")).await;
            if shoot {
                browser.screenshot(&format!("journey-{mark}")).await;
            }
            browser.go(&format!("{}/painel/t/clinica/conhecimento", demo.url)).await;
            browser.click(".list a").await;
            browser.shows("textarea").await;
            browser.is_sound(&format!("document, {mark}")).await;
            if shoot {
                browser.screenshot(&format!("document-{mark}")).await;
            }
            if width == 1440 {
                browser.run("localStorage.setItem('theme', 'dark')").await;
                for (name, path) in OWNERS.iter().take(7) {
                    browser.go(&format!("{}{path}", demo.url)).await;
                    browser.is_sound(&format!("{name} in the dark")).await;
                    if shoot && matches!(*name, "home" | "inbox") {
                        browser.screenshot(&format!("{name}-dark")).await;
                    }
                }
                browser.run("localStorage.removeItem('theme')").await;
            }
            browser
                .run("document.querySelector('form[action=\"/painel/sair\"]').requestSubmit()")
                .await;
            browser.arrives("/painel").await;
            demo.signed_in(&browser, "operador@demo.example").await;
            look(&demo, &browser, OPERATORS, &mark, shoot).await;
        }
    }
}
