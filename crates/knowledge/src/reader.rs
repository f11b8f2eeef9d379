//! Reading strangers' files in a child process: what the parent asks, and what the child does.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use isolation::{Allowance, ChildError, Reporter, Runner};
use kernel::TenantId;

use crate::read::{self, ReadError, Reading};

/// The command of this program that reads one file.
const COMMAND: &str = "read-file";

/// Reads files of strangers' formats. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    runner: Runner,
    /// Bytes of text that are taken of one file.
    text: usize,
    /// Where files wait for their reader.
    folder: PathBuf,
}

impl Reader {
    /// `text`: bytes of text of one file at most. `data`: the data folder.
    pub fn new(runner: Runner, text: usize, data: &Path) -> Self {
        Self { runner, text, folder: data.to_owned() }
    }

    /// Ends whatever is being read, and reads nothing any more.
    pub fn stop(&self) {
        self.runner.stop();
    }

    /// Reads a file of a tenant in a process of its own.
    ///
    /// # Errors
    /// Why it cannot be read, in words for its owner.
    pub async fn read(
        &self,
        tenant: TenantId,
        name: &str,
        bytes: &[u8],
    ) -> Result<Reading, ReadError> {
        // What its name says that nobody reads, needs no reader.
        read::Format::of(name)?;
        let failed = |cause: ChildError| ReadError::Child { name: name.to_owned(), cause };
        let put = |cause: io::Error| failed(ChildError::Start(cause.to_string()));
        let folder = self.folder.clone();
        let bytes = bytes.to_vec();
        let input = tokio::task::spawn_blocking(move || hand_over(&folder, &bytes));
        let input = input.await.map_err(io::Error::other).and_then(|done| done).map_err(put)?;
        self.read_open(tenant, name, input).await
    }

    /// As [`Reader::read`], of a file that is open at its beginning.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read_open(
        &self,
        tenant: TenantId,
        name: &str,
        input: File,
    ) -> Result<Reading, ReadError> {
        let failed = |cause: ChildError| ReadError::Child { name: name.to_owned(), cause };
        let mut arguments: Vec<OsString> = vec![COMMAND.into()];
        arguments.extend([OsString::from("--name"), name.into()]);
        arguments.extend([OsString::from("--text"), self.text.to_string().into()]);
        let answer = self.runner.run(tenant, arguments, input).await.map_err(failed)?;
        let read: Result<Reading, ReadError> =
            serde_json::from_slice(&answer).map_err(|_| failed(ChildError::Crash))?;
        read
    }

    /// Whether a child gives up what it has to, here: what it could still reach, or why it cannot be started.
    ///
    /// # Errors
    /// What `doctor` shows.
    pub async fn probe(&self) -> Result<(), String> {
        let input = tempfile::tempfile().map_err(|cause| cause.to_string())?;
        let arguments = vec![COMMAND.into(), "--name".into(), "a.txt".into(), "--probe".into()];
        let answer = self.runner.run(TenantId::generate(), arguments, input).await;
        match answer.map_err(|cause| cause.to_string())?.as_slice() {
            b"" => Ok(()),
            open => {
                Err(format!("a reading process still reaches {}", String::from_utf8_lossy(open)))
            }
        }
    }
}

/// A file without a name, with these bytes, to be read from its beginning.
fn hand_over(folder: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// What a child is asked to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// The file's name; its ending says the format.
    pub name: String,
    /// Bytes of text at most.
    pub text: usize,
    pub allowance: Allowance,
    /// Only proves that the limits hold.
    pub probe: bool,
}

/// The whole of a child's life: reads a file from standard input, and writes what it says to standard output.
pub fn serve(task: Task) -> ExitCode {
    if task.probe {
        return isolation::serve(task.allowance, isolation::probe);
    }
    let allowance = task.allowance;
    isolation::serve(allowance, move |bytes: Vec<u8>, reporter: &mut Reporter| {
        let read = read::read_within(&task.name, &bytes, task.text, reporter);
        serde_json::to_vec(&read).unwrap_or_default()
    })
}
