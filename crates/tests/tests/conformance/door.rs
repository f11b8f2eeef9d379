//! Who gets in.

use axum::http::Request;
use messaging::Kind;
use serde_json::json;
use testkit::Line;

use crate::{ANA, BIA, QUIET, cases, nothing_happened};

cases![
    a_wrong_proof_is_refused,
    a_missing_proof_is_refused,
    an_empty_proof_is_refused,
    a_body_that_was_changed_is_refused,
    a_rotated_secret_holds_at_once,
    an_empty_secret_is_refused_at_rotation,
    a_body_over_the_limit_is_413,
    a_body_that_is_no_json_is_refused,
    json_of_another_shape_is_refused_or_kept,
    an_unknown_channel_is_refused,
    the_same_call_again_has_no_second_effect,
    the_same_call_much_later_has_no_second_effect,
    one_sender_over_the_limit_is_429_and_others_are_taken,
    a_limited_message_is_taken_when_it_comes_again,
    failed_calls_are_limited_and_authentic_ones_are_not,
    an_archived_tenant_takes_nothing,
    a_suspended_tenant_stores_and_sends_nothing,
    another_channels_proof_is_refused,
];

async fn a_wrong_proof_is_refused(line: &Line<'_>) {
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    line.post_with(body.as_bytes(), "wrong-secret-0123456789").await.expect(401);
    nothing_happened(line).await;
}

async fn a_missing_proof_is_refused(line: &Line<'_>) {
    let path = format!("/webhook/{}", line.kind.name());
    let mut request = Request::post(path).header("content-type", "application/json");
    if line.kind == Kind::Whaticket {
        request = request.header("x-company-domain", &line.name);
    }
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    line.app.request(request.body(body.into()).unwrap()).await.expect(401);
    nothing_happened(line).await;
}

async fn an_empty_proof_is_refused(line: &Line<'_>) {
    let path = format!("/webhook/{}", line.kind.name());
    let request = Request::post(path)
        .header("x-company-domain", &line.name)
        .header("x-webhook-token", "")
        .header("x-timestamp", line.now().to_string())
        .header("x-signature", "")
        .header("x-hub-signature-256", "sha256=");
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    line.app.request(request.body(body.into()).unwrap()).await.expect(401);
    nothing_happened(line).await;
}

async fn a_body_that_was_changed_is_refused(line: &Line<'_>) {
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    let changed = body.replace("oi", "ai");
    let path = format!("/webhook/{}", line.kind.name());
    let at = line.now();
    let request = match line.kind {
        // A token proves the sender, not the body: another instance's name is what can be changed.
        Kind::Evolution => {
            let elsewhere = body.replace(&line.name, "nobody");
            let answer = line.post_with(elsewhere.as_bytes(), &line.secret).await;
            answer.expect(404);
            nothing_happened(line).await;
            return;
        }
        Kind::Whaticket => Request::post(path)
            .header("x-company-domain", &line.name)
            .header("x-timestamp", at.to_string())
            .header("x-signature", sandbox::whaticket_signature(&line.secret, at, body.as_bytes())),
        Kind::WhatsAppCloud => Request::post(path)
            .header("x-hub-signature-256", sandbox::cloud_signature(&line.secret, body.as_bytes())),
    };
    line.app.request(request.body(changed.into()).unwrap()).await.expect(401);
    nothing_happened(line).await;
}

async fn a_rotated_secret_holds_at_once(line: &Line<'_>) {
    let fresh = "another-secret-0123456789";
    let rotation = match line.kind {
        Kind::Evolution => json!({ "webhook_token": fresh, "at_once": true }),
        Kind::Whaticket | Kind::WhatsAppCloud => json!({ "secret": fresh }),
    };
    let path = format!("/v1/channels/{}/rotate", line.name);
    line.tenant.post(&path, &rotation).await.expect(200);
    let body = line.text_body(ANA, "Quanto custa a limpeza?", "A1", line.now()).to_string();
    line.post_with(body.as_bytes(), &line.secret).await.expect(401);
    line.post_with(body.as_bytes(), fresh).await.expect(line.ack());
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
}

async fn an_empty_secret_is_refused_at_rotation(line: &Line<'_>) {
    let path = format!("/v1/channels/{}/rotate", line.name);
    for field in ["api_key", "webhook_token", "secret"] {
        let refused = line.tenant.post(&path, &json!({ (field): "" })).await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("must not be empty"), "{refused}");
    }
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    line.post_with(body.as_bytes(), "").await.expect(401);
    line.post_with(body.as_bytes(), &line.secret).await.expect(line.ack());
}

async fn a_body_over_the_limit_is_413(line: &Line<'_>) {
    let large = line.text_body(ANA, &"x".repeat(34 * 1024 * 1024), "A1", line.now());
    line.post(&large).await.expect(413);
    nothing_happened(line).await;
}

async fn a_body_that_is_no_json_is_refused(line: &Line<'_>) {
    let expected = if line.kind == Kind::Evolution { 422 } else { 400 };
    for body in ["", "no json", "{\"a\":", "\u{feff}{\"a\""] {
        line.post_with(body.as_bytes(), &line.secret).await.expect(expected);
    }
    nothing_happened(line).await;
}

async fn json_of_another_shape_is_refused_or_kept(line: &Line<'_>) {
    let body = match line.kind {
        Kind::Evolution => json!({ "instance": line.name, "event": "something.new", "data": {} }),
        Kind::Whaticket => json!({ "something": "new" }),
        Kind::WhatsAppCloud => sandbox::cloud_event(
            "1",
            &[{
                let mut change = sandbox::cloud_change(&line.name, &json!({}));
                change["field"] = json!("something_new");
                change
            }],
        ),
    };
    if line.kind == Kind::Whaticket {
        line.post(&body).await.expect(400);
        return nothing_happened(line).await;
    }
    let kept = line.post(&body).await.expect(line.ack()).json();
    assert_eq!(kept["status"], "kept");
    let list = line.tenant.get("/v1/raw-events").await.expect(200).json();
    let id = list["items"][0]["id"].as_str().unwrap();
    let again = line.tenant.post(&format!("/v1/raw-events/{id}/replay"), &json!({})).await;
    assert_eq!(again.expect(200).json()["outcomes"][0], "kept");
}

async fn an_unknown_channel_is_refused(line: &Line<'_>) {
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    let elsewhere = body.replace(&line.name, "999999");
    let answer = match line.kind {
        Kind::Evolution => line.post_with(elsewhere.as_bytes(), &line.secret).await.expect(404),
        Kind::Whaticket => {
            let at = line.now();
            let request = Request::post("/webhook/whaticket")
                .header("x-company-domain", "nobody.example.com")
                .header("x-timestamp", at.to_string())
                .header(
                    "x-signature",
                    sandbox::whaticket_signature(&line.secret, at, body.as_bytes()),
                );
            line.app.request(request.body(body.into()).unwrap()).await.expect(404)
        }
        // The app is known, the number is not: Meta is told that all is well, and nothing is done.
        Kind::WhatsAppCloud => {
            let answer = line.post_with(elsewhere.as_bytes(), &line.secret).await.expect(200);
            assert_eq!(answer.json()["reason"], "unknown_number");
            line.post_with(elsewhere.as_bytes(), "nobodys-secret-0123").await.expect(401)
        }
    };
    assert!(answer.text.len() > 10);
    nothing_happened(line).await;
}

async fn the_same_call_again_has_no_second_effect(line: &Line<'_>) {
    let body = line.text_body(ANA, "Quanto custa a limpeza?", "A1", line.now());
    for _ in 0..3 {
        line.post(&body).await.expect(line.ack());
    }
    line.app.pass(QUIET).await;
    line.post(&body).await.expect(line.ack());
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
    assert_eq!(line.tenant.messages().await.len(), 2);
}

async fn the_same_call_much_later_has_no_second_effect(line: &Line<'_>) {
    let at = line.now();
    let body = line.text_body(ANA, "Quanto custa a limpeza?", "A1", at).to_string();
    line.post_at(body.as_bytes(), &line.secret, at).await.expect(line.ack());
    line.app.pass(std::time::Duration::from_secs(400)).await;
    let again = line.post_at(body.as_bytes(), &line.secret, at).await;
    // Whaticket's signature has run out; the others' proofs hold, and the id is known.
    again.expect(if line.kind == Kind::Whaticket { 401 } else { line.ack() });
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
    assert_eq!(line.tenant.messages().await.len(), 2);
}

async fn one_sender_over_the_limit_is_429_and_others_are_taken(line: &Line<'_>) {
    for n in 0..120 {
        let body = line.text_body(ANA, "oi", &format!("A{n}"), line.now());
        line.post(&body).await.expect(line.ack());
    }
    let over = line.text_body(ANA, "oi", "A121", line.now());
    let refused = line.post(&over).await.expect(429);
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    line.post(&line.text_body(BIA, "oi", "B1", line.now())).await.expect(line.ack());
}

async fn a_limited_message_is_taken_when_it_comes_again(line: &Line<'_>) {
    for n in 0..120 {
        line.hears_as(ANA, "oi", &format!("A{n}")).await;
    }
    let over = line.text_body(ANA, "oi", "LAST", line.now());
    line.post(&over).await.expect(429);
    // Knocking does not lengthen the wait: half a second a message is what 120 a minute come to.
    line.post(&over).await.expect(429);
    line.app.clock.advance(std::time::Duration::from_millis(501));
    line.post(&over).await.expect(line.ack());
    let count = line.tenant.messages().await.iter().filter(|m| m["provider_id"] == "LAST").count();
    assert_eq!(count, 1);
}

async fn failed_calls_are_limited_and_authentic_ones_are_not(line: &Line<'_>) {
    line.app.clock.advance(std::time::Duration::from_secs(120));
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    let mut refused = None;
    for _ in 0..70 {
        let answer = line.post_with(body.as_bytes(), "wrong-secret-0123456789").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.expect(401);
    }
    let refused = refused.expect("sixty failed calls a minute are the limit");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(refused.text.contains("too_many_requests_ip"), "{}", refused.text);
    line.post_with(body.as_bytes(), &line.secret).await.expect(line.ack());
    line.app.clock.advance(std::time::Duration::from_secs(120));
}

async fn an_archived_tenant_takes_nothing(line: &Line<'_>) {
    let path = format!("/v1/tenants/{}/state", line.tenant.slug);
    line.app.operator("PUT", &path, Some(&json!({ "state": "archived" }))).await.expect(200);
    let answer = line.post(&line.text_body(ANA, "oi", "A1", line.now())).await;
    // Meta would send it again for a day: it is told that it was taken note of.
    if line.kind == Kind::WhatsAppCloud {
        assert_eq!(answer.expect(200).json()["reason"], "tenant_archived");
    } else {
        answer.expect(404);
    }
    line.app.operator("PUT", &path, Some(&json!({ "state": "active" }))).await.expect(200);
    nothing_happened(line).await;
}

async fn a_suspended_tenant_stores_and_sends_nothing(line: &Line<'_>) {
    let path = format!("/v1/tenants/{}/state", line.tenant.slug);
    line.app.operator("PUT", &path, Some(&json!({ "state": "suspended" }))).await.expect(200);
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent(), []);
    line.app.operator("PUT", &path, Some(&json!({ "state": "active" }))).await.expect(200);
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
}

async fn another_channels_proof_is_refused(line: &Line<'_>) {
    let slug = format!("{}-b", line.tenant.slug);
    let other = Line::open(line.app, line.kind, &slug, 5_000 + line.now() as u64 % 1000).await;
    let body = line.text_body(ANA, "oi", "A1", line.now()).to_string();
    let refused = if line.kind == Kind::Evolution { 404 } else { 401 };
    line.post_with(body.as_bytes(), &other.secret).await.expect(refused);
    nothing_happened(line).await;
    let page = other.tenant.get("/v1/conversations").await.expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 0);
}
