//! TLS towards clients: which certificate a name gets, and who must show one of their own.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::config::{self, Fault};

/// The certificates of a table, each with the way its hosts are served.
#[derive(Default)]
pub(crate) struct Certificates {
    exact: HashMap<String, Arc<Served>>,
    /// By what follows the star.
    wild: HashMap<String, Arc<Served>>,
    /// For clients that name no host, or an unknown one.
    first: Option<Arc<Served>>,
}

/// How the hosts of one certificate are served.
pub(crate) struct Served {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) names: Vec<String>,
    /// Seconds since 1970 at which it ends, when that can be told.
    pub(crate) not_after: Option<i64>,
    pub(crate) client_ca: Option<std::path::PathBuf>,
}

impl Served {
    /// Whether a connection made under the other may carry requests for this one.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.names == other.names && self.client_ca == other.client_ca
    }
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl Certificates {
    pub(crate) fn load(tls: &config::Tls) -> Result<Self, Vec<Fault>> {
        let mut all = Self::default();
        let mut faults = Vec::new();
        for certificate in &tls.certificates {
            match load(certificate) {
                Ok(served) => all.add(Arc::new(served)),
                Err(reason) => faults.push(Fault {
                    line: certificate.line,
                    path: "global.tls.certificates".to_owned(),
                    reason,
                }),
            }
        }
        if faults.is_empty() { Ok(all) } else { Err(faults) }
    }

    fn add(&mut self, served: Arc<Served>) {
        self.first.get_or_insert_with(|| served.clone());
        for name in &served.names {
            match name.strip_prefix("*.") {
                Some(rest) => self.wild.insert(rest.to_owned(), served.clone()),
                None => self.exact.insert(name.clone(), served.clone()),
            };
        }
    }

    /// How a name is served. Browsers let a star stand for one label; here it covers any depth, as it does in
    /// routes, so that what a certificate asks of clients holds for every host that such a route serves.
    pub(crate) fn of(&self, name: &str) -> Option<&Arc<Served>> {
        let wild = || name.match_indices('.').find_map(|(dot, _)| self.wild.get(&name[dot + 1..]));
        self.exact.get(name).or_else(wild)
    }

    pub(crate) fn first(&self) -> Option<&Arc<Served>> {
        self.first.as_ref()
    }

    pub(crate) fn all(&self) -> Vec<&Arc<Served>> {
        let mut all: Vec<&Arc<Served>> = self.exact.values().chain(self.wild.values()).collect();
        all.sort_by(|a, b| a.names.cmp(&b.names));
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        all
    }
}

fn load(certificate: &config::Certificate) -> Result<Served, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate.cert)
        .and_then(Iterator::collect)
        .map_err(|cause| format!("cert cannot be read: {cause}"))?;
    let Some(leaf) = chain.first() else {
        return Err("cert holds no certificate".to_owned());
    };
    let (names, not_after) = crate::x509::facts(leaf);
    let names = if certificate.hosts.is_empty() { names } else { certificate.hosts.clone() };
    if names.is_empty() {
        return Err("names no host; write hosts beside it".to_owned());
    }
    let key = PrivateKeyDer::from_pem_file(&certificate.key)
        .map_err(|cause| format!("key cannot be read: {cause}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certified = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|cause| format!("cert and key do not belong together: {cause}"))?;
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?;
    let builder = match &certificate.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            let authorities = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|cause| format!("client_ca cannot be read: {cause}"))?;
            for authority in authorities {
                roots.add(authority).map_err(|cause| format!("client_ca: {cause}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|cause| format!("client_ca: {cause}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Fixed(Arc::new(certified))));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|cause| cause.to_string())?;
    // One is what a client needs to come back; more are made and sent for nothing.
    config.send_tls13_tickets = 1;
    Ok(Served {
        config: Arc::new(config),
        names,
        not_after,
        client_ca: certificate.client_ca.clone(),
    })
}
