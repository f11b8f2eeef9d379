//! How much room the disk has, and how much of it files may take.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A look at the disk is good for this long.
const FRESH: Duration = Duration::from_millis(500);
/// Bounds of the reserve that is a share of the disk.
const LEAST: u64 = 16 << 20;
const MOST: u64 = 1 << 30;
/// With less, some writes succeed in what is left of files that are there already, and others do not.
const USED_UP: u64 = 1 << 20;

/// What the disk holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this program may still write.
    pub free: u64,
    /// Bytes kept for texts: below them files are refused.
    pub reserve: u64,
}

impl Space {
    /// Files are refused.
    pub fn is_full(&self) -> bool {
        self.free < self.reserve
    }

    /// Not even a message of usual length is sure to fit.
    pub fn is_used_up(&self) -> bool {
        self.free < USED_UP
    }

    /// Twice the reserve is left, or less: the time to make room.
    pub fn is_low(&self) -> bool {
        self.free < self.reserve.saturating_mul(2)
    }
}

/// The disk under a folder.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    reserve: Option<u64>,
    seen: Mutex<Option<(Instant, Space)>>,
}

impl Disk {
    pub(crate) fn new(folder: &Path, reserve: Option<u64>) -> Self {
        Self { folder: folder.to_owned(), reserve, seen: Mutex::new(None) }
    }

    /// How it stands; `None` when the disk cannot be asked.
    pub fn space(&self) -> Option<Space> {
        self.look(&mut self.seen.lock()).copied()
    }

    /// What was seen, looked at again when that is no longer good.
    fn look<'a>(&self, seen: &'a mut Option<(Instant, Space)>) -> Option<&'a mut Space> {
        if seen.is_some_and(|(at, _)| at.elapsed() < FRESH) {
            return seen.as_mut().map(|(_, space)| space);
        }
        let told = rustix::fs::statvfs(&self.folder).ok()?;
        let all = told.f_blocks.saturating_mul(told.f_frsize);
        let reserve = self.reserve.unwrap_or_else(|| (all / 20).clamp(LEAST, MOST));
        // The administrator may write what the file system keeps from others.
        let root = rustix::process::geteuid().is_root();
        let blocks = if root { told.f_bfree } else { told.f_bavail };
        let space = Space { free: blocks.saturating_mul(told.f_frsize), reserve };
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("portaria_disk_free_bytes").set(space.free as f64);
        Some(&mut seen.insert((Instant::now(), space)).1)
    }

    /// Takes room for a file of this size, if it leaves the reserve untouched: until the next look, further files find
    /// that much less. A disk that cannot be asked is trusted: writing tells.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let mut seen = self.seen.lock();
        let Some(space) = self.look(&mut seen) else { return true };
        let fits = space.free >= space.reserve.saturating_add(bytes);
        if fits {
            space.free -= bytes;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_between_two_looks_leave_the_reserve_untouched() {
        let disk = Disk::new(Path::new("/"), None);
        // Looked at an hour from now: no other look comes between.
        let space = Space { free: 26 << 20, reserve: 16 << 20 };
        *disk.seen.lock() = Some((Instant::now() + Duration::from_secs(3600), space));
        assert_eq!([4, 4, 4, 2].map(|mib| disk.take(mib << 20)), [true, true, false, true]);
        assert!(!disk.take(1));
    }
}
