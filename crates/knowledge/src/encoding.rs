//! The program's own encoder of sentences, asked beside the threads that serve everybody.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Questions whose vectors are remembered: a turn asks for the same one several times.
const REMEMBERED: usize = 256;
/// Bytes of a question that are encoded.
const LONGEST: usize = 1000;

/// Makes vectors, no more at a time than the machine has processors. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Encoding {
    on: bool,
    room: Arc<Semaphore>,
    questions: Arc<Mutex<HashMap<String, Arc<Vec<f32>>>>>,
}

impl Encoding {
    pub(crate) fn new(on: bool) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { on, room: Arc::new(Semaphore::new(processors)), questions: Arc::default() }
    }

    /// Whether there are vectors at all.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    pub(crate) async fn question(&self, text: &str) -> Result<Option<Arc<Vec<f32>>>, db::Error> {
        if !self.on {
            return Ok(None);
        }
        let text = text[..text.floor_char_boundary(LONGEST)].to_owned();
        if let Some(vector) = self.questions.lock().get(&text) {
            return Ok(Some(vector.clone()));
        }
        let own = self.clone();
        self.run(move || own.vector(&text)).await
    }

    /// The vector of a question, made here and now: for threads that serve nobody else. `None` without an encoder.
    pub(crate) fn vector(&self, text: &str) -> Option<Arc<Vec<f32>>> {
        if !self.on {
            return None;
        }
        let text = &text[..text.floor_char_boundary(LONGEST)];
        if let Some(vector) = self.questions.lock().get(text) {
            return Some(vector.clone());
        }
        let vector = Arc::new(embedding::encoder().question(text));
        let mut questions = self.questions.lock();
        if questions.len() >= REMEMBERED {
            questions.clear();
        }
        questions.insert(text.to_owned(), vector.clone());
        Some(vector)
    }

    /// The vectors of passages.
    pub(crate) async fn passages(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, db::Error> {
        self.run(move || texts.iter().map(|text| embedding::encoder().passage(text)).collect())
            .await
    }

    /// Runs what takes a processor's time, when there is room for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, db::Error> {
        let failed = |cause: String| db::Error::Setup(format!("making a vector: {cause}"));
        let _room = self.room.acquire().await.map_err(|cause| failed(cause.to_string()))?;
        tokio::task::spawn_blocking(make).await.map_err(|cause| failed(cause.to_string()))
    }
}
