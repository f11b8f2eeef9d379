//! One registry of routes: the router and the OpenAPI 3.1 document are made from the same list.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::BodySize;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// An API key with this scope, or the operator acting for a tenant.
    Scope(&'static str),
    /// A machine token with this scope of the house, or the operator.
    Operator(&'static str),
}

/// A route and what is said of it.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    pub path: &'static str,
    pub summary: &'static str,
    pub access: Access,
    /// How large its body may be.
    pub size: BodySize,
    document: Value,
}

/// Collects routes of one state type.
pub struct Api<S> {
    router: Router<S>,
    operations: Vec<Operation>,
    schemas: SchemaGenerator,
}

impl<S: Clone + Send + Sync + 'static> Default for Api<S> {
    fn default() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .with(|settings| settings.definitions_path = "/components/schemas".into());
        Self { router: Router::new(), operations: Vec::new(), schemas: settings.into_generator() }
    }
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// Adds a route without a request body; `O` is what it answers.
    #[must_use]
    pub fn get<O: JsonSchema, H, T>(
        self,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.bodyless::<O, H, T>(Method::GET, path, access, summary, handler)
    }

    /// Adds a route of any method without a request body.
    #[must_use]
    pub fn bodyless<O: JsonSchema, H, T>(
        self,
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add::<O, H, T>(method, path, access, summary, None, handler)
    }

    /// Adds a route that takes a JSON body `I`.
    #[must_use]
    pub fn body<I: JsonSchema, O: JsonSchema, H, T>(
        mut self,
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let input = self.schemas.subschema_for::<I>();
        self.add::<O, H, T>(method, path, access, summary, Some(input.into()), handler)
    }

    /// The route that was added last takes bodies of another size.
    #[must_use]
    pub fn takes(mut self, size: BodySize) -> Self {
        if let Some(last) = self.operations.last_mut() {
            last.size = size;
        }
        self
    }

    fn add<O: JsonSchema, H, T>(
        mut self,
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        input: Option<Value>,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let output: Value = self.schemas.subschema_for::<O>().into();
        let parameters: Vec<Value> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        let mut document = json!({
            "summary": summary,
            "operationId": format!("{} {path}", method.as_str().to_lowercase()),
            "parameters": parameters,
            "responses": {
                "2XX": { "description": "Done", "content": { "application/json": { "schema": output } } },
                "4XX": { "description": "Refused, with the reason", "content": {
                    "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } },
                "5XX": { "description": "Failed here", "content": {
                    "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } },
            },
        });
        match access {
            Access::Public => {}
            Access::Scope(scope) => document["security"] = json!([{ "apiKey": [scope] }]),
            Access::Operator(scope) => document["security"] = json!([{ "operator": [scope] }]),
        }
        if let Some(schema) = input {
            document["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.router = self.router.route(path, on(filter, handler));
        let size =
            if document.get("requestBody").is_some() { BodySize::Program } else { BodySize::Small };
        self.operations.push(Operation { method, path, summary, access, size, document });
        self
    }

    /// Binds the state; what is left are routes and their description.
    pub fn build(mut self, state: S) -> Built {
        let schemas = self.schemas.take_definitions(true);
        Built { router: self.router.with_state(state), operations: self.operations, schemas }
    }
}

/// Routes ready to be merged.
pub struct Built {
    pub router: Router,
    pub operations: Vec<Operation>,
    schemas: Map<String, Value>,
}

impl Built {
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self.schemas.extend(other.schemas);
        self
    }

    /// The OpenAPI 3.1 document of all routes.
    pub fn openapi(&self) -> Value {
        let mut paths = Map::new();
        for operation in &self.operations {
            let item = paths.entry(operation.path).or_insert_with(|| json!({}));
            item[operation.method.as_str().to_lowercase()] = operation.document.clone();
        }
        let mut schemas = self.schemas.clone();
        schemas.insert(
            "Problem".to_owned(),
            json!({ "type": "object", "required": ["type", "title", "status", "code", "detail"],
                "properties": {
                    "type": { "type": "string" }, "title": { "type": "string" },
                    "status": { "type": "integer" }, "code": { "type": "string" },
                    "detail": { "type": "string" }, "field": { "type": "string" } } }),
        );
        json!({
            "openapi": "3.1.0",
            "info": { "title": "Portaria", "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
                "description": "Writes take an Idempotency-Key header. Lists are paged by limit and cursor. The operator names the tenant in X-Portaria-Tenant." },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key of a tenant" },
                    "operator": { "type": "http", "scheme": "bearer", "description": "The operator's token (PORTARIA_ADMIN_TOKEN), or a machine token with the scope" },
                },
            },
        })
    }
}
