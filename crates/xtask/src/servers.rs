//! Servers for the tests: temporary folders, free ports, stopped when dropped.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn wait_for(port: u16, what: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{what} did not answer on port {port} in 30 seconds")
}

fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("portaria-{name}-{}", std::process::id()));
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// A PostgreSQL server. Refuses to run as root, so root hands it to the user `postgres`.
pub(crate) struct Postgres {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Postgres {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        let folder = folder("postgres")?;
        let port = free_port()?;
        let root = is_root()?;
        if root {
            crate::run(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let data = folder.join("data");
        let as_user = |program: &Path| {
            if root {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(program);
                command
            } else {
                Command::new(program)
            }
        };
        let made = as_user(&programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status()
            .context("starting initdb")?;
        if !made.success() {
            bail!("initdb failed ({made})");
        }
        // A test database need not survive a power cut.
        let process = as_user(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "fsync=off", "-c", "max_connections=400", "-c", "log_min_messages=fatal"])
            .arg("-k")
            .arg(&folder)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting postgres")?;
        let server = Self { process, port, folder };
        wait_for(port, "PostgreSQL")?;
        // It listens a moment before it answers.
        std::thread::sleep(Duration::from_millis(500));
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: it ends its own children.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> anyhow::Result<bool> {
    let out = Command::new("id").arg("-u").output().context("asking for the user")?;
    Ok(out.stdout.trim_ascii() == b"0")
}

/// The newest PostgreSQL that Debian installed.
fn programs() -> anyhow::Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is not installed: apt-get install postgresql (make test does it)")?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("postgres").exists())
        .collect();
    found.sort();
    found
        .pop()
        .context("no PostgreSQL server under /usr/lib/postgresql: apt-get install postgresql")
}

/// A Redis server.
pub(crate) struct Redis {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Redis {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = folder("redis")?;
        let port = free_port()?;
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting redis-server: apt-get install redis-server (make test does it)")?;
        let server = Self { process, port, folder };
        wait_for(port, "Redis")?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
