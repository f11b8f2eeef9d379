//! Google's Gemini API of AI Studio.

use base64::Engine as _;
use messaging::http::Outbound;
use serde_json::{Value, json};

use crate::wire::{exchange, failure, vector};
use crate::{
    Audio, Completion, Finish, HAND_OFF, HAND_OFF_DESCRIPTION, ModelError, ModelRef, Prompt, Role,
};

pub(crate) async fn complete(
    outbound: &Outbound,
    base: &str,
    model: &ModelRef,
    prompt: &Prompt,
) -> Result<Completion, ModelError> {
    let contents: Vec<Value> = prompt
        .lines
        .iter()
        .map(|(role, text)| {
            let role = match role {
                Role::User => "user",
                Role::Assistant => "model",
            };
            json!({ "role": role, "parts": [{ "text": text }] })
        })
        .collect();
    let body = json!({
        "contents": contents,
        "systemInstruction": { "parts": [{ "text": prompt.system }] },
        "tools": [{ "functionDeclarations": [{
            "name": HAND_OFF, "description": HAND_OFF_DESCRIPTION,
            "parameters": { "type": "OBJECT", "properties": { "reason": { "type": "STRING" } }, "required": ["reason"] } }] }],
        "generationConfig": { "temperature": prompt.temperature, "maxOutputTokens": prompt.max_tokens },
    });
    let request = outbound
        .client()
        .post(format!("{base}/models/{}:generateContent", model.model))
        .header("x-goog-api-key", &model.api_key)
        .json(&body);
    let (status, answer) = exchange(request, prompt.timeout).await?;
    if !status.is_success() {
        return Err(refused(status, &answer));
    }
    // Refusals come as 200: a block reason, or a candidate without parts.
    if let Some(reason) = answer["promptFeedback"]["blockReason"].as_str() {
        return Err(ModelError::Empty(format!("blocked: {reason}")));
    }
    let candidate = &answer["candidates"][0];
    let parts = candidate["content"]["parts"].as_array().cloned().unwrap_or_default();
    let hand_off = parts
        .iter()
        .find(|part| part["functionCall"]["name"] == HAND_OFF)
        .map(|part| part["functionCall"]["args"]["reason"].as_str().unwrap_or_default().to_owned());
    let text: String = parts
        .iter()
        .filter(|part| part["thought"] != true)
        .filter_map(|part| part["text"].as_str())
        .collect();
    let text = text.trim().to_owned();
    if text.is_empty() && hand_off.is_none() {
        let why = candidate["finishReason"].as_str().unwrap_or("no candidate");
        return Err(ModelError::Empty(why.to_owned()));
    }
    let calls_a_tool = parts.iter().any(|part| part["functionCall"].is_object());
    let finish = match candidate["finishReason"].as_str() {
        Some("MAX_TOKENS") => Finish::Length,
        Some("STOP") | None if calls_a_tool && hand_off.is_none() => Finish::OtherTool,
        Some("STOP" | "FINISH_REASON_UNSPECIFIED") | None => Finish::Stop,
        // Safety, recitation, blocked words, a language it does not speak: what is there is not all.
        Some(_) => Finish::Filtered,
    };
    let usage = &answer["usageMetadata"];
    let out = usage["candidatesTokenCount"].as_u64().unwrap_or(0)
        + usage["thoughtsTokenCount"].as_u64().unwrap_or(0);
    Ok(Completion {
        text,
        hand_off,
        finish,
        tokens_in: usage["promptTokenCount"].as_u64().unwrap_or(0),
        tokens_out: out,
    })
}

fn refused(status: reqwest::StatusCode, answer: &Value) -> ModelError {
    failure(status, answer["error"]["status"].as_str().unwrap_or(""))
}

pub(crate) async fn embed(
    outbound: &Outbound,
    base: &str,
    model: &ModelRef,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, ModelError> {
    let name = format!("models/{}", model.model);
    let requests: Vec<Value> = texts
        .iter()
        .map(|text| json!({ "model": name, "content": { "parts": [{ "text": text }] } }))
        .collect();
    let request = outbound
        .client()
        .post(format!("{base}/{name}:batchEmbedContents"))
        .header("x-goog-api-key", &model.api_key)
        .json(&json!({ "requests": requests }));
    let (status, answer) = exchange(request, std::time::Duration::from_secs(30)).await?;
    if !status.is_success() {
        return Err(refused(status, &answer));
    }
    let vectors: Option<Vec<_>> = answer["embeddings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| vector(&row["values"]))
        .collect();
    vectors
        .filter(|vectors| vectors.len() == texts.len())
        .ok_or_else(|| ModelError::Unavailable("fewer vectors than texts".to_owned()))
}

/// Writes a recording down: it goes along with the question, as base64.
pub(crate) async fn transcribe(
    outbound: &Outbound,
    base: &str,
    model: &ModelRef,
    audio: &Audio,
) -> Result<String, ModelError> {
    let data = base64::engine::general_purpose::STANDARD.encode(&audio.bytes);
    let ask = format!(
        "Write down word for word what is said in this recording (language: {}). Answer with the words \
         only, without remarks. Answer with nothing when nothing is said.",
        audio.language
    );
    let body = json!({
        "contents": [{ "role": "user", "parts": [
            { "inlineData": { "mimeType": audio.mime, "data": data } }, { "text": ask } ] }],
        "generationConfig": { "temperature": 0, "maxOutputTokens": 2048 },
    });
    let request = outbound
        .client()
        .post(format!("{base}/models/{}:generateContent", model.model))
        .header("x-goog-api-key", &model.api_key)
        .json(&body);
    let (status, answer) = exchange(request, std::time::Duration::from_secs(45)).await?;
    if !status.is_success() {
        return Err(refused(status, &answer));
    }
    let parts = answer["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default();
    let text: String = parts
        .iter()
        .filter(|part| part["thought"] != true)
        .filter_map(|part| part["text"].as_str())
        .collect();
    let text = text.trim();
    if text.is_empty() {
        return Err(ModelError::Empty("nothing was heard".to_owned()));
    }
    Ok(text.to_owned())
}
