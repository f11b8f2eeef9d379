//! Who calls, for which tenant, and whether they may. A handler's only way to tenant rows.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use db::{Db, TenantTx};
use kernel::{Clock, Moment, PersonId, TenantId};
use subtle::ConstantTimeEq;
use tenancy::{HouseScopes, Scopes, Tenant, hash_token};

use crate::{Access, Holding, Problem};

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
    ends: Option<Moment>,
    permission: PhantomData<fn() -> P>,
}

impl<P> Scope<P> {
    /// When what the caller presented ends, if it does.
    pub fn ends(&self) -> Option<Moment> {
        self.ends
    }

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
    Operator {
        acting_for: Option<String>,
    },
    Machine {
        scopes: HouseScopes,
    },
    /// `ends`: when the key does, if it does.
    Key {
        tenant: TenantId,
        scopes: Scopes,
        ends: Option<Moment>,
    },
}

/// Who calls, by a name that the audit trail knows.
#[derive(Clone)]
pub struct Caller {
    pub may: Anyone,
    /// Of the person, of the key, or of the machine token.
    pub name: String,
    /// The person, when it is one who is signed in.
    pub person: Option<PersonId>,
    /// Tells this caller from all others, also from those of the same name: `key …`, `person …`, `machine …`.
    pub mark: String,
}

impl Caller {
    fn program(may: Anyone, name: impl Into<String>, mark: String) -> Self {
        Self { may, name: name.into(), person: None, mark }
    }

    /// What the caller may do, as a text: an answer is repeated to whom it was given only.
    pub(crate) fn scopes(&self) -> String {
        match &self.may {
            Anyone::Operator { acting_for } => {
                format!("operator {}", acting_for.as_deref().unwrap_or_default())
            }
            Anyone::Machine { scopes } => scopes.to_string(),
            Anyone::Key { scopes, .. } => scopes.to_string(),
        }
    }

    /// # Errors
    /// When the caller may not call a route that asks for this.
    pub fn may_call(&self, access: Access) -> Result<(), Problem> {
        match access {
            Access::Public => Ok(()),
            Access::Scope(scope) => self.may_in_tenant(scope),
            Access::Operator(scope) => self.may_in_house(scope),
        }
    }

    fn may_in_tenant(&self, scope: &str) -> Result<(), Problem> {
        match &self.may {
            Anyone::Operator { acting_for: Some(_) } => Ok(()),
            Anyone::Operator { acting_for: None } => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "tenant_missing",
                "name the tenant in the header X-Portaria-Tenant",
            )),
            Anyone::Machine { .. } => Err(forbidden(
                "a machine token acts for the house only; use an API key of the tenant",
            )),
            Anyone::Key { scopes, .. } if scopes.allows(scope) => Ok(()),
            Anyone::Key { .. } => {
                Err(forbidden(format!("this API key, or role, lacks the scope {scope}")))
            }
        }
    }

    fn may_in_house(&self, scope: &str) -> Result<(), Problem> {
        match &self.may {
            Anyone::Operator { .. } => Ok(()),
            Anyone::Machine { scopes } if scopes.allows(scope) => Ok(()),
            Anyone::Machine { .. } => {
                Err(forbidden(format!("this machine token lacks the scope {scope}")))
            }
            Anyone::Key { .. } => Err(forbidden(
                "only the operator may do this; use the operator's token or a machine token",
            )),
        }
    }
}

fn forbidden(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", why.into())
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
        if let Some(known) = parts.extensions.get::<Caller>() {
            return Ok(known.clone());
        }
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
            let may = Anyone::Operator { acting_for };
            return Ok(Caller::program(may, "operator", "operator".to_owned()));
        }
        let now = self.clock.now();
        if let Some(machine) = tenancy::find_machine_token(&self.db, token, now).await? {
            let may = Anyone::Machine { scopes: machine.scopes };
            let mark = format!("machine {}", machine.id);
            return Ok(Caller::program(may, machine.name, mark));
        }
        match tenancy::find_key(&self.db, token, now).await? {
            Some(key) => {
                let may =
                    Anyone::Key { tenant: key.tenant, scopes: key.scopes, ends: key.expires_at };
                Ok(Caller::program(may, key.name, format!("key {}", key.id)))
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
        let caller = door.who(parts).await?;
        caller.may_in_tenant(P::SCOPE)?;
        let (tenant, scopes, ends) = match caller.may {
            Anyone::Operator { acting_for } => {
                let slug = acting_for.unwrap_or_default();
                (tenancy::by_slug(&door.db, &slug).await?, Scopes::all(), None)
            }
            Anyone::Machine { .. } => return Err(forbidden("use an API key of the tenant")),
            Anyone::Key { tenant, scopes, ends } => {
                let tenant = tenancy::by_id(&door.db, tenant)
                    .await?
                    .ok_or_else(|| Problem::unauthorized("the tenant of this key is gone"))?;
                (tenant, scopes, ends)
            }
        };
        if let Some(holding) = parts.extensions.get::<Holding>() {
            holding.belongs_to(tenant.id)?;
        }
        Ok(Self { db: door.db, tenant, scopes, ends, permission: PhantomData })
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
        door.who(parts).await?.may_in_house(P::SCOPE)?;
        Ok(Self { db: door.db, permission: PhantomData })
    }
}
