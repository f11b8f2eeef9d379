//! How long the addresses of a name may be used.
//!
//! Addresses come from the system's resolver, which knows the hosts file and whatever else this machine is told to ask.
//! It does not say for how long they hold; DNS does, and is asked for that beside it.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RecordType;

/// Without an answer of DNS, and at most: what the hosts file says may change at any time.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);
/// However short-lived an answer is, or where there is none, a name is not asked for with every connection.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);

/// The time to live of a name's addresses, as this machine's DNS servers say it.
pub(crate) async fn of(name: &str) -> Duration {
    match resolver() {
        Ok(resolver) => told(&resolver, name).await,
        Err(_) => LONGEST,
    }
}

/// Made anew for each question: this machine's servers may be others by now.
fn resolver() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    options.timeout = Duration::from_secs(2);
    options.attempts = 1;
    builder.build()
}

async fn told(resolver: &TokioResolver, name: &str) -> Duration {
    let mut shortest = LONGEST;
    for kind in [RecordType::A, RecordType::AAAA] {
        if let Ok(found) = resolver.lookup(name, kind).await {
            // A chain of names lives as long as its shortest part.
            let seconds = found.answers().iter().map(|record| record.ttl).min();
            shortest = seconds.map_or(shortest, |s| shortest.min(Duration::from_secs(s.into())));
        }
    }
    shortest.max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    use super::*;

    /// Answers questions for A records with this time to live, and all others with nothing; its port.
    async fn server(ttl: Option<u32>) -> u16 {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                // The name ends with an empty label; its type and class follow.
                let end = 12 + question[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
                let ttl = ttl.filter(|_| question[end - 3] == 1);
                let mut answer = question[..end].to_vec();
                answer[2..4].copy_from_slice(&[0x81, 0x80]);
                answer[6..12].copy_from_slice(&[0, u8::from(ttl.is_some()), 0, 0, 0, 0]);
                if let Some(ttl) = ttl {
                    answer.extend([0xc0, 12, 0, 1, 0, 1]);
                    answer.extend(ttl.to_be_bytes());
                    answer.extend([0, 4, 127, 0, 0, 1]);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        port
    }

    fn asks(port: u16) -> TokioResolver {
        let mut server = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
        server.connections[0].port = port;
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.build().unwrap()
    }

    #[tokio::test]
    async fn an_address_is_used_as_long_as_dns_says_within_bounds() {
        let seconds = Duration::from_secs;
        for (ttl, wanted) in
            [(Some(0), SHORTEST), (Some(3), seconds(3)), (Some(3600), LONGEST), (None, LONGEST)]
        {
            let resolver = asks(server(ttl).await);
            assert_eq!(told(&resolver, "pods.example.com.").await, wanted, "{ttl:?}");
        }
    }
}
