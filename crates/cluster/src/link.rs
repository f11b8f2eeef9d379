//! The way to Redis: one server, a master that sentinels name, or a cluster.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, RedisConnectionInfo, RedisError, cmd,
};

use crate::keys::Keys;

/// How Redis is to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://` or `rediss://` addresses: of one server, of sentinels, or of some of a cluster.
    pub servers: Vec<String>,
    /// For addresses that name none themselves.
    pub username: Option<String>,
    pub password: Option<String>,
    pub db: u32,
    /// TLS also to servers that a sentinel or a cluster names.
    pub tls: bool,
    /// The name of the master, when sentinels know several.
    pub master: Option<String>,
    /// It is a cluster, also if it may not be asked.
    pub is_cluster: bool,
    pub prefix: String,
    /// A name that no other house has.
    pub house: String,
    /// After which time a command has failed.
    pub patience: Duration,
}

/// What kind of Redis was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Single,
    Sentinel,
    Cluster,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

/// Redis was not reached, or did not do what it was asked. The text names no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no address of a Redis is set")]
    NoServer,
    #[error("{0}")]
    Redis(RedisError),
    #[error("no answer in {} ms", .0.as_millis())]
    Late(Duration),
    #[error("{0}")]
    Sentinel(&'static str),
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

/// A connection. After an error it is to be made anew.
pub struct Link {
    kind: Kind,
    pipe: Pipe,
    pub(crate) keys: Keys,
    patience: Duration,
}

enum Pipe {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

impl Link {
    /// Connects, and finds out what kind of Redis it is.
    ///
    /// # Errors
    /// When none of the servers answers in time.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        let mut last = Error::NoServer;
        for server in &settings.servers {
            // The time of a connection, and of what is asked on it.
            let span = settings.patience * 3;
            match tokio::time::timeout(span, Self::from(settings, server)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => last = error,
                Err(_) => last = Error::Late(span),
            }
        }
        Err(last)
    }

    async fn from(settings: &Settings, server: &str) -> Result<Self, Error> {
        let link = |kind, pipe| Self {
            kind,
            pipe,
            keys: Keys { prefix: settings.prefix.clone(), house: settings.house.clone() },
            patience: settings.patience,
        };
        if settings.is_cluster && settings.master.is_none() {
            // The seed's own example says "cluster" of a sentinel: who answers as something else is that.
            if let Ok(pipe) = many(settings).await {
                return Ok(link(Kind::Cluster, pipe));
            }
        }
        let info = settings.info(server)?;
        let mut first = connect(settings, info).await?;
        let about: String = match cmd("INFO").arg("server").query_async(&mut first).await {
            Ok(text) => text,
            // It may not be asked: what was configured holds.
            Err(_) if settings.master.is_some() => "redis_mode:sentinel".to_owned(),
            Err(_) => String::new(),
        };
        let mode = about.lines().find_map(|line| line.trim().strip_prefix("redis_mode:"));
        match mode {
            Some("sentinel") => {
                let (host, port) = master(settings, &mut first).await?;
                let at = settings.named(server, &host, port)?;
                let mut pipe = connect(settings, at).await?;
                // A sentinel may not know yet that its master is none any more.
                let role: redis::Value = cmd("ROLE").query_async(&mut pipe).await?;
                if !format!("{role:?}").contains("master") {
                    return Err(Error::Sentinel("the sentinels' master is none at this moment"));
                }
                Ok(link(Kind::Sentinel, Pipe::One(pipe)))
            }
            Some("cluster") => Ok(link(Kind::Cluster, many(settings).await?)),
            _ => {
                if settings.db > 0 || settings.info(server)?.redis_settings().db() > 0 {
                    first = connect(settings, settings.in_db(server)?).await?;
                }
                Ok(link(Kind::Single, Pipe::One(first)))
            }
        }
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not, in time.
    pub async fn ping(&mut self) -> Result<(), Error> {
        let _: redis::Value = self.run(&cmd("PING")).await?;
        Ok(())
    }

    pub(crate) async fn run<T: FromRedisValue>(&mut self, cmd: &Cmd) -> Result<T, Error> {
        let answer = async {
            match &mut self.pipe {
                Pipe::One(pipe) => cmd.query_async(pipe).await,
                Pipe::Many(pipe) => cmd.query_async(pipe).await,
            }
        };
        match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Error::Late(self.patience)),
        }
    }
}

impl Settings {
    /// Of the address as it stands, in the first database: sentinels and clusters have no other.
    fn info(&self, server: &str) -> Result<ConnectionInfo, RedisError> {
        let info = server.into_connection_info()?;
        let said = info.redis_settings().clone();
        let addr = info.addr().clone();
        let settings = self.credentials(&said).set_db(said.db());
        Ok(info.set_addr(self.over_tls(addr)).set_redis_settings(settings.set_db(0)))
    }

    /// The same, in the database that is named.
    fn in_db(&self, server: &str) -> Result<ConnectionInfo, RedisError> {
        let db = match server.into_connection_info()?.redis_settings().db() {
            0 => i64::from(self.db),
            named => named,
        };
        let info = self.info(server)?;
        let settings = info.redis_settings().clone().set_db(db);
        Ok(info.set_redis_settings(settings))
    }

    /// Of a server that a sentinel named; `beside` is the sentinel.
    fn named(&self, beside: &str, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
        let info = self.info(beside)?;
        let settings = self.credentials(&RedisConnectionInfo::default()).set_db(i64::from(self.db));
        let addr = self.over_tls(ConnectionAddr::Tcp(host.to_owned(), port));
        Ok(info.set_addr(addr).set_redis_settings(settings))
    }

    fn credentials(&self, said: &RedisConnectionInfo) -> RedisConnectionInfo {
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(name) = said.username().or(self.username.as_deref()) {
            settings = settings.set_username(name);
        }
        if let Some(password) = said.password().or(self.password.as_deref()) {
            settings = settings.set_password(password);
        }
        settings
    }

    fn over_tls(&self, addr: ConnectionAddr) -> ConnectionAddr {
        match addr {
            ConnectionAddr::Tcp(host, port) if self.tls => {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            }
            other => other,
        }
    }
}

async fn connect(
    settings: &Settings,
    info: ConnectionInfo,
) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.patience))
        .set_response_timeout(Some(settings.patience));
    let without = info.clone();
    let opened = Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await;
    match opened {
        // Sentinels mostly have no password where their servers have one.
        Err(error)
            if error.kind() == ErrorKind::AuthenticationFailed
                && without.redis_settings().password().is_some() =>
        {
            let open = RedisConnectionInfo::default().set_skip_set_lib_name();
            let without = without.set_redis_settings(open);
            let again =
                Client::open(without)?.get_multiplexed_async_connection_with_config(&config).await;
            again.map_err(|_| error)
        }
        opened => opened,
    }
}

async fn many(settings: &Settings) -> Result<Pipe, RedisError> {
    let mut infos = Vec::new();
    for server in &settings.servers {
        infos.push(settings.info(server)?);
    }
    let client = ClusterClient::builder(infos)
        .connection_timeout(settings.patience)
        .response_timeout(settings.patience)
        .retries(3)
        .build()?;
    Ok(Pipe::Many(client.get_async_connection().await?))
}

/// Where the master is, as a sentinel knows it.
async fn master(
    settings: &Settings,
    sentinel: &mut MultiplexedConnection,
) -> Result<(String, u16), Error> {
    let name = match &settings.master {
        Some(name) => name.clone(),
        None => {
            let all: Vec<std::collections::HashMap<String, String>> =
                cmd("SENTINEL").arg("MASTERS").query_async(sentinel).await?;
            let mut names = all.into_iter().filter_map(|mut one| one.remove("name"));
            match (names.next(), names.next()) {
                (Some(name), None) => name,
                (None, _) => return Err(Error::Sentinel("the sentinel knows no master")),
                _ => {
                    return Err(Error::Sentinel(
                        "the sentinel knows several masters; name one by cluster.redis_sentinel_master",
                    ));
                }
            }
        }
    };
    let found: Option<(String, u16)> =
        cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).query_async(sentinel).await?;
    found.ok_or(Error::Sentinel("the sentinel knows no master of this name"))
}
