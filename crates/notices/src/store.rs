//! SQL of who is told.

use std::collections::BTreeMap;

use db::{Error, TenantTx, args};
use inbox::{Act, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is told when a contact waits for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipients {
    /// E-mail addresses, ten at most. The operator sets the mail server (`smtp.url`).
    pub emails: Vec<String>,
    /// Told of an emergency as well, at any hour and every five minutes, three times at most, until somebody takes the
    /// conversation; ten addresses at most.
    #[serde(default)]
    pub on_call: Vec<String>,
    /// By what the contact wrote, such as `complaint`: who is told instead, and whether it is urgent.
    #[serde(default)]
    pub acts: BTreeMap<Act, ActNotice>,
}

/// Who is told of an act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActNotice {
    /// Told instead of the usual addresses; none: those. Ten at most.
    pub emails: Vec<String>,
    /// The letter says so.
    pub urgent: bool,
}

/// Addresses of one kind, at most.
const MOST: usize = 10;

/// Recipients that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecipients {
    #[error("ten addresses at most")]
    TooMany { field: &'static str },
    #[error("`{address}` is no e-mail address")]
    NoAddress { field: &'static str, address: String },
}

impl BadRecipients {
    /// The field that holds it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::TooMany { field } | Self::NoAddress { field, .. } => field,
        }
    }
}

impl Recipients {
    /// # Errors
    /// Names the first address that is none, or the list that is too long.
    pub fn check(&self) -> Result<(), BadRecipients> {
        let own = [("emails", &self.emails), ("on_call", &self.on_call)];
        let acts = self.acts.values().map(|notice| ("acts", &notice.emails));
        for (field, list) in own.into_iter().chain(acts) {
            if list.len() > MOST {
                return Err(BadRecipients::TooMany { field });
            }
            if let Some(bad) = list.iter().find(|email| !crate::is_address(email)) {
                return Err(BadRecipients::NoAddress { field, address: bad.clone() });
            }
        }
        Ok(())
    }

    /// The rule of a hand-off's reason, as it is stored.
    fn of_reason(&self, reason: &str) -> Option<&ActNotice> {
        let named = |act: Act| Reason::Act(act).name() == reason;
        self.acts.iter().find(|(act, _)| named(**act)).map(|(_, notice)| notice)
    }

    /// Who is told of a hand-off for this reason, each once.
    pub(crate) fn told_of(&self, reason: &str) -> Vec<&str> {
        let own = self.of_reason(reason).map(|rule| &rule.emails).filter(|own| !own.is_empty());
        let mut lists = vec![own.unwrap_or(&self.emails)];
        if is_emergency(reason) {
            // Whoever could help is told, and nobody less.
            lists.extend([&self.emails, &self.on_call]);
        }
        let mut told: Vec<&str> = Vec::new();
        for email in lists.into_iter().flatten() {
            if !told.contains(&email.as_str()) {
                told.push(email);
            }
        }
        told
    }

    /// Whether the letter of a hand-off for this reason says that it is urgent.
    pub(crate) fn is_urgent(&self, reason: &str) -> bool {
        is_emergency(reason) || self.of_reason(reason).is_some_and(|rule| rule.urgent)
    }
}

/// Whether a hand-off for this reason is an emergency.
pub(crate) fn is_emergency(reason: &str) -> bool {
    reason == Act::Harm.name()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Who is told when a contact waits for a person.
///
/// # Errors
/// When the database cannot be read.
pub async fn recipients(tx: &mut TenantTx) -> Result<Recipients, Error> {
    let tenant = tx.tenant();
    let row = tx
        .fetch_opt(
            "SELECT emails, on_call FROM notice_settings WHERE tenant_id = $1",
            args![tenant],
        )
        .await?;
    let mut out = Recipients::default();
    if let Some(row) = row {
        out.emails = lines(&row.get::<String>(0)?);
        out.on_call = lines(&row.get::<String>(1)?);
    }
    let rows = tx
        .fetch_all(
            "SELECT act, emails, urgent FROM notice_acts WHERE tenant_id = $1",
            args![tenant],
        )
        .await?;
    for row in &rows {
        // An act that this version does not know is none of its concern.
        if let Some(act) = Act::by_name(&row.get::<String>(0)?) {
            let notice = ActNotice {
                emails: lines(&row.get::<String>(1)?),
                urgent: row.get::<i64>(2)? == 1,
            };
            out.acts.insert(act, notice);
        }
    }
    Ok(out)
}

/// Replaces who is told.
///
/// # Errors
/// When the database refuses.
pub async fn set_recipients(tx: &mut TenantTx, recipients: &Recipients) -> Result<(), Error> {
    let tenant = tx.tenant();
    tx.execute(
        "INSERT INTO notice_settings (tenant_id, emails, on_call) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id) DO UPDATE SET emails = excluded.emails, on_call = excluded.on_call",
        args![tenant, recipients.emails.join("\n"), recipients.on_call.join("\n")],
    )
    .await?;
    tx.execute("DELETE FROM notice_acts WHERE tenant_id = $1", args![tenant]).await?;
    for (act, notice) in &recipients.acts {
        tx.execute(
            "INSERT INTO notice_acts (tenant_id, act, emails, urgent) VALUES ($1, $2, $3, $4)",
            args![tenant, act.name(), notice.emails.join("\n"), i64::from(notice.urgent)],
        )
        .await?;
    }
    Ok(())
}
