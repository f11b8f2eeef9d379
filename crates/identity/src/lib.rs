//! People: who they are, how they prove it, what they may do where, and what they did.
//!
//! # Invariants
//! - A person may do in a tenant what the role of the membership says, and nothing elsewhere. The
//!   table is [`Role::may`]; pages and routes ask for a [`Permission`] by type.
//! - Of passwords, session cookies, links of e-mails and tokens only hashes are kept; secrets of
//!   second factors are sealed. A letter holds its link until it left, for seven days at most.
//! - Whoever guesses is counted before the guess is looked at.
//! - Whether an e-mail address is known is told to nobody who is not signed in.
//! - The audit trail is only added to, in the transaction that made the change.

mod alike;
mod audit;
mod link;
mod mail;
mod membership;
mod passkey;
mod password;
mod permission;
mod person;
mod provider;
mod schema;
mod second;
mod session;
mod support;
mod throttle;

pub use alike::{looks_like, shape};
pub use audit::{
    Actor, Change, Entry, Filter, audit, entries, house_audit, house_entries, redacted,
};
pub use link::{
    Invitation, Link, LinkKind, find_link, invitations, issue_link, operator_invitations, use_link,
    withdraw, withdraw_operator,
};
pub use mail::{Letter, Mail, MailLimits, Outbox, mailbox, post, post_notice, remove_letters};
pub use membership::{
    Member, Membership, Source, join, leave, members, memberships, provided, remove_invitations,
    set_role,
};
pub use passkey::{
    Kept, PasskeyView, add_passkey, begin_ceremony, find_passkey, passkey_handle, passkeys,
    remove_passkey, remove_passkeys, take_ceremony, used_passkey,
};
pub use password::{PasswordRefused, SHORTEST, check_password, hash_password, verify_password};
pub use permission::{Permission, Role, UnknownRole, role_table};
pub use person::{
    NewPerson, Person, PersonError, create_person, disable, find_person, operators, password_hash,
    people_by_ids, person_by_email, provide_operator, set_language, set_name, set_operator,
    set_password,
};
pub use provider::{is_tied, person_by_subject, tie_subject};
pub use schema::MIGRATIONS;
pub use second::{
    Enrolment, confirm_second, has_second, recovery_codes_left, remove_second, start_second,
    verify_second,
};
pub use session::{
    Opening, Session, SessionView, Stage, csrf_token, end_all_sessions, end_session, find_session,
    open_session, pass_second, prove_session, sessions,
};
pub use support::{Grant, end_grant, grant, grant_for, grants};
pub use tenancy::fresh_token as token;
pub use throttle::{Attempt, From, Guess, Throttle, Throttled};
