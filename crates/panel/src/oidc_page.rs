//! Signing in at an identity provider: off with the browser, and back.

use axum::extract::Query;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::SystemTx;
use identity::{Actor, Change, NewPerson, Person, Role, Stage};
use kernel::{Moment, PersonId, TenantId};
use maud::html;
use oidc::{Begun, Known, OidcError};
use serde::{Deserialize, Serialize};
use tenancy::Tenant;
use ui::{Lang, Tone, notice};

use crate::address::{encode, redirect, safe_next};
use crate::door::{Me, Visitor, cookie, secure};
use crate::failure::Failure;
use crate::form::Form;
use crate::prove;
use crate::registry::{PageAccess, Pages};
use crate::sign_in::{note_person, open, with_session};

/// Holds what must be known when the browser comes back; sealed, and for ten minutes.
const AWAY: &str = "away";
const LASTS: std::time::Duration = std::time::Duration::from_secs(600);
const ABOUT: &str = "sign-in at the identity provider";

pub(crate) fn pages(pages: &mut Pages) {
    pages.page("/painel/oidc", PageAccess::Public, leave);
    pages.page("/painel/oidc/volta", PageAccess::Public, come_back);
    pages.action("/painel/conta/provedor", PageAccess::SignedIn, tie);
}

#[derive(Serialize, Deserialize)]
struct Away {
    begun: Begun,
    next: String,
    at: i64,
    /// Who, signed in here, wants their account tied to the one at the provider.
    #[serde(default)]
    ties: Option<PersonId>,
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
}

/// Where the provider sends browsers back to.
fn redirect_address(visitor: &Visitor) -> String {
    format!("{}/painel/oidc/volta", visitor.app.options.base_url)
}

fn away_cookie(visitor: &Visitor, value: &str) -> HeaderValue {
    let mark = if secure(&visitor.app, &visitor.headers) { "; Secure" } else { "" };
    let age = if value.is_empty() { 0 } else { LASTS.as_secs() };
    let text =
        format!("{AWAY}={value}; Path=/painel/oidc; HttpOnly; SameSite=Lax; Max-Age={age}{mark}");
    HeaderValue::from_str(&text).expect("base64 is plain text")
}

/// What went wrong, in the visitor's words; the details are for whoever runs the house.
fn sorry(visitor: &Visitor, pt: &str, en: &str) -> Response {
    let lang = visitor.lang;
    let body = html! {
        h1 { (lang.t("Não foi possível entrar", "Signing in did not work")) }
        (notice(Tone::Bad, lang.t(pt, en)))
        p { a.button href="/painel" { (lang.t("Voltar", "Back")) } }
    };
    visitor.bare(StatusCode::FORBIDDEN, lang.t("Entrar", "Sign in"), &body)
}

fn failed(visitor: &Visitor, error: &OidcError) -> Response {
    // Each name stands on its own, for the list of events.
    match error {
        OidcError::Auth(_) => tracing::warn!(event = "oidc_auth_error", cause = %error),
        OidcError::ClaimNotFound(_) => {
            tracing::warn!(event = "oidc_claim_not_found", cause = %error);
        }
        OidcError::TokenRejected(_) => {
            tracing::warn!(event = "oidc_token_validation_error", cause = %error);
        }
    }
    match error {
        OidcError::Auth(_) => sorry(
            visitor,
            "O provedor de identidade não respondeu como esperado. Avise quem cuida do sistema: o registro diz oidc_auth_error.",
            "The identity provider did not answer as expected. Tell whoever runs the system: the log says oidc_auth_error.",
        ),
        OidcError::ClaimNotFound(_) => sorry(
            visitor,
            "O provedor não informou a que empresa você pertence, ou seu papel. Avise quem cuida do sistema: o registro diz oidc_claim_not_found.",
            "The provider did not say which business you belong to, or your role. Tell whoever runs the system: the log says oidc_claim_not_found.",
        ),
        OidcError::TokenRejected(_) => sorry(
            visitor,
            "A identidade recebida não pôde ser conferida. Avise quem cuida do sistema: o registro diz oidc_token_validation_error.",
            "The identity could not be verified. Tell whoever runs the system: the log says oidc_token_validation_error.",
        ),
    }
}

async fn leave(visitor: Visitor, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    send_off(&visitor, safe_next(&wanted.next), None).await
}

#[derive(Debug, Deserialize)]
struct Nothing {}

/// Goes off to tie one's own account to the one at the provider.
async fn tie(me: Me, Form(_): Form<Nothing>) -> Result<Response, Failure> {
    prove::needed(&me)?;
    send_off(&me.visitor, "/painel/conta", Some(me.person.id)).await
}

async fn send_off(
    visitor: &Visitor,
    next: &str,
    ties: Option<PersonId>,
) -> Result<Response, Failure> {
    let provider = visitor.app.oidc.clone().ok_or_else(Failure::not_found)?;
    let (url, begun) = match provider.begin(&redirect_address(visitor)).await {
        Ok(begun) => begun,
        Err(error) => return Ok(failed(visitor, &error)),
    };
    let away = Away { begun, next: next.to_owned(), at: visitor.now().0, ties };
    let plain = serde_json::to_vec(&away).unwrap_or_default();
    let sealed = URL_SAFE_NO_PAD.encode(visitor.app.vault.seal_for_house(ABOUT, &plain));
    let mut response = redirect(&url);
    response.headers_mut().append(header::SET_COOKIE, away_cookie(visitor, &sealed));
    Ok(response)
}

#[derive(Debug, Default, Deserialize)]
struct Returned {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
}

fn opened(visitor: &Visitor) -> Option<Away> {
    let sealed = URL_SAFE_NO_PAD.decode(cookie(&visitor.headers, AWAY)?).ok()?;
    let plain = visitor.app.vault.open_for_house(ABOUT, &sealed).ok()?;
    let away: Away = serde_json::from_slice(&plain).ok()?;
    (visitor.now().since(Moment(away.at)) < LASTS).then_some(away)
}

async fn come_back(visitor: Visitor, Query(back): Query<Returned>) -> Result<Response, Failure> {
    let app = &visitor.app;
    let provider = app.oidc.clone().ok_or_else(Failure::not_found)?;
    let Some(away) = opened(&visitor).filter(|away| away.begun.state == back.state) else {
        return Ok(sorry(
            &visitor,
            "Esta entrada não começou neste navegador, ou demorou demais. Tente de novo.",
            "This sign-in did not begin in this browser, or took too long. Try again.",
        ));
    };
    let mut response = if back.error.is_empty() {
        match provider.finish(&back.code, &away.begun, &redirect_address(&visitor)).await {
            Ok(known) => match away.ties {
                Some(person) => tied_up(&visitor, &known, person).await?,
                None => welcome(&visitor, &known, &away.next).await?,
            },
            Err(error) => failed(&visitor, &error),
        }
    } else {
        let said: String = back
            .error
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .take(60)
            .collect();
        failed(&visitor, &OidcError::Auth(format!("the provider answered {said}")))
    };
    // One way back for each way off.
    response.headers_mut().append(header::SET_COOKIE, away_cookie(&visitor, ""));
    Ok(response)
}

/// The highest of our roles among the provider's words.
fn role(roles: &[String]) -> Option<Role> {
    roles
        .iter()
        .filter_map(|text| match text.to_ascii_lowercase().as_str() {
            // As the seed's documents call it.
            "member" => Some(Role::Attendant),
            other => other.parse().ok(),
        })
        .max()
}

/// Who changes what somebody may do: the person, by what the provider says of them.
struct By<'a> {
    visitor: &'a Visitor,
    actor: Actor,
    email: &'a str,
}

impl By<'_> {
    async fn note(
        &self,
        tx: &mut SystemTx,
        tenant: Option<TenantId>,
        action: &'static str,
        (before, after): (Option<Role>, Option<Role>),
    ) -> Result<(), Failure> {
        let json = |role: Role| serde_json::json!({ "role": role, "by": "oidc" });
        let change = Change {
            actor: &self.actor,
            action,
            target: self.email.to_owned(),
            before: before.map(json),
            after: after.map(json),
            address: &self.visitor.address,
        };
        identity::house_audit(tx, tenant, &change, self.visitor.now()).await?;
        Ok(())
    }
}

/// Takes back what the provider gave somebody and names no longer; the businesses that they left.
async fn follow(
    visitor: &Visitor,
    tx: &mut SystemTx,
    person: &Person,
    places: &[Tenant],
    operator: bool,
) -> Result<Vec<TenantId>, Failure> {
    let actor = Actor::Person { id: person.id, name: person.name.clone() };
    let by = By { visitor, actor, email: &person.email };
    if !operator && identity::provide_operator(tx, person.id, false).await? {
        by.note(tx, None, "operator.revoked", (None, None)).await?;
    }
    let mut left = Vec::new();
    for tenant in identity::provided(tx, person.id).await? {
        if places.iter().any(|place| place.id == tenant) {
            continue;
        }
        // The last owner of a business stays: somebody must be able to invite the next.
        if let Some(before) = identity::leave(tx, tenant, person.id, visitor.now()).await? {
            by.note(tx, Some(tenant), "member.removed", (Some(before), None)).await?;
            left.push(tenant);
        }
    }
    Ok(left)
}

/// Whether somebody can sign in without the provider, or runs the house. Such an account is not
/// opened by whoever the provider gives its address to: its owner ties the two, signed in here.
async fn has_own_ways(tx: &mut SystemTx, person: &Person) -> Result<bool, Failure> {
    if person.operator || person.has_password || person.has_second {
        return Ok(true);
    }
    Ok(!identity::passkeys(tx, person.id).await?.is_empty())
}

fn stands_already(visitor: &Visitor) -> Response {
    tracing::warn!(
        event = "oidc_auth_error",
        cause = "an account with a password, passkey or the operator's rights has this address and is not tied to \
                 the provider's: its owner ties them under My account",
    );
    sorry(
        visitor,
        "Já existe aqui uma conta com este e-mail. Entre nela como de costume e, em Minha conta, vincule-a ao provedor de identidade; depois disso, você poderá entrar por aqui.",
        "An account with this e-mail address already exists here. Sign in to it as usual and link it to the identity provider under My account; from then on you can sign in this way.",
    )
}

/// Ties the account of whoever is signed in, and went off for it, to who they are at the provider.
async fn tied_up(visitor: &Visitor, known: &Known, wanted: PersonId) -> Result<Response, Failure> {
    let (app, now) = (&visitor.app, visitor.now());
    let session = visitor.session.as_ref().filter(|session| {
        session.stage == Stage::Open && session.person.id == wanted && session.proved(now)
    });
    let Some(session) = session else { return Err(Failure::sign_in("/painel/conta")) };
    let mut tx = app.db.begin_system().await?;
    let subject = (known.issuer.as_str(), known.subject.as_str());
    let owner = identity::person_by_subject(&mut tx, subject.0, subject.1).await?;
    let ours = owner == Some(wanted);
    if !ours && (owner.is_some() || !identity::tie_subject(&mut tx, wanted, subject, now).await?) {
        return Ok(sorry(
            visitor,
            "Uma destas contas já está vinculada a outra. Avise quem cuida do sistema.",
            "One of these accounts is already linked to another. Tell whoever runs the system.",
        ));
    }
    tx.commit().await?;
    if !ours {
        note_person(app, &session.person, "person.provider_tied", &visitor.address).await?;
    }
    Ok(redirect("/painel/conta"))
}

async fn welcome(visitor: &Visitor, known: &Known, next: &str) -> Result<Response, Failure> {
    let (app, now) = (&visitor.app, visitor.now());
    let operator = known.roles.iter().any(|role| role.eq_ignore_ascii_case("operator"));
    let role = role(&known.roles);
    let mut places = Vec::new();
    for slug in &known.tenants {
        match tenancy::by_slug(&app.db, slug).await {
            Ok(tenant) => places.push(tenant),
            Err(tenancy::TenantError::NoSuchTenant(_)) => {}
            Err(other) => return Err(web::Problem::from(other).into()),
        }
    }
    let role = role.filter(|_| !places.is_empty());
    let mut tx = app.db.begin_system().await?;
    let subject = (known.issuer.as_str(), known.subject.as_str());
    let tied = identity::person_by_subject(&mut tx, subject.0, subject.1).await?;
    let person = match tied {
        Some(id) => identity::find_person(&mut tx, id).await?,
        None => identity::person_by_email(&mut tx, &known.email).await?,
    };
    if person.as_ref().is_some_and(|person| person.disabled) {
        return Ok(sorry(visitor, "Esta conta está desativada.", "This account is disabled."));
    }
    if let (None, Some(person)) = (tied, &person)
        && has_own_ways(&mut tx, person).await?
    {
        return Ok(stands_already(visitor));
    }
    let mut left = Vec::new();
    if let Some(person) = &person {
        // What the provider gave it takes back, also from somebody whom it lets in no longer.
        let named = if role.is_some() { places.as_slice() } else { &[] };
        left = follow(visitor, &mut tx, person, named, operator).await?;
    }
    if !operator && role.is_none() && !person.as_ref().is_some_and(|p| p.operator) {
        tx.commit().await?;
        if let Some(person) = &person {
            inbox::release(&app.db, person.id, left, now).await?;
        }
        tracing::warn!(
            event = "oidc_claim_not_found",
            cause = "the claims name no business and role of this installation",
            tenants = places.len(),
        );
        return Ok(sorry(
            visitor,
            "Sua conta no provedor não está ligada a nenhuma empresa daqui, ou a nenhum papel. Peça a quem cuida do sistema.",
            "Your account at the provider belongs to no business here, or to no role. Ask whoever runs the system.",
        ));
    }
    let id: PersonId = match &person {
        Some(person) => person.id,
        None => {
            let name: String = known.name.chars().take(80).collect();
            let new = NewPerson {
                email: &known.email,
                name: &name,
                password_hash: None,
                operator: false,
            };
            identity::create_person(&mut tx, &new, now).await.map_err(|refused| match refused {
                identity::PersonError::Storage(error) => Failure::from(error),
                other => web::Problem::field("email", other.to_string()).into(),
            })?
        }
    };
    if tied.is_none() && !identity::tie_subject(&mut tx, id, subject, now).await? {
        tracing::warn!(
            event = "oidc_auth_error",
            cause = "this address belongs to another subject of the provider here",
        );
        return Ok(sorry(
            visitor,
            "Este e-mail pertence a outra conta do provedor. Avise quem cuida do sistema.",
            "This e-mail address belongs to another account of the provider. Tell whoever runs the system.",
        ));
    }
    let name = person.as_ref().map_or(known.name.as_str(), |person| person.name.as_str());
    let by =
        By { visitor, actor: Actor::Person { id, name: name.to_owned() }, email: &known.email };
    if operator && identity::provide_operator(&mut tx, id, true).await? {
        by.note(&mut tx, None, "operator.granted", (None, None)).await?;
    }
    for tenant in &places {
        let Some(role) = role else { continue };
        let source = identity::Source::Provider;
        if identity::join(&mut tx, tenant.id, id, (role, source), now).await? {
            by.note(&mut tx, Some(tenant.id), "member.joined", (None, Some(role))).await?;
            continue;
        }
        // The last owner stays one: `None`.
        let before = identity::set_role(&mut tx, tenant.id, id, role).await?;
        if let Some(before) = before.filter(|before| *before != role) {
            let change = (Some(before), Some(role));
            by.note(&mut tx, Some(tenant.id), "member.role_changed", change).await?;
        }
    }
    let person = identity::find_person(&mut tx, id).await?.ok_or_else(Failure::not_found)?;
    tx.commit().await?;
    // Whom they attended where they are no more waits for somebody else.
    inbox::release(&app.db, id, left, now).await?;
    if person.has_second {
        let cookie = open(visitor, id, Stage::Second, "oidc").await?;
        let path = format!("/painel/entrar/codigo?next={}", encode(next));
        return Ok(with_session(visitor, &cookie, redirect(&path)));
    }
    let cookie = open(visitor, id, Stage::Open, "oidc").await?;
    note_person(app, &person, "person.signed_in", &visitor.address).await?;
    let to = match (next, places.first()) {
        ("/painel", Some(place)) => format!("/painel/t/{}", place.slug),
        (next, _) => next.to_owned(),
    };
    Ok(with_session(visitor, &cookie, redirect(&to)))
}

/// What the button of the sign-in page says.
pub(crate) fn button_text(lang: Lang, kind: oidc::Kind) -> &'static str {
    match kind {
        oidc::Kind::Keycloak => lang.t("Entrar com Keycloak", "Sign in with Keycloak"),
        oidc::Kind::Auth0 => lang.t("Entrar com Auth0", "Sign in with Auth0"),
        oidc::Kind::Generic => {
            lang.t("Entrar pela conta da organização", "Sign in with your organisation's account")
        }
    }
}
