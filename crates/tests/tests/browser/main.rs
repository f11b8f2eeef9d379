//! Pages in a real Chromium, at phone and desktop width, with an accessibility check.
//!
//! Screenshots are left in the build folder, under `screenshots/`.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use testkit::free_port;

fn build_folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned()
}

/// A process in a group of its own, which ends as a whole: chromedriver leaves its Chromium behind
/// when it is killed alone.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// A window of Chromium, driven over the WebDriver protocol.
struct Browser {
    _driver: Ends,
    _profile: tempfile::TempDir,
    client: reqwest::Client,
    session: String,
}

impl Browser {
    async fn open(width: u32, height: u32) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed: make test does it");
        let driver = Ends(driver);
        let profile = tempfile::tempdir().unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments,
                "mobileEmulation": { "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "touch": width < 600 } } } } } });
        let deadline = Instant::now() + Duration::from_secs(30);
        let session = loop {
            if let Ok(answer) = client.post(format!("{base}/session")).json(&wanted).send().await {
                let body: Value = answer.json().await.unwrap();
                match body["value"]["sessionId"].as_str() {
                    Some(id) => break format!("{base}/session/{id}"),
                    None => panic!("no browser: {body}"),
                }
            }
            assert!(Instant::now() < deadline, "chromedriver did not answer");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Self { _driver: driver, _profile: profile, client, session }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer =
            self.client.post(format!("{}{path}", self.session)).json(body).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert!(body["value"].get("error").is_none(), "{path}: {body}");
        body["value"].clone()
    }

    async fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await;
    }

    async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Looks again until the script says true.
    async fn until(&self, script: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.run(script).await != true {
            assert!(Instant::now() < deadline, "never: {script}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn screenshot(&self, name: &str) {
        let answer = self.client.get(format!("{}/screenshot", self.session)).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let folder = build_folder().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let png = BASE64.decode(body["value"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// What axe finds against WCAG 2.2 A and AA.
    async fn accessibility_faults(&self) -> Vec<String> {
        self.run(include_str!("../../vendor/axe.min.js")).await;
        let script = "const done = arguments[arguments.length - 1]; \
             axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then(r => \
             done(r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' '))));";
        let found = self.post("/execute/async", &json!({ "script": script, "args": [] })).await;
        found.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }
}

/// The demo, after its scripted conversation.
fn demo() -> (Ends, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let program = build_folder().join("portaria");
    assert!(program.exists(), "run the tests with `cargo xtask test`");
    let mut child = Command::new(program)
        .args(["demo", "--listen", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Ends(child);
    let ready = lines.any(|line| line.unwrap().contains("open http://"));
    assert!(ready, "the demo ended before it was ready");
    // The pipe must be read on, or the demo would stop at its next line.
    std::thread::spawn(move || lines.for_each(drop));
    (process, format!("http://{address}/"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_writes_to_both_businesses_and_sees_sources() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_demo, url) = demo();
    for (name, width, height) in [("desktop", 1280, 900), ("phone", 390, 844)] {
        let browser = Browser::open(width, height).await;
        browser.go(&url).await;
        browser.until("return document.querySelectorAll('.phone').length === 2").await;
        if name == "desktop" {
            browser.until("return document.querySelectorAll('.thread .empty').length === 2").await;
            // As a visitor does: by the form of one, by a suggestion of the other.
            browser
                .run(
                    "const f = document.querySelector('[data-tenant=clinica] form'); \
                     f.querySelector('input').value = 'Quanto custa o clareamento?'; f.requestSubmit();",
                )
                .await;
            browser
                .run("document.querySelectorAll('[data-tenant=pizzaria] .hint')[1].click();")
                .await;
        }
        browser
            .until(
                "return document.querySelector('[data-tenant=clinica] .bubble.out')?.textContent.includes('R$ 950') === true",
            )
            .await;
        browser
            .until(
                "return document.querySelector('[data-tenant=pizzaria] .bubble.out')?.textContent.includes('R$ 8 até 3 km') === true",
            )
            .await;
        browser.run("document.querySelector('.bubble details').open = true;").await;
        let shown =
            browser.run("return document.querySelector('.bubble blockquote').textContent").await;
        assert!(shown.as_str().unwrap().contains("clareamento custa R$ 950"), "{shown}");
        let wide = browser
            .run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            .await;
        assert_eq!(wide, true, "{name}: nothing sticks out sideways");
        assert_eq!(browser.accessibility_faults().await, Vec::<String>::new(), "{name}");
        browser.screenshot(&format!("demo-{name}")).await;
    }
}
