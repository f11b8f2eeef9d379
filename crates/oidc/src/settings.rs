//! Which provider, and how its claims are read.

use std::str::FromStr;

/// A kind of provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Keycloak,
    Auth0,
    Generic,
}

impl FromStr for Kind {
    type Err = BadSettings;
    fn from_str(text: &str) -> Result<Self, BadSettings> {
        match text {
            "keycloak" => Ok(Self::Keycloak),
            "auth0" => Ok(Self::Auth0),
            "generic" => Ok(Self::Generic),
            _ => Err(BadSettings::new(
                "oidc.provider",
                "is no kind of provider",
                "use keycloak, auth0 or generic",
            )),
        }
    }
}

/// A setting that is missing or wrong: its key, the fault, the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {fault}; {fix}")]
pub struct BadSettings {
    pub key: &'static str,
    pub fault: &'static str,
    pub fix: &'static str,
}

impl BadSettings {
    fn new(key: &'static str, fault: &'static str, fix: &'static str) -> Self {
        Self { key, fault, fix }
    }
}

/// An identity provider, checked. Not printable: it holds a secret.
#[derive(Clone)]
pub struct Settings {
    pub kind: Kind,
    /// Compared to the letter.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    /// Dotted paths of the claims that name tenants (by slug) and roles.
    pub tenant_claim: String,
    pub roles_claim: String,
}

/// As the configuration has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    pub provider: &'a str,
    pub domain: &'a str,
    pub realm: &'a str,
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub client_secret: &'a str,
    pub tenant_claim: &'a str,
    pub roles_claim: &'a str,
}

impl Settings {
    /// Makes the issuer of a provider.
    ///
    /// # Errors
    /// Names the first key that is missing or wrong.
    pub fn of(given: &Given<'_>) -> Result<Self, BadSettings> {
        let kind: Kind = given.provider.parse()?;
        let domain = || {
            let bare = given.domain.trim().trim_start_matches("https://").trim_end_matches('/');
            if bare.is_empty() || bare.contains(['/', ' ']) {
                return Err(BadSettings::new(
                    "oidc.domain",
                    "is no host name",
                    "set it, such as auth.example.com",
                ));
            }
            Ok(bare)
        };
        let issuer = match kind {
            // Auth0's own issuer ends with a slash; Keycloak's does not.
            Kind::Auth0 => format!("https://{}/", domain()?),
            Kind::Keycloak if !given.issuer.is_empty() => given.issuer.to_owned(),
            Kind::Keycloak => {
                if given.realm.is_empty() {
                    return Err(BadSettings::new(
                        "oidc.realm",
                        "is missing",
                        "set the realm of Keycloak that people sign in to",
                    ));
                }
                format!("https://{}/realms/{}", domain()?, given.realm)
            }
            Kind::Generic => {
                if given.issuer.is_empty() {
                    return Err(BadSettings::new(
                        "oidc.issuer",
                        "is missing",
                        "set the issuer that the provider's discovery document names",
                    ));
                }
                given.issuer.to_owned()
            }
        };
        let url = url::Url::parse(&issuer).map_err(|_| {
            BadSettings::new("oidc.issuer", "is no address", "write it with https://")
        })?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if url.scheme() != "https" && !loopback {
            return Err(BadSettings::new(
                "oidc.issuer",
                "does not begin with https://",
                "tokens travel there: use TLS",
            ));
        }
        for (key, value) in
            [("oidc.client_id", given.client_id), ("oidc.client_secret", given.client_secret)]
        {
            if value.is_empty() {
                return Err(BadSettings::new(
                    key,
                    "is missing",
                    "copy it from the provider's client",
                ));
            }
        }
        Ok(Self {
            kind,
            issuer,
            client_id: given.client_id.to_owned(),
            client_secret: given.client_secret.to_owned(),
            tenant_claim: given.tenant_claim.to_owned(),
            roles_claim: given.roles_claim.to_owned(),
        })
    }

    pub(crate) fn paths(&self) -> [&str; 2] {
        [&self.tenant_claim, &self.roles_claim]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: Given<'_> = Given {
        provider: "keycloak",
        domain: "auth.example.com",
        realm: "",
        issuer: "",
        client_id: "veloflux-client",
        client_secret: "s",
        tenant_claim: "tenant_id",
        roles_claim: "roles",
    };

    #[test]
    fn each_provider_has_its_issuer() {
        let issuer =
            |given: Given<'_>| Settings::of(&given).map(|s| s.issuer).map_err(|bad| bad.key);
        assert_eq!(
            issuer(Given { provider: "auth0", ..GIVEN }),
            Ok("https://auth.example.com/".to_owned())
        );
        assert_eq!(
            issuer(Given { realm: "loja", ..GIVEN }),
            Ok("https://auth.example.com/realms/loja".to_owned())
        );
        assert_eq!(
            issuer(Given { provider: "generic", issuer: "https://id.example.com/x", ..GIVEN }),
            Ok("https://id.example.com/x".to_owned())
        );
        assert_eq!(issuer(GIVEN), Err("oidc.realm"));
        assert_eq!(issuer(Given { provider: "generic", ..GIVEN }), Err("oidc.issuer"));
        assert_eq!(
            issuer(Given { provider: "generic", issuer: "http://id.example.com", ..GIVEN }),
            Err("oidc.issuer")
        );
        assert_eq!(issuer(Given { provider: "auth0", domain: "", ..GIVEN }), Err("oidc.domain"));
        assert_eq!(
            issuer(Given { provider: "auth0", client_secret: "", ..GIVEN }),
            Err("oidc.client_secret")
        );
        assert_eq!(issuer(Given { provider: "okta", ..GIVEN }), Err("oidc.provider"));
    }
}
