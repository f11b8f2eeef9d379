//! What is looked at before a request is passed on: other routes that its path may mean, and the firewall.

use http::Request;
use hyper::body::Incoming;

use crate::body::RequestBody;
use crate::config::{self, Action, WafMode};
use crate::proxy::Passage;
use crate::table::{Route, Table};
use crate::trouble::Trouble;
use crate::{spelling, waf};

/// The firewall of a route, as it and the file want it, and whether it blocks.
pub(crate) fn firewall<'g>(
    route: &config::Route,
    global: &'g config::Global,
    path: &str,
) -> Option<(&'g config::Waf, bool)> {
    let waf = global.waf.as_ref()?;
    let block = match route.waf {
        Some(WafMode::Off) => return None,
        Some(WafMode::Detect) => false,
        Some(WafMode::Block) => true,
        None => waf.block,
    };
    let excluded =
        |path: &str| waf.without_paths.iter().any(|prefix| path.starts_with(prefix.as_str()));
    // In every reading: a spelling must not get around it.
    let rules = &global.denials;
    let alike = || {
        !spelling::is_odd(path, rules)
            || spelling::readings(path, rules).iter().all(|one| excluded(one))
    };
    if excluded(path) && alike() {
        return None;
    }
    Some((waf, block))
}

impl Passage {
    /// Why a request is refused that a server behind might read as one for a route which is not open to the client.
    pub(crate) fn denied_otherwise(
        &self,
        table: &Table,
        host: Option<&str>,
        request: &Request<Incoming>,
        route: &Route,
    ) -> Option<Trouble> {
        let (path, rules) = (request.uri().path(), &table.global.denials);
        if !spelling::is_odd(path, rules) {
            return None;
        }
        let readings = spelling::readings(path, rules);
        let mut others = readings.iter().flat_map(|reading| table.otherwise(host, reading));
        others.find_map(|other| {
            let suits = other.suits(request.method(), request.headers(), &mut Vec::new());
            if other.index == route.index || !suits {
                return None;
            }
            if !self.may_enter(&other.config, table) {
                return Some(Trouble::Forbidden);
            }
            matches!(other.config.action, Action::Nothing).then_some(Trouble::NoRoute)
        })
    }

    /// What the firewall says of a request, when it is not to be passed on.
    pub(crate) async fn look(
        &self,
        waf: &config::Waf,
        block: bool,
        route: &Route,
        mut found: Option<waf::Match>,
        request: &mut Request<RequestBody>,
    ) -> Option<Trouble> {
        if found.is_none() && waf::reads(waf, request.headers()) {
            let timer = self.session.worker.timers.timer();
            let body = match request.body_mut().look(waf.body, &timer).await {
                Ok(body) => body,
                Err(fault) => return Some(fault.into()),
            };
            found = waf::look_at_body(waf, request.headers(), &body);
        }
        let found = found?;
        let matches = &self.session.worker.shared.waf;
        if matches.count(found) && waf.log {
            tracing::warn!(
                event = "gateway_waf_match",
                rule = found.id,
                name = found.name,
                route = route.label,
                request_id = self.account.id_text(),
                blocked = block
            );
        }
        block.then_some(Trouble::Suspicious)
    }
}
