//! The table of faults: one of three upstreams goes wrong while clients ask without a pause. What each of them saw is
//! counted, and never is an answer something else than it seems.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::{self, Do, Got, Origin, Peer, get, ok};

/// Clients that ask, each on a connection of its own while that lasts.
const CLIENTS: usize = 16;
/// Requests that are made once the fault is there, and of these the last, by which it is to be over.
const ASKED: usize = 2000;
const LAST: usize = 500;

/// Bodies long enough to come in several pieces.
fn body() -> String {
    "0123456789".repeat(2000)
}

/// Clients without a pause, and what they saw.
struct Load {
    seen: Arc<Mutex<Vec<String>>>,
    done: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(at: SocketAddr) -> Self {
        let (seen, done): (Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) = Default::default();
        let clients = (0..CLIENTS)
            .map(|_| {
                let (seen, done) = (seen.clone(), done.clone());
                tokio::spawn(async move {
                    let whole = body();
                    let mut peer = Peer::connect(at).await;
                    while !done.load(Ordering::Relaxed) {
                        peer.send(get("a", "/").as_bytes()).await;
                        let saw = match peer.answer().await {
                            None => "nothing".to_owned(),
                            Some(answer) if !answer.whole => format!("{} cut", answer.status),
                            Some(answer) => match answer.header("x-gateway-error") {
                                Some(error) => format!("{} {error}", answer.status),
                                None if answer.text() == whole => answer.status.to_string(),
                                None => format!("{} wrong", answer.status),
                            },
                        };
                        if saw == "nothing" || saw.ends_with("cut") {
                            peer = Peer::connect(at).await;
                        }
                        seen.lock().push(saw);
                    }
                })
            })
            .collect();
        Self { seen, done, clients }
    }

    /// Waits until so many more answers were seen.
    async fn more(&self, count: usize) -> Vec<String> {
        let from = self.seen.lock().len();
        world::until(async || self.seen.lock().len(), |seen| *seen >= from + count).await;
        self.seen.lock()[from..].to_vec()
    }

    async fn end(self) {
        self.done.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

fn tally(seen: &[String]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for one in seen {
        *tally.entry(one.as_str()).or_default() += 1;
    }
    tally
}

/// What clients saw from the fault on, and at the end.
async fn table(act: impl Fn(&Got) -> Do + Send + Sync + 'static) -> (Vec<String>, Vec<String>) {
    let origins = [
        Origin::doing(|_| Do::Say(ok(&body()))).await,
        Origin::doing(|_| Do::Say(ok(&body()))).await,
        Origin::doing(|_| Do::Say(ok(&body()))).await,
    ];
    let pool = "    algorithm: round_robin\n    timeout: 300ms\n    idle_timeout: 300ms\n    connect_timeout: 300ms\n    outlier: {consecutive_errors: 5, ejection_time: 10m}\n";
    let gateway = world::gateway(&world::file(&origins.each_ref().map(|one| one.at), pool));
    let load = Load::start(world::plain(&gateway));
    assert_eq!(
        tally(&load.more(300).await).keys().collect::<Vec<_>>(),
        [&"200"],
        "before the fault"
    );
    origins[1].now(act);
    let seen = load.more(ASKED).await;
    let last = load.more(LAST).await;
    load.end().await;
    gateway.stop().await;
    (seen, last)
}

/// Of a fault: what clients may see but good answers, and how many of it at most.
async fn only(
    name: &str,
    act: impl Fn(&Got) -> Do + Send + Sync + 'static,
    allowed: &[&str],
    most: usize,
) {
    let (seen, last) = table(act).await;
    let found = tally(&seen);
    eprintln!("{name}: {found:?}");
    assert!(found.keys().all(|saw| *saw == "200" || allowed.contains(saw)), "{name}: {found:?}");
    let bad: usize = found.iter().filter(|(saw, _)| **saw != "200").map(|(_, count)| count).sum();
    assert!(bad <= most, "{name}: {found:?}");
    assert_eq!(
        tally(&last).keys().collect::<Vec<_>>(),
        [&"200"],
        "{name}: it is left alone by now"
    );
}

/// Before five errors in a row are counted, each client may have met the fault once more.
const MOST: usize = 5 + CLIENTS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_closes_or_talks_nonsense_costs_few_answers() {
    // A GET that was closed before its answer is asked elsewhere.
    only("closes without an answer", |_| Do::Close, &[], 0).await;
    let nonsense = |_: &Got| Do::SayAndClose("nonsense\r\n\r\n".to_owned());
    only("talks nonsense", nonsense, &["502 upstream_garbled"], MOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_breaks_off_costs_few_answers_and_none_looks_whole() {
    let half = || {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body().len(), &body()[..9000])
    };
    only("resets in the middle", move |_| Do::Reset(half()), &["200 cut", "nothing"], MOST).await;
    only(
        "half-closes in the middle",
        move |_| Do::SayAndClose(half()),
        &["200 cut", "nothing"],
        MOST,
    )
    .await;
    only("stops in the middle", move |_| Do::Stall(half()), &["200 cut", "nothing"], MOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_hangs_costs_few_answers() {
    only("hangs", |_| Do::Hang, &["504 upstream_timeout"], MOST).await;
    let slow = |_: &Got| Do::Stall("HTTP/1.1 200 OK\r\ncontent-len".to_owned());
    only("stops in its head", slow, &["504 upstream_timeout"], MOST).await;
    only(
        "fails",
        |_| Do::Say("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned()),
        &["500 wrong"],
        MOST,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_goes_is_not_noticed() {
    let origins = [
        Origin::doing(|_| Do::Say(ok(&body()))).await,
        Origin::doing(|_| Do::Say(ok(&body()))).await,
    ];
    let gateway = world::gateway(&world::file(
        &[origins[0].at, origins[1].at],
        "    algorithm: round_robin\n",
    ));
    let load = Load::start(world::plain(&gateway));
    load.more(300).await;
    // It refuses from now on, and its open connections end, also those in the middle of an answer.
    origins[1].die();
    let seen = load.more(ASKED).await;
    let found = tally(&seen);
    eprintln!("refuses: {found:?}");
    let cut = found.get("200 cut").copied().unwrap_or_default();
    assert!(cut <= CLIENTS, "{found:?}");
    assert!(found.keys().all(|saw| ["200", "200 cut"].contains(saw)), "{found:?}");
    assert_eq!(tally(&load.more(LAST).await).keys().collect::<Vec<_>>(), [&"200"]);
    load.end().await;
    gateway.stop().await;
}

/// An upstream that answers with a name after some ticks of ten milliseconds.
async fn ticking(name: &'static str, ticks: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            let ticks = ticks.clone();
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                while stream.read(&mut piece).await.is_ok_and(|count| count > 0) {
                    let span = 10 * ticks.load(Ordering::Relaxed) as u64;
                    tokio::time::sleep(std::time::Duration::from_millis(span)).await;
                    if stream.write_all(ok(name).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_becomes_ten_times_slower_loses_its_share() {
    let (steady, turning) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(1)));
    let origins = [
        ticking("a", steady.clone()).await,
        ticking("b", steady.clone()).await,
        ticking("c", turning.clone()).await,
    ];
    // By learned latency, as pools are unless they say otherwise.
    let gateway = world::gateway(&world::file(&origins, ""));
    let at = world::plain(&gateway);
    let (names, done): (Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) = Default::default();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (names, done) = (names.clone(), done.clone());
            tokio::spawn(async move {
                let mut peer = Peer::connect(at).await;
                while !done.load(Ordering::Relaxed) {
                    let answer = peer.ask(&get("a", "/")).await;
                    assert_eq!(answer.status, 200);
                    names.lock().push(answer.text());
                }
            })
        })
        .collect();
    let share = async |count: usize| {
        let from = names.lock().len();
        world::until(async || names.lock().len(), |seen| *seen >= from + count).await;
        let names = names.lock();
        names[from..].iter().filter(|name| *name == "c").count() as f64
            / (names.len() - from) as f64
    };
    let before = share(1000).await;
    assert!(before > 0.2, "{before}");
    turning.store(10, Ordering::Relaxed);
    // Sixteen clients at ten milliseconds ask about as many times in a second.
    let first = share(1000).await;
    let then = share(1000).await;
    eprintln!("ten times slower: {before:.2} before, {first:.2} at first, {then:.2} then");
    assert!(then < 0.1, "{before} before, {first} at first, {then} then");
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_that_come_back_at_once_are_served() {
    const COMING: usize = 1000;
    let origin = Origin::named("a").await;
    let gateway = world::gateway(&world::file(&[origin.at], ""));
    let at = world::plain(&gateway);
    let served = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let coming: Vec<_> = (0..COMING)
            .map(|_| {
                let served = served.clone();
                tokio::spawn(async move {
                    let mut peer = Peer::connect(at).await;
                    let answer = peer.ask(&get("a", "/")).await;
                    assert_eq!((answer.status, answer.text().as_str()), (200, "a"));
                    served.fetch_add(1, Ordering::Relaxed);
                    peer
                })
            })
            .collect();
        let mut open = Vec::new();
        for one in coming {
            open.push(one.await.unwrap());
        }
        // All of them lose their connection at the same moment, as when a network breaks.
        for peer in &open {
            peer.stream.set_zero_linger().unwrap();
        }
    }
    assert_eq!(served.load(Ordering::Relaxed), 3 * COMING);
    gateway.stop().await;
}
