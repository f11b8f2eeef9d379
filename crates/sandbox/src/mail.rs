//! A mail server: takes every letter and keeps it.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A mail server on loopback, without TLS or sign-in. It stops when this is dropped.
pub struct MailSandbox {
    address: SocketAddr,
    letters: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl MailSandbox {
    /// # Errors
    /// When no port is free.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let letters: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = letters.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that hangs up has said what it had to say.
                let kept = kept.clone();
                tokio::spawn(async move { session(stream, &kept).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, letters, task })
    }

    /// As `smtp.url` takes it.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What came so far: header and body, a line break after each line.
    pub fn letters(&self) -> Vec<String> {
        self.letters.lock().clone()
    }
}

impl Drop for MailSandbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn session(stream: TcpStream, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 mail.example.com ESMTP\r\n").await?;
    let mut letter: Option<String> = None;
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = match (&mut letter, line.split(' ').next().unwrap_or_default()) {
            (Some(_), ".") => {
                kept.lock().extend(letter.take());
                b"250 taken\r\n"
            }
            (Some(text), _) => {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            (None, "EHLO") => b"250-mail.example.com\r\n250 8BITMIME\r\n",
            (None, "DATA") => {
                letter = Some(String::new());
                b"354 go on\r\n"
            }
            (None, "QUIT") => b"221 bye\r\n",
            (None, _) => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}
