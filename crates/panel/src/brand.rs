//! White label: name, colours, marks and texts of a tenant, or of the house.

use axum::extract::{Query, RawPathParams};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use db::{Migration, SystemTx, args};
use kernel::line::Line;
use kernel::{Moment, TenantId};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use tenancy::Tenant;
use ui::{Brand, Colour, Field, Lang, page_head};
use web::Problem;
use web::permission::BrandWrite;

use crate::address::redirect;
use crate::app::App;
use crate::door::{At, Operator, Visitor};
use crate::failure::Failure;
use crate::form::Upload;
use crate::registry::{PageAccess, Pages};

/// The table of brands. The house's own has no tenant, so only the house may touch it.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 15,
    name: "brands",
    sql: "
CREATE TABLE brands (
    tenant_id TEXT PRIMARY KEY,
    name TEXT NOT NULL DEFAULT '',
    accent TEXT NOT NULL DEFAULT '',
    logo BYTEA,
    logo_mime TEXT NOT NULL DEFAULT '',
    icon BYTEA,
    icon_mime TEXT NOT NULL DEFAULT '',
    welcome TEXT NOT NULL DEFAULT '',
    support_url TEXT NOT NULL DEFAULT '',
    sender_name TEXT NOT NULL DEFAULT '',
    version BIGINT NOT NULL
);
",
    tenant_tables: &["brands"],
    system_tables: &["brands"],
    house_tables: &[],
}];

const ACCENT: &str = "#0b57d0";
/// Bytes of a logo or icon at most.
const MARK_LIMIT: usize = 200 * 1024;

/// What somebody set; empty: not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Set {
    name: String,
    accent: String,
    has_logo: bool,
    has_icon: bool,
    welcome: String,
    support_url: String,
    sender_name: String,
    version: i64,
}

async fn set_of(tx: &mut SystemTx, tenant: &str) -> Result<Set, db::Error> {
    let row = tx
        .fetch_opt(
            "SELECT name, accent, logo_mime, icon_mime, welcome, support_url, sender_name, version \
             FROM brands WHERE tenant_id = $1",
            args![tenant],
        )
        .await?;
    let Some(row) = row else { return Ok(Set::default()) };
    Ok(Set {
        name: row.get(0)?,
        accent: row.get(1)?,
        has_logo: !row.get::<String>(2)?.is_empty(),
        has_icon: !row.get::<String>(3)?.is_empty(),
        welcome: row.get(4)?,
        support_url: row.get(5)?,
        sender_name: row.get(6)?,
        version: row.get(7)?,
    })
}

/// What a tenant did not set is the house's; its name is its own.
fn brand(own: &Set, house: &Set, place: Option<&str>, default_name: &str) -> Brand {
    let first = |a: &str, b: &str, c: &str| {
        [a, b, c].into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let accent = first(&own.accent, &house.accent, ACCENT);
    let mark = |kind: &str, own_has: bool, house_has: bool| match (own_has, house_has, place) {
        (true, _, Some(slug)) => Some(format!("/painel/marca/{kind}?t={slug}&v={}", own.version)),
        (_, true, _) => Some(format!("/painel/marca/{kind}?v={}", house.version)),
        _ => None,
    };
    let stylesheet = match place {
        Some(slug) if !own.accent.is_empty() => {
            format!("/painel/marca/cores.css?t={slug}&v={}", own.version)
        }
        _ => format!("/painel/marca/cores.css?v={}", house.version),
    };
    let texts = |a: &str, b: &str| Some(first(a, b, "")).filter(|text| !text.is_empty());
    Brand {
        name: first(&own.name, &house.name, default_name),
        accent: accent.parse().unwrap_or(Colour { red: 11, green: 87, blue: 208 }),
        logo: mark("logo", own.has_logo, house.has_logo),
        icon: mark("icone", own.has_icon, house.has_icon),
        stylesheet,
        welcome: texts(&own.welcome, &house.welcome),
        support_url: texts(&own.support_url, &house.support_url),
    }
}

/// The house's brand.
pub(crate) async fn of_house(app: &App) -> Result<Brand, Failure> {
    let mut tx = app.db.read_system().await?;
    let house = set_of(&mut tx, "").await?;
    Ok(brand(&Set::default(), &house, None, &app.options.house_name))
}

/// The brand of a tenant, filled up with the house's.
pub(crate) async fn of_tenant(app: &App, tenant: &Tenant) -> Result<Brand, Failure> {
    let mut tx = app.db.read_system().await?;
    let own = set_of(&mut tx, &tenant.id.to_string()).await?;
    let house = set_of(&mut tx, "").await?;
    Ok(brand(&own, &house, Some(tenant.slug.as_str()), &app.options.house_name))
}

/// The brand of the tenant of this slug, or the house's when there is none: a stranger learns nothing.
pub(crate) async fn of_slug(app: &App, slug: &str) -> Result<Brand, Failure> {
    match tenancy::by_slug(&app.db, slug).await {
        Ok(tenant) => of_tenant(app, &tenant).await,
        Err(_) => of_house(app).await,
    }
}

/// Whose name letters carry.
pub(crate) async fn sender_name(app: &App, tenant: Option<&Tenant>) -> Result<Line<120>, Failure> {
    let mut tx = app.db.read_system().await?;
    let house = set_of(&mut tx, "").await?;
    let own = match tenant {
        Some(tenant) => set_of(&mut tx, &tenant.id.to_string()).await?,
        None => Set::default(),
    };
    let names = [own.sender_name, own.name, house.sender_name, house.name];
    let name = names.into_iter().find(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| match tenant {
        Some(tenant) => tenant.name.clone(),
        None => app.options.mail_name.clone().unwrap_or_else(|| app.options.house_name.clone()),
    });
    // One that was kept before there was a rule may have a break in it.
    let fallback = || Line::shown("Portaria");
    Line::shown(&name).or_else(fallback).ok_or_else(Failure::not_found)
}

pub(crate) fn pages(pages: &mut Pages) {
    pages.page("/painel/marca/{kind}", PageAccess::Public, file);
    pages.tenant_page::<BrandWrite, _, _>("/painel/t/{slug}/marca", show);
    pages.tenant_action::<BrandWrite, _, _>("/painel/t/{slug}/marca", save);
    pages.takes(web::BodySize::Text);
    pages.page("/painel/operador/marca", PageAccess::Operator, show_house);
    pages.action("/painel/operador/marca", PageAccess::Operator, save_house);
    pages.takes(web::BodySize::Text);
}

#[derive(Deserialize)]
struct Asked {
    t: Option<String>,
}

/// Colours, logo and icon. Their address changes with them, so browsers may keep them.
async fn file(
    visitor: Visitor,
    Query(asked): Query<Asked>,
    params: RawPathParams,
) -> Result<Response, Failure> {
    let kind = params.iter().find(|(name, _)| *name == "kind").map_or("", |(_, value)| value);
    let app = &visitor.app;
    let kept =
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    if kind == "cores.css" {
        let css = Brand::stylesheet(visitor.brand.accent);
        let css_type = HeaderValue::from_static("text/css; charset=utf-8");
        return Ok(([(header::CONTENT_TYPE, css_type), kept], css).into_response());
    }
    let (bytes, mime) = match kind {
        "logo" => ("logo", "logo_mime"),
        "icone" => ("icon", "icon_mime"),
        _ => return Err(Failure::not_found()),
    };
    let tenant = match &asked.t {
        None => String::new(),
        Some(slug) => match tenancy::by_slug(&app.db, slug).await {
            Ok(tenant) => tenant.id.to_string(),
            Err(_) => return Err(Failure::not_found()),
        },
    };
    let mut tx = app.db.read_system().await?;
    let row = tx
        .fetch_opt(
            &format!(
                "SELECT {bytes}, {mime} FROM brands WHERE tenant_id = $1 AND {bytes} IS NOT NULL"
            ),
            args![tenant],
        )
        .await?;
    let Some(row) = row else { return Err(Failure::not_found()) };
    let bytes: Vec<u8> = row.get(0)?;
    let mime = HeaderValue::from_str(&row.get::<String>(1)?)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let sealed = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    Ok(([(header::CONTENT_TYPE, mime), kept, (header::CONTENT_SECURITY_POLICY, sealed)], bytes)
        .into_response())
}

/// What an image is by its first bytes; only what browsers show as a picture without running it.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Some("image/jpeg");
    }
    if bytes.len() > 12 && bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP" {
        return Some("image/webp");
    }
    None
}

fn view(
    lang: Lang,
    set: &Set,
    (csrf, action): (&str, &str),
    (own_name, inherited, sign_in): (&str, &str, Option<&str>),
    wrong: Option<(&str, &str)>,
) -> Markup {
    let error = |field: &str| wrong.filter(|(at, _)| *at == field).map(|(_, why)| why);
    let accent = if set.accent.is_empty() { inherited } else { &set.accent };
    let seen: Colour = accent.parse().unwrap_or(Colour::WHITE);
    let (light, dark) = (seen.readable_on(Colour::WHITE), seen.readable_on(Colour::NIGHT));
    html! {
        (page_head(lang.t("Marca", "Brand"), if sign_in.is_some() { lang.t(
            "Como o painel, a entrada e os e-mails se apresentam. O que ficar vazio usa a marca da operação.",
            "How the panel, the sign-in page and e-mails present themselves. What stays empty uses the house's brand.")
        } else { lang.t(
            "Como a operação se apresenta, e cada empresa que não definiu sua própria marca.",
            "How the house presents itself, and each business that set no brand of its own.")
        }, None))
        @if let Some(address) = sign_in {
            section.panel.stack.narrow {
                p { (lang.t("A equipe entra com esta marca por este endereço:", "The team signs in with this brand at this address:")) }
                (ui::copyable(lang.t("Endereço de entrada", "Sign-in address"), address, lang.t("Copiar", "Copy")))
            }
        }
        form.panel.stack method="post" action=(action) enctype="multipart/form-data" {
            (ui::csrf_field(csrf))
            input type="hidden" name="inherited" value=(inherited);
            div.pair {
                (Field::input("name", lang.t("Nome", "Name"), "text").value(&set.name).most(60)
                    .hint(&format!("{} {own_name}", lang.t("Vazio:", "Empty:"))).error(error("name")))
                (Field::input("sender_name", lang.t("Remetente dos e-mails", "Sender of e-mails"), "text")
                    .value(&set.sender_name).most(60).error(error("sender_name")))
            }
            div.pair {
                (Field::input("accent", lang.t("Cor principal", "Main colour"), "color").value(accent)
                    .error(error("accent"))
                    .hint(&if light == seen && dark == seen {
                        lang.t("Legível em fundo claro e escuro.", "Readable on light and dark grounds.").to_owned()
                    } else {
                        format!("{} {light}, {dark}", lang.t(
                            "Ajustada para ser legível em fundo claro e escuro:",
                            "Adjusted so that it can be read on light and dark grounds:"))
                    }))
                (Field::input("support_url", lang.t("Link de ajuda", "Help link"), "url").value(&set.support_url)
                    .most(200).hint("https://…").error(error("support_url")))
            }
            (Field::area("welcome", lang.t("Texto da página de entrada", "Text of the sign-in page"), 2)
                .value(&set.welcome).most(300))
            div.pair {
                (mark_field("logo", lang.t("Logotipo", "Logo"), set.has_logo, lang, error("logo")))
                (mark_field("icon", lang.t("Ícone da aba", "Icon of the tab"), set.has_icon, lang, error("icon")))
            }
            div.row { (ui::submit(lang.t("Salvar marca", "Save brand"))) }
        }
    }
}

fn mark_field(name: &str, label: &str, has: bool, lang: Lang, error: Option<&str>) -> Markup {
    let hint = lang.t("PNG, JPEG ou WebP, até 200 kB.", "PNG, JPEG or WebP, up to 200 kB.");
    html! {
        div.stack {
            (Field::input(name, label, "file").hint(hint).error(error))
            @if has {
                (Field::switch(&format!("remove_{name}"), lang.t("Remover o atual", "Remove the current one")))
            }
        }
    }
}

/// What a form sets, checked. The error names the field.
fn checked(lang: Lang, before: &Set, upload: &Upload) -> Result<Set, (&'static str, String)> {
    let text = |name: &str| upload.field(name).trim().to_owned();
    let accent = text("accent");
    if !accent.is_empty() && accent.parse::<Colour>().is_err() {
        return Err((
            "accent",
            lang.t("Use uma cor como #0b57d0.", "Use a colour such as #0b57d0.").to_owned(),
        ));
    }
    let support_url = text("support_url");
    let known =
        ["https://", "http://", "mailto:"].iter().any(|start| support_url.starts_with(start));
    if !support_url.is_empty() && (!known || support_url.chars().count() > 200) {
        return Err((
            "support_url",
            lang.t("Comece com https:// ou mailto:.", "Begin with https:// or mailto:.").to_owned(),
        ));
    }
    for field in ["name", "sender_name", "support_url"] {
        // As it was sent: what is cut off at the ends may be a line break, too.
        if !kernel::line::is_one_line(upload.field(field)) {
            let why = lang.t("Escreva em uma linha só.", "Write it on one line.");
            return Err((field, why.to_owned()));
        }
    }
    for (field, most) in [("name", 60), ("sender_name", 60), ("welcome", 300)] {
        if text(field).chars().count() > most {
            return Err((
                if field == "name" { "name" } else { "sender_name" },
                lang.t("Longo demais.", "Too long.").to_owned(),
            ));
        }
    }
    for field in ["logo", "icon"] {
        let Some(file) = upload.file(field) else { continue };
        if file.bytes.len() > MARK_LIMIT || image_type(&file.bytes).is_none() {
            let why = lang.t(
                "Envie PNG, JPEG ou WebP de até 200 kB.",
                "Send PNG, JPEG or WebP of up to 200 kB.",
            );
            return Err((field, why.to_owned()));
        }
    }
    Ok(Set {
        name: text("name"),
        // What was shown because nothing was chosen is not a choice.
        accent: if before.accent.is_empty() && accent == text("inherited") {
            String::new()
        } else {
            accent
        },
        welcome: text("welcome"),
        support_url,
        sender_name: text("sender_name"),
        ..before.clone()
    })
}

async fn write(
    tx: &mut SystemTx,
    tenant: &str,
    set: &Set,
    upload: &Upload,
    now: Moment,
) -> Result<(), db::Error> {
    tx.execute(
        "INSERT INTO brands (tenant_id, name, accent, welcome, support_url, sender_name, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id) DO UPDATE SET name = excluded.name, \
         accent = excluded.accent, welcome = excluded.welcome, support_url = excluded.support_url, \
         sender_name = excluded.sender_name, version = excluded.version",
        args![
            tenant,
            &set.name,
            &set.accent,
            &set.welcome,
            &set.support_url,
            &set.sender_name,
            now
        ],
    )
    .await?;
    for (field, bytes, mime) in [("logo", "logo", "logo_mime"), ("icon", "icon", "icon_mime")] {
        let file = upload.file(field);
        let kind = file.and_then(|file| image_type(&file.bytes));
        let removed = upload.field(&format!("remove_{field}")) == "1";
        if kind.is_some() || removed {
            let content = kind.and(file).map(|file| file.bytes.clone());
            tx.execute(
                &format!("UPDATE brands SET {bytes} = $1, {mime} = $2 WHERE tenant_id = $3"),
                args![content, kind.unwrap_or_default(), tenant],
            )
            .await?;
        }
    }
    Ok(())
}

fn as_json(set: &Set) -> serde_json::Value {
    json!({ "name": set.name, "accent": set.accent, "welcome": set.welcome, "support_url": set.support_url,
        "sender_name": set.sender_name, "logo": set.has_logo, "icon": set.has_icon })
}

/// Where the team signs in under the business's own brand.
fn sign_in(at: &At<BrandWrite>) -> String {
    format!("{}/painel/entrar?t={}", at.app.options.base_url, at.tenant.slug)
}

async fn show(at: At<BrandWrite>) -> Result<Response, Failure> {
    let mut tx = at.app.db.read_system().await?;
    let set = set_of(&mut tx, &at.tenant.id.to_string()).await?;
    drop(tx);
    let house = of_house(&at.app).await?;
    let accent = at.me.visitor.brand.accent.to_string();
    let (form, address) = (at.url("/marca"), sign_in(&at));
    let shown = (house.name.as_str(), accent.as_str(), Some(address.as_str()));
    let body = view(at.lang(), &set, (at.csrf(), &form), shown, None);
    Ok(at.page(at.lang().t("Marca", "Brand"), &body))
}

async fn save(at: At<BrandWrite>, upload: Upload) -> Result<Response, Failure> {
    let id: TenantId = at.tenant.id;
    let mut tx = at.app.db.begin_system().await?;
    let before = set_of(&mut tx, &id.to_string()).await?;
    let lang = at.lang();
    let house = of_house(&at.app).await?;
    let set = match checked(lang, &before, &upload) {
        Ok(set) => set,
        Err((field, why)) if at.scripted() => return Err(Problem::field(field, why).into()),
        Err((field, why)) => {
            let body = view(
                lang,
                &before,
                (at.csrf(), &at.url("/marca")),
                (&house.name, &at.me.visitor.brand.accent.to_string(), Some(&sign_in(&at))),
                Some((field, &why)),
            );
            let mut response = at.page(lang.t("Marca", "Brand"), &body);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(response);
        }
    };
    let now = at.now();
    write(&mut tx, &id.to_string(), &set, &upload, now).await?;
    let change = identity::Change {
        actor: &at.actor(),
        action: "brand.changed",
        target: at.tenant.slug.to_string(),
        before: Some(as_json(&before)),
        after: Some(as_json(&set)),
        address: &at.me.visitor.address,
    };
    identity::house_audit(&mut tx, Some(id), &change, now).await?;
    tx.commit().await?;
    Ok(at.done("/marca", "salvo"))
}

async fn show_house(Operator(me): Operator) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let mut tx = app.db.read_system().await?;
    let set = set_of(&mut tx, "").await?;
    drop(tx);
    let form = (me.visitor.csrf.as_str(), "/painel/operador/marca");
    let body = view(me.lang(), &set, form, (&app.options.house_name, ACCENT, None), None);
    Ok(me.page(me.lang().t("Marca", "Brand"), &body))
}

async fn save_house(Operator(me): Operator, upload: Upload) -> Result<Response, Failure> {
    let app = &me.visitor.app;
    let mut tx = app.db.begin_system().await?;
    let before = set_of(&mut tx, "").await?;
    let set = match checked(me.lang(), &before, &upload) {
        Ok(set) => set,
        Err((field, why)) => return Err(Problem::field(field, why).into()),
    };
    let now = app.clock.now();
    write(&mut tx, "", &set, &upload, now).await?;
    let change = identity::Change {
        actor: &me.actor(),
        action: "brand.changed",
        target: String::new(),
        before: Some(as_json(&before)),
        after: Some(as_json(&set)),
        address: &me.visitor.address,
    };
    identity::house_audit(&mut tx, None, &change, now).await?;
    tx.commit().await?;
    Ok(redirect("/painel/operador/marca"))
}
