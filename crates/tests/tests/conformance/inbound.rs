//! What comes in, and what becomes of it.

use messaging::Kind;
use serde_json::{Value, json};
use testkit::Line;

use crate::{ANA, BIA, QUIET, answered, cases};

cases![
    a_text_is_answered_to_its_sender,
    a_burst_is_read_in_the_order_of_writing,
    two_contacts_are_two_conversations,
    both_forms_of_a_brazilian_number_are_one_contact,
    a_foreign_number_keeps_its_country,
    the_name_is_learned,
    accents_and_emoji_survive,
    a_very_long_text_is_stored_whole,
    an_images_caption_is_its_text,
    a_voice_message_without_a_model_goes_to_a_person,
    a_voice_message_is_written_down_and_answered,
    a_document_is_shown_with_its_name,
    a_sticker_is_stored_and_not_answered,
    a_reaction_is_stored_and_not_answered,
    a_location_is_stored,
    a_contact_card_is_stored,
    what_whatsapp_cannot_show_is_stored,
    a_buttons_answer_is_a_text,
    a_lists_answer_is_a_text,
    what_comes_late_is_for_a_person,
    a_clock_ahead_of_ours_does_no_harm,
    a_group_is_left_alone,
    who_types_on_the_phone_silences_the_assistant,
    our_own_message_coming_back_is_no_person,
    who_asks_for_a_person_gets_one_line_and_then_silence,
    after_a_take_over_no_answer_leaves_whatever_was_in_flight,
    give_back_lets_the_assistant_answer_again,
    a_day_without_a_word_gives_back,
    the_owner_changes_are_written_down_with_their_reasons,
];

async fn a_text_is_answered_to_its_sender(line: &Line<'_>) {
    let sent = answered(line).await;
    assert_eq!(sent.number, ANA);
    let messages = line.tenant.messages().await;
    assert_eq!(messages[0]["body"], "Quanto custa a limpeza?");
    assert_eq!(messages[1]["state"], "sent");
}

async fn a_burst_is_read_in_the_order_of_writing(line: &Line<'_>) {
    let at = line.now();
    line.tenant.uses_model().await;
    line.app.model.will_say("A limpeza custa R$ 150.");
    line.post(&line.text_body(ANA, "a limpeza?", "A2", at + 1)).await.expect(line.ack());
    line.post(&line.text_body(ANA, "quanto custa", "A1", at)).await.expect(line.ack());
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1, "one answer to both");
    let asked = line.app.model.asked().pop().unwrap();
    assert_eq!(asked["messages"][1]["content"], "quanto custa\na limpeza?", "{asked}");
}

async fn two_contacts_are_two_conversations(line: &Line<'_>) {
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.hears(BIA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    let mut numbers: Vec<String> = line.sent().into_iter().map(|s| s.number).collect();
    numbers.sort();
    assert_eq!(numbers, [ANA, BIA]);
    let page = line.tenant.get("/v1/conversations").await.expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

async fn both_forms_of_a_brazilian_number_are_one_contact(line: &Line<'_>) {
    line.hears("551187654321", "Quanto custa").await;
    line.hears("5511987654321", "a limpeza?").await;
    line.app.pass(QUIET).await;
    line.tenant.conversation().await;
    // The answer goes where WhatsApp says the person is.
    assert_eq!(line.sent()[0].number, "5511987654321");
    let found = line.tenant.get("/v1/contacts?phone=551187654321").await.expect(200).json();
    assert_eq!(found["items"][0]["handles"][0]["value"], "5511987654321");
}

async fn a_foreign_number_keeps_its_country(line: &Line<'_>) {
    for number in ["14155552671", "351912345678", "5491123456789", "447911123456"] {
        line.hears(number, "oi").await;
        let path = format!("/v1/contacts?phone={number}");
        let found = line.tenant.get(&path).await.expect(200).json();
        assert_eq!(found["items"][0]["handles"][0]["value"], number);
    }
}

async fn the_name_is_learned(line: &Line<'_>) {
    line.hears(ANA, "oi").await;
    assert_eq!(line.tenant.conversation().await["contact_name"], "Ana");
}

async fn accents_and_emoji_survive(line: &Line<'_>) {
    let text = "Olá! Açaí às três? 😀 \"aspas\" \\ barra\nlinha";
    line.hears(ANA, text).await;
    assert_eq!(line.tenant.messages().await[0]["body"], text);
}

async fn a_very_long_text_is_stored_whole(line: &Line<'_>) {
    let text = "palavra ".repeat(3000);
    line.hears(ANA, &text).await;
    assert_eq!(line.tenant.messages().await[0]["body"], text.trim());
}

async fn post(line: &Line<'_>, id: &str, baileys: Value, meta: Value) {
    let body = line.body_of(ANA, id, &baileys, &meta);
    line.post(&body).await.expect(line.ack());
}

async fn an_images_caption_is_its_text(line: &Line<'_>) {
    line.app.cloud.file("77001", "image/jpeg", b"a picture");
    line.app.evolution.file("IMG", "image/jpeg", b"a picture");
    let baileys = json!({ "imageMessage": { "caption": "Quanto custa a limpeza?", "mimetype": "image/jpeg" } });
    let meta = json!({ "type": "image", "image": { "caption": "Quanto custa a limpeza?", "mime_type": "image/jpeg", "id": "77001" } });
    post(line, "IMG", baileys, meta).await;
    line.app.pass(QUIET).await;
    assert!(line.sent()[0].text.ends_with("A limpeza custa R$ 150."));
    let message = line.tenant.messages().await[0].clone();
    assert_eq!(
        (&message["content"], &message["body"]),
        (&json!("image"), &json!("Quanto custa a limpeza?"))
    );
    let path = format!("/v1/messages/{}/media", message["id"].as_str().unwrap());
    if line.kind == Kind::Whaticket {
        // No way to fetch it: said, not hidden.
        assert_eq!(message["media"]["state"], "absent");
        line.tenant.get(&path).await.expect(409);
    } else {
        assert_eq!(message["media"]["state"], "stored", "{message}");
        let file = line.tenant.get(&path).await.expect(200);
        assert_eq!(file.text, "a picture");
        assert_eq!(file.headers["content-type"], "image/jpeg");
        assert_eq!(file.headers["content-disposition"], "attachment");
        assert_eq!(file.headers["x-content-type-options"], "nosniff");
    }
}

async fn voice(line: &Line<'_>) {
    line.app.cloud.file("77002", "audio/ogg", b"OggS voice");
    line.app.evolution.file("VOICE", "audio/ogg", b"OggS voice");
    let mut baileys = json!({ "audioMessage": { "ptt": true, "mimetype": "audio/ogg; codecs=opus", "seconds": 3 } });
    if line.kind == Kind::Whaticket {
        baileys["base64"] = json!("T2dnUyB2b2ljZQ==");
    }
    let meta = json!({ "type": "audio", "audio": { "voice": true, "mime_type": "audio/ogg; codecs=opus", "id": "77002" } });
    post(line, "VOICE", baileys, meta).await;
}

async fn a_voice_message_without_a_model_goes_to_a_person(line: &Line<'_>) {
    voice(line).await;
    line.app.pass(QUIET).await;
    line.app.pass(QUIET).await;
    assert!(line.sent()[0].text.contains("áudios"), "{:?}", line.sent());
    let conversation = line.tenant.conversation().await;
    assert_eq!(conversation["handoff_reason"], "unreadable_media");
    let message = line.tenant.messages().await[0].clone();
    assert_eq!(message["media"]["available"], true, "people can listen to it: {message}");
}

async fn a_voice_message_is_written_down_and_answered(line: &Line<'_>) {
    line.tenant.uses_model().await;
    line.app.model.will_hear("Quanto custa a limpeza?");
    line.app.model.will_say("A limpeza custa R$ 150.");
    voice(line).await;
    line.app.pass(QUIET).await;
    line.app.pass(QUIET).await;
    let sent = line.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].text.contains("R$ 150"), "{sent:?}");
    let message = line.tenant.messages().await[0].clone();
    assert_eq!(message["body"], "Quanto custa a limpeza?");
    assert_eq!(message["media"]["transcribed"], true);
}

async fn a_document_is_shown_with_its_name(line: &Line<'_>) {
    let baileys =
        json!({ "documentMessage": { "mimetype": "application/pdf", "fileName": "exame.pdf" } });
    let meta = json!({ "type": "document", "document": { "filename": "exame.pdf", "mime_type": "application/pdf", "id": "77003" } });
    post(line, "DOC", baileys, meta).await;
    line.app.pass(QUIET).await;
    let message = line.tenant.messages().await[0].clone();
    assert_eq!(message["media"]["file_name"], "exame.pdf");
    assert_eq!(line.tenant.conversation().await["needs_person"], true);
}

async fn stored_and_silent(line: &Line<'_>, content: &str) {
    line.app.pass(QUIET).await;
    assert_eq!(line.sent(), []);
    let messages = line.tenant.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["content"], content);
}

async fn a_sticker_is_stored_and_not_answered(line: &Line<'_>) {
    let baileys = json!({ "stickerMessage": { "mimetype": "image/webp" } });
    let meta =
        json!({ "type": "sticker", "sticker": { "mime_type": "image/webp", "id": "77004" } });
    post(line, "STICKER", baileys, meta).await;
    stored_and_silent(line, "sticker").await;
}

async fn a_reaction_is_stored_and_not_answered(line: &Line<'_>) {
    let baileys = json!({ "reactionMessage": { "text": "👍", "key": { "id": "X" } } });
    let meta = json!({ "type": "reaction", "reaction": { "emoji": "👍", "message_id": "X" } });
    post(line, "REACTION", baileys, meta).await;
    stored_and_silent(line, "reaction").await;
}

async fn a_location_is_stored(line: &Line<'_>) {
    let baileys = json!({ "locationMessage": { "degreesLatitude": -23.5, "degreesLongitude": -46.6, "name": "Praça da Sé" } });
    let meta = json!({ "type": "location", "location": { "latitude": -23.5, "longitude": -46.6, "name": "Praça da Sé" } });
    post(line, "PLACE", baileys, meta).await;
    let message = line.tenant.messages().await[0].clone();
    assert_eq!(
        (&message["content"], &message["body"]),
        (&json!("location"), &json!("Praça da Sé"))
    );
}

async fn a_contact_card_is_stored(line: &Line<'_>) {
    let baileys = json!({ "contactMessage": { "displayName": "Lucía", "vcard": "BEGIN:VCARD" } });
    let meta =
        json!({ "type": "contacts", "contacts": [{ "name": { "formatted_name": "Lucía" } }] });
    post(line, "CARD", baileys, meta).await;
    let message = line.tenant.messages().await[0].clone();
    assert_eq!((&message["content"], &message["body"]), (&json!("contact"), &json!("Lucía")));
}

async fn what_whatsapp_cannot_show_is_stored(line: &Line<'_>) {
    let baileys = json!({ "pollCreationMessage": { "name": "?" } });
    let meta = json!({ "type": "unsupported", "errors": [{ "code": 131_051 }] });
    post(line, "ODD", baileys, meta).await;
    line.app.pass(QUIET).await;
    assert_eq!(line.tenant.messages().await[0]["content"], "unsupported");
    assert_eq!(line.tenant.conversation().await["needs_person"], true);
}

async fn a_buttons_answer_is_a_text(line: &Line<'_>) {
    let baileys = json!({ "buttonsResponseMessage": { "selectedButtonId": "b1", "selectedDisplayText": "Quanto custa a limpeza?" } });
    let meta = json!({ "type": "interactive", "interactive": { "type": "button_reply", "button_reply": { "id": "b1", "title": "Quanto custa a limpeza?" } } });
    post(line, "BUTTON", baileys, meta).await;
    line.app.pass(QUIET).await;
    assert!(line.sent()[0].text.ends_with("R$ 150."));
}

async fn a_lists_answer_is_a_text(line: &Line<'_>) {
    let baileys = json!({ "listResponseMessage": { "title": "Quanto custa a limpeza?", "singleSelectReply": { "selectedRowId": "r1" } } });
    let meta = json!({ "type": "interactive", "interactive": { "type": "list_reply", "list_reply": { "id": "r1", "title": "Quanto custa a limpeza?" } } });
    post(line, "LIST", baileys, meta).await;
    line.app.pass(QUIET).await;
    assert!(line.sent()[0].text.ends_with("R$ 150."));
}

async fn what_comes_late_is_for_a_person(line: &Line<'_>) {
    let body = line.text_body(ANA, "Quanto custa a limpeza?", "OLD", line.now() - 3600);
    line.post(&body).await.expect(line.ack());
    line.app.pass(QUIET).await;
    assert_eq!(line.sent(), []);
    let conversation = line.tenant.conversation().await;
    assert_eq!(conversation["handoff_reason"], "late_message");
    let id = line.tenant.messages().await[0]["id"].clone();
    assert_eq!(line.steps(&id).await, ["received", "stored", "for_person"]);
}

async fn a_clock_ahead_of_ours_does_no_harm(line: &Line<'_>) {
    let body = line.text_body(ANA, "Quanto custa a limpeza?", "AHEAD", line.now() + 3600);
    line.post(&body).await.expect(line.ack());
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
}

async fn a_group_is_left_alone(line: &Line<'_>) {
    let mut body = line.text_body(ANA, "Quanto custa a limpeza?", "GROUP", line.now());
    match line.kind {
        Kind::Evolution => body["data"]["key"]["remoteJid"] = json!("120363000000000011@g.us"),
        Kind::Whaticket => body["key"]["remoteJid"] = json!("120363000000000011@g.us"),
        Kind::WhatsAppCloud => {
            body["entry"][0]["changes"][0]["value"]["messages"][0]["group_id"] = json!("G1");
        }
    }
    line.post(&body).await.expect(line.ack());
    crate::nothing_happened(line).await;
}

async fn who_types_on_the_phone_silences_the_assistant(line: &Line<'_>) {
    answered(line).await;
    line.post(&line.echo_body(ANA, "Oi Ana, aqui é a Bia", "PHONE1")).await.expect(line.ack());
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1, "nothing more of the assistant");
    let conversation = line.tenant.conversation().await;
    assert_eq!(
        (&conversation["owner"], &conversation["handoff_reason"]),
        (&json!("human"), &json!("phone_echo"))
    );
}

async fn our_own_message_coming_back_is_no_person(line: &Line<'_>) {
    let sent = answered(line).await;
    // Whaticket names no ids: there the words must tell.
    line.post(&line.echo_body(ANA, &sent.text, &sent.provider_id)).await.expect(line.ack());
    let conversation = line.tenant.conversation().await;
    assert_eq!(conversation["owner"], "bot");
    assert_eq!(line.tenant.messages().await.len(), 2);
}

async fn who_asks_for_a_person_gets_one_line_and_then_silence(line: &Line<'_>) {
    line.hears(ANA, "quero falar com um atendente").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 1);
    let waiting = line.tenant.get("/v1/waiting").await.expect(200).json();
    assert_eq!(waiting[0]["handoff_reason"], "asked_for_person");
}

async fn after_a_take_over_no_answer_leaves_whatever_was_in_flight(line: &Line<'_>) {
    line.faults().always(Some(sandbox::Fault::Status(503)));
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent(), [], "the answer waits for its second try");
    let id = line.tenant.conversation().await["id"].as_str().unwrap().to_owned();
    line.tenant.post(&format!("/v1/conversations/{id}/take-over"), &json!({})).await.expect(200);
    line.faults().always(None);
    line.app.pass(std::time::Duration::from_secs(3600)).await;
    assert_eq!(line.sent(), []);
    let answer = crate::answer_of(line).await;
    assert_eq!((&answer["state"], &answer["reason"]), (&json!("cancelled"), &json!("person")));
}

async fn give_back_lets_the_assistant_answer_again(line: &Line<'_>) {
    line.hears(ANA, "atendente").await;
    line.app.pass(QUIET).await;
    let id = line.tenant.conversation().await["id"].as_str().unwrap().to_owned();
    line.tenant.post(&format!("/v1/conversations/{id}/give-back"), &json!({})).await.expect(200);
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert!(line.sent()[1].text.ends_with("R$ 150."), "{:?}", line.sent());
}

async fn a_day_without_a_word_gives_back(line: &Line<'_>) {
    line.hears(ANA, "atendente").await;
    line.app.pass(QUIET).await;
    line.app.pass(std::time::Duration::from_secs(25 * 3600)).await;
    line.hears(ANA, "Quanto custa a limpeza?").await;
    line.app.pass(QUIET).await;
    assert_eq!(line.sent().len(), 2, "{:?}", line.sent());
    assert_eq!(line.tenant.conversation().await["owner"], "bot");
}

async fn the_owner_changes_are_written_down_with_their_reasons(line: &Line<'_>) {
    line.hears(ANA, "atendente").await;
    line.app.pass(QUIET).await;
    line.post(&line.echo_body(ANA, "Oi Ana", "PHONE1")).await.expect(line.ack());
    let id = line.tenant.conversation().await["id"].as_str().unwrap().to_owned();
    line.app.clock.advance(QUIET);
    line.tenant.post(&format!("/v1/conversations/{id}/give-back"), &json!({})).await.expect(200);
    line.app.clock.advance(QUIET);
    line.tenant.post(&format!("/v1/conversations/{id}/take-over"), &json!({})).await.expect(200);
    line.app.clock.advance(std::time::Duration::from_secs(25 * 3600));
    line.hears(ANA, "oi").await;
    let list =
        line.tenant.get(&format!("/v1/conversations/{id}/owner-changes")).await.expect(200).json();
    let moves: Vec<String> = list
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|c| format!("{} {}→{}", c["event"], c["before"], c["after"]).replace('"', ""))
        .collect();
    assert_eq!(
        moves,
        [
            "asked_for_person bot→nobody",
            "phone_echo nobody→human",
            "given_back human→bot",
            "taken_over bot→human",
            "day_passed human→bot"
        ]
    );
}
