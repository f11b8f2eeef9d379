//! What stands above every page of a business: support that is here, and a life that is not the usual.

use maud::{Markup, html};
use tenancy::State;
use web::Permission;

use crate::door::At;

/// The banner of a page of this business, if something has to be known first.
pub(crate) fn above<P: Permission>(at: &At<P>) -> Option<Markup> {
    let lang = at.lang();
    if let Some(grant) = &at.support {
        let until = ui::clock_time(grant.expires_at, at.zone());
        return Some(html! {
            span {
                (lang.t("Acesso de suporte até ", "Support access until ")) (until)
                (lang.t(" (horário da empresa): ", " (the business's time): ")) (grant.reason)
            }
            form method="post" action=(format!("/painel/operador/empresas/{}/sair", at.tenant.slug)) {
                (ui::csrf_field(at.csrf()))
                button type="submit" { (lang.t("Encerrar acesso", "End access")) }
            }
        });
    }
    match at.tenant.state {
        State::Trial | State::Active => None,
        State::Grace => Some(html! { span { (lang.t(
        "Há um pagamento atrasado. Tudo continua funcionando por enquanto.",
        "A payment is late. Everything goes on working for now.")) } }),
        State::Suspended => Some(html! { span { (lang.t(
        "Empresa suspensa: o que chega é guardado, mas nada é respondido nem enviado. Fale com quem cuida do sistema.",
        "The business is suspended: what comes in is kept, but nothing is answered or sent. Talk to whoever runs the system.")) } }),
        State::Archived => Some(html! { span { (lang.t(
        "Empresa arquivada: só leitura. Nada entra nem sai.",
        "The business is archived: read only. Nothing comes in or leaves.")) } }),
    }
}
