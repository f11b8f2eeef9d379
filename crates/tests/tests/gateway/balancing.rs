//! Who of a pool gets a request, and who gets none any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::world::{self, Do, Origin, Peer, get, ok, tally};

async fn many(at: std::net::SocketAddr, count: usize, connections: usize) -> Vec<String> {
    let mut tasks = Vec::new();
    for _ in 0..connections {
        tasks.push(tokio::spawn(async move {
            let mut peer = Peer::connect(at).await;
            let mut answers = Vec::new();
            for _ in 0..count / connections {
                answers.push(peer.ask(&get("a", "/")).await.text());
            }
            answers
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_are_exact_across_workers_and_by_weight() {
    let origins = [Origin::named("a").await, Origin::named("b").await, Origin::named("c").await];
    let text = format!(
        "global: {{bind_address: BIND, workers: 2}}\npools:\n  - {{name: web, algorithm: weighted_round_robin, backends: [{{address: \"{}\", weight: 3}}, {{address: \"{}\"}}, {{address: \"{}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n",
        origins[0].at, origins[1].at, origins[2].at
    );
    let gateway = world::gateway(&text);
    let counts = tally(many(world::plain(&gateway), 500, 10).await);
    assert_eq!((counts["a"], counts["b"], counts["c"]), (300, 100, 100));
    gateway.stop().await;
}

#[tokio::test]
async fn the_least_busy_is_asked() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let signal = gate.clone();
    let slow = Origin::doing(move |_| Do::When(signal.clone(), ok("slow"))).await;
    let quick = Origin::named("quick").await;
    let gateway = world::gateway(&world::file(&[slow.at, quick.at], "    algorithm: least_conn\n"));
    let at = world::plain(&gateway);
    // One request is held by the slow one; from then on all go to the other.
    let mut held = Peer::connect(at).await;
    loop {
        held.send(get("a", "/").as_bytes()).await;
        let before = slow.count();
        let answer = tokio::select! {
            answer = held.answer() => answer,
            () = async { world::until(async || slow.count(), |count| *count > before).await; } => None,
        };
        if answer.is_none() {
            break;
        }
    }
    let counts = tally(many(at, 20, 1).await);
    assert_eq!(counts.get("quick"), Some(&20));
    gate.notify_one();
    gateway.stop().await;
}

#[tokio::test]
async fn clients_with_a_cookie_come_back_and_the_cookie_tells_nothing() {
    let origins = [Origin::named("a").await, Origin::named("b").await, Origin::named("c").await];
    let addresses: Vec<_> = origins.iter().map(|origin| origin.at).collect();
    let text = world::file(&addresses, "    algorithm: round_robin\n    sticky_sessions: true\n")
        .replace("global:\n", "global:\n  sticky_secret: 0123456789abcdef\n");
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let first = world::fetch(at, &get("a", "/")).await;
    let cookie = first.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    for origin in &origins {
        assert!(!cookie.contains(&origin.at.port().to_string()), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    let with = |cookie: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; {cookie}\r\n\r\n");
    for _ in 0..9 {
        let answer = world::fetch(at, &with(pair)).await;
        assert_eq!((answer.text(), answer.header("set-cookie")), (first.text(), None));
    }
    // Another node, or the same after a restart, reads it when it has the secret.
    let other = world::gateway(&text);
    for _ in 0..4 {
        assert_eq!(world::fetch(world::plain(&other), &with(pair)).await.text(), first.text());
    }
    // Whoever is gone is replaced; a forged cookie is as good as none.
    let forged = world::fetch(at, &with("gateway_route=AAAAAAAAAAAAAAAAAAAAAA")).await;
    assert!(forged.header("set-cookie").is_some());
    let index = ["a", "b", "c"].iter().position(|name| *name == first.text()).unwrap();
    origins[index].die();
    let moved =
        world::until(async || world::fetch(at, &with(pair)).await, |answer| answer.status == 200)
            .await;
    assert_ne!(moved.text(), first.text());
    assert!(moved.header("set-cookie").is_some());
    gateway.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn one_address_keeps_its_upstream_and_hash_on_chooses_the_key() {
    let origins = [Origin::named("a").await, Origin::named("b").await, Origin::named("c").await];
    let addresses: Vec<_> = origins.iter().map(|origin| origin.at).collect();
    let gateway = world::gateway(&world::file(&addresses, "    algorithm: ip_hash\n"));
    assert_eq!(tally(many(world::plain(&gateway), 30, 3).await).len(), 1);
    gateway.stop().await;
    let gateway = world::gateway(&world::file(
        &addresses,
        "    algorithm: maglev\n    hash_on: \"header:x-key\"\n",
    ));
    let at = world::plain(&gateway);
    let mut seen = HashSet::new();
    for key in 0..30 {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n");
        let one = world::fetch(at, &request).await.text();
        assert_eq!(world::fetch(at, &request).await.text(), one);
        seen.insert(one);
    }
    assert_eq!(seen.len(), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn checks_take_the_unhealthy_out_and_back_in() {
    let well = Arc::new(AtomicBool::new(true));
    let sick = well.clone();
    let a = Origin::doing(move |got| {
        let fine = sick.load(Ordering::SeqCst);
        Do::Say(if got.head.starts_with("GET /health ") && !fine {
            "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned()
        } else if got.head.starts_with("GET /health ") {
            ok("I am fine")
        } else {
            ok("a")
        })
    })
    .await;
    let b = Origin::doing(|got| {
        Do::Say(ok(if got.head.starts_with("GET /health") { "fine" } else { "b" }))
    })
    .await;
    let check = "    algorithm: round_robin\n    health_check: {path: /health, interval: 20ms, timeout: 1s, expected_status: [200-299], expected_body: fine, healthy_threshold: 2, unhealthy_threshold: 2}\n";
    let gateway = world::gateway(&world::file(&[a.at, b.at], check));
    let at = world::plain(&gateway);
    let names = async || tally(many(at, 4, 1).await).len();
    assert_eq!(names().await, 2);
    well.store(false, Ordering::SeqCst);
    world::until(names, |count| *count == 1).await;
    assert_eq!(world::fetch(at, &get("a", "/")).await.text(), "b");
    well.store(true, Ordering::SeqCst);
    world::until(names, |count| *count == 2).await;
    gateway.stop().await;
}

#[tokio::test]
async fn errors_eject_without_any_check() {
    let a =
        Origin::doing(|_| Do::Say("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
    let b = Origin::named("b").await;
    let pool =
        "    algorithm: round_robin\n    outlier: {consecutive_errors: 3, ejection_time: 300ms}\n";
    let gateway = world::gateway(&world::file(&[a.at, b.at], pool));
    let at = world::plain(&gateway);
    let mut peer = Peer::connect(at).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(peer.ask(&get("a", "/")).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 3, "{statuses:?}");
    // It is tried again by one request, and is back when that went well.
    a.now(|_| Do::Say(ok("a")));
    world::until(async || tally(many(at, 4, 1).await).len(), |count| *count == 2).await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_slow_one_of_three_loses_its_share() {
    let slow = Origin::doing(|_| Do::Say(ok("c"))).await;
    let origins = [Origin::named("a").await, Origin::named("b").await];
    let gateway = world::gateway(&world::file(&[origins[0].at, origins[1].at, slow.at], ""));
    let at = world::plain(&gateway);
    let share = async || {
        let answers = many(at, 60, 6).await;
        answers.iter().filter(|answer| *answer == "c").count()
    };
    world::until(share, |count| *count > 5).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    let opener = gate.clone();
    let ticking = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            ticks.tick().await;
            opener.notify_waiters();
        }
    });
    slow.now(move |_| Do::When(gate.clone(), ok("c")));
    // What was learned from the first slow answers keeps the next requests away.
    world::until(share, |count| *count <= 3).await;
    ticking.abort();
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_pool_makes_wait_and_then_says_so() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let signal = gate.clone();
    let origin = Origin::doing(move |_| Do::When(signal.clone(), ok("a"))).await;
    let pool = "    max_requests: 1\n    max_pending: 1\n    queue_timeout: 10s\n";
    let gateway = world::gateway(&world::file(&[origin.at], pool));
    let at = world::plain(&gateway);
    let first = tokio::spawn(async move { world::fetch(at, &get("a", "/")).await });
    world::until(async || origin.count(), |count| *count == 1).await;
    let second = tokio::spawn(async move { world::fetch(at, &get("a", "/")).await });
    let open = async || {
        let metrics = gateway.metrics();
        metrics.lines().any(|line| line == "portaria_gateway_requests_open 2")
    };
    world::until(open, |both| *both).await;
    // One may wait; whoever comes then is told at once.
    let busy = world::fetch(at, &get("a", "/")).await;
    assert_eq!(busy.status, 503);
    assert_eq!(busy.header("x-gateway-error"), Some("busy"));
    assert!(busy.header("retry-after").is_some());
    gate.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    world::until(async || origin.count(), |count| *count >= 2).await;
    gate.notify_one();
    assert_eq!(second.await.unwrap().status, 200);
    gateway.stop().await;
}
