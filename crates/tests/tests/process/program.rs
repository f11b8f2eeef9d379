//! Starting and stopping the built program.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// The program that `cargo xtask test` built, beside this test's own binary.
pub(crate) fn path() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().unwrap().parent().unwrap().join("portaria");
    assert!(
        program.exists(),
        "{} is missing: run the tests with `cargo xtask test`",
        program.display()
    );
    program
}

/// Where a test's installation lives.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database_url: Option<String>,
}

impl Place {
    pub(crate) async fn new(on: testkit::On) -> Self {
        let database_url = match on {
            testkit::On::Sqlite => None,
            testkit::On::Postgres => Some(testkit::fresh_postgres().await),
        };
        Self { folder: tempfile::tempdir().unwrap(), database_url }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(path());
        command
            .args(arguments)
            .arg("--data")
            .arg(self.folder.path())
            .current_dir(self.folder.path())
            .env("PORTARIA_ALLOW_PRIVATE_UPSTREAMS", "1")
            .env("GATEWAY_TEST_TOKEN", "at-least-16-characters")
            .env("PORTARIA_QUEUE_LEASE_SECONDS", "2")
            .env("PORTARIA_QUEUE_BACKOFF_MS", "100");
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let out = self.command(arguments).arg("--json").output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// Starts `serve` and waits for its line.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(&[&["serve"], arguments].concat()))
    }
}

/// A running server. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) line: String,
}

impl Running {
    /// Starts a command that serves, and waits for its line.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("portaria "), "not ready: {line:?}");
        Self { child, line }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end by itself. Returns its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as an operator does. Returns its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
