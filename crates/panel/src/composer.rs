//! Where a person writes to the contact: free text, or a template once the 24-hour window is shut.

use kernel::ConversationId;
use maud::{Markup, html};
use ui::{Icon, icon};
use web::Permission;

use crate::door::At;

/// The form of a reply or a note.
pub(crate) fn composer<Q: Permission>(
    at: &At<Q>,
    id: ConversationId,
    canned: &[inbox::Canned],
) -> Markup {
    let lang = at.lang();
    let action = at.url(&format!("/conversas/{id}/responder"));
    html! {
        form.composer #composer data-window="open" method="post" action=(action) enctype="multipart/form-data"
            hx-post=(action) hx-encoding="multipart/form-data" hx-target="#talk" hx-swap="innerHTML" hx-sync="this:drop" hx-disabled-elt="find button[type=submit]" {
            (ui::csrf_field(at.csrf()))
            input type="hidden" name="once" value=(identity::token());
            label.visually-hidden for="texto" { (lang.t("Mensagem", "Message")) }
            textarea #texto name="text" rows="2" maxlength="4096" data-enter data-key="r" data-draft=(id)
                data-note=(lang.t("Escreva uma nota. Só a equipe a vê.", "Write a note. Only the team sees it."))
                placeholder=(lang.t("Escreva uma resposta. Enter envia, Shift+Enter quebra a linha.", "Write a reply. Enter sends, Shift+Enter breaks the line.")) {}
            div.modes {
                input.visually-hidden type="radio" name="mode" value="reply" id="mode-reply" checked;
                label for="mode-reply" { (lang.t("Responder", "Reply")) }
                input.visually-hidden type="radio" name="mode" value="note" id="mode-note" data-key="n";
                label for="mode-note" { (lang.t("Nota interna", "Internal note")) }
                @if !canned.is_empty() {
                    button.quiet type="button" popovertarget="canned" { (lang.t("Respostas prontas", "Ready replies")) }
                    div.menu #canned popover {
                        ul { @for reply in canned { li { button type="button" data-short=(reply.shortcut) data-text=(reply.body) data-into="#texto" popovertarget="canned" popovertargetaction="hide" {
                            strong { "/" (reply.shortcut) } span.small.muted.cut { (reply.body) } } } }
                        }
                    }
                }
                label.button.quiet for="arquivo" { (icon(Icon::Attach)) (lang.t("Arquivo", "File")) }
                input.visually-hidden #arquivo type="file" name="file" aria-label=(lang.t("Arquivo", "File"));
                span.row data-chosen="#arquivo" hidden { span.small {} button.quiet type="button" aria-label=(lang.t("Tirar o arquivo", "Take the file away")) { "×" } }
                button.primary type="submit" { (icon(Icon::Send)) (lang.t("Enviar", "Send")) }
            }
        }
    }
}

/// Where free text may not leave any more.
pub(crate) fn template_form<Q: Permission>(at: &At<Q>, id: ConversationId) -> Markup {
    let lang = at.lang();
    html! {
        form.composer #composer data-window="shut" method="post" action=(at.url(&format!("/conversas/{id}/modelo"))) {
            (ui::csrf_field(at.csrf()))
            input type="hidden" name="once" value=(identity::token());
            p { strong { (lang.t("A janela de 24 horas fechou.", "The 24-hour window has shut.")) } " "
                (lang.t("Só um modelo aprovado pela Meta pode sair; quando o contato responder, o texto livre volta.",
                    "Only a template that Meta approved may leave; once the contact replies, free text is back.")) }
            div.pair {
                (ui::Field::input("name", lang.t("Nome do modelo", "Template name"), "text").required().most(512))
                (ui::Field::input("language", lang.t("Idioma do modelo", "Template language"), "text").value("pt_BR").required().most(12))
            }
            (ui::Field::area("variables", lang.t("Variáveis do corpo, uma por linha", "Variables of the body, one a line"), 2))
            div.row { button.primary type="submit" { (icon(Icon::Send)) (lang.t("Enviar modelo", "Send template")) } }
        }
    }
}
