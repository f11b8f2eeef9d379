//! A domain, and what it may be.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use kernel::{Moment, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a domain serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Pages for the business's customers.
    Site,
    /// Programs: the API and webhooks, no pages.
    Api,
    /// The panel, for the business's people.
    Panel,
}

impl Purpose {
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Api => "api",
            Self::Panel => "panel",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no purpose; use site, api or panel")]
pub struct UnknownPurpose(String);

impl FromStr for Purpose {
    type Err = UnknownPurpose;
    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        [Self::Site, Self::Api, Self::Panel]
            .into_iter()
            .find(|purpose| purpose.name() == text)
            .ok_or_else(|| UnknownPurpose(text.to_owned()))
    }
}

/// A tenant's domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Lower case, international names in their ASCII form, no port.
    pub host: String,
    #[serde(skip)]
    pub tenant: TenantId,
    pub purpose: Purpose,
    /// `http://HOST:PORT` or `https://HOST:PORT` of a server of the tenant's own; `None` for this house.
    pub upstream: Option<String>,
    /// Where the tenant's data lives, for the choice of servers.
    pub region: Option<String>,
    pub created_at: Moment,
}

/// A domain that somebody wishes for.
#[derive(Debug, Clone)]
pub struct NewDomain {
    pub host: String,
    pub purpose: Purpose,
    pub upstream: Option<String>,
    pub region: Option<String>,
}

/// Why a domain is refused.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    #[error(
        "host `{0}` is no domain; write a name with a dot and without port or path, such as painel.loja.com.br"
    )]
    Host(String),
    #[error("`{0}` is a domain of this installation already; remove it there first")]
    Taken(String),
    #[error(
        "upstream `{0}` is no server; write http://HOST:PORT or https://HOST, without path or password"
    )]
    Upstream(String),
    #[error(
        "upstream `{0}` is on a private network; an operator may allow that with PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1"
    )]
    Private(String),
    #[error("region `{0}` is too long or empty; use up to 40 letters, digits or hyphens")]
    Region(String),
    #[error(transparent)]
    Storage(#[from] db::Error),
}

impl DomainError {
    /// The field that is wrong.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Host(_) | Self::Taken(_) => Some("host"),
            Self::Upstream(_) | Self::Private(_) => Some("upstream"),
            Self::Region(_) => Some("region"),
            Self::Storage(_) => None,
        }
    }
}

impl NewDomain {
    /// The same in its normal form. `private`: whether servers on private networks are allowed.
    ///
    /// # Errors
    /// When a field is not acceptable.
    pub(crate) fn normal(&self, private: bool) -> Result<Self, DomainError> {
        let host = host(&self.host).ok_or_else(|| DomainError::Host(self.host.clone()))?;
        let upstream = match &self.upstream {
            Some(text) => Some(upstream(text, private)?),
            None => None,
        };
        if let Some(region) = &self.region {
            let fine = (1..=40).contains(&region.len())
                && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !fine {
                return Err(DomainError::Region(region.clone()));
            }
        }
        Ok(Self { host, purpose: self.purpose, upstream, region: self.region.clone() })
    }
}

fn host(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('.');
    let Ok(url::Host::Domain(name)) = url::Host::parse(text) else { return None };
    let labels = name.split('.');
    let sound = labels.clone().count() > 1
        && name.len() <= 253
        && labels.into_iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    sound.then_some(name)
}

fn upstream(text: &str, private: bool) -> Result<String, DomainError> {
    let wrong = || DomainError::Upstream(text.to_owned());
    let url: url::Url = text.trim().parse().map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !plain {
        return Err(wrong());
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(wrong());
    };
    let literal = match &host {
        url::Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        url::Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
        url::Host::Domain(_) => None,
    };
    // A name is looked at when it is resolved, at each connection.
    let local = matches!(&host, url::Host::Domain(name) if kernel::net::is_local_name(name));
    if !private && (local || literal.is_some_and(|ip| !kernel::net::is_global(ip))) {
        return Err(DomainError::Private(text.to_owned()));
    }
    Ok(format!("{}://{host}:{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for (text, name) in [
            ("Loja.Com.BR", Some("loja.com.br")),
            ("loja.com.br.", Some("loja.com.br")),
            ("clínica.com.br", Some("xn--clnica-4va.com.br")),
            ("localhost", None),
            ("10.0.0.1", None),
            ("a.com:80", None),
            ("a.com/x", None),
            ("*.a.com", None),
            ("a_b.com", None),
            ("-a.com", None),
            ("", None),
        ] {
            assert_eq!(host(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn servers_on_private_networks_are_refused() {
        for (text, given) in [
            ("http://93.184.215.14:8080", Some("http://93.184.215.14:8080")),
            ("http://203.0.113.9:8080", None),
            ("http://redis:6379", None),
            ("https://app.loja.com.br/", Some("https://app.loja.com.br:443")),
            ("http://127.0.0.1:1", None),
            ("http://2130706433:1", None),
            ("http://[::ffff:10.0.0.1]:1", None),
            ("http://localhost:1", None),
            ("http://169.254.169.254", None),
            ("ftp://a.com", None),
            ("http://u:p@a.com", None),
            ("http://a.com/path", None),
        ] {
            assert_eq!(upstream(text, false).ok().as_deref(), given, "{text}");
        }
        assert_eq!(
            upstream("http://127.0.0.1:1", true).ok().as_deref(),
            Some("http://127.0.0.1:1")
        );
    }
}
