//! The document around a page.

use maud::{DOCTYPE, Markup, html};

use crate::{Brand, Icon, Lang, asset_path, icon};

/// No other host, no inline script, no inline style, no framing.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'";

/// What every page has.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    pub lang: Lang,
    pub brand: &'a Brand,
    pub title: &'a str,
    /// Sent along by scripts of the page.
    pub csrf: &'a str,
}

/// An entry of the navigation.
pub struct NavItem {
    pub href: String,
    pub icon: Icon,
    pub text: String,
    pub current: bool,
    /// Something waits there.
    pub count: Option<i64>,
    /// Shown in the bar of phones.
    pub thumb: bool,
}

/// What stands around a page of somebody who is signed in.
pub struct Shell<'a> {
    pub document: Document<'a>,
    pub nav: Vec<NavItem>,
    /// The business, or the house.
    pub place: &'a str,
    pub person: &'a str,
    /// Whose page it is, for scripts that must not take one for another.
    pub person_id: String,
    /// Other places the person may go to, by address.
    pub places: Vec<(String, String)>,
    /// Stands above everything, such as support access.
    pub banner: Option<Markup>,
    /// The page fills the window, as the inbox does.
    pub full: bool,
    /// Address of the live events, and of the page that a notification opens.
    pub events: Option<String>,
}

fn head(document: &Document<'_>) -> Markup {
    let Document { brand, .. } = document;
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="robots" content="noindex";
            meta name="htmx-config"
                content=r#"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;
            title { (brand.title(document.title)) }
            link rel="stylesheet" href=(asset_path("panel.css"));
            link rel="stylesheet" href=(brand.stylesheet);
            link rel="icon" href=(brand.icon.as_deref().unwrap_or("data:,"));
            script src=(asset_path("htmx.js")) defer {}
            script src=(asset_path("panel.js")) defer {}
            script src=(asset_path("forms.js")) defer {}
        }
    }
}

fn texts(lang: Lang) -> Markup {
    // What scripts say.
    html! {
        data hidden #texts
            data-copied=(lang.t("Copiado", "Copied"))
            data-failed=(lang.t("Sem conexão. Nada se perdeu: tente de novo.", "No connection. Nothing is lost: try again."))
            data-waiting=(lang.t("Alguém espera por uma pessoa", "Somebody waits for a person"))
            data-undo=(lang.t("Desfazer", "Undo"))
            data-uploading=(lang.t("Enviando", "Uploading"))
            data-passkey=(lang.t("A chave não foi usada. Tente de novo.", "The passkey was not used. Try again."))
            data-refused=(lang.t("Isto não foi aceito. Nada do que você escreveu se perdeu.", "This was not accepted. Nothing that you wrote is lost."))
            data-sign-in=(lang.t("Entrar em outra aba", "Sign in in another tab"))
            data-close=(lang.t("Fechar", "Close")) {}
    }
}

/// A page without navigation: sign-in, errors.
pub fn bare(document: &Document<'_>, body: &Markup) -> Markup {
    let Document { lang, brand, csrf, .. } = document;
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            (head(document))
            body.bare data-csrf=(csrf) {
                main #main {
                    div.card {
                        div.brand {
                            @if let Some(logo) = &brand.logo { img src=(logo) alt=(brand.name) height="40"; }
                            @else { span.mark aria-hidden="true" { (brand.initial()) } strong { (brand.name) } }
                        }
                        (body)
                    }
                    @if let Some(url) = &brand.support_url {
                        p.support { a href=(url) rel="noreferrer" { (lang.t("Precisa de ajuda?", "Need help?")) } }
                    }
                }
                (texts(*lang))
            }
        }
    }
}

/// A page within the panel.
pub fn shell(shell: &Shell<'_>, body: &Markup) -> Markup {
    let Document { lang, brand, csrf, .. } = &shell.document;
    let headers = format!(r#"{{"x-csrf-token":"{csrf}"}}"#);
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            (head(&shell.document))
            body.full[shell.full] data-csrf=(csrf) data-person=(shell.person_id) data-events=[shell.events.as_deref()] hx-headers=(headers) {
                a.skip href="#main" { (lang.t("Pular para o conteúdo", "Skip to content")) }
                @if let Some(banner) = &shell.banner { div.banner role="status" { (banner) } }
                div.frame {
                    nav.side aria-label=(lang.t("Principal", "Main")) {
                        a.brand href="/painel" {
                            @if let Some(logo) = &brand.logo { img src=(logo) alt=(brand.name) height="28"; }
                            @else { span.mark aria-hidden="true" { (brand.initial()) } strong { (brand.name) } }
                        }
                        ul {
                            @for item in &shell.nav {
                                li.thumb[item.thumb] {
                                    a href=(item.href) aria-current=[item.current.then_some("page")] {
                                        (icon(item.icon)) span { (item.text) }
                                        @if let Some(count) = item.count {
                                            span.count data-count hidden[count == 0] { (count) }
                                        }
                                    }
                                }
                            }
                            li.more {
                                button type="button" popovertarget="more" { (icon(Icon::Menu)) span { (lang.t("Mais", "More")) } }
                            }
                        }
                        div.me {
                            button type="button" popovertarget="me" {
                                span.avatar aria-hidden="true" { (initials(shell.person)) }
                                span.who { strong { (shell.person) } span { (shell.place) } }
                                span.visually-hidden { ": " (lang.t("conta e lugares", "account and places")) }
                            }
                        }
                    }
                    div.sheet #more popover {
                        ul { @for item in &shell.nav { li { a href=(item.href) { (icon(item.icon)) (item.text) } } } }
                        (mine(shell))
                    }
                    div.menu #me popover { (mine(shell)) }
                    main #main tabindex="-1" { (body) }
                }
                div #toasts role="status" aria-live="polite" {}
                (texts(*lang))
            }
        }
    }
}

fn mine(shell: &Shell<'_>) -> Markup {
    let Document { lang, csrf, brand, .. } = &shell.document;
    html! {
        ul {
            @for (href, name) in &shell.places { li { a href=(href) { (icon(Icon::Building)) (name) } } }
            li { a href="/painel/conta" { (icon(Icon::Person)) (lang.t("Minha conta", "My account")) } }
            @if let Some(url) = &brand.support_url {
                li { a href=(url) rel="noreferrer" { (icon(Icon::Mail)) (lang.t("Ajuda", "Help")) } }
            }
            li { button type="button" data-theme-toggle { (icon(Icon::Moon)) (lang.t("Claro ou escuro", "Light or dark")) } }
            li {
                form method="post" action="/painel/sair" {
                    (crate::csrf_field(csrf))
                    button type="submit" { (icon(Icon::Exit)) (lang.t("Sair", "Sign out")) }
                }
            }
        }
    }
}

/// Up to two letters of a name.
pub fn initials(name: &str) -> String {
    let mut words =
        name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    [first, last].into_iter().flatten().flat_map(char::to_uppercase).collect()
}
