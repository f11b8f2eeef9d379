//! A browser without a screen: cookies, pages, forms.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use identity::{NewPerson, Opening, Role, Stage};
use kernel::{PersonId, TenantId};
use parking_lot::Mutex;
use tower::ServiceExt as _;

use crate::{Answer, TestApp};

/// The password of every person of the tests.
pub const PASSWORD: &str = "tres mosqueteiros azuis";

/// Somebody who looks at pages.
pub struct Visitor<'a> {
    app: &'a TestApp,
    cookies: Mutex<BTreeMap<String, String>>,
    pub language: &'static str,
}

impl TestApp {
    /// Somebody with no cookie yet.
    pub fn visitor(&self) -> Visitor<'_> {
        Visitor { app: self, cookies: Mutex::default(), language: "pt-BR" }
    }

    /// A person with [`PASSWORD`], belonging to these tenants.
    pub async fn person(&self, email: &str, places: &[(TenantId, Role)]) -> PersonId {
        let hash = identity::hash_password(PASSWORD).await;
        self.person_with(email, places, Some(&hash), false).await
    }

    /// Somebody who runs the house, with [`PASSWORD`].
    pub async fn operator_person(&self, email: &str) -> PersonId {
        let hash = identity::hash_password(PASSWORD).await;
        self.person_with(email, &[], Some(&hash), true).await
    }

    async fn person_with(
        &self,
        email: &str,
        places: &[(TenantId, Role)],
        hash: Option<&str>,
        operator: bool,
    ) -> PersonId {
        let now = self.clock.now();
        let name = email.split('@').next().unwrap_or(email);
        let mut tx = self.house.db.begin_system().await.expect("a transaction");
        let new = NewPerson { email, name, password_hash: hash, operator };
        let id = identity::create_person(&mut tx, &new, now).await.expect("a person");
        for (tenant, role) in places {
            identity::join(&mut tx, *tenant, id, (*role, identity::Source::Team), now)
                .await
                .expect("a membership");
        }
        tx.commit().await.expect("a commit");
        id
    }

    /// A visitor who is signed in as somebody new, without the form.
    pub async fn signed_in(&self, email: &str, places: &[(TenantId, Role)]) -> Visitor<'_> {
        let id = self.person_with(email, places, None, false).await;
        self.session_of(id).await
    }

    /// A visitor who is signed in as an operator, without the form.
    pub async fn signed_in_operator(&self, email: &str) -> Visitor<'_> {
        let id = self.person_with(email, &[], None, true).await;
        self.session_of(id).await
    }

    /// A visitor with a session of this person.
    pub async fn session_of(&self, id: PersonId) -> Visitor<'_> {
        let opening = Opening { how: "password", agent: "tests", address: "127.0.0.1" };
        let mut tx = self.house.db.begin_system().await.expect("a transaction");
        let lives = (Duration::from_secs(86_400), self.clock.now());
        let cookie = identity::open_session(&mut tx, id, Stage::Open, opening, lives)
            .await
            .expect("a session");
        tx.commit().await.expect("a commit");
        let visitor = self.visitor();
        visitor.cookies.lock().insert("sid".to_owned(), cookie);
        visitor
    }
}

impl Visitor<'_> {
    fn header(&self) -> String {
        let cookies = self.cookies.lock();
        cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ")
    }

    /// The token that this visitor's forms carry.
    pub fn csrf(&self) -> String {
        let cookies = self.cookies.lock();
        let cookie = cookies.get("sid").or_else(|| cookies.get("visit"));
        cookie.map(|cookie| identity::csrf_token(cookie)).unwrap_or_default()
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().get(name).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().insert(name.to_owned(), value.to_owned());
    }

    /// Sends a request and keeps the cookies of its answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, self.header())
            .header(header::ACCEPT_LANGUAGE, self.language);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.app.request(request.body(Body::from(body)).expect("a request")).await;
        for value in answer.headers.get_all(header::SET_COOKIE) {
            let text = value.to_str().expect("a cookie is text");
            let pair = text.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if value.is_empty() {
                self.cookies.lock().remove(name);
            } else {
                self.cookies.lock().insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The status of a page whose body is not waited for.
    pub async fn status(&self, path: &str) -> u16 {
        let request = Request::builder().uri(path).header(header::COOKIE, self.header());
        let request = request.body(Body::empty()).expect("a request");
        let router = self.app.router.clone();
        router.oneshot(request).await.expect("routers do not fail").status().as_u16()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], String::new()).await
    }

    /// Sends a form of one of our pages.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("_csrf", self.csrf())];
        all.extend(fields.iter().map(|(k, v)| (*k, (*v).to_owned())));
        self.post_raw(path, &all).await
    }

    /// Sends a form with just these fields.
    pub async fn post_raw(&self, path: &str, fields: &[(&str, String)]) -> Answer {
        let body =
            fields.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect::<Vec<_>>().join("&");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        // As the page's script sends it, where there is a token to send.
        let token =
            fields.iter().find(|(name, _)| *name == "_csrf").map_or("", |(_, v)| v.as_str());
        let headers = [kind, ("x-csrf-token", token)];
        let headers = if token.is_empty() { &headers[..1] } else { &headers[..] };
        self.send("POST", path, headers, body).await
    }

    /// Sends a form with files, as browsers do.
    pub async fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &str)],
    ) -> Answer {
        let mut body = String::new();
        let csrf = self.csrf();
        let own = [("_csrf", csrf.as_str())];
        for (name, value) in own.iter().chain(fields) {
            body.push_str(&format!(
                "--line\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        for (field, name, content) in files {
            body.push_str(&format!(
                "--line\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
                 content-type: application/octet-stream\r\n\r\n{content}\r\n"
            ));
        }
        body.push_str("--line--\r\n");
        self.send("POST", path, &[("content-type", "multipart/form-data; boundary=line")], body)
            .await
    }

    /// Signs in by the form.
    pub async fn signs_in(&self, email: &str, password: &str) -> Answer {
        if self.cookie("visit").is_none() {
            self.get("/painel").await.expect(200);
        }
        self.post("/painel/entrar", &[("email", email), ("password", password)]).await
    }
}

impl Answer {
    /// Where the browser is sent.
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
        out
    })
}

/// The bytes of a secret in base32, as authenticator apps take it.
pub fn base32(secret: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bits, mut held, mut key) = (0u32, 0u32, Vec::new());
    for digit in secret.chars().filter_map(|c| alphabet.find(c)) {
        held = (held << 5) | u32::try_from(digit).expect("one of 32");
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            key.push(u8::try_from((held >> bits) & 0xff).expect("a byte"));
        }
    }
    key
}

/// A code of RFC 6238 with six digits and SHA-1, written apart from the library under test.
pub fn totp(key: &[u8], step: u64) -> String {
    let digest = hmac_sha1(key, &step.to_be_bytes());
    let at = usize::from(digest[19] & 0xf);
    let four = [digest[at] & 0x7f, digest[at + 1], digest[at + 2], digest[at + 3]];
    format!("{:06}", u32::from_be_bytes(four) % 1_000_000)
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = sha1(&[pad(0x36).as_slice(), text].concat());
    sha1(&[pad(0x5c).as_slice(), &inner].concat())
}

fn sha1(text: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = text.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(text.len() as u64 * 8).to_be_bytes());
    for chunk in padded.chunks(64) {
        let mut words = [0u32; 80];
        for (word, four) in words.iter_mut().zip(chunk.chunks(4)) {
            *word = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
        }
        for n in 16..80 {
            words[n] = (words[n - 3] ^ words[n - 8] ^ words[n - 14] ^ words[n - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (n, word) in words.iter().enumerate() {
            let (f, k) = match n {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(f)
                .wrapping_add(e)
                .wrapping_add(k)
                .wrapping_add(*word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (slot, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *slot = slot.wrapping_add(value);
        }
    }
    let mut out = [0u8; 20];
    for (four, word) in out.chunks_mut(4).zip(state) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    out
}
