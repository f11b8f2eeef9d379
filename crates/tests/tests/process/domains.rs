//! Tenants' domains from the database, at several gateways.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::front::{free, shop, until, upstream};
use crate::program::{Place, Running};

fn ask(at: SocketAddr, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(at: SocketAddr, host: &str, path: &str) -> u16 {
    ask(at, host, path).split(' ').nth(1).unwrap().parse().unwrap()
}

/// A gateway by itself, with the domains of the house.
fn gateway(place: &Place, name: &str, house: SocketAddr) -> (SocketAddr, Running) {
    let bind = free();
    let folder = place.folder.path();
    std::fs::write(
        folder.join(format!("{name}.yaml")),
        format!("global:\n  bind_address: \"{bind}\"\n  admin_token: at-least-16-characters\n"),
    )
    .unwrap();
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, format!("[gateway]\nconfig = \"{name}.yaml\"\nhouse = \"{house}\"\n"))
        .unwrap();
    let running = place.serve(&["--role", "gateway", "--config", file.to_str().unwrap()]);
    (bind, running)
}

async fn domains_are_served(on: testkit::On) {
    let place = Place::new(on).await;
    let tenant = ["tenant", "create", "loja", "--name", "Loja"];
    assert!(place.run(&tenant).status.success());
    let house = free();
    let serving = place.serve(&["--role", "api", "--listen", &house.to_string()]);
    let (one, first) = gateway(&place, "one", house);
    let (two, second) = gateway(&place, "two", house);
    assert_eq!(status(one, "painel.loja.com.br", "/"), 404);
    let add = |arguments: &[&str]| {
        place.json(&[&["domain", "add", "--tenant", "loja"], arguments].concat())
    };
    let made = add(&["Painel.Loja.com.br", "--purpose", "panel"]);
    assert_eq!(made["host"], "painel.loja.com.br");
    add(&["api.loja.com.br", "--purpose", "api"]);
    add(&["loja.com.br", "--purpose", "site"]);
    for at in [one, two] {
        until("every gateway serves the domains", || {
            ask(at, "loja.com.br", "/painel").contains("x-gateway-error: no_route")
                && status(at, "api.loja.com.br", "/livez") == 200
                && status(at, "painel.loja.com.br", "/painel") != 404
        });
        // Signed out, the panel leads to its door; its first page leads to it.
        let answer = ask(at, "painel.loja.com.br", "/painel");
        assert!(
            answer.starts_with("HTTP/1.1 303") || answer.starts_with("HTTP/1.1 200"),
            "{answer}"
        );
        let answer = ask(at, "painel.loja.com.br", "/");
        assert!(answer.contains("\r\nlocation: /painel\r\n"), "{answer}");
        // The API's host has the API and no page.
        assert_eq!(status(at, "api.loja.com.br", "/livez"), 200);
        assert_eq!(status(at, "api.loja.com.br", "/v1/tenant"), 401);
        for page in ["/", "/painel", "/painel/entrar", "/metrics"] {
            let answer = ask(at, "api.loja.com.br", page);
            assert!(answer.contains("x-gateway-error: no_route"), "{page}: {answer}");
        }
        // A site shows neither panel nor API.
        for path in ["/painel", "/v1/tenant", "/metrics", "//metrics", "/%6detrics"] {
            assert!(ask(at, "loja.com.br", path).contains("x-gateway-error: no_route"), "{path}");
        }
    }
    // A host is one tenant's.
    assert!(place.run(&["tenant", "create", "outra", "--name", "Outra"]).status.success());
    let taken =
        place.run(&["domain", "add", "--tenant", "outra", "loja.com.br", "--purpose", "site"]);
    assert!(String::from_utf8_lossy(&taken.stderr).contains("already"), "{taken:?}");

    // A server of the tenant's own: on a private network only where that is allowed.
    let own = upstream("own");
    let to = format!("http://{own}");
    let arguments = [
        "domain",
        "add",
        "--tenant",
        "outra",
        "outra.com.br",
        "--purpose",
        "site",
        "--upstream",
        &to,
    ];
    let refused =
        place.command(&arguments).env("PORTARIA_ALLOW_PRIVATE_UPSTREAMS", "0").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("private network"), "{refused:?}");
    place.json(&arguments);
    for at in [one, two] {
        until("the tenant's own server answers", || {
            ask(at, "outra.com.br", "/v1/x").ends_with("\r\n\r\nown")
        });
    }
    // Closed tenants, and those that are gone, are served no more.
    assert!(place.run(&["tenant", "archive", "outra"]).status.success());
    place.json(&["domain", "remove", "--tenant", "loja", "loja.com.br"]);
    for at in [one, two] {
        until("an archived tenant is not served", || status(at, "outra.com.br", "/") == 404);
        until("nor a domain that was taken away", || {
            ask(at, "loja.com.br", "/").contains("x-gateway-error: unknown_host")
        });
        assert_eq!(status(at, "api.loja.com.br", "/livez"), 200);
    }
    // The house is away: its hosts are known all the same.
    serving.kill();
    until("the house is missed", || status(one, "api.loja.com.br", "/livez") >= 502);
    assert_eq!(first.terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
}

#[tokio::test]
async fn domains_are_served_by_every_gateway_on_sqlite() {
    domains_are_served(testkit::On::Sqlite).await;
}

#[tokio::test]
async fn domains_are_served_by_every_gateway_on_postgres() {
    domains_are_served(testkit::On::Postgres).await;
}

/// A gateway that may not reach private networks does not, whatever the row says.
#[tokio::test]
async fn a_private_address_is_not_connected_to_even_when_it_is_written_down() {
    let place = Place::new(testkit::On::Sqlite).await;
    // Written while it was allowed.
    shop(&place, "inside");
    let bind = free();
    let file = place.folder.path().join("g.yaml");
    std::fs::write(&file, format!("global:\n  bind_address: \"{bind}\"\n")).unwrap();
    let toml = place.folder.path().join("g.toml");
    std::fs::write(
        &toml,
        "[gateway]\nconfig = \"g.yaml\"\n[security]\nallow_private_upstreams = false\n",
    )
    .unwrap();
    let mut command =
        place.command(&["serve", "--role", "gateway", "--config", toml.to_str().unwrap()]);
    command.env_remove("PORTARIA_ALLOW_PRIVATE_UPSTREAMS");
    let running = Running::start(command);
    let answer = ask(bind, "loja.com.br", "/");
    assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("inside"), "{answer}");
    drop(running);
}

#[tokio::test]
async fn the_guides_variables_give_an_instance_its_domains() {
    let place = Place::new(testkit::On::Sqlite).await;
    let (bind, house) = (free(), free());
    let file = place.folder.path().join("gateway.yaml");
    std::fs::write(&file, format!("global:\n  bind_address: \"{bind}\"\n")).unwrap();
    let mut command = place.command(&[
        "serve",
        "--listen",
        &house.to_string(),
        "--config",
        file.to_str().unwrap(),
    ]);
    command
        .env("INSTANCE_ID", "aivoice")
        .env("DOMAIN_WEBSITE", "aivoice.com.br")
        .env("DOMAIN_API", "api.aivoice.com.br")
        .env("DOMAIN_DASHBOARD", "dash.aivoice.com.br")
        .env("DOMAIN_DASH_API", "api-dash.aivoice.com.br");
    let running = Running::start(command);
    for host in ["api.aivoice.com.br", "api-dash.aivoice.com.br"] {
        until("the API answers there", || status(bind, host, "/livez") == 200);
        assert_eq!(status(bind, host, "/painel"), 404);
    }
    assert_ne!(status(bind, "dash.aivoice.com.br", "/painel"), 404);
    assert_eq!(status(bind, "aivoice.com.br", "/painel"), 404);
    let listed = place.json(&["domain", "list", "--tenant", "aivoice"]);
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert_eq!(running.terminate(), Some(0));
}
