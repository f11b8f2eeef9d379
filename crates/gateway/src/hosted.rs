//! Hosts beside those of the file: tenants' domains, as the program finds them in its database.

use std::collections::HashSet;

use crate::config::{self, Action, Algorithm, Backend, Config, PathChange, Pool, Route};
use crate::host;

/// All hosts that the program gives. It is taken in as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hosted {
    pub pools: Vec<HostedPool>,
    pub routes: Vec<HostedRoute>,
}

/// Servers of the house, or of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct HostedPool {
    pub name: String,
    /// Whose it is, in figures and logs.
    pub tenant: Option<String>,
    /// `HOST:PORT`, `http://HOST:PORT` or `https://HOST:PORT`.
    pub addresses: Vec<String>,
    /// Addresses on private networks are not connected to, also when a name leads there.
    pub public_only: bool,
    /// A path that answers 200 on a healthy server; `None` to learn from traffic alone.
    pub check: Option<String>,
}

/// What a host serves under a prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct HostedRoute {
    pub host: String,
    /// Begins with `/`.
    pub prefix: String,
    pub tenant: String,
    /// Servers of this region are preferred; `None` for what the file says of the tenant.
    pub region: Option<String>,
    pub to: HostedTo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostedTo {
    /// A pool of these, by its name.
    Pool(String),
    /// Another path of the same host.
    Redirect(String),
    /// Not found.
    Nothing,
}

/// What the file's routes and pools are, with the hosted ones beside them. Where both say something of the same
/// address the file has the last word; whatever cannot be served is named.
pub(crate) fn merge(mut config: Config, hosted: &Hosted) -> (Config, Vec<String>) {
    let mut refused = Vec::new();
    let mut names: HashSet<String> = config.pools.iter().map(|pool| pool.name.clone()).collect();
    for pool in &hosted.pools {
        match taken_in(pool) {
            Ok(pool) if names.insert(pool.name.clone()) => config.pools.push(pool),
            Ok(pool) => refused.push(format!("pool {} is in the file already", pool.name)),
            Err(reason) => refused.push(format!("pool {}: {reason}", pool.name)),
        }
    }
    let mut places: HashSet<(String, String)> = config
        .routes
        .iter()
        .flat_map(|route| route.hosts.iter().map(|host| (host.clone(), route.prefix.clone())))
        .collect();
    for route in &hosted.routes {
        let Some(host) = host::pattern(&route.host) else {
            refused.push(format!("{} is no host name", route.host));
            continue;
        };
        let action = match &route.to {
            HostedTo::Pool(pool) if names.contains(pool) => {
                Action::Forward { pool: pool.clone(), path: PathChange::Keep }
            }
            HostedTo::Pool(pool) => {
                refused.push(format!("{host} leads to pool {pool}, which is not there"));
                continue;
            }
            HostedTo::Redirect(to) => {
                Action::Redirect { to: to.clone(), status: http::StatusCode::FOUND }
            }
            HostedTo::Nothing => Action::Nothing,
        };
        let prefix = route.prefix.trim_end_matches('/').to_owned();
        if !places.insert((host.clone(), prefix.clone())) {
            refused.push(format!("{host}{} is served by the file", route.prefix));
            continue;
        }
        let tenant = Some(route.tenant.clone());
        let region = route.region.clone().or_else(|| config.regions.of(tenant.as_deref()));
        config.routes.push(Route { tenant, region, ..Route::plain(host, prefix, action) });
    }
    (config, refused)
}

fn taken_in(pool: &HostedPool) -> Result<Pool, String> {
    let mut backends = Vec::new();
    for address in &pool.addresses {
        let (scheme, address) = config::parse_address(address)?;
        backends.push(Backend {
            public_only: pool.public_only,
            health: pool.check.as_deref().map(config::standard_check),
            ..Backend::plain(scheme, address)
        });
    }
    Ok(Pool {
        tenant: pool.tenant.clone(),
        algorithm: Algorithm::Ewma,
        backends,
        ..Pool::plain(pool.name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_last_word_and_what_is_wrong_is_named() {
        let text = "pools:\n  - {name: web, backends: [{address: \"10.0.0.1:80\"}]}\nroutes:\n  - {host: a.example, pool: web}\n";
        let config = config::check(text, &|_| None).config.expect("sound");
        let pool = |name: &str, address: &str| HostedPool {
            name: name.to_owned(),
            tenant: None,
            addresses: vec![address.to_owned()],
            public_only: false,
            check: None,
        };
        let route = |host: &str, prefix: &str, to: HostedTo| HostedRoute {
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            tenant: "loja".to_owned(),
            region: None,
            to,
        };
        let to = |pool: &str| HostedTo::Pool(pool.to_owned());
        let hosted = Hosted {
            pools: vec![pool("house", "127.0.0.1:1"), pool("web", "127.0.0.1:2"), pool("bad", "x")],
            routes: vec![
                route("A.example", "/", to("house")),
                route("a.example", "/v1", to("house")),
                route("b.example", "/", to("house")),
                route("b.example", "/old", HostedTo::Nothing),
                route("c.example", "/", to("bad")),
                route("not a host", "/", to("house")),
            ],
        };
        let (merged, refused) = merge(config, &hosted);
        let places: Vec<String> = merged
            .routes
            .iter()
            .map(|route| format!("{}{}", route.hosts.join(","), route.prefix))
            .collect();
        assert_eq!(places, ["a.example", "a.example/v1", "b.example", "b.example/old"]);
        assert_eq!(refused.len(), 5, "{refused:?}");
        assert_eq!(merged.pools.len(), 2);
    }
}
