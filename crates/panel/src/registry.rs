//! The list of pages: a page is added with what it asks for, so that a test can walk them all.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodFilter, on};
use tower_http::compression::CompressionLayer;
use web::{BodySize, Permission};

use crate::app::App;
use crate::{door, failure};

/// Whom a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAccess {
    /// Anybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Members of the tenant in its address whose role has this permission.
    Tenant(&'static str),
    /// Who runs the house.
    Operator,
    /// Not there unless this is the demo.
    Demo,
}

/// A page or an action of one.
#[derive(Debug, Clone)]
pub struct PageRoute {
    pub method: Method,
    pub path: &'static str,
    pub access: PageAccess,
    /// How large its form may be.
    pub size: BodySize,
}

#[derive(Default)]
pub(crate) struct Pages {
    router: Router<App>,
    routes: Vec<PageRoute>,
}

impl Pages {
    fn add<H, T>(&mut self, method: Method, path: &'static str, access: PageAccess, handler: H)
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.router = std::mem::take(&mut self.router).route(path, on(filter, handler));
        self.routes.push(PageRoute { method, path, access, size: BodySize::Small });
    }

    /// The page or action that was added last takes forms of another size.
    pub(crate) fn takes(&mut self, size: BodySize) {
        if let Some(last) = self.routes.last_mut() {
            last.size = size;
        }
    }

    pub(crate) fn page<H, T>(&mut self, path: &'static str, access: PageAccess, handler: H)
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::GET, path, access, handler);
    }

    pub(crate) fn action<H, T>(&mut self, path: &'static str, access: PageAccess, handler: H)
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::POST, path, access, handler);
    }

    /// A page of a tenant, for roles with the permission `P`.
    pub(crate) fn tenant_page<P, H, T>(&mut self, path: &'static str, handler: H)
    where
        P: Permission,
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::GET, path, PageAccess::Tenant(P::SCOPE), handler);
    }

    /// What a form of a tenant's page does, for roles with the permission `P`.
    pub(crate) fn tenant_action<P, H, T>(&mut self, path: &'static str, handler: H)
    where
        P: Permission,
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::POST, path, PageAccess::Tenant(P::SCOPE), handler);
    }

    pub(crate) fn build(self, app: App) -> (Router, Vec<PageRoute>) {
        let limit = app.options.upload_limit + 64 * 1024;
        let router = self
            .router
            .layer(DefaultBodyLimit::max(limit))
            .layer(middleware::from_fn_with_state(app.clone(), failure::show))
            .layer(middleware::from_fn_with_state(app.clone(), door::manners))
            .layer(CompressionLayer::new())
            .with_state(app);
        (router, self.routes)
    }
}
