//! Tenants: who they are, what state their life is in, their sealed secrets and API keys.
//!
//! # Invariants
//! - Everything a new tenant starts with is written in the transaction that creates it.
//! - A secret is on disk only sealed with the tenant's data key, which is sealed with the master key.
//! - Of an API key only a hash is kept; the key itself is shown once.
//! - What each state of life stores, answers and sends is said once, in [`State::rule`].

mod apikey;
mod machine;
mod schema;
mod state;
mod store;
mod vault;

pub use apikey::{ApiKey, Key, NewKey, Scopes, UnknownScope, find_key, fresh_token, hash_token};
pub use apikey::{
    create as create_key, list as list_keys, revoke as revoke_key, rotate as rotate_key,
};
pub use machine::{HouseScopes, Machine, MachineToken, NewMachineToken, UnknownHouseScope};
pub use machine::{
    create as create_machine_token, find as find_machine_token, list as list_machine_tokens,
    revoke as revoke_machine_token,
};
pub use schema::MIGRATIONS;
pub use state::{Backlog, Rule, State, UnknownState};
pub use store::{
    NIGHT, NewTenant, OpeningHours, Profile, Removed, Tenant, TenantError, bump_knowledge, by_id,
    by_slug, consent_text, create, day_spans, ids, knowledge_generation, list, opening_hours, own,
    remove as remove_tenant, set_cors, set_opening_hours, set_profile, set_state,
};
pub use vault::{MasterKey, Vault, VaultError, master_key};
