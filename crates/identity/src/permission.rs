//! What each role may do: one table.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Something that a page or a route asks for. The names are those of API keys' scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    TenantRead,
    InboxRead,
    InboxWrite,
    KnowledgeRead,
    KnowledgeWrite,
    AssistantRead,
    AssistantWrite,
    ChannelsRead,
    ChannelsWrite,
    HooksRead,
    HooksWrite,
    KeysWrite,
    PeopleRead,
    PeopleWrite,
    /// Make and remove owners.
    OwnersWrite,
    BrandWrite,
    AuditRead,
}

impl Permission {
    pub const ALL: [Self; 17] = [
        Self::TenantRead,
        Self::InboxRead,
        Self::InboxWrite,
        Self::KnowledgeRead,
        Self::KnowledgeWrite,
        Self::AssistantRead,
        Self::AssistantWrite,
        Self::ChannelsRead,
        Self::ChannelsWrite,
        Self::HooksRead,
        Self::HooksWrite,
        Self::KeysWrite,
        Self::PeopleRead,
        Self::PeopleWrite,
        Self::OwnersWrite,
        Self::BrandWrite,
        Self::AuditRead,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::TenantRead => "tenant:read",
            Self::InboxRead => "inbox:read",
            Self::InboxWrite => "inbox:write",
            Self::KnowledgeRead => "knowledge:read",
            Self::KnowledgeWrite => "knowledge:write",
            Self::AssistantRead => "assistant:read",
            Self::AssistantWrite => "assistant:write",
            Self::ChannelsRead => "channels:read",
            Self::ChannelsWrite => "channels:write",
            Self::HooksRead => "hooks:read",
            Self::HooksWrite => "hooks:write",
            Self::KeysWrite => "keys:write",
            Self::PeopleRead => "people:read",
            Self::PeopleWrite => "people:write",
            Self::OwnersWrite => "owners:write",
            Self::BrandWrite => "brand:write",
            Self::AuditRead => "audit:read",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::TenantRead => "see the business and its figures",
            Self::InboxRead => "read conversations and contacts",
            Self::InboxWrite => "reply, take over, give back, note, label, assign, resolve",
            Self::KnowledgeRead => "read the knowledge and try questions",
            Self::KnowledgeWrite => "change the knowledge",
            Self::AssistantRead => "see the assistant and try it",
            Self::AssistantWrite => "change the assistant, its model and its opening hours",
            Self::ChannelsRead => "see channels and their state",
            Self::ChannelsWrite => "connect, change and remove channels",
            Self::HooksRead => "see outgoing webhooks",
            Self::HooksWrite => "change outgoing webhooks",
            Self::KeysWrite => "make and end API keys",
            Self::PeopleRead => "see who belongs to the team",
            Self::PeopleWrite => "invite people, change roles, remove people",
            Self::OwnersWrite => "make and remove owners",
            Self::BrandWrite => "change name, logo, colours and texts",
            Self::AuditRead => "read and export the audit trail",
        }
    }
}

/// What a person is within a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Attendant,
    Admin,
    Owner,
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role `{0}`; roles are owner, admin, attendant, viewer")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Attendant, Self::Viewer];

    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Attendant => "attendant",
            Self::Viewer => "viewer",
        }
    }

    /// The table.
    pub fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match permission {
            P::TenantRead
            | P::InboxRead
            | P::KnowledgeRead
            | P::AssistantRead
            | P::ChannelsRead => true,
            P::InboxWrite | P::PeopleRead => self >= Self::Attendant,
            P::KnowledgeWrite
            | P::AssistantWrite
            | P::ChannelsWrite
            | P::HooksRead
            | P::HooksWrite
            | P::KeysWrite
            | P::PeopleWrite
            | P::BrandWrite
            | P::AuditRead => self >= Self::Admin,
            P::OwnersWrite => self == Self::Owner,
        }
    }

    /// The names of all that it may do, as scopes.
    pub fn scopes(self) -> Vec<&'static str> {
        Permission::ALL.into_iter().filter(|p| self.may(*p)).map(Permission::name).collect()
    }

    /// Whether somebody of this role may give or take `other`.
    pub fn may_hand_out(self, other: Self) -> bool {
        match other {
            Self::Owner => self.may(Permission::OwnersWrite),
            _ => self.may(Permission::PeopleWrite),
        }
    }
}

/// The table as Markdown, for the documentation.
pub fn role_table() -> String {
    let mut out = String::from(
        "| permission | what it allows | owner | admin | attendant | viewer |\n|---|---|---|---|---|---|\n",
    );
    for permission in Permission::ALL {
        out.push_str(&format!("| `{}` | {} |", permission.name(), permission.about()));
        for role in Role::ALL {
            out.push_str(if role.may(permission) { " yes |" } else { " – |" });
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_role_may_all_that_a_lower_one_may() {
        for permission in Permission::ALL {
            for pair in Role::ALL.windows(2) {
                assert!(
                    pair[0].may(permission) || !pair[1].may(permission),
                    "{permission:?} {pair:?}"
                );
            }
        }
        assert!(!Role::Admin.may_hand_out(Role::Owner));
        assert!(!Role::Attendant.may_hand_out(Role::Viewer));
    }
}
