//! Who calls, for which tenant, and whether they may. A handler's only way to tenant rows.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use db::{Db, TenantTx};
use kernel::{Clock, PersonId, TenantId};
use subtle::ConstantTimeEq;
use tenancy::{HouseScopes, Scopes, Tenant, hash_token};

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
    async fn caller(&self, parts: &Parts) -> Result<Option<Caller>, Problem>;
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

/// A caller who may do `P` for the house: the operator, or a program with a machine token.
pub struct Operator<P> {
    pub db: Db,
    permission: PhantomData<fn() -> P>,
}

/// What whoever presented a valid token may do, before permissions are looked at.
#[derive(Clone)]
pub enum Anyone {
    Operator { acting_for: Option<String> },
    Machine { scopes: HouseScopes },
    Key { tenant: TenantId, scopes: Scopes },
}

/// Who calls, by a name that the audit trail knows.
#[derive(Clone)]
pub struct Caller {
    pub may: Anyone,
    /// Of the person, of the key, or of the machine token.
    pub name: String,
    /// The person, when it is one who is signed in.
    pub person: Option<PersonId>,
}

impl Caller {
    fn program(may: Anyone, name: impl Into<String>) -> Self {
        Self { may, name: name.into(), person: None }
    }
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
    pub async fn who(&self, parts: &Parts) -> Result<Caller, Problem> {
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
            return Ok(Caller::program(Anyone::Operator { acting_for }, "operator"));
        }
        let now = self.clock.now();
        if let Some(machine) = tenancy::find_machine_token(&self.db, token, now).await? {
            let may = Anyone::Machine { scopes: machine.scopes };
            return Ok(Caller::program(may, machine.name));
        }
        match tenancy::find_key(&self.db, token, now).await? {
            Some(key) => {
                let may = Anyone::Key { tenant: key.tenant, scopes: key.scopes };
                Ok(Caller::program(may, key.name))
            }
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
        let (tenant, scopes) = match door.who(parts).await?.may {
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
            Anyone::Machine { .. } => {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "forbidden",
                    "a machine token acts for the house only; use an API key of the tenant",
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

impl<S, P> FromRequestParts<S> for Operator<P>
where
    S: Send + Sync,
    P: Permission,
    Door: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let door = Door::from_ref(state);
        let refused = |why: String| Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", why));
        match door.who(parts).await?.may {
            Anyone::Operator { .. } => Ok(Self { db: door.db, permission: PhantomData }),
            Anyone::Machine { scopes } if scopes.allows(P::SCOPE) => {
                Ok(Self { db: door.db, permission: PhantomData })
            }
            Anyone::Machine { .. } => {
                refused(format!("this machine token lacks the scope {}", P::SCOPE))
            }
            Anyone::Key { .. } => refused(
                "only the operator may do this; use the operator's token or a machine token"
                    .to_owned(),
            ),
        }
    }
}
