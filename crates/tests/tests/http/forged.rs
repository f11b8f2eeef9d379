//! Forged, replayed, late, oversized and malformed calls: each with its status, none with an effect.

use axum::http::Request;
use sandbox::{
    cloud_message, cloud_signature, customer_message, whaticket_message, whaticket_signature,
};
use serde_json::json;
use testkit::{TestApp, both_engines};

const SECRET: &str = "segredo-do-whaticket-0123456789";
const APP: &str = "segredo-do-aplicativo-0123456789";
const TOKEN: &str = "token-of-loja";

/// A call: its address, headers and body.
struct Call {
    what: &'static str,
    status: u16,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn calls(now: i64) -> Vec<Call> {
    let mut all: Vec<Call> = Vec::new();
    let mut add = |what, status, path, headers: Vec<(&'static str, String)>, body: Vec<u8>| {
        all.push(Call { what, status, path, headers, body });
    };
    let wt = whaticket_message("5511987654321", "Ana", "oi", "WT", now).to_string().into_bytes();
    let ev =
        customer_message("loja", "5511987654321", "Ana", "oi", "EV", now).to_string().into_bytes();
    let wa =
        cloud_message("1001", "5511987654321", "Ana", "oi", "WA", now).to_string().into_bytes();
    let large = |inner: &[u8]| {
        let mut body = inner.to_vec();
        body.extend(std::iter::repeat_n(b' ', 70_000));
        body
    };

    // Whaticket: what signs, when, for whom, over what.
    let path = "/webhook/whaticket";
    let domain = || ("x-company-domain", "chat.example.com".to_owned());
    let sign = |at: i64, body: &[u8]| {
        vec![
            domain(),
            ("x-timestamp", at.to_string()),
            ("x-signature", whaticket_signature(SECRET, at, body)),
            ("x-webhook-token", "token-do-whaticket".to_owned()),
        ]
    };
    let with = |mut headers: Vec<(&'static str, String)>, name: &'static str, value: &str| {
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value.to_owned()));
        headers
    };
    let without = |mut headers: Vec<(&'static str, String)>, name: &str| {
        headers.retain(|(other, _)| *other != name);
        headers
    };
    add("whaticket without any header", 404, path, vec![], wt.clone());
    add(
        "whaticket of an unknown domain",
        404,
        path,
        with(sign(now, &wt), "x-company-domain", "nobody.example.com"),
        wt.clone(),
    );
    add(
        "whaticket of a domain that is none",
        404,
        path,
        with(sign(now, &wt), "x-company-domain", "../etc"),
        wt.clone(),
    );
    add(
        "whaticket of a domain with a path",
        404,
        path,
        with(sign(now, &wt), "x-company-domain", "chat.example.com/x"),
        wt.clone(),
    );
    add(
        "whaticket without a signature",
        401,
        path,
        without(sign(now, &wt), "x-signature"),
        wt.clone(),
    );
    add(
        "whaticket without a timestamp",
        401,
        path,
        without(sign(now, &wt), "x-timestamp"),
        wt.clone(),
    );
    add(
        "whaticket signed with another secret",
        401,
        path,
        with(sign(now, &wt), "x-signature", &whaticket_signature("another-secret", now, &wt)),
        wt.clone(),
    );
    add(
        "whaticket signed with an empty secret",
        401,
        path,
        with(sign(now, &wt), "x-signature", &whaticket_signature("", now, &wt)),
        wt.clone(),
    );
    add(
        "whaticket with an empty signature",
        401,
        path,
        with(sign(now, &wt), "x-signature", ""),
        wt.clone(),
    );
    add(
        "whaticket with half a signature",
        401,
        path,
        with(sign(now, &wt), "x-signature", &whaticket_signature(SECRET, now, &wt)[..32]),
        wt.clone(),
    );
    add(
        "whaticket with a signature that is no hex",
        401,
        path,
        with(sign(now, &wt), "x-signature", "zz"),
        wt.clone(),
    );
    add(
        "whaticket with Meta's kind of signature",
        401,
        path,
        with(sign(now, &wt), "x-signature", &cloud_signature(SECRET, &wt)),
        wt.clone(),
    );
    add(
        "whaticket signed over the body alone",
        401,
        path,
        with(sign(now, &wt), "x-signature", &cloud_signature(SECRET, &wt)["sha256=".len()..]),
        wt.clone(),
    );
    add(
        "whaticket with another time than signed",
        401,
        path,
        with(sign(now, &wt), "x-timestamp", &(now - 1).to_string()),
        wt.clone(),
    );
    add("whaticket 301 s late", 401, path, sign(now - 301, &wt), wt.clone());
    add("whaticket 301 s early", 401, path, sign(now + 301, &wt), wt.clone());
    add("whaticket with a timestamp in milliseconds", 401, path, sign(now * 1000, &wt), wt.clone());
    add(
        "whaticket with a timestamp that is no number",
        401,
        path,
        with(sign(now, &wt), "x-timestamp", "now"),
        wt.clone(),
    );
    add(
        "whaticket with an endless timestamp",
        401,
        path,
        with(sign(now, &wt), "x-timestamp", "inf"),
        wt.clone(),
    );
    add(
        "whaticket with a changed body",
        401,
        path,
        sign(now, &wt),
        String::from_utf8_lossy(&wt).replace("oi", "ai").into_bytes(),
    );
    add("whaticket with a body cut short", 401, path, sign(now, &wt), wt[..wt.len() - 1].to_vec());
    add(
        "whaticket with a wrong token",
        401,
        path,
        with(sign(now, &wt), "x-webhook-token", "wrong"),
        wt.clone(),
    );
    add(
        "whaticket without the token",
        401,
        path,
        without(sign(now, &wt), "x-webhook-token"),
        wt.clone(),
    );
    add("whaticket over the limit", 413, path, sign(now, &large(&wt)), large(&wt));
    // Well signed, and nothing to answer: sending it again would not help.
    let nothing = b"{\"number\":\"5511987654321\"}".to_vec();
    add("whaticket signed, nothing said", 202, path, sign(now, &nothing), nothing);
    for (what, body) in [
        ("whaticket signed, no JSON", &b"oi"[..]),
        ("whaticket signed, empty", b""),
        ("whaticket signed, a list", b"[]"),
        ("whaticket signed, nobody wrote", b"{\"text\":\"oi\"}"),
        ("whaticket signed, no number", b"{\"number\":\"abc\",\"text\":\"oi\"}"),
        ("whaticket signed, bytes that are no text", b"\xff\xfe"),
    ] {
        add(what, 400, path, sign(now, body), body.to_vec());
    }

    // Meta: the app's secret over the raw body.
    let path = "/webhook/whatsapp-cloud";
    let hub = |signature: String| vec![("x-hub-signature-256", signature)];
    add("cloud without a signature", 401, path, vec![], wa.clone());
    add("cloud with an empty signature", 401, path, hub("sha256=".to_owned()), wa.clone());
    add(
        "cloud signed with another secret",
        401,
        path,
        hub(cloud_signature("another", &wa)),
        wa.clone(),
    );
    add("cloud signed with an empty secret", 401, path, hub(cloud_signature("", &wa)), wa.clone());
    add(
        "cloud signed without its prefix",
        401,
        path,
        hub(cloud_signature(APP, &wa)["sha256=".len()..].to_owned()),
        wa.clone(),
    );
    add(
        "cloud with sha1's prefix",
        401,
        path,
        hub(cloud_signature(APP, &wa).replace("sha256=", "sha1=")),
        wa.clone(),
    );
    add(
        "cloud with a changed body",
        401,
        path,
        hub(cloud_signature(APP, &wa)),
        String::from_utf8_lossy(&wa).replace("oi", "ai").into_bytes(),
    );
    add(
        "cloud signed by nobody's app, of an unknown number",
        401,
        path,
        {
            let other = String::from_utf8_lossy(&wa).replace("1001", "9999");
            hub(cloud_signature("another", other.as_bytes()))
        },
        String::from_utf8_lossy(&wa).replace("1001", "9999").into_bytes(),
    );
    add("cloud over the limit", 413, path, hub(cloud_signature(APP, &large(&wa))), large(&wa));
    add("cloud signed, no JSON", 400, path, hub(cloud_signature(APP, b"oi")), b"oi".to_vec());
    add(
        "cloud signed, of another product",
        400,
        path,
        hub(cloud_signature(APP, b"{\"object\":\"page\"}")),
        b"{\"object\":\"page\"}".to_vec(),
    );

    // Evolution: a token, in a header or in the path.
    let path = "/webhook/evolution";
    let token = |text: &str| vec![("x-webhook-token", text.to_owned())];
    add("evolution without a token", 401, path, vec![], ev.clone());
    add("evolution with an empty token", 401, path, token(""), ev.clone());
    add("evolution with a wrong token", 401, path, token("wrong"), ev.clone());
    add(
        "evolution with the token cut short",
        401,
        path,
        token(&TOKEN[..TOKEN.len() - 1]),
        ev.clone(),
    );
    add("evolution with another tenant's token", 404, path, token("token-of-outra"), ev.clone());
    add(
        "evolution with a wrong token in the path",
        401,
        "/webhook/evolution/in/wrong",
        vec![],
        ev.clone(),
    );
    add("evolution with Meta's verify token", 401, path, token("verifica-0123456789"), ev.clone());
    add(
        "evolution of an unknown instance",
        404,
        path,
        token(TOKEN),
        String::from_utf8_lossy(&ev).replace("\"loja\"", "\"nobody\"").into_bytes(),
    );
    add("evolution over the limit", 413, path, token(TOKEN), large(&ev));
    add("evolution, no JSON", 422, path, token(TOKEN), b"oi".to_vec());
    all
}

both_engines! {
    async fn none_of_these_calls_has_an_effect(on: On) {
        let settings = [("PORTARIA_WEBHOOK_BODY_LIMIT", "65536"), ("PORTARIA_WEBHOOK_FAILED_CALLS", "10000")];
        let app = TestApp::start_with(on, &settings).await;
        let tenant = app.tenant("loja").await;
        app.tenant("outra").await;
        for channel in [
            json!({ "kind": "whaticket", "domain": "chat.example.com", "base_url": app.whaticket.base_url(), "token": "t",
                "shared_secret": SECRET, "webhook_token": "token-do-whaticket", "probe": false }),
            json!({ "kind": "whatsapp-cloud", "phone_number_id": "1001", "base_url": app.cloud.base_url(), "access_token": "t",
                "app_secret": APP, "verify_token": "verifica-0123456789" }),
        ] {
            tenant.post("/v1/channels", &channel).await.expect(201);
        }
        let all = calls(app.clock.now().0 / 1_000_000);
        assert!(all.len() >= 40, "{}", all.len());
        for call in all {
            let mut request = Request::post(call.path);
            for (name, value) in &call.headers {
                request = request.header(*name, value);
            }
            let answer = app.request(request.body(call.body.into()).unwrap()).await;
            assert_eq!(answer.status.as_u16(), call.status, "{}: {}", call.what, answer.text);
            assert!(!answer.text.contains(SECRET) && !answer.text.contains(APP), "{}", call.what);
        }
        for path in ["/v1/conversations", "/v1/raw-events"] {
            let page = tenant.get(path).await.expect(200).json();
            assert_eq!(page["items"].as_array().unwrap().len(), 0, "{path}: {page}");
        }
        let ran = app.pass(std::time::Duration::from_secs(60)).await;
        assert_eq!(ran, []);
    }
}

both_engines! {
    async fn what_may_not_be_configured_is_refused(on: On) {
        let app = TestApp::start(on).await;
        let tenant = app.bare_tenant("loja").await;
        let whaticket = json!({ "kind": "whaticket", "domain": "chat.example.com", "base_url": app.whaticket.base_url(),
            "token": testkit::WHATICKET_TOKEN, "shared_secret": SECRET });
        let cloud = json!({ "kind": "whatsapp-cloud", "phone_number_id": "1001", "base_url": app.cloud.base_url(),
            "access_token": "t", "app_secret": APP, "verify_token": "v" });
        for (base, field, value) in [
            (&whaticket, "shared_secret", ""),
            (&whaticket, "shared_secret", "   "),
            (&whaticket, "token", ""),
            (&whaticket, "domain", ""),
            (&whaticket, "domain", "https://chat.example.com"),
            (&whaticket, "base_url", "ftp://chat.example.com"),
            (&cloud, "app_secret", ""),
            (&cloud, "access_token", ""),
            (&cloud, "verify_token", ""),
            (&cloud, "phone_number_id", "+55 11"),
        ] {
            let mut body = base.clone();
            body[field] = json!(value);
            tenant.post("/v1/channels", &body).await.expect(422);
        }
        let mut missing = cloud.clone();
        missing.as_object_mut().unwrap().remove("app_secret");
        tenant.post("/v1/channels", &missing).await.expect(422);
        let unknown = json!({ "kind": "telegram" });
        let refused = tenant.post("/v1/channels", &unknown).await.expect(422);
        assert!(refused.text.contains("whatsapp-cloud"), "{}", refused.text);
        // The server is asked, and says which token would be right.
        let mut wrong = whaticket.clone();
        wrong["token"] = json!("login-jwt");
        let refused = tenant.post("/v1/channels", &wrong).await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("userApiToken"), "{refused}");
        // A server that is away is no refusal: the channel is added, and says what was not looked at.
        let mut away = whaticket.clone();
        away["base_url"] = json!(format!("http://127.0.0.1:{}", testkit::free_port()));
        let added = tenant.post("/v1/channels", &away).await.expect(201).json();
        assert!(added["alarm"].as_str().unwrap().contains("was not checked"), "{added}");
        assert_eq!(app.whaticket.sent(), [], "asking sends nothing");
    }
}
