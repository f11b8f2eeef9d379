//! Listeners from process to process: a new gateway asks the one that serves, over a socket of the file system, takes its
//! listeners, and tells it to finish. Connections that wait in their queues wait for the new one.

use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::{Door, Gateway};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long the new process waits for a word of the one that serves.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the one that serves waits until the new one is ready. One that dies is noticed at once.
const START: Duration = Duration::from_secs(300);
const READY: &[u8] = b"ready\n";
const TAKEN: &[u8] = b"taken\n";

/// The socket of a gateway's file, unless the file names another.
pub(crate) fn path_of(file: &Path, named: Option<&Path>) -> PathBuf {
    match named {
        Some(path) => path.to_owned(),
        None => {
            let mut name = file.as_os_str().to_owned();
            name.push(".sock");
            name.into()
        }
    }
}

/// What the process that served gave; it serves on until it is told.
pub(crate) struct Taken {
    pub(crate) listeners: Vec<(Door, TcpListener)>,
    stream: UnixStream,
    path: PathBuf,
}

impl Taken {
    /// Says that this process serves now. One that is gone needs not be told.
    ///
    /// # Errors
    /// When the other did not hear it and serves on: then this process must not serve beside it.
    pub(crate) fn ready(mut self) -> anyhow::Result<()> {
        let mut answer = [0; TAKEN.len()];
        let told = self.stream.write_all(READY).and_then(|()| self.stream.read_exact(&mut answer));
        let Err(cause) = told else { return Ok(()) };
        if UnixStream::connect(&self.path).is_ok() {
            bail!(
                "the gateway that serves waits for this one no more ({cause}), and serves on; try again"
            );
        }
        tracing::warn!(event = "gateway_hand_over_failed", cause = %cause);
        Ok(())
    }
}

/// Asks the process that serves for its listeners.
///
/// # Errors
/// When none serves there, or what it says cannot be understood.
pub(crate) fn take(path: &Path) -> anyhow::Result<Taken> {
    let stream = UnixStream::connect(path).with_context(|| {
        format!(
            "no gateway of this file gives its listeners at {}; start one with `portaria serve --role gateway`",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut kinds = [0u8; 16];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut kinds)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(found) = message {
            descriptors.extend(found);
        }
    }
    if received.bytes != descriptors.len() || descriptors.is_empty() {
        bail!("the gateway at {} gave no listeners", path.display());
    }
    let doors = kinds.iter().map(|kind| Door::ALL.get(usize::from(*kind)).copied());
    let listeners = doors
        .zip(descriptors)
        .map(|(door, descriptor)| Some((door?, TcpListener::from(descriptor))))
        .collect::<Option<Vec<_>>>()
        .context("the gateway that serves is of a version that this one does not understand")?;
    Ok(Taken { listeners, stream, path: path.to_owned() })
}

/// Gives the listeners to whoever asks, of the same user; tells `taken` when they serve.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn offer(
    path: &Path,
    gateway: Arc<Gateway>,
    taken: Arc<Notify>,
) -> std::io::Result<JoinHandle<()>> {
    // Made aside and moved over: of a process that hands over, the old one is forgotten, not removed.
    let aside = path.with_extension(format!("sock-{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let listener = UnixListener::bind(&aside)?;
    std::fs::rename(&aside, path)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let own = rustix::process::geteuid().as_raw();
            if stream.peer_cred().map(|peer| peer.uid()).ok() != Some(own) {
                continue;
            }
            let Ok(stream) = stream.into_std() else { continue };
            let gateway = gateway.clone();
            let given = tokio::task::spawn_blocking(move || give(&stream, &gateway)).await;
            match given {
                Ok(Ok(())) => {
                    taken.notify_one();
                    return;
                }
                // Whoever asked went away before it served.
                Ok(Err(cause)) => {
                    tracing::warn!(event = "gateway_hand_over_failed", cause = %cause);
                }
                Err(_) => return,
            }
        }
    }))
}

fn give(stream: &UnixStream, gateway: &Gateway) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(START))?;
    let listeners = gateway.listeners()?;
    let place = |door: Door| Door::ALL.iter().position(|one| *one == door).unwrap_or(0) as u8;
    let kinds: Vec<u8> = listeners.iter().map(|(door, _)| place(*door)).collect();
    let descriptors: Vec<BorrowedFd<'_>> =
        listeners.iter().map(|(_, listener)| listener.as_fd()).collect();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(std::io::Error::other("too many listeners"));
    }
    rustix::net::sendmsg(stream, &[IoSlice::new(&kinds)], &mut control, SendFlags::NOSIGNAL)?;
    let mut word = [0; READY.len()];
    (&*stream).read_exact(&mut word)?;
    if word != READY {
        return Err(std::io::Error::other("the other process said something else"));
    }
    (&*stream).write_all(TAKEN)
}
