//! Webhook bodies of an Evolution server.

use serde_json::{Value, json};

/// The webhook body by which Evolution 2.3 reports a customer's text.
pub fn customer_message(
    instance: &str,
    phone: &str,
    name: &str,
    text: &str,
    id: &str,
    at_seconds: i64,
) -> Value {
    json!({
        "event": "messages.upsert",
        "instance": instance,
        "data": {
            "key": { "remoteJid": format!("{phone}@s.whatsapp.net"), "fromMe": false, "id": id },
            "pushName": name,
            "status": "DELIVERY_ACK",
            "message": { "conversation": text },
            "messageType": "conversation",
            "messageTimestamp": at_seconds,
            "instanceId": "00000000-0000-4000-8000-000000000000",
            "source": "android",
        },
        "destination": "http://127.0.0.1/webhook/evolution",
        "date_time": "2026-01-01T12:00:00.000Z",
        "sender": "5511900000099@s.whatsapp.net",
        "server_url": "http://127.0.0.1",
        "apikey": "00000000-0000-4000-8000-000000000000",
    })
}

/// The webhook body by which Evolution reports how far a message of ours is.
pub fn evolution_status(instance: &str, provider_id: &str, status: &str) -> Value {
    json!({
        "event": "messages.update", "instance": instance,
        "data": { "keyId": provider_id, "remoteJid": "5511900000001@s.whatsapp.net", "fromMe": true,
            "status": status, "instanceId": "00000000-0000-4000-8000-000000000000" },
        "sender": "5511900000099@s.whatsapp.net",
    })
}
