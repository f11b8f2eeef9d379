//! What leaves, and what goes wrong on the way.

use std::time::Duration;

use messaging::Kind;
use sandbox::Fault;
use serde_json::json;
use testkit::Line;

use crate::{ANA, BIA, QUIET, answer_of, answered, cases, text};

cases![
    a_text_leaves_through_the_api,
    the_same_idempotency_key_sends_once,
    an_image_leaves_as_bytes,
    a_document_leaves_by_address_with_its_name,
    a_voice_message_leaves,
    a_file_over_whatsapps_limit_is_refused,
    buttons_leave_or_become_a_numbered_text,
    a_list_leaves_or_becomes_a_numbered_text,
    a_template_leaves_or_is_refused_with_the_reason,
    bodies_over_whatsapps_limits_name_the_field,
    a_reply_names_the_message_it_answers,
    whatticket_clients_are_answered_as_they_know_it,
    a_persons_reply_takes_the_conversation,
    a_bots_message_is_refused_while_a_person_owns,
    outside_the_window_only_templates_leave_where_they_must,
    a_refused_message_fails_and_shows_a_person,
    a_number_that_is_not_on_whatsapp_fails_with_plain_words,
    a_refused_token_fails_and_raises_an_alarm,
    an_address_that_leads_elsewhere_is_named_and_shown,
    a_rotated_token_is_used_at_once,
    who_asks_to_wait_is_waited_for,
    a_failing_server_is_tried_again,
    a_server_that_stays_away_is_given_up_and_shown,
    a_connection_that_breaks_before_sends_nothing_twice,
    a_connection_that_breaks_after_sends_nothing_twice,
    no_answer_in_time_before_acceptance_sends_nothing_twice,
    no_answer_in_time_after_acceptance_sends_nothing_twice,
    a_proxys_error_after_acceptance_sends_nothing_twice,
    an_unreadable_answer_sends_nothing_twice,
    an_answer_without_end_sends_nothing_twice,
    a_slow_answer_within_the_time_is_an_answer,
    an_answer_slower_than_the_time_sends_nothing_twice,
    the_order_of_a_conversation_holds_through_failures,
    one_persons_trouble_does_not_hold_up_another,
    typing_is_shown_while_a_model_thinks,
];

async fn a_text_leaves_through_the_api(line: &Line<'_>) {
    answered(line).await;
    let posted = line.send(&text(ANA, "Seu pedido está pronto.")).await;
    assert_eq!(posted["state"], "queued");
    line.app.run_jobs().await;
    let sent = line.sent();
    assert_eq!((sent[1].number.as_str(), sent[1].text.as_str()), (ANA, "Seu pedido está pronto."));
    let message = line.message(&posted["message"]).await;
    assert_eq!(message["state"], "sent");
    assert_eq!(message["provider_id"].is_string(), line.kind != Kind::Whaticket);
    assert_eq!(line.steps(&posted["message"]).await, ["queued", "sent"]);
    assert_eq!(line.tenant.conversation().await["owner"], "bot", "a notice takes nobody's place");
}

async fn the_same_idempotency_key_sends_once(line: &Line<'_>) {
    answered(line).await;
    let auth = format!("Bearer {}", line.tenant.key);
    let headers = [("authorization", auth.as_str()), ("idempotency-key", "order-1")];
    let body = text(ANA, "Pedido pronto");
    let first = line.app.send("POST", "/v1/messages", &headers, Some(&body)).await.expect(202);
    let again = line.app.send("POST", "/v1/messages", &headers, Some(&body)).await.expect(202);
    assert_eq!(first.json()["message"], again.json()["message"]);
    line.app.run_jobs().await;
    assert_eq!(line.sent().len(), 2);
}

async fn an_image_leaves_as_bytes(line: &Line<'_>) {
    answered(line).await;
    let body = json!({ "to": ANA, "media": { "base64": "aGVsbG8=", "mime": "image/png", "caption": "Olha" } });
    let posted = line.send(&body).await;
    line.app.run_jobs().await;
    let sent = line.sent()[1].clone();
    assert_eq!((sent.kind.as_str(), sent.text.as_str()), ("image", "Olha"));
    assert_eq!(line.message(&posted["message"]).await["state"], "sent");
    let path = format!("/v1/messages/{}/media", posted["message"].as_str().unwrap());
    assert_eq!(line.tenant.get(&path).await.expect(200).text, "hello");
}

async fn a_document_leaves_by_address_with_its_name(line: &Line<'_>) {
    answered(line).await;
    // Any address that answers with a file will do.
    let url = format!("{}/", line.app.evolution.base_url());
    let body = json!({ "to": ANA, "media": { "url": url, "mime": "application/pdf", "file_name": "recibo.pdf" } });
    let posted = line.send(&body).await;
    line.app.run_jobs().await;
    let sent = line.sent()[1].clone();
    let message = line.message(&posted["message"]).await;
    assert_eq!(message["state"], "sent", "{message}");
    assert_eq!(message["media"]["file_name"], "recibo.pdf");
    match line.kind {
        // It takes no addresses: the file itself went along.
        Kind::Whaticket => assert!(sent.file.unwrap().contains("sandbox")),
        // A server of many tenants is not made to fetch what one of them names.
        Kind::Evolution => {
            let engine = base64::engine::general_purpose::STANDARD;
            let file = base64::Engine::decode(&engine, sent.file.unwrap()).unwrap();
            assert!(String::from_utf8(file).unwrap().contains("sandbox"));
        }
        _ => assert_eq!(sent.file.unwrap().trim_end_matches('/'), url.trim_end_matches('/')),
    }
}

async fn a_voice_message_leaves(line: &Line<'_>) {
    answered(line).await;
    let body = json!({ "to": ANA, "media": { "base64": "T2dnUw==", "mime": "audio/ogg", "kind": "voice" } });
    let posted = line.send(&body).await;
    line.app.run_jobs().await;
    assert_eq!(line.message(&posted["message"]).await["state"], "sent");
    assert!(["voice", "audio"].contains(&line.sent()[1].kind.as_str()), "{:?}", line.sent());
}

async fn a_file_over_whatsapps_limit_is_refused(line: &Line<'_>) {
    answered(line).await;
    let large = "A".repeat(7_000_000);
    let body = json!({ "to": ANA, "media": { "base64": large, "mime": "image/png" } });
    let refused = line.tenant.post("/v1/messages", &body).await.expect(422).json();
    assert_eq!(refused["field"], "media");
    let bad = json!({ "to": ANA, "media": { "base64": "?", "mime": "image/png" } });
    line.tenant.post("/v1/messages", &bad).await.expect(422);
    line.app.run_jobs().await;
    assert_eq!(line.sent().len(), 1);
}

async fn buttons_leave_or_become_a_numbered_text(line: &Line<'_>) {
    answered(line).await;
    let body = json!({ "to": ANA, "text": "Confirma?", "buttons": [{ "id": "s", "title": "Sim" }, { "id": "n", "title": "Não" }] });
    line.send(&body).await;
    line.app.run_jobs().await;
    if line.kind == Kind::WhatsAppCloud {
        let posted = line.app.cloud.bodies().pop().unwrap();
        assert_eq!(posted["interactive"]["action"]["buttons"][1]["reply"]["title"], "Não");
    } else {
        assert_eq!(line.sent()[1].text, "Confirma?\n\n1. Sim\n2. Não");
    }
}

async fn a_list_leaves_or_becomes_a_numbered_text(line: &Line<'_>) {
    answered(line).await;
    let body = json!({ "to": ANA, "text": "Qual dia?", "list": { "button": "Dias", "rows": [
        { "id": "1", "title": "Terça", "description": "manhã" }, { "id": "2", "title": "Sexta" }] } });
    line.send(&body).await;
    line.app.run_jobs().await;
    if line.kind == Kind::WhatsAppCloud {
        let posted = line.app.cloud.bodies().pop().unwrap();
        assert_eq!(posted["interactive"]["action"]["sections"][0]["rows"][0]["title"], "Terça");
    } else {
        assert_eq!(line.sent()[1].text, "Qual dia?\n\n1. Terça: manhã\n2. Sexta");
    }
}

async fn a_template_leaves_or_is_refused_with_the_reason(line: &Line<'_>) {
    let body = json!({ "to": ANA, "template": { "name": "lembrete", "language": "pt_BR", "components": [
        { "type": "body", "parameters": [{ "type": "text", "text": "terça" }] }] } });
    if line.kind != Kind::WhatsAppCloud {
        let refused = line.tenant.post("/v1/messages", &body).await.expect(422).json();
        assert_eq!(refused["field"], "template");
        return;
    }
    let posted = line.send(&body).await;
    line.app.run_jobs().await;
    let sent = line.app.cloud.bodies().pop().unwrap();
    assert_eq!(sent["template"]["language"]["code"], "pt_BR");
    assert_eq!(sent["biz_opaque_callback_data"], posted["message"]);
    assert_eq!(line.message(&posted["message"]).await["body"], "lembrete: terça");
}

async fn bodies_over_whatsapps_limits_name_the_field(line: &Line<'_>) {
    for (body, field) in [
        (json!({ "to": ANA }), "text"),
        (json!({ "text": "oi" }), "to"),
        (json!({ "to": "abc", "text": "oi" }), "to"),
        (json!({ "to": ANA, "text": "x".repeat(4097) }), "text"),
        (json!({ "to": ANA, "text": "?", "buttons": [] }), "buttons"),
        (
            json!({ "to": ANA, "text": "?", "buttons": [{ "id": "a", "title": "x".repeat(21) }] }),
            "buttons.title",
        ),
        (json!({ "to": ANA, "text": "oi", "channel": "nobody" }), "channel"),
        (json!({ "to": ANA, "media": { "mime": "image/png" } }), "media"),
        (
            json!({ "to": ANA, "text": "oi", "media": { "mime": "image/png", "base64": "" } }),
            "text",
        ),
    ] {
        let refused = line.tenant.post("/v1/messages", &body).await.expect(422).json();
        assert_eq!(refused["field"], field, "{body}: {refused}");
    }
    crate::nothing_happened(line).await;
}

async fn a_reply_names_the_message_it_answers(line: &Line<'_>) {
    line.hears_as(ANA, "Quanto custa a limpeza?", "QUESTION").await;
    line.app.pass(QUIET).await;
    let question = line.tenant.messages().await[0]["id"].clone();
    let conversation = line.tenant.conversation().await["id"].clone();
    let body = json!({ "conversation": conversation, "text": "Isso mesmo", "reply_to": question });
    line.send(&body).await;
    line.app.run_jobs().await;
    assert_eq!(line.sent()[1].text, "Isso mesmo");
    if line.kind == Kind::WhatsAppCloud {
        assert_eq!(line.app.cloud.bodies().pop().unwrap()["context"]["message_id"], "QUESTION");
    }
    let elsewhere = json!({ "conversation": conversation, "text": "oi", "reply_to": kernel::MessageId::generate() });
    let refused = line.tenant.post("/v1/messages", &elsewhere).await.expect(422).json();
    assert_eq!(refused["field"], "reply_to");
}

async fn whatticket_clients_are_answered_as_they_know_it(line: &Line<'_>) {
    answered(line).await;
    let body = json!({ "number": ANA, "body": "Teste integração" });
    line.tenant.post("/api/messages/send", &body).await.expect(200);
    line.app.send("POST", "/api/messages/send", &[], Some(&body)).await.expect(401);
    line.app.run_jobs().await;
    assert_eq!(line.sent()[1].text, "Teste integração");
}

async fn a_persons_reply_takes_the_conversation(line: &Line<'_>) {
    answered(line).await;
    let body = json!({ "to": ANA, "text": "Oi, aqui é a Bia", "author": "person" });
    line.send(&body).await;
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 2, "{:?}", line.sent());
    assert_eq!(line.tenant.conversation().await["owner"], "human");
}

async fn a_bots_message_is_refused_while_a_person_owns(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(Fault::Status(503));
    let body = json!({ "to": ANA, "text": "Sou outro robô", "author": "bot" });
    let waiting = line.send(&body).await;
    line.app.run_jobs().await;
    let id = line.tenant.conversation().await["id"].as_str().unwrap().to_owned();
    line.tenant.post(&format!("/v1/conversations/{id}/take-over"), &json!({})).await.expect(200);
    let refused = line.tenant.post("/v1/messages", &body).await.expect(409).json();
    assert_eq!(refused["code"], "owned_by_person");
    line.app.pass(Duration::from_secs(600)).await;
    assert_eq!(line.sent().len(), 1, "what waited gave way");
    assert_eq!(line.message(&waiting["message"]).await["state"], "cancelled");
}

async fn outside_the_window_only_templates_leave_where_they_must(line: &Line<'_>) {
    answered(line).await;
    line.app.clock.advance(Duration::from_secs(23 * 3600 + 3500));
    line.send(&text(ANA, "ainda dentro")).await;
    line.app.run_jobs().await;
    assert_eq!(line.sent().len(), 2);
    // Enqueued inside, and shut before it leaves.
    line.faults().always(Some(Fault::Status(503)));
    let waiting = line.send(&text(ANA, "quase")).await;
    line.app.run_jobs().await;
    line.app.clock.advance(Duration::from_secs(300));
    line.faults().always(None);
    let answer = line.tenant.post("/v1/messages", &text(ANA, "tarde demais")).await;
    line.app.pass(Duration::from_secs(60)).await;
    if line.kind != Kind::WhatsAppCloud {
        answer.expect(202);
        assert_eq!(line.sent().len(), 4);
        return;
    }
    assert_eq!(answer.expect(409).json()["code"], "window_shut");
    let waiting = line.message(&waiting["message"]).await;
    assert_eq!(waiting["state"], "failed");
    assert!(waiting["reason"].as_str().unwrap().contains("24 horas"), "{waiting}");
    line.send(&json!({ "to": ANA, "template": { "name": "lembrete", "language": "pt_BR" } })).await;
    line.app.run_jobs().await;
    assert_eq!(line.sent().last().unwrap().kind, "template");
    // The contact writes: the window is open again.
    line.hears(ANA, "oi").await;
    line.send(&text(ANA, "de novo aberto")).await;
}

async fn failed(line: &Line<'_>, message: &serde_json::Value) -> String {
    let message = line.message(message).await;
    assert_eq!(message["state"], "failed", "{message}");
    assert_eq!(line.tenant.conversation().await["needs_person"], true);
    message["reason"].as_str().unwrap().to_owned()
}

async fn a_refused_message_fails_and_shows_a_person(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(match line.kind {
        Kind::WhatsAppCloud => Fault::Code(131_009, 400),
        Kind::Whaticket => Fault::Named("ERR_SOMETHING"),
        Kind::Evolution => Fault::Status(400),
    });
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.pass(Duration::from_secs(3600)).await;
    failed(line, &posted["message"]).await;
    assert_eq!(line.sent().len(), 1, "not tried again");
    assert_eq!(line.steps(&posted["message"]).await, ["queued", "failed"]);
}

async fn a_number_that_is_not_on_whatsapp_fails_with_plain_words(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(Fault::NotOnWhatsApp);
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.run_jobs().await;
    assert!(failed(line, &posted["message"]).await.contains("não está no WhatsApp"));
}

async fn a_refused_token_fails_and_raises_an_alarm(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(match line.kind {
        Kind::WhatsAppCloud => Fault::Code(190, 401),
        Kind::Whaticket | Kind::Evolution => Fault::Status(401),
    });
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.run_jobs().await;
    failed(line, &posted["message"]).await;
    let channel = line.channel().await;
    assert_eq!(channel["state"], "ERROR", "{channel}");
    assert!(channel["alarm"].is_string());
}

async fn an_address_that_leads_elsewhere_is_named_and_shown(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(Fault::Status(308));
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.run_jobs().await;
    assert!(failed(line, &posted["message"]).await.contains("redireciona"));
    assert_eq!(line.channel().await["state"], "ERROR");
}

async fn a_rotated_token_is_used_at_once(line: &Line<'_>) {
    answered(line).await;
    let path = format!("/v1/channels/{}/rotate", line.name);
    line.tenant.post(&path, &json!({ "api_key": "wrong-token" })).await.expect(200);
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.run_jobs().await;
    failed(line, &posted["message"]).await;
    let right = match line.kind {
        Kind::Evolution => testkit::EVOLUTION_KEY,
        Kind::Whaticket => testkit::WHATICKET_TOKEN,
        Kind::WhatsAppCloud => testkit::CLOUD_TOKEN,
    };
    line.tenant.post(&path, &json!({ "api_key": right })).await.expect(200);
    let posted = line.send(&text(ANA, "de novo")).await;
    line.app.run_jobs().await;
    assert_eq!(line.message(&posted["message"]).await["state"], "sent");
}

async fn who_asks_to_wait_is_waited_for(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(Fault::Throttle(90));
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.run_jobs().await;
    line.app.pass(Duration::from_secs(89)).await;
    assert_eq!(line.sent().len(), 1);
    line.app.pass(Duration::from_secs(2)).await;
    assert_eq!(line.sent().len(), 2);
    assert_eq!(line.steps(&posted["message"]).await, ["queued", "queued", "sent"]);
}

async fn a_failing_server_is_tried_again(line: &Line<'_>) {
    answered(line).await;
    // Meta names its passing failures by code.
    let fault = if line.kind == Kind::WhatsAppCloud {
        Fault::Code(131_016, 500)
    } else {
        Fault::Status(500)
    };
    line.faults().push(fault.clone());
    line.faults().push(fault);
    let posted = line.send(&text(ANA, "oi")).await;
    line.app.run_jobs().await;
    line.app.pass(Duration::from_secs(120)).await;
    line.app.pass(Duration::from_secs(120)).await;
    assert_eq!(line.sent().len(), 2);
    assert_eq!(line.message(&posted["message"]).await["state"], "sent");
}

async fn a_server_that_stays_away_is_given_up_and_shown(line: &Line<'_>) {
    answered(line).await;
    line.faults().always(Some(Fault::Status(503)));
    let posted = line.send(&text(ANA, "oi")).await;
    for _ in 0..12 {
        line.app.pass(Duration::from_secs(900)).await;
    }
    line.faults().always(None);
    assert!(failed(line, &posted["message"]).await.contains("gave up"));
    line.app.pass(Duration::from_secs(900)).await;
    assert_eq!(line.sent().len(), 1, "what a person sees as failed does not leave later");
}

/// A fault after which nobody knows. Whatever happens next, the customer gets the text at most
/// once; where the provider can be asked it is settled, elsewhere a person is shown.
async fn once_at_most(line: &Line<'_>, fault: Fault, happened: bool) {
    answered(line).await;
    line.faults().push(fault);
    let posted = line.send(&text(ANA, "uma vez só")).await;
    line.app.run_jobs().await;
    let after = line.message(&posted["message"]).await;
    assert_eq!(after["state"], "unknown", "{after}");
    assert_eq!(line.tenant.conversation().await["needs_person"], true);
    line.app.pass(Duration::from_secs(90)).await;
    line.app.pass(Duration::from_secs(90)).await;
    line.app.pass(Duration::from_secs(3600)).await;
    let times = line.sent().iter().filter(|s| s.text == "uma vez só").count();
    let message = line.message(&posted["message"]).await;
    if line.kind == Kind::Evolution {
        assert_eq!(times, 1, "looked up, and sent only if it had not left");
        assert_eq!(message["state"], "sent", "{message}");
        // Either way nobody is left to look after it.
        assert_eq!(line.tenant.conversation().await["needs_person"], false);
    } else {
        assert_eq!(times, usize::from(happened));
        assert_eq!(message["state"], "unknown");
    }
}

async fn a_connection_that_breaks_before_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::Silent, false).await;
}

async fn a_connection_that_breaks_after_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::DoneButSilent, true).await;
}

async fn no_answer_in_time_before_acceptance_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::Stall(Duration::from_millis(1500)), false).await;
}

async fn no_answer_in_time_after_acceptance_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::Slow(Duration::from_millis(1500)), true).await;
}

async fn a_proxys_error_after_acceptance_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::DoneButStatus(504), true).await;
}

async fn an_unreadable_answer_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::Garbage, true).await;
}

async fn an_answer_without_end_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::Oversized, true).await;
}

async fn a_slow_answer_within_the_time_is_an_answer(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(Fault::SlowBody(Duration::from_micros(200)));
    let posted = line.send(&text(ANA, "devagar")).await;
    line.app.run_jobs().await;
    assert_eq!(line.message(&posted["message"]).await["state"], "sent");
}

async fn an_answer_slower_than_the_time_sends_nothing_twice(line: &Line<'_>) {
    once_at_most(line, Fault::SlowBody(Duration::from_millis(80)), true).await;
}

async fn the_order_of_a_conversation_holds_through_failures(line: &Line<'_>) {
    answered(line).await;
    line.faults().push(Fault::Status(503));
    for n in 1..=3 {
        line.send(&text(ANA, &format!("parte {n}"))).await;
    }
    for _ in 0..3 {
        line.app.pass(Duration::from_secs(60)).await;
    }
    let texts: Vec<String> = line.sent().into_iter().skip(1).map(|s| s.text).collect();
    assert_eq!(texts, ["parte 1", "parte 2", "parte 3"]);
}

async fn one_persons_trouble_does_not_hold_up_another(line: &Line<'_>) {
    answered(line).await;
    line.hears(BIA, "oi").await;
    line.app.pass(QUIET).await;
    line.faults().push(Fault::Throttle(600));
    line.send(&text(ANA, "espera")).await;
    line.app.run_jobs().await;
    line.send(&text(BIA, "já vai")).await;
    line.app.run_jobs().await;
    let sent = line.sent();
    assert_eq!(sent.last().unwrap().text, "já vai", "{sent:?}");
}

async fn typing_is_shown_while_a_model_thinks(line: &Line<'_>) {
    line.tenant.uses_model().await;
    line.app.model.faults().push(Fault::Slow(Duration::from_millis(150)));
    line.app.model.will_say("A limpeza custa R$ 150.");
    let reads = line.app.cloud.reads().len();
    let presences = line.app.evolution.presences().len();
    line.hears_as(ANA, "Quanto custa a limpeza?", "TYPING").await;
    line.app.pass(QUIET).await;
    assert_eq!(answer_of(line).await["state"], "sent");
    match line.kind {
        Kind::Evolution => assert_eq!(line.app.evolution.presences().len(), presences + 1),
        Kind::WhatsAppCloud => {
            let read = line.app.cloud.reads().pop().unwrap();
            assert_eq!(line.app.cloud.reads().len(), reads + 1);
            assert_eq!(
                (&read["message_id"], &read["typing_indicator"]["type"]),
                (&json!("TYPING"), &json!("text"))
            );
        }
        // It has no such call; the answer comes all the same.
        Kind::Whaticket => assert_eq!(line.sent().len(), 1),
    }
}
