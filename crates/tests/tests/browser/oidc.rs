//! Signing in at a real, certified OpenID provider on loopback, by Chromium; and each row of the
//! guide's trouble table.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::free_port;

use crate::driver::{Browser, DESK, Ends, PHONE, both_windows};
use crate::world::World;

struct Provider {
    _process: Ends,
    issuer: String,
}

impl Provider {
    fn start(redirect: &str, mode: &str) -> Self {
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        // One that does not come up is started again: it has its port only if nobody else was quicker.
        let started = (0..3).find_map(|_| Self::started(port, redirect, mode));
        let process = started.expect("the provider comes up");
        Self { _process: process, issuer }
    }

    fn started(port: u16, redirect: &str, mode: &str) -> Option<Ends> {
        let folder = testkit::test_variable("TEST_OIDC");
        let mut child = Command::new("node")
            .current_dir(folder)
            .args(["server.mjs", &port.to_string(), redirect, mode])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("node is installed: make test does it");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let process = Ends(child);
        let (says, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody listens any more once it is ready, and the pipe must be read on.
                let _ = says.send(line);
            }
        });
        let until = Instant::now() + Duration::from_secs(30);
        while let Ok(line) = said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line == "ready" {
                return Some(process);
            }
        }
        None
    }
}

/// A house whose people sign in there, with these settings changed.
async fn house(mode: &str, changed: &[(&str, &str)]) -> (World, Provider) {
    let port = free_port();
    let provider = Provider::start(&format!("http://localhost:{port}/painel/oidc/volta"), mode);
    let mut settings = vec![
        ("PORTARIA_OIDC_ENABLED", "true"),
        ("PORTARIA_OIDC_PROVIDER", "generic"),
        ("PORTARIA_OIDC_ISSUER", provider.issuer.as_str()),
        ("PORTARIA_OIDC_CLIENT_ID", "panel"),
        ("PORTARIA_OIDC_CLIENT_SECRET", "panel-secret-of-the-tests"),
        ("PORTARIA_OIDC_ROLES_CLAIM", "realm_access.roles"),
    ];
    settings.extend(changed);
    let world = World::start_at(port, "clinica", &settings).await;
    (world, provider)
}

/// Goes through the provider's pages as this person, whose name is their role there.
async fn goes_through(world: &World, browser: &Browser, role: &str) {
    browser.go(&format!("{}/painel", world.url)).await;
    browser.click("a[href^='/painel/oidc']").await;
    browser.shows("[name=login]").await;
    browser.type_into("[name=login]", role).await;
    browser.type_into("[name=password]", "any").await;
    browser.click("button[type=submit], input[type=submit]").await;
    // The provider asks whether the panel may know.
    browser.until("return location.port !== '' && (document.querySelector('[name=prompt][value=consent]') !== null || location.pathname.startsWith('/painel'))").await;
    if browser.run("return document.querySelector('[name=prompt][value=consent]') !== null").await
        == true
    {
        browser.click("button[type=submit], input[type=submit]").await;
    }
    browser
        .until(
            "return location.pathname.startsWith('/painel') && document.readyState === 'complete'",
        )
        .await;
}

both_windows! {
    async fn people_sign_in_at_the_provider_and_belong_where_it_says(window: Window) {
        let (world, _provider) = house("", &[]).await;
        let browser = Browser::open(window).await;
        browser.go(&format!("{}/painel", world.url)).await;
        browser.is_sound("sign-in with a provider").await;
        browser.screenshot(&format!("sign-in-oidc-{}", window.width)).await;
        goes_through(&world, &browser, "attendant").await;
        browser.arrives("/painel/t/clinica").await;
        browser
            .until("return document.querySelector('.who strong').textContent === 'Ana do Provedor'")
            .await;
        browser.go(&format!("{}/painel/t/clinica/chaves", world.url)).await;
        browser.tells("Seu papel não permite isto", "Your role does not allow this").await;
        // What comes back without having gone off here is nobody's.
        browser.go(&format!("{}/painel/oidc/volta?code=x&state=y", world.url)).await;
        browser.tells("não começou neste navegador", "did not begin in this browser").await;
        let checks = world.doctor_oidc().await;
        assert!(checks.iter().all(|(_, ok)| *ok), "{checks:?}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_takes_back_what_it_gave_and_an_address_opens_nobody_elses_account() {
    let (world, provider) = house("", &[]).await;
    let set = async |query: &str| {
        reqwest::get(format!("{}/_set?{query}", provider.issuer)).await.unwrap();
    };
    set("id=ana&roles=attendant").await;
    let browser = Browser::open(DESK).await;
    goes_through(&world, &browser, "ana").await;
    browser.arrives("/painel/t/clinica").await;
    // Another role there is another role here, at the next sign-in.
    set("id=ana&roles=admin").await;
    let again = Browser::open(DESK).await;
    goes_through(&world, &again, "ana").await;
    again.go(&format!("{}/painel/t/clinica/chaves", world.url)).await;
    again.says("Chaves de API").await;
    // Somebody new to whom the provider gives the address that was Ana's is not Ana.
    set("id=eva&roles=admin&email=ana@clinica.example").await;
    let eva = Browser::open(DESK).await;
    goes_through(&world, &eva, "eva").await;
    eva.says("pertence a outra conta do provedor").await;
    let _ = eva.console_errors().await;
    // Whom the provider names no longer does not come in, and is out where they are.
    set("id=ana&roles=").await;
    let last = Browser::open(DESK).await;
    goes_through(&world, &last, "ana").await;
    last.says("não está ligada a nenhuma empresa daqui").await;
    let _ = last.console_errors().await;
    again.go(&format!("{}/painel/t/clinica", world.url)).await;
    again.says("Página não encontrada").await;
    let _ = again.console_errors().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_of_the_provider_are_fetched() {
    let (world, _provider) = house("newkeys", &[]).await;
    let browser = Browser::open(PHONE).await;
    goes_through(&world, &browser, "owner").await;
    browser.arrives("/painel/t/clinica").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_trouble_of_the_guide_has_its_event_and_plain_words() {
    for (mode, changed, event) in [
        ("", ("PORTARIA_OIDC_CLIENT_SECRET", "another secret"), "oidc_auth_error"),
        ("noclaims", ("PORTARIA_OIDC_PROVIDER", "generic"), "oidc_claim_not_found"),
        ("", ("PORTARIA_OIDC_ROLES_CLAIM", "resource_access.panel.roles"), "oidc_claim_not_found"),
        ("otherkeys", ("PORTARIA_OIDC_PROVIDER", "generic"), "oidc_token_validation_error"),
        ("unverified", ("PORTARIA_OIDC_PROVIDER", "generic"), "oidc_token_validation_error"),
    ] {
        let (world, _provider) = house(mode, &[changed]).await;
        let browser = Browser::open(DESK).await;
        goes_through(&world, &browser, "owner").await;
        browser.says(event).await;
        browser.says("Não foi possível entrar").await;
        let _ = browser.console_errors().await;
        browser.is_sound(event).await;
        browser.go(&format!("{}/painel/t/clinica", world.url)).await;
        browser.arrives("/painel/entrar").await;
        world.stop().await;
    }
}
