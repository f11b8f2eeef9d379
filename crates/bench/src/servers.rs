//! The programs that are measured, each in processes of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// # Errors
/// When no port is free.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A process that ends when this is dropped.
pub struct Running(Child);

impl Running {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it ended by itself.
    pub fn ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }
}

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
pub struct Installation {
    program: PathBuf,
    pub folder: tempfile::TempDir,
    pub database_url: Option<String>,
}

impl Installation {
    /// Of the program beside this one.
    ///
    /// # Errors
    /// When there is no room for its folder.
    pub fn new(database_url: Option<String>) -> anyhow::Result<Self> {
        let here = std::env::current_exe()?;
        Self::of(here.parent().context("a folder")?.join("portaria"), database_url)
    }

    /// Of this program.
    ///
    /// # Errors
    /// When there is no room for its folder.
    pub fn of(program: PathBuf, database_url: Option<String>) -> anyhow::Result<Self> {
        // Beside the build output: /tmp may be in memory, and then nothing would be durable.
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(program.parent().context("a folder")?)?;
        Ok(Self { program, folder, database_url })
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
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
        command
    }

    /// What a command printed.
    ///
    /// # Errors
    /// When it cannot be run, or fails.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let out = self.command(arguments).output()?;
        if !out.status.success() {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(out.stdout)
    }

    /// Makes a business with an Evolution channel named like it.
    ///
    /// # Errors
    /// When a command fails.
    pub fn shop(&self, slug: &str, base_url: &str, token: &str) -> anyhow::Result<()> {
        self.run(&["tenant", "create", slug, "--name", slug])?;
        let add = ["channel", "add", "evolution", "--tenant", slug, "--instance", slug];
        let at = ["--base-url", base_url, "--api-key", "key", "--webhook-token", token];
        self.run(&[&add[..], &at[..]].concat())?;
        Ok(())
    }

    /// # Errors
    /// When the server does not say that it listens.
    pub fn serve(&self, address: &str) -> anyhow::Result<Running> {
        let mut child = self
            .command(&["serve", "--listen", address])
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
pub struct SeedStack {
    pub address: String,
    _web: Running,
    redis_url: String,
    environment: PathBuf,
    folder: PathBuf,
}

impl SeedStack {
    pub fn start(
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
    pub fn work(&self, jobs: usize, send_url: &str) -> anyhow::Result<f64> {
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
pub fn resident(id: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kib * 1024)
}
