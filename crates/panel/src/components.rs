//! Every component of the pages on one, to be looked at in both languages, light and dark. In the demo.

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use ui::{Field, Icon, Tone, badge, icon, notice};

use crate::door::Visitor;
use crate::failure::Failure;
use crate::registry::{PageAccess, Pages};

pub(crate) fn pages(pages: &mut Pages) {
    pages.page("/painel/_components", PageAccess::Demo, show);
}

async fn show(visitor: Visitor) -> Result<Response, Failure> {
    if !visitor.app.options.mailbox {
        return Err(Failure::not_found());
    }
    let lang = visitor.lang;
    let text = lang.t("Um texto de exemplo", "An example text");
    let wrong = lang.t("O que está errado, e o que serve.", "What is wrong, and what would do.");
    let options = [("a".to_owned(), text.to_owned()), ("b".to_owned(), "–".to_owned())];
    let tones = [Tone::Neutral, Tone::Accent, Tone::Good, Tone::Warn, Tone::Bad];
    let body = html! {
        h1 { (lang.t("Componentes", "Components")) }
        section.panel { h2 { (lang.t("Selo", "Badge")) } div.row { @for tone in tones { (badge(tone, text)) } } }
        section.panel { h2 { (lang.t("Aviso", "Notice")) } @for tone in [Tone::Good, Tone::Warn, Tone::Bad] { (notice(tone, text)) } }
        section.panel.stack {
            h2 { (lang.t("Campo", "Field")) }
            (Field::input("one", text, "text").value(text).hint(text))
            (Field::input("two", text, "text").error(Some(wrong)))
            (Field::area("three", text, 3).value(text))
            (Field::select("four", text, &options).value("a"))
            (Field::switch("five", text))
        }
        section.panel {
            h2 { (lang.t("Botão", "Button")) }
            div.row {
                (ui::submit(text)) button type="button" { (text) } button.quiet type="button" { (text) }
                button.danger type="button" { (text) } button type="button" disabled { (text) }
                (ui::link_button("/painel", text))
            }
        }
        section.panel {
            h2 { (lang.t("Balão", "Bubble")) }
            div.thread {
                div.bubble.in { p { (text) } p.foot { "12:30" } }
                div.bubble.out { p { (text) } p.foot { "12:31" } }
                div.bubble.out.person { p { (text) } p.foot { "12:32" } }
                div.bubble.note { p { (text) } p.foot { "12:33" } }
            }
        }
        section.panel { h2 { (lang.t("Número", "Number")) } div.numbers { (ui::number_card("1.234", text, None)) (ui::number_card("99%", text, Some("/painel"))) } }
        section.panel { h2 { (lang.t("Para copiar", "To copy")) } (ui::copyable(text, "pk_0123456789", lang.t("Copiar", "Copy"))) }
        section.panel { h2 { (lang.t("Vazio", "Empty")) } (ui::empty(Icon::Inbox, text, text, Some(ui::link_button("/painel", text)))) }
        section.panel { h2 { (lang.t("Ícone", "Icon")) } div.row { @for one in Icon::ALL { span title=(format!("{one:?}")) { (icon(one)) } } } }
    };
    Ok(visitor.bare(StatusCode::OK, lang.t("Componentes", "Components"), &body))
}
