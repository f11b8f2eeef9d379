//! Whether a host's name leads here, found out before the authority is asked: an order that must fail costs a host its
//! place in the authority's limits, and anybody can name this gateway's address for a host whose name leads elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer that are looked at.
const MOST: usize = 8 << 10;

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leads {
    Here,
    /// Nowhere, or where somebody else answers; in words.
    Elsewhere(String),
    /// It cannot be told from here: the authority may see more.
    Unknown,
}

/// Looks a host up and asks who answers for it.
pub(crate) async fn look(host: &str, port: u16, thumbprint: &str) -> Leads {
    let found = match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await {
        // Nobody gets this machine to talk to its own network by the name of a domain.
        Ok(Ok(found)) => found.filter(|at| kernel::net::is_global(at.ip())).collect::<Vec<_>>(),
        // A resolver that is away says as little as one that does not know.
        Ok(Err(_)) => return Leads::Elsewhere("its name has no address in DNS".to_owned()),
        Err(_) => return Leads::Unknown,
    };
    ask(&found, host, thumbprint).await
}

/// Asks the servers at these addresses for a proof that only this gateway can give.
async fn ask(addresses: &[SocketAddr], host: &str, thumbprint: &str) -> Leads {
    let token: String = (0..16).map(|_| format!("{:02x}", rand::random::<u8>())).collect();
    let mut leads = Leads::Unknown;
    for address in addresses {
        let answer = tokio::time::timeout(PATIENCE, answer(*address, host, &token)).await;
        let Ok(Ok(answer)) = answer else { continue };
        if answer.contains(&format!("{token}.{thumbprint}")) {
            return Leads::Here;
        }
        // An authority follows a redirect; where it leads cannot be told so simply.
        if answer.starts_with("HTTP/")
            && !answer.split(' ').nth(1).is_some_and(|status| status.starts_with('3'))
        {
            let ip = address.ip();
            leads =
                Leads::Elsewhere(format!("its name leads to {ip}, where another server answers"));
        }
    }
    leads
}

async fn answer(address: SocketAddr, host: &str, token: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: portaria\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut seen = Vec::new();
    stream.take(MOST as u64).read_to_end(&mut seen).await?;
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers a request for a token.
    async fn server(answer: fn(&str) -> String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).await.unwrap_or_default();
                let text = String::from_utf8_lossy(&piece[..count]).into_owned();
                let token = text.split(['/', ' ']).nth(4).unwrap_or_default().to_owned();
                let _ = stream.write_all(answer(&token).as_bytes()).await;
            }
        });
        at
    }

    #[tokio::test]
    async fn who_answers_with_the_proof_is_this_gateway_and_who_answers_otherwise_is_not() {
        let ours = server(|token| format!("HTTP/1.1 200 OK\r\n\r\n{token}.print")).await;
        let other = server(|_| "HTTP/1.1 404 Not Found\r\n\r\nno".to_owned()).await;
        let account = server(|token| format!("HTTP/1.1 200 OK\r\n\r\n{token}.another")).await;
        let moved =
            server(|_| "HTTP/1.1 301 Moved\r\nlocation: https://x/\r\n\r\n".to_owned()).await;
        let silent = server(|_| String::new()).await;
        let nobody = {
            let one = server(|_| String::new()).await;
            SocketAddr::new(one.ip(), 1)
        };
        let leads = async |addresses: &[SocketAddr]| ask(addresses, "a.example", "print").await;
        assert_eq!(leads(&[ours]).await, Leads::Here);
        assert_eq!(leads(&[nobody, ours]).await, Leads::Here);
        for elsewhere in [other, account] {
            assert!(
                matches!(leads(&[elsewhere]).await, Leads::Elsewhere(why) if why.contains("127.0.0.1"))
            );
        }
        for unknown in [moved, silent, nobody] {
            assert_eq!(leads(&[unknown]).await, Leads::Unknown);
        }
        assert_eq!(leads(&[]).await, Leads::Unknown);
    }
}
