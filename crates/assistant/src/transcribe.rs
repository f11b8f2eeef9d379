//! Writing voice messages down, as a job.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use db::Db;
use files::Files;
use inbox::{Attachment, TranscribeDue};
use models::{Audio, LanguageModel, ModelError, ModelRef};
use queue::{Done, Handler, JobCx, JobError};

use crate::settings::SPEECH_OFF;
use crate::{Context, Contexts};

/// Runs [`TranscribeDue`].
pub struct Transcribe {
    pub db: Db,
    pub contexts: Contexts,
    pub models: Arc<dyn LanguageModel>,
    pub files: Files,
}

/// Before the second and last try.
const AGAIN: Duration = Duration::from_secs(5);

#[async_trait]
impl Handler<TranscribeDue> for Transcribe {
    async fn run(&self, due: TranscribeDue, cx: &JobCx) -> Result<Done, JobError> {
        let retry = |cause: String| JobError::Retry { after: Some(AGAIN), cause };
        let context = self.contexts.get(cx.tenant).await;
        let context = context.map_err(|error| retry(error.to_string()))?;
        let mut tx = self.db.read(cx.tenant).await?;
        let found = inbox::attachment(&mut tx, due.message).await?;
        drop(tx);
        let (Some(context), Some(found)) = (context, found) else { return Ok(Done::Finish) };
        let mut file = found.file;
        if file.state != "transcribing" {
            return Ok(Done::Finish);
        }
        "stored".clone_into(&mut file.state);
        let speech = speech_models(&context);
        let mut heard = None;
        if !speech.is_empty() {
            match self.hear(&context, &speech, &file, cx).await {
                Ok(text) => heard = Some(text),
                Err(ModelError::Unavailable(cause) | ModelError::Throttled(cause))
                    if cx.attempt == 1 =>
                {
                    return Err(retry(cause));
                }
                Err(error) => {
                    tracing::warn!(
                        event = "model_failed", tenant_id = %cx.tenant, kind = error.kind(), cause = %error,
                    );
                    file.reason = Some(format!("not written down: {error}"));
                }
            }
        }
        file.transcribed = heard.is_some();
        let mut tx = self.db.begin(cx.tenant).await?;
        let now = cx.clock.now();
        inbox::set_attachment(&mut tx, due.message, &file, heard.as_deref(), now).await?;
        cx.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Done::Finished)
    }

    async fn gave_up(&self, due: TranscribeDue, cx: &JobCx, cause: &str) {
        let end = async {
            let mut tx = self.db.begin(cx.tenant).await?;
            if let Some(found) = inbox::attachment(&mut tx, due.message).await? {
                let mut file: Attachment = found.file;
                "stored".clone_into(&mut file.state);
                file.reason = Some(format!("not written down: {cause}"));
                let now = cx.clock.now();
                inbox::set_attachment(&mut tx, due.message, &file, None, now).await?;
            }
            tx.commit().await
        };
        if let Err(error) = end.await {
            tracing::error!(event = "job_settle_failed", tenant_id = %cx.tenant, cause = %error);
        }
    }
}

/// The models that are asked, in order; none when the tenant has no model or turned it off.
fn speech_models(context: &Context) -> Vec<ModelRef> {
    let named = context.settings.speech_model.trim();
    if named == SPEECH_OFF {
        return Vec::new();
    }
    let mut models = context.models.clone();
    for (at, model) in models.iter_mut().enumerate() {
        model.model = match (at, named) {
            (0, named) if !named.is_empty() => named.to_owned(),
            _ => model.provider.default_speech_model().to_owned(),
        };
    }
    models
}

impl Transcribe {
    async fn hear(
        &self,
        context: &Context,
        speech: &[ModelRef],
        file: &Attachment,
        cx: &JobCx,
    ) -> Result<String, ModelError> {
        let unreadable = || ModelError::Empty("the recording cannot be read".to_owned());
        let path = file.path.as_deref().ok_or_else(unreadable)?;
        let bytes = self.files.read(cx.tenant, path).await.map_err(|_| unreadable())?;
        let language = context.tenant.language.clone();
        let audio = Audio { mime: file.mime.clone(), bytes, language };
        let mut last = unreadable();
        for model in speech {
            match self.models.transcribe(model, &audio).await {
                Ok(text) => return Ok(text),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
