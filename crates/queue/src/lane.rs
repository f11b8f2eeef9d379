//! What a job promises about when it runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A lane is served before the ones after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A customer waits.
    Reply,
    /// A person or a system is told something.
    Notify,
    /// Whenever there is time: indexing, broadcasts.
    Bulk,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Reply, Self::Notify, Self::Bulk];

    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Notify => "notify",
            Self::Bulk => "bulk",
        }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Reply => 0,
            Self::Notify => 1,
            Self::Bulk => 2,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown lane `{0}`; lanes are reply, notify, bulk")]
pub struct UnknownLane(String);

impl FromStr for Lane {
    type Err = UnknownLane;
    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.name() == text)
            .ok_or_else(|| UnknownLane(text.to_owned()))
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
