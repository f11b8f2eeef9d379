//! How far messages are, and who is told.

use std::time::Duration;

use messaging::Kind;
use sandbox::Fault;
use serde_json::{Value, json};
use testkit::Line;

use crate::{ANA, QUIET, answer_of, answered, cases, text};

cases![
    delivery_and_reading_move_the_message,
    reports_out_of_order_do_not_move_it_back,
    a_report_twice_is_one_step,
    a_failure_reported_later_shows_a_person,
    a_report_on_an_unknown_message_is_no_harm,
    a_report_may_come_before_the_answer_of_the_call,
    the_journey_of_a_question_leads_to_its_answer,
    the_journey_of_a_person_lists_the_newest_first,
    a_channels_capabilities_and_state_are_shown,
    where_whatsapp_really_is_is_learned,
    what_has_no_end_is_listed,
];

async fn delivery_and_reading_move_the_message(line: &Line<'_>) {
    let sent = answered(line).await;
    let id = answer_of(line).await["id"].clone();
    for state in ["delivered", "read"] {
        match line.report(&sent.provider_id, state, None).await {
            Some(answer) => {
                answer.expect(line.ack());
                assert_eq!(line.message(&id).await["state"], state);
            }
            None => assert_eq!(line.message(&id).await["state"], "sent", "the last that is known"),
        }
    }
    let steps = line.steps(&id).await;
    let expected: &[&str] = if line.kind == Kind::Whaticket {
        &["queued", "sent"]
    } else {
        &["queued", "sent", "delivered", "read"]
    };
    assert_eq!(steps, expected);
}

async fn reports_out_of_order_do_not_move_it_back(line: &Line<'_>) {
    let sent = answered(line).await;
    let id = answer_of(line).await["id"].clone();
    for state in ["read", "delivered", "sent"] {
        line.report(&sent.provider_id, state, None).await;
    }
    if line.kind == Kind::Whaticket {
        assert_eq!(line.message(&id).await["state"], "sent");
        return;
    }
    assert_eq!(line.message(&id).await["state"], "read");
    let mut steps = line.steps(&id).await;
    steps.sort();
    assert_eq!(steps, ["delivered", "queued", "read", "sent"], "the line has all of them");
}

async fn a_report_twice_is_one_step(line: &Line<'_>) {
    let sent = answered(line).await;
    let id = answer_of(line).await["id"].clone();
    for _ in 0..3 {
        line.report(&sent.provider_id, "delivered", None).await;
    }
    let count = line.steps(&id).await.iter().filter(|s| *s == "delivered").count();
    assert_eq!(count, usize::from(line.kind != Kind::Whaticket));
}

async fn a_failure_reported_later_shows_a_person(line: &Line<'_>) {
    let sent = answered(line).await;
    let id = answer_of(line).await["id"].clone();
    if line.report(&sent.provider_id, "failed", None).await.is_none() {
        assert_eq!(line.tenant.conversation().await["needs_person"], false);
        return;
    }
    let message = line.message(&id).await;
    assert_eq!(message["state"], "failed");
    assert!(message["reason"].is_string());
    let conversation = line.tenant.conversation().await;
    assert_eq!(
        (&conversation["needs_person"], &conversation["handoff_reason"]),
        (&json!(true), &json!("send_failed"))
    );
}

async fn a_report_on_an_unknown_message_is_no_harm(line: &Line<'_>) {
    if let Some(answer) = line.report("NOBODYS", "read", None).await {
        assert_eq!(answer.expect(line.ack()).json()["status"], "ignored");
    }
    crate::nothing_happened(line).await;
}

async fn a_report_may_come_before_the_answer_of_the_call(line: &Line<'_>) {
    answered(line).await;
    line.app.evolution.stores(false);
    line.faults().push(Fault::DoneButSilent);
    let posted = line.send(&text(ANA, "sem resposta")).await;
    line.app.run_jobs().await;
    assert_eq!(line.message(&posted["message"]).await["state"], "unknown");
    let sent = line.sent()[1].clone();
    match line.kind {
        // The echo of what left by the API tells it.
        Kind::Evolution => {
            let mut echo = line.echo_body(ANA, &sent.text, &sent.provider_id);
            echo["event"] = json!("send.message");
            line.post(&echo).await.expect(202);
        }
        // What a fork reports as typed on the phone has the same words.
        Kind::Whaticket => {
            line.post(&line.echo_body(ANA, &sent.text, "ECHO1")).await.expect(202);
        }
        // The status carries our own id.
        Kind::WhatsAppCloud => {
            let key = posted["message"].as_str();
            line.report(&sent.provider_id, "delivered", key).await.unwrap().expect(200);
        }
    }
    line.app.evolution.stores(true);
    let message = line.message(&posted["message"]).await;
    assert!(["sent", "delivered"].contains(&message["state"].as_str().unwrap()), "{message}");
    let conversation = line.tenant.conversation().await;
    assert_eq!(
        (&conversation["owner"], &conversation["needs_person"]),
        (&json!("bot"), &json!(false))
    );
}

async fn the_journey_of_a_question_leads_to_its_answer(line: &Line<'_>) {
    answered(line).await;
    let messages = line.tenant.messages().await;
    let path = format!("/v1/messages/{}/journey", messages[0]["id"].as_str().unwrap());
    let journey = line.tenant.get(&path).await.expect(200).json();
    let steps: Vec<&Value> = journey["steps"].as_array().unwrap().iter().collect();
    let states: Vec<&str> = steps.iter().map(|s| s["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["received", "stored", "answered"]);
    assert_eq!(steps[2]["detail"], messages[1]["id"]);
    let other = line.app.bare_tenant(&format!("{}-z", line.tenant.slug)).await;
    other.get(&path).await.expect(404);
}

async fn the_journey_of_a_person_lists_the_newest_first(line: &Line<'_>) {
    answered(line).await;
    let phone: kernel::Phone = ANA.parse().unwrap();
    let mut tx = line.app.house.db.read(line.tenant.id).await.unwrap();
    let journeys = inbox::journeys_of_phone(&mut tx, &phone, 10).await.unwrap();
    let directions: Vec<&str> = journeys.iter().map(|j| j.direction.as_str()).collect();
    assert_eq!(directions, ["out", "in"]);
}

async fn a_channels_capabilities_and_state_are_shown(line: &Line<'_>) {
    line.app.evolution.pair(&line.name);
    let path = format!("/v1/channels/{}/status", line.name);
    let status = line.tenant.post(&path, &json!({})).await.expect(200).json();
    assert_eq!(status["channel"]["state"], "CONNECTED", "{status}");
    let cloud = line.kind == Kind::WhatsAppCloud;
    assert_eq!(status["can"]["templates_required"], cloud);
    assert_eq!(status["can"]["statuses"], line.kind != Kind::Whaticket);
    let own = &status["channel"]["own_number"];
    assert_eq!(own.is_string(), line.kind != Kind::Whaticket, "{status}");
    line.app.evolution.only_instances(&[]);
}

async fn where_whatsapp_really_is_is_learned(line: &Line<'_>) {
    // WhatsApp knows this person without the ninth digit.
    line.app.evolution.alias("5585987654321", "558587654321");
    line.app.cloud.alias("5585987654321", "558587654321");
    if line.kind == Kind::WhatsAppCloud {
        let body =
            json!({ "to": "5585987654321", "template": { "name": "oi", "language": "pt_BR" } });
        line.send(&body).await;
    } else {
        line.send(&text("5585987654321", "oi")).await;
    }
    line.app.run_jobs().await;
    line.hears("558587654321", "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    line.tenant.conversation().await;
    let sent = line.sent();
    assert_eq!(sent.last().unwrap().number, "558587654321", "{sent:?}");
    if line.kind == Kind::Evolution {
        assert_eq!(sent[0].number, "558587654321", "checked before the first word");
        line.app.evolution.stranger("5585900000000");
        let posted = line.send(&text("5585900000000", "oi")).await;
        line.app.run_jobs().await;
        assert_eq!(line.message(&posted["message"]).await["state"], "failed");
    }
}

async fn what_has_no_end_is_listed(line: &Line<'_>) {
    answered(line).await;
    line.app.pass(Duration::from_secs(25 * 3600)).await;
    let list = line.tenant.get("/v1/unsettled-messages").await.expect(200).json();
    let count = list.as_array().unwrap().len();
    // Sent a day ago and never reported as delivered; Whaticket reports nothing, so that is its end.
    assert_eq!(count, usize::from(line.kind != Kind::Whaticket), "{list}");
}
