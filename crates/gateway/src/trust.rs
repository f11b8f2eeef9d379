//! Who may speak for others: networks, and the client's address behind trusted proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of networks.
#[derive(Debug, Clone, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// An address or a network.
    pub(crate) fn one(text: &str) -> Option<IpNet> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// IPv4 stays IPv4, also when it came over a socket of both families.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The client's address: the peer, or, if the peer is trusted, the last address of `X-Forwarded-For` that is
/// not a trusted proxy itself.
pub(crate) fn client(peer: IpAddr, trusted: &Networks, headers: &http::HeaderMap) -> IpAddr {
    let peer = plain(peer);
    if trusted.is_empty() || !trusted.contains(peer) {
        return peer;
    }
    let mut client = peer;
    let fields = headers.get_all("x-forwarded-for");
    let lists: Vec<&str> = fields.iter().filter_map(|value| value.to_str().ok()).collect();
    for text in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
        // Something unreadable ends the chain that can be believed.
        let Some(address) = parse(text.trim()) else { break };
        client = plain(address);
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

fn parse(text: &str) -> Option<IpAddr> {
    let bare =
        text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(ip, _)| ip);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|both| both.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lists: &[&'static str]) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        for list in lists {
            headers.append("x-forwarded-for", http::HeaderValue::from_static(list));
        }
        headers
    }

    #[test]
    fn strangers_do_not_speak_for_others() {
        let trusted = Networks::new(vec![Networks::one("10.0.0.0/8").expect("network")]);
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        let forged = headers(&["9.9.9.9, 8.8.8.8"]);
        assert_eq!(client(ip("203.0.113.5"), &trusted, &forged), ip("203.0.113.5"));
        assert_eq!(client(ip("10.0.0.1"), &Networks::default(), &forged), ip("10.0.0.1"));
        assert_eq!(client(ip("10.0.0.1"), &trusted, &forged), ip("8.8.8.8"));
        assert_eq!(client(ip("::ffff:10.0.0.1"), &trusted, &forged), ip("8.8.8.8"));
        let chain = headers(&["9.9.9.9", "8.8.8.8, 10.1.1.1"]);
        assert_eq!(client(ip("10.0.0.1"), &trusted, &chain), ip("8.8.8.8"));
        let broken = headers(&["9.9.9.9, nonsense, 10.1.1.1"]);
        assert_eq!(client(ip("10.0.0.1"), &trusted, &broken), ip("10.1.1.1"));
        assert_eq!(client(ip("10.0.0.1"), &trusted, &headers(&[])), ip("10.0.0.1"));
    }
}
