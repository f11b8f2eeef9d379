//! The programs that are measured, each in processes of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A process that ends when this is dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An installation of Portaria.
pub(crate) struct Installation {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database_url: Option<String>,
}

impl Installation {
    pub(crate) fn new(database_url: Option<String>) -> anyhow::Result<Self> {
        // Beside the build output: /tmp may be in memory, and then nothing would be durable.
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(program()?.parent().context("a folder")?)?;
        Ok(Self { folder, database_url })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(program()?);
        command
            .args(arguments)
            .arg("--data")
            .arg(self.folder.path())
            .current_dir(self.folder.path())
            .env("PORTARIA_ALLOW_PRIVATE_UPSTREAMS", "1")
            // A few thousand senders stand for very many.
            .env("PORTARIA_WEBHOOK_SENDER_MESSAGES", "1000000")
            .env("PORTARIA_LOG", "error");
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        Ok(command)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let out = self.command(arguments)?.output()?;
        if !out.status.success() {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(())
    }

    pub(crate) fn serve(&self, address: &str) -> anyhow::Result<Running> {
        let mut child = self
            .command(&["serve", "--listen", address])?
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        if !line.starts_with("portaria listens") {
            bail!("the server did not start");
        }
        Ok(Running(child))
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.parent().context("a folder")?.join("portaria"))
}

fn wait(port: u16) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            std::thread::sleep(Duration::from_millis(300));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nothing listens on {port}")
}

/// The stack that the Secretária Virtual guide deploys: Flask under gunicorn with four workers,
/// Redis, and RQ. Same signature check, same enqueue.
pub(crate) struct SeedStack {
    pub(crate) address: String,
    _web: Running,
    redis_url: String,
    environment: PathBuf,
    folder: PathBuf,
}

impl SeedStack {
    pub(crate) fn start(
        environment: &Path,
        folder: &Path,
        redis_url: &str,
        database_url: &str,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let web = Command::new(environment.join("bin/gunicorn"))
            .args(["-w", "4", "-b", &address, "--log-level", "critical", "app:app"])
            .current_dir(folder)
            .env("REDIS_URL", redis_url)
            .env("SEED_DATABASE_URL", database_url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("gunicorn")?;
        let web = Running(web);
        wait(port)?;
        Ok(Self {
            address,
            _web: web,
            redis_url: redis_url.to_owned(),
            environment: environment.to_owned(),
            folder: folder.to_owned(),
        })
    }

    /// Works off so many jobs; returns jobs per second.
    pub(crate) fn work(&self, jobs: usize, send_url: &str) -> anyhow::Result<f64> {
        let started = Instant::now();
        let done = Command::new(self.environment.join("bin/rq"))
            .args([
                "worker",
                "--url",
                &self.redis_url,
                "--burst",
                "--quiet",
                "--max-jobs",
                &jobs.to_string(),
                "default:company_1",
            ])
            .current_dir(&self.folder)
            .env("REDIS_URL", &self.redis_url)
            .env("SEND_URL", send_url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("rq worker")?;
        if !done.success() {
            bail!("rq worker failed");
        }
        Ok(jobs as f64 / started.elapsed().as_secs_f64())
    }
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(id: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kib * 1024)
}
