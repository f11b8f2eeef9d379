//! What the pages are shown of: the demo as a process of its own, and a house with a channel server
//! that the test can pair a phone with.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use identity::{NewPerson, Role};
use kernel::Clock;
use portaria::config::{self, Sources};
use portaria::house::House;
use portaria::{Role as Runs, Serving, serve};
use queue::Lane;
use sandbox::EvolutionSandbox;
use tempfile::TempDir;
use tenancy::{NewTenant, State};
use testkit::{EVOLUTION_KEY, PASSWORD, free_port};

use crate::driver::{Browser, Ends, build_folder};

/// The password of the demo's people.
const DEMO_PASSWORD: &str = "portaria da vila 1987";

/// The demo, after its scripted conversation.
pub(crate) struct Demo {
    _process: Ends,
    /// The demo is killed, so what it leaves behind is removed here.
    _temporary: TempDir,
    pub(crate) url: String,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let program = build_folder().join("portaria");
        assert!(program.exists(), "run the tests with `cargo xtask test`");
        let temporary = tempfile::tempdir().unwrap();
        let mut tries = 0;
        let (process, mut lines, address) = loop {
            let address = format!("127.0.0.1:{}", free_port());
            let mut child = Command::new(&program)
                .args(["demo", "--listen", &address])
                .env("TMPDIR", temporary.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut said = child.stderr.take().unwrap();
            let process = Ends(child);
            if lines.any(|line| line.unwrap().contains("Ctrl-C ends the demo")) {
                std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
                break (process, lines, address);
            }
            let mut cause = String::new();
            said.read_to_string(&mut cause).unwrap();
            tries += 1;
            // Between asking for a free port and listening on it somebody else may take it.
            assert!(cause.contains("cannot listen") && tries < 5, "the demo ended: {cause}");
        };
        // The pipe must be read on, or the demo would stop at its next line.
        std::thread::spawn(move || lines.by_ref().for_each(drop));
        Self { _process: process, _temporary: temporary, url: format!("http://{address}") }
    }

    /// A window signed in by the form.
    pub(crate) async fn signed_in(&self, browser: &Browser, email: &str) {
        browser.go(&format!("{}/painel", self.url)).await;
        browser.type_into("[name=email]", email).await;
        browser.type_into("[name=password]", DEMO_PASSWORD).await;
        browser.click("button.primary").await;
        browser
            .until(
                "return !location.pathname.endsWith('/entrar') && location.pathname !== '/painel'",
            )
            .await;
    }

    /// A customer writes to the clinic, from the simulator's phone.
    pub(crate) async fn customer_writes(&self, browser: &Browser, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             const body = new URLSearchParams({{ text: {text} }}); \
             fetch('/painel/t/clinica/simulador', {{ method: 'POST', body, \
             headers: {{ 'x-csrf-token': document.body.dataset.csrf }} }}).then(answer => done(answer.status));"
        );
        let status = browser.wait_for(&script).await;
        assert!(status.as_u64().is_some_and(|status| status < 400), "{status}");
    }
}

/// A house with one business that has nothing yet, and an Evolution server beside it.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) evolution: EvolutionSandbox,
    pub(crate) db: db::Db,
    serving: Serving,
    doctor: Option<Arc<::oidc::Oidc>>,
    _folder: tempfile::TempDir,
}

pub(crate) const OWNER: &str = "dona@padaria.example";

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_at(free_port(), "padaria", &[]).await
    }

    /// At this port, with a business of this slug and these settings.
    pub(crate) async fn start_at(port: u16, slug: &str, settings: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("127.0.0.1:{port}");
        let mut environment = BTreeMap::from([
            ("PORTARIA_DATA".to_owned(), folder.path().display().to_string()),
            ("PORTARIA_LISTEN".to_owned(), listen.clone()),
            (
                "PORTARIA_PUBLIC_URL".to_owned(),
                format!("http://{listen}").replace("127.0.0.1", "localhost"),
            ),
            ("PORTARIA_ALLOW_PRIVATE_UPSTREAMS".to_owned(), "1".to_owned()),
        ]);
        environment.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let loaded = config::load(&Sources { environment, ..Sources::default() }).unwrap();
        let house = House::open(loaded.config, Clock::System).await.unwrap();
        let tenant = portaria::tenants::create(
            &house,
            NewTenant {
                slug: slug.parse().unwrap(),
                name: "Padaria Sol".to_owned(),
                language: "pt-BR".to_owned(),
                time_zone: "America/Sao_Paulo".to_owned(),
                state: State::Active,
            },
        )
        .await
        .unwrap();
        let hash = identity::hash_password(PASSWORD).await;
        let now = house.clock.now();
        let mut tx = house.db.begin_system().await.unwrap();
        let new =
            NewPerson { email: OWNER, name: "Sol", password_hash: Some(&hash), operator: false };
        let person = identity::create_person(&mut tx, &new, now).await.unwrap();
        identity::join(&mut tx, tenant.id, person, (Role::Owner, identity::Source::Team), now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let (doctor, db) = (house.oidc.clone(), house.db.clone());
        let serving = serve(house, Runs::All, &Lane::ALL, None).await.unwrap();
        let evolution = EvolutionSandbox::start(EVOLUTION_KEY).await.unwrap();
        Self {
            url: format!("http://localhost:{}", listen.split(':').next_back().unwrap()),
            evolution,
            db,
            serving,
            doctor,
            _folder: folder,
        }
    }

    /// What a look at the identity provider finds: what was looked at, and whether it is well.
    pub(crate) async fn doctor_oidc(&self) -> Vec<(&'static str, bool)> {
        let found = self.doctor.as_ref().unwrap().check().await;
        found.into_iter().map(|(what, found)| (what, found.is_ok())).collect()
    }

    pub(crate) async fn stop(self) {
        self.serving.stop().await;
    }
}
