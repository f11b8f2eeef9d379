//! `portaria operator …` and `portaria user …`

use std::io::Read as _;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use identity::{Actor, Change, NewPerson, Role};
use serde_json::json;

use super::out::Out;
use crate::house::House;
use crate::pages;

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Make the account of somebody who runs this installation.
    Create {
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
}

pub(super) async fn operator(
    house: &House,
    command: OperatorCommand,
    out: &Out,
) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Create { email, name, password_stdin } => {
            if !password_stdin {
                bail!("give the password on standard input, with --password-stdin");
            }
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password).context("standard input")?;
            let password = password.trim_end_matches(['\r', '\n']);
            let name =
                name.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
            create_operator(house, &email, &name, password).await?;
            out.done(
                &json!({ "email": email, "operator": true }),
                &format!(
                    "{email} runs this installation. Sign in at {}/painel",
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
    }
    Ok(())
}

/// Makes an operator, or makes somebody who is known one, with this password.
pub(crate) async fn create_operator(
    house: &House,
    email: &str,
    name: &str,
    password: &str,
) -> anyhow::Result<()> {
    identity::check_password(password, &[email, name])?;
    let hash = identity::hash_password(password).await;
    let now = house.clock.now();
    let mut tx = house.db.begin_system().await?;
    match identity::person_by_email(&mut tx, email).await? {
        Some(person) => {
            identity::set_password(&mut tx, person.id, &hash, now).await?;
            identity::set_operator(&mut tx, person.id, true).await?;
            identity::end_all_sessions(&mut tx, person.id, None).await?;
        }
        None => {
            let new = NewPerson { email, name, password_hash: Some(&hash), operator: true };
            identity::create_person(&mut tx, &new, now).await?;
        }
    }
    let change = Change {
        actor: &Actor::Console,
        action: "operator.created",
        target: email.to_owned(),
        before: None,
        after: None,
        address: "console",
    };
    identity::house_audit(&mut tx, None, &change, now).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn user(house: &House, command: UserCommand, out: &Out) -> anyhow::Result<()> {
    match command {
        UserCommand::Invite { tenant, email, role } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let app = pages::app(house, None);
            let link = panel::invite(&app, &email, Some((&tenant, role)))
                .await
                .map_err(anyhow::Error::msg)?;
            if house.config.mailer.is_none() {
                out.note("no mail server is set (smtp.url): hand the link over yourself");
            }
            out.done(
                &json!({ "email": email, "role": role, "tenant": tenant.slug, "link": link }),
                &format!("{link}\nThe link works for 7 days and once."),
            );
        }
        UserCommand::List { tenant } => {
            let tenant = tenancy::by_slug(&house.db, &tenant).await?;
            let mut tx = house.db.read_system().await?;
            let members = identity::members(&mut tx, tenant.id).await?;
            let list: Vec<_> = members
                .iter()
                .map(|m| json!({ "email": m.email, "name": m.name, "role": m.role, "since": m.since }))
                .collect();
            let lines: Vec<String> =
                members.iter().map(|m| format!("{}  {}  {}", m.email, m.role, m.name)).collect();
            out.done(&list, &lines.join("\n"));
        }
    }
    Ok(())
}
