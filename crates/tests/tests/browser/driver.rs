//! A window of Chromium, driven over the WebDriver protocol.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use testkit::free_port;

pub(crate) fn build_folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned()
}

/// A process in a group of its own, which ends as a whole: chromedriver leaves its Chromium behind
/// when it is killed alone.
pub(crate) struct Ends(pub(crate) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// How somebody looks at the pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) language: &'static str,
}

/// At a desk, in Portuguese.
pub(crate) const DESK: Window = Window { width: 1440, height: 900, language: "pt-BR" };
/// On a phone, in English.
pub(crate) const PHONE: Window = Window { width: 390, height: 844, language: "en-US" };

impl Window {
    /// The words that are read in this window.
    pub(crate) fn t(self, pt: &'static str, en: &'static str) -> &'static str {
        if self.language == "pt-BR" { pt } else { en }
    }
}

/// A journey that people make at a desk and on a phone, in either language: a test of each.
macro_rules! both_windows {
    (async fn $name:ident($window:ident: Window) $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every journey uses all of its module")]
            use super::*;

            async fn body($window: $crate::driver::Window) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn at_a_desk_in_portuguese() {
                body($crate::driver::DESK).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_a_phone_in_english() {
                body($crate::driver::PHONE).await;
            }
        }
    };
}
pub(crate) use both_windows;

/// A window of Chromium, driven over the WebDriver protocol.
pub(crate) struct Browser {
    _driver: Ends,
    _profile: tempfile::TempDir,
    client: reqwest::Client,
    session: String,
    window: Window,
}

impl Browser {
    pub(crate) async fn open(window: Window) -> Self {
        let Window { width, height, language } = window;
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
            format!("--lang={language}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "unhandledPromptBehavior": "accept",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments, "prefs": { "intl.accept_languages": language },
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
        Self { _driver: driver, _profile: profile, client, session, window }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let answer =
            self.client.post(format!("{}{path}", self.session)).json(body).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert!(body["value"].get("error").is_none(), "{path}: {body}");
        body["value"].clone()
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await;
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Runs a script that calls its last argument when it is done.
    pub(crate) async fn wait_for(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": [] })).await
    }

    /// Looks again until the script says true.
    pub(crate) async fn until(&self, script: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.run(script).await != true {
            assert!(Instant::now() < deadline, "never: {script}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn screenshot(&self, name: &str) {
        let answer = self.client.get(format!("{}/screenshot", self.session)).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let folder = build_folder().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let png = BASE64.decode(body["value"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// What axe finds against WCAG 2.2 A and AA.
    pub(crate) async fn accessibility_faults(&self) -> Vec<String> {
        self.run(include_str!("../../vendor/axe.min.js")).await;
        let script = "const done = arguments[arguments.length - 1]; \
             axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then(r => \
             done(r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' '))));";
        let found = self.wait_for(script).await;
        found.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    }

    /// Errors that the browser wrote to its console since the last look: scripts, and what the policy
    /// forbids.
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        let found = self.post("/se/log", &json!({ "type": "browser" })).await;
        found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|line| line["level"] == "SEVERE")
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// That a form was refused is an error to the browser; no other has happened since the last look.
    pub(crate) async fn only_refusals(&self) {
        for error in self.console_errors().await {
            assert!(error.contains("status of 4"), "{error}");
        }
    }

    /// Keys as a person presses them, wherever the focus is.
    pub(crate) async fn keys(&self, text: &str) {
        let mut actions = Vec::new();
        for c in text.chars() {
            actions.push(json!({ "type": "keyDown", "value": c.to_string() }));
            actions.push(json!({ "type": "keyUp", "value": c.to_string() }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] })).await;
    }

    async fn element(&self, css: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": css })).await;
        let id = found.as_object().and_then(|map| map.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("no {css}")).to_owned()
    }

    /// Types into a field; of a file's field the path.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let id = self.element(css).await;
        self.post(&format!("/element/{id}/value"), &json!({ "text": text })).await;
    }

    pub(crate) async fn click(&self, css: &str) {
        // As people do: what lies under the bar of a phone is scrolled up first.
        let found = serde_json::to_string(css).unwrap();
        self.run(&format!(
            "document.querySelector({found})?.scrollIntoView({{ block: 'center' }})"
        ))
        .await;
        let id = self.element(css).await;
        self.post(&format!("/element/{id}/click"), &json!({})).await;
    }

    /// A phone's or laptop's own authenticator, which always recognises its person.
    pub(crate) async fn has_authenticator(&self) {
        let wanted = json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "isUserConsenting": true });
        self.post("/webauthn/authenticator", &wanted).await;
    }

    /// What people read on the page.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says this.
    pub(crate) async fn says(&self, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        self.until(&format!("return document.body.innerText.includes({text})")).await;
    }

    /// Waits until the page says this, in the window's language.
    pub(crate) async fn tells(&self, pt: &'static str, en: &'static str) {
        self.says(self.window.t(pt, en)).await;
    }

    /// Waits until a selector finds something.
    pub(crate) async fn shows(&self, css: &str) {
        let css = serde_json::to_string(css).unwrap();
        self.until(&format!("return document.querySelector({css}) !== null")).await;
    }

    /// Waits until the bar under the conversation says who has it.
    pub(crate) async fn owned(&self, pt: &'static str, en: &'static str) {
        let text = self.window.t(pt, en);
        self.until(&format!(
            "return document.querySelector('.owner-bar strong')?.textContent === '{text}'"
        ))
        .await;
    }

    /// Waits for the page of this path.
    pub(crate) async fn arrives(&self, path: &str) {
        let path = serde_json::to_string(path).unwrap();
        self.until(&format!(
            "return location.pathname === {path} && document.readyState === 'complete'"
        ))
        .await;
    }

    /// The page reads well by the rules, needs nothing it may not have, and nothing sticks out.
    pub(crate) async fn is_sound(&self, what: &str) {
        let wide =
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(self.run(wide).await, true, "{what}: sticks out sideways");
        // What is framed stays in its frame, unless something between them scrolls.
        let out = "const scrolls = (e, box) => { for (; e !== box; e = e.parentElement) \
             if (getComputedStyle(e).overflowX !== 'visible') return true; return false; }; \
             return [...document.querySelectorAll(':is(.panel, .card, .list) *')].filter(e => { \
             const box = e.closest(':is(.panel, .card, .list)'); \
             const own = e === box ? e.parentElement.closest(':is(.panel, .card, .list)') : box; \
             return own && e.getBoundingClientRect().right > own.getBoundingClientRect().right + 1 && e.checkVisibility() && !scrolls(e.parentElement, own); \
             }).map(e => e.outerHTML.slice(0, 120));";
        assert_eq!(self.run(out).await, json!([]), "{what}: sticks out of its frame");
        assert_eq!(self.accessibility_faults().await, Vec::<String>::new(), "{what}");
        assert_eq!(self.console_errors().await, Vec::<String>::new(), "{what}");
        let moved = self.layout_shift().await;
        assert!(moved < 0.02, "{what}: what was shown moved by {moved}");
    }

    /// How much of what was shown moved by itself since the page began (the CLS of Web Vitals).
    async fn layout_shift(&self) -> f64 {
        let script = "const done = arguments[arguments.length - 1]; let moved = 0; \
             new PerformanceObserver(list => { for (const entry of list.getEntries()) \
             if (!entry.hadRecentInput) moved += entry.value; }).observe({ type: 'layout-shift', buffered: true }); \
             requestAnimationFrame(() => requestAnimationFrame(() => done(moved)));";
        let found = self.wait_for(script).await;
        found.as_f64().unwrap_or_default()
    }

    /// A line as slow as a phone's at the edge of its cell: so many milliseconds each way.
    pub(crate) async fn slow_line(&self, latency: u64) {
        let conditions = json!({ "offline": false, "latency": latency, "download_throughput": 50_000,
            "upload_throughput": 20_000 });
        self.post("/chromium/network_conditions", &json!({ "network_conditions": conditions }))
            .await;
    }
}
