//! People at the API: a page of ours may call it with the session's cookie, the form's token, and the
//! tenant's name in `X-Portaria-Tenant`.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use db::Db;
use identity::{Role, Stage};
use kernel::Clock;
use tenancy::Scopes;
use web::{Anyone, Caller, People, Problem, TENANT_HEADER};

use crate::door::{cookie, session_names};

/// What a role may do by the API: also what it may hand out by keys. An owner's is everything.
pub(crate) fn scopes_of(role: Role) -> Scopes {
    if role == Role::Owner { Scopes::all() } else { Scopes::of(&role.scopes()) }
}

/// Finds out who is signed in.
pub struct SignedIn {
    pub db: Db,
    pub clock: Clock,
    pub public_url: Option<String>,
    pub idle: Duration,
}

#[async_trait]
impl People for SignedIn {
    async fn caller(&self, parts: &Parts) -> Result<Option<Caller>, Problem> {
        let found = session_names(self.public_url.as_deref())
            .iter()
            .find_map(|name| cookie(&parts.headers, name));
        let Some(value) = found.filter(|value| value.len() <= 100) else { return Ok(None) };
        let now = self.clock.now();
        let session = identity::find_session(&self.db, value, self.idle, now).await?;
        let Some(session) = session.filter(|session| session.stage == Stage::Open) else {
            return Ok(None);
        };
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // A cookie comes with every request, also those of other sites.
        if !matches!(parts.method, Method::GET | Method::HEAD)
            && text("x-csrf-token") != Some(identity::csrf_token(value).as_str())
        {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "foreign_request",
                "send the page's token in X-CSRF-Token, or use an API key",
            ));
        }
        let person = session.person;
        let known = |may: Anyone| {
            let mark = format!("person {}", person.id);
            Some(Caller { may, name: person.name.clone(), person: Some(person.id), mark })
        };
        let Some(slug) = text(TENANT_HEADER) else {
            return match person.operator {
                true => Ok(known(Anyone::Operator { acting_for: None })),
                false => Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "forbidden",
                    "name the tenant in the header X-Portaria-Tenant",
                )),
            };
        };
        let mut tx = self.db.read_system().await?;
        let places = identity::memberships(&mut tx, person.id).await?;
        if let Some(place) = places.iter().find(|place| place.slug.as_str() == slug) {
            let scopes = scopes_of(place.role);
            return Ok(known(Anyone::Key { tenant: place.tenant, scopes, ends: None }));
        }
        drop(tx);
        Err(Problem::not_found("tenant"))
    }
}
