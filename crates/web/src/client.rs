//! Who is at the other end of a connection, behind proxies that are trusted.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Proxies whose `X-Forwarded-For` is believed. Nobody else's is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<Vec<Network>>);

/// The text is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address or network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl FromStr for TrustedProxies {
    type Err = NotANetwork;

    /// Reads networks divided by commas or blanks.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        let networks = parts.map(|part| {
            let bad = || NotANetwork(part.to_owned());
            let (address, prefix) =
                part.split_once('/').map_or((part, None), |(a, p)| (a, Some(p)));
            let address: IpAddr = address.parse().map_err(|_| bad())?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Ok(most), |p| p.parse().map_err(|_| bad()))?;
            if prefix > most { Err(bad()) } else { Ok(Network { address, prefix }) }
        });
        Ok(Self(Arc::new(networks.collect::<Result<_, _>>()?)))
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        if self.address.is_ipv4() != address.is_ipv4() {
            return false;
        }
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        bits(self.address) & mask == bits(address) & mask
    }
}

impl TrustedProxies {
    /// The same, and these networks: texts of our own.
    #[must_use]
    pub fn and(&self, networks: &[IpAddr]) -> Self {
        let own = networks.iter().map(|address| Network {
            address: *address,
            prefix: match (address.is_loopback(), address) {
                (true, IpAddr::V4(_)) => 8,
                (_, IpAddr::V4(_)) => 32,
                (_, IpAddr::V6(_)) => 128,
            },
        });
        Self(Arc::new(self.0.iter().copied().chain(own).collect()))
    }

    /// Whether a call comes from this machine, and for nobody else. Where one came over no socket, it does.
    pub fn is_local(&self, headers: &HeaderMap, extensions: &Extensions) -> bool {
        let Some(client) = self.client(headers, extensions) else { return true };
        // A proxy in front that is not known as one calls from here, for anybody.
        let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];
        client.is_loopback() && !forwarded.iter().any(|name| headers.contains_key(*name))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The caller's address: the connection's own, or what trusted proxies say, read from the
    /// nearest on. `None` when the request came over no socket.
    pub fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let mut nearest = peer.ip().to_canonical();
        let said: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in said.iter().rev() {
            if !self.trusts(nearest) {
                break;
            }
            // Behind something unreadable nobody is known: the proxy itself is counted.
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            nearest = address.to_canonical();
        }
        Some(nearest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client(&headers, &extensions).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("", "1.2.3.4", &["9.9.9.9"]), "1.2.3.4");
        assert_eq!(client("10.0.0.0/8", "1.2.3.4", &["9.9.9.9"]), "1.2.3.4");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["9.9.9.9"]), "9.9.9.9");
        assert_eq!(client("10.0.0.0/8", "::ffff:10.1.2.3", &["9.9.9.9"]), "9.9.9.9");
        assert_eq!(client("", "127.0.0.1", &["9.9.9.9"]), "127.0.0.1");
        let with: TrustedProxies = "".parse().unwrap();
        let with = with.and(&[[127, 0, 0, 1].into()]);
        assert_eq!(with, "127.0.0.1/8".parse().unwrap());
        // What a stranger wrote in front stays in front.
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["8.8.8.8, 9.9.9.9"]), "9.9.9.9");
        assert_eq!(client("10.0.0.0/8, 9.9.9.9", "10.1.2.3", &["8.8.8.8", "9.9.9.9"]), "8.8.8.8");
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["no address"]), "10.1.2.3");
        assert_eq!(client("2001:db8::/32", "2001:db8::1", &["2001:db9::1"]), "2001:db9::1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["10.0.0.0/33", "ten", "10.0.0.0/x", "::/129"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
        assert!("0.0.0.0/0 ::/0".parse::<TrustedProxies>().is_ok());
    }
}
