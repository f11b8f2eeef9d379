//! A sign of life from Redis: the one thing asked of it on a single node.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Pings the server at a `redis://[user:password@]host:port` address.
pub(crate) async fn ping(address: &str) -> Result<(), String> {
    let attempt = tokio::time::timeout(Duration::from_secs(2), exchange(address));
    attempt.await.map_err(|_| "no answer in two seconds".to_owned())?
}

async fn exchange(address: &str) -> Result<(), String> {
    let url = url::Url::parse(address).map_err(|_| "redis.url is no address".to_owned())?;
    let host = url.host_str().unwrap_or("127.0.0.1");
    let port = url.port().unwrap_or(6379);
    let mut stream =
        TcpStream::connect((host, port)).await.map_err(|_| "connection failed".to_owned())?;
    let mut request = String::new();
    if let Some(password) = url.password() {
        let words: Vec<&str> =
            [url.username(), password].into_iter().filter(|w| !w.is_empty()).collect();
        request.push_str(&format!("*{}\r\n$4\r\nAUTH\r\n", words.len() + 1));
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
    }
    request.push_str("*1\r\n$4\r\nPING\r\n");
    let broken = |_| "the connection broke".to_owned();
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = String::new();
    let mut buffer = [0u8; 256];
    while !answer.contains("PONG") {
        let count = stream.read(&mut buffer).await.map_err(broken)?;
        if count == 0 {
            return Err("closed the connection".to_owned());
        }
        answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if let Some(error) = answer.lines().find_map(|line| line.strip_prefix('-')) {
            return Err(error.split(' ').next().unwrap_or("error").to_owned());
        }
    }
    Ok(())
}
