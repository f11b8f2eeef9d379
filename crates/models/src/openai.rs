//! The OpenAI chat and embedding API, as many servers speak it.

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
    let mut messages = vec![json!({ "role": "system", "content": prompt.system })];
    messages.extend(prompt.lines.iter().map(|(role, text)| {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": text })
    }));
    let body = json!({
        "model": model.model,
        "messages": messages,
        "temperature": prompt.temperature,
        "max_tokens": prompt.max_tokens,
        "tools": [{ "type": "function", "function": {
            "name": HAND_OFF, "description": HAND_OFF_DESCRIPTION,
            "parameters": { "type": "object", "properties": { "reason": { "type": "string" } }, "required": ["reason"] } } }],
    });
    let request = outbound
        .client()
        .post(format!("{base}/chat/completions"))
        .bearer_auth(&model.api_key)
        .json(&body);
    let (status, answer) = exchange(request, prompt.timeout).await?;
    if !status.is_success() {
        return Err(failure(status, code_of(&answer)));
    }
    let choice = &answer["choices"][0];
    let message = &choice["message"];
    let calls = message["tool_calls"].as_array();
    let calls_a_tool = calls.is_some_and(|calls| !calls.is_empty());
    let call =
        calls.and_then(|calls| calls.iter().find(|call| call["function"]["name"] == HAND_OFF));
    let hand_off = call.map(|call| {
        // The arguments are JSON in a text, and models get it wrong at times.
        call["function"]["arguments"]
            .as_str()
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
            .and_then(|arguments| Some(arguments["reason"].as_str()?.to_owned()))
            .unwrap_or_default()
    });
    // A text, or parts of which some are text.
    let parts: String = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    let text = parts.trim().to_owned();
    if text.is_empty() && hand_off.is_none() {
        let why = choice["finish_reason"].as_str().unwrap_or("no text");
        return Err(ModelError::Empty(why.to_owned()));
    }
    let finish = match choice["finish_reason"].as_str() {
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Filtered,
        _ if calls_a_tool && hand_off.is_none() => Finish::OtherTool,
        _ => Finish::Stop,
    };
    let usage = &answer["usage"];
    Ok(Completion {
        text,
        hand_off,
        finish,
        tokens_in: usage["prompt_tokens"].as_u64().unwrap_or(0),
        tokens_out: usage["completion_tokens"].as_u64().unwrap_or(0),
    })
}

fn code_of(answer: &Value) -> &str {
    answer["error"]["code"].as_str().or_else(|| answer["error"]["type"].as_str()).unwrap_or("")
}

pub(crate) async fn embed(
    outbound: &Outbound,
    base: &str,
    model: &ModelRef,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, ModelError> {
    let body = json!({ "model": model.model, "input": texts, "encoding_format": "float" });
    let request = outbound
        .client()
        .post(format!("{base}/embeddings"))
        .bearer_auth(&model.api_key)
        .json(&body);
    let (status, answer) = exchange(request, std::time::Duration::from_secs(30)).await?;
    if !status.is_success() {
        return Err(failure(status, code_of(&answer)));
    }
    let mut rows: Vec<&Value> = answer["data"].as_array().into_iter().flatten().collect();
    rows.sort_by_key(|row| row["index"].as_u64());
    let vectors: Option<Vec<_>> = rows.iter().map(|row| vector(&row["embedding"])).collect();
    vectors
        .filter(|vectors| vectors.len() == texts.len())
        .ok_or_else(|| ModelError::Unavailable("fewer vectors than texts".to_owned()))
}

/// Writes a recording down: `POST /audio/transcriptions`.
pub(crate) async fn transcribe(
    outbound: &Outbound,
    base: &str,
    model: &ModelRef,
    audio: &Audio,
) -> Result<String, ModelError> {
    let end = match audio.mime.as_str() {
        "audio/mpeg" => "mp3",
        "audio/mp4" | "audio/aac" | "audio/x-m4a" => "m4a",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/webm" => "webm",
        _ => "ogg",
    };
    // The API tells the format by the name.
    let part = reqwest::multipart::Part::bytes(audio.bytes.clone())
        .file_name(format!("audio.{end}"))
        .mime_str(&audio.mime)
        .map_err(|_| ModelError::Refused("the type of the recording is unreadable".to_owned()))?;
    let language = audio.language.split('-').next().unwrap_or_default().to_owned();
    let form = reqwest::multipart::Form::new()
        .text("model", model.model.clone())
        .text("language", language)
        .part("file", part);
    let request = outbound
        .client()
        .post(format!("{base}/audio/transcriptions"))
        .bearer_auth(&model.api_key)
        .multipart(form);
    let (status, answer) = exchange(request, std::time::Duration::from_secs(45)).await?;
    if !status.is_success() {
        return Err(failure(status, code_of(&answer)));
    }
    match answer["text"].as_str().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(ModelError::Empty("nothing was heard".to_owned())),
    }
}
