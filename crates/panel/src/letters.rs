//! What letters say, and keeping them for the mail server.

use std::time::Duration;

use db::SystemTx;
use identity::{Letter, LinkKind, Person, PersonError, Role};
use kernel::line::{Line, quoted};
use kernel::{Moment, PersonId};
use tenancy::Tenant;
use ui::Lang;

use crate::app::App;
use crate::brand;
use crate::failure::Failure;
use crate::words;

const DAY: Duration = Duration::from_secs(86_400);

/// Where pages are reached from a letter.
fn base(app: &App) -> String {
    app.options.base_url.clone()
}

/// A subject on one line.
fn subject_of(text: &str) -> Line<200> {
    Line::shown(text).or_else(|| Line::shown("Portaria")).expect("a word is a line")
}

/// A business's words as a letter carries them: no link is made of them.
fn plain(text: &str) -> String {
    kernel::line::unlinked(text)
}

/// Keeps a letter. Without a mail server none is written: it would leave when its link is long dead.
async fn post(
    app: &App,
    tx: &mut SystemTx,
    letter: &Letter<'_>,
    now: Moment,
) -> Result<(), Failure> {
    if app.options.mails {
        identity::post(tx, letter, now).await?;
    }
    Ok(())
}

/// Keeps an invitation and its letter; the address of its page, which is for the house only.
pub(crate) async fn post_invitation(
    app: &App,
    tx: &mut SystemTx,
    email: &str,
    place: Option<(&Tenant, Role)>,
    by: (Option<PersonId>, &str, Moment),
    lang: Lang,
) -> Result<Result<String, PersonError>, Failure> {
    let (by, inviter, now) = by;
    let link = identity::issue_link(
        tx,
        LinkKind::Invite,
        email,
        place.map(|(tenant, role)| (tenant.id, role)),
        (by, now),
    )
    .await;
    let secret = match link {
        Ok(secret) => secret,
        Err(PersonError::Storage(error)) => return Err(error.into()),
        Err(refused) => return Ok(Err(refused)),
    };
    let path = match place {
        Some((tenant, _)) => format!("/painel/convite/{secret}?t={}", tenant.slug),
        None => format!("/painel/convite/{secret}"),
    };
    let url = format!("{}{path}", base(app));
    let sender = brand::sender_name(app, place.map(|(tenant, _)| tenant)).await?;
    let name = place.map_or(sender.as_str(), |(tenant, _)| tenant.name.as_str());
    let (own, name, inviter) = (inviter == name, plain(name), quoted(inviter));
    let role = place.map_or("", |(_, role)| words::role(lang, role));
    let subject = subject_of(&match lang {
        Lang::Pt => format!("Convite para {name}"),
        Lang::En => format!("Invitation to {name}"),
    });
    let role = if role.is_empty() { String::new() } else { format!(" ({role})") };
    // Our own words lead, whatever somebody calls themselves; the house invites in its own name.
    let opening = match lang {
        Lang::Pt if own => format!("Você foi convidado para {name}{role}."),
        Lang::Pt => format!("Você foi convidado para {name}{role}.\n\nQuem convidou: {inviter}"),
        Lang::En if own => format!("You are invited to {name}{role}."),
        Lang::En => format!("You are invited to {name}{role}.\n\nInvited by: {inviter}"),
    };
    let body = match lang {
        Lang::Pt => format!(
            "{opening}\n\nAceite o convite em:\n{url}\n\n\
             O link vale por 7 dias e pode ser usado uma vez. Se você não esperava este convite, ignore esta mensagem.\n"
        ),
        Lang::En => format!(
            "{opening}\n\nAccept the invitation at:\n{url}\n\n\
             The link works for 7 days and once. If you did not expect this invitation, ignore this message.\n"
        ),
    };
    let letter = Letter {
        to: email,
        sender_name: &sender,
        subject: &subject,
        body: &body,
        tenant: place.map(|(tenant, _)| tenant.id),
        lives: DAY * 7,
    };
    post(app, tx, &letter, now).await?;
    Ok(Ok(url))
}

/// Keeps a letter by which somebody sets a new password.
pub(crate) async fn post_reset(
    app: &App,
    tx: &mut SystemTx,
    person: &Person,
    lang: Lang,
    now: Moment,
) -> Result<(), Failure> {
    let email = person.email.as_str();
    let Ok(secret) = identity::issue_link(tx, LinkKind::Reset, email, None, (None, now)).await
    else {
        return Ok(());
    };
    // Whoever works in one place knows the panel by that one's name.
    let places = identity::memberships(tx, person.id).await?;
    let place = match places.as_slice() {
        [only] => tenancy::by_id(&app.db, only.tenant).await?,
        _ => None,
    };
    let under = place.as_ref().map_or(String::new(), |place| format!("?t={}", place.slug));
    let url = format!("{}/painel/senha/{secret}{under}", base(app));
    let sender = brand::sender_name(app, place.as_ref()).await?;
    let subject = subject_of(lang.t("Nova senha", "New password"));
    let body = match lang {
        Lang::Pt => format!(
            "Alguém pediu uma nova senha para este e-mail.\n\nDefina a nova senha em:\n{url}\n\n\
             O link vale por uma hora e pode ser usado uma vez. Se não foi você, ignore esta mensagem: nada muda.\n"
        ),
        Lang::En => format!(
            "Somebody asked for a new password for this e-mail address.\n\nSet the new password at:\n{url}\n\n\
             The link works for an hour and once. If it was not you, ignore this message: nothing changes.\n"
        ),
    };
    let letter = Letter {
        to: email,
        sender_name: &sender,
        subject: &subject,
        body: &body,
        tenant: None,
        lives: Duration::from_secs(3600),
    };
    post(app, tx, &letter, now).await?;
    Ok(())
}

/// Keeps letters that tell the owners of a business that somebody of the house is in it.
pub(crate) async fn post_support(
    app: &App,
    tx: &mut SystemTx,
    tenant: &Tenant,
    (reason, until): (&str, Moment),
) -> Result<(), Failure> {
    let lang = if tenant.language.starts_with("en") { Lang::En } else { Lang::Pt };
    let sender = brand::sender_name(app, Some(tenant)).await?;
    let until = ui::date_time(until, &tenant.time_zone, lang);
    let page = format!("{}/painel/t/{}/equipe", base(app), tenant.slug);
    let (name, reason) = (plain(&tenant.name), plain(reason));
    let subject = subject_of(&match lang {
        Lang::Pt => format!("Acesso de suporte: {name}"),
        Lang::En => format!("Support access: {name}"),
    });
    let body = match lang {
        Lang::Pt => format!(
            "Quem cuida do sistema entrou em {name} como suporte, até {until}.\n\nMotivo: {reason}\n\n\
             Você pode encerrar o acesso em:\n{page}\n"
        ),
        Lang::En => format!(
            "Whoever runs the system entered {name} as support, until {until}.\n\nReason: {reason}\n\n\
             You can end the access at:\n{page}\n"
        ),
    };
    let members = identity::members(tx, tenant.id).await?;
    for owner in members.iter().filter(|member| member.role == Role::Owner) {
        let letter = Letter {
            to: &owner.email,
            sender_name: &sender,
            subject: &subject,
            body: &body,
            tenant: Some(tenant.id),
            lives: DAY,
        };
        post(app, tx, &letter, app.clock.now()).await?;
    }
    Ok(())
}

/// Keeps a letter that says that the password was changed, to whom it would harm.
pub(crate) async fn post_changed(
    app: &App,
    tx: &mut SystemTx,
    person: &Person,
    lang: Lang,
    now: Moment,
) -> Result<(), Failure> {
    let url = format!("{}/painel/senha", base(app));
    let sender = brand::sender_name(app, None).await?;
    let subject = subject_of(lang.t("Sua senha foi trocada", "Your password was changed"));
    let body = match lang {
        Lang::Pt => format!(
            "A senha da sua conta foi trocada, e as outras sessões foram encerradas.\n\n\
             Se não foi você, defina outra senha agora em:\n{url}\n"
        ),
        Lang::En => format!(
            "The password of your account was changed, and its other sessions were ended.\n\n\
             If it was not you, set another password now at:\n{url}\n"
        ),
    };
    let letter = Letter {
        to: &person.email,
        sender_name: &sender,
        subject: &subject,
        body: &body,
        tenant: None,
        lives: DAY * 7,
    };
    post(app, tx, &letter, now).await?;
    Ok(())
}

/// Invites somebody from the command line; the address of the invitation's page, which is mailed too.
///
/// # Errors
/// Why the person cannot be invited.
pub async fn invite(
    app: &App,
    email: &str,
    place: Option<(&Tenant, Role)>,
) -> Result<String, String> {
    let now = app.clock.now();
    let lang = place.map_or(Lang::Pt, |(t, _)| t.language.parse().unwrap_or_default());
    let failed = |_| "the database did not take it".to_owned();
    let mut tx = app.db.begin_system().await.map_err(|cause| cause.to_string())?;
    let inviter = brand::sender_name(app, place.map(|(t, _)| t)).await.map_err(failed)?;
    let made = post_invitation(app, &mut tx, email, place, (None, &inviter, now), lang)
        .await
        .map_err(failed)?;
    let url = made.map_err(|refused| refused.to_string())?;
    let change = identity::Change {
        actor: &identity::Actor::Console,
        action: if place.is_some() { "member.invited" } else { "operator.invited" },
        target: email.to_owned(),
        before: None,
        after: place.map(|(_, role)| serde_json::json!({ "role": role })),
        address: "console",
    };
    let tenant = place.map(|(tenant, _)| tenant.id);
    identity::house_audit(&mut tx, tenant, &change, now).await.map_err(|c| c.to_string())?;
    tx.commit().await.map_err(|cause| cause.to_string())?;
    Ok(url)
}

/// Tells somebody by letter that their password was changed, from the command line.
///
/// # Errors
/// When the database did not take it.
pub async fn tell_password_changed(app: &App, person: &Person) -> Result<(), String> {
    let failed = |_| "the database did not take it".to_owned();
    let lang = person.language.as_deref().and_then(|code| code.parse().ok()).unwrap_or_default();
    let mut tx = app.db.begin_system().await.map_err(|cause| cause.to_string())?;
    post_changed(app, &mut tx, person, lang, app.clock.now()).await.map_err(failed)?;
    tx.commit().await.map_err(|cause| cause.to_string())
}
