//! `portaria operator …` and `portaria user …`

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use identity::{Actor, Change, NewPerson, Role};
use kernel::{MachineTokenId, Moment};
use serde_json::json;
use tenancy::HouseScopes;

use super::out::Out;
use crate::house::House;
use crate::pages;

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Make the account of somebody who runs this installation. Whoever has an account keeps its
    /// password.
    Create {
        /// Signs in with it.
        #[arg(long)]
        email: String,
        /// Shown in the panel; the part before the @ when absent.
        #[arg(long)]
        name: Option<String>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List who runs this installation.
    List,
    /// Take somebody out of those who run this installation; the account stays.
    Remove {
        #[arg(long)]
        email: String,
    },
    /// Tokens of programs that make tenants or watch the queue.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; it is shown once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// Scopes apart by commas: tenants:read, tenants:write, queue:read, queue:write, gateway:read, gateway:write, metrics:read.
        #[arg(long)]
        scopes: HouseScopes,
        /// Ends by itself after so many days.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: Option<u32>,
    },
    /// List tokens; only their first characters are known.
    List,
    /// End a token now.
    Revoke { id: MachineTokenId },
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Invite somebody to a tenant's team; the link is printed, and mailed when a mail server is set.
    Invite {
        #[arg(long)]
        tenant: String,
        #[arg(long)]
        email: String,
        /// owner, admin, attendant or viewer.
        #[arg(long)]
        role: Role,
    },
    /// List a tenant's team.
    List {
        #[arg(long)]
        tenant: String,
    },
    /// Shut somebody out of every tenant; all their sessions end.
    Disable {
        #[arg(long)]
        email: String,
    },
    /// Let somebody in again.
    Enable {
        #[arg(long)]
        email: String,
    },
    /// Set the password of somebody who lost theirs; all their sessions end. See first that it is
    /// really them who asks.
    Password {
        #[arg(long)]
        email: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take away the second step of somebody who lost phone and recovery codes. See first that it is
    /// really them who asks.
    RemoveSecond {
        #[arg(long)]
        email: String,
    },
}

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn operator(
    house: &House,
    command: OperatorCommand,
    out: &Out,
) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Create { email, name, password_stdin } => {
            let password = given_password(password_stdin)?;
            let name =
                name.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
            let kept = match create_operator(house, &email, &name, &password).await? {
                Made::New => "",
                Made::Known => " The account was there: its own password stays.",
            };
            out.done(
                &json!({ "email": email, "operator": true, "password_kept": !kept.is_empty() }),
                &format!(
                    "{email} runs this installation. Sign in at {}/painel.{kept}",
                    pages::base_url(house)
                ),
            );
        }
        OperatorCommand::List => {
            let mut tx = house.db.read_system().await?;
            let people = identity::operators(&mut tx).await?;
            let list: Vec<_> = people
                .iter()
                .map(|p| json!({ "email": p.email, "name": p.name, "two_steps": p.has_second }))
                .collect();
            let lines: Vec<String> =
                people.iter().map(|p| format!("{}  {}", p.email, p.name)).collect();
            out.done(&list, &lines.join("\n"));
        }
        OperatorCommand::Remove { email } => {
            let (mut tx, person) = known(house, &email).await?;
            if !person.operator {
                bail!("{email} does not run this installation; see portaria operator list");
            }
            identity::set_operator(&mut tx, person.id, false).await?;
            identity::end_all_sessions(&mut tx, person.id, None).await?;
            note(&mut tx, "operator.removed", person.email, None, house.clock.now()).await?;
            tx.commit().await?;
            out.done(
                &json!({ "email": email, "operator": false }),
                &format!("{email} no longer runs this installation."),
            );
        }
        OperatorCommand::Token(command) => token(house, command, out).await?,
    }
    Ok(())
}

async fn token(house: &House, command: TokenCommand, out: &Out) -> anyhow::Result<()> {
    let now = house.clock.now();
    match command {
        TokenCommand::Create { name, scopes, days } => {
            let expires = days.map(|days| now + DAY * days);
            let name: kernel::line::Line<60> = name.parse().context("--name")?;
            let mut tx = house.db.begin_system().await?;
            let made = tenancy::create_machine_token(&mut tx, &name, &scopes, expires, now).await?;
            let after = Some(json!({ "scopes": scopes }));
            note(&mut tx, "machine_token.created", name.into(), after, now).await?;
            tx.commit().await?;
            out.done(&made, &format!("{}\nKeep it: it is not shown again.", made.secret));
        }
        TokenCommand::List => {
            let mut tx = house.db.read_system().await?;
            let tokens = tenancy::list_machine_tokens(&mut tx).await?;
            let lines: Vec<String> = tokens
                .iter()
                .map(|t| {
                    let state = super::key_cmd::state(t.revoked_at, t.expires_at, now);
                    format!("{}  {}…  {}  {}  {state}", t.id, t.prefix, t.name, t.scopes)
                })
                .collect();
            out.done(&tokens, &lines.join("\n"));
        }
        TokenCommand::Revoke { id } => {
            let mut tx = house.db.begin_system().await?;
            let Some(name) = tenancy::revoke_machine_token(&mut tx, id, now).await? else {
                bail!("no live token {id}; see portaria operator token list");
            };
            note(&mut tx, "machine_token.revoked", name, None, now).await?;
            tx.commit().await?;
            out.done(&json!({ "revoked": id }), &format!("Revoked {id}."));
        }
    }
    Ok(())
}

/// A deed at the console, in the house's own trail.
async fn note(
    tx: &mut db::SystemTx,
    action: &'static str,
    target: String,
    after: Option<serde_json::Value>,
    now: Moment,
) -> anyhow::Result<()> {
    let actor = &Actor::Console;
    let change = Change { actor, action, target, before: None, after, address: "console" };
    Ok(identity::house_audit(tx, None, &change, now).await?)
}

/// Somebody who has an account, in a transaction to change it.
async fn known(house: &House, email: &str) -> anyhow::Result<(db::SystemTx, identity::Person)> {
    let mut tx = house.db.begin_system().await?;
    let person = identity::person_by_email(&mut tx, email).await?;
    let Some(person) = person else { bail!("nobody has the account {email}") };
    Ok((tx, person))
}

async fn shut(house: &House, email: &str, disabled: bool, out: &Out) -> anyhow::Result<()> {
    let (mut tx, person) = known(house, email).await?;
    identity::disable(&mut tx, person.id, disabled).await?;
    let action = if disabled { "person.disabled" } else { "person.enabled" };
    note(&mut tx, action, person.email, None, house.clock.now()).await?;
    let places = identity::memberships(&mut tx, person.id).await?;
    tx.commit().await?;
    if disabled {
        // Whom they attended waits for somebody else.
        let places = places.into_iter().map(|place| place.tenant);
        inbox::release(&house.db, person.id, places, house.clock.now()).await?;
    }
    let text = if disabled { "is shut out" } else { "may sign in again" };
    out.done(&json!({ "email": email, "disabled": disabled }), &format!("{email} {text}."));
    Ok(())
}

/// A password from standard input: on the command line others would see it.
fn given_password(from_stdin: bool) -> anyhow::Result<String> {
    if !from_stdin {
        bail!("give the password on standard input, with --password-stdin");
    }
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).context("standard input")?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

/// What became of `operator create`.
pub(crate) enum Made {
    New,
    /// Somebody had the account already, with its password.
    Known,
}

/// Makes an operator with this password, or makes somebody who is known one with their own.
pub(crate) async fn create_operator(
    house: &House,
    email: &str,
    name: &str,
    password: &str,
) -> anyhow::Result<Made> {
    identity::check_password(password, &[email, name])?;
    let hash = identity::hash_password(password).await;
    let now = house.clock.now();
    let mut tx = house.db.begin_system().await?;
    let made = match identity::person_by_email(&mut tx, email).await? {
        // Run again, as provisioning does, it changes nothing.
        Some(person) if person.operator => return Ok(Made::Known),
        Some(person) => {
            identity::set_operator(&mut tx, person.id, true).await?;
            // What is signed in elsewhere does not become an operator's by itself.
            identity::end_all_sessions(&mut tx, person.id, None).await?;
            // Whoever came by the identity provider has none of their own yet.
            if person.has_password {
                Made::Known
            } else {
                identity::set_password(&mut tx, person.id, &hash, now).await?;
                Made::New
            }
        }
        None => {
            let new = NewPerson { email, name, password_hash: Some(&hash), operator: true };
            identity::create_person(&mut tx, &new, now).await?;
            Made::New
        }
    };
    note(&mut tx, "operator.created", email.to_owned(), None, now).await?;
    tx.commit().await?;
    Ok(made)
}

pub(super) async fn user(house: &House, command: UserCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        UserCommand::Invite { tenant, email, role } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let app = pages::app(house, None);
            let mut tx = house.db.begin_system().await?;
            let team = identity::members(&mut tx, tenant.id).await?;
            drop(tx);
            for member in team.iter().filter(|m| identity::looks_like(&m.email, &email)) {
                out.note(&format!(
                    "warning: {email} looks like {} ({}) of this team, and is another address",
                    member.email, member.name
                ));
            }
            let link = panel::invite(&app, &email, Some((&tenant, role)))
                .await
                .map_err(anyhow::Error::msg)?;
            if house.config.mailer.is_none() {
                out.note("no mail server is set (smtp.url): hand the link over yourself");
            } else {
                out.note("the invitation is mailed too: the link opens the account, so pass it to nobody else");
            }
            out.done(
                &json!({ "email": email, "role": role, "tenant": tenant.slug, "link": link }),
                &format!("{link}\nThe link works for 7 days and once."),
            );
        }
        UserCommand::Disable { email } => shut(house, &email, true, out).await?,
        UserCommand::Enable { email } => shut(house, &email, false, out).await?,
        UserCommand::Password { email, password_stdin } => {
            let password = given_password(password_stdin)?;
            let (tx, person) = known(house, &email).await?;
            drop(tx);
            identity::check_password(&password, &[&email, &person.name])?;
            let hash = identity::hash_password(&password).await;
            let now = house.clock.now();
            let mut tx = house.db.begin_system().await?;
            identity::set_password(&mut tx, person.id, &hash, now).await?;
            identity::end_all_sessions(&mut tx, person.id, None).await?;
            note(&mut tx, "person.password_changed", person.email.clone(), None, now).await?;
            tx.commit().await?;
            panel::tell_password_changed(&pages::app(house, None), &person)
                .await
                .map_err(anyhow::Error::msg)?;
            out.done(&json!({ "email": email }), &format!("{email} has a new password."));
        }
        UserCommand::RemoveSecond { email } => {
            let (mut tx, person) = known(house, &email).await?;
            identity::remove_second(&mut tx, person.id).await?;
            identity::end_all_sessions(&mut tx, person.id, None).await?;
            note(&mut tx, "person.second_removed", person.email, None, house.clock.now()).await?;
            tx.commit().await?;
            out.done(
                &json!({ "email": email, "two_steps": false }),
                &format!("{email} signs in without a second step now, and can set a new one up."),
            );
        }
        UserCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read_system().await?;
            let members = identity::members(&mut tx, tenant.id).await?;
            let list: Vec<_> = members
                .iter()
                .map(|m| json!({ "email": m.email, "name": m.name, "role": m.role, "since": m.since, "disabled": m.disabled }))
                .collect();
            let lines: Vec<String> = members
                .iter()
                .map(|m| {
                    let shut = if m.disabled { "  disabled" } else { "" };
                    format!("{}  {}  {}{shut}", m.email, m.role, m.name)
                })
                .collect();
            out.done(&list, &lines.join("\n"));
        }
    }
    Ok(())
}
