//! TLS towards clients: which certificate a name gets, and who must show one of their own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use crate::config::{self, Fault};

/// Certificates that the program got for hosts of this gateway, and what answers whoever looks whether they are ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Certified {
    pub certificates: Vec<Arc<HostedCertificate>>,
    /// Of the account's key: an HTTP-01 challenge is answered with its token and this.
    pub thumbprint: Option<String>,
    /// What is shown to whoever asks for `acme-tls/1`.
    pub challenges: Vec<HostedChallenge>,
}

/// A certificate with its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct HostedCertificate {
    pub host: String,
    pub chain: String,
    pub key: String,
}

impl std::fmt::Debug for HostedCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostedCertificate({})", self.host)
    }
}

/// A certificate of a TLS-ALPN-01 challenge with its key, DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedChallenge {
    pub host: String,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

/// How ACME's authorities ask for a challenge's certificate (RFC 8737).
pub(crate) const ACME_ALPN: &[u8] = b"acme-tls/1";

/// The certificates of a table, each with the way its hosts are served.
#[derive(Default)]
pub(crate) struct Certificates {
    exact: HashMap<String, Arc<Served>>,
    /// By what follows the star.
    wild: HashMap<String, Arc<Served>>,
    /// For clients that name no host, or an unknown one.
    first: Option<Arc<Served>>,
    /// Those of the file, by a hash of what their files hold.
    files: HashMap<[u8; 32], Arc<Served>>,
    /// Those that the program got, by host, each with what it was made from.
    hosted: HashMap<String, (Arc<HostedCertificate>, Arc<Served>)>,
    challenges: HashMap<String, Arc<rustls::ServerConfig>>,
    thumbprint: Option<String>,
    /// Whose clients must show a certificate, also before the host has one of its own.
    authorities: Vec<(Vec<String>, PathBuf)>,
    /// Hosts without a certificate are to get one.
    auto: bool,
}

/// How the hosts of one certificate are served.
pub(crate) struct Served {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) names: Vec<String>,
    /// Seconds since 1970 at which it ends, when that can be told.
    pub(crate) not_after: Option<i64>,
    pub(crate) client_ca: Option<PathBuf>,
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
    /// What is the same as in `before` is not made anew.
    pub(crate) fn load(
        tls: &config::Tls,
        certified: &Certified,
        before: Option<&Self>,
    ) -> Result<Self, Vec<Fault>> {
        let mut all = Self {
            authorities: tls.client_authorities.clone(),
            auto: tls.auto.is_some(),
            ..Self::default()
        };
        let mut faults = Vec::new();
        for certificate in &tls.certificates {
            match load(certificate, before) {
                Ok((mark, served)) => {
                    all.files.insert(mark, served.clone());
                    all.add(served);
                }
                Err(reason) => faults.push(Fault {
                    line: certificate.line,
                    path: "global.tls.certificates".to_owned(),
                    reason,
                }),
            }
        }
        if all.auto {
            all.take_in(certified, before);
        }
        if faults.is_empty() { Ok(all) } else { Err(faults) }
    }

    fn take_in(&mut self, certified: &Certified, before: Option<&Self>) {
        self.thumbprint.clone_from(&certified.thumbprint);
        // Another authority for clients is another way to serve.
        let before = before.filter(|before| before.authorities == self.authorities);
        for certificate in &certified.certificates {
            let host = &certificate.host;
            // What the operator gave has the last word.
            if self.exact.contains_key(host) {
                continue;
            }
            let known = before.and_then(|before| before.hosted.get(host));
            let served = match known.filter(|(from, _)| from == certificate) {
                Some((_, served)) => served.clone(),
                None => match self.hosted_one(certificate) {
                    Ok(served) => Arc::new(served),
                    Err(reason) => {
                        tracing::warn!(event = "gateway_certificate_unusable", host, reason);
                        continue;
                    }
                },
            };
            self.hosted.insert(host.clone(), (certificate.clone(), served.clone()));
            self.add(served);
        }
        for challenge in &certified.challenges {
            let host = &challenge.host;
            match challenged(challenge) {
                Ok(config) => {
                    self.challenges.insert(host.clone(), Arc::new(config));
                }
                Err(reason) => {
                    tracing::warn!(event = "gateway_certificate_unusable", host, reason);
                }
            }
        }
    }

    fn hosted_one(&self, certificate: &HostedCertificate) -> Result<Served, String> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate.chain.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|cause| format!("the chain cannot be read: {cause}"))?;
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())
            .map_err(|cause| format!("the key cannot be read: {cause}"))?;
        let names = vec![certificate.host.clone()];
        served(chain, key, names, self.authority(&certificate.host).cloned(), None)
    }

    /// The authority that clients of a host that gets its certificate by itself must have theirs from.
    fn authority(&self, host: &str) -> Option<&PathBuf> {
        let of = |(hosts, _): &&(Vec<String>, PathBuf)| {
            hosts.is_empty() || hosts.iter().any(|known| known == host)
        };
        self.authorities.iter().find(of).map(|(_, path)| path)
    }

    /// Whether a host's clients must show a certificate though it has none of its own yet.
    pub(crate) fn guards(&self, host: &str) -> bool {
        self.auto && self.authority(host).is_some()
    }

    /// Whether a host that is served here is to get a certificate, and has none.
    pub(crate) fn lacks(&self, host: &str) -> bool {
        self.auto && self.of(host).is_none()
    }

    /// Whether a host's certificate is, or would be, one that the program gets.
    pub(crate) fn is_automatic(&self, host: &str) -> bool {
        self.auto && (self.hosted.contains_key(host) || self.of(host).is_none())
    }

    /// What answers an HTTP-01 challenge.
    pub(crate) fn thumbprint(&self) -> Option<&str> {
        self.thumbprint.as_deref()
    }

    pub(crate) fn challenge(&self, host: &str) -> Option<&Arc<rustls::ServerConfig>> {
        self.challenges.get(host)
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

/// A certificate of the file; the one that serves already, with its tickets, when its files hold the same.
fn load(
    certificate: &config::Certificate,
    before: Option<&Certificates>,
) -> Result<([u8; 32], Arc<Served>), String> {
    let read = |what: &str, path: &PathBuf| {
        std::fs::read(path).map_err(|cause| format!("{what} cannot be read: {cause}"))
    };
    let chain = read("cert", &certificate.cert)?;
    let key = read("key", &certificate.key)?;
    let ocsp = certificate.ocsp.as_ref().map(|path| read("ocsp", path)).transpose()?;
    let authority =
        certificate.client_ca.as_ref().map(|path| read("client_ca", path)).transpose()?;
    let mut mark = Sha256::new();
    for part in [Some(&chain), Some(&key), ocsp.as_ref(), authority.as_ref()] {
        mark.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        mark.update(part.map_or(&[][..], Vec::as_slice));
    }
    mark.update(format!("{:?}{:?}", certificate.hosts, certificate.client_ca));
    let mark: [u8; 32] = mark.finalize().into();
    if let Some(served) = before.and_then(|before| before.files.get(&mark)) {
        return Ok((mark, served.clone()));
    }
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|cause| format!("cert cannot be read: {cause}"))?;
    let Some(leaf) = chain.first() else {
        return Err("cert holds no certificate".to_owned());
    };
    let (names, _) = crate::x509::facts(leaf);
    let names = if certificate.hosts.is_empty() { names } else { certificate.hosts.clone() };
    if names.is_empty() {
        return Err("names no host; write hosts beside it".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|cause| format!("key cannot be read: {cause}"))?;
    let served = served(chain, key, names, certificate.client_ca.clone(), ocsp)?;
    Ok((mark, Arc::new(served)))
}

fn served(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    names: Vec<String>,
    client_ca: Option<PathBuf>,
    ocsp: Option<Vec<u8>>,
) -> Result<Served, String> {
    let not_after = chain.first().and_then(|leaf| crate::x509::facts(leaf).1);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut certified = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|cause| format!("cert and key do not belong together: {cause}"))?;
    certified.ocsp = ocsp;
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?;
    let builder = match &client_ca {
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
    Ok(Served { config: Arc::new(config), names, not_after, client_ca })
}

fn challenged(challenge: &HostedChallenge) -> Result<rustls::ServerConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from(challenge.certificate.clone())];
    let key = PrivateKeyDer::Pkcs8(challenge.key.clone().into());
    let key = provider.key_provider.load_private_key(key).map_err(|cause| cause.to_string())?;
    // Not by `from_der`: that reads the certificate and does not know the extension that is its point.
    let certified = Arc::new(CertifiedKey::new(chain, key));
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Fixed(certified)));
    config.alpn_protocols = vec![ACME_ALPN.to_vec()];
    Ok(config)
}
