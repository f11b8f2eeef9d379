//! Where clients are, and what follows from it. The databases are MaxMind's own test files (Apache-2.0 or MIT).

use crate::world::{self, Origin};

fn database(name: &str) -> String {
    format!("{}/fixtures/maxmind/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn from(client: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n\r\n")
}

const LONDON: &str = "81.2.69.160";
const SEATTLE: &str = "216.160.83.56";
const NOWHERE: &str = "10.9.9.9";

fn head(database_name: &str) -> String {
    format!(
        "global:\n  bind_address: BIND\n  trusted_proxies: [127.0.0.1]\n  geoip: {{enabled: true, database_path: \"{}\", update_interval: 168h}}\n",
        database(database_name)
    )
}

#[tokio::test]
async fn the_nearest_upstream_is_chosen_and_the_next_when_it_is_gone() {
    let (west, east, europe) =
        (Origin::named("west").await, Origin::named("east").await, Origin::named("europe").await);
    let text = format!(
        "{}pools:\n  - name: web\n    algorithm: geo\n    backends:\n      - {{address: \"{}\", region: us-west}}\n      - {{address: \"{}\", region: us-east-1}}\n      - {{address: \"{}\", latitude: 52.5, longitude: 13.4}}\nroutes:\n  - {{host: \"*\", pool: web}}\n",
        head("GeoIP2-City-Test.mmdb"),
        west.at,
        east.at,
        europe.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    for (client, name) in [(LONDON, "europe"), (SEATTLE, "west")] {
        for _ in 0..5 {
            assert_eq!(world::fetch(at, &from(client, "/")).await.text(), name);
        }
    }
    // Who cannot be placed is served all the same.
    assert_eq!(world::fetch(at, &from(NOWHERE, "/")).await.status, 200);
    west.die();
    let seattle = async || world::fetch(at, &from(SEATTLE, "/")).await.text();
    assert_eq!(seattle().await, "east");
    gateway.stop().await;
}

#[tokio::test]
async fn tenants_keep_to_their_region_while_somebody_is_there() {
    let (us, eu) = (Origin::named("us").await, Origin::named("eu").await);
    // As the replaced gateway's guide writes it.
    let text = format!(
        "global: {{bind_address: BIND}}\ntenants:\n  region_routing:\n    enabled: true\n    default_region: \"us-east\"\n    tenant_region_mapping:\n      tenant-1: \"eu-west\"\npools:\n  - name: web\n    algorithm: round_robin\n    backends:\n      - {{address: \"{}\", region: us-east}}\n      - {{address: \"{}\", region: eu-west}}\nroutes:\n  - {{host: one.example, pool: web, tenant_id: tenant-1}}\n  - {{host: two.example, pool: web, tenant_id: tenant-2}}\n  - {{host: house.example, pool: web}}\n",
        us.at, eu.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let ask = async |host: &str| {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..6 {
            seen.insert(world::fetch(at, &world::get(host, "/")).await.text());
        }
        seen.into_iter().collect::<Vec<_>>().join("+")
    };
    assert_eq!(ask("one.example").await, "eu");
    assert_eq!(ask("two.example").await, "us");
    assert_eq!(ask("house.example").await, "eu+us");
    eu.die();
    assert_eq!(ask("one.example").await, "us", "another region is better than none");
    gateway.stop().await;
}

#[tokio::test]
async fn countries_are_kept_out_or_let_in() {
    let origin = Origin::named("a").await;
    let text = format!(
        "{}pools:\n  - {{name: web, backends: [{{address: \"{}\"}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n  - {{host: \"*\", pool: web, path_prefix: /gb, allow_countries: [gb], allow: [10.0.0.0/8]}}\n  - {{host: \"*\", pool: web, path_prefix: /not-gb, deny_countries: [GB]}}\n",
        head("GeoLite2-Country-Test.mmdb").replace("168h", "168h, block_countries: [SE]"),
        origin.at
    );
    let gateway = world::gateway(&text);
    let at = world::plain(&gateway);
    let swede = "89.160.20.128";
    for (client, path, status) in [
        (LONDON, "/", 200),
        (swede, "/", 403),
        (NOWHERE, "/", 200),
        (LONDON, "/gb", 200),
        (SEATTLE, "/gb", 403),
        ("192.0.2.1", "/gb", 403),
        (NOWHERE, "/gb", 200),
        (LONDON, "/not-gb", 403),
        (SEATTLE, "/not-gb", 200),
        (LONDON, "//not-gb/x", 403),
    ] {
        let answer = world::fetch(at, &from(client, path)).await;
        assert_eq!(answer.status, status, "{client} {path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn places_that_cannot_be_told_are_faults() {
    let file = |global: &str, backend: &str| {
        format!(
            "global: {{bind_address: \"127.0.0.1:0\"{global}}}\npools:\n  - {{name: web, algorithm: geo, backends: [{{address: \"10.0.0.1:80\"{backend}}}]}}\nroutes:\n  - {{host: \"*\", pool: web}}\n  - {{host: \"*\", pool: web, path_prefix: /x, deny_countries: [Brazil]}}\n"
        )
    };
    let faults = gateway::check(&file("", ", region: moon"), &|_| None).faults;
    let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for part in ["needs global.geoip", "needs latitude and longitude", "two-letter country codes"] {
        assert!(text.iter().any(|fault| fault.contains(part)), "{part}: {text:?}");
    }
    // A database of countries alone cannot tell distances.
    let countries =
        format!(", geoip: {{database_path: \"{}\"}}", database("GeoLite2-Country-Test.mmdb"));
    let text = file(&countries, ", region: us-east").replace("[Brazil]", "[BR]");
    let faults = gateway::Gateway::faults_here(world::config(&text));
    assert!(faults[0].reason.contains("City database"), "{faults:?}");
}
