//! Who calls, for which tenant, and whether they may. A handler's only way to tenant rows.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use db::{Db, TenantTx};
use kernel::{Clock, TenantId};
use subtle::ConstantTimeEq;
use tenancy::{Scopes, Tenant, hash_token};

use crate::Problem;

/// The header by which an operator names the tenant to act for.
pub const TENANT_HEADER: &str = "x-portaria-tenant";

/// What the door to the house needs: rows, time, and the operator's token.
#[derive(Clone)]
pub struct Door {
    pub db: Db,
    pub clock: Clock,
    /// SHA-256 of the operator's token; without one the operator's routes stay shut.
    pub admin_token_hash: Option<Arc<str>>,
    /// Knows people by their session's cookie.
    pub people: Option<Arc<dyn People>>,
}

/// Finds out who is signed in, for calls that a page of ours makes.
#[async_trait]
pub trait People: Send + Sync {
    /// The person behind the request's cookies. `None` when nobody is signed in.
    ///
    /// # Errors
    /// When the request is not the person's own, or names a tenant they do not belong to.
    async fn caller(&self, parts: &Parts) -> Result<Option<Anyone>, Problem>;
}

/// Marks what a route asks for.
pub trait Permission: Send + Sync + 'static {
    const SCOPE: &'static str;
}

/// A caller who may do `P` for one tenant.
pub struct Scope<P> {
    db: Db,
    tenant: Tenant,
    scopes: Scopes,
    permission: PhantomData<fn() -> P>,
}

impl<P> Scope<P> {
    /// All that the caller may do, not only `P`.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// # Errors
    /// When the database is not available.
    pub async fn begin(&self) -> Result<TenantTx, Problem> {
        Ok(self.db.begin(self.tenant.id).await?)
    }

    /// # Errors
    /// When the database is not available.
    pub async fn read(&self) -> Result<TenantTx, Problem> {
        Ok(self.db.read(self.tenant.id).await?)
    }
}

/// The operator of the house.
pub struct Operator {
    pub db: Db,
}

/// Whoever presented a valid token, before permissions are looked at.
#[derive(Clone)]
pub enum Anyone {
    Operator { acting_for: Option<String> },
    Key { tenant: TenantId, scopes: Scopes },
}

fn bearer(parts: &Parts) -> Result<&str, Problem> {
    parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Problem::unauthorized("send Authorization: Bearer <API key>"))
}

impl Door {
    /// Finds out who calls.
    ///
    /// # Errors
    /// 401 when the token is nobody's.
    pub async fn who(&self, parts: &Parts) -> Result<Anyone, Problem> {
        if let Some(people) = &self.people
            && !parts.headers.contains_key("authorization")
            && let Some(person) = people.caller(parts).await?
        {
            return Ok(person);
        }
        let token = bearer(parts)?;
        if let Some(expected) = &self.admin_token_hash
            && bool::from(hash_token(token).as_bytes().ct_eq(expected.as_bytes()))
        {
            let acting_for = parts
                .headers
                .get(TENANT_HEADER)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            return Ok(Anyone::Operator { acting_for });
        }
        match tenancy::find_key(&self.db, token, self.clock.now()).await? {
            Some(key) => Ok(Anyone::Key { tenant: key.tenant, scopes: key.scopes }),
            None => Err(Problem::unauthorized("this API key is unknown, expired or revoked")),
        }
    }
}

impl<S, P> FromRequestParts<S> for Scope<P>
where
    S: Send + Sync,
    P: Permission,
    Door: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let door = Door::from_ref(state);
        let (tenant, scopes) = match door.who(parts).await? {
            Anyone::Operator { acting_for: Some(slug) } => {
                (tenancy::by_slug(&door.db, &slug).await?, Scopes::all())
            }
            Anyone::Operator { acting_for: None } => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "tenant_missing",
                    "name the tenant in the header X-Portaria-Tenant",
                ));
            }
            Anyone::Key { tenant, scopes } => {
                if !scopes.allows(P::SCOPE) {
                    return Err(Problem::new(
                        StatusCode::FORBIDDEN,
                        "forbidden",
                        format!("this API key, or role, lacks the scope {}", P::SCOPE),
                    ));
                }
                let tenant = tenancy::by_id(&door.db, tenant)
                    .await?
                    .ok_or_else(|| Problem::unauthorized("the tenant of this key is gone"))?;
                (tenant, scopes)
            }
        };
        Ok(Self { db: door.db, tenant, scopes, permission: PhantomData })
    }
}

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    Door: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let door = Door::from_ref(state);
        match door.who(parts).await? {
            Anyone::Operator { .. } => Ok(Self { db: door.db }),
            Anyone::Key { .. } => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                "only the operator may do this; use the operator's token",
            )),
        }
    }
}
