//! The side of the parent: starting children, waiting for them within limits, and saying why they ended.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kernel::TenantId;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::child::{Allowance, NOT_CONFINED};
use crate::frame::{Decoder, Frame};

/// Bytes of a child's last words that are read.
const LAST_WORDS: usize = 4096;
/// How long a child that gave its answer may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// How much children may use, one by one and together.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub allowance: Allowance,
    /// From start to answer.
    pub deadline: Duration,
    /// From one step of progress to the next.
    pub stall: Duration,
    /// Bytes of an answer.
    pub output: usize,
    /// Children at the same time.
    pub at_once: usize,
    /// Children of one tenant at the same time.
    pub at_once_each: usize,
    /// How long one waits for its turn.
    pub wait: Duration,
}

/// Why a child gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    #[error("too many files are being read at the same time; try again in a moment")]
    Busy,
    #[error("it needs more than {0} MiB of memory to be read")]
    Memory(u64),
    #[error("it takes too long to be read ({0} s without an end)")]
    Time(u64),
    #[error("it is nested too deeply")]
    Depth,
    #[error("it makes its reader fail: the file is damaged")]
    Crash,
    #[error("more comes out of it than {0} MiB")]
    Output(usize),
    #[error("this server is stopping; try again in a moment")]
    Stopping,
    #[error("the limits of a reading process cannot be set here ({0}); see `portaria doctor`")]
    NotConfined(String),
    #[error("the reading process cannot be started: {0}")]
    Start(String),
}

struct Inner {
    program: PathBuf,
    limits: Limits,
    total: Arc<Semaphore>,
    each: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    stop: CancellationToken,
}

/// Starts children of one program under limits. Cheap to clone.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

impl Runner {
    /// `program`: what is started; this same program when there is none.
    pub fn new(program: Option<PathBuf>, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            // The running program itself, also after another one was put in its place on disk.
            program: program.unwrap_or_else(|| PathBuf::from("/proc/self/exe")),
            limits,
            total: Arc::new(Semaphore::new(limits.at_once.max(1))),
            each: Mutex::default(),
            stop: CancellationToken::new(),
        }))
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Ends every child that runs, and starts none any more.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Runs one child of a tenant with these arguments and this input, and gives its answer.
    ///
    /// # Errors
    /// Why there is no answer. Dropping the future ends the child.
    pub async fn run(
        &self,
        tenant: TenantId,
        arguments: Vec<OsString>,
        input: File,
    ) -> Result<Vec<u8>, ChildError> {
        let limits = &self.0.limits;
        let turn = tokio::time::timeout(limits.wait, self.turn(tenant));
        let _turn = tokio::select! {
            turn = turn => turn.map_err(|_| ChildError::Busy)??,
            () = self.0.stop.cancelled() => return Err(ChildError::Stopping),
        };
        let outcome = tokio::select! {
            outcome = self.one(arguments, input) => outcome,
            () = self.0.stop.cancelled() => Err(ChildError::Stopping),
        };
        let word = match &outcome {
            Ok(_) => "read",
            Err(ChildError::Memory(_)) => "memory",
            Err(ChildError::Time(_)) => "time",
            Err(ChildError::Depth) => "depth",
            Err(ChildError::Output(_)) => "output",
            Err(_) => "failed",
        };
        metrics::counter!("portaria_reader_files_total", "outcome" => word).increment(1);
        outcome
    }

    async fn turn(
        &self,
        tenant: TenantId,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), ChildError> {
        let own = {
            let mut each = self.0.each.lock();
            each.retain(|_, one| Arc::strong_count(one) > 1);
            let most = self.0.limits.at_once_each.max(1);
            each.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
        };
        // The tenant's own turn first: those who wait for it take none of the others' places.
        let own = own.acquire_owned().await.map_err(|_| ChildError::Stopping)?;
        let total = self.0.total.clone().acquire_owned().await.map_err(|_| ChildError::Stopping)?;
        Ok((own, total))
    }

    async fn one(&self, arguments: Vec<OsString>, input: File) -> Result<Vec<u8>, ChildError> {
        let limits = &self.0.limits;
        let allowance = &limits.allowance;
        let mut command = Command::new(&self.0.program);
        command
            .args(&arguments)
            .args(["--memory", &allowance.memory.to_string()])
            .args(["--cpu", &allowance.cpu.to_string()])
            .args(["--stall", &allowance.stall.to_string()])
            .args(["--input", &allowance.input.to_string()]);
        if allowance.unfiltered {
            command.arg("--unfiltered");
        }
        command
            .env_clear()
            // The allocator would reserve more address space than the limit leaves.
            .env("MIMALLOC_ARENA_RESERVE", "16MiB")
            .current_dir("/")
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|cause| ChildError::Start(cause.to_string()))?;
        let listening = tokio::time::timeout(limits.deadline, listen(&mut child, limits));
        let answer = match listening.await {
            Ok(done) => done,
            Err(_) => Err(Ended::Late(limits.deadline)),
        };
        if let Ok(answer) = answer {
            // It has nothing more to say; whether it ends well is of no interest.
            if tokio::time::timeout(GOODBYE, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
            return Ok(answer);
        }
        let silent = matches!(answer, Err(Ended::Silent));
        let status = if silent {
            tokio::time::timeout(GOODBYE, child.wait()).await.ok().and_then(Result::ok)
        } else {
            None
        };
        let _ = child.start_kill();
        let words = last_words(&mut child).await;
        let _ = child.wait().await;
        Err(match answer {
            Err(Ended::Late(after)) => ChildError::Time(after.as_secs()),
            Err(Ended::Talks) => ChildError::Output(limits.output >> 20),
            _ => explain(status, &words, limits),
        })
    }
}

/// Why there will be no answer.
enum Ended {
    /// Nothing came for this long.
    Late(Duration),
    /// It does not keep to the protocol, or says too much.
    Talks,
    /// It ended.
    Silent,
}

async fn listen(child: &mut Child, limits: &Limits) -> Result<Vec<u8>, Ended> {
    let Some(out) = child.stdout.as_mut() else { return Err(Ended::Silent) };
    let mut decoder = Decoder::new(limits.output);
    let mut piece = vec![0u8; 64 << 10];
    loop {
        let read = tokio::time::timeout(limits.stall, out.read(&mut piece));
        let count = match read.await {
            Ok(Ok(count)) => count,
            Ok(Err(_)) => 0,
            Err(_) => return Err(Ended::Late(limits.stall)),
        };
        if count == 0 {
            return Err(Ended::Silent);
        }
        decoder.push(&piece[..count]);
        loop {
            match decoder.take() {
                Ok(None) => break,
                Ok(Some(Frame::Progress)) => {}
                Ok(Some(Frame::Answer(answer))) => return Ok(answer),
                Err(_) => return Err(Ended::Talks),
            }
        }
    }
}

async fn last_words(child: &mut Child) -> String {
    let Some(err) = child.stderr.take() else { return String::new() };
    let mut words = Vec::new();
    let mut err = err.take(LAST_WORDS as u64);
    // The pipe ends with the child, which is dead or about to be.
    let _ = tokio::time::timeout(GOODBYE, err.read_to_end(&mut words)).await;
    String::from_utf8_lossy(&words).into_owned()
}

/// What the end of a child that gave no answer means for the file.
fn explain(status: Option<ExitStatus>, words: &str, limits: &Limits) -> ChildError {
    let memory = ChildError::Memory(limits.allowance.memory >> 20);
    let Some(status) = status else { return ChildError::Crash };
    if status.code() == Some(i32::from(NOT_CONFINED)) {
        let cause = words.lines().next().unwrap_or("no reason given");
        return ChildError::NotConfined(cause.to_owned());
    }
    if words.contains("memory allocation of") {
        return memory;
    }
    if words.contains("overflowed its stack") {
        return ChildError::Depth;
    }
    match status.signal() {
        Some(libc::SIGXCPU) => ChildError::Time(limits.allowance.stall),
        // The hard limit of processor time, or the kernel in want of memory.
        Some(libc::SIGKILL) => ChildError::Time(limits.allowance.cpu),
        Some(libc::SIGSEGV | libc::SIGBUS) => ChildError::Depth,
        _ => ChildError::Crash,
    }
}
