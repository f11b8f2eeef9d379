//! Changes of the table while many connections are open and requests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::world::{self, Origin, Peer, get};

/// Connections that stay open through all of it.
const OPEN: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_of_routes_and_a_hundred_of_upstreams_drop_nothing() {
    let origins = [Origin::named("a").await, Origin::named("b").await, Origin::named("a").await];
    let text = |round: usize| {
        let extra: String =
            (0..10).map(|n| format!("  - {{host: r{round}-{n}.example, pool: b}}\n")).collect();
        // Every tenth round one upstream of the pool comes or goes.
        let second = if (round / 10).is_multiple_of(2) {
            format!(", {{address: \"{}\"}}", origins[2].at)
        } else {
            String::new()
        };
        format!(
            "global: {{bind_address: BIND}}\npools:\n  - {{name: a, backends: [{{address: \"{}\"}}{second}]}}\n  - {{name: b, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: a.example, pool: a}}\n  - {{host: b.example, pool: b}}\n{extra}",
            origins[0].at, origins[1].at
        )
    };
    let gateway = Arc::new(world::gateway(&text(0)));
    let at = world::plain(&gateway);
    let mut open = Vec::new();
    for _ in 0..OPEN {
        let mut peer = Peer::connect(at).await;
        assert_eq!(peer.ask(&get("a.example", "/")).await.text(), "a");
        open.push(peer);
    }
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for number in 0..8 {
        let (done, served) = (done.clone(), served.clone());
        clients.push(tokio::spawn(async move {
            let mut peer = Peer::connect(at).await;
            let (host, name) =
                if number % 2 == 0 { ("a.example", "a") } else { ("b.example", "b") };
            while !done.load(Ordering::Relaxed) {
                let answer = peer.ask(&get(host, "/")).await;
                assert_eq!((answer.status, answer.text().as_str()), (200, name));
                served.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for round in 1..=1000 {
        let before = served.load(Ordering::Relaxed);
        gateway.apply(world::config(&text(round))).unwrap();
        // The next request sees the new table.
        let answer = world::fetch(at, &get(&format!("r{round}-7.example"), "/")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "b"), "round {round}");
        let gone = world::fetch(at, &get(&format!("r{}-7.example", round - 1), "/")).await;
        assert_eq!(gone.status, 404, "round {round}");
        while served.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    for peer in &mut open {
        let answer = peer.ask(&get("a.example", "/")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "a"));
    }
    drop(open);
    Arc::into_inner(gateway).unwrap().stop().await;
}

#[tokio::test]
async fn what_was_learned_of_an_upstream_outlives_a_change() {
    let a = Origin::named("a").await;
    let text = world::file(&[a.at], "");
    let gateway = world::gateway(&text);
    for _ in 0..5 {
        world::fetch(world::plain(&gateway), &get("a", "/")).await;
    }
    gateway.apply(world::config(&text)).unwrap();
    let metrics = gateway.metrics();
    let count = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(count("portaria_gateway_upstream_requests_total{"), "5");
    assert_eq!(count("portaria_gateway_requests_total{"), "5");
    assert_eq!(count("portaria_gateway_table_version"), "2");
    // What cannot be put in place is refused, and what serves stays.
    let broken = text.replace("global:\n", "global:\n  tls_bind_address: BIND\n  tls: {certificates: [{cert: /nowhere, key: /nowhere}]}\n");
    let faults = gateway.apply(world::config(&broken)).unwrap_err();
    assert!(faults[0].reason.contains("cannot be read"), "{faults:?}");
    assert_eq!(world::fetch(world::plain(&gateway), &get("a", "/")).await.status, 200);
    gateway.stop().await;
}
