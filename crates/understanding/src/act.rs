//! The acts a message can perform.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a message does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A life or a body is in danger, or there is violence.
    Harm,
    /// Wants no messages that were not asked for.
    Stop,
    /// Tries to make the assistant something else.
    Injection,
    /// A wrong answer may hurt: allergies, medicines, symptoms.
    HealthRisk,
    Complaint,
    /// Wants a person, by role or by name.
    Person,
    /// Cancels or moves what was agreed.
    Cancel,
    /// Sends or announces a proof of payment, or wants a document of the own purchase again.
    Receipt,
    /// Where the own order, exam or document is.
    Status,
    /// Wants to buy now.
    Order,
    /// Wants an appointment, a table or a room now.
    Booking,
    Haggle,
    /// Asks who or what is answering.
    Identity,
    Applicant,
    Supplier,
    Spam,
    Insult,
    Thanks,
    Goodbye,
    /// "ok", "entendi": nothing to answer.
    Acknowledgement,
    Greeting,
}

impl Act {
    pub const ALL: &'static [Self] = &[
        Self::Harm,
        Self::Stop,
        Self::Injection,
        Self::HealthRisk,
        Self::Complaint,
        Self::Person,
        Self::Cancel,
        Self::Receipt,
        Self::Status,
        Self::Order,
        Self::Booking,
        Self::Haggle,
        Self::Identity,
        Self::Applicant,
        Self::Supplier,
        Self::Spam,
        Self::Insult,
        Self::Thanks,
        Self::Goodbye,
        Self::Acknowledgement,
        Self::Greeting,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Harm => "harm",
            Self::Stop => "stop",
            Self::Injection => "injection",
            Self::HealthRisk => "health_risk",
            Self::Complaint => "complaint",
            Self::Person => "person",
            Self::Cancel => "cancel",
            Self::Receipt => "receipt",
            Self::Status => "status",
            Self::Order => "order",
            Self::Booking => "booking",
            Self::Haggle => "haggle",
            Self::Identity => "identity",
            Self::Applicant => "applicant",
            Self::Supplier => "supplier",
            Self::Spam => "spam",
            Self::Insult => "insult",
            Self::Thanks => "thanks",
            Self::Goodbye => "goodbye",
            Self::Acknowledgement => "acknowledgement",
            Self::Greeting => "greeting",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|act| act.name() == name)
    }
}
