//! A sign of life from the house's Redis.

use std::time::Duration;

use cluster::{Link, Settings};

/// Pings the server at a `redis://[user:password@]host:port` address.
pub(crate) async fn ping(address: &str) -> Result<(), String> {
    // One provider in the whole tree; a second installation only says that it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = Settings {
        servers: vec![address.to_owned()],
        username: None,
        password: None,
        db: 0,
        tls: false,
        master: None,
        is_cluster: false,
        prefix: String::new(),
        house: String::new(),
        patience: Duration::from_secs(1),
    };
    let attempt = async { Link::open(&settings).await?.ping().await };
    attempt.await.map_err(|error| error.to_string())
}
