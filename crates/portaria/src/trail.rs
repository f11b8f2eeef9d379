//! Programs in the audit trail: what API keys, machine tokens and the operator's token change.
//!
//! Messages and contacts are their own record and stay out. A line is written after the deed, in a
//! transaction of its own: a process that dies between the two leaves the deed without its line.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use identity::{Actor, Change};
use kernel::TenantId;
use serde_json::Value;
use web::{Access, Anyone, Caller, Operation, Problem, WhyCut};

use crate::house::House;

/// Which calls are written down.
#[derive(Clone)]
pub(crate) struct Trail {
    house: House,
    watched: Arc<HashSet<(Method, &'static str)>>,
}

/// Longest body whose values are written down, in bytes; of longer ones only the call is.
const BODY: usize = 64 * 1024;

impl Trail {
    pub(crate) fn new(house: &House, operations: &[Operation]) -> Self {
        let watched = operations
            .iter()
            .filter(|operation| {
                operation.method != Method::GET
                    && !matches!(operation.access, Access::Public | Access::Scope("inbox:write"))
                    // A question changes nothing, however it is sent.
                    && !matches!(operation.access, Access::Scope(scope) if scope.ends_with(":read"))
            })
            .map(|operation| (operation.method.clone(), operation.path))
            .collect();
        Self { house: house.clone(), watched: Arc::new(watched) }
    }

    fn watches(&self, parts: &Parts) -> bool {
        parts
            .extensions
            .get::<MatchedPath>()
            .is_some_and(|path| self.watched.contains(&(parts.method.clone(), path.as_str())))
    }

    /// Whose trail the line belongs in; the house's own when it is no tenant's.
    async fn tenant(&self, caller: &Caller, path: &str) -> Option<TenantId> {
        match &caller.may {
            Anyone::Key { tenant, .. } => Some(*tenant),
            Anyone::Operator { acting_for: Some(slug) } => {
                tenancy::by_slug(&self.house.db, slug).await.ok().map(|tenant| tenant.id)
            }
            Anyone::Operator { acting_for: None } | Anyone::Machine { .. } => {
                let slug = path.strip_prefix("/v1/tenants/")?.split('/').next()?;
                tenancy::by_slug(&self.house.db, slug).await.ok().map(|tenant| tenant.id)
            }
        }
    }

    async fn write(&self, caller: &Caller, parts: &Parts, after: Option<Value>) {
        let path = parts.uri.path();
        let name = caller.name.clone();
        let actor = match caller.person {
            Some(id) => Actor::Person { id, name },
            None => Actor::Program(name),
        };
        let address = self.house.config.proxies.client(&parts.headers, &parts.extensions);
        let change = Change {
            actor: &actor,
            action: "api.called",
            target: format!("{} {path}", parts.method),
            before: None,
            after,
            address: &address.map_or_else(|| "local".to_owned(), |address| address.to_string()),
        };
        let tenant = self.tenant(caller, path).await;
        let now = self.house.clock.now();
        let written = async {
            let mut tx = self.house.db.begin_system().await?;
            identity::house_audit(&mut tx, tenant, &change, now).await?;
            tx.commit().await
        };
        if let Err(error) = written.await {
            tracing::error!(event = "audit_not_written", error = %error);
        }
    }
}

/// Writes what a program changed, if it was changed.
pub(crate) async fn trail(State(trail): State<Trail>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if !trail.watches(&parts) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let caller = match trail.house.door.who(&parts).await {
        Ok(caller) => caller,
        Err(refused) => return refused.into_response(),
    };
    // How large it may be was looked at before.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        let other =
            || Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", "the body broke off");
        return WhyCut::of(&parts.extensions).unwrap_or_else(other).into_response();
    };
    let after = (bytes.len() <= BODY).then(|| serde_json::from_slice(&bytes).ok()).flatten();
    let again = Request::from_parts(parts.clone(), Body::from(bytes));
    // In a task of its own: a caller that hangs up does not keep its deed out of the trail.
    let served = tokio::spawn(async move {
        let response = next.run(again).await;
        if response.status().is_success() {
            trail.write(&caller, &parts, after).await;
        }
        response
    });
    served.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}
