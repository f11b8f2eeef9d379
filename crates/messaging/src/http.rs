//! The HTTP client for providers: time-outs, no redirects, no private addresses.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kernel::Clock;
use kernel::net::{is_global, is_local_name};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::attachment::{Attachment, Coming, NotTaken};
use crate::{Next, ProviderClocks, SendError};

/// Why an address of a provider is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("`{0}` is no http or https address")]
    NotHttp(String),
    #[error("`{0}` holds a user name or password; pass keys as keys")]
    Credentials(String),
    #[error(
        "`{0}` is on this machine or a private network; set PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1 if \
         that is where your provider runs"
    )]
    Private(String),
}

/// Whether providers may be on loopback or private networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Private {
    Allowed,
    Refused,
}

/// Makes clients, and checks addresses before anything is sent to them.
#[derive(Clone)]
pub struct Outbound {
    private: Private,
    client: reqwest::Client,
    /// What the clocks of those who answer show.
    pub(crate) clocks: ProviderClocks,
    /// How long a provider may take to answer a call.
    pub(crate) answer_within: Duration,
    /// Bytes of a file that is passed on, at most, and where it lies meanwhile.
    file_limit: u64,
    folder: PathBuf,
}

impl Outbound {
    /// # Errors
    /// When the TLS set-up of this machine is unusable.
    pub fn new(private: Private) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("portaria/", env!("CARGO_PKG_VERSION")));
        if private == Private::Refused {
            // Checked when the name is resolved, so that a name cannot change its mind in between.
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Self {
            private,
            client: builder.build()?,
            clocks: ProviderClocks::new(Clock::System),
            answer_within: ANSWER_WITHIN,
            file_limit: FILE_LIMIT,
            folder: std::env::temp_dir(),
        })
    }

    /// The same, with what the clocks of those who answer are compared with.
    #[must_use]
    pub fn clocks(self, clocks: ProviderClocks) -> Self {
        Self { clocks, ..self }
    }

    /// The same with another patience for providers of messages.
    #[must_use]
    pub fn answer_within(self, answer_within: Duration) -> Self {
        Self { answer_within, ..self }
    }

    /// The same with another bound for files that are passed on, and another folder for them.
    #[must_use]
    pub fn files(self, limit: usize, folder: PathBuf) -> Self {
        Self { file_limit: limit as u64, folder, ..self }
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Checks a provider's base address and returns it without a trailing slash.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn check(&self, address: &str) -> Result<String, BadAddress> {
        let shown = address.split('@').next_back().unwrap_or_default().to_owned();
        let url = Url::parse(address).map_err(|_| BadAddress::NotHttp(shown.clone()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadAddress::NotHttp(shown));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Credentials(shown));
        }
        let public = match url.host() {
            Some(Host::Ipv4(ip)) => is_global(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => is_global(IpAddr::V6(ip)),
            // What a name leads to is looked at when it is resolved, at each connection.
            Some(Host::Domain(name)) => !is_local_name(name),
            None => return Err(BadAddress::NotHttp(shown)),
        };
        if self.private == Private::Refused && !public {
            return Err(BadAddress::Private(shown));
        }
        Ok(address.trim_end_matches('/').to_owned())
    }
}

/// How long a provider may take to answer, if nothing else is said.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of a provider's answer, at most.
pub(crate) const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// Reads an answer as JSON, up to a bound: a tenant chooses its providers, and one that never stops
/// sending must not fill the memory. `None` when it is no JSON, too long, or broke off.
pub async fn read_json(response: reqwest::Response) -> Option<serde_json::Value> {
    crate::json::read(&read_bytes(response, ANSWER_LIMIT).await?)
}

/// Why a call to a provider has no answer, told apart by whether anything may have left: only a
/// failed connect is surely nothing.
pub(crate) fn not_answered(error: &reqwest::Error) -> crate::SendError {
    // The text of the error may hold the address; its kind is enough.
    if error.is_connect() || error.is_builder() {
        crate::SendError::Unreachable(unconnected(error).to_owned())
    } else if error.is_timeout() {
        crate::SendError::OutcomeUnknown("no answer in time".to_owned())
    } else {
        crate::SendError::OutcomeUnknown("the connection broke".to_owned())
    }
}

/// Why no connection came about.
fn unconnected(error: &reqwest::Error) -> &'static str {
    use rustls::{CertificateError as Bad, Error as Tls};
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut found = if error.is_timeout() { "no connection in time" } else { "connection failed" };
    while let Some(at) = cause {
        if at.downcast_ref::<BadAddress>().is_some() {
            return "its name leads into a private network, which PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1 allows";
        }
        if let Some(tls) = at.downcast_ref::<Tls>() {
            return match tls {
                Tls::InvalidCertificate(Bad::UnknownIssuer) => {
                    "TLS: the certificate is signed by no authority that is trusted here"
                }
                Tls::InvalidCertificate(
                    Bad::NotValidForName | Bad::NotValidForNameContext { .. },
                ) => "TLS: the certificate is for another name",
                Tls::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
                    "TLS: the certificate has expired"
                }
                Tls::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
                    "TLS: the certificate is not valid yet; see the clocks"
                }
                Tls::InvalidCertificate(_) => "TLS: the certificate is not acceptable",
                Tls::InvalidMessage(_) => "TLS: what answers there speaks no TLS",
                _ => "TLS: the handshake failed",
            };
        }
        if let Some(io) = at.downcast_ref::<std::io::Error>() {
            found = match io.kind() {
                std::io::ErrorKind::ConnectionRefused => "nothing listens at its address",
                std::io::ErrorKind::TimedOut => "no connection in time",
                std::io::ErrorKind::UnexpectedEof => "TLS: it hung up during the handshake",
                _ => found,
            };
        }
        if at.to_string().starts_with("dns error") {
            found = "its name leads to no address";
        }
        // An I/O error passes over what it was made of when it is asked for its source.
        let inner = at.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => at.source(),
        };
    }
    found
}

/// Why an answer is none of the provider's: the address leads elsewhere, or a proxy answers in its place. Nothing was sent.
pub(crate) fn astray(response: &reqwest::Response) -> Option<SendError> {
    let status = response.status();
    let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let (code, reason) = if status.is_redirection() {
        let to = field("location").and_then(|to| Url::parse(to).ok());
        let to = to
            .as_ref()
            .and_then(Url::host_str)
            .map_or(String::new(), |host| format!(" para {host}"));
        let said = format!(
            "o endereço do canal redireciona{to} (HTTP {}); corrija o endereço",
            status.as_u16()
        );
        ("redirected", said)
    } else if status.is_client_error()
        && field("content-type").is_some_and(|kind| kind.starts_with("text/html"))
    {
        let said = format!(
            "no endereço do canal respondeu uma página, não o servidor (HTTP {}); confira o endereço e o proxy na frente",
            status.as_u16()
        );
        ("not_the_provider", said)
    } else {
        return None;
    };
    Some(SendError::Refused { code: code.to_owned(), reason, next: Next::Reconnect })
}

/// How long a provider asks to wait, up to an hour.
pub(crate) fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let value = response.headers().get("retry-after")?;
    let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// Checks a base address and appends a path to it, segment by segment.
pub(crate) fn address(
    outbound: &Outbound,
    base_url: &str,
    segments: &[&str],
) -> Result<Url, crate::SendError> {
    let refuse = |reason: String| crate::SendError::Refused {
        code: "address".to_owned(),
        reason,
        next: crate::Next::Reconnect,
    };
    let base = outbound.check(base_url).map_err(|bad| match bad {
        // Our own setting forbids it, today: no word of the provider's, and nothing is lost by waiting.
        BadAddress::Private(_) => crate::SendError::Unreachable(
            "its address is on this machine or in a private network, which \
             PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1 allows"
                .to_owned(),
        ),
        other => refuse(other.to_string()),
    })?;
    let mut url = Url::parse(&base).map_err(|bad| refuse(bad.to_string()))?;
    url.path_segments_mut()
        .map_err(|()| refuse("the base address cannot have a path".to_owned()))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

/// Reads a body up to `limit` bytes; `None` when it is longer or broke off.
pub(crate) async fn read_bytes(mut response: reqwest::Response, limit: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if bytes.len() + chunk.len() > limit {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes)
}

struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|addr| is_global(addr.ip())).collect();
            if public.is_empty() {
                return Err(BadAddress::Private(name.as_str().to_owned()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Bytes of a file that is passed on, if nothing else is said.
const FILE_LIMIT: u64 = 100 * 1024 * 1024;

/// The file at an address that a caller named.
///
/// # Errors
/// When the address may not be called, or does not give the file.
pub(crate) async fn download(outbound: &Outbound, link: &str) -> Result<Attachment, SendError> {
    let refused = |reason: &str| SendError::Refused {
        code: "link".to_owned(),
        reason: reason.to_owned(),
        next: Next::Message,
    };
    let url = outbound.check(link).map_err(|bad| refused(&bad.to_string()))?;
    let request = outbound.client().get(url).timeout(outbound.answer_within);
    let mut response = request
        .send()
        .await
        .map_err(|_| SendError::Unreachable("the file's address".to_owned()))?;
    if !response.status().is_success() {
        return Err(refused("the file's address answers with an error"));
    }
    let limit = outbound.file_limit;
    let too_large =
        || refused(&format!("the file is over the limit of {limit} bytes (media.limit)"));
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // It lies on the disk: the sizes that a stranger chooses must not fill the memory.
    let disk = || SendError::Unreachable("the disk took no file".to_owned());
    let mut coming = Coming::new(&outbound.folder, limit).map_err(|_| disk())?;
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => match coming.take(&piece) {
                Ok(()) => {}
                Err(NotTaken::TooLarge) => return Err(too_large()),
                Err(NotTaken::Disk) => return Err(disk()),
            },
            Ok(None) => return Ok(coming.whole()),
            Err(_) => return Err(SendError::Unreachable("the file broke off".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        let _ = rustls_for_tests();
        let outbound = Outbound::new(Private::Refused).unwrap();
        for address in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]/",
            "http://10.0.0.5",
            "http://192.168.1.1",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:127.0.0.1]",
            "http://0.0.0.0",
            "http://[64:ff9b::a00:5]/",
            "http://[2002:a00:5::1]/",
            "http://198.18.0.1",
            "http://redis:6379",
            "http://metadata.google.internal",
            "http://2130706433/",
        ] {
            assert!(matches!(outbound.check(address), Err(BadAddress::Private(_))), "{address}");
        }
        assert!(outbound.check("ftp://example.com").is_err());
        assert!(outbound.check("https://user:pw@example.com").is_err());
        assert_eq!(outbound.check("https://example.com/").unwrap(), "https://example.com");
        let open = Outbound::new(Private::Allowed).unwrap();
        assert!(open.check("http://127.0.0.1:8080").is_ok());
    }

    fn rustls_for_tests() -> Result<(), Arc<rustls::crypto::CryptoProvider>> {
        rustls::crypto::ring::default_provider().install_default()
    }
}
