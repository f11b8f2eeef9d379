//! The Evolution adapter against recorded answers: each `rest_*` fixture is produced or parsed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use messaging::evolution::{Created, Evolution, Instance};
use messaging::http::{Outbound, Private};
use messaging::{
    Accepted, Body, Connection, Endpoint, LinkState, MediaKind, Messenger as _, Outgoing,
    SendError, Source, Webhook,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/evolution/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A server that answers what it is told, and keeps what it was asked.
struct Recorded {
    endpoint: Endpoint,
    adapter: Evolution,
    asked: mpsc::UnboundedReceiver<(String, Value)>,
}

type Answers = Arc<(AtomicUsize, Vec<(u16, Value)>, mpsc::UnboundedSender<(String, Value)>)>;

async fn answer(State(state): State<Answers>, request: Request) -> axum::response::Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    assert_eq!(request.headers()["apikey"], "key");
    let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    state.2.send((line, body)).unwrap();
    let at = state.0.fetch_add(1, Ordering::SeqCst).min(state.1.len() - 1);
    let (status, body) = state.1[at].clone();
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

async fn server(answers: &[(u16, Value)]) -> Recorded {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (sender, asked) = mpsc::unbounded_channel();
    let state: Answers = Arc::new((AtomicUsize::new(0), answers.to_vec(), sender));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(state);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Recorded {
        endpoint: Endpoint {
            channel: kernel::ChannelId::generate(),
            base_url,
            instance: "instancia-exemplo".into(),
            api_key: "key".into(),
            login: None,
            account: None,
        },
        adapter: Evolution::new(Outbound::new(Private::Allowed).unwrap()),
        asked,
    }
}

impl Recorded {
    async fn send(&self, to: &str, body: &Body) -> Result<Accepted, SendError> {
        let outgoing = Outgoing { to, key: "key", reply_to: None, body };
        self.adapter.send(&self.endpoint, &outgoing).await
    }

    async fn send_text(&self) -> Result<Accepted, SendError> {
        self.send(PHONE, &Body::Text { text: "Olá!".into() }).await
    }

    fn last(&mut self) -> (String, Value) {
        let mut last = self.asked.try_recv().unwrap();
        while let Ok(next) = self.asked.try_recv() {
            last = next;
        }
        last
    }
}

/// What we send is part of the recorded request, field by field.
fn is_part_of(ours: &Value, recorded: &Value) {
    match (ours, recorded) {
        (Value::Object(ours), Value::Object(recorded)) => {
            for (name, value) in ours {
                let theirs =
                    recorded.get(name).unwrap_or_else(|| panic!("{name} is not in {recorded:?}"));
                is_part_of(value, theirs);
            }
        }
        (ours, recorded) => assert_eq!(ours, recorded),
    }
}

const PHONE: &str = "5511900000001";

#[tokio::test]
async fn texts_are_sent_and_their_ids_read() {
    for name in ["rest_send_text_201_docs", "rest_send_text_201_v2_code"] {
        let mut server = server(&[(201, fixture(name))]).await;
        let accepted = server.send_text().await.unwrap();
        assert_eq!(accepted.provider_id.as_deref(), fixture(name)["key"]["id"].as_str());
        let (line, body) = server.last();
        assert_eq!(line, "POST /message/sendText/instancia-exemplo");
        is_part_of(&body, &fixture("rest_send_text_request"));
    }
    // A server of version 1 names the field it misses, and gets its own form.
    let missing = json!({ "status": 400, "error": "Bad Request",
        "response": { "message": [["instance requires property \"textMessage\""]] } });
    let mut server = server(&[(400, missing), (201, fixture("rest_send_text_201_docs"))]).await;
    server.send_text().await.unwrap();
    is_part_of(&server.last().1, &fixture("rest_send_text_request_v1"));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (name, status, code, text) in [
        ("rest_error_400_not_on_whatsapp", 400, "not_on_whatsapp", "não está no WhatsApp"),
        (
            "rest_error_400_validation",
            400,
            "400",
            "requires property \"number\"; instance requires",
        ),
        ("rest_error_401", 401, "401", "Unauthorized"),
        ("rest_error_404_instance_not_found", 404, "404", "does not exist"),
    ] {
        let server = server(&[(status, fixture(name))]).await;
        match server.send_text().await {
            Err(SendError::Refused { code: found, reason, .. }) => {
                assert_eq!(found, code, "{name}");
                assert!(reason.contains(text), "{name}: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn media_voice_and_typing_have_their_forms() {
    let mut recorded = server(&[(201, fixture("rest_send_media_201"))]).await;
    let request = fixture("rest_send_media_request");
    let field = |name: &str| request[name].as_str().unwrap();
    let media = Body::Media {
        kind: MediaKind::of_mime(field("mimetype")),
        mime: field("mimetype").into(),
        caption: Some(field("caption").into()),
        source: Source::Bytes(b"the file".to_vec()),
        file_name: Some(field("fileName").into()),
    };
    let accepted = recorded.send(field("number"), &media).await.unwrap();
    assert_eq!(accepted.provider_id.as_deref(), Some("BAE5F5A632EAE722"));
    // Files go along, in base64: an address would be fetched by a server of many tenants.
    let mut expected = request.clone();
    expected["media"] = json!("dGhlIGZpbGU=");
    is_part_of(&recorded.last().1, &expected);

    let mut recorded = server(&[(201, fixture("rest_send_whatsapp_audio_201"))]).await;
    let mut request = fixture("rest_send_whatsapp_audio_request");
    request["audio"] = json!("dGhlIGZpbGU=");
    let voice = Body::Media {
        kind: MediaKind::Voice,
        mime: "audio/ogg".into(),
        file_name: None,
        caption: None,
        source: Source::Bytes(b"the file".to_vec()),
    };
    let accepted = recorded.send(PHONE, &voice).await.unwrap();
    assert_eq!(accepted.provider_id.as_deref(), Some("BAE5EFED2AB0BB9F"));
    is_part_of(&recorded.last().1, &request);

    let mut recorded = server(&[(201, json!({ "presence": "composing" }))]).await;
    recorded.adapter.show_typing(&recorded.endpoint, PHONE, None).await.unwrap();
    assert_eq!(recorded.last().1, fixture("rest_send_presence_request"));

    let recorded = server(&[(201, fixture("rest_get_base64_from_media_201"))]).await;
    let id = "3A35903C2393D681D816";
    let file = recorded.adapter.fetch_media(&recorded.endpoint, id, 1_000_000).await.unwrap();
    assert_eq!(file.mime, "audio/ogg; codecs=opus");
    assert!(file.bytes.starts_with(b"OggS"));
}

#[tokio::test]
async fn instances_are_made_connected_listed_and_ended() {
    let request = fixture("rest_instance_create_request");
    let events: Vec<&str> = request["webhook"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap())
        .collect();
    let webhook = Webhook {
        url: "https://app.example.com/webhooks/evolution",
        header: ("authorization", "Bearer WEBHOOK-SECRET-FAKE"),
        events: &events,
    };
    for name in ["rest_instance_create_201", "rest_instance_create_201_v1_docs"] {
        let mut recorded = server(&[(201, fixture(name))]).await;
        let made = recorded
            .adapter
            .create_instance(&recorded.endpoint, Some(PHONE), Some(&webhook))
            .await
            .unwrap();
        let Created::New { token, .. } = made else { panic!("{name}: {made:?}") };
        assert_eq!(token.as_deref(), Some("00000000-FAKE-FAKE-FAKE-000000000000"), "{name}");
        let (line, body) = recorded.last();
        assert_eq!(line, "POST /instance/create");
        is_part_of(&body, &request);
    }
    let recorded = server(&[(403, fixture("rest_instance_create_403_name_in_use"))]).await;
    let made = recorded
        .adapter
        .create_instance(&recorded.endpoint, Some(PHONE), Some(&webhook))
        .await
        .unwrap();
    assert_eq!(made, Created::Exists);

    let pairing = fixture("rest_instance_connect_200_pairing");
    for (name, expected) in [
        ("rest_instance_connect_200_already_open", Connection::Open),
        (
            "rest_instance_connect_200_pairing",
            Connection::Pairing {
                qr: None,
                text: pairing["code"].as_str().map(str::to_owned),
                code: Some("WZYEH1YY".into()),
            },
        ),
    ] {
        let recorded = server(&[(200, fixture(name))]).await;
        assert_eq!(
            recorded.adapter.pair(&recorded.endpoint, None).await.unwrap(),
            expected,
            "{name}"
        );
    }
    let recorded = server(&[(200, fixture("rest_instance_connect_200_qr"))]).await;
    let connection = recorded.adapter.pair(&recorded.endpoint, None).await.unwrap();
    assert!(
        matches!(connection, Connection::Pairing { qr: Some(qr), code: None, .. } if qr.starts_with("data:image/png"))
    );
    let recorded = server(&[(200, json!({ "error": true, "message": "broken" }))]).await;
    assert!(recorded.adapter.pair(&recorded.endpoint, None).await.is_err(), "200 may be a refusal");

    let recorded = server(&[(200, fixture("rest_connection_state_200"))]).await;
    let link = recorded.adapter.link(&recorded.endpoint).await.unwrap();
    assert_eq!(link.state, LinkState::Connected);
    let instance = |name: &str, state: &str, owner: Option<&str>| Instance {
        name: name.into(),
        state: state.into(),
        owner: owner.map(str::to_owned),
    };
    for (name, expected) in [
        ("rest_fetch_instances_200_v2", instance("instancia-exemplo", "close", None)),
        ("rest_fetch_instances_200_v1_docs", instance("example-name", "open", Some(PHONE))),
    ] {
        let recorded = server(&[(200, fixture(name))]).await;
        assert_eq!(
            recorded.adapter.instances(&recorded.endpoint).await.unwrap()[0],
            expected,
            "{name}"
        );
    }
    for (name, logout) in [("rest_instance_logout_200", true), ("rest_instance_delete_200", false)]
    {
        let mut recorded = server(&[(200, fixture(name))]).await;
        if logout {
            recorded.adapter.logout(&recorded.endpoint).await.unwrap();
            assert_eq!(recorded.last().0, "DELETE /instance/logout/instancia-exemplo");
        } else {
            recorded.adapter.delete_instance(&recorded.endpoint).await.unwrap();
            assert_eq!(recorded.last().0, "DELETE /instance/delete/instancia-exemplo");
        }
    }
    let mut recorded = server(&[(201, fixture("rest_webhook_set_201_v2"))]).await;
    let events = recorded.adapter.set_webhook(&recorded.endpoint, &webhook).await.unwrap();
    assert_eq!(events, webhook.events);
    is_part_of(&recorded.last().1, &fixture("rest_webhook_set_request_v2"));

    let recorded = server(&[(200, fixture("rest_whatsapp_numbers_200"))]).await;
    let known =
        recorded.adapter.numbers(&recorded.endpoint, &[PHONE, "5511900000002"]).await.unwrap();
    assert_eq!(known.iter().map(|k| k.exists).collect::<Vec<_>>(), [true, false]);
    assert_eq!(known[0].jid, "5511900000001@s.whatsapp.net");
}

#[test]
fn every_rest_fixture_is_used_here() {
    let source = include_str!("contract.rs");
    let folder = format!("{}/fixtures/evolution", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().replace(".json", "");
        if name.starts_with("rest_") {
            assert!(source.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
