//! Redis servers of a test's own: one, one with sentinels, a cluster.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::front::{free, until};

/// A server, or a sentinel. Killed when dropped.
pub(crate) struct Redis {
    process: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    has_password: bool,
}

impl Redis {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::on(free().port(), more)
    }

    pub(crate) fn on(port: u16, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(more)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server runs: apt-get install redis-server (make test does it)");
        let has_password = more.contains(&"--requirepass");
        let server = Self { process, port, folder, has_password };
        until("Redis listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    /// A sentinel that watches a master of this name.
    fn sentinel(master: &str, at: u16) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free().port());
        let conf = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {master} 127.0.0.1 {at} 2\nsentinel auth-pass {master} {PASSWORD}\nsentinel down-after-milliseconds {master} 1000\nsentinel failover-timeout {master} 5000\n"
        );
        std::fs::write(&conf, text).unwrap();
        let process = Command::new("redis-sentinel")
            .arg(&conf)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-sentinel runs: apt-get install redis-sentinel (make test does it)");
        let server = Self { process, port, folder, has_password: false };
        until("the sentinel listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks by the client program.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let out = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(if self.has_password { &["--no-auth-warning", "-a", PASSWORD][..] } else { &[] })
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// It stands still, and its connections stay open.
    pub(crate) fn hang(&self) {
        signal("-STOP", self.process.id());
    }

    pub(crate) fn go_on(&self) {
        signal("-CONT", self.process.id());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _: &Path = self.folder.path();
    }
}

pub(crate) fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Of the servers that sentinels watch; sentinels have none, as is usual.
const PASSWORD: &str = "of-the-servers-alone";

/// A master, a replica of it, and three sentinels.
pub(crate) fn watched() -> (Redis, Redis, Vec<Redis>) {
    let password = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
    let master = Redis::start(&password);
    let port = master.port.to_string();
    let follows = ["--replicaof", "127.0.0.1", &port];
    let replica = Redis::start(&[&password[..], &follows[..]].concat());
    until("the replica follows", || {
        replica.ask(&["INFO", "replication"]).contains("master_link_status:up")
    });
    let sentinels: Vec<_> = (0..3).map(|_| Redis::sentinel("portaria", master.port)).collect();
    until("the sentinels know each other and the replica", || {
        sentinels.iter().all(|one| {
            let known = one.ask(&["SENTINEL", "MASTER", "portaria"]);
            let number = |name: &str| {
                let mut lines = known.lines();
                lines.find(|line| *line == name)?;
                lines.next()?.parse::<u32>().ok()
            };
            number("num-other-sentinels") == Some(2) && number("num-slaves") == Some(1)
        })
    });
    (master, replica, sentinels)
}

/// A cluster of three masters, each with a replica.
pub(crate) fn cluster() -> Vec<Redis> {
    // A server of a cluster also listens 10,000 ports higher.
    let port = || loop {
        let port = free().port();
        if port < 50_000 {
            return port;
        }
    };
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--repl-diskless-sync-delay",
        "0",
    ];
    let servers: Vec<_> = (0..6).map(|_| Redis::on(port(), &options)).collect();
    let addresses: Vec<String> = servers.iter().map(Redis::address).collect();
    let out = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&addresses)
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    until("the cluster is whole", || {
        servers.iter().all(|one| {
            one.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && (one.ask(&["ROLE"]).starts_with("master")
                    || one.ask(&["INFO", "replication"]).contains("master_link_status:up"))
        })
    });
    servers
}
