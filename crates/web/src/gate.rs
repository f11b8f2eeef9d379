//! Who may call a route, asked before a byte of its body is read.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::{Access, Door, Operation, Problem};

/// What the middleware knows: what each route asks for.
#[derive(Clone)]
pub struct Gate {
    door: Door,
    routes: Arc<HashMap<(Method, String), Access>>,
}

impl Gate {
    pub fn new(door: Door, operations: &[Operation]) -> Self {
        let routes = operations
            .iter()
            .map(|one| ((one.method.clone(), one.path.to_owned()), one.access))
            .collect();
        Self { door, routes: Arc::new(routes) }
    }

    async fn admit(&self, request: Request) -> Result<Request, Problem> {
        let access = request.extensions().get::<MatchedPath>().and_then(|path| {
            self.routes.get(&(request.method().clone(), path.as_str().to_owned())).copied()
        });
        let (mut parts, body) = request.into_parts();
        match access {
            None | Some(Access::Public) => {}
            Some(access) => {
                let caller = self.door.who(&parts).await?;
                caller.may_call(access)?;
                // Whoever asks next finds the answer here.
                parts.extensions.insert(caller);
            }
        }
        Ok(Request::from_parts(parts, body))
    }
}

/// Middleware for `/v1`: turns callers away who may not call a route, before anything of the body is read or kept.
pub async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    // What has no body costs nothing to be asked by the route itself.
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match gate.admit(request).await {
        Ok(request) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}
