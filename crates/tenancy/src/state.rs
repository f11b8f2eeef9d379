//! The life of a tenant, and what each state means for its messages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a tenant is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Trial,
    Active,
    /// A payment is late; everything still works.
    Grace,
    /// Stored, but nothing goes out.
    Suspended,
    /// Closed: readable, nothing comes in.
    Archived,
}

/// What happens to a message of a tenant in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub stores_inbound: bool,
    pub answers: bool,
    pub sends: bool,
    pub backlog: Backlog,
}

/// What becomes of the waiting messages when the tenant is activated again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// There is none.
    None,
    /// Questions of the last 15 minutes are answered and sends of that age leave; whatever is
    /// older waits for a person, and is never answered automatically.
    RecentAnsweredRestToPerson,
}

impl State {
    pub const ALL: [Self; 5] =
        [Self::Trial, Self::Active, Self::Grace, Self::Suspended, Self::Archived];

    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Active => "active",
            Self::Grace => "grace",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
        }
    }

    /// The one table of what is stored, answered and sent.
    pub fn rule(self) -> Rule {
        let (stores_inbound, answers, sends, backlog) = match self {
            Self::Trial | Self::Active | Self::Grace => (true, true, true, Backlog::None),
            Self::Suspended => (true, false, false, Backlog::RecentAnsweredRestToPerson),
            Self::Archived => (false, false, false, Backlog::RecentAnsweredRestToPerson),
        };
        Rule { stores_inbound, answers, sends, backlog }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown tenant state `{0}`; states are trial, active, grace, suspended, archived")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
