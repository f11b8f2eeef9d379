//! HTTP manners: who calls ([`Scope`], [`Operator`]), what went wrong ([`Problem`]), pages of lists,
//! repeated writes, and one registry from which both the router and the OpenAPI document come.

mod api;
mod bodies;
mod budget;
mod client;
mod cors;
mod extract;
mod gate;
mod idempotency;
mod page;
mod problem;
mod request_id;
mod schema;
mod scope;
mod spool;

pub use api::{Access, Api, Built, Operation};
pub use bodies::{Bodies, BodySize, BodySizes, WhyCut, bodies};
pub use budget::{Budget, BudgetLimits, Holding, NoRoom};
pub use client::{NotANetwork, TrustedProxies};
pub use cors::cors;
pub use extract::{Json, PathId, Query};
pub use gate::{Gate, gate};
pub use idempotency::{idempotency, prune as prune_idempotency};
pub use page::{Page, PageQuery};
pub use problem::Problem;
pub use request_id::{RequestId, request_id};
pub use schema::MIGRATIONS;
pub use scope::{Anyone, Caller, Door, Operator, People, Permission, Scope, TENANT_HEADER};
pub use spool::{IN_MEMORY, Spooled, Unread, spool};

/// Permissions that routes ask for by type.
pub mod permission {
    use super::Permission;

    macro_rules! permissions {
        ($($name:ident = $scope:literal),* $(,)?) => {$(
            #[doc = concat!("Asks for the scope `", $scope, "`.")]
            #[derive(Debug, Clone, Copy)]
            pub struct $name;
            impl Permission for $name {
                const SCOPE: &'static str = $scope;
            }
        )*};
    }

    permissions! {
        TenantRead = "tenant:read",
        InboxRead = "inbox:read",
        InboxWrite = "inbox:write",
        KnowledgeRead = "knowledge:read",
        KnowledgeWrite = "knowledge:write",
        AssistantRead = "assistant:read",
        AssistantWrite = "assistant:write",
        ChannelsRead = "channels:read",
        ChannelsWrite = "channels:write",
        HooksRead = "hooks:read",
        HooksWrite = "hooks:write",
        KeysWrite = "keys:write",
        PeopleRead = "people:read",
        PeopleWrite = "people:write",
        BrandWrite = "brand:write",
        AuditRead = "audit:read",
        TenantsRead = "tenants:read",
        TenantsWrite = "tenants:write",
        GatewayRead = "gateway:read",
        GatewayWrite = "gateway:write",
        QueueRead = "queue:read",
        QueueWrite = "queue:write",
    }
}
