//! Active checks: one task per upstream, so that a slow one never delays another's.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::balance::Pool;
use crate::config::{Health, HealthKind, Scheme};
use crate::shared::Shared;
use crate::table::Table;
use crate::upstream::Upstream;
use crate::{client, clock};

/// Bytes of an answer that are read for `expected_body`.
const BODY: usize = 64 << 10;
/// How often it is looked whether time changed anybody's state.
const LOOK: Duration = Duration::from_millis(100);

/// Looks between two at the GeoIP file: a minute.
const GEO_LOOKS: u32 = 600;

/// The checks that run.
#[derive(Default)]
struct Checks(HashMap<u32, (Health, JoinHandle<()>)>);

/// Keeps checks in step with the table, and pools in step with time. Runs until the gateway stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut checks = Checks::default();
    let mut version = 0;
    let mut ticks = tokio::time::interval(LOOK);
    let mut looks = 0u32;
    loop {
        let table = shared.table.load_full();
        if table.version != version {
            version = table.version;
            checks.follow(&table, &shared);
        }
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(GEO_LOOKS)
            && let Some(geo) = table.geo.clone()
        {
            // Read on a thread where that may take its time; the next look finds it done.
            tokio::task::spawn_blocking(move || geo.refresh());
        }
        let now = clock::millis();
        for pool in table.pools.values() {
            if pool.is_in_motion(now) {
                pool.refresh();
            }
        }
        tokio::select! {
            () = shared.stopped.cancelled() => break,
            _ = ticks.tick() => {}
        }
    }
    for (_, (_, task)) in checks.0 {
        task.abort();
    }
}

impl Checks {
    fn follow(&mut self, table: &Table, shared: &Arc<Shared>) {
        let mut wanted = HashMap::new();
        for pool in table.pools.values() {
            for (member, backend) in pool.members.iter().zip(&pool.config.backends) {
                if let Some(health) = &backend.health {
                    wanted.insert(member.id, (health.clone(), pool.clone(), member.clone()));
                }
            }
        }
        self.0.retain(|id, (health, task)| {
            let same = wanted.get(id).is_some_and(|(new, ..)| new == health);
            if !same {
                task.abort();
            }
            same
        });
        for (id, (health, pool, member)) in wanted {
            self.0.entry(id).or_insert_with(|| {
                let watch = watch(shared.clone(), pool.config.name.clone(), member, health.clone());
                (health, tokio::spawn(watch))
            });
        }
    }
}

/// Checks one upstream again and again.
async fn watch(shared: Arc<Shared>, pool_name: String, upstream: Arc<Upstream>, health: Health) {
    let mut good = 0;
    let mut bad = 0;
    // The first look is taken at once: until then an upstream counts as healthy.
    loop {
        let pool = shared.table.load().pools.get(&pool_name).cloned();
        if let Some(pool) = pool {
            let probe = tokio::time::timeout(health.timeout, probe(&pool, &upstream, &health));
            let verdict = probe.await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let healthy = upstream.healthy.load(Ordering::Relaxed);
            match &verdict {
                Ok(()) => {
                    good += 1;
                    bad = 0;
                    if !healthy && good >= health.healthy_threshold {
                        upstream.back_since.store(clock::millis().max(1), Ordering::Relaxed);
                        change(&pool, &upstream, true, "");
                    }
                }
                Err(reason) => {
                    bad += 1;
                    good = 0;
                    if healthy && bad >= health.unhealthy_threshold {
                        change(&pool, &upstream, false, reason);
                    }
                }
            }
            *upstream.verdict.lock() = verdict.err().unwrap_or_default();
        }
        // A tenth to and fro, so that many nodes do not knock at the same moment.
        let jitter = 0.9 + rand::random::<f64>() * 0.2;
        tokio::time::sleep(health.interval.mul_f64(jitter)).await;
    }
}

fn change(pool: &Pool, upstream: &Upstream, healthy: bool, reason: &str) {
    upstream.healthy.store(healthy, Ordering::Relaxed);
    pool.refresh();
    if healthy {
        tracing::info!(
            event = "gateway_upstream_healthy",
            pool = pool.config.name,
            upstream = upstream.address
        );
    } else {
        tracing::warn!(
            event = "gateway_upstream_unhealthy",
            pool = pool.config.name,
            upstream = upstream.address,
            reason
        );
    }
}

async fn probe(pool: &Pool, upstream: &Upstream, health: &Health) -> Result<(), String> {
    let stream = dial(pool, upstream).await?;
    match health.kind {
        HealthKind::Tcp => Ok(()),
        HealthKind::Http => ask(pool, upstream, health, stream).await,
        HealthKind::Grpc => ask_grpc(upstream, stream).await,
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

async fn dial(pool: &Pool, upstream: &Upstream) -> Result<Box<dyn Wire>, String> {
    let told = |cause: io::Error| format!("cannot connect: {}", cause.kind());
    let addresses =
        upstream.addresses().await.map_err(|_| "the name cannot be resolved".to_owned())?;
    let tcp = TcpStream::connect(&*addresses).await.map_err(told)?;
    if upstream.scheme == Scheme::Http {
        return Ok(Box::new(tcp));
    }
    let tls = pool.tls.clone().ok_or("no TLS")?;
    let name = client::server_name(pool, upstream).ok_or("the name is not fit for TLS")?;
    let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|cause| format!("TLS: {cause}"))?))
}

async fn ask(
    pool: &Pool,
    upstream: &Upstream,
    health: &Health,
    stream: Box<dyn Wire>,
) -> Result<(), String> {
    let host = health.host.as_deref().unwrap_or(&upstream.address);
    let mut request =
        Request::builder().method(health.method.clone()).header("user-agent", "gateway-health");
    request = if pool.config.http2 {
        request.version(Version::HTTP_2).uri(format!("http://{host}{}", health.path))
    } else {
        request.header("host", host).uri(&health.path)
    };
    let request = request.body(Full::<Bytes>::default()).map_err(|cause| cause.to_string())?;
    let response = exchange(stream, request, pool.config.http2).await?;
    let status = response.status().as_u16();
    if !health.expected.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        return Err(format!("answered {status}"));
    }
    let Some(expected) = &health.body else { return Ok(()) };
    let body = Limited::new(response.into_body(), BODY).collect().await;
    let body = body.map_err(|_| "the answer's body could not be read".to_owned())?.to_bytes();
    if memchr::memmem::find(&body, expected.as_bytes()).is_none() {
        return Err("the answer's body is not the expected one".to_owned());
    }
    Ok(())
}

/// `grpc.health.v1.Health/Check` for the whole server: an empty message out, field 1 of the answer is 1 (SERVING).
async fn ask_grpc(upstream: &Upstream, stream: Box<dyn Wire>) -> Result<(), String> {
    let request = Request::builder()
        .method("POST")
        .version(Version::HTTP_2)
        .uri(format!("http://{}/grpc.health.v1.Health/Check", upstream.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::from(Bytes::from_static(&[0, 0, 0, 0, 0])))
        .map_err(|cause| cause.to_string())?;
    let response = exchange(stream, request, true).await?;
    let status = response.headers().get("grpc-status").cloned();
    let body = Limited::new(response.into_body(), BODY).collect().await;
    let body = body.map_err(|_| "the answer's body could not be read".to_owned())?;
    let status = status.or_else(|| body.trailers().and_then(|all| all.get("grpc-status").cloned()));
    match status {
        Some(status) if status == "0" => {}
        Some(status) => {
            return Err(format!("answered gRPC status {}", status.to_str().unwrap_or("?")));
        }
        None => return Err("answered without a gRPC status".to_owned()),
    }
    match body.to_bytes().get(5..) {
        Some([0x08, 1, ..]) => Ok(()),
        _ => Err("says that it is not serving".to_owned()),
    }
}

async fn exchange(
    stream: Box<dyn Wire>,
    request: Request<Full<Bytes>>,
    http2: bool,
) -> Result<Response<Incoming>, String> {
    let told = |error: hyper::Error| format!("no valid answer: {error}");
    if http2 {
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(told)?;
        tokio::spawn(connection);
        return sender.send_request(request).await.map_err(told);
    }
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(told)
}
