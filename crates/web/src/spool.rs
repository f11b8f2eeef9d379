//! Bodies that wait on the disk until it is known whose they are.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};

use crate::budget::{Holding, NoRoom};

/// Bytes of a body that are held in memory; the rest goes to a file without a name. Most events of providers are
/// smaller, and a stranger's body takes no more than this.
pub const IN_MEMORY: usize = 256 << 10;
const PIECE: usize = 64 << 10;

/// Why a body was not read.
#[derive(Debug)]
pub enum Unread {
    /// Over the limit; how much came.
    TooLarge {
        seen: usize,
    },
    /// It stopped half-way, or took too long.
    Broken,
    NoRoom(NoRoom),
    /// The file could not be written.
    Disk(io::Error),
}

/// A whole body.
pub struct Spooled {
    memory: Vec<u8>,
    file: Option<File>,
    length: usize,
}

impl Spooled {
    /// Its bytes, a piece at a time, from the beginning.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pieces(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            each(&self.memory);
            return Ok(());
        };
        file.rewind()?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(()),
                count => each(&piece[..count]),
            }
        }
    }

    /// All of it, in memory, and room for what is made of it.
    ///
    /// # Errors
    /// When there is no room for it, or the file cannot be read.
    pub fn into_bytes(mut self, holding: &Holding) -> Result<Bytes, Unread> {
        if let Some(mut file) = self.file.take() {
            holding.grow(2 * self.length - IN_MEMORY.min(self.length)).map_err(Unread::NoRoom)?;
            self.memory = Vec::with_capacity(self.length);
            file.rewind().map_err(Unread::Disk)?;
            file.read_to_end(&mut self.memory).map_err(Unread::Disk)?;
        }
        Ok(self.memory.into())
    }
}

/// Reads a body up to a limit, within a time. `seen` gets each piece as it comes. What is over the limit is read and
/// thrown away: a connection closed on a sender that still writes would lose the answer on its way.
///
/// # Errors
/// Why it was not read.
pub async fn spool(
    body: Body,
    limit: usize,
    time: Duration,
    (holding, folder): (&Holding, &Path),
    mut seen: impl FnMut(&[u8]),
) -> Result<Spooled, Unread> {
    let hint = body.size_hint().exact().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut body = pin!(body);
    // What a caller announces is no reason to set it all aside before it has come.
    let mut memory: Vec<u8> = Vec::with_capacity(hint.min(limit).min(PIECE));
    let mut file: Option<File> = None;
    let mut length = 0;
    let mut fault = None;
    let all = async {
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let Ok(frame) = frame else { return false };
            let Ok(data) = frame.into_data() else { continue };
            length += data.len();
            if fault.is_some() || length > limit {
                // Read on for a while, and thrown away.
                memory = Vec::new();
                file = None;
                if length > limit.saturating_mul(8) {
                    return true;
                }
                continue;
            }
            seen(&data);
            if let Err(cause) = keep(&data, &mut memory, &mut file, (holding, folder)) {
                fault = Some(cause);
            }
        }
        true
    };
    let whole = tokio::time::timeout(time, all).await.unwrap_or(false);
    if let Some(fault) = fault {
        return Err(fault);
    }
    if length > limit {
        return Err(Unread::TooLarge { seen: length });
    }
    if whole { Ok(Spooled { memory, file, length }) } else { Err(Unread::Broken) }
}

fn keep(
    data: &[u8],
    memory: &mut Vec<u8>,
    file: &mut Option<File>,
    (holding, folder): (&Holding, &Path),
) -> Result<(), Unread> {
    if file.is_none() && memory.len() + data.len() <= IN_MEMORY {
        holding.grow(data.len()).map_err(Unread::NoRoom)?;
        memory.extend_from_slice(data);
        return Ok(());
    }
    if file.is_none() {
        let mut fresh = tempfile::tempfile_in(folder).map_err(Unread::Disk)?;
        holding.spool(memory.len() as u64).map_err(Unread::NoRoom)?;
        fresh.write_all(memory).map_err(Unread::Disk)?;
        *memory = Vec::new();
        *file = Some(fresh);
    }
    holding.spool(data.len() as u64).map_err(Unread::NoRoom)?;
    match file {
        Some(file) => file.write_all(data).map_err(Unread::Disk),
        None => Ok(()),
    }
}
